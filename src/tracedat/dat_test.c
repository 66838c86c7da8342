/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/io.h"
#include "base/test.h"
#include "tracedat/build_test.h"
#include "tracedat/codec.h"

/* --- whole files --- */

static void check_metadata(const struct dat *dat, const struct build *b)
{
	struct build_metadata m;
	const struct dat_metadata *want = build_metadata(b, &m);

	CHECK_STR(dat->damage.text, "");
	CHECK_EQ(dat->version, b->version);
	CHECK_EQ(dat->big_endian, b->big);
	CHECK_EQ(dat->long_size, b->long_size);
	CHECK_EQ(dat->user_long_size, b->long_size);
	CHECK_EQ(dat->page_size, b->page_size);
	CHECK_EQ(dat->nr_cpus, b->nr_cpus);
	CHECK_EQ(dat->compression, b->compression);
	CHECK_STR(dat->header_page.data, want->header_page.data);
	CHECK_STR(dat->header_event.data, want->header_event.data);
	CHECK_STR(dat->kallsyms.data, want->kallsyms.data);
	CHECK_STR(dat->printk.data, want->printk.data);
	CHECK_STR(dat->cmdlines.data, want->cmdlines.data);
	CHECK_EQ(dat->nr_ftrace_formats, 1);
	CHECK_EQ(dat->nr_formats, 3);
	for (size_t i = 0; i < 3; i++) {
		CHECK_STR(dat->formats[i].system, want->formats[i].system);
		CHECK_EQ(dat->formats[i].len, want->formats[i].len);
		CHECK(!memcmp(dat->formats[i].text, want->formats[i].text, want->formats[i].len));
	}
	CHECK_STR(dat->trace_clock, want->trace_clock);
	CHECK_STR(dat->uname, "Linux vm 6.12 x86_64");
	CHECK_STR(dat->version_text, "test");
	CHECK(strstr(dat->cpustat, "CPU: 4\nentries: 0\nread events: 108\n"));
	CHECK(dat->has_date);
	CHECK_EQ(dat->date_offset_ns, 16000);
	if (b->version == 7) {
		CHECK_STR(dat->btf.data, want->btf.data);
		CHECK_STR(dat->modules.data, want->modules.data);
	}
}

static void check_buffers(struct dat *dat, const struct build *b)
{
	uint64_t nr = (b->nr_cpus - MIN(b->nr_cpus, 3u) + 1) * (uint64_t)b->nr_pages;
	struct build_seen seen = build_read(dat);

	CHECK_EQ(dat->nr_buffers, b->instance_page_size ? 2 : 1);
	CHECK_STR(dat->buffers[0].name, "");
	CHECK_STR(dat->buffers[0].clock, "global");
	CHECK_EQ(dat->buffers[0].layout.size, b->page_size);
	if (b->instance_page_size) {
		CHECK_STR(dat->buffers[1].name, "inst");
		CHECK_STR(dat->buffers[1].clock, "mono");
		CHECK_EQ(dat->buffers[1].layout.size, b->instance_page_size);
	}
	CHECK_EQ(seen.records, nr * BUILD_RECORDS * dat->nr_buffers);
	CHECK_EQ(seen.pages, nr * dat->nr_buffers);
	CHECK_EQ(seen.wrong, 0);
	CHECK_EQ(seen.errors, 0);
}

