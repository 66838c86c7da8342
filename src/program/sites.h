/* SPDX-License-Identifier: MIT */
/*
 * Where the jumps of probes can be written: at places that are no function's start, where a nop of
 * one byte may be all that is left for them. What the 5 bytes displace is a window as that of a
 * function (window.h), which may begin before the probe's own instruction, since what follows it is
 * often led to by a branch. Probes that stand close to each other share one.
 */
#ifndef SONDE_PROGRAM_SITES_H
#define SONDE_PROGRAM_SITES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "program/functions.h"

struct program_site {
	uint64_t address; /* of the instruction before which the probe is hit, as linked */
	uint8_t skip;	  /* enum program_skip: why it cannot be */
};

/* One jump, and the whole instructions that it displaces. */
struct program_patch {
	uint64_t address;   /* as linked */
	uint32_t bytes;	    /* that the jump is written over, or that are displaced */
	uint32_t displaced; /* of these, instructions: less than bytes when they end in a jump */
	uint32_t first, nr; /* sites that stand there */
};

/*
 * `sites` are in order of address, each address once; their `skip` is set, and *ret_patches, the
 * caller's to mem_free, are in order too. `path` is the file of `elf` as it can be opened now.
 */
int program_sites_plan(const struct program_elf *elf, const char *path, struct program_site *sites,
		       size_t nr, struct program_patch **ret_patches, size_t *ret_nr,
		       struct err *err) _must_check_;

#endif
