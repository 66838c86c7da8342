/* SPDX-License-Identifier: MIT */
#include "cmd/record_program.h"

#include <string.h>

#include "base/mem.h"
#include "kernel/tracefs.h"
#include "program/probes.h"
#include "program/protocol.h"

static bool set_place(struct record_args *args, const char *place)
{
	args->place_given = true;
	args->in_program = !strcmp(place, "program");
	args->in_both = !strcmp(place, "both");
	if (args->in_program || args->in_both || !strcmp(place, "kernel"))
		return true;
	cmd_usage(args->command, "--in: '%.40s' is none of kernel, program, both", place);
	return false;
}

static bool set_on_full(struct record_args *args, const char *name)
{
	static const char *const names[] = {
		[RECORD_BLOCK] = "block",
		[RECORD_DROP] = "drop",
		[RECORD_OVERWRITE] = "overwrite",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i], name)) {
			args->plan.program.on_full = (enum record_on_full)i;
			return true;
		}
	}
	cmd_usage(args->command, "--on-full: '%.40s' is none of block, drop, overwrite", name);
	return false;
}

int record_args_in_program(struct record_args *args, int id, const char *arg)
{
	switch (id) {
	case OPT_IN:
		return set_place(args, arg) ? 1 : -1;
	case OPT_LIBS:
		args->program_option = "--libs";
		args->plan.program.libs = true;
		return 1;
	case OPT_LIST_SKIPPED:
		args->program_option = "--list-skipped";
		args->plan.program.list_skipped = true;
		return 1;
	case OPT_HIST:
		return record_args_list(args, &args->plan.program.hists, arg) ? 1 : -1;
	case OPT_ON_FULL:
		args->program_option = "--on-full";
		return set_on_full(args, arg) ? 1 : -1;
	default:
		return 0;
	}
}

static bool is_for_programs(const char *tracer)
{
	return tracer && (!strcmp(tracer, "function") || !strcmp(tracer, "function_graph") ||
			  !strcmp(tracer, "count"));
}

static bool is_count(const struct record_plan *plan)
{
	const char *tracer = plan->instances[0]->tracer;

	return tracer && !strcmp(tracer, "count");
}

