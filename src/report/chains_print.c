/* SPDX-License-Identifier: MIT */
/*
 * The histograms: for each task and each function or event, most frequent first, the chains that
 * led there, as a tree from the innermost caller outwards.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "report/chains_data.h"
#include "report/rows.h"

enum {
	NAME_WIDTH = 30,
	FIRST_COLUMN = 12, /* of the lines of the tree */
	COLUMN = 13,
	NUMBER_TEXT = 24
};

/* One chain of one histogram. */
struct counted {
	const struct chain_node *root;
	const struct chain_node *at; /* the caller to be shown next; a root: none */
	const char *name;	     /* of the histogram */
	bool is_event;
	uint64_t count;
	const char *caller; /* name of `at`, while a level is grouped */
};

struct histogram {
	struct counted *counted;
	size_t nr;
	uint64_t count;
	const char *task; /* NULL: all */
};

/* Chains that have a caller in common. */
struct branch {
	struct counted *counted;
	size_t nr;
	uint64_t count;
};

struct printer {
	struct chains *chains;
	struct out *out;
	struct arena names; /* of addresses without a symbol */
	bool *lines;	    /* by level: a branch goes on below */
	size_t cap_lines;
	int error;
};

static const char *name_of(struct printer *printer, uint64_t addr)
{
	const struct symbol *symbol = symbols_find(printer->chains->symbols, addr);
	char text[NUMBER_TEXT];
	const char *name;

	if (symbol)
		return symbol->name;
	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)addr);
	name = arena_strdup(&printer->names, text);
	if (!name)
		printer->error = -ENOMEM;
	return name ? name : "";
}

/* --- which chains there are --- */

static const struct chain_node *root_of(const struct chain_node *node)
{
	while (node->parent)
		node = node->parent;
	return node;
}

static size_t collect(struct printer *printer, struct counted *counted)
{
	const struct chains *chains = printer->chains;
	size_t nr = 0;

	for (size_t i = 0; i < chains->nodes.nr_slots; i++) {
		const struct map_slot *slot = &chains->nodes.slots[i];
		const struct chain_node *node =
			slot->used ? (struct chain_node *)(uintptr_t)slot->value : NULL;

		for (; node; node = node->same_hash)
			if (node->count && node->parent)
				counted[nr++] =
					(struct counted){.root = root_of(node),
							 .at = node->parent,
							 .name = name_of(printer, node->addr),
							 .count = node->count};
	}
	for (size_t i = 0; i < chains->events.nr_slots; i++) {
		const struct map_slot *slot = &chains->events.slots[i];
		const struct chain_events *e =
			slot->used ? (struct chain_events *)(uintptr_t)slot->value : NULL;

		for (; e; e = e->same_hash)
			counted[nr++] = (struct counted){
				.root = root_of(e->node),
				.at = e->node,
				.name = e->event ? e->event->name : name_of(printer, e->addr),
				.is_event = true,
				.count = e->count};
	}
	return nr;
}

#define COMPARE(a, b) ((a) < (b) ? -1 : (a) > (b))

static bool same_histogram(const struct counted *a, const struct counted *b)
{
	return a->root == b->root && a->is_event == b->is_event && !strcmp(a->name, b->name);
}

static int compare_counted(const void *a, const void *b)
{
	const struct counted *ca = a, *cb = b;
	int r = COMPARE(ca->root->addr, cb->root->addr);

	if (r == 0)
		r = COMPARE(ca->is_event, cb->is_event);
	return r ? r : strcmp(ca->name, cb->name);
}

static int compare_histograms(const void *a, const void *b)
{
	const struct histogram *ha = a, *hb = b;
	int r = COMPARE(hb->count, ha->count);

	if (r == 0)
		r = COMPARE(ha->counted->root->addr, hb->counted->root->addr);
	return r ? r : compare_counted(ha->counted, hb->counted);
}

static size_t make_histograms(const struct chains *chains, const struct chains_print *how,
			      struct counted *counted, size_t nr, struct histogram *histograms)
{
	size_t nr_histograms = 0;

	qsort(counted, nr, sizeof(*counted), compare_counted);
	for (size_t i = 0; i < nr; i++) {
		struct histogram *h = &histograms[nr_histograms];

		if (i && same_histogram(&counted[i - 1], &counted[i])) {
			h[-1].nr++;
			h[-1].count += counted[i].count;
			continue;
		}
		*h = (struct histogram){&counted[i], 1, counted[i].count, NULL};
		if (!chains->all_pids) {
			h->task = how->comm ? how->comm(how->comm_arg, counted[i].root->pid) : NULL;
			h->task = h->task ? h->task : "<...>";
		}
		nr_histograms++;
	}
	qsort(histograms, nr_histograms, sizeof(*histograms), compare_histograms);
	return nr_histograms;
}

/* --- the tree --- */

