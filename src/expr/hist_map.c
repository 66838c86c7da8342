/* SPDX-License-Identifier: MIT */
#include "expr/hist_map.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

enum {
	BLOCK_ELEMENTS = 64,
	FIRST_SLOT_BITS = 8
};

int hist_map_init(struct hist_map *map, const struct hist_map_layout *layout)
{
	size_t nr = (size_t)1 << layout->bits;

	*map = (struct hist_map){.layout = *layout};
	map->sums_at = layout->key_size;
	map->vars_at = map->sums_at + layout->nr_sums * 8;
	map->set_at = map->vars_at + layout->nr_vars * 8;
	map->strings_at = map->set_at + layout->nr_vars * 8;
	map->comm_at = map->strings_at + layout->nr_strings * layout->string_bytes;
	map->element_size = (map->comm_at + layout->comm_bytes + 7) & ~7u;
	map->slot_bits = FIRST_SLOT_BITS;
	map->slots = mem_calloc((size_t)1 << map->slot_bits, sizeof(*map->slots));
	map->blocks = mem_calloc(nr / BLOCK_ELEMENTS, sizeof(*map->blocks));
	if (map->slots && map->blocks)
		return 0;
	hist_map_done(map);
	return -ENOMEM;
}

void hist_map_done(struct hist_map *map)
{
	for (uint32_t i = 0; map->blocks && i < map->nr_blocks; i++)
		mem_free(map->blocks[i]);
	mem_free(map->blocks);
	mem_free(map->slots);
	*map = (struct hist_map){0};
}

void hist_map_clear(struct hist_map *map)
{
	memset(map->slots, 0, sizeof(*map->slots) << map->slot_bits);
	map->nr_elements = 0;
	map->hits = 0;
	map->drops = 0;
}

uint8_t *hist_map_at(const struct hist_map *map, uint32_t index)
{
	return map->blocks[index / BLOCK_ELEMENTS] +
	       (size_t)(index % BLOCK_ELEMENTS) * map->element_size;
}

/* Not the kernel's hash: elements are sorted before they are shown, so it cannot be seen. */
static uint32_t hash_key(const uint8_t *key, uint32_t size)
{
	uint64_t hash = 0x9e3779b97f4a7c15u;

	for (uint32_t i = 0; i < size; i += 8) {
		uint64_t word;

		memcpy(&word, key + i, sizeof(word));
		hash = (hash ^ word) * 0xd6e8feb86659fd93u;
		hash ^= hash >> 32;
	}
	return (uint32_t)(hash * 0x9e3779b97f4a7c15u >> 32);
}

static bool same_key(const uint8_t *a, const uint8_t *b, uint32_t size)
{
	if (size == 8)
		return memcmp(a, b, 8) == 0;
	return memcmp(a, b, size) == 0;
}

/* The slot of the key, or the free one where it would go. There is always a free one. */
static struct hist_map_slot *find_slot(const struct hist_map *map, const uint8_t *key,
				       uint32_t hash)
{
	uint32_t mask = (1u << map->slot_bits) - 1, size = map->layout.key_size;

	for (uint32_t i = hash >> (32 - map->slot_bits);; i++) {
		struct hist_map_slot *slot = &map->slots[i & mask];

		if (!slot->element || (slot->hash == hash &&
				       same_key(hist_map_at(map, slot->element - 1), key, size)))
			return slot;
	}
}

uint8_t *hist_map_find(const struct hist_map *map, const void *key)
{
	struct hist_map_slot *slot = find_slot(map, key, hash_key(key, map->layout.key_size));

	return slot->element ? hist_map_at(map, slot->element - 1) : NULL;
}

/* Twice the slots, so that half of them stay free. */
static bool grow_slots(struct hist_map *map)
{
	size_t nr = (size_t)1 << map->slot_bits;
	struct hist_map_slot *old = map->slots, *slots;

	if (map->nr_elements < nr / 2)
		return true;
	slots = mem_calloc(nr * 2, sizeof(*slots));
	if (!slots)
		return false;
	map->slot_bits++;
	for (size_t i = 0; i < nr; i++) {
		size_t at = old[i].hash >> (32 - map->slot_bits);

		if (!old[i].element)
			continue;
		while (slots[at & (nr * 2 - 1)].element)
			at++;
		slots[at & (nr * 2 - 1)] = old[i];
	}
	map->slots = slots;
	mem_free(old);
	return true;
}

