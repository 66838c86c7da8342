/* SPDX-License-Identifier: MIT */
/*
 * `report --profile`: where tasks spent their time. Pairs of events (switched out and in, woken and
 * run, system call, interrupt, softirq, page fault, function entry and exit, and pairs the user
 * names) are matched a task or a CPU, and their times summed with the stack that was recorded
 * behind them. Output after the last event, in trace-cmd's layout.
 */
#ifndef SONDE_REPORT_PROFILE_H
#define SONDE_REPORT_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/out.h"
#include "event/event.h"
#include "report/report.h"

struct profile;

struct profile_options {
	bool global;		  /* -G: interrupts and softirqs belong to the CPU, not the task */
	bool by_comm;		  /* --by-comm: tasks of one name are one */
	const char *const *hooks; /* -H texts, and those recorded in the file; borrowed until
				     profile_new returns */
	size_t nr_hooks;
	uint32_t nr_cpus;
};

/*
 * Borrows `db`, sealed. -EINVAL when a hook is malformed or names an unknown event or field; err
 * says which and where.
 */
int profile_new(struct profile **ret_profile, const struct event_db *db,
		const struct profile_options *options, struct err *err) _must_check_;
void profile_free(struct profile *profile);

/* What a hook needs to have been recorded: patterns SYSTEM:EVENT, the caller's to free. */
struct profile_hook {
	char *first, *second;
	bool stack; /* with a stack behind the first */
};
/* -EINVAL when the hook is malformed, -ENOMEM. */
int profile_hook_events(const char *hook, struct profile_hook *ret_hook, struct err *err)
	_must_check_;

/*
 * One record that passed the filters, in time order. Memory grows with the number of tasks, kinds
 * of events, distinct stacks and open pairs, not with the number of records. -ENOMEM.
 */
int profile_event(struct profile *profile, const struct event *event, const void *data,
		  uint32_t len, uint32_t cpu, uint64_t ts) _must_check_;

/* Events of that CPU were lost here: pairs that are open there, or may be, are forgotten. */
void profile_lost(struct profile *profile, uint32_t cpu);

/* To be called once, after the last record. -ENOMEM. */
int profile_print(struct profile *profile, struct out *out) _must_check_;
/* In its place, JSON or CSV: a row for each event of each task, without the stacks. */
int profile_rows(struct profile *profile, enum report_format format, const char *buffer,
		 struct out *out) _must_check_;
void profile_rows_heading(struct out *out, enum report_format format, bool with_buffer);

#endif
