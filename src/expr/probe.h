/* SPDX-License-Identifier: MIT */
/*
 * Probe definitions, the kernel's language of dynamic_events (Documentation/trace/kprobetrace.rst
 * and its neighbours), plus names where the kernel wants numbers: a uprobe may name its function.
 *
 *   p|r[MAXACTIVE][:[GRP/]EV] [MOD:]SYM[+OFF]|ADDR[%return] [ARGS]       kprobe, kretprobe
 *   p|r[:[GRP/]EV] FILE:OFF|FILE:SYM[+OFF][%return][(REF)] [ARGS]        uprobe, uretprobe
 *   e[:[GRP/]EV] SYS.EVENT [ARGS] [if FILTER]                            eprobe
 *   f[MAXACTIVE][:[GRP/]EV] SYM[%return] [ARGS]                          fprobe
 *   t[:[GRP/]EV] TRACEPOINT [ARGS]                                       tracepoint probe
 *
 * Without a name the place may stand directly behind the colon: p:/bin/bash:readline. A FILE is a
 * path or the name of a program or library.
 */
#ifndef SONDE_EXPR_PROBE_H
#define SONDE_EXPR_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/out.h"

#define PROBE_NAME_BYTES 64 /* of an event or group, with its NUL: the kernel's limit */

enum probe_kind {
	PROBE_KERNEL,	  /* kprobe, kretprobe */
	PROBE_USER,	  /* uprobe, uretprobe */
	PROBE_EVENT,	  /* eprobe */
	PROBE_FUNCTION,	  /* fprobe */
	PROBE_TRACEPOINT, /* tracepoint probe */
};

/* All strings belong to the probe. */
struct probe {
	struct arena arena;
	enum probe_kind kind;
	const char *text; /* as given, with single blanks */
	char letter;
	bool is_return;
	const char *maxactive;	   /* digits, or "" */
	const char *group, *event; /* NULL: not given */
	const char *place;	   /* as the kernel takes it; NULL: of PROBE_USER */
	const char *file;	   /* PROBE_USER: path or name */
	const char *symbol;	   /* PROBE_USER: function, NULL: the offset is the file's */
	uint64_t offset;	   /* PROBE_USER: in the file, or behind the symbol */
	const char *suffix;	   /* PROBE_USER: "%return", "(REF)", or "" */
	const char *args;	   /* "" when there are none */
};

/*
 * Whether what was given for -e is a probe definition rather than the name of events: one of the
 * letters, digits, ':' or a blank; and then a blank, a path, or a second colon.
 */
bool probe_is_definition(const char *text);

/*
 * Parse. `is_module` says whether X of X:SYM is a kernel module; otherwise it is a file. -EINVAL
 * with the kernel's own words and a caret. The result is the caller's to probe_done.
 */
int probe_parse(struct probe *ret_probe, const char *text, bool (*is_module)(const char *name),
		struct err *err) _must_check_;
void probe_done(struct probe *probe);

/* Where the kernel puts events of that kind: "kprobes", "uprobes", ... */
const char *probe_default_group(enum probe_kind kind);

/*
 * A name for an event that was given none, as the kernel would make it: p_SYM_OFF, SYM__entry; of a
 * function in a file p_FILE_SYM.
 */
void probe_default_event(const struct probe *probe, char ret_name[PROBE_NAME_BYTES]);

/* The definition for the kernel; path and offset are those of PROBE_USER, with the symbol resolved.
 */
void probe_print(const struct probe *probe, const char *group, const char *event, const char *path,
		 uint64_t offset, struct out *out);

/* Check the arguments, which begin at text[at]; for probe.c. */
int probe_check_args(const struct probe *probe, size_t at, struct err *err) _must_check_;

#endif
