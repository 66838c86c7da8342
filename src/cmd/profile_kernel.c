/* SPDX-License-Identifier: MIT */
/* `sonde profile --kernel`: the kernel's own function profiler counts. */
#include "cmd/profile.h"

#include <errno.h>
#include <stdio.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/out.h"
#include "cmd/record_args.h"
#include "cmd/summary.h"
#include "kernel/features.h"
#include "kernel/profiler.h"
#include "record/attend.h"

struct counting {
	struct profile_args *args;
	struct record_args record;
	struct tracefs *fs;
	struct kernel_profiler *profiler;
	struct functions *functions;
};

static int begin(void *arg, struct err *err)
{
	const struct counting *c = arg;

	if (!c->record.plan.command && !c->args->quiet)
		fprintf(stderr, "Hit Ctrl^C to stop profiling\n");
	return kernel_profiler_start(c->profiler, err);
}

static int end(void *arg, struct err *err)
{
	const struct counting *c = arg;

	return kernel_profiler_stop(c->profiler, err);
}

/* -l, -n and --module; what else there is to say about recording has no meaning here. */
static int parse(struct counting *c)
{
	struct record_args *record = &c->record;
	const struct record_plan *plan = &record->plan;
	const struct record_instance *inst;
	struct words words = {0};
	int r = words_push(&words, "profile");

	if (r == 0)
		r = words_push(&words, "-p"); /* its parser wants something to record */
	if (r == 0)
		r = words_push(&words, "function");
	for (size_t i = 1; i < c->args->record.nr && r == 0; i++)
		r = words_push(&words, c->args->record.words[i]);
	if (r == 0)
		r = words_push(&words, "--");
	for (char **word = c->args->live_command; word && *word && r == 0; word++)
		r = words_push(&words, *word);
	record_args_init(record, &profile_record_part);
	if (r < 0) {
		cmd_error(c->args->command, "out of memory");
		words_done(&words);
		return CMD_FAILED;
	}
	r = record_args_parse(record, (int)words.nr, (char **)(uintptr_t)words.words) ? CMD_OK
										      : CMD_USAGE;
	words_done(&words);
	if (r != CMD_OK)
		return r;
	record->plan.command = c->args->live_command;
	inst = plan->instances[0];
	if (plan->nr_instances > 1 || inst->nr_rules || c->args->tracer_given ||
	    c->args->graph_given || c->args->depth_given || inst->options.nr || inst->cpumask ||
	    inst->function_commands.nr || inst->func_stack || plan->command_only || plan->nr_pids)
		return cmd_usage(c->args->command,
				 "--kernel goes with -l, -n and --module only: the kernel's "
				 "profiler knows nothing else");
	return CMD_OK;
}

static int open_profiler(struct counting *c, struct err *err)
{
	const struct record_instance *inst = c->record.plan.instances[0];
	const struct kernel_profiler_choice choice = {
		.functions = inst->functions.items,
		.nr_functions = inst->functions.nr,
		.no_functions = inst->no_functions.items,
		.nr_no_functions = inst->no_functions.nr,
		.module = inst->module,
	};

	return kernel_profiler_open(&c->profiler, c->fs, &choice, err);
}

/* --- the tables --- */

static int take_line(void *arg, const struct kernel_profiler_line *line)
{
	struct counting *c = arg;

	return functions_add(c->functions, line->cpu, line->name, line->name_len,
			     &(struct functions_sum){.hits = line->hits,
						     .timed = line->timed,
						     .total_ns = line->total_ns,
						     .s2_ns2 = line->s2_ns2});
}

static int print(struct counting *c, struct err *err)
{
	struct profile_args *args = c->args;
	struct functions_print how = args->print;
	const struct summary_output output = {.path = args->output, .to_stderr = args->to_stderr};
	_cleanup_out_ struct out out = {0};
	struct summary_sink sink;
	int r;

	if (!args->columns_given)
		how.columns &= 1u << FUNCTIONS_TOTAL | 1u << FUNCTIONS_AVG | 1u << FUNCTIONS_S2;
	if (!args->sort_given && !functions_timed(c->functions))
		how.sort = FUNCTIONS_HITS;
	functions_heading(args->group, &out, how.format, false);
	if (functions_print(c->functions, &how, &out) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	r = summary_sink_open(&sink, &output, true, err);
	return r < 0 ? r : summary_sink_close(&sink, summary_sink_write(&sink, &out, err), err);
}

static int count(struct counting *c, int *ret_status, struct err *err)
{
	const struct record_attend how = {
		.begin = begin, .end = end, .for_ns = c->record.plan.for_ns, .arg = c};
	int r = open_profiler(c, err), closed;

	if (r < 0)
		return r;
	r = record_attend(c->record.plan.command, &how, ret_status, err);
	if (r == 0)
		r = functions_new_names(&c->functions, c->args->group) < 0
			    ? err_set(err, -ENOMEM, "out of memory")
			    : 0;
	if (r == 0)
		r = kernel_profiler_read(c->profiler, take_line, c, err);
	closed = kernel_profiler_close(c->profiler, r < 0 ? NULL : err);
	return r < 0 ? r : closed;
}

static int run(struct counting *c)
{
	struct err err = {0};
	int command_status = -1, status = parse(c), r;

	if (status != CMD_OK)
		return status;
	r = count(c, &command_status, &err);
	if (r == 0)
		r = print(c, &err);
	if (r < 0 && r != -EPIPE)
		status = cmd_fail(c->args->command, &err);
	return command_status > 0 ? command_status : status;
}

int profile_kernel(struct profile_args *args)
{
	struct counting c = {.args = args};
	const struct feature_info *info = feature_info(FEATURE_PROFILER);
	struct err err = {0};
	char why[300];
	int status;

	if (tracefs_open(&c.fs, NULL, &err) < 0)
		return cmd_fail(args->command, &err);
	if (!kernel_profiler_exists(c.fs)) {
		tracefs_close(c.fs);
		feature_why_missing(info, why, sizeof(why));
		cmd_warn(args->command,
			 "no function profiler: %s; calls are recorded, and counted here", why);
		return -ENOENT;
	}
	status = run(&c);
	functions_free(c.functions);
	record_args_done(&c.record);
	tracefs_close(c.fs);
	return status;
}
