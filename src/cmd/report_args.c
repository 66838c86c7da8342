/* SPDX-License-Identifier: MIT */
/* The options of `sonde report`. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cmd/option_rows.h"
#include "cmd/report.h"
#include "report/handlers.h"

static const struct cmd_option options[] = {
	REPORT_INPUT_ROWS("read FILE (several are merged by time)"),
	ROW(REPORT_OPT_FOLLOW, 0, "follow", NONE, NULL,
	    "go on while the recording is still being written, and end with it; lines of "
	    "different CPUs come as their pages do"),

	REPORT_RANGE_ROWS,
	ROW(REPORT_OPT_EVENT, 0, "event", ARG, "RE",
	    "only events whose name or system holds RE, or SYSTEM:EVENT; with --events or --compat "
	    "3.1: show these formats"),
	REPORT_FILTER_ROWS,
	REPORT_STRICT_ROW,
	ROW('T', 'T', "filter-test", NONE, NULL, "print the -F filters as understood, and stop"),
	ROW('I', 'I', "no-irqs", NONE, NULL, "no events in hard interrupts"),
	ROW('S', 'S', "no-softirqs", NONE, NULL, "no events in soft interrupts"),

	GROUP('t', 't', "nanoseconds", NONE, NULL, "times to the nanosecond", "Layout"),
	ROW('l', 'l', "latency", NONE, NULL, "latency layout: short names, context flags"),
	ROW('R', 'R', "raw", NONE, NULL, "all events as raw fields"),
	ROW('r', 'r', NULL, ARG, "RE", "events whose name or system is RE as raw fields"),
	ROW('n', 'n', NULL, ARG, "RE", "no built-in handler for events whose name or system is RE"),
	ROW('N', 'N', NULL, NONE, NULL, "no built-in handlers: the kernel's print formats"),
	ROW('L', 'L', NULL, NONE, NULL,
	    "as -N: there are no system-wide handlers but the built-in"),
	ROW('O', 'O', NULL, ARG, "OPTION", "option of a handler, [PLUGIN:]NAME[=VALUE]"),
	ROW(REPORT_OPT_COMPAT, 0, "compat", ARG, "VERSION",
	    "layout of trace-cmd VERSION: 3.1 or 3.4 (the default)"),
	ROW(REPORT_OPT_JSON, 0, "json", NONE, NULL, "one JSON object a line"),
	ROW(REPORT_OPT_CSV, 0, "csv", NONE, NULL, "comma-separated values"),
	ROW(REPORT_OPT_FIELDS, 0, "fields", ARG, "LIST",
	    "columns of --csv: ts cpu task pid flags file instance system event text, or fields of "
	    "events"),
	ROW(REPORT_OPT_COLOR, 0, "color", CMD_ARG_OPTIONAL, "WHEN",
	    "auto (the default), always or never"),
	ROW(REPORT_OPT_NO_PAGER, 0, "no-pager", NONE, NULL, "no pager on a terminal"),

	GROUP(REPORT_OPT_TS_OFFSET, 0, "ts-offset", ARG, "N",
	      "add N to the times of the file before", "Time"),
	ROW(REPORT_OPT_TS2SECS, 0, "ts2secs", ARG, "HZ",
	    "the clock counts HZ a second: show seconds"),
	ROW(REPORT_OPT_NODATE, 0, "nodate", NONE, NULL,
	    "ignore the wall-clock offset of record --date"),
	ROW(REPORT_OPT_RAW_TS, 0, "raw-ts", NONE, NULL,
	    "times as recorded, without any correction"),
	ROW(REPORT_OPT_ALIGN_TS, 0, "align-ts", NONE, NULL, "times since the first event"),
	ROW(REPORT_OPT_TS_DIFF, 0, "ts-diff", NONE, NULL, "show the time since the line before"),
	ROW(REPORT_OPT_TS_CHECK, 0, "ts-check", NONE, NULL,
	    "warn when time goes backwards on a CPU"),

	GROUP('w', 'w', "wakeup", NONE, NULL, "wake-up latencies, and their summary", "Summaries"),
	ROW(REPORT_OPT_PROFILE, 0, "profile", NONE, NULL, "where the tasks spent their time"),
	ROW('G', 'G', "global", NONE, NULL, "with --profile: interrupts belong to the CPU"),
	ROW('H', 'H', "hooks", ARG, "HOOK", "with --profile: connect two events"),
	ROW(REPORT_OPT_BY_COMM, 0, "by-comm", NONE, NULL,
	    "with --profile: tasks of one name are one"),

	GROUP('e', 'e', "endian", NONE, NULL, "byte order of the file and of this machine",
	      "About the file"),
	ROW('p', 'p', "page-size", NONE, NULL, "page size of the file and of this machine"),
	ROW('E', 'E', NULL, NONE, NULL, "names of the recorded event formats"),
	ROW(REPORT_OPT_EVENTS, 0, "events", NONE, NULL, "the recorded event formats"),
	ROW(REPORT_OPT_CHECK_EVENTS, 0, "check-events", NONE, NULL,
	    "whether all formats can be understood"),
	ROW('f', 'f', "functions", NONE, NULL, "recorded functions and their addresses"),
	ROW('P', 'P', "printk", NONE, NULL, "recorded trace_printk formats"),
	ROW(REPORT_OPT_CPUS, 0, "cpus", NONE, NULL, "CPUs with data"),
	ROW(REPORT_OPT_FIRST_EVENT, 0, "first-event", NONE, NULL,
	    "time of the first event of each CPU"),
	ROW(REPORT_OPT_LAST_EVENT, 0, "last-event", NONE, NULL,
	    "time of the last event of each CPU"),
	ROW(REPORT_OPT_STAT, 0, "stat", NONE, NULL,
	    "buffer statistics at the end of the recording"),
	ROW(REPORT_OPT_UNAME, 0, "uname", NONE, NULL, "the recorded machine"),
	ROW(REPORT_OPT_VERSION, 0, "version", NONE, NULL, "the program that recorded it"),

	GROUP('q', 'q', "quiet", NONE, NULL, "no warnings", "Messages"),
	ROW('V', 'V', NULL, CMD_ARG_OPTIONAL, "N", "say more about the file, on stderr"),
	ROW(REPORT_OPT_VERBOSE, 0, "verbose", CMD_ARG_OPTIONAL, "LEVEL",
	    "the same: none, crit, err, warn, info, debug, all, or 0 to 6"),
	ROW(REPORT_OPT_BOUNDARY, 0, "boundary", NONE, NULL, "mark where sub-buffers begin"),
	ROW(REPORT_OPT_DEBUG, 0, "debug", NONE, NULL, "the same, with the sub-buffer's raw time"),
	{0},
};

static int push(struct word_list *list, const char *word)
{
	if (array_reserve(&list->words, &list->cap, list->nr + 1, sizeof(*list->words)))
		return -ENOMEM;
	list->words[list->nr++] = word;
	return 0;
}

/* A copy of [text, text+len) that lives as long as the arguments. */
static const char *keep(struct report_args *args, const char *text, size_t len)
{
	_cleanup_free_ char *copy = mem_strndup(text, len);

	if (!copy || push(&args->texts, copy) < 0)
		return NULL;
	return steal(&copy);
}

