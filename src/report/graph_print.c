/* SPDX-License-Identifier: MIT */
/* The tree as text or rows: of all, or of one function with the chains of its callers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "report/duration.h"
#include "report/graph_data.h"
#include "report/rows.h"

#define COLOUR_OFF    "\033[0m"
#define COLOUR_QUIET  "\033[2m"
#define COLOUR_TITLE  "\033[1m"
#define COLOUR_LARGE  "\033[33m" /* a tenth of all */
#define COLOUR_LARGER "\033[31m" /* half of it */

enum {
	TIME_WIDTH = 12,
	CALLS_WIDTH = 10,
	ADDR_WIDTH = 16,
	MODULE_WIDTH = 14,
	MAX_LEVELS = 256 /* of text: what is deeper is said to be there */
};

/* A function that was asked for, below one root. */
struct match {
	uint64_t addr;
	struct graph_node *callees; /* what it called, from wherever it was called */
	struct graph_node **places; /* its outermost nodes */
	size_t nr, cap;
};

struct matches {
	struct match *list;
	size_t nr, cap;
};

struct printer {
	struct graph *graph;
	const struct graph_print *how;
	struct out *out;
	enum graph_field fields[GRAPH_NR_FIELDS]; /* those that are shown */
	size_t nr_fields;
	const struct graph_node *root; /* whose numbers are the whole */
	uint64_t whole_ns;
	struct out prefix; /* what stands before a name, for the levels above */
	size_t found;
	uint64_t last_id; /* of rows */
};

static const struct {
	const char *name, *title;
	size_t width;
} fields[GRAPH_NR_KEYS] = {
	[GRAPH_TOTAL] = {"total", "TOTAL TIME", TIME_WIDTH},
	[GRAPH_SELF] = {"self", "SELF TIME", TIME_WIDTH},
	[GRAPH_CALLS] = {"calls", "CALLS", CALLS_WIDTH},
	[GRAPH_AVG] = {"avg", "AVG TIME", TIME_WIDTH},
	[GRAPH_MIN] = {"min", "MIN TIME", TIME_WIDTH},
	[GRAPH_MAX] = {"max", "MAX TIME", TIME_WIDTH},
	[GRAPH_ADDR] = {"addr", "ADDRESS", ADDR_WIDTH},
	[GRAPH_MODULE] = {"module", "MODULE", MODULE_WIDTH},
	[GRAPH_NAME] = {"name", NULL, 0},
	[GRAPH_ORDER] = {"order", NULL, 0},
};

int graph_field_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strlen(fields[i].name) == len && !memcmp(fields[i].name, name, len))
			return (int)i;
	return -1;
}

/* --- names and numbers --- */

static const char *name_of(const struct printer *p, const struct graph_node *node,
			   char number[OUT_NUMBER], const char **ret_module)
{
	const struct symbol *symbol;

	*ret_module = NULL;
	if (node->addr == GRAPH_UNKNOWN)
		return "[callers not recorded]";
	symbol = symbols_find(p->graph->symbols, node->addr);
	if (symbol) {
		*ret_module = symbol->module;
		return symbol->name;
	}
	snprintf(number, OUT_NUMBER, "0x%llx", (unsigned long long)node->addr);
	return number;
}

static uint64_t value_of(const struct graph_node *node, enum graph_field field)
{
	switch (field) {
	case GRAPH_TOTAL:
		return node->total_ns;
	case GRAPH_SELF:
		return node->self_ns;
	case GRAPH_CALLS:
		return node->calls;
	case GRAPH_AVG:
		return node->timed ? node->total_ns / node->timed : 0;
	case GRAPH_MIN:
		return node->min_ns;
	case GRAPH_MAX:
		return node->max_ns;
	case GRAPH_ADDR:
		return node->addr;
	default:
		return UINT64_MAX - node->order; /* the first is the largest */
	}
}

/* --- order --- */

struct sorted {
	struct graph_node *node;
	const char *name;
	uint64_t key;
};

static int compare(const void *a, const void *b)
{
	const struct sorted *sa = a, *sb = b;
	int by_name = sa->name && sb->name ? strcmp(sa->name, sb->name) : 0;

	if (sa->key != sb->key)
		return sa->key > sb->key ? -1 : 1;
	if (by_name)
		return by_name;
	return sa->node->order < sb->node->order ? -1 : 1;
}

