/* SPDX-License-Identifier: MIT */
/* `sonde show`: the kernel's own text of a buffer, or what one of its control files says. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/snapshot.h"
#include "cmd/target.h"

enum {
	OPT_CONTROL = 256, /* + enum kernel_control */
	OPT_HIST = 512,
	OPT_TRIGGER,
};

#define CONTROL(control, name, help)                                                               \
	{                                                                                          \
		OPT_CONTROL + KERNEL_##control, 0, name, CMD_ARG_NONE, NULL, help, NULL            \
	}

static const struct cmd_option show_options[] = {
	{'p', 'p', NULL, CMD_ARG_NONE, NULL,
	 "trace_pipe: take what is read out of the buffer and wait for more", "Which text"},
	{'s', 's', NULL, CMD_ARG_NONE, NULL, "the snapshot (see sonde snapshot)", NULL},
	{'c', 'c', "cpu", CMD_ARG_REQUIRED, "CPU", "of this CPU only", NULL},
	{'f', 'f', NULL, CMD_ARG_NONE, NULL, "print the path of the file first", NULL},
	CMD_TARGET_B,
	CMD_TARGET_T,
	{OPT_CONTROL + KERNEL_TRACING_ON, 0, "tracing_on", CMD_ARG_NONE, NULL,
	 "whether the kernel writes into the buffer", "A setting instead of the buffer"},
	CONTROL(TRACER, "current_tracer", "the tracer"),
	CONTROL(BUFFER_SIZE, "buffer_size", "size of a CPU's buffer, KiB"),
	CONTROL(BUFFER_TOTAL_SIZE, "buffer_total_size", "of all CPUs together, KiB"),
	CONTROL(SUBBUF_SIZE, "buffer_subbuf_size", "size of a sub-buffer, KiB"),
	CONTROL(BUFFER_PERCENT, "buffer_percent", "how full a buffer wakes its reader"),
	CONTROL(FUNCTION_FILTER, "ftrace_filter", "functions that are traced"),
	CONTROL(FUNCTION_NOTRACE, "ftrace_notrace", "functions that are left out"),
	CONTROL(FUNCTION_PIDS, "ftrace_pid", "processes whose functions are traced"),
	CONTROL(GRAPH_FUNCTION, "graph_function", "functions whose calls are graphed"),
	CONTROL(GRAPH_NOTRACE, "graph_notrace", "functions whose calls are not graphed"),
	CONTROL(CPUMASK, "cpumask", "CPUs that are traced, a hexadecimal mask"),
	CONTROL(MAX_LATENCY, "max_latency", "longest latency that a latency tracer has met, us"),
	{OPT_HIST, 0, "hist", CMD_ARG_REQUIRED, "EVENT", "histograms of an event", NULL},
	{OPT_TRIGGER, 0, "trigger", CMD_ARG_REQUIRED, "EVENT", "triggers of an event", NULL},
	{0},
};

#define MAX_SETTINGS 64u
#define READ_BYTES   65536u

struct setting {
	int id;
	const char *event; /* of --hist and --trigger */
};

struct show {
	struct cmd_target target;
	bool pipe, snapshot, path;
	int cpu;
	struct setting settings[MAX_SETTINGS];
	size_t nr_settings;
};

/* --- Ctrl-C while trace_pipe waits --- */

static volatile sig_atomic_t stopping;

/*
 * A signal that comes just before read() would not interrupt it, so another one follows until
 * the loop has seen the flag.
 */
static void on_signal(int signal)
{
	(void)signal;
	stopping = 1;
	alarm(1);
}

static void catch_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM};
	struct sigaction action = {.sa_handler = on_signal}, old;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

/* --- printing --- */

static void print_path(const struct show *show, char *path)
{
	if (show->path && path)
		puts(path);
	mem_free(path);
}

