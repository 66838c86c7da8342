/* SPDX-License-Identifier: MIT */
/*
 * The kernel's stack tracer: which functions were on the deepest kernel stack since it was
 * started. It is one for the whole kernel (CONFIG_STACK_TRACER) and belongs to no instance.
 */
#ifndef SONDE_KERNEL_STACKTRACER_H
#define SONDE_KERNEL_STACKTRACER_H

#include <stdbool.h>

#include "base/err.h"
#include "kernel/tracefs.h"

/* Where it is switched on and off: "/proc/sys/kernel/stack_tracer_enabled"; a test has its own. */
extern const char *kernel_stacktracer_switch;

/* -ENOENT, explained, where the kernel has none. */
int kernel_stacktracer_running(const struct tracefs *fs, bool *ret_running, struct err *err)
	_must_check_;
int kernel_stacktracer_run(const struct tracefs *fs, bool run, struct err *err) _must_check_;
/* Forget the deepest stack, so that the next one is taken whatever its depth. */
int kernel_stacktracer_reset(const struct tracefs *fs, struct err *err) _must_check_;
/* The kernel's table of the deepest stack; new string. */
int kernel_stacktracer_read(const struct tracefs *fs, char **ret_text, struct err *err)
	_must_check_;

#endif
