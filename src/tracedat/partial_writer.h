/* SPDX-License-Identifier: MIT */
/* A recording in progress: what its writing side has in memory. */
#ifndef SONDE_TRACEDAT_PARTIAL_WRITER_H
#define SONDE_TRACEDAT_PARTIAL_WRITER_H

#include <pthread.h>

#include "base/out.h"
#include "tracedat/codec.h"
#include "tracedat/partial_pieces.h"
#include "tracedat/writer.h"

#define CODECS_KEPT 64u

/* One CPU of one buffer; used by one thread at a time. */
struct partial_stream {
	int fd;		   /* -1 until there is something to write */
	uint64_t size;	   /* of the file: all that is whole */
	struct out chunks; /* compressed, on their way to the file */
	uint8_t *gather;   /* pages on their way to a chunk */
	size_t gathered;
	struct partial_pieces pieces; /* in file and chunks */
};

struct partial_buffer {
	uint32_t page_size, nr_cpus;
	uint64_t keep_bytes; /* 0: all */
	struct partial_stream *streams;
};

struct dat_partial {
	char *path;
	struct dat_write_options options;
	struct partial_buffer *buffers;
	size_t nr_buffers;
	pthread_mutex_t let_go_lock; /* taken before the other, and of this: */
	unsigned int holds;
	pthread_mutex_t lock; /* of all below, and of files that are replaced */
	int options_fd;
	uint64_t options_size, kallsyms_size;
	/* Those that nobody uses just now: one for each thread at most, however many CPUs. */
	struct dat_codec codecs[CODECS_KEPT];
	size_t nr_codecs;
};

/* The whole of a small file. */
int dat_partial_write_file(const char *path, const void *data, size_t len) _must_check_;

#endif
