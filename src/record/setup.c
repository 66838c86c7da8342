/* SPDX-License-Identifier: MIT */
/* From the plan to instances that only wait to be switched on. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "kernel/control.h"
#include "kernel/dynamic.h"
#include "kernel/reset.h"
#include "kernel/tuning.h"
#include "record/probes.h"
#include "record/session.h"

/* `all` and the like leave out what other sessions of sonde have made for themselves. */
static void spare_probes(struct session *session, const char *pattern, bool *hits)
{
	size_t spared = 0;

	if (!strchr(pattern, ':') || strpbrk(pattern, "*?["))
		spared =
			kernel_dynamic_spare(session->fs, session->journal, &session->events, hits);
	if (spared)
		session_say(session, RECORD_SAY_WARNING,
			    "%zu probes that other sondes have made for themselves are left out of "
			    "'%.80s'; they would have to stay until this one ends",
			    spared, pattern);
}

static int apply_rule(struct session *session, struct session_instance *inst,
		      const struct record_rule *rule, struct err *err)
{
	const struct kernel_events *events = &session->events;
	_cleanup_free_ bool *hits = mem_calloc(events->nr, sizeof(*hits));
	const char *pattern = session_rule_events(session, rule);
	size_t without = 0;
	int r = 0;

	if (!hits)
		return err_sys(err, -ENOMEM, "cannot choose events");
	if (!pattern)
		return 0;
	if (!kernel_events_match(events, pattern, hits)) {
		r = kernel_events_explain(events, pattern, err);
		if (!session->plan->ignore_unknown) {
			session->unknown_events = rule->events;
			return r;
		}
		session_say(session, RECORD_SAY_WARNING, "%s; ignored", err->text);
		return 0;
	}
	spare_probes(session, pattern, hits);
	for (size_t i = 0; i < events->nr; i++)
		session->stored[i] |= hits[i];
	if (!rule->filter && !inst->kernel.created && !session->plan->keep_before)
		r = kernel_instance_filter(&inst->kernel, events, hits, "0", &without, err);
	if (rule->filter)
		r = kernel_instance_filter(&inst->kernel, events, hits, rule->filter, &without,
					   err);
	if (r == 0 && without)
		session_say(session, RECORD_SAY_WARNING,
			    "%zu events of '%.80s' do not have a field of the filter and are "
			    "recorded without it",
			    without, rule->events);
	for (size_t i = 0; i < rule->triggers.nr && r == 0; i++)
		r = session_trigger(session, inst, hits, rule->triggers.items[i], err);
	if (r == 0)
		r = kernel_instance_enable(&inst->kernel, events, hits, !rule->disable, err);
	return r;
}

/* NAME=VALUE is a setting of a tracer, and has been made: session_setup_globals. */
static int apply_options(struct kernel_instance *kernel, const struct record_list *options,
			 struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < options->nr && r == 0; i++) {
		const char *option = options->items[i];

		if (!kernel_tuning_is(option))
			r = kernel_instance_option(kernel, option, err);
	}
	return r;
}

/*
 * Where the time stamps of the CPUs disagree, the kernel moves the top instance to the clock
 * "global" at boot. A new instance begins with "local" there too, and would be out of order.
 */
static bool clocks_disagree(const struct tracefs *fs)
{
	_cleanup_free_ char *text = NULL, *current = NULL;

	if (tracefs_read(fs->path, "trace_clock", "read the trace clock", 4096, &text, NULL, NULL) <
	    0)
		return false;
	current = kernel_clock_current(text);
	return current && !strcmp(current, "global");
}

static int set_clock(const struct session *session, struct session_instance *inst, struct err *err)
{
	const char *clock = session_clock(session, inst->plan);

	if (!clock && inst->kernel.created && clocks_disagree(session->fs))
		clock = "global";
	return clock ? kernel_instance_clock(&inst->kernel, clock, err) : 0;
}

static int choose_cpus(struct kernel_instance *kernel, const char *mask, struct err *err)
{
	int r = kernel_instance_cpumask(kernel, mask, err);

	if (r != -EOVERFLOW)
		return r;
	return err_set(err, r, "-M %.80s: the mask has CPUs that this machine has not: it has %u",
		       mask, kernel->fs->cpus);
}

