/* SPDX-License-Identifier: MIT */
/*
 * The metadata sections. A v6 file has their bodies one behind the other, a v7 file each in a
 * section of its own; the bodies are the same.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/internal.h"

static int source_result(const struct dat_source *source)
{
	return source->error == -ENOMEM ? -ENOMEM : 0;
}

static bool expect(struct dat_source *source, const char *word, size_t len)
{
	const uint8_t *p;

	if (!dat_source_get(source, len, &p))
		return false;
	if (memcmp(p, word, len) == 0)
		return true;
	dat_damaged(source->st, -EBADMSG, "the %s does not begin with \"%s\"", source->what, word);
	source->error = -EBADMSG;
	return false;
}

/* `size` of a field in a header_page text: "field: local_t commit;\toffset:8;\tsize:8;". */
static unsigned int field_size(const struct dat_text *text, const char *name)
{
	const char *p = text->data ? strstr(text->data, name) : NULL;
	unsigned int size = 0;

	p = p ? strstr(p, "size:") : NULL;
	return p && sscanf(p, "size:%u", &size) == 1 ? size : 0;
}

int dat_read_header_info(struct dat_source *source)
{
	struct dat *dat = &source->st->dat;
	uint64_t size;
	unsigned int long_size;

	if (expect(source, "header_page", 12) && dat_source_u64(source, &size))
		dat_source_text(source, size, &dat->header_page);
	if (expect(source, "header_event", 13) && dat_source_u64(source, &size))
		dat_source_text(source, size, &dat->header_event);
	long_size = field_size(&dat->header_page, " commit;");
	if (long_size == 4 || long_size == 8)
		dat->long_size = (uint8_t)long_size;
	return source_result(source);
}

static int add_format(struct dat_format **list, size_t *nr, size_t *cap, const char *system,
		      const struct dat_text *text)
{
	int r = array_reserve(list, cap, *nr + 1, sizeof(**list));

	if (r < 0)
		return r;
	(*list)[(*nr)++] = (struct dat_format){system, text->data, text->len};
	return 0;
}

static bool read_format(struct dat_source *source, const char *system, struct dat_format **list,
			size_t *nr, size_t *cap)
{
	struct dat_text text = {0};
	uint64_t size;
	int r;

	if (!dat_source_u64(source, &size) || !dat_source_text(source, size, &text))
		return false;
	r = add_format(list, nr, cap, system, &text);
	if (r < 0)
		source->error = r;
	return r >= 0;
}

static bool within(struct dat_source *source, uint64_t nr, uint64_t limit, const char *what)
{
	if (nr <= limit)
		return true;
	dat_damaged(source->st, -EBADMSG, "the %s claims to hold %llu %s", source->what,
		    (unsigned long long)nr, what);
	source->error = -EBADMSG;
	return false;
}

int dat_read_ftrace_formats(struct dat_source *source)
{
	struct dat_state *st = source->st;
	uint32_t nr;

	if (!dat_source_u32(source, &nr) || !within(source, nr, LIMIT_EVENTS, "events"))
		return source_result(source);
	while (nr-- && read_format(source, "ftrace", &st->dat.ftrace_formats,
				   &st->dat.nr_ftrace_formats, &st->cap_ftrace))
		;
	return source_result(source);
}

int dat_read_formats(struct dat_source *source)
{
	struct dat_state *st = source->st;
	uint32_t nr_systems, nr;

	if (!dat_source_u32(source, &nr_systems) ||
	    !within(source, nr_systems, LIMIT_SYSTEMS, "systems"))
		return source_result(source);
	while (nr_systems--) {
		const char *system;

		if (!dat_source_name(source, &system) || !dat_source_u32(source, &nr) ||
		    !within(source, st->dat.nr_formats + (uint64_t)nr, LIMIT_EVENTS, "events"))
			break;
		while (nr-- && read_format(source, system, &st->dat.formats, &st->dat.nr_formats,
					   &st->cap_formats))
			;
	}
	return source_result(source);
}
