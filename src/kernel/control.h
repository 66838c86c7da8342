/* SPDX-License-Identifier: MIT */
/*
 * Instances as they are, for commands that look at tracing or change it to stay so (stop, clear,
 * show, start). Nothing here remembers or restores: kernel/instance.h is for recordings, which do.
 */
#ifndef SONDE_KERNEL_CONTROL_H
#define SONDE_KERNEL_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "kernel/events.h"
#include "kernel/tracefs.h"

/* The instance in which `sonde start` traces, and which control commands mean when it exists. */
#define KERNEL_LASTING_INSTANCE "sonde"

struct kernel_target {
	char *name; /* "" is the top one */
	char *path; /* its directory */
};

struct kernel_targets {
	struct kernel_target *list; /* owned, with the strings; zero-initialised is empty */
	size_t nr, cap;
};

void kernel_targets_done(struct kernel_targets *targets);
/*
 * Add the instance of that name ("" is the top one); one that is there already is not added again.
 * -ENOENT when it does not exist: err then says which do.
 */
int kernel_targets_add(struct kernel_targets *targets, const struct tracefs *fs, const char *name,
		       struct err *err) _must_check_;
/* Add every instance but the top one, in order of name. */
int kernel_targets_add_all(struct kernel_targets *targets, const struct tracefs *fs,
			   struct err *err) _must_check_;
/* Whether an instance of that name exists; "" always does. */
bool kernel_target_exists(const struct tracefs *fs, const char *name);

/* The files of an instance that hold its state, as far as commands show them. */
enum kernel_control {
	KERNEL_TRACING_ON,
	KERNEL_TRACER,
	KERNEL_TRACERS, /* that it can use */
	KERNEL_CLOCK,	/* all, the current one in brackets */
	KERNEL_OPTIONS, /* as they are set, of all tracers, in order of name */
	KERNEL_CPUMASK,
	KERNEL_BUFFER_SIZE,
	KERNEL_BUFFER_TOTAL_SIZE,
	KERNEL_SUBBUF_SIZE,
	KERNEL_BUFFER_PERCENT,
	KERNEL_FUNCTIONS, /* that can be traced */
	KERNEL_FUNCTION_FILTER,
	KERNEL_FUNCTION_NOTRACE,
	KERNEL_FUNCTION_PIDS,
	KERNEL_FUNCTION_NOTRACE_PIDS,
	KERNEL_GRAPH_FUNCTION,
	KERNEL_GRAPH_NOTRACE,
	KERNEL_GRAPH_DEPTH,
	KERNEL_THRESHOLD,
	KERNEL_MAX_LATENCY,
	KERNEL_EVENT_PIDS,
	KERNEL_EVENT_NOTRACE_PIDS,
	KERNEL_KPROBES,
	KERNEL_UPROBES,
	KERNEL_SYNTHETIC_EVENTS,
	KERNEL_DYNAMIC_EVENTS, /* all kinds */
	KERNEL_ERROR_LOG,
	KERNEL_NR_CONTROLS,
};

/* The content of such a file; *ret_text is the caller's to mem_free. */
int kernel_control_read(const struct kernel_target *target, enum kernel_control control,
			char **ret_text, struct err *err) _must_check_;
bool kernel_control_exists(const struct kernel_target *target, enum kernel_control control);
/* Its path as a new string, or NULL when memory is short. */
char *kernel_control_path(const struct kernel_target *target, enum kernel_control control)
	_must_check_;

/* The files of one event. */
enum kernel_event_file {
	KERNEL_EVENT_ENABLE,
	KERNEL_EVENT_FORMAT,
	KERNEL_EVENT_FILTER,
	KERNEL_EVENT_TRIGGER,
	KERNEL_EVENT_HIST,
};

int kernel_event_read(const struct kernel_target *target, const struct kernel_event *event,
		      enum kernel_event_file file, char **ret_text, struct err *err) _must_check_;
char *kernel_event_path(const struct kernel_target *target, const struct kernel_event *event,
			enum kernel_event_file file) _must_check_;
/* Whether there is a system 'ftrace': events of tracers and markers, which no one can enable. */
bool kernel_has_ftrace_system(const struct kernel_target *target);
/* '1' when all events of the system are enabled, '0' none, 'X' some. */
int kernel_system_enabled(const struct kernel_target *target, const char *system, char *ret_state,
			  struct err *err) _must_check_;

/* The kernel's own text of a buffer. */
enum kernel_buffer {
	KERNEL_BUFFER_TRACE,	/* reading leaves it as it is */
	KERNEL_BUFFER_PIPE,	/* reading consumes, and waits for more */
	KERNEL_BUFFER_SNAPSHOT, /* what was set aside; -ENOENT where the kernel has none */
};
#define KERNEL_ALL_CPUS (-1)

/* Open it for reading, of one CPU or of all. */
int kernel_buffer_open(const struct kernel_target *target, enum kernel_buffer buffer, int cpu,
		       int *ret_fd, struct err *err) _must_check_;
char *kernel_buffer_path(const struct kernel_target *target, enum kernel_buffer buffer, int cpu)
	_must_check_;

/* tracing_on. */
int kernel_control_switch(const struct kernel_target *target, bool on, struct err *err)
	_must_check_;
/* Empty the buffer of all CPUs. */
int kernel_control_clear(const struct kernel_target *target, struct err *err) _must_check_;

#endif
