/* SPDX-License-Identifier: MIT */
#include "tracedat/cut.h"

#include "base/fault.h"
#include "base/test.h"
#include "tracedat/build_test.h"

/*
 * Pages with all that a cut has to mind: time extends before the first and between records, a
 * discarded record, a long one, losses. Records carry their number; this one returns how many there
 * are, and the times they have.
 */
enum {
	NR_PAGES = 6,
	PER_PAGE = 5,
	NR = NR_PAGES * PER_PAGE,
	PAGE = 512
};

struct maker {
	bool big;
	uint8_t *p;
};

static void word(struct maker *maker, uint32_t value)
{
	store_u32(maker->p, value, maker->big);
	maker->p += 4;
}

static void head(struct maker *maker, uint32_t type_len, uint32_t delta)
{
	word(maker, maker->big ? type_len << 27 | delta : type_len | delta << 5);
}

static uint64_t time_of(uint32_t nr)
{
	uint32_t in_page = nr % PER_PAGE;

	/* 1 for the extend at the begin, 10 a record, 7 discarded, an extend of 2^27. */
	return nr / PER_PAGE * (1ull << 30) + 1000 + 1 + 10 * in_page + (in_page > 1 ? 7 : 0) +
	       (in_page > 2 ? 1ull << 27 : 0);
}

static int64_t lost_before(uint32_t nr)
{
	if (nr % PER_PAGE || nr == 0)
		return 0;
	return nr / PER_PAGE == 3 ? SUBBUF_LOST_UNKNOWN : (int64_t)(nr / PER_PAGE) * 100;
}

static void make_record(struct maker *maker, uint32_t nr)
{
	uint32_t in_page = nr % PER_PAGE;

	if (in_page == 0) {
		head(maker, SUBBUF_TIME_EXTEND, 1);
		word(maker, 0);
	}
	if (in_page == 2) {
		head(maker, SUBBUF_PADDING, 7);
		word(maker, 8);
		word(maker, 0xabab);
	}
	if (in_page == 3) {
		head(maker, SUBBUF_TIME_EXTEND, 0);
		word(maker, 1);
	}
	if (in_page == 4) {
		head(maker, 0, 10);
		word(maker, 12);
	} else {
		head(maker, 2, in_page ? 10 : 0);
	}
	word(maker, nr);
	word(maker, ~nr);
}

static void make_page(const struct subbuf_layout *layout, uint32_t index, uint8_t *page)
{
	uint32_t start = subbuf_header_bytes(layout);
	struct maker maker = {layout->big_endian, page + start};
	int64_t lost = lost_before(index * PER_PAGE);
	uint64_t commit;

	memset(page, 0, PAGE);
	for (uint32_t i = 0; i < PER_PAGE; i++)
		make_record(&maker, index * PER_PAGE + i);
	commit = (uint64_t)(maker.p - page) - start;
	if (lost)
		commit |= SUBBUF_MISSED_EVENTS;
	if (lost > 0) {
		commit |= SUBBUF_MISSED_STORED;
		if (layout->long_size == 8)
			store_u64(maker.p, (uint64_t)lost, layout->big_endian);
		else
			store_u32(maker.p, (uint32_t)lost, layout->big_endian);
	}
	store_u64(page, index * (1ull << 30) + 1000, layout->big_endian);
	if (layout->long_size == 8)
		store_u64(page + 8, commit, layout->big_endian);
	else
		store_u32(page + 8, (uint32_t)commit, layout->big_endian);
}

static struct build kind(int number)
{
	return (struct build){
		.version = 7,
		.compression = number & 1 ? DAT_ZSTD : DAT_NONE,
		.big = number & 2,
		.long_size = number & 4 ? 4 : 8,
		.page_size = PAGE,
		.nr_cpus = 1,
	};
}

static int begin(struct dat_writer **ret, const struct build *b, const char *path, struct err *err)
{
	struct dat_write_options options = build_options(b);
	struct build_metadata m;
	int r = dat_writer_open(ret, path, &options, err);

	if (r < 0)
		return r;
	r = dat_writer_metadata(*ret, build_metadata(b, &m), err);
	if (r == 0)
		r = dat_writer_buffer_begin(*ret, "", "local", PAGE, 1, err);
	if (r == 0)
		r = dat_writer_cpu(*ret, 0, err);
	if (r < 0)
		dat_writer_abort(*ret);
	return r;
}

static int end(struct dat_writer *writer, struct err *err)
{
	int r = dat_writer_buffer_end(writer, err);

	if (r < 0) {
		dat_writer_abort(writer);
		return r;
	}
	return dat_writer_finish(writer, err);
}