/* trace_pipe: each piece goes out as it comes. */
static int follow(struct show *show, int fd)
{
	_cleanup_free_ char *buf = mem_alloc(READ_BYTES);
	ssize_t n = 0;

	if (!buf) {
		cmd_error(show->target.command, "not enough memory");
		return CMD_FAILED;
	}
	fflush(stdout);
	catch_signals();
	while (!stopping) {
		n = io_read(fd, buf, READ_BYTES);
		if (n == -EINTR)
			continue;
		if (n <= 0 || fwrite(buf, 1, (size_t)n, stdout) != (size_t)n || fflush(stdout) != 0)
			break;
	}
	if (n >= 0 || n == -EINTR)
		return CMD_OK;
	if (n == -EBUSY)
		cmd_error(show->target.command,
			  "cannot read trace_pipe: another program reads it; one at a time may");
	else
		cmd_error(show->target.command, "cannot read trace_pipe: %s", err_name((int)n));
	return CMD_FAILED;
}

static int show_buffer(struct show *show, const struct kernel_target *target)
{
	enum kernel_buffer buffer = show->pipe ? KERNEL_BUFFER_PIPE : KERNEL_BUFFER_TRACE;
	_cleanup_close_ int fd = -1;
	struct err err = {0};

	if (show->snapshot)
		return cmd_snapshot_print(show->target.command, show->target.fs, target, show->cpu,
					  show->path);
	if (kernel_buffer_open(target, buffer, show->cpu, &fd, &err) < 0)
		return cmd_fail(show->target.command, &err);
	print_path(show, kernel_buffer_path(target, buffer, show->cpu));
	return show->pipe ? follow(show, fd) : cmd_copy_out(show->target.command, fd, "the buffer");
}

static int show_control(struct show *show, const struct kernel_target *target,
			enum kernel_control control)
{
	_cleanup_free_ char *text = NULL;
	struct err err = {0};

	if (kernel_control_read(target, control, &text, &err) < 0)
		return cmd_fail(show->target.command, &err);
	print_path(show, kernel_control_path(target, control));
	fputs(text, stdout);
	return CMD_OK;
}

/* Every event that the pattern names. */
static int show_event(struct show *show, const struct kernel_target *target,
		      const struct setting *setting)
{
	enum kernel_event_file file =
		setting->id == OPT_HIST ? KERNEL_EVENT_HIST : KERNEL_EVENT_TRIGGER;
	struct kernel_events events = {0};
	_cleanup_free_ bool *hits = NULL;
	struct err err = {0};
	int r = kernel_events_load(&events, show->target.fs, &err);

	if (r == 0) {
		hits = mem_calloc(events.nr + 1, sizeof(*hits));
		r = hits ? 0 : err_sys(&err, -ENOMEM, "cannot find the event");
	}
	if (r == 0 && !kernel_events_match(&events, setting->event, hits))
		r = kernel_events_explain(&events, setting->event, &err);
	for (size_t i = 0; r == 0 && i < events.nr; i++) {
		_cleanup_free_ char *text = NULL;

		if (!hits[i])
			continue;
		r = kernel_event_read(target, &events.list[i], file, &text, &err);
		if (r < 0)
			break;
		print_path(show, kernel_event_path(target, &events.list[i], file));
		fputs(text, stdout);
	}
	kernel_events_done(&events);
	return r < 0 ? cmd_fail(show->target.command, &err) : CMD_OK;
}

static int show_settings(struct show *show, const struct kernel_target *target)
{
	int status = CMD_OK, s;

	for (size_t i = 0; i < show->nr_settings; i++) {
		const struct setting *setting = &show->settings[i];

		if (setting->event)
			s = show_event(show, target, setting);
		else
			s = show_control(show, target,
					 (enum kernel_control)(setting->id - OPT_CONTROL));
		status = s ? s : status;
	}
	return status;
}

