/* SPDX-License-Identifier: MIT */
/*
 * Version 7: sections one behind the other, and OPTIONS sections, linked by offsets, that say where
 * the others are. The walk over all sections finds the descriptions (which no option points to),
 * and, in a file that was cut off or never finished, what no option names yet.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/internal.h"

/* Ids beyond this are no section that any version wrote: the walk has left the track. */
enum {
	MAX_SECTION_ID = 1023
};

/* --- the walk --- */

static void walk_cut(struct dat_state *st, const struct dat_section *section, uint64_t left)
{
	dat_damaged(st, -EBADMSG,
		    "the file is cut off: section %u at offset %" PRIu64 " lacks %" PRIu64
		    " of its %" PRIu64 " bytes",
		    section->id, section->offset, section->size - left, section->size);
}

/* For those who list sections: how large a compressed one is. Trace data has many such sizes. */
static void expanded_size(struct dat_state *st, struct dat_window *window,
			  struct dat_section *section)
{
	const uint8_t *p;

	if (!(section->flags & DAT_SECTION_COMPRESSED) || section->id == DAT_OPTION_BUFFER ||
	    section->id == DAT_OPTION_BUFFER_TEXT ||
	    dat_window_get(window, section->offset + DAT_SECTION_HEADER_BYTES, 8, &p) < 8)
		return;
	section->csize = load_u32(p, st->dat.big_endian);
	section->usize = load_u32(p + 4, st->dat.big_endian);
}

static int walk(struct dat_state *st, uint64_t offset)
{
	_cleanup_(dat_window_done) struct dat_window window;
	const uint64_t end = st->dat.file_size;
	const bool big = st->dat.big_endian;

	dat_window_init(&window, st->fd, 512);
	while (offset <= end && end - offset >= DAT_SECTION_HEADER_BYTES) {
		struct dat_section section = {.offset = offset, .description = ""};
		const uint8_t *p;
		uint32_t description;
		uint64_t left;
		ssize_t n = dat_window_get(&window, offset, DAT_SECTION_HEADER_BYTES, &p);
		int r;

		if (n < (ssize_t)DAT_SECTION_HEADER_BYTES) {
			if (n < 0)
				dat_damaged(st, (int)n,
					    "cannot read the section at offset %" PRIu64 ": %s",
					    offset, err_name((int)n));
			return n == -ENOMEM ? -ENOMEM : 0;
		}
		section.id = load_u16(p, big);
		section.flags = load_u16(p + 2, big);
		description = load_u32(p + 4, big);
		section.size = load_u64(p + 8, big);
		/*
		 * Options without a size are the padding behind the header of a buffer that was
		 * being written: that one has no size yet, and reaches to the end.
		 */
		if (section.id > MAX_SECTION_ID || (section.id == DAT_OPTION_DONE && !section.size))
			return 0;
		left = end - offset - DAT_SECTION_HEADER_BYTES;
		expanded_size(st, &window, &section);
		if (section.size > left)
			walk_cut(st, &section, left);
		r = dat_section_add(st, &section, description);
		if (r < 0 || section.size > left)
			return r == -EFBIG ? 0 : r;
		offset += DAT_SECTION_HEADER_BYTES + section.size;
	}
	return 0;
}

static int describe(struct dat_state *st)
{
	_cleanup_free_ char *all = NULL;
	size_t len = 0, cap = 0;

	for (size_t i = 0; i < st->dat.nr_sections; i++) {
		const struct dat_section *section = &st->dat.sections[i];
		struct dat_extent extent = {
			.found = true,
			.compressed = section->flags & DAT_SECTION_COMPRESSED,
			.offset = section->offset + DAT_SECTION_HEADER_BYTES,
			.size = section->size,
		};
		struct dat_source source;
		int r;

		if (section->id != DAT_SECTION_STRINGS)
			continue;
		r = dat_source_load(st, &extent, "list of descriptions", &source);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			continue;
		r = array_reserve(&all, &cap, len + (size_t)source.end + 1, 1);
		if (r < 0)
			return r;
		memcpy(all + len, source.data, (size_t)source.end);
		len += (size_t)source.end;
		all[len] = '\0';
	}
	if (!len)
		return 0;
	for (size_t i = 0; i < st->dat.nr_sections; i++)
		if (st->descriptions[i] < len)
			st->dat.sections[i].description = all + st->descriptions[i];
	if (dat_keep(st, all) < 0)
		return -ENOMEM;
	st->dat.strings = (struct dat_text){steal(&all), len};
	return 0;
}