/* Go to every page by time, and to the one with the last record. */
static void check_seek(struct dat *dat, const struct build *b)
{
	for (size_t buffer = 0; buffer < dat->nr_buffers; buffer++) {
		uint32_t cpu = 0, len;
		const uint8_t *page;
		struct dat_stream *stream;
		struct dat_chunk *chunk;
		uint64_t last = 0;

		while (dat->buffers[buffer].cpus[cpu].cpu != 0)
			cpu++;
		CHECK_EQ(dat_stream_open(&stream, dat, buffer, cpu, NULL), 0);
		for (uint64_t i = 0; i < b->nr_pages; i++) {
			uint64_t ts = build_time(0, i * BUILD_RECORDS);

			CHECK_EQ(dat_stream_seek(stream, ts + 1, NULL), 0);
			CHECK_EQ(dat_stream_next(stream, &page, &len, &chunk, NULL), 1);
			CHECK_EQ(load_u64(page, b->big), ts);
			CHECK_EQ(dat_stream_seek(stream, ts, NULL), 0);
			CHECK_EQ(dat_stream_next(stream, &page, &len, &chunk, NULL), 1);
			CHECK_EQ(load_u64(page, b->big), i ? last : ts);
			last = ts;
		}
		CHECK_EQ(dat_stream_seek(stream, 0, NULL), 0);
		CHECK_EQ(dat_stream_next(stream, &page, &len, &chunk, NULL), 1);
		CHECK_EQ(load_u64(page, b->big), build_time(0, 0));
		CHECK_EQ(dat_stream_seek_last(stream, NULL), 1);
		CHECK_EQ(dat_stream_next(stream, &page, &len, &chunk, NULL), 1);
		CHECK_EQ(load_u64(page, b->big), last);
		CHECK_EQ(dat_stream_next(stream, &page, &len, &chunk, NULL), 0);
		dat_stream_close(stream);
	}
}

static void round_trip(const struct build *b)
{
	struct err err = {0};
	struct dat *dat;
	char path[256];

	build_path(path, sizeof(path), "trip.dat");
	CHECK_EQ(build_file(b, path, &err), 0);
	CHECK_EQ(dat_open(&dat, path, &err), 0);
	CHECK_EQ(dat_load_symbols(dat, &err), 0);
	CHECK_EQ(dat_load_btf(dat, &err), 0);
	check_metadata(dat, b);
	if (!test_failed)
		check_buffers(dat, b);
	if (!test_failed)
		check_seek(dat, b);
	dat_close(dat);
	unlink(path);
}

TEST(all_kinds)
{
	static const uint32_t page_sizes[][2] = {{4096, 0},	{4096, 4096}, {4096, 16384},
						 {16384, 4096}, {512, 1024},  {65536, 512}};

	for (int kind = 0; kind < 16; kind++) {
		for (size_t i = 0; i < ARRAY_SIZE(page_sizes); i++) {
			struct build b = {
				.version = kind & 3 ? 7 : 6,
				.compression = (kind & 3) == 0 ? DAT_NONE : (kind & 3) - 1,
				.big = kind & 4,
				.long_size = kind & 8 ? 8 : 4,
				.page_size = page_sizes[i][0],
				.instance_page_size = page_sizes[i][1],
				.nr_cpus = 5,
				.nr_pages = 27,
			};

			if (b.version == 6 && b.instance_page_size)
				b.instance_page_size = b.page_size;
			round_trip(&b);
			if (test_failed) {
				printf("# kind %d, page size %u, %u\n", kind, b.page_size,
				       b.instance_page_size);
				return;
			}
		}
	}
}

TEST(v6_refuses_what_it_cannot_hold)
{
	struct build b = {
		.version = 6, .long_size = 8, .page_size = 4096, .nr_cpus = 2, .nr_pages = 1};
	struct err err = {0};
	char path[256];

	build_path(path, sizeof(path), "six.dat");
	b.instance_page_size = 8192;
	CHECK_EQ(build_file(&b, path, &err), -ENOTSUP);
	b.instance_page_size = 0;
	b.compression = DAT_ZSTD;
	CHECK_EQ(build_file(&b, path, &err), -EINVAL);
	unlink(path);
}

