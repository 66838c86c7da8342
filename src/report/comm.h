/* SPDX-License-Identifier: MIT */
/*
 * Names of tasks. A file records some (saved_cmdlines); printing a sched_switch or sched_wakeup
 * teaches more, for pids that had none, from that line on, as in trace-cmd. The first name of a pid
 * is kept. Used by one thread.
 *
 * trace-cmd 3.1 differs in one corner: until it first looks for a name, which it does not for pid
 * 0, every name that is printed is added to its list, also for pids that have one; later it finds
 * one of them by bisection. comm_table_31_* do the same.
 */
#ifndef SONDE_REPORT_COMM_H
#define SONDE_REPORT_COMM_H

#include <stdint.h>

#include "base/err.h"
#include "event/event.h"

enum {
	COMM_EARLY_MAX = 4096 /* names remembered from before the first search */
};

struct comm_table;

int comm_table_new(struct comm_table **ret_table) _must_check_;
void comm_table_free(struct comm_table *table);

/* NULL when the pid has no name yet. The pointer stays valid as long as the table. */
const char *comm_table_find(const struct comm_table *table, int32_t pid);
/* Learn a name of at most `size` bytes, ended by a NUL or the size. Known pids keep theirs. */
int comm_table_learn(struct comm_table *table, int32_t pid, const char *comm, uint32_t size)
	_must_check_;
/* Changes with every name learned, so that callers may cache a lookup. */
uint32_t comm_table_generation(const struct comm_table *table);

/* As trace-cmd 3.1; `db` has the names that were recorded. Pid 0 is learned, too. */
const char *comm_table_31_find(struct comm_table *table, const struct event_db *db, int32_t pid);
int comm_table_31_learn(struct comm_table *table, const struct event_db *db, int32_t pid,
			const char *comm, uint32_t size) _must_check_;
/* The line of a task other than pid 0 is printed. */
void comm_table_31_searched(struct comm_table *table);

#endif