/* What changes the size or empties the buffer comes before what fills it. */
static int apply_settings(struct session *session, struct session_instance *inst, struct err *err)
{
	const struct record_instance *plan = inst->plan;
	struct kernel_instance *kernel = &inst->kernel;
	int r = session_shape_buffer(session, inst, err);

	if (r == 0)
		r = set_clock(session, inst, err);
	if (r == 0)
		r = kernel_instance_clocks(kernel, &inst->clocks, err);
	if (r == 0) {
		inst->clock = kernel_clock_current(inst->clocks);
		r = inst->clock ? 0 : err_sys(err, -ENOMEM, "cannot read the trace clock");
	}
	if (r == 0 && session->plan->date && inst == session->instances)
		r = kernel_date_offset(kernel, &session->date_offset, err);
	if (r == 0 && plan->cpumask)
		r = choose_cpus(kernel, plan->cpumask, err);
	if (r == 0)
		r = session_setup_functions(session, inst, err);
	if (r == 0 && plan->tracer && !session_user_has(session, plan))
		r = kernel_instance_tracer(kernel, plan->tracer, err);
	if (r == 0)
		r = session_setup_tracer_options(inst, err);
	return r < 0 ? r : apply_options(kernel, &plan->options, err);
}

/* What an earlier start of ours has set up in the top instance. */
static bool top_is_ours(const struct session *session)
{
	return session->plan->keep_after &&
	       kernel_journal_kept_changes(session->fs->state, session->fs->path, "current_tracer");
}

static int top_is_free(const struct session *session, const char *tracer, struct err *err)
{
	const struct kernel_instance top = {.fs = session->fs, .path = session->fs->path};
	const char *path = session->fs->path;
	_cleanup_free_ char *current = NULL, *on = NULL, *events = NULL;
	int r = tracefs_read(path, "current_tracer", "look who is tracing", 4096, &current, NULL,
			     err);

	if (r == 0)
		r = tracefs_read(path, "tracing_on", "look who is tracing", 4096, &on, NULL, err);
	if (r == 0)
		r = kernel_instance_enabled(&top, &events, err);
	if (r < 0)
		return r;
	current[strcspn(current, "\n")] = '\0';
	if (strcmp(current, "nop") != 0)
		return err_set(err, -EBUSY,
			       "the tracer '%.32s' works only in the top instance, where another "
			       "program is tracing with '%.32s'; wait for it, or end it with "
			       "echo nop > %s/current_tracer",
			       tracer, current, path);
	events[strcspn(events, "\n")] = '\0';
	if (*events && *on == '1')
		return err_set(err, -EBUSY,
			       "the tracer '%.32s' works only in the top instance, where another "
			       "program is recording events (%.60s ...); wait for it, or end it "
			       "with echo > %s/set_event",
			       tracer, events, path);
	return 0;
}

/*
 * The top instance is only taken when nobody traces with it; what has been left there must not
 * narrow what is traced.
 */
static int open_top(struct session *session, struct session_instance *inst, struct err *err)
{
	int r = top_is_ours(session) ? 0 : top_is_free(session, inst->plan->tracer, err);

	if (r == 0)
		r = kernel_instance_open(&inst->kernel, session->fs, "", session->journal, err);
	if (r < 0 || session->plan->keep_before)
		return r;
	inst->open = true;
	r = kernel_instance_quiet(&inst->kernel, err);
	if (r == 0 && !session->plan->has_max_graph_depth)
		r = kernel_instance_write(&inst->kernel, "max_graph_depth", "0",
					  "follow calls to any depth", err);
	return r;
}

/* A start whose tracer works only in the top instance has made no other. */
static const char *lasting_name(const struct session *session)
{
	const struct tracefs *fs = session->fs;

	return !kernel_target_exists(fs, KERNEL_LASTING_INSTANCE) &&
			       kernel_journal_kept_changes(fs->state, fs->path, "current_tracer")
		       ? ""
		       : KERNEL_LASTING_INSTANCE;
}

/*
 * The instance of the settings that stay. One that an earlier start has made is made new, unless
 * something is to be added to it.
 */
static int open_lasting(struct session *session, struct session_instance *inst, struct err *err)
{
	const struct record_plan *plan = session->plan;
	struct kernel_targets targets = {0};
	int r = 0;

	if (plan->keep_before)
		return kernel_instance_adopt(&inst->kernel, session->fs, lasting_name(session),
					     session->journal, err);
	if (kernel_target_exists(session->fs, KERNEL_LASTING_INSTANCE)) {
		r = kernel_targets_add(&targets, session->fs, KERNEL_LASTING_INSTANCE, err);
		if (r == 0)
			r = kernel_reset(&targets.list[0], session->fs, &session->events, err);
		kernel_targets_done(&targets);
	}
	return r < 0 ? r
		     : kernel_instance_open(&inst->kernel, session->fs, KERNEL_LASTING_INSTANCE,
					    session->journal, err);
}

static int open_unnamed(struct session *session, struct session_instance *inst, struct err *err)
{
	if (session->plan->keep_after)
		return open_lasting(session, inst, err);
	return kernel_instance_create(&inst->kernel, session->fs, session->journal, err);
}

