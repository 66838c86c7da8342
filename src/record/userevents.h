/* SPDX-License-Identifier: MIT */
/*
 * The kernel's events that explain a measurement in user space: an instance of their own, whose
 * events are looked at and not stored.
 */
#ifndef SONDE_RECORD_USEREVENTS_H
#define SONDE_RECORD_USEREVENTS_H

#include <sys/types.h>

#include "kernel/instance.h"
#include "record/interference.h"

struct user_events {
	struct kernel_instance kernel;
	bool open;
	struct interference *what;
	struct interference_list *lists; /* by CPU */
	int *fds;			 /* by CPU; -1: it has no buffer */
	uint32_t nr_cpus;
	uint8_t *page;
	bool vectors; /* interrupts of the processor itself are among them */
};

/*
 * Enable the events of these kinds (one bit each) that the kernel has, on that clock; not started.
 * What the kernel does not have, or refuses, is only not known. Close it also after a failure.
 */
int user_events_open(struct user_events *ue, const struct tracefs *fs,
		     const struct kernel_events *events, unsigned int kinds, const char *clock,
		     struct kernel_journal *journal, struct err *err) _must_check_;
/* Of sched_waking only these pids are of interest. */
int user_events_wake(struct user_events *ue, const struct kernel_events *events, const pid_t *pids,
		     size_t nr, struct err *err) _must_check_;
/* Read each CPU's events up to `until` at least, as far as there are any. */
int user_events_read(struct user_events *ue, uint64_t until, struct err *err) _must_check_;
void user_events_forget(struct user_events *ue, uint64_t before);
int user_events_close(struct user_events *ue, struct err *err);

#endif
