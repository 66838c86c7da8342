/* SPDX-License-Identifier: MIT */
/* What the parts of `sonde report` share: the parsed command line. */
#ifndef SONDE_CMD_REPORT_H
#define SONDE_CMD_REPORT_H

#include "cmd/cmd.h"
#include "report/report.h"

/* Options of several commands that read records; a letter's id is its code. */
enum report_option {
	REPORT_OPT_CPU = 1000,
	REPORT_OPT_CPUS,
	REPORT_OPT_FIRST_EVENT,
	REPORT_OPT_LAST_EVENT,
	REPORT_OPT_EVENTS,
	REPORT_OPT_EVENT,
	REPORT_OPT_CHECK_EVENTS,
	REPORT_OPT_KALLSYMS,
	REPORT_OPT_PID,
	REPORT_OPT_COMM,
	REPORT_OPT_TASK,
	REPORT_OPT_TRIGGER,
	REPORT_OPT_STRICT,
	REPORT_OPT_EVENT_FILTER,
	REPORT_OPT_STAT,
	REPORT_OPT_UNAME,
	REPORT_OPT_VERSION,
	REPORT_OPT_TS_OFFSET,
	REPORT_OPT_TS2SECS,
	REPORT_OPT_NODATE,
	REPORT_OPT_RAW_TS,
	REPORT_OPT_ALIGN_TS,
	REPORT_OPT_TS_DIFF,
	REPORT_OPT_TS_CHECK,
	REPORT_OPT_PROFILE,
	REPORT_OPT_BY_COMM,
	REPORT_OPT_BOUNDARY,
	REPORT_OPT_DEBUG,
	REPORT_OPT_VERBOSE,
	REPORT_OPT_COMPAT,
	REPORT_OPT_FROM,
	REPORT_OPT_TO,
	REPORT_OPT_RANGE,
	REPORT_OPT_JSON,
	REPORT_OPT_CSV,
	REPORT_OPT_FIELDS,
	REPORT_OPT_FOLLOW,
	REPORT_OPT_COLOR,
	REPORT_OPT_NO_PAGER,
};

/* Rows for the option tables of such commands; they mean the same in all of them. */
#define REPORT_INPUT_ROWS(input_help)                                                              \
	{'i', 'i', "input", CMD_ARG_REQUIRED, "FILE", input_help, "Input"},                        \
		{REPORT_OPT_CPU,	   0,	"cpu", CMD_ARG_REQUIRED, "LIST",                   \
		 "only these CPUs: 0,2-4", NULL},                                                  \
	{                                                                                          \
		REPORT_OPT_KALLSYMS, 0, "kallsyms", CMD_ARG_REQUIRED, "FILE",                      \
			"more symbols, in the form of /proc/kallsyms", NULL                        \
	}
#define REPORT_RANGE_ROWS                                                                          \
	{REPORT_OPT_FROM,                                                                          \
	 0,                                                                                        \
	 "from",                                                                                   \
	 CMD_ARG_REQUIRED,                                                                         \
	 "TIME",                                                                                   \
	 "only from this time on: seconds as shown, or +TIME since the start; units s, ms, us, "   \
	 "ns",                                                                                     \
	 "Selection"},                                                                             \
		{REPORT_OPT_TO, 0, "to", CMD_ARG_REQUIRED, "TIME", "only up to this time", NULL},  \
		REPORT_TASK_ROW(NULL)
#define REPORT_TASK_ROW(group)                                                                     \
	{                                                                                          \
		REPORT_OPT_TASK, 0, "task", CMD_ARG_REQUIRED, "LIST",                              \
			"only these tasks: names, globs or pids", group                            \
	}
/* Where --pid is not about recording. */
#define REPORT_PID_ROW                                                                             \
	{                                                                                          \
		REPORT_OPT_PID, 0, "pid", CMD_ARG_REQUIRED, "LIST",                                \
			"events of, or about, these pids", NULL                                    \
	}
#define REPORT_COMM_ROW                                                                            \
	{                                                                                          \
		REPORT_OPT_COMM, 0, "comm", CMD_ARG_REQUIRED, "LIST",                              \
			"events of, or about, tasks of these names", NULL                          \
	}
