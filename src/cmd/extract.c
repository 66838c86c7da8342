/* SPDX-License-Identifier: MIT */
/* `sonde extract`: what the kernel's buffers hold, into a trace.dat. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/record_args.h"
#include "cmd/target.h"
#include "kernel/snapshot.h"

/* clang-format off */
static const struct cmd_option extract_options[] = {
	CMD_TARGET_OPTIONS,
	{'s', 's', "snapshot", CMD_ARG_NONE, NULL,
	 "the snapshot (sonde snapshot -s), not the buffer itself", "What"},
	{'p', 'p', "tracer", CMD_ARG_REQUIRED, "TRACER",
	 "the text of this latency tracer (irqsoff, wakeup, ...), not the events", NULL},
	{'O', 'O', "option", CMD_ARG_REQUIRED, "OPTION",
	 "with -p: write the text with this trace option", NULL},
	{'o', 'o', "output", CMD_ARG_REQUIRED, "FILE", "write this file (default trace.dat)",
	 "Output"},
	{OPT_FILE_VERSION, 0, "file-version", CMD_ARG_REQUIRED, "6|7",
	 "trace.dat version (default 7)", NULL},
	{OPT_COMPRESSION, 0, "compression", CMD_ARG_REQUIRED, "NAME",
	 "any (default: zstd), zstd, zlib or none", NULL},
	{OPT_DATE, 0, "date", CMD_ARG_NONE, NULL,
	 "store the date, so that report shows times of day", NULL},
	{OPT_TS_OFFSET, 0, "ts-offset", CMD_ARG_REQUIRED, "NS",
	 "store an offset that report adds to every time", NULL},
	{'q', 'q', "quiet", CMD_ARG_NONE, NULL, "no messages but errors", NULL},
	/* trace-cmd's word for what is always so here. */
	{'k', 'k', NULL, CMD_ARG_NONE, NULL, NULL, NULL},
	{0},
};
/* clang-format on */

struct extract_args {
	struct record_args record;
	struct cmd_target target;
	const char *tracer;
	struct record_list options;
};

static bool parse(struct extract_args *args, int argc, char **argv)
{
	struct record_plan *plan = &args->record.plan;
	struct cmd_parser parser;
	int id;

	cmd_parser_init(&parser, args->record.command, argc, argv);
	while ((id = cmd_next(&parser)) > 0) {
		int done = cmd_target_option(&args->target, id, parser.arg);

		if (done < 0)
			return false;
		if (done)
			continue;
		if (id == 's')
			plan->snapshot = true;
		else if (id == 'p')
			args->tracer = parser.arg;
		else if (id == 'O' && !record_args_list(&args->record, &args->options, parser.arg))
			return false;
		else if (id == 'O')
			continue;
		else if (id != 'k' && !record_args_common(&args->record, id, parser.arg))
			return false;
	}
	if (id < 0)
		return false;
	if (parser.first < argc)
		cmd_usage(args->record.command, "takes no operand: '%.80s' (-o FILE?)",
			  argv[parser.first]);
	else if (args->options.nr && !args->tracer)
		cmd_usage(args->record.command,
			  "-O changes the text of a latency tracer: give it with -p");
	else if (args->tracer && !record_is_latency(args->tracer))
		cmd_usage(
			args->record.command,
			"-p: '%.40s' is no latency tracer, so its events are extracted without -p",
			args->tracer);
	else if (plan->date && plan->has_ts_offset)
		cmd_usage(args->record.command, "--date and --ts-offset exclude each other");
	else
		return true;
	return false;
}

/*
 * The first instance of the plan is the file's top one: the top instance, or what is meant without
 * an option; the others have their names in the file.
 */
