/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	_Alignas(16) unsigned char data[];
};

/* What malloc and a block's head need is left of a power of two. */
enum {
	FIRST_BYTES = 1024 - sizeof(struct arena_block) - 32,
	BLOCK_BYTES = 32 * 1024 - sizeof(struct arena_block) - 32
};

void arena_done(struct arena *arena)
{
	struct arena_block *block = arena->blocks, *next;

	for (; block; block = next) {
		next = block->next;
		mem_free(block);
	}
	arena->blocks = NULL;
}

/* Small for the many arenas that hold little; the next is twice as large. */
static size_t usual_room(const struct arena *arena)
{
	return arena->blocks ? MIN(arena->blocks->size * 2, (size_t)BLOCK_BYTES)
			     : (size_t)FIRST_BYTES;
}

/* A new block goes in front; one that a large object fills goes behind the block now in use. */
static struct arena_block *add_block(struct arena *arena, size_t size)
{
	size_t usual = usual_room(arena), room = MAX(size, usual);
	struct arena_block *block = mem_zalloc(sizeof(*block) + room);
	struct arena_block **where = &arena->blocks;

	if (!block)
		return NULL;
	if (arena->blocks && room > usual)
		where = &arena->blocks->next;
	block->size = room;
	block->next = *where;
	*where = block;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = arena->blocks;
	void *ptr;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	if (!block || block->size - block->used < size)
		block = add_block(arena, size);
	if (!block)
		return NULL;
	ptr = block->data + block->used;
	block->used += size;
	return ptr;
}

void *arena_dup(struct arena *arena, const void *data, size_t len)
{
	void *copy = arena_alloc(arena, len);

	if (copy && len)
		memcpy(copy, data, len);
	return copy;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
	char *copy;

	if (len >= SIZE_MAX / 2)
		return NULL;
	copy = arena_alloc(arena, len + 1);
	if (copy && len)
		memcpy(copy, text, len);
	return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}
