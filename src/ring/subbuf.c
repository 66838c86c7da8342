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
	if (!(commit & SUBBUF_MISSED_EVENTS))
		return 0;
	if (!(commit & SUBBUF_MISSED_STORED) || data_end + layout->long_size > avail)
		return SUBBUF_LOST_UNKNOWN;
	return load_int(page + data_end, layout->long_size, layout->big_endian);
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

int subbuf_next(struct subbuf_cursor *cursor, struct subbuf_record *ret_rec)
{
	const bool big = cursor->big_endian;

	for (;;) {
		const uint8_t *p = cursor->pos;
		uint64_t left = (uint64_t)(cursor->end - p);
		uint32_t head, type_len, delta, word;

		if (left < 4)
			return stop(cursor, left != 0);
		head = load_u32(p, big);
		type_len = big ? head >> 27 : head & 31;
		delta = big ? head & 0x07ffffff : head >> 5;
		if (__builtin_expect(type_len - 1u < SUBBUF_DATA_MAX, 1)) {
			uint32_t len = type_len * 4;

			if (len > left - 4)
				return stop(cursor, true);
			cursor->pos = p + 4 + len;
			cursor->ts += delta;
			*ret_rec = (struct subbuf_record){cursor->ts, p + 4, len};
			return 1;
		}
		if (type_len == SUBBUF_PADDING && delta == 0)
			return stop(cursor, false); /* the rest of the page is void */
		if (left < 8)
			return stop(cursor, true);
		word = load_u32(p + 4, big);
		if (type_len == SUBBUF_TIME_EXTEND) {
			cursor->ts += ((uint64_t)word << 27) + delta;
			cursor->pos = p + 8;
			continue;
		}
		if (type_len == SUBBUF_TIME_STAMP) {
			uint64_t stamp = ((uint64_t)word << 27) + delta;

			cursor->ts = (cursor->ts & TS_MSB_MASK) | (stamp & ~TS_MSB_MASK);
			cursor->pos = p + 8;
			continue;
		}
		/* Left: a long record or a discarded one; both give their length in the word. */
		if (word < 4 || word > left - 4)
			return stop(cursor, true);
		cursor->ts += delta;
		word = (word + 3u) & ~3u;
		cursor->pos = word > left - 4 ? cursor->end : p + 4 + word;
		if (type_len == SUBBUF_PADDING)
			continue;
		*ret_rec = (struct subbuf_record){cursor->ts, p + 8, word - 4};
		if (cursor->pos == cursor->end && ret_rec->len > (uint64_t)(cursor->end - (p + 8)))
			ret_rec->len = (uint32_t)(cursor->end - (p + 8));
		return 1;
	}
}
