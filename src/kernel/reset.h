/* SPDX-License-Identifier: MIT */
/*
 * Tracing switched off for good: what `reset` does to an instance, whoever has set it up. Nothing
 * here is remembered or given back.
 */
#ifndef SONDE_KERNEL_RESET_H
#define SONDE_KERNEL_RESET_H

#include "kernel/control.h"
#include "kernel/events.h"

/*
 * The instance as it was when it was new: tracer nop, no events, filters, triggers, chosen pids or
 * functions, clock local, all CPUs, an empty buffer that is switched on. Everything is tried; the
 * first failure is returned. `fs` and its events are borrowed.
 */
int kernel_reset(const struct kernel_target *target, const struct tracefs *fs,
		 const struct kernel_events *events, struct err *err);
/* Its per-CPU buffer size. */
int kernel_reset_buffer(const struct kernel_target *target, uint64_t kb, struct err *err)
	_must_check_;
/* Remove the instance itself. */
int kernel_reset_remove(const struct kernel_target *target, struct err *err) _must_check_;

enum kernel_dynamic { /* kinds of events that are defined at run time, as bits */
	KERNEL_DYNAMIC_KPROBE = 1 << 0,
	KERNEL_DYNAMIC_KRETPROBE = 1 << 1,
	KERNEL_DYNAMIC_UPROBE = 1 << 2,
	KERNEL_DYNAMIC_URETPROBE = 1 << 3,
	KERNEL_DYNAMIC_EPROBE = 1 << 4,
	KERNEL_DYNAMIC_SYNTH = 1 << 5,
	KERNEL_DYNAMIC_OTHER = 1 << 6,
	KERNEL_DYNAMIC_ALL = (1 << 7) - 1,
};
/* Remove the machine's dynamic events but those of the kinds in `keep`. */
int kernel_reset_dynamic(const struct tracefs *fs, unsigned int keep, struct err *err);

#endif
