/* SPDX-License-Identifier: MIT */
/*
 * `sonde live`: a command's calls, as soon as it has ended. Its options are those of record and of
 * replay, sorted here into a command line for each.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/profile.h"
#include "cmd/record_program.h"
#include "cmd/replay.h"
#include "cmd/unkept.h"

enum {
	OPT_REPORT = 4000
};

struct live {
	const struct command *command;
	struct words record, replay, profile; /* a command line for each */
	struct words texts;		      /* of options in them */
	struct unkept unkept;
	const char *path; /* of the recording */
	const char *keep; /* --record, or NULL */
	bool report, in_kernel, in_both, json;
	bool count;	  /* -p count: there are no calls to be shown, only how many */
	const char *view; /* an option that is about calls, or NULL */
	char **run;
};

/* --- options --- */

static bool is_view(int id)
{
	return id == 'f' || id == CALL_OPT_DEPTH || id == CALL_OPT_ONLY || id == CALL_OPT_HIDE ||
	       id == CALL_OPT_MIN || id == CALL_OPT_MATCH ||
	       (id >= REPORT_OPT_CPU && id < REPLAY_OPT_END);
}

/* What the profile knows, too. */
static bool is_selection(int id)
{
	static const int ids[] = {
		REPORT_OPT_CPU,		 REPORT_OPT_KALLSYMS, REPORT_OPT_TASK, REPORT_OPT_FROM,
		REPORT_OPT_TO,		 REPORT_OPT_RANGE,    REPORT_OPT_JSON, REPORT_OPT_NO_PAGER,
		REPORT_OPT_EVENT_FILTER, REPORT_OPT_PID,      REPORT_OPT_COMM,
	};

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		if (ids[i] == id)
			return true;
	return false;
}

static int take_option(struct live *live, int id, const char *arg)
{
	const char *option;
	int r = 0;

	if (id == OPT_REPORT) {
		live->report = true;
		return 0;
	}
	if (id == 'o') {
		live->keep = arg;
		return 0;
	}
	option = words_option_text(&live->texts, live->command, id, &arg);
	if (!option)
		return -ENOMEM;
	live->json |= id == REPORT_OPT_JSON;
	if (id == OPT_IN) {
		live->in_kernel = !strcmp(arg, "kernel");
		live->in_both = !strcmp(arg, "both");
	}
	if (id == 'p')
		live->count = !strcmp(arg, "count");
	if (is_view(id) && !is_selection(id))
		live->view = option;
	if (id == 'q' || is_view(id))
		r = words_option(&live->replay, option, arg);
	if (r == 0 && (id == 'q' || is_selection(id)))
		r = words_option(&live->profile, option, arg);
	if (r == 0 && !is_view(id))
		r = words_option(&live->record, option, arg);
	return r;
}

/* The parsers of the two parts; messages and hints name the command. */
static const struct cmd_option record_options[] = {
	RECORD_OPTIONS_TRACE RECORD_OPTIONS_FUNCTIONS RECORD_OPTIONS_PROGRAM RECORD_OPTIONS_WHOM
		RECORD_OPTIONS_FOR RECORD_OPTIONS_HOW RECORD_OPTIONS_OUTPUT RECORD_OPTIONS_QUIET{0},
};

static const struct command record_part = {
	.name = "live",
	.options = record_options,
	.stop_at_operand = true,
};

static const struct cmd_option replay_options[] = {
	REPORT_INPUT_ROWS(""),
	REPORT_RANGE_ROWS,
	CALL_SELECTION_ROWS,
	REPLAY_LAYOUT_ROWS,
	{REPORT_OPT_JSON, 0, "json", CMD_ARG_NONE, NULL, NULL, NULL},
	{REPORT_OPT_NO_PAGER, 0, "no-pager", CMD_ARG_NONE, NULL, NULL, NULL},
	{'q', 'q', "quiet", CMD_ARG_NONE, NULL, NULL, NULL},
	{0},
};

static const struct command replay_part = {
	.name = "live",
	.options = replay_options,
};

