/* SPDX-License-Identifier: MIT */
/*
 * The command table. A new command is a file of its own that defines `const struct command
 * cmd_NAME`, its name in meson.build, and one line here. Inside a group the help keeps this order.
 */
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/help.h"

/* One row a line. */
/* clang-format off */
#define COMMANDS(row) \
	row(record) \
	row(live) \
	row(stream) \
	row(start) \
	row(set) \
	row(reset) \
	row(extract) \
	row(restore) \
	row(stop) \
	row(restart) \
	row(clear) \
	row(snapshot) \
	row(report) \
	row(replay) \
	row(graph) \
	row(list) \
	row(stat) \
	row(show) \
	row(stack) \
	row(options_command) \
	row(doctor) \
	row(check_events) \
	row(info) \
	row(dump) \
	row(split) \
	row(convert) \
	row(hist) \
	row(latency) \
	row(mem) \
	row(profile) \
	row(help_command) \
	row(completion)
/* clang-format on */

#define DECLARE(name) extern const struct command cmd_##name;
#define ROW(name)     &cmd_##name,

COMMANDS(DECLARE)

const struct command *const commands[] = {COMMANDS(ROW) NULL};

const struct command_group command_groups[] = {
	{"record", "Record"},	      {"look", "Look at a trace"},
	{"understand", "Understand"}, {"system", "This system"},
	{"files", "Files"},	      {"machines", "Other machines"},
	{"general", "General"},	      {NULL, NULL},
};

const struct command *command_find(const char *name)
{
	for (const struct command *const *c = commands; *c; c++) {
		if (!strcmp((*c)->name, name) || ((*c)->alias && !strcmp((*c)->alias, name)))
			return *c;
	}
	return NULL;
}

int cmd_unknown(const char *name)
{
	struct closest closest;

	if (name[0] == '-')
		return cmd_usage(NULL, "unknown option '%.80s'", name);
	closest_init(&closest, name, strlen(name));
	for (const struct command *const *c = commands; *c; c++) {
		closest_try(&closest, (*c)->name);
		closest_try(&closest, (*c)->alias);
	}
	if (closest_found(&closest))
		return cmd_usage(NULL, "unknown command '%.80s'; did you mean '%s'?", name,
				 closest_found(&closest));
	return cmd_usage(NULL, "unknown command '%.80s'", name);
}
