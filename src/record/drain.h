/* SPDX-License-Identifier: MIT */
/*
 * Draining: a few threads move sub-buffers from the kernel's per-CPU buffers into OUT.partial.
 * Each thread serves some CPUs, sleeps in epoll until a buffer is filled to its watermark
 * (buffer_percent) or the interval is over, and reads whole sub-buffers.
 */
#ifndef SONDE_RECORD_DRAIN_H
#define SONDE_RECORD_DRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "record/names.h"
#include "tracedat/partial.h"

struct drain;

/* `partial` and `names` are borrowed until drain_free. */
int drain_new(struct drain **ret_drain, struct dat_partial *partial, const struct names *names,
	      unsigned int interval_ms, struct err *err) _must_check_;
void drain_free(struct drain *drain); /* stops the threads without reading what is left */

/* One CPU's buffer. */
struct drain_cpu {
	size_t buffer; /* its number in the partial */
	uint32_t cpu;
	int fd; /* non-blocking */
	uint32_t page_size;
	uint32_t wake_pages; /* sub-buffers that are full when fd becomes readable */
};
/* Takes cpu->fd (also on failure). Before start. */
int drain_add(struct drain *drain, const struct drain_cpu *cpu, struct err *err) _must_check_;

/* Start the threads; priority > 0 makes them SCHED_FIFO. */
int drain_start(struct drain *drain, int priority, struct err *err) _must_check_;
/* Thread ids, for keeping them out of the trace; valid after start. */
size_t drain_tids(const struct drain *drain, const pid_t **ret_tids);

/* Readable as soon as a thread has failed; the reason comes from drain_stop. */
int drain_failed_fd(const struct drain *drain);

/*
 * After tracing was stopped: read what is left, flush, end the threads. Returns the first error of
 * any thread; what was appended before it is in the partial.
 */
int drain_stop(struct drain *drain, struct err *err) _must_check_;

/* After stop: the names all threads have seen go to comms. */
int drain_names(const struct drain *drain, struct comms *comms) _must_check_;

/* After stop: whether a record of a watched event came (names_watch); drain may be NULL. */
bool drain_watched(const struct drain *drain);

/* Bytes of sub-buffers that came from one CPU. */
uint64_t drain_bytes(const struct drain *drain, size_t buffer, uint32_t cpu);

#endif
