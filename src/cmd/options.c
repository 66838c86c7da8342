/* SPDX-License-Identifier: MIT */
/*
 * `sonde options`: what `sonde report -O` takes. The layout is that of `trace-cmd options`, whose
 * plugins are built in here and keep their names.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "report/handlers.h"

static int run_options(const struct command *command, int argc, char **argv)
{
	struct cmd_parser parser;
	const char *last = NULL;

	cmd_parser_init(&parser, command, argc, argv);
	if (cmd_next(&parser) < 0)
		return CMD_USAGE;
	if (parser.first < argc)
		return cmd_usage(command, "takes no operand: '%.80s'", argv[parser.first]);
	for (const struct handler_option *o = report_handler_options; o->name; o++) {
		if (last)
			puts(strcmp(last, o->plugin) ? "============" : "------------");
		printf("  plugin:\t%s\n", o->plugin);
		printf("  option:\t%s\n", o->name);
		printf("    desc:\t%s\n", o->description);
		printf("     set:\t%d\n", o->initial);
		last = o->plugin;
	}
	return CMD_OK;
}

const struct command cmd_options_command = {
	.name = "options",
	.group = "system",
	.summary = "list what report -O takes",
	.synopsis = "",
	.description =
		"Lists the options of report's built-in event handlers, with their defaults: "
		"sonde report -O fgraph:tailprint, or -O parent=1.",
	.run = run_options,
};
