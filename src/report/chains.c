/* SPDX-License-Identifier: MIT */
#include "report/chains.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "report/chains_data.h"

enum {
	/* A chain that is guessed from callers grows for ever where a function calls itself. */
	MAX_DEPTH = 1024
};

static const struct event_field *field(const struct event *event, const char *name)
{
	return event ? event_field_find(event, name) : NULL;
}

static void find_fields(struct chains *c)
{
	const struct event_field *caller;

	c->entry = event_db_by_name(c->db, "ftrace", "funcgraph_entry");
	c->retaddr_entry = event_db_by_name(c->db, "ftrace", "fgraph_retaddr_entry");
	c->exit = event_db_by_name(c->db, "ftrace", "funcgraph_exit");
	c->function = event_db_by_name(c->db, "ftrace", "function");
	c->repeats = event_db_by_name(c->db, "ftrace", "func_repeats");
	c->stack = event_db_by_name(c->db, "ftrace", "kernel_stack");
	c->user_stack = event_db_by_name(c->db, "ftrace", "user_stack");
	c->entry_func = field(c->entry, "func");
	c->entry_depth = field(c->entry, "depth");
	c->retaddr_func = field(c->retaddr_entry, "func");
	c->retaddr_depth = field(c->retaddr_entry, "depth");
	c->exit_func = field(c->exit, "func");
	c->exit_depth = field(c->exit, "depth");
	c->function_ip = field(c->function, "ip");
	c->function_parent = field(c->function, "parent_ip");
	c->repeats_ip = field(c->repeats, "ip");
	c->repeats_parent = field(c->repeats, "parent_ip");
	c->repeats_count = field(c->repeats, "count");
	caller = field(c->stack, "caller");
	if (caller)
		c->stack_offset = caller->offset;
	else
		c->stack = NULL;
}

int chains_new(struct chains **ret_chains, const struct event_db *db, bool all_pids)
{
	struct chains *chains = mem_zalloc(sizeof(*chains));

	if (!chains)
		return -ENOMEM;
	chains->db = db;
	chains->symbols = event_db_symbols(db);
	chains->all_pids = all_pids;
	chains->big = event_db_big_endian(db);
	chains->long_size = event_db_long_size(db) == 4 ? 4 : 8;
	find_fields(chains);
	*ret_chains = chains;
	return 0;
}

void chains_free(struct chains *chains)
{
	if (!chains)
		return;
	for (size_t i = 0; i < chains->nr_tasks; i++)
		mem_free(chains->all_tasks[i]->frames);
	mem_free(chains->all_tasks);
	mem_free(chains->cpus);
	map_done(&chains->nodes);
	map_done(&chains->events);
	map_done(&chains->stacks);
	map_done(&chains->tasks);
	arena_done(&chains->arena);
	mem_free(chains);
}

/* --- the tree --- */

/* The start of the function that an address lies in. */
static uint64_t function_of(const struct chains *chains, uint64_t addr)
{
	const struct symbol *symbol = symbols_find(chains->symbols, addr);

	return symbol ? symbol->addr : addr;
}

static struct chain_node *find_node(struct chains *chains, struct chain_node *parent, uint64_t addr)
{
	uint64_t h = map_mix((uintptr_t)parent, addr), *found = map_find(&chains->nodes, h);
	struct chain_node *first = found ? (struct chain_node *)(uintptr_t)*found : NULL, *node;

	for (node = first; node; node = node->same_hash)
		if (node->parent == parent && node->addr == addr)
			return node;
	node = arena_alloc(&chains->arena, sizeof(*node));
	if (!node || map_set(&chains->nodes, h, (uintptr_t)node) < 0)
		return NULL;
	node->same_hash = first;
	node->parent = parent;
	node->addr = addr;
	node->depth = parent ? parent->depth + 1 : 0;
	chains->nr_counted++;
	return node;
}

