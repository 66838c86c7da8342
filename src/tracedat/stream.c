/* SPDX-License-Identifier: MIT */
/*
 * Reading one CPU's pages. Uncompressed data is read in runs of pages, compressed data chunk by
 * chunk; either way pages lie in a chunk from the pool. Files are read, not mapped: a file that is
 * cut short while it is read would be a SIGBUS, and mapped pages count as the program's memory.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/feed.h"
#include "tracedat/partial_internal.h"
#include "tracedat/stream.h"

enum {
	RUN_BYTES = 256 << 10,
	CHUNK_HEAD_BYTES = 8
};

struct dat_stream {
	struct dat_state *st;
	const struct dat_buffer *buffer;
	const struct dat_cpu *cpu;
	int fd;
	bool growing; /* a partial directory: what is not whole is not there yet */
	uint64_t pos; /* in the CPU's area: the next run, or the next chunk */
	struct dat_chunk *chunk;
	uint32_t chunk_pos;
	struct dat_window window;
	struct dat_codec codec;
	uint64_t *index; /* compressed: where each chunk begins in the area; made by seek */
	size_t nr_index, cap_index;
	uint64_t index_end; /* where the chunk behind the last indexed one begins */
};

static uint64_t area_bytes(struct dat_stream *stream)
{
	/* dat_refresh may raise it in another thread, and has opened the file before. */
	uint64_t size = __atomic_load_n(&stream->cpu->size, __ATOMIC_ACQUIRE);

	if (size && stream->fd < 0)
		stream->fd = stream->window.fd = dat_partial_fd(
			stream->st, stream->buffer, (size_t)(stream->cpu - stream->buffer->cpus));
	return size;
}

/* Compressed data in a trace.dat begins with the number of chunks, which its size leaves out. */
static uint64_t area_start(const struct dat_stream *stream)
{
	return stream->buffer->compressed && !stream->growing ? DAT_CHUNK_COUNT_BYTES : 0;
}

int dat_stream_open(struct dat_stream **ret_stream, struct dat *dat, size_t buffer,
		    size_t cpu_index, struct err *err)
{
	struct dat_stream *stream;

	if (buffer >= dat->nr_buffers || cpu_index >= dat->buffers[buffer].nr_cpus)
		return err_set(err, -EINVAL, "%s: there is no such CPU", dat->path);
	stream = mem_zalloc(sizeof(*stream));
	if (!stream)
		return err_sys(err, -ENOMEM, "%s", dat->path);
	stream->st = dat_state(dat);
	stream->buffer = &dat->buffers[buffer];
	stream->cpu = &stream->buffer->cpus[cpu_index];
	stream->growing = stream->st->partial != NULL;
	stream->fd = stream->growing ? -1 : stream->st->fd;
	stream->pos = stream->index_end = area_start(stream);
	dat_window_init(&stream->window, stream->fd, 0);
	dat_codec_init(&stream->codec, dat->compression);
	*ret_stream = stream;
	return 0;
}

void dat_stream_close(struct dat_stream *stream)
{
	if (!stream)
		return;
	dat_chunk_unref(stream->chunk);
	dat_window_done(&stream->window);
	dat_codec_done(&stream->codec);
	mem_free(stream->index);
	mem_free(stream);
}

static int stream_fail(const struct dat_stream *stream, struct err *err, int code, uint64_t pos,
		       const char *what)
{
	return err_set(err, code, "%s: CPU %u: the data at offset %" PRIu64 " %s",
		       stream->st->dat.path, stream->cpu->cpu, stream->cpu->offset + pos, what);
}

static int stream_fail_sys(const struct dat_stream *stream, struct err *err, int code, uint64_t pos)
{
	return err_sys(err, code, "%s: CPU %u: cannot read the data at offset %" PRIu64,
		       stream->st->dat.path, stream->cpu->cpu, stream->cpu->offset + pos);
}

static void drop_chunk(struct dat_stream *stream)
{
	dat_chunk_unref(stream->chunk);
	stream->chunk = NULL;
	stream->chunk_pos = 0;
}

/* The run of pages at stream->pos. 1, 0 at the end, or an error. */
static int load_run(struct dat_stream *stream, struct err *err)
{
	const uint64_t page = stream->buffer->layout.size, size = area_bytes(stream);
	uint64_t want = MAX(RUN_BYTES / page, 1u) * page, pos;
	struct dat_chunk *chunk;
	ssize_t n;

	if (stream->pos >= size)
		return 0;
	want = MIN(want, size - stream->pos);
	if (stream->growing)
		want -= want % page;
	if (!want)
		return 0;
	pos = stream->pos;
	stream->pos += want; /* after a failure the next call goes on behind it */
	chunk = dat_pool_get(stream->st->pool, (size_t)want);
	if (!chunk)
		return stream_fail_sys(stream, err, -ENOMEM, pos);
	n = io_pread_full(stream->fd, chunk->bytes, (size_t)want, stream->cpu->offset + pos);
	if (n < (ssize_t)want) {
		dat_chunk_unref(chunk);
		if (n < 0)
			return stream_fail_sys(stream, err, (int)n, pos);
		return stream_fail(stream, err, -EIO, pos, "is gone: the file was cut short");
	}
	chunk->nr_bytes = (uint32_t)want;
	stream->chunk = chunk;
	stream->chunk_pos = 0;
	return 1;
}

