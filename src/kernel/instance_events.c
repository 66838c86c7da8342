/* SPDX-License-Identifier: MIT */
/*
 * Events of one instance: switching, filters, triggers, and its per-CPU buffers. Whole systems are
 * written with one write in an instance of our own; in a borrowed one every event by itself, since
 * only that can be given back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/out.h"
#include "kernel/errlog.h"
#include "kernel/instance.h"

#define TEXT_BYTES (4u << 20)

static char *event_file(const struct kernel_event *event, bool whole_system, const char *file)
{
	_cleanup_out_ struct out out = {0};

	out_printf(&out, "events/%s/", event->system);
	if (!whole_system)
		out_printf(&out, "%s/", event->name);
	out_str(&out, file);
	return out.failed ? NULL : mem_strdup(out_cstr(&out));
}

static size_t hits_in_system(const struct kernel_events *events, const bool *hits, size_t first)
{
	size_t nr = 0;

	for (size_t i = 0; i < events->list[first].nr_in_system; i++)
		nr += hits[first + i];
	return nr;
}

/*
 * Call fn for every hit, or once for a system all of whose events are hit when `grouped`.
 */
typedef int (*event_fn)(struct kernel_instance *inst, const struct kernel_event *event,
			bool whole_system, const char *text, struct err *err);

static int for_each_hit(struct kernel_instance *inst, const struct kernel_events *events,
			const bool *hits, bool grouped, event_fn fn, const char *text,
			struct err *err)
{
	for (size_t i = 0; i < events->nr; i++) {
		const struct kernel_event *event = &events->list[i];
		bool whole = grouped && event->first_of_system == i && event->nr_in_system > 1 &&
			     hits_in_system(events, hits, i) == event->nr_in_system;
		int r;

		if (!hits[i])
			continue;
		r = fn(inst, event, whole, text, err);
		if (r < 0)
			return r;
		if (whole)
			i += event->nr_in_system - 1;
	}
	return 0;
}

static int enable_one(struct kernel_instance *inst, const struct kernel_event *event,
		      bool whole_system, const char *text, struct err *err)
{
	_cleanup_free_ char *file = event_file(event, whole_system, "enable");
	char what[200];

	if (!file)
		return err_sys(err, -ENOMEM, "cannot switch events");
	snprintf(what, sizeof(what), "%s %.80s%s%.80s", text[0] == '1' ? "enable" : "disable",
		 event->system, whole_system ? "" : ":", whole_system ? "" : event->name);
	return kernel_instance_write(inst, file, text, what, err);
}

int kernel_instance_enable(struct kernel_instance *inst, const struct kernel_events *events,
			   const bool *hits, bool enable, struct err *err)
{
	return for_each_hit(inst, events, hits, inst->created, enable_one, enable ? "1" : "0", err);
}

int kernel_instance_enabled(const struct kernel_instance *inst, char **ret_text, struct err *err)
{
	return tracefs_read(inst->path, "set_event", "list the enabled events", TEXT_BYTES,
			    ret_text, NULL, err);
}

static int disable_all(struct kernel_instance *inst, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char *rest;
	int r = kernel_instance_enabled(inst, &text, err);

	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &rest); line && r == 0;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *colon = strchr(line, ':');
		struct kernel_event event = {.system = line};

		if (!colon)
			continue;
		*colon = '\0';
		event.name = colon + 1;
		r = enable_one(inst, &event, false, "0", err);
	}
	return r;
}

/* A list that holds something. */
static int empty_list(struct kernel_instance *inst, const char *file, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r;

	if (!tracefs_exists(inst->path, file))
		return 0;
	r = tracefs_read(inst->path, file, "look at a list", TEXT_BYTES, &text, NULL, err);
	/* What the kernel refuses to everybody (lockdown) holds nothing. */
	if (r < 0)
		return r == -EPERM ? 0 : r;
	if (!text[0] || text[0] == '#' || !strncmp(text, "no pid", 6))
		return 0;
	return kernel_instance_write(inst, file, "", "empty a list", err);
}

