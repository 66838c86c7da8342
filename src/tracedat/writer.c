/* SPDX-License-Identifier: MIT */
/*
 * The writer's interface and what both versions have in common: pages on their way to the file.
 * Where each thing goes is told by writer_v6.c and writer_v7.c.
 */
#include "tracedat/writer.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/writer_internal.h"

static int fail(struct dat_writer *writer, int code, struct err *err)
{
	return err_sys(err, code, "%s: cannot write", writer->path);
}

static int misuse(struct dat_writer *writer, struct err *err, const char *what)
{
	return err_set(err, -EINVAL, "%s: %s", writer->path, what);
}

/* --- opening and closing --- */

static bool options_ok(const struct dat_write_options *options)
{
	return (options->version == 6 || options->version == 7) &&
	       (unsigned int)options->compression <= DAT_ZSTD &&
	       (options->version == 7 || options->compression == DAT_NONE) &&
	       (options->long_size == 4 || options->long_size == 8) &&
	       options->page_size >= LIMIT_SUBBUF_MIN_BYTES &&
	       options->page_size <= LIMIT_SUBBUF_BYTES && options->nr_cpus <= LIMIT_CPUS;
}

static void buffer_done(struct dat_written_buffer *buffer)
{
	mem_free(buffer->name);
	mem_free(buffer->clock);
	mem_free(buffer->cpus);
}

static void writer_free(struct dat_writer *writer)
{
	for (size_t i = 0; i < writer->nr_buffers; i++)
		buffer_done(&writer->buffers[i]);
	mem_free(writer->buffers);
	mem_free(writer->gather);
	mem_free(writer->shrunk);
	out_done(&writer->pending);
	out_done(&writer->strings);
	dat_codec_done(&writer->codec);
	mem_free(writer->path);
	mem_free(writer);
}

static int write_initial(struct dat_writer *writer)
{
	const struct dat_write_options *options = &writer->options;
	struct dat_emit *emit = &writer->emit;
	const uint8_t ends[2] = {options->big_endian, options->long_size};
	const char *name = dat_compression_name(options->compression);
	const char *version = dat_compression_version(options->compression);

	dat_emit_bytes(emit, DAT_MAGIC, DAT_MAGIC_BYTES);
	dat_emit_bytes(emit, options->version == 6 ? "6" : "7", 2);
	dat_emit_bytes(emit, ends, sizeof(ends));
	dat_emit_u32(emit, options->page_size);
	if (options->version == 6)
		return emit->failed;
	dat_emit_bytes(emit, name, strlen(name) + 1);
	dat_emit_bytes(emit, version, strlen(version) + 1);
	writer->options_link = dat_emit_pos(emit);
	return dat_emit_u64(emit, 0);
}

int dat_writer_open(struct dat_writer **ret_writer, const char *path,
		    const struct dat_write_options *options, struct err *err)
{
	struct dat_writer *writer;
	int r;

	if (!options_ok(options))
		return err_set(err, -EINVAL, "%s: a trace.dat cannot be like this", path);
	writer = mem_zalloc(sizeof(*writer));
	if (!writer)
		return err_sys(err, -ENOMEM, "%s", path);
	writer->options = *options;
	dat_codec_init(&writer->codec, options->compression);
	writer->codec.fast = options->fast;
	writer->kallsyms_fd = -1;
	writer->emit.fd = -1;
	writer->path = mem_strdup(path);
	r = writer->path ? dat_emit_open(&writer->emit, path, options->big_endian) : -ENOMEM;
	if (r == 0)
		r = write_initial(writer);
	if (r < 0) {
		dat_emit_close(&writer->emit);
		writer_free(writer);
		return err_sys(err, r, "%s: cannot be created", path);
	}
	*ret_writer = writer;
	return 0;
}

void dat_writer_abort(struct dat_writer *writer)
{
	if (!writer)
		return;
	dat_emit_close(&writer->emit);
	writer_free(writer);
}

