/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/io.h"
#include "base/test.h"
#include "tracedat/build_test.h"
#include "tracedat/partial.h"

static const struct build small = {
	.version = 7,
	.compression = DAT_ZSTD,
	.long_size = 8,
	.page_size = 4096,
	.instance_page_size = 8192,
	.nr_cpus = 4,
	.nr_pages = 75,
};

static int create(struct dat_partial **ret, const struct build *b, const char *dir, struct err *err)
{
	const struct dat_partial_buffer buffers[] = {
		{"inst", "mono", b->instance_page_size, b->nr_cpus},
		{"", "global", b->page_size, b->nr_cpus},
	};
	struct dat_write_options options = build_options(b);
	struct build_metadata m;

	return dat_partial_create(ret, dir, &options, build_metadata(b, &m), buffers, 2, err);
}

/* Pages [from, to) of CPUs 0 and 3 of both buffers, three pages at a time. */
static int append(struct dat_partial *partial, const struct build *b, uint64_t from, uint64_t to,
		  struct err *err)
{
	for (size_t buffer = 0; buffer < 2; buffer++) {
		uint32_t size = buffer ? b->page_size : b->instance_page_size;
		_cleanup_free_ uint8_t *pages = mem_alloc((size_t)size * 3);

		for (uint32_t cpu = 0; pages && cpu < 4; cpu += 3) {
			for (uint64_t i = from; i < to;) {
				size_t nr = 0;
				int r;

				for (; nr < 3 && i < to; nr++, i++)
					build_page(b, size, cpu, i, pages + nr * size);
				r = dat_partial_append(partial, buffer, cpu, pages, nr * size, err);
				if (r < 0)
					return r;
			}
		}
		if (!pages)
			return -ENOMEM;
	}
	return 0;
}

static int flush(struct dat_partial *partial, struct err *err)
{
	int r = 0;

	for (size_t buffer = 0; buffer < 2 && r == 0; buffer++)
		for (uint32_t cpu = 0; cpu < 4 && r == 0; cpu += 3)
			r = dat_partial_flush(partial, buffer, cpu, err);
	return r;
}

