/* SPDX-License-Identifier: MIT */
/*
 * What to trace and how, as given on the command line: the options that record, start, set, stream
 * and profile share, read into a record_plan.
 */
#ifndef SONDE_CMD_RECORD_ARGS_H
#define SONDE_CMD_RECORD_ARGS_H

#include <stdbool.h>

#include "cmd/cmd.h"
#include "cmd/daemon.h"
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
	OPT_THRESH,
	OPT_FUNC_STACK,
	OPT_CMDLINES_SIZE,
	OPT_FORK,
	OPT_USER,
	OPT_FOR,
	OPT_TEMP,
	OPT_TSC2NSEC,
	OPT_PROC_MAP,
	OPT_DAEMONIZE,
	OPT_IN,
	OPT_LIBS,
	OPT_ON_FULL,
	OPT_LIST_SKIPPED,
	OPT_HIST,
	/* Options that are refused, with what to do instead. */
	OPT_PROXY,
	OPT_NAME,
	OPT_TSYNC_INTERVAL,
	OPT_PROFILE,
	OPT_BY_COMM,
	OPT_VERBOSE,
	OPT_DEBUG,
	OPT_NOSPLICE,
	OPT_NOFIFOS,
	OPT_NOTIMEOUT,
	OPT_POLL,
};

enum record_mode {
	RECORD_MODE_RECORD,
	RECORD_MODE_START,
	RECORD_MODE_SET,
	RECORD_MODE_STREAM,
};

/* Rows for the option table of a command that takes them; record_args_parse knows them all. */
/* clang-format off */
#define RECORD_OPTIONS_WHAT \
	RECORD_OPTIONS_TRACE \
	{'i', 'i', NULL, CMD_ARG_NONE, NULL, "pass over events that this kernel does not have", \
	 NULL},

/* The same but for -i, which is the input of a command that reads files, too. */
#define RECORD_OPTIONS_TRACE \
	{'e', 'e', "event", CMD_ARG_REQUIRED, "EVENT", \
	 "record these events: SYSTEM:EVENT, SYSTEM, EVENT, a glob of them, or all; or a probe to be " \
	 "made for the run: 'p:NAME PLACE ARGS'; or USDT probes of the command, without root: " \
	 "usdt:[FILE:]PROVIDER:NAME", "What"}, \
	{'f', 'f', "filter", CMD_ARG_REQUIRED, "FILTER", \
	 "kernel filter for the last -e; several are joined with &&; behind -p and before any -e, of " \
	 "the functions of a program", NULL}, \
	{'R', 'R', "trigger", CMD_ARG_REQUIRED, "TRIGGER", \
	 "kernel trigger for the events of the last -e; behind -p and before any -e, for those of the " \
	 "functions of a program", NULL}, \
	{'v', 'v', NULL, CMD_ARG_NONE, NULL, "switch the events of the following -e off", NULL}, \
	{'p', 'p', "tracer", CMD_ARG_REQUIRED, "TRACER", "record with this tracer", NULL}, \
	{'O', 'O', "option", CMD_ARG_REQUIRED, "OPTION", \
	 "set a trace option; with 'no' in front switch it off; NAME=VALUE sets a tracer up", NULL}, \
	{'T', 'T', NULL, CMD_ARG_NONE, NULL, "record a stack trace at every event", NULL},

#define RECORD_OPTIONS_FUNCTIONS \
	RECORD_OPTIONS_CHOICE \
	{OPT_MODULE, 0, "module", CMD_ARG_REQUIRED, "MODULE", \
	 "only functions of this module, for the -l, -n and -g of the same instance", NULL}, \
	RECORD_OPTIONS_DEPTH \
	{OPT_FUNC_STACK, 0, "func-stack", CMD_ARG_NONE, NULL, \
	 "record a stack trace at every function of -l", NULL}, \
	{'d', 'd', NULL, CMD_ARG_NONE, NULL, \
	 "with a latency tracer: do not trace functions with it", NULL}, \
	{'D', 'D', NULL, CMD_ARG_NONE, NULL, \
	 "as -d, and function tracing off for the whole machine meanwhile", NULL},