struct chunk_head {
	uint32_t csize, usize;
};

/*
 * The head of the chunk at `pos`: 1, 0 when there is none, or an error. A chunk that reaches behind
 * the area is an error, except where the file ends there (dat->damage has said so) or still grows.
 */
static int chunk_head(struct dat_stream *stream, uint64_t pos, struct chunk_head *ret_head,
		      struct err *err)
{
	const bool big = stream->st->dat.big_endian;
	uint64_t size = area_bytes(stream);
	const uint8_t *p;
	ssize_t n;

	if (pos >= size) /* also where a writer counted the number of chunks in */
		return 0;
	size += area_start(stream);
	if (size - pos < CHUNK_HEAD_BYTES)
		goto cut;
	n = dat_window_get(&stream->window, stream->cpu->offset + pos, CHUNK_HEAD_BYTES, &p);
	if (n < 0)
		return stream_fail_sys(stream, err, (int)n, pos);
	if (n < CHUNK_HEAD_BYTES)
		goto cut;
	ret_head->csize = load_u32(p, big);
	ret_head->usize = load_u32(p + 4, big);
	if (ret_head->csize <= size - pos - CHUNK_HEAD_BYTES)
		return 1;
cut:
	stream->window.len = 0; /* what lies there may still change */
	if (stream->growing || stream->cpu->offset + size >= stream->st->dat.file_size)
		return 0;
	return stream_fail(stream, err, -EBADMSG, pos,
			   "is damaged: a chunk reaches behind its end");
}

/* Expand the chunk at `pos`, whose head is known. */
static int expand_chunk(struct dat_stream *stream, uint64_t pos, const struct chunk_head *head,
			struct err *err)
{
	const uint8_t *data;
	struct dat_chunk *chunk;
	ssize_t n;
	int r;

	if (head->csize > LIMIT_CHUNK_BYTES || head->usize > LIMIT_CHUNK_BYTES)
		return stream_fail(stream, err, -EFBIG, pos,
				   "is damaged: an impossible chunk size");
	n = dat_window_get(&stream->window, stream->cpu->offset + pos,
			   (size_t)head->csize + CHUNK_HEAD_BYTES, &data);
	if (n < 0)
		return stream_fail_sys(stream, err, (int)n, pos);
	if ((size_t)n < (size_t)head->csize + CHUNK_HEAD_BYTES)
		return stream_fail(stream, err, -EIO, pos, "is gone: the file was cut short");
	data += CHUNK_HEAD_BYTES;
	if (!dat_codec_plausible(&stream->codec, data, head->csize, head->usize))
		return stream_fail(stream, err, -EBADMSG, pos,
				   "is damaged: a chunk cannot be expanded");
	chunk = dat_pool_get(stream->st->pool, head->usize);
	if (!chunk)
		return stream_fail_sys(stream, err, -ENOMEM, pos);
	r = dat_codec_expand(&stream->codec, data, head->csize, chunk->bytes, head->usize);
	if (r < 0) {
		dat_chunk_unref(chunk);
		if (r != -EBADMSG)
			return stream_fail_sys(stream, err, r, pos);
		return stream_fail(stream, err, r, pos, "is damaged: a chunk cannot be expanded");
	}
	chunk->nr_bytes = head->usize;
	drop_chunk(stream);
	stream->chunk = chunk;
	return 1;
}

/* Whether the head says that the chunk has been given back, since only the newest are kept. */
static bool was_let_go(const struct dat_stream *stream, const struct chunk_head *head,
		       uint64_t *pos)
{
	uint64_t to;

	if (!stream->growing || head->csize || head->usize)
		return false;
	to = dat_partial_resume(stream->st, stream->buffer,
				(size_t)(stream->cpu - stream->buffer->cpus), *pos);
	if (to == *pos)
		return false;
	*pos = to;
	return true;
}