static int extras(struct dat_partial *partial, struct err *err)
{
	int r = dat_partial_option(partial, DAT_OPTION_UNAME, "Linux", 6, err);

	if (r == 0)
		r = dat_partial_cmdlines(partial, "1 init\n", 7, err);
	if (r == 0)
		r = dat_partial_cmdlines(partial, "1 init\n2 two\n", 13, err);
	return r;
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void seal_as(int version, enum dat_compression compression, const char *name)
{
	char dir[256], out[256];
	struct build b = small;
	struct dat_partial *partial;
	struct build_seen seen;
	struct err err = {0};
	struct dat *dat;

	b.compression = compression;
	if (version == 6)
		b.instance_page_size = b.page_size;
	snprintf(dir, sizeof(dir), "%s/%s.partial", build_dir(), name);
	build_path(out, sizeof(out), name);
	CHECK_EQ(create(&partial, &b, dir, &err), 0);
	CHECK_EQ(append(partial, &b, 0, b.nr_pages, &err), 0);
	CHECK_EQ(extras(partial, &err), 0);
	CHECK_EQ(dat_partial_seal(partial, out, version, &err), 0);
	CHECK(!exists(dir));
	CHECK_EQ(dat_open(&dat, out, &err), 0);
	CHECK_STR(dat->damage.text, "");
	CHECK_EQ(dat->version, version);
	CHECK_EQ(dat->nr_buffers, 2);
	CHECK_STR(dat->buffers[0].name, "");
	CHECK_STR(dat->buffers[0].clock, "global");
	CHECK_STR(dat->buffers[1].name, "inst");
	CHECK_STR(dat->buffers[1].clock, "mono");
	CHECK_STR(dat->uname, "Linux");
	CHECK_STR(dat->cmdlines.data, "1 init\n2 two\n");
	seen = build_read(dat);
	CHECK_EQ(seen.records, 4ull * b.nr_pages * BUILD_RECORDS);
	CHECK_EQ(seen.wrong + seen.errors, 0);
	dat_close(dat);
	unlink(out);
}

TEST(seal_v7_zstd)
{
	seal_as(7, DAT_ZSTD, "v7zstd.dat");
}

TEST(seal_v7_zlib)
{
	seal_as(7, DAT_ZLIB, "v7zlib.dat");
}

TEST(seal_v7_none)
{
	seal_as(7, DAT_NONE, "v7none.dat");
}

TEST(seal_v6_from_zstd)
{
	seal_as(6, DAT_ZSTD, "v6.dat");
}

TEST(seal_v6_from_none)
{
	seal_as(6, DAT_NONE, "v6none.dat");
}

/* Only the newest of 75 pages: at most 32, at least half of that, in the directory and sealed. */
static void keep(enum dat_compression compression)
{
	const struct dat_partial_buffer buffers[] = {{"", "global", 4096, 4, 32 * 4096}};
	char dir[256], out[256];
	struct build b = small;
	struct build_metadata m;
	struct dat_write_options options;
	struct dat_partial *partial;
	struct subbuf_layout layout = {4096, 8, false};
	uint64_t all = 0, gone;
	struct err err = {0};

	b.compression = compression;
	options = build_options(&b);
	build_path(dir, sizeof(dir), "keep.dat.partial");
	build_path(out, sizeof(out), "keep.dat");
	CHECK_EQ(dat_partial_create(&partial, dir, &options, build_metadata(&b, &m), buffers, 1,
				    &err),
		 0);
	for (uint64_t i = 0; i < b.nr_pages; i++) {
		uint8_t page[4096];

		build_page(&b, 4096, 0, i, page);
		all += subbuf_count(&layout, page, 4096);
		CHECK_EQ(dat_partial_append(partial, 0, 0, page, 4096, &err), 0);
	}
	CHECK_EQ(dat_partial_flush(partial, 0, 0, &err), 0);
	gone = dat_partial_events_gone(partial, 0, 0);
	for (int sealed = 0; sealed < 2; sealed++) {
		const uint8_t *page;
		uint64_t pages = 0, events = 0, last = 0;
		struct dat_stream *stream;
		struct dat_chunk *chunk;
		struct dat *dat;
		uint32_t len;

		CHECK_EQ(dat_open(&dat, sealed ? out : dir, &err), 0);
		CHECK_EQ(dat_stream_open(&stream, dat, 0, 0, &err), 0);
		while (dat_stream_next(stream, &page, &len, &chunk, &err) > 0) {
			pages++;
			last = load_u64(page, false);
			events += subbuf_count(&dat->buffers[0].layout, page, len);
		}
		CHECK(pages >= 16 && pages <= 32);
		CHECK_EQ(gone + events, all);
		CHECK_EQ(last, build_time(0, (b.nr_pages - 1) * 4));
		dat_stream_close(stream);
		dat_close(dat);
		if (!sealed)
			CHECK_EQ(dat_partial_seal(partial, out, 7, &err), 0);
	}
	CHECK(!exists(dir));
	unlink(out);
}

TEST(keep_newest_zstd)
{
	keep(DAT_ZSTD);
}

TEST(keep_newest_none)
{
	keep(DAT_NONE);
}

static void remove_dir(const char *dir)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	CHECK_EQ(system(command), 0);
}

/* One CPU's stream is followed while it grows, and after it has been sealed. */
static void follow(enum dat_compression compression)
{
	char dir[256], out[256];
	struct build b = small;
	struct dat_partial *partial;
	struct dat_stream *stream;
	struct dat_chunk *chunk;
	const uint8_t *page;
	struct err err = {0};
	struct dat *dat;
	uint32_t len;
	int pages = 0;

	b.compression = compression;
	build_path(dir, sizeof(dir), "follow.dat.partial");
	build_path(out, sizeof(out), "follow.dat");
	CHECK_EQ(create(&partial, &b, dir, &err), 0);
	CHECK_EQ(dat_open(&dat, dir, &err), 0);
	CHECK(dat->unfinished);
	CHECK_EQ(dat_stream_open(&stream, dat, 0, 3, &err), 0);
	CHECK_EQ(dat_stream_next(stream, &page, &len, &chunk, &err), 0);
	for (uint64_t i = 0; i < b.nr_pages; i++) {
		CHECK_EQ(append(partial, &b, i, i + 1, &err), 0);
		if (i % 8 == 7)
			CHECK_EQ(flush(partial, &err), 0);
		CHECK_EQ(dat_refresh(dat, &err), 1);
		while (dat_stream_next(stream, &page, &len, &chunk, &err) > 0) {
			CHECK_EQ(load_u64(page, false), build_time(3, (uint64_t)pages * 4));
			pages++;
		}
	}
	CHECK_EQ(pages, compression == DAT_NONE ? 75 : 72);
	CHECK_EQ(dat_partial_seal(partial, out, 7, &err), 0);
	CHECK_EQ(dat_refresh(dat, &err), 0);
	CHECK_EQ(dat->damage.code, 0);
	while (dat_stream_next(stream, &page, &len, &chunk, &err) > 0)
		pages++;
	CHECK_EQ(pages, 75);
	dat_stream_close(stream);
	dat_close(dat);
	unlink(out);
}

