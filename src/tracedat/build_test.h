/* SPDX-License-Identifier: MIT */
/*
 * Files made up for tests: any version, compression, byte order, long and page size, with records
 * that carry their number, so that what is read can be checked. Only *_test.c files and small tools
 * include this.
 */
#ifndef SONDE_TRACEDAT_BUILD_TEST_H
#define SONDE_TRACEDAT_BUILD_TEST_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "tracedat/writer.h"

struct build {
	int version;
	enum dat_compression compression;
	bool big;
	uint8_t long_size;
	uint32_t page_size, instance_page_size; /* 0: no instance */
	uint32_t nr_cpus, nr_pages;		/* per CPU; CPU 1 stays empty, CPU 2 is missing */
};

enum {
	BUILD_RECORDS = 4,
	BUILD_PAYLOAD = 16,
	BUILD_STEP = 100
};

/* Time of record `nr` of a CPU, counted over all its pages. */
static inline uint64_t build_time(uint32_t cpu, uint64_t nr)
{
	return 1000000 + cpu + nr * BUILD_STEP;
}

/* Page `index` of a CPU: records with their number behind the common fields. */
static inline void build_page(const struct build *b, uint32_t page_size, uint32_t cpu,
			      uint64_t index, uint8_t *page)
{
	uint64_t first = index * BUILD_RECORDS;
	uint8_t *p = page + 8 + b->long_size;
	uint64_t len;

	memset(page, 0, page_size);
	for (uint64_t i = 0; i < BUILD_RECORDS; i++) {
		uint32_t delta = i ? BUILD_STEP : 0, type_len = BUILD_PAYLOAD / 4;

		store_u32(p, b->big ? type_len << 27 | delta : type_len | delta << 5, b->big);
		store_u16(p + 4, 1, b->big);
		store_u32(p + 8, 42 + cpu, b->big);
		store_u64(p + 12, first + i, b->big);
		p += 4 + BUILD_PAYLOAD;
	}
	len = (uint64_t)(p - page) - 8 - b->long_size;
	store_u64(page, build_time(cpu, first), b->big);
	if (b->long_size == 8)
		store_u64(page + 8, len, b->big);
	else
		store_u32(page + 8, (uint32_t)len, b->big);
}

/* Metadata with one ftrace event, events of two systems, and texts of all kinds. */
struct build_metadata {
	char header_page[512];
	struct dat_format ftrace[1], formats[3];
	struct dat_metadata metadata;
};

#define BUILD_FORMAT(name, id)                                                                     \
	"name: " name "\nID: " id "\nformat:\n"                                                    \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"             \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"                               \
	"\tfield:unsigned long long nr;\toffset:8;\tsize:8;\tsigned:0;\n\n"                        \
	"print fmt: \"nr=%llu\", REC->nr\n"

#define BUILD_TEXT(text) ((struct dat_text){(text), sizeof(text) - 1})

static inline struct dat_format build_format(const char *system, const char *text)
{
	return (struct dat_format){system, text, strlen(text)};
}

static inline const struct dat_metadata *build_metadata(const struct build *b,
							struct build_metadata *m)
{
	int n = snprintf(m->header_page, sizeof(m->header_page),
			 "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
			 "\tfield: local_t commit;\toffset:8;\tsize:%u;\tsigned:1;\n"
			 "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
			 "\tfield: char data;\toffset:%u;\tsize:%u;\tsigned:1;\n",
			 b->long_size, 8u + b->long_size, b->page_size - 8u - b->long_size);

	m->ftrace[0] = build_format("ftrace", BUILD_FORMAT("function", "1"));
	m->formats[0] = build_format("sched", BUILD_FORMAT("sched_switch", "300"));
	m->formats[1] = build_format("sched", BUILD_FORMAT("sched_wakeup", "301"));
	m->formats[2] = build_format("irq", BUILD_FORMAT("irq_entry", "302"));
	m->metadata = (struct dat_metadata){
		.header_page = {m->header_page, (size_t)n},
		.header_event =
			BUILD_TEXT("# compressed entry header\n\ttype_len    :    5 bits\n"),
		.kallsyms =
			BUILD_TEXT("ffffffff81000000 T _text\nffffffff81000010 t do_one\t[mod]\n"),
		.printk = BUILD_TEXT("0xffffffff82000000 : \"hello %d\\n\"\n"),
		.cmdlines = BUILD_TEXT("42 bash\n43 sshd\n"),
		.btf = BUILD_TEXT("\x9f\xeb\x01 btf bytes"),
		.modules = BUILD_TEXT("mod 16384 0 - Live 0xffffffffc0000000\n"),
		.ftrace_formats = m->ftrace,
		.nr_ftrace_formats = 1,
		.formats = m->formats,
		.nr_formats = 3,
		.trace_clock = "local [global] mono x86-tsc\n",
	};
	return &m->metadata;
}

static inline struct dat_write_options build_options(const struct build *b)
{
	return (struct dat_write_options){
		.version = b->version,
		.compression = b->compression,
		.big_endian = b->big,
		.long_size = b->long_size,
		.page_size = b->page_size,
		.nr_cpus = b->nr_cpus,
	};
}

