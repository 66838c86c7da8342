/* SPDX-License-Identifier: MIT */
#include "record/sampler.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

int sampler_queue_init(struct sampler_queue *queue, size_t samples, size_t gaps)
{
	*queue = (struct sampler_queue){.samples_size = samples, .gaps_size = gaps};
	queue->samples = mem_calloc(samples, sizeof(*queue->samples));
	queue->gaps = mem_calloc(gaps, sizeof(*queue->gaps));
	if (!queue->samples || !queue->gaps) {
		sampler_queue_done(queue);
		return -ENOMEM;
	}
	/* A page that is touched for the first time in the loop would be a gap of our own. */
	memset(queue->samples, 0xff, samples * sizeof(*queue->samples));
	memset(queue->gaps, 0xff, gaps * sizeof(*queue->gaps));
	return 0;
}

void sampler_queue_done(struct sampler_queue *queue)
{
	mem_free(queue->samples);
	mem_free(queue->gaps);
	*queue = (struct sampler_queue){0};
}

void sampler_push(struct sampler_queue *queue, const struct sample *sample)
{
	size_t pushed = atomic_load_explicit(&queue->nr_pushed, memory_order_relaxed);
	size_t popped = atomic_load_explicit(&queue->nr_popped, memory_order_acquire);

	if (pushed - popped == queue->samples_size) {
		queue->gaps_written -= sample->nr_gaps;
		atomic_fetch_add_explicit(&queue->lost, 1, memory_order_relaxed);
		return;
	}
	queue->samples[pushed & (queue->samples_size - 1)] = *sample;
	/* The reader sees the sample and its gaps once it sees this. */
	atomic_store_explicit(&queue->nr_pushed, pushed + 1, memory_order_release);
}

const struct sample *sampler_peek(struct sampler_queue *queue)
{
	size_t popped = atomic_load_explicit(&queue->nr_popped, memory_order_relaxed);

	if (atomic_load_explicit(&queue->nr_pushed, memory_order_acquire) == popped)
		return NULL;
	return &queue->samples[popped & (queue->samples_size - 1)];
}

const struct sampler_gap *sampler_peek_gap(const struct sampler_queue *queue, size_t index)
{
	size_t first = atomic_load_explicit(&queue->gaps_popped, memory_order_relaxed);

	return &queue->gaps[(first + index) & (queue->gaps_size - 1)];
}

void sampler_pop(struct sampler_queue *queue)
{
	size_t popped = atomic_load_explicit(&queue->nr_popped, memory_order_relaxed);
	const struct sample *sample = &queue->samples[popped & (queue->samples_size - 1)];

	/* The writer may use the room again once it sees these. */
	atomic_fetch_add_explicit(&queue->gaps_popped, sample->nr_gaps, memory_order_release);
	atomic_store_explicit(&queue->nr_popped, popped + 1, memory_order_release);
}

static void keep_gap(struct sampler_queue *queue, struct sample *sample, uint64_t start,
		     uint64_t end, bool inner)
{
	size_t popped = atomic_load_explicit(&queue->gaps_popped, memory_order_acquire);

	sample->longest = MAX(sample->longest, end - start);
	sample->sum += end - start;
	if (queue->gaps_written - popped == queue->gaps_size) {
		sample->gaps_dropped++;
		return;
	}
	queue->gaps[queue->gaps_written++ & (queue->gaps_size - 1)] =
		(struct sampler_gap){start, end, inner};
	sample->nr_gaps++;
}

bool sampler_spin(struct sampler_queue *queue, const struct sampler_clock *clock,
		  const struct sampler_limits *limits, const atomic_bool *stop,
		  struct sample *ret_sample)
{
	uint64_t last = clock->now(clock->ctx);
	struct sample sample = {.start = last};
	bool inner = true, too_long = false;

	while (last - sample.start < limits->width_ns && !too_long &&
	       !atomic_load_explicit(stop, memory_order_relaxed)) {
		uint64_t now = clock->now(clock->ctx);
		/* A clock that steps back has no gap there. */
		uint64_t gap = now > last ? now - last : 0;
		uint64_t *largest = inner ? &sample.inner : &sample.outer;

		if (gap >= limits->gap_ns)
			keep_gap(queue, &sample, last, now, inner);
		else if (gap > *largest)
			*largest = gap;
		too_long = limits->stop_ns && gap > limits->stop_ns;
		last = MAX(last, now);
		inner = !inner;
	}
	sample.end = last;
	*ret_sample = sample;
	return too_long;
}