static int add_file(struct report_args *args, const char *path)
{
	if (array_reserve(&args->files, &args->cap_files, args->nr_files + 1, sizeof(*args->files)))
		return -ENOMEM;
	args->files[args->nr_files++] = (struct report_file){path, args->input};
	return 0;
}

static int add_filter(struct report_args *args, const char *text)
{
	if (array_reserve(&args->filters, &args->cap_filters, args->nr_filters + 1,
			  sizeof(*args->filters)))
		return -ENOMEM;
	args->filters[args->nr_filters++] =
		(struct report_filter){text, args->negate, (int)args->nr_files - 1};
	return 0;
}

/* Calls `each` for every part of a comma-separated list; empty parts are passed over. */
static int split_list(struct report_args *args, const char *text,
		      int (*each)(struct report_args *, const char *))
{
	while (*text) {
		size_t len = strcspn(text, ",");
		const char *word = keep(args, text, len);
		int r;

		if (!word)
			return -ENOMEM;
		r = len ? each(args, word) : 0;
		if (r)
			return r;
		text += len + (text[len] == ',');
	}
	return 0;
}

static bool is_number(const char *text)
{
	size_t len = strspn(text, "0123456789");

	return len && len < 10 && !text[len];
}

static int add_task(struct report_args *args, const char *word)
{
	if (!is_number(word))
		return push(&args->task_comms, word);
	if (array_reserve(&args->task_pids, &args->cap_task_pids, args->nr_task_pids + 1,
			  sizeof(*args->task_pids)))
		return -ENOMEM;
	args->task_pids[args->nr_task_pids++] = (int32_t)strtol(word, NULL, 10);
	return 0;
}

