/* SPDX-License-Identifier: MIT */
/*
 * `sonde options`: what `sonde report -O` takes. The layout is that of `trace-cmd options`, whose
 * plugins are built in here and keep their names.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/cmd.h"

static const struct {
	const char *handler, *option, *description;
	bool set;
} handler_options[] = {
	{"ftrace", "parent", "Print parent of functions for function events", false},
	{"ftrace", "indent", "Try to show function call indents, based on parents", true},
	{"ftrace", "offset", "Show function names as well as their offsets", false},
	{"fgraph", "tailprint", "Print function name at function exit in function graph", false},
	{"fgraph", "depth", "Show the depth of each entry", false},
	{"fgraph", "retval-skip", "Do not show what functions returned", false},
	{"fgraph", "retval-dec", "Show what functions returned as decimal numbers", false},
	{"fgraph", "retval-hex", "Show what functions returned as hexadecimal numbers", false},
};

static int run_options(const struct command *command, int argc, char **argv)
{
	struct cmd_parser parser;
	const char *last = NULL;

	cmd_parser_init(&parser, command, argc, argv);
	if (cmd_next(&parser) < 0)
		return CMD_USAGE;
	if (parser.first < argc)
		return cmd_usage(command, "takes no operand: '%.80s'", argv[parser.first]);
	for (size_t i = 0; i < ARRAY_SIZE(handler_options); i++) {
		const char *handler = handler_options[i].handler;

		if (last)
			puts(strcmp(last, handler) ? "============" : "------------");
		printf("  plugin:\t%s\n", handler);
		printf("  option:\t%s\n", handler_options[i].option);
		printf("    desc:\t%s\n", handler_options[i].description);
		printf("     set:\t%d\n", handler_options[i].set);
		last = handler;
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
