/* SPDX-License-Identifier: MIT */
/* `sonde`: finds the command in the table and runs it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/help.h"
#include "cmd/recover.h"

static int run_command(const struct command *command, int argc, char **argv)
{
	if (cmd_wants_help(command, argc, argv)) {
		cmd_help(command);
		return cmd_finish(command, CMD_OK);
	}
	if (command->needs & CMD_NEEDS_TRACEFS || !strcmp(command->group, "look"))
		cmd_recover(command);
	return cmd_finish(command, command->run(command, argc, argv));
}

int main(int argc, char **argv)
{
	const struct command *command;
	const char *word = argc > 1 ? argv[1] : NULL;

	/* A reader that went away is seen as EPIPE, so that recorders can still clean up. */
	signal(SIGPIPE, SIG_IGN);
	if (!word) {
		cmd_help(NULL);
		cmd_finish(NULL, CMD_OK);
		return CMD_USAGE;
	}
	if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
		cmd_help(NULL);
		return cmd_finish(NULL, CMD_OK);
	}
	if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
		printf("sonde %s\n", SONDE_VERSION);
		return cmd_finish(NULL, CMD_OK);
	}
	command = command_find(word);
	if (!command)
		return cmd_unknown(word);
	return run_command(command, argc - 1, argv + 1);
}
