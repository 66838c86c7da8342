/* SPDX-License-Identifier: MIT */
/* What the files of this folder share while a module is planned. */
#ifndef SONDE_PROGRAM_INTERNAL_H
#define SONDE_PROGRAM_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/out.h"
#include "program/frames.h"
#include "program/functions.h"
#include "program/window.h"
#include "symbol/files.h"

/* Something in the file says that a function begins here, or may. */
enum start_flag {
	START_FRAME = 1 << 0,	 /* a frame description begins */
	START_INSIDE = 1 << 1,	 /* but not as at a function's entry; or within another one */
	START_EXPORTED = 1 << 2, /* other modules can call it by this name */
	START_GLOBAL = 1 << 3,	 /* or could have */
	START_WEAK = 1 << 4,
	START_IFUNC = 1 << 5,
	START_NEVER = 1 << 6,
	START_UNWINDER = 1 << 9, /* a part of an unwinder */
	START_NAMED = 1 << 8,	 /* has a symbol */
	START_WALKER = 1 << 10,	 /* a part of what compiles at run time */
};

struct start {
	uint32_t at;   /* bytes from text_low */
	uint32_t size; /* 0: not said */
	uint32_t name; /* in names; 0: none */
	uint32_t flags;
};

/* A description, of what, and what it says of where that begins. */
struct frame_place {
	uint32_t at, size; /* bytes from text_low */
	uint32_t entry;	   /* where it stands in the data */
	uint32_t flags;	   /* enum start_flag */
};

/* Where they are: in memory, in the file, and whether their end is known. */
struct frames_place {
	uint64_t address, offset, bytes;
	bool exact;
};

/* Nearly always in order, so they are not among the starts, which have to be sorted. */
struct plan_frames {
	struct frames_place place;
	struct frames frames;
	struct program_bytes held;
	struct frame_place *places; /* in their order, then by address */
	size_t nr, cap;
};

/* Names as a file has them, one behind the other, copied to plan->names. */
struct plan_names {
	size_t file, section;
	uint32_t base, bytes;
};
#define PLAN_NAMES_MAX 8u /* three files have at most two each */

/* What one thread does in one go. */
#define PIECE_FUNCTIONS 2048u

/* A module while it is being opened. */
struct plan {
	struct program_elf *elf;
	struct symbol_files files;
	struct out names;
	struct plan_names tables[PLAN_NAMES_MAX];
	size_t nr_tables;
	struct plan_frames frames;
	struct start *starts;
	size_t nr_starts, cap_starts, cap_imports;
	uint64_t *named;    /* a bit a byte of code: .symtab has a name for it; NULL: it has none */
	uint64_t *exported; /* with named: .dynsym has one, too, and so no start of its own */
	uint64_t *taken;    /* its address is in data, or the loader puts it there */
	uint16_t *flags;    /* enum start_flag of each function, merged */
	bool is_go, is_walker;
};

/* A run of bytes of a loaded segment. */
struct plan_segment {
	uint64_t address, offset, bytes;
	bool is_code, is_writable;
};
#define PLAN_SEGMENTS_MAX 64u

/* A bit a byte of [text_low, text_high). */
static inline uint64_t *bits_new(uint64_t span)
{
	size_t bytes = (size_t)(span / 64 + 2) * 8;
	uint64_t *bits = mem_zalloc(bytes);

	mem_expect_use(bits, bytes);
	return bits;
}

static inline void bits_set(uint64_t *bits, uint64_t at)
{
	bits[at / 64] |= 1ull << at % 64;
}

static inline bool bits_has(const uint64_t *bits, uint64_t at)
{
	return bits[at / 64] >> at % 64 & 1;
}

/* What two bytes of code, one behind the other, may be: equal to `value` under `mask`. */
struct plan_pair {
	uint8_t mask[2], value[2];
};

/* Up to 8 of them: a bit for each, in what is known of the halves of both bytes. (pairs.c) */
struct plan_pairs {
	uint8_t low[2][16], high[2][16];
};
void plan_pairs_add(struct plan_pairs *pairs, unsigned int bit, const struct plan_pair *pair);

/*
 * The places, among the first `bytes` of the code, of two bytes that are one of the pairs; how
 * many. There is one byte more, and room for `bytes` places, of 65536 at most.
 */
size_t plan_find_pairs(const uint8_t *code, size_t bytes, const struct plan_pairs *pairs,
		       uint16_t *ret_places);

/* The segments that the file says are loaded; how many. */
size_t plan_segments(const struct plan *plan, struct plan_segment ret_segments[PLAN_SEGMENTS_MAX]);

/* Bytes of the file, the caller's to mem_free. -EBADMSG when it has not so many. */
int plan_read(const struct plan *plan, uint64_t offset, uint64_t bytes, uint8_t **ret_data)
	_must_check_;

/* The same for large parts of it, mapped where that may be; plan_let_go() them, also after a
 * failure. */
int plan_take(const struct plan *plan, uint64_t offset, uint64_t bytes,
	      struct program_bytes *ret_held, const uint8_t **ret_data) _must_check_;
void plan_let_go(struct program_bytes *held);

/* Remember a start; addresses that are in no code are passed over. `name` is in names; 0: none. */
int plan_add_start(struct plan *plan, uint64_t address, uint64_t size, uint32_t name,
		   uint32_t flags) _must_check_;

/*
 * Sort an array of struct start or struct frame_place by its place, all of which are below `span`;
 * of one place those that stood first stay first. `list` is the array's address, which changes, and
 * with it what it has room for.
 */
int plan_sort(void *list, size_t nr, uint64_t span) _must_check_;

/* Read the code of texts, whose places are known. */
int plan_read_texts(struct plan *plan) _must_check_;

/* Find the starts, from symbols, frame descriptions and relocations, and what addresses somebody
 * has; read the code. */
int plan_find_starts(struct plan *plan) _must_check_;
/* Of that only what relocations and data have the address of: plan->taken. */
int plan_find_addresses(struct plan *plan) _must_check_;

/* Symbols in the middle of a description: entered as functions are, or not. Starts are sorted. */
void plan_judge_inner_starts(struct plan *plan);

/* Make functions of the starts. */
int plan_merge(struct plan *plan) _must_check_;

/* Find windows, and what leads into them. */
int plan_windows(struct plan *plan) _must_check_;

/* What an unwinder consists of is seen at entry only. */
void plan_spare_unwinder(struct plan *plan);

/* What a name says of a function. */
enum rule {
	RULE_NONE,
	RULE_NEVER,
	RULE_ENTRY_ONLY,
	RULE_FRAGMENT,
	RULE_UNWINDER, /* reads its own return address to know where it is */
	RULE_WALKER,   /* its module looks for return addresses into code that it has made */
};
enum rule rule_of_name(const char *name);

/* The text that `address` is in; NULL when in none. */
const struct program_text *plan_text_at(const struct program_elf *elf, uint64_t address);

static inline struct window_code plan_code(const struct program_text *text)
{
	return (struct window_code){
		.code = text->code, .bytes = (size_t)text->bytes, .address = text->address};
}

#endif
