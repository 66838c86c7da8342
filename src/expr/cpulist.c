/* SPDX-License-Identifier: MIT */
/* Lists of CPUs as the kernel reads them (bitmap_parselist), with its oddities. */
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/mem.h"
#include "expr/kfilter_parse.h"

struct region {
	uint32_t start, end;
	uint32_t used, group; /* `used` of every `group` CPUs */
};

struct list_reader {
	const char *pos, *end;
	uint32_t nr_cpus;
};

static char peek(const struct list_reader *reader)
{
	return reader->pos < reader->end ? *reader->pos : '\0';
}

static bool is_end(char c)
{
	return c == '\0' || c == '\n';
}

static bool is_separator(char c)
{
	return c == ',' || token_is_space(TOKEN_KERNEL, c);
}

static bool read_cpu(struct list_reader *reader, uint32_t *ret_cpu)
{
	const char *start = reader->pos;
	uint32_t cpu = 0;

	if (peek(reader) == 'N') {
		reader->pos++;
		*ret_cpu = reader->nr_cpus - 1;
		return true;
	}
	for (; peek(reader) >= '0' && peek(reader) <= '9'; reader->pos++)
		if (size_mul(cpu, 10u, &cpu) || size_add(cpu, (uint32_t)(peek(reader) - '0'), &cpu))
			return false;
	*ret_cpu = cpu;
	return reader->pos > start;
}

static bool take_char(struct list_reader *reader, char c)
{
	if (peek(reader) != c)
		return false;
	reader->pos++;
	return true;
}

/* `5`, `0-7`, `all`, the last two perhaps with `:USED/GROUP`. */
static bool read_region(struct list_reader *reader, struct region *region)
{
	if (reader->end - reader->pos >= 3 && !strncasecmp(reader->pos, "all", 3)) {
		region->start = 0;
		region->end = reader->nr_cpus - 1;
		reader->pos += 3;
	} else {
		if (!read_cpu(reader, &region->start))
			return false;
		region->end = region->start;
		if (is_end(peek(reader)) || is_separator(peek(reader)))
			goto whole;
		if (!take_char(reader, '-') || !read_cpu(reader, &region->end))
			return false;
	}
	if (!is_end(peek(reader)) && !is_separator(peek(reader)))
		return take_char(reader, ':') && read_cpu(reader, &region->used) &&
		       take_char(reader, '/') && read_cpu(reader, &region->group);
whole:
	region->used = region->group = region->end + 1;
	return true;
}

static void set_region(const struct region *region, uint64_t *bits)
{
	for (uint32_t start = region->start; start <= region->end; start += region->group)
		for (uint32_t i = 0; i < region->used && start + i <= region->end; i++)
			bits[(start + i) / 64] |= 1ull << ((start + i) % 64);
}

bool kfilter_cpu_list(struct arena *arena, const char *text, size_t len, uint32_t nr_cpus,
		      struct cpu_list *ret_list, uint32_t *ret_nr)
{
	struct list_reader reader = {
		.pos = text, .end = text + len, .nr_cpus = nr_cpus ? nr_cpus : LIMIT_CPUS};
	_cleanup_free_ uint64_t *bits = mem_calloc((reader.nr_cpus + 63) / 64, sizeof(*bits));
	uint32_t nr_words = 1, nr = 0;

	*ret_list = (struct cpu_list){0};
	while (bits) {
		struct region region;

		while (is_separator(peek(&reader)) && peek(&reader) != '\0')
			reader.pos++;
		if (is_end(peek(&reader)))
			break;
		if (!read_region(&reader, &region) || region.start > region.end || !region.group ||
		    region.used > region.group || region.end >= reader.nr_cpus)
			return false;
		set_region(&region, bits);
	}
	for (uint32_t i = 0; bits && i < (reader.nr_cpus + 63) / 64; i++) {
		nr += (uint32_t)__builtin_popcountll(bits[i]);
		nr_words = bits[i] ? i + 1 : nr_words;
	}
	if (bits)
		ret_list->bits = arena_dup(arena, bits, nr_words * sizeof(*bits));
	ret_list->nr_words = nr_words;
	*ret_nr = nr;
	return true;
}