static void make_file(const struct build *b, const char *path)
{
	struct subbuf_layout layout = {PAGE, b->long_size, b->big};
	struct err err = {0};
	struct dat_writer *writer;
	uint8_t page[PAGE];

	CHECK_EQ(begin(&writer, b, path, &err), 0);
	for (uint32_t i = 0; i < NR_PAGES; i++) {
		make_page(&layout, i, page);
		CHECK_EQ(dat_writer_pages(writer, page, PAGE, &err), 0);
	}
	CHECK_EQ(end(writer, &err), 0);
}

/* The file holds the records [from, to), with their times, and the losses before each but the first
 * where `from` is within a page. */
static void check_file(const char *path, uint32_t from, uint32_t to)
{
	struct dat_stream *stream;
	struct dat_chunk *chunk;
	struct err err = {0};
	struct dat *dat;
	const uint8_t *page;
	uint32_t len, nr = from;

	CHECK_EQ(dat_open(&dat, path, &err), 0);
	CHECK_STR(dat->damage.text, "");
	if (from == to) {
		CHECK_EQ(dat->buffers[0].nr_cpus, 0);
		dat_close(dat);
		return;
	}
	CHECK_EQ(dat_stream_open(&stream, dat, 0, 0, &err), 0);
	while (dat_stream_next(stream, &page, &len, &chunk, &err) > 0) {
		struct subbuf_cursor cursor;
		struct subbuf_record record;

		CHECK_EQ(subbuf_open(&cursor, &dat->buffers[0].layout, page, len), 0);
		CHECK_EQ(cursor.lost, lost_before(nr));
		while (subbuf_next(&cursor, &record)) {
			CHECK_EQ(load_u32(record.data, dat->big_endian), nr);
			CHECK_EQ(load_u32(record.data + 4, dat->big_endian), ~nr);
			CHECK_EQ(record.ts, time_of(nr));
			nr++;
		}
		CHECK(!cursor.corrupt);
	}
	CHECK_EQ(nr, to);
	dat_stream_close(stream);
	dat_close(dat);
}

static int cut(const struct build *b, const char *from_path, const char *to_path, uint32_t from,
	       uint32_t to)
{
	struct err err = {0}, damage = {0};
	struct dat_writer *writer;
	struct dat_cut *cut;
	struct dat *dat;
	int r = dat_open(&dat, from_path, &err);

	if (r < 0)
		return r;
	if (dat->damage.code) {
		r = dat->damage.code;
		dat_close(dat);
		return r;
	}
	r = dat_cut_open(&cut, dat, 0, 0, &err);
	if (r == 0)
		r = dat_cut_records(cut, from, NULL, &damage, &err);
	else
		cut = NULL;
	if (r == 0)
		r = begin(&writer, b, to_path, &err);
	if (r == 0) {
		r = dat_cut_records(cut, to - from, writer, &damage, &err);
		if (r < 0)
			dat_writer_abort(writer);
		else
			r = end(writer, &err);
	}
	dat_cut_close(cut);
	dat_close(dat);
	return r < 0 ? r : damage.code;
}

/* Every third record and the last page as a whole; the losses of what is left out go on. */
static bool chosen(uint32_t nr)
{
	return nr % 3 == 1 || nr >= NR - PER_PAGE;
}

/* What was lost before record `nr` and, in a row, before those in front of it that are left out. */
static int64_t lost_before_chosen(uint32_t nr)
{
	int64_t lost = lost_before(nr);

	while (nr > 0 && !chosen(nr - 1))
		lost = subbuf_lost_sum(lost, lost_before(--nr));
	return lost;
}

static void check_chosen(const char *path)
{
	struct dat_stream *stream;
	struct dat_chunk *chunk;
	struct err err = {0};
	struct dat *dat;
	const uint8_t *page;
	uint32_t len, nr = 0;

	CHECK_EQ(dat_open(&dat, path, &err), 0);
	CHECK_EQ(dat_stream_open(&stream, dat, 0, 0, &err), 0);
	while (dat_stream_next(stream, &page, &len, &chunk, &err) > 0) {
		struct subbuf_cursor cursor;
		struct subbuf_record record;
		bool first = true;

		CHECK_EQ(subbuf_open(&cursor, &dat->buffers[0].layout, page, len), 0);
		for (; subbuf_next(&cursor, &record); nr++, first = false) {
			while (nr < NR && !chosen(nr))
				nr++;
			CHECK_EQ(load_u32(record.data, dat->big_endian), nr);
			CHECK_EQ(record.ts, time_of(nr));
			CHECK_EQ(first ? cursor.lost : 0, lost_before_chosen(nr));
		}
		CHECK(!cursor.corrupt);
	}
	CHECK_EQ(nr, NR);
	dat_stream_close(stream);
	dat_close(dat);
}

