/* SPDX-License-Identifier: MIT */
/*
 * Pages from memory in place of the file: a program that records and shows at once hands them to
 * the reader directly, so nothing is stored and memory is bounded by what was not shown yet.
 */
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/feed.h"

struct feed_queue {
	struct dat_chunk **chunks;
	size_t first, nr, cap; /* chunks[first .. nr) wait */
};

struct dat_feed {
	struct feed_queue *queues; /* by buffer, then CPU */
	uint32_t nr_cpus;
	size_t nr;
};

int dat_feed_begin(struct dat *dat, uint32_t nr_cpus, struct err *err)
{
	struct dat_state *st = dat_state(dat);
	struct dat_feed *feed = mem_zalloc(sizeof(*feed));

	if (nr_cpus > LIMIT_CPUS || !feed)
		goto no_memory;
	st->feed = feed;
	feed->nr_cpus = nr_cpus;
	feed->nr = dat->nr_buffers * nr_cpus;
	feed->queues = mem_calloc(feed->nr, sizeof(*feed->queues));
	if (!feed->queues)
		goto no_memory;
	for (size_t i = 0; i < dat->nr_buffers; i++) {
		struct dat_cpu *cpus = arena_alloc(&st->arena, nr_cpus * sizeof(*cpus));

		if (!cpus)
			goto no_memory;
		for (uint32_t cpu = 0; cpu < nr_cpus; cpu++)
			cpus[cpu] = (struct dat_cpu){.cpu = cpu};
		dat->buffers[i].cpus = cpus;
		dat->buffers[i].nr_cpus = nr_cpus;
		dat->buffers[i].compressed = false;
	}
	return 0;
no_memory:
	return err_sys(err, -ENOMEM, "cannot show what is traced");
}

void dat_feed_end(struct dat_state *st)
{
	struct dat_feed *feed = st->feed;

	if (!feed)
		return;
	for (size_t i = 0; feed->queues && i < feed->nr; i++) {
		for (size_t k = feed->queues[i].first; k < feed->queues[i].nr; k++)
			dat_chunk_unref(feed->queues[i].chunks[k]);
		mem_free(feed->queues[i].chunks);
	}
	mem_free(feed->queues);
	mem_free(feed);
	st->feed = NULL;
}

int dat_feed(struct dat *dat, size_t buffer, uint32_t cpu, const void *pages, size_t len,
	     struct err *err)
{
	struct dat_state *st = dat_state(dat);
	struct feed_queue *queue;
	struct dat_chunk *chunk;
	int r;

	if (!st->feed || buffer >= dat->nr_buffers || cpu >= st->feed->nr_cpus ||
	    len > LIMIT_CHUNK_BYTES)
		return err_set(err, -EINVAL, "%s: there is no such CPU", dat->path);
	queue = &st->feed->queues[buffer * st->feed->nr_cpus + cpu];
	if (queue->first == queue->nr)
		queue->first = queue->nr = 0;
	r = array_reserve(&queue->chunks, &queue->cap, queue->nr + 1, sizeof(chunk));
	chunk = r < 0 ? NULL : dat_pool_get(st->pool, len);
	if (!chunk)
		return err_sys(err, -ENOMEM, "cannot show what is traced");
	memcpy(chunk->bytes, pages, len);
	chunk->nr_bytes = (uint32_t)len;
	queue->chunks[queue->nr++] = chunk;
	return 0;
}

struct dat_chunk *dat_feed_take(struct dat_state *st, const struct dat_buffer *buffer, uint32_t cpu)
{
	size_t index = (size_t)(buffer - st->dat.buffers) * st->feed->nr_cpus + cpu;
	struct feed_queue *queue = &st->feed->queues[index];

	return queue->first < queue->nr ? queue->chunks[queue->first++] : NULL;
}
