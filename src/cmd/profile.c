/* SPDX-License-Identifier: MIT */
/*
 * `sonde profile`: where time went, by function and by task. The options of recording and of
 * reading are sorted here into two command lines, each for the parser that knows it.
 */
#include "cmd/profile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/option_rows.h"
#include "cmd/record_args.h"
#include "cmd/summary.h"

enum {
	OPT_SORT = 2000,
	OPT_LIMIT,
	OPT_COLUMNS,
	OPT_BY_TASK,
	OPT_PER_CPU,
	OPT_ONLY,
	OPT_KERNEL,
	OPT_DIFF,
	DIFF_COLUMNS = 1 << FUNCTIONS_TOTAL | 1 << FUNCTIONS_AVG | 1 << FUNCTIONS_SELF
};

/* --- options --- */

static int set_sort(struct profile_args *args, const char *text)
{
	int column = functions_column_find(text);

	if (column < 0)
		return cmd_usage(args->command,
				 "--sort: '%s' is none of name, hits, total, avg, s2, self, min, "
				 "p50, p90, p95, p99, max",
				 text);
	args->print.sort = (enum functions_column)column;
	args->sort_given = true;
	return 0;
}

static int set_columns(struct profile_args *args, const char *text)
{
	args->print.columns = 0;
	args->columns_given = true;
	if (!strcmp(text, "all")) {
		args->print.columns = (1u << FUNCTIONS_NR_COLUMNS) - 1;
		return 0;
	}
	while (*text) {
		size_t len = strcspn(text, ",");
		char word[16] = "";
		int column;

		if (len < sizeof(word))
			memcpy(word, text, len);
		column = functions_column_find(word);
		if (column < 0 || column == FUNCTIONS_NAME)
			return cmd_usage(args->command,
					 "--columns: '%.*s' is none of hits, total, avg, s2, self, "
					 "min, p50, p90, p95, p99, max, all",
					 (int)len, text);
		args->print.columns |= 1u << column;
		text += len + (text[len] == ',');
	}
	return 0;
}

static int set_group(struct profile_args *args, enum functions_group group)
{
	if (args->group != FUNCTIONS_ALL && args->group != group)
		return cmd_usage(args->command,
				 "--by-task, --by-comm and --per-cpu exclude each other");
	args->group = group;
	return 0;
}

static int set_only(struct profile_args *args, const char *text)
{
	args->only_functions = !strcmp(text, "functions");
	args->only_tasks = !strcmp(text, "tasks");
	return args->only_functions || args->only_tasks
		       ? 0
		       : cmd_usage(args->command, "--only: '%s' is neither functions nor tasks",
				   text);
}

/* Options of neither part. */
static int set_own(struct profile_args *args, int id, const char *text)
{
	switch (id) {
	case OPT_SORT:
		return set_sort(args, text);
	case OPT_COLUMNS:
		return set_columns(args, text);
	case OPT_LIMIT:
		return summary_limit(args->command, text, &args->print.limit);
	case OPT_BY_TASK:
		return set_group(args, FUNCTIONS_BY_TASK);
	case OPT_PER_CPU:
		return set_group(args, FUNCTIONS_BY_CPU);
	case OPT_ONLY:
		return set_only(args, text);
	case OPT_KERNEL:
		args->kernel = true;
		return 0;
	case OPT_DIFF:
		args->diff = text;
		return 0;
	case OPT_STDERR:
		args->to_stderr = true;
		return 0;
	case 'o':
		args->output = text;
		return 0;
	default: /* -S */
		args->only_given = true;
		return 0;
	}
}

static bool is_own(int id)
{
	return id == OPT_STDERR || id == 'o' || id == 'S' || (id >= OPT_SORT && id <= OPT_DIFF);
}

static bool is_reading(int id)
{
	static const int ids[] = {'i', 'G', 'H', 'q'};

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		if (ids[i] == id)
			return true;
	return id >= REPORT_OPT_CPU && id < OPT_SORT;
}

static void note_recording(struct profile_args *args, int id)
{
	args->tracer_given |= id == 'p';
	args->functions_given |= id == 'l';
	args->graph_given |= id == 'g';
	args->depth_given |= id == OPT_MAX_GRAPH_DEPTH;
}

