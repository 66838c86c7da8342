/* SPDX-License-Identifier: MIT */
/* `sonde profile`, the reading part: the tables of each buffer of a file. */
#include "cmd/profile.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/summary.h"

/* Of one buffer. */
struct profile_table {
	const struct input *input;
	const char *buffer; /* its name; "": the top one */
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

/* A file with formats of functions only, the kernel's or a program's, has nothing about tasks. */
static bool has_task_events(const struct event_db *db)
{
	for (size_t i = 0; i < event_db_count(db); i++)
		if (strcmp(event_db_at(db, i)->system, "ftrace") != 0 &&
		    strcmp(event_db_at(db, i)->system, "sonde") != 0)
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
	table->buffer = source->input->dat->buffers[source->buffer].name;
	table->only_tasks = args->only_tasks;
	if (!args->only_tasks)
		r = functions_new(&table->functions, db, args->group);
	if (r < 0)
		err_set(err, r, "out of memory");
	else if (args->only_tasks || (!args->only_functions && !args->diff && has_task_events(db) &&
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

	if (args->diff)
		functions_diff_heading(out, format, summary->with_buffer);
	else if (args->only_tasks)
		profile_rows_heading(out, format, summary->with_buffer);
	else
		functions_heading(args->group, out, format, summary->with_buffer);
}

/* --diff: the buffer of that name in the other file; where it has none, its first. */
static struct functions *base_of(const struct profile_args *args, const char *buffer)
{
	for (size_t i = 0; i < args->nr_bases; i++)
		if (!strcmp(args->bases[i].buffer, buffer))
			return args->bases[i].functions;
	return args->nr_bases ? args->bases[0].functions : NULL;
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
	if (args->diff)
		return functions_diff(base_of(args, table->buffer), table->functions, &how, out);
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

static const struct cmd_option read_options[] = {
	REPORT_INPUT_ROWS(""),
	REPORT_RANGE_ROWS,
	REPORT_PID_ROW,
	REPORT_COMM_ROW,
	REPORT_EVENT_FILTER_ROW,
	{REPORT_OPT_RANGE, 'r', "time-range", CMD_ARG_REQUIRED, NULL, NULL, NULL},
	{REPORT_OPT_BY_COMM, 0, "by-comm", CMD_ARG_NONE, NULL, NULL, NULL},
	{'G', 'G', "global", CMD_ARG_NONE, NULL, NULL, NULL},
	{'H', 'H', "hooks", CMD_ARG_REQUIRED, NULL, NULL, NULL},
	SUMMARY_OUTPUT_ROWS,
	{'q', 'q', "quiet", CMD_ARG_NONE, NULL, NULL, NULL},
	{0},
};

/* The parser of the reading part; messages and hints name the command. */
static const struct command read_part = {
	.name = "profile",
	.options = read_options,
};

static int no_own_option(void *own, int id, const char *text)
{
	(void)own;
	(void)id;
	(void)text;
	return REPORT_NOT_OWN;
}

/* --- the other file of --diff --- */

static int collect(struct summary *summary, const struct source *source, void *arg)
{
	struct profile_args *args = summary->own;
	struct profile_table *table = arg;
	struct profile_base base = {0};

	(void)source;
	if (array_reserve(&args->bases, &args->cap_bases, args->nr_bases + 1,
			  sizeof(*args->bases)) < 0 ||
	    functions_named(table->functions, &base.functions) < 0)
		return -ENOMEM;
	base.buffer = mem_strdup(table->buffer);
	if (!base.buffer) {
		functions_free(base.functions);
		return -ENOMEM;
	}
	args->bases[args->nr_bases++] = base;
	return 0;
}

int profile_read_base(struct profile_args *args)
{
	static const struct summary_kind collecting = {
		.make = make,
		.item = item,
		.collect = collect,
		.free = free_table,
		.wants = "records",
	};
	struct words words = {0};
	int r = 0, status = CMD_FAILED;

	for (size_t i = 0; r == 0 && i < args->read.nr; i++) {
		if (!strcmp(args->read.words[i], "-i"))
			i++;
		else
			r = words_push(&words, args->read.words[i]);
	}
	if (r == 0)
		r = words_push(&words, "-i");
	if (r == 0)
		r = words_push(&words, args->diff);
	if (r == 0)
		status = summary_run(&read_part, (int)words.nr, (char **)(uintptr_t)words.words,
				     &collecting, no_own_option, args, NULL);
	else
		cmd_error(args->command, "out of memory");
	words_done(&words);
	return status;
}

int profile_show(struct profile_args *args, void (*opened)(void *arg), void *arg)
{
	const struct summary_output output = {
		.path = args->output,
		.to_stderr = args->to_stderr,
		.opened = opened,
		.opened_arg = arg,
	};

	return summary_run(&read_part, (int)args->read.nr, (char **)(uintptr_t)args->read.words,
			   &kind, no_own_option, args, &output);
}
