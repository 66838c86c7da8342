/* SPDX-License-Identifier: MIT */
/* What triggers this kernel has, and what they do, for those that sonde must stand in for. */
#ifndef SONDE_KERNEL_TRIGGERS_H
#define SONDE_KERNEL_TRIGGERS_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/control.h"
#include "kernel/events.h"
#include "kernel/instance.h"

/*
 * Whether the kernel lacks a trigger command ("traceoff", `len` bytes) for this event: it is not in
 * the list that an event without triggers shows, or the event has no such file. False when that
 * cannot be seen; then the kernel's answer decides.
 */
bool kernel_trigger_missing(const struct tracefs *fs, const struct kernel_event *event,
			    const char *command, size_t len);

/* Note the state of an event of a borrowed instance in the journal, for kernel_event_switch. */
int kernel_event_borrow(struct kernel_instance *inst, const struct kernel_event *event,
			struct err *err) _must_check_;
/* Switch one event on or off. Touches nothing but its file: any thread may call it. */
int kernel_event_switch(const struct kernel_target *target, const struct kernel_event *event,
			bool on, struct err *err) _must_check_;

#endif
