/* SPDX-License-Identifier: MIT */
/*
 * Modules that are planned before they are asked about. A process asks about one after the other,
 * its program first, which is often the largest; meanwhile a thread plans what else it has. What
 * it has found is only taken for the very file that is asked about.
 */
#ifndef SONDE_PROGRAM_AHEAD_H
#define SONDE_PROGRAM_AHEAD_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "program/functions.h"
#include "program/plans.h"

struct ahead;

/* `plans` is used by the thread, too, and must stay until ahead_free. */
int ahead_new(struct ahead **ret_ahead, struct program_plans *plans) _must_check_;
/* Waits for the module that is being planned. */
void ahead_free(struct ahead *ahead);

/* Whether a file is worth it: it is not known yet. */
typedef bool ahead_wanted_fn(void *ctx, const struct stat *st);

/*
 * Begin with the libraries that /proc says a process has. Nothing is done, and nothing said, where
 * it does not say that, or where there is no memory.
 */
void ahead_look(struct ahead *ahead, pid_t pid, ahead_wanted_fn *wanted, void *ctx);

/*
 * The file's plan, the caller's from now on; waits when it is just being made. False: there is
 * none, and there will not be one.
 */
bool ahead_take(struct ahead *ahead, const struct stat *st, struct program_elf **ret_elf,
		struct program_origin *ret_origin);

#endif