int dat_writer_finish(struct dat_writer *writer, struct err *err)
{
	int r, closed;

	if (!writer->has_metadata || writer->is_open) {
		r = misuse(writer, err, "the file is not complete");
		dat_writer_abort(writer);
		return r;
	}
	r = writer->options.version == 6 ? dat_v6_finish(writer) : dat_v7_finish(writer);
	if (r == 0)
		r = dat_emit_flush(&writer->emit);
	closed = dat_emit_close(&writer->emit);
	if (r == 0)
		r = closed;
	if (r < 0)
		r = fail(writer, r, err);
	writer_free(writer);
	return r;
}

/* --- metadata and options --- */

static void standard_options(struct dat_writer *writer, const struct dat_metadata *metadata)
{
	const bool big = writer->options.big_endian;
	uint8_t nr_cpus[4];

	store_u32(nr_cpus, writer->options.nr_cpus, big);
	if (metadata->trace_clock) {
		writer->has_clock = true;
		dat_put_option(&writer->pending, big, DAT_OPTION_TRACECLOCK, metadata->trace_clock,
			       strlen(metadata->trace_clock) + 1);
	}
	if (writer->options.nr_cpus)
		dat_put_option(&writer->pending, big, DAT_OPTION_CPUCOUNT, nr_cpus,
			       sizeof(nr_cpus));
}

static bool metadata_ok(const struct dat_metadata *metadata)
{
	return metadata->header_page.len <= LIMIT_SECTION_BYTES &&
	       metadata->header_event.len <= LIMIT_SECTION_BYTES &&
	       metadata->kallsyms.len < LIMIT_SECTION_BYTES &&
	       metadata->printk.len < LIMIT_SECTION_BYTES &&
	       metadata->cmdlines.len < LIMIT_SECTION_BYTES &&
	       metadata->btf.len < LIMIT_SECTION_BYTES &&
	       metadata->modules.len < LIMIT_SECTION_BYTES &&
	       metadata->nr_formats <= LIMIT_EVENTS && metadata->nr_ftrace_formats <= LIMIT_EVENTS;
}

int dat_writer_metadata(struct dat_writer *writer, const struct dat_metadata *metadata,
			struct err *err)
{
	int r;

	if (writer->has_metadata)
		return misuse(writer, err, "metadata comes once");
	if (!metadata_ok(metadata))
		return err_sys(err, -EFBIG, "%s: metadata", writer->path);
	writer->has_metadata = true;
	r = writer->options.version == 6 ? dat_v6_metadata(writer, metadata)
					 : dat_v7_metadata(writer, metadata);
	if (r < 0)
		return fail(writer, r, err);
	standard_options(writer, metadata);
	return 0;
}

int dat_writer_option(struct dat_writer *writer, uint16_t id, const void *data, size_t len,
		      struct err *err)
{
	if (len > LIMIT_OPTION_BYTES)
		return err_sys(err, -EFBIG, "%s: option %u", writer->path, id);
	dat_put_option(&writer->pending, writer->options.big_endian, id, data, len);
	return writer->pending.failed ? fail(writer, -ENOMEM, err) : 0;
}

/* --- pages --- */

int dat_write_compressed(struct dat_writer *writer, const void *data, size_t len)
{
	size_t bound = dat_codec_bound(&writer->codec, len), shrunk;
	int r = array_reserve(&writer->shrunk, &writer->cap_shrunk, bound, 1);

	if (r < 0)
		return r;
	r = dat_codec_shrink(&writer->codec, data, len, writer->shrunk, bound, &shrunk);
	if (r < 0)
		return r;
	dat_emit_u32(&writer->emit, (uint32_t)shrunk);
	dat_emit_u32(&writer->emit, (uint32_t)len);
	return dat_emit_bytes(&writer->emit, writer->shrunk, shrunk);
}

