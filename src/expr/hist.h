/* SPDX-License-Identifier: MIT */
/*
 * Hist triggers and synthetic events (Documentation/trace/histogram.rst): the kernel's language and
 * its engine, on raw records of any source.
 *
 *   hist:keys=K[,K]:vals=V[,V]:sort=F[.descending][,F]:size=N:VAR=EXPR:onmatch(S.E).ACTION if
 * FILTER
 *
 * A hist_set is what one tracing instance is to the kernel: synthetic events and the triggers of
 * all events, which may refer to each other's variables. Texts are accepted and refused as the
 * kernel of the given version does, with its words. Records are then handed over in the order of
 * time. The memory of a histogram is bounded by its size; what finds no room is counted.
 *
 * In strict mode the result is the kernel's, bit by bit, oddities included; else it is the honest
 * one. docs/design/hist.md lists the differences. Not thread-safe.
 */
#ifndef SONDE_EXPR_HIST_H
#define SONDE_EXPR_HIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/out.h"
#include "event/event.h"

/* What differs between kernels. */
struct hist_kernel {
	bool filter_errors; /* 6.2: what is wrong with a trigger's filter is in the error_log */
	bool nohitcount;    /* 6.2: nohitcount, modifiers on hitcount */
	bool stack_fields;  /* 6.3: common_stacktrace, FIELD.stacktrace */
	bool double_pop;    /* 6.9: the sort takes two elements a step, which shows in ties */
	unsigned int skip_frames; /* of a recorded stack, which begins further inside */
};

/* From a release ("6.1.0-57-amd64") or a line that has one ("Linux host 6.1.0 #1 ..."). */
struct hist_kernel hist_kernel_from_release(const char *release);

struct hist_options {
	struct hist_kernel kernel;
	const char *release; /* of that kernel; NULL: the newest */
	bool strict;
	bool nsecs;   /* the clock of the records counts ns, so that .usecs divides */
	bool counted; /* elsewhere (hist_set_add), where filters have been: they are only shown */
};

struct hist_set;
struct hist; /* one trigger */

/* Borrows `db`, sealed. */
int hist_set_new(struct hist_set **ret_set, const struct event_db *db,
		 const struct hist_options *options) _must_check_;
void hist_set_free(struct hist_set *set);

/* "NAME TYPE FIELD[; TYPE FIELD]", or "!NAME"; as written to synthetic_events. */
int hist_set_synthetic(struct hist_set *set, const char *text, struct err *err) _must_check_;

/* "hist:..." or "!hist:...", as written to the trigger file of the event. */
int hist_set_trigger(struct hist_set *set, const struct event *event, const char *text,
		     struct err *err) _must_check_;

/* An event of the db, or a synthetic one; NULL. */
const struct event *hist_set_event(const struct hist_set *set, const char *system,
				   const char *name);
/* The same from one text: SYSTEM:EVENT, SYSTEM.EVENT, SYSTEM/EVENT or EVENT. */
const struct event *hist_set_find_event(const struct hist_set *set, const char *name);

/*
 * What the kernel would have put into its error_log for the last text that was refused: the i-th
 * message, and where its caret stands in *ret_command. NULL when there are no more; several texts
 * are refused without any.
 */
const char *hist_set_error(const struct hist_set *set, size_t i, const char **ret_place,
			   const char **ret_command, size_t *ret_at);

struct hist_record {
	const struct event *event;
	const void *data;
	uint32_t len;
	uint32_t cpu;
	uint64_t ts;
	const uint64_t *stack; /* kernel stack recorded behind it, innermost first; or NULL */
	uint32_t nr_stack;
};

/* The name of a task at this moment, or NULL. */
typedef const char *hist_comm_fn(void *arg, int32_t pid);
void hist_set_comm(struct hist_set *set, hist_comm_fn *comm, void *arg);

/*
 * `event`, a synthetic one, stands for calls of functions: .function in its filters, which are
 * added later, takes patterns (function_pattern.h).
 */
void hist_set_calls(struct hist_set *set, const struct event *event);

/* Called with each synthetic event that fires: a record in the kernel's layout. Negative: stop. */
typedef int hist_emit_fn(void *arg, const struct hist_record *record);
void hist_set_emit(struct hist_set *set, hist_emit_fn *emit, void *arg);

/* Whether records of an event are wanted, and with their stacks. */
bool hist_set_wants(const struct hist_set *set, const struct event *event, bool *ret_stack);

/* -ENOMEM, or what `emit` failed with. */
int hist_set_record(struct hist_set *set, const struct hist_record *record) _must_check_;
/*
 * A record of a synthetic event with these values, one a field, numbers only: as trace() makes it.
 * `cause` gives the common fields, CPU and time.
 */
int hist_set_fire(struct hist_set *set, const struct event *synthetic,
		  const struct hist_record *cause, const uint64_t *values) _must_check_;
/* Events were lost on this CPU: variables that a CPU's events set are no longer trusted. */
int hist_set_lost(struct hist_set *set, uint32_t cpu) _must_check_;

/*
 * --- counted by the kernel ---
 *
 * A trigger's text for a kernel whose `hist` file is to be loaded: with room for more keys than it
 * has by itself, and without .percent and .graph, which hide the numbers. `as_it_is`: unchanged.
 * `control` ("pause", "clear") goes in front of the filter; or NULL.
 */