static bool grow(struct hist_map *map)
{
	uint8_t *block;

	if (!grow_slots(map)) {
		map->no_memory = true;
		return false;
	}
	if (map->nr_elements < map->nr_blocks * BLOCK_ELEMENTS)
		return true;
	block = mem_calloc(BLOCK_ELEMENTS, map->element_size);
	if (!block) {
		map->no_memory = true;
		return false;
	}
	map->blocks[map->nr_blocks++] = block;
	return true;
}

uint8_t *hist_map_insert(struct hist_map *map, const void *key, bool *ret_new)
{
	uint32_t hash = hash_key(key, map->layout.key_size);
	struct hist_map_slot *slot = find_slot(map, key, hash);
	uint8_t *element;

	*ret_new = false;
	if (slot->element) {
		map->hits++;
		return hist_map_at(map, slot->element - 1);
	}
	if (map->nr_elements >> map->layout.bits) {
		map->drops++;
		return NULL;
	}
	if (!grow(map))
		return NULL;
	slot = find_slot(map, key, hash);
	*slot = (struct hist_map_slot){hash, ++map->nr_elements};
	element = hist_map_at(map, map->nr_elements - 1);
	memset(element, 0, map->element_size);
	memcpy(element, key, map->layout.key_size);
	map->hits++;
	*ret_new = true;
	return element;
}

struct heap {
	uint8_t **elements;
	size_t nr;
	bool right_on_tie; /* of equal children the second is the larger */
	hist_compare_fn *compare;
	const void *arg;
};

static int heap_compare(const struct heap *heap, size_t a, size_t b)
{
	return heap->compare(heap->arg, heap->elements[a], heap->elements[b]);
}

static void heap_swap(const struct heap *heap, size_t a, size_t b)
{
	uint8_t *element = heap->elements[a];

	heap->elements[a] = heap->elements[b];
	heap->elements[b] = element;
}

/*
 * Put element `top` in its place among its descendants: first all the way down along the larger
 * children, then back up to where it belongs.
 */
static void sift_down(const struct heap *heap, size_t top)
{
	size_t at = top, child, place;

	while ((child = 2 * at + 1) + 1 < heap->nr) {
		int order = heap_compare(heap, child, child + 1);

		at = order > 0 || (order == 0 && !heap->right_on_tie) ? child : child + 1;
	}
	if (child + 1 == heap->nr)
		at = child;
	while (at != top && heap_compare(heap, top, at) >= 0)
		at = (at - 1) / 2;
	for (place = at; at != top;) { /* what lies on the way moves up by one */
		at = (at - 1) / 2;
		heap_swap(heap, at, place);
	}
}

static void sort_single(struct heap *heap)
{
	while (heap->nr > 1) {
		heap->nr--;
		heap_swap(heap, 0, heap->nr);
		if (heap->nr > 1)
			sift_down(heap, 0);
	}
}

/* Takes the largest and, from below it, the next. */
static void sort_double(struct heap *heap)
{
	while (heap->nr > 3) {
		size_t next;

		heap->nr--;
		heap_swap(heap, 0, heap->nr);
		next = heap_compare(heap, 1, 2) <= 0 ? 2 : 1;
		heap->nr--;
		heap_swap(heap, next, heap->nr);
		sift_down(heap, next);
		sift_down(heap, 0);
	}
	heap->nr--;
	heap_swap(heap, 0, heap->nr);
	if (heap->nr == 2 && heap_compare(heap, 0, 1) > 0)
		heap_swap(heap, 0, 1);
}

void hist_heapsort(uint8_t **elements, size_t nr, bool double_pop, hist_compare_fn *compare,
		   const void *arg)
{
	struct heap heap = {elements, nr, double_pop, compare, arg};

	if (nr < 2)
		return;
	for (size_t i = nr / 2; i-- > 0;)
		sift_down(&heap, i);
	if (double_pop)
		sort_double(&heap);
	else
		sort_single(&heap);
}
