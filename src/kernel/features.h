/* SPDX-License-Identifier: MIT */
/*
 * What this kernel can do, found out by trying, never by its version: distributions port features
 * back and switch them off. The same table says what a feature needs and what Sonde does without
 * it, so `sonde doctor` and every refusal tell the same story.
 */
#ifndef SONDE_KERNEL_FEATURES_H
#define SONDE_KERNEL_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "kernel/tracefs.h"

enum feature_id {
	/* who may look at what */
	FEATURE_TRACEFS,
	FEATURE_RIGHTS,
	FEATURE_POLICY,
	FEATURE_PID_NAMESPACE,
	FEATURE_OTHERS,
	FEATURE_PERF,
	FEATURE_ADDRESSES,
	FEATURE_MEMORY,
	/* getting events out of the kernel */
	FEATURE_INSTANCES,
	FEATURE_EVENTS,
	FEATURE_SYSCALLS,
	FEATURE_STACKS,
	FEATURE_USER_STACKS,
	FEATURE_PID_FILTER,
	FEATURE_MARKER,
	FEATURE_ERROR_LOG,
	FEATURE_CLOCKS,
	FEATURE_RAW,
	FEATURE_SPLICE,
	FEATURE_MMAP,
	FEATURE_WATERMARK,
	FEATURE_SUBBUF_SIZE,
	/* tracers */
	FEATURE_FUNCTION,
	FEATURE_FUNCTION_FILTER,
	FEATURE_FUNCTION_INSTANCES,
	FEATURE_FUNCTION_ARGS,
	FEATURE_GRAPH,
	FEATURE_GRAPH_INSTANCES,
	FEATURE_GRAPH_RETVAL,
	FEATURE_GRAPH_RETADDR,
	FEATURE_GRAPH_ARGS,
	FEATURE_BLK,
	FEATURE_HWLAT,
	FEATURE_OSNOISE,
	FEATURE_TIMERLAT,
	FEATURE_IRQSOFF,
	FEATURE_PREEMPTOFF,
	FEATURE_PREEMPTIRQSOFF,
	FEATURE_WAKEUP,
	FEATURE_WAKEUP_RT,
	FEATURE_WAKEUP_DL,
	FEATURE_MMIOTRACE,
	FEATURE_BRANCH,
	FEATURE_NOP,
	FEATURE_PROFILER,
	FEATURE_STACK_TRACER,
	/* probes */
	FEATURE_KPROBE,
	FEATURE_KRETPROBE,
	FEATURE_UPROBE,
	FEATURE_URETPROBE,
	FEATURE_EPROBE,
	FEATURE_FPROBE,
	FEATURE_TPROBE,
	FEATURE_USER_EVENTS,
	/* what the kernel computes by itself */
	FEATURE_TRACEON,
	FEATURE_TRACEOFF,
	FEATURE_ENABLE_EVENT,
	FEATURE_DISABLE_EVENT,
	FEATURE_STACKTRACE_TRIGGER,
	FEATURE_SNAPSHOT_TRIGGER,
	FEATURE_SNAPSHOT,
	FEATURE_HIST,
	FEATURE_HIST_BUCKETS,
	FEATURE_HIST_PERCENT,
	FEATURE_HIST_ONCHANGE,
	FEATURE_SYNTHETIC,
	FEATURE_NR,
	FEATURE_NONE = -1,
};

enum feature_group {
	FEATURES_ACCESS,
	FEATURES_RECORDING,
	FEATURES_TRACERS,
	FEATURES_PROBES,
	FEATURES_SUMMARIES,
	FEATURES_NR,
};

enum feature_state {
	FEATURE_UNKNOWN, /* could not be tried; `reason` says why not */
	FEATURE_OK,
	FEATURE_LIMITED, /* works, but not in full: `reason` */
	FEATURE_MISSING, /* this kernel does not have it */
	FEATURE_REFUSED, /* it has it, and does not let us */
};

/* Why something is not there: what `reason` puts into words. */
enum feature_cause {
	FEATURE_CAUSE_NONE,
	FEATURE_CAUSE_CONFIG,	/* the option `culprit` is off, by the kernel's configuration */
	FEATURE_CAUSE_PROBABLY, /* likewise, but the configuration cannot be read */
	FEATURE_CAUSE_VERSION,	/* the kernel does not know it; it came with Linux `culprit` */
	FEATURE_CAUSE_POLICY,	/* refused also to root: lockdown, or another policy */
	FEATURE_CAUSE_OTHER,
};

enum feature_fixer {
	FEATURE_FIX_NONE,
	FEATURE_FIX_ROOT,   /* root on this machine, with the command in `fix` */
	FEATURE_FIX_HOST,   /* who runs the container */
	FEATURE_FIX_BOOT,   /* who boots the machine */
	FEATURE_FIX_KERNEL, /* who builds or chooses the kernel */
	FEATURE_FIX_NOBODY,
	FEATURE_FIX_NR,
};