static int add_csv_field(struct report_args *args, const char *word)
{
	return push(&args->csv_fields, word);
}

/* --pid and --comm are filters over the fields that name a task. */
static int add_pid(struct report_args *args, const char *word)
{
	char text[160];
	const char *filter;

	if (!is_number(word))
		return cmd_usage(args->command, "--pid: '%s' is not a pid", word);
	snprintf(text, sizeof(text), ".*:(common_pid==%s)||(pid==%s)||(next_pid==%s)", word, word,
		 word);
	filter = keep(args, text, strlen(text));
	return filter ? add_filter(args, filter) : -ENOMEM;
}

static int add_comm(struct report_args *args, const char *word)
{
	char text[512];
	const char *filter;

	if (strlen(word) > 100 || strchr(word, '"'))
		return cmd_usage(args->command, "--comm: '%s' cannot be a task's name", word);
	snprintf(text, sizeof(text), ".*:(COMM==\"%s\")||(comm==\"%s\")||(next_comm==\"%s\")", word,
		 word, word);
	filter = keep(args, text, strlen(text));
	return filter ? add_filter(args, filter) : -ENOMEM;
}

static int add_cpu_range(struct report_args *args, unsigned long low, unsigned long high)
{
	size_t old = args->cap_cpus;

	if (array_reserve(&args->cpus, &args->cap_cpus, high + 1, sizeof(*args->cpus)))
		return -ENOMEM;
	if (args->cap_cpus > old)
		memset(args->cpus + old, 0, args->cap_cpus - old);
	for (; low <= high; low++)
		args->cpus[low] = true;
	args->nr_cpus = MAX(args->nr_cpus, (size_t)high + 1);
	return 0;
}

static int parse_cpus(struct report_args *args, const char *text)
{
	const char *p = text;

	do {
		char *end;
		unsigned long low, high;

		if (!isdigit((unsigned char)*p))
			goto bad;
		low = high = strtoul(p, &end, 10);
		if (*end == '-') {
			p = end + 1;
			if (!isdigit((unsigned char)*p))
				goto bad;
			high = strtoul(p, &end, 10);
		}
		if (low > high || high >= LIMIT_CPUS)
			goto bad;
		if (add_cpu_range(args, low, high) < 0)
			return -ENOMEM;
		p = end;
		if (*p && *p != ',' && *p != ':')
			goto bad;
		p += *p != '\0';
	} while (*p);
	return 0;
bad:
	return cmd_usage(args->command, "--cpu: '%s' is not a list of CPUs such as 0,2-4", text);
}

static int parse_i64(const struct report_args *args, const char *option, const char *text,
		     int64_t *ret_value)
{
	char *end;

	errno = 0;
	*ret_value = strtoll(text, &end, 0);
	if (!*text || *end || errno)
		return cmd_usage(args->command, "%s: '%s' is not a number", option, text);
	return 0;
}

static int set_ts_offset(struct report_args *args, const char *text)
{
	int64_t value;
	int r = parse_i64(args, "--ts-offset", text, &value);

	if (r)
		return r;
	if (!args->nr_files)
		return cmd_usage(args->command, "--ts-offset must come after the -i it belongs to");
	args->files[args->nr_files - 1].options.ts_offset = value;
	return 0;
}