/* The text of a latency tracer: the only buffer in v6, one of several in v7. */
TEST(latency_text)
{
	for (int kind = 0; kind < 4; kind++) {
		struct build b = {.version = kind ? 7 : 6,
				  .compression = kind ? (enum dat_compression)(kind - 1) : DAT_NONE,
				  .long_size = 8,
				  .page_size = 512,
				  .nr_cpus = 2};
		struct dat_write_options options = build_options(&b);
		_cleanup_free_ char *text = mem_alloc(30000), *got = NULL;
		struct dat_writer *writer;
		struct build_metadata m;
		struct err err = {0};
		struct dat *dat;
		char path[256];
		size_t len;

		CHECK(text);
		for (size_t i = 0; i < 30000; i++)
			text[i] = (char)('a' + i * i % 23);
		build_path(path, sizeof(path), "latency.dat");
		CHECK_EQ(dat_writer_open(&writer, path, &options, &err), 0);
		CHECK_EQ(dat_writer_metadata(writer, build_metadata(&b, &m), &err), 0);
		CHECK_EQ(dat_writer_buffer_text(writer, "", "mono", text, 30000, &err), 0);
		CHECK_EQ(dat_writer_finish(writer, &err), 0);
		CHECK_EQ(dat_open(&dat, path, &err), 0);
		CHECK_EQ(dat->damage.code, 0);
		CHECK_EQ(dat->nr_buffers, 1);
		CHECK(dat->buffers[0].is_text);
		CHECK_STR(dat->buffers[0].clock, "mono");
		CHECK_EQ(dat_buffer_text(dat, 0, &got, &len, &err), 0);
		CHECK_EQ(len, 30000);
		CHECK(!memcmp(got, text, 30000));
		dat_close(dat);
		unlink(path);
	}
}

/* --- damage --- */