static struct chain_node *find_root(struct chains *chains, int32_t pid)
{
	struct chain_node *root = find_node(chains, NULL, chains->all_pids ? 0 : (uint32_t)pid);

	if (root)
		root->pid = pid;
	return root;
}

static int count_event(struct chains *chains, const struct chain_node *node,
		       const struct event *event, uint64_t addr)
{
	uint64_t h = map_mix(map_mix((uintptr_t)node, (uintptr_t)event), addr);
	uint64_t *found = map_find(&chains->events, h);
	struct chain_events *first = found ? (struct chain_events *)(uintptr_t)*found : NULL, *e;

	for (e = first; e; e = e->same_hash)
		if (e->node == node && e->event == event && e->addr == addr)
			break;
	if (!e) {
		e = arena_alloc(&chains->arena, sizeof(*e));
		if (!e || map_set(&chains->events, h, (uintptr_t)e) < 0)
			return -ENOMEM;
		*e = (struct chain_events){first, node, event, addr, 0};
		chains->nr_counted++;
	}
	e->count++;
	return 0;
}

/* --- tasks --- */

static int reach_cpu(struct chains *chains, uint32_t cpu)
{
	size_t old = chains->cap_cpus;

	if (cpu < chains->nr_cpus)
		return 0;
	if (cpu >= LIMIT_CPUS || array_reserve(&chains->cpus, &chains->cap_cpus, (size_t)cpu + 1,
					       sizeof(*chains->cpus)) < 0)
		return -ENOMEM;
	memset(chains->cpus + old, 0, (chains->cap_cpus - old) * sizeof(*chains->cpus));
	chains->nr_cpus = (size_t)cpu + 1;
	return 0;
}

static struct chain_task *new_task(struct chains *chains, int64_t key, int32_t pid)
{
	struct chain_task *task = arena_alloc(&chains->arena, sizeof(*task));

	if (!task || array_reserve(&chains->all_tasks, &chains->cap_tasks, chains->nr_tasks + 1,
				   sizeof(struct chain_task *)) < 0)
		return NULL;
	task->key = key;
	task->root = task->at = find_root(chains, pid);
	if (!task->root || map_set(&chains->tasks, (uint64_t)key, (uintptr_t)task) < 0)
		return NULL;
	chains->all_tasks[chains->nr_tasks++] = task;
	return task;
}

/* The task that runs on `cpu`; forgets what it is in when a loss may have hidden something. */
static struct chain_task *find_task(struct chains *chains, int32_t pid, uint32_t cpu)
{
	struct chain_cpu *at = &chains->cpus[cpu];
	int64_t key = pid ? (int64_t)(uint32_t)pid : -1 - (int64_t)cpu;
	struct chain_task *task = at->task;
	uint64_t *found;

	if (!task || task->key != key) {
		found = map_find(&chains->tasks, (uint64_t)key);
		task = found ? (struct chain_task *)(uintptr_t)*found : new_task(chains, key, pid);
		if (!task)
			return NULL;
		at->task = task;
	}
	if (chains->cpus[task->cpu].lost_at > task->sequence || at->lost_at > task->sequence) {
		task->at = task->root;
		task->nr_frames = 0;
	}
	task->cpu = cpu;
	task->sequence = chains->sequence;
	return task;
}

/* The innermost function that the task is known to be in. */
static struct chain_node *innermost(const struct chain_task *task)
{
	return task->nr_frames ? task->frames[task->nr_frames - 1].node : task->at;
}

/* No stack came behind the last event: it happened where the task is. */
static int flush_pending(struct chains *chains, struct chain_task *task)
{
	if (!task->pending)
		return 0;
	task->pending = false;
	if (!task->pending_event) /* a function: it counts when the task leaves it */
		return 0;
	return count_event(chains, task->pending_node, task->pending_event, 0);
}

/* --- the tracers --- */

