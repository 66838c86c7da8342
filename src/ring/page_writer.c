/* SPDX-License-Identifier: MIT */
#include "ring/page_writer.h"

#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

#define HEAD_BYTES   4u
#define EXTEND_BYTES 8u
#define SHORT_MAX    (SUBBUF_DATA_MAX * 4u)

void page_writer_init(struct page_writer *writer, const struct subbuf_layout *layout, void *page)
{
	*writer = (struct page_writer){.layout = *layout, .page = page};
}

/* Room for records: the lost count has its place behind them. */
static uint32_t capacity(const struct subbuf_layout *layout)
{
	return layout->size - subbuf_header_bytes(layout) - layout->long_size;
}

uint32_t page_writer_room(const struct subbuf_layout *layout)
{
	return (capacity(layout) - 2 * HEAD_BYTES) & ~3u;
}

static void put_head(struct page_writer *writer, uint32_t type_len, uint32_t delta)
{
	const bool big = writer->layout.big_endian;
	uint8_t *p = writer->page + subbuf_header_bytes(&writer->layout) + writer->used;

	store_u32(p, big ? type_len << 27 | delta : delta << 5 | type_len, big);
	writer->used += HEAD_BYTES;
}

static void put_word(struct page_writer *writer, uint32_t word)
{
	store_u32(writer->page + subbuf_header_bytes(&writer->layout) + writer->used, word,
		  writer->layout.big_endian);
	writer->used += 4;
}

bool page_writer_add(struct page_writer *writer, uint64_t ts, const void *data, uint32_t len)
{
	const uint32_t padded = (len + 3u) & ~3u;
	/* Length 0 would read as "stands in the next word". */
	const bool is_long = padded > SHORT_MAX || !padded;
	uint32_t need = HEAD_BYTES + (is_long ? 4 : 0) + padded;
	uint64_t delta;
	uint8_t *to;

	if (!writer->used) {
		store_u64(writer->page, ts, writer->layout.big_endian);
		writer->ts = ts;
	}
	ts = MAX(ts, writer->ts);
	delta = ts - writer->ts;
	need += delta > SUBBUF_DELTA_MASK ? EXTEND_BYTES : 0;
	if (len > page_writer_room(&writer->layout) ||
	    need > capacity(&writer->layout) - writer->used)
		return false;
	if (delta > SUBBUF_DELTA_MASK) {
		put_head(writer, SUBBUF_TIME_EXTEND, (uint32_t)delta & SUBBUF_DELTA_MASK);
		put_word(writer, (uint32_t)(delta >> 27));
		delta = 0;
	}
	put_head(writer, is_long ? 0 : padded / 4, (uint32_t)delta);
	if (is_long)
		put_word(writer, padded + 4);
	to = writer->page + subbuf_header_bytes(&writer->layout) + writer->used;
	memcpy(to, data, len);
	memset(to + len, 0, padded - len);
	writer->used += padded;
	writer->ts = ts;
	return true;
}

void page_writer_lose(struct page_writer *writer, uint64_t nr)
{
	*(writer->used ? &writer->lost_since : &writer->lost) += nr;
}

void page_writer_lose_some(struct page_writer *writer)
{
	writer->lost_some = true;
}

bool page_writer_finish(struct page_writer *writer)
{
	const struct subbuf_layout *layout = &writer->layout;
	uint32_t head = subbuf_header_bytes(layout);
	uint32_t commit = writer->used;
	uint8_t *rest = writer->page + head + writer->used;

	if (!writer->used && !writer->lost && !writer->lost_some)
		return false;
	if (!writer->used)
		store_u64(writer->page, writer->ts, layout->big_endian);
	memset(rest, 0, layout->size - head - writer->used);
	if (writer->lost_some) {
		commit |= SUBBUF_MISSED_EVENTS;
	} else if (writer->lost) {
		commit |= SUBBUF_MISSED_EVENTS | SUBBUF_MISSED_STORED;
		if (layout->long_size == 8)
			store_u64(rest, writer->lost, layout->big_endian);
		else
			store_u32(rest, (uint32_t)writer->lost, layout->big_endian);
	}
	if (layout->long_size == 8)
		store_u64(writer->page + 8, commit, layout->big_endian);
	else
		store_u32(writer->page + 8, commit, layout->big_endian);
	return true;
}

void page_writer_next(struct page_writer *writer)
{
	writer->used = 0;
	writer->lost = writer->lost_since;
	writer->lost_since = 0;
	writer->lost_some = false;
}
