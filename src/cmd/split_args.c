/* SPDX-License-Identifier: MIT */
/* The command line of `sonde split`. */
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/split.h"

enum {
	OPTION_TOP = 256,
	OPTION_VERBOSE
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

static bool set_by(const struct command *command, struct split_args *args, enum split_by by,
		   int letter, const char *text, uint64_t unit)
{
	const char option[] = {'-', (char)letter, '\0'};
	uint64_t amount;

	if (args->by != SPLIT_BY_NOTHING) {
		cmd_usage(command, "only one of -s, -m, -u, -e and -p can be given");
		return false;
	}
	if (!cmd_parse_u64(command, option, text, 1, UINT64_MAX / unit, &amount))
		return false;
	args->by = by;
	args->amount = amount * unit;
	args->per_cpu |= by == SPLIT_BY_PAGES;
	return true;
}

static bool add_buffer(const struct command *command, struct split_args *args, size_t *cap,
		       const char *name)
{
	if (array_reserve(&args->buffers, cap, args->nr_buffers + 1, sizeof(*args->buffers)) < 0) {
		cmd_error(command, "out of memory");
		return false;
	}
	args->buffers[args->nr_buffers++] = (struct split_buffer){.name = name};
	return true;
}

/* -t and -b name the buffer that was asked for before them. */
static bool rename_buffer(const struct command *command, struct split_args *args, const char *name)
{
	if (!args->nr_buffers) {
		cmd_usage(command, "%s comes behind the -B or --top that it belongs to",
			  *name ? "-b" : "-t");
		return false;
	}
	args->buffers[args->nr_buffers - 1].new_name = name;
	return true;
}

static bool add_cpu(const struct command *command, struct split_args *args, size_t *cap,
		    const char *text)
{
	uint64_t cpu;

	if (!cmd_parse_u64(command, "-C", text, 0, LIMIT_CPUS - 1, &cpu))
		return false;
	if (array_reserve(&args->cpus, cap, args->nr_cpus + 1, sizeof(*args->cpus)) < 0) {
		cmd_error(command, "out of memory");
		return false;
	}
	args->cpus[args->nr_cpus++] = (uint32_t)cpu;
	return true;
}

struct capacities {
	size_t buffers, cpus;
};

static bool take_option(const struct command *command, struct split_args *args,
			struct capacities *caps, int id, const char *arg)
{
	switch (id) {
	case 'i':
		args->input = arg;
		return true;
	case 'o':
		args->output = arg;
		return true;
	case 's':
		return set_by(command, args, SPLIT_BY_TIME, id, arg, 1000000000);
	case 'm':
		return set_by(command, args, SPLIT_BY_TIME, id, arg, 1000000);
	case 'u':
		return set_by(command, args, SPLIT_BY_TIME, id, arg, 1000);
	case 'e':
		return set_by(command, args, SPLIT_BY_EVENTS, id, arg, 1);
	case 'p':
		return set_by(command, args, SPLIT_BY_PAGES, id, arg, 1);
	case 'r':
		args->repeat = true;
		return true;
	case 'c':
		args->per_cpu = true;
		return true;
	case 'C':
		return add_cpu(command, args, &caps->cpus, arg);
	case 'B':
		return add_buffer(command, args, &caps->buffers, arg);
	case OPTION_TOP:
		return add_buffer(command, args, &caps->buffers, "");
	case 't':
		return rename_buffer(command, args, "");
	case 'b':
		return rename_buffer(command, args, arg);
	default:
		return true;
	}
}

static bool take_operand(const struct command *command, struct split_args *args, const char *text)
{
	struct split_time *time = args->start.given ? &args->end : &args->start;

	if (args->end.given) {
		cmd_usage(command, "a start and an end at most: '%.80s'", text);
		return false;
	}
	if (!parse_time(text, time)) {
		cmd_usage(command, "'%.80s' is no time: seconds such as 75678.923853", text);
		return false;
	}
	return true;
}

static bool parse(const struct command *command, int argc, char **argv, struct split_args *args)
{
	struct capacities caps = {0};
	struct cmd_parser parser;
	int id;

	cmd_parser_init(&parser, command, argc, argv);
	while ((id = cmd_next(&parser)) > 0)
		if (!take_option(command, args, &caps, id, parser.arg))
			return false;
	for (int i = parser.first; id == 0 && i < argc; i++)
		if (!take_operand(command, args, argv[i]))
			return false;
	return id == 0;
}

static int run_split(const struct command *command, int argc, char **argv)
{
	struct split_args args = {.input = "trace.dat"};
	int status = parse(command, argc, argv, &args) ? split_run(command, &args) : CMD_USAGE;

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
	{OPTION_VERBOSE, 0, "verbose", CMD_ARG_OPTIONAL, "LEVEL", NULL, NULL},
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
		"  sonde split -i trace.dat -o part 75678.9 75679.2\n"
		"  sonde split -i trace.dat -r -e 100000\n"
		"  sonde split -i trace.dat -C 1 -B net -t -o net\n"
		"\n"
		"Lost events are counted in the file that holds the event behind them. With a "
		"clock "
		"that is not shown in seconds (counter, x86-tsc), START and END are its plain "
		"numbers.",
	.options = split_options,
	.needs = CMD_NEEDS_FILE,
	.run = run_split,
};
