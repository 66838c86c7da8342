/* SPDX-License-Identifier: MIT */
/*
 * `sonde graph`: calls merged by their callers, a tree with the number of calls, their total time
 * and the time of their own; and for one function, who called it and what it called. Calls are
 * paired by calls.h, whose rules for what was lost hold here, too:
 *
 * - A call counts when it ends; one that did not end counts without a time.
 * - What is called where the outer calls are not known (before the first record of them, behind a
 *   loss) stands under "[callers not recorded]".
 * - Records of the function tracer count, without times, in the chain of their callers.
 */
#ifndef SONDE_REPORT_GRAPH_H
#define SONDE_REPORT_GRAPH_H

#include "report/call_filter.h"
#include "report/report.h"

enum graph_group {
	GRAPH_ALL,
	GRAPH_BY_TASK,
	GRAPH_BY_COMM /* tasks of one name are one */
};

enum graph_field {
	GRAPH_TOTAL,
	GRAPH_SELF,
	GRAPH_CALLS,
	GRAPH_AVG,
	GRAPH_MIN,
	GRAPH_MAX,
	GRAPH_ADDR,
	GRAPH_MODULE,
	GRAPH_NR_FIELDS,
	/* only sort keys */
	GRAPH_NAME = GRAPH_NR_FIELDS,
	GRAPH_ORDER, /* of appearance */
	GRAPH_NR_KEYS
};

struct graph_options {
	enum graph_group group;
	struct call_filter filter; /* without a depth: that is for graph_print */
	uint64_t min_ns;	   /* shorter calls do not count */
};

struct graph_print {
	enum report_format format;	  /* REPORT_TEXT or REPORT_JSON */
	const char *buffer;		  /* which file or instance, or NULL */
	const struct patterns *functions; /* NULL: the whole graph */
	enum graph_field fields[GRAPH_NR_FIELDS];
	size_t nr_fields;
	enum graph_field sort; /* largest first; names from a to z */
	uint32_t max_depth;    /* levels shown; 0: all */
	bool colour;
	const char *(*comm)(void *arg, int32_t pid);
	void *comm_arg;
};

struct graph;

/*
 * Borrows `db`, sealed, and the patterns of `options`. -ENOMEM. Memory grows with the distinct
 * chains of callers of each group, with tasks and the depth of their calls.
 */
int graph_new(struct graph **ret_graph, const struct event_db *db,
	      const struct graph_options *options) _must_check_;
void graph_free(struct graph *graph);

/* One record, in time order; -ENOMEM. */
int graph_event(struct graph *graph, const struct report_item *item) _must_check_;

bool graph_empty(const struct graph *graph); /* no calls so far */

/* To be called once, after the last record. -ENOMEM; -ENOENT: no function is of that name. */
int graph_print(struct graph *graph, const struct graph_print *how, struct out *out) _must_check_;

/* Names of fields and sort keys; -1 when there is none of this name. */
int graph_field_find(const char *name, size_t len);

#endif
