/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: a buffer's content set aside. The kernel swaps in a second buffer
 * (CONFIG_TRACER_SNAPSHOT). Where it has no such file, the text of the buffer and of each CPU is
 * copied to files below snapshot/ in the state directory (kernel/journal.h) while tracing is
 * stopped for a moment; the buffer itself keeps its content then.
 */
#ifndef SONDE_KERNEL_SNAPSHOT_H
#define SONDE_KERNEL_SNAPSHOT_H

#include <stdbool.h>

#include "kernel/control.h"

/* Whether the kernel takes them itself. */
bool kernel_snapshot_native(const struct kernel_target *target);

/*
 * Take one of `cpu` or KERNEL_ALL_CPUS, empty it (what was allocated stays so), or free it. One
 * that does not exist is empty and free already. Free is for all CPUs together.
 */
int kernel_snapshot_take(const struct tracefs *fs, const struct kernel_target *target, int cpu,
			 struct err *err) _must_check_;
int kernel_snapshot_reset(const struct tracefs *fs, const struct kernel_target *target, int cpu,
			  struct err *err) _must_check_;
int kernel_snapshot_free(const struct tracefs *fs, const struct kernel_target *target,
			 struct err *err) _must_check_;

/* Open its text; -ENODATA, without err, when a copy would be there but none has been taken. */
int kernel_snapshot_open(const struct tracefs *fs, const struct kernel_target *target, int cpu,
			 int *ret_fd, struct err *err) _must_check_;
/* The file that holds it; new string, NULL when memory is short. */
char *kernel_snapshot_path(const struct tracefs *fs, const struct kernel_target *target, int cpu)
	_must_check_;

#endif
