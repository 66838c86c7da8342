/* SPDX-License-Identifier: MIT */
#include "record/usersettings.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

#define US_MAX 3600000000ull /* an hour */

enum {
	HWLAT = 1 << USER_HWLAT,
	OSNOISE = 1 << USER_OSNOISE,
	TIMERLAT = 1 << USER_TIMERLAT
};

static const char *const tracer_names[USER_NR_TRACERS] = {
	[USER_HWLAT] = "hwlat", [USER_OSNOISE] = "osnoise", [USER_TIMERLAT] = "timerlat"};

static const char *const mode_names[] = {
	[USER_MODE_NONE] = "none",
	[USER_MODE_ROUND_ROBIN] = "round-robin",
	[USER_MODE_PER_CPU] = "per-cpu",
};

enum setting_form {
	FORM_US, /* a number; the others have their own form */
	FORM_MODE,
	FORM_CPUS,
	FORM_KERNEL, /* makes sense only there */
};

static const struct setting {
	const char *name;
	unsigned int tracers;
	enum setting_form form;
	size_t offset;
	uint64_t min;
} settings_table[] = {
	{"hwlat_window", HWLAT, FORM_US, offsetof(struct user_settings, hwlat_window_us), 1},
	{"hwlat_width", HWLAT, FORM_US, offsetof(struct user_settings, hwlat_width_us), 1},
	{"hwlat_mode", HWLAT, FORM_MODE, 0, 0},
	{"tracing_thresh", HWLAT | OSNOISE, FORM_US, offsetof(struct user_settings, thresh_us), 0},
	{"osnoise_period_us", OSNOISE, FORM_US, offsetof(struct user_settings, osnoise_period_us),
	 1},
	{"osnoise_runtime_us", OSNOISE, FORM_US, offsetof(struct user_settings, osnoise_runtime_us),
	 1},
	{"osnoise_stop_tracing_us", OSNOISE | TIMERLAT, FORM_US,
	 offsetof(struct user_settings, stop_us), 0},
	{"osnoise_stop_tracing_total_us", OSNOISE | TIMERLAT, FORM_US,
	 offsetof(struct user_settings, stop_total_us), 0},
	{"osnoise_cpus", OSNOISE | TIMERLAT, FORM_CPUS, 0, 0},
	{"timerlat_period_us", TIMERLAT, FORM_US,
	 offsetof(struct user_settings, timerlat_period_us), 100},
	{"osnoise_print_stack", OSNOISE | TIMERLAT, FORM_KERNEL, 0, 0},
};

void user_settings_init(struct user_settings *settings)
{
	*settings = (struct user_settings){
		.hwlat_window_us = 1000000,
		.hwlat_width_us = 500000,
		.hwlat_mode = USER_MODE_ROUND_ROBIN,
		.osnoise_period_us = 1000000,
		.osnoise_runtime_us = 1000000,
		.timerlat_period_us = 1000,
	};
}

bool user_tracer_by_name(const char *name, enum user_tracer_kind *ret_kind)
{
	for (unsigned int i = 0; i < USER_NR_TRACERS; i++) {
		if (strcmp(tracer_names[i], name) != 0)
			continue;
		*ret_kind = (enum user_tracer_kind)i;
		return true;
	}
	return false;
}

const char *user_tracer_name(enum user_tracer_kind kind)
{
	return tracer_names[kind];
}

static int set_number(uint64_t *ret_value, const struct setting *setting, const char *text,
		      struct err *err)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value < setting->min || value > US_MAX)
		return err_set(err, -EINVAL,
			       "-O %s: '%.60s' is no number of microseconds from %llu"
			       " to %llu",
			       setting->name, text, (unsigned long long)setting->min, US_MAX);
	*ret_value = value;
	return 0;
}

static int set_mode(struct user_settings *settings, const char *text, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++) {
		if (!strcmp(mode_names[i], text)) {
			settings->hwlat_mode = (enum user_hwlat_mode)i;
			return 0;
		}
	}
	return err_set(err, -EINVAL, "-O hwlat_mode: '%.60s' is none of none, round-robin, per-cpu",
		       text);
}

