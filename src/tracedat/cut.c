/* SPDX-License-Identifier: MIT */
#include "tracedat/cut.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "ring/page_writer.h"

struct dat_cut {
	const char *path;
	struct subbuf_layout layout;
	struct dat_stream *stream;
	const uint8_t *page; /* at hand: borrowed from the stream; NULL: none */
	uint32_t len;	     /* of page */
	struct subbuf_cursor cursor;
	bool at_start; /* no record of the page has been passed */
	uint8_t *made; /* a page that is put together */
	/* with a choice */
	const struct dat_choice *choice;
	struct page_writer pages; /* over `made` */
	uint64_t number;	  /* of the next record */
	int64_t lost;		  /* before it, not yet written */
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

/* --- chosen records --- */

int dat_choice_add(struct dat_choice *choice, uint64_t number)
{
	const size_t word = (size_t)(number / 64);

	if (word >= choice->nr) {
		if (array_reserve(&choice->bits, &choice->cap, word + 1, sizeof(*choice->bits)) < 0)
			return -ENOMEM;
		memset(choice->bits + choice->nr, 0,
		       (word + 1 - choice->nr) * sizeof(*choice->bits));
		choice->nr = word + 1;
	}
	choice->bits[word] |= 1ull << number % 64;
	return 0;
}

void dat_choice_done(struct dat_choice *choice)
{
	mem_free(choice->bits);
	*choice = (struct dat_choice){0};
}

int dat_cut_choose(struct dat_cut *cut, const struct dat_choice *choice, struct err *err)
{
	cut->made = mem_alloc(cut->layout.size);
	if (!cut->made)
		return err_sys(err, -ENOMEM, "%s", cut->path);
	page_writer_init(&cut->pages, &cut->layout, cut->made);
	cut->choice = choice;
	return 0;
}

/* Store the page that is being made, if it holds anything. */
static int store_made(struct dat_cut *cut, struct dat_writer *writer, struct err *err)
{
	int r = 0;

	if (page_writer_finish(&cut->pages))
		r = dat_writer_pages(writer, cut->made, cut->layout.size, err);
	page_writer_next(&cut->pages);
	return r;
}

/* A loss stands in the head of a page. */
static int put_lost(struct dat_cut *cut, struct dat_writer *writer, struct err *err)
{
	int r = store_made(cut, writer, err);

	if (cut->lost == SUBBUF_LOST_UNKNOWN)
		page_writer_lose_some(&cut->pages);
	else
		page_writer_lose(&cut->pages, (uint64_t)cut->lost);
	cut->lost = 0;
	return r;
}

/* `before`: where the record before it ends. */
static int put_record(struct dat_cut *cut, const struct subbuf_record *record,
		      const uint8_t *before, struct dat_writer *writer, struct err *err)
{
	int r = cut->lost ? put_lost(cut, writer, err) : 0;

	if (r < 0 || page_writer_add(&cut->pages, record->ts, record->data, record->len))
		return r;
	r = store_made(cut, writer, err);
	if (r < 0 || page_writer_add(&cut->pages, record->ts, record->data, record->len))
		return r;
	/* So large that a count of lost events would not fit behind it. */
	return write_part(cut, record_start(cut, before, record), cut->cursor.pos, &record->ts,
			  writer, err);
}

/* Pass over up to *nr records of the page at hand, as pass_page. */
static int choose_page(struct dat_cut *cut, uint64_t *nr, struct dat_writer *writer,
		       struct err *err)
{
	struct subbuf_record record;
	int r = 0;

	if (cut->at_start)
		cut->lost = subbuf_lost_sum(cut->lost, cut->cursor.lost);
	cut->at_start = false;
	while (r == 0 && *nr) {
		const uint8_t *before = cut->cursor.pos;

		if (!subbuf_next(&cut->cursor, &record))
			break;
		if (!writer)
			cut->lost = 0;
		else if (dat_choice_has(cut->choice, cut->number))
			r = put_record(cut, &record, before, writer, err);
		cut->number++;
		--*nr;
	}
	return r;
}

static int pass_records(struct dat_cut *cut, uint64_t nr, struct dat_writer *writer,
			struct err *ret_damage, struct err *err)
{
	while (nr) {
		int r;

		if (!cut->page || cut->cursor.pos >= cut->cursor.end) {
			r = next_page(cut, ret_damage, err);
			if (r <= 0)
				return r;
		}
		r = cut->choice ? choose_page(cut, &nr, writer, err)
				: pass_page(cut, &nr, writer, err);
		if (r < 0)
			return r;
		if (nr)
			cut->page = NULL;
	}
	return 0;
}

int dat_cut_records(struct dat_cut *cut, uint64_t nr, struct dat_writer *writer,
		    struct err *ret_damage, struct err *err)
{
	int r = pass_records(cut, nr, writer, ret_damage, err);

	return r == 0 && writer && cut->choice ? store_made(cut, writer, err) : r;
}