static int take_function(struct chains *chains, struct chain_task *task, uint64_t ip,
			 uint64_t parent_ip, uint64_t count)
{
	uint64_t func = function_of(chains, ip), caller = function_of(chains, parent_ip);
	struct chain_node *at = task->at;

	while (at->parent && at->addr != caller)
		at = at->parent;
	if (at->depth >= MAX_DEPTH)
		at = task->root;
	if (task->at->parent && at != task->at)
		task->at->count++;
	if (!at->parent)
		at = find_node(chains, task->root, caller);
	task->at = at ? find_node(chains, at, func) : NULL;
	if (!task->at) {
		task->at = task->root;
		return -ENOMEM;
	}
	task->at->count += count - 1; /* the last of them when it is left */
	task->pending = true;
	task->pending_event = NULL;
	task->pending_addr = func;
	return 0;
}

static int take_entry(struct chains *chains, struct chain_task *task, uint64_t func,
		      const int32_t *depth)
{
	size_t cap = task->cap_frames;
	struct chain_node *node;

	while (depth && task->nr_frames && task->frames[task->nr_frames - 1].depth >= *depth)
		task->nr_frames--;
	if (task->nr_frames >= MAX_DEPTH)
		task->nr_frames = 0;
	node = find_node(chains, task->nr_frames ? innermost(task) : task->root,
			 function_of(chains, func));
	if (!node ||
	    array_reserve(&task->frames, &cap, task->nr_frames + 1u, sizeof(*task->frames)) < 0)
		return -ENOMEM;
	task->cap_frames = (uint32_t)cap;
	task->frames[task->nr_frames++] = (struct chain_frame){node, depth ? *depth : 0};
	return 0;
}

/* The call counts with its callers; one whose begin was not seen, alone. */
static int take_exit(struct chains *chains, struct chain_task *task, uint64_t func,
		     const int32_t *depth)
{
	struct chain_node *node;

	func = function_of(chains, func);
	for (uint32_t i = task->nr_frames; i-- > 0;) {
		if (task->frames[i].node->addr != func ||
		    (depth && task->frames[i].depth != *depth))
			continue;
		task->frames[i].node->count++;
		task->nr_frames = i;
		return 0;
	}
	while (depth && task->nr_frames && task->frames[task->nr_frames - 1].depth >= *depth)
		task->nr_frames--;
	node = find_node(chains, task->root, func);
	if (!node)
		return -ENOMEM;
	node->count++;
	return 0;
}

/* --- recorded stacks --- */

/* The place that a stack names; its outermost function is its last. */
static struct chain_node *place_stack(struct chains *chains, struct chain_node *root,
				      const uint8_t *bytes, uint32_t len)
{
	uint32_t size = chains->long_size, nr = 0, first = 0, nr_max = len / size;
	struct chain_node *node = root;

	/* The innermost without a name is the tracer's own trampoline. */
	while (first < nr_max &&
	       !symbols_find(chains->symbols, load_uint(bytes + first * size, size, chains->big)))
		first++;
	nr = first = first < nr_max ? first : 0;
	while (nr < nr_max && load_uint(bytes + nr * size, size, chains->big) !=
				      (size == 4 ? UINT32_MAX : UINT64_MAX))
		nr++;
	while (node && nr-- > first)
		node = find_node(
			chains, node,
			function_of(chains, load_uint(bytes + nr * size, size, chains->big)));
	return node;
}

static struct chain_node *find_stack(struct chains *chains, struct chain_node *root,
				     const uint8_t *bytes, uint32_t len)
{
	struct chain_stack *first, *stack;
	uint64_t h = map_mix((uintptr_t)root, len), *found;

	for (uint32_t i = 0; i + 4 <= len; i += 4)
		h = map_mix(h, load_u32(bytes + i, HOST_BIG));
	found = map_find(&chains->stacks, h);
	first = found ? (struct chain_stack *)(uintptr_t)*found : NULL;
	for (stack = first; stack; stack = stack->same_hash)
		if (stack->root == root && stack->len == len && !memcmp(stack->bytes, bytes, len))
			return stack->node;
	stack = arena_alloc(&chains->arena, sizeof(*stack) + len);
	if (!stack)
		return NULL;
	stack->node = place_stack(chains, root, bytes, len);
	if (!stack->node || map_set(&chains->stacks, h, (uintptr_t)stack) < 0)
		return NULL;
	stack->same_hash = first;
	stack->root = root;
	stack->len = len;
	memcpy(stack->bytes, bytes, len);
	return stack->node;
}

