/* SPDX-License-Identifier: MIT */
/*
 * Trace data that no option tells of, because the file was cut off or never finished: where each
 * CPU's pages are is found by looking at them. A CPU's data begins at a multiple of the page size;
 * compressed data leads from chunk to chunk, and in uncompressed data time goes back where the next
 * CPU begins. Which CPUs they are is taken from the statistics, where those were saved.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/internal.h"

struct salvage {
	struct dat_state *st;
	struct dat_window window;
	const struct subbuf_layout *layout;
	uint64_t pos, end;
	struct dat_cpu *cpus;
	size_t nr, cap;
};

static int found_cpu(struct salvage *salvage, uint64_t offset, uint64_t size)
{
	int r;

	if (!size || salvage->nr >= LIMIT_CPUS)
		return 0;
	r = array_reserve(&salvage->cpus, &salvage->cap, salvage->nr + 1, sizeof(*salvage->cpus));
	if (r < 0)
		return r;
	salvage->cpus[salvage->nr] =
		(struct dat_cpu){.cpu = (uint32_t)salvage->nr, .offset = offset, .size = size};
	salvage->nr++;
	return 0;
}

static bool align_pos(struct salvage *salvage)
{
	uint64_t page = salvage->layout->size, over = salvage->pos % page;

	if (over)
		salvage->pos += page - over;
	return salvage->pos < salvage->end;
}

/* u32 chunks, then {u32 csize, u32 usize, data}*. A CPU that was being written has no count yet. */
static int chunks_of_cpu(struct salvage *salvage, bool *ret_more)
{
	const bool big = salvage->st->dat.big_endian;
	const uint64_t start = salvage->pos;
	const uint8_t *p;
	uint32_t count, nr = 0;
	ssize_t n = dat_window_get(&salvage->window, start, DAT_CHUNK_COUNT_BYTES, &p);

	*ret_more = false;
	if (n < (ssize_t)DAT_CHUNK_COUNT_BYTES)
		return n == -ENOMEM ? -ENOMEM : 0;
	count = load_u32(p, big);
	salvage->pos += DAT_CHUNK_COUNT_BYTES;
	while (salvage->end - salvage->pos >= 8 && (!count || nr < count)) {
		uint32_t csize, usize;

		n = dat_window_get(&salvage->window, salvage->pos, 8, &p);
		if (n < 8)
			break;
		csize = load_u32(p, big);
		usize = load_u32(p + 4, big);
		if (!csize || !usize || usize % salvage->layout->size ||
		    usize > LIMIT_CHUNK_BYTES || csize > salvage->end - salvage->pos - 8)
			break;
		salvage->pos += 8 + (uint64_t)csize;
		nr++;
	}
	*ret_more = count && nr == count;
	return found_cpu(salvage, start, salvage->pos - start - DAT_CHUNK_COUNT_BYTES);
}

static int find_chunks(struct salvage *salvage)
{
	bool more = true;
	int r = 0;

	while (r == 0 && more && align_pos(salvage))
		r = chunks_of_cpu(salvage, &more);
	return r;
}

static int find_pages(struct salvage *salvage)
{
	const struct subbuf_layout *layout = salvage->layout;
	const uint32_t head = subbuf_header_bytes(layout);
	uint64_t start, last = 0;
	int r = 0;

	if (!align_pos(salvage))
		return 0;
	start = salvage->pos;
	while (r == 0 && salvage->end - salvage->pos >= head) {
		const uint8_t *p;
		ssize_t n = dat_window_get(&salvage->window, salvage->pos, head, &p);
		uint64_t ts, commit;

		if (n < (ssize_t)head)
			return n == -ENOMEM ? -ENOMEM : 0;
		ts = subbuf_time(layout, p);
		commit = load_uint(p + 8, layout->long_size, layout->big_endian);
		if ((commit & SUBBUF_COMMIT_MASK) > layout->size - head)
			break; /* no page any more */
		if (ts && ts < last) {
			r = found_cpu(salvage, start, salvage->pos - start);
			start = salvage->pos;
		}
		last = ts ? ts : last;
		salvage->pos += MIN(layout->size, salvage->end - salvage->pos);
	}
	return r < 0 ? r : found_cpu(salvage, start, salvage->pos - start);
}

