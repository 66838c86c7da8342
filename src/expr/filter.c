/* SPDX-License-Identifier: MIT */
/*
 * A filter is a list of texts, each with one program for every event it selects and a table from
 * event id to program.
 */
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "expr/filter.h"
#include "expr/filter_program.h"
#include "expr/kfilter_parse.h"
#include "expr/match.h"

struct filter_text {
	struct filter_text *next;
	struct filter_source source;
	struct arena arena;
	struct matcher *matchers;
	struct filter_program *programs; /* in the order that -T prints */
	size_t nr_programs, cap_programs;
	uint32_t *by_id; /* index + 1 into programs, 0: not selected */
	uint32_t nr_ids;
	size_t nr_without; /* events that lack a field which the kernel wants */
};

struct filter {
	const struct event_db *db;
	struct kfilter_kernel kernel;
	struct filter_text *texts, **tail;
	size_t nr_shown, nr_hidden; /* texts without and with FILTER_NEGATE */
};

int filter_new(struct filter **ret_filter, const struct event_db *db)
{
	struct filter *filter = mem_zalloc(sizeof(*filter));

	if (!filter)
		return -ENOMEM;
	filter->db = db;
	filter->tail = &filter->texts;
	kfilter_kernel_init(&filter->kernel, NULL, 0);
	*ret_filter = filter;
	return 0;
}

void filter_set_kernel(struct filter *filter, const struct kfilter_kernel *kernel)
{
	filter->kernel = *kernel;
}

static void text_free(struct filter_text *text)
{
	if (!text)
		return;
	matcher_list_done(text->matchers);
	mem_free(text->programs);
	mem_free(text->by_id);
	arena_done(&text->arena);
	mem_free(text);
}

static void text_free_p(struct filter_text **text)
{
	text_free(*text);
}

static void match_free_p(struct event_match **match)
{
	event_match_free(*match);
}

void filter_free(struct filter *filter)
{
	struct filter_text *text, *next;

	if (!filter)
		return;
	for (text = filter->texts; text; text = next) {
		next = text->next;
		text_free(text);
	}
	mem_free(filter);
}

static int select_id(struct filter_text *text, uint16_t id, size_t program)
{
	if (id >= text->nr_ids) {
		uint32_t nr = (uint32_t)id + 64;
		uint32_t *by_id = mem_realloc(text->by_id, nr * sizeof(*by_id));

		if (!by_id)
			return -ENOMEM;
		memset(by_id + text->nr_ids, 0, (nr - text->nr_ids) * sizeof(*by_id));
		text->by_id = by_id;
		text->nr_ids = nr;
	}
	text->by_id[id] = (uint32_t)program + 1;
	return 0;
}

static int new_bool(struct filter_text *text, bool value, struct node **ret_node, struct err *err)
{
	struct node *node = arena_alloc(&text->arena, sizeof(*node));

	if (!node)
		return err_set(err, -ENOMEM, "out of memory");
	node->kind = NODE_BOOL;
	node->value = value;
	*ret_node = node;
	return 0;
}

/*
 * What stands behind `if`. The kernel refuses it for an event that lacks one of its fields; among
 * several events such a one never matches.
 */
static int parse_kernel(struct filter_text *text, const struct kfilter_kernel *kernel,
			const struct event *event, struct node **ret_node, struct err *err)
{
	struct kfilter_parser parser = {.event = event,
					.kernel = kernel,
					.arena = &text->arena,
					.strict = text->source.flags & FILTER_STRICT};
	int r = kfilter_parse(&parser, text->source.text + text->source.start, ret_node);

	if (r == 0)
		return 0;
	if (!parser.error.code)
		return err_set(err, r, "out of memory");
	err_caret(err, r, text->source.text,
		  text->source.start + MIN(parser.error.column, strlen(parser.text)), "%s",
		  parser.error.message);
	if (!parser.error.no_field)
		return -EINVAL;
	text->nr_without++;
	return new_bool(text, false, ret_node, err);
}

/* The expression for one event; without one, every record matches. */
static int add_event(struct filter_text *text, const struct filter *filter,
		     const struct event *event, bool has_expression, struct err *err)
{
	struct node *root;
	int r;

	if (!has_expression)
		r = new_bool(text, true, &root, err);
	else if (text->source.is_kernel)
		r = parse_kernel(text, &filter->kernel, event, &root, err);
	else
		r = filter_parse(&text->source, event, &text->arena, &text->matchers, &root, err);
	if (r < 0)
		return r;
	r = array_reserve(&text->programs, &text->cap_programs, text->nr_programs + 1,
			  sizeof(*text->programs));
	if (r == 0)
		r = filter_program_compile(&text->programs[text->nr_programs], &text->arena, event,
					   root);
	if (r == 0)
		r = select_id(text, event->id, text->nr_programs);
	if (r < 0)
		return err_set(err, r, "out of memory");
	text->nr_programs++;
	return 0;
}

/* The highest id first, as -T lists them. */
static int compare_ids(const void *a, const void *b)
{
	const struct event *const *left = a, *const *right = b;

	return (*left)->id < (*right)->id ? 1 : (*left)->id > (*right)->id ? -1 : 0;
}