/* What is the kernel's alone, and was asked for. */
static const char *kernels_own(const struct record_plan *plan)
{
	const struct record_instance *inst = plan->instances[0];
	const struct {
		bool given;
		const char *option;
	} own[] = {
		{plan->nr_instances > 1, "-B"},
		{inst->options.nr, "-O, -T"},
		{inst->clock || plan->tsc2nsec, "-C, --tsc2nsec"},
		{inst->cpumask, "-M"},
		{inst->module, "--module (write -l NAME@LIBRARY)"},
		{inst->func_stack, "--func-stack"},
		{inst->no_function_trace, "-d, -D"},
		{plan->nr_pids, "-P"},
		{plan->command_only || plan->with_children, "-F, -c"},
		{plan->keep_after, "-k, -K"},
		{plan->own_too, "--no-filter"},
		{plan->rt_priority, "-r"},
		{plan->proc_map, "--proc-map"},
		{plan->date, "--date"},
		{plan->cmdlines_size, "--cmdlines-size"},
		{plan->all_formats || plan->ignore_unknown, "-a, -i"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (own[i].given)
			return own[i].option;
	}
	return NULL;
}

/* Whether -e names nothing but probes of programs; `usdt`: by words that the kernel has not. */
static bool has_probes_only(const struct record_instance *inst, bool usdt)
{
	for (size_t i = 0; i < inst->nr_rules; i++) {
		if (!program_probes_is_meant(inst->rules[i].events, usdt))
			return false;
	}
	return inst->nr_rules;
}

/* -f or -R before any -e: of the tracer's own events, which programs only have. */
static bool has_tracer_rule(const struct record_instance *inst)
{
	return inst->tracer_rule.filter || inst->tracer_rule.triggers.nr;
}

/* Filters and triggers need events. */
static bool check_rules(const struct record_args *args)
{
	const struct record_instance *inst = args->plan.instances[0];

	if (is_count(&args->plan) && (has_tracer_rule(inst) || inst->function_commands.nr ||
				      (inst->nr_rules && args->in_program))) {
		cmd_usage(args->command,
			  "-p count records no events for -e, -f, -R and function commands; -l and "
			  "-n choose what is counted");
		return false;
	}
	return true;
}

/* What is said of the programs' side. */
static bool check_tracer(const struct record_args *args, const char *place)
{
	const struct record_plan *plan = &args->plan;
	const char *tracer = plan->instances[0]->tracer;

	const struct record_instance *inst = plan->instances[0];
	bool chooses = inst->functions.nr || inst->no_functions.nr || inst->graph_functions.nr ||
		       inst->function_commands.nr || plan->program.libs || plan->max_graph_depth ||
		       plan->thresh_ns;

	if (!is_for_programs(tracer) &&
	    (tracer || chooses || !has_probes_only(inst, false) || args->in_both))
		cmd_usage(args->command,
			  "--in %s needs -p function_graph, -p function or -p count%s", place,
			  args->in_both ? "" : ", or only probes: -e usdt:PROVIDER:NAME");
	else if (inst->graph_functions.nr && strcmp(tracer, "function_graph") != 0)
		cmd_usage(args->command,
			  "-g needs to see the ends of calls: -p function_graph, not -p %s",
			  tracer);
	else if (plan->max_graph_depth > PROGRAM_DEPTH_MAX)
		cmd_usage(args->command, "--max-graph-depth: with --in %s at most %u", place,
			  PROGRAM_DEPTH_MAX);
	else if (!plan->command)
		cmd_usage(args->command, "--in %s needs a command to trace", place);
	else
		return check_rules(args);
	return false;
}

static void take_limits(struct record_plan *plan)
{
	plan->program.max_depth = (uint32_t)plan->max_graph_depth;
	plan->program.thresh_ns = plan->thresh_ns;
}

static bool use_program(struct record_args *args)
{
	if (kernels_own(&args->plan)) {
		cmd_usage(args->command, "--in program does not go with %s",
			  kernels_own(&args->plan));
		return false;
	}
	take_limits(&args->plan);
	return check_tracer(args, "program");
}

/* The kernel's own instances, on the clock of the programs. */
static bool set_clocks(const struct record_args *args)
{
	const struct record_plan *plan = &args->plan;
	bool any = plan->instances[0]->nr_rules || plan->nr_instances > 1;

	for (size_t i = 0; i < plan->nr_instances; i++) {
		if (plan->instances[i]->clock || plan->tsc2nsec) {
			cmd_usage(args->command, "-C: with --in both the clock is x86-tsc");
			return false;
		}
		if (plan->instances[i]->name && !strcmp(plan->instances[i]->name, "program")) {
			cmd_usage(args->command, "-B program: with --in both this is the name of "
						 "what programs have recorded");
			return false;
		}
		plan->instances[i]->clock = "x86-tsc";
	}
	if (!any)
		cmd_usage(
			args->command,
			"--in both needs something of the kernel's: -e EVENT, or -B NAME and what "
			"follows it");
	return any;
}

/*
 * -p and what chooses its functions are the programs'; the kernel's instances have all else, and
 * behind -B a tracer of their own.
 */
static bool use_both(struct record_args *args)
{
	struct record_plan *plan = &args->plan;
	struct record_instance *top = plan->instances[0], *beside;

	if (!check_tracer(args, "both") || !set_clocks(args))
		return false;
	beside = mem_zalloc(sizeof(*beside));
	if (!beside) {
		cmd_error(args->command, "out of memory");
		return false;
	}
	plan->program.beside = beside;
	beside->tracer = top->tracer;
	beside->tracer_rule = top->tracer_rule;
	beside->functions = top->functions;
	beside->function_commands = top->function_commands;
	beside->no_functions = top->no_functions;
	beside->graph_functions = top->graph_functions;
	beside->keep_kb = top->keep_kb;
	beside->buffer_kb = top->buffer_kb;
	beside->subbuf_kb = top->subbuf_kb;
	take_limits(plan);
	top->tracer = NULL;
	top->functions.nr = top->function_commands.nr = top->no_functions.nr =
		top->graph_functions.nr = 0;
	plan->has_max_graph_depth = false;
	plan->thresh_ns = 0;
	return true;
}

/* Where the kernel cannot be traced, and all that was asked for can be had in the program. */
static bool falls_back(const struct record_args *args)
{
	const struct record_plan *plan = &args->plan;
	struct tracefs *fs;
	struct err err;

	if (plan->command && has_probes_only(plan->instances[0], true) && !kernels_own(plan) &&
	    (!plan->instances[0]->tracer || is_for_programs(plan->instances[0]->tracer)))
		return true; /* the kernel has none of that name */
	if (!plan->command || !is_for_programs(plan->instances[0]->tracer) ||
	    plan->instances[0]->nr_rules || kernels_own(plan))
		return false;
	if (is_count(plan)) /* the kernel has none of that name */
		return true;
	if (tracefs_open(&fs, plan->tracefs, &err) == 0) {
		tracefs_close(fs);
		return false;
	}
	if (!args->quiet)
		cmd_note(args->command,
			 "tracing the functions of '%.100s' itself, as --in program does: the "
			 "kernel's cannot be traced here (--in kernel says why)",
			 plan->command[0]);
	return true;
}

/* The kernel's function tracers have no filters. */
static bool check_tracer_rules(const struct record_args *args)
{
	size_t from = args->in_program || args->in_both ? 1 : 0;

	for (size_t i = from; i < args->plan.nr_instances; i++) {
		if (!has_tracer_rule(args->plan.instances[i]))
			continue;
		cmd_usage(args->command,
			  "-f, -R: belong behind the -e whose events they are for; behind "
			  "-p they are for the functions of programs (--in program)");
		return false;
	}
	return true;
}

bool record_args_choose_place(struct record_args *args)
{
	if (!args->place_given)
		args->in_program = falls_back(args);
	if (!check_tracer_rules(args))
		return false;
	if (args->in_program)
		return use_program(args);
	if (args->in_both)
		return use_both(args);
	if (is_count(&args->plan)) {
		cmd_usage(args->command,
			  "-p count counts the functions of programs: with --in both beside the "
			  "kernel's events, with a command to count in");
		return false;
	}
	if (!args->program_option)
		return true;
	cmd_usage(args->command, "%s belongs to --in program", args->program_option);
	return false;
}