static int open_own(struct session *session, struct session_instance *inst, struct err *err)
{
	const char *tracer = inst->plan->tracer;
	struct kernel_instance top = {.fs = session->fs, .path = session->fs->path};
	int r = open_unnamed(session, inst, err);

	if (r < 0 || !tracer || kernel_instance_has_tracer(&inst->kernel, tracer) ||
	    !kernel_instance_has_tracer(&top, tracer))
		return r;
	r = kernel_instance_close(&inst->kernel, err);
	return r < 0 ? r : open_top(session, inst, err);
}

/* An instance that was there is quiet first, unless what it has is to go on (-K). */
static int open_named(struct session *session, struct session_instance *inst, struct err *err)
{
	const char *name = inst->plan->name;
	int r;

	if (session->plan->keep_before)
		return kernel_instance_adopt(&inst->kernel, session->fs, name, session->journal,
					     err);
	r = kernel_instance_open(&inst->kernel, session->fs, name, session->journal, err);
	inst->open = r == 0;
	return r < 0 ? r : kernel_instance_quiet(&inst->kernel, err);
}

/* Events that go on being recorded need their formats in the file. */
static int store_enabled(struct session *session, const struct session_instance *inst,
			 struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char *rest;
	int r = kernel_instance_enabled(&inst->kernel, &text, err);

	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		kernel_events_match(&session->events, line, session->stored);
	return 0;
}

/* What is one for the machine is left to who has set it, unless we have that for ourselves. */
static void warn_of_graph_filter(struct session *session, const struct session_instance *inst)
{
	_cleanup_free_ char *text = NULL;
	struct err ignored;

	if (strcmp(inst->tracer, "function_graph") != 0 || inst->plan->graph_functions.nr ||
	    !inst->kernel.name[0] ||
	    tracefs_read(session->fs->path, "set_graph_function", "look at -g", 4096, &text, NULL,
			 &ignored) < 0 ||
	    !*text || *text == '#')
		return;
	text[strcspn(text, "\n")] = '\0';
	session_say(session, RECORD_SAY_WARNING,
		    "only calls from %.60s ... are traced, since somebody has set "
		    "%s/set_graph_function, which is one for the machine; -g replaces it "
		    "for this recording",
		    text, session->fs->path);
}

/* The one that is asked for, or with -K the one that goes on. */
static int note_tracer(const struct session *session, struct session_instance *inst,
		       struct err *err)
{
	_cleanup_free_ char *current = NULL;
	int r = 0;

	if (!inst->plan->tracer && session->plan->keep_before)
		r = tracefs_read(inst->kernel.path, "current_tracer", "look which tracer goes on",
				 4096, &current, NULL, err);
	if (r < 0)
		return r;
	snprintf(inst->tracer, sizeof(inst->tracer), "%s",
		 inst->plan->tracer ? inst->plan->tracer
		 : current	    ? current
				    : "");
	inst->tracer[strcspn(inst->tracer, "\n")] = '\0';
	return 0;
}

static int setup_instance(struct session *session, struct session_instance *inst, struct err *err)
{
	const struct record_instance *plan = inst->plan;
	int r;

	r = plan->name ? open_named(session, inst, err) : open_own(session, inst, err);
	inst->open |= r == 0;
	if (r == 0 && session->plan->keep_before && !session->plan->only_set)
		r = kernel_instance_stop(&inst->kernel, err);
	if (r == 0 && session->plan->keep_before)
		r = store_enabled(session, inst, err);
	if (r == 0)
		r = note_tracer(session, inst, err);
	if (r == 0)
		r = apply_settings(session, inst, err);
	for (size_t i = 0; i < plan->nr_rules && r == 0; i++)
		r = apply_rule(session, inst, &plan->rules[i], err);
	if (r == 0)
		warn_of_graph_filter(session, inst);
	if (r == 0 && plan->tracer)
		session_say(session, RECORD_SAY_TRACER, "%s", plan->tracer);
	if (r == 0 && plan->tracer && !strcmp(plan->tracer, "blk"))
		session_say(
			session, RECORD_SAY_WARNING,
			"the tracer blk sees the devices for which it is switched on: "
			"echo 1 > /sys/block/DEVICE/trace/enable; -e block needs no such thing");
	return r;
}

static bool chooses_functions(const struct record_instance *inst)
{
	return inst->functions.nr || inst->function_commands.nr || inst->no_functions.nr ||
	       inst->module || inst->func_stack || inst->no_function_trace;
}

/* Nothing was said of it. (Without -K, options that belong to a tracer need one.) */
static bool is_idle(const struct record_plan *plan, const struct record_instance *inst)
{
	if (inst->nr_rules || inst->tracer)
		return false;
	if (plan->keep_before && chooses_functions(inst))
		return false;
	return !plan->only_set || (!inst->clock && !inst->cpumask && !inst->options.nr &&
				   !inst->buffer_kb && !inst->subbuf_kb);
}

