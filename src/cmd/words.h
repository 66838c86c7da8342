/* SPDX-License-Identifier: MIT */
/*
 * A command line put together for a parser: argv, ended by a NULL, the command's name first. For
 * commands whose options belong to several parts, which are sorted into one line for each.
 */
#ifndef SONDE_CMD_WORDS_H
#define SONDE_CMD_WORDS_H

#include <stddef.h>

#include "cmd/cmd.h"

struct words {
	const char **words; /* the texts are borrowed */
	size_t nr, cap;
};

int words_push(struct words *list, const char *word) _must_check_;
/* The option, and its argument unless that is NULL. */
int words_option(struct words *list, const char *option, const char *arg) _must_check_;
/*
 * "-x" or "--name", as it stands in the command's table; kept in `texts`. An argument that may be
 * missing becomes part of it, and *arg NULL. NULL: out of memory.
 */
const char *words_option_text(struct words *texts, const struct command *command, int id,
			      const char **arg);
void words_done(struct words *list);
/* Of a list that owns its texts. */
void words_done_texts(struct words *texts);

#endif
