/* SPDX-License-Identifier: MIT */
/* `sonde profile COMMAND`: a recording that is gone when it has been read. */
#include "cmd/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "cmd/record_args.h"
#include "kernel/control.h"
#include "kernel/features.h"

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

struct live {
	struct profile_args *args;
	struct tracefs *fs;
	struct kernel_targets targets; /* the top one */
	struct profile_words texts;    /* made here, for the recorder's words; owned */
	struct profile_words words;    /* of the recorder */
	char folder[256], path[300];
};

static int add(struct live *live, const char *option, const char *value)
{
	int r = profile_push(&live->words, option);

	return r == 0 && value ? profile_push(&live->words, value) : r;
}

static bool has_tracer(const struct live *live, const char *tracer)
{
	_cleanup_free_ char *list = NULL;
	struct err err;

	return kernel_control_read(&live->targets.list[0], KERNEL_TRACERS, &list, &err) == 0 &&
	       tracefs_list_has(list, tracer);
}

/* Whether the kernel lets functions be traced: lockdown refuses it even where the tracer is. */
static bool functions_readable(const struct live *live)
{
	_cleanup_free_ char *list = NULL;
	struct err err;

	return kernel_control_read(&live->targets.list[0], KERNEL_FUNCTION_FILTER, &list, &err) ==
	       0;
}

static void explain_missing(const struct live *live, const char *tracer, const char *instead)
{
	const struct feature_info *info = feature_of_tracer(tracer);
	char why[300] = "this kernel does not have it";

	if (live->args->quiet)
		return;
	if (has_tracer(live, tracer))
		snprintf(why, sizeof(why), "the kernel refuses function tracing (sonde doctor)");
	else if (info)
		feature_why_missing(info, why, sizeof(why));
	cmd_warn(live->args->command, "no %s: %s; %s", tracer, why, instead);
}

/* function_graph; else the function tracer, which only counts; else none. */
static int add_tracer(struct live *live)
{
	const struct profile_args *args = live->args;
	bool readable = functions_readable(live);
	bool wanted = args->functions_given || args->graph_given || args->only_functions;
	int r;

	if (readable && has_tracer(live, "function_graph")) {
		r = add(live, "-p", "function_graph");
		if (r == 0 && !args->depth_given && !args->functions_given && !args->graph_given)
			r = add(live, "--max-graph-depth", "1");
		return r;
	}
	if (readable && args->functions_given && !args->graph_given &&
	    has_tracer(live, "function")) {
		explain_missing(live, "function_graph",
				"functions are counted from records of the function tracer, "
				"without times");
		return add(live, "-p", "function");
	}
	if (wanted)
		return add(live, "-p", "function_graph"); /* the recorder says why it cannot be */
	explain_missing(live, "function_graph", "tasks are profiled, functions are not");
	return 0;
}

static bool has_event(const struct kernel_events *events, const char *system, const char *name)
{
	for (size_t i = 0; i < events->nr; i++)
		if (!strcmp(events->list[i].system, system) && !strcmp(events->list[i].name, name))
			return true;
	return false;
}

static int add_event(struct live *live, const char *system, const char *name, bool stack)
{
	char text[80];
	char *event;
	int r;

	snprintf(text, sizeof(text), "%s:%s", system, name);
	event = mem_strdup(text);
	if (!event || profile_push(&live->texts, event) < 0) {
		mem_free(event);
		return -ENOMEM;
	}
	r = add(live, "-e", event);
	return r == 0 && stack ? add(live, "-R", "stacktrace") : r;
}

static bool has_stack_triggers(const struct kernel_events *events, const struct live *live)
{
	_cleanup_free_ char *text = NULL;
	struct err err;

	for (size_t i = 0; i < events->nr; i++)
		if (!strcmp(events->list[i].name, default_events[0].name))
			return kernel_event_read(&live->targets.list[0], &events->list[i],
						 KERNEL_EVENT_TRIGGER, &text, &err) == 0 &&
			       (*text != '#' || strstr(text, "stacktrace"));
	return false;
}

static int add_events(struct live *live, struct err *err)
{
	struct kernel_events events = {0};
	bool stacks;
	int r = kernel_events_load(&events, live->fs, err);

	if (r < 0)
		return r;
	stacks = has_stack_triggers(&events, live);
	for (size_t i = 0; i < ARRAY_SIZE(default_events) && r == 0; i++)
		if (has_event(&events, default_events[i].system, default_events[i].name))
			r = add_event(live, default_events[i].system, default_events[i].name,
				      default_events[i].stack && stacks);
	kernel_events_done(&events);
	return r < 0 ? err_set(err, r, "out of memory") : 0;
}

