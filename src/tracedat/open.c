/* SPDX-License-Identifier: MIT */
/* Opening a trace.dat: the initial header, then the rest by version. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/feed.h"
#include "tracedat/partial_internal.h"

/* Magic, version, byte order, long, page size, names of a compression and its version. */
enum {
	INITIAL_BYTES = 1024
};

void dat_damaged(struct dat_state *st, int code, const char *fmt, ...)
{
	va_list args;

	if (st->broken)
		return;
	st->broken = true;
	st->dat.damage.code = code;
	va_start(args, fmt);
	vsnprintf(st->dat.damage.text, sizeof(st->dat.damage.text), fmt, args);
	va_end(args);
}

int dat_keep(struct dat_state *st, void *blob)
{
	int r = array_reserve(&st->blobs, &st->cap_blobs, st->nr_blobs + 1, sizeof(*st->blobs));

	if (r == 0)
		st->blobs[st->nr_blobs++] = blob;
	return r;
}

int dat_section_add(struct dat_state *st, const struct dat_section *section, uint32_t description)
{
	struct dat *dat = &st->dat;
	int r;

	if (dat->nr_sections >= LIMIT_SECTIONS)
		return -EFBIG;
	r = array_reserve(&dat->sections, &st->cap_sections, dat->nr_sections + 1,
			  sizeof(*dat->sections));
	if (r == 0)
		r = array_reserve(&st->descriptions, &st->cap_descriptions, dat->nr_sections + 1,
				  sizeof(*st->descriptions));
	if (r < 0)
		return r;
	st->descriptions[dat->nr_sections] = description;
	dat->sections[dat->nr_sections] = *section;
	if (!dat->sections[dat->nr_sections].description)
		dat->sections[dat->nr_sections].description = "";
	dat->nr_sections++;
	return 0;
}

struct dat_buffer *dat_buffer_add(struct dat_state *st, const char *name, const char *clock)
{
	struct dat *dat = &st->dat;
	struct dat_buffer *buffer;

	if (dat->nr_buffers >= LIMIT_INSTANCES ||
	    array_reserve(&dat->buffers, &st->cap_buffers, dat->nr_buffers + 1,
			  sizeof(*dat->buffers)) < 0)
		return NULL;
	buffer = &dat->buffers[dat->nr_buffers];
	if (!*name && dat->nr_buffers) { /* the top instance comes first */
		memmove(dat->buffers + 1, dat->buffers, dat->nr_buffers * sizeof(*buffer));
		buffer = dat->buffers;
	}
	dat->nr_buffers++;
	*buffer = (struct dat_buffer){
		.name = name,
		.clock = clock,
		.layout = {.size = dat->page_size,
			   .long_size = dat->long_size,
			   .big_endian = dat->big_endian},
	};
	return buffer;
}

void dat_clamp_cpu(struct dat_state *st, const struct dat_buffer *buffer, struct dat_cpu *cpu)
{
	uint64_t room = cpu->offset < st->dat.file_size ? st->dat.file_size - cpu->offset : 0;
	uint64_t count = buffer->compressed && cpu->size ? DAT_CHUNK_COUNT_BYTES : 0;
	uint64_t have = MIN(cpu->size, room > count ? room - count : 0);

	if (have == cpu->size)
		return;
	dat_damaged(st, -EBADMSG,
		    "the file is cut off: %" PRIu64 " of the %" PRIu64 " bytes of CPU %u%s%s%s "
		    "are missing",
		    cpu->size - have, cpu->size, cpu->cpu, *buffer->name ? " of instance \"" : "",
		    buffer->name, *buffer->name ? "\"" : "");
	cpu->size = have;
}

struct initial {
	uint64_t end;	  /* of the header in the file */
	uint64_t options; /* v7: the first OPTIONS section */
};

/* A NUL-terminated name at *pos; NULL when it does not end in time. */
static const char *initial_name(struct dat_state *st, const uint8_t *head, size_t len, size_t *pos)
{
	const uint8_t *nul = *pos < len ? memchr(head + *pos, 0, len - *pos) : NULL;
	const char *name;

	if (!nul)
		return NULL;
	name = arena_strndup(&st->arena, (const char *)head + *pos, (size_t)(nul - (head + *pos)));
	*pos = (size_t)(nul - head) + 1;
	return name;
}

