/* SPDX-License-Identifier: MIT */
/*
 * `sonde options`: what `sonde report -O` takes. The layout is that of `trace-cmd options`, whose
 * plugins are built in here and keep their names.
 */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/help.h"
#include "report/handlers.h"

void cmd_print_handlers(void)
{
	const char *system, *event;

	for (size_t i = 0; event_handler_name(i, &system, &event); i++)
		printf("  %s:%s (built in)\n", system, event);
}

void cmd_print_handler_options(void)
{
	const char *last = NULL;

	for (const struct handler_option *o = report_handler_options; o->name; o++) {
		if (last)
			puts(strcmp(last, o->plugin) ? "============" : "------------");
		printf("  plugin:\t%s\n", o->plugin);
		printf("  option:\t%s\n", o->name);
		printf("    desc:\t%s\n", o->description);
		printf("     set:\t%d\n", o->initial);
		last = o->plugin;
	}
}

static int run_options(const struct command *command, int argc, char **argv)
{
	struct cmd_parser parser;

	cmd_parser_init(&parser, command, argc, argv);
	if (cmd_next(&parser) < 0)
		return CMD_USAGE;
	if (parser.first < argc)
		return cmd_usage(command, "takes no operand: '%.80s'", argv[parser.first]);
	cmd_print_handler_options();
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
