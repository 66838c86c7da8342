/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "base/map.h"
#include "base/mem.h"

enum {
	MAP_FIRST_SLOTS = 64
};

void map_done(struct map *map)
{
	mem_free(map->slots);
	*map = (struct map){0};
}

/* The slot that holds `key`, or the free one where it would go. There is always a free one. */
static size_t find_slot(const struct map_slot *slots, size_t nr_slots, uint64_t key)
{
	size_t at = (size_t)map_mix(key, 0) & (nr_slots - 1);

	while (slots[at].used && slots[at].key != key)
		at = (at + 1) & (nr_slots - 1);
	return at;
}

static int grow(struct map *map)
{
	size_t nr_slots = map->nr_slots ? map->nr_slots * 2 : MAP_FIRST_SLOTS;
	struct map_slot *slots = mem_calloc(nr_slots, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < map->nr_slots; i++)
		if (map->slots[i].used)
			slots[find_slot(slots, nr_slots, map->slots[i].key)] = map->slots[i];
	mem_free(map->slots);
	map->slots = slots;
	map->nr_slots = nr_slots;
	return 0;
}

uint64_t *map_find(const struct map *map, uint64_t key)
{
	struct map_slot *slot;

	if (!map->nr)
		return NULL;
	slot = &map->slots[find_slot(map->slots, map->nr_slots, key)];
	return slot->used ? &slot->value : NULL;
}

int map_set(struct map *map, uint64_t key, uint64_t value)
{
	struct map_slot *slot;

	if (map->nr >= map->nr_slots - map->nr_slots / 4) {
		int r = grow(map);

		if (r < 0)
			return r;
	}
	slot = &map->slots[find_slot(map->slots, map->nr_slots, key)];
	map->nr += !slot->used;
	*slot = (struct map_slot){.key = key, .value = value, .used = true};
	return 0;
}

bool map_remove(struct map *map, uint64_t key)
{
	size_t mask = map->nr_slots - 1, hole, at;

	if (!map->nr)
		return false;
	hole = find_slot(map->slots, map->nr_slots, key);
	if (!map->slots[hole].used)
		return false;

	/* Move back what could no longer be found across the hole. */
	for (at = (hole + 1) & mask; map->slots[at].used; at = (at + 1) & mask) {
		size_t home = (size_t)map_mix(map->slots[at].key, 0) & mask;

		if (((at - home) & mask) >= ((at - hole) & mask)) {
			map->slots[hole] = map->slots[at];
			hole = at;
		}
	}
	map->slots[hole].used = false;
	map->nr--;
	return true;
}
