/* SPDX-License-Identifier: MIT */
/*
 * Tracing instances: a buffer set of our own, so that nobody else's tracing is disturbed. An
 * instance that was there before (or the top one) is borrowed: what every file says goes into
 * the session's journal before it is changed, and closing writes the old values back, last one
 * first. An instance that is borrowed is locked, as one session at a time can give it back.
 *
 * Our own instance is called sonde-PID and its directory is kept locked (flock) as long as its
 * owner lives, which is how a later run tells a left-over from one in use.
 */
#ifndef SONDE_KERNEL_INSTANCE_H
#define SONDE_KERNEL_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "kernel/events.h"
#include "kernel/journal.h"
#include "kernel/tracefs.h"

struct kernel_instance {
	const struct tracefs *fs;
	char *name; /* "" is the top one */
	char *path;
	int lock_fd;
	bool created;			/* by us, to be removed */
	bool on;			/* tracing_on is 1 */
	uint32_t page_size;		/* bytes of a sub-buffer */
	uint8_t long_size;		/* of the kernel */
	bool switch_noted;		/* tracing_on is in the journal */
	bool snapshot;			/* open_raw and the like mean what was set aside */
	struct kernel_journal *journal; /* borrowed, of the session */
	size_t mark;			/* where this instance begins in it */
};

/* A new instance of our own, stopped. */
int kernel_instance_create(struct kernel_instance *inst, const struct tracefs *fs,
			   struct kernel_journal *journal, struct err *err) _must_check_;
/* The instance of that name, created when it does not exist; "" is the top one. Stopped. */
int kernel_instance_open(struct kernel_instance *inst, const struct tracefs *fs, const char *name,
			 struct kernel_journal *journal, struct err *err) _must_check_;
/*
 * The same, left as it is: neither stopped nor emptied. For a session that changes only what it is
 * told to.
 */
int kernel_instance_adopt(struct kernel_instance *inst, const struct tracefs *fs, const char *name,
			  struct kernel_journal *journal, struct err *err) _must_check_;
/*
 * One that exists, to read what it holds: stopped if it is on, until it is closed. Also one that
 * `sonde start` has set up.
 */
int kernel_instance_look(struct kernel_instance *inst, const struct tracefs *fs, const char *name,
			 struct kernel_journal *journal, struct err *err) _must_check_;
/* Let go of it as it now is; its journal keeps what is needed to give it back. */
void kernel_instance_release(struct kernel_instance *inst);
/* What somebody else had set up in it, switched off: tracer, events, lists of pids and functions.
 */
int kernel_instance_quiet(struct kernel_instance *inst, struct err *err) _must_check_;
/* The text of set_event: "SYSTEM:EVENT" lines of what is enabled; new string. */
int kernel_instance_enabled(const struct kernel_instance *inst, char **ret_text, struct err *err)
	_must_check_;
/*
 * The top instance, for the files that are one for the whole machine (set_graph_function,
 * max_graph_depth, saved_cmdlines_size): borrowed, but nothing of it is stopped or emptied, and
 * others may be using it.
 */
int kernel_instance_globals(struct kernel_instance *inst, const struct tracefs *fs,
			    struct kernel_journal *journal, struct err *err) _must_check_;
/*
 * Undoes what the journal has had since the instance was made or opened, so instances of one
 * session are closed in reverse order. Everything is tried; the first failure is returned.
 */
int kernel_instance_close(struct kernel_instance *inst, struct err *err);

/* Remove instances left by killed recorders; calls note(ctx, name) for each. Never fails. */
void kernel_instance_remove_stale(const struct tracefs *fs,
				  void (*note)(void *ctx, const char *name), void *ctx);

/* Write a file of the instance, remembering what it said when the instance is borrowed. */
int kernel_instance_write(struct kernel_instance *inst, const char *file, const char *text,
			  const char *what, struct err *err) _must_check_;

