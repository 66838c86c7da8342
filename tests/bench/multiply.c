/* SPDX-License-Identifier: MIT */
/*
 * Makes a large recording out of a small real one, for benchmarks: its pages again and again, each
 * time later. What is measured on it is what real events cost, not what made-up ones do.
 *
 *	multiply [--events N | --bytes N] [--compression none|zstd|zlib] INPUT OUTPUT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "tracedat/writer.h"

#define MAX_INPUT_BYTES (1ull << 30)

/* All pages of one CPU. */
struct cpu_pages {
	uint8_t *bytes;
	size_t len, cap;
	uint32_t cpu;
};

struct multiply {
	struct dat *dat;
	struct subbuf_layout layout;
	struct cpu_pages *cpus;
	uint32_t nr_cpus;
	uint64_t events, bytes; /* of one copy */
	uint64_t first, last;
};

static void check(int r, const struct err *err)
{
	if (r >= 0)
		return;
	fprintf(stderr, "multiply: %s\n", err->text[0] ? err->text : err_name(r));
	exit(1);
}

static void load_page(struct multiply *m, struct cpu_pages *cpu, const uint8_t *page)
{
	struct subbuf_cursor cursor;
	struct subbuf_record record;
	bool any = false;

	check(subbuf_open(&cursor, &m->layout, page, m->layout.size),
	      &(struct err){.text = "a page of the input is damaged"});
	while (subbuf_next(&cursor, &record)) {
		if (!m->events++ || record.ts < m->first)
			m->first = record.ts;
		m->last = MAX(m->last, record.ts);
		any = true;
	}
	if (!any)
		return;
	check(array_reserve(&cpu->bytes, &cpu->cap, cpu->len + m->layout.size, 1),
	      &(struct err){0});
	memcpy(cpu->bytes + cpu->len, page, m->layout.size);
	cpu->len += m->layout.size;
	m->bytes += m->layout.size;
	if (m->bytes > MAX_INPUT_BYTES)
		check(-1, &(struct err){.text = "the input is large enough as it is"});
}

static void load_cpu(struct multiply *m, uint32_t index)
{
	struct dat_stream *stream;
	struct dat_chunk *chunk;
	struct err err = {0};
	const uint8_t *page;
	uint32_t len;
	int r = dat_stream_open(&stream, m->dat, 0, index, &err);

	check(r, &err);
	m->cpus[index].cpu = m->dat->buffers[0].cpus[index].cpu;
	while ((r = dat_stream_next(stream, &page, &len, &chunk, &err)) > 0)
		if (len == m->layout.size)
			load_page(m, &m->cpus[index], page);
	check(r, &err);
	dat_stream_close(stream);
}

static void load(struct multiply *m, const char *path)
{
	struct err err = {0};

	check(dat_open(&m->dat, path, &err), &err);
	if (!m->dat->nr_buffers || m->dat->buffers[0].is_text)
		check(-1, &(struct err){.text = "the input has no events"});
	m->layout = m->dat->buffers[0].layout;
	m->nr_cpus = m->dat->buffers[0].nr_cpus;
	m->cpus = mem_calloc(m->nr_cpus, sizeof(*m->cpus));
	if (!m->cpus)
		check(-1, &(struct err){.text = "out of memory"});
	for (uint32_t i = 0; i < m->nr_cpus; i++)
		load_cpu(m, i);
	if (!m->events)
		check(-1, &(struct err){.text = "the input has no events"});
}

/* Times inside a page are relative to its own, but for absolute stamps. */
static void shift_page(const struct subbuf_layout *layout, uint8_t *page, uint64_t by)
{
	const bool big = layout->big_endian;
	uint8_t *p = page + subbuf_header_bytes(layout), *end;
	uint64_t commit = load_uint(page + 8, layout->long_size, big);

	store_u64(page, load_u64(page, big) + by, big);
	end = p + (commit & SUBBUF_COMMIT_MASK);
	while (p + 8 <= end) {
		uint32_t head = load_u32(p, big), word = load_u32(p + 4, big);
		uint32_t type_len = big ? head >> 27 : head & 31;
		uint32_t delta = big ? head & SUBBUF_DELTA_MASK : head >> 5;

		if (type_len == SUBBUF_PADDING && !delta)
			return;
		if (type_len == SUBBUF_TIME_STAMP) {
			uint64_t stamp = ((uint64_t)word << 27) + delta + by;

			delta = (uint32_t)(stamp & SUBBUF_DELTA_MASK);
			head = big ? type_len << 27 | delta : type_len | delta << 5;
			store_u32(p, head, big);
			store_u32(p + 4, (uint32_t)(stamp >> 27), big);
		}
		if (type_len >= SUBBUF_TIME_EXTEND)
			p += 8;
		else if (type_len == SUBBUF_PADDING || !type_len)
			p += 4 + ((word + 3) & ~3u);
		else
			p += 4 + type_len * 4;
	}
}

