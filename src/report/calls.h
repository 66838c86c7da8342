/* SPDX-License-Identifier: MIT */
/*
 * Calls out of records: which entry belongs to which return, how deep it is, how long it took. All
 * that works on calls (profile, replay, graph) gets them from here.
 *
 * A source may store the depth and both times of a call in its return, as the kernel's
 * function_graph does, or only that a function was entered and that it returned; what is not stored
 * is derived from the order of a task's records and from their times:
 *
 * - A return ends the innermost open call of its function (and depth, where it is stored). Calls
 *   inside it that are still open then did not return, as after a longjmp.
 * - Where the stack pointer is stored (of programs), it is the call's name: a return ends the calls
 *   of its place on the stack, several if they went on to one another by a jump, unless it says
 *   that another function began there, whose entry a filter has left out; an entry at or
 * above an open call's place says that this one did not return. Calls on other stacks (coroutines,
 * signal handlers) are left alone.
 * - An entry that stores its depth ends the calls at and below that depth in the same way.
 * - Behind a loss nothing is known of the open calls of the tasks that were on that CPU: they are
 *   forgotten. Returns that store their begin still have their time then.
 *
 * A record of the function tracer is a call whose end nobody knows. It names its caller, and from
 * that a chain of callers is kept for each task, as far as it can be guessed.
 */
#ifndef SONDE_REPORT_CALLS_H
#define SONDE_REPORT_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "event/event.h"
#include "report/report.h"

enum call_kind {
	CALL_NONE, /* no record of a call, or one without the fields that it needs */
	CALL_BEGIN,
	CALL_END,
	CALL_POINT, /* a record of the function tracer */
};

/* An open call. */
struct call {
	uint64_t func, ts;
	uint64_t callees_ns; /* time of the calls in it that have ended */
	void *user;	     /* the owner's, NULL at the begin */
	uint64_t number;     /* the owner's, 0 at the begin; so are flags and level */
	uint32_t flags;
	int32_t level;
	uint32_t sp;   /* where it is on the stack, in words; has_sp */
	int32_t depth; /* as stored, or the number of open calls around it */
	bool has_sp;
	bool continues;	 /* what was open at its place has jumped to it */
	bool self_known; /* callees_ns holds all of them */
};

/* A function of a chain of callers. */
struct call_link {
	uint64_t func; /* its start, where its symbol is known */
	void *user;    /* the owner's, NULL when it is new */
};

struct call_task {
	int64_t key; /* the pid; idle tasks: -1 - CPU */
	int32_t pid;
	void *user;	    /* the owner's, NULL when it is new */
	struct call *calls; /* open, outermost first */
	uint32_t nr, cap;
	struct call_link *chain; /* of function records, outermost first */
	uint32_t nr_chain, cap_chain;
	uint32_t cpu;	   /* of its last record */
	uint64_t sequence; /* of its last record */
};

/* What one record says. */
struct call_step {
	enum call_kind kind;
	struct call_task *task;
	uint64_t func;
	int32_t depth;
	uint64_t count; /* CALL_POINT: how often in a row */
	/* CALL_END */
	bool more;	  /* the record ends another call: hand it over once more */
	bool paired;	  /* `call` is the call that ends here, no longer open */
	bool timed;	  /* ns is known */
	bool self_known;  /* self_ns is, too */
	uint64_t ns;	  /* with all that it called */
	uint64_t self_ns; /* without */
	struct call call;
};

/* Told of calls that will have no CALL_END, before they are gone. */
struct calls_owner {
	/* It did not return: something happened that cannot happen inside it. May be NULL. */
	void (*unfinished)(void *arg, struct call_task *task, const struct call *call);
	/* Its end may have been lost. May be NULL. */
	void (*forgotten)(void *arg, struct call_task *task, const struct call *call);
	void *arg;
	bool chains; /* keep the chains of function records, too */
};

struct calls;

/* Borrows `db`, sealed. Memory grows with tasks and the depth of their calls. -ENOMEM. */
int calls_new(struct calls **ret_calls, const struct event_db *db, const struct calls_owner *owner)
	_must_check_;
void calls_free(struct calls *calls);

/* What the records of an event are to be taken for; CALL_NONE: the event is of no concern here. */
enum call_kind calls_kind(const struct calls *calls, const struct event *event);

/*
 * One record, of any event, in time order; events were lost on its CPU before it when item->lost.
 * `ret_step->task` is set for every record whose event is known. After CALL_BEGIN the call is
 * task->calls[task->nr - 1]; after CALL_POINT, with owner->chains, the function is
 * task->chain[task->nr_chain - 1].
 * -ENOMEM.
 */
int calls_record(struct calls *calls, const struct report_item *item, struct call_step *ret_step)
	_must_check_;

/*
 * Whether a record is the return of function `func`, and (then, when it stores both times)
 * *ret_ns how long the call took; else *ret_ns is untouched. For a look ahead: changes nothing.
 */
bool calls_is_return(const struct calls *calls, const struct report_item *next, uint64_t func,
		     uint64_t *ret_ns);

/* The end of all records: what is still open is unfinished. */
void calls_end(struct calls *calls);

/* The task of this pid (not 0); NULL when it has no calls. */
struct call_task *calls_task_of(const struct calls *calls, int32_t pid);
size_t calls_nr_tasks(const struct calls *calls);
struct call_task *calls_task(const struct calls *calls, size_t index); /* in order of appearance */

#endif
