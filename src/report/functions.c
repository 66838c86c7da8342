/* SPDX-License-Identifier: MIT */
/*
 * The counting: a stack of open calls for each task, pushed by function_graph's entries and popped
 * by its exits. What an exit says of the time is believed; the stack tells whose time it is.
 */
#include "report/functions.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "report/functions_data.h"

enum {
	MAX_DEPTH = 4096 /* of open calls: kernels keep 50 to some hundreds */
};

static void find_fields(struct function_fields *f, const struct event_db *db)
{
	f->entry = event_db_by_name(db, "ftrace", "funcgraph_entry");
	f->retaddr_entry = event_db_by_name(db, "ftrace", "fgraph_retaddr_entry");
	f->exit = event_db_by_name(db, "ftrace", "funcgraph_exit");
	f->function = event_db_by_name(db, "ftrace", "function");
	f->repeats = event_db_by_name(db, "ftrace", "func_repeats");
	if (f->entry) {
		f->entry_func = event_field_find(f->entry, "func");
		f->entry_depth = event_field_find(f->entry, "depth");
	}
	if (f->retaddr_entry) {
		f->retaddr_func = event_field_find(f->retaddr_entry, "func");
		f->retaddr_depth = event_field_find(f->retaddr_entry, "depth");
	}
	if (f->exit) {
		f->exit_func = event_field_find(f->exit, "func");
		f->exit_depth = event_field_find(f->exit, "depth");
		f->exit_call = event_field_find(f->exit, "calltime");
		f->exit_return = event_field_find(f->exit, "rettime");
	}
	if (f->function)
		f->function_ip = event_field_find(f->function, "ip");
	if (f->repeats) {
		f->repeats_ip = event_field_find(f->repeats, "ip");
		f->repeats_count = event_field_find(f->repeats, "count");
	}
}

int functions_new(struct functions **ret_functions, const struct event_db *db,
		  enum functions_group group)
{
	struct functions *functions = mem_zalloc(sizeof(*functions));

	if (!functions)
		return -ENOMEM;
	functions->db = db;
	functions->group = group;
	functions->last = &functions->first;
	find_fields(&functions->fields, db);
	*ret_functions = functions;
	return 0;
}

void functions_free(struct functions *functions)
{
	if (!functions)
		return;
	for (struct function *f = functions->first; f; f = f->next)
		mem_free(f->buckets);
	for (size_t i = 0; i < functions->nr_stacks; i++)
		mem_free(functions->all_stacks[i]->calls);
	mem_free(functions->all_stacks);
	mem_free(functions->cpus);
	map_done(&functions->stacks);
	map_done(&functions->by_hash);
	map_done(&functions->by_name);
	mem_free(functions->names);
	arena_done(&functions->arena);
	mem_free(functions);
}

bool functions_empty(const struct functions *functions)
{
	return !functions->nr;
}

bool functions_timed(const struct functions *functions)
{
	return functions->any_timed;
}

bool functions_knows(const struct functions *functions, const struct event *event)
{
	const struct function_fields *f = &functions->fields;

	return event && (event == f->entry || event == f->exit || event == f->function ||
			 event == f->retaddr_entry || event == f->repeats);
}

struct function *functions_find(struct functions *functions, uint64_t group, uint64_t addr)
{
	uint64_t h = map_mix(group, addr), *found = map_find(&functions->by_hash, h);
	struct function *first = found ? (struct function *)(uintptr_t)*found : NULL, *function;

	for (function = first; function; function = function->same_hash)
		if (function->addr == addr && function->group == group)
			return function;
	function = arena_alloc(&functions->arena, sizeof(*function));
	if (!function || map_set(&functions->by_hash, h, (uintptr_t)function) < 0)
		return NULL;
	function->same_hash = first;
	function->group = group;
	function->addr = addr;
	*functions->last = function;
	functions->last = &function->next;
	functions->nr++;
	return function;
}

/* --- tasks and CPUs --- */

static int reach_cpu(struct functions *functions, uint32_t cpu)
{
	size_t old = functions->cap_cpus;

	if (cpu < functions->nr_cpus)
		return 0;
	if (array_reserve(&functions->cpus, &functions->cap_cpus, (size_t)cpu + 1,
			  sizeof(*functions->cpus)) < 0)
		return -ENOMEM;
	memset(functions->cpus + old, 0, (functions->cap_cpus - old) * sizeof(*functions->cpus));
	functions->nr_cpus = (size_t)cpu + 1;
	return 0;
}

