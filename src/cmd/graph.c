/* SPDX-License-Identifier: MIT */
/* `sonde graph`: the calls of a recording, merged by their callers. */
#include "report/graph.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/call_args.h"
#include "cmd/option_rows.h"
#include "cmd/summary.h"

enum {
	OPT_SORT = 2000,
	OPT_BY_TASK
};

struct graph_args {
	const struct command *command;
	struct call_args calls;
	struct graph_options options;
	struct graph_print print;
	struct patterns *functions;
	const char *word; /* the first FUNC */
	bool found;
};

/* Of one buffer. */
struct graph_table {
	const struct input *input;
	struct graph *graph;
};

static void free_table(void *arg)
{
	struct graph_table *table = arg;

	graph_free(table->graph);
	mem_free(table);
}

static int make(struct summary *summary, const struct source *source, void **ret_table,
		struct err *err)
{
	struct graph_args *args = summary->own;
	struct graph_table *table = mem_zalloc(sizeof(*table));

	if (!table)
		return err_set(err, -ENOMEM, "out of memory");
	args->options.filter = args->calls.filter;
	args->options.filter.max_depth = 0;
	args->options.min_ns = args->calls.min_ns;
	table->input = source->input;
	if (graph_new(&table->graph, source->input->db, &args->options) < 0) {
		free_table(table);
		return err_set(err, -ENOMEM, "out of memory");
	}
	*ret_table = table;
	return 0;
}

static int item(void *arg, const struct report_item *it)
{
	struct graph_table *table = arg;

	return graph_event(table->graph, it);
}

static void heading(const struct summary *summary, struct out *out)
{
	(void)summary;
	(void)out;
}

static const char *comm_of(void *arg, int32_t pid)
{
	const char *comm = summary_comm(arg, pid);

	return comm ? comm : "<...>";
}

static int print(const struct summary *summary, void *arg, const char *buffer, struct out *out)
{
	struct graph_args *args = summary->own;
	struct graph_table *table = arg;
	struct graph_print how = args->print;
	int r;

	how.format = summary->session.args.report.format;
	how.colour = summary->session.args.report.colour;
	how.buffer = buffer;
	how.max_depth = args->calls.filter.max_depth;
	how.functions = args->functions;
	how.comm = comm_of;
	how.comm_arg = (void *)(uintptr_t)table->input;
	r = graph_print(table->graph, &how, out);
	if (r == -ENOENT)
		return 0;
	args->found = true;
	return r;
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

static int add_field(void *arg, const char *word, size_t len)
{
	struct graph_args *args = arg;
	struct graph_print *print = &args->print;
	int field = graph_field_find(word, len);

	if (field < 0 || field >= GRAPH_NR_FIELDS)
		return cmd_usage(args->command,
				 "-f: '%.*s' is none of total, self, calls, avg, min, max, addr, "
				 "module, none",
				 (int)len, word);
	for (size_t i = 0; i < print->nr_fields; i++)
		if (print->fields[i] == (enum graph_field)field)
			return 0;
	print->fields[print->nr_fields++] = (enum graph_field)field;
	return 0;
}

static int set_sort(struct graph_args *args, const char *text)
{
	int key = graph_field_find(text, strlen(text));

	if (key < 0 || key == GRAPH_ADDR || key == GRAPH_MODULE)
		return cmd_usage(args->command,
				 "-s: '%s' is none of total, self, calls, avg, min, max, name, "
				 "order",
				 text);
	args->print.sort = (enum graph_field)key;
	return 0;
}

static int set_group(struct graph_args *args, enum graph_group group)
{
	if (args->options.group != GRAPH_ALL && args->options.group != group)
		return cmd_usage(args->command, "--by-task and --by-comm exclude each other");
	args->options.group = group;
	return 0;
}

/* What looks like a file is one; no function has such a name. */
static bool is_file(const char *word)
{
	static const char *const ends[] = {".dat", ".partial"};
	size_t len = strlen(word);

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		size_t end = strlen(ends[i]);

		if (len >= end && !strcmp(word + len - end, ends[i]))
			return true;
	}
	return strchr(word, '/') != NULL;
}

