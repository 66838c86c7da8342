/* SPDX-License-Identifier: MIT */
#include "program/image_probes.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "program/internal.h"
#include "program/unwind.h"
#include "program/window.h"

#define INT3 0xccu

static uint64_t align(uint64_t at)
{
	return (at + PROGRAM_STUB_ALIGN - 1) & ~(uint64_t)(PROGRAM_STUB_ALIGN - 1);
}

static uint64_t stubs_bytes(const struct program_image_probes *probes)
{
	return probes->nr_patches * (WINDOW_DISPLACED_BYTES + PROGRAM_STUB_ALIGN) +
	       probes->nr_at_patches * align(PROGRAM_PROBE_CALL_BYTES);
}

uint64_t image_probes_list_at(const struct program_image_probes *probes)
{
	return align(stubs_bytes(probes));
}

uint64_t image_probes_bytes(const struct program_image_probes *probes)
{
	return probes ? PROGRAM_STUB_ALIGN + stubs_bytes(probes) +
				probes->nr * sizeof(struct program_probe)
		      : 0;
}

bool image_probes_are_at(const struct program_image_probes *probes,
			 const struct program_function *function)
{
	uint64_t site = function->address + function->site;
	size_t from = 0, to = probes ? probes->nr_patches : 0;

	/* The first that ends behind the window's start. */
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		const struct program_patch *patch = &probes->patches[middle];

		if (patch->address + patch->bytes <= site)
			from = middle + 1;
		else
			to = middle;
	}
	return probes && from < probes->nr_patches &&
	       probes->patches[from].address < site + function->window;
}

/* The stubs while they are made. */
struct making {
	struct image_probe_stubs *stubs;
	const struct program_image_options *options;
	const struct program_image_probes *probes;
	struct window_code code;
	size_t probe; /* the next one */
};

static uint64_t place_of(const struct making *making, size_t at)
{
	return making->options->arena + PROGRAM_WORDS_BYTES + making->stubs->at + at;
}

/* Displaced instructions, up to the next probe or the end. */
static int put_moved(struct making *making, uint64_t from, uint64_t to, bool last)
{
	struct image_probe_stubs *stubs = making->stubs;
	struct window_displaced displaced;
	size_t bytes;

	if (from == to && !last)
		return 0;
	if (!window_move(&making->code, from, to, last, place_of(making, stubs->len), &displaced,
			 &bytes))
		return -ERANGE;
	memcpy(stubs->bytes + stubs->len, displaced.code, bytes);
	stubs->len += bytes;
	return 0;
}

/* A call through one of the words, which ends `called` behind the first stub. */
static void put_through_word(uint8_t *at, uint64_t called, enum program_word word)
{
	at[0] = 0xff;
	at[1] = 0x15;
	store_u32(at + 2, (uint32_t)(word * 8u - PROGRAM_WORDS_BYTES - called), false);
}

static void put_push(uint8_t *at, uint32_t value)
{
	at[0] = 0x68;
	store_u32(at + 1, value, false);
}

/* At `at` behind the first stub: the probe that is `to` behind it is hit. */
static void put_call(uint8_t *call, uint64_t at, uint64_t to)
{
	static const uint8_t over[] = {0x48, 0x8d, 0x64, 0x24, 0x80};
	static const uint8_t back[] = {0x48, 0x8d, 0xa4, 0x24, PROGRAM_RED_ZONE + 8, 0, 0, 0};
	uint64_t called = at + PROGRAM_PROBE_CALLED;

	memcpy(call, over, sizeof(over));
	put_push(call + sizeof(over), (uint32_t)(to - called));
	put_through_word(call + PROGRAM_PROBE_CALLED - 6, called, PROGRAM_WORD_PROBE);
	memcpy(call + PROGRAM_PROBE_CALLED, back, sizeof(back));
}

static int put_stub(struct making *making, const struct program_patch *patch)
{
	const struct program_image_probes *probes = making->probes;
	uint64_t end = patch->address + patch->displaced, at = patch->address;
	int r = 0;

	for (; making->probe < probes->nr_at_patches && probes->list[making->probe].address < end &&
	       r == 0;
	     making->probe++) {
		struct image_probe_stubs *stubs = making->stubs;
		uint64_t next = probes->list[making->probe].address;

		r = put_moved(making, at, next, false);
		put_call(stubs->bytes + stubs->len, stubs->at + stubs->len,
			 stubs->at + stubs->list_at + making->probe * sizeof(struct program_probe));
		stubs->len += PROGRAM_PROBE_CALL_BYTES;
		at = next;
	}
	return r < 0 ? r : put_moved(making, at, end, true);
}

