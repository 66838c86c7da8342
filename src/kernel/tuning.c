/* SPDX-License-Identifier: MIT */
#include "kernel/tuning.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/borrow.h"

static const struct tuning {
	const char *name, *file;
} tunings[] = {
	{"tracing_thresh", "tracing_thresh"},
	{"hwlat_window", "hwlat_detector/window"},
	{"hwlat_width", "hwlat_detector/width"},
	{"hwlat_mode", "hwlat_detector/mode"},
	{"osnoise_cpus", "osnoise/cpus"},
	{"osnoise_period_us", "osnoise/period_us"},
	{"osnoise_runtime_us", "osnoise/runtime_us"},
	{"osnoise_stop_tracing_us", "osnoise/stop_tracing_us"},
	{"osnoise_stop_tracing_total_us", "osnoise/stop_tracing_total_us"},
	{"osnoise_print_stack", "osnoise/print_stack"},
	{"timerlat_period_us", "osnoise/timerlat_period_us"},
};

static const struct tuning *find(const char *option)
{
	size_t len = strcspn(option, "=");

	for (size_t i = 0; i < ARRAY_SIZE(tunings); i++) {
		if (strlen(tunings[i].name) == len && !memcmp(tunings[i].name, option, len))
			return &tunings[i];
	}
	return NULL;
}

bool kernel_tuning_is(const char *option)
{
	return find(option);
}

void kernel_tuning_suggest(struct closest *closest)
{
	for (size_t i = 0; i < ARRAY_SIZE(tunings); i++)
		closest_try(closest, tunings[i].name);
}

int kernel_tuning_write(struct kernel_journal *journal, const struct tracefs *fs,
			const char *option, struct err *err)
{
	const struct tuning *tuning = find(option);
	const char *value = strchr(option, '=');
	char what[100];

	if (!tuning || !value)
		return err_set(err, -EINVAL, "-O %.60s needs a value: %.60s=...", option, option);
	if (!tracefs_exists(fs->path, tuning->file))
		return err_set(err, -ENOENT,
			       "-O %s: this kernel has no %s/%s, because it was built without the "
			       "tracer that it belongs to; what sonde measures in its place is set "
			       "together with it (sonde record -p hwlat, osnoise or timerlat)",
			       tuning->name, fs->path, tuning->file);
	snprintf(what, sizeof(what), "set %.90s", option);
	return kernel_borrow_write(journal, fs->path, tuning->file, value + 1, what, err);
}
