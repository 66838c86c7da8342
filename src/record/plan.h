/* SPDX-License-Identifier: MIT */
/*
 * What is to be recorded: plain data, filled by the option parser of `sonde record`. All strings
 * are borrowed from the command line.
 */
#ifndef SONDE_RECORD_PLAN_H
#define SONDE_RECORD_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tracedat/dat.h"

#define RECORD_LIST_MAX 256 /* of each kind of option, in one instance */

struct record_list {
	const char *items[RECORD_LIST_MAX];
	size_t nr;
};

struct record_rule { /* one -e with what follows it */
	const char *events;
	bool disable; /* behind -v */
	char *filter; /* all its -f joined, or NULL; owned by the plan */
	struct record_list triggers;
};

struct record_instance {
	const char *name;   /* -B; NULL: an instance of our own, the file's top one */
	const char *source; /* extract: the instance to read, "" the top one; NULL: none */
	struct record_rule rules[RECORD_LIST_MAX];
	size_t nr_rules;
	const char *tracer;
	struct record_rule tracer_rule; /* behind -p, before any -e: of a tracer in programs */
	const char *clock;		/* NULL: as the kernel has it */
	const char *cpumask;		/* hexadecimal, NULL: all */
	struct record_list options;
	struct record_list functions;	      /* -l: a glob, a regular expression */
	struct record_list function_commands; /* -l FUNCTION:COMMAND */
	struct record_list no_functions;      /* -n */
	struct record_list graph_functions;   /* -g */
	const char *module;		      /* whose functions are meant, NULL: all */
	bool func_stack;		      /* a stack trace at every function of -l */
	bool no_function_trace;		      /* -d */
	uint64_t keep_kb;		      /* -m: of each CPU's newest pages; 0: all */
	uint64_t buffer_kb, subbuf_kb;	      /* 0: as the kernel has it */
};

/* -p and its -l, -n, -g in traced programs, in place of the kernel. */
enum record_on_full {
	RECORD_BLOCK,
	RECORD_DROP,
	RECORD_OVERWRITE
};

struct record_in_program {
	bool libs;	   /* --libs: all functions of all libraries */
	bool list_skipped; /* say which functions were chosen and are not traced */
	enum record_on_full on_full;
	/*
	 * Beside the kernel (record_run): the tracer in the programs and its functions; owned.
	 * NULL: programs are not traced, or (record_program) what instances[0] says.
	 */
	struct record_instance *beside;
	uint32_t max_depth; /* of calls that are followed; 0: no limit */
	uint64_t thresh_ns; /* only longer calls; 0: all */
	/* Hist triggers on calls: these are counted there, and that is all that is recorded. */
	struct record_list hists;
	const char *runtime; /* NULL: where it was installed */
};

struct record_plan {
	struct record_instance **instances; /* the own one first; owned */
	size_t nr_instances;
	struct record_in_program program; /* for record_program */
	const char *tracefs;		  /* NULL: where it is */
	const char *state;		  /* directory of the journals; NULL: where they are */
	const char *kallsyms;		  /* NULL: the kernel's own */
	const char *output;
	bool discard; /* nothing of a recording that failed is kept */
	int version;
	enum dat_compression compression;
	unsigned int interval_ms; /* data waits at most so long in the kernel */
	int rt_priority;	  /* of the drain threads, 0: none */
	bool all_formats, ignore_unknown, own_too, date;
	bool has_max_graph_depth;
	uint64_t max_graph_depth; /* 0: no limit */
	uint64_t thresh_ns;	  /* --thresh: of function_graph only longer calls; 0: all */
	uint64_t cmdlines_size;	  /* names of tasks that the kernel keeps, 0: as it does */
	bool ftrace_off;	  /* -D: function tracing off for the whole machine */
	bool keep_before;	  /* -K: what is set in a named instance stays as it is */
	bool keep_after; /* -k: all settings stay until kernel_journal's kept one is undone */
	bool only_set;	 /* set: neither stop, empty nor start anything */
	const struct record_stream *stream; /* where records go in place of the output; or NULL */
	const struct record_look *look;	    /* or NULL */
	bool snapshot;			    /* extract: what was set aside, not the buffer itself */
	bool do_not_wait;		    /* start --fork: for the command */
	const char *user;		    /* --user: who runs the command; NULL: we */
	const char *temp;		    /* directory of OUT.partial; NULL: that of the output */
	struct record_list hooks;	    /* -H: stored for whoever makes a profile of it */
	bool tsc2nsec;			    /* the file says how the clock becomes ns */
	bool proc_map;			    /* the file has the maps of traced processes */
	bool has_ts_offset;
	int64_t ts_offset;
	bool command_only;	     /* -F */
	bool with_children;	     /* -c */
	pid_t pids[RECORD_LIST_MAX]; /* -P */
	size_t nr_pids;
	char **command;		  /* NULL: until a signal */
	uint64_t for_ns;	  /* --for: SIGTERM comes after this; 0: never */
	const char *version_text; /* for the file: "sonde 0.1.0" */
};

#endif