static int parse(struct live *live, int argc, char **argv)
{
	struct cmd_parser parser;
	int id, r = words_push(&live->replay, argv[0]);

	if (r == 0)
		r = words_push(&live->profile, argv[0]);
	cmd_parser_init(&parser, live->command, argc, argv);
	while (r == 0 && (id = cmd_next(&parser)) != 0)
		r = id < 0 ? CMD_USAGE : take_option(live, id, parser.arg);
	if (r == 0 && parser.first == argc)
		return cmd_usage(live->command, "a command to trace is missing");
	live->run = argv + parser.first;
	if (r == 0 && live->in_both)
		return cmd_usage(live->command,
				 "--in: program or kernel; both are recorded by sonde record --in "
				 "both and shown by sonde replay");
	if (r == 0 && live->count && live->view)
		return cmd_usage(live->command, "%s is about calls, and -p count only counts them",
				 live->view);
	/* Before the command runs, which may take long. */
	return r ? r
		 : replay_check(&replay_part, (int)live->replay.nr,
				(char **)(uintptr_t)live->replay.words);
}

/* --- recording --- */

/* In front of the options that were given: what may be said otherwise there. */
static int put_defaults(struct words *words, const struct live *live)
{
	int r = words_push(words, live->command->name);

	if (r == 0)
		r = words_option(words, "--in", "program");
	if (r == 0)
		r = words_option(words, "-p", "function_graph");
	if (r == 0 && live->in_kernel)
		r = words_push(words, "-F");
	if (r == 0 && live->in_kernel)
		r = words_push(words, "-c");
	return r == 0 && !live->keep ? words_option(words, "--compression", "none") : r;
}

static int put_all(struct words *words, const struct live *live)
{
	int r = put_defaults(words, live);

	for (size_t i = 0; i < live->record.nr && r == 0; i++)
		r = words_push(words, live->record.words[i]);
	if (r == 0)
		r = words_option(words, "-o", live->path);
	if (r == 0)
		r = words_push(words, "--");
	for (char **word = live->run; *word && r == 0; word++)
		r = words_push(words, *word);
	return r;
}

static int record(struct live *live, int *ret_status)
{
	struct words words = {0};
	int r = put_all(&words, live);

	if (r == 0) {
		r = unkept_record(live->command, &record_part, &words, !live->keep, NULL,
				  ret_status);
	} else {
		cmd_error(live->command, "out of memory");
		*ret_status = CMD_FAILED;
	}
	words_done(&words);
	return r;
}

/* --- showing --- */

static int show_profile(struct live *live)
{
	struct profile_args args = {
		.command = live->command,
		.print = {.sort = FUNCTIONS_TOTAL, .columns = PROFILE_COLUMNS},
		.only_functions = true,
		.read = live->profile,
	};
	int status;

	if (live->count) /* nothing comes behind it */
		return profile_show(&args, live->keep ? NULL : unkept_remove, &live->unkept);
	status = profile_show(&args, NULL, NULL);

	if (status == CMD_OK && !live->json) {
		putchar('\n');
		fflush(stdout);
	}
	return status;
}

static int show(struct live *live)
{
	int status = CMD_OK, shown;

	if (words_option(&live->replay, "-i", live->path) < 0 ||
	    words_option(&live->profile, "-i", live->path) < 0) {
		cmd_error(live->command, "out of memory");
		return CMD_FAILED;
	}
	if (live->report || live->count)
		status = show_profile(live);
	if (live->count)
		return status;
	shown = replay_run(&replay_part, (int)live->replay.nr,
			   (char **)(uintptr_t)live->replay.words,
			   live->keep ? NULL : unkept_remove, &live->unkept);
	return status != CMD_OK ? status : shown;
}

static int record_and_show(struct live *live)
{
	struct err err = {0};
	int status, shown;

	if (!live->keep && unkept_make(&live->unkept, live->command, &err) < 0)
		return cmd_fail(live->command, &err);
	live->path = live->keep ? live->keep : live->unkept.path;
	if (record(live, &status) < 0)
		return status;
	shown = show(live);
	return status != CMD_OK ? status : shown;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct live live = {.command = command};
	int status = parse(&live, argc, argv);

	if (status == -ENOMEM) {
		cmd_error(command, "out of memory");
		status = CMD_FAILED;
	}
	if (status == CMD_OK)
		status = record_and_show(&live);
	unkept_remove(&live.unkept);
	words_done(&live.record);
	words_done(&live.replay);
	words_done(&live.profile);
	words_done_texts(&live.texts);
	return status;
}