static int set_ts2secs(struct report_args *args, const char *text)
{
	uint64_t hz;

	if (!cmd_parse_u64(args->command, "--ts2secs", text, 1, UINT64_MAX, &hz))
		return CMD_USAGE;
	if (args->nr_files > 1)
		args->files[args->nr_files - 1].options.ts2secs_hz = hz;
	else
		args->input.ts2secs_hz = hz;
	return 0;
}

static int set_compat(struct report_args *args, const char *text)
{
	static const struct {
		const char *text;
		int compat;
	} versions[] = {{"3.1", COMPAT_31},
			{"3.1.6", COMPAT_31},
			{"3.2", COMPAT_31},
			{"3.3", COMPAT_34},
			{"3.4", COMPAT_34}};

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		if (!strcmp(text, versions[i].text)) {
			args->report.compat = versions[i].compat;
			return 0;
		}
	}
	return cmd_usage(args->command, "--compat: '%s' is none of 3.1, 3.2, 3.3, 3.4", text);
}

static int set_verbose(struct report_args *args, const char *text)
{
	static const char *const levels[] = {"none", "crit", "err", "warn", "info", "debug", "all"};

	if (!text) {
		args->verbose = 4;
		return 0;
	}
	for (int i = 0; i < (int)ARRAY_SIZE(levels); i++) {
		if (!strcmp(text, levels[i]) || (text[0] == '0' + i && !text[1])) {
			args->verbose = i;
			return 0;
		}
	}
	return cmd_usage(args->command, "--verbose: '%s' is no level", text);
}

static int set_color(struct report_args *args, const char *text)
{
	if (!text || !strcmp(text, "always"))
		args->report.colour = true;
	else if (!strcmp(text, "never"))
		args->report.colour = false;
	else if (!strcmp(text, "auto"))
		args->report.colour = cmd_stdout_colour();
	else
		return cmd_usage(args->command, "--color: '%s' is none of auto, always, never",
				 text);
	return 0;
}

static int set_handler_option(struct report_args *args, const char *text)
{
	struct err err;

	if (handler_options_set(&args->report.events, text, &err) < 0)
		return cmd_usage(args->command, "%s", err.text);
	return 0;
}

static int set_input(struct report_args *args, const char *path)
{
	args->files_by_option = true;
	return add_file(args, path);
}

static int set_negate(struct report_args *args)
{
	if (args->negate)
		return cmd_usage(args->command, "-v can be given only once");
	args->negate = true;
	return 0;
}

/* FROM~TO; either may be missing. */
static int set_time_range(struct report_args *args, const char *text)
{
	const char *tilde = strchr(text, '~');
	char *from;

	if (!tilde || !text[1])
		return cmd_usage(args->command, "-r: '%s' is not FROM~TO", text);
	from = mem_strndup(text, (size_t)(tilde - text));
	if (!from || push(&args->texts, from) < 0) {
		mem_free(from);
		return -ENOMEM;
	}
	args->from = *from ? from : NULL;
	args->to = tilde[1] ? tilde + 1 : NULL;
	return 0;
}