static int sort_children(const struct printer *p, struct graph_node *parent)
{
	_cleanup_free_ struct sorted *list = NULL;
	struct graph_node **link = &parent->first;
	size_t nr = 0;

	for (struct graph_node *c = parent->first; c; c = c->next)
		nr++;
	if (nr < 2)
		return 0;
	list = mem_calloc(nr, sizeof(*list));
	if (!list)
		return -ENOMEM;
	nr = 0;
	for (struct graph_node *c = parent->first; c; c = c->next) {
		const struct symbol *symbol = symbols_find(p->graph->symbols, c->addr);

		list[nr++] = (struct sorted){
			c, symbol && p->how->sort != GRAPH_ORDER ? symbol->name : NULL,
			p->how->sort == GRAPH_NAME ? 0 : value_of(c, p->how->sort)};
	}
	qsort(list, nr, sizeof(*list), compare);
	for (size_t i = 0; i < nr; i++) {
		*link = list[i].node;
		link = &list[i].node->next;
	}
	*link = NULL;
	parent->last = list[nr - 1].node;
	return 0;
}

/* Sort below `top`, and mark what has calls or holds some. */
static int prepare(const struct printer *p, struct graph_node *top)
{
	for (struct graph_node *node = top; node; node = graph_next(top, node)) {
		if (sort_children(p, node) < 0)
			return -ENOMEM;
		for (struct graph_node *up = node; node->calls && up && !up->shown;
		     up = up == top ? NULL : up->parent)
			up->shown = true;
	}
	return 0;
}

/* --- text --- */

static void colour(const struct printer *p, const char *code)
{
	if (p->how->colour)
		out_str(p->out, code);
}

static void put_time(const struct printer *p, bool known, uint64_t ns)
{
	struct out *out = p->out;
	size_t start = out->len, len;

	if (!known) {
		out_fill(out, ' ', TIME_WIDTH);
		return;
	}
	duration_put_bare(ns, out);
	len = out->len - start;
	if (len >= TIME_WIDTH || out->failed)
		return;
	out_fill(out, ' ', TIME_WIDTH - len);
	if (out->failed)
		return;
	memmove(out->buf + start + TIME_WIDTH - len, out->buf + start, len);
	memset(out->buf + start, ' ', TIME_WIDTH - len);
}

static void put_total(const struct printer *p, const struct graph_node *node)
{
	bool large = node->timed && node->total_ns >= p->whole_ns / 10;

	if (large)
		colour(p, node->total_ns >= p->whole_ns / 2 ? COLOUR_LARGER : COLOUR_LARGE);
	put_time(p, node->timed, node->total_ns);
	if (large)
		colour(p, COLOUR_OFF);
}

static void put_field(const struct printer *p, const struct graph_node *node,
		      enum graph_field field)
{
	const char *module;
	char number[OUT_NUMBER];

	out_lit(p->out, "  ");
	switch (field) {
	case GRAPH_TOTAL:
		put_total(p, node);
		break;
	case GRAPH_CALLS:
		if (node->calls)
			out_u64_pad(p->out, node->calls, CALLS_WIDTH, ' ');
		else
			out_fill(p->out, ' ', CALLS_WIDTH);
		break;
	case GRAPH_ADDR:
		if (node->addr == GRAPH_UNKNOWN)
			out_fill(p->out, ' ', ADDR_WIDTH);
		else
			out_hex_pad(p->out, node->addr, ADDR_WIDTH, '0');
		break;
	case GRAPH_MODULE:
		name_of(p, node, number, &module);
		module = module ? module : node->addr == GRAPH_UNKNOWN ? "" : "kernel";
		out_str_left(p->out, module, strnlen(module, MODULE_WIDTH), MODULE_WIDTH);
		break;
	case GRAPH_SELF:
		put_time(p, node->nr_self, node->self_ns);
		break;
	default:
		put_time(p, node->timed, value_of(node, field));
	}
}

/* Where nothing has a time, times have no columns. */
static void keep_fields(struct printer *p)
{
	for (size_t i = 0; i < p->how->nr_fields; i++) {
		enum graph_field field = p->how->fields[i];

		if (p->graph->timed || field == GRAPH_CALLS || field == GRAPH_ADDR ||
		    field == GRAPH_MODULE)
			p->fields[p->nr_fields++] = field;
	}
}

