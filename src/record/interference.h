/* SPDX-License-Identifier: MIT */
/*
 * What took a CPU away from a thread that measures it: interrupts, soft interrupts, NMIs and other
 * tasks, read from the kernel's own events. A gap in which none of them happened is the hardware's
 * (or the hypervisor's).
 */
#ifndef SONDE_RECORD_INTERFERENCE_H
#define SONDE_RECORD_INTERFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "ring/subbuf.h"

enum interference_kind {
	INTERFERENCE_IRQ,     /* irq:irq_handler_entry and the entries of irq_vectors */
	INTERFERENCE_SOFTIRQ, /* irq:softirq_entry */
	INTERFERENCE_NMI,     /* nmi:nmi_handler; value: its duration in ns */
	INTERFERENCE_SWITCH,  /* sched:sched_switch; value: pid of the task that runs next */
	INTERFERENCE_TIMER,   /* timer:hrtimer_expire_entry */
	INTERFERENCE_WAKING,  /* sched:sched_waking; value: pid of the woken task */
	INTERFERENCE_LOST,    /* events before this one were lost; value: time of the last before */
	INTERFERENCE_NR_KINDS,
};

/* Which events are wanted, for those who enable them; an event ending in '*' is a pattern. */
struct interference_source {
	enum interference_kind kind;
	const char *system, *event;
	const char *value; /* field, or NULL */
};
extern const struct interference_source interference_sources[];
extern const size_t interference_nr_sources;

struct interference_event {
	uint64_t ts;
	int64_t value;
	int32_t pid; /* of the interrupted task, as are the flags */
	uint8_t kind, flags, preempt_count;
};

/* Of one CPU, in order of time. Zero-initialised is empty. */
struct interference_list {
	struct interference_event *events;
	size_t nr, cap;
	uint64_t last_ts; /* of the last event that was scanned */
};

struct interference; /* which event ids mean what */

int interference_new(struct interference **ret_what, const struct subbuf_layout *layout)
	_must_check_;
void interference_free(struct interference *what);
/* An event's format text; not borrowed. One that lacks the needed field is an error. */
int interference_add(struct interference *what, const struct interference_source *source,
		     const char *text, size_t len, struct err *err) _must_check_;
/* Whether any event of this kind was added: without one, its count is not known. */
bool interference_knows(const struct interference *what, enum interference_kind kind);

/* Append the events of a page; -ENOMEM. */
int interference_scan(const struct interference *what, struct interference_list *list,
		      const void *page, uint32_t page_size) _must_check_;
/* Forget what was before `ts`. */
void interference_forget(struct interference_list *list, uint64_t ts);
void interference_list_done(struct interference_list *list);

/* Index of the first event at or after `ts`. */
size_t interference_find(const struct interference_list *list, uint64_t ts);

struct interference_counts {
	uint32_t by_kind[INTERFERENCE_NR_KINDS];
	uint64_t nmi_ns;
	bool lost; /* events of this time were lost: the counts are too low */
};
/*
 * Events within [start, end]. Of INTERFERENCE_SWITCH only those to another task than `own_pid`
 * count.
 */
void interference_count(const struct interference_list *list, uint64_t start, uint64_t end,
			int32_t own_pid, struct interference_counts *ret_counts);

/*
 * Whether an interrupt or a switch of tasks happened within [start, end]; an NMI only with
 * `nmi_too`.
 */
bool interference_explains(const struct interference_list *list, uint64_t start, uint64_t end,
			   bool nmi_too);

#endif