static bool choose(struct extract_args *args)
{
	const struct kernel_targets *targets = &args->target.targets;
	bool named = args->target.nr_names || args->target.all;

	if (args->tracer && targets->nr > 1) {
		cmd_error(args->record.command,
			  "-p: the text of one instance fills a file; extract "
			  "the instances one by one");
		return false;
	}
	for (size_t i = 0; i < targets->nr; i++) {
		const struct kernel_target *target = &targets->list[i];
		bool top = !target->name[0] || !named;

		if (args->record.plan.snapshot && !kernel_snapshot_native(target)) {
			cmd_error(args->record.command,
				  "-s: this kernel keeps no snapshot that can be extracted (it "
				  "needs CONFIG_TRACER_SNAPSHOT); stop tracing (sonde stop) and "
				  "extract the buffer itself, or read the text: sonde snapshot");
			return false;
		}
		if (!top && !record_args_add_instance(&args->record, target->name))
			return false;
		record_args_instance(&args->record)->source = target->name;
		record_args_instance(&args->record)->tracer = args->tracer;
		record_args_instance(&args->record)->options = args->options;
	}
	return targets->nr > 0;
}

/* A latency tracer keeps what it has found elsewhere. */
static void note_nothing(const struct extract_args *args)
{
	const struct command *command = args->record.command;
	const struct kernel_targets *targets = &args->target.targets;

	for (size_t i = 0; i < targets->nr; i++) {
		_cleanup_free_ char *tracer = NULL;
		struct err ignored;

		if (kernel_control_read(&targets->list[i], KERNEL_TRACER, &tracer, &ignored) < 0)
			continue;
		tracer[strcspn(tracer, "\n")] = '\0';
		if (!record_is_latency(tracer))
			continue;
		cmd_note(command,
			 "no events; the text of the tracer '%.32s' is extracted with -p %.32s",
			 tracer, tracer);
		return;
	}
	cmd_note(command, "the buffers were empty");
}

static int carry_out(struct extract_args *args)
{
	const struct command *command = args->record.command;
	struct record_result result;
	struct err err = {0};
	int r = record_extract(&args->record.plan, record_args_say, &args->record, &result, &err);

	if (r < 0)
		cmd_fail(command, &err);
	else if (!args->record.quiet)
		record_print_places(command, args->record.plan.output, &result);
	/* A buffer that keeps the newest loses the older ones by design. */
	if (r == 0 && result.lost)
		cmd_note(
			command,
			"%llu older events had been overwritten in the buffers before; larger ones "
			"(sonde start -b KB) keep more",
			(unsigned long long)result.lost);
	if (r == 0 && !args->record.plan.snapshot && !args->tracer && !result.events)
		note_nothing(args);
	record_print_unsaved(command, &result);
	record_result_done(&result);
	return r < 0 ? CMD_FAILED : CMD_OK;
}

static int run_extract(const struct command *command, int argc, char **argv)
{
	struct extract_args args = {.target = {.command = command}};
	struct err err = {0};
	int status = CMD_USAGE;

	record_args_init(&args.record, command);
	if (!record_args_add_instance(&args.record, NULL))
		status = CMD_FAILED;
	else if (!parse(&args, argc, argv))
		status = CMD_USAGE;
	else if (cmd_target_open(&args.target, &err) < 0)
		status = cmd_fail(command, &err);
	else
		status = choose(&args) ? carry_out(&args) : CMD_FAILED;
	record_args_done(&args.record);
	cmd_target_done(&args.target);
	return status;
}

const struct command cmd_extract = {
	.name = "extract",
	.group = "record",
	.summary = "move what the kernel's buffers hold into a trace.dat",
	.synopsis = "[-B NAME]... [-a] [-t] [-s] [-o FILE]",
	.description =
		"Writes what has been traced so far, after sonde start or by anybody else, into a "
		"file for sonde report. Nothing is started or set: tracing stops for the moment of "
		"reading if it is on, and then goes on. What was read is no longer in the buffer.\n"
		"\n"
		"Without -B, -a or -t this is the instance that sonde start made; when there is "
		"none, the top one. Instances of -B and -a have their names in the file.\n"
		"\n"
		"  sonde start -e sched; sleep 1; sonde extract; sonde report\n"
		"  sonde extract -t -a -o all.dat     every buffer\n"
		"  sonde snapshot -s; sonde extract -s -o then.dat\n"
		"\n"
		"A latency tracer's report is text: sonde show prints it, and -p extracts it.",
	.options = extract_options,
	.needs = CMD_NEEDS_TRACEFS,
	.run = run_extract,
};