static const struct cmd_option options[] = {
	GROUP('p', 'p', "tracer", ARG, "TRACER",
	      "function_graph (the default); function: calls without their ends; count: only how "
	      "many calls of each function",
	      "What"),
	ROW(OPT_IN, 0, "in", ARG, "program|kernel",
	    "trace the functions of COMMAND and what it starts (the default), or those of the "
	    "kernel that they call"),
	/* clang-format off */
	RECORD_OPTIONS_CHOICE
	RECORD_OPTIONS_DEPTH
	RECORD_OPTIONS_IN_PROGRAM
	RECORD_OPTIONS_USER
	RECORD_OPTIONS_FOR
	RECORD_OPTIONS_SIZE
	REPORT_RANGE_ROWS,
	/* clang-format on */
	ROW(REPORT_OPT_CPU, 0, "cpu", ARG, "LIST", "only these CPUs: 0,2-4"),
	CALL_SELECTION_ROWS,
	REPLAY_LAYOUT_ROWS,
	GROUP('o', 'o', "record", ARG, "FILE",
	      "keep the recording in FILE, for replay, graph, profile and report", "Output"),
	ROW(OPT_REPORT, 0, "report", NONE, NULL, "first the profile of functions, then the calls"),
	ROW(REPORT_OPT_JSON, 0, "json", NONE, NULL, "one JSON object a line"),
	ROW(REPORT_OPT_NO_PAGER, 0, "no-pager", NONE, NULL, "no pager on a terminal"),
	ROW('q', 'q', "quiet", NONE, NULL, "no messages but errors"),
	{0},
};

const struct command cmd_live = {
	.name = "live",
	.group = "record",
	.summary = "run a program and show the calls of its functions",
	.synopsis = "[OPTIONS] COMMAND [ARGS]",
	.description =
		"Runs COMMAND, an unmodified program, stripped or not, and when it has ended shows "
		"which of its functions ran, in the order of time, indented: what sonde record "
		"--in program -p function_graph and sonde replay do together. What was recorded "
		"is not kept, unless with -o.\n"
		"\n"
		"Shown are the calls of the functions of COMMAND, of all that it starts, and of "
		"the library functions that these call; with --libs all that happens inside the "
		"libraries. -l, -n and -g choose what is recorded, which makes COMMAND faster; "
		"-F, -N, -D and -t what is shown of that. sonde help record says what they take "
		"and which programs cannot be traced; sonde help replay, how calls are shown.\n"
		"\n"
		"With -p count nothing is recorded of a call but that there was one more, which "
		"takes 3 ns in place of 25, and a table of functions by their counts is shown.\n"
		"\n"
		"With --in kernel the kernel's function_graph tracer records what COMMAND and its "
		"children have the kernel do.\n"
		"\n"
		"The exit status is the command's own when that is not 0 (128 + N when signal N "
		"ended it); 3 when events were lost.\n"
		"\n"
		"Examples:\n"
		"  sonde live ls\n"
		"  sonde live -t 1ms git status               calls of at least 1 ms\n"
		"  sonde live --report -D 2 sort file\n"
		"  sonde live -l 'SSL_*@libssl' -f time,tid,duration curl ...\n"
		"  sonde live --thresh 1ms git status         the same, but short ones cost no "
		"room\n"
		"  sonde live -p count --libs python3 -c pass\n"
		"  sonde live -o git.dat git log; sonde graph git.dat\n"
		"  sonde live --in kernel --max-graph-depth 3 cat /etc/passwd",
	.options = options,
	.needs = CMD_NEEDS_TRACEFS | CMD_NEEDS_ROOT | CMD_NEEDS_ONLY_IN_KERNEL,
	.stop_at_operand = true,
	.run = run,
};
