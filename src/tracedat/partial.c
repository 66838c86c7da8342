/* SPDX-License-Identifier: MIT */
/*
 * A recording in progress: the writing side. Streams are only ever appended to, so that a kill at
 * any moment costs at most the pages that had not been written yet.
 */
#include "tracedat/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/out.h"
#include "tracedat/partial_internal.h"
#include "tracedat/partial_writer.h"
#include "tracedat/writer_internal.h"

/*
 * Larger chunks than a finished file's usual ones: a zstd block holds 128 KiB, and each frame costs
 * time of its own. Not smaller than one page.
 */
#define CHUNK_BYTES   (128u << 10)
#define PENDING_BYTES (64u << 10) /* compressed, before they are worth a write */

static size_t chunk_bytes(const struct partial_buffer *buffer)
{
	uint64_t bytes = CHUNK_BYTES;

	if (buffer->keep_bytes)
		bytes = MIN(bytes, buffer->keep_bytes / 8);
	return (size_t)MAX(bytes - bytes % buffer->page_size, (uint64_t)buffer->page_size);
}

int dat_partial_path(struct out *out, const char *dir, const char *name)
{
	out_clear(out);
	out_str(out, dir);
	out_char(out, '/');
	out_str(out, name);
	out_cstr(out);
	return out->failed ? -ENOMEM : 0;
}

/* --- creating --- */

static void stream_done(struct partial_stream *stream)
{
	io_close(stream->fd);
	out_done(&stream->chunks);
	mem_free(stream->gather);
	mem_free(stream->pieces.items);
}

static void partial_free(struct dat_partial *partial)
{
	for (size_t i = 0; i < partial->nr_buffers; i++) {
		struct partial_buffer *buffer = &partial->buffers[i];

		for (uint32_t cpu = 0; buffer->streams && cpu < buffer->nr_cpus; cpu++)
			stream_done(&buffer->streams[cpu]);
		mem_free(buffer->streams);
	}
	mem_free(partial->buffers);
	for (size_t i = 0; i < partial->nr_codecs; i++)
		dat_codec_done(&partial->codecs[i]);
	io_close(partial->options_fd);
	pthread_mutex_destroy(&partial->let_go_lock);
	pthread_mutex_destroy(&partial->lock);
	mem_free(partial->path);
	mem_free(partial);
}

static int alloc_buffers(struct dat_partial *partial, const struct dat_partial_buffer *buffers,
			 size_t nr)
{
	partial->buffers = mem_calloc(nr, sizeof(*partial->buffers));
	if (!partial->buffers)
		return -ENOMEM;
	partial->nr_buffers = nr;
	for (size_t i = 0; i < nr; i++) {
		struct partial_buffer *buffer = &partial->buffers[i];

		buffer->page_size = buffers[i].page_size;
		if (buffers[i].keep_bytes) /* so that a few pieces fit */
			buffer->keep_bytes = MAX(buffers[i].keep_bytes, 8ull * buffer->page_size);
		buffer->streams = mem_calloc(buffers[i].nr_cpus, sizeof(*buffer->streams));
		if (!buffer->streams)
			return -ENOMEM;
		buffer->nr_cpus = buffers[i].nr_cpus;
		for (uint32_t cpu = 0; cpu < buffer->nr_cpus; cpu++)
			buffer->streams[cpu] = (struct partial_stream){
				.fd = -1,
				.pieces = {.bounded = buffer->keep_bytes != 0,
					   .layout = {buffer->page_size, partial->options.long_size,
						      partial->options.big_endian}}};
	}
	return 0;
}

static int write_buffers(struct dat_partial *partial, const struct dat_partial_buffer *buffers)
{
	_cleanup_out_ struct out text = {0}, path = {0};
	int r = dat_partial_path(&path, partial->path, "buffers");

	for (size_t i = 0; i < partial->nr_buffers; i++)
		out_printf(&text, "%zu %u %u %s %s %s\n", i, buffers[i].page_size,
			   buffers[i].nr_cpus, dat_compression_name(partial->options.compression),
			   buffers[i].clock, buffers[i].name);
	if (r < 0 || text.failed)
		return -ENOMEM;
	return dat_partial_write_file(path.buf, text.buf, text.len);
}

