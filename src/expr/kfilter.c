/* SPDX-License-Identifier: MIT */
#include "expr/kfilter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "expr/kfilter_parse.h"

struct kfilter {
	struct arena arena;
	const struct event_db *db;
	struct filter_program program;
	struct function_names *functions;
	bool asks_comm;
};

void kfilter_kernel_init(struct kfilter_kernel *kernel, const char *release, uint32_t nr_cpus)
{
	unsigned long version = 99000, minor;
	char *end;

	for (int words = 0; release && words < 2 && (*release < '0' || *release > '9'); words++) {
		release += strcspn(release, " ");
		release += strspn(release, " ");
	}
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
	for (struct function_names *name = filter->functions; name; name = name->next)
		function_pattern_free(name->pattern);
	arena_done(&filter->arena);
	mem_free(filter);
}

int kfilter_new(struct kfilter **ret_filter, const struct event *event, const char *text,
		const struct kfilter_kernel *kernel, unsigned int flags,
		struct kfilter_error *error, struct err *err)
{
	_cleanup_(kfilter_free_p) struct kfilter *filter = mem_zalloc(sizeof(*filter));
	struct kfilter_parser parser = {
		.event = event, .kernel = kernel, .strict = flags & KFILTER_STRICT};
	struct node *root;
	int r = -ENOMEM;

	if (filter) {
		filter->db = kernel->db ? kernel->db : event->db;
		parser.arena = &filter->arena;
		r = kfilter_parse(&parser, text, &root);
		filter->functions = parser.functions;
	}
	if (r == 0)
		r = filter_program_compile(&filter->program, &filter->arena, event, root);
	if (error)
		*error = parser.error;
	if (r < 0 && !parser.error.code)
		return err_set(err, r, "out of memory");
	if (r < 0)
		return err_caret(err, r, parser.text, MIN(parser.error.column, strlen(parser.text)),
				 "%s", parser.error.message);
	for (uint32_t i = 0; i < filter->program.nr; i++)
		filter->asks_comm |= filter->program.code[i].code == CODE_GLOB_COMM;
	*ret_filter = steal(&filter);
	return 0;
}

bool kfilter_asks_comm(const struct kfilter *filter)
{
	return filter->asks_comm;
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

const struct filter_program *kfilter_program(const struct kfilter *filter)
{
	return &filter->program;
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
