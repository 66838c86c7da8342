/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/internal.h"

static bool source_fail(struct dat_source *source, int code)
{
	uint64_t at = source->window ? source->pos : source->file_offset;

	if (source->error)
		return false;
	source->error = code;
	if (code == -ENODATA)
		dat_damaged(source->st, -EBADMSG, "the %s at offset %" PRIu64 " %s", source->what,
			    at, source->window ? "is cut off" : "is shorter than it says");
	else if (code != -ENOMEM)
		dat_damaged(source->st, code, "cannot read the %s at offset %" PRIu64 ": %s",
			    source->what, at, err_name(code));
	return false;
}

bool dat_source_get(struct dat_source *source, size_t len, const uint8_t **ret_data)
{
	ssize_t n;

	if (source->error)
		return false;
	if (len > source->end - source->pos)
		return source_fail(source, -ENODATA);
	if (!source->window) {
		*ret_data = source->data + source->pos;
		source->pos += len;
		return true;
	}
	n = dat_window_get(source->window, source->pos, len, ret_data);
	if (n < 0)
		return source_fail(source, (int)n);
	if ((size_t)n < len)
		return source_fail(source, -ENODATA);
	source->pos += len;
	return true;
}

bool dat_source_u16(struct dat_source *source, uint16_t *ret_value)
{
	const uint8_t *p;

	if (!dat_source_get(source, 2, &p))
		return false;
	*ret_value = load_u16(p, source->st->dat.big_endian);
	return true;
}

bool dat_source_u32(struct dat_source *source, uint32_t *ret_value)
{
	const uint8_t *p;

	if (!dat_source_get(source, 4, &p))
		return false;
	*ret_value = load_u32(p, source->st->dat.big_endian);
	return true;
}

bool dat_source_u64(struct dat_source *source, uint64_t *ret_value)
{
	const uint8_t *p;

	if (!dat_source_get(source, 8, &p))
		return false;
	*ret_value = load_u64(p, source->st->dat.big_endian);
	return true;
}

bool dat_source_name(struct dat_source *source, const char **ret_name)
{
	uint64_t start = source->pos;
	const uint8_t *p;
	size_t len;

	do {
		if (!dat_source_get(source, 1, &p))
			return false;
		if (source->pos - start > LIMIT_STRING_BYTES)
			return source_fail(source, -ENAMETOOLONG);
	} while (*p);
	len = (size_t)(source->pos - start) - 1;
	source->pos = start;
	if (!dat_source_get(source, len + 1, &p))
		return false;
	*ret_name = arena_strndup(&source->st->arena, (const char *)p, len);
	return *ret_name ? true : source_fail(source, -ENOMEM);
}

/* Text straight from the file; in a v6 file, where sections have no extent of their own. */
static bool text_from_file(struct dat_source *source, size_t len, struct dat_text *ret_text)
{
	_cleanup_free_ char *copy = mem_alloc(len + 1);
	ssize_t n;

	if (!copy)
		return source_fail(source, -ENOMEM);
	n = io_pread_full(source->window->fd, copy, len, source->pos);
	if (n < 0)
		return source_fail(source, (int)n);
	copy[n] = '\0';
	if (dat_keep(source->st, copy) < 0)
		return source_fail(source, -ENOMEM);
	source->pos += (uint64_t)n;
	*ret_text = (struct dat_text){steal(&copy), (size_t)n};
	return (size_t)n == len;
}

static bool text_small(struct dat_source *source, size_t len, struct dat_text *ret_text)
{
	const uint8_t *p;
	char *copy;

	if (!dat_source_get(source, len, &p))
		return false;
	copy = arena_strndup(&source->st->arena, (const char *)p, len);
	if (!copy)
		return source_fail(source, -ENOMEM);
	*ret_text = (struct dat_text){copy, len};
	return true;
}