/* Options with an argument: 0, -ENOMEM or an exit status. */
static int apply_arg(struct report_args *args, int id, const char *arg)
{
	switch (id) {
	case 'i':
		return set_input(args, arg);
	case 'F':
	case REPORT_OPT_EVENT_FILTER:
		return add_filter(args, arg);
	case 'H':
		return push(&args->hooks, arg);
	case 'O':
		return set_handler_option(args, arg);
	case 'r':
		return push(&args->raw_events, arg);
	case 'n':
		return push(&args->nohandler_events, arg);
	case 'V':
	case REPORT_OPT_VERBOSE:
		return set_verbose(args, arg);
	case REPORT_OPT_CPU:
		return parse_cpus(args, arg);
	case REPORT_OPT_EVENT:
		return push(&args->shown_events, arg);
	case REPORT_OPT_PID:
		return split_list(args, arg, add_pid);
	case REPORT_OPT_COMM:
		return split_list(args, arg, add_comm);
	case REPORT_OPT_TASK:
		return split_list(args, arg, add_task);
	case REPORT_OPT_TRIGGER:
		return push(&args->triggers, arg);
	case REPORT_OPT_FIELDS:
		args->csv = true;
		args->report.format = REPORT_CSV;
		return split_list(args, arg, add_csv_field);
	case REPORT_OPT_TS_OFFSET:
		return set_ts_offset(args, arg);
	case REPORT_OPT_TS2SECS:
		return set_ts2secs(args, arg);
	case REPORT_OPT_COMPAT:
		return set_compat(args, arg);
	case REPORT_OPT_COLOR:
		return set_color(args, arg);
	case REPORT_OPT_KALLSYMS:
		args->kallsyms = arg;
		return 0;
	case REPORT_OPT_RANGE:
		return set_time_range(args, arg);
	case REPORT_OPT_FROM:
		args->from = arg;
		return 0;
	default: /* REPORT_OPT_TO */
		args->to = arg;
		return 0;
	}
}

static const struct {
	int id;
	enum report_info info;
} info_options[] = {
	{'p', INFO_PAGE_SIZE},
	{'e', INFO_ENDIAN},
	{REPORT_OPT_EVENTS, INFO_FORMATS},
	{'f', INFO_FUNCTIONS},
	{REPORT_OPT_CHECK_EVENTS, INFO_CHECK_EVENTS},
	{'P', INFO_PRINTK},
	{'E', INFO_EVENTS},
	{REPORT_OPT_CPUS, INFO_CPUS},
	{REPORT_OPT_FIRST_EVENT, INFO_CPUS},
	{REPORT_OPT_LAST_EVENT, INFO_CPUS},
	{REPORT_OPT_STAT, INFO_STAT},
	{REPORT_OPT_UNAME, INFO_UNAME},
	{REPORT_OPT_VERSION, INFO_VERSION},
};

static bool apply_info(struct report_args *args, int id)
{
	args->want_first |= id == REPORT_OPT_FIRST_EVENT;
	args->want_last |= id == REPORT_OPT_LAST_EVENT;
	for (size_t i = 0; i < ARRAY_SIZE(info_options); i++) {
		if (info_options[i].id != id)
			continue;
		/* Given several, --version wins over --uname over --stat, as in trace-cmd. */
		if (info_options[i].info > args->info || args->info < INFO_STAT)
			args->info = info_options[i].info;
		return true;
	}
	return false;
}