int session_setup(struct session *session, struct err *err)
{
	const struct record_plan *plan = session->plan;
	int r = session_probes_create(session, err);

	if (r == 0)
		r = kernel_events_load(&session->events, session->fs, err);
	if (r == 0)
		r = session_user_choose(session, err);
	if (r < 0)
		return r;
	session->stored = mem_calloc(session->events.nr, sizeof(*session->stored));
	session->instances = mem_calloc(plan->nr_instances + 1, sizeof(*session->instances));
	if (!session->stored || !session->instances)
		return err_sys(err, -ENOMEM, "cannot set up the recording");
	memset(session->stored, plan->all_formats, session->events.nr);
	session->nr_instances = plan->nr_instances;
	r = session_setup_globals(session, err);
	for (size_t i = 0; i < plan->nr_instances && r == 0; i++) {
		struct session_instance *inst = &session->instances[i];

		inst->plan = plan->instances[i];
		if (i == 0 && plan->nr_instances > 1 && is_idle(plan, inst->plan))
			inst->plan = NULL;
		else
			r = setup_instance(session, inst, err);
	}
	return r < 0 ? r : session_user_place(session, err);
}

static int choose_pids(struct session *session, struct kernel_instance *kernel, struct err *err)
{
	const struct record_plan *plan = session->plan;
	pid_t pids[RECORD_LIST_MAX + 1];
	size_t nr = 0;
	int r;

	if (plan->command_only)
		pids[nr++] = session->command.started_pid;
	for (size_t i = 0; i < plan->nr_pids; i++)
		pids[nr++] = plan->pids[i];
	if (!nr)
		return 0;
	r = kernel_instance_pids(kernel, "set_event_pid", pids, nr, err);
	if (r == 0 && plan->with_children)
		r = kernel_instance_option(kernel, "event-fork", err);
	return r;
}

/* A tracer of functions has a list of its own. */
static int choose_function_pids(struct session *session, struct session_instance *inst,
				struct err *err)
{
	const struct record_plan *plan = session->plan;
	pid_t pids[RECORD_LIST_MAX + 1];
	size_t nr = 0;
	int r;

	if (strncmp(inst->tracer, "function", 8) != 0)
		return 0;
	if (plan->command_only)
		pids[nr++] = session->command.started_pid;
	for (size_t i = 0; i < plan->nr_pids; i++)
		pids[nr++] = plan->pids[i];
	if (!nr)
		return 0;
	r = kernel_instance_pids(&inst->kernel, "set_ftrace_pid", pids, nr, err);
	if (r == 0 && plan->with_children)
		r = kernel_instance_option(&inst->kernel, "function-fork", err);
	return r;
}

/*
 * The recorder's own threads: event-fork would add their children, and the command was forked
 * before, so that it is not on the list. A kernel without these lists (before 5.7) or one that
 * refuses them records us too, which is no reason to fail.
 */
static void exclude_own(struct session *session, struct kernel_instance *kernel)
{
	const pid_t *tids;
	size_t nr = session->drain ? drain_tids(session->drain, &tids) : 0;
	_cleanup_free_ pid_t *pids = mem_calloc(nr + 2, sizeof(*pids));
	struct err ignored;

	if (!pids)
		return;
	if (nr)
		memcpy(pids, tids, nr * sizeof(*pids));
	pids[nr++] = getpid();
	if (triggers_tid(session->triggers))
		pids[nr++] = triggers_tid(session->triggers);
	if (kernel_instance_pids(kernel, "set_event_notrace_pid", pids, nr, &ignored) < 0)
		return;
	if (kernel_instance_pids(kernel, "set_ftrace_notrace_pid", pids, nr, &ignored) < 0)
		return;
}

int session_setup_pids(struct session *session, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < session->nr_instances && r == 0; i++) {
		struct session_instance *inst = &session->instances[i];

		if (!inst->open)
			continue;
		if (!session->plan->own_too && (session->drain || session->stream))
			exclude_own(session, &inst->kernel);
		r = choose_pids(session, &inst->kernel, err);
		if (r == 0)
			r = choose_function_pids(session, inst, err);
	}
	return r;
}

int record_rule_filter(struct record_rule *rule, const char *filter)
{
	char *joined;
	size_t size;

	if (!rule->filter) {
		rule->filter = mem_strdup(filter);
		return rule->filter ? 0 : -ENOMEM;
	}
	size = strlen(rule->filter) + strlen(filter) + sizeof("()&&()");
	joined = mem_alloc(size);
	if (!joined)
		return -ENOMEM;
	snprintf(joined, size, "(%s)&&(%s)", rule->filter, filter);
	mem_free(rule->filter);
	rule->filter = joined;
	return 0;
}
