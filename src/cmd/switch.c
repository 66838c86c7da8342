/* SPDX-License-Identifier: MIT */
/* `sonde stop`, `restart` and `clear`: the buffers that are there, without any other change. */
#include "cmd/cmd.h"
#include "cmd/target.h"

static const struct cmd_option switch_options[] = {CMD_TARGET_OPTIONS, {0}};

static const struct cmd_option clear_options[] = {
	CMD_TARGET_B,
	{'a', 'a', "all", CMD_ARG_NONE, NULL, "all instances, the top one too", NULL},
	CMD_TARGET_T,
	{0},
};

/* Do it to all of them, whatever happens to one. */
static int each(struct cmd_target *target,
		int (*act)(const struct kernel_target *target, struct err *err))
{
	int status = CMD_OK;
	struct err err;

	for (size_t i = 0; i < target->targets.nr; i++) {
		err = (struct err){0};
		if (act(&target->targets.list[i], &err) < 0)
			status = cmd_fail(target->command, &err);
	}
	return status;
}

static int run(struct cmd_target *target, int argc, char **argv,
	       int (*act)(const struct kernel_target *target, struct err *err))
{
	struct cmd_parser parser;
	struct err err = {0};
	int id, r;

	cmd_parser_init(&parser, target->command, argc, argv);
	while ((id = cmd_next(&parser)) > 0) {
		if (cmd_target_option(target, id, parser.arg) < 0)
			return CMD_FAILED;
	}
	if (id < 0)
		return CMD_USAGE;
	if (parser.first < argc)
		return cmd_usage(target->command, "takes no operand: '%.80s' (-B NAME?)",
				 argv[parser.first]);
	r = cmd_target_open(target, &err);
	return r < 0 ? cmd_fail(target->command, &err) : each(target, act);
}

static int act_stop(const struct kernel_target *target, struct err *err)
{
	return kernel_control_switch(target, false, err);
}

static int act_restart(const struct kernel_target *target, struct err *err)
{
	return kernel_control_switch(target, true, err);
}

static int run_stop(const struct command *command, int argc, char **argv)
{
	struct cmd_target target = {.command = command};
	int status = run(&target, argc, argv, act_stop);

	cmd_target_done(&target);
	return status;
}

static int run_restart(const struct command *command, int argc, char **argv)
{
	struct cmd_target target = {.command = command};
	int status = run(&target, argc, argv, act_restart);

	cmd_target_done(&target);
	return status;
}

static int run_clear(const struct command *command, int argc, char **argv)
{
	struct cmd_target target = {.command = command, .all_means_top_too = true};
	int status = run(&target, argc, argv, kernel_control_clear);

	cmd_target_done(&target);
	return status;
}

const struct command cmd_stop = {
	.name = "stop",
	.group = "record",
	.summary = "stop writing into the kernel's buffers",
	.synopsis = "[-B NAME]... [-a] [-t]",
	.description =
		"Stops the kernel from writing into a buffer (tracing_on becomes 0). What is in it "
		"stays and can be read with sonde show or sonde extract; what was set up stays "
		"too, "
		"so that sonde restart goes on where it stopped.\n"
		"\n"
		"Without -B, -a or -t this is the instance that sonde start made; when there is "
		"none, the top one. The tracers and events go on costing a little; sonde reset "
		"takes them away.\n"
		"\n"
		"  sonde stop                what sonde start began\n"
		"  sonde stop -B one -B two  two instances\n"
		"  sonde stop -a -t          everything",
	.options = switch_options,
	.needs = CMD_NEEDS_TRACEFS,
	.run = run_stop,
};

const struct command cmd_restart = {
	.name = "restart",
	.group = "record",
	.summary = "let the kernel write into its buffers again after stop",
	.synopsis = "[-B NAME]... [-a] [-t]",
	.description = "Lets the kernel write into a buffer again (tracing_on becomes 1). Nothing "
		       "else changes: what the buffer holds is kept, and the same events and the "
		       "same tracer are traced as before sonde stop.\n"
		       "\n"
		       "Without -B, -a or -t this is the instance that sonde start made; when "
		       "there is none, the top one.\n"
		       "\n"
		       "  sonde restart         what sonde start began\n"
		       "  sonde restart -B one  the instance 'one'",
	.options = switch_options,
	.needs = CMD_NEEDS_TRACEFS,
	.run = run_restart,
};

const struct command cmd_clear = {
	.name = "clear",
	.group = "record",
	.summary = "empty the kernel's buffers",
	.synopsis = "[-B NAME]... [-a] [-t]",
	.description =
		"Throws away what is in a buffer, on all CPUs. Tracing goes on if it was on, and "
		"the counts of lost events start again at 0.\n"
		"\n"
		"Without -B, -a or -t this is the instance that sonde start made; when there is "
		"none, the top one. Here -a means the top one too.\n"
		"\n"
		"  sonde clear -B one  the instance 'one'\n"
		"  sonde clear -a      all buffers",
	.options = clear_options,
	.needs = CMD_NEEDS_TRACEFS,
	.run = run_clear,
};
