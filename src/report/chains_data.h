/* SPDX-License-Identifier: MIT */
/*
 * Inside of the call-chain histogram. Chains are kept as a tree from the outermost caller inwards,
 * so that a call or a return is one step in it.
 */
#ifndef SONDE_REPORT_CHAINS_DATA_H
#define SONDE_REPORT_CHAINS_DATA_H

#include "base/arena.h"
#include "base/map.h"
#include "report/chains.h"

/* A function in its callers; a root stands for a task, or for all. */
struct chain_node {
	struct chain_node *parent, *same_hash; /* parent NULL: a root */
	uint64_t addr;			       /* of the function; a root: its number */
	uint64_t count;			       /* chains that ended here */
	int32_t pid;			       /* of a root */
	uint32_t depth;			       /* a root: 0 */
};

/* Events that came in one place: an event, or (event NULL) the function `addr`, told by stacks. */
struct chain_events {
	struct chain_events *same_hash;
	const struct chain_node *node;
	const struct event *event;
	uint64_t addr, count;
};

/* A recorded stack, so that its functions are looked up once. */
struct chain_stack {
	struct chain_stack *same_hash;
	const struct chain_node *root;
	struct chain_node *node;
	uint32_t len;
	uint8_t bytes[];
};

struct chain_frame {
	struct chain_node *node;
	int32_t depth;
};

struct chain_task {
	int64_t key; /* the pid; idle tasks: -1 - CPU */
	struct chain_node *root;
	struct chain_node *at;	    /* function tracer: the innermost function */
	struct chain_frame *frames; /* function_graph; owned */
	uint32_t nr_frames, cap_frames;
	bool pending;			   /* an event that a stack may follow */
	const struct event *pending_event; /* NULL: the function pending_addr */
	uint64_t pending_addr;
	struct chain_node *pending_node;
	uint32_t cpu; /* of its last record */
	uint64_t sequence;
};

struct chain_cpu {
	struct chain_task *task; /* the last one here */
	uint64_t lost_at;
};

struct chains {
	const struct event_db *db;
	const struct symbols *symbols;
	bool all_pids, big;
	uint32_t long_size, stack_offset;
	const struct event *entry, *retaddr_entry, *exit, *function, *repeats, *stack, *user_stack;
	const struct event_field *entry_func, *entry_depth, *retaddr_func, *retaddr_depth;
	const struct event_field *exit_func, *exit_depth;
	const struct event_field *function_ip, *function_parent;
	const struct event_field *repeats_ip, *repeats_parent, *repeats_count;
	struct arena arena;
	struct map nodes, events, stacks, tasks;
	size_t nr_counted; /* nodes, at most, and events */
	struct chain_task **all_tasks;
	size_t nr_tasks, cap_tasks;
	struct chain_cpu *cpus;
	size_t nr_cpus, cap_cpus;
	uint64_t sequence;
};

/* What is open at the end counts as far as it is known. -ENOMEM. */
int chains_end(struct chains *chains) _must_check_;

#endif
