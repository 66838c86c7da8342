/* SPDX-License-Identifier: MIT */
#include "tracedat/codec.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"

/* trace-cmd compresses with zlib's best and zstd's default level. Measured: docs/design/record.md.
 */
enum {
	ZLIB_LEVEL = 9,
	ZLIB_LEVEL_FAST = 1,
	ZSTD_LEVEL = 3,
	ZSTD_LEVEL_FAST = -1
};

static voidpf zlib_alloc(voidpf opaque, uInt items, uInt size)
{
	(void)opaque;
	return mem_calloc(items, size);
}

static void zlib_free(voidpf opaque, voidpf address)
{
	(void)opaque;
	mem_free(address);
}

void dat_codec_init(struct dat_codec *codec, enum dat_compression kind)
{
	*codec = (struct dat_codec){.kind = kind};
}

void dat_codec_done(struct dat_codec *codec)
{
	if (codec->kind == DAT_ZSTD) {
		ZSTD_freeDCtx(codec->expand);
		ZSTD_freeCCtx(codec->shrink);
	} else {
		if (codec->expand)
			inflateEnd(codec->expand);
		if (codec->shrink)
			deflateEnd(codec->shrink);
		mem_free(codec->expand);
		mem_free(codec->shrink);
	}
	codec->expand = codec->shrink = NULL;
}

bool dat_codec_plausible(const struct dat_codec *codec, const void *data, size_t csize,
			 uint64_t usize)
{
	if (usize > LIMIT_EXPAND_BYTES && usize / LIMIT_EXPAND_RATIO > csize)
		return false;
	if (codec->kind == DAT_ZSTD) {
		unsigned long long bound = ZSTD_getFrameContentSize(data, csize);

		if (bound == ZSTD_CONTENTSIZE_ERROR)
			return false;
		/* A block of at least 3 bytes makes at most 128 KiB. */
		return (bound == ZSTD_CONTENTSIZE_UNKNOWN || bound == usize) &&
		       usize / (128u << 10) <= csize / 3;
	}
	return usize / 1032 <= csize; /* what deflate can reach */
}

static int expand_zstd(struct dat_codec *codec, const void *data, size_t csize, void *ret_data,
		       size_t usize)
{
	size_t n;

	if (!codec->expand)
		codec->expand = ZSTD_createDCtx();
	if (!codec->expand)
		return -ENOMEM;
	n = ZSTD_decompressDCtx(codec->expand, ret_data, usize, data, csize);
	return !ZSTD_isError(n) && n == usize ? 0 : -EBADMSG;
}

static z_stream *zlib_stream(void)
{
	z_stream *stream = mem_zalloc(sizeof(*stream));

	if (stream) {
		stream->zalloc = zlib_alloc;
		stream->zfree = zlib_free;
	}
	return stream;
}

static int expand_zlib(struct dat_codec *codec, const void *data, size_t csize, void *ret_data,
		       size_t usize)
{
	z_stream *stream = codec->expand;

	if (csize > UINT32_MAX || usize > UINT32_MAX)
		return -EFBIG;
	if (stream) {
		if (inflateReset(stream) != Z_OK)
			return -EBADMSG;
	} else {
		stream = zlib_stream();
		if (!stream)
			return -ENOMEM;
		if (inflateInit(stream) != Z_OK) {
			mem_free(stream);
			return -ENOMEM;
		}
		codec->expand = stream;
	}
	stream->next_in = (z_const Bytef *)data;
	stream->avail_in = (uInt)csize;
	stream->next_out = ret_data;
	stream->avail_out = (uInt)usize;
	switch (inflate(stream, Z_FINISH)) {
	case Z_STREAM_END:
		return stream->avail_out == 0 ? 0 : -EBADMSG;
	case Z_MEM_ERROR:
		return -ENOMEM;
	default:
		return -EBADMSG;
	}
}

int dat_codec_expand(struct dat_codec *codec, const void *data, size_t csize, void *ret_data,
		     size_t usize)
{
	switch (codec->kind) {
	case DAT_ZSTD:
		return expand_zstd(codec, data, csize, ret_data, usize);
	case DAT_ZLIB:
		return expand_zlib(codec, data, csize, ret_data, usize);
	default:
		return -EBADMSG; /* a section says it is compressed in a file that is not */
	}
}