bool dat_source_text(struct dat_source *source, uint64_t len, struct dat_text *ret_text)
{
	uint64_t left = source->end - source->pos;
	bool cut = len > left;

	if (source->error)
		return false;
	if (len > LIMIT_SECTION_BYTES)
		return source_fail(source, -EFBIG);
	if (cut)
		len = left;
	if (len <= 16384) {
		if (!text_small(source, (size_t)len, ret_text))
			return false;
	} else if (source->window) {
		if (!text_from_file(source, (size_t)len, ret_text))
			return source_fail(source, -ENODATA);
	} else {
		/* A big text mostly ends its section, and a section has a NUL behind it. */
		const uint8_t *p = source->data + source->pos;

		if (len < left) {
			char *copy = mem_strndup((const char *)p, (size_t)len);

			if (!copy || dat_keep(source->st, copy) < 0) {
				mem_free(copy);
				return source_fail(source, -ENOMEM);
			}
			p = (const uint8_t *)copy;
		}
		*ret_text = (struct dat_text){(const char *)p, (size_t)len};
		source->pos += len;
	}
	return cut ? source_fail(source, -ENODATA) : true;
}

/* {u32 csize, u32 usize, data} at `extent`. */
static int load_compressed(struct dat_state *st, const struct dat_extent *extent,
			   uint8_t **ret_data, size_t *ret_len)
{
	_cleanup_free_ uint8_t *raw = mem_alloc((size_t)extent->size);
	_cleanup_free_ uint8_t *data = NULL;
	uint32_t csize, usize;
	ssize_t n;
	int r;

	if (!raw)
		return -ENOMEM;
	n = io_pread_full(st->fd, raw, (size_t)extent->size, extent->offset);
	if (n < 0)
		return (int)n;
	if (n < 8)
		return -EBADMSG;
	csize = load_u32(raw, st->dat.big_endian);
	usize = load_u32(raw + 4, st->dat.big_endian);
	if (csize > (size_t)n - 8 || usize > LIMIT_SECTION_BYTES ||
	    !dat_codec_plausible(&st->codec, raw + 8, csize, usize))
		return -EBADMSG;
	data = mem_alloc((size_t)usize + 1);
	if (!data)
		return -ENOMEM;
	r = dat_codec_expand(&st->codec, raw + 8, csize, data, usize);
	if (r < 0)
		return r;
	*ret_data = steal(&data);
	*ret_len = usize;
	return 0;
}

static int load_plain(struct dat_state *st, const struct dat_extent *extent, uint8_t **ret_data,
		      size_t *ret_len)
{
	_cleanup_free_ uint8_t *data = mem_alloc((size_t)extent->size + 1);
	ssize_t n;

	if (!data)
		return -ENOMEM;
	n = io_pread_full(st->fd, data, (size_t)extent->size, extent->offset);
	if (n < 0)
		return (int)n;
	*ret_data = steal(&data);
	*ret_len = (size_t)n;
	return 0;
}

int dat_source_load(struct dat_state *st, const struct dat_extent *extent, const char *what,
		    struct dat_source *ret_source)
{
	_cleanup_free_ uint8_t *data = NULL;
	struct dat_extent cut = *extent;
	size_t len = 0;
	int r;

	if (cut.offset > st->dat.file_size)
		cut.size = 0;
	else
		cut.size = MIN(cut.size, st->dat.file_size - cut.offset);
	if (cut.size > LIMIT_SECTION_BYTES)
		r = -EFBIG;
	else if (cut.compressed)
		r = load_compressed(st, &cut, &data, &len);
	else
		r = load_plain(st, &cut, &data, &len);
	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		dat_damaged(st, r, "the %s at offset %" PRIu64 " cannot be read: %s", what,
			    extent->offset,
			    r == -EBADMSG ? "its compressed data is damaged" : err_name(r));
		return r;
	}
	data[len] = '\0';
	r = dat_keep(st, data);
	if (r < 0)
		return r;
	*ret_source = (struct dat_source){
		.st = st,
		.data = steal(&data),
		.end = len,
		.file_offset = extent->offset,
		.what = what,
	};
	return 0;
}