static int load_chunk(struct dat_stream *stream, struct err *err)
{
	struct chunk_head head = {0};
	uint64_t pos = stream->pos;
	int r = chunk_head(stream, pos, &head, err);

	while (r > 0 && was_let_go(stream, &head, &pos))
		r = chunk_head(stream, pos, &head, err);
	stream->pos = pos;
	if (r < 0)
		stream->pos = area_bytes(stream);
	if (r <= 0)
		return r;
	stream->pos += CHUNK_HEAD_BYTES + (uint64_t)head.csize;
	return expand_chunk(stream, pos, &head, err);
}

/* What dat_feed has handed over: 1, or 0 when there is nothing now. */
static int load_fed(struct dat_stream *stream)
{
	stream->chunk = dat_feed_take(stream->st, stream->buffer, stream->cpu->cpu);
	return stream->chunk ? 1 : 0;
}

int dat_stream_next(struct dat_stream *stream, const uint8_t **ret_page, uint32_t *ret_len,
		    struct dat_chunk **ret_chunk, struct err *err)
{
	struct dat_chunk *chunk;

	while (!stream->chunk || stream->chunk_pos >= stream->chunk->nr_bytes) {
		int r;

		drop_chunk(stream);
		if (stream->st->feed)
			r = load_fed(stream);
		else
			r = stream->buffer->compressed ? load_chunk(stream, err)
						       : load_run(stream, err);
		if (r <= 0)
			return r;
	}
	chunk = stream->chunk;
	*ret_page = chunk->bytes + stream->chunk_pos;
	*ret_len = MIN(chunk->nr_bytes - stream->chunk_pos, stream->buffer->layout.size);
	*ret_chunk = chunk;
	stream->chunk_pos += *ret_len;
	return 1;
}

/* --- seeking --- */

/* Time of a page of which `len` bytes are there; false when it is empty or cut off. */
static bool page_time(const struct dat_stream *stream, const uint8_t *page, size_t len,
		      uint64_t *ret_ts)
{
	const struct subbuf_layout *layout = &stream->buffer->layout;

	if (len < subbuf_header_bytes(layout))
		return false;
	*ret_ts = subbuf_time(layout, page);
	return *ret_ts || load_uint(page + 8, layout->long_size, layout->big_endian);
}

/* Extend the index of chunks to the end of what is there. */
static int index_chunks(struct dat_stream *stream, struct err *err)
{
	for (;;) {
		struct chunk_head head = {0};
		int r = chunk_head(stream, stream->index_end, &head, err);

		if (r > 0 && was_let_go(stream, &head, &stream->index_end))
			continue;
		if (r <= 0) /* damage is met again, and told, when the reading comes to it */
			return r == 0 || r == -EBADMSG ? 0 : r;
		r = array_reserve(&stream->index, &stream->cap_index, stream->nr_index + 1,
				  sizeof(*stream->index));
		if (r < 0)
			return stream_fail_sys(stream, err, r, stream->index_end);
		stream->index[stream->nr_index++] = stream->index_end;
		stream->index_end += CHUNK_HEAD_BYTES + (uint64_t)head.csize;
	}
}

/* Units are pages of uncompressed data, chunks of compressed data. */
static int count_units(struct dat_stream *stream, uint64_t *ret_nr, struct err *err)
{
	int r;

	if (!stream->buffer->compressed) {
		*ret_nr = area_bytes(stream) / stream->buffer->layout.size;
		return 0;
	}
	r = index_chunks(stream, err);
	*ret_nr = stream->nr_index;
	return r;
}

/* Put the position to the begin of a unit; compressed ones are expanded. 1, 0: nothing there. */
static int go_to_unit(struct dat_stream *stream, uint64_t unit, struct err *err)
{
	drop_chunk(stream);
	if (!stream->buffer->compressed) {
		stream->pos = unit * stream->buffer->layout.size;
		return 1;
	}
	if (unit >= stream->nr_index) {
		stream->pos = area_start(stream);
		return 0;
	}
	stream->pos = stream->index[unit];
	return load_chunk(stream, err);
}

/* Time at which a unit begins: 1, 0 when it does not say, or an error. */
static int unit_time(struct dat_stream *stream, uint64_t unit, uint64_t *ret_ts, struct err *err)
{
	const uint32_t page = stream->buffer->layout.size;
	uint8_t head[16];
	ssize_t n;
	int r;

	if (!stream->buffer->compressed) {
		uint64_t pos = unit * page;

		n = io_pread_full(stream->fd, head, sizeof(head), stream->cpu->offset + pos);
		if (n < 0)
			return stream_fail_sys(stream, err, (int)n, pos);
		return page_time(stream, head, (size_t)n, ret_ts);
	}
	r = go_to_unit(stream, unit, err);
	if (r <= 0) /* damaged chunks are told when the reading comes to them */
		return r == -EBADMSG || r == -EFBIG ? 0 : r;
	for (uint32_t at = 0; at < stream->chunk->nr_bytes; at += page) {
		if (page_time(stream, stream->chunk->bytes + at, stream->chunk->nr_bytes - at,
			      ret_ts))
			return 1;
		if (stream->chunk->nr_bytes - at <= page)
			break;
	}
	return 0;
}