static inline int build_buffer(struct dat_writer *writer, const struct build *b, const char *name,
			       const char *clock, uint32_t page_size, struct err *err)
{
	static uint8_t page[65536]; /* not allocated: tests make that fail */
	int r = dat_writer_buffer_begin(writer, name, clock, page_size, b->nr_cpus, err);

	for (uint32_t cpu = 0; r == 0 && cpu < b->nr_cpus; cpu++) {
		if (cpu == 2)
			continue;
		r = dat_writer_cpu(writer, cpu, err);
		for (uint64_t i = 0; r == 0 && cpu != 1 && i < b->nr_pages; i++) {
			build_page(b, page_size, cpu, i, page);
			r = dat_writer_pages(writer, page, page_size, err);
		}
	}
	return r < 0 ? r : dat_writer_buffer_end(writer, err);
}

/* "CPU: n" and its number of events, as trace-cmd keeps it. */
static inline int build_stats(struct dat_writer *writer, const struct build *b, struct err *err)
{
	int r = 0;

	for (uint32_t cpu = 0; r == 0 && cpu < b->nr_cpus; cpu++) {
		char text[64];
		unsigned int nr = cpu == 1 || cpu == 2 ? 0 : b->nr_pages * BUILD_RECORDS;

		snprintf(text, sizeof(text), "CPU: %u\nentries: 0\nread events: %u\n", cpu, nr);
		r = dat_writer_option(writer, DAT_OPTION_CPUSTAT, text, strlen(text) + 1, err);
	}
	return r;
}

static inline int build_body(struct dat_writer *writer, const struct build *b, struct err *err)
{
	struct build_metadata m;
	int r = dat_writer_metadata(writer, build_metadata(b, &m), err);

	if (r == 0)
		r = dat_writer_option(writer, DAT_OPTION_UNAME, "Linux vm 6.12 x86_64", 21, err);
	if (r == 0)
		r = dat_writer_option(writer, DAT_OPTION_DATE, "0x10", 5, err);
	if (r == 0)
		r = dat_writer_option(writer, 777, "unknown", 8, err);
	if (r == 0)
		r = build_stats(writer, b, err);
	if (r == 0)
		r = build_buffer(writer, b, "", "global", b->page_size, err);
	if (r == 0 && b->instance_page_size)
		r = build_buffer(writer, b, "inst", "mono", b->instance_page_size, err);
	if (r == 0)
		r = dat_writer_option(writer, DAT_OPTION_VERSION, "test", 5, err);
	return r;
}

static inline int build_file(const struct build *b, const char *path, struct err *err)
{
	struct dat_write_options options = build_options(b);
	struct dat_writer *writer;
	int r = dat_writer_open(&writer, path, &options, err);

	if (r < 0)
		return r;
	r = build_body(writer, b, err);
	if (r < 0) {
		dat_writer_abort(writer);
		return r;
	}
	return dat_writer_finish(writer, err);
}

/*
 * Directory for one test's files, removed at the end by build_remove; in memory where that can be
 * had, because every sealed file is synced, and on a disk a sweep would wait minutes for that.
 */
static inline const char *build_dir(void)
{
	static char memory[] = "/dev/shm/sonde-tracedat-XXXXXX";
	static char disk[] = "/tmp/sonde-tracedat-XXXXXX";
	static const char *path;

	if (!path)
		path = mkdtemp(memory);
	if (!path)
		path = mkdtemp(disk);
	return path ? path : disk; /* when neither could be made, nothing can be created in it */
}

static inline const char *build_path(char *buf, size_t size, const char *name)
{
	snprintf(buf, size, "%s/%s", build_dir(), name);
	return buf;
}

/* What reading all records of all CPUs gave. */
struct build_seen {
	uint64_t records, pages, errors, wrong;
};

static inline void build_read_stream(struct dat *dat, size_t buffer, size_t cpu,
				     struct build_seen *seen)
{
	const struct dat_buffer *from = &dat->buffers[buffer];
	struct dat_stream *stream;
	uint64_t next = 0;

	if (dat_stream_open(&stream, dat, buffer, cpu, NULL) < 0) {
		seen->errors++;
		return;
	}
	for (;;) {
		struct subbuf_cursor cursor;
		struct subbuf_record record;
		struct dat_chunk *chunk;
		const uint8_t *page;
		uint32_t len;
		int r = dat_stream_next(stream, &page, &len, &chunk, NULL);

		if (r < 0 && seen->errors++ < 100000)
			continue;
		if (r <= 0)
			break;
		seen->pages++;
		if (subbuf_open(&cursor, &from->layout, page, len) < 0)
			seen->wrong++;
		while (subbuf_next(&cursor, &record)) {
			uint64_t late = record.ts - build_time(0, next);
			/* The CPU of salvaged pages of an instance is not known. */
			bool right = record.len == BUILD_PAYLOAD &&
				     load_u64(record.data + 8, dat->big_endian) == next &&
				     (late == from->cpus[cpu].cpu || (*from->name && late < 4));

			seen->records++;
			seen->wrong += !right;
			next++;
		}
	}
	dat_stream_close(stream);
}

static inline struct build_seen build_read(struct dat *dat)
{
	struct build_seen seen = {0};

	for (size_t buffer = 0; buffer < dat->nr_buffers; buffer++)
		for (size_t cpu = 0; cpu < dat->buffers[buffer].nr_cpus; cpu++)
			build_read_stream(dat, buffer, cpu, &seen);
	return seen;
}

#endif
