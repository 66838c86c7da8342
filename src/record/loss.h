/* SPDX-License-Identifier: MIT */
/*
 * Watching for lost events: what each CPU has lost, in which bursts, and how large the buffers
 * would have had to be for the worst of them.
 */
#ifndef SONDE_RECORD_LOSS_H
#define SONDE_RECORD_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/instance.h"

struct loss_cpu {
	uint64_t lost; /* so far */
	uint64_t calm; /* so far when it was last seen to lose nothing: the burst began here */
};

struct loss {
	uint64_t needed_kb; /* of a CPU's buffer, for the worst burst; 0: nothing was lost */
	uint64_t said_ms;   /* time of the last warning; 0: none */
};

/* Events that the kernel had no room for. */
static inline uint64_t loss_of(const struct kernel_cpu_stats *stats)
{
	return stats->overrun + stats->commit_overrun + stats->dropped;
}

/*
 * Take in a CPU's counters; `event_bytes` is what its events take in the buffer on average, and
 * buffer_kb what the buffer holds. True when it has lost more since the last time.
 */
bool loss_update(struct loss *loss, struct loss_cpu *cpu, const struct kernel_cpu_stats *stats,
		 uint64_t event_bytes, uint64_t buffer_kb);

/* A size to recommend (-b): a power of two that holds the worst burst. */
uint64_t loss_recommended_kb(const struct loss *loss);

#endif
