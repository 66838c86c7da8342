/* SPDX-License-Identifier: MIT */
#include "kernel/reset.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/out.h"

#define WHAT	   "reset tracing"
#define LIST_BYTES (16u << 20)
#define ROUNDS_MAX 8 /* a synthetic event may be held by another one's trigger */

/* The first failure of several steps. */
struct steps {
	const struct kernel_target *target;
	struct err first;
};

static void note(struct steps *steps, int r, const struct err *reason)
{
	if (r < 0 && !steps->first.code)
		steps->first = *reason;
}

/* A file that this kernel has; one that it does not have needs no reset. */
static void put(struct steps *steps, const char *file, const char *text)
{
	struct err reason = {0};

	if (tracefs_exists(steps->target->path, file))
		note(steps, tracefs_write(steps->target->path, file, text, WHAT, &reason), &reason);
}

/* A list that the kernel refuses to everybody (lockdown) holds nothing. */
static bool holds_something(struct steps *steps, const char *file)
{
	_cleanup_free_ char *text = NULL;
	struct err reason = {0};
	int r;

	if (!tracefs_exists(steps->target->path, file))
		return false;
	r = tracefs_read(steps->target->path, file, WHAT, LIST_BYTES, &text, NULL, &reason);
	if (r < 0 && r != -EPERM)
		note(steps, r, &reason);
	return r == 0 && text[0] && text[0] != '#' && strncmp(text, "no pid", 6) != 0;
}

static void put_lists(struct steps *steps)
{
	static const char *const emptied[] = {
		"set_event_pid",      "set_event_notrace_pid",	"set_ftrace_pid",
		"set_ftrace_filter",  "set_ftrace_notrace_pid", "set_ftrace_notrace",
		"set_graph_function", "set_graph_notrace",	"error_log",
	};

	for (size_t i = 0; i < ARRAY_SIZE(emptied); i++)
		if (holds_something(steps, emptied[i]))
			put(steps, emptied[i], "");
}

/* Opening the list for writing leaves the commands in it: "FUNCTION:COMMAND[:COUNT]" lines. */
static void remove_commands(struct steps *steps)
{
	_cleanup_free_ char *text = NULL;
	struct err reason = {0};
	char *rest;

	/* Without a file, or refused: no commands. */
	if (!tracefs_exists(steps->target->path, "set_ftrace_filter") ||
	    tracefs_read(steps->target->path, "set_ftrace_filter", WHAT, LIST_BYTES, &text, NULL,
			 &reason) < 0)
		return;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		_cleanup_out_ struct out command = {0};
		size_t len = strlen(line);

		if (line[0] == '#' || !strchr(line, ':'))
			continue;
		if (len > 10 && !strcmp(line + len - 10, ":unlimited"))
			line[len - 10] = '\0';
		else if (strstr(line, ":count="))
			strcpy(strstr(line, ":count="), ":0");
		out_printf(&command, "!%s\n", line);
		note(steps,
		     tracefs_append(steps->target->path, "set_ftrace_filter", out_cstr(&command),
				    WHAT, &reason),
		     &reason);
	}
}

/* "enable_event:SYSTEM:EVENT:count=2 if x": the part that names the trigger. */
static size_t trigger_name(const char *line)
{
	static const char *const ends[] = {":unlimited", ":count=", " if ", " ["};
	size_t len = strlen(line);

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		const char *end = strstr(line, ends[i]);

		if (end)
			len = MIN(len, (size_t)(end - line));
	}
	return len;
}

/* Opening the file for writing removes histograms only, on some kernels. */
static void remove_triggers(struct steps *steps, const char *file)
{
	_cleanup_free_ char *text = NULL;
	struct err reason = {0};
	char *rest;

	if (tracefs_read(steps->target->path, file, WHAT, LIST_BYTES, &text, NULL, &reason) < 0)
		return;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		_cleanup_out_ struct out command = {0};

		if (line[0] == '#')
			continue;
		line[trigger_name(line)] = '\0';
		out_printf(&command, "!%s", line);
		note(steps,
		     tracefs_append(steps->target->path, file, out_cstr(&command), WHAT, &reason),
		     &reason);
	}
}

static void reset_event_files(struct steps *steps, const struct kernel_events *events)
{
	for (size_t i = 0; i < events->nr; i++) {
		const struct kernel_event *event = &events->list[i];
		_cleanup_out_ struct out file = {0};

		if (event->first_of_system == i) {
			out_printf(&file, "events/%s/filter", event->system);
			put(steps, out_cstr(&file), "0");
			file.len = 0;
		}
		out_printf(&file, "events/%s/%s/trigger", event->system, event->name);
		remove_triggers(steps, out_cstr(&file));
	}
}

