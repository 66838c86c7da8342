/* SPDX-License-Identifier: MIT */
#include "cmd/hist_live.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/hist_kernel.h"
#include "cmd/hist_program.h"
#include "cmd/hist_stream.h"
#include "cmd/hist_triggers.h"
#include "cmd/hist_watch.h"
#include "cmd/option_rows.h"
#include "cmd/record_program.h"
#include "cmd/recover.h"
#include "cmd/redraw.h"
#include "cmd/report.h"
#include "cmd/unkept.h"
#include "expr/probe.h"
#include "expr/sql.h"
#include "program/probes.h"

enum {
	REFRESH_MS = 1000
};

struct hist_live {
	const struct command *command;
	struct words read, record; /* a command line for each */
	struct words texts;	   /* of options in them */
	struct words made;	   /* names of synthetic events: -n */
	struct unkept unkept;
	bool stacks, calls, in_given;
	bool probes;	     /* of programs */
	bool defined;	     /* there are probes of one's own, made for the recording */
	bool in_program;     /* whose calls */
	bool selects, range; /* options that choose records; some need the whole recording */
	bool filters;	     /* options that do so, but which the kernel can do */
	bool in_kernel, on_stream, quiet;
	unsigned int refresh_ms;
	uint64_t for_ns;
	char **run; /* NULL: until a signal */
};

static const struct cmd_option record_options[] = {
	RECORD_OPTIONS_TRACE RECORD_OPTIONS_FUNCTIONS RECORD_OPTIONS_PROGRAM RECORD_OPTIONS_WHOM
		RECORD_OPTIONS_OWN RECORD_OPTIONS_HOW RECORD_OPTIONS_OUTPUT RECORD_OPTIONS_QUIET
			HIST_PROGRAM_ROW,
	{0},
};

static const struct command record_part = {
	.name = "hist",
	.options = record_options,
	.stop_at_operand = true,
};

/* `name` is an event that the SELECTs make themselves. */
static bool is_made(const struct hist_live *live, const char *name)
{
	bool made = strcmp(name, HIST_SELECT_NAME) == 0 || strncmp(name, "synthetic", 9) == 0;

	for (size_t i = 0; i < live->made.nr; i++)
		made |= strcmp(live->made.words[i], name) == 0;
	return made;
}

/* SYSTEM.EVENT is SYSTEM:EVENT for record. */
static int want_event(struct hist_live *live, const char *name)
{
	char *copy, *dot;

	if (is_made(live, name))
		return 0;
	copy = mem_strdup(name);
	if (!copy || words_push(&live->texts, copy) < 0) {
		mem_free(copy);
		return -ENOMEM;
	}
	dot = strchr(copy, '.');
	if (dot)
		*dot = ':';
	return words_option(&live->record, "-e", copy);
}

/* A SELECT names the events that are recorded for it. */
static int take_select(struct hist_live *live, const char *text)
{
	struct err err;
	struct sql *sql;
	const char *name;
	int r = words_push(&live->read, text);

	if (r < 0)
		return r;
	if (sql_new(&sql, text, &err) < 0) {
		cmd_fail(live->command, &err);
		return CMD_USAGE;
	}
	live->stacks |= strstr(text, "STACKTRACE") != NULL;
	for (size_t i = 0; r == 0 && (name = sql_event(sql, i)); i++)
		r = want_event(live, name);
	sql_free(sql);
	return r;
}

/* The word behind a trigger is an event; what the engine makes itself is not recorded. */
static int take_operand(struct hist_live *live, const char *word, const char *before)
{
	bool is_event = before && strncmp(before, "hist:", 5) == 0;
	int r;

	if (!is_event && sql_is(word))
		return take_select(live, word);
	r = words_push(&live->read, word);
	if (strncmp(word, "hist:", 5) == 0)
		live->stacks |= strstr(word, "stacktrace") != NULL;
	if (r == 0 && is_event && strcmp(word, HIST_CALLS_EVENT) == 0)
		live->calls = true;
	else if (r == 0 && is_event && strncmp(word, "synthetic", 9) != 0)
		r = words_option(&live->record, "-e", word);
	live->probes |= is_event && program_probes_is_of_file(word);
	live->defined |= is_event && probe_is_definition(word);
	return r;
}

/* An option of this command, not of its parts. */
static int take_own(struct hist_live *live, int id, const char *arg)
{
	uint64_t seconds;

	switch (id) {
	case HIST_OPT_LIVE:
		return 0; /* has led here */
	case OPT_FOR:
		if (!report_parse_duration(live->command, arg, &live->for_ns))
			return CMD_USAGE;
		return words_option(&live->record, "--for", arg);
	case HIST_OPT_IN_KERNEL:
		live->in_kernel = true;
		return 0;
	case HIST_OPT_ON_STREAM:
		live->on_stream = true;
		return 0;
	case HIST_OPT_REFRESH:
		if (!cmd_parse_u64(live->command, "--refresh", arg, 1, 3600, &seconds))
			return CMD_USAGE;
		live->refresh_ms = (unsigned int)seconds * 1000;
		return 0;
	default:
		return REPORT_NOT_OWN;
	}
}