size_t dat_codec_bound(const struct dat_codec *codec, size_t len)
{
	switch (codec->kind) {
	case DAT_ZSTD:
		return ZSTD_compressBound(len);
	case DAT_ZLIB:
		return compressBound(len);
	default:
		return len;
	}
}

static int shrink_zstd(struct dat_codec *codec, const void *data, size_t len, void *ret_data,
		       size_t room, size_t *ret_len)
{
	size_t n;

	if (!codec->shrink) {
		codec->shrink = ZSTD_createCCtx();
		if (!codec->shrink)
			return -ENOMEM;
		ZSTD_CCtx_setParameter(codec->shrink, ZSTD_c_compressionLevel,
				       codec->fast ? ZSTD_LEVEL_FAST : ZSTD_LEVEL);
		ZSTD_CCtx_setParameter(codec->shrink, ZSTD_c_contentSizeFlag, 0);
	}
	n = ZSTD_compress2(codec->shrink, ret_data, room, data, len);
	if (ZSTD_isError(n))
		return -ENOMEM;
	*ret_len = n;
	return 0;
}

static int shrink_zlib(struct dat_codec *codec, const void *data, size_t len, void *ret_data,
		       size_t room, size_t *ret_len)
{
	z_stream *stream = codec->shrink;

	if (len > UINT32_MAX || room > UINT32_MAX)
		return -EFBIG;
	if (stream) {
		if (deflateReset(stream) != Z_OK)
			return -EINVAL;
	} else {
		stream = zlib_stream();
		if (!stream)
			return -ENOMEM;
		if (deflateInit(stream, codec->fast ? ZLIB_LEVEL_FAST : ZLIB_LEVEL) != Z_OK) {
			mem_free(stream);
			return -ENOMEM;
		}
		codec->shrink = stream;
	}
	stream->next_in = (z_const Bytef *)data;
	stream->avail_in = (uInt)len;
	stream->next_out = ret_data;
	stream->avail_out = (uInt)room;
	if (deflate(stream, Z_FINISH) != Z_STREAM_END)
		return -ENOMEM;
	*ret_len = room - stream->avail_out;
	return 0;
}

int dat_codec_shrink(struct dat_codec *codec, const void *data, size_t len, void *ret_data,
		     size_t room, size_t *ret_len)
{
	switch (codec->kind) {
	case DAT_ZSTD:
		return shrink_zstd(codec, data, len, ret_data, room, ret_len);
	case DAT_ZLIB:
		return shrink_zlib(codec, data, len, ret_data, room, ret_len);
	default:
		return -EINVAL;
	}
}

/* A frame's head, without a size: blocks of 128 KiB, of which each says how long it is. */
static const uint8_t frame_head[] = {0x28, 0xb5, 0x2f, 0xfd, 0, (17 - 10) << 3};
#define BLOCK_BYTES (128u << 10)
#define BLOCK_LAST  1u /* and its kind, 0: as it is */
#define BLOCK_SHIFT 3

int dat_codec_wrap(struct dat_codec *codec, const void *data, size_t len, void *ret_data,
		   size_t room, size_t *ret_len)
{
	const uint8_t *from = data;
	uint8_t *to = ret_data;

	if (codec->kind != DAT_ZSTD)
		return dat_codec_shrink(codec, data, len, ret_data, room, ret_len);
	if (room < dat_codec_bound(codec, len))
		return -EINVAL;
	memcpy(to, frame_head, sizeof(frame_head));
	to += sizeof(frame_head);
	do {
		uint32_t some = (uint32_t)MIN(len, (size_t)BLOCK_BYTES);
		uint32_t head = some << BLOCK_SHIFT | (some == len ? BLOCK_LAST : 0);

		store_u16(to, (uint16_t)head, false);
		to[2] = (uint8_t)(head >> 16);
		memcpy(to + 3, from, some);
		to += 3 + some;
		from += some;
		len -= some;
	} while (len);
	*ret_len = (size_t)(to - (uint8_t *)ret_data);
	return 0;
}

const char *dat_compression_name(enum dat_compression kind)
{
	static const char *const names[] = {"none", "zlib", "zstd"};

	return names[kind];
}

const char *dat_compression_version(enum dat_compression kind)
{
	switch (kind) {
	case DAT_ZSTD:
		return ZSTD_versionString();
	case DAT_ZLIB:
		return zlibVersion();
	default:
		return "";
	}
}
