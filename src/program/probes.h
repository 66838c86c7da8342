/* SPDX-License-Identifier: MIT */
/*
 * Probes of programs: which ones -e asks for, where they are in each module, and the events that
 * they are. A probe's event exists once a module has been seen that has such a probe.
 *
 *   usdt:[FILE:]PROVIDER:NAME or sdt_PROVIDER:NAME    marks of the authors (symbol/usdt.h)
 *
 *   p[:[GRP/]NAME] FILE:FUNCTION[+OFFSET] [ARGS]      places of the user's own (expr/probe.h)
 *   r[:[GRP/]NAME] FILE:FUNCTION [ARGS]               where functions have returned
 *
 * Of a mark FILE is as LIBRARY is in expr/function_pattern.h; all parts may have the wildcards * ?
 * [...]. The events are called as perf calls them, sdt_PROVIDER:NAME; one whose arguments are of
 * other types is NAME_1, and so on.
 */
#ifndef SONDE_PROGRAM_PROBES_H
#define SONDE_PROGRAM_PROBES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/out.h"
#include "program/functions.h"
#include "program/image.h"
#include "program/watcher.h"

/* Numbers of their events: those below are the runtime's own. */
#define PROGRAM_PROBE_EVENT_FIRST 16u
#define PROGRAM_PROBE_EVENTS	  PROGRAM_WATCH_PROBES

struct program_probes;

/*
 * Whether what was given for -e means probes of programs; with `surely`, not what may also be the
 * name of the kernel's own events (perf makes sdt_PROVIDER:NAME of uprobes).
 */
bool program_probes_is_meant(const char *events, bool surely);

/*
 * usdt:[FILE:]PROVIDER:NAME, or a definition's event, as it is called in a file, SYSTEM:EVENT; the
 * caller's to mem_free. NULL when it is another text, or memory is short.
 */
char *program_probes_event_name(const char *text) _must_check_;

/* Whether it is a probe in a program or library: usdt:, or a definition that names a file. */
bool program_probes_is_of_file(const char *text);

/*
 * `rules` are those for probes, borrowed while this runs, and known to the watcher in the same
 * order, if there is one, which is borrowed. -EINVAL, with a caret.
 */
int program_probes_new(struct program_probes **ret_probes, const struct program_rule *rules,
		       size_t nr, struct program_watcher *watcher, struct err *err) _must_check_;
void program_probes_free(struct program_probes *probes);

/* A probe that was asked for, or an argument of one, that is not recorded. */
struct program_probe_skipped {
	char *name; /* usdt:PROVIDER:NAME at 0xADDRESS */
	char *reason;
};

/* The probes of one module. */
struct program_module_probes {
	struct program_image_probes image;
	struct program_probe_skipped *skipped;
	size_t nr_skipped, cap_skipped;
};

/*
 * Find what is wanted of a module, whose code is at `base` among trace addresses. `path` is its
 * file as it can be opened now.
 */
int program_probes_apply(struct program_probes *probes, const struct program_elf *elf,
			 const char *path, uint32_t base, struct program_module_probes *ret_module,
			 struct err *err) _must_check_;
void program_module_probes_done(struct program_module_probes *module);

/*
 * The next event that has not been told: its system, and its format with the id `base` + its
 * number; false: there is none.
 */
bool program_probes_next(struct program_probes *probes, uint16_t base, const char **ret_system,
			 struct out *out);

/*
 * The first of the definitions, from the text `*at` on, that has a place which cannot be patched,
 * and why; false: there is none. *at is 0 at first.
 */
bool program_probes_refused(const struct program_probes *probes, size_t *at, const char **ret_text,
			    const char **ret_why);

/* Whether some are of returns. */
bool program_probes_see_returns(const struct program_probes *probes);

/* The first of the texts that has matched nothing so far, or NULL. */
const char *program_probes_unmatched(const struct program_probes *probes);

#endif
