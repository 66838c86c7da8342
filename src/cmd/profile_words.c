/* SPDX-License-Identifier: MIT */
#include "cmd/profile_words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/control.h"
#include "kernel/features.h"
#include "report/profile.h"

/* What the task profile is made of, and the stacks it shows. */
static const struct {
	const char *system, *name;
	bool stack;
} default_events[] = {
	{"sched", "sched_switch", true},
	{"sched", "sched_wakeup", true},
	{"sched", "sched_wakeup_new", false},
	{"sched", "sched_process_exec", false},
	{"irq", "irq_handler_entry", false},
	{"irq", "irq_handler_exit", false},
	{"irq", "softirq_raise", false},
	{"irq", "softirq_entry", false},
	{"irq", "softirq_exit", false},
	{"raw_syscalls", "sys_enter", false},
	{"raw_syscalls", "sys_exit", false},
	{"exceptions", "page_fault_user", false},
	{"exceptions", "page_fault_kernel", false},
};

struct maker {
	const struct profile_wanted *wanted;
	struct profile_command *out;
	struct tracefs *fs;
	struct kernel_targets targets; /* the top one */
};

static int add(struct maker *maker, const char *option, const char *value)
{
	return words_option(&maker->out->words, option, value);
}

static bool has_tracer(const struct maker *maker, const char *tracer)
{
	_cleanup_free_ char *list = NULL;
	struct err err;

	return kernel_control_read(&maker->targets.list[0], KERNEL_TRACERS, &list, &err) == 0 &&
	       tracefs_list_has(list, tracer);
}

/* Whether the kernel lets functions be traced: lockdown refuses it even where the tracer is. */
static bool functions_readable(const struct maker *maker)
{
	_cleanup_free_ char *list = NULL;
	struct err err;

	return kernel_control_read(&maker->targets.list[0], KERNEL_FUNCTION_FILTER, &list, &err) ==
	       0;
}

static void explain_missing(const struct maker *maker, const char *tracer, const char *instead)
{
	const struct feature_info *info = feature_of_tracer(tracer);
	char why[300] = "this kernel does not have it";

	if (maker->wanted->quiet)
		return;
	if (has_tracer(maker, tracer))
		snprintf(why, sizeof(why), "the kernel refuses function tracing (sonde doctor)");
	else if (info)
		feature_why_missing(info, why, sizeof(why));
	cmd_warn(maker->wanted->command, "no %s: %s; %s", tracer, why, instead);
}

/* function_graph; else the function tracer, which only counts; else none. */
static int add_tracer(struct maker *maker)
{
	const struct profile_wanted *wanted = maker->wanted;
	bool readable = functions_readable(maker);
	bool asked = wanted->functions_given || wanted->graph_given || wanted->only_functions;
	int r;

	if (readable && has_tracer(maker, "function_graph")) {
		r = add(maker, "-p", "function_graph");
		if (r == 0 && !wanted->depth_given && !wanted->functions_given &&
		    !wanted->graph_given)
			r = add(maker, "--max-graph-depth", "1");
		return r;
	}
	if (readable && wanted->functions_given && !wanted->graph_given &&
	    has_tracer(maker, "function")) {
		explain_missing(maker, "function_graph",
				"functions are counted from records of the function tracer, "
				"without times");
		return add(maker, "-p", "function");
	}
	if (asked)
		return add(maker, "-p", "function_graph"); /* the recorder says why it cannot be */
	explain_missing(maker, "function_graph", "tasks are profiled, functions are not");
	return 0;
}

static bool has_event(const struct kernel_events *events, const char *system, const char *name)
{
	for (size_t i = 0; i < events->nr; i++)
		if (!strcmp(events->list[i].system, system) && !strcmp(events->list[i].name, name))
			return true;
	return false;
}

/* Takes `event`, also when it is NULL or nothing can be added. */
static int add_event(struct maker *maker, char *event, bool stack)
{
	int r = event ? words_push(&maker->out->texts, event) : -ENOMEM;

	if (r < 0) {
		mem_free(event);
		return r;
	}
	r = add(maker, "-e", event);
	return r == 0 && stack ? add(maker, "-R", "stacktrace") : r;
}

static int add_default(struct maker *maker, const char *system, const char *name, bool stack)
{
	char text[80];

	snprintf(text, sizeof(text), "%s:%s", system, name);
	return add_event(maker, mem_strdup(text), stack);
}

static bool has_stack_triggers(const struct kernel_events *events, const struct maker *maker)
{
	_cleanup_free_ char *text = NULL;
	struct err err;

	for (size_t i = 0; i < events->nr; i++)
		if (!strcmp(events->list[i].name, default_events[0].name))
			return kernel_event_read(&maker->targets.list[0], &events->list[i],
						 KERNEL_EVENT_TRIGGER, &text, &err) == 0 &&
			       (*text != '#' || strstr(text, "stacktrace"));
	return false;
}

static int add_events(struct maker *maker, const struct kernel_events *events, bool stacks)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(default_events) && r == 0; i++)
		if (has_event(events, default_events[i].system, default_events[i].name))
			r = add_default(maker, default_events[i].system, default_events[i].name,
					default_events[i].stack && stacks);
	return r;
}

/* The events that a hook connects. */
static int add_hook(struct maker *maker, const char *text, bool stacks, struct err *err)
{
	struct profile_hook hook;
	int r = profile_hook_events(text, &hook, err);

	if (r < 0)
		return r;
	r = add_event(maker, hook.first, hook.stack && stacks);
	if (r < 0)
		mem_free(hook.second);
	else
		r = add_event(maker, hook.second, false);
	return r < 0 ? err_set(err, r, "out of memory") : 0;
}

static int make(struct maker *maker, const struct kernel_events *events, struct err *err)
{
	const struct profile_wanted *wanted = maker->wanted;
	bool stacks = has_stack_triggers(events, maker);
	int r = 0;

	if (wanted->functions)
		r = add_tracer(maker);
	if (r == 0 && wanted->tasks)
		r = add_events(maker, events, stacks);
	if (r < 0)
		return err_set(err, r, "out of memory");
	for (size_t i = 0; i < wanted->nr_hooks && r == 0; i++)
		r = add_hook(maker, wanted->hooks[i], stacks, err);
	return r;
}

int profile_words_make(const struct profile_wanted *wanted, struct profile_command *out,
		       struct err *err)
{
	struct maker maker = {.wanted = wanted, .out = out};
	struct kernel_events events = {0};
	int r = tracefs_open(&maker.fs, NULL, err);

	if (r == 0)
		r = kernel_targets_add(&maker.targets, maker.fs, "", err);
	if (r == 0)
		r = kernel_events_load(&events, maker.fs, err);
	if (r == 0)
		r = make(&maker, &events, err);
	kernel_events_done(&events);
	kernel_targets_done(&maker.targets);
	tracefs_close(maker.fs);
	return r;
}

void profile_words_done(struct profile_command *out)
{
	words_done_texts(&out->texts);
	words_done(&out->words);
}