void hist_kernel_text(const char *text, bool as_it_is, const char *control, struct out *out);
/* Whether a kernel's file has all that is shown of this trigger; else why not. */
bool hist_is_loadable(const struct hist *hist, const char **ret_why);
/*
 * Take what the kernel's `hist` file of an event says, of all its triggers; what they held before
 * is forgotten. -EBADMSG when it is not the file of these triggers, -ENOMEM.
 */
int hist_set_load(struct hist_set *set, const struct event *event, const char *text,
		  struct err *err) _must_check_;

/*
 * --- counted elsewhere, element by element ---
 *
 * A trigger that needs no more than numbers of a record: keys of fields or the CPU, values of
 * fields; no variables, actions, texts or stacks.
 */
enum hist_unit {
	HIST_PLAIN,
	HIST_POWERS, /* .log2 */
	HIST_WIDTHS, /* .buckets */
};

struct hist_plain_key {
	const struct event_field *field; /* NULL: the CPU */
	enum hist_unit unit;
	uint64_t width; /* HIST_WIDTHS */
};

enum {
	HIST_PLAIN_KEYS = 3,
	HIST_PLAIN_VALUES = 2
};

struct hist_plain {
	struct hist_plain_key keys[HIST_PLAIN_KEYS];
	uint32_t nr_keys;
	const struct event_field *values[HIST_PLAIN_VALUES]; /* beside the hitcount */
	uint32_t nr_values;
	unsigned int bits; /* 2^bits elements */
};

/* What is behind its `if`; NULL. */
const char *hist_filter(const struct hist *hist);
/* It counts nothing; one with a name may count elsewhere. */
bool hist_is_paused(const struct hist *hist);
/* False: it needs more, *ret_why. The filter is the caller's concern. */
bool hist_is_plain(const struct hist *hist, struct hist_plain *ret_plain, const char **ret_why);
/*
 * To the index-th trigger, which is plain: so many hits of these keys with these sums of its
 * values, which are dropped when its size is used up; and what has been dropped before. -ENOMEM.
 */
struct hist_counted {
	uint64_t keys[HIST_PLAIN_KEYS];
	uint64_t hits, dropped;
	uint64_t sums[HIST_PLAIN_VALUES];
};
int hist_set_add(struct hist_set *set, size_t index, const struct hist_counted *counted)
	_must_check_;

/* The triggers in the order of adding, those that the engine added itself included. */
size_t hist_set_count(const struct hist_set *set);
const struct hist *hist_set_at(const struct hist_set *set, size_t index);

/* Synthetic events and their formats, as tracefs has them. */
size_t hist_set_nr_synthetic(const struct hist_set *set);
const struct event *hist_set_synthetic_at(const struct hist_set *set, size_t index);

const struct event *hist_event(const struct hist *hist);
/* The db of the set, which has the symbols. */
const struct event_db *hist_db(const struct hist *hist);
/* The text of the event's `hist` file: all of its triggers. -ENOMEM. */
int hist_print_kernel(const struct hist_set *set, const struct event *event, struct out *out)
	_must_check_;
/* The normalised text of the trigger, without a newline: as the trigger file shows it. */
void hist_print_trigger(const struct hist *hist, struct out *out);

/* --- the result, for other layouts --- */

enum hist_shape {
	HIST_NUMBER,
	HIST_SIGNED,
	HIST_HEX,
	HIST_SYMBOL,
	HIST_SYMBOL_OFFSET,
	HIST_TASK,  /* a number with the task's name */
	HIST_CALL,  /* a number with the system call's name */
	HIST_STACK, /* up to HIST_STACK_DEPTH addresses, 0 behind the last */
	HIST_LOG2,  /* 2^N is the largest in it */
	HIST_BUCKET,
	HIST_STRING,
	HIST_TIME,
};

enum {
	HIST_STACK_DEPTH = 16
};

struct hist_column {
	const char *name;
	enum hist_shape shape;
	bool percent, graph; /* of a value */
	uint64_t buckets;    /* HIST_BUCKET: how wide */
};

struct hist_cell {
	uint64_t number;
	const char *text; /* HIST_STRING, HIST_TASK, HIST_CALL; "" when not known */
	const uint64_t *stack;
};

struct hist_totals {
	uint64_t hits, entries, dropped;
	uint64_t unmatched; /* hits that lacked a variable of another event */
	uint64_t poisoned;  /* of these, because events had been lost */
};

struct hist_rows; /* sorted */

int hist_rows_new(const struct hist *hist, struct hist_rows **ret_rows) _must_check_;
void hist_rows_free(struct hist_rows *rows);
size_t hist_rows_count(const struct hist_rows *rows);
/* Keys come first; *ret_keys of them. */
size_t hist_nr_columns(const struct hist *hist, size_t *ret_keys);
void hist_column(const struct hist *hist, size_t column, struct hist_column *ret_column);
/* The column by which the rows are sorted first. */
size_t hist_sort_column(const struct hist *hist);
void hist_cell(const struct hist *hist, const struct hist_rows *rows, size_t row, size_t column,
	       struct hist_cell *ret_cell);
/* What onmax and onchange kept of a row: "max", "changed" and saved fields; false: no more. */
bool hist_kept(const struct hist *hist, const struct hist_rows *rows, size_t row, size_t index,
	       const char **ret_name, struct hist_cell *ret_cell, bool *ret_string);
struct hist_totals hist_totals(const struct hist *hist);

/* The kernel's name of a system call (x86-64), or NULL. */
const char *hist_syscall_name(uint64_t number);
/* A symbol as %ps, with offset as %pS prints it: NAME+0xOFF/0xSIZE [MODULE]. */
void hist_symbol(const struct event_db *db, uint64_t address, bool offset, struct out *out);

#endif
