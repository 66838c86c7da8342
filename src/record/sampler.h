/* SPDX-License-Identifier: MIT */
/*
 * Measuring a CPU from user space: a thread reads the clock in a tight loop, and where two readings
 * lie further apart than they should, the CPU was away. This is the innermost part: the loop, and
 * the queue through which a measuring thread hands its findings to the one that writes them. The
 * loop allocates nothing and makes no system call, since both would be what it measures.
 */
#ifndef SONDE_RECORD_SAMPLER_H
#define SONDE_RECORD_SAMPLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct sampler_clock { /* a test has its own */
	uint64_t (*now)(void *ctx);
	void *ctx;
};

/* Between two readings; times in ns of the clock. */
struct sampler_gap {
	uint64_t start, end;
	bool inner; /* inside a pair of readings, as hwlat tells them apart from between pairs */
};

struct sample {
	uint64_t seq;
	uint64_t start, end;   /* of the loop; of a timer: when it was to expire, when it ran */
	uint64_t inner, outer; /* largest gaps below the threshold, ns */
	uint64_t longest, sum; /* of the gaps that reached the threshold */
	uint32_t cpu;
	uint32_t nr_gaps;      /* that reached the threshold and are in the queue */
	uint32_t gaps_dropped; /* and those for which it had no room */
};

/*
 * One writer, one reader. The writer's gaps become visible with the sample they belong to: the
 * reader sees them behind the acquiring load of nr_pushed.
 */
struct sampler_queue {
	struct sample *samples;
	struct sampler_gap *gaps;
	size_t samples_size, gaps_size; /* powers of two */
	size_t gaps_written;		/* writer's own */
	atomic_size_t nr_pushed, nr_popped, gaps_popped;
	atomic_ullong lost; /* samples for which there was no room */
};

int sampler_queue_init(struct sampler_queue *queue, size_t samples, size_t gaps) _must_check_;
void sampler_queue_done(struct sampler_queue *queue);
/* Writer. A sample that finds no room is counted as lost, with its gaps. */
void sampler_push(struct sampler_queue *queue, const struct sample *sample);
/* Reader: the oldest sample, or NULL; it stays until it is popped. */
const struct sample *sampler_peek(struct sampler_queue *queue);
const struct sampler_gap *sampler_peek_gap(const struct sampler_queue *queue, size_t index);
void sampler_pop(struct sampler_queue *queue);

struct sampler_limits {
	uint64_t width_ns; /* so long */
	uint64_t gap_ns;   /* a gap of at least this is kept */
	uint64_t stop_ns;  /* a gap longer than this ends the loop; 0: none */
};

/*
 * The loop, until the width is over, `stop` is set or a gap is longer than stop_ns (then true is
 * returned). Fills ret_sample but for seq and cpu; its gaps are in the queue, to be pushed.
 */
bool sampler_spin(struct sampler_queue *queue, const struct sampler_clock *clock,
		  const struct sampler_limits *limits, const atomic_bool *stop,
		  struct sample *ret_sample);

#endif
