/* SPDX-License-Identifier: MIT */
/* The options that choose functions, and the settings that are one for the machine. */
#include <string.h>

#include "cmd/call_args.h"
#include "cmd/record_args.h"

#define GRAPH_DEPTH_MAX	  1000
#define CMDLINES_SIZE_MAX (1u << 22)

/* FUNCTION:COMMAND; FUNCTION:mod:MODULE is a choice. */
static bool is_function_command(const char *text)
{
	const char *colon = strchr(text, ':');

	return colon && strncmp(colon, ":mod:", 5) != 0;
}

static bool add_function(struct record_args *args, const char *text)
{
	struct record_instance *inst = record_args_instance(args);
	bool command = is_function_command(text);

	return record_args_list(args, command ? &inst->function_commands : &inst->functions, text);
}

static bool add(struct record_args *args, int id, const char *text)
{
	struct record_instance *inst = record_args_instance(args);

	if (!*text) {
		cmd_usage(args->command, "-%c: an empty name is no function", id);
		return false;
	}
	if (id == 'l')
		return add_function(args, text);
	if (id == 'n')
		return record_args_list(args, &inst->no_functions, text);
	return record_args_list(args, &inst->graph_functions, text);
}

static bool set_depth(struct record_args *args, const char *text)
{
	args->plan.has_max_graph_depth = true;
	return cmd_parse_u64(args->command, "--max-graph-depth", text, 0, GRAPH_DEPTH_MAX,
			     &args->plan.max_graph_depth);
}

static bool set_threshold(struct record_args *args, const char *text)
{
	if (call_args_time(text, &args->plan.thresh_ns) && args->plan.thresh_ns)
		return true;
	cmd_usage(args->command, "--thresh: '%s' is not a time above 0", text);
	return false;
}

int record_args_functions(struct record_args *args, int id, const char *arg)
{
	struct record_instance *inst = record_args_instance(args);

	switch (id) {
	case 'l':
	case 'n':
	case 'g':
		return add(args, id, arg) ? 1 : -1;
	case 'D':
		args->plan.ftrace_off = true;
		inst->no_function_trace = true;
		return 1;
	case 'd':
		inst->no_function_trace = true;
		return 1;
	case OPT_MODULE:
		inst->module = arg;
		return 1;
	case OPT_FUNC_STACK:
		inst->func_stack = true;
		return 1;
	case OPT_MAX_GRAPH_DEPTH:
		return set_depth(args, arg) ? 1 : -1;
	case OPT_THRESH:
		return set_threshold(args, arg) ? 1 : -1;
	case OPT_CMDLINES_SIZE:
		return cmd_parse_u64(args->command, "--cmdlines-size", arg, 1, CMDLINES_SIZE_MAX,
				     &args->plan.cmdlines_size)
			       ? 1
			       : -1;
	default:
		return 0;
	}
}

/* With -K and in `set` the options may be for a tracer that was set before. */
static bool traces_functions(const struct record_plan *plan, const struct record_instance *inst)
{
	return inst->tracer ? strcmp(inst->tracer, "nop") != 0 : plan->keep_before;
}

static bool has_graph(const struct record_plan *plan)
{
	if (plan->keep_before)
		return true;
	for (size_t i = 0; i < plan->nr_instances; i++) {
		const char *tracer = plan->instances[i]->tracer;

		if (tracer && !strcmp(tracer, "function_graph"))
			return true;
	}
	return false;
}

static const char *chooses(const struct record_instance *inst)
{
	if (inst->functions.nr)
		return "-l";
	if (inst->no_functions.nr)
		return "-n";
	return inst->module ? "--module" : NULL;
}

bool record_args_check_functions(const struct record_args *args)
{
	const struct record_plan *plan = &args->plan;
	const char *graph = plan->has_max_graph_depth ? "--max-graph-depth"
			    : plan->thresh_ns	      ? "--thresh"
						      : NULL;

	for (size_t i = 0; i < plan->nr_instances; i++) {
		const struct record_instance *inst = plan->instances[i];

		graph = inst->graph_functions.nr ? "-g" : graph;
		if (!traces_functions(plan, inst) && chooses(inst)) {
			cmd_usage(args->command,
				  "%s chooses functions for a tracer: give -p function or "
				  "-p function_graph%s",
				  chooses(inst), i ? " behind its -B" : "");
			return false;
		}
		if (inst->func_stack && !inst->functions.nr) {
			cmd_usage(args->command,
				  "--func-stack needs -l: a stack trace at every function of the "
				  "kernel would stop the machine");
			return false;
		}
		if (inst->no_function_trace && !traces_functions(plan, inst)) {
			cmd_usage(
				args->command,
				"-d, -D: there is no tracer that traces functions; give -p TRACER");
			return false;
		}
	}
	if (!graph || has_graph(plan))
		return true;
	cmd_usage(args->command, "%s is for the tracer function_graph: give -p function_graph",
		  graph);
	return false;
}