/* The last unit that begins before `ts`, else the first. */
static int find_unit(struct dat_stream *stream, uint64_t ts, uint64_t *ret_unit, struct err *err)
{
	uint64_t low = 0, high;
	int r = count_units(stream, &high, err);

	if (r < 0)
		return r;
	while (high > low + 1) {
		uint64_t middle = low + (high - low) / 2, at = middle, time = 0;

		do
			r = unit_time(stream, at, &time, err);
		while (r == 0 && ++at < high);
		if (r < 0)
			return r;
		if (at < high && time < ts)
			low = at;
		else
			high = middle;
	}
	*ret_unit = low;
	return 0;
}

/* In the chunk at hand: the last page that begins before `ts`, else the first. */
static void find_page(struct dat_stream *stream, uint64_t ts)
{
	const uint32_t page = stream->buffer->layout.size;
	const struct dat_chunk *chunk = stream->chunk;
	uint64_t time;

	stream->chunk_pos = 0;
	for (uint64_t at = 0; at < chunk->nr_bytes; at += page)
		if (page_time(stream, chunk->bytes + at, chunk->nr_bytes - at, &time) && time < ts)
			stream->chunk_pos = (uint32_t)at;
}

int dat_stream_seek(struct dat_stream *stream, uint64_t ts, struct err *err)
{
	uint64_t unit = 0;
	int r;

	drop_chunk(stream);
	stream->pos = area_start(stream);
	if (ts == 0)
		return 0;
	r = find_unit(stream, ts, &unit, err);
	if (r < 0)
		return r;
	r = go_to_unit(stream, unit, err);
	if (r < 0 && r != -EBADMSG && r != -EFBIG)
		return r;
	if (r > 0 && stream->chunk)
		find_page(stream, ts);
	else if (r < 0 && stream->buffer->compressed)
		stream->pos = stream->index[unit]; /* so that next tells of the damage */
	return 0;
}

static bool has_record(const struct dat_stream *stream, const uint8_t *page, uint32_t len)
{
	struct subbuf_cursor cursor;
	struct subbuf_record record;

	(void)!subbuf_open(&cursor, &stream->buffer->layout, page, len);
	return subbuf_next(&cursor, &record) > 0;
}

/* In the chunk at hand: the last page with a record. */
static bool find_last_page(struct dat_stream *stream)
{
	const uint32_t page = stream->buffer->layout.size;
	const struct dat_chunk *chunk = stream->chunk;
	uint32_t nr = chunk->nr_bytes / page + (chunk->nr_bytes % page != 0);

	while (nr--) {
		uint32_t at = nr * page;

		if (!has_record(stream, chunk->bytes + at, MIN(chunk->nr_bytes - at, page)))
			continue;
		stream->chunk_pos = at;
		return true;
	}
	return false;
}

int dat_stream_seek_last(struct dat_stream *stream, struct err *err)
{
	const uint64_t page = stream->buffer->layout.size;
	uint64_t unit, step = 1;
	int r = count_units(stream, &unit, err);

	if (r < 0)
		return r;
	if (!stream->buffer->compressed) {
		step = MAX(RUN_BYTES / page, 1u);
		if (!stream->growing && area_bytes(stream) % page)
			unit++;
		unit = (unit + step - 1) / step;
	}
	while (unit--) {
		r = go_to_unit(stream, unit * step, err);
		if (r > 0 && !stream->chunk)
			r = load_run(stream, err);
		if (r > 0 && find_last_page(stream))
			return 1;
		if (r < 0 && r != -EBADMSG && r != -EFBIG)
			return r;
	}
	drop_chunk(stream);
	stream->pos = area_start(stream);
	return 0;
}

/* --- copying --- */

bool dat_stream_raw(struct dat_stream *stream, struct dat_raw_area *ret_area)
{
	uint64_t size = area_bytes(stream), start = area_start(stream), nr = 0;

	if (count_units(stream, &nr, NULL) < 0 || nr > UINT32_MAX)
		return false;
	if (stream->buffer->compressed) {
		size = stream->index_end - start;
		if (stream->index_end < area_bytes(stream) && !stream->growing)
			return false; /* some of it is damaged */
	} else if (size % stream->buffer->layout.size) {
		if (!stream->growing)
			return false;
		size -= size % stream->buffer->layout.size;
	}
	*ret_area = (struct dat_raw_area){
		.fd = stream->fd,
		.offset = stream->cpu->offset + start,
		.size = size,
		.nr_chunks = (uint32_t)nr,
	};
	return true;
}