/* kill -9 of the recorder: a follower ends, and still says that the recording is not whole. */
TEST(follow_ends_with_the_recorder)
{
	char dir[256];
	struct dat_partial *partial;
	struct err err = {0};
	struct dat *dat;

	build_path(dir, sizeof(dir), "dead.dat.partial");
	CHECK_EQ(create(&partial, &small, dir, &err), 0);
	CHECK_EQ(dat_open(&dat, dir, &err), 0);
	CHECK_EQ(dat_refresh(dat, &err), 1);
	dat_partial_abandon(partial);
	CHECK_EQ(dat_refresh(dat, &err), 0);
	CHECK_EQ(dat->damage.code, -ENODATA);
	dat_close(dat);
	remove_dir(dir);
}

TEST(follow_none)
{
	follow(DAT_NONE);
}

TEST(follow_zstd)
{
	follow(DAT_ZSTD);
}

TEST(abandoned_is_readable)
{
	char dir[256], stream[300];
	struct dat_partial *partial;
	struct build_seen seen;
	struct err err = {0};
	struct dat *dat;
	int fd;

	build_path(dir, sizeof(dir), "left.dat.partial");
	CHECK_EQ(create(&partial, &small, dir, &err), 0);
	CHECK_EQ(append(partial, &small, 0, 20, &err), 0);
	CHECK_EQ(flush(partial, &err), 0);
	CHECK_EQ(dat_open(&dat, dir, &err), 0);
	CHECK_EQ(dat_refresh(dat, &err), 1);
	dat_partial_abandon(partial);
	CHECK_EQ(dat_refresh(dat, &err), 0); /* its recorder is gone */
	CHECK(dat->damage.code < 0);
	dat_close(dat);
	/* A write that was cut in the middle. */
	snprintf(stream, sizeof(stream), "%s/b1.cpu0", dir);
	fd = open(stream, O_WRONLY | O_APPEND);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "\0\1\0\0\0\240\0\0half", 12), 12);
	close(fd);
	CHECK_EQ(dat_open(&dat, dir, &err), 0);
	CHECK(dat->unfinished);
	CHECK(dat->damage.code < 0);
	seen = build_read(dat);
	CHECK_EQ(seen.records, 4ull * 20 * BUILD_RECORDS);
	CHECK_EQ(seen.wrong + seen.errors, 0);
	dat_close(dat);
	remove_dir(dir);
}

/* --- going on after a kill --- */

/* Three pages of CPU 0 of the top buffer, from page `first` on; every other time in haste. */
static int store(struct dat_partial *partial, const struct build *b, uint64_t first,
		 uint64_t *target, struct err *err)
{
	_cleanup_free_ uint8_t *pages = mem_alloc((size_t)b->page_size * 3);

	if (!pages)
		return -ENOMEM;
	for (uint64_t i = 0; i < 3; i++)
		build_page(b, b->page_size, 0, first + i, pages + i * b->page_size);
	return dat_partial_store(partial, 1, 0, pages, (size_t)b->page_size * 3, first % 2, target,
				 err);
}

