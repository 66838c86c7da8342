/* SPDX-License-Identifier: MIT */
#include "cmd/hist_live.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/hist_triggers.h"
#include "cmd/option_rows.h"
#include "cmd/record_program.h"
#include "cmd/unkept.h"
#include "expr/sql.h"

struct hist_live {
	const struct command *command;
	struct words read, record; /* a command line for each */
	struct words texts;	   /* of options in them */
	struct words made;	   /* names of synthetic events: -n */
	struct unkept unkept;
	bool stacks, calls, in_given;
	char **run;
};

static const struct cmd_option record_options[] = {
	RECORD_OPTIONS_TRACE RECORD_OPTIONS_FUNCTIONS RECORD_OPTIONS_PROGRAM RECORD_OPTIONS_WHOM
		RECORD_OPTIONS_OWN RECORD_OPTIONS_HOW RECORD_OPTIONS_OUTPUT RECORD_OPTIONS_QUIET{0},
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
	return r;
}

static int take_option(struct hist_live *live, int id, const char *arg)
{
	const char *option = words_option_text(&live->texts, live->command, id, &arg);
	int r = 0;

	if (!option)
		return -ENOMEM;
	live->in_given |= id == OPT_IN;
	if (id == 'n')
		r = words_push(&live->made, arg);
	if (id == 'i')
		return cmd_usage(live->command, "-i reads a file, and a command is given");
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
	return r;
}

static int put_rest(struct hist_live *live)
{
	int r = 0;

	if (live->calls && !live->in_given)
		r = words_option(&live->record, "--in", "program");
	if (r == 0 && live->calls)
		r = words_option(&live->record, "-p", "function_graph");
	if (r == 0 && live->stacks)
		r = words_push(&live->record, "-T");
	if (r == 0)
		r = words_option(&live->record, "--compression", "none");
	if (r == 0)
		r = words_option(&live->record, "-o", live->unkept.path);
	if (r == 0)
		r = words_push(&live->record, "--");
	for (char **word = live->run; *word && r == 0; word++)
		r = words_push(&live->record, *word);
	return r == 0 ? words_option(&live->read, "-i", live->unkept.path) : r;
}

static int record_and_read(struct hist_live *live,
			   int (*reader)(const struct command *command, int argc, char **argv,
					 void (*opened)(void *arg), void *opened_arg))
{
	struct err err = {0};
	int status, shown;

	if (unkept_make(&live->unkept, live->command, &err) < 0)
		return cmd_fail(live->command, &err);
	if (put_rest(live) < 0) {
		cmd_error(live->command, "out of memory");
		return CMD_FAILED;
	}
	if (unkept_record(live->command, &record_part, &live->record, true, &status) < 0)
		return status;
	cmd_note(live->command, "counted from the recorded stream, not in the kernel");
	shown = reader(live->command, (int)live->read.nr, (char **)(uintptr_t)live->read.words,
		       unkept_remove, &live->unkept);
	return status != CMD_OK ? status : shown;
}

int hist_live_run(const struct command *command, int argc, char **argv,
		  int (*reader)(const struct command *command, int argc, char **argv,
				void (*opened)(void *arg), void *opened_arg))
{
	struct hist_live live = {.command = command};
	int status, end = 1;

	while (strcmp(argv[end], "--") != 0)
		end++;
	live.run = argv + end + 1;
	if (end + 1 == argc)
		return cmd_usage(command, "a command to trace is missing behind --");
	status = parse(&live, end, argv);
	if (status == -ENOMEM) {
		cmd_error(command, "out of memory");
		status = CMD_FAILED;
	}
	if (status == CMD_OK)
		status = record_and_read(&live, reader);
	unkept_remove(&live.unkept);
	words_done(&live.read);
	words_done(&live.record);
	words_done(&live.made);
	words_done_texts(&live.texts);
	return status;
}