/*
 * Held as long as the recorder lives: a follower sees by it whether more will come. A file system
 * without locks costs only that.
 */
static int hold_lock(int fd)
{
	int r = io_lock(fd, LOCK_EX | LOCK_NB);

	return r == -ENOLCK || r == -EOPNOTSUPP || r == -ENOSYS ? 0 : r;
}

static int create_files(struct dat_partial *partial, const struct dat_metadata *metadata,
			const struct dat_partial_buffer *buffers, struct err *err)
{
	_cleanup_out_ struct out path = {0};
	int r = dat_partial_write_meta(partial->path, &partial->options, metadata, err);

	if (r < 0)
		return r;
	r = dat_partial_path(&path, partial->path, "options");
	if (r == 0) {
		partial->options_fd = io_open(path.buf, O_WRONLY | O_CREAT | O_TRUNC, 0666);
		r = MIN(partial->options_fd, 0);
	}
	if (r == 0)
		r = hold_lock(partial->options_fd);
	if (r == 0) /* last: a directory with this file is whole */
		r = write_buffers(partial, buffers);
	return r < 0 ? err_sys(err, r, "%s: cannot be created", partial->path) : 0;
}

/*
 * Made elsewhere and then renamed, so that a recorder that is killed here leaves nothing of the
 * name OUT.partial. The caller sees to it that nobody else makes the same one.
 */
static int create_directory(struct dat_partial *partial, const char *path,
			    const struct dat_metadata *metadata,
			    const struct dat_partial_buffer *buffers, struct err *err)
{
	_cleanup_out_ struct out aside = {0};
	struct stat stat;
	int r = dat_partial_aside(&aside, path);

	if (r == 0)
		r = io_stat(path, &stat) == 0 ? -EEXIST : 0;
	if (r == 0) {
		(void)!dat_partial_sweep(aside.buf);
		r = io_mkdir(aside.buf, 0777);
	}
	if (r < 0)
		return err_sys(err, r, "%s: cannot be created", path);
	partial->path = aside.buf;
	r = create_files(partial, metadata, buffers, err);
	partial->path = mem_strdup(path);
	if (r == 0) {
		r = partial->path ? io_rename(aside.buf, path) : -ENOMEM;
		if (r < 0)
			err_sys(err, r, "%s: cannot be created", path);
	}
	if (r < 0)
		(void)!dat_partial_sweep(aside.buf);
	return r;
}

static int check_buffers(const char *path, const struct dat_partial_buffer *buffers, size_t nr,
			 struct err *err)
{
	if (nr > LIMIT_INSTANCES)
		return err_set(err, -EINVAL, "%s: too many buffers", path);
	for (size_t i = 0; i < nr; i++)
		if (buffers[i].nr_cpus > LIMIT_CPUS ||
		    buffers[i].page_size < LIMIT_SUBBUF_MIN_BYTES ||
		    buffers[i].page_size > LIMIT_SUBBUF_BYTES || strpbrk(buffers[i].name, "\n") ||
		    strpbrk(buffers[i].clock, " \n"))
			return err_set(err, -EINVAL, "%s: a buffer cannot be like \"%s\"", path,
				       buffers[i].name);
	return 0;
}

int dat_partial_create(struct dat_partial **ret_partial, const char *path,
		       const struct dat_write_options *options, const struct dat_metadata *metadata,
		       const struct dat_partial_buffer *buffers, size_t nr_buffers, struct err *err)
{
	struct dat_partial *partial;
	int r = check_buffers(path, buffers, nr_buffers, err);

	if (r < 0)
		return r;
	partial = mem_zalloc(sizeof(*partial));
	if (!partial)
		return err_sys(err, -ENOMEM, "%s", path);
	pthread_mutex_init(&partial->let_go_lock, NULL);
	pthread_mutex_init(&partial->lock, NULL);
	partial->options_fd = -1;
	partial->options = *options;
	r = alloc_buffers(partial, buffers, nr_buffers);
	if (r < 0)
		err_sys(err, r, "%s: cannot be created", path);
	else
		r = create_directory(partial, path, metadata, buffers, err);
	if (r < 0) {
		partial_free(partial);
		return r;
	}
	*ret_partial = partial;
	return 0;
}