/* `cut` bytes of the second of two chunks, and the end of an option, did not come to the files. */
static void go_on(enum dat_compression compression, off_t cut)
{
	char dir[256], out[256], path[300];
	struct build b = small;
	struct dat_partial *partial;
	uint64_t sizes[3] = {0};
	struct build_seen seen;
	struct err err = {0};
	struct dat *dat;
	bool whole;
	FILE *file;

	b.compression = compression;
	snprintf(dir, sizeof(dir), "%s/gone-on.partial", build_dir());
	build_path(out, sizeof(out), "gone-on");
	CHECK_EQ(create(&partial, &b, dir, &err), 0);
	CHECK_EQ(store(partial, &b, 0, &sizes[0], &err), 0);
	CHECK_EQ(store(partial, &b, 3, &sizes[1], &err), 0);
	CHECK_EQ(extras(partial, &err), 0);
	snprintf(path, sizeof(path), "%s/b1.cpu0", dir);
	CHECK_EQ(truncate(path, (off_t)sizes[1] - cut), 0);
	snprintf(path, sizeof(path), "%s/options", dir);
	file = fopen(path, "a");
	CHECK(file && fwrite("\1\0\377\0\0\0half", 1, 10, file) == 10);
	fclose(file);

	CHECK_EQ(dat_partial_adopt(partial, &err), 0);
	CHECK_EQ(dat_partial_adopt_stream(partial, 1, 0, sizes[0], sizes[1], &whole, &err), 0);
	CHECK_EQ(whole, cut == 0);
	if (!whole)
		CHECK_EQ(store(partial, &b, 3, &sizes[1], &err), 0);
	CHECK_EQ(store(partial, &b, 6, &sizes[2], &err), 0);
	CHECK(sizes[2] > sizes[1]);
	CHECK_EQ(dat_partial_option(partial, DAT_OPTION_VERSION, "1", 2, &err), 0);
	CHECK_EQ(dat_partial_seal(partial, out, 7, &err), 0);
	CHECK_EQ(dat_open(&dat, out, &err), 0);
	CHECK_STR(dat->damage.text, "");
	CHECK_STR(dat->uname, "Linux");
	seen = build_read(dat);
	CHECK_EQ(seen.records, 9ull * BUILD_RECORDS);
	CHECK_EQ(seen.wrong + seen.errors, 0);
	dat_close(dat);
	unlink(out);
}

TEST(go_on_after_whole)
{
	go_on(DAT_ZSTD, 0);
	go_on(DAT_NONE, 0);
}

TEST(go_on_after_half)
{
	go_on(DAT_ZSTD, 7);
	go_on(DAT_NONE, 7);
	go_on(DAT_NONE, small.page_size);
}

/* --- what was stored in haste --- */

#define NR_STORED 100u

static void made_in_haste(enum dat_compression compression)
{
	const uint64_t raw = (uint64_t)NR_STORED * 3 * small.page_size;
	struct build b = small;
	struct dat_partial *partial;
	char dir[256], out[256];
	uint64_t size = 0;
	struct build_seen seen;
	struct err err = {0};
	struct stat st;
	struct dat *dat;

	b.compression = compression;
	snprintf(dir, sizeof(dir), "%s/haste.partial", build_dir());
	build_path(out, sizeof(out), "haste");
	CHECK_EQ(create(&partial, &b, dir, &err), 0);
	for (uint64_t i = 0; i < NR_STORED; i++) {
		/* Rows of both kinds, and one after the other. */
		bool in_haste = i < 40 ? i >= 5 : i % 2;
		uint64_t before = size;
		_cleanup_free_ uint8_t *pages = mem_alloc((size_t)b.page_size * 3);

		for (uint64_t k = 0; k < 3; k++)
			build_page(&b, b.page_size, 0, 3 * i + k, pages + k * b.page_size);
		CHECK_EQ(dat_partial_store(partial, 1, 0, pages, (size_t)b.page_size * 3, in_haste,
					   &size, &err),
			 0);
		CHECK_EQ(size - before > (uint64_t)b.page_size * 3,
			 in_haste && compression == DAT_ZSTD);
	}
	/* It can be read as it is. */
	CHECK_EQ(dat_open(&dat, dir, &err), 0);
	seen = build_read(dat);
	CHECK_EQ(seen.records, 3ull * NR_STORED * BUILD_RECORDS);
	CHECK_EQ(seen.wrong + seen.errors, 0);
	dat_close(dat);
	CHECK_EQ(dat_partial_seal(partial, out, 7, &err), 0);
	CHECK_EQ(dat_open(&dat, out, &err), 0);
	CHECK_STR(dat->damage.text, "");
	seen = build_read(dat);
	CHECK_EQ(seen.records, 3ull * NR_STORED * BUILD_RECORDS);
	CHECK_EQ(seen.wrong + seen.errors, 0);
	dat_close(dat);
	CHECK_EQ(stat(out, &st), 0);
	if (compression != DAT_NONE)
		CHECK((uint64_t)st.st_size < raw / 2);
	unlink(out);
}