/* One name of the list before ':'. */
static int add_name(struct filter_text *text, const struct filter *filter, size_t at, size_t len,
		    bool has_expression, struct err *err)
{
	const struct event_db *db = filter->db;
	_cleanup_free_ char *name = mem_strndup(text->source.text + at, len);
	_cleanup_free_ const struct event **selected = NULL;
	_cleanup_(match_free_p) struct event_match *match = NULL;
	size_t nr = event_db_count(db), found = 0;
	struct err reason = {0};
	int r;

	selected = mem_calloc(nr + 1, sizeof(struct event *));
	if (!name || !selected)
		return err_set(err, -ENOMEM, "out of memory");
	r = event_match_new(&match, name, EVENT_MATCH_FILTER, &reason);
	if (r < 0)
		return err_caret(err, r, text->source.text, at, "%s", reason.text);
	for (size_t i = 0; i < nr; i++)
		if (event_match_test(match, event_db_at(db, i)))
			selected[found++] = event_db_at(db, i);
	if (!found)
		return err_caret(err, -ENOENT, text->source.text, at,
				 "no event or system is called '%s'", name);
	qsort(selected, found, sizeof(struct event *), compare_ids);
	for (size_t i = 0; i < found; i++) {
		r = add_event(text, filter, selected[i], has_expression, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Where the names end and the expression begins: behind the first ':', or behind an `if` before it,
 * which no name of an event can hold. False: there is no expression.
 */
static bool find_expression(struct filter_source *source, size_t *ret_end)
{
	const char *text = source->text, *p;
	size_t colon = strcspn(text, ":");

	*ret_end = colon;
	source->start = text[colon] ? colon + 1 : colon;
	for (p = strstr(text, "if"); p && p < text + colon; p = strstr(p + 1, "if")) {
		if (p == text || !is_blank(p[-1]) || !is_blank(p[2]) ||
		    (source->flags & FILTER_COMPAT))
			continue;
		source->is_kernel = true;
		*ret_end = (size_t)(p - text);
		source->start = *ret_end + 2 + strspn(p + 2, " \t");
		return true;
	}
	return text[colon];
}

static int add_names(struct filter_text *text, const struct filter *filter, struct err *err)
{
	const char *start = text->source.text;
	size_t end, at;
	bool has_expression = find_expression(&text->source, &end);
	int r;

	at = end;
	/* From the last name to the first: the order of -T. */
	for (;;) {
		size_t stop = at;

		while (at > 0 && start[at - 1] != ',')
			at--;
		r = add_name(text, filter, at, stop - at, has_expression, err);
		if (r < 0)
			return r;
		if (at == 0)
			break;
		at--;
	}
	/* What the kernel said of the last of them. */
	return text->nr_without == text->nr_programs ? -EINVAL : 0;
}

int filter_add(struct filter *filter, const char *text, unsigned int flags, struct err *err)
{
	_cleanup_(text_free_p) struct filter_text *new = NULL;
	size_t len = strlen(text);
	int r;

	if (len > LIMIT_FILTER_BYTES)
		return err_set(err, -EINVAL, "the filter is longer than %u bytes",
			       LIMIT_FILTER_BYTES);
	new = mem_zalloc(sizeof(*new));
	if (!new)
		return err_set(err, -ENOMEM, "out of memory");
	new->source.text = arena_strndup(&new->arena, text, len);
	new->source.flags = flags;
	if (!new->source.text)
		return err_set(err, -ENOMEM, "out of memory");
	r = add_names(new, filter, err);
	if (r < 0)
		return r;

	if (flags & FILTER_NEGATE)
		filter->nr_hidden++;
	else
		filter->nr_shown++;
	*filter->tail = new;
	filter->tail = &new->next;
	new = NULL;
	return 0;
}

static const struct filter_program *find_program(const struct filter_text *text, uint16_t id)
{
	if (id >= text->nr_ids || !text->by_id[id])
		return NULL;
	return &text->programs[text->by_id[id] - 1];
}

static bool any_matches(const struct filter *filter, unsigned int negate, uint16_t id,
			const struct filter_record *record)
{
	for (const struct filter_text *text = filter->texts; text; text = text->next) {
		const struct filter_program *program;

		if ((text->source.flags & FILTER_NEGATE) != negate)
			continue;
		program = find_program(text, id);
		if (program && filter_program_run(program, filter->db, record))
			return true;
	}
	return false;
}

enum filter_result filter_match(const struct filter *filter, const struct event *event,
				const struct filter_record *record)
{
	enum filter_result result = FILTER_NONE;

	if (!event)
		return filter->nr_shown ? FILTER_MISS : FILTER_NONE;
	if (filter->nr_shown)
		result = any_matches(filter, 0, event->id, record) ? FILTER_MATCH : FILTER_MISS;
	/* A stack that no text matches may still be shown behind its event; see filter_shows. */
	if (result == FILTER_MISS && event->kind != EVENT_KERNEL_STACK &&
	    event->kind != EVENT_USER_STACK)
		return result;
	if (filter->nr_hidden && any_matches(filter, FILTER_NEGATE, event->id, record))
		return FILTER_EXCLUDED;
	return result;
}

bool filter_can_match(const struct filter *filter, const struct event *event)
{
	bool selected = !filter->nr_shown;

	if (!event)
		return selected;
	for (const struct filter_text *text = filter->texts; text; text = text->next) {
		const struct filter_program *program = find_program(text, event->id);

		if (!program)
			continue;
		if (!(text->source.flags & FILTER_NEGATE))
			selected = selected || program->entry != PROGRAM_FALSE;
		else if (program->entry == PROGRAM_TRUE)
			return false;
	}
	return selected;
}

void filter_print(const struct filter *filter, struct out *out)
{
	for (const struct filter_text *text = filter->texts; text; text = text->next)
		for (size_t i = 0; i < text->nr_programs; i++) {
			const struct node *root = text->programs[i].root;
			bool as_written = text->source.is_kernel && root->kind != NODE_BOOL;

			out_printf(out, " '%s%s ", text->programs[i].event->name,
				   as_written ? " if" : ":");
			if (as_written)
				out_str(out, text->source.text + text->source.start);
			else
				node_print(root, out);
			out_lit(out, "'\n");
		}
}
