/* SPDX-License-Identifier: MIT */
/*
 * The sub-buffer: the kernel's ring-buffer page, the unit in which everything is recorded, stored
 * and read. Layout (kernel: include/linux/ring_buffer.h, events/header_page, events/header_event):
 *
 *   u64 timestamp | long commit | records...
 *
 * commit: bits 0-26 length of the records; bit 31: events were lost before this page; bit 30: a
 * long with their number stands right behind the records. A record is a 4-byte header (type_len:5,
 * time_delta:27) and a payload that starts with the event's common fields.
 */
#ifndef SONDE_RING_SUBBUF_H
#define SONDE_RING_SUBBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

/* How the pages of one buffer look. Plain values; copy freely. */
struct subbuf_layout {
	uint32_t size;	   /* bytes of one sub-buffer, header included */
	uint8_t long_size; /* 4 or 8: size of `commit` and of the lost count */
	bool big_endian;
};

#define SUBBUF_COMMIT_MASK   0x07ffffffu
#define SUBBUF_MISSED_STORED (1u << 30) /* lost count stored behind the records */
#define SUBBUF_MISSED_EVENTS (1u << 31) /* events were lost before this page */
#define SUBBUF_LOST_UNKNOWN  (-1)	/* lost, but how many is not stored */

#define SUBBUF_DELTA_MASK    0x07ffffffu /* time_delta of a record header */

/* What was lost at two places together. */
static inline int64_t subbuf_lost_sum(int64_t a, int64_t b)
{
	return a == SUBBUF_LOST_UNKNOWN || b == SUBBUF_LOST_UNKNOWN ? SUBBUF_LOST_UNKNOWN : a + b;
}

enum {
	SUBBUF_DATA_MAX = 28,
	SUBBUF_PADDING = 29,
	SUBBUF_TIME_EXTEND = 30,
	SUBBUF_TIME_STAMP = 31
};

struct subbuf_record {
	uint64_t ts;	     /* in units of the trace clock */
	const uint8_t *data; /* payload, borrowed from the page; starts with the common fields */
	uint32_t len;	     /* bytes of payload */
};

/* A reading position in one page. The page must stay in place while the cursor is used. */
struct subbuf_cursor {
	const uint8_t *pos, *end;
	uint64_t ts;  /* time of the last record or time extend */
	int64_t lost; /* events lost before this page: 0, a count, or SUBBUF_LOST_UNKNOWN */
	bool big_endian;
	bool corrupt; /* the walk ended at bytes that are no record */
};

/* Bytes before the first record: 8 + long_size. */
static inline uint32_t subbuf_header_bytes(const struct subbuf_layout *layout)
{
	return 8u + layout->long_size;
}

/* Timestamp of the page itself, without looking at the records. `page` has layout->size bytes. */
uint64_t subbuf_time(const struct subbuf_layout *layout, const void *page);

/*
 * Begin to read `page`, of which `avail` bytes can be read (at most layout->size are used). An
 * all-zero page is legal and empty. Returns 0, or -EBADMSG when the header cannot be right (shorter
 * than a header, or a commit beyond the page: then what fits is still readable through the cursor).
 */
int subbuf_open(struct subbuf_cursor *ret_cursor, const struct subbuf_layout *layout,
		const void *page, uint32_t avail) _must_check_;

/* Everything but a plain data record; for subbuf_next only. */
int subbuf_next_slow(struct subbuf_cursor *cursor, struct subbuf_record *ret_rec);

/*
 * The next record: 1 and *ret_rec, or 0 at the end of the page. Time extends, absolute stamps and
 * discarded records are consumed. Never reads outside the page; bytes that cannot be a record end
 * the page and set cursor->corrupt.
 *
 * Inline for the record that nearly all are: one to 28 words, its time a delta of 27 bits.
 */
static inline int subbuf_next(struct subbuf_cursor *cursor, struct subbuf_record *ret_rec)
{
	const uint8_t *p = cursor->pos;
	size_t left = (size_t)(cursor->end - p);
	uint32_t head, type_len, len;

	if (__builtin_expect(left < 4, 0))
		return subbuf_next_slow(cursor, ret_rec);
	head = load_u32(p, cursor->big_endian);
	type_len = cursor->big_endian ? head >> 27 : head & 31;
	len = type_len * 4;
	if (__builtin_expect(type_len - 1u >= SUBBUF_DATA_MAX || len > left - 4, 0))
		return subbuf_next_slow(cursor, ret_rec);
	cursor->ts += cursor->big_endian ? head & SUBBUF_DELTA_MASK : head >> 5;
	cursor->pos = p + 4 + len;
	*ret_rec = (struct subbuf_record){cursor->ts, p + 4, len};
	return 1;
}

/* How many records are in pages that lie behind one another; the last one may be cut off. */
uint64_t subbuf_count(const struct subbuf_layout *layout, const void *pages, size_t len);

#endif