TEST(made_in_haste_with_each_compression)
{
	made_in_haste(DAT_ZSTD);
	made_in_haste(DAT_ZLIB);
	made_in_haste(DAT_NONE);
}

/* --- copies --- */

static struct build_seen seen_in(const char *path)
{
	struct build_seen seen = {.errors = 1};
	struct err err = {0};
	struct dat *dat;

	if (dat_open(&dat, path, &err) < 0)
		return seen;
	seen = build_read(dat);
	dat_close(dat);
	return seen;
}

static void check_records(const char *path, uint64_t nr)
{
	struct build_seen seen = seen_in(path);

	CHECK_EQ(seen.records, nr);
	CHECK_EQ(seen.wrong + seen.errors, 0);
}

/*
 * Of CPU 0 the first of two chunks and a page that is in no stream, of CPU 3 only such a page; the
 * recording goes on without them.
 */
static void copy_part(enum dat_compression compression, int version)
{
	char dir[256], out[256], copy[256];
	struct build b = small;
	_cleanup_free_ uint8_t *page = mem_alloc(2 * (size_t)b.page_size);
	struct dat_partial_end ends[4] = {0};
	const struct dat_partial_part part = {.buffer = 1, .ends = ends};
	struct dat_partial *partial;
	uint64_t sizes[2] = {0};
	struct err err = {0};

	b.compression = compression;
	b.instance_page_size = b.page_size;
	snprintf(dir, sizeof(dir), "%s/parts.partial", build_dir());
	build_path(out, sizeof(out), "parts");
	build_path(copy, sizeof(copy), "parts.copy");
	CHECK_EQ(create(&partial, &b, dir, &err), 0);
	CHECK_EQ(store(partial, &b, 0, &sizes[0], &err), 0);
	CHECK_EQ(store(partial, &b, 3, &sizes[1], &err), 0);
	CHECK(page);
	build_page(&b, b.page_size, 0, 3, page);
	build_page(&b, b.page_size, 3, 0, page + b.page_size);
	ends[0] = (struct dat_partial_end){sizes[0], page, b.page_size};
	ends[3] = (struct dat_partial_end){0, page + b.page_size, b.page_size};
	CHECK_EQ(dat_partial_copy(dir, copy, version, &part, &err), 0);
	check_records(copy, 5ull * BUILD_RECORDS);
	ends[0] = ends[3] = (struct dat_partial_end){sizes[1], NULL, 0};
	CHECK_EQ(dat_partial_copy(dir, copy, version, &part, &err), 0);
	check_records(copy, 6ull * BUILD_RECORDS);
	CHECK_EQ(dat_partial_copy(dir, copy, version, NULL, &err), 0);
	check_records(copy, 6ull * BUILD_RECORDS);
	CHECK_EQ(dat_partial_seal(partial, out, version, &err), 0);
	check_records(out, 6ull * BUILD_RECORDS);
	unlink(copy);
	unlink(out);
}

TEST(copy_of_a_part)
{
	copy_part(DAT_ZSTD, 7);
	copy_part(DAT_NONE, 7);
	copy_part(DAT_ZSTD, 6);
}

