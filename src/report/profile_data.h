/* SPDX-License-Identifier: MIT */
/*
 * Inside of the profile: what is counted (profile_setup.c), the counting (profile.c) and the text
 * (profile_print.c). Everything but the stacks of open pairs lives in one arena.
 */
#ifndef SONDE_REPORT_PROFILE_DATA_H
#define SONDE_REPORT_PROFILE_DATA_H

#include "base/arena.h"
#include "base/map.h"
#include "report/profile.h"

struct kind;
struct task;
struct start;

enum kind_type {
	KIND_OTHER,
	KIND_STACK,
	KIND_SWITCH,
	KIND_WAKEUP,
	KIND_FUNCTION,
	KIND_GRAPH_ENTRY,
	KIND_GRAPH_EXIT,
	KIND_EXEC,
	KIND_SOFTIRQ, /* entry, exit and raise: named by the vector */
	KIND_SYSCALL, /* named by the number */
};

/* How one event is counted. The kinds of a pair point at each other. */
struct kind {
	const struct event *event;
	enum kind_type type;
	struct kind *begins, *ends; /* the kind that ends what this one begins, and the reverse */
	const struct event_field *pid;	     /* whose it is, when not the current task's */
	const struct event_field *begin_key; /* equal in both records of the pair that it begins */
	const struct event_field *end_key;   /* and of the pair that it ends */
	const struct event_field *value;     /* of events that stand alone */
	bool migrates;			     /* the pair may begin and end on different CPUs */
	bool global;			     /* the pair belongs to the CPU or to all */
};

/* A stack as recorded; each distinct one is kept once. */
struct stack_text {
	struct stack_text *next; /* of the same hash */
	uint32_t len, id;
	uint8_t bytes[];
};

struct times {
	uint64_t count, total;
	uint64_t max, max_ts, min, min_ts;
};

/* One stack below one entry. */
struct entry_stack {
	struct entry_stack *next; /* of this entry */
	struct entry_stack *same_hash;
	struct entry *entry;
	const struct stack_text *text;
	struct times times;
};

/* One line of a task's list: an event, and a key where its pairs are told apart. */
struct entry {
	struct entry *next; /* of this task */
	struct entry *same_hash;
	struct task *task;
	const struct kind *kind;
	uint64_t key, value;
	struct times times;
	uint64_t last_time; /* of the pair that ended last: a stack behind it counts it */
	struct entry_stack *stacks;
};

struct task {
	struct task *next; /* in order of appearance */
	int32_t pid;
	bool sleeping;
	bool is_global; /* the owner of interrupts and softirqs with -G */
	bool fresh_stack;
	bool grouped; /* its entries have moved to a group of its name */
	const char *comm;
	uint32_t id;
	struct entry *entries;
	struct task *stack_owner; /* the task that the next stack of this one belongs to */
	struct start *last_start; /* what the next stack is of */
	struct entry *last_entry; /* or this */
	const struct stack_text *spare_stack; /* of nothing yet: perhaps of a function entry */
	uint64_t spare_ts;
};

/* Something that began. Linked by its key, and by CPU, to be dropped when events were lost. */
struct start {
	struct start *older; /* with the same hash, or in the free list */
	struct start *newer;
	struct start *prev, *next; /* of its CPU, or of those that migrate */
	uint64_t hash;
	const struct kind *kind;
	struct task *task;
	uint64_t key, value, ts;
	uint32_t list; /* the CPU's number, or nr_cpus for those that migrate */
	const struct stack_text *stack;
	uint64_t stack_ts;
};

struct profile {
	const struct event_db *db;
	struct arena arena;
	bool by_comm, big_endian;
	uint32_t nr_cpus, long_size;
	struct kind **by_id; /* owned array; kinds in the arena */
	size_t nr_ids;
	const struct event_field *common_pid;
	const struct event_field *switch_next, *switch_prev_comm, *switch_next_comm, *wakeup_comm;
	const struct kind *stack_kind;
	uint32_t stack_offset; /* of the addresses in a kernel_stack record */

	struct map tasks, entries, starts, stacks, entry_stacks;
	struct task *first_task, **last_task, *recent_task;
	uint32_t nr_tasks, nr_stacks;
	struct task *cpu_tasks; /* with -G: nr_cpus of them, and one for pairs that migrate */
	struct start **open;	/* nr_cpus + 1 lists */
	struct start *free_starts;
};

/* profile_setup.c */
int profile_setup(struct profile *profile, const struct profile_options *options, struct err *err)
	_must_check_;

/* profile.c, also used to merge tasks of one name */
struct entry *profile_entry(struct profile *profile, struct task *task, const struct kind *kind,
			    uint64_t key, uint64_t value);
struct entry_stack *profile_entry_stack(struct profile *profile, struct entry *entry,
					const struct stack_text *text);
struct task *profile_new_task(struct profile *profile, int32_t pid);
void times_merge(struct times *times, const struct times *other);

#endif
