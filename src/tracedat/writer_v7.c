/* SPDX-License-Identifier: MIT */
/*
 * Version 7: sections in the order in which they come, and OPTIONS sections behind them that link
 * to them, each linked by the one before. Options are written as early as possible, so that a file
 * which is never finished says as much as can be known.
 */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "tracedat/writer_internal.h"

/* Offset of `text` in the strings; the same text is stored once. */
static uint32_t describe(struct dat_writer *writer, const char *text)
{
	struct out *strings = &writer->strings;
	size_t len = strlen(text) + 1, at = 0;

	while (at < strings->len) {
		if (!strcmp(strings->buf + at, text))
			return (uint32_t)at;
		at += strlen(strings->buf + at) + 1;
	}
	out_mem(strings, text, len);
	return (uint32_t)at;
}

/* Begins a section whose size is patched by end_section. */
static uint64_t begin_section(struct dat_writer *writer, uint16_t id, bool compressed,
			      const char *description)
{
	uint64_t at = dat_emit_pos(&writer->emit);

	dat_emit_u16(&writer->emit, id);
	dat_emit_u16(&writer->emit, compressed ? DAT_SECTION_COMPRESSED : 0);
	dat_emit_u32(&writer->emit, describe(writer, description));
	dat_emit_u64(&writer->emit, 0);
	return at;
}

static int end_section(struct dat_writer *writer, uint64_t section)
{
	uint64_t size = dat_emit_pos(&writer->emit) - section - DAT_SECTION_HEADER_BYTES;

	return dat_emit_patch_u64(&writer->emit, section + 8, size);
}

static int write_section(struct dat_writer *writer, uint16_t id, const char *description,
			 const struct out *body, uint64_t *ret_offset)
{
	bool compressed = writer->options.compression != DAT_NONE;
	uint64_t section = begin_section(writer, id, compressed, description);
	int r;

	if (body->failed || writer->strings.failed)
		return -ENOMEM;
	r = compressed ? dat_write_compressed(writer, body->buf, body->len)
		       : dat_emit_bytes(&writer->emit, body->buf, body->len);
	*ret_offset = section;
	return r < 0 ? r : end_section(writer, section);
}

static void link_option(struct dat_writer *writer, uint16_t id, uint64_t offset)
{
	uint8_t bytes[8];

	store_u64(bytes, offset, writer->options.big_endian);
	dat_put_option(&writer->pending, writer->options.big_endian, id, bytes, sizeof(bytes));
}

/* A body that lies in another file as it is to be here. */
static int copy_section(struct dat_writer *writer, const struct dat_body *part,
			uint64_t *ret_offset)
{
	bool compressed = writer->options.compression != DAT_NONE;

	*ret_offset = begin_section(writer, part->id, compressed, part->description);
	if (writer->strings.failed)
		return -ENOMEM;
	dat_emit_copy(&writer->emit, writer->kallsyms_fd, writer->kallsyms.offset,
		      writer->kallsyms.size);
	return end_section(writer, *ret_offset);
}

int dat_v7_metadata(struct dat_writer *writer, const struct dat_metadata *metadata)
{
	_cleanup_out_ struct out body = {0};

	for (size_t i = 0; i < DAT_NR_BODIES; i++) {
		const struct dat_body *part = &dat_bodies[i];
		uint64_t offset;
		int r;

		if (part->id == DAT_OPTION_KALLSYMS && writer->kallsyms_fd >= 0) {
			r = copy_section(writer, part, &offset);
			if (r < 0)
				return r;
			link_option(writer, part->id, offset);
			continue;
		}
		out_clear(&body);
		part->build(&body, metadata, writer->options.big_endian);
		if (part->optional && !body.len)
			continue;
		r = write_section(writer, part->id, part->description, &body, &offset);
		if (r < 0)
			return r;
		link_option(writer, part->id, offset);
	}
	return 0;
}

/* An OPTIONS section with all that is pending, linked to the one before. */
static int write_options(struct dat_writer *writer)
{
	const bool big = writer->options.big_endian;
	uint64_t section = begin_section(writer, DAT_OPTION_DONE, false, "options");
	int r;

	if (writer->pending.failed || writer->strings.failed)
		return -ENOMEM;
	dat_emit_bytes(&writer->emit, writer->pending.buf, writer->pending.len);
	out_clear(&writer->pending);
	dat_put_option(&writer->pending, big, DAT_OPTION_DONE, "\0\0\0\0\0\0\0", 8);
	if (writer->pending.failed)
		return -ENOMEM;
	dat_emit_bytes(&writer->emit, writer->pending.buf, writer->pending.len);
	out_clear(&writer->pending);
	r = end_section(writer, section);
	if (r == 0)
		r = dat_emit_patch_u64(&writer->emit, writer->options_link, section);
	writer->options_link = dat_emit_pos(&writer->emit) - 8;
	return r;
}

