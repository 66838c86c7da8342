/* SPDX-License-Identifier: MIT */
/*
 * The trace address space: 4 GiB in which every module that is traced has its place, so that 32
 * bits in a record name a function of any of them, and the text that says which, in the format of
 * kallsyms.
 */
#ifndef SONDE_PROGRAM_NAMES_H
#define SONDE_PROGRAM_NAMES_H

#include <stdint.h>

#include "base/err.h"
#include "base/out.h"
#include "program/functions.h"

struct program_space;

int program_space_new(struct program_space **ret_space) _must_check_;
void program_space_free(struct program_space *space);

/*
 * The base of `elf`'s code; the same for a file that was added before (by build-id, or else by
 * device, inode and time). -ENOSPC when the 4 GiB are full. Base 0 is never given.
 */
int program_space_add(struct program_space *space, const struct program_elf *elf,
		      uint32_t *ret_base) _must_check_;

/* The same for counters: `elf` takes elf->nr_functions numbers, of RING_COUNTERS_MAX. */
int program_space_add_counters(struct program_space *space, const struct program_elf *elf,
			       uint32_t *ret_base) _must_check_;

/*
 * Append `ADDRESS t NAME\t[MODULE]`, a line for each of `nr` functions of `elf` from the `from`th
 * on, in order of address. The last function of all is followed by a line that ends it. Returns the
 * next `from`; at elf->nr_functions all have been written.
 */
size_t program_names_write(struct out *out, const struct program_elf *elf, uint32_t base,
			   size_t from, size_t nr);

#endif
