/* SPDX-License-Identifier: MIT */
/* `sonde stack`: the kernel's stack tracer. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/cmd.h"
#include "kernel/stacktracer.h"

enum {
	OPT_START = 256,
	OPT_STOP,
	OPT_RESET,
};

static const struct cmd_option stack_options[] = {
	{OPT_START, 0, "start", CMD_ARG_NONE, NULL, "start the stack tracer", NULL},
	{OPT_STOP, 0, "stop", CMD_ARG_NONE, NULL,
	 "stop it; the deepest stack that it has seen stays", NULL},
	{OPT_RESET, 0, "reset", CMD_ARG_NONE, NULL,
	 "forget the deepest stack and look for a new one", NULL},
	{0},
};

static int print(const struct command *command, const struct tracefs *fs)
{
	_cleanup_free_ char *text = NULL;
	struct err err = {0};
	bool running;

	if (kernel_stacktracer_running(fs, &running, &err) < 0 ||
	    kernel_stacktracer_read(fs, &text, &err) < 0)
		return cmd_fail(command, &err);
	printf("(stack tracer %srunning)\n", running ? "" : "not ");
	/* Lines after a '#' are the kernel's advice on how to start it. */
	for (char *line = text, *end; *line; line = end) {
		end = line + strcspn(line, "\n");
		end += *end != '\0';
		if (line[0] != '#')
			fwrite(line, 1, (size_t)(end - line), stdout);
	}
	return CMD_OK;
}

/* Reset, then the switch: with both, the new search starts from nothing. */
static int act(const struct command *command, const struct tracefs *fs, int run, bool reset)
{
	struct err err = {0};
	int r = 0;

	if (reset)
		r = kernel_stacktracer_reset(fs, &err);
	if (r == 0 && run)
		r = kernel_stacktracer_run(fs, run == OPT_START, &err);
	if (r < 0)
		return cmd_fail(command, &err);
	return run || reset ? CMD_OK : print(command, fs);
}

static int run_stack(const struct command *command, int argc, char **argv)
{
	struct cmd_parser parser;
	struct tracefs *fs = NULL;
	struct err err = {0};
	bool reset = false;
	int id, run = 0, status;

	cmd_parser_init(&parser, command, argc, argv);
	while ((id = cmd_next(&parser)) > 0) {
		if (id == OPT_RESET)
			reset = true;
		else
			run = id;
	}
	if (id < 0)
		return CMD_USAGE;
	if (parser.first < argc)
		return cmd_usage(command, "takes no operand: '%.80s'", argv[parser.first]);
	if (tracefs_open(&fs, NULL, &err) < 0)
		return cmd_fail(command, &err);
	status = act(command, fs, run, reset);
	tracefs_close(fs);
	return status;
}

const struct command cmd_stack = {
	.name = "stack",
	.group = "look",
	.summary = "the deepest kernel stack since the stack tracer was started",
	.synopsis = "[--start | --stop] [--reset]",
	.description =
		"The kernel's stack tracer looks at the depth of the kernel stack at every "
		"function call and keeps the deepest one: which functions were on it, how many "
		"bytes each took, and how deep the stack was there. Without options the table is "
		"printed, in the kernel's layout, below a line that says whether the tracer "
		"runs.\n"
		"\n"
		"There is one stack tracer for the whole kernel. It slows every function down "
		"while it runs. It needs a kernel with CONFIG_STACK_TRACER. With --start and "
		"--stop the last one counts.\n"
		"\n"
		"  sonde stack --start  start it, then use the system\n"
		"  sonde stack          the deepest stack up to now\n"
		"  sonde stack --reset  look for a new one\n"
		"  sonde stack --stop",
	.options = stack_options,
	.needs = CMD_NEEDS_TRACEFS,
	.run = run_stack,
};
