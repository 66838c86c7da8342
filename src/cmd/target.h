/* SPDX-License-Identifier: MIT */
/*
 * Which tracing instances a control command means: -B NAME (repeatable), -a (all), -t (the top
 * one). Without any of them it is the lasting instance that `sonde start` makes, when it exists,
 * and else the top one; a choice that is not the top one is said on stderr.
 *
 *	static const struct cmd_option stop_options[] = {CMD_TARGET_OPTIONS, {0}};
 *	struct cmd_target target = {.command = command};
 *
 *	while ((id = cmd_next(&parser)) > 0) {
 *		if (!cmd_target_option(&target, id, parser.arg)) ...
 *	}
 *	r = cmd_target_open(&target, &err);
 *	for (size_t i = 0; i < target.targets.nr; i++) ...
 *	cmd_target_done(&target);
 */
#ifndef SONDE_CMD_TARGET_H
#define SONDE_CMD_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "cmd/cmd.h"
#include "kernel/control.h"

struct cmd_target {
	const struct command *command;
	bool all_means_top_too; /* set before cmd_target_open: -a takes the top one as well */
	bool quiet;		/* no word about the choice */
	bool all, top;		/* -a, -t */
	const char **names;	/* of -B; borrows argv */
	size_t nr_names, cap_names;
	struct tracefs *fs; /* open after cmd_target_open */
	struct kernel_targets
		targets; /* the top one first; empty only after -a, and that is said */
};

/* clang-format off */
#define CMD_TARGET_B \
	{'B', 'B', "instance", CMD_ARG_REQUIRED, "NAME", \
	 "this tracing instance; may be given several times", "Which instance"}
#define CMD_TARGET_A \
	{'a', 'a', "all", CMD_ARG_NONE, NULL, "all instances but the top one", NULL}
#define CMD_TARGET_T \
	{'t', 't', "top", CMD_ARG_NONE, NULL, "the top instance, with -B or -a: too", NULL}
#define CMD_TARGET_OPTIONS CMD_TARGET_B, CMD_TARGET_A, CMD_TARGET_T
/* clang-format on */

/*
 * Take one option: 'B', 'a' or 't'. 1 when it was one of them, 0 when it was not, -1 after a
 * message.
 */
int cmd_target_option(struct cmd_target *target, int id, const char *arg) _must_check_;
/* Open tracefs and find the instances. On failure too, cmd_target_done must follow. */
int cmd_target_open(struct cmd_target *target, struct err *err) _must_check_;
void cmd_target_done(struct cmd_target *target);

/* How messages name an instance: "the top instance" or "instance NAME", in `text`. */
const char *cmd_target_name(const struct kernel_target *target, char *text, size_t size);

#endif
