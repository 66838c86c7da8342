/* SPDX-License-Identifier: MIT */
/* The counting: calls that ended, with their times, and those that did not. */
#include "report/functions.h"

#include <errno.h>

#include "base/mem.h"
#include "report/functions_data.h"

/* A call that did not end is a hit without a time. */
static void count_unfinished(void *arg, struct call_task *task, const struct call *call)
{
	struct function *function = call->user;

	(void)arg;
	(void)task;
	if (function)
		function->hits++;
}

int functions_new(struct functions **ret_functions, const struct event_db *db,
		  enum functions_group group)
{
	static const struct calls_owner owner = {.unfinished = count_unfinished};
	struct functions *functions = mem_zalloc(sizeof(*functions));

	if (!functions)
		return -ENOMEM;
	functions->db = db;
	functions->group = group;
	functions->last = &functions->first;
	if (calls_new(&functions->calls, db, &owner) < 0) {
		mem_free(functions);
		return -ENOMEM;
	}
	*ret_functions = functions;
	return 0;
}

void functions_free(struct functions *functions)
{
	if (!functions)
		return;
	for (struct function *f = functions->first; f; f = f->next)
		mem_free(f->buckets);
	calls_free(functions->calls);
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
	return calls_kind(functions->calls, event) != CALL_NONE;
}

static struct function *first_of_hash(const struct functions *functions, uint64_t h)
{
	const uint64_t *found = map_find(&functions->by_hash, h);

	return found ? (struct function *)(uintptr_t)*found : NULL;
}

static struct function *find_in(struct function *function, uint64_t group, uint64_t addr)
{
	while (function && (function->addr != addr || function->group != group))
		function = function->same_hash;
	return function;
}

const struct function *functions_known(const struct functions *functions, uint64_t group,
				       uint64_t addr)
{
	return find_in(first_of_hash(functions, map_mix(group, addr)), group, addr);
}

struct function *functions_find(struct functions *functions, uint64_t group, uint64_t addr)
{
	uint64_t h = map_mix(group, addr);
	struct function *first = first_of_hash(functions, h);
	struct function *function = find_in(first, group, addr);

	if (function)
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

static struct function *function_at(struct functions *functions, const struct report_item *item,
				    uint64_t func)
{
	return functions_find(functions, group_of(functions, item->pid, item->rec->cpu), func);
}

/* With FUNCTIONS_BY_CPU a call is counted where it ended. */
static int take_end(struct functions *functions, const struct report_item *item,
		    const struct call_step *step)
{
	struct function *function = step->paired ? step->call.user : NULL;

	if (!function || function->group != group_of(functions, item->pid, item->rec->cpu))
		function = function_at(functions, item, step->func);
	if (!function)
		return -ENOMEM;
	function->hits++;
	if (step->self_known) {
		function->self += step->self_ns;
		function->nr_self++;
	}
	functions->any_timed |= step->timed;
	return step->timed ? function_add_time(function, step->ns) : 0;
}

static int take_step(struct functions *functions, const struct report_item *item,
		     const struct call_step *step)
{
	struct function *function;

	switch (step->kind) {
	case CALL_BEGIN:
		function = function_at(functions, item, step->func);
		step->task->calls[step->task->nr - 1].user = function;
		return function ? 0 : -ENOMEM;
	case CALL_END:
		return take_end(functions, item, step);
	case CALL_POINT:
		function = function_at(functions, item, step->func);
		if (function)
			function->hits += step->count;
		return function ? 0 : -ENOMEM;
	default:
		return 0;
	}
}

int functions_event(struct functions *functions, const struct report_item *item)
{
	struct call_step step;
	int r;

	do {
		if (calls_record(functions->calls, item, &step) < 0)
			return -ENOMEM;
		r = take_step(functions, item, &step);
	} while (r == 0 && step.more);
	return r;
}

void functions_end_calls(struct functions *functions)
{
	if (functions->calls)
		calls_end(functions->calls);
}
