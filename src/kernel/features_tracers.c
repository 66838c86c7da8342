/* SPDX-License-Identifier: MIT */
/* Tracers, probes, and what the kernel computes by itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "kernel/features_internal.h"

#define LIST_BYTES (1u << 20)

/* --- tracers --- */

static void probe_listed(struct probing *p, enum feature_id id)
{
	const char *tracer = feature_info(id)->tracer;

	if (!tracefs_list_has(p->tracers, tracer))
		probe_missing(p, id);
	else if (tracefs_list_has(p->own_tracers, tracer))
		probe_ok(p, id, "also in instances");
	else if (p->has_inst)
		probe_ok(p, id, "only in the top instance");
	else
		probe_ok(p, id, "%s", "");
}

/*
 * Whether the function tracer can be set, found out without setting it. A kernel that keeps the
 * filter shut may still take the tracer: only then it is tried, in our instance, which is off.
 */
static int try_function(struct probing *p, int filter)
{
	int r;

	if ((filter != -EPERM && filter != -EACCES) || !p->has_inst || !p->inst.created ||
	    !tracefs_list_has(p->own_tracers, "function"))
		return filter == -ENOENT ? 0 : filter;
	r = tracefs_write(p->dir, "current_tracer", "function", "try a tracer", NULL);
	if (r == 0)
		r = tracefs_write(p->dir, "current_tracer", "nop", "end it", NULL);
	return r;
}

static bool ftrace_disabled(const struct probing *p)
{
	_cleanup_free_ char *text = probe_machine_file(p, "/proc/sys/kernel/ftrace_enabled");

	return text && text[0] == '0';
}

/* A function tracer that is in the list, and what else could keep it from working. */
static void probe_function_tracer(struct probing *p, enum feature_id id, int refused)
{
	probe_listed(p, id);
	if (p->features->list[id].state != FEATURE_OK)
		return;
	if (refused < 0)
		probe_result(p, id, refused, "current_tracer");
	else if (ftrace_disabled(p))
		probe_limited(p, id, FEATURE_FIX_ROOT, "sysctl kernel.ftrace_enabled=1",
			      "switched off: kernel.ftrace_enabled is 0, so it records nothing");
}

static void probe_in_instances(struct probing *p, enum feature_id id, enum feature_id tracer)
{
	const struct feature *f = &p->features->list[tracer];

	if (f->state == FEATURE_OK && tracefs_list_has(p->own_tracers, f->info->tracer))
		probe_ok(p, id, "%s", "");
	else if (f->state == FEATURE_OK && p->has_inst)
		probe_missing(p, id);
	else if (f->state == FEATURE_OK)
		probe_unknown(p, id, "not tried: it takes an own instance");
	else
		probe_as_part(p, id, tracer);
}

/* An option of a tracer that the kernel keeps: no use without it. */
static void probe_option(struct probing *p, enum feature_id id, enum feature_id tracer)
{
	const struct feature *f = &p->features->list[tracer];

	if (f->state == FEATURE_MISSING ||
	    (f->state != FEATURE_OK && tracefs_exists(p->fs->path, feature_info(id)->file)))
		probe_as_part(p, id, tracer);
	else
		probe_file(p, id, p->fs->path, feature_info(id)->file, O_RDONLY);
}