static void write_cpu(const struct multiply *m, const struct cpu_pages *cpu, uint64_t copies,
		      struct dat_writer *writer)
{
	const uint64_t span = m->last - m->first + 1000;
	uint8_t *page = mem_alloc(m->layout.size);
	struct err err = {0};

	if (!page)
		check(-1, &(struct err){.text = "out of memory"});
	check(dat_writer_cpu(writer, cpu->cpu, &err), &err);
	for (uint64_t k = 0; k < copies; k++)
		for (size_t at = 0; at < cpu->len; at += m->layout.size) {
			memcpy(page, cpu->bytes + at, m->layout.size);
			shift_page(&m->layout, page, k * span);
			check(dat_writer_pages(writer, page, m->layout.size, &err), &err);
		}
	mem_free(page);
}

static void write_file(const struct multiply *m, const char *path, uint64_t copies,
		       enum dat_compression compression)
{
	const struct dat_buffer *top = &m->dat->buffers[0];
	struct dat_write_options options = {
		.version = 7,
		.compression = compression,
		.big_endian = m->dat->big_endian,
		.long_size = m->dat->user_long_size,
		.page_size = m->layout.size,
		.nr_cpus = m->dat->nr_cpus,
	};
	struct dat_writer *writer;
	struct err err = {0};

	check(dat_writer_open(&writer, path, &options, &err), &err);
	check(dat_writer_copy_head(writer, m->dat, &err), &err);
	check(dat_writer_buffer_begin(writer, "", top->clock, m->layout.size, m->dat->nr_cpus,
				      &err),
	      &err);
	for (uint32_t i = 0; i < m->nr_cpus; i++)
		if (m->cpus[i].len)
			write_cpu(m, &m->cpus[i], copies, writer);
	check(dat_writer_buffer_end(writer, &err), &err);
	check(dat_writer_finish(writer, &err), &err);
	printf("%s: %llu events, %llu bytes of pages\n", path,
	       (unsigned long long)(m->events * copies), (unsigned long long)(m->bytes * copies));
}

int main(int argc, char **argv)
{
	enum dat_compression compression = DAT_NONE;
	uint64_t events = 1000000, bytes = 0, copies;
	struct multiply m = {0};
	int at = 1;

	for (; at + 1 < argc && argv[at][0] == '-'; at += 2) {
		if (!strcmp(argv[at], "--events"))
			events = strtoull(argv[at + 1], NULL, 0);
		else if (!strcmp(argv[at], "--bytes"))
			bytes = strtoull(argv[at + 1], NULL, 0);
		else if (!strcmp(argv[at], "--compression"))
			compression = !strcmp(argv[at + 1], "zstd")   ? DAT_ZSTD
				      : !strcmp(argv[at + 1], "zlib") ? DAT_ZLIB
								      : DAT_NONE;
	}
	if (argc - at != 2) {
		fprintf(stderr, "usage: multiply [--events N | --bytes N] "
				"[--compression none|zstd|zlib] INPUT OUTPUT\n");
		return 2;
	}
	load(&m, argv[at]);
	copies = bytes ? (bytes + m.bytes - 1) / m.bytes : (events + m.events - 1) / m.events;
	write_file(&m, argv[at + 1], MAX(copies, 1u), compression);
	for (uint32_t i = 0; i < m.nr_cpus; i++)
		mem_free(m.cpus[i].bytes);
	mem_free(m.cpus);
	dat_close(m.dat);
	return 0;
}