static struct call_stack *new_stack(struct functions *functions, int64_t key)
{
	struct call_stack *stack = arena_alloc(&functions->arena, sizeof(*stack));

	if (!stack ||
	    array_reserve(&functions->all_stacks, &functions->cap_stacks, functions->nr_stacks + 1,
			  sizeof(struct call_stack *)) < 0 ||
	    map_set(&functions->stacks, (uint64_t)key, (uintptr_t)stack) < 0)
		return NULL;
	stack->key = key;
	functions->all_stacks[functions->nr_stacks++] = stack;
	return stack;
}

/* The calls of the task that runs on `cpu`. All CPUs have an idle task, all of pid 0. */
static struct call_stack *find_stack(struct functions *functions, int32_t pid, uint32_t cpu)
{
	struct function_cpu *at = &functions->cpus[cpu];
	int64_t key = pid ? (int64_t)(uint32_t)pid : -1 - (int64_t)cpu;
	uint64_t *found;

	if (at->stack && at->stack->key == key)
		return at->stack;
	found = map_find(&functions->stacks, (uint64_t)key);
	at->stack = found ? (struct call_stack *)(uintptr_t)*found : new_stack(functions, key);
	return at->stack;
}

static uint64_t group_of(const struct functions *functions, int32_t pid, uint32_t cpu)
{
	switch (functions->group) {
	case FUNCTIONS_BY_TASK:
	case FUNCTIONS_BY_COMM: /* names are known at the end */
		return (uint32_t)pid;
	case FUNCTIONS_BY_CPU:
		return cpu;
	default:
		return 0;
	}
}

/*
 * A loss on the CPU where the task was or is hides what it did: its open calls are forgotten. Their
 * ends, when they come, say themselves how long they took.
 */
static void check_loss(const struct functions *functions, struct call_stack *stack, uint32_t cpu)
{
	if (functions->cpus[stack->cpu].lost_at > stack->sequence ||
	    functions->cpus[cpu].lost_at > stack->sequence)
		stack->nr = 0;
	stack->cpu = cpu;
	stack->sequence = functions->sequence;
}

/* --- calls --- */

/* Calls deeper than `depth` that no record ended: the function did not return, or not here. */
static void drop_calls(struct call_stack *stack, uint32_t nr)
{
	while (stack->nr > nr)
		stack->calls[--stack->nr].function->hits++;
}

static void drop_deeper(struct call_stack *stack, int32_t depth)
{
	uint32_t nr = stack->nr;

	while (nr && stack->calls[nr - 1].depth >= depth)
		nr--;
	drop_calls(stack, nr);
}

static int push_call(struct call_stack *stack, struct function *function, int32_t depth,
		     uint64_t ts)
{
	size_t cap = stack->cap;

	if (stack->nr >= MAX_DEPTH)
		drop_calls(stack, 0);
	if (array_reserve(&stack->calls, &cap, stack->nr + 1u, sizeof(*stack->calls)) < 0)
		return -ENOMEM;
	stack->cap = (uint32_t)cap;
	stack->calls[stack->nr++] =
		(struct call){.function = function, .ts = ts, .depth = depth, .self_known = true};
	return 0;
}

/* The open call that an exit ends: the innermost of this function and depth. */
static const struct call *find_call(const struct call_stack *stack, uint64_t func,
				    const int32_t *depth)
{
	for (uint32_t i = stack->nr; i-- > 0;)
		if (stack->calls[i].function->addr == func &&
		    (!depth || stack->calls[i].depth == *depth))
			return &stack->calls[i];
	return NULL;
}

static int take_entry(struct functions *functions, const struct report_item *item,
		      const struct event_field *func, const struct event_field *depth_field)
{
	const struct source_record *rec = item->rec;
	struct call_stack *stack = find_stack(functions, item->pid, rec->cpu);
	struct function *function;
	int32_t depth = 0;

	if (!stack)
		return -ENOMEM;
	check_loss(functions, stack, rec->cpu);
	if (depth_field) {
		depth = (int32_t)event_field_u64(item->event, depth_field, rec->data, rec->len);
		drop_deeper(stack, depth);
	}
	function = functions_find(functions, group_of(functions, item->pid, rec->cpu),
				  event_field_u64(item->event, func, rec->data, rec->len));
	return function ? push_call(stack, function, depth, rec->ts) : -ENOMEM;
}