#define RECORD_OPTIONS_CHOICE \
	{'l', 'l', "functions", CMD_ARG_REQUIRED, "FUNCTION", \
	 "trace only these functions: a glob, or a regular expression when it starts with ^ or " \
	 "ends with $; with ':' a function command (FUNCTION:traceoff:1)", "Which functions"}, \
	{'n', 'n', "no-functions", CMD_ARG_REQUIRED, "FUNCTION", \
	 "do not trace these; with function_graph nor what they call", NULL}, \
	{'g', 'g', "graph-function", CMD_ARG_REQUIRED, "FUNCTION", \
	 "with function_graph: only these and what they call", NULL},

#define RECORD_OPTIONS_DEPTH \
	{OPT_MAX_GRAPH_DEPTH, 0, "max-graph-depth", CMD_ARG_REQUIRED, "N", \
	 "with function_graph: how deep calls are followed, 1: only what -g names", NULL}, \
	{OPT_THRESH, 0, "thresh", CMD_ARG_REQUIRED, "TIME", \
	 "with function_graph: only calls that take longer: 20us, 1ms; us without a unit", NULL},

#define RECORD_OPTIONS_WHOM \
	{'F', 'F', NULL, CMD_ARG_NONE, NULL, "only the command's own process", "Whom"}, \
	{'P', 'P', "pid", CMD_ARG_REQUIRED, "PID[,PID]", \
	 "only these processes; without a command the recording ends when they have ended", NULL}, \
	{'c', 'c', NULL, CMD_ARG_NONE, NULL, "with -F or -P: their children too", NULL}, \
	RECORD_OPTIONS_USER \
	{'M', 'M', "cpumask", CMD_ARG_REQUIRED, "MASK", "only CPUs of this hexadecimal mask; -1: all", NULL},

#define RECORD_OPTIONS_USER \
	{OPT_USER, 0, "user", CMD_ARG_REQUIRED, "USER", "run the command as this user", NULL},

#define RECORD_OPTIONS_FOR \
	{OPT_FOR, 0, "for", CMD_ARG_REQUIRED, "TIME", \
	 "end after 10s, 500ms, ..., a command by SIGTERM", NULL},

#define RECORD_OPTIONS_OWN \
	RECORD_OPTIONS_FOR \
	{OPT_NO_FILTER, 0, "no-filter", CMD_ARG_NONE, NULL, "record sonde's own threads too", NULL},

#define RECORD_OPTIONS_HOW \
	{'B', 'B', "instance", CMD_ARG_REQUIRED, "NAME", \
	 "what follows is for this tracing instance, made when it does not exist", "How"}, \
	RECORD_OPTIONS_SIZE \
	{OPT_SUBBUF, 0, "subbuf-size", CMD_ARG_REQUIRED, "KB", "size of a sub-buffer", NULL}, \
	{'C', 'C', "clock", CMD_ARG_REQUIRED, "CLOCK", \
	 "trace clock: local, global, mono, boot, ...; tsc2nsec: x86-tsc, shown in seconds", NULL}, \
	{OPT_CMDLINES_SIZE, 0, "cmdlines-size", CMD_ARG_REQUIRED, "NAMES", \
	 "how many names of tasks the kernel keeps meanwhile", NULL},

#define RECORD_OPTIONS_SIZE \
	{'b', 'b', "buffer-size", CMD_ARG_REQUIRED, "KB", "size of each CPU's buffer", NULL},

#define RECORD_OPTIONS_KEEP \
	{'k', 'k', NULL, CMD_ARG_NONE, NULL, \
	 "leave everything set up at the end, stopped; without -B in the instance 'sonde', until " \
	 "sonde reset", NULL}, \
	{'K', 'K', NULL, CMD_ARG_NONE, NULL, \
	 "as -k, and what is set in an instance before is not switched off", NULL},

#define RECORD_OPTIONS_READ \
	{'s', 's', NULL, CMD_ARG_REQUIRED, "US", \
	 "fetch what has been traced at least this often (default 1000000)", NULL}, \
	{'r', 'r', NULL, CMD_ARG_REQUIRED, "PRIORITY", "run the reading threads with SCHED_FIFO", \
	 NULL}, \
	{OPT_POLL, 0, "poll", CMD_ARG_NONE, NULL, \
	 "read without ever sleeping: no wake-ups disturb the CPUs that are traced, but those of " \
	 "the readers are busy", NULL},