void probe_tracers(struct probing *p)
{
	static const enum feature_id plain[] = {
		FEATURE_BLK,	   FEATURE_HWLAT,      FEATURE_OSNOISE,	       FEATURE_TIMERLAT,
		FEATURE_IRQSOFF,   FEATURE_PREEMPTOFF, FEATURE_PREEMPTIRQSOFF, FEATURE_WAKEUP,
		FEATURE_WAKEUP_RT, FEATURE_WAKEUP_DL,  FEATURE_MMIOTRACE,      FEATURE_BRANCH,
		FEATURE_NOP,
	};
	int filter = probe_open(p->dir, "set_ftrace_filter", O_RDONLY);
	int refused = try_function(p, filter);

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		probe_listed(p, plain[i]);
	probe_function_tracer(p, FEATURE_FUNCTION, refused);
	probe_function_tracer(p, FEATURE_GRAPH, refused);
	probe_result(p, FEATURE_FUNCTION_FILTER, filter, "set_ftrace_filter");
	if (p->features->list[FEATURE_FUNCTION].state == FEATURE_REFUSED)
		probe_as_part(p, FEATURE_FUNCTION_FILTER, FEATURE_FUNCTION);
	probe_in_instances(p, FEATURE_FUNCTION_INSTANCES, FEATURE_FUNCTION);
	probe_in_instances(p, FEATURE_GRAPH_INSTANCES, FEATURE_GRAPH);
	probe_option(p, FEATURE_FUNCTION_ARGS, FEATURE_FUNCTION);
	probe_option(p, FEATURE_GRAPH_RETVAL, FEATURE_GRAPH);
	probe_option(p, FEATURE_GRAPH_RETADDR, FEATURE_GRAPH);
	probe_option(p, FEATURE_GRAPH_ARGS, FEATURE_GRAPH);
	probe_file(p, FEATURE_PROFILER, p->fs->path, "function_profile_enabled", O_RDONLY);
	probe_file(p, FEATURE_STACK_TRACER, p->fs->path, "stack_trace", O_RDONLY);
}

/* --- probes --- */

/*
 * Define an event, which attaches nothing yet, and remove it. The group's name has our pid, so that
 * two of us do not meet.
 */
static int define(struct probing *p, const char *file, const char *type, const char *place)
{
	char text[200], removal[100];
	struct err ignored;
	size_t mark;
	int r;

	if (!p->journal)
		return -ECANCELED;
	mark = kernel_journal_mark(p->journal);
	snprintf(removal, sizeof(removal), "-:sonde_%d/doctor", (int)getpid());
	r = kernel_journal_push(p->journal, KERNEL_UNDO_PROBE, p->fs->path, file, removal,
				&ignored);
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%s:sonde_%d/doctor %s", type, (int)getpid(), place);
	r = tracefs_append(p->fs->path, file, text, "define a probe", NULL);
	if (r == 0)
		return kernel_journal_undo(p->journal, mark, &ignored);
	kernel_journal_forget(p->journal, mark);
	return r;
}

static void probe_defined(struct probing *p, enum feature_id id, int code, const char *file)
{
	if (code == -ECANCELED)
		probe_unknown(p, id, "not tried: the journal cannot be written");
	else
		probe_result(p, id, code, file);
}

/* At a function that every kernel has; which of them may be probed differs. */
static int define_kprobe(struct probing *p, const char *type)
{
	static const char *const functions[] = {"vfs_read", "kernel_clone", "do_exit"};
	int r = probe_open(p->fs->path, "kprobe_events", O_WRONLY | O_APPEND);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(functions); i++) {
		int code = define(p, "kprobe_events", type, functions[i]);

		if (code == 0 || code == -EPERM || i == ARRAY_SIZE(functions) - 1)
			return code == -ENOENT ? -EINVAL : code;
	}
	return r;
}

static void probe_eprobe(struct probing *p)
{
	const struct kernel_event *event = p->events.list;
	char place[200];
	int r = probe_open(p->fs->path, "dynamic_events", O_WRONLY | O_APPEND);

	for (size_t i = 0; i < p->events.nr; i++) {
		if (!strcmp(p->events.list[i].name, "sched_process_exec"))
			event = &p->events.list[i];
	}
	if (r == 0 && p->events.nr == 0) {
		probe_unknown(p, FEATURE_EPROBE, "not tried: there is no event to attach it to");
		return;
	}
	if (r == 0) {
		snprintf(place, sizeof(place), "%.80s.%.80s", event->system, event->name);
		r = define(p, "dynamic_events", "e", place);
	}
	/* A definition that nobody knows is EINVAL. */
	probe_defined(p, FEATURE_EPROBE, r == -EINVAL ? -ENOENT : r, "dynamic_events");
}

