/* SPDX-License-Identifier: MIT */
/*
 * Compression of sections and chunks: zlib (one zlib stream) and zstd (one frame). A codec keeps
 * its contexts, so that nothing is set up per chunk; it is used by one thread at a time.
 */
#ifndef SONDE_TRACEDAT_CODEC_H
#define SONDE_TRACEDAT_CODEC_H

#include <stddef.h>

#include "base/err.h"
#include "tracedat/dat.h"

struct dat_codec {
	enum dat_compression kind;
	bool fast; /* shrink costs little rather than leaving little; before first use */
	void *expand, *shrink; /* ZSTD_DCtx and ZSTD_CCtx, or z_stream; made on first use */
};

void dat_codec_init(struct dat_codec *codec, enum dat_compression kind);
void dat_codec_done(struct dat_codec *codec);

/*
 * Could `csize` bytes really expand to `usize`? Asked before memory is allocated: a hostile file
 * must not turn a few bytes into gigabytes. Looks at the compressed bytes where that helps.
 */
bool dat_codec_plausible(const struct dat_codec *codec, const void *data, size_t csize,
			 uint64_t usize);

/* Exactly `usize` bytes come out, or -EBADMSG (or -ENOMEM). */
int dat_codec_expand(struct dat_codec *codec, const void *data, size_t csize, void *ret_data,
		     size_t usize) _must_check_;

/* The most that `len` bytes can grow to. */
size_t dat_codec_bound(const struct dat_codec *codec, size_t len);
int dat_codec_shrink(struct dat_codec *codec, const void *data, size_t len, void *ret_data,
		     size_t room, size_t *ret_len) _must_check_;

/*
 * The same without compressing, when there is no time for it: with zstd a frame that has the data
 * as it is; zlib compresses all the same.
 */
int dat_codec_wrap(struct dat_codec *codec, const void *data, size_t len, void *ret_data,
		   size_t room, size_t *ret_len) _must_check_;

/* Names as the initial header has them: "none", "zlib", "zstd" and the library's version. */
const char *dat_compression_name(enum dat_compression kind);
const char *dat_compression_version(enum dat_compression kind);

#endif
