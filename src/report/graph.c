/* SPDX-License-Identifier: MIT */
/* The counting: each open call knows its node, so that a call and its end are one step in the tree.
 */
#include "report/graph.h"

#include <errno.h>

#include "base/mem.h"
#include "report/graph_data.h"

static void unfinished(void *arg, struct call_task *task, const struct call *call)
{
	struct graph_node *node = call->user;

	(void)arg;
	(void)task;
	if (node) {
		node->calls++;
		node->open++;
	}
}

int graph_new(struct graph **ret_graph, const struct event_db *db,
	      const struct graph_options *options)
{
	struct graph *graph = mem_zalloc(sizeof(*graph));
	const struct calls_owner owner = {.unfinished = unfinished, .chains = true};

	if (!graph || calls_new(&graph->calls, db, &owner) < 0) {
		mem_free(graph);
		return -ENOMEM;
	}
	graph->symbols = event_db_symbols(db);
	graph->options = *options;
	graph->last_root = &graph->first_root;
	*ret_graph = graph;
	return 0;
}

void graph_free(struct graph *graph)
{
	if (!graph)
		return;
	calls_free(graph->calls);
	map_done(&graph->nodes);
	map_done(&graph->funcs);
	map_done(&graph->roots);
	arena_done(&graph->arena);
	mem_free(graph);
}

bool graph_empty(const struct graph *graph)
{
	return !graph->nr_roots;
}

/* --- the tree --- */

static struct graph_node *new_node(struct graph *graph, struct graph_node *parent, uint64_t addr)
{
	struct graph_node *node = arena_alloc(&graph->arena, sizeof(*node));

	if (!node)
		return NULL;
	node->parent = parent;
	node->addr = addr;
	node->order = graph->nr_nodes++;
	return node;
}

struct graph_node *graph_root(struct graph *graph, uint64_t group)
{
	return new_node(graph, NULL, group);
}

struct graph_node *graph_child(struct graph *graph, struct graph_node *parent, uint64_t addr)
{
	uint64_t h = map_mix((uintptr_t)parent, addr), *found;
	struct graph_node *first, *node;

	if (parent->recent && parent->recent->addr == addr)
		return parent->recent;
	found = map_find(&graph->nodes, h);
	first = found ? (struct graph_node *)(uintptr_t)*found : NULL;
	for (node = first; node; node = node->same_hash)
		if (node->parent == parent && node->addr == addr)
			break;
	if (!node) {
		node = new_node(graph, parent, addr);
		if (!node || map_set(&graph->nodes, h, (uintptr_t)node) < 0)
			return NULL;
		node->same_hash = first;
		if (parent->last)
			parent->last->next = node;
		else
			parent->first = node;
		parent->last = node;
	}
	parent->recent = node;
	return node;
}

struct graph_node *graph_next(const struct graph_node *top, struct graph_node *node)
{
	if (node->first)
		return node->first;
	while (node != top && !node->next)
		node = node->parent;
	return node == top ? NULL : node->next;
}

static void add_numbers(struct graph_node *into, const struct graph_node *from)
{
	if (from->timed) {
		into->min_ns = into->timed ? MIN(into->min_ns, from->min_ns) : from->min_ns;
		into->max_ns = MAX(into->max_ns, from->max_ns);
	}
	into->calls += from->calls;
	into->open += from->open;
	into->timed += from->timed;
	into->total_ns += from->total_ns;
	into->self_ns += from->self_ns;
	into->nr_self += from->nr_self;
}

int graph_merge(struct graph *graph, struct graph_node *into, const struct graph_node *from)
{
	const struct graph_node *at = from;

	/* Down and up in both trees at once: depth is not bounded by a stack of ours. */
	add_numbers(into, from);
	for (;;) {
		if (at->first) {
			at = at->first;
		} else {
			while (at != from && !at->next) {
				at = at->parent;
				into = into->parent;
			}
			if (at == from)
				return 0;
			at = at->next;
			into = into->parent;
		}
		into = graph_child(graph, into, at->addr);
		if (!into)
			return -ENOMEM;
		add_numbers(into, at);
	}
}

static struct graph_node *find_root(struct graph *graph, int32_t pid)
{
	uint64_t group = graph->options.group == GRAPH_ALL ? 0 : (uint32_t)pid;
	uint64_t *found = map_find(&graph->roots, group);
	struct graph_node *root;

	if (found)
		return (struct graph_node *)(uintptr_t)*found;
	root = graph_root(graph, group);
	if (!root || map_set(&graph->roots, group, (uintptr_t)root) < 0)
		return NULL;
	*graph->last_root = root;
	graph->last_root = &root->next;
	graph->nr_roots++;
	return root;
}

/* The task's root is kept with the task. */
static struct graph_node *root_of(struct graph *graph, struct call_task *task)
{
	if (!task->user)
		task->user = find_root(graph, task->pid);
	return task->user;
}

/* --- calls --- */