static void all_cpus(struct steps *steps, const struct tracefs *fs)
{
	_cleanup_out_ struct out mask = {0};

	for (unsigned int cpu = (fs->cpus + 31) / 32 * 32; cpu; cpu -= 32) {
		unsigned int here = MIN(fs->cpus - (cpu - 32), 32u);

		out_printf(&mask, "%x%s", here == 32 ? 0xffffffffu : (1u << here) - 1,
			   cpu > 32 ? "," : "");
	}
	put(steps, "tracing_cpumask", out_cstr(&mask));
}

int kernel_reset(const struct kernel_target *target, const struct tracefs *fs,
		 const struct kernel_events *events, struct err *err)
{
	struct steps steps = {.target = target};

	put(&steps, "tracing_on", "0");
	put(&steps, "current_tracer", "nop");
	put(&steps, "events/enable", "0");
	reset_event_files(&steps, events);
	put_lists(&steps);
	remove_commands(&steps);
	put(&steps, "max_graph_depth", "0");
	put(&steps, "tracing_thresh", "0");
	put(&steps, "tracing_max_latency", "0");
	put(&steps, "trace_clock", "local");
	all_cpus(&steps, fs);
	put(&steps, "trace", "");
	put(&steps, "tracing_on", "1");
	if (steps.first.code)
		*err = steps.first;
	return steps.first.code;
}

int kernel_reset_buffer(const struct kernel_target *target, uint64_t kb, struct err *err)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)kb);
	return tracefs_write(target->path, "buffer_size_kb", text, "resize the buffer", err);
}

int kernel_reset_remove(const struct kernel_target *target, struct err *err)
{
	int r;

	do {
		r = io_rmdir(target->path);
	} while (r == -EINTR);
	if (r == -EBUSY)
		return err_set(err, r,
			       "cannot remove the instance '%.100s': somebody is reading or "
			       "tracing with it (fuser %s/trace_pipe; a recorder?)",
			       target->name, target->path);
	return r < 0 ? tracefs_explain(err, r, "remove a tracing instance", target->path) : 0;
}

/* "r8:grp/name ..." and the like; uprobes name a file. */
static unsigned int kind_of(const char *line)
{
	const char *place = strchr(line, ' ');
	bool file = place && place[1] == '/';

	switch (line[0]) {
	case 'p':
		return file ? KERNEL_DYNAMIC_UPROBE : KERNEL_DYNAMIC_KPROBE;
	case 'r':
		return file ? KERNEL_DYNAMIC_URETPROBE : KERNEL_DYNAMIC_KRETPROBE;
	case 'e':
		return KERNEL_DYNAMIC_EPROBE;
	case 's':
		return KERNEL_DYNAMIC_SYNTH;
	default:
		return KERNEL_DYNAMIC_OTHER;
	}
}

/* One round over the list: how many were removed, and how many could not be. */
static int remove_round(const struct tracefs *fs, unsigned int keep, size_t *ret_left,
			struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t removed = 0, left = 0;
	char *rest;
	int r = tracefs_read(fs->path, "dynamic_events", WHAT, LIST_BYTES, &text, NULL, err);

	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char command[LIMIT_STRING_BYTES];
		const char *colon = strchr(line, ':');
		int len = colon ? (int)strcspn(colon + 1, " \t") : 0;

		if (!len || (kind_of(line) & keep))
			continue;
		if (snprintf(command, sizeof(command), "-:%.*s\n", len, colon + 1) >=
		    (int)sizeof(command))
			continue;
		r = tracefs_append(fs->path, "dynamic_events", command, "remove a dynamic event",
				   err);
		removed += r == 0;
		left += r < 0;
	}
	*ret_left = left;
	return (int)removed;
}

int kernel_reset_dynamic(const struct tracefs *fs, unsigned int keep, struct err *err)
{
	size_t left = 0;
	int r = 1;

	if (!tracefs_exists(fs->path, "dynamic_events"))
		return 0;
	for (unsigned int round = 0; round < ROUNDS_MAX && r > 0; round++) {
		r = remove_round(fs, keep, &left, err);
		if (r < 0 || !left)
			return r < 0 ? r : 0;
	}
	return err_set(err, -EBUSY,
		       "%zu dynamic events could not be removed: something still uses them "
		       "(%.300s)",
		       left, err->text);
}