static void write_bytes(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static void open_fails(const char *path, int code, const char *says)
{
	struct err err = {0};
	struct dat *dat;

	CHECK_EQ(dat_open(&dat, path, &err), code);
	if (!strstr(err.text, says))
		printf("# %s\n", err.text);
	CHECK(strstr(err.text, says));
	CHECK(strstr(err.text, path));
}

TEST(no_trace_dat)
{
	char path[256];

	open_fails(build_dir(), -EISDIR, "is a directory");
	open_fails("/dev/null", -EINVAL, "not a regular file");
	build_path(path, sizeof(path), "bad.dat");
	open_fails(path, -ENOENT, "cannot be opened");
	write_bytes(path, "", 0);
	open_fails(path, -EBADMSG, "is empty");
	write_bytes(path, "\xff\xd8\xff\xe0\0\20JFIF\0\1", 12);
	open_fails(path, -EBADMSG, "not a trace.dat");
	write_bytes(path, "\x17\x08\x44tracing8\0\0\10\0\20\0\0", 19);
	open_fails(path, -ENOTSUP, "version \"8\"");
	write_bytes(path, "\x17\x08\x44tracing7\0\0\10\0\20\0\0lzma\0001\0", 25);
	open_fails(path, -ENOTSUP, "lzma");
	write_bytes(path, "\x17\x08\x44tracing6\0\0\10\377\377\377\377", 19);
	open_fails(path, -EBADMSG, "page size");
	write_bytes(path, "\x17\x08\x44tracing6\0\2\10\0\20\0\0", 19);
	open_fails(path, -EBADMSG, "byte order");
	unlink(path);
}

static const struct build damage_kinds[] = {
	{.version = 6,
	 .long_size = 8,
	 .page_size = 4096,
	 .instance_page_size = 4096,
	 .nr_cpus = 4,
	 .nr_pages = 15},
	{.version = 7,
	 .long_size = 8,
	 .page_size = 4096,
	 .instance_page_size = 4096,
	 .nr_cpus = 4,
	 .nr_pages = 15},
	{.version = 7,
	 .compression = DAT_ZSTD,
	 .long_size = 8,
	 .page_size = 512,
	 .instance_page_size = 512,
	 .nr_cpus = 4,
	 .nr_pages = 25},
	{.version = 7,
	 .compression = DAT_ZLIB,
	 .big = true,
	 .long_size = 4,
	 .page_size = 512,
	 .instance_page_size = 1024,
	 .nr_cpus = 4,
	 .nr_pages = 25},
};

static char *load(const char *path, size_t *ret_len)
{
	char *data = NULL;

	return io_read_file(path, 64u << 20, &data, ret_len) < 0 ? NULL : data;
}

/* Read what can be read of it; *ret_seen is what there was. 0 or the error of opening. */
static int read_all(const char *path, struct build_seen *ret_seen, bool *ret_damaged)
{
	struct err err = {0};
	struct dat *dat;
	int r = dat_open(&dat, path, &err);

	*ret_seen = (struct build_seen){0};
	*ret_damaged = r < 0;
	if (r < 0)
		return err.text[0] ? r : 1;
	if (dat_load_symbols(dat, &err) < 0 || dat_load_btf(dat, &err) < 0)
		*ret_damaged = true;
	*ret_seen = build_read(dat);
	*ret_damaged |= dat->damage.code < 0 || ret_seen->errors;
	dat_close(dat);
	return 0;
}

/* A file cut anywhere: never silent, and never a record that was not there. */
TEST(cut_anywhere)
{
	for (size_t i = 0; i < ARRAY_SIZE(damage_kinds); i++) {
		_cleanup_free_ char *data = NULL;
		uint64_t before = 0;
		size_t len = 0;
		char path[256];

		build_path(path, sizeof(path), "cut.dat");
		CHECK_EQ(build_file(&damage_kinds[i], path, NULL), 0);
		data = load(path, &len);
		CHECK(data && len > 1000);
		for (size_t at = 0; at < len; at += at < 4000 ? 13 : 211) {
			struct build_seen seen;
			bool damaged;

			CHECK_EQ(truncate(path, 0), 0);
			write_bytes(path, data, at);
			CHECK(read_all(path, &seen, &damaged) <= 0);
			CHECK(damaged);
			if (seen.wrong > 2 || seen.records + 2 * BUILD_RECORDS < before)
				printf("# kind %zu cut at %zu of %zu: %lu records, %lu wrong\n", i,
				       at, len, (unsigned long)seen.records,
				       (unsigned long)seen.wrong);
			CHECK(seen.wrong <= 2); /* a page that ends within a record */
			CHECK(seen.records + 2 * BUILD_RECORDS >= before);
			before = seen.records;
		}
		CHECK(before > 0);
		unlink(path);
	}
}

static uint32_t random_next(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

TEST(random_bytes_changed)
{
	uint32_t state = 1;

	for (size_t i = 0; i < ARRAY_SIZE(damage_kinds); i++) {
		_cleanup_free_ char *data = NULL, *changed = NULL;
		size_t len = 0;
		char path[256];

		build_path(path, sizeof(path), "random.dat");
		CHECK_EQ(build_file(&damage_kinds[i], path, NULL), 0);
		data = load(path, &len);
		CHECK(data);
		for (int round = 0; round < 300; round++) {
			struct build_seen seen;
			bool damaged;

			mem_free(changed);
			changed = mem_dup(data, len);
			CHECK(changed);
			for (int k = 0; k < 1 + round % 5; k++) {
				size_t at =
					random_next(&state) % (round & 1 ? len : MIN(len, 3000u));

				changed[at] = (char)random_next(&state);
			}
			write_bytes(path, changed, len);
			CHECK(read_all(path, &seen, &damaged) <= 0);
			CHECK(seen.records < 100000);
		}
		unlink(path);
	}
}

/* A chunk that cannot be expanded costs its own pages only. */
TEST(damaged_chunk)
{
	struct build b = damage_kinds[2];
	_cleanup_free_ char *data = NULL;
	struct build_seen seen;
	struct err err = {0};
	struct dat *dat;
	char path[256];
	size_t len = 0;
	bool damaged;

	b.instance_page_size = 0;
	build_path(path, sizeof(path), "chunk.dat");
	CHECK_EQ(build_file(&b, path, &err), 0);
	data = load(path, &len);
	CHECK_EQ(dat_open(&dat, path, &err), 0);
	memset(data + dat->buffers[0].cpus[0].offset + 12, 0xff, 8);
	dat_close(dat);
	write_bytes(path, data, len);
	CHECK_EQ(read_all(path, &seen, &damaged), 0);
	CHECK(damaged);
	CHECK_EQ(seen.errors, 1);
	CHECK_EQ(seen.pages, 2 * 25 - 10);
	unlink(path);
}

/* A few bytes that claim to expand to a gigabyte are refused before memory is taken. */
static size_t largest;

static bool watch(size_t size)
{
	largest = MAX(largest, size);
	return false;
}

TEST(huge_claims)
{
	_cleanup_free_ char *data = NULL;
	struct build_seen seen;
	size_t len = 0, places = 0;
	char path[256];
	bool damaged;

	build_path(path, sizeof(path), "huge.dat");
	CHECK_EQ(build_file(&damage_kinds[2], path, NULL), 0);
	data = load(path, &len);
	CHECK(data);
	mem_fault_hook = watch;
	for (size_t at = 17; at + 4 < len; at += 5, places++) {
		uint32_t old = load_u32(data + at, false);

		store_u32(data + at, 0x3fffffff, false);
		write_bytes(path, data, len);
		store_u32(data + at, old, false);
		(void)read_all(path, &seen, &damaged);
	}
	mem_fault_hook = NULL;
	CHECK(places > 1000);
	if (largest > 4u << 20)
		printf("# allocated %zu bytes\n", largest);
	CHECK(largest <= 4u << 20);
	unlink(path);
}

/* --- large files --- */

/* Move CPU 3's data to `far`, and change its {u64 offset, u64 size} in the file accordingly. */
static void move_data(const char *path, const struct dat_cpu *cpu, uint64_t far, bool big)
{
	_cleanup_free_ char *data = NULL;
	uint8_t entry[16], moved[8];
	int fd = open(path, O_RDWR), changed = 0;
	size_t len = 0;

	CHECK(fd >= 0);
	data = load(path, &len);
	CHECK(data);
	store_u64(entry, cpu->offset, big);
	store_u64(entry + 8, cpu->size, big);
	store_u64(moved, far, big);
	for (size_t at = 0; at + 16 <= len; at++)
		if (!memcmp(data + at, entry, 16)) {
			CHECK_EQ(pwrite(fd, moved, 8, (off_t)at), 8);
			changed++;
		}
	CHECK_EQ(changed, 1);
	len = MIN(len - cpu->offset, cpu->size + 4);
	CHECK_EQ(pwrite(fd, data + cpu->offset, len, (off_t)far), (ssize_t)len);
	close(fd);
}

TEST(offsets_beyond_4_gib)
{
	for (size_t i = 0; i < ARRAY_SIZE(damage_kinds); i++) {
		struct build b = damage_kinds[i];
		struct build_seen seen;
		struct err err = {0};
		struct dat *dat;
		struct dat_cpu cpu;
		char path[256];

		b.instance_page_size = 0;
		build_path(path, sizeof(path), "far.dat");
		CHECK_EQ(build_file(&b, path, &err), 0);
		CHECK_EQ(dat_open(&dat, path, &err), 0);
		cpu = dat->buffers[0].cpus[dat->buffers[0].nr_cpus - 1];
		CHECK_EQ(cpu.cpu, 3);
		dat_close(dat);
		move_data(path, &cpu, 5ull << 30, b.big);
		CHECK_EQ(dat_open(&dat, path, &err), 0);
		CHECK_EQ(dat->damage.code, 0);
		seen = build_read(dat);
		CHECK_EQ(seen.records, 2ull * b.nr_pages * BUILD_RECORDS);
		CHECK_EQ(seen.wrong + seen.errors, 0);
		check_seek(dat, &b);
		dat_close(dat);
		unlink(path);
	}
}

/* --- failing calls --- */

static void sweep_reading(enum fault_what what)
{
	for (size_t i = 0; i < ARRAY_SIZE(damage_kinds); i++) {
		_cleanup_(fault_done) struct fault_sweep sweep = {.what = what, .code = -EIO};
		struct build b = damage_kinds[i];
		char path[256];

		build_path(path, sizeof(path), "sweep.dat");
		CHECK_EQ(build_file(&b, path, NULL), 0);
		while (fault_next(&sweep)) {
			struct build_seen seen;
			bool damaged;
			int r = read_all(path, &seen, &damaged);

			fault_pause();
			CHECK(r <= 0);
			CHECK_EQ(seen.wrong, what == FAULT_SHORT ? 0 : seen.wrong);
			CHECK(fault_fired() || !damaged);
			if (what == FAULT_SHORT)
				CHECK(!damaged);
			else if (!damaged) /* nothing was lost by it */
				CHECK_EQ(seen.records, 2ull * 2 * b.nr_pages * BUILD_RECORDS);
		}
		unlink(path);
	}
}

TEST(sweep_reading_io)
{
	sweep_reading(FAULT_IO);
}

TEST(sweep_reading_short)
{
	sweep_reading(FAULT_SHORT);
}

TEST(sweep_reading_memory)
{
	sweep_reading(FAULT_MEM);
}

static void sweep_writing(enum fault_what what)
{
	for (size_t i = 0; i < ARRAY_SIZE(damage_kinds); i++) {
		_cleanup_(fault_done) struct fault_sweep sweep = {.what = what, .code = -ENOSPC};
		char path[256];

		build_path(path, sizeof(path), "sweepw.dat");
		while (fault_next(&sweep)) {
			struct build_seen seen;
			struct err err = {0};
			bool damaged;
			int r = build_file(&damage_kinds[i], path, &err);

			fault_pause();
			CHECK(r == 0 || (fault_fired() && err.text[0]));
			if (what == FAULT_SHORT)
				CHECK_EQ(r, 0);
			if (r < 0)
				continue;
			CHECK_EQ(read_all(path, &seen, &damaged), 0);
			CHECK(!damaged);
			CHECK_EQ(seen.wrong, 0);
		}
		unlink(path);
	}
}

TEST(sweep_writing_io)
{
	sweep_writing(FAULT_IO);
}

TEST(sweep_writing_short)
{
	sweep_writing(FAULT_SHORT);
}

TEST(sweep_writing_memory)
{
	sweep_writing(FAULT_MEM);
}

/* The frame that has data as it is, of one block or several, is one that zstd reads. */
TEST(a_frame_of_raw_blocks)
{
	static const size_t sizes[] = {1, 4096, 131071, 131072, 131073, 262144, 300000};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		_cleanup_free_ uint8_t *data = mem_alloc(sizes[i]), *back = mem_alloc(sizes[i]);
		_cleanup_free_ uint8_t *frame = NULL;
		struct dat_codec codec;
		size_t bound, len;

		dat_codec_init(&codec, DAT_ZSTD);
		bound = dat_codec_bound(&codec, sizes[i]);
		frame = mem_alloc(bound);
		for (size_t k = 0; k < sizes[i]; k++)
			data[k] = (uint8_t)(k * 2654435761u >> 13);
		CHECK_EQ(dat_codec_wrap(&codec, data, sizes[i], frame, bound - 1, &len), -EINVAL);
		CHECK_EQ(dat_codec_wrap(&codec, data, sizes[i], frame, bound, &len), 0);
		CHECK(len > sizes[i] && len <= bound);
		CHECK(dat_codec_plausible(&codec, frame, len, sizes[i]));
		CHECK_EQ(dat_codec_expand(&codec, frame, len, back, sizes[i]), 0);
		CHECK(!memcmp(data, back, sizes[i]));
		dat_codec_done(&codec);
	}
}

TEST(clean_up)
{
	CHECK_EQ(rmdir(build_dir()), 0);
}

TEST_MAIN()
