/* SPDX-License-Identifier: MIT */
/*
 * What has been found out of large programs and libraries, kept in a folder of the user's from one
 * recording to the next: looking through all of their code takes most of a start.
 *
 * A file there is believed when it is this user's and nobody else can write to it, has not been
 * damaged, was made by this very build, and the module and its debugging symbols are the files
 * that they were (device, inode, size, times), with the same code. Nothing depends on it: what
 * cannot be read or written is found out again.
 */
#ifndef SONDE_PROGRAM_PLANS_H
#define SONDE_PROGRAM_PLANS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "program/functions.h"

/* A file as it was; all 0: there was none. */
struct program_file_state {
	uint64_t dev, inode, bytes, mtime_ns, ctime_ns;
};

/* What a module's plan was made of. */
struct program_origin {
	struct program_file_state file, debug;
	bool taken; /* it was there */
	bool keep;  /* it was not, and is worth keeping */
};

/*
 * The folder: $SONDE_PLANS (empty: none), or sonde/plans in $XDG_CACHE_HOME or ~/.cache, where that
 * exists. It is looked for, and made, when the first large module comes.
 */
struct program_plans;
int program_plans_new(struct program_plans **ret_plans) _must_check_;
void program_plans_free(struct program_plans *plans);

/* As program_elf_open, from the folder where it is there. */
int program_plans_open(struct program_plans *plans, struct program_elf **ret_elf, const char *path,
		       struct program_origin *ret_origin, struct err *err) _must_check_;

/*
 * Keep it, if that is worth while and its files are still what they were. When there are more than
 * 512 MiB the ones that have not been used for longest go. `path` is the one it was opened by.
 */
void program_plans_keep(struct program_plans *plans, const struct program_elf *elf,
			const char *path, const struct program_origin *origin);

#endif