static bool *flag_of(struct report_args *args, int id)
{
	const struct {
		int id;
		bool *flag;
	} flags[] = {
		{'I', &args->report.no_irqs},
		{'S', &args->report.no_softirqs},
		{'t', &args->report.ns},
		{'l', &args->report.latency},
		{'R', &args->report.raw},
		{'T', &args->test_filters},
		{'N', &args->input.no_handlers},
		{'L', &args->input.no_handlers},
		{'w', &args->wakeup},
		{'G', &args->profile_global},
		{'q', &args->quiet},
		{REPORT_OPT_PROFILE, &args->profile},
		{REPORT_OPT_BY_COMM, &args->profile_by_comm},
		{REPORT_OPT_NODATE, &args->input.no_date},
		{REPORT_OPT_RAW_TS, &args->input.raw_ts},
		{REPORT_OPT_ALIGN_TS, &args->align_ts},
		{REPORT_OPT_TS_DIFF, &args->report.ts_diff},
		{REPORT_OPT_TS_CHECK, &args->report.ts_check},
		{REPORT_OPT_BOUNDARY, &args->report.boundary},
		{REPORT_OPT_DEBUG, &args->report.debug},
		{REPORT_OPT_FOLLOW, &args->follow},
		{REPORT_OPT_NO_PAGER, &args->no_pager},
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (flags[i].id == id)
			return flags[i].flag;
	return NULL;
}

static int apply(struct report_args *args, int id, const char *arg)
{
	bool *flag = flag_of(args, id);
	int r = args->own ? args->own(args->own_arg, id, arg) : REPORT_NOT_OWN;

	if (r != REPORT_NOT_OWN)
		return r;
	if (flag) {
		*flag = true;
		return 0;
	}
	if (apply_info(args, id))
		return 0;
	switch (id) {
	case 'v':
		return set_negate(args);
	case REPORT_OPT_STRICT:
		args->strict = true;
		return 0;
	case REPORT_OPT_JSON:
		args->json = true;
		args->report.format = REPORT_JSON;
		return 0;
	case REPORT_OPT_CSV:
		args->csv = true;
		args->report.format = REPORT_CSV;
		return 0;
	default:
		return apply_arg(args, id, arg);
	}
}

static int add_default_fields(struct report_args *args)
{
	return args->csv_fields.nr
		       ? 0
		       : split_list(args, "ts,cpu,task,pid,flags,system,event,text", add_csv_field);
}

static int add_operand(struct report_args *args, const char *word)
{
	int r = args->own ? args->own(args->own_arg, CMD_OPERAND, word) : REPORT_NOT_OWN;

	if (r != REPORT_NOT_OWN)
		return r;
	if (args->files_by_option)
		return cmd_usage(args->command, "'%s': give files either with -i or as words",
				 word);
	return add_file(args, word);
}

static int add_operands(struct report_args *args, int argc, char **argv, int first)
{
	int r = 0;

	for (; r == 0 && first < argc; first++)
		r = add_operand(args, argv[first]);
	return r || args->nr_files ? r : add_file(args, "trace.dat");
}

/*
 * What was said after a file for all files: -N, --nodate, --raw-ts, a single file's --ts2secs.
 * Names are the kernel's but in `report`, whose text is trace-cmd's.
 */
static void spread_defaults(struct report_args *args)
{
	for (size_t i = 0; i < args->nr_files; i++) {
		struct input_options *o = &args->files[i].options;

		o->no_handlers = args->input.no_handlers;
		o->no_date = args->input.no_date;
		o->raw_ts = args->input.raw_ts;
		o->trace_cmd_clocks = args->report.compat == COMPAT_31;
		o->trace_cmd_names = !args->own || args->report.compat == COMPAT_31;
		if (!o->ts2secs_hz)
			o->ts2secs_hz = args->input.ts2secs_hz;
	}
	if (args->nr_files == 1)
		for (size_t i = 0; i < args->nr_filters; i++)
			args->filters[i].file = -1;
}

static int check_together(const struct report_args *args)
{
	if (args->json && args->csv)
		return cmd_usage(args->command, "--json does not go with --csv and its --fields");
	if (args->own)
		return 0; /* what goes together there is the command's business */
	if (args->wakeup && args->nr_files > 1)
		return cmd_usage(args->command, "-w reads a single file");
	if (args->wakeup && args->report.format != REPORT_TEXT)
		return cmd_usage(args->command, "-w goes with the text layout only");
	if (args->profile && args->report.format != REPORT_TEXT)
		return cmd_usage(args->command, "--profile goes with the text layout only");
	if ((args->profile_global || args->profile_by_comm || args->hooks.nr) && !args->profile)
		return cmd_usage(args->command, "-G, -H and --by-comm belong to --profile");
	return 0;
}

int report_args_parse(struct report_args *args, const struct command *command, int argc,
		      char **argv)
{
	struct cmd_parser parser;
	int id, r = 0;

	args->command = command;
	args->report.compat = COMPAT_34;
	args->report.colour = cmd_stdout_colour();
	handler_options_init(&args->report.events);
	cmd_parser_init(&parser, command, argc, argv);
	while (!r && (id = cmd_next(&parser)) != 0)
		r = id < 0 ? CMD_USAGE : apply(args, id, parser.arg);
	if (!r)
		r = add_operands(args, argc, argv, parser.first);
	if (!r)
		r = add_default_fields(args);
	if (r == -ENOMEM) {
		cmd_error(command, "out of memory");
		return CMD_FAILED;
	}
	if (r)
		return r;
	spread_defaults(args);
	return check_together(args);
}

void report_args_done(struct report_args *args)
{
	for (size_t i = 0; i < args->texts.nr; i++)
		mem_free((void *)(uintptr_t)args->texts.words[i]);
	mem_free(args->texts.words);
	mem_free(args->files);
	mem_free(args->filters);
	mem_free(args->raw_events.words);
	mem_free(args->nohandler_events.words);
	mem_free(args->shown_events.words);
	mem_free(args->hooks.words);
	mem_free(args->csv_fields.words);
	mem_free(args->triggers.words);
	mem_free(args->task_comms.words);
	mem_free(args->task_pids);
	mem_free(args->cpus);
}

/* Decimal digits with an optional fraction, as nanoseconds of `unit_ns`; false when it is no
 * number. */
static bool parse_decimal(const char **text, uint64_t unit_ns, uint64_t *ret_ns)
{
	const char *p = *text;
	uint64_t whole = 0, fraction = 0, scale = 1;
	bool any = false;

	for (; isdigit((unsigned char)*p); p++, any = true)
		if (__builtin_mul_overflow(whole, 10u, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*p - '0'), &whole))
			return false;
	if (*p == '.') {
		for (p++; isdigit((unsigned char)*p); p++, any = true) {
			if (scale >= 1000000000)
				continue;
			fraction = fraction * 10 + (uint64_t)(*p - '0');
			scale *= 10;
		}
	}
	*text = p;
	if (!any || __builtin_mul_overflow(whole, unit_ns, &whole))
		return false;
	return !__builtin_add_overflow(whole, fraction * unit_ns / scale, ret_ns);
}

