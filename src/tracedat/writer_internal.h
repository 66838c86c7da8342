/* SPDX-License-Identifier: MIT */
/* What the files of the writer share. */
#ifndef SONDE_TRACEDAT_WRITER_INTERNAL_H
#define SONDE_TRACEDAT_WRITER_INTERNAL_H

#include "base/out.h"
#include "tracedat/codec.h"
#include "tracedat/emit.h"
#include "tracedat/internal.h"
#include "tracedat/writer.h"

/* A buffer that has been begun; v6 keeps all until the end, v7 the current one. */
struct dat_written_buffer {
	char *name, *clock; /* owned */
	uint32_t page_size, nr_cpus;
	struct dat_cpu *cpus; /* those with data, in the order of writing */
	size_t nr, cap;
};

struct dat_writer {
	char *path;
	struct dat_write_options options;
	struct dat_emit emit;
	struct dat_codec codec;
	/* v7: the compressed section of symbols is copied from this file; -1: made anew */
	int kallsyms_fd;
	struct dat_extent kallsyms;
	struct out pending;    /* options that are not in the file yet, encoded */
	uint64_t options_link; /* v7: where the offset of the next OPTIONS section goes */
	struct out strings;    /* v7: descriptions of the sections */
	bool has_metadata, has_clock;
	bool is_open; /* between buffer_begin and buffer_end */
	struct dat_written_buffer *buffers;
	size_t nr_buffers, cap_buffers;
	uint64_t section; /* v7: header of the current BUFFER section */
	bool in_cpu;	  /* pages go to the last of the current buffer's cpus */
	uint32_t nr_chunks;
	uint8_t *gather; /* pages on their way to a chunk */
	size_t gathered, cap_gather;
	uint8_t *shrunk;
	size_t cap_shrunk;
	uint64_t gap, gap_end; /* v6: room for options and the table of CPUs */
	bool has_text;	       /* v6: a latency tracer's text ends the file */
};

static inline struct dat_written_buffer *dat_current_buffer(struct dat_writer *writer)
{
	return &writer->buffers[writer->nr_buffers - 1];
}

/* Encode one option behind the others. */
void dat_put_option(struct out *out, bool big, uint16_t id, const void *data, size_t len);
void dat_put_u16(struct out *out, uint16_t value, bool big);
void dat_put_u32(struct out *out, uint32_t value, bool big);
void dat_put_u64(struct out *out, uint64_t value, bool big);

/* {u32 csize, u32 usize, data} at the position; none of it when the file is not compressed. */
int dat_write_compressed(struct dat_writer *writer, const void *data, size_t len);

/* Bodies of the metadata sections, the same in both versions. */
enum {
	DAT_NR_BODIES = 8
};
struct dat_body {
	uint16_t id;
	const char *description;
	bool optional; /* left out when there is nothing in it */
	void (*build)(struct out *out, const struct dat_metadata *metadata, bool big);
};
extern const struct dat_body dat_bodies[DAT_NR_BODIES];

/* --- copy.c --- */

struct dat_partial_end; /* tracedat/partial.h */
/* dat_writer_copy_buffer, and behind each CPU's pages those of its end; NULL: there are none. */
int dat_writer_copy_streams(struct dat_writer *writer, struct dat *dat, size_t index,
			    const struct dat_partial_end *ends, struct err *ret_damage,
			    struct err *err) _must_check_;

/* --- writer_v6.c --- */

int dat_v6_metadata(struct dat_writer *writer, const struct dat_metadata *metadata);
int dat_v6_first_buffer(struct dat_writer *writer);
int dat_v6_text(struct dat_writer *writer, const char *clock, const char *text, size_t len);
int dat_v6_finish(struct dat_writer *writer);

/* --- writer_v7.c --- */

int dat_v7_metadata(struct dat_writer *writer, const struct dat_metadata *metadata);
int dat_v7_buffer_begin(struct dat_writer *writer);
int dat_v7_buffer_end(struct dat_writer *writer);
int dat_v7_text(struct dat_writer *writer, const char *name, const char *clock, const char *text,
		size_t len);
int dat_v7_finish(struct dat_writer *writer);

#endif