static void put_heading(const struct printer *p)
{
	colour(p, COLOUR_TITLE);
	out_char(p->out, '#');
	for (size_t i = 0; i < p->nr_fields; i++) {
		enum graph_field field = p->fields[i];
		size_t len = strlen(fields[field].title);

		out_fill(p->out, ' ', i ? 2 : 1);
		if (field == GRAPH_MODULE)
			out_str_left(p->out, fields[field].title, len, fields[field].width);
		else
			out_str_right(p->out, fields[field].title, len, fields[field].width);
	}
	out_lit(p->out, "    FUNCTION");
	colour(p, COLOUR_OFF);
	out_char(p->out, '\n');
}

static void put_node(const struct printer *p, const struct graph_node *node, const char *mark)
{
	char number[OUT_NUMBER];
	const char *module, *name = name_of(p, node, number, &module);

	for (size_t i = 0; i < p->nr_fields; i++)
		put_field(p, node, p->fields[i]);
	out_lit(p->out, "  : ");
	colour(p, COLOUR_QUIET);
	out_mem(p->out, p->prefix.buf, p->prefix.len);
	out_str(p->out, mark);
	colour(p, COLOUR_OFF);
	out_str(p->out, name);
	if (module)
		out_printf(p->out, " [%s]", module);
	if (node->open) {
		out_lit(p->out, "  /* ");
		out_u64(p->out, node->open);
		out_lit(p->out, " did not return */");
	}
	out_char(p->out, '\n');
}

static struct graph_node *first_shown(struct graph_node *node)
{
	while (node && !node->shown)
		node = node->next;
	return node;
}

/* A level further in; returns what stands before the names there. */
static const char *enter(struct printer *p, const struct graph_node *node, size_t level)
{
	struct graph_node *first = first_shown(node->parent->first);
	bool only = !first_shown(first->next), more = first_shown(node->next) != NULL;

	if (level == 0)
		return "";
	out_str(&p->prefix, only ? "  " : more ? "  | " : "    ");
	return only ? "  " : "  +-";
}

static void leave(struct printer *p, const struct graph_node *node, size_t level)
{
	struct graph_node *first = first_shown(node->parent->first);
	size_t width = first_shown(first->next) ? 4 : 2;

	if (level && p->prefix.len >= width) /* less: without memory */
		p->prefix.len -= width;
}

/* All below `top`: the functions that it holds are outermost. */
static void put_tree(struct printer *p, struct graph_node *top)
{
	struct graph_node *node = first_shown(top->first);
	size_t level = 0;

	while (node) {
		size_t before = p->prefix.len, after;
		const char *mark = enter(p, node, level);
		struct graph_node *inner = first_shown(node->first);

		after = p->prefix.len;
		p->prefix.len = before;
		put_node(p, node, mark);
		p->prefix.len = after;
		if (p->how->max_depth && level + 1 >= p->how->max_depth)
			inner = NULL;
		if (inner && level == MAX_LEVELS) {
			out_lit(p->out, "# what is called there is too deep to be drawn\n");
			inner = NULL;
		}
		if (inner) {
			level++;
			node = inner;
			continue;
		}
		while (leave(p, node, level), !first_shown(node->next)) {
			node = node->parent;
			if (node == top)
				return;
			level--;
		}
		node = first_shown(node->next);
	}
}

/* --- rows --- */

static void row_group(const struct printer *p, struct rows *rows)
{
	if (p->graph->options.group == GRAPH_ALL)
		return;
	rows_text(rows, "task", p->how->comm(p->how->comm_arg, (int32_t)p->root->addr));
	if (p->graph->options.group == GRAPH_BY_TASK)
		rows_u64(rows, "pid", p->root->addr);
}

static void row_function(const struct printer *p, struct rows *rows, const struct graph_node *node)
{
	char number[OUT_NUMBER];
	const char *module, *name = name_of(p, node, number, &module);

	if (node->addr == GRAPH_UNKNOWN)
		rows_none(rows, "function");
	else
		rows_text(rows, "function", name);
	if (module)
		rows_text(rows, "module", module);
}

static void row_time(struct rows *rows, const char *name, bool known, uint64_t ns)
{
	if (known)
		rows_u64(rows, name, ns);
	else
		rows_none(rows, name);
}

static void row_numbers(struct rows *rows, const struct graph_node *node)
{
	rows_u64(rows, "calls", node->calls);
	rows_u64(rows, "timed", node->timed);
	rows_u64(rows, "open", node->open);
	row_time(rows, "total_ns", node->timed, node->total_ns);
	row_time(rows, "self_ns", node->nr_self, node->self_ns);
	row_time(rows, "avg_ns", node->timed, value_of(node, GRAPH_AVG));
	row_time(rows, "min_ns", node->timed, node->min_ns);
	row_time(rows, "max_ns", node->timed, node->max_ns);
}