static int compare_callers(const void *a, const void *b)
{
	const struct counted *ca = a, *cb = b;

	if (!ca->at->parent || !cb->at->parent)
		return !ca->at->parent - !cb->at->parent; /* chains that end come last */
	return COMPARE(ca->at->addr, cb->at->addr);
}

static int compare_branches(const void *a, const void *b)
{
	const struct branch *ba = a, *bb = b;
	int r = COMPARE(bb->count, ba->count);

	if (r == 0)
		r = strcmp(ba->counted->caller, bb->counted->caller);
	return r ? r : COMPARE(ba->counted->at->addr, bb->counted->at->addr);
}

/*
 * Group chains by their next caller. Those that end here are in no branch. NULL without memory;
 * else the caller's to free.
 */
static struct branch *split(struct printer *printer, struct counted *counted, size_t nr,
			    size_t *ret_nr)
{
	struct branch *branches;
	size_t nr_branches = 0;

	for (size_t i = 0; i < nr; i++)
		counted[i].caller =
			counted[i].at->parent ? name_of(printer, counted[i].at->addr) : "";
	qsort(counted, nr, sizeof(*counted), compare_callers);
	branches = mem_calloc(nr + 1, sizeof(*branches));
	if (!branches) {
		printer->error = -ENOMEM;
		return NULL;
	}
	for (size_t i = 0; i < nr && counted[i].at->parent; i++) {
		if (!i || counted[i - 1].at->addr != counted[i].at->addr)
			branches[nr_branches++] = (struct branch){&counted[i], 0, 0};
		branches[nr_branches - 1].nr++;
		branches[nr_branches - 1].count += counted[i].count;
	}
	qsort(branches, nr_branches, sizeof(*branches), compare_branches);
	*ret_nr = nr_branches;
	return branches;
}

static void step_out(struct counted *counted, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		counted[i].at = counted[i].at->parent;
}

static void print_indent(struct printer *printer, size_t level)
{
	out_fill(printer->out, ' ', FIRST_COLUMN);
	for (size_t i = 0; i < level; i++) {
		out_char(printer->out, printer->lines[i] ? '|' : ' ');
		out_fill(printer->out, ' ', COLUMN - 1);
	}
}

/* Chains of which each is the beginning of the next: the longest says it all. */
static const struct counted *only_chain(const struct counted *counted, size_t nr)
{
	const struct counted *longest = &counted[0];

	for (size_t i = 1; i < nr; i++)
		if (counted[i].at->depth > longest->at->depth)
			longest = &counted[i];
	for (size_t i = 0; i < nr; i++) {
		const struct chain_node *a = longest->at, *b = counted[i].at;

		for (; b->parent; a = a->parent, b = b->parent)
			if (a->addr != b->addr)
				return NULL;
	}
	return longest;
}

static void print_continued(struct printer *printer, size_t level, const char *caller)
{
	print_indent(printer, level);
	out_char(printer->out, printer->lines[level] ? '|' : ' ');
	out_fill(printer->out, ' ', COLUMN - 3);
	out_str(printer->out, caller);
	out_char(printer->out, '\n');
}

static void print_branches(struct printer *printer, struct counted *counted, size_t nr,
			   uint64_t total, size_t level);

/* What follows a branch's first caller: callers that all its chains have, then branches again. */
static void print_rest(struct printer *printer, struct branch *branch, size_t level)
{
	const struct counted *only = only_chain(branch->counted, branch->nr);

	if (only) {
		for (const struct chain_node *at = only->at; at->parent; at = at->parent)
			print_continued(printer, level, name_of(printer, at->addr));
		return;
	}
	for (;;) {
		size_t nr;
		struct branch *next = split(printer, branch->counted, branch->nr, &nr);
		bool shared = next && nr == 1 && next->count == branch->count;
		const char *caller = shared ? next->counted->caller : NULL;

		mem_free(next);
		if (!next || !nr)
			return;
		if (!shared)
			break;
		print_continued(printer, level, caller);
		step_out(branch->counted, branch->nr);
	}
	print_branches(printer, branch->counted, branch->nr, branch->count, level + 1);
}

static void print_branches(struct printer *printer, struct counted *counted, size_t nr,
			   uint64_t total, size_t level)
{
	_cleanup_free_ struct branch *branches = NULL;
	size_t nr_branches;

	if (printer->error ||
	    array_reserve(&printer->lines, &printer->cap_lines, level + 1, sizeof(bool)) < 0) {
		printer->error = -ENOMEM;
		return;
	}
	branches = split(printer, counted, nr, &nr_branches);
	for (size_t i = 0; branches && i < nr_branches; i++) {
		struct branch *b = &branches[i];

		print_indent(printer, level);
		out_lit(printer->out, "|\n");
		print_indent(printer, level);
		out_printf(printer->out, "|--%%%.2f-- %s  # %llu\n",
			   100.0 * (double)b->count / (double)total, b->counted->caller,
			   (unsigned long long)b->count);
		printer->lines[level] = i + 1 < nr_branches;
		step_out(b->counted, b->nr);
		print_rest(printer, b, level);
	}
}

