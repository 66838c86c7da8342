/* SPDX-License-Identifier: MIT */
/*
 * Chunks of pages in memory. A pool keeps a few buffers that nobody uses for the next reader, so
 * that reading a file of any size allocates a handful of them. A chunk may outlive the dat that
 * made it: the pool goes with its last chunk.
 */
#include <pthread.h>

#include "base/mem.h"
#include "tracedat/internal.h"

enum {
	POOL_KEEP = 64
};
static const size_t pool_keep_bytes = 4u << 20; /* a larger buffer goes back to the system */

struct pooled {
	struct dat_chunk chunk; /* first: the two pointers are the same */
	struct dat_pool *pool;
	struct pooled *next;
	size_t cap;
};

struct dat_pool {
	pthread_mutex_t lock;
	struct pooled *free; /* under lock, as the two below */
	unsigned int nr_free;
	size_t users; /* the dat, and each chunk in use */
};

struct dat_pool *dat_pool_new(void)
{
	struct dat_pool *pool = mem_zalloc(sizeof(*pool));

	if (!pool)
		return NULL;
	pthread_mutex_init(&pool->lock, NULL);
	pool->users = 1;
	return pool;
}

static void pooled_free(struct pooled *pooled)
{
	mem_free(pooled->chunk.bytes);
	mem_free(pooled);
}

/* Drop one user, giving back `pooled` (or NULL) to the pool. */
static void pool_put(struct dat_pool *pool, struct pooled *pooled)
{
	struct pooled *rest = NULL;
	bool last;

	pthread_mutex_lock(&pool->lock);
	if (pooled && pool->nr_free < POOL_KEEP && pooled->cap <= pool_keep_bytes) {
		pooled->next = pool->free;
		pool->free = pooled;
		pool->nr_free++;
		pooled = NULL;
	}
	last = --pool->users == 0;
	if (last)
		rest = pool->free;
	pthread_mutex_unlock(&pool->lock);
	if (pooled)
		pooled_free(pooled);
	if (!last)
		return;
	while (rest) {
		struct pooled *next = rest->next;

		pooled_free(rest);
		rest = next;
	}
	pthread_mutex_destroy(&pool->lock);
	mem_free(pool);
}

void dat_pool_free(struct dat_pool *pool)
{
	if (pool)
		pool_put(pool, NULL);
}

struct dat_chunk *dat_pool_get(struct dat_pool *pool, size_t cap)
{
	struct pooled *pooled = NULL;

	pthread_mutex_lock(&pool->lock);
	for (struct pooled **p = &pool->free; *p; p = &(*p)->next) {
		if ((*p)->cap < cap)
			continue;
		pooled = *p;
		*p = pooled->next;
		pool->nr_free--;
		break;
	}
	pool->users++;
	pthread_mutex_unlock(&pool->lock);
	if (!pooled) {
		pooled = mem_zalloc(sizeof(*pooled));
		if (pooled)
			pooled->chunk.bytes = mem_alloc(cap);
		if (!pooled || !pooled->chunk.bytes) {
			mem_free(pooled);
			pool_put(pool, NULL);
			return NULL;
		}
		pooled->cap = cap;
		pooled->pool = pool;
	}
	pooled->chunk.refs = 1;
	pooled->chunk.nr_bytes = 0;
	return &pooled->chunk;
}

struct dat_chunk *dat_chunk_ref(struct dat_chunk *chunk)
{
	__atomic_fetch_add(&chunk->refs, 1, __ATOMIC_RELAXED);
	return chunk;
}

void dat_chunk_unref(struct dat_chunk *chunk)
{
	/* Release and acquire: all reads of the last users happen before the buffer is reused. */
	if (chunk && __atomic_fetch_sub(&chunk->refs, 1, __ATOMIC_ACQ_REL) == 1) {
		struct pooled *pooled = (struct pooled *)(void *)chunk;

		pool_put(pooled->pool, pooled);
	}
}
