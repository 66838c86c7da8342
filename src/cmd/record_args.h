/* SPDX-License-Identifier: MIT */
/*
 * What to trace and how, as given on the command line: the options that record, start, set, stream
 * and profile share, read into a record_plan.
 */
#ifndef SONDE_CMD_RECORD_ARGS_H
#define SONDE_CMD_RECORD_ARGS_H

#include <stdbool.h>

#include "cmd/cmd.h"
#include "record/record.h"

enum {
	OPT_DATE = 256,
	OPT_FILE_VERSION,
	OPT_COMPRESSION,
	OPT_SUBBUF,
	OPT_TS_OFFSET,
	OPT_NO_FILTER,
	OPT_STDERR,
	OPT_MODULE,
	OPT_MAX_GRAPH_DEPTH,
	OPT_FUNC_STACK,
	OPT_CMDLINES_SIZE,
};

/* Rows for the option table of a command that takes them; record_args_parse knows them all. */
/* clang-format off */
#define RECORD_OPTIONS_WHAT \
	{'e', 'e', "event", CMD_ARG_REQUIRED, "EVENT", \
	 "record these events: SYSTEM:EVENT, SYSTEM, EVENT, a glob of them, or all; or a probe to be " \
	 "made for the run: 'p:NAME PLACE ARGS'", "What"}, \
	{'f', 'f', "filter", CMD_ARG_REQUIRED, "FILTER", \
	 "kernel filter for the last -e; several are joined with &&", NULL}, \
	{'R', 'R', "trigger", CMD_ARG_REQUIRED, "TRIGGER", \
	 "kernel trigger for the events of the last -e", NULL}, \
	{'v', 'v', NULL, CMD_ARG_NONE, NULL, "switch the events of the following -e off", NULL}, \
	{'p', 'p', "tracer", CMD_ARG_REQUIRED, "TRACER", "record with this tracer", NULL}, \
	{'O', 'O', "option", CMD_ARG_REQUIRED, "OPTION", \
	 "set a trace option; with 'no' in front switch it off", NULL}, \
	{'T', 'T', NULL, CMD_ARG_NONE, NULL, "record a stack trace at every event", NULL}, \
	{'a', 'a', NULL, CMD_ARG_NONE, NULL, \
	 "store the formats of all events, not only of those recorded", NULL}, \
	{'i', 'i', NULL, CMD_ARG_NONE, NULL, "pass over events that this kernel does not have", \
	 NULL},

#define RECORD_OPTIONS_FUNCTIONS \
	{'l', 'l', "functions", CMD_ARG_REQUIRED, "FUNCTION", \
	 "trace only these functions: a glob, or a regular expression when it starts with ^ or " \
	 "ends with $; with ':' a function command (FUNCTION:traceoff:1)", "Which functions"}, \
	{'n', 'n', "no-functions", CMD_ARG_REQUIRED, "FUNCTION", \
	 "do not trace these; with function_graph nor what they call", NULL}, \
	{'g', 'g', "graph-function", CMD_ARG_REQUIRED, "FUNCTION", \
	 "with function_graph: only these and what they call", NULL}, \
	{OPT_MODULE, 0, "module", CMD_ARG_REQUIRED, "MODULE", \
	 "only functions of this module, for the -l, -n and -g of the same instance", NULL}, \
	{OPT_MAX_GRAPH_DEPTH, 0, "max-graph-depth", CMD_ARG_REQUIRED, "N", \
	 "with function_graph: how deep calls are followed, 1: only what -g names", NULL}, \
	{OPT_FUNC_STACK, 0, "func-stack", CMD_ARG_NONE, NULL, \
	 "record a stack trace at every function of -l", NULL}, \
	{'d', 'd', NULL, CMD_ARG_NONE, NULL, \
	 "with a latency tracer: do not trace functions with it", NULL},