int dat_partial_metadata(struct dat_partial *partial, const struct dat_metadata *metadata,
			 struct err *err)
{
	return dat_partial_write_meta(partial->path, &partial->options, metadata, err);
}

/* --- appending --- */

static int stream_fail(const struct dat_partial *partial, size_t buffer, uint32_t cpu, int code,
		       struct err *err)
{
	return err_sys(err, code, "%s: cannot write b%zu.cpu%u", partial->path, buffer, cpu);
}

static int open_stream(struct dat_partial *partial, size_t buffer, uint32_t cpu, int flags)
{
	struct partial_stream *stream = &partial->buffers[buffer].streams[cpu];
	_cleanup_out_ struct out path = {0};
	int r;

	if (stream->fd >= 0)
		return 0;
	r = dat_partial_stream_path(&path, partial->path, buffer, cpu);
	if (r < 0)
		return r;
	/* Read as well: sealing copies from it. */
	r = io_open(path.buf, O_RDWR | O_CREAT | flags, 0666);
	if (r < 0)
		return r;
	stream->fd = r;
	return 0;
}

/* All or nothing: what a failed write left behind is cut off again. */
static int write_stream(struct partial_stream *stream, const void *data, size_t len)
{
	int r = io_pwrite_full(stream->fd, data, len, stream->size);

	if (r < 0) {
		/* If this fails too, the next write goes over it at the same place. */
		(void)!io_ftruncate(stream->fd, stream->size);
		return r;
	}
	stream->size += len;
	return 0;
}

static struct dat_codec codec_take(struct dat_partial *partial)
{
	struct dat_codec codec;

	pthread_mutex_lock(&partial->lock);
	if (partial->nr_codecs) {
		codec = partial->codecs[--partial->nr_codecs];
	} else {
		dat_codec_init(&codec, partial->options.compression);
		codec.fast = true;
	}
	pthread_mutex_unlock(&partial->lock);
	return codec;
}

static void codec_give(struct dat_partial *partial, struct dat_codec *codec)
{
	bool kept = false;

	pthread_mutex_lock(&partial->lock);
	if (partial->nr_codecs < CODECS_KEPT) {
		partial->codecs[partial->nr_codecs++] = *codec;
		kept = true;
	}
	pthread_mutex_unlock(&partial->lock);
	if (!kept)
		dat_codec_done(codec);
}

typedef int shrink_fn(struct dat_codec *codec, const void *data, size_t len, void *ret_data,
		      size_t room, size_t *ret_len);

/* One chunk, compressed by `with`, behind those that wait in stream->chunks. */
static int shrink_by(shrink_fn *with, struct dat_partial *partial, struct dat_codec *codec,
		     struct partial_stream *stream, const void *pages, size_t len)
{
	const bool big = partial->options.big_endian;
	size_t bound = dat_codec_bound(codec, len), shrunk;
	uint8_t *head;
	int r;

	if (!out_room(&stream->chunks, bound + 8)) {
		stream->chunks.failed = false;
		return -ENOMEM;
	}
	head = (uint8_t *)stream->chunks.buf + stream->chunks.len;
	r = with(codec, pages, len, head + 8, bound, &shrunk);
	if (r == 0)
		r = partial_pieces_add(&stream->pieces, shrunk + 8, pages, len);
	if (r < 0)
		return r;
	store_u32(head, (uint32_t)shrunk, big);
	store_u32(head + 4, (uint32_t)len, big);
	stream->chunks.len += 8 + shrunk;
	return 0;
}

static int shrink(struct dat_partial *partial, struct dat_codec *codec,
		  struct partial_stream *stream, const void *pages, size_t len)
{
	return shrink_by(dat_codec_shrink, partial, codec, stream, pages, len);
}

/* Chunks that wait go out; on failure they go on waiting. */
static int write_pending(struct partial_stream *stream)
{
	int r = stream->chunks.len ? write_stream(stream, stream->chunks.buf, stream->chunks.len)
				   : 0;

	if (r == 0)
		out_clear(&stream->chunks);
	return r;
}