static uint64_t unit_of(const char *suffix, bool usecs)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {{"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};

	if (!*suffix)
		return usecs ? 1000000000 : 1;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(suffix, units[i].name))
			return units[i].ns;
	return 0;
}

bool report_parse_time(const char *text, bool usecs, uint64_t start, uint64_t *ret_ts)
{
	bool relative = text[0] == '+';
	const char *number = text + relative;
	uint64_t unit = unit_of(number + strspn(number, "0123456789."), usecs);
	uint64_t value;

	if (!unit || !parse_decimal(&number, unit, &value))
		return false;
	if (relative)
		return !__builtin_add_overflow(start, value, ret_ts);
	*ret_ts = value;
	return true;
}

bool report_parse_duration(const struct command *command, const char *text, uint64_t *ret_ns)
{
	if (*text != '+' && report_parse_time(text, true, 0, ret_ns) && *ret_ns)
		return true;
	cmd_usage(command, "--for: '%s' is no length of time such as 10s or 500ms", text);
	return false;
}

int cmd_report_run(const struct command *command, int argc, char **argv);

const struct command cmd_report = {
	.name = "report",
	.group = "look",
	.summary = "show the events of a trace.dat file as text, JSON or CSV",
	.synopsis = "[OPTIONS] [FILE...]",
	.description =
		"Reads trace.dat (or FILE, or several, merged by time) and prints one line an "
		"event. The\n"
		"layout is that of trace-cmd report; --compat 3.1 gives that of its older "
		"versions.\n"
		"\n"
		"A file that is damaged, cut off or still being written is read as far as it goes; "
		"what is\n"
		"missing is said on stderr, and the exit status is 1. Lost events are shown at "
		"their place\n"
		"and summed up at the end, on stderr.\n"
		"\n"
		"Examples:\n"
		"  sonde report                                   trace.dat of this directory\n"
		"  sonde report --task bash --from +1s --to +2s   one task, the second second\n"
		"  sonde report -F 'sched_switch: prev_prio < 100' x.dat\n"
		"  sonde report --event sched: --json x.dat | jq .fields\n"
		"  sonde report --csv --fields ts,task,prev_comm,next_comm --event sched_switch "
		"x.dat",
	.options = options,
	.needs = CMD_NEEDS_FILE,
	.run = cmd_report_run,
};