/* --- buffers --- */

struct buffer_part {
	const uint8_t *pos, *end;
	bool big;
};

static const char *buffer_name(struct buffer_part *part)
{
	const uint8_t *p = part->pos;
	const uint8_t *nul = p < part->end ? memchr(p, 0, (size_t)(part->end - p)) : NULL;

	if (!nul || nul - p > LIMIT_STRING_BYTES)
		return NULL;
	part->pos = nul + 1;
	return (const char *)p;
}

static bool section_header(struct dat_state *st, uint64_t offset, struct dat_section *ret_section)
{
	uint8_t head[DAT_SECTION_HEADER_BYTES];
	ssize_t n;

	if (offset > st->dat.file_size)
		return false;
	n = io_pread_full(st->fd, head, sizeof(head), offset);
	if (n < (ssize_t)sizeof(head))
		return false;
	*ret_section = (struct dat_section){
		.id = load_u16(head, st->dat.big_endian),
		.flags = load_u16(head + 2, st->dat.big_endian),
		.offset = offset,
		.size = load_u64(head + 8, st->dat.big_endian),
	};
	return true;
}

static int compare_cpus(const void *a, const void *b)
{
	const struct dat_cpu *x = a, *y = b;

	return (x->cpu > y->cpu) - (x->cpu < y->cpu);
}

/* u32 page_size, u32 CPUs, CPUs x {u32 cpu, u64 offset, u64 size} */
static int buffer_cpus(struct dat_state *st, struct buffer_part *part, struct dat_buffer *buffer)
{
	uint32_t page_size, nr;

	if (part->end - part->pos < 8)
		return -EBADMSG;
	page_size = load_u32(part->pos, part->big);
	nr = load_u32(part->pos + 4, part->big);
	part->pos += 8;
	if (nr > LIMIT_CPUS || nr > (size_t)(part->end - part->pos) / 20)
		return -EBADMSG;
	/* The top instance's page size is the initial header's, whatever stands here. */
	if (*buffer->name && page_size >= LIMIT_SUBBUF_MIN_BYTES && page_size <= LIMIT_SUBBUF_BYTES)
		buffer->layout.size = page_size;
	buffer->cpus = arena_alloc(&st->arena, nr * sizeof(*buffer->cpus));
	if (!buffer->cpus)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr; i++, part->pos += 20) {
		struct dat_cpu *cpu = &buffer->cpus[i];

		cpu->cpu = load_u32(part->pos, part->big);
		cpu->offset = load_u64(part->pos + 4, part->big);
		cpu->size = load_u64(part->pos + 12, part->big);
		if (cpu->cpu >= LIMIT_CPUS)
			return -EBADMSG;
		dat_clamp_cpu(st, buffer, cpu);
		if (!st->have_cpu_count)
			st->dat.nr_cpus = MAX(st->dat.nr_cpus, cpu->cpu + 1);
	}
	buffer->nr_cpus = nr;
	qsort(buffer->cpus, nr, sizeof(*buffer->cpus), compare_cpus);
	return 0;
}

static int malformed_buffer(struct dat_state *st, const struct dat_option *option)
{
	dat_damaged(st, -EBADMSG, "the option of a buffer at offset %" PRIu64 " is malformed",
		    option->offset);
	return 0;
}