/* The text of an option is kept with the words; freed with them. */
static int take_option(struct profile_args *args, int id, const char *arg)
{
	const char *option;
	int r = 0;

	if (is_own(id))
		return set_own(args, id, arg);
	if (id == 'P')
		return words_push(&args->pids, arg);
	option = words_option_text(&args->options, args->command, id, &arg);
	if (!option)
		return -ENOMEM;
	if (id == REPORT_OPT_BY_COMM) {
		r = set_group(args, FUNCTIONS_BY_COMM);
		if (r)
			return r;
	}
	if (is_reading(id)) {
		args->from_file |= id == 'i';
		args->quiet |= id == 'q';
		if (id == 'H' && words_push(&args->hooks, arg) < 0)
			return -ENOMEM;
		if (id == REPORT_OPT_JSON || id == REPORT_OPT_CSV) /* for --kernel */
			args->print.format = id == REPORT_OPT_JSON ? REPORT_JSON : REPORT_CSV;
		r = words_option(&args->read, option, arg);
	}
	if (r == 0 && (!is_reading(id) || id == 'q'))
		r = words_option(&args->record, option, arg);
	if (!is_reading(id) && !args->record_option)
		args->record_option = option;
	if (!is_reading(id))
		note_recording(args, id);
	return r;
}

/* Pids are what is recorded, or which events of a file count. */
static int place_pids(struct profile_args *args)
{
	int r = 0;

	for (size_t i = 0; i < args->pids.nr && r == 0; i++)
		r = args->from_file ? words_option(&args->read, "--pid", args->pids.words[i])
				    : words_option(&args->record, "-P", args->pids.words[i]);
	return r;
}

static int check_together(const struct profile_args *args, int argc, int first, char **argv)
{
	if (args->from_file && args->record_option)
		return cmd_usage(args->command, "%s is about recording, and -i reads a file",
				 args->record_option);
	if (args->from_file && (args->kernel || args->only_given))
		return cmd_usage(args->command, "%s is about recording, and -i reads a file",
				 args->kernel ? "--kernel" : "-S");
	if (args->from_file && first < argc)
		return cmd_usage(args->command, "'%s': with -i no command is run", argv[first]);
	if (args->diff && (args->kernel || args->only_tasks || args->group != FUNCTIONS_ALL))
		return cmd_usage(args->command,
				 "--diff compares functions, of all tasks and CPUs together");
	if (args->kernel && (args->only_tasks || args->group == FUNCTIONS_BY_TASK ||
			     args->group == FUNCTIONS_BY_COMM))
		return cmd_usage(args->command, "--kernel counts functions, not tasks");
	return 0;
}

static int parse(struct profile_args *args, int argc, char **argv)
{
	struct cmd_parser parser;
	int id, r = words_push(&args->read, argv[0]);

	if (r == 0)
		r = words_push(&args->record, argv[0]);
	cmd_parser_init(&parser, args->command, argc, argv);
	while (r == 0 && (id = cmd_next(&parser)) != 0)
		r = id < 0 ? CMD_USAGE : take_option(args, id, parser.arg);
	if (r == 0)
		r = check_together(args, argc, parser.first, argv);
	if (r == 0)
		r = place_pids(args);
	if (args->diff && !args->columns_given)
		args->print.columns = DIFF_COLUMNS;
	if (r == 0 && parser.first < argc)
		args->live_command = argv + parser.first;
	if (r != -ENOMEM)
		return r;
	cmd_error(args->command, "out of memory");
	return CMD_FAILED;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct profile_args args = {
		.command = command,
		.print = {.sort = FUNCTIONS_TOTAL, .columns = PROFILE_COLUMNS},
	};
	int status = parse(&args, argc, argv);

	if (status == CMD_OK && args.diff)
		status = profile_read_base(&args);
	if (status == CMD_OK)
		status = args.from_file ? profile_show(&args, NULL, NULL) : profile_live(&args);
	for (size_t i = 0; i < args.nr_bases; i++) {
		functions_free(args.bases[i].functions);
		mem_free(args.bases[i].buffer);
	}
	mem_free(args.bases);
	words_done_texts(&args.options);
	words_done(&args.hooks);
	words_done(&args.pids);
	words_done(&args.read);
	words_done(&args.record);
	return status;
}

