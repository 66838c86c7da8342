/* SPDX-License-Identifier: MIT */
#include "cmd/recover.h"

#include <stdio.h>
#include <string.h>

#include "kernel/journal.h"

struct recovery {
	const struct command *command;
	bool undone;
};

static void say_left(void *ctx, const struct kernel_left_over *left)
{
	const struct recovery *recovery = ctx;

	if (!recovery->undone)
		cmd_warn(recovery->command,
			 "a sonde that was killed (pid %ld: %.100s) has left the kernel's tracing "
			 "changed; 'sonde restore' puts it back",
			 left->pid, left->command);
	else if (left->result < 0)
		cmd_warn(recovery->command,
			 "a sonde that was killed (pid %ld: %.100s) has left the kernel's tracing "
			 "changed, and not all could be put back: %s",
			 left->pid, left->command, left->reason);
	else
		cmd_warn(
			recovery->command,
			"put back %zu settings that a sonde which was killed (pid %ld: %.100s) had "
			"left changed in the kernel",
			left->entries, left->pid, left->command);
}

void cmd_recover(const struct command *command)
{
	struct recovery recovery = {
		.command = command,
		.undone = (command->needs & CMD_NEEDS_TRACEFS) != 0,
	};
	struct err err;

	/* No directory, no journal: nothing was ever changed, or there is nobody to say it to. */
	if (!kernel_journal_any(NULL))
		return;
	if (kernel_journal_recover(NULL, recovery.undone, say_left, &recovery, &err) < 0)
		cmd_warn(command, "%s", err.text);
}
