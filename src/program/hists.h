/* SPDX-License-Identifier: MIT */
/*
 * Histograms that are counted inside the programs, of calls or of events that are recorded, in
 * memory that all processes of a session share (program_watch's hists_at, event_hists_at). Nothing
 * of it holds an address. Freestanding.
 *
 * Each has a table of keys, as the kernel's tracing_map: places that are found by the hash of a
 * key, elements that hold the keys, and the sums of an element, a set of them for each CPU, which
 * only that CPU adds to. A place is taken by one store, a hit is added by one instruction, and its
 * value by another: whoever is killed in between has left a hit without its value, or an element
 * that nobody finds, and nobody waits for anybody.
 */
#ifndef SONDE_PROGRAM_HISTS_H
#define SONDE_PROGRAM_HISTS_H

#include <stdbool.h>
#include <stdint.h>

#define PROGRAM_HISTS_MAX     16u
#define PROGRAM_HIST_KEYS     3u
#define PROGRAM_HIST_BITS_MAX 17u
#define PROGRAM_HIST_SETS_MAX 64u
/* Places that are looked at for a key. At least three quarters are free: seldom more than a few. */
#define PROGRAM_HIST_STEPS_MAX 1024u

/* What becomes of a value in a key. */
enum program_hist_unit {
	PROGRAM_HIST_NUMBER,
	PROGRAM_HIST_LOG2,
	PROGRAM_HIST_BUCKET
};

struct program_hist_key {
	uint64_t width; /* of a bucket */
	uint8_t source; /* enum program_watch_source */
	uint8_t unit;	/* enum program_hist_unit */
	bool is_signed; /* of 32 bits, made 64 */
	uint8_t pad[5];
};

/* The sums of an element on a CPU. */
struct program_hist_sums {
	uint64_t hits, value; /* of calls their durations, ns */
};

struct program_hist_element {
	uint64_t keys[PROGRAM_HIST_KEYS], pad;
};

struct program_hist {
	struct program_hist_key keys[PROGRAM_HIST_KEYS];
	uint16_t condition; /* of calls: as a trigger's (watch.h) */
	uint8_t nr_keys;
	uint8_t bits;	      /* 2^bits keys find room */
	uint8_t value;	      /* what is summed up: enum program_watch_source */
	uint8_t pad[3];	      /* the rest is in bytes from struct program_hists */
	uint64_t places_at;   /* uint64_t: 0 free, or hash << 32 | element + 1 */
	uint64_t elements_at; /* struct program_hist_element */
	uint64_t sums_at;     /* struct program_hist_sums of CPU 0, then of the others */

	/* Written by programs, seldom. */
	uint32_t nr_used __attribute__((aligned(64))); /* keys that have found room */
	uint32_t nr_taken; /* elements given away: also those that two wanted at once */
	uint64_t dropped;  /* hits of keys without room */
};

struct program_hists {
	uint32_t nr;
	uint32_t nr_sets; /* of sums: of CPUs, and behind them one for all others */
	struct program_hist list[PROGRAM_HISTS_MAX];
};

/* Elements: twice as many as keys, for those that are never found. Places: twice as many again. */
static inline uint32_t program_hist_elements(uint8_t bits)
{
	return 2u << bits;
}

static inline uint32_t program_hist_places(uint8_t bits)
{
	return 4u << bits;
}

/* The upper bits say where a key is looked for first. */
static inline uint64_t program_hist_hash(const uint64_t *keys, uint32_t nr_keys)
{
	uint64_t hash = keys[0] * 0x9e3779b97f4a7c15ull;

	for (uint32_t i = 1; i < nr_keys; i++)
		hash = ((hash ^ hash >> 32) + keys[i]) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

static inline uint32_t program_hist_place(uint64_t hash, uint8_t bits)
{
	return (uint32_t)(hash & (program_hist_places(bits) - 1));
}

/* What is kept of the hash beside the element. */
static inline uint64_t program_hist_tag(uint64_t hash)
{
	return hash >> 32 << 32;
}

static inline uint64_t program_hist_unit(const struct program_hist_key *key, uint64_t value)
{
	if (key->is_signed)
		value = (uint64_t)(int64_t)(int32_t)value;
	switch (key->unit) {
	case PROGRAM_HIST_LOG2:
		return value < 2 ? 0 : 64 - (uint64_t)__builtin_clzll(value - 1);
	case PROGRAM_HIST_BUCKET:
		return key->width ? value - value % key->width : value;
	default:
		return value;
	}
}

#endif
