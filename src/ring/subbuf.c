/* SPDX-License-Identifier: MIT */
#include "ring/subbuf.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/mem.h"

/* An absolute stamp holds 59 bits; the rest comes from the running time (kernel: TS_MSB). */
#define TS_MSB_MASK (0xf8ull << 56)

uint64_t subbuf_time(const struct subbuf_layout *layout, const void *page)
{
	return load_u64(page, layout->big_endian);
}

static int64_t lost_count(const struct subbuf_layout *layout, const uint8_t *page, uint64_t commit,
			  uint64_t data_end, uint32_t avail)
{
	int64_t lost;

	if (!(commit & SUBBUF_MISSED_EVENTS))
		return 0;
	if (!(commit & SUBBUF_MISSED_STORED) || data_end + layout->long_size > avail)
		return SUBBUF_LOST_UNKNOWN;
	lost = load_int(page + data_end, layout->long_size, layout->big_endian);
	return lost > 0 ? lost : SUBBUF_LOST_UNKNOWN;
}

int subbuf_open(struct subbuf_cursor *ret_cursor, const struct subbuf_layout *layout,
		const void *page, uint32_t avail)
{
	uint32_t head = subbuf_header_bytes(layout);
	const uint8_t *bytes = page;
	uint64_t commit, len;
	bool whole = true;

	avail = MIN(avail, layout->size);
	*ret_cursor = (struct subbuf_cursor){.pos = bytes, .end = bytes};
	ret_cursor->big_endian = layout->big_endian;
	if (avail < head)
		return -EBADMSG;
	commit = load_uint(bytes + 8, layout->long_size, layout->big_endian);
	len = commit & SUBBUF_COMMIT_MASK;
	if (len > avail - head) {
		len = avail - head;
		whole = false;
	}
	ret_cursor->ts = load_u64(bytes, layout->big_endian);
	ret_cursor->pos = bytes + head;
	ret_cursor->end = bytes + head + len;
	ret_cursor->lost = whole ? lost_count(layout, bytes, commit, head + len, avail) : 0;
	ret_cursor->corrupt = !whole;
	return whole ? 0 : -EBADMSG;
}

static int stop(struct subbuf_cursor *cursor, bool corrupt)
{
	cursor->pos = cursor->end;
	cursor->corrupt |= corrupt;
	return 0;
}

/* A record or padding whose length stands in the word behind the header. */
static int next_long(struct subbuf_cursor *cursor, struct subbuf_record *ret_rec, bool padding)
{
	const uint8_t *p = cursor->pos;
	const uint32_t room = (uint32_t)(cursor->end - p) - 4;
	uint32_t head = load_u32(p, cursor->big_endian);
	uint32_t word = load_u32(p + 4, cursor->big_endian), len;

	if (word < 4 || word > room)
		return stop(cursor, true);
	cursor->ts += cursor->big_endian ? head & SUBBUF_DELTA_MASK : head >> 5;
	/* Rounded up to words, but never out of the page: its end need not be a multiple of 4. */
	len = MIN((word + 3u) & ~3u, room);
	cursor->pos = p + 4 + len;
	if (padding)
		return 1;
	*ret_rec = (struct subbuf_record){cursor->ts, p + 8, len - 4};
	return 1;
}

/* A time extend or absolute stamp. */
static void next_time(struct subbuf_cursor *cursor, uint32_t delta, uint32_t word, bool absolute)
{
	uint64_t time = ((uint64_t)word << 27) + delta;

	cursor->ts =
		absolute ? (cursor->ts & TS_MSB_MASK) | (time & ~TS_MSB_MASK) : cursor->ts + time;
	cursor->pos += 8;
}

int subbuf_next_slow(struct subbuf_cursor *cursor, struct subbuf_record *ret_rec)
{
	const bool big = cursor->big_endian;

	for (;;) {
		const uint8_t *p = cursor->pos;
		size_t left = (size_t)(cursor->end - p);
		uint32_t head, type_len, delta;

		if (left < 4)
			return stop(cursor, left != 0);
		head = load_u32(p, big);
		type_len = big ? head >> 27 : head & 31;
		delta = big ? head & SUBBUF_DELTA_MASK : head >> 5;
		if (type_len - 1u < SUBBUF_DATA_MAX) {
			if (type_len * 4 > left - 4)
				return stop(cursor, true);
			return subbuf_next(cursor, ret_rec);
		}
		if (type_len == SUBBUF_PADDING && delta == 0)
			return stop(cursor, false); /* the rest of the page is void */
		if (left < 8)
			return stop(cursor, true);
		if (type_len >= SUBBUF_TIME_EXTEND) {
			next_time(cursor, delta, load_u32(p + 4, big),
				  type_len == SUBBUF_TIME_STAMP);
			continue;
		}
		if (!next_long(cursor, ret_rec, type_len == SUBBUF_PADDING))
			return 0;
		if (type_len != SUBBUF_PADDING)
			return 1;
	}
}

uint64_t subbuf_count(const struct subbuf_layout *layout, const void *pages, size_t len)
{
	struct subbuf_cursor cursor;
	struct subbuf_record record;
	uint64_t count = 0;

	for (size_t at = 0; at < len; at += layout->size) {
		uint32_t avail = (uint32_t)MIN(len - at, layout->size);

		if (subbuf_open(&cursor, layout, (const uint8_t *)pages + at, avail) < 0)
			continue;
		while (subbuf_next(&cursor, &record))
			count++;
	}
	return count;
}