/* "CPU: n" and how many events it had; those without had no data in the file. */
static void name_cpus(struct salvage *salvage)
{
	const char *stat = salvage->st->dat.cpustat, *end;
	size_t nr = 0;

	if (!stat)
		return;
	end = strstr(stat, "Buffer: ");
	while ((stat = strstr(stat, "CPU: ")) && (!end || stat < end)) {
		unsigned long entries = 0, read = 0;
		unsigned int cpu = 0;
		const char *next = strstr(stat + 1, "CPU: ");
		const char *at = strstr(stat, "entries: "),
			   *at_read = strstr(stat, "read events: ");

		(void)!sscanf(stat, "CPU: %u", &cpu);
		if (at && (!next || at < next))
			(void)!sscanf(at, "entries: %lu", &entries);
		if (at_read && (!next || at_read < next))
			(void)!sscanf(at_read, "read events: %lu", &read);
		if (entries + read && cpu < LIMIT_CPUS) {
			if (nr == salvage->nr)
				return;
			salvage->cpus[nr++].cpu = cpu;
		}
		stat++;
	}
	/* Fewer than were found: the statistics are of something else. */
	for (size_t i = 0; nr < salvage->nr && i < salvage->nr; i++)
		salvage->cpus[i].cpu = (uint32_t)i;
}

static int add_buffer(struct dat_state *st, const struct dat_section *section,
		      struct salvage *salvage)
{
	struct dat_buffer *buffer;
	const char *name = "";
	char text[64];

	if (st->dat.nr_buffers) {
		snprintf(text, sizeof(text), "at-%" PRIu64, section->offset);
		name = arena_strdup(&st->arena, text);
	} else {
		name_cpus(salvage);
	}
	buffer = name ? dat_buffer_add(st, name, st->dat.clock) : NULL;
	if (!buffer)
		return -ENOMEM;
	buffer->section_offset = section->offset;
	buffer->compressed = section->flags & DAT_SECTION_COMPRESSED;
	buffer->cpus = arena_dup(&st->arena, salvage->cpus, salvage->nr * sizeof(*salvage->cpus));
	if (!buffer->cpus)
		return -ENOMEM;
	buffer->nr_cpus = (uint32_t)salvage->nr;
	for (size_t i = 0; i < salvage->nr; i++)
		st->dat.nr_cpus = MAX(st->dat.nr_cpus, salvage->cpus[i].cpu + 1);
	return 0;
}

int dat_salvage(struct dat_state *st, const struct dat_section *section)
{
	const struct subbuf_layout layout = {
		.size = st->dat.page_size,
		.long_size = st->dat.long_size,
		.big_endian = st->dat.big_endian,
	};
	struct salvage salvage = {
		.st = st,
		.layout = &layout,
		.pos = section->offset + DAT_SECTION_HEADER_BYTES,
		.end = st->dat.file_size,
	};
	int r;

	if (section->size < salvage.end - salvage.pos &&
	    (section->size || section != &st->dat.sections[st->dat.nr_sections - 1]))
		salvage.end = salvage.pos + section->size;
	dat_window_init(&salvage.window, st->fd, 0);
	r = section->flags & DAT_SECTION_COMPRESSED ? find_chunks(&salvage) : find_pages(&salvage);
	dat_window_done(&salvage.window);
	if (r == 0 && salvage.nr) {
		dat_damaged(st, -EBADMSG,
			    "the trace data at offset %" PRIu64
			    " is not in the list of buffers; what was found of it is shown",
			    section->offset);
		r = add_buffer(st, section, &salvage);
		st->dat.unfinished = true;
	}
	mem_free(salvage.cpus);
	return r;
}