static int read_compression(struct dat_state *st, const uint8_t *head, size_t len, size_t *pos,
			    struct err *err)
{
	struct dat *dat = &st->dat;

	dat->compression_name = initial_name(st, head, len, pos);
	dat->compression_version = initial_name(st, head, len, pos);
	if (!dat->compression_name || !dat->compression_version)
		return err_set(err, -EBADMSG, "the header is cut off in the compression's name");
	for (dat->compression = DAT_NONE; dat->compression <= DAT_ZSTD; dat->compression++)
		if (!strcmp(dat->compression_name, dat_compression_name(dat->compression)))
			return 0;
	return err_set(err, -ENOTSUP, "compressed with \"%.40s\"; known are none, zlib and zstd",
		       dat->compression_name);
}

static int read_initial(struct dat_state *st, struct initial *ret, struct err *err)
{
	struct dat *dat = &st->dat;
	uint8_t head[INITIAL_BYTES];
	ssize_t n = io_pread_full(st->fd, head, sizeof(head), 0);
	size_t pos = DAT_MAGIC_BYTES, len;
	const char *version;
	int r;

	if (n < 0)
		return err_sys(err, (int)n, "cannot be read");
	len = (size_t)n;
	if (len == 0)
		return err_set(err, -EBADMSG, "the file is empty; a trace.dat was expected");
	if (len < DAT_MAGIC_BYTES || memcmp(head, DAT_MAGIC, DAT_MAGIC_BYTES) != 0)
		return err_set(err, -EBADMSG,
			       "not a trace.dat file: it does not begin with 17 08 44 \"tracing\"");
	version = initial_name(st, head, MIN(len, pos + 8), &pos);
	if (!version || len < pos + 6)
		return err_set(err, -EBADMSG, "the header is cut off after %zu bytes", len);
	dat->version = !strcmp(version, "6") ? 6 : !strcmp(version, "7") ? 7 : 0;
	if (!dat->version)
		return err_set(err, -ENOTSUP, "trace.dat version \"%.8s\"; known are 6 and 7",
			       version);
	if (head[pos] > 1)
		return err_set(err, -EBADMSG, "byte order %u at offset %zu is neither 0 nor 1",
			       head[pos], pos);
	dat->big_endian = head[pos++];
	dat->user_long_size = dat->long_size = head[pos++];
	if (dat->long_size != 4 && dat->long_size != 8)
		return err_set(err, -EBADMSG, "size of long %u at offset %zu is neither 4 nor 8",
			       dat->long_size, pos - 1);
	dat->page_size = load_u32(head + pos, dat->big_endian);
	if (dat->page_size < LIMIT_SUBBUF_MIN_BYTES || dat->page_size > LIMIT_SUBBUF_BYTES)
		return err_set(err, -EBADMSG, "page size %u at offset %zu is out of bounds",
			       dat->page_size, pos);
	pos += 4;
	ret->options = 0;
	if (dat->version == 7) {
		r = read_compression(st, head, len, &pos, err);
		if (r < 0)
			return r;
		if (len < pos + 8)
			return err_set(err, -EBADMSG, "the header is cut off after %zu bytes", len);
		ret->options = load_u64(head + pos, dat->big_endian);
		pos += 8;
	}
	ret->end = pos;
	return 0;
}

/* What the whole file says about itself, once all has been read. */
static void conclude(struct dat_state *st)
{
	struct dat *dat = &st->dat;

	for (size_t i = 0; i < dat->nr_buffers; i++)
		dat->buffers[i].layout.long_size = dat->long_size;
	if (st->partial && !st->broken) {
		dat_damaged(st, -ENODATA,
			    "the recording was not finished: what was not written yet is missing");
		st->broken = false;
	}
	if (dat->nr_buffers == 0) {
		dat->unfinished = true;
		dat_damaged(st, -ENODATA, "the recording was not finished: it has no trace data");
	}
	if (!dat->header_page.data)
		dat_damaged(st, -EBADMSG, "the description of the page header is missing");
	if (!dat->nr_ftrace_formats && !dat->nr_formats)
		dat_damaged(st, -EBADMSG, "the event formats are missing");
}

