/* SPDX-License-Identifier: MIT */
/*
 * Version 6: options and the table of CPU data stand before the pages, but are known only when all
 * pages are written. So room is left for them, as part of the padding that has to be there anyway;
 * the tables of instances, to which options point, go to the end of the file.
 */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "tracedat/writer_internal.h"

/* Room for options that come late: statistics of each CPU, instances. */
enum {
	LATE_BYTES = 8 << 10,
	LATE_BYTES_PER_CPU = 256,
	CPU_ENTRY_BYTES = 16
};

int dat_v6_metadata(struct dat_writer *writer, const struct dat_metadata *metadata)
{
	_cleanup_out_ struct out body = {0};

	for (size_t i = 0; i < DAT_NR_BODIES; i++) {
		if (dat_bodies[i].optional) /* BTF and modules: v6 has no place for them */
			continue;
		out_clear(&body);
		dat_bodies[i].build(&body, metadata, writer->options.big_endian);
		if (body.failed)
			return -ENOMEM;
		dat_emit_bytes(&writer->emit, body.buf, body.len);
	}
	dat_emit_u32(&writer->emit, writer->options.nr_cpus);
	writer->gap = dat_emit_pos(&writer->emit);
	return dat_emit_flush(&writer->emit);
}

int dat_v6_first_buffer(struct dat_writer *writer)
{
	uint64_t room = writer->pending.len + LATE_BYTES +
			(uint64_t)writer->options.nr_cpus * (LATE_BYTES_PER_CPU + CPU_ENTRY_BYTES);

	if (writer->gap_end)
		return 0;
	dat_emit_zeros(&writer->emit, room);
	dat_emit_align(&writer->emit, writer->options.page_size);
	writer->gap_end = dat_emit_pos(&writer->emit);
	return writer->emit.failed;
}

/* The clock, where the option for it is there. */
static void put_clock(struct dat_writer *writer, struct out *out, const char *name)
{
	_cleanup_out_ struct out clock = {0};

	if (!writer->has_clock)
		return;
	out_printf(&clock, "[%s]", name);
	dat_put_u64(out, clock.len, writer->options.big_endian);
	out_mem(out, clock.buf, clock.len);
	out->failed |= clock.failed;
}

/* "flyrecord", where each CPU is, and the clock. */
static void put_table(struct dat_writer *writer, struct out *out,
		      const struct dat_written_buffer *buffer, uint32_t nr_cpus)
{
	const bool big = writer->options.big_endian;
	const uint64_t empty = writer->gap_end;

	out_mem(out, "flyrecord", 10);
	for (uint32_t cpu = 0; cpu < nr_cpus; cpu++) {
		struct dat_cpu entry = {.offset = empty};

		for (size_t i = 0; buffer && i < buffer->nr; i++)
			if (buffer->cpus[i].cpu == cpu)
				entry = buffer->cpus[i];
		dat_put_u64(out, entry.offset, big);
		dat_put_u64(out, entry.size, big);
	}
	put_clock(writer, out, buffer ? buffer->clock : "local");
}

static uint32_t cpus_of(const struct dat_writer *writer, const struct dat_written_buffer *buffer)
{
	uint32_t nr = buffer->nr_cpus ? buffer->nr_cpus : writer->options.nr_cpus;

	for (size_t i = 0; i < buffer->nr; i++)
		nr = MAX(nr, buffer->cpus[i].cpu + 1);
	return nr;
}

/* The instance's own table at the end of the file, and the option that points to it. */
static int write_instance(struct dat_writer *writer, const struct dat_written_buffer *buffer)
{
	const bool big = writer->options.big_endian;
	uint32_t nr_cpus = cpus_of(writer, buffer);
	_cleanup_out_ struct out option = {0}, table = {0};
	uint8_t count[4];

	dat_put_u64(&option, dat_emit_pos(&writer->emit), big);
	out_mem(&option, buffer->name, strlen(buffer->name) + 1);
	dat_put_option(&writer->pending, big, DAT_OPTION_BUFFER, option.buf, option.len);
	if (nr_cpus != writer->options.nr_cpus) {
		store_u32(count, nr_cpus, big);
		dat_put_option(&writer->pending, big, DAT_OPTION_CPUCOUNT, count, sizeof(count));
	}
	put_table(writer, &table, buffer, nr_cpus);
	if (option.failed || table.failed || writer->pending.failed)
		return -ENOMEM;
	return dat_emit_bytes(&writer->emit, table.buf, table.len);
}

static void put_options(struct dat_writer *writer, struct out *out)
{
	out_mem(out, "options  ", 10);
	out_mem(out, writer->pending.buf, writer->pending.len);
	dat_put_u16(out, DAT_OPTION_DONE, writer->options.big_endian);
	out->failed |= writer->pending.failed;
}

int dat_v6_text(struct dat_writer *writer, const char *clock, const char *text, size_t len)
{
	_cleanup_out_ struct out head = {0};

	put_options(writer, &head);
	out_mem(&head, "latency  ", 10);
	put_clock(writer, &head, clock); /* trace-cmd's reader expects it here too */
	if (head.failed)
		return -ENOMEM;
	out_clear(&writer->pending);
	writer->has_text = true;
	dat_emit_bytes(&writer->emit, head.buf, head.len);
	return dat_emit_bytes(&writer->emit, text, len);
}

int dat_v6_finish(struct dat_writer *writer)
{
	const struct dat_written_buffer *top = NULL;
	_cleanup_out_ struct out head = {0};
	int r;

	if (writer->has_text)
		return writer->pending.len ? -EINVAL : 0;
	r = dat_v6_first_buffer(writer);
	for (size_t i = 0; r == 0 && i < writer->nr_buffers; i++) {
		if (*writer->buffers[i].name)
			r = write_instance(writer, &writer->buffers[i]);
		else
			top = &writer->buffers[i];
	}
	if (r < 0)
		return r;
	put_options(writer, &head);
	put_table(writer, &head, top, writer->options.nr_cpus);
	if (head.failed)
		return -ENOMEM;
	if (head.len > writer->gap_end - writer->gap)
		return -EFBIG;
	return dat_emit_patch(&writer->emit, writer->gap, head.buf, head.len);
}
