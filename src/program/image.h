/* SPDX-License-Identifier: MIT */
/*
 * The image of a module: its code with jumps in it, and the stubs that they lead to, in a memfd
 * that every process which has loaded the module can map (program/layout.h). It depends on where
 * the arena of stubs lies relative to the module, not on where the module is.
 */
#ifndef SONDE_PROGRAM_IMAGE_H
#define SONDE_PROGRAM_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "program/functions.h"
#include "program/layout.h"
#include "program/sites.h"

enum program_mode {
	PROGRAM_GRAPH,	  /* entry and return */
	PROGRAM_FUNCTION, /* entry */
	PROGRAM_COUNT,	  /* entry, with the number of a counter instead of an address */
};

/* A function in whose stub probes are hit: nr_hits when it begins, nr_returns when it has ended. */
struct program_probed_function {
	uint32_t function; /* index */
	uint32_t first;	   /* in the list: its hits, then its returns */
	uint32_t nr_hits, nr_returns;
};
#define PROGRAM_FUNCTION_PROBES_MAX 64u /* of each kind */

/*
 * Jumps of a module's probes, and the probes: first those at the jumps, both in order of address,
 * then those of the functions, which are in order, too.
 */
struct program_image_probes {
	struct program_patch *patches;
	struct program_probed_function *functions;
	struct program_probe *list;
	size_t nr_patches, nr_functions;
	size_t nr_at_patches, nr; /* of the list */
};

struct program_image_options {
	enum program_mode mode;
	uint64_t arena; /* where it goes, as linked (add the bias), page-aligned, modulo 2^64 */
	/*
	 * The ID of a function is base + (address - elf->text_low); in count mode base + its index
	 * among elf->functions.
	 */
	uint32_t base;
	const uint8_t *choices;			   /* program_select_apply's, or NULL: all */
	const struct program_image_probes *probes; /* or NULL */
};

struct program_image_skipped {
	uint32_t function; /* index */
	uint8_t skip;	   /* enum program_skip */
};

struct program_image {
	int fd; /* a sealed memfd; -1 when there is nothing to patch */
	uint64_t bytes;
	struct program_image_header header;
	/* Functions that were chosen but are not patched, with the reason. */
	struct program_image_skipped *skipped;
	size_t nr_skipped;
	size_t nr_patched;
};
#define PROGRAM_IMAGE_INIT ((struct program_image){.fd = -1})

/* How many bytes the arena takes (words and stubs) with these options, at most. */
uint64_t program_image_arena_bytes(const struct program_elf *elf,
				   const struct program_image_options *options);

/*
 * -ERANGE when the arena is so far that a jump does not reach it (+-2 GiB from every text and from
 * the module's data, ends included).
 */
int program_image_build(struct program_image *ret_image, const struct program_elf *elf,
			const struct program_image_options *options, struct err *err) _must_check_;
void program_image_done(struct program_image *image);

#endif
