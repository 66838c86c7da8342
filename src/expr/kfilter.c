/* SPDX-License-Identifier: MIT */
#include "expr/kfilter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "expr/kfilter_parse.h"

/* The kernel takes less than a page. */
#define TEXT_BYTES 4096

struct kfilter {
	struct arena arena;
	const struct event_db *db;
	struct filter_program program;
};

void kfilter_kernel_init(struct kfilter_kernel *kernel, const char *release, uint32_t nr_cpus)
{
	unsigned long version = 99000, minor;
	char *end;

	if (release && *release >= '0' && *release <= '9') {
		version = strtoul(release, &end, 10) * 1000;
		minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
		version += MIN(minor, 999ul);
	}
	*kernel = (struct kfilter_kernel){
		.ustring = version >= 5017,
		.function = version >= 6003,
		.stacktrace = version >= 6003,
		.cpus = version >= 6006,
		.nr_cpus = nr_cpus,
	};
}

static void kfilter_free_p(struct kfilter **filter)
{
	kfilter_free(*filter);
}

void kfilter_free(struct kfilter *filter)
{
	if (!filter)
		return;
	arena_done(&filter->arena);
	mem_free(filter);
}

static int compile(struct kfilter *filter, struct kfilter_parser *parser)
{
	struct node *root;
	int r = kfilter_parse(parser, &root);

	if (r < 0)
		return r;
	return filter_program_compile(&filter->program, &filter->arena, parser->event, root);
}

int kfilter_new(struct kfilter **ret_filter, const struct event *event, const char *text,
		const struct kfilter_kernel *kernel, unsigned int flags,
		struct kfilter_error *error, struct err *err)
{
	_cleanup_(kfilter_free_p) struct kfilter *filter = mem_zalloc(sizeof(*filter));
	struct kfilter_parser parser = {
		.event = event, .kernel = kernel, .strict = flags & KFILTER_STRICT};
	size_t len = strlen(text);
	int r = -ENOMEM;

	if (error)
		*error = (struct kfilter_error){0};
	while (len && token_is_space(TOKEN_KERNEL, text[len - 1]))
		len--;
	if (filter) {
		filter->db = event->db;
		parser.arena = &filter->arena;
		parser.text = arena_strndup(&filter->arena, text, len);
		if (parser.text && len >= TEXT_BYTES)
			r = kfilter_refuse(&parser, -EINVAL, KFILTER_ERROR, parser.text);
		else if (parser.text)
			r = compile(filter, &parser);
	}
	if (error)
		*error = parser.error;
	if (r < 0 && !parser.error.code)
		return err_set(err, r, "out of memory");
	if (r < 0)
		return err_caret(err, r, parser.text, parser.error.column, "%s",
				 parser.error.message);
	*ret_filter = steal(&filter);
	return 0;
}

bool kfilter_test(const struct kfilter *filter, const struct filter_record *record)
{
	return filter_program_run(&filter->program, filter->db, record);
}

bool kfilter_always(const struct kfilter *filter)
{
	return filter->program.entry == PROGRAM_TRUE;
}

bool kfilter_never(const struct kfilter *filter)
{
	return filter->program.entry == PROGRAM_FALSE;
}

bool kfilter_is_removal(const char *text)
{
	while (token_is_space(TOKEN_KERNEL, *text))
		text++;
	if (*text++ != '0')
		return false;
	while (token_is_space(TOKEN_KERNEL, *text))
		text++;
	return !*text;
}