#define RECORD_OPTIONS_OUTPUT \
	{'o', 'o', "output", CMD_ARG_REQUIRED, "FILE", "write this file (default trace.dat)", \
	 "Output"}, \
	{'m', 'm', "max-size", CMD_ARG_REQUIRED, "KB", \
	 "keep only the newest of each CPU: at most so much before compression, at least half of it", \
	 NULL}, \
	{OPT_TEMP, 0, "temp", CMD_ARG_REQUIRED, "DIRECTORY", \
	 "record here first; at the end it is joined into the output, wherever that is", NULL}, \
	{OPT_FILE_VERSION, 0, "file-version", CMD_ARG_REQUIRED, "6|7", \
	 "trace.dat version (default 7)", NULL}, \
	{OPT_COMPRESSION, 0, "compression", CMD_ARG_REQUIRED, "NAME", \
	 "any (default: zstd), zstd, zlib or none", NULL}, \
	{'a', 'a', NULL, CMD_ARG_NONE, NULL, \
	 "store the formats of all events, not only of those recorded", NULL}, \
	{OPT_DATE, 0, "date", CMD_ARG_NONE, NULL, \
	 "store the date, so that report shows times of day", NULL}, \
	{OPT_TS_OFFSET, 0, "ts-offset", CMD_ARG_REQUIRED, "NS", \
	 "store an offset that report adds to every time", NULL}, \
	{OPT_TSC2NSEC, 0, "tsc2nsec", CMD_ARG_NONE, NULL, \
	 "store how the time stamp counter becomes nanoseconds (for -C x86-tsc)", NULL}, \
	{OPT_PROC_MAP, 0, "proc-map", CMD_ARG_NONE, NULL, \
	 "store the address maps of the command and of -P", NULL}, \
	{OPT_DAEMONIZE, 0, "daemonize", CMD_ARG_NONE, NULL, \
	 "come back as soon as tracing is on, and record in the background until kill -INT " \
	 "$(cat " CMD_DAEMON_PID_FILE ")", NULL}, \
	{OPT_STDERR, 0, "stderr", CMD_ARG_NONE, NULL, "all messages to standard error", NULL},

#define RECORD_OPTIONS_QUIET \
	{'q', 'q', "quiet", CMD_ARG_NONE, NULL, "no messages but errors", NULL},

/* What a later profile needs; other commands than record refuse it. */
#define RECORD_OPTIONS_PROFILE \
	{OPT_PROFILE, 0, "profile", CMD_ARG_NONE, NULL, \
	 "record what report --profile shows: function_graph one level deep (-p: another tracer), and " \
	 "events of sched, irq and system calls", "For a profile"}, \
	{'S', 'S', NULL, CMD_ARG_NONE, NULL, \
	 "with --profile: only what -p, -e and -H say", NULL}, \
	{'H', 'H', "hooks", CMD_ARG_REQUIRED, "HOOK", \
	 "record the two events that HOOK connects, and store it for report --profile: " \
	 "[SYSTEM:]EVENT,FIELD[,PID_FIELD]/[SYSTEM:]EVENT,FIELD[,FLAGS]", NULL},

