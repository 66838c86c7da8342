/* SPDX-License-Identifier: MIT */
/*
 * Settings of the tracers hwlat, osnoise and timerlat where they run in user space. Names, units
 * and defaults are those of the kernel's files; -O NAME=VALUE.
 */
#ifndef SONDE_RECORD_USERSETTINGS_H
#define SONDE_RECORD_USERSETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum user_tracer_kind {
	USER_HWLAT,
	USER_OSNOISE,
	USER_TIMERLAT,
	USER_NR_TRACERS
};

enum user_hwlat_mode {
	USER_MODE_NONE,
	USER_MODE_ROUND_ROBIN,
	USER_MODE_PER_CPU
};

struct user_settings {
	uint64_t hwlat_window_us, hwlat_width_us;
	enum user_hwlat_mode hwlat_mode;
	uint64_t thresh_us; /* 0: the tracer's own: hwlat 10, osnoise 5 */
	uint64_t osnoise_period_us, osnoise_runtime_us;
	uint64_t stop_us, stop_total_us; /* 0: never */
	uint64_t timerlat_period_us;
	const char *cpus; /* list as 0,2-3; borrowed; NULL: all */
};

void user_settings_init(struct user_settings *settings);

/* The tracer of that name; false when it is none that user space could stand in for. */
bool user_tracer_by_name(const char *name, enum user_tracer_kind *ret_kind);
const char *user_tracer_name(enum user_tracer_kind kind);

/*
 * Take one -O: 1 when it was a setting, 0 when its name is none of these. -ENOTSUP for one that
 * makes sense only inside the kernel, -EINVAL for a value that is out of range or belongs to
 * another tracer.
 */
int user_settings_option(struct user_settings *settings, enum user_tracer_kind kind,
			 const char *option, struct err *err) _must_check_;
/* After all options: do they go together. */
int user_settings_check(const struct user_settings *settings, enum user_tracer_kind kind,
			struct err *err) _must_check_;

/* Mark in cpus[nr] those of a list ("0,2-3"), or of a hexadecimal mask ("f", "ff,00000000"). */
int user_cpus_list(const char *list, bool *cpus, uint32_t nr, struct err *err) _must_check_;
int user_cpus_mask(const char *mask, bool *cpus, uint32_t nr, struct err *err) _must_check_;

#endif
