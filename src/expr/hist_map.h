/* SPDX-License-Identifier: MIT */
/*
 * The map of a histogram, as the kernel's tracing_map: a fixed number of elements, found by all
 * bytes of their key, never removed. When they are used up, hits of further keys are dropped and
 * counted. Elements lie in blocks that are allocated as they are needed and never move.
 */
#ifndef SONDE_EXPR_HIST_MAP_H
#define SONDE_EXPR_HIST_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hist_map_layout {
	unsigned int bits; /* 2^bits elements */
	uint32_t key_size; /* a multiple of 8 */
	uint32_t nr_sums, nr_vars, nr_strings;
	uint32_t string_bytes, comm_bytes;
};

struct hist_map_slot {
	uint32_t hash, element; /* element + 1; 0: free */
};

struct hist_map {
	struct hist_map_layout layout;
	struct hist_map_slot *slots; /* 2^slot_bits, at most half of them used */
	unsigned int slot_bits;
	uint8_t **blocks;
	uint32_t nr_elements, nr_blocks;
	uint32_t element_size;
	uint32_t sums_at, vars_at, set_at, strings_at, comm_at;
	uint64_t hits, drops;
	bool no_memory;
};

int hist_map_init(struct hist_map *map, const struct hist_map_layout *layout) _must_check_;
void hist_map_done(struct hist_map *map);
void hist_map_clear(struct hist_map *map);

/*
 * The element of `key`, NULL when there is none. Insert makes it when it is missing and says so in
 * *ret_new; NULL then means that it was dropped, or map->no_memory.
 */
uint8_t *hist_map_find(const struct hist_map *map, const void *key);
uint8_t *hist_map_insert(struct hist_map *map, const void *key, bool *ret_new);
uint8_t *hist_map_at(const struct hist_map *map, uint32_t index);

static inline uint64_t *hist_map_sums(const struct hist_map *map, uint8_t *element)
{
	return (uint64_t *)(void *)(element + map->sums_at);
}

static inline uint64_t *hist_map_vars(const struct hist_map *map, uint8_t *element)
{
	return (uint64_t *)(void *)(element + map->vars_at);
}

/* One a variable: 0, or 1 + the hit that set it. */
static inline uint64_t *hist_map_var_set(const struct hist_map *map, uint8_t *element)
{
	return (uint64_t *)(void *)(element + map->set_at);
}

static inline char *hist_map_string(const struct hist_map *map, uint8_t *element, uint32_t index)
{
	return (char *)element + map->strings_at + (size_t)index * map->layout.string_bytes;
}

static inline char *hist_map_comm(const struct hist_map *map, uint8_t *element)
{
	return (char *)element + map->comm_at;
}

/*
 * Sort pointers to elements as the kernel's lib/sort.c does: a heapsort, which is not stable, so
 * that equal elements come in an order of its own. `double_pop`: as of 6.9.
 */
typedef int hist_compare_fn(const void *arg, const uint8_t *a, const uint8_t *b);
void hist_heapsort(uint8_t **elements, size_t nr, bool double_pop, hist_compare_fn *compare,
		   const void *arg);

#endif