static int flush_gathered(struct dat_writer *writer)
{
	size_t len = writer->gathered;

	if (!len)
		return 0;
	writer->gathered = 0;
	writer->nr_chunks++;
	return dat_write_compressed(writer, writer->gather, len);
}

static int end_cpu(struct dat_writer *writer)
{
	struct dat_written_buffer *buffer;
	struct dat_cpu *cpu;
	uint64_t count = 0;
	int r;

	if (!writer->in_cpu)
		return 0;
	writer->in_cpu = false;
	r = flush_gathered(writer);
	if (r < 0)
		return r;
	buffer = dat_current_buffer(writer);
	cpu = &buffer->cpus[buffer->nr - 1];
	if (writer->options.compression != DAT_NONE) {
		count = DAT_CHUNK_COUNT_BYTES;
		r = dat_emit_patch_u32(&writer->emit, cpu->offset, writer->nr_chunks);
	}
	cpu->size = dat_emit_pos(&writer->emit) - cpu->offset - count;
	return r;
}

static int add_buffer(struct dat_writer *writer, const char *name, const char *clock,
		      uint32_t page_size, uint32_t nr_cpus)
{
	struct dat_written_buffer buffer = {
		.name = mem_strdup(name),
		.clock = mem_strdup(clock),
		.page_size = page_size,
		.nr_cpus = nr_cpus,
	};
	int r = array_reserve(&writer->buffers, &writer->cap_buffers, writer->nr_buffers + 1,
			      sizeof(*writer->buffers));

	if (r < 0 || !buffer.name || !buffer.clock) {
		buffer_done(&buffer);
		return -ENOMEM;
	}
	writer->buffers[writer->nr_buffers++] = buffer;
	return 0;
}

int dat_writer_buffer_begin(struct dat_writer *writer, const char *name, const char *clock,
			    uint32_t page_size, uint32_t nr_cpus, struct err *err)
{
	int r;

	if (!writer->has_metadata || writer->is_open || writer->has_text)
		return misuse(writer, err, "a buffer cannot begin here");
	if (page_size < LIMIT_SUBBUF_MIN_BYTES || page_size > LIMIT_SUBBUF_BYTES)
		return misuse(writer, err, "impossible page size");
	if (page_size != writer->options.page_size && (writer->options.version == 6 || !*name))
		return err_set(err, -ENOTSUP,
			       "%s: a buffer with a page size of its own (%u, the file has %u) "
			       "needs version 7",
			       writer->path, page_size, writer->options.page_size);
	r = add_buffer(writer, name, clock, page_size, nr_cpus);
	if (r == 0)
		r = writer->options.version == 6 ? dat_v6_first_buffer(writer)
						 : dat_v7_buffer_begin(writer);
	writer->is_open = true;
	return r < 0 ? fail(writer, r, err) : 0;
}

int dat_writer_cpu(struct dat_writer *writer, uint32_t cpu, struct err *err)
{
	struct dat_written_buffer *buffer;
	uint32_t nr_cpus;
	int r;

	if (!writer->is_open || cpu >= LIMIT_CPUS)
		return misuse(writer, err, "a CPU cannot begin here");
	r = end_cpu(writer);
	if (r < 0)
		return fail(writer, r, err);
	buffer = dat_current_buffer(writer);
	nr_cpus = writer->options.nr_cpus;
	if (writer->options.version == 7 || *buffer->name)
		nr_cpus = MAX(nr_cpus, buffer->nr_cpus);
	if (cpu >= nr_cpus)
		return misuse(writer, err, "a CPU beyond the number of CPUs");
	r = array_reserve(&buffer->cpus, &buffer->cap, buffer->nr + 1, sizeof(*buffer->cpus));
	if (r == 0)
		r = dat_emit_align(&writer->emit, buffer->page_size);
	if (r < 0)
		return fail(writer, r, err);
	buffer->cpus[buffer->nr++] =
		(struct dat_cpu){.cpu = cpu, .offset = dat_emit_pos(&writer->emit)};
	writer->in_cpu = true;
	writer->nr_chunks = 0;
	if (writer->options.compression != DAT_NONE)
		r = dat_emit_u32(&writer->emit, 0);
	return r < 0 ? fail(writer, r, err) : 0;
}

