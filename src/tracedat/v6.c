/* SPDX-License-Identifier: MIT */
/*
 * Version 6: everything in a fixed order, one thing behind the other, and at the end a table of
 * where each CPU's pages are. Instances have such a table of their own, which an option points to.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/internal.h"

enum {
	TAG_BYTES = 10
};

/* The body that is about to be read becomes a section, for those who list the file's parts. */
static int note_section(struct dat_state *st, uint16_t id, uint64_t offset, uint64_t end)
{
	struct dat_section section = {.id = id, .offset = offset, .size = end - offset};

	return dat_section_add(st, &section, DAT_NO_DESCRIPTION);
}

/* u32 size and text that is read later, if at all. */
static int skip_text(struct dat_source *source, const char *what, struct dat_extent *ret_extent)
{
	uint64_t start = source->pos;
	uint32_t size;

	source->what = what;
	if (!dat_source_u32(source, &size))
		return 0;
	if (size > source->end - source->pos) {
		dat_damaged(source->st, -EBADMSG, "the %s at offset %" PRIu64 " is cut off", what,
			    start);
		size = (uint32_t)(source->end - source->pos);
		source->error = -ENODATA;
	}
	source->pos += size;
	*ret_extent = (struct dat_extent){.found = true, .offset = start, .size = 4ull + size};
	return 0;
}

static int read_texts(struct dat_source *source)
{
	struct dat_state *st = source->st;
	uint64_t start = source->pos, size64;
	uint32_t size;
	int r = skip_text(source, "kernel symbols", &st->kallsyms);

	if (r == 0)
		r = note_section(st, DAT_OPTION_KALLSYMS, start, source->pos);
	if (r < 0 || source->error)
		return r;
	source->what = "trace_printk formats";
	start = source->pos;
	if (dat_source_u32(source, &size))
		dat_source_text(source, size, &st->dat.printk);
	r = note_section(st, DAT_OPTION_PRINTK, start, source->pos);
	if (r < 0 || source->error)
		return r;
	source->what = "command names";
	start = source->pos;
	if (dat_source_u64(source, &size64))
		dat_source_text(source, size64, &st->dat.cmdlines);
	return note_section(st, DAT_OPTION_CMDLINES, start, source->pos);
}

static int read_metadata(struct dat_source *source)
{
	static const struct {
		int (*read)(struct dat_source *);
		const char *what;
		uint16_t id;
	} parts[] = {
		{dat_read_header_info, "page header description", DAT_OPTION_HEADER_INFO},
		{dat_read_ftrace_formats, "list of ftrace formats", DAT_OPTION_FTRACE_EVENTS},
		{dat_read_formats, "list of event formats", DAT_OPTION_EVENT_FORMATS},
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts) && !source->error; i++) {
		uint64_t start = source->pos;
		int r;

		source->what = parts[i].what;
		r = parts[i].read(source);
		if (r == 0)
			r = note_section(source->st, parts[i].id, start, source->pos);
		if (r < 0)
			return r;
	}
	return source->error ? 0 : read_texts(source);
}

/* {u16 id, u32 size, data}* ended by id 0. */
static int read_options(struct dat_source *source)
{
	struct dat_state *st = source->st;

	source->what = "options";
	for (;;) {
		struct dat_text text = {0};
		uint64_t start = source->pos;
		uint16_t id;
		uint32_t size;
		int r;

		if (!dat_source_u16(source, &id) || id == DAT_OPTION_DONE ||
		    !dat_source_u32(source, &size) || !dat_source_text(source, size, &text))
			return source->error == -ENOMEM ? -ENOMEM : 0;
		r = dat_option_add(st, id, (const uint8_t *)text.data, size, start);
		if (r == 0)
			r = dat_option_decode(st, &st->dat.options[st->dat.nr_options - 1]);
		if (r < 0)
			return r;
	}
}

static bool have_option(const struct dat_state *st, uint16_t id)
{
	for (size_t i = 0; i < st->dat.nr_options; i++)
		if (st->dat.options[i].id == id)
			return true;
	return false;
}

/* u64 size and "[clock]", where the option for it was there. */
static int read_clock(struct dat_source *source, struct dat_buffer *buffer)
{
	struct dat_state *st = source->st;
	struct dat_text clock = {0};
	uint64_t size;

	source->what = "trace clock";
	if (!have_option(st, DAT_OPTION_TRACECLOCK) || !dat_source_u64(source, &size) ||
	    size > LIMIT_STRING_BYTES || !dat_source_text(source, size, &clock))
		return source->error == -ENOMEM ? -ENOMEM : 0;
	if (dat_clock_of(st, clock.data, clock.len, &clock.data) < 0)
		return -ENOMEM;
	if (clock.data)
		buffer->clock = clock.data;
	return 0;
}

/* CPU count x {u64 offset, u64 size}, and the clock where the option for it was there. */
static int read_cpus(struct dat_source *source, const char *name, uint32_t nr_cpus)
{
	struct dat_state *st = source->st;
	struct dat_buffer *buffer = dat_buffer_add(st, name, st->dat.clock);

	if (!buffer)
		return -ENOMEM;
	if (nr_cpus > (source->end - source->pos) / 16) {
		dat_damaged(st, -EBADMSG, "the table of CPU data at offset %" PRIu64 " is cut off",
			    source->pos);
		nr_cpus = (uint32_t)((source->end - source->pos) / 16);
	}
	buffer->cpus = arena_alloc(&st->arena, nr_cpus * sizeof(*buffer->cpus));
	if (!buffer->cpus)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr_cpus; i++) {
		struct dat_cpu *cpu = &buffer->cpus[i];

		cpu->cpu = i;
		if (!dat_source_u64(source, &cpu->offset) || !dat_source_u64(source, &cpu->size))
			break;
		buffer->nr_cpus = i + 1;
		dat_clamp_cpu(st, buffer, cpu);
	}
	return read_clock(source, buffer);
}