/* What Sonde does without a feature, provided that another one is there. */
struct feature_instead {
	enum feature_id needs; /* FEATURE_NONE: always */
	const char *text;
};

/* What is known of a feature beforehand. Every string is constant. */
struct feature_info {
	const char *name;  /* stable: the key in `sonde doctor --json` */
	const char *title; /* in text */
	enum feature_group group;
	const char *config[3];		   /* what it needs, outermost first */
	const char *since;		   /* Linux release that brought it, "6.10" */
	const char *file;		   /* tracefs file that is there only with it */
	const char *tracer;		   /* its name in available_tracers */
	struct feature_instead instead[3]; /* the first that can be had */
	const char *words;		   /* in tracefs's README only with it */
};

struct feature {
	const struct feature_info *info;
	enum feature_state state;
	enum feature_cause cause;
	enum feature_fixer fixer;
	const char *culprit;
	const char *instead;	 /* NULL: nothing */
	enum feature_id part_of; /* shares the state of this one, which it is a part of; else NONE
				  */
	char detail[240];	 /* facts about what works */
	char reason[500];	 /* why it does not, or not in full */
	char fix[240];
};

struct features {
	struct feature list[FEATURE_NR];
	char release[65], machine[65];
	unsigned int cpus;
	char *tracefs;	     /* owned; NULL: not found */
	char *config_path;   /* owned; NULL: the kernel's configuration is not known */
	bool records_events; /* `sonde record -e EVENT` works */
};

struct features_options {
	const char *tracefs;  /* NULL: where it is found */
	const char *root;     /* in front of /proc, /sys, /boot and /lib; NULL: this machine */
	const char *state;    /* of the journal; NULL: kernel_state_dir */
	const char *instance; /* one that exists already; NULL: an own one, made and removed */
};

/*
 * Try everything. What can only be seen from an instance is tried in one of our own, which is gone
 * afterwards; probes are defined, never enabled, and removed. Where tracefs is not mounted, the
 * calling process gets a mount namespace of its own for it (so it should do little else).
 * -ENOMEM; everything else is a result. features_free it.
 */
int features_probe(struct features **ret_features, const struct features_options *options,
		   struct err *err) _must_check_;
void features_free(struct features *features); /* NULL is legal */

const struct feature_info *feature_info(enum feature_id id);
const char *feature_group_name(enum feature_group group);
const char *feature_state_name(enum feature_state state);
const char *feature_fixer_name(enum feature_fixer fixer);

/* Which feature a file of tracefs (last part of its path) or a tracer stands for, or NULL. */
const struct feature_info *feature_of_file(const char *name);
const struct feature_info *feature_of_tracer(const char *tracer);

/* Likewise for an option of a tracer ("funcgraph-retval"); its file is "options/NAME". */
const struct feature_info *feature_of_option(const char *name);
/* Likewise for the word a trigger begins with: "hist", "snapshot". */
const struct feature_info *feature_of_trigger(const char *word, size_t len);

/*
 * For a refusal: fill err with "WHAT: why it is missing; instead: what Sonde does", as far as info
 * (which may be NULL) knows, and return code. `fs` may be NULL: then nothing is offered instead.
 */
int feature_missing(struct err *err, int code, const struct feature_info *info,
		    const struct tracefs *fs, const char *fmt, ...) _printf_(5, 6);

/*
 * Parts of that: why a feature is missing ("CONFIG_X is off in this kernel (/proc/config.gz)"),
 * into a text of `size` bytes; and what Sonde does instead on this tracefs, or NULL.
 */
void feature_why_missing(const struct feature_info *info, char *ret_text, size_t size);
/* Whether the kernel's configuration says for certain that it was left out, and why. */
bool feature_is_off(const struct feature_info *info, char *ret_why, size_t size);
const char *feature_instead(const struct feature_info *info, const struct tracefs *fs);

/*
 * Why this process may be refused a file that is there. A refusal of root that has its rights is
 * lockdown or another policy, which only another boot changes.
 */
enum refusal {
	REFUSED_USER,	/* not root */
	REFUSED_CAPS,	/* root without CAP_SYS_ADMIN: a container */
	REFUSED_LOCKED, /* lockdown, whose mode is known */
	REFUSED_POLICY, /* neither: lockdown that cannot be seen, or a security module */
};

struct process_rights {
	unsigned int euid;
	bool sys_admin;
	char lockdown[32]; /* "integrity", "confidentiality", "none", or "" when it cannot be seen
			    */
};

/* From /proc/self/status and securityfs below `root` (NULL: this machine). */
void process_rights_read(struct process_rights *ret_rights, const char *root);
enum refusal process_refusal(const struct process_rights *rights);

/* "lockdown: MODE" or, where the mode cannot be seen, "lockdown, or another policy". */
const char *process_policy(const struct process_rights *rights, char *buf, size_t size);

#endif