static int set_value(struct user_settings *settings, const struct setting *setting,
		     const char *value, struct err *err)
{
	switch (setting->form) {
	case FORM_US:
		return set_number((uint64_t *)((char *)settings + setting->offset), setting, value,
				  err);
	case FORM_MODE:
		return set_mode(settings, value, err);
	case FORM_CPUS:
		settings->cpus = value;
		return 0;
	default:
		return err_set(err, -ENOTSUP,
			       "-O %s works only in the kernel's own tracer, which this kernel "
			       "does not have",
			       setting->name);
	}
}

static const struct setting *find_setting(const char *option)
{
	size_t len = strcspn(option, "=");

	for (size_t i = 0; i < ARRAY_SIZE(settings_table); i++) {
		const char *name = settings_table[i].name;

		if (strlen(name) == len && !memcmp(name, option, len))
			return &settings_table[i];
	}
	return NULL;
}

int user_settings_option(struct user_settings *settings, enum user_tracer_kind kind,
			 const char *option, struct err *err)
{
	const struct setting *setting = find_setting(option);
	const char *value = strchr(option, '=');
	int r;

	if (!setting)
		return 0;
	if (!value)
		return err_set(err, -EINVAL, "-O %s needs a value: %s=...", option, option);
	if (!(setting->tracers & (1u << kind)))
		return err_set(err, -EINVAL, "-O %s is no setting of the tracer %s", setting->name,
			       tracer_names[kind]);
	r = set_value(settings, setting, value + 1, err);
	return r < 0 ? r : 1;
}

int user_settings_check(const struct user_settings *settings, enum user_tracer_kind kind,
			struct err *err)
{
	if (kind == USER_HWLAT && settings->hwlat_width_us > settings->hwlat_window_us)
		return err_set(err, -EINVAL,
			       "the tracer hwlat cannot sample for %llu us (-O hwlat_width) of "
			       "every %llu us (-O hwlat_window)",
			       (unsigned long long)settings->hwlat_width_us,
			       (unsigned long long)settings->hwlat_window_us);
	if (kind == USER_OSNOISE && settings->osnoise_runtime_us > settings->osnoise_period_us)
		return err_set(err, -EINVAL,
			       "the tracer osnoise cannot run for %llu us (-O osnoise_runtime_us) "
			       "of every %llu us (-O osnoise_period_us)",
			       (unsigned long long)settings->osnoise_runtime_us,
			       (unsigned long long)settings->osnoise_period_us);
	return 0;
}

/* --- sets of CPUs --- */

int user_cpus_list(const char *list, bool *cpus, uint32_t nr, struct err *err)
{
	const char *p = list;

	while (*p) {
		unsigned int first, last;
		int used = 0;

		if (sscanf(p, "%u-%u%n", &first, &last, &used) < 2 || !used) {
			used = 0;
			if (sscanf(p, "%u%n", &first, &used) < 1)
				used = 0;
			last = first;
		}
		if (!used || *p < '0' || *p > '9' || first > last || last >= LIMIT_CPUS ||
		    (p[used] && p[used] != ','))
			return err_set(err, -EINVAL, "'%.80s' is no list of CPUs (as 0,2-3)", list);
		for (unsigned int cpu = first; cpu <= last && cpu < nr; cpu++)
			cpus[cpu] = true;
		p += used + (p[used] == ',');
	}
	return 0;
}

int user_cpus_mask(const char *mask, bool *cpus, uint32_t nr, struct err *err)
{
	uint32_t cpu = 0;

	for (size_t i = strlen(mask); i-- > 0;) {
		const char *digits = "0123456789abcdef";
		const char *at = strchr(digits, mask[i] | 0x20);

		if (mask[i] == ',')
			continue;
		if (!at || !*at)
			return err_set(err, -EINVAL,
				       "'%.80s' is no mask of CPUs (-M takes a hexadecimal one)",
				       mask);
		for (unsigned int bit = 0; bit < 4; bit++, cpu++) {
			if (((at - digits) >> bit & 1) && cpu < nr)
				cpus[cpu] = true;
		}
	}
	return 0;
}