static int read_instance(struct dat_source *source, const struct dat_option *option,
			 uint32_t nr_cpus)
{
	struct dat_state *st = source->st;
	const uint8_t *name, *tag;
	uint64_t offset;

	if (option->len < 9 || !(name = memchr(option->data + 8, 0, option->len - 8))) {
		dat_damaged(st, -EBADMSG,
			    "the option of an instance at offset %" PRIu64 " is malformed",
			    option->offset);
		return 0;
	}
	name = option->data + 8;
	offset = load_u64(option->data, st->dat.big_endian);
	if (offset >= source->end) {
		dat_damaged(st, -EBADMSG,
			    "the data of instance \"%s\" lies beyond the end of the "
			    "file",
			    (const char *)name);
		return 0;
	}
	source->pos = offset;
	source->error = 0;
	source->what = "instance";
	if (!dat_source_get(source, TAG_BYTES, &tag))
		return 0;
	if (memcmp(tag, "flyrecord", TAG_BYTES) != 0) {
		dat_damaged(st, -EBADMSG, "there is no data of instance \"%s\" at offset %" PRIu64,
			    (const char *)name, offset);
		return 0;
	}
	return read_cpus(source, (const char *)name, nr_cpus);
}

static int read_instances(struct dat_source *source)
{
	struct dat *dat = &source->st->dat;

	for (size_t i = 0; i < dat->nr_options; i++) {
		const struct dat_option *option = &dat->options[i], *next = option + 1;
		uint32_t nr_cpus = dat->nr_cpus;
		int r;

		if (option->id != DAT_OPTION_BUFFER)
			continue;
		if (i + 1 < dat->nr_options && next->id == DAT_OPTION_CPUCOUNT && next->len >= 4)
			nr_cpus = MIN(load_u32(next->data, dat->big_endian), LIMIT_CPUS);
		r = read_instance(source, option, nr_cpus);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_latency(struct dat_source *source)
{
	struct dat_state *st = source->st;
	struct dat_buffer *buffer = dat_buffer_add(st, "", st->dat.clock);
	uint64_t start = source->pos;
	const uint8_t *p;
	int r;

	if (!buffer)
		return -ENOMEM;
	/* The clock may stand before the text, as trace-cmd's reader wants it, or not. */
	if (source->end - start > 9 && dat_source_get(source, 9, &p) && p[8] == '[' &&
	    load_u64(p, st->dat.big_endian) < LIMIT_STRING_BYTES) {
		source->pos = start;
		r = read_clock(source, buffer);
		if (r < 0 || source->error)
			return r;
	} else {
		source->pos = start;
	}
	buffer->is_text = true;
	buffer->text_offset = source->pos;
	buffer->text_size = source->end - source->pos;
	return note_section(st, DAT_OPTION_BUFFER_TEXT, source->pos - TAG_BYTES, source->end);
}

/* Options, then the table of CPU data or a latency tracer's text. */
static int read_tail(struct dat_source *source)
{
	const uint8_t *tag;

	for (;;) {
		uint64_t start = source->pos;
		int r;

		source->what = "table of CPU data";
		if (!dat_source_get(source, TAG_BYTES, &tag))
			return source->error == -ENOMEM ? -ENOMEM : 0;
		if (memcmp(tag, "options  ", TAG_BYTES) == 0) {
			r = read_options(source);
			if (r == 0)
				r = note_section(source->st, DAT_OPTION_DONE, start, source->pos);
			if (r < 0 || source->error)
				return r;
			continue;
		}
		if (memcmp(tag, "latency  ", TAG_BYTES) == 0)
			return read_latency(source);
		if (memcmp(tag, "flyrecord", TAG_BYTES) == 0) {
			r = read_cpus(source, "", source->st->dat.nr_cpus);
			if (r < 0)
				return r;
			return note_section(source->st, DAT_OPTION_BUFFER, start, source->pos);
		}
		dat_damaged(source->st, -EBADMSG,
			    "there is no CPU data at offset %" PRIu64 ", where it should be",
			    start);
		return 0;
	}
}

int dat_read_v6(struct dat_state *st, uint64_t offset)
{
	_cleanup_(dat_window_done) struct dat_window window;
	struct dat_source source = {
		.st = st, .window = &window, .pos = offset, .end = st->dat.file_size};
	int r;

	dat_window_init(&window, st->fd, 0);
	r = read_metadata(&source);
	if (r < 0 || source.error)
		return r;
	source.what = "number of CPUs";
	if (!dat_source_u32(&source, &st->dat.nr_cpus))
		return source.error == -ENOMEM ? -ENOMEM : 0;
	if (st->dat.nr_cpus > LIMIT_CPUS) {
		dat_damaged(st, -EBADMSG, "the file claims to hold %u CPUs", st->dat.nr_cpus);
		st->dat.nr_cpus = LIMIT_CPUS;
	}
	st->have_cpu_count = true;
	r = read_tail(&source);
	return r < 0 ? r : read_instances(&source);
}