int kernel_instance_quiet(struct kernel_instance *inst, struct err *err)
{
	static const char *const lists[] = {
		"set_event_pid",	  "set_event_notrace_pid", "set_ftrace_pid",
		"set_ftrace_notrace_pid", "set_ftrace_filter",	   "set_ftrace_notrace",
		"set_graph_function",	  "set_graph_notrace",
	};
	_cleanup_free_ char *tracer = NULL;
	int r;

	if (inst->created)
		return 0;
	r = tracefs_read(inst->path, "current_tracer", "look at the tracer", 4096, &tracer, NULL,
			 err);
	if (r == 0 && strncmp(tracer, "nop", 3) != 0)
		r = kernel_instance_write(inst, "current_tracer", "nop", "stop the tracer", err);
	if (r == 0)
		r = disable_all(inst, err);
	for (size_t i = 0; i < ARRAY_SIZE(lists) && r == 0; i++)
		r = empty_list(inst, lists[i], err);
	return r;
}

/*
 * An event's filter file after a refused filter: "TEXT\n%*s^\nparse_error: MESSAGE\n". Cut in
 * place; false when it is not of that form.
 */
static bool filter_file_error(char *text, char **ret_message, int *ret_caret)
{
	char *message = strstr(text, "\nparse_error: "), *caret;

	if (!message)
		return false;
	*message = '\0';
	caret = strrchr(text, '\n');
	if (!caret)
		return false;
	*caret++ = '\0';
	*ret_caret = (int)strspn(caret, " ");
	*ret_message = message + 14;
	(*ret_message)[strcspn(*ret_message, "\n")] = '\0';
	return true;
}

#define FIELD_NOT_FOUND "Field not found"

/* Why a filter was refused. 1 when only because this event has no such field. */
static int filter_refused(struct kernel_instance *inst, int code, const char *file,
			  const char *where, const char *filter, struct err *err)
{
	_cleanup_free_ char *text = NULL, *log = NULL;
	char *message, *command;
	struct err other;
	int caret;

	/* Any other errno may stand for a syntax error: the kernel's parser has its own numbers. */
	if (code == -ENOMEM || code == -EIO || code == -ENODEV || code == -ENOSPC)
		return code;
	if (tracefs_read(inst->path, file, "read a filter", TEXT_BYTES, &text, NULL, &other) == 0 &&
	    filter_file_error(text, &message, &caret))
		command = text;
	else if (tracefs_read(inst->path, "error_log", "read errors", TEXT_BYTES, &log, NULL,
			      &other) < 0 ||
		 !kernel_errlog_find(log, NULL, &message, &command, &caret))
		return err_set(err, -EINVAL,
			       "the kernel does not accept the filter '%.200s' for %s", filter,
			       where);
	err_set(err, -EINVAL,
		"the kernel does not accept the filter for %.100s: %.100s\n  %.120s\n  %*s^", where,
		message, command, MIN(MAX(caret, 0), 120), "");
	return strcmp(message, FIELD_NOT_FOUND) ? -EINVAL : 1;
}

/* 0: it took the filter, 1: it has no such field (and err says so). */
static int filter_one(struct kernel_instance *inst, const struct kernel_event *event,
		      const char *filter, struct err *err)
{
	_cleanup_free_ char *file = event_file(event, false, "filter");
	char where[200];
	int r;

	if (!file)
		return err_sys(err, -ENOMEM, "cannot set a filter");
	snprintf(where, sizeof(where), "%.80s:%.80s", event->system, event->name);
	r = kernel_instance_write(inst, file, filter, "set a filter", err);
	if (r == 0)
		return 0;
	r = filter_refused(inst, r, file, where, filter, err);
	/* What was refused stays in the file as an error text; take it out. */
	if (r == 1 && tracefs_write(inst->path, file, "0", "clear a filter", NULL) < 0)
		return err->code;
	return r;
}

/*
 * `~ "*x"` never matches a fixed char array in many kernels (their matcher for the end of a string
 * looks at the end of the array), `~ "**x"` says the same and goes through the full glob. Returns
 * a new string.
 */
static char *work_around_suffix_match(const char *filter)
{
	_cleanup_out_ struct out out = {0};
	bool after_tilde = false;

	for (const char *c = filter; *c; c++) {
		size_t len;

		out_char(&out, *c);
		if (after_tilde && (*c == '"' || *c == '\'')) {
			const char *end = strchr(c + 1, *c);

			if (end && c[1] == '!')
				out_char(&out, *++c);
			len = end ? (size_t)(end - c - 1) : 0;
			if (len > 1 && c[1] == '*' && strcspn(c + 2, "*?[\\") >= len - 1)
				out_char(&out, '*');
			out_mem(&out, c + 1, len + (end != NULL));
			c += len + (end != NULL);
			after_tilde = false;
			continue;
		}
		after_tilde = *c == '~' || (after_tilde && *c == ' ');
	}
	return out.failed ? NULL : mem_strdup(out_cstr(&out));
}

