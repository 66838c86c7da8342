/* SPDX-License-Identifier: MIT */
/* The parts of a file that are big and not always needed, read when asked for. */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/internal.h"

static int load_fail(struct dat_state *st, int code, const char *what, struct err *err)
{
	return err_sys(err, code, "%s: cannot read the %s", st->dat.path, what);
}

/* u32 size, text */
static int load_kallsyms(struct dat_state *st)
{
	struct dat_source source;
	uint32_t size;
	int r = dat_source_load(st, &st->kallsyms, "list of kernel symbols", &source);

	if (r < 0)
		return r;
	if (dat_source_u32(&source, &size))
		dat_source_text(&source, size, &st->dat.kallsyms);
	return source.error == -ENOMEM ? -ENOMEM : 0;
}

/*
 * The whole body. The format's own description has a u64 size before it that no writer has put
 * there; where it is all the same, it is left out.
 */
static int load_body(struct dat_state *st, const struct dat_extent *extent, const char *what,
		     struct dat_text *ret_text)
{
	struct dat_source source;
	const uint8_t *p;
	uint64_t skip;
	int r = dat_source_load(st, extent, what, &source);

	if (r < 0)
		return r;
	p = source.data;
	skip = source.end >= 8 && load_u64(p, st->dat.big_endian) == source.end - 8 ? 8 : 0;
	*ret_text = (struct dat_text){(const char *)p + skip, (size_t)(source.end - skip)};
	return 0;
}

int dat_load_symbols(struct dat *dat, struct err *err)
{
	struct dat_state *st = dat_state(dat);
	int r = 0;

	if (st->kallsyms.found && !dat->kallsyms.data)
		r = load_kallsyms(st);
	return r == -ENOMEM ? load_fail(st, r, "kernel symbols", err) : dat_load_modules(dat, err);
}

int dat_load_modules(struct dat *dat, struct err *err)
{
	struct dat_state *st = dat_state(dat);
	int r = 0;

	if (st->modules.found && !dat->modules.data)
		r = load_body(st, &st->modules, "list of modules", &dat->modules);
	return r == -ENOMEM ? load_fail(st, r, "list of modules", err) : 0;
}

int dat_load_btf(struct dat *dat, struct err *err)
{
	struct dat_state *st = dat_state(dat);
	int r = 0;

	if (st->btf.found && !dat->btf.data)
		r = load_body(st, &st->btf, "BTF data", &dat->btf);
	return r < 0 ? load_fail(st, r, "BTF data", err) : 0;
}

/* --- the text of a latency tracer --- */

static int append(char **text, size_t *cap, size_t *len, const void *data, size_t more)
{
	int r;

	if (*len + more > LIMIT_SECTION_BYTES)
		return -EFBIG;
	r = array_reserve(text, cap, *len + more + 1, 1);
	if (r < 0)
		return r;
	memcpy(*text + *len, data, more);
	*len += more;
	return 0;
}

/* u32 chunks, chunks x {u32 csize, u32 usize, data}. Damage ends the text. */
static int expand_text(struct dat_state *st, const uint8_t *data, size_t size, char **text,
		       size_t *ret_len)
{
	const bool big = st->dat.big_endian;
	size_t cap = 0, at = 4;
	uint32_t nr = size >= 4 ? load_u32(data, big) : 0;

	while (nr-- && size - at >= 8) {
		uint32_t csize = load_u32(data + at, big), usize = load_u32(data + at + 4, big);
		_cleanup_free_ uint8_t *piece = NULL;
		int r;

		at += 8;
		if (csize > size - at || usize > LIMIT_CHUNK_BYTES ||
		    !dat_codec_plausible(&st->codec, data + at, csize, usize))
			return -EBADMSG;
		piece = mem_alloc(usize);
		if (!piece)
			return -ENOMEM;
		r = dat_codec_expand(&st->codec, data + at, csize, piece, usize);
		if (r == 0)
			r = append(text, &cap, ret_len, piece, usize);
		if (r < 0)
			return r;
		at += csize;
	}
	return nr == UINT32_MAX ? 0 : -EBADMSG;
}

int dat_buffer_text(struct dat *dat, size_t index, char **ret_text, size_t *ret_len,
		    struct err *err)
{
	struct dat_state *st = dat_state(dat);
	const struct dat_buffer *buffer;
	_cleanup_(dat_window_done) struct dat_window window;
	_cleanup_free_ char *text = NULL;
	const uint8_t *data;
	size_t len = 0, cap = 0;
	uint64_t size;
	ssize_t n;
	int r;

	if (index >= dat->nr_buffers || !dat->buffers[index].is_text)
		return err_set(err, -EINVAL, "%s: there is no such text", dat->path);
	buffer = &dat->buffers[index];
	size = buffer->text_offset < dat->file_size
		       ? MIN(buffer->text_size, dat->file_size - buffer->text_offset)
		       : 0;
	if (size > LIMIT_SECTION_BYTES)
		return load_fail(st, -EFBIG, "latency tracer's text", err);
	dat_window_init(&window, st->fd, 0);
	n = dat_window_get(&window, buffer->text_offset, (size_t)size, &data);
	if (n < 0)
		return load_fail(st, (int)n, "latency tracer's text", err);
	if (buffer->compressed) {
		r = expand_text(st, data, (size_t)n, &text, &len);
		if (r == -EBADMSG)
			dat_damaged(st, r, "the latency tracer's text is damaged");
		else if (r < 0)
			return load_fail(st, r, "latency tracer's text", err);
		if (!text)
			text = mem_strdup("");
	} else {
		r = append(&text, &cap, &len, data, (size_t)n);
		if (r < 0)
			return load_fail(st, r, "latency tracer's text", err);
	}
	if (!text)
		return load_fail(st, -ENOMEM, "latency tracer's text", err);
	text[len] = '\0';
	*ret_text = steal(&text);
	*ret_len = len;
	return 0;
}