#define RECORD_OPTIONS_PROFILE_ELSEWHERE \
	{'H', 'H', NULL, CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{'S', 'S', NULL, CMD_ARG_NONE, NULL, NULL, NULL}, \
	{OPT_PROFILE, 0, "profile", CMD_ARG_NONE, NULL, NULL, NULL},

/* What trace-cmd has and sonde does in another way: understood, and refused with the way. */
#define RECORD_OPTIONS_ELSEWHERE \
	{'N', 'N', NULL, CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{'t', 't', NULL, CMD_ARG_NONE, NULL, NULL, NULL}, \
	{'V', 'V', NULL, CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{'A', 'A', NULL, CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{'G', 'G', NULL, CMD_ARG_NONE, NULL, NULL, NULL}, \
	{OPT_PROXY, 0, "proxy", CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{OPT_NAME, 0, "name", CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{OPT_TSYNC_INTERVAL, 0, "tsync-interval", CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{OPT_BY_COMM, 0, "by-comm", CMD_ARG_NONE, NULL, NULL, NULL}, \
	{OPT_VERBOSE, 0, "verbose", CMD_ARG_OPTIONAL, NULL, NULL, NULL}, \
	{OPT_DEBUG, 0, "debug", CMD_ARG_NONE, NULL, NULL, NULL}, \
	{OPT_NOSPLICE, 0, "nosplice", CMD_ARG_NONE, NULL, NULL, NULL}, \
	{OPT_NOFIFOS, 0, "nofifos", CMD_ARG_NONE, NULL, NULL, NULL}, \
	{OPT_NOTIMEOUT, 0, "notimeout", CMD_ARG_NONE, NULL, NULL, NULL},

/* Options about a file, for commands that write none; refused. */
#define RECORD_OPTIONS_NO_FILE \
	{'o', 'o', "output", CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{'m', 'm', NULL, CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{OPT_TEMP, 0, "temp", CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{OPT_FILE_VERSION, 0, "file-version", CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{OPT_COMPRESSION, 0, "compression", CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{OPT_PROC_MAP, 0, "proc-map", CMD_ARG_NONE, NULL, NULL, NULL}, \
	{OPT_DAEMONIZE, 0, "daemonize", CMD_ARG_NONE, NULL, NULL, NULL},

/* The same for commands that do not read the buffers either. */
#define RECORD_OPTIONS_NO_READER \
	{'a', 'a', NULL, CMD_ARG_NONE, NULL, NULL, NULL}, \
	{'s', 's', NULL, CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{'r', 'r', NULL, CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{OPT_POLL, 0, "poll", CMD_ARG_NONE, NULL, NULL, NULL}, \
	{OPT_DATE, 0, "date", CMD_ARG_NONE, NULL, NULL, NULL}, \
	{OPT_TSC2NSEC, 0, "tsc2nsec", CMD_ARG_NONE, NULL, NULL, NULL}, \
	{OPT_TS_OFFSET, 0, "ts-offset", CMD_ARG_REQUIRED, NULL, NULL, NULL}, \
	{OPT_NO_FILTER, 0, "no-filter", CMD_ARG_NONE, NULL, NULL, NULL},
/* clang-format on */

struct record_args {
	const struct command *command;
	enum record_mode mode; /* of the command; record_args_init says RECORD */
	struct record_plan plan;
	bool disable, quiet, to_stderr;
	bool daemonize;
	bool profile, only_given; /* --profile, -S */
	bool expanded;		  /* the command line has what --profile and -H stand for */
	struct cmd_daemon daemon;
	struct record_list removed;	       /* set -v -B: instances to remove */
	bool place_given, in_program, in_both; /* --in; left out: what can be done */
	const char *program_option;	       /* one that is only for programs, if any was given */
};

void record_args_init(struct record_args *args, const struct command *command);
/*
 * Fill args (initialised) from the command line. False after a message: CMD_USAGE.
 * Either way the caller ends with record_args_done. With --profile or -H and not yet expanded, the
 * options are read and not yet checked: the caller puts in what these stand for, and parses again.
 */
bool record_args_parse(struct record_args *args, int argc, char **argv) _must_check_;
void record_args_done(struct record_args *args);
/* Record it: in the kernel or in the program, as was chosen. As record_run. */
int record_args_run(struct record_args *args, struct record_result *ret_result, struct err *err)
	_must_check_;
/*
 * For the parser's own parts: the instance that options are for now, one more item of a list
 * (false after a message), and the options of record_functions.c (1: done, 0: not one of them, -1
 * after a message).
 */
bool record_args_add_instance(struct record_args *args, const char *name) _must_check_;
bool record_args_to_expand(const struct record_args *args);
/* Options that are for no instance. */
bool record_args_common(struct record_args *args, int id, const char *arg) _must_check_;
struct record_instance *record_args_instance(struct record_args *args);
bool record_args_list(struct record_args *args, struct record_list *list, const char *item)
	_must_check_;
int record_args_functions(struct record_args *args, int id, const char *arg) _must_check_;
/* What the choice of functions needs of the other options; false after a message. */
bool record_args_check_functions(const struct record_args *args) _must_check_;
/* Says why an option is refused and what to do instead; false when it is not one of those. */
bool record_args_refused(const struct record_args *args, int id) _must_check_;
/* trace-cmd's lines about where each CPU's data lies in the file. */
void record_print_places(const struct command *command, const char *output,
			 const struct record_result *result);
/* On stderr, after a failure: how much of what was written is not in the file, if any is missing.
 */
void record_print_unsaved(const struct command *command, const struct record_result *result);
/* Of hist triggers, to standard output; an exit status. */
int record_print_hists(const struct record_args *args, const struct record_result *result);
void record_print_losses(const struct record_args *args, const struct record_result *result);
/* A record_say_fn whose ctx is the args. */
void record_args_say(void *ctx, enum record_say what, const char *text);
/* "Did you mean", on stderr, for a pattern that named no event. */
void record_args_suggest_event(const struct record_args *args, const char *pattern);

#endif