/* Defining one would leave its function in touched_functions, so the kernel's own words count. */
static void probe_by_readme(struct probing *p, enum feature_id id)
{
	const struct feature *kprobe = &p->features->list[FEATURE_KPROBE];

	if (!strstr(p->readme, feature_info(id)->words))
		probe_missing(p, id);
	else if (kprobe->state == FEATURE_REFUSED)
		probe_refused(p, id, -EPERM, "dynamic_events");
	else
		probe_ok(p, id, "%s", "");
}

void probe_probes(struct probing *p)
{
	/* Our own program, whatever its name. */
	static const char place[] = "/proc/self/exe:0x40";
	int r = probe_open(p->fs->path, "uprobe_events", O_WRONLY | O_APPEND);

	probe_defined(p, FEATURE_KPROBE, define_kprobe(p, "p"), "kprobe_events");
	probe_defined(p, FEATURE_KRETPROBE, define_kprobe(p, "r"), "kprobe_events");
	probe_defined(p, FEATURE_UPROBE, r < 0 ? r : define(p, "uprobe_events", "p", place),
		      "uprobe_events");
	probe_defined(p, FEATURE_URETPROBE, r < 0 ? r : define(p, "uprobe_events", "r", place),
		      "uprobe_events");
	probe_eprobe(p);
	probe_by_readme(p, FEATURE_FPROBE);
	probe_by_readme(p, FEATURE_TPROBE);
	probe_file(p, FEATURE_USER_EVENTS, p->fs->path, "user_events_data", O_RDONLY);
}

/* --- summaries --- */

/* An event without a trigger lists those there are. */
static int read_triggers(struct probing *p)
{
	const char *what = "list the triggers";
	int r = -ENOENT;

	for (size_t i = 0; i < p->events.nr && i < 64; i++) {
		char file[300];
		char *text;

		snprintf(file, sizeof(file), "events/%.100s/%.100s/trigger",
			 p->events.list[i].system, p->events.list[i].name);
		r = tracefs_read(p->dir, file, what, LIST_BYTES, &text, NULL, NULL);
		if (r < 0)
			return r;
		if (!strncmp(text, "# Available triggers:", 21)) {
			p->triggers = text;
			return 0;
		}
		mem_free(text);
		r = -ENOENT;
	}
	return r;
}

static void probe_trigger(struct probing *p, enum feature_id id, int r, const char *name)
{
	if (r < 0 && r != -ENOENT)
		probe_result(p, id, r, "events/*/trigger");
	else if (r < 0)
		probe_unknown(p, id, "not tried: no event shows its triggers");
	else if (tracefs_list_has(p->triggers, name))
		probe_ok(p, id, "%s", "");
	else
		probe_missing(p, id);
}

static void probe_hist_part(struct probing *p, enum feature_id id)
{
	const struct feature *hist = &p->features->list[FEATURE_HIST];

	if (hist->state != FEATURE_OK)
		probe_as_part(p, id, FEATURE_HIST);
	else if (!strstr(p->readme, feature_info(id)->words))
		probe_missing(p, id);
	else
		probe_ok(p, id, "%s", "");
}

void probe_summaries(struct probing *p)
{
	static const struct {
		enum feature_id id;
		const char *name;
	} triggers[] = {
		{FEATURE_TRACEON, "traceon"},
		{FEATURE_TRACEOFF, "traceoff"},
		{FEATURE_ENABLE_EVENT, "enable_event"},
		{FEATURE_DISABLE_EVENT, "disable_event"},
		{FEATURE_STACKTRACE_TRIGGER, "stacktrace"},
		{FEATURE_SNAPSHOT_TRIGGER, "snapshot"},
		{FEATURE_HIST, "hist"},
	};
	int r = read_triggers(p);

	for (size_t i = 0; i < ARRAY_SIZE(triggers); i++)
		probe_trigger(p, triggers[i].id, r, triggers[i].name);
	probe_hist_part(p, FEATURE_HIST_BUCKETS);
	probe_hist_part(p, FEATURE_HIST_PERCENT);
	probe_hist_part(p, FEATURE_HIST_ONCHANGE);
	probe_file(p, FEATURE_SNAPSHOT, p->dir, "snapshot", O_RDONLY);
	probe_file(p, FEATURE_SYNTHETIC, p->fs->path, "synthetic_events", O_RDONLY);
}