static int show_all(struct show *show)
{
	const struct kernel_targets *targets = &show->target.targets;
	int status = CMD_OK, s;

	for (size_t i = 0; i < targets->nr && !stopping; i++) {
		if (targets->nr > 1)
			printf("%s# instance: %s\n", i ? "\n" : "",
			       targets->list[i].name[0] ? targets->list[i].name : "(top)");
		s = show->nr_settings ? show_settings(show, &targets->list[i])
				      : show_buffer(show, &targets->list[i]);
		status = s ? s : status;
	}
	return status;
}

/* --- arguments --- */

static bool take(struct show *show, int id, const char *arg)
{
	uint64_t cpu;

	switch (id) {
	case 'p':
		show->pipe = true;
		return true;
	case 's':
		show->snapshot = true;
		return true;
	case 'f':
		show->path = true;
		return true;
	case 'c':
		if (!cmd_parse_u64(show->target.command, "-c", arg, 0, LIMIT_CPUS - 1, &cpu))
			return false;
		show->cpu = (int)cpu;
		return true;
	default:
		if (show->nr_settings == MAX_SETTINGS) {
			cmd_usage(show->target.command, "more than %u settings", MAX_SETTINGS);
			return false;
		}
		show->settings[show->nr_settings++] = (struct setting){id, arg};
		return true;
	}
}

static int parse(struct show *show, int argc, char **argv)
{
	const struct command *command = show->target.command;
	struct cmd_parser parser;
	int id, r;

	cmd_parser_init(&parser, command, argc, argv);
	while ((id = cmd_next(&parser)) > 0) {
		r = cmd_target_option(&show->target, id, parser.arg);
		if (r < 0)
			return CMD_FAILED;
		if (r == 0 && !take(show, id, parser.arg))
			return CMD_USAGE;
	}
	if (id < 0)
		return CMD_USAGE;
	if (parser.first < argc)
		return cmd_usage(command, "takes no operand: '%.80s'", argv[parser.first]);
	if (show->pipe && show->snapshot)
		return cmd_usage(command, "-p and -s exclude each other: a snapshot has no pipe");
	if (show->nr_settings && (show->pipe || show->snapshot || show->cpu != KERNEL_ALL_CPUS))
		return cmd_usage(command, "-p, -s and -c are for the buffer, not for a setting");
	if (show->pipe && show->target.nr_names + show->target.top > 1)
		return cmd_usage(command, "-p waits in one instance; give one");
	return CMD_OK;
}

static int run_show(const struct command *command, int argc, char **argv)
{
	struct show show = {.target = {.command = command}, .cpu = KERNEL_ALL_CPUS};
	struct err err = {0};
	int status = parse(&show, argc, argv);

	if (status == CMD_OK) {
		if (cmd_target_open(&show.target, &err) < 0)
			status = cmd_fail(command, &err);
		else
			status = show_all(&show);
	}
	cmd_target_done(&show.target);
	return status;
}

const struct command cmd_show = {
	.name = "show",
	.group = "look",
	.summary = "the kernel's text of a buffer, or one of its settings",
	.synopsis = "[-p | -s] [-c CPU] [-B NAME]... [-t] [--SETTING...]",
	.description =
		"Prints what is in the kernel's trace buffer, in the kernel's own words: the file "
		"'trace', which reading leaves as it is; with -p 'trace_pipe', which takes out "
		"what it "
		"shows and waits for more until Ctrl-C; with -s the snapshot.\n"
		"\n"
		"With one or more settings, their files are printed instead, in the order of the "
		"options. An EVENT is SYSTEM:EVENT, an event's name, or a glob of them.\n"
		"\n"
		"Without -B or -t this is the instance that sonde start made; when there is none, "
		"the top one.\n"
		"\n"
		"  sonde show                      what is in the buffer\n"
		"  sonde show -p -B one            follow the instance 'one'\n"
		"  sonde show -c 1                 only what CPU 1 has written\n"
		"  sonde show --current_tracer --tracing_on\n"
		"  sonde show --hist kmem:kmalloc  the histograms of an event",
	.options = show_options,
	.needs = CMD_NEEDS_TRACEFS,
	.run = run_show,
};
