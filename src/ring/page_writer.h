/* SPDX-License-Identifier: MIT */
/*
 * Sub-buffers written by one thread for itself: records that Sonde makes, as what a tracer in user
 * space has measured, go into pages of the kernel's own layout, so that everything behind them
 * reads both alike. Times must not go back within one writer.
 */
#ifndef SONDE_RING_PAGE_WRITER_H
#define SONDE_RING_PAGE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/subbuf.h"

struct page_writer {
	struct subbuf_layout layout;
	uint8_t *page;	     /* the caller's, layout.size bytes, aligned or not */
	uint32_t used;	     /* bytes of records; 0: nothing yet */
	uint64_t ts;	     /* of the last record */
	uint64_t lost;	     /* events lost before this page */
	uint64_t lost_since; /* since its first record */
	bool lost_some;	     /* before this page, and how many is not known */
};

/* `page` is borrowed as long as the writer is used. */
void page_writer_init(struct page_writer *writer, const struct subbuf_layout *layout, void *page);

/*
 * Append a record: `len` bytes of payload, common fields first. Returns true, or false when it does
 * not fit: then finish the page, store it and add the record to the next one. A record that is
 * larger than a page never fits; page_writer_room says what does. A time before the last record's
 * is stored as that.
 */
bool page_writer_add(struct page_writer *writer, uint64_t ts, const void *data, uint32_t len)
	_must_check_;

/* Largest payload that fits an empty page. */
uint32_t page_writer_room(const struct subbuf_layout *layout);

/* `nr` events could not be stored: the next page says so (this one, if it is still empty). */
void page_writer_lose(struct page_writer *writer, uint64_t nr);
/* The same of a number that is not known. Only while the page is empty. */
void page_writer_lose_some(struct page_writer *writer);

/*
 * Complete the page: header, and zeroes behind the records. Returns false when it holds neither
 * records nor a loss.
 */
bool page_writer_finish(struct page_writer *writer) _must_check_;
/* Begin the next page, over the one that was finished and stored. */
void page_writer_next(struct page_writer *writer);

#endif
