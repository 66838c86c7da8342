/* SPDX-License-Identifier: MIT */
/* `sonde profile`: where time went, by function and by task. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/summary.h"
#include "report/functions.h"

enum {
	OPT_SORT = 2000,
	OPT_LIMIT,
	OPT_COLUMNS,
	OPT_BY_TASK,
	OPT_PER_CPU,
	OPT_FUNCTIONS,
	OPT_TASKS,
	DEFAULT_COLUMNS = 1 << FUNCTIONS_TOTAL | 1 << FUNCTIONS_AVG | 1 << FUNCTIONS_S2 |
			  1 << FUNCTIONS_SELF | 1 << FUNCTIONS_MAX
};

struct profile_args {
	const struct command *command;
	struct functions_print print;
	enum functions_group group;
	bool sort_given;
	bool functions, tasks; /* only these */
};

/* Of one buffer. */
struct profile_table {
	const struct input *input;
	struct functions *functions;
	struct profile *tasks;
	bool only_tasks; /* function records are the task profile's too */
	bool tasks_seen; /* a record of an event that is no function's */
};

static void free_table(void *arg)
{
	struct profile_table *table = arg;

	functions_free(table->functions);
	profile_free(table->tasks);
	mem_free(table);
}

/* A file with function formats only has nothing about tasks. */
static bool has_task_events(const struct event_db *db)
{
	for (size_t i = 0; i < event_db_count(db); i++)
		if (strcmp(event_db_at(db, i)->system, "ftrace") != 0)
			return true;
	return false;
}

static int make(struct summary *summary, const struct source *source, void **ret_table,
		struct err *err)
{
	const struct profile_args *args = summary->own;
	const struct event_db *db = source->input->db;
	struct profile_table *table = mem_zalloc(sizeof(*table));
	int r = 0;

	if (!table)
		return err_set(err, -ENOMEM, "out of memory");
	table->input = source->input;
	table->only_tasks = args->tasks;
	if (!args->tasks)
		r = functions_new(&table->functions, db, args->group);
	if (r < 0)
		err_set(err, r, "out of memory");
	else if (args->tasks || (!args->functions && has_task_events(db) &&
				 summary->session.args.report.format != REPORT_CSV))
		r = report_session_profile(&summary->session, source->input, &table->tasks, err);
	if (r < 0) {
		free_table(table);
		return r;
	}
	*ret_table = table;
	return 0;
}

static int item(void *arg, const struct report_item *it)
{
	struct profile_table *table = arg;
	const struct source_record *rec = it->rec;

	if (table->functions && (functions_knows(table->functions, it->event) || it->lost)) {
		int r = functions_event(table->functions, it);

		if (r < 0 || (functions_knows(table->functions, it->event) && !it->lost))
			return r;
	}
	if (!table->tasks)
		return 0;
	if (it->lost)
		profile_lost(table->tasks, rec->cpu);
	if (!it->event || (table->functions && functions_knows(table->functions, it->event)))
		return 0;
	table->tasks_seen = true;
	return profile_event(table->tasks, it->event, rec->data, rec->len, rec->cpu, rec->ts);
}

/* The heading of CSV, which has one kind of rows; in text each table has its own. */
static void heading(const struct summary *summary, struct out *out)
{
	const struct profile_args *args = summary->own;
	enum report_format format = summary->session.args.report.format;

	if (args->tasks)
		profile_rows_heading(out, format, summary->with_buffer);
	else
		functions_heading(args->group, out, format, summary->with_buffer);
}

static int print_functions(const struct profile_args *args, struct profile_table *table,
			   enum report_format format, const char *buffer, struct out *out)
{
	struct functions_print how = args->print;

	how.format = format;
	how.buffer = buffer;
	how.comm = summary_comm;
	how.comm_arg = (void *)(uintptr_t)table->input;
	if (!args->sort_given && !functions_timed(table->functions))
		how.sort = FUNCTIONS_HITS;
	return functions_print(table->functions, &how, out);
}

static int print(const struct summary *summary, void *arg, const char *buffer, struct out *out)
{
	enum report_format format = summary->session.args.report.format;
	struct profile_table *table = arg;
	bool tasks = table->tasks && (table->tasks_seen || table->only_tasks);
	int r = 0;

	if (table->functions && (!tasks || !functions_empty(table->functions))) {
		r = print_functions(summary->own, table, format, buffer, out);
		if (tasks && format == REPORT_TEXT)
			out_char(out, '\n');
	}
	if (r < 0 || !tasks)
		return r;
	return format == REPORT_TEXT ? profile_print(table->tasks, out)
				     : profile_rows(table->tasks, format, buffer, out);
}

