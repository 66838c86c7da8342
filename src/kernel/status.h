/* SPDX-License-Identifier: MIT */
/* What is set in an instance now, for `sonde stat`: read all at once, nothing is changed. */
#ifndef SONDE_KERNEL_STATUS_H
#define SONDE_KERNEL_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "kernel/control.h"
#include "kernel/events.h"
#include "kernel/instance.h"

struct kernel_event_status {
	bool enabled;
	char *filter;  /* owned; NULL: none. After a bad one: the kernel's text with the caret */
	char *trigger; /* owned; one a line; NULL: none */
};

struct kernel_cpu_status {
	unsigned int cpu;
	struct kernel_cpu_stats stats;
};

struct kernel_status {
	/*
	 * Without final newline and without the kernel's words for "nothing"; NULL where nothing is
	 * set, where the kernel or the instance has no such file, or where it was refused.
	 */
	char *text[KERNEL_NR_CONTROLS];
	bool unchanged[KERNEL_NR_CONTROLS]; /* as in an instance that nobody has touched */
	bool refused[KERNEL_NR_CONTROLS];
	struct err refusal; /* why the first of these was; code 0: none was */
	struct kernel_events events;
	struct kernel_event_status *event_status; /* of each of events.list */
	size_t nr_enabled;
	struct kernel_cpu_status *cpus;
	size_t nr_cpus;
};

/* Filters and triggers cost two reads an event, a tenth of a second for all. */
int kernel_status_read(struct kernel_status *status, const struct tracefs *fs,
		       const struct kernel_target *target, struct err *err) _must_check_;
void kernel_status_done(struct kernel_status *status);

/* Events lost on a CPU, and events that it has written in all. */
uint64_t kernel_cpu_lost(const struct kernel_cpu_stats *stats);
uint64_t kernel_cpu_written(const struct kernel_cpu_stats *stats);

#endif
