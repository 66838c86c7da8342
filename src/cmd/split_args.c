/* SPDX-License-Identifier: MIT */
/* The command line of `sonde split`. */
#include <errno.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/split.h"

enum {
	OPTION_TOP = 256
};

/* SECONDS[.DECIMALS], at most nine of them. */
static bool parse_time(const char *text, struct split_time *ret_time)
{
	uint64_t seconds = 0, fraction = 0, unit = 1000000000;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(seconds, 10u, &seconds) ||
		    __builtin_add_overflow(seconds, (uint64_t)(*p - '0'), &seconds))
			return false;
	if (p == text)
		return false;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9' && unit > 1; p++) {
			unit /= 10;
			fraction += (uint64_t)(*p - '0') * unit;
		}
	ret_time->plain = seconds;
	/* A time without decimals, or with few, was not copied from a report: it is exact. */
	ret_time->unit_ns = unit > 1000 ? 1 : unit;
	ret_time->given = true;
	return *p == '\0' && !__builtin_mul_overflow(seconds, 1000000000u, &seconds) &&
	       !__builtin_add_overflow(seconds, fraction, &ret_time->ns);
}

static int set_by(struct split_args *args, enum split_by by, int letter, const char *text,
		  uint64_t unit)
{
	const char option[] = {'-', (char)letter, '\0'};
	uint64_t amount;

	if (args->by != SPLIT_BY_NOTHING)
		return cmd_usage(args->command, "only one of -s, -m, -u, -e and -p can be given");
	if (!cmd_parse_u64(args->command, option, text, 1, UINT64_MAX / unit, &amount))
		return CMD_USAGE;
	args->by = by;
	args->amount = amount * unit;
	args->per_cpu |= by == SPLIT_BY_PAGES;
	return 0;
}

static int add_buffer(struct split_args *args, const char *name)
{
	if (array_reserve(&args->buffers, &args->cap_buffers, args->nr_buffers + 1,
			  sizeof(*args->buffers)) < 0)
		return -ENOMEM;
	args->buffers[args->nr_buffers++] = (struct split_buffer){.name = name};
	return 0;
}

/* -t and -b name the buffer that was asked for before them. */
static int rename_buffer(struct split_args *args, const char *name)
{
	if (!args->nr_buffers)
		return cmd_usage(args->command,
				 "%s comes behind the -B or --top that it belongs to",
				 *name ? "-b" : "-t");
	args->buffers[args->nr_buffers - 1].new_name = name;
	return 0;
}

static int add_cpu(struct split_args *args, const char *text)
{
	uint64_t cpu;

	if (!cmd_parse_u64(args->command, "-C", text, 0, LIMIT_CPUS - 1, &cpu))
		return CMD_USAGE;
	if (array_reserve(&args->cpus, &args->cap_cpus, args->nr_cpus + 1, sizeof(*args->cpus)) < 0)
		return -ENOMEM;
	args->cpus[args->nr_cpus++] = (uint32_t)cpu;
	return 0;
}

static int take_operand(struct split_args *args, const char *text)
{
	struct split_time *time = args->start.given ? &args->end : &args->start;

	if (args->end.given)
		return cmd_usage(args->command, "a start and an end at most: '%.80s'", text);
	if (!parse_time(text, time))
		return cmd_usage(args->command, "'%.80s' is no time: seconds such as 75678.923853",
				 text);
	return 0;
}

/* As struct report_args.own. */
static int own_option(void *own, int id, const char *arg)
{
	struct split_args *args = own;

	switch (id) {
	case CMD_OPERAND:
		return take_operand(args, arg);
	case 'o':
		args->output = arg;
		return 0;
	case 's':
		return set_by(args, SPLIT_BY_TIME, id, arg, 1000000000);
	case 'm':
		return set_by(args, SPLIT_BY_TIME, id, arg, 1000000);
	case 'u':
		return set_by(args, SPLIT_BY_TIME, id, arg, 1000);
	case 'e':
		return set_by(args, SPLIT_BY_EVENTS, id, arg, 1);
	case 'p':
		return set_by(args, SPLIT_BY_PAGES, id, arg, 1);
	case 'r':
		args->repeat = true;
		return 0;
	case 'c':
		args->per_cpu = true;
		return 0;
	case 'C':
		return add_cpu(args, arg);
	case 'B':
		return add_buffer(args, arg);
	case OPTION_TOP:
		return add_buffer(args, "");
	case 't':
		return rename_buffer(args, "");
	case 'b':
		return rename_buffer(args, arg);
	default:
		return REPORT_NOT_OWN;
	}
}