static int add_function(struct graph_args *args, const char *word)
{
	struct err err = {0};
	int r = args->functions ? 0 : patterns_new(&args->functions);

	if (r == 0)
		r = patterns_add(args->functions, word, args->calls.regex, &err);
	if (!args->word)
		args->word = word;
	return r == -EINVAL ? cmd_usage(args->command, "%s", err.text) : r;
}

static int own_option(void *arg, int id, const char *text)
{
	struct graph_args *args = arg;

	switch (id) {
	case CMD_OPERAND:
		return is_file(text) ? REPORT_NOT_OWN : add_function(args, text);
	case 'f':
		return call_args_fields(text, &args->print.nr_fields, add_field, args);
	case OPT_SORT:
		return set_sort(args, text);
	case OPT_BY_TASK:
		return set_group(args, GRAPH_BY_TASK);
	case REPORT_OPT_BY_COMM:
		return set_group(args, GRAPH_BY_COMM);
	default:
		return call_args_take(&args->calls, id, text);
	}
}

static int run(const struct command *command, int argc, char **argv)
{
	struct graph_args args = {
		.command = command,
		.calls = {.command = command},
		.print = {.fields = {GRAPH_TOTAL, GRAPH_SELF, GRAPH_CALLS},
			  .nr_fields = 3,
			  .sort = GRAPH_TOTAL},
	};
	int status = summary_run(command, argc, argv, &kind, own_option, &args, NULL);

	if (status == CMD_OK && args.functions && !args.found) {
		cmd_error(command, "no call of a function '%s' is there", args.word);
		status = CMD_FAILED;
	}
	patterns_free(args.functions);
	call_args_done(&args.calls);
	return status;
}

static const struct cmd_option options[] = {
	REPORT_INPUT_ROWS("read FILE"),
	REPORT_RANGE_ROWS,
	CALL_SELECTION_ROWS,
	GROUP('f', 'f', "fields", ARG, "LIST",
	      "the columns, of: total, self, calls, avg, min, max, addr, module; none; +LIST adds "
	      "to the default, total,self,calls",
	      "Layout"),
	ROW(OPT_SORT, 's', "sort", ARG, "KEY",
	    "callees, largest first, of: total (the default), self, calls, avg, min, max; or name, "
	    "or order (of appearance)"),
	ROW(OPT_BY_TASK, 0, "by-task", NONE, NULL, "a graph for each task"),
	ROW(REPORT_OPT_BY_COMM, 0, "by-comm", NONE, NULL,
	    "a graph for each name; tasks of one name are one"),
	ROW(REPORT_OPT_COLOR, 0, "color", CMD_ARG_OPTIONAL, "WHEN", "auto, always or never"),
	GROUP(REPORT_OPT_JSON, 0, "json", NONE, NULL, "one JSON object a line", "Output"),
	ROW(REPORT_OPT_NO_PAGER, 0, "no-pager", NONE, NULL, "no pager on a terminal"),
	ROW('q', 'q', "quiet", NONE, NULL, "no warnings"),
	{0},
};

const struct command cmd_graph = {
	.name = "graph",
	.group = "look",
	.summary = "show calls merged by their callers, with their times",
	.synopsis = "[OPTIONS] [FUNC...] [FILE]",
	.description =
		"Reads trace.dat (or FILE, or that of -i) and prints which function called which, "
		"with the number of the calls, their time in all, and the time of their own "
		"(without the traced functions that they called), of all calls of one chain of "
		"callers together.\n"
		"\n"
		"With FUNC, a name or a glob: the chains of callers that led to it, and what it "
		"called, from wherever. A word that ends with .dat or has a slash in it is a "
		"file.\n"
		"\n"
		"A call that did not end counts without a time. Calls whose callers are not known "
		"because records before them are missing stand under [callers not recorded]. "
		"Records of the function tracer count in the chain of their callers, as far as it "
		"can be put together, without times.\n"
		"\n"
		"Examples:\n"
		"  sonde record -p function_graph -g vfs_read cat /etc/passwd\n"
		"  sonde graph\n"
		"  sonde graph -D 3 -t 10 --by-comm          calls of at least 10 us, three "
		"levels\n"
		"  sonde graph mutex_lock                    who locks, and what that takes\n"
		"  sonde graph 'ext4_*_write*' -f total,avg,max x.dat\n"
		"  sonde graph -F vfs_read -N '*lock*' --json | jq .function",
	.options = options,
	.needs = CMD_NEEDS_FILE,
	.run = run,
};
