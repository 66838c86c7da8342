/* SPDX-License-Identifier: MIT */
/* Inside of replay: lines, the queue in which some wait, and what is known of CPUs and functions.
 */
#ifndef SONDE_REPORT_REPLAY_DATA_H
#define SONDE_REPORT_REPLAY_DATA_H

#include "base/arena.h"
#include "base/map.h"
#include "report/replay.h"

enum {
	/* Lines that wait for what is not known of the first of them; beyond, it is decided. */
	REPLAY_QUEUE = 1 << 16,
	REPLAY_INDENT = 2,
	REPLAY_COMM = 7 /* letters of a task's name that the kernel shows */
};

/* A function, and what the options say of it. */
struct replay_func {
	uint64_t addr;
	const char *name, *module; /* name NULL: not known */
	struct call_named named;
	bool irq; /* an entry of the kernel for interrupts */
};

enum replay_kind {
	LINE_BEGIN,	 /* func() { */
	LINE_LEAF,	 /* func(); */
	LINE_END,	 /* } */
	LINE_POINT,	 /* a record of the function tracer */
	LINE_COMMENT,	 /* another event */
	LINE_UNFINISHED, /* a call whose return was not recorded */
	LINE_LOST
};

struct replay_line {
	enum replay_kind kind;
	bool wait_time;	 /* is it long enough to be shown? */
	bool wait_shape; /* LINE_BEGIN: or is it a leaf? */
	bool dropped;
	bool timed;
	struct replay_source *source;
	const struct replay_func *func;
	const char *comm, *event; /* event: of a comment, its name */
	uint64_t ts, ns;
	uint64_t count;		 /* LINE_POINT: in a row; LINE_LEAF: folded */
	uint64_t min_ns, max_ns; /* of the folded */
	int64_t lost;
	const char *text; /* of a comment; owned when the line is in the queue */
	size_t text_len;
	uint64_t parent; /* LINE_POINT: the caller, where no line shows it; 0: one does */
	uint32_t cpu;
	int32_t pid, depth;
};

/* One CPU of one source, as far as lines were printed. */
struct replay_cpu {
	int32_t last_pid; /* -1: none */
	int32_t depth;	  /* of the last line */
	uint64_t *funcs;  /* of open braces, by depth; owned */
	size_t nr_funcs;
	int32_t comm_pid; /* of comm; -1: none */
	const char *comm;
};

/* When the task's last line was, and which column it has. */
struct replay_task {
	uint64_t last_ts;
	bool any;
	uint32_t column;
};

struct replay_source {
	struct replay *replay;
	/*
	 * Whose CPUs and tasks it is shown with: its own. The kernel's buffer of a recording that
	 * has programs beside it: theirs, so that its events stand inside the calls.
	 */
	struct replay_source *shown;
	const struct source *source;
	struct calls *calls;
	struct map funcs; /* by address: struct replay_func */
	struct map tasks; /* by pid: struct replay_task */
	uint32_t nr_tasks;
	struct replay_cpu *cpus;
	size_t nr_cpus, cap_cpus;
	uint64_t irq_start, irq_end; /* 0: not known */
	unsigned int cpu_digits;
	char *title; /* NULL: the only one; owned */
};

/* An entry of which the next record of its CPU may be the return. */
struct replay_pending {
	bool is;
	struct replay_line line;
	struct call_task *task;
};

struct replay {
	struct replay_options options;
	struct replay_source *sources;
	const struct source *first_source;
	size_t nr_sources;
	struct arena arena;
	bool deltas; /* REPLAY_DELTA is among the fields */
	bool hides;  /* options that hide calls: a leaf is then what has no shown calls inside */
	struct replay_pending pending;
	/* The queue: a ring. The number of a line is where it stood in all of them, from 1. */
	struct replay_line *queue;
	uint64_t head, tail;
	struct replay_line held; /* fold: the last leaf; count 0: none */
	/* printing */
	struct out *out; /* while an item is at work */
	struct out text; /* a comment's, before it is a line */
	const struct replay_source *shown_source;
	uint64_t first_ts, now;
	bool any;
	int error;
};

/* Append a line: printed at once when none waits before it. */
void replay_push(struct replay *replay, const struct replay_line *line);
/* The waiting line of this number; NULL when it was printed or dropped. */
struct replay_line *replay_waiting(struct replay *replay, uint64_t number);
/* The number that the next pushed line gets. */
uint64_t replay_next_number(const struct replay *replay);
/* Print what waits no longer; `all`: what waits is decided now. */
void replay_flush(struct replay *replay, bool all);

/* replay_text.c, replay_json.c */
void replay_print(struct replay *replay, const struct replay_line *line);
void replay_json(struct replay *replay, const struct replay_line *line);
/* Calls that were open at the end; `calls`: the innermost last. */
void replay_print_open(struct replay *replay, struct replay_source *source,
		       const struct call_task *task);

/* The function at `addr`, made when it is new; NULL without memory. */
const struct replay_func *replay_func(struct replay_source *source, uint64_t addr);
struct replay_task *replay_task(struct replay_source *source, int32_t pid); /* likewise */
/* Reached for every record, so it is there for every line. */
struct replay_cpu *replay_cpu(struct replay_source *source, uint32_t cpu);
const char *replay_comm(struct replay_source *source, uint32_t cpu, int32_t pid);

/* A flag of struct call: its line shows its end, too. */
enum {
	CALL_SHORT = CALL_OWNER
};

#endif
