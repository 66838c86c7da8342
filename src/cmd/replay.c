/* SPDX-License-Identifier: MIT */
/* `sonde replay`: the calls of a recording in the order of time. */
#include "cmd/replay.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/summary.h"
#include "report/replay.h"

enum {
	FLUSH_BYTES = 1 << 16,
	COLUMN_OFFSET = 8
};

struct replay_args {
	const struct command *command;
	struct call_args calls;
	struct replay_options options;
	struct replay *replay;
	struct out out;
	struct summary_sink sink;
	struct err *err, write_err; /* write_err: of a write, while records are read */
	int write_result;
	bool fields_given;
};

/* --- options --- */

static int add_field(void *arg, const char *word, size_t len)
{
	struct replay_args *args = arg;
	struct replay_options *o = &args->options;
	int field = replay_field_find(word, len);

	if (field < 0)
		return cmd_usage(args->command,
				 "-f: '%.*s' is none of cpu, duration, time, elapsed, delta, tid, "
				 "task, addr, module, none",
				 (int)len, word);
	for (size_t i = 0; i < o->nr_fields; i++)
		if (o->fields[i] == (enum replay_field)field)
			return 0;
	o->fields[o->nr_fields++] = (enum replay_field)field;
	return 0;
}

static int set_offset(struct replay_args *args, const char *text)
{
	uint64_t value;

	if (!cmd_parse_u64(args->command, "--column-offset", text, 0, 1000, &value))
		return CMD_USAGE;
	args->options.column_offset = (uint32_t)value;
	return 0;
}

static bool *flag_of(struct replay_options *o, int id)
{
	switch (id) {
	case REPLAY_OPT_NO_MERGE:
		return &o->no_merge;
	case REPLAY_OPT_FOLD:
		return &o->fold;
	case REPLAY_OPT_FLAT:
		return &o->flat;
	case REPLAY_OPT_COLUMN_VIEW:
		return &o->column_view;
	case REPLAY_OPT_TASK_NEWLINE:
		return &o->task_newline;
	case REPLAY_OPT_NO_COMMENT:
		return &o->no_comment;
	case REPLAY_OPT_TAIL:
		return &o->tail;
	default:
		return NULL;
	}
}

static int own_option(void *arg, int id, const char *text)
{
	struct replay_args *args = arg;
	bool *flag = flag_of(&args->options, id);

	if (flag) {
		*flag = true;
		return 0;
	}
	switch (id) {
	case 'f':
		args->fields_given = true;
		return call_args_fields(text, &args->options.nr_fields, add_field, args);
	case REPLAY_OPT_COLUMN_OFFSET:
		return set_offset(args, text);
	default:
		return call_args_take(&args->calls, id, text);
	}
}

/* --- */

static int each_item(void *arg, const struct report_item *item)
{
	struct replay_args *args = arg;
	int r = replay_item(args->replay, item, &args->out);

	if (r < 0 || args->out.len < FLUSH_BYTES)
		return r;
	args->write_result = summary_sink_write(&args->sink, &args->out, &args->write_err);
	return args->write_result;
}

static int write_all(struct replay_args *args, struct report_session *s)
{
	int r = report_scan(s->report, each_item, args, args->err);

	if (args->write_result < 0) {
		*args->err = args->write_err;
		return args->write_result;
	}
	if (r >= 0 && replay_end(args->replay, &args->out) < 0)
		r = err_set(args->err, -ENOMEM, "out of memory");
	return r < 0 ? r : summary_sink_write(&args->sink, &args->out, args->err);
}

static bool look_ahead(void *arg, const struct source *source, uint32_t cpu,
		       struct report_item *ret_next)
{
	return report_look_ahead(arg, source, cpu, ret_next);
}

static void take_options(struct replay_args *args, const struct report_session *s)
{
	struct replay_options *o = &args->options;

	o->format = s->args.report.format;
	o->colour = s->args.report.colour;
	o->comm = summary_comm;
	o->look_ahead = look_ahead;
	o->look_ahead_arg = s->report;
	o->filter = args->calls.filter;
	o->min_ns = args->calls.min_ns;
	/* Columns say nothing of whose they are. */
	if (o->column_view && !args->fields_given)
		o->fields[o->nr_fields++] = REPLAY_TASK;
}