static int cut_chosen(const struct build *b, const char *from_path, const char *to_path,
		      const struct dat_choice *choice)
{
	struct err err = {0}, damage = {0};
	struct dat_writer *writer;
	struct dat_cut *cut = NULL;
	struct dat *dat;
	int r = dat_open(&dat, from_path, &err);

	if (r < 0)
		return r;
	r = dat->damage.code ? dat->damage.code : dat_cut_open(&cut, dat, 0, 0, &err);
	if (r == 0)
		r = dat_cut_choose(cut, choice, &err);
	if (r == 0)
		r = begin(&writer, b, to_path, &err);
	if (r == 0) {
		r = dat_cut_records(cut, NR + 7, writer, &damage, &err);
		if (r < 0)
			dat_writer_abort(writer);
		else
			r = end(writer, &err);
	}
	dat_cut_close(cut);
	dat_close(dat);
	return r < 0 ? r : damage.code;
}

static int make_choice(struct dat_choice *choice)
{
	int r = 0;

	for (uint32_t i = 0; i < NR && r == 0; i++)
		if (chosen(i))
			r = dat_choice_add(choice, i);
	return r;
}

TEST(chosen_records)
{
	for (int number = 0; number < 8; number++) {
		struct build b = kind(number);
		struct dat_choice choice = {0};
		char path[256], piece[256];

		build_path(path, sizeof(path), "whole.dat");
		build_path(piece, sizeof(piece), "piece.dat");
		make_file(&b, path);
		CHECK_EQ(make_choice(&choice), 0);
		CHECK(!dat_choice_has(&choice, NR) && !dat_choice_has(&choice, 1000000));
		CHECK_EQ(cut_chosen(&b, path, piece, &choice), 0);
		check_chosen(piece);
		dat_choice_done(&choice);
		unlink(path);
		unlink(piece);
		if (test_failed)
			return;
	}
}

TEST(every_cut)
{
	for (int number = 0; number < 8; number++) {
		struct build b = kind(number);
		char path[256], piece[256];

		build_path(path, sizeof(path), "whole.dat");
		build_path(piece, sizeof(piece), "piece.dat");
		make_file(&b, path);
		check_file(path, 0, NR);
		if (test_failed)
			return;
		for (uint32_t from = 0; from < NR; from += 1 + from % 2)
			for (uint32_t to = from; to <= NR; to++) {
				CHECK_EQ(cut(&b, path, piece, from, to), 0);
				check_file(piece, from, to);
				if (test_failed) {
					printf("# kind %d, from %u to %u\n", number, from, to);
					return;
				}
			}
		unlink(path);
		unlink(piece);
	}
}

/* Asked for more than there is: what there is. */
TEST(beyond_the_end)
{
	struct build b = kind(1);
	char path[256], piece[256];

	build_path(path, sizeof(path), "whole.dat");
	build_path(piece, sizeof(piece), "piece.dat");
	make_file(&b, path);
	CHECK_EQ(cut(&b, path, piece, NR - 2, NR + 1000), 0);
	check_file(piece, NR - 2, NR);
	unlink(path);
	unlink(piece);
}

static void sweep_cutting(enum fault_what what, bool choose)
{
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = what, .code = -EIO};
	struct build b = kind(1);
	struct dat_choice choice = {0};
	char path[256], piece[256];

	build_path(path, sizeof(path), "whole.dat");
	build_path(piece, sizeof(piece), "piece.dat");
	make_file(&b, path);
	CHECK_EQ(make_choice(&choice), 0);
	while (fault_next(&sweep)) {
		int r = choose ? cut_chosen(&b, path, piece, &choice)
			       : cut(&b, path, piece, 3, NR - 3);

		fault_pause();
		CHECK(r == 0 || fault_fired());
		if (r == 0 && choose)
			check_chosen(piece);
		else if (r == 0)
			check_file(piece, 3, NR - 3);
		if (test_failed)
			return;
	}
	dat_choice_done(&choice);
	unlink(path);
	unlink(piece);
}

TEST(sweep_io)
{
	sweep_cutting(FAULT_IO, false);
	sweep_cutting(FAULT_IO, true);
}

TEST(sweep_short)
{
	sweep_cutting(FAULT_SHORT, false);
	sweep_cutting(FAULT_SHORT, true);
}

TEST(sweep_memory)
{
	sweep_cutting(FAULT_MEM, false);
	sweep_cutting(FAULT_MEM, true);
}

TEST(clean_up)
{
	CHECK_EQ(rmdir(build_dir()), 0);
}

TEST_MAIN()
