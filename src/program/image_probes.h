/* SPDX-License-Identifier: MIT */
/* The stubs of probes in an image (program/layout.h). Private to src/program. */
#ifndef SONDE_PROGRAM_IMAGE_PROBES_H
#define SONDE_PROGRAM_IMAGE_PROBES_H

#include <stdbool.h>

#include "program/image.h"

/* All stubs and, behind them, what is recorded by each. */
struct image_probe_stubs {
	uint8_t *bytes;
	size_t len, list_at; /* list_at: of the first struct program_probe */
	uint64_t at;	     /* offset of bytes from the first stub of the image */
	uint32_t *stub_of;   /* of each patch, in bytes */
};

/* How many bytes they take at most; NULL: none. */
uint64_t image_probes_bytes(const struct program_image_probes *probes);

/* Where among these bytes the first struct program_probe is. */
uint64_t image_probes_list_at(const struct program_image_probes *probes);

/* Whether one of their jumps is where that of the function would be. */
bool image_probes_are_at(const struct program_image_probes *probes,
			 const struct program_function *function);

/* `at`, which is aligned as stubs are, is where they will begin. */
int image_probes_make(struct image_probe_stubs *ret_stubs, const struct program_elf *elf,
		      const struct program_image_options *options, uint64_t at) _must_check_;
void image_probe_stubs_done(struct image_probe_stubs *stubs);

/* What is put into a function's stub: its code, and what unwind.h says of each byte. */
struct image_probes_place {
	uint8_t *stub, *states;
	uint64_t at;   /* offset of both from the first stub of the image */
	uint64_t list; /* the same of the first struct program_probe */
};

/* The probes of a function that are hit in its stub, or NULL. */
const struct program_probed_function *image_probes_of(const struct program_image_probes *probes,
						      size_t function);

/* How many bytes its stub has for them; NULL: none. */
size_t image_probes_room(const struct program_probed_function *function);

/* Calls of what records its entry; what sees its return. How long that is. */
size_t image_probes_put_hits(const struct image_probes_place *place,
			     const struct program_probed_function *function);
size_t image_probes_put_return(const struct image_probes_place *place,
			       const struct program_probed_function *function);

#endif
