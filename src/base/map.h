/* SPDX-License-Identifier: MIT */
/*
 * A hash map from a 64-bit key to a 64-bit value: open addressing, no allocation per entry, removal
 * without tombstones. Zero-initialised is empty. Keys of several parts are made with map_mix; what
 * can then collide is for the caller to compare.
 */
#ifndef SONDE_BASE_MAP_H
#define SONDE_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct map_slot {
	uint64_t key, value;
	bool used;
};

struct map {
	struct map_slot *slots; /* owned; a power of two of them */
	size_t nr_slots, nr;
};

void map_done(struct map *map);

/* The value of `key`, to read or to change; NULL when there is none. Valid until the next set. */
uint64_t *map_find(const struct map *map, uint64_t key);
/* Add or replace. -ENOMEM; the map is then as it was. */
int map_set(struct map *map, uint64_t key, uint64_t value) _must_check_;
/* False when there was none. */
bool map_remove(struct map *map, uint64_t key);

/* Spread the bits of a key, and of a key with a further part. */
static inline uint64_t map_mix(uint64_t a, uint64_t b)
{
	uint64_t x = a * 0x9e3779b97f4a7c15u ^ b;

	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	return x;
}

#endif