/* The defaults stand first: what is given may be for an instance, and belongs behind them. */
static int make_words(struct live *live, struct err *err)
{
	const struct profile_args *args = live->args;
	int r = add(live, args->record.words[0], NULL);

	if (r == 0 && !args->only_given && !args->only_tasks && !args->tracer_given)
		r = add_tracer(live);
	if (r == 0 && !args->only_given && !args->only_functions)
		r = add_events(live, err);
	for (size_t i = 1; i < args->record.nr && r == 0; i++)
		r = add(live, args->record.words[i], NULL);
	if (r == 0)
		r = add(live, "--compression", "none");
	if (r == 0)
		r = add(live, "-o", live->path);
	if (r == 0)
		r = add(live, "--", NULL);
	for (char **word = args->live_command; word && *word && r == 0; word++)
		r = add(live, *word, NULL);
	return r == -ENOMEM ? err_set(err, r, "out of memory") : r;
}

/* --- the recording that is not kept --- */

static int make_folder(struct live *live, struct err *err)
{
	const char *top = getenv("TMPDIR");
	int n;

	n = snprintf(live->folder, sizeof(live->folder), "%s/sonde-profile-XXXXXX",
		     top && *top ? top : "/tmp");
	if (n < 0 || (size_t)n >= sizeof(live->folder) || !mkdtemp(live->folder)) {
		n = n < 0 || (size_t)n >= sizeof(live->folder) ? -ENAMETOOLONG : -errno;
		live->folder[0] = '\0';
		return err_sys(err, n, "cannot make a folder for the recording in %s (TMPDIR)",
			       top && *top ? top : "/tmp");
	}
	snprintf(live->path, sizeof(live->path), "%s/trace.dat", live->folder);
	return 0;
}

/* As soon as the file is open nobody needs its name: what ends us now leaves nothing behind. */
static void remove_folder(void *arg)
{
	struct live *live = arg;

	if (!live->folder[0])
		return;
	/* A recording that failed has left no file; that there is none is no failure here. */
	if ((io_unlink(live->path) < 0 && io_stat(live->path, &(struct stat){0}) == 0) ||
	    io_rmdir(live->folder) < 0)
		cmd_warn(live->args->command, "%s could not be removed", live->folder);
	live->folder[0] = '\0';
}

static int record(struct live *live, int *ret_status)
{
	const struct profile_args *args = live->args;
	struct record_result result;
	struct record_args record;
	struct err err = {0};
	int r = -EINVAL;

	*ret_status = CMD_USAGE;
	record_args_init(&record, &profile_record_part);
	if (record_args_parse(&record, (int)live->words.nr,
			      (char **)(uintptr_t)live->words.words)) {
		record.plan.discard = true;
		record.to_stderr = true;
		r = record_run(&record.plan, record_args_say, &record, &result, &err);
		if (r < 0 && !result.error_said)
			cmd_fail(args->command, &err);
		if (r < 0 && result.unknown_events)
			record_args_suggest_event(&record, result.unknown_events);
		*ret_status = result.command_status > 0 ? result.command_status
			      : r < 0			? CMD_FAILED
			      : result.lost		? CMD_LOSSES
							: CMD_OK;
		record_result_done(&result);
	}
	record_args_done(&record);
	return r;
}

static int record_and_show(struct live *live)
{
	struct profile_args *args = live->args;
	struct err err = {0};
	int r, status, shown;

	r = tracefs_open(&live->fs, NULL, &err);
	if (r == 0)
		r = kernel_targets_add(&live->targets, live->fs, "", &err);
	if (r == 0)
		r = make_folder(live, &err);
	if (r == 0)
		r = make_words(live, &err);
	if (r < 0)
		return cmd_fail(args->command, &err);
	r = record(live, &status);
	if (r < 0)
		return status;
	if (profile_push(&args->read, "-i") < 0 || profile_push(&args->read, live->path) < 0) {
		cmd_error(args->command, "out of memory");
		return CMD_FAILED;
	}
	shown = profile_show(args, remove_folder, live);
	return status != CMD_OK ? status : shown;
}

int profile_live(struct profile_args *args)
{
	struct live live = {.args = args};
	int status;

	if (args->kernel) {
		status = profile_kernel(args);
		if (status != -ENOENT)
			return status;
		args->only_functions = true;
	}
	status = record_and_show(&live);
	remove_folder(&live);
	for (size_t i = 0; i < live.texts.nr; i++)
		mem_free((void *)(uintptr_t)live.texts.words[i]);
	mem_free(live.texts.words);
	mem_free(live.words.words);
	kernel_targets_done(&live.targets);
	tracefs_close(live.fs);
	return status;
}