static int take_stack(struct chains *chains, struct chain_task *task,
		      const struct source_record *rec)
{
	uint32_t len = rec->len > chains->stack_offset ? rec->len - chains->stack_offset : 0;
	const struct chain_node *node;

	if (!task->pending)
		return 0; /* of an event that was not recorded */
	task->pending = false;
	if (!task->pending_event)
		task->at = task->root; /* the stack knows better than the caller alone */
	len = MIN(len, MAX_DEPTH * chains->long_size) & ~3u;
	node = find_stack(chains, task->root, rec->data + chains->stack_offset, len);
	return node ? count_event(chains, node, task->pending_event, task->pending_addr) : -ENOMEM;
}

/* --- */

static uint64_t number(const struct report_item *item, const struct event_field *f)
{
	return event_field_u64(item->event, f, item->rec->data, item->rec->len);
}

static int take_graph(struct chains *chains, struct chain_task *task,
		      const struct report_item *item, const struct event_field *func,
		      const struct event_field *depth_field)
{
	int32_t depth = depth_field ? (int32_t)number(item, depth_field) : 0;
	const int32_t *known = depth_field ? &depth : NULL;

	if (!func)
		return 0;
	return item->event == chains->exit ? take_exit(chains, task, number(item, func), known)
					   : take_entry(chains, task, number(item, func), known);
}

static int take_record(struct chains *c, struct chain_task *task, const struct report_item *item)
{
	uint64_t count;

	if (item->event == c->function && c->function_ip && c->function_parent)
		return take_function(c, task, number(item, c->function_ip),
				     number(item, c->function_parent), 1);
	if (item->event == c->entry)
		return take_graph(c, task, item, c->entry_func, c->entry_depth);
	if (item->event == c->exit)
		return take_graph(c, task, item, c->exit_func, c->exit_depth);
	if (item->event == c->retaddr_entry)
		return take_graph(c, task, item, c->retaddr_func, c->retaddr_depth);
	if (item->event == c->repeats && c->repeats_ip && c->repeats_parent && c->repeats_count) {
		count = number(item, c->repeats_count);
		return count ? take_function(c, task, number(item, c->repeats_ip),
					     number(item, c->repeats_parent), count)
			     : 0;
	}
	task->pending = true;
	task->pending_event = item->event;
	task->pending_addr = 0;
	task->pending_node = innermost(task);
	return 0;
}

int chains_event(struct chains *chains, const struct report_item *item)
{
	struct chain_task *task;
	int r;

	if (reach_cpu(chains, item->rec->cpu) < 0)
		return -ENOMEM;
	chains->sequence++;
	if (item->lost)
		chains->cpus[item->rec->cpu].lost_at = chains->sequence;
	if (!item->event || item->event == chains->user_stack)
		return 0;
	task = find_task(chains, item->pid, item->rec->cpu);
	if (!task)
		return -ENOMEM;
	if (item->event == chains->stack)
		return take_stack(chains, task, item->rec);
	r = flush_pending(chains, task);
	return r < 0 ? r : take_record(chains, task, item);
}

int chains_end(struct chains *chains)
{
	int r = 0;

	for (size_t i = 0; i < chains->nr_tasks && r >= 0; i++) {
		struct chain_task *task = chains->all_tasks[i];

		r = flush_pending(chains, task);
		if (task->nr_frames)
			innermost(task)->count++;
		if (task->at->parent)
			task->at->count++;
	}
	return r;
}
