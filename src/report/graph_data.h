/* SPDX-License-Identifier: MIT */
/* Inside of the call graph: a tree of functions in their callers. */
#ifndef SONDE_REPORT_GRAPH_DATA_H
#define SONDE_REPORT_GRAPH_DATA_H

#include "base/arena.h"
#include "base/map.h"
#include "report/graph.h"

/* The address of the node for callers that are not known. */
#define GRAPH_UNKNOWN UINT64_MAX

/* A function in its callers; a root stands for a task, or for all. */
struct graph_node {
	struct graph_node *parent, *same_hash;	/* parent NULL: a root */
	struct graph_node *first, *last, *next; /* children in order of appearance; sibling */
	struct graph_node *recent;		/* the child of the last call */
	uint64_t addr;				/* of the function; a root: its group */
	uint64_t calls;				/* that ended, and that did not */
	uint64_t timed, total_ns, min_ns, max_ns;
	uint64_t self_ns, nr_self; /* of calls of which all that they called is known */
	uint64_t open;		   /* of calls: did not end */
	uint64_t order;
	uint32_t level; /* of rows */
	bool shown;	/* it has calls, or a node inside has */
};

/* A function, and what the options say of it. */
struct graph_func {
	uint64_t addr;
	struct call_named named;
};

struct graph {
	const struct symbols *symbols;
	struct graph_options options;
	struct calls *calls;
	struct arena arena;
	struct map nodes, funcs, roots; /* by hash; by address; by group */
	struct graph_node *first_root, **last_root;
	size_t nr_roots;
	uint64_t nr_nodes;
	bool timed; /* not only calls without a time */
};

/* The child of a node; made when it is new. NULL without memory. */
struct graph_node *graph_child(struct graph *graph, struct graph_node *parent, uint64_t addr);
/* A root that is in no list. */
struct graph_node *graph_root(struct graph *graph, uint64_t group);
/* Add what `from` has, and all below it, to `into`. -ENOMEM. */
int graph_merge(struct graph *graph, struct graph_node *into, const struct graph_node *from)
	_must_check_;
/* The node behind `node` in the order of parents first, inside `top`; NULL at the end. */
struct graph_node *graph_next(const struct graph_node *top, struct graph_node *node);

#endif
