/* SPDX-License-Identifier: MIT */
/*
 * trace.dat, writing: versions 7 and 6. The caller gives metadata sections, options and per-CPU
 * pages in that order; the writer compresses, places and links them. One writer is used by one
 * thread. After a failed call only dat_writer_abort is legal.
 *
 * Of version 6: it cannot be compressed, has no BTF and no modules, all buffers have the file's
 * page size (-ENOTSUP), and a latency tracer's text is the only buffer and comes behind all
 * options.
 */
#ifndef SONDE_TRACEDAT_WRITER_H
#define SONDE_TRACEDAT_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "tracedat/dat.h"

struct dat_write_options {
	int version;			  /* 6 or 7 */
	enum dat_compression compression; /* of v7 */
	bool fast;			  /* compress with little effort: someone waits */
	bool big_endian;
	uint8_t long_size;  /* of the kernel and of user space */
	uint32_t page_size; /* of the top instance */
	uint32_t nr_cpus;
};

/* What describes the traced machine; texts are borrowed during the call. NULL data: none. */
struct dat_metadata {
	struct dat_text header_page, header_event, kallsyms, printk, cmdlines, btf, modules;
	const struct dat_format *ftrace_formats, *formats; /* formats grouped by system */
	size_t nr_ftrace_formats, nr_formats;
	const char *trace_clock; /* content of the trace_clock file of the top instance */
};

struct dat_writer;

/* Creates (or truncates) `path`. The writer keeps `path`. */
int dat_writer_open(struct dat_writer **ret_writer, const char *path,
		    const struct dat_write_options *options, struct err *err) _must_check_;

/* Once, first. */
int dat_writer_metadata(struct dat_writer *writer, const struct dat_metadata *metadata,
			struct err *err) _must_check_;

/*
 * Any option that holds no file offset; any time before finish. Copied. TRACECLOCK and CPUCOUNT are
 * the writer's own business (from trace_clock and nr_cpus).
 */
int dat_writer_option(struct dat_writer *writer, uint16_t id, const void *data, size_t len,
		      struct err *err) _must_check_;

/* One buffer: begin, for each CPU with data { cpu; pages or chunks ... }, end. "" is the top one.
 */
int dat_writer_buffer_begin(struct dat_writer *writer, const char *name, const char *clock,
			    uint32_t page_size, uint32_t nr_cpus, struct err *err) _must_check_;
int dat_writer_cpu(struct dat_writer *writer, uint32_t cpu, struct err *err) _must_check_;
/* Whole pages (a multiple of the buffer's page_size), compressed here when the file is. */
int dat_writer_pages(struct dat_writer *writer, const void *pages, size_t len, struct err *err)
	_must_check_;
/* A chunk of the current CPU that is compressed already, and how many bytes of pages it has. */
int dat_writer_chunk(struct dat_writer *writer, const void *shrunk, size_t len, size_t pages_len,
		     struct err *err) _must_check_;
/*
 * Splice ready chunks {u32 csize, u32 usize, data}* from fd into a compressed file, or ready pages
 * into an uncompressed one, without looking at them (copy_file_range).
 */
int dat_writer_splice(struct dat_writer *writer, int fd, uint64_t offset, uint64_t len,
		      uint32_t nr_chunks, struct err *err) _must_check_;
int dat_writer_buffer_end(struct dat_writer *writer, struct err *err) _must_check_;

int dat_writer_buffer_text(struct dat_writer *writer, const char *name, const char *clock,
			   const char *text, size_t len, struct err *err) _must_check_;

/*
 * What another file says: its metadata, and its options but for those that hold file offsets. In
 * place of dat_writer_metadata. The bytes of options are copied, so the byte orders must be equal.
 */
int dat_writer_copy_head(struct dat_writer *writer, struct dat *dat, struct err *err) _must_check_;
/*
 * A whole buffer of another file, without expanding what is compressed alike. Damage in it (told in
 * *ret_damage, code 0 when there is none) costs only what is damaged.
 */
int dat_writer_copy_buffer(struct dat_writer *writer, struct dat *dat, size_t buffer,
			   struct err *ret_damage, struct err *err) _must_check_;

/* Writes options, strings and all links, and closes. Frees the writer also on failure. */
int dat_writer_finish(struct dat_writer *writer, struct err *err) _must_check_;
/* Closes and frees; the file stays as it is (the caller removes it). NULL is legal. */
void dat_writer_abort(struct dat_writer *writer);

#endif