static void print_histogram(struct printer *printer, struct histogram *h, uint64_t total)
{
	const struct counted *only = only_chain(h->counted, h->nr);
	const struct counted *first = h->counted;
	struct out *out = printer->out;
	const char *mark = first->is_event ? "*" : "";

	out_printf(out, "  %%%.2f ", 100.0 * (double)h->count / (double)total);
	if (h->task)
		out_printf(out, " (%d) %s", first->root->pid, h->task);
	else
		out_lit(out, "<all pids>");
	out_printf(out, " %*s #%llu\n", NAME_WIDTH, first->name, (unsigned long long)h->count);
	out_printf(out, "         |\n         --- %s%s%s\n", mark, first->name, mark);
	if (!only) {
		print_branches(printer, h->counted, h->nr, h->count, 0);
	} else {
		for (const struct chain_node *at = only->at; at->parent; at = at->parent)
			out_printf(out, "          %s\n", name_of(printer, at->addr));
	}
}

/* --- rows --- */

static const char *const row_names[] = {"pid", "task", "kind", "name", "count", "chain"};

void chains_heading(struct out *out, enum report_format format, bool with_buffer)
{
	rows_names(out, format, with_buffer, row_names, ARRAY_SIZE(row_names));
}

/* Callers from the innermost outwards: an array, or in CSV a text with semicolons. */
static void print_callers(struct printer *printer, struct rows *rows, const struct counted *c)
{
	_cleanup_out_ struct out text = {0};
	bool json = rows->format == REPORT_JSON;

	if (json)
		out_char(&text, '[');
	for (const struct chain_node *at = c->at; at->parent; at = at->parent) {
		const char *name = name_of(printer, at->addr);

		if (at != c->at)
			out_char(&text, json ? ',' : ';');
		if (json)
			out_json(&text, name, strlen(name));
		else
			out_str(&text, name);
	}
	if (json)
		out_char(&text, ']');
	if (text.failed)
		printer->error = -ENOMEM;
	else if (json)
		rows_raw(rows, "chain", text.buf, text.len);
	else
		rows_text(rows, "chain", out_cstr(&text));
}

static int compare_counts(const void *a, const void *b)
{
	const struct counted *ca = a, *cb = b;
	const struct chain_node *na = ca->at, *nb = cb->at;
	int r = COMPARE(cb->count, ca->count);

	for (; r == 0 && na->parent && nb->parent; na = na->parent, nb = nb->parent)
		r = COMPARE(na->addr, nb->addr);
	return r ? r : COMPARE(ca->at->depth, cb->at->depth);
}

static void print_rows(struct printer *printer, const struct histogram *h, struct rows *rows)
{
	qsort(h->counted, h->nr, sizeof(*h->counted), compare_counts);
	for (size_t i = 0; i < h->nr; i++) {
		const struct counted *c = &h->counted[i];

		rows_begin(rows);
		if (h->task) {
			rows_i64(rows, "pid", c->root->pid);
			rows_text(rows, "task", h->task);
		} else {
			rows_none(rows, "pid");
			rows_none(rows, "task");
		}
		rows_text(rows, "kind", c->is_event ? "event" : "function");
		rows_text(rows, "name", c->name);
		rows_u64(rows, "count", c->count);
		print_callers(printer, rows, c);
		rows_end(rows);
	}
}

/* --- */

static int print_all(struct printer *printer, const struct chains_print *how,
		     struct histogram *histograms, size_t nr)
{
	struct rows rows = {.format = how->format, .out = printer->out, .buffer = how->buffer};
	uint64_t total = 0;

	for (size_t i = 0; i < nr; i++)
		total += histograms[i].count;
	if (how->limit && how->limit < nr)
		nr = (size_t)how->limit;
	for (size_t i = 0; i < nr && !printer->error; i++) {
		if (i && how->format == REPORT_TEXT)
			out_char(printer->out, '\n');
		if (how->format == REPORT_TEXT)
			print_histogram(printer, &histograms[i], total);
		else
			print_rows(printer, &histograms[i], &rows);
	}
	return printer->error ? printer->error : printer->out->failed ? -ENOMEM : 0;
}

int chains_print(struct chains *chains, const struct chains_print *how, struct out *out)
{
	struct printer printer = {.chains = chains, .out = out};
	_cleanup_free_ struct counted *counted = NULL;
	_cleanup_free_ struct histogram *histograms = NULL;
	size_t nr;
	int r = chains_end(chains);

	if (r < 0)
		return r;
	counted = mem_calloc(chains->nr_counted + 1, sizeof(*counted));
	histograms = mem_calloc(chains->nr_counted + 1, sizeof(*histograms));
	if (!counted || !histograms)
		return -ENOMEM;
	nr = collect(&printer, counted);
	nr = make_histograms(chains, how, counted, nr, histograms);
	r = print_all(&printer, how, histograms, nr);
	mem_free(printer.lines);
	arena_done(&printer.names);
	return r;
}
