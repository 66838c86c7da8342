/* SPDX-License-Identifier: MIT */
/*
 * `sonde mem`: what the kernel's slab allocator gave to each function, asked for and returned, from
 * the events kmalloc, kmalloc_node, kmem_cache_alloc, kmem_cache_alloc_node, kfree and
 * kmem_cache_free.
 */
#ifndef SONDE_REPORT_ALLOCS_H
#define SONDE_REPORT_ALLOCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/out.h"
#include "event/event.h"
#include "report/report.h"

struct allocs;

/*
 * Borrows `db`, sealed. `trace_cmd`: count as trace-cmd does, which counts allocations that failed,
 * keeps what was freed unseen for ever, and has the difference of two maxima for the largest waste.
 */
int allocs_new(struct allocs **ret_allocs, const struct event_db *db, bool trace_cmd) _must_check_;
void allocs_free(struct allocs *allocs);

/* Whether the file has any of the events' formats. */
bool allocs_possible(const struct allocs *allocs);

/*
 * One record, in time order. Memory grows with the call sites and with what is allocated at a time.
 * -ENOMEM.
 */
int allocs_event(struct allocs *allocs, const struct event *event, const void *data, uint32_t len)
	_must_check_;

/* The heading of the table, in any format: once, before all tables. */
void allocs_heading(struct out *out, enum report_format format, bool with_buffer);
/*
 * The table, most wasteful first; `buffer` says of which file or instance, where there are several
 * (else NULL). -ENOMEM.
 */
int allocs_print(struct allocs *allocs, enum report_format format, const char *buffer,
		 struct out *out) _must_check_;

#endif