/* How long the call took that this exit ends. False when nothing tells. */
static bool exit_time(const struct functions *functions, const struct report_item *item,
		      const struct call *call, uint64_t *ret_ns)
{
	const struct function_fields *f = &functions->fields;
	const struct source_record *rec = item->rec;
	uint64_t begin, end;

	if (f->exit_call && f->exit_return) {
		begin = event_field_u64(item->event, f->exit_call, rec->data, rec->len);
		end = event_field_u64(item->event, f->exit_return, rec->data, rec->len);
	} else if (call) {
		begin = call->ts;
		end = rec->ts;
	} else {
		return false;
	}
	*ret_ns = end - begin;
	return end >= begin;
}

/* The function that a call is counted for: with FUNCTIONS_BY_CPU, where it ended. */
static struct function *exit_function(struct functions *functions, const struct report_item *item,
				      const struct call *call, uint64_t func)
{
	uint64_t group = group_of(functions, item->pid, item->rec->cpu);

	if (call && call->function->group == group)
		return call->function;
	return functions_find(functions, group, func);
}

static int take_exit(struct functions *functions, const struct report_item *item)
{
	const struct function_fields *f = &functions->fields;
	const struct source_record *rec = item->rec;
	struct call_stack *stack = find_stack(functions, item->pid, rec->cpu);
	uint64_t func = event_field_u64(item->event, f->exit_func, rec->data, rec->len);
	uint64_t ns = 0, callees = 0;
	bool timed, self_known = false;
	const struct call *call;
	struct function *function;
	int32_t depth = 0;

	if (!stack)
		return -ENOMEM;
	check_loss(functions, stack, rec->cpu);
	if (f->exit_depth)
		depth = (int32_t)event_field_u64(item->event, f->exit_depth, rec->data, rec->len);
	call = find_call(stack, func, f->exit_depth ? &depth : NULL);
	timed = exit_time(functions, item, call, &ns);
	function = exit_function(functions, item, call, func);
	if (!function)
		return -ENOMEM;
	if (call) {
		self_known = call->self_known;
		callees = call->callees;
		drop_calls(stack, (uint32_t)(call - stack->calls) + 1);
		stack->nr--;
	} else if (f->exit_depth) {
		drop_deeper(stack, depth);
	}
	if (stack->nr) {
		stack->calls[stack->nr - 1].callees += ns;
		stack->calls[stack->nr - 1].self_known &= timed;
	}
	function->hits++;
	if (timed && self_known && callees <= ns) {
		function->self += ns - callees;
		function->nr_self++;
	}
	functions->any_timed |= timed;
	return timed ? function_add_time(function, ns) : 0;
}

static int take_count(struct functions *functions, const struct report_item *item,
		      const struct event_field *ip, uint64_t count)
{
	const struct source_record *rec = item->rec;
	struct function *function =
		functions_find(functions, group_of(functions, item->pid, rec->cpu),
			       event_field_u64(item->event, ip, rec->data, rec->len));

	if (!function)
		return -ENOMEM;
	function->hits += count;
	return 0;
}

int functions_event(struct functions *functions, const struct report_item *item)
{
	const struct function_fields *f = &functions->fields;
	const struct source_record *rec = item->rec;

	if (rec->cpu >= LIMIT_CPUS || reach_cpu(functions, rec->cpu) < 0)
		return -ENOMEM;
	functions->sequence++;
	if (item->lost)
		functions->cpus[rec->cpu].lost_at = functions->sequence;
	if (!item->event)
		return 0;
	if (item->event == f->entry && f->entry_func)
		return take_entry(functions, item, f->entry_func, f->entry_depth);
	if (item->event == f->exit && f->exit_func)
		return take_exit(functions, item);
	if (item->event == f->function && f->function_ip)
		return take_count(functions, item, f->function_ip, 1);
	if (item->event == f->retaddr_entry && f->retaddr_func)
		return take_entry(functions, item, f->retaddr_func, f->retaddr_depth);
	if (item->event == f->repeats && f->repeats_ip && f->repeats_count)
		return take_count(
			functions, item, f->repeats_ip,
			event_field_u64(item->event, f->repeats_count, rec->data, rec->len));
	return 0;
}

void functions_end_calls(struct functions *functions)
{
	for (size_t i = 0; i < functions->nr_stacks; i++)
		drop_calls(functions->all_stacks[i], 0);
}