static int read_buffer(struct dat_state *st, const struct dat_option *option)
{
	struct buffer_part part = {option->data, option->data + option->len, st->dat.big_endian};
	struct dat_section section;
	struct dat_buffer *buffer;
	const char *name, *clock;
	uint64_t offset;
	int r = 0;

	if (option->len < 8)
		return malformed_buffer(st, option);
	offset = load_u64(part.pos, part.big);
	/* Some writers left the numbers of this option in their own byte order. */
	if (offset >= st->dat.file_size && load_u64(part.pos, !part.big) < st->dat.file_size) {
		part.big = !part.big;
		offset = load_u64(part.pos, part.big);
	}
	part.pos += 8;
	name = buffer_name(&part);
	clock = name ? buffer_name(&part) : NULL;
	if (!clock)
		return malformed_buffer(st, option);
	if (!section_header(st, offset, &section) || section.id != option->id) {
		dat_damaged(st, -EBADMSG,
			    "the section of buffer \"%s\" is not at offset %" PRIu64
			    ", where it should be",
			    name, offset);
		return 0;
	}
	buffer = dat_buffer_add(st, name, *clock ? clock : st->dat.clock);
	if (!buffer)
		return -ENOMEM;
	buffer->section_offset = offset;
	buffer->compressed = section.flags & DAT_SECTION_COMPRESSED;
	if (option->id == DAT_OPTION_BUFFER_TEXT) {
		buffer->is_text = true;
		buffer->text_offset = offset + DAT_SECTION_HEADER_BYTES;
		buffer->text_size = section.size;
		return 0;
	}
	r = buffer_cpus(st, &part, buffer);
	if (!*name && *clock)
		st->dat.clock = clock;
	return r == -EBADMSG ? malformed_buffer(st, option) : r;
}

/* --- options --- */

/* One OPTIONS section; *ret_next is the offset of the next, 0 for none. */
static int read_options(struct dat_state *st, const struct dat_section *section, uint64_t *ret_next)
{
	struct dat_extent extent = {
		.found = true,
		.compressed = section->flags & DAT_SECTION_COMPRESSED,
		.offset = section->offset + DAT_SECTION_HEADER_BYTES,
		.size = section->size,
	};
	struct dat_source source;
	int r = dat_source_load(st, &extent, "options", &source);

	*ret_next = 0;
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (;;) {
		uint64_t start = source.pos;
		const uint8_t *data;
		uint16_t id;
		uint32_t size;

		if (!dat_source_u16(&source, &id) || !dat_source_u32(&source, &size))
			return 0;
		if (id == DAT_OPTION_DONE) {
			if (size >= 8 && !dat_source_u64(&source, ret_next))
				return 0;
			return 0;
		}
		if (size > LIMIT_OPTION_BYTES || !dat_source_get(&source, size, &data))
			return 0;
		r = dat_option_add(st, id, data, size, extent.offset + start);
		if (r == -EFBIG)
			return 0;
		if (r == 0)
			r = dat_option_decode(st, &st->dat.options[st->dat.nr_options - 1]);
		if (r < 0)
			return r;
	}
}

/* Follow the links; *ret_last is the last OPTIONS section that was read, 0 for none. */
static int follow_options(struct dat_state *st, uint64_t offset, uint64_t *ret_last)
{
	*ret_last = 0;
	while (offset) {
		struct dat_section section;
		uint64_t next;
		int r;

		if (offset <= *ret_last) {
			dat_damaged(st, -EBADMSG,
				    "the options at offset %" PRIu64
				    " point back to offset %" PRIu64,
				    *ret_last, offset);
			return 0;
		}
		if (!section_header(st, offset, &section) || section.id != DAT_OPTION_DONE) {
			dat_damaged(st, -EBADMSG,
				    "there are no options at offset %" PRIu64
				    ", where they should be",
				    offset);
			return 0;
		}
		r = read_options(st, &section, &next);
		if (r < 0)
			return r;
		*ret_last = offset;
		offset = next;
	}
	return 0;
}