static void note_option(struct hist_live *live, int id)
{
	live->in_given |= id == OPT_IN;
	live->quiet |= id == 'q';
	live->range |= id == REPORT_OPT_FROM || id == REPORT_OPT_TO;
	live->selects |= live->range || id == REPORT_OPT_TRIGGER || id == REPORT_OPT_CPU ||
			 id == REPORT_OPT_KALLSYMS;
	live->filters |= id == 'F' || id == 'v' || id == REPORT_OPT_TASK || id == REPORT_OPT_PID ||
			 id == REPORT_OPT_COMM;
}

static int take_option(struct hist_live *live, int id, const char *arg)
{
	int r = take_own(live, id, arg);
	const char *option;

	if (r != REPORT_NOT_OWN)
		return r;
	if (id == 'i')
		return cmd_usage(live->command, "-i reads a file, and this is about what happens "
						"now");
	note_option(live, id);
	option = words_option_text(&live->texts, live->command, id, &arg);
	if (!option)
		return -ENOMEM;
	if (id == OPT_IN)
		live->in_program = strcmp(arg, "program") == 0;
	r = id == 'n' ? words_push(&live->made, arg) : 0;
	if (r == 0 && id != OPT_IN)
		r = words_option(&live->read, option, arg);
	if (r == 0 && (id == OPT_IN || id == 'q'))
		r = words_option(&live->record, option, arg);
	return r;
}

static int parse(struct hist_live *live, int argc, char **argv)
{
	struct cmd_parser parser;
	const char *before = NULL;
	int id, r = words_push(&live->read, argv[0]);

	if (r == 0)
		r = words_push(&live->record, argv[0]);
	cmd_parser_init(&parser, live->command, argc, argv);
	parser.want_operands = true;
	while (r == 0 && (id = cmd_next(&parser)) != 0) {
		if (id == CMD_OPERAND) {
			r = take_operand(live, parser.arg, before);
			before = parser.arg;
		} else {
			r = id == -1 ? CMD_USAGE : take_option(live, id, parser.arg);
		}
	}
	if (r == 0 && before && strncmp(before, "hist:", 5) == 0)
		return cmd_usage(
			live->command,
			"'%s' is for no event: SYSTEM:EVENT goes behind it, or '" HIST_CALLS_EVENT
			"' for a program's functions",
			before);
	return r;
}

/* What the recorder is told besides the events. */
static int put_rest(struct hist_live *live)
{
	int r = 0;

	if ((live->calls || live->probes) && !live->in_given) {
		live->in_program = true;
		r = words_option(&live->record, "--in", "program");
	}
	if (r == 0 && live->calls)
		r = words_option(&live->record, "-p", "function_graph");
	if (r == 0 && live->stacks)
		r = words_push(&live->record, "-T");
	return r;
}

static int put_command(struct hist_live *live)
{
	int r = live->run ? words_push(&live->record, "--") : 0;

	for (char **word = live->run; word && *word && r == 0; word++)
		r = words_push(&live->record, *word);
	return r;
}

static int put_file(struct hist_live *live)
{
	int r = words_option(&live->record, "--compression", "none");

	if (r == 0)
		r = words_option(&live->record, "-o", live->unkept.path);
	if (r == 0)
		r = put_command(live);
	return r == 0 ? words_option(&live->read, "-i", live->unkept.path) : r;
}

static int record_and_read(struct hist_live *live, bool counted, hist_read_fn *reader)
{
	struct hist_watch watch = {live->command, &live->read, counted, {0}};
	const struct record_look look = {live->refresh_ms, hist_watch_look, &watch};
	const bool draws = live->refresh_ms && redraw_possible();
	struct err err = {0};
	int status, shown;

	if (unkept_make(&live->unkept, live->command, &err) < 0)
		return cmd_fail(live->command, &err);
	if (put_file(live) < 0) {
		cmd_error(live->command, "out of memory");
		return CMD_FAILED;
	}
	if (unkept_record(live->command, &record_part, &live->record, true, draws ? &look : NULL,
			  &status) < 0 ||
	    redraw_clear(&watch.redraw) < 0)
		return status;
	shown = reader(live->command, (int)live->read.nr, (char **)(uintptr_t)live->read.words,
		       counted, unkept_remove, &live->unkept);
	return status != CMD_OK ? status : shown;
}

