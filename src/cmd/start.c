/* SPDX-License-Identifier: MIT */
/* `sonde start` and `sonde set`: tracing that goes on when the command has ended. */
#include <stdio.h>

#include "base/mem.h"
#include "cmd/record_args.h"
#include "kernel/control.h"
#include "kernel/reset.h"

static const struct cmd_option start_options[] = {
	RECORD_OPTIONS_WHAT RECORD_OPTIONS_FUNCTIONS RECORD_OPTIONS_WHOM RECORD_OPTIONS_HOW{
		'k', 'k', NULL, CMD_ARG_NONE, NULL, NULL, NULL},
	{'K', 'K', NULL, CMD_ARG_NONE, NULL, "add to what an earlier start has set up", NULL},
	{OPT_FORK, 0, "fork", CMD_ARG_NONE, NULL, "do not wait for the end of COMMAND", NULL},
	RECORD_OPTIONS_QUIET RECORD_OPTIONS_NO_FILE RECORD_OPTIONS_NO_READER
		RECORD_OPTIONS_PROFILE_ELSEWHERE RECORD_OPTIONS_ELSEWHERE{0},
};

static const struct cmd_option set_options[] = {
	RECORD_OPTIONS_WHAT RECORD_OPTIONS_FUNCTIONS RECORD_OPTIONS_WHOM RECORD_OPTIONS_HOW
		RECORD_OPTIONS_QUIET RECORD_OPTIONS_NO_FILE RECORD_OPTIONS_NO_READER
			RECORD_OPTIONS_PROFILE_ELSEWHERE RECORD_OPTIONS_ELSEWHERE{0},
};

static int remove_instances(const struct record_args *args)
{
	struct kernel_targets targets = {0};
	struct tracefs *fs = NULL;
	struct err err = {0};
	int r = args->removed.nr ? tracefs_open(&fs, NULL, &err) : 0;

	for (size_t i = 0; i < args->removed.nr && r == 0; i++)
		r = kernel_targets_add(&targets, fs, args->removed.items[i], &err);
	for (size_t i = 0; i < targets.nr && r == 0; i++)
		r = kernel_reset_remove(&targets.list[i], &err);
	if (r < 0)
		cmd_fail(args->command, &err);
	kernel_targets_done(&targets);
	tracefs_close(fs);
	return r;
}

static int carry_out(const struct record_args *args)
{
	struct record_result result;
	struct err err = {0};
	int r = record_start(&args->plan, record_args_say, (void *)args, &result, &err);
	int status = result.command_status;

	if (r < 0)
		cmd_fail(args->command, &err);
	if (r < 0 && result.unknown_events)
		record_args_suggest_event(args, result.unknown_events);
	record_result_done(&result);
	if (status > 0)
		return status;
	return r < 0 ? CMD_FAILED : CMD_OK;
}

static int run(const struct command *command, enum record_mode mode, int argc, char **argv)
{
	struct record_args args;
	int status = CMD_USAGE;

	record_args_init(&args, command);
	args.mode = mode;
	if (mode == RECORD_MODE_SET && argc < 2)
		cmd_usage(command, "nothing to set");
	else if (record_args_parse(&args, argc, argv))
		status = remove_instances(&args) < 0 ? CMD_FAILED : carry_out(&args);
	record_args_done(&args);
	return status;
}

static int run_start(const struct command *command, int argc, char **argv)
{
	return run(command, RECORD_MODE_START, argc, argv);
}

static int run_set(const struct command *command, int argc, char **argv)
{
	return run(command, RECORD_MODE_SET, argc, argv);
}

const struct command cmd_start = {
	.name = "start",
	.group = "record",
	.summary = "start tracing into the kernel's buffers, without a file",
	.synopsis = "[OPTIONS] -e EVENT... [COMMAND [ARGS]]",
	.description =
		"Sets tracing up as sonde record does and leaves it on: the kernel keeps the "
		"newest "
		"events in its buffers. sonde show prints them, sonde extract makes a trace.dat of "
		"them, sonde stop and restart switch the writing, and sonde reset ends it all.\n"
		"\n"
		"  sonde start -e sched -e irq -b 8192\n"
		"  sonde start -p function_graph -g vfs_read\n"
		"  sonde start -e block -B disk      an instance of another name\n"
		"  sonde extract -o what-happened.dat; sonde reset\n"
		"\n"
		"It happens in the tracing instance 'sonde', so that nobody else's tracing is "
		"disturbed; a further start replaces what is set up there (-K: adds to it). "
		"Whatever is changed elsewhere (an instance of -B that was there, settings of the "
		"whole machine, the top instance where a tracer works only there) is noted before, "
		"and sonde reset gives it back.\n"
		"\n"
		"With COMMAND it waits for the command's end (--fork: it does not), and tracing "
		"goes on after it.",
	.options = start_options,
	.needs = CMD_NEEDS_TRACEFS | CMD_NEEDS_ROOT,
	.stop_at_operand = true,
	.run = run_start,
};

const struct command cmd_set = {
	.name = "set",
	.group = "record",
	.summary = "change single settings of tracing, and nothing else",
	.synopsis = "[OPTIONS] [COMMAND [ARGS]]",
	.description =
		"Changes what the options name in the tracing instance 'sonde' (-B: in another) "
		"and "
		"leaves everything else as it is: what is traced goes on, the buffer keeps what it "
		"holds (but a new clock or buffer size empties it), and tracing is neither "
		"started nor stopped. An instance that does not exist is made.\n"
		"\n"
		"  sonde set -e sched_switch         this event too\n"
		"  sonde set -v -e sched_switch      not any more\n"
		"  sonde set -B disk -b 8192         a larger buffer there\n"
		"  sonde set -v -B disk              remove the instance 'disk'\n"
		"\n"
		"sonde reset gives back what set has changed, as after sonde start.",
	.options = set_options,
	.needs = CMD_NEEDS_TRACEFS | CMD_NEEDS_ROOT,
	.stop_at_operand = true,
	.run = run_set,
};
