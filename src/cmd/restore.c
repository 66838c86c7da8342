/* SPDX-License-Identifier: MIT */
/* `sonde restore`: gives back what killed sessions have left changed in the kernel. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/cmd.h"
#include "kernel/journal.h"

struct restored {
	const struct command *command;
	unsigned int failed;
	bool only_list;
};

static void on_left(void *ctx, const struct kernel_left_over *left)
{
	struct restored *restored = ctx;

	if (left->result < 0) {
		restored->failed++;
		cmd_error(restored->command, "pid %ld (%s): %s", left->pid, left->command,
			  left->reason);
		return;
	}
	printf("pid %ld: %zu change%s %s: %s\n", left->pid, left->entries,
	       left->entries == 1 ? "" : "s", restored->only_list ? "to put back" : "put back",
	       left->command);
}

static int restore(const struct command *command, bool only_list)
{
	struct restored restored = {.command = command, .only_list = only_list};
	struct err err;
	int nr = kernel_journal_recover(NULL, !only_list, on_left, &restored, &err);

	if (nr < 0)
		return cmd_fail(command, &err);
	if (nr == 0)
		printf("nothing to put back\n");
	if (kernel_journal_kept_exists(NULL))
		printf("what 'sonde start' has set up goes on; 'sonde reset' puts that back\n");
	return restored.failed ? CMD_FAILED : CMD_OK;
}

static int run_restore(const struct command *command, int argc, char **argv)
{
	struct cmd_parser parser;
	bool only_list = false;
	int id;

	cmd_parser_init(&parser, command, argc, argv);
	while ((id = cmd_next(&parser)) > 0)
		only_list = true;
	if (id < 0)
		return CMD_USAGE;
	if (parser.first < argc)
		return cmd_usage(command,
				 "takes no file; a recording whose recorder was killed needs no "
				 "repair: sonde report %.200s, or sonde convert to make one file "
				 "of it",
				 argv[parser.first]);
	return restore(command, only_list);
}

static const struct cmd_option restore_options[] = {
	{'n', 'n', "dry-run", CMD_ARG_NONE, NULL, "only say what there is to put back", NULL},
	{0},
};

const struct command cmd_restore = {
	.name = "restore",
	.group = "record",
	.summary = "give back what a killed sonde has left changed in the kernel",
	.synopsis = "[-n]",
	.description =
		"Before sonde changes anything in tracefs it notes in a journal (/run/sonde) what "
		"was "
		"there, and puts it back at the end, after an error, and after a signal. What a "
		"sonde "
		"could not put back because it was killed (kill -9, out of memory) is put back by "
		"the "
		"next sonde command that uses tracefs, or by this one: instances, probes, events, "
		"filters, triggers, tracers, options, clocks and buffer sizes, newest first.\n"
		"\n"
		"  sonde restore -n\n"
		"  sonde restore\n"
		"\n"
		"Sessions that are still running are not touched. What `sonde start` has set up is "
		"meant to stay, and ends with `sonde reset`.\n"
		"\n"
		"The recording of a killed recorder needs no repair: `sonde report OUTPUT.partial` "
		"reads it as it is.",
	.options = restore_options,
	.run = run_restore,
};