/* Where only the newest is kept, all stays as long as a copy needs it. */
TEST(held)
{
	const struct dat_partial_buffer buffers[] = {{"", "global", 4096, 4, 32 * 4096}};
	struct dat_write_options options = build_options(&small);
	struct build_metadata m;
	struct dat_partial *partial;
	struct err err = {0};
	uint64_t held = 0, kept;
	char dir[256];

	build_path(dir, sizeof(dir), "held.dat.partial");
	CHECK_EQ(dat_partial_create(&partial, dir, &options, build_metadata(&small, &m), buffers, 1,
				    &err),
		 0);
	dat_partial_hold(partial);
	dat_partial_hold(partial);
	dat_partial_release(partial);
	for (uint64_t i = 0; i < 80; i++) {
		uint8_t page[4096];

		if (i == 75) {
			held = seen_in(dir).pages;
			dat_partial_release(partial);
		}
		build_page(&small, 4096, 0, i, page);
		CHECK_EQ(dat_partial_append(partial, 0, 0, page, 4096, &err), 0);
		CHECK_EQ(dat_partial_flush(partial, 0, 0, &err), 0);
	}
	kept = seen_in(dir).pages;
	CHECK_EQ(held, 75);
	CHECK(kept >= 16 && kept <= 32);
	dat_partial_abandon(partial);
	CHECK_EQ(dat_partial_remove(dir), 0);
}

TEST(symbols_are_appended)
{
	char dir[256], path[300];
	struct build b = small;
	struct dat_partial *partial;
	struct err err = {0};
	struct dat *dat;
	FILE *file;

	snprintf(dir, sizeof(dir), "%s/symbols.partial", build_dir());
	snprintf(path, sizeof(path), "%s/kallsyms", dir);
	CHECK_EQ(create(&partial, &b, dir, &err), 0);
	CHECK_EQ(dat_partial_more_kallsyms(partial, "10 t one\n", 9, &err), 0);
	CHECK_EQ(dat_partial_more_kallsyms(partial, "20 t two\n", 9, &err), 0);
	/* As of a recorder that was killed while it wrote. */
	file = fopen(path, "a");
	CHECK(file && fputs("30 t thr", file) >= 0 && fclose(file) == 0);
	CHECK_EQ(dat_open(&dat, dir, &err), 0);
	CHECK_EQ(dat->kallsyms.len, 18);
	CHECK(dat->kallsyms.data && !memcmp(dat->kallsyms.data, "10 t one\n20 t two\n", 18));
	dat_close(dat);
	dat_partial_abandon(partial);
	CHECK_EQ(dat_partial_remove(dir), 0);
}

TEST(existing_directory_is_left_alone)
{
	struct dat_partial *partial;
	struct err err = {0};
	char dir[256];

	build_path(dir, sizeof(dir), "there.partial");
	CHECK_EQ(mkdir(dir, 0777), 0);
	CHECK_EQ(create(&partial, &small, dir, &err), -EEXIST);
	CHECK(exists(dir));
	CHECK_EQ(dat_open(&(struct dat *){0}, dir, &err), -EISDIR);
	remove_dir(dir);
}

static void put_empty(const char *dir, const char *name)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	CHECK(file);
	fclose(file);
}

/* What a recorder that was killed left of its first or last moment is no hindrance, and goes. */
TEST(left_while_made_or_removed)
{
	struct dat_partial *partial;
	struct err err = {0};
	char dir[256], aside[256];

	build_path(dir, sizeof(dir), "early.partial");
	build_path(aside, sizeof(aside), "early.partial.new");
	CHECK_EQ(mkdir(aside, 0777), 0);
	put_empty(aside, "meta.dat");
	put_empty(aside, "b0.cpu1");
	put_empty(aside, "b0.cpu1.start.new");
	CHECK_EQ(create(&partial, &small, dir, &err), 0);
	CHECK(exists(dir) && !exists(aside));
	dat_partial_abandon(partial);
	CHECK_EQ(mkdir(aside, 0777), 0);
	put_empty(aside, "b0.cpu1");
	CHECK_EQ(dat_partial_remove(dir), 0);
	CHECK(!exists(dir) && !exists(aside));
}

/* Files of others stay, and are not taken for a recording. */
TEST(files_of_others_stay)
{
	struct dat_partial *partial;
	struct err err = {0};
	char dir[256], aside[256];

	build_path(dir, sizeof(dir), "mixed.partial");
	build_path(aside, sizeof(aside), "mixed.partial.new");
	CHECK_EQ(create(&partial, &small, dir, &err), 0);
	put_empty(dir, "notes");
	dat_partial_abandon(partial);
	CHECK_EQ(dat_partial_remove(dir), -ENOTEMPTY);
	CHECK(!exists(dir) && exists(aside));
	remove_dir(aside);
}