int kernel_instance_filter(struct kernel_instance *inst, const struct kernel_events *events,
			   const bool *hits, const char *filter, size_t *ret_without,
			   struct err *err)
{
	_cleanup_free_ char *text = work_around_suffix_match(filter);
	size_t took = 0, without = 0;

	if (!text)
		return err_sys(err, -ENOMEM, "cannot set a filter");
	for (size_t i = 0; i < events->nr; i++) {
		struct err reason = {0};
		int r;

		if (!hits[i])
			continue;
		r = filter_one(inst, &events->list[i], text, &reason);
		if (r < 0 || (r == 1 && !without))
			*err = reason;
		if (r < 0)
			return r;
		took += r == 0;
		without += r == 1;
	}
	if (without && !took)
		return err->code;
	*ret_without = without;
	return 0;
}

int kernel_instance_open_raw(const struct kernel_instance *inst, unsigned int cpu, int *ret_fd,
			     struct err *err)
{
	char file[64];
	_cleanup_free_ char *path = NULL;
	int fd;

	snprintf(file, sizeof(file), "per_cpu/cpu%u/%s", cpu,
		 inst->snapshot ? "snapshot_raw" : "trace_pipe_raw");
	path = tracefs_join(inst->path, file);
	if (!path)
		return err_sys(err, -ENOMEM, "cannot open the buffer of CPU %u", cpu);
	do {
		fd = io_open(path, O_RDONLY | O_NONBLOCK, 0);
	} while (fd == -EINTR);
	if (fd == -ENOENT)
		return fd;
	if (fd < 0)
		return tracefs_explain(err, fd, "read the ring buffer", path);
	*ret_fd = fd;
	return 0;
}

static uint64_t stat_value(const char *text, const char *name)
{
	size_t len = strlen(name);

	while (*text) {
		if (!strncmp(text, name, len) && text[len] == ':')
			return strtoull(text + len + 1, NULL, 10);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return 0;
}

void kernel_stats_parse(const char *text, struct kernel_cpu_stats *ret_stats)
{
	*ret_stats = (struct kernel_cpu_stats){
		.entries = stat_value(text, "entries"),
		.overrun = stat_value(text, "overrun"),
		.commit_overrun = stat_value(text, "commit overrun"),
		.bytes = stat_value(text, "bytes"),
		.dropped = stat_value(text, "dropped events"),
		.read = stat_value(text, "read events"),
	};
}

int kernel_instance_stats(const struct kernel_instance *inst, unsigned int cpu,
			  struct kernel_cpu_stats *ret_stats, char **ret_text, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char file[64];
	int r;

	snprintf(file, sizeof(file), "per_cpu/cpu%u/stats", cpu);
	r = tracefs_read(inst->path, file, "read the statistics", TEXT_BYTES, &text, NULL, err);
	if (r < 0)
		return r;
	kernel_stats_parse(text, ret_stats);
	if (ret_text)
		*ret_text = steal(&text);
	return 0;
}

/* "now ts: SECONDS.MICROSECONDS" of a clock that counts nanoseconds, else its plain count. */
int kernel_instance_now(const struct kernel_instance *inst, unsigned int cpu, uint64_t *ret_now,
			struct err *err)
{
	struct kernel_cpu_stats stats;
	_cleanup_free_ char *text = NULL;
	const char *now;
	char *end;
	int r = kernel_instance_stats(inst, cpu, &stats, &text, err);

	if (r < 0)
		return r;
	now = strstr(text, "now ts: ");
	if (!now)
		return err_set(err, -EBADMSG, "%s/per_cpu/cpu%u/stats is not understood",
			       inst->path, cpu);
	*ret_now = strtoull(now + 8, &end, 10);
	if (*end == '.')
		*ret_now = *ret_now * 1000000000u + strtoull(end + 1, NULL, 10) * 1000u;
	return 0;
}