/* Whole chunks of gathered and new pages; *ret_used of the new ones are in them. */
static int shrink_whole(struct dat_partial *partial, struct partial_stream *stream, size_t chunk,
			const uint8_t *pages, size_t len, size_t *ret_used)
{
	struct dat_codec codec = codec_take(partial);
	size_t used = 0;
	int r = 0;

	if (stream->gathered) {
		used = chunk - stream->gathered;
		memcpy(stream->gather + stream->gathered, pages, used);
		r = shrink(partial, &codec, stream, stream->gather, chunk);
	}
	for (; r == 0 && len - used >= chunk; used += chunk)
		r = shrink(partial, &codec, stream, pages + used, chunk);
	codec_give(partial, &codec);
	*ret_used = used;
	return r;
}

/*
 * Whole chunks are compressed and, once they are worth it, written; the rest is gathered. What may
 * fail for lack of space comes before anything is taken; for lack of memory, what was compressed is
 * dropped again and `gathered` stays.
 */
static int append_compressed(struct dat_partial *partial, size_t buffer,
			     struct partial_stream *stream, const uint8_t *pages, size_t len)
{
	const size_t chunk = chunk_bytes(&partial->buffers[buffer]);
	size_t waiting = stream->chunks.len, pieces = stream->pieces.nr, used = 0;
	int r = 0;

	if (waiting >= PENDING_BYTES)
		r = write_pending(stream);
	if (r < 0)
		return r;
	waiting = stream->chunks.len;
	if (!stream->gather)
		stream->gather = mem_alloc(chunk);
	if (!stream->gather)
		return -ENOMEM;
	if (stream->gathered + len >= chunk) {
		r = shrink_whole(partial, stream, chunk, pages, len, &used);
		if (r < 0) {
			stream->chunks.len = waiting;
			stream->pieces.nr = pieces;
			return r;
		}
		stream->gathered = 0;
	}
	memcpy(stream->gather + stream->gathered, pages + used, len - used);
	stream->gathered += len - used;
	return 0;
}

static int write_start(const struct dat_partial *partial, size_t buffer, uint32_t cpu,
		       uint64_t start)
{
	_cleanup_out_ struct out path = {0}, temp = {0};
	char text[32];
	int r = dat_partial_stream_path(&path, partial->path, buffer, cpu);

	if (r < 0)
		return r;
	out_lit(&path, ".start");
	out_mem(&temp, path.buf, path.len);
	out_lit(&temp, ".new");
	out_cstr(&path);
	out_cstr(&temp);
	if (path.failed || temp.failed)
		return -ENOMEM;
	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)start);
	r = dat_partial_write_file(temp.buf, text, strlen(text));
	return r < 0 ? r : io_rename(temp.buf, path.buf);
}

/*
 * Where only the newest pages are kept: let go of the oldest pieces, of three eighths at once,
 * until `len` bytes more are within the bound. First it is said where the stream begins, then the
 * space goes; a file system that cannot give it back (EOPNOTSUPP) gets it at the end.
 */
static int let_oldest_go(struct dat_partial *partial, size_t buffer, uint32_t cpu, size_t len)
{
	const struct partial_buffer *of = &partial->buffers[buffer];
	struct partial_stream *stream = &of->streams[cpu];
	uint64_t start;
	size_t gone;
	int r = write_pending(stream);

	gone = partial_pieces_old(&stream->pieces, len, of->keep_bytes / 8 * 5, &start);
	if (r == 0 && gone)
		r = write_start(partial, buffer, cpu, start);
	if (r < 0 || !gone)
		return r;
	partial_pieces_let_go(&stream->pieces, gone);
	r = io_punch(stream->fd, 0, start);
	return r == -EOPNOTSUPP ? 0 : r;
}

static int let_go(struct dat_partial *partial, size_t buffer, uint32_t cpu, size_t len)
{
	const struct partial_buffer *of = &partial->buffers[buffer];
	int r;

	if (!of->keep_bytes || of->streams[cpu].pieces.kept + len <= of->keep_bytes)
		return 0;
	pthread_mutex_lock(&partial->let_go_lock);
	r = partial->holds ? 0 : let_oldest_go(partial, buffer, cpu, len);
	pthread_mutex_unlock(&partial->let_go_lock);
	return r;
}

static void add_holds(struct dat_partial *partial, int nr)
{
	pthread_mutex_lock(&partial->let_go_lock);
	partial->holds += (unsigned int)nr;
	pthread_mutex_unlock(&partial->let_go_lock);
}

