/* SPDX-License-Identifier: MIT */
/*
 * A recorder that does not keep up stores pages as they are, so that programs need not wait until
 * they have been compressed. That is made up for when the recording has ended: chunks are taken
 * PARTS_MAX at a time, a row of ready ones being one part.
 */
#include "tracedat/pack.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "tracedat/codec.h"
#include "tracedat/writer_internal.h"

#define PARTS_MAX  16u
#define HEAD_BYTES 8u /* u32 size, u32 size of the pages in it */

/* Ready chunks, or one that is to be compressed. */
struct part {
	uint64_t offset, size;
	uint32_t nr_chunks; /* ready ones; 0: one that is not */
	uint32_t pages_len;
	struct dat_codec codec;
	uint8_t *stored, *pages, *shrunk; /* kept for the next one at this place */
	size_t stored_cap, pages_cap, shrunk_cap, shrunk_len;
	int r;
};

struct pack {
	const struct dat_raw_area *area;
	struct part parts[PARTS_MAX];
	size_t nr;
};

static int compress(const struct pack *pack, struct part *part)
{
	const size_t bound = dat_codec_bound(&part->codec, part->pages_len);
	ssize_t n;
	int r = array_reserve(&part->stored, &part->stored_cap, (size_t)part->size, 1);

	if (r == 0)
		r = array_reserve(&part->pages, &part->pages_cap, part->pages_len, 1);
	if (r == 0)
		r = array_reserve(&part->shrunk, &part->shrunk_cap, bound, 1);
	if (r < 0)
		return r;
	n = io_pread_full(pack->area->fd, part->stored, (size_t)part->size, part->offset);
	if (n < 0 || (uint64_t)n != part->size)
		return n < 0 ? (int)n : -EBADMSG;
	r = dat_codec_expand(&part->codec, part->stored, (size_t)part->size, part->pages,
			     part->pages_len);
	return r < 0 ? r
		     : dat_codec_shrink(&part->codec, part->pages, part->pages_len, part->shrunk,
					bound, &part->shrunk_len);
}

static void compress_one(void *ctx, size_t index)
{
	struct pack *pack = ctx;
	struct part *part = &pack->parts[index];

	part->r = part->nr_chunks ? 0 : compress(pack, part);
}

/* What has been gathered, in its order. */
static int write_parts(struct dat_writer *writer, struct pack *pack, struct err *err)
{
	int r = 0;

	parallel_for(compress_one, pack, pack->nr);
	for (size_t i = 0; i < pack->nr && r == 0; i++) {
		const struct part *part = &pack->parts[i];

		if (part->r < 0)
			r = err_sys(err, part->r, "%s: cannot compress what was recorded",
				    writer->path);
		else if (part->nr_chunks)
			r = dat_writer_splice(writer, pack->area->fd, part->offset, part->size,
					      part->nr_chunks, err);
		else
			r = dat_writer_chunk(writer, part->shrunk, part->shrunk_len,
					     part->pages_len, err);
	}
	pack->nr = 0;
	return r;
}

/* The chunk at this place of the file, with its head. */
static int add(struct dat_writer *writer, struct pack *pack, uint64_t offset, uint64_t size,
	       uint32_t pages_len, struct err *err)
{
	const bool is_ready = size - HEAD_BYTES < pages_len || pages_len > LIMIT_CHUNK_BYTES;
	struct part *last = pack->nr ? &pack->parts[pack->nr - 1] : NULL;
	int r = 0;

	if (is_ready && last && last->nr_chunks) {
		last->size += size;
		last->nr_chunks++;
		return 0;
	}
	if (pack->nr == PARTS_MAX)
		r = write_parts(writer, pack, err);
	last = &pack->parts[pack->nr++];
	last->offset = is_ready ? offset : offset + HEAD_BYTES;
	last->size = is_ready ? size : size - HEAD_BYTES;
	last->nr_chunks = is_ready;
	last->pages_len = pages_len;
	return r;
}

static int pack_all(struct dat_writer *writer, struct pack *pack, struct err *err)
{
	const struct dat_raw_area *area = pack->area;
	const bool big = writer->options.big_endian;
	uint64_t at = 0, size;
	int r = 0;

	for (; r == 0 && area->size - at >= HEAD_BYTES; at += size) {
		uint8_t head[HEAD_BYTES];
		ssize_t n = io_pread_full(area->fd, head, sizeof(head), area->offset + at);

		if (n != (ssize_t)sizeof(head))
			return err_sys(err, n < 0 ? (int)n : -EBADMSG,
				       "%s: cannot read what was recorded", writer->path);
		size = HEAD_BYTES + (uint64_t)load_u32(head, big);
		if (size > area->size - at)
			return err_sys(err, -EBADMSG, "%s: cannot read what was recorded",
				       writer->path);
		r = add(writer, pack, area->offset + at, size, load_u32(head + 4, big), err);
	}
	return r < 0 ? r : write_parts(writer, pack, err);
}

int dat_pack(struct dat_writer *writer, const struct dat_raw_area *area, struct err *err)
{
	struct pack pack = {.area = area};
	int r;

	for (size_t i = 0; i < PARTS_MAX; i++) {
		dat_codec_init(&pack.parts[i].codec, writer->options.compression);
		pack.parts[i].codec.fast = writer->options.fast;
	}
	r = pack_all(writer, &pack, err);
	for (size_t i = 0; i < PARTS_MAX; i++) {
		dat_codec_done(&pack.parts[i].codec);
		mem_free(pack.parts[i].stored);
		mem_free(pack.parts[i].pages);
		mem_free(pack.parts[i].shrunk);
	}
	return r;
}