/* A node a line, with the number of the line of its caller; 0: outermost. */
static void rows_tree(struct printer *p, struct graph_node *top, const char *kind)
{
	for (struct graph_node *node = top; node; node = graph_next(top, node)) {
		struct rows rows = {REPORT_JSON, p->out, p->how->buffer, 0};

		if (node != top)
			node->level = node->parent == top ? 0 : node->parent->level + 1;
		if (node == top || !node->shown ||
		    (p->how->max_depth && node->level >= p->how->max_depth))
			continue;
		node->order = ++p->last_id;
		rows_begin(&rows);
		rows_text(&rows, "type", kind);
		row_group(p, &rows);
		rows_u64(&rows, "id", node->order);
		rows_u64(&rows, "caller", node->parent == top ? 0 : node->parent->order);
		rows_u64(&rows, "depth", node->level);
		row_function(p, &rows, node);
		row_numbers(&rows, node);
		rows_end(&rows);
	}
}

static void row_chain(const struct printer *p, const struct graph_node *node)
{
	struct rows rows = {REPORT_JSON, p->out, p->how->buffer, 0};
	bool first = true;

	rows_begin(&rows);
	rows_text(&rows, "type", "callers");
	row_group(p, &rows);
	row_function(p, &rows, node);
	out_lit(p->out, ",\"callers\":[");
	for (const struct graph_node *up = node->parent; up != p->root; up = up->parent) {
		char number[OUT_NUMBER];
		const char *module, *name = name_of(p, up, number, &module);

		if (!first)
			out_char(p->out, ',');
		first = false;
		out_json(p->out, name, strlen(name));
	}
	out_char(p->out, ']');
	row_numbers(&rows, node);
	rows_end(&rows);
}

/* --- one function --- */

static void put_chain(const struct printer *p, const struct graph_node *node)
{
	for (size_t i = 0; i < p->nr_fields; i++)
		put_field(p, node, p->fields[i]);
	out_lit(p->out, "  : ");
	for (const struct graph_node *at = node; at != p->root; at = at->parent) {
		char number[OUT_NUMBER];
		const char *module, *name = name_of(p, at, number, &module);

		if (at != node)
			out_lit(p->out, " <- ");
		out_str(p->out, name);
	}
	out_char(p->out, '\n');
}

static bool is_nested(const struct printer *p, const struct graph_node *node)
{
	for (const struct graph_node *up = node->parent; up != p->root; up = up->parent)
		if (up->addr == node->addr)
			return true;
	return false;
}

static struct match *find_match(struct matches *matches, uint64_t addr)
{
	for (size_t i = 0; i < matches->nr; i++)
		if (matches->list[i].addr == addr)
			return &matches->list[i];
	if (array_reserve(&matches->list, &matches->cap, matches->nr + 1, sizeof(*matches->list)) <
	    0)
		return NULL;
	matches->list[matches->nr] = (struct match){.addr = addr};
	return &matches->list[matches->nr++];
}

static int add_place(struct printer *p, struct matches *matches, struct graph_node *node)
{
	struct match *match = find_match(matches, node->addr);
	struct graph_node *callees;

	if (!match || array_reserve(&match->places, &match->cap, match->nr + 1,
				    sizeof(struct graph_node *)) < 0)
		return -ENOMEM;
	match->places[match->nr++] = node;
	if (!match->callees)
		match->callees = graph_root(p->graph, node->addr);
	callees = match->callees ? graph_child(p->graph, match->callees, node->addr) : NULL;
	return callees ? graph_merge(p->graph, callees, node) : -ENOMEM;
}

static int find_matches(struct printer *p, struct matches *matches)
{
	struct graph_node *top = (struct graph_node *)(uintptr_t)p->root;
	int r = 0;

	for (struct graph_node *node = top; node && r >= 0; node = graph_next(top, node)) {
		char number[OUT_NUMBER];
		const char *module, *name;

		if (node == top || !node->shown || node->addr == GRAPH_UNKNOWN)
			continue;
		name = name_of(p, node, number, &module);
		if (patterns_test(p->how->functions, name, module) && !is_nested(p, node))
			r = add_place(p, matches, node);
	}
	return r;
}

static int compare_places(const void *a, const void *b)
{
	const struct graph_node *na = *(struct graph_node *const *)a;
	const struct graph_node *nb = *(struct graph_node *const *)b;

	if (na->total_ns != nb->total_ns)
		return na->total_ns > nb->total_ns ? -1 : 1;
	if (na->calls != nb->calls)
		return na->calls > nb->calls ? -1 : 1;
	return na->order < nb->order ? -1 : na->order > nb->order;
}