static int read_file(struct dat_state *st, uint64_t size, struct err *err)
{
	struct initial initial = {0};
	int r;

	st->dat.file_size = size;
	r = read_initial(st, &initial, err);
	if (r < 0)
		return r;
	dat_codec_init(&st->codec, st->dat.compression);
	r = st->dat.version == 6 ? dat_read_v6(st, initial.end)
				 : dat_read_v7(st, initial.end, initial.options);
	return r < 0 ? err_sys(err, r, "cannot be read") : 0;
}

static int examine(struct dat_state *st, struct stat *ret_stat, struct err *err)
{
	int r = io_fstat(st->fd, ret_stat);

	return r < 0 ? err_sys(err, r, "cannot be examined") : 0;
}

/* A directory: a recording in progress has its metadata in a file in it. */
static int open_directory(struct dat_state *st, struct err *err)
{
	struct stat stat;
	int r = dat_partial_open_meta(st);

	if (r == -ENOENT)
		return err_set(err, -EISDIR, "is a directory without a recording in it");
	if (r < 0)
		return err_sys(err, r, "meta.dat cannot be opened");
	io_close(st->fd);
	st->fd = r;
	r = examine(st, &stat, err);
	if (r < 0)
		return r;
	if (!S_ISREG(stat.st_mode))
		return err_set(err, -EINVAL, "meta.dat is not a regular file");
	r = read_file(st, (uint64_t)stat.st_size, err);
	if (r < 0)
		return err_wrap(err, r, "meta.dat");
	if (st->dat.nr_buffers)
		return err_set(err, -EBADMSG, "meta.dat has trace data of its own");
	r = dat_partial_load(st);
	return r < 0 ? err_sys(err, r, "cannot be read") : 0;
}

static int open_path(struct dat_state *st, struct err *err)
{
	struct stat stat;
	int r;

	/* Not to wait for a writer when the path is a FIFO. */
	st->fd = io_open(st->dat.path, O_RDONLY | O_NONBLOCK, 0);
	if (st->fd < 0)
		return err_sys(err, st->fd, "cannot be opened");
	r = examine(st, &stat, err);
	if (r < 0)
		return r;
	if (S_ISDIR(stat.st_mode))
		r = open_directory(st, err);
	else if (S_ISREG(stat.st_mode))
		r = read_file(st, (uint64_t)stat.st_size, err);
	else
		r = err_set(err, -EINVAL, "is not a regular file");
	if (r == 0)
		conclude(st);
	return r;
}

int dat_open(struct dat **ret_dat, const char *path, struct err *err)
{
	struct dat_state *st = mem_zalloc(sizeof(*st));
	int r = -ENOMEM;

	if (!st)
		return err_sys(err, r, "%s", path);
	st->fd = -1;
	st->pool = dat_pool_new();
	st->dat.clock = "local";
	st->dat.compression_name = "none";
	st->dat.compression_version = "";
	st->dat.path = arena_strdup(&st->arena, path);
	if (!st->pool || !st->dat.path) {
		dat_close(&st->dat);
		return err_sys(err, r, "%s", path);
	}
	r = open_path(st, err);
	if (r < 0) {
		dat_close(&st->dat);
		return err_wrap(err, r, "%s", path);
	}
	*ret_dat = &st->dat;
	return 0;
}

void dat_close(struct dat *dat)
{
	struct dat_state *st;

	if (!dat)
		return;
	st = dat_state(dat);
	io_close(st->fd);
	dat_partial_close(st);
	dat_feed_end(st);
	dat_codec_done(&st->codec);
	dat_pool_free(st->pool);
	for (size_t i = 0; i < st->nr_blobs; i++)
		mem_free(st->blobs[i]);
	mem_free(st->blobs);
	mem_free(st->descriptions);
	mem_free(dat->options);
	mem_free(dat->sections);
	mem_free(dat->buffers);
	mem_free(dat->formats);
	mem_free(dat->ftrace_formats);
	mem_free((void *)dat->guests);
	mem_free(dat->shifts);
	arena_done(&st->arena);
	mem_free(st);
}
