/* SPDX-License-Identifier: MIT */
/* `sonde stream`: what is traced, as text, while it happens. */
#include <errno.h>
#include <stdio.h>

#include "base/mem.h"
#include "cmd/record_args.h"
#include "cmd/stream.h"

#define STREAM_INTERVAL_MS 100
#define STREAM_BUFFER_KB   8192 /* as long as the reader of the output is slow, it is kept there */

/* clang-format off */
static const struct cmd_option stream_options[] = {
	RECORD_OPTIONS_WHAT RECORD_OPTIONS_FUNCTIONS RECORD_OPTIONS_WHOM RECORD_OPTIONS_OWN
	RECORD_OPTIONS_HOW
	{'s', 's', NULL, CMD_ARG_REQUIRED, "US",
	 "show what has been traced at least this often (default 100000)", NULL},
	{'r', 'r', NULL, CMD_ARG_REQUIRED, "PRIORITY", "run sonde itself with SCHED_FIFO", NULL},
	{OPT_POLL, 0, "poll", CMD_ARG_NONE, NULL, "look for events without ever sleeping", NULL},
	RECORD_OPTIONS_KEEP
	{OPT_DATE, 0, "date", CMD_ARG_NONE, NULL, "show times of day", "Output"},
	{OPT_TSC2NSEC, 0, "tsc2nsec", CMD_ARG_NONE, NULL,
	 "show the counts of -C x86-tsc as seconds", NULL},
	{OPT_TS_OFFSET, 0, "ts-offset", CMD_ARG_REQUIRED, "NS", "add this to every time", NULL},
	{OPT_STDERR, 0, "stderr", CMD_ARG_NONE, NULL, "all messages to standard error", NULL},
	{'a', 'a', NULL, CMD_ARG_NONE, NULL, NULL, NULL},
	RECORD_OPTIONS_QUIET RECORD_OPTIONS_NO_FILE RECORD_OPTIONS_PROFILE_ELSEWHERE RECORD_OPTIONS_ELSEWHERE
	{0},
};
/* clang-format on */

static void say(void *ctx, enum record_say what, const char *text)
{
	struct record_args *args = ctx;

	/* The lines are the answer. */
	if (what != RECORD_SAY_WAITING)
		record_args_say(args, what, text);
}

static int finish(const struct record_args *args, const struct record_result *result, int r,
		  const struct err *err)
{
	/* Whoever read it has seen enough. */
	if (r == -EPIPE)
		return CMD_OK;
	if (r < 0 && !result->error_said)
		cmd_fail(args->command, err);
	if (r < 0 && result->unknown_events)
		record_args_suggest_event(args, result->unknown_events);
	if (result->lost)
		record_print_losses(args, result);
	if (result->command_status > 0)
		return result->command_status;
	if (r < 0)
		return CMD_FAILED;
	return result->lost ? CMD_LOSSES : CMD_OK;
}

int stream_run(const struct command *command, const struct command *part, int argc, char **argv,
	       const struct record_stream *stream)
{
	struct record_args args;
	struct record_plan *plan = &args.plan;
	struct record_result result = {0};
	struct err err = {0};
	int status = CMD_USAGE, r;

	record_args_init(&args, part);
	args.mode = RECORD_MODE_STREAM;
	plan->interval_ms = STREAM_INTERVAL_MS;
	if (record_args_parse(&args, argc, argv)) {
		for (size_t i = 0; i < plan->nr_instances; i++) {
			if (!plan->instances[i]->buffer_kb && !plan->instances[i]->name)
				plan->instances[i]->buffer_kb = STREAM_BUFFER_KB;
		}
		plan->stream = stream;
		args.command = command;
		r = record_run(plan, say, &args, &result, &err);
		status = finish(&args, &result, r, &err);
		record_result_done(&result);
	}
	record_args_done(&args);
	return status;
}

static int run_stream(const struct command *command, int argc, char **argv)
{
	struct stream_report report = {.command = command};
	const struct record_stream stream = stream_report_callbacks(&report);
	int status = stream_run(command, command, argc, argv, &stream);

	stream_report_done(&report);
	return status;
}

const struct command cmd_stream = {
	.name = "stream",
	.group = "record",
	.summary = "show kernel events and tracers as they happen",
	.synopsis = "[OPTIONS] -e EVENT... [COMMAND [ARGS]]",
	.description =
		"Traces as sonde record does and prints every record as a line of sonde report, "
		"all "
		"CPUs in the order of time, at most a tenth of a second late (-s). Nothing is "
		"stored. It ends with COMMAND, with the processes of -P, with Ctrl-C, or when "
		"nobody reads its output any more.\n"
		"\n"
		"  sonde stream -e sched_process_exec\n"
		"  sonde stream -e signal -P 1234\n"
		"  sonde stream -p function -l 'ext4_*' ls\n"
		"  sonde stream -e block | grep -m1 sda\n"
		"\n"
		"When lines are printed more slowly than events come, the kernel's buffers fill, "
		"and then events are lost: a line says so at its place, and the exit status is 3. "
		"A larger buffer (-b) bridges a longer time.",
	.options = stream_options,
	.needs = CMD_NEEDS_TRACEFS | CMD_NEEDS_ROOT,
	.stop_at_operand = true,
	.run = run_stream,
};
