/* SPDX-License-Identifier: MIT */
/* OUT.partial: what its writer, its reader and its sealing share. */
#ifndef SONDE_TRACEDAT_PARTIAL_INTERNAL_H
#define SONDE_TRACEDAT_PARTIAL_INTERNAL_H

#include "base/out.h"
#include "tracedat/internal.h"
#include "tracedat/writer.h"

int dat_partial_path(struct out *out, const char *dir, const char *name) _must_check_;
int dat_partial_stream_path(struct out *out, const char *dir, size_t buffer, uint32_t cpu)
	_must_check_;

/* meta.dat, in place of the one there is. */
int dat_partial_write_meta(const char *dir, const struct dat_write_options *options,
			   const struct dat_metadata *metadata, struct err *err) _must_check_;

/* Where one CPU's stream begins: 0 unless only its newest pages are kept. */
int dat_partial_start(const char *dir, size_t buffer, uint32_t cpu, uint64_t *ret_start)
	_must_check_;
/* What a follower shall go on with when all at `pos` of the CPU's area has been given back. */
uint64_t dat_partial_resume(const struct dat_state *st, const struct dat_buffer *buffer,
			    size_t cpu_index, uint64_t pos);

/* Where the directory is while it is not whole: being made, or being removed. */
int dat_partial_aside(struct out *out, const char *path) _must_check_;
/* Remove the directory `path` and the files that belong in it, one after the other. */
int dat_partial_sweep(const char *path) _must_check_;

/* What a dat that was opened from a directory has beside the rest. */
struct dat_partial_stream {
	int fd;		   /* -1 until the recorder has written something; atomic */
	size_t file_index; /* of the buffer in the files' names */
};
struct dat_partial_read {
	struct dat_partial_stream *streams; /* of all CPUs of all buffers, in the dat's order */
	size_t nr, cap;
};

/* dat_open of a directory: meta.dat's descriptor, then (once that has been read) the rest. */
int dat_partial_open_meta(struct dat_state *st) _must_check_;
int dat_partial_load(struct dat_state *st) _must_check_;
void dat_partial_close(struct dat_state *st);
/* Which buffer it is in the files' names. */
size_t dat_partial_file_index(const struct dat_state *st, const struct dat_buffer *buffer);
/* The file of one CPU's stream, -1 when it has none yet. */
int dat_partial_fd(const struct dat_state *st, const struct dat_buffer *buffer, size_t cpu_index);

#endif
