/* SPDX-License-Identifier: MIT */
/* `sonde snapshot`: a buffer's content set aside, by the kernel or in a file. */
#include "cmd/snapshot.h"

#include <errno.h>
#include <stdio.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cmd/target.h"
#include "kernel/features.h"
#include "kernel/snapshot.h"

#define READ_BYTES 65536u

static const struct cmd_option snapshot_options[] = {
	{'s', 's', "take", CMD_ARG_NONE, NULL, "take a snapshot", "What to do instead of printing"},
	{'r', 'r', "reset", CMD_ARG_NONE, NULL, "empty the snapshot, keep its memory", NULL},
	{'f', 'f', "free", CMD_ARG_NONE, NULL, "free the snapshot", NULL},
	{'c', 'c', "cpu", CMD_ARG_REQUIRED, "CPU", "of this CPU only", "Which"},
	{'B', 'B', "instance", CMD_ARG_REQUIRED, "NAME",
	 "of this tracing instance; may be given several times", NULL},
	CMD_TARGET_T,
	{0},
};

struct snapshot {
	struct cmd_target target;
	bool take, reset, free;
	int cpu;
};

int cmd_copy_out(const struct command *command, int fd, const char *what)
{
	_cleanup_free_ char *buf = mem_alloc(READ_BYTES);
	ssize_t n;

	if (!buf) {
		cmd_error(command, "not enough memory");
		return CMD_FAILED;
	}
	for (;;) {
		n = io_read(fd, buf, READ_BYTES);
		if (n == -EINTR)
			continue;
		if (n <= 0 || fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
			break;
	}
	if (n >= 0)
		return CMD_OK;
	cmd_error(command, "cannot read %s: %s", what, err_name((int)n));
	return CMD_FAILED;
}

/* In the words of the kernel, whose snapshot file is such a text too. */
static void print_freed(const char *path)
{
	printf("# tracer: nop\n#\n#\n# * Snapshot is freed *\n#\n"
	       "# This kernel takes no snapshots itself (CONFIG_TRACER_SNAPSHOT): sonde snapshot "
	       "-s copies the\n# text of the buffer to %s\n",
	       path);
}

int cmd_snapshot_print(const struct command *command, const struct tracefs *fs,
		       const struct kernel_target *target, int cpu, bool path)
{
	_cleanup_free_ char *file = kernel_snapshot_path(fs, target, cpu);
	_cleanup_close_ int fd = -1;
	struct err err = {0};
	int r = kernel_snapshot_open(fs, target, cpu, &fd, &err);

	if (r < 0 && r != -ENODATA)
		return cmd_fail(command, &err);
	if (!file) {
		cmd_error(command, "not enough memory");
		return CMD_FAILED;
	}
	if (path)
		puts(file);
	if (r == 0)
		return cmd_copy_out(command, fd, "the snapshot");
	print_freed(file);
	return CMD_OK;
}

static int take(struct snapshot *snapshot, const struct kernel_target *target)
{
	const struct command *command = snapshot->target.command;
	_cleanup_free_ char *path = NULL;
	struct err err = {0};
	char why[300];

	if (kernel_snapshot_take(snapshot->target.fs, target, snapshot->cpu, &err) < 0)
		return cmd_fail(command, &err);
	if (kernel_snapshot_native(target))
		return CMD_OK;
	feature_why_missing(feature_info(FEATURE_SNAPSHOT), why, sizeof(why));
	path = kernel_snapshot_path(snapshot->target.fs, target, snapshot->cpu);
	cmd_note(command,
		 "this kernel takes no snapshots itself (%s): tracing was stopped for a moment, "
		 "and the buffer's text is now in %s",
		 why, path ? path : "a file");
	return CMD_OK;
}

static int one(struct snapshot *snapshot, const struct kernel_target *target)
{
	const struct command *command = snapshot->target.command;
	struct err err = {0};
	int r = 0;

	if (snapshot->reset)
		r = kernel_snapshot_reset(snapshot->target.fs, target, snapshot->cpu, &err);
	else if (snapshot->free)
		r = kernel_snapshot_free(snapshot->target.fs, target, &err);
	else if (snapshot->take)
		return take(snapshot, target);
	else
		return cmd_snapshot_print(command, snapshot->target.fs, target, snapshot->cpu,
					  false);
	return r < 0 ? cmd_fail(command, &err) : CMD_OK;
}

static int parse(struct snapshot *snapshot, int argc, char **argv)
{
	const struct command *command = snapshot->target.command;
	struct cmd_parser parser;
	uint64_t cpu;
	int id;

	cmd_parser_init(&parser, command, argc, argv);
	while ((id = cmd_next(&parser)) > 0) {
		if (id == 'c') {
			if (!cmd_parse_u64(command, "-c", parser.arg, 0, LIMIT_CPUS - 1, &cpu))
				return CMD_USAGE;
			snapshot->cpu = (int)cpu;
		} else if (cmd_target_option(&snapshot->target, id, parser.arg) < 0) {
			return CMD_FAILED;
		}
		snapshot->take |= id == 's';
		snapshot->reset |= id == 'r';
		snapshot->free |= id == 'f';
	}
	if (id < 0)
		return CMD_USAGE;
	if (parser.first < argc)
		return cmd_usage(command, "takes no operand: '%.80s'", argv[parser.first]);
	if (snapshot->take + snapshot->reset + snapshot->free > 1)
		return cmd_usage(command, "one of -s, -r and -f at a time");
	if (snapshot->free && snapshot->cpu != KERNEL_ALL_CPUS)
		return cmd_usage(command, "-f frees the snapshots of all CPUs; use it without -c");
	return CMD_OK;
}

static int run_snapshot(const struct command *command, int argc, char **argv)
{
	struct snapshot snapshot = {.target = {.command = command}, .cpu = KERNEL_ALL_CPUS};
	int status = parse(&snapshot, argc, argv), s;
	struct err err = {0};

	if (status == CMD_OK && cmd_target_open(&snapshot.target, &err) < 0)
		status = cmd_fail(command, &err);
	else if (status == CMD_OK)
		for (size_t i = 0; i < snapshot.target.targets.nr; i++) {
			s = one(&snapshot, &snapshot.target.targets.list[i]);
			status = s ? s : status;
		}
	cmd_target_done(&snapshot.target);
	return status;
}

const struct command cmd_snapshot = {
	.name = "snapshot",
	.group = "record",
	.summary = "set a buffer's content aside, and print what was set aside",
	.synopsis = "[-s | -r | -f] [-c CPU] [-B NAME]... [-t]",
	.description =
		"Without -s, -r or -f the snapshot is printed, in the kernel's text.\n"
		"\n"
		"A snapshot keeps what is in the trace buffer at a moment, while tracing goes on. "
		"The "
		"kernel does it by swapping in a second buffer, which takes as much memory as the "
		"first until -f frees it. Where the kernel cannot (CONFIG_TRACER_SNAPSHOT), Sonde "
		"stops tracing for a moment and copies the text of the buffer and of each CPU to "
		"files below /run/sonde/snapshot, and says so; the buffer then keeps its content "
		"as well. -r empties these files, -f removes them.\n"
		"\n"
		"Without -B or -t this is the instance that sonde start made; when there is none, "
		"the top one.\n"
		"\n"
		"  sonde snapshot -s    take one\n"
		"  sonde snapshot       print it\n"
		"  sonde snapshot -c 1  what CPU 1 had written\n"
		"  sonde snapshot -f    free it",
	.options = snapshot_options,
	.needs = CMD_NEEDS_TRACEFS,
	.run = run_snapshot,
};