#define REPORT_FILTER_ROWS                                                                         \
	REPORT_PID_ROW, REPORT_COMM_ROW,                                                           \
		{'F',                                                                              \
		 'F',                                                                              \
		 "filter",                                                                         \
		 CMD_ARG_REQUIRED,                                                                 \
		 "FILTER",                                                                         \
		 "only events that match EVENTS:EXPRESSION, or EVENTS if FILTER as the kernel "    \
		 "has them; "                                                                      \
		 "after -i, of that file only",                                                    \
		 NULL},                                                                            \
		{'v',	       'v',  NULL,                                                         \
		 CMD_ARG_NONE, NULL, "the -F options that follow hide what they match",            \
		 NULL},                                                                            \
	{                                                                                          \
		REPORT_OPT_TRIGGER, 0, "trigger", CMD_ARG_REQUIRED, "EVENTS:TRIGGER",              \
			"only what would have been recorded with this trigger (traceon, "          \
			"traceoff, "                                                               \
			"enable_event, disable_event)",                                            \
			NULL                                                                       \
	}

/* Where no other --strict says that all is as the kernel has it. */
#define REPORT_STRICT_ROW                                                                          \
	{                                                                                          \
		REPORT_OPT_STRICT, 0, "strict", CMD_ARG_NONE, NULL,                                \
			"filters behind 'if' answer as the kernel's do, bit by bit", NULL          \
	}
/* Where -F means functions. */
#define REPORT_EVENT_FILTER_ROW                                                                    \
	{                                                                                          \
		REPORT_OPT_EVENT_FILTER, 0, "event-filter", CMD_ARG_REQUIRED, "FILTER",            \
			"only records that match, as with report -F: EVENTS:EXPRESSION, or "       \
			"EVENTS if FILTER",                                                        \
			NULL                                                                       \
	}

struct report_file {
	const char *path;
	struct input_options options;
};

struct report_filter {
	const char *text;
	bool negate;
	int file; /* index of the file it belongs to, -1: all */
};

/* A list of words from one or several options; the words are borrowed or in `arena`. */
struct word_list {
	const char **words;
	size_t nr, cap;
};

enum report_info { /* prints something of the file instead of its records */
	INFO_NONE,
	INFO_PAGE_SIZE,
	INFO_ENDIAN,
	INFO_FORMATS,
	INFO_CHECK_EVENTS,
	INFO_FUNCTIONS,
	INFO_PRINTK,
	INFO_EVENTS,
	INFO_CPUS,
	INFO_STAT,
	INFO_UNAME,
	INFO_VERSION,
};

struct report_args {
	const struct command *command;
	struct report_file *files;
	size_t nr_files, cap_files;
	bool files_by_option; /* -i was used */
	struct report_filter *filters;
	size_t nr_filters, cap_filters;
	struct word_list raw_events, nohandler_events, shown_events, hooks, csv_fields, task_comms,
		triggers, texts /* -F texts made here, owned */;
	int32_t *task_pids;
	size_t nr_task_pids, cap_task_pids;
	bool *cpus; /* --cpu: flags by CPU number */
	size_t nr_cpus, cap_cpus;
	struct report_options report;
	struct input_options input; /* defaults of later files */
	enum report_info info;
	bool want_first, want_last; /* --first-event, --last-event */
	bool negate;
	bool test_filters;
	bool wakeup, profile, profile_global, profile_by_comm;
	bool json, csv;
	bool quiet, align_ts, follow, no_pager, strict;
	int verbose;
	const char *kallsyms, *from, *to;
	/*
	 * A command's own options and (CMD_OPERAND) operands, asked first: 0, -ENOMEM, an exit
	 * status after a message, or REPORT_NOT_OWN. May be NULL.
	 */
	int (*own)(void *arg, int id, const char *text);
	void *own_arg;
};

enum {
	REPORT_NOT_OWN = -1000
};

/*
 * `args` is zeroed but for `own` and `own_arg`. The table of the command need not hold all options.
 * 0, or an exit status after a message.
 */
int report_args_parse(struct report_args *args, const struct command *command, int argc,
		      char **argv);
void report_args_done(struct report_args *args);

/*
 * A time of --from or --to: seconds (raw units when the clock does not count ns), or "+TIME" since
 * the start, with an optional unit s, ms, us or ns. False when `text` is none.
 */
bool report_parse_time(const char *text, bool usecs, uint64_t start, uint64_t *ret_ts);

/* --for: a time in seconds, or with a unit; false after a message. */
bool report_parse_duration(const struct command *command, const char *text, uint64_t *ret_ns);

/* report_info.c: print what was asked for; the exit status. */
int report_show_info(const struct report_args *args, struct input *input);
int report_check_events(const struct report_args *args, const struct input *input);

/* Events of `db` chosen by any of the patterns get `flag`, in a table of 65536 entries by id. */
int report_mark_events(const struct event_db *db, const struct word_list *patterns,
		       enum event_match_kind kind, uint8_t flag, uint8_t *table, struct err *err);

#endif
