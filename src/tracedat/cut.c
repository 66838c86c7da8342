/* SPDX-License-Identifier: MIT */
#include "tracedat/cut.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

struct dat_cut {
	const char *path;
	struct subbuf_layout layout;
	struct dat_stream *stream;
	const uint8_t *page; /* at hand: borrowed from the stream; NULL: none */
	uint32_t len;	     /* of page */
	struct subbuf_cursor cursor;
	bool at_start; /* no record of the page has been passed */
	uint8_t *made; /* a page that is put together */
};

int dat_cut_open(struct dat_cut **ret_cut, struct dat *dat, size_t buffer, size_t cpu_index,
		 struct err *err)
{
	struct dat_cut *cut = mem_zalloc(sizeof(*cut));
	int r;

	if (!cut)
		return err_sys(err, -ENOMEM, "%s", dat->path);
	r = dat_stream_open(&cut->stream, dat, buffer, cpu_index, err);
	if (r < 0) {
		mem_free(cut);
		return r;
	}
	cut->path = dat->path;
	cut->layout = dat->buffers[buffer].layout;
	*ret_cut = cut;
	return 0;
}

void dat_cut_close(struct dat_cut *cut)
{
	if (!cut)
		return;
	dat_stream_close(cut->stream);
	mem_free(cut->made);
	mem_free(cut);
}

/* The next page: 1, 0 at the end, or an error that is more than damage. */
static int next_page(struct dat_cut *cut, struct err *ret_damage, struct err *err)
{
	for (;;) {
		struct err told = {0};
		struct dat_chunk *chunk;
		int r = dat_stream_next(cut->stream, &cut->page, &cut->len, &chunk, &told);

		if (r > 0) {
			if (subbuf_open(&cut->cursor, &cut->layout, cut->page, cut->len) < 0 &&
			    !ret_damage->code)
				err_set(ret_damage, -EBADMSG, "%s: a page is damaged", cut->path);
			cut->at_start = true;
			return 1;
		}
		cut->page = NULL;
		if (r == 0)
			return 0;
		if (r == -ENOMEM) {
			if (err)
				*err = told;
			return r;
		}
		if (!ret_damage->code)
			*ret_damage = told;
	}
}

/* Where the record behind `pos` begins: time extends and discarded records before it are passed. */
static const uint8_t *record_start(const struct dat_cut *cut, const uint8_t *pos,
				   const struct subbuf_record *record)
{
	const bool big = cut->layout.big_endian;

	for (;;) {
		uint32_t head = load_u32(pos, big), word;
		uint32_t type_len = big ? head >> 27 : head & 31;

		if (type_len <= SUBBUF_DATA_MAX || pos + 8 >= record->data)
			return pos;
		word = load_u32(pos + 4, big);
		pos += type_len == SUBBUF_PADDING ? 4 + ((word + 3u) & ~3u) : 8;
	}
}

static void put_commit(const struct dat_cut *cut, uint8_t *page, uint64_t commit)
{
	if (cut->layout.long_size == 8)
		store_u64(page + 8, commit, cut->layout.big_endian);
	else
		store_u32(page + 8, (uint32_t)commit, cut->layout.big_endian);
}

/* The number of lost records behind the data, as in the page it comes from. */
static uint64_t keep_losses(const struct dat_cut *cut, uint8_t *page, uint32_t end)
{
	const uint8_t long_size = cut->layout.long_size;
	int64_t lost = cut->cursor.lost;

	if (!lost)
		return 0;
	if (lost == SUBBUF_LOST_UNKNOWN || end + long_size > cut->layout.size)
		return SUBBUF_MISSED_EVENTS;
	if (long_size == 8)
		store_u64(page + end, (uint64_t)lost, cut->layout.big_endian);
	else
		store_u32(page + end, (uint32_t)lost, cut->layout.big_endian);
	return SUBBUF_MISSED_EVENTS | SUBBUF_MISSED_STORED;
}

/*
 * A page with the records in [start, end) of the page at hand. `first` is the time of the first
 * when that is not the page's own first: the page then begins at that time, and the record with a
 * delta of 0.
 */
static int write_part(struct dat_cut *cut, const uint8_t *start, const uint8_t *end,
		      const uint64_t *first, struct dat_writer *writer, struct err *err)
{
	const bool big = cut->layout.big_endian;
	const uint32_t head = subbuf_header_bytes(&cut->layout);
	const uint32_t len = (uint32_t)(end - start);
	uint64_t commit = len;

	if (!cut->made)
		cut->made = mem_alloc(cut->layout.size);
	if (!cut->made)
		return err_sys(err, -ENOMEM, "%s", cut->path);
	memset(cut->made, 0, cut->layout.size);
	memcpy(cut->made, cut->page, head);
	memcpy(cut->made + head, start, len);
	if (first) {
		uint32_t word = load_u32(start, big);

		store_u64(cut->made, *first, big);
		store_u32(cut->made + head, big ? word & ~SUBBUF_DELTA_MASK : word & 31, big);
	} else {
		commit |= keep_losses(cut, cut->made, head + len);
	}
	put_commit(cut, cut->made, commit);
	return dat_writer_pages(writer, cut->made, cut->layout.size, err);
}

/* Pass over up to *nr records of the page at hand; *nr is what is left. */
static int pass_page(struct dat_cut *cut, uint64_t *nr, struct dat_writer *writer, struct err *err)
{
	const uint8_t *before = cut->cursor.pos, *start = before, *end = before;
	const bool whole = cut->at_start;
	struct subbuf_record record;
	uint64_t first = 0;
	bool any = false, more = true;

	while (*nr && (more = subbuf_next(&cut->cursor, &record))) {
		if (!any && !whole) {
			start = record_start(cut, before, &record);
			first = record.ts;
		}
		any = true;
		end = cut->cursor.pos;
		--*nr;
	}
	cut->at_start &= !any;
	if (!writer || (!any && !(whole && !more)))
		return 0;
	if (whole && (!more || end == cut->cursor.end) && cut->len == cut->layout.size &&
	    !cut->cursor.corrupt)
		return dat_writer_pages(writer, cut->page, cut->len, err);
	return any ? write_part(cut, start, end, whole ? NULL : &first, writer, err) : 0;
}

int dat_cut_records(struct dat_cut *cut, uint64_t nr, struct dat_writer *writer,
		    struct err *ret_damage, struct err *err)
{
	while (nr) {
		int r;

		if (!cut->page || cut->cursor.pos >= cut->cursor.end) {
			r = next_page(cut, ret_damage, err);
			if (r <= 0)
				return r;
		}
		r = pass_page(cut, &nr, writer, err);
		if (r < 0)
			return r;
		if (nr)
			cut->page = NULL;
	}
	return 0;
}