static const struct summary_kind kind = {
	.make = make,
	.item = item,
	.heading = heading,
	.print = print,
	.free = free_table,
	.wants = "records",
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

static int own_option(void *own, int id, const char *text)
{
	struct profile_args *args = own;

	switch (id) {
	case OPT_SORT:
		return set_sort(args, text);
	case OPT_COLUMNS:
		return set_columns(args, text);
	case OPT_LIMIT:
		return cmd_parse_u64(args->command, "--limit", text, 1, UINT64_MAX,
				     &args->print.limit)
			       ? 0
			       : CMD_USAGE;
	case OPT_BY_TASK:
		return set_group(args, FUNCTIONS_BY_TASK);
	case OPT_PER_CPU:
		return set_group(args, FUNCTIONS_BY_CPU);
	case REPORT_OPT_BY_COMM: /* the task profile's, too */
		return set_group(args, FUNCTIONS_BY_COMM) ? CMD_USAGE : REPORT_NOT_OWN;
	case OPT_FUNCTIONS:
		args->functions = true;
		break;
	case OPT_TASKS:
		args->tasks = true;
		break;
	default:
		return REPORT_NOT_OWN;
	}
	if (args->functions && args->tasks)
		return cmd_usage(args->command, "--functions and --tasks exclude each other; "
						"without them both are shown");
	return 0;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct profile_args args = {
		.command = command,
		.print = {.sort = FUNCTIONS_TOTAL, .columns = DEFAULT_COLUMNS},
	};

	return summary_run(command, argc, argv, &kind, own_option, &args);
}

#define ROW(id, letter, name, arg, arg_name, help)                                                 \
	{                                                                                          \
		id, letter, name, arg, arg_name, help, NULL                                        \
	}
#define GROUP(id, letter, name, arg, arg_name, help, group)                                        \
	{                                                                                          \
		id, letter, name, arg, arg_name, help, group                                       \
	}
#define NONE CMD_ARG_NONE
#define ARG  CMD_ARG_REQUIRED

static const struct cmd_option options[] = {
	REPORT_INPUT_ROWS("read FILE"),
	REPORT_RANGE_ROWS,
	REPORT_FILTER_ROWS,
	GROUP(OPT_FUNCTIONS, 0, "functions", NONE, NULL, "the function profile only", "Functions"),
	ROW(OPT_SORT, 0, "sort", ARG, "KEY",
	    "largest first of: total (the default), self, avg, max, min, hits, s2, p50, p90, p95, "
	    "p99; or name"),
	ROW(OPT_LIMIT, 0, "limit", ARG, "N", "only the first N lines of each table"),
	ROW(OPT_COLUMNS, 0, "columns", ARG, "LIST",
	    "columns of the text: hits, total, avg, s2, self, min, p50, p90, p95, p99, max, or "
	    "all; "
	    "default total,avg,s2,self,max"),
	ROW(OPT_BY_TASK, 0, "by-task", NONE, NULL, "a table for each task"),
	ROW(REPORT_OPT_BY_COMM, 0, "by-comm", NONE, NULL,
	    "a table for each name of a task; in the task profile, too"),
	ROW(OPT_PER_CPU, 0, "per-cpu", NONE, NULL, "a table for each CPU, as the kernel's"),
	GROUP(OPT_TASKS, 0, "tasks", NONE, NULL, "the task profile only", "Tasks"),
	ROW('G', 'G', "global", NONE, NULL, "interrupts belong to the CPU, not to the task"),
	ROW('H', 'H', "hooks", ARG, "HOOK", "connect two events, as in report --profile"),
	SUMMARY_OUTPUT_ROWS,
	{'q', 'q', "quiet", NONE, NULL, "no warnings", "Messages"},
	{0},
};

const struct command cmd_profile = {
	.name = "profile",
	.group = "understand",
	.summary = "show where time went, by function and by task",
	.synopsis = "[OPTIONS] [FILE]",
	.description =
		"The function profile says how often each traced function ran and how long it "
		"took, in the\n"
		"layout of the kernel's function profiler (trace_stat/function0): hits, time with "
		"everything\n"
		"that it called, average and sample variance, and besides that the time of its "
		"own (without the\n"
		"traced functions that it called) and the longest call. It is made from the "
		"records of the\n"
		"function_graph tracer; those of the function tracer only tell the hits.\n"
		"\n"
		"A call that did not end is a hit without a time. The time of a function that "
		"calls itself counts\n"
		"on each level. What is open when events are lost has no time of its own; "
		"percentiles are right\n"
		"to 3 %.\n"
		"\n"
		"The task profile says for each task how long it ran, slept, waited and worked in "
		"interrupts and\n"
		"system calls, from the events of sched, irq and raw_syscalls, each with the "
		"stacks recorded\n"
		"behind them: what report --profile shows. Both are shown when the recording has "
		"both; CSV has\n"
		"the functions, with --tasks the tasks.\n"
		"\n"
		"Examples:\n"
		"  sonde record -p function_graph -l 'tcp*' curl example.org\n"
		"  sonde profile --sort self --limit 20\n"
		"  sonde profile --per-cpu --columns total,avg,s2        as the kernel's tables\n"
		"  sonde profile --by-comm --task 'kworker*'\n"
		"  sonde profile --tasks -G\n"
		"  sonde profile --functions --json | jq -r 'select(.p99_ns > 1e6) | .function'",
	.options = options,
	.needs = CMD_NEEDS_FILE,
	.run = run,
};