static int show(struct replay_args *args, struct report_session *s)
{
	static const struct summary_output output;
	int r, status = report_session_range(s);

	if (status != CMD_OK)
		return status;
	s->calls = true;
	r = report_session_start(s, args->err);
	if (r >= 0)
		r = report_session_report(s, args->err);
	take_options(args, s);
	if (r >= 0 && replay_new(&args->replay, &args->options, s->sources, s->nr_sources) < 0)
		r = err_set(args->err, -ENOMEM, "out of memory");
	if (r >= 0)
		r = summary_sink_open(&args->sink, &output, !s->args.no_pager, args->err);
	if (r < 0)
		return cmd_fail(args->command, args->err);
	replay_heading(args->replay, &args->out);
	r = summary_sink_close(&args->sink, write_all(args, s), args->err);
	if (r < 0 && r != -EPIPE)
		return cmd_fail(args->command, args->err);
	if (!s->args.quiet && r >= 0)
		report_session_losses(s);
	return report_session_damage(s);
}

static int parse(struct replay_args *args, struct report_session *s, const struct command *command,
		 int argc, char **argv)
{
	*args = (struct replay_args){
		.command = command,
		.calls = {.command = command},
		.options = {.fields = {REPLAY_CPU, REPLAY_DURATION},
			    .nr_fields = 2,
			    .column_offset = COLUMN_OFFSET},
	};
	s->args.own = own_option;
	s->args.own_arg = args;
	return report_args_parse(&s->args, command, argc, argv);
}

static void done(struct replay_args *args, struct report_session *s)
{
	replay_free(args->replay);
	out_done(&args->out);
	call_args_done(&args->calls);
	report_session_done(s);
}

int replay_check(const struct command *command, int argc, char **argv)
{
	struct report_session s = {0};
	struct replay_args args;
	int status = parse(&args, &s, command, argc, argv);

	done(&args, &s);
	return status;
}

int replay_run(const struct command *command, int argc, char **argv, void (*opened)(void *arg),
	       void *arg)
{
	struct report_session s = {0};
	struct err err = {0};
	struct replay_args args;
	int status = parse(&args, &s, command, argc, argv);

	args.err = &err;
	if (status == CMD_OK && report_session_open(&s, &err) < 0)
		status = cmd_fail(command, &err);
	if (status == CMD_OK && opened)
		opened(arg);
	if (status == CMD_OK)
		status = show(&args, &s);
	done(&args, &s);
	return status;
}

static int run(const struct command *command, int argc, char **argv)
{
	return replay_run(command, argc, argv, NULL, NULL);
}

static const struct cmd_option options[] = {
	REPORT_INPUT_ROWS("read FILE"),
	REPORT_RANGE_ROWS,
	CALL_SELECTION_ROWS,
	REPLAY_LAYOUT_ROWS,
	GROUP(REPORT_OPT_JSON, 0, "json", NONE, NULL, "one JSON object a line", "Output"),
	ROW(REPORT_OPT_NO_PAGER, 0, "no-pager", NONE, NULL, "no pager on a terminal"),
	ROW('q', 'q', "quiet", NONE, NULL, "no warnings"),
	{0},
};

const struct command cmd_replay = {
	.name = "replay",
	.group = "look",
	.summary = "show calls in the order of time, indented",
	.synopsis = "[OPTIONS] [FILE]",
	.description =
		"Reads trace.dat (or FILE) and prints what the function_graph tracer recorded in "
		"the layout of the kernel's own trace file: a line where a call begins and one "
		"where it ends, with how long it took, or one line for both when nothing "
		"happened in between. In front of the time stands + for more than 10 "
		"microseconds, ! 100, # 1 ms, * 10 ms, @ 100 ms, $ 1 s. Where another task runs on "
		"a CPU, both are named. Other events are comments at their place.\n"
		"\n"
		"Lost events are told at their place. A closing brace whose opening one is not the "
		"last of its depth on the CPU is named, a call of which no return was recorded is "
		"said to be so, and the calls that were open when the records end are listed "
		"there.\n"
		"\n"
		"Records of the function tracer are shown as calls without a time, indented by "
		"their callers as far as these are known.\n"
		"\n"
		"Examples:\n"
		"  sonde record -p function_graph -g vfs_read cat /etc/passwd\n"
		"  sonde replay\n"
		"  sonde replay -t 100 --task cat            calls of cat from 100 us on\n"
		"  sonde replay -F 'ext4_*' -N '*lock*' -D 3\n"
		"  sonde replay -f time,cpu,task,duration    as with funcgraph-abstime and -proc\n"
		"  sonde replay -r +10ms~+12ms --json x.dat | jq .function",
	.options = options,
	.needs = CMD_NEEDS_FILE,
	.run = run,
};
