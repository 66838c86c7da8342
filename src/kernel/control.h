/* SPDX-License-Identifier: MIT */
/*
 * Instances as they are, for commands that look at tracing or change it to stay so (stop, clear,
 * show, start). Nothing here remembers or restores: kernel/instance.h is for recordings, which do.
 */
#ifndef SONDE_KERNEL_CONTROL_H
#define SONDE_KERNEL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "kernel/tracefs.h"

/* The instance in which `sonde start` traces, and which control commands mean when it exists. */
#define KERNEL_LASTING_INSTANCE "sonde"

struct kernel_target {
	char *name; /* "" is the top one */
	char *path; /* its directory */
};

struct kernel_targets {
	struct kernel_target *list; /* owned, with the strings; zero-initialised is empty */
	size_t nr, cap;
};

void kernel_targets_done(struct kernel_targets *targets);
/*
 * Add the instance of that name ("" is the top one); one that is there already is not added again.
 * -ENOENT when it does not exist: err then says which do.
 */
int kernel_targets_add(struct kernel_targets *targets, const struct tracefs *fs, const char *name,
		       struct err *err) _must_check_;
/* Add every instance but the top one, in order of name. */
int kernel_targets_add_all(struct kernel_targets *targets, const struct tracefs *fs,
			   struct err *err) _must_check_;
/* Whether an instance of that name exists; "" always does. */
bool kernel_target_exists(const struct tracefs *fs, const char *name);

/* tracing_on. */
int kernel_control_switch(const struct kernel_target *target, bool on, struct err *err)
	_must_check_;
/* Empty the buffer of all CPUs. */
int kernel_control_clear(const struct kernel_target *target, struct err *err) _must_check_;

#endif