/* A full disk for one append: the same append again succeeds, and nothing is doubled or torn. */
TEST(append_after_full_disk)
{
	_cleanup_(fault_done) struct fault_sweep sweep = {
		.what = FAULT_IO, .code = -ENOSPC, .ops = 1u << IO_PWRITE};

	while (fault_next(&sweep)) {
		char dir[256], out[256];
		struct build b = small;
		struct dat_partial *partial;
		struct build_seen seen;
		struct err err = {0};
		struct dat *dat;

		fault_pause();
		b.nr_pages = 12;
		build_path(dir, sizeof(dir), "full.dat.partial");
		build_path(out, sizeof(out), "full.dat");
		CHECK_EQ(create(&partial, &b, dir, &err), 0);
		io_fault_hook = fault_io_hook;
		for (uint64_t i = 0; i < b.nr_pages; i++) {
			uint8_t page[4096];

			build_page(&b, 4096, 0, i, page);
			while (dat_partial_append(partial, 1, 0, page, 4096, &err) < 0)
				CHECK(fault_fired());
			while (i % 3 == 0 && dat_partial_flush(partial, 1, 0, &err) < 0)
				CHECK(fault_fired());
		}
		fault_pause();
		CHECK_EQ(dat_partial_seal(partial, out, 7, &err), 0);
		CHECK_EQ(dat_open(&dat, out, &err), 0);
		seen = build_read(dat);
		CHECK_EQ(seen.records, 12 * BUILD_RECORDS);
		CHECK_EQ(seen.wrong + seen.errors, 0);
		dat_close(dat);
		unlink(out);
	}
}

static int record_all(const char *dir, const char *out, int version)
{
	struct dat_partial *partial;
	struct err err = {0};
	struct build b = small;
	int r;

	b.nr_pages = 40;
	b.instance_page_size = b.page_size;
	r = create(&partial, &b, dir, &err);
	if (r < 0)
		return r;
	r = append(partial, &b, 0, b.nr_pages, &err);
	if (r == 0)
		r = extras(partial, &err);
	if (r == 0)
		return dat_partial_seal(partial, out, version, &err);
	dat_partial_abandon(partial);
	return r;
}

/* Whatever fails, either the sealed file is whole or the directory can be read, or neither is. */
static void sweep_recording(enum fault_what what, int version)
{
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = what, .code = -EIO};
	char dir[256], out[256];

	build_path(dir, sizeof(dir), "sweep.dat.partial");
	build_path(out, sizeof(out), "sweep.dat");
	while (fault_next(&sweep)) {
		struct dat *dat = NULL;
		struct err err = {0};
		int r = record_all(dir, out, version);

		fault_pause();
		CHECK(r == 0 || fault_fired());
		if (what == FAULT_SHORT)
			CHECK_EQ(r, 0);
		if (exists(out)) {
			struct build_seen seen;

			CHECK_EQ(dat_open(&dat, out, &err), 0);
			CHECK_EQ(dat->damage.code, 0);
			seen = build_read(dat);
			CHECK_EQ(seen.records, 4ull * 40 * BUILD_RECORDS);
			CHECK_EQ(seen.wrong + seen.errors, 0);
		} else if (dat_open(&dat, dir, &err) == 0) {
			CHECK_EQ(build_read(dat).wrong, 0);
		} else {
			dat = NULL;
		}
		dat_close(dat);
		unlink(out);
		remove_dir(dir);
	}
}

TEST(sweep_io)
{
	sweep_recording(FAULT_IO, 7);
}

TEST(sweep_io_v6)
{
	sweep_recording(FAULT_IO, 6);
}

TEST(sweep_short)
{
	sweep_recording(FAULT_SHORT, 7);
}

TEST(sweep_memory)
{
	sweep_recording(FAULT_MEM, 7);
}

TEST(sweep_memory_v6)
{
	sweep_recording(FAULT_MEM, 6);
}

TEST(clean_up)
{
	CHECK_EQ(rmdir(build_dir()), 0);
}

TEST_MAIN()