#define RECORD_OPTIONS_WHOM \
	{'F', 'F', NULL, CMD_ARG_NONE, NULL, "only the command's own process", "Whom"}, \
	{'P', 'P', "pid", CMD_ARG_REQUIRED, "PID[,PID]", \
	 "only these processes; without a command the recording ends when they have ended", NULL}, \
	{'c', 'c', NULL, CMD_ARG_NONE, NULL, "with -F or -P: their children too", NULL}, \
	{'M', 'M', "cpumask", CMD_ARG_REQUIRED, "MASK", "only CPUs of this hexadecimal mask", NULL}, \
	{OPT_NO_FILTER, 0, "no-filter", CMD_ARG_NONE, NULL, "record sonde's own threads too", NULL},

#define RECORD_OPTIONS_HOW \
	{'B', 'B', "instance", CMD_ARG_REQUIRED, "NAME", \
	 "what follows is for this tracing instance, made when it does not exist", "How"}, \
	{'b', 'b', "buffer-size", CMD_ARG_REQUIRED, "KB", "size of each CPU's buffer", NULL}, \
	{OPT_SUBBUF, 0, "subbuf-size", CMD_ARG_REQUIRED, "KB", "size of a sub-buffer", NULL}, \
	{'C', 'C', "clock", CMD_ARG_REQUIRED, "CLOCK", \
	 "trace clock: local, global, mono, boot, ...", NULL}, \
	{'s', 's', NULL, CMD_ARG_REQUIRED, "US", \
	 "fetch what has been traced at least this often (default 1000000)", NULL}, \
	{'r', 'r', NULL, CMD_ARG_REQUIRED, "PRIORITY", "run the reading threads with SCHED_FIFO", \
	 NULL}, \
	{OPT_CMDLINES_SIZE, 0, "cmdlines-size", CMD_ARG_REQUIRED, "NAMES", \
	 "how many names of tasks the kernel keeps meanwhile", NULL},

#define RECORD_OPTIONS_OUTPUT \
	{'o', 'o', "output", CMD_ARG_REQUIRED, "FILE", "write this file (default trace.dat)", \
	 "Output"}, \
	{OPT_FILE_VERSION, 0, "file-version", CMD_ARG_REQUIRED, "6|7", \
	 "trace.dat version (default 7)", NULL}, \
	{OPT_COMPRESSION, 0, "compression", CMD_ARG_REQUIRED, "NAME", \
	 "any (default: zstd), zstd, zlib or none", NULL}, \
	{OPT_DATE, 0, "date", CMD_ARG_NONE, NULL, \
	 "store the date, so that report shows times of day", NULL}, \
	{OPT_TS_OFFSET, 0, "ts-offset", CMD_ARG_REQUIRED, "NS", \
	 "store an offset that report adds to every time", NULL}, \
	{'q', 'q', "quiet", CMD_ARG_NONE, NULL, "no messages but errors", NULL}, \
	{OPT_STDERR, 0, "stderr", CMD_ARG_NONE, NULL, "all messages to standard error", NULL},
/* clang-format on */

struct record_args {
	const struct command *command;
	struct record_plan plan;
	bool disable, quiet, to_stderr;
};

void record_args_init(struct record_args *args, const struct command *command);
/*
 * Fill args (initialised) from the command line. False after a message: CMD_USAGE.
 * Either way the caller ends with record_args_done.
 */
bool record_args_parse(struct record_args *args, int argc, char **argv) _must_check_;
void record_args_done(struct record_args *args);
/*
 * For the parser's own parts: the instance that options are for now, one more item of a list
 * (false after a message), and the options of record_functions.c (1: done, 0: not one of them, -1
 * after a message).
 */
struct record_instance *record_args_instance(struct record_args *args);
bool record_args_list(struct record_args *args, struct record_list *list, const char *item)
	_must_check_;
int record_args_functions(struct record_args *args, int id, const char *arg) _must_check_;
/* What the choice of functions needs of the other options; false after a message. */
bool record_args_check_functions(const struct record_args *args) _must_check_;
/* A record_say_fn whose ctx is the args. */
void record_args_say(void *ctx, enum record_say what, const char *text);
/* "Did you mean", on stderr, for a pattern that named no event. */
void record_args_suggest_event(const struct record_args *args, const char *pattern);

#endif