/* Add a line to a list; `undo` is the line that takes it out again, for a borrowed instance. */
int kernel_instance_add(struct kernel_instance *inst, const char *file, const char *text,
			const char *undo, const char *what, struct err *err) _must_check_;

int kernel_instance_start(struct kernel_instance *inst, struct err *err) _must_check_;
int kernel_instance_stop(struct kernel_instance *inst, struct err *err) _must_check_;
int kernel_instance_clear(struct kernel_instance *inst, struct err *err) _must_check_;

int kernel_instance_tracer(struct kernel_instance *inst, const char *tracer, struct err *err)
	_must_check_;
/* Whether the instance's list of tracers has it. */
bool kernel_instance_has_tracer(const struct kernel_instance *inst, const char *tracer);
int kernel_instance_option(struct kernel_instance *inst, const char *option, struct err *err)
	_must_check_;
int kernel_instance_clock(struct kernel_instance *inst, const char *clock, struct err *err)
	_must_check_;
int kernel_instance_buffer(struct kernel_instance *inst, uint64_t kb, struct err *err) _must_check_;
/* The same for one that is smaller; one that the kernel expands by itself is left to it. */
int kernel_instance_buffer_at_least(struct kernel_instance *inst, uint64_t kb, struct err *err)
	_must_check_;
int kernel_instance_subbuf(struct kernel_instance *inst, uint64_t kb, struct err *err) _must_check_;
/* A hexadecimal mask, or "-1": all CPUs. */
int kernel_instance_cpumask(struct kernel_instance *inst, const char *mask, struct err *err)
	_must_check_;
/* A list of pids into one of the *_pid files. */
int kernel_instance_pids(struct kernel_instance *inst, const char *file, const pid_t *pids,
			 size_t nr, struct err *err) _must_check_;

/* Content of trace_clock ("[local] global ..."), and the current one out of it. */
int kernel_instance_clocks(const struct kernel_instance *inst, char **ret_text, struct err *err)
	_must_check_;
char *kernel_clock_current(const char *text) _must_check_; /* new string, "local" when unclear */

/* Enable (or disable) the events whose hits[] are set. */
int kernel_instance_enable(struct kernel_instance *inst, const struct kernel_events *events,
			   const bool *hits, bool enable, struct err *err) _must_check_;
/*
 * Give them a filter; on a syntax error err holds the kernel's message and its caret. An event that
 * has no such field stays without a filter, which is an error only when none has it; *ret_without
 * counts those. (A system's own filter file is not used: it reports success when every one of its
 * events refused.)
 */
int kernel_instance_filter(struct kernel_instance *inst, const struct kernel_events *events,
			   const bool *hits, const char *filter, size_t *ret_without,
			   struct err *err) _must_check_;
int kernel_instance_trigger(struct kernel_instance *inst, const struct kernel_events *events,
			    const bool *hits, const char *trigger, struct err *err) _must_check_;

/* The raw sub-buffers of one CPU, non-blocking; -ENOENT (without err) when it has no buffer. */
int kernel_instance_open_raw(const struct kernel_instance *inst, unsigned int cpu, int *ret_fd,
			     struct err *err) _must_check_;

struct kernel_cpu_stats {
	uint64_t entries, overrun, commit_overrun, bytes, dropped, read;
};
/* ret_text gets the file's text (new string) and may be NULL. -ENOENT when there is no such CPU. */
int kernel_instance_stats(const struct kernel_instance *inst, unsigned int cpu,
			  struct kernel_cpu_stats *ret_stats, char **ret_text, struct err *err)
	_must_check_;
/* What the clock of the instance shows now, in units of its records; a CPU that exists. */
int kernel_instance_now(const struct kernel_instance *inst, unsigned int cpu, uint64_t *ret_now,
			struct err *err) _must_check_;
void kernel_stats_parse(const char *text, struct kernel_cpu_stats *ret_stats);

#endif