void dat_partial_hold(struct dat_partial *partial)
{
	add_holds(partial, 1);
}

void dat_partial_release(struct dat_partial *partial)
{
	add_holds(partial, -1);
}

static int append_slice(struct dat_partial *partial, size_t buffer, uint32_t cpu,
			const uint8_t *pages, size_t len)
{
	struct partial_stream *stream = &partial->buffers[buffer].streams[cpu];
	size_t pieces;
	int r = let_go(partial, buffer, cpu, len);

	if (r < 0)
		return r;
	if (partial->options.compression != DAT_NONE) {
		r = append_compressed(partial, buffer, stream, pages, len);
	} else {
		pieces = stream->pieces.nr;
		r = partial_pieces_add(&stream->pieces, len, pages, len);
		if (r == 0)
			r = write_stream(stream, pages, len);
		if (r < 0)
			stream->pieces.nr = pieces;
	}
	if (r == 0)
		stream->pieces.kept += len;
	return r;
}

int dat_partial_append(struct dat_partial *partial, size_t buffer, uint32_t cpu, const void *pages,
		       size_t len, struct err *err)
{
	const struct partial_buffer *of;
	size_t step = len;
	int r;

	if (buffer >= partial->nr_buffers || cpu >= partial->buffers[buffer].nr_cpus ||
	    len % partial->buffers[buffer].page_size)
		return stream_fail(partial, buffer, cpu, -EINVAL, err);
	if (!len)
		return 0;
	of = &partial->buffers[buffer];
	if (of->keep_bytes)
		step = MIN(len, chunk_bytes(of));
	r = open_stream(partial, buffer, cpu, O_TRUNC);
	for (size_t at = 0; r == 0 && at < len; at += step)
		r = append_slice(partial, buffer, cpu, (const uint8_t *)pages + at,
				 MIN(step, len - at));
	return r < 0 ? stream_fail(partial, buffer, cpu, r, err) : 0;
}

uint64_t dat_partial_events_gone(const struct dat_partial *partial, size_t buffer, uint32_t cpu)
{
	return partial->buffers[buffer].streams[cpu].pieces.events_gone;
}

/* One chunk of these pages, compressed as need be; then its size is known before it is written. */
static int store_chunk(struct dat_partial *partial, struct partial_stream *stream,
		       const void *pages, size_t len, bool in_haste, uint64_t *target)
{
	size_t pieces = stream->pieces.nr, stored = len;
	int r;

	if (partial->options.compression != DAT_NONE) {
		struct dat_codec codec = codec_take(partial);

		r = shrink_by(in_haste ? dat_codec_wrap : dat_codec_shrink, partial, &codec, stream,
			      pages, len);
		codec_give(partial, &codec);
		pages = stream->chunks.buf;
		stored = stream->chunks.len;
	} else {
		r = partial_pieces_add(&stream->pieces, len, pages, len);
	}
	if (r == 0) {
		/* All that belongs to it has been stored before. */
		__atomic_store_n(target, stream->size + stored, __ATOMIC_RELEASE);
		r = write_stream(stream, pages, stored);
	}
	out_clear(&stream->chunks);
	if (r == 0)
		stream->pieces.kept += len;
	else
		stream->pieces.nr = pieces;
	return r;
}

size_t dat_partial_chunk_bytes(const struct dat_partial *partial, size_t buffer)
{
	return chunk_bytes(&partial->buffers[buffer]);
}

int dat_partial_store(struct dat_partial *partial, size_t buffer, uint32_t cpu, const void *pages,
		      size_t len, bool in_haste, uint64_t *target, struct err *err)
{
	const struct partial_buffer *of = &partial->buffers[buffer];
	int r;

	if (buffer >= partial->nr_buffers || cpu >= of->nr_cpus || len % of->page_size ||
	    len > MAX(chunk_bytes(of), 2 * (size_t)of->page_size))
		return stream_fail(partial, buffer, cpu, -EINVAL, err);
	r = open_stream(partial, buffer, cpu, O_TRUNC);
	if (r == 0)
		r = let_go(partial, buffer, cpu, len);
	if (r == 0)
		r = store_chunk(partial, &of->streams[cpu], pages, len, in_haste, target);
	return r < 0 ? stream_fail(partial, buffer, cpu, r, err) : 0;
}