static const struct cmd_option options[] = {
	REPORT_INPUT_ROWS("read FILE instead of recording"),
	REPORT_RANGE_ROWS,
	REPORT_COMM_ROW,
	REPORT_EVENT_FILTER_ROW,
	GROUP(OPT_ONLY, 0, "only", ARG, "WHICH", "the profile of functions or of tasks only",
	      "Profile"),
	ROW(OPT_SORT, 0, "sort", ARG, "KEY",
	    "functions, largest first of: total (the default), self, avg, max, min, hits, s2, p50, "
	    "p90, p95, p99; or name"),
	ROW(OPT_LIMIT, 0, "limit", ARG, "N", "only the first N lines of each table of functions"),
	ROW(OPT_COLUMNS, 0, "columns", ARG, "LIST",
	    "columns of the text: hits, total, avg, s2, self, min, p50, p90, p95, p99, max, or "
	    "all; "
	    "default total,avg,s2,self,max"),
	ROW(OPT_BY_TASK, 0, "by-task", NONE, NULL, "a table of functions for each task"),
	ROW(REPORT_OPT_BY_COMM, 0, "by-comm", NONE, NULL,
	    "tasks of one name are one, in both profiles"),
	ROW(OPT_PER_CPU, 0, "per-cpu", NONE, NULL,
	    "a table of functions for each CPU, as the kernel's"),
	ROW(OPT_DIFF, 0, "diff", ARG, "FILE",
	    "differences from the function profile of FILE, the largest of the sort key first"),
	ROW('G', 'G', "global", NONE, NULL, "interrupts belong to the CPU, not to the task"),
	ROW('H', 'H', "hooks", ARG, "HOOK",
	    "connect two events, as in report --profile, and record them"),
	SUMMARY_OUTPUT_ROWS,
	ROW('o', 'o', "output", ARG, "FILE", "write the profile to FILE"),
	ROW(OPT_STDERR, 0, "stderr", NONE, NULL, "write the profile to standard error"),
	ROW('q', 'q', "quiet", NONE, NULL, "no messages but errors"),

	GROUP('S', 'S', NULL, NONE, NULL, "record only what -p and -e say", "Recording"),
	ROW(OPT_KERNEL, 0, "kernel", NONE, NULL,
	    "let the kernel's function profiler count, where it has one"),
	RECORD_OPTIONS_TRACE RECORD_OPTIONS_FUNCTIONS RECORD_OPTIONS_WHOM RECORD_OPTIONS_OWN
		RECORD_OPTIONS_HOW RECORD_OPTIONS_READ{0},
};

static const struct cmd_option record_part_options[] = {
	RECORD_OPTIONS_TRACE RECORD_OPTIONS_FUNCTIONS RECORD_OPTIONS_WHOM RECORD_OPTIONS_OWN
		RECORD_OPTIONS_HOW RECORD_OPTIONS_READ RECORD_OPTIONS_OUTPUT RECORD_OPTIONS_QUIET{
			0},
};

const struct command profile_record_part = {
	.name = "profile",
	.options = record_part_options,
	.stop_at_operand = true,
};

const struct command cmd_profile = {
	.name = "profile",
	.group = "understand",
	.summary = "show where time went, by function and by task",
	.synopsis = "[OPTIONS] [COMMAND [ARGS]] | [OPTIONS] -i FILE",
	.description =
		"Records while COMMAND runs, or without one until Ctrl-C, and then shows where "
		"time went; with -i it reads a recording. Nothing of what is recorded is kept.\n"
		"\n"
		"The function profile says how often each traced function ran and how long it "
		"took, in the layout of the kernel's function profiler (trace_stat/function0): "
		"hits, time with everything that it called, average and sample variance, and "
		"besides that the time of its own (without the traced functions that it called) "
		"and the longest call. It is made from the records of the function_graph tracer; "
		"those of the function tracer only tell the hits.\n"
		"\n"
		"A call that did not end is a hit without a time. The time of a function that "
		"calls itself counts on each level. What is open when events are lost has no "
		"time of its own; percentiles are right to 3 %.\n"
		"\n"
		"The task profile says for each task how long it ran, slept, waited and worked in "
		"interrupts and system calls, from the events of sched, irq and raw_syscalls, "
		"each with the stacks recorded behind them: what report --profile shows. Both "
		"are shown when the recording has both; CSV has the functions, with --only tasks "
		"the tasks.\n"
		"\n"
		"With --diff each column is followed by its difference from what it was in another "
		"recording, and the sort key's change is given in percent. Functions are the same "
		"when their names are.\n"
		"\n"
		"With -i, --pid chooses the events of, or about, these pids, as in report.\n"
		"\n"
		"What is recorded: these events, with stacks of sched_switch and sched_wakeup, "
		"and function_graph, one level deep or, with -l or -g, as deep as these say. -p "
		"chooses another tracer (nop: none), -e adds events, -S leaves the defaults out. "
		"--kernel lets the kernel's function profiler count, which is cheaper and knows "
		"neither tasks nor extremes.\n"
		"\n"
		"Examples:\n"
		"  sonde profile make -j8\n"
		"  sonde profile --only functions -l 'tcp*' curl example.org\n"
		"  sonde profile --kernel -l 'tcp*' --for 10s\n"
		"  sonde profile -i trace.dat --sort self --limit 20\n"
		"  sonde profile -i trace.dat --per-cpu --columns total,avg,s2\n"
		"  sonde profile -i after.dat --diff before.dat --sort self\n"
		"  sonde profile -i trace.dat --by-comm --task 'kworker*'\n"
		"  sonde profile -i trace.dat --only functions --json | jq .p99_ns",
	.options = options,
	.stop_at_operand = true,
	.run = run,
};