static int gather(struct dat_writer *writer, const uint8_t *pages, size_t len)
{
	const size_t chunk = (size_t)DAT_PAGES_IN_CHUNK * dat_current_buffer(writer)->page_size;
	int r = 0;

	while (len && r == 0) {
		size_t take = MIN(len, chunk - writer->gathered);

		if (!writer->gathered && take == chunk) { /* a whole chunk lies there already */
			writer->nr_chunks++;
			r = dat_write_compressed(writer, pages, chunk);
		} else {
			r = array_reserve(&writer->gather, &writer->cap_gather, chunk, 1);
			if (r < 0)
				return r;
			memcpy(writer->gather + writer->gathered, pages, take);
			writer->gathered += take;
			if (writer->gathered == chunk)
				r = flush_gathered(writer);
		}
		pages += take;
		len -= take;
	}
	return r;
}

int dat_writer_pages(struct dat_writer *writer, const void *pages, size_t len, struct err *err)
{
	int r;

	if (!writer->in_cpu || len % dat_current_buffer(writer)->page_size)
		return misuse(writer, err, "pages cannot be written here");
	if (writer->options.compression == DAT_NONE)
		r = dat_emit_bytes(&writer->emit, pages, len);
	else
		r = gather(writer, pages, len);
	return r < 0 ? fail(writer, r, err) : 0;
}

int dat_writer_splice(struct dat_writer *writer, int fd, uint64_t offset, uint64_t len,
		      uint32_t nr_chunks, struct err *err)
{
	int r;

	if (!writer->in_cpu)
		return misuse(writer, err, "pages cannot be written here");
	r = flush_gathered(writer);
	if (r == 0)
		r = dat_emit_copy(&writer->emit, fd, offset, len);
	writer->nr_chunks += nr_chunks;
	return r < 0 ? fail(writer, r, err) : 0;
}

int dat_writer_chunk(struct dat_writer *writer, const void *shrunk, size_t len, size_t pages_len,
		     struct err *err)
{
	int r;

	if (!writer->in_cpu || writer->options.compression == DAT_NONE)
		return misuse(writer, err, "a chunk cannot be written here");
	r = flush_gathered(writer);
	dat_emit_u32(&writer->emit, (uint32_t)len);
	dat_emit_u32(&writer->emit, (uint32_t)pages_len);
	if (r == 0)
		r = dat_emit_bytes(&writer->emit, shrunk, len);
	writer->nr_chunks++;
	return r < 0 ? fail(writer, r, err) : 0;
}

int dat_writer_buffer_end(struct dat_writer *writer, struct err *err)
{
	int r;

	if (!writer->is_open)
		return misuse(writer, err, "there is no buffer to end");
	r = end_cpu(writer);
	if (r == 0 && writer->options.version == 7)
		r = dat_v7_buffer_end(writer);
	writer->is_open = false;
	return r < 0 ? fail(writer, r, err) : 0;
}

int dat_writer_buffer_text(struct dat_writer *writer, const char *name, const char *clock,
			   const char *text, size_t len, struct err *err)
{
	int r;

	if (!writer->has_metadata || writer->is_open || writer->has_text)
		return misuse(writer, err, "a text cannot be written here");
	if (writer->options.version == 6 && (*name || writer->nr_buffers))
		return err_set(
			err, -ENOTSUP,
			"%s: the text of a latency tracer beside other buffers needs version 7",
			writer->path);
	r = writer->options.version == 6 ? dat_v6_text(writer, clock, text, len)
					 : dat_v7_text(writer, name, clock, text, len);
	return r < 0 ? fail(writer, r, err) : 0;
}
