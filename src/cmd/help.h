/* SPDX-License-Identifier: MIT */
/*
 * What the command table can say about itself: suggestions for a misspelt name, wrapped help
 * text, manual pages and shell completion. Private to src/cmd.
 */
#ifndef SONDE_CMD_HELP_H
#define SONDE_CMD_HELP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/closest.h"
#include "cmd/cmd.h"

/* The command of that name or alias, or NULL. */
const struct command *command_find(const char *name);

/* "unknown command, did you mean": prints it and returns CMD_USAGE. */
int cmd_unknown(const char *name);

/* The groups of commands in the order of the help: key as in struct command, and heading. */
struct command_group {
	const char *key, *heading;
};
extern const struct command_group command_groups[]; /* ended by a NULL key */

/*
 * Write `text` word-wrapped to `width` columns, every line but the first indented by `indent`
 * (the cursor stands at `indent` already). A newline in the text is kept; a line that starts with
 * a blank is kept as it is.
 */
void help_wrap(FILE *to, const char *text, int indent, int width);

/* The events that have a built-in handler, and what report -O takes; on stdout. */
void cmd_print_handlers(void);
void cmd_print_handler_options(void);

/* The manual page of a command in man(7) form. */
void man_page(const struct command *command, FILE *to);

#endif
