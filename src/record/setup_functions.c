/* SPDX-License-Identifier: MIT */
/*
 * Which functions are traced (-l, -n, -g and what goes with them), and the settings that the whole
 * machine shares.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/functions.h"
#include "kernel/tuning.h"
#include "record/session.h"

/* In a named instance -n is the instance's own list, as in trace-cmd. */
static bool hides_callees(const struct session_instance *inst)
{
	return !strcmp(inst->tracer, "function_graph") && !inst->plan->name;
}

static int choose(struct kernel_instance *kernel, const char *file, const struct record_list *list,
		  const char *module, struct err *err)
{
	return list->nr ? kernel_functions_choose(kernel, file, list->items, list->nr, module, err)
			: 0;
}

static int add_command(struct session *session, struct kernel_instance *kernel, const char *text,
		       struct err *err)
{
	struct function_command command;
	struct err ignored;

	if (function_command_parse(&command, text, &ignored) == 0)
		session_store_enabled(session, &command.rule);
	return kernel_functions_command(kernel, text, err);
}

int session_setup_functions(struct session *session, struct session_instance *inst, struct err *err)
{
	const struct record_instance *plan = inst->plan;
	struct kernel_instance *kernel = &inst->kernel;
	int r = choose(kernel, "set_ftrace_filter", &plan->functions, plan->module, err);

	/* A module alone means all of its functions. */
	if (r == 0 && plan->module && !plan->functions.nr && !plan->no_functions.nr &&
	    !plan->graph_functions.nr) {
		static const char *const every[] = {"*"};

		r = kernel_functions_choose(kernel, "set_ftrace_filter", every, 1, plan->module,
					    err);
	}
	if (r == 0 && hides_callees(inst))
		r = choose(&session->globals, "set_graph_notrace", &plan->no_functions,
			   plan->module, err);
	else if (r == 0)
		r = choose(kernel, "set_ftrace_notrace", &plan->no_functions, plan->module, err);
	if (r == 0)
		r = choose(&session->globals, "set_graph_function", &plan->graph_functions,
			   plan->module, err);
	for (size_t i = 0; i < plan->function_commands.nr && r == 0; i++)
		r = add_command(session, kernel, plan->function_commands.items[i], err);
	return r;
}

int session_setup_tracer_options(struct session_instance *inst, struct err *err)
{
	const struct record_instance *plan = inst->plan;
	int r = 0;

	if (plan->func_stack)
		r = kernel_instance_option(&inst->kernel, "func_stack_trace", err);
	if (r == 0 && plan->no_function_trace)
		r = kernel_instance_option(&inst->kernel, "nofunction-trace", err);
	return r;
}

static int write_global(struct session *session, const char *file, uint64_t value, const char *what,
			struct err *err)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return kernel_instance_write(&session->globals, file, text, what, err);
}

/*
 * -O NAME=VALUE, to be made before the tracer starts and given back when it has gone, since hwlat
 * puts tracing_thresh back itself; where it runs in user space its settings have been taken
 * already.
 */
static int write_tunings(struct session *session, const struct record_instance *plan,
			 struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < plan->options.nr && r == 0; i++) {
		const char *option = plan->options.items[i];

		if (kernel_tuning_is(option) && !session_user_has(session, plan))
			r = kernel_tuning_write(session->journal, session->fs, option, err);
	}
	return r;
}

/* The kernel's unit is a microsecond. */
static int write_threshold(struct session *session, uint64_t ns, struct err *err)
{
	char option[64];

	snprintf(option, sizeof(option), "tracing_thresh=%llu",
		 (unsigned long long)MAX(ns / 1000, 1ull));
	return kernel_tuning_write(session->journal, session->fs, option, err);
}

int session_setup_globals(struct session *session, struct err *err)
{
	const struct record_plan *plan = session->plan;
	int r = kernel_instance_globals(&session->globals, session->fs, session->journal, err);

	if (r < 0)
		return r;
	session->globals_open = true;
	if (plan->has_max_graph_depth)
		r = write_global(session, "max_graph_depth", plan->max_graph_depth,
				 "limit the depth of calls (--max-graph-depth)", err);
	if (r == 0 && plan->cmdlines_size)
		r = write_global(session, "saved_cmdlines_size", plan->cmdlines_size,
				 "keep more names of tasks (--cmdlines-size)", err);
	if (r == 0 && plan->ftrace_off)
		r = kernel_functions_switch(session->journal, false, err);
	if (r == 0 && plan->thresh_ns)
		r = write_threshold(session, plan->thresh_ns, err);
	for (size_t i = 0; i < plan->nr_instances && r == 0; i++)
		r = write_tunings(session, plan->instances[i], err);
	return r;
}