int dat_partial_flush(struct dat_partial *partial, size_t buffer, uint32_t cpu, struct err *err)
{
	struct partial_stream *stream;
	int r;

	if (buffer >= partial->nr_buffers || cpu >= partial->buffers[buffer].nr_cpus)
		return stream_fail(partial, buffer, cpu, -EINVAL, err);
	stream = &partial->buffers[buffer].streams[cpu];
	if (stream->gathered) {
		struct dat_codec codec = codec_take(partial);

		r = shrink(partial, &codec, stream, stream->gather, stream->gathered);
		codec_give(partial, &codec);
		if (r < 0)
			return stream_fail(partial, buffer, cpu, r, err);
		stream->gathered = 0;
	}
	r = write_pending(stream);
	return r < 0 ? stream_fail(partial, buffer, cpu, r, err) : 0;
}

/* --- after a kill --- */

int dat_partial_descriptor(const struct dat_partial *partial)
{
	return partial->options_fd;
}

/* An option that did not come to its end is overwritten. */
int dat_partial_adopt(struct dat_partial *partial, struct err *err)
{
	const bool big = partial->options.big_endian;
	_cleanup_out_ struct out path = {0};
	_cleanup_free_ char *data = NULL;
	size_t len = 0, at = 0;
	int r = dat_partial_path(&path, partial->path, "options");

	if (r == 0)
		r = io_read_file(path.buf, LIMIT_OPTION_BYTES, &data, &len);
	while (r == 0 && len - at >= 6 && load_u32(data + at + 2, big) <= len - at - 6)
		at += 6 + (size_t)load_u32(data + at + 2, big);
	if (r == 0)
		r = io_ftruncate(partial->options_fd, at);
	if (r < 0)
		return err_sys(err, r, "%s: cannot be gone on with", partial->path);
	partial->options_size = at;
	/* A thread of the parent may have held them when this process was forked: it is not here.
	 */
	pthread_mutex_init(&partial->let_go_lock, NULL);
	partial->holds = 0;
	if (pthread_mutex_trylock(&partial->lock) == 0) {
		pthread_mutex_unlock(&partial->lock);
	} else {
		pthread_mutex_init(&partial->lock, NULL);
		partial->nr_codecs = 0;
	}
	return 0;
}

int dat_partial_adopt_stream(struct dat_partial *partial, size_t buffer, uint32_t cpu,
			     uint64_t size, uint64_t target, bool *ret_whole, struct err *err)
{
	struct partial_stream *stream = &partial->buffers[buffer].streams[cpu];
	struct stat stat = {0};
	bool whole;
	int r = open_stream(partial, buffer, cpu, 0);

	if (r == 0)
		r = io_fstat(stream->fd, &stat);
	whole = target > size && (uint64_t)stat.st_size == target;
	if (r == 0 && !whole)
		r = io_ftruncate(stream->fd, size);
	if (r < 0)
		return stream_fail(partial, buffer, cpu, r, err);
	/* What is kept of it at most has been looked at; the rest of a ring is little. */
	stream->pieces.bounded = false;
	stream->size = whole ? target : size;
	*ret_whole = whole;
	return 0;
}

/* --- the end --- */

void dat_partial_abandon(struct dat_partial *partial)
{
	if (partial)
		partial_free(partial);
}

int dat_partial_seal(struct dat_partial *partial, const char *out, int version, struct err *err)
{
	_cleanup_free_ char *path = mem_strdup(partial->path);
	int lock, r = path ? 0 : err_sys(err, -ENOMEM, "%s", partial->path);

	for (size_t i = 0; r == 0 && i < partial->nr_buffers; i++)
		for (uint32_t cpu = 0; r == 0 && cpu < partial->buffers[i].nr_cpus; cpu++)
			r = dat_partial_flush(partial, i, cpu, err);
	/* The lock stays until the directory is gone: whoever follows it sees a clean end. */
	lock = partial->options_fd;
	partial->options_fd = -1;
	partial_free(partial);
	if (r == 0)
		r = dat_partial_seal_dir(path, out, version, err);
	io_close(lock);
	return r;
}