static const struct graph_func *find_func(struct graph *graph, uint64_t addr)
{
	const struct call_filter *filter = &graph->options.filter;
	uint64_t *found = map_find(&graph->funcs, addr);
	const struct symbol *symbol;
	struct graph_func *func;

	if (found)
		return (const struct graph_func *)(uintptr_t)*found;
	func = arena_alloc(&graph->arena, sizeof(*func));
	if (!func || map_set(&graph->funcs, addr, (uintptr_t)func) < 0)
		return NULL;
	func->addr = addr;
	symbol = symbols_find(graph->symbols, addr);
	if (symbol)
		func->named = (struct call_named){
			filter->only && patterns_test(filter->only, symbol->name, symbol->module),
			filter->hide && patterns_test(filter->hide, symbol->name, symbol->module)};
	return func;
}

static int name_func(struct graph *graph, uint64_t addr, struct call_named *ret_named)
{
	const struct graph_func *func;

	*ret_named = (struct call_named){0};
	if (!graph->options.filter.only && !graph->options.filter.hide)
		return 0;
	func = find_func(graph, addr);
	if (!func)
		return -ENOMEM;
	*ret_named = func->named;
	return 0;
}

/* Where a call stands whose outer call has no node. */
static struct graph_node *outermost(struct graph *graph, struct call_task *task, bool known)
{
	struct graph_node *root = root_of(graph, task);

	if (!root || known || graph->options.filter.only)
		return root;
	return graph_child(graph, root, GRAPH_UNKNOWN);
}

static int take_begin(struct graph *graph, const struct call_step *step)
{
	struct call_task *task = step->task;
	struct call *call = &task->calls[task->nr - 1];
	struct graph_node *parent = task->nr > 1 ? call[-1].user : NULL;
	struct call_named named;

	if (name_func(graph, step->func, &named) < 0)
		return -ENOMEM;
	if (!call_filter_begin(&graph->options.filter, task, named))
		return 0;
	if (!parent)
		parent = outermost(graph, task, step->depth <= 0 || task->nr > 1);
	call->user = parent ? graph_child(graph, parent, step->func) : NULL;
	return call->user ? 0 : -ENOMEM;
}

static int take_end(struct graph *graph, const struct call_step *step)
{
	struct graph_node *node = step->paired ? step->call.user : NULL;
	struct call_named named;

	if (graph->options.min_ns && (!step->timed || step->ns < graph->options.min_ns))
		return 0;
	if (!step->paired) {
		if (name_func(graph, step->func, &named) < 0)
			return -ENOMEM;
		if (named.hide || !call_flags_show(&graph->options.filter, 0, step->depth))
			return 0;
		node = outermost(graph, step->task, step->depth <= 0);
		node = node ? graph_child(graph, node, step->func) : NULL;
		if (!node)
			return -ENOMEM;
	}
	if (!node)
		return 0;
	node->calls++;
	if (step->timed) {
		node->min_ns = node->timed ? MIN(node->min_ns, step->ns) : step->ns;
		node->max_ns = MAX(node->max_ns, step->ns);
		node->timed++;
		node->total_ns += step->ns;
		graph->timed = true;
	}
	if (step->self_known) {
		node->self_ns += step->self_ns;
		node->nr_self++;
	}
	return 0;
}

/* Nodes of a chain's links, from the first that has none. */
static int take_point(struct graph *graph, const struct call_step *step)
{
	const struct call_task *task = step->task;
	struct graph_node *node = root_of(graph, step->task);
	uint32_t flags = 0;
	int32_t level = -1;

	for (uint32_t i = 0; node && i < task->nr_chain; i++) {
		struct call_link *link = &task->chain[i];
		struct call_named named;

		if (name_func(graph, link->func, &named) < 0)
			return -ENOMEM;
		flags |= named.only ? CALL_INSIDE : 0;
		flags |= named.hide ? CALL_HIDDEN : 0;
		if (graph->options.filter.only && !(flags & CALL_INSIDE))
			continue;
		if (!call_flags_show(&graph->options.filter, flags, ++level))
			return 0;
		if (!link->user)
			link->user = graph_child(graph, node, link->func);
		node = link->user;
	}
	if (!node)
		return -ENOMEM;
	if (node->parent)
		node->calls += step->count;
	return 0;
}

static int take_step(struct graph *graph, const struct call_step *step)
{
	switch (step->kind) {
	case CALL_BEGIN:
		return take_begin(graph, step);
	case CALL_END:
		return take_end(graph, step);
	case CALL_POINT:
		return graph->options.min_ns ? 0 : take_point(graph, step);
	default:
		return 0;
	}
}

int graph_event(struct graph *graph, const struct report_item *item)
{
	struct call_step step;
	int r;

	do {
		if (calls_record(graph->calls, item, &step) < 0)
			return -ENOMEM;
		r = take_step(graph, &step);
	} while (r == 0 && step.more);
	return r;
}