static void put_title(const struct printer *p, const struct match *match, const char *what)
{
	char number[OUT_NUMBER];
	const char *module;

	out_printf(p->out, "# %s: %s\n", name_of(p, match->places[0], number, &module), what);
}

static int print_match(struct printer *p, struct match *match)
{
	if (prepare(p, match->callees) < 0)
		return -ENOMEM;
	qsort(match->places, match->nr, sizeof(*match->places), compare_places);
	if (p->how->format == REPORT_JSON) {
		for (size_t i = 0; i < match->nr; i++)
			row_chain(p, match->places[i]);
		rows_tree(p, match->callees, "callees");
		return 0;
	}
	if (p->found++)
		out_char(p->out, '\n');
	put_title(p, match, "its callers");
	put_heading(p);
	for (size_t i = 0; i < match->nr; i++)
		put_chain(p, match->places[i]);
	out_char(p->out, '\n');
	put_title(p, match, "what it calls");
	put_heading(p);
	put_tree(p, match->callees);
	return 0;
}

static int print_functions(struct printer *p)
{
	struct matches matches = {0};
	int r = find_matches(p, &matches);

	for (size_t i = 0; i < matches.nr && r >= 0; i++)
		r = print_match(p, &matches.list[i]);
	for (size_t i = 0; i < matches.nr; i++)
		mem_free(matches.list[i].places);
	mem_free(matches.list);
	return r;
}

/* --- all roots --- */

static int merge_by_comm(struct graph *graph, const struct graph_print *how)
{
	for (struct graph_node *into = graph->first_root; into; into = into->next) {
		const char *comm = how->comm(how->comm_arg, (int32_t)into->addr);

		for (struct graph_node **at = &into->next; *at;) {
			struct graph_node *root = *at;

			if (strcmp(how->comm(how->comm_arg, (int32_t)root->addr), comm) != 0) {
				at = &root->next;
				continue;
			}
			*at = root->next;
			root->next = NULL;
			if (graph_merge(graph, into, root) < 0)
				return -ENOMEM;
		}
	}
	return 0;
}

static void put_group(const struct printer *p)
{
	const char *comm;

	if (p->graph->options.group == GRAPH_ALL)
		return;
	comm = p->how->comm(p->how->comm_arg, (int32_t)p->root->addr);
	if (p->root != p->graph->first_root)
		out_char(p->out, '\n');
	colour(p, COLOUR_TITLE);
	out_str(p->out, comm);
	if (p->graph->options.group == GRAPH_BY_TASK) {
		out_char(p->out, '-');
		out_i64(p->out, (int32_t)p->root->addr);
	}
	colour(p, COLOUR_OFF);
	out_char(p->out, '\n');
}

static int print_root(struct printer *p, struct graph_node *root)
{
	int r = prepare(p, root);

	if (r < 0 || !root->shown)
		return r;
	p->root = root;
	p->whole_ns = 0;
	for (const struct graph_node *c = root->first; c; c = c->next)
		p->whole_ns += c->total_ns;
	if (p->how->functions) {
		struct out *out = p->out;
		size_t start = out->len, found = p->found;

		if (p->how->format == REPORT_TEXT)
			put_group(p);
		p->found = 0;
		r = print_functions(p);
		if (!p->found && p->how->format == REPORT_TEXT)
			out->len = start;
		p->found += found;
		return r;
	}
	if (p->how->format == REPORT_JSON) {
		rows_tree(p, root, "calls");
		return 0;
	}
	put_group(p);
	put_heading(p);
	put_tree(p, root);
	return 0;
}

int graph_print(struct graph *graph, const struct graph_print *how, struct out *out)
{
	struct printer p = {.graph = graph, .how = how, .out = out};
	size_t start = out->len;
	int r = 0;

	calls_end(graph->calls);
	keep_fields(&p);
	if (graph->options.group == GRAPH_BY_COMM)
		r = merge_by_comm(graph, how);
	for (struct graph_node *root = graph->first_root; root && r >= 0; root = root->next)
		r = print_root(&p, root);
	if (out->failed || p.prefix.failed)
		r = -ENOMEM;
	out_done(&p.prefix);
	if (r < 0)
		return -ENOMEM;
	return how->functions && out->len == start ? -ENOENT : 0;
}