/* Counted as it comes, or from a file that is not kept; `why` not elsewhere. */
static int count_here(struct hist_live *live, const char *elsewhere, const char *why,
		      hist_read_fn *reader)
{
	const struct hist_stream_plan plan = {live->command, &record_part, &live->read,
					      &live->record, live->refresh_ms};

	if (!live->quiet)
		cmd_note(live->command, "counted from the stream, not in the %s: %.*s%s", elsewhere,
			 (int)strcspn(why, "\n"), why, live->run ? "" : "; Ctrl-C ends it");
	if (!live->calls && !live->probes && !live->range) {
		int r = put_command(live);

		return r < 0 ? r : hist_stream_run(&plan);
	}
	if (live->refresh_ms && live->range)
		return cmd_usage(live->command,
				 "--refresh: what --from and --to choose is counted when "
				 "everything is recorded");
	return record_and_read(live, false, reader);
}

/* Calls of programs, which count themselves if they can; else false with the reason. */
static bool count_in_program(struct hist_live *live, int *ret_status, hist_read_fn *reader,
			     struct err *err)
{
	if (live->on_stream)
		err_set(err, -EOPNOTSUPP, "--on-stream");
	else if (live->selects || live->filters)
		err_set(err, -EOPNOTSUPP,
			"-F, --trigger, --task, --cpu, --from and --to choose from records");
	else
		*ret_status = hist_program_plan(live->command, &live->read, &live->record,
						&live->texts, err);
	if (err->code == -EOPNOTSUPP)
		return false;
	if (*ret_status == 0 && !live->quiet)
		cmd_note(live->command, "counted in the program");
	if (*ret_status == 0)
		*ret_status = record_and_read(live, true, reader);
	return true;
}

static int count(struct hist_live *live, hist_read_fn *reader)
{
	const struct hist_kernel_plan plan = {live->command, &live->read, live->run,
					      live->refresh_ms, live->for_ns};
	struct err err = {0};
	int status;

	cmd_recover(live->command);
	if (live->calls && live->in_program && !live->in_kernel) {
		if (count_in_program(live, &status, reader, &err))
			return status;
		return count_here(live, "program", err.text, reader);
	}
	if (live->probes && !live->in_kernel)
		return count_here(live, "program", "of probes there are records", reader);
	if (live->on_stream)
		err_set(&err, -EOPNOTSUPP, "--on-stream");
	else if (live->calls)
		err_set(&err, -EOPNOTSUPP, "calls are paired by sonde");
	else if (live->defined)
		err_set(&err, -EOPNOTSUPP, "of probes there are records");
	else if (live->selects)
		err_set(&err, -EOPNOTSUPP,
			"--trigger, --cpu, --kallsyms, --from and --to are about records");
	else if (hist_kernel_run(&plan, &status, &err))
		return status;
	if (live->in_kernel)
		return cmd_fail(live->command, &err);
	return count_here(live, "kernel", err.text, reader);
}

/* What goes together. */
static int check(struct hist_live *live)
{
	if (live->run && !*live->run)
		return cmd_usage(live->command, "a command to trace is missing behind --");
	if (live->in_kernel && live->on_stream)
		return cmd_usage(live->command, "--in-kernel and --on-stream exclude each other");
	if (!live->run && !live->refresh_ms && !live->calls && !live->probes && !live->range &&
	    redraw_possible())
		live->refresh_ms = REFRESH_MS;
	return CMD_OK;
}

bool hist_live_wanted(const struct command *command, int argc, char **argv)
{
	_cleanup_free_ char **copy = mem_dup(argv, ((size_t)argc + 1) * sizeof(*argv));
	struct cmd_parser parser;
	bool wanted = false;
	int id;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return true;
	if (!copy)
		return false;
	cmd_parser_init(&parser, command, argc, copy);
	parser.quiet = true;
	while ((id = cmd_next(&parser)) != 0 && id != -1)
		wanted |= id == HIST_OPT_LIVE || id == OPT_FOR || id == HIST_OPT_REFRESH ||
			  id == HIST_OPT_IN_KERNEL || id == HIST_OPT_ON_STREAM;
	return wanted;
}

int hist_live_run(const struct command *command, int argc, char **argv, hist_read_fn *reader)
{
	struct hist_live live = {.command = command};
	int status, end = 1;

	while (end < argc && strcmp(argv[end], "--") != 0)
		end++;
	live.run = end < argc ? argv + end + 1 : NULL;
	status = parse(&live, end, argv);
	if (status == CMD_OK)
		status = check(&live);
	if (status == CMD_OK)
		status = put_rest(&live);
	if (status == CMD_OK)
		status = count(&live, reader);
	if (status == -ENOMEM) {
		cmd_error(command, "out of memory");
		status = CMD_FAILED;
	}
	unkept_remove(&live.unkept);
	words_done(&live.read);
	words_done(&live.record);
	words_done(&live.made);
	words_done_texts(&live.texts);
	return status;
}