static void put_list(struct making *making)
{
	struct image_probe_stubs *stubs = making->stubs;
	const struct program_image_probes *probes = making->probes;

	for (size_t i = 0; i < probes->nr; i++) {
		size_t at = stubs->list_at + i * sizeof(struct program_probe);
		struct program_probe probe = probes->list[i];

		probe.self = place_of(making, at);
		memcpy(stubs->bytes + at, &probe, sizeof(probe));
	}
}

int image_probes_make(struct image_probe_stubs *ret_stubs, const struct program_elf *elf,
		      const struct program_image_options *options, uint64_t at)
{
	const struct program_image_probes *probes = options->probes;
	struct making making = {.stubs = ret_stubs, .options = options, .probes = probes};
	int r = 0;

	ret_stubs->at = at;
	if (!probes)
		return 0;
	ret_stubs->list_at = (size_t)image_probes_list_at(probes);
	ret_stubs->bytes = mem_alloc(image_probes_bytes(probes));
	ret_stubs->stub_of = mem_calloc(probes->nr_patches + 1, sizeof(*ret_stubs->stub_of));
	if (!ret_stubs->bytes || !ret_stubs->stub_of)
		return -ENOMEM;
	memset(ret_stubs->bytes, INT3, image_probes_bytes(probes));
	for (size_t i = 0; i < probes->nr_patches && r == 0; i++) {
		making.code = plan_code(plan_text_at(elf, probes->patches[i].address));
		ret_stubs->len = (size_t)align(ret_stubs->len);
		ret_stubs->stub_of[i] = (uint32_t)ret_stubs->len;
		r = put_stub(&making, &probes->patches[i]);
	}
	ret_stubs->len = ret_stubs->list_at + probes->nr * sizeof(struct program_probe);
	if (r == 0)
		put_list(&making);
	return r;
}

void image_probe_stubs_done(struct image_probe_stubs *stubs)
{
	mem_free(stubs->bytes);
	mem_free(stubs->stub_of);
}

/* --- in stubs of functions --- */

const struct program_probed_function *image_probes_of(const struct program_image_probes *probes,
						      size_t function)
{
	size_t from = 0, to = probes ? probes->nr_functions : 0;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (probes->functions[middle].function == function)
			return &probes->functions[middle];
		if (probes->functions[middle].function < function)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

size_t image_probes_room(const struct program_probed_function *function)
{
	return function ? function->nr_hits * PROGRAM_PROBE_CALL_BYTES + PROGRAM_RETURN_BYTES : 0;
}

size_t image_probes_put_hits(const struct image_probes_place *place,
			     const struct program_probed_function *function)
{
	for (size_t i = 0; i < function->nr_hits; i++) {
		size_t at = i * PROGRAM_PROBE_CALL_BYTES;

		put_call(place->stub + at, place->at + at,
			 place->list + (function->first + i) * sizeof(struct program_probe));
		unwind_put_hit(place->states + at);
	}
	return function->nr_hits * PROGRAM_PROBE_CALL_BYTES;
}

size_t image_probes_put_return(const struct image_probes_place *place,
			       const struct program_probed_function *function)
{
	static const uint8_t drop[] = {0x48, 0x8d, 0x64, 0x24, 8}; /* lea 8(%rsp),%rsp */
	uint8_t *stub = place->stub;
	uint64_t called = place->at + PROGRAM_RETURN_CALLED;
	size_t first = function->first + function->nr_hits;

	memset(stub, INT3, PROGRAM_RETURN_BYTES);
	put_through_word(stub, place->at + PROGRAM_RETURN_ENTERED, PROGRAM_WORD_RETURN_ENTRY);
	memcpy(stub + PROGRAM_RETURN_ENTERED, drop, sizeof(drop));
	stub[PROGRAM_RETURN_EXIT - 5] = 0xe8;
	store_u32(stub + PROGRAM_RETURN_EXIT - 4, PROGRAM_RETURN_BYTES - PROGRAM_RETURN_EXIT,
		  false);
	put_push(stub + PROGRAM_RETURN_EXIT,
		 (uint32_t)(place->list + first * sizeof(struct program_probe) - called));
	put_through_word(stub + PROGRAM_RETURN_CALLED - 6, called, PROGRAM_WORD_RETURN);
	stub[PROGRAM_RETURN_CALLED] = 0xc3;
	unwind_put_return(place->states);
	return PROGRAM_RETURN_BYTES;
}