int dat_v7_buffer_begin(struct dat_writer *writer)
{
	const struct dat_written_buffer *buffer = dat_current_buffer(writer);
	_cleanup_out_ struct out description = {0};
	int r = writer->pending.len ? write_options(writer) : 0;

	if (r < 0)
		return r;
	out_lit(&description, "buffer flyrecord ");
	out_str(&description, buffer->name);
	writer->section =
		begin_section(writer, DAT_OPTION_BUFFER, writer->options.compression != DAT_NONE,
			      out_cstr(&description));
	return description.failed || writer->strings.failed ? -ENOMEM : writer->emit.failed;
}

/* Only CPUs with data are listed. */
int dat_v7_buffer_end(struct dat_writer *writer)
{
	const struct dat_written_buffer *buffer = dat_current_buffer(writer);
	const bool big = writer->options.big_endian;
	_cleanup_out_ struct out option = {0};
	uint32_t nr = 0;
	int r = end_section(writer, writer->section);

	if (r < 0)
		return r;
	for (size_t i = 0; i < buffer->nr; i++)
		nr += buffer->cpus[i].size != 0;
	dat_put_u64(&option, writer->section, big);
	out_mem(&option, buffer->name, strlen(buffer->name) + 1);
	out_mem(&option, buffer->clock, strlen(buffer->clock) + 1);
	dat_put_u32(&option, buffer->page_size, big);
	dat_put_u32(&option, nr, big);
	for (size_t i = 0; i < buffer->nr; i++) {
		if (!buffer->cpus[i].size)
			continue;
		dat_put_u32(&option, buffer->cpus[i].cpu, big);
		dat_put_u64(&option, buffer->cpus[i].offset, big);
		dat_put_u64(&option, buffer->cpus[i].size, big);
	}
	if (option.failed)
		return -ENOMEM;
	dat_put_option(&writer->pending, big, DAT_OPTION_BUFFER, option.buf, option.len);
	return write_options(writer);
}

/* Compressed: u32 chunks, then chunks as large as those of pages. */
static int write_text(struct dat_writer *writer, const char *text, size_t len)
{
	const size_t chunk = (size_t)DAT_PAGES_IN_CHUNK * writer->options.page_size;
	int r;

	if (writer->options.compression == DAT_NONE)
		return dat_emit_bytes(&writer->emit, text, len);
	dat_emit_u32(&writer->emit, (uint32_t)((len + chunk - 1) / chunk));
	while (len) {
		size_t take = MIN(len, chunk);

		r = dat_write_compressed(writer, text, take);
		if (r < 0)
			return r;
		text += take;
		len -= take;
	}
	return writer->emit.failed;
}

int dat_v7_text(struct dat_writer *writer, const char *name, const char *clock, const char *text,
		size_t len)
{
	const bool big = writer->options.big_endian;
	_cleanup_out_ struct out scratch = {0};
	int r = writer->pending.len ? write_options(writer) : 0;

	if (r < 0)
		return r;
	out_lit(&scratch, "buffer latency ");
	out_str(&scratch, name);
	writer->section =
		begin_section(writer, DAT_OPTION_BUFFER_TEXT,
			      writer->options.compression != DAT_NONE, out_cstr(&scratch));
	r = write_text(writer, text, len);
	if (r == 0)
		r = end_section(writer, writer->section);
	if (r < 0)
		return r;
	out_clear(&scratch);
	dat_put_u64(&scratch, writer->section, big);
	out_mem(&scratch, name, strlen(name) + 1);
	out_mem(&scratch, clock, strlen(clock) + 1);
	dat_put_option(&writer->pending, big, DAT_OPTION_BUFFER_TEXT, scratch.buf, scratch.len);
	return scratch.failed ? -ENOMEM : write_options(writer);
}

int dat_v7_finish(struct dat_writer *writer)
{
	uint64_t ignored;
	int r = writer->pending.len ? write_options(writer) : 0;

	describe(writer, "strings"); /* so that its own name is in it */
	return r < 0 ? r
		     : write_section(writer, DAT_SECTION_STRINGS, "strings", &writer->strings,
				     &ignored);
}