static int run_split(const struct command *command, int argc, char **argv)
{
	struct split_args args = {.command = command};
	struct report_session session = {.args = {.own = own_option, .own_arg = &args}};
	int status = report_args_parse(&session.args, command, argc, argv);

	if (status == CMD_OK && session.args.nr_files > 1)
		status = cmd_usage(command, "-i: one recording at a time");
	if (status == CMD_OK)
		status = split_run(&args, &session);
	report_session_done(&session);
	mem_free(args.buffers);
	mem_free(args.cpus);
	return status;
}

static const struct cmd_option split_options[] = {
	{'i', 'i', NULL, CMD_ARG_REQUIRED, "FILE", "the recording (default: trace.dat)", NULL},
	{'o', 'o', NULL, CMD_ARG_REQUIRED, "NAME",
	 "make NAME.1, with -r NAME.0001, NAME.0002, ... (default: the input's name)", NULL},
	{'s', 's', NULL, CMD_ARG_REQUIRED, "N", "N seconds in a file", "How much goes into a file"},
	{'m', 'm', NULL, CMD_ARG_REQUIRED, "N", "N milliseconds", NULL},
	{'u', 'u', NULL, CMD_ARG_REQUIRED, "N", "N microseconds", NULL},
	{'e', 'e', NULL, CMD_ARG_REQUIRED, "N", "N events", NULL},
	{'p', 'p', NULL, CMD_ARG_REQUIRED, "N", "N pages of each CPU", NULL},
	{'c', 'c', NULL, CMD_ARG_NONE, NULL, "that much of each CPU, not of all together", NULL},
	{'r', 'r', NULL, CMD_ARG_NONE, NULL, "more such files until the end", NULL},
	{'C', 'C', NULL, CMD_ARG_REQUIRED, "CPU", "only this CPU; may be repeated",
	 "What goes into the files"},
	{'B', 'B', NULL, CMD_ARG_REQUIRED, "NAME", "only this instance; may be repeated", NULL},
	{'t', 't', NULL, CMD_ARG_NONE, NULL, "behind -B: it becomes the top instance", NULL},
	{OPTION_TOP, 0, "top", CMD_ARG_NONE, NULL, "beside -B: the top instance too", NULL},
	{'b', 'b', NULL, CMD_ARG_REQUIRED, "NAME",
	 "behind --top (or -B): it becomes an instance of this name", NULL},
	REPORT_TASK_ROW(NULL),
	REPORT_FILTER_ROWS,
	REPORT_STRICT_ROW,
	{REPORT_OPT_VERBOSE, 0, "verbose", CMD_ARG_OPTIONAL, "LEVEL", NULL, NULL},
	{0},
};

const struct command cmd_split = {
	.name = "split",
	.group = "files",
	.summary = "cut a recording into smaller ones",
	.synopsis = "[OPTIONS] [START [END]]",
	.description =
		"Takes what lies between START and END (times in seconds as report shows them; the "
		"whole recording without them), and of that as much as the options say. With -r, "
		"what is left goes into further files of that size.\n"
		"\n"
		"Of events, those that --task, --pid, --comm, -F and --trigger select, as in "
		"report.\n"
		"\n"
		"  sonde split -i trace.dat -o part 75678.9 75679.2\n"
		"  sonde split -i trace.dat -r -e 100000\n"
		"  sonde split -i trace.dat -C 1 -B net -t -o net\n"
		"  sonde split -i trace.dat --task 'kworker*' -F sched: -o kworkers\n"
		"\n"
		"Lost events are counted in the file that holds the event behind them. With a "
		"clock "
		"that is not shown in seconds (counter, x86-tsc), START and END are its plain "
		"numbers.",
	.options = split_options,
	.needs = CMD_NEEDS_FILE,
	.run = run_split,
};