/* OPTIONS sections that lie behind the last one that was linked: the links are broken. */
static int unlinked_options(struct dat_state *st, uint64_t last)
{
	for (size_t i = 0; i < st->dat.nr_sections; i++) {
		const struct dat_section *section = &st->dat.sections[i];
		uint64_t next;
		int r;

		if (section->id != DAT_OPTION_DONE || section->offset <= last)
			continue;
		dat_damaged(st, -EBADMSG,
			    "the options at offset %" PRIu64 " are not linked to those before",
			    section->offset);
		r = read_options(st, section, &next);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- metadata sections --- */

static uint64_t linked_offset(const struct dat_state *st, uint16_t id)
{
	for (size_t i = 0; i < st->dat.nr_options; i++)
		if (st->dat.options[i].id == id && st->dat.options[i].len >= 8)
			return load_u64(st->dat.options[i].data, st->dat.big_endian);
	return 0;
}

/* Where the options say it is, else (a file that was never finished) where the walk saw it. */
static void locate(struct dat_state *st, uint16_t id, const char *what,
		   struct dat_extent *ret_extent)
{
	uint64_t linked = linked_offset(st, id);
	struct dat_section section = {0};

	*ret_extent = (struct dat_extent){0};
	if (!linked || !section_header(st, linked, &section) || section.id != id) {
		if (linked)
			dat_damaged(st, -EBADMSG,
				    "the %s is not at offset %" PRIu64 ", where it should be", what,
				    linked);
		section.offset = 0;
		for (size_t i = 0; i < st->dat.nr_sections && !section.offset; i++)
			if (st->dat.sections[i].id == id)
				section = st->dat.sections[i];
		if (!section.offset)
			return;
	}
	*ret_extent = (struct dat_extent){
		.found = true,
		.compressed = section.flags & DAT_SECTION_COMPRESSED,
		.offset = section.offset + DAT_SECTION_HEADER_BYTES,
		.size = section.size,
	};
}

static int read_printk(struct dat_source *source)
{
	uint32_t size;

	if (dat_source_u32(source, &size))
		dat_source_text(source, size, &source->st->dat.printk);
	return source->error == -ENOMEM ? -ENOMEM : 0;
}

static int read_cmdlines(struct dat_source *source)
{
	uint64_t size;

	if (dat_source_u64(source, &size))
		dat_source_text(source, size, &source->st->dat.cmdlines);
	return source->error == -ENOMEM ? -ENOMEM : 0;
}

static int read_metadata(struct dat_state *st)
{
	static const struct {
		uint16_t id;
		const char *what;
		int (*read)(struct dat_source *);
	} parts[] = {
		{DAT_OPTION_HEADER_INFO, "page header description", dat_read_header_info},
		{DAT_OPTION_FTRACE_EVENTS, "list of ftrace formats", dat_read_ftrace_formats},
		{DAT_OPTION_EVENT_FORMATS, "list of event formats", dat_read_formats},
		{DAT_OPTION_PRINTK, "list of trace_printk formats", read_printk},
		{DAT_OPTION_CMDLINES, "list of command names", read_cmdlines},
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		struct dat_extent extent;
		struct dat_source source;
		int r;

		locate(st, parts[i].id, parts[i].what, &extent);
		if (!extent.found)
			continue;
		r = dat_source_load(st, &extent, parts[i].what, &source);
		if (r == 0)
			r = parts[i].read(&source);
		if (r == -ENOMEM)
			return r;
	}
	locate(st, DAT_OPTION_KALLSYMS, "list of kernel symbols", &st->kallsyms);
	locate(st, DAT_OPTION_BTF_FILE, "BTF data", &st->btf);
	locate(st, DAT_OPTION_MODULES_FILE, "list of modules", &st->modules);
	return 0;
}

static bool has_buffer(const struct dat_state *st, uint64_t section)
{
	for (size_t i = 0; i < st->dat.nr_buffers; i++)
		if (st->dat.buffers[i].section_offset == section)
			return true;
	return false;
}

static int read_buffers(struct dat_state *st)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < st->dat.nr_options; i++)
		if (st->dat.options[i].id == DAT_OPTION_BUFFER ||
		    st->dat.options[i].id == DAT_OPTION_BUFFER_TEXT)
			r = read_buffer(st, &st->dat.options[i]);
	for (size_t i = 0; r == 0 && i < st->dat.nr_sections; i++)
		if (st->dat.sections[i].id == DAT_OPTION_BUFFER &&
		    !has_buffer(st, st->dat.sections[i].offset))
			r = dat_salvage(st, &st->dat.sections[i]);
	return r;
}

int dat_read_v7(struct dat_state *st, uint64_t offset, uint64_t options)
{
	uint64_t last;
	int r = walk(st, offset);

	if (r == 0)
		r = describe(st);
	if (r == 0)
		r = follow_options(st, options, &last);
	if (r == 0)
		r = unlinked_options(st, last);
	if (r == 0)
		r = read_metadata(st);
	return r < 0 ? r : read_buffers(st);
}
