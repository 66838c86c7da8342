/* SPDX-License-Identifier: MIT */
/* From one file to another: what sealing, convert and split have in common. */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/pack.h"
#include "tracedat/partial.h"
#include "tracedat/stream.h"
#include "tracedat/writer_internal.h"

/* Options that say where something is in the file, or that the writer makes itself. */
static bool writers_own(uint16_t id)
{
	switch (id) {
	case DAT_OPTION_DONE:
	case DAT_OPTION_BUFFER:
	case DAT_OPTION_TRACECLOCK:
	case DAT_OPTION_CPUCOUNT:
	case DAT_OPTION_HEADER_INFO:
	case DAT_OPTION_FTRACE_EVENTS:
	case DAT_OPTION_EVENT_FORMATS:
	case DAT_OPTION_KALLSYMS:
	case DAT_OPTION_PRINTK:
	case DAT_OPTION_CMDLINES:
	case DAT_OPTION_BUFFER_TEXT:
	case DAT_OPTION_BTF_FILE:
	case DAT_OPTION_MODULES_FILE:
		return true;
	default:
		return false;
	}
}

/*
 * The list of symbols is by far the largest part of a short recording: that of OUT.partial, which
 * the recorder itself has compressed a moment ago, is taken as it is.
 */
static bool reuse_kallsyms(struct dat_writer *writer, const struct dat *dat)
{
	const struct dat_state *st = (const struct dat_state *)(const void *)dat;

	if (!dat->unfinished || dat->kallsyms.data || writer->options.version != 7 ||
	    writer->options.compression != dat->compression || !st->kallsyms.found ||
	    st->kallsyms.compressed != (dat->compression != DAT_NONE))
		return false;
	writer->kallsyms_fd = st->fd;
	writer->kallsyms = st->kallsyms;
	return true;
}

int dat_writer_copy_head(struct dat_writer *writer, struct dat *dat, struct err *err)
{
	struct dat_metadata metadata;
	int r = reuse_kallsyms(writer, dat) ? dat_load_modules(dat, err)
					    : dat_load_symbols(dat, err);

	if (r == 0)
		r = dat_load_btf(dat, err);
	if (r < 0)
		return r;
	metadata = (struct dat_metadata){
		.header_page = dat->header_page,
		.header_event = dat->header_event,
		.kallsyms = dat->kallsyms,
		.printk = dat->printk,
		.cmdlines = dat->cmdlines,
		.btf = dat->btf,
		.modules = dat->modules,
		.ftrace_formats = dat->ftrace_formats,
		.nr_ftrace_formats = dat->nr_ftrace_formats,
		.formats = dat->formats,
		.nr_formats = dat->nr_formats,
		.trace_clock = dat->trace_clock,
	};
	r = dat_writer_metadata(writer, &metadata, err);
	for (size_t i = 0; r == 0 && i < dat->nr_options; i++) {
		const struct dat_option *option = &dat->options[i];

		if (!writers_own(option->id))
			r = dat_writer_option(writer, option->id, option->data, option->len, err);
	}
	return r;
}

/* The last page of a file that was cut off: filled up, and its length lowered to what is there. */
static int copy_cut_page(struct dat_writer *writer, const struct subbuf_layout *layout,
			 const uint8_t *page, uint32_t len, struct err *err)
{
	uint32_t head = subbuf_header_bytes(layout);
	_cleanup_free_ uint8_t *whole = NULL;

	if (len <= head)
		return 0;
	whole = mem_zalloc(layout->size);
	if (!whole)
		return err_sys(err, -ENOMEM, "%s", writer->path);
	memcpy(whole, page, len);
	if (layout->long_size == 8)
		store_u64(whole + 8, len - head, layout->big_endian);
	else
		store_u32(whole + 8, len - head, layout->big_endian);
	return dat_writer_pages(writer, whole, layout->size, err);
}

static int copy_pages(struct dat_writer *writer, struct dat_stream *stream,
		      const struct subbuf_layout *layout, struct err *damage, struct err *err)
{
	for (;;) {
		struct err told = {0};
		struct dat_chunk *chunk;
		const uint8_t *page;
		uint32_t len;
		int r = dat_stream_next(stream, &page, &len, &chunk, &told);

		if (r == 0)
			return 0;
		if (r == -ENOMEM) {
			if (err)
				*err = told;
			return r;
		}
		if (r < 0) {
			if (!damage->code)
				*damage = told;
			continue;
		}
		r = len == layout->size ? dat_writer_pages(writer, page, len, err)
					: copy_cut_page(writer, layout, page, len, err);
		if (r < 0)
			return r;
	}
}

static int copy_cpu(struct dat_writer *writer, struct dat *dat, size_t buffer, size_t cpu,
		    struct err *damage, struct err *err)
{
	struct dat_raw_area area;
	struct dat_stream *stream;
	int r = dat_stream_open(&stream, dat, buffer, cpu, err);

	if (r < 0)
		return r;
	r = dat_writer_cpu(writer, dat->buffers[buffer].cpus[cpu].cpu, err);
	if (r == 0) {
		bool alike = writer->options.version == 7
				     ? writer->options.compression == dat->compression &&
					       dat->buffers[buffer].compressed ==
						       (dat->compression != DAT_NONE)
				     : !dat->buffers[buffer].compressed;

		bool is_raw = alike && dat_stream_raw(stream, &area);

		if (is_raw && dat->unfinished && dat->compression != DAT_NONE)
			r = dat_pack(writer, &area, err);
		else if (is_raw)
			r = dat_writer_splice(writer, area.fd, area.offset, area.size,
					      area.nr_chunks, err);
		else
			r = copy_pages(writer, stream, &dat->buffers[buffer].layout, damage, err);
	}
	dat_stream_close(stream);
	return r;
}

static int copy_text(struct dat_writer *writer, struct dat *dat, size_t index, struct err *err)
{
	const struct dat_buffer *buffer = &dat->buffers[index];
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = dat_buffer_text(dat, index, &text, &len, err);

	return r < 0 ? r
		     : dat_writer_buffer_text(writer, buffer->name, buffer->clock, text, len, err);
}

int dat_writer_copy_streams(struct dat_writer *writer, struct dat *dat, size_t index,
			    const struct dat_partial_end *ends, struct err *ret_damage,
			    struct err *err)
{
	const struct dat_buffer *buffer = &dat->buffers[index];
	uint32_t nr_cpus = dat->version == 6 || dat->unfinished ? buffer->nr_cpus : dat->nr_cpus;
	int r;

	if (buffer->is_text)
		return copy_text(writer, dat, index, err);
	r = dat_writer_buffer_begin(writer, buffer->name, buffer->clock, buffer->layout.size,
				    nr_cpus, err);
	for (uint32_t cpu = 0; r == 0 && cpu < buffer->nr_cpus; cpu++) {
		const size_t len = ends ? ends[cpu].len : 0;

		if (buffer->cpus[cpu].size)
			r = copy_cpu(writer, dat, index, cpu, ret_damage, err);
		else if (len)
			r = dat_writer_cpu(writer, buffer->cpus[cpu].cpu, err);
		if (r == 0 && len)
			r = dat_writer_pages(writer, ends[cpu].pages, len, err);
	}
	return r < 0 ? r : dat_writer_buffer_end(writer, err);
}

int dat_writer_copy_buffer(struct dat_writer *writer, struct dat *dat, size_t index,
			   struct err *ret_damage, struct err *err)
{
	return dat_writer_copy_streams(writer, dat, index, NULL, ret_damage, err);
}
