/* SPDX-License-Identifier: MIT */
/*
 * The pairing: a stack of open calls for each task, pushed by entries and popped by returns. What a
 * return says of the time is believed; the stack tells whose time it is.
 */
#include "report/calls.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"

enum {
	MAX_DEPTH = 1 << 20, /* of open calls: what is deeper has lost its returns */
	/* A chain that is guessed from callers grows for ever where a function calls itself. */
	MAX_CHAIN = 1024,
	/* Words between two places that cannot be on one stack: 1 MiB, more than a frame has. */
	STACK_SPAN = 1 << 17,
	/* Calls on other stacks that are looked through for one on this stack. */
	MAX_FOREIGN = 256,
	NR_KINDS = 11
};

struct call_cpu {
	struct call_task *task; /* the last one here */
	uint64_t lost_at;	/* sequence of the record behind the last loss; 0: none */
};

/* Where the fields of one event lie. */
struct call_event {
	const struct event *event; /* NULL: not recorded */
	enum call_kind kind;
	const struct event_field *func, *depth;	  /* depth: or NULL */
	const struct event_field *begin, *end;	  /* of a return: or both NULL */
	const struct event_field *parent, *count; /* of the function tracer: or NULL */
	const struct event_field *sp;		  /* of programs: or NULL */
	bool continues;				  /* of a call that this one goes on from */
	bool clock;				  /* begin and end are times of the trace clock */
};

struct calls {
	const struct symbols *symbols;
	struct calls_owner owner;
	struct call_event events[NR_KINDS];
	struct arena arena;
	struct map by_key; /* struct call_task */
	struct call_task **tasks;
	size_t nr_tasks, cap_tasks;
	struct call_cpu *cpus;
	size_t nr_cpus, cap_cpus;
	uint64_t sequence;
	bool more; /* the record before is being taken once more */
};

static const struct {
	const char *system, *name;
	enum call_kind kind;
	const char *func, *depth, *begin, *end, *parent, *count, *sp;
	bool continues, clock;
} sources[NR_KINDS] = {
	{"ftrace", "funcgraph_entry", CALL_BEGIN, "func", "depth"},
	{"ftrace", "fgraph_retaddr_entry", CALL_BEGIN, "func", "depth"},
	{"ftrace", "funcgraph_exit", CALL_END, "func", "depth", "calltime", "rettime"},
	{"ftrace", "function", CALL_POINT, "ip", .parent = "parent_ip"},
	{"ftrace", "func_repeats", CALL_POINT, "ip", .parent = "parent_ip", .count = "count"},
	{"sonde", "func_entry", CALL_BEGIN, "ip", .sp = "sp"},
	{"sonde", "func_tail", CALL_BEGIN, "ip", .sp = "sp", .continues = true},
	{"sonde", "func_exit", CALL_END, "ip", .sp = "sp"},
	{"sonde", "func_call", CALL_POINT, "ip"},
	{"sonde", "func_count", CALL_POINT, "ip", .count = "count"},
	{"sonde", "func_long", CALL_END, "ip", .begin = "calltime", .end = "rettime", .sp = "sp",
	 .clock = true},
};

static const struct event_field *field(const struct event *event, const char *name)
{
	return name ? event_field_find(event, name) : NULL;
}

static void find_events(struct calls *calls, const struct event_db *db)
{
	for (size_t i = 0; i < NR_KINDS; i++) {
		const struct event *event =
			event_db_by_name(db, sources[i].system, sources[i].name);
		struct call_event *e = &calls->events[i];

		if (!event)
			continue;
		*e = (struct call_event){
			.event = event,
			.kind = sources[i].kind,
			.func = field(event, sources[i].func),
			.depth = field(event, sources[i].depth),
			.begin = field(event, sources[i].begin),
			.end = field(event, sources[i].end),
			.parent = field(event, sources[i].parent),
			.count = field(event, sources[i].count),
			.sp = field(event, sources[i].sp),
			.continues = sources[i].continues,
			.clock = sources[i].clock,
		};
		if (!e->func || (sources[i].count && !e->count))
			e->kind = CALL_NONE;
		if (!e->begin || !e->end)
			e->begin = e->end = NULL;
	}
}

int calls_new(struct calls **ret_calls, const struct event_db *db, const struct calls_owner *owner)
{
	struct calls *calls = mem_zalloc(sizeof(*calls));

	if (!calls)
		return -ENOMEM;
	calls->symbols = event_db_symbols(db);
	calls->owner = *owner;
	find_events(calls, db);
	*ret_calls = calls;
	return 0;
}

void calls_free(struct calls *calls)
{
	if (!calls)
		return;
	for (size_t i = 0; i < calls->nr_tasks; i++) {
		mem_free(calls->tasks[i]->calls);
		mem_free(calls->tasks[i]->chain);
	}
	mem_free(calls->tasks);
	mem_free(calls->cpus);
	map_done(&calls->by_key);
	arena_done(&calls->arena);
	mem_free(calls);
}

static const struct call_event *find_event(const struct calls *calls, const struct event *event)
{
	for (size_t i = 0; i < NR_KINDS; i++)
		if (calls->events[i].event == event)
			return &calls->events[i];
	return NULL;
}

enum call_kind calls_kind(const struct calls *calls, const struct event *event)
{
	const struct call_event *e = event ? find_event(calls, event) : NULL;

	return e ? e->kind : CALL_NONE;
}

/* --- tasks and CPUs --- */

static int reach_cpu(struct calls *calls, uint32_t cpu)
{
	size_t old = calls->cap_cpus;

	if (cpu < calls->nr_cpus)
		return 0;
	if (cpu >= LIMIT_CPUS || array_reserve(&calls->cpus, &calls->cap_cpus, (size_t)cpu + 1,
					       sizeof(*calls->cpus)) < 0)
		return -ENOMEM;
	memset(calls->cpus + old, 0, (calls->cap_cpus - old) * sizeof(*calls->cpus));
	calls->nr_cpus = (size_t)cpu + 1;
	return 0;
}

static struct call_task *new_task(struct calls *calls, int64_t key, int32_t pid)
{
	struct call_task *task = arena_alloc(&calls->arena, sizeof(*task));

	if (!task ||
	    array_reserve(&calls->tasks, &calls->cap_tasks, calls->nr_tasks + 1,
			  sizeof(struct call_task *)) < 0 ||
	    map_set(&calls->by_key, (uint64_t)key, (uintptr_t)task) < 0)
		return NULL;
	task->key = key;
	task->pid = pid;
	calls->tasks[calls->nr_tasks++] = task;
	return task;
}

/*
 * A loss on the CPU where the task was or is hides what it did: its open calls are forgotten. Their
 * ends, when they come, say themselves how long they took.
 */
static void check_loss(const struct calls *calls, struct call_task *task, uint32_t cpu)
{
	if (calls->cpus[task->cpu].lost_at > task->sequence ||
	    calls->cpus[cpu].lost_at > task->sequence) {
		while (task->nr) {
			if (calls->owner.forgotten)
				calls->owner.forgotten(calls->owner.arg, task,
						       &task->calls[task->nr - 1]);
			task->nr--;
		}
		task->nr_chain = 0;
	}
	task->cpu = cpu;
	task->sequence = calls->sequence;
}

/* The task that runs on `cpu`. All CPUs have an idle task, all of pid 0. NULL without memory. */
static struct call_task *find_task(struct calls *calls, int32_t pid, uint32_t cpu)
{
	struct call_cpu *at = &calls->cpus[cpu];
	int64_t key = pid ? (int64_t)(uint32_t)pid : -1 - (int64_t)cpu;
	uint64_t *found;

	if (!at->task || at->task->key != key) {
		found = map_find(&calls->by_key, (uint64_t)key);
		at->task =
			found ? (struct call_task *)(uintptr_t)*found : new_task(calls, key, pid);
	}
	if (at->task)
		check_loss(calls, at->task, cpu);
	return at->task;
}

/* --- open calls --- */

/* Calls inside the `nr` outermost ones that no record ended. */
static void drop_calls(const struct calls *calls, struct call_task *task, uint32_t nr)
{
	while (task->nr > nr) {
		if (calls->owner.unfinished)
			calls->owner.unfinished(calls->owner.arg, task, &task->calls[task->nr - 1]);
		task->nr--;
	}
}

static void drop_deeper(const struct calls *calls, struct call_task *task, int32_t depth)
{
	uint32_t nr = task->nr;

	while (nr && task->calls[nr - 1].depth >= depth)
		nr--;
	drop_calls(calls, task, nr);
}

/* Whether `call` is at `sp` or deeper on the same stack, which grows downwards. */
static bool is_below(const struct call *call, uint32_t sp)
{
	return call->has_sp && sp - call->sp < STACK_SPAN;
}

static bool is_above(const struct call *call, uint32_t sp)
{
	return call->has_sp && call->sp - sp - 1u < STACK_SPAN;
}

/*
 * End the calls of this stack that are at `sp` or deeper, among those from `first` on: somebody
 * calls or returns there, so they are over.
 */
static void drop_below(const struct calls *calls, struct call_task *task, uint32_t first,
		       uint32_t sp)
{
	uint32_t nr = first;

	for (uint32_t i = first; i < task->nr; i++) {
		if (!is_below(&task->calls[i], sp))
			task->calls[nr++] = task->calls[i];
		else if (calls->owner.unfinished)
			calls->owner.unfinished(calls->owner.arg, task, &task->calls[i]);
	}
	task->nr = nr;
}

/* A call begins at `sp`: what is still open there, or deeper, was left in another way. */
static void drop_left(const struct calls *calls, struct call_task *task, uint32_t sp)
{
	uint32_t first = task->nr, foreign = 0;

	while (first && foreign < MAX_FOREIGN && !is_above(&task->calls[first - 1], sp)) {
		foreign += !is_below(&task->calls[first - 1], sp);
		first--;
	}
	drop_below(calls, task, first, sp);
}

/*
 * The innermost open call at this place among the `nr` outermost ones; nr when there is none. What
 * is open on a stack was entered the further up the further out it is (drop_left), so the search
 * ends at the first one above.
 */
static uint32_t find_at(const struct call_task *task, uint32_t nr, uint32_t sp)
{
	for (uint32_t i = nr; i-- > 0 && !is_above(&task->calls[i], sp);) {
		if (task->calls[i].has_sp && task->calls[i].sp == sp)
			return i;
	}
	return nr;
}

/* The open call that a return ends: the innermost of this function and depth. */
static const struct call *find_call(const struct call_task *task, uint64_t func,
				    const int32_t *depth)
{
	for (uint32_t i = task->nr; i-- > 0;) {
		const struct call *call = &task->calls[i];

		if (call->func == func && (!depth || call->depth == *depth))
			return call;
		if (depth && call->depth < *depth)
			return NULL;
	}
	return NULL;
}

static uint64_t number(const struct report_item *item, const struct event_field *f)
{
	return event_field_u64(item->event, f, item->rec->data, item->rec->len);
}

/* What a record says may be anything. */
static int32_t depth_of(const struct report_item *item, const struct call_event *e)
{
	int32_t depth = (int32_t)number(item, e->depth);

	return MIN(MAX(depth, 0), (int32_t)MAX_DEPTH);
}

static int take_begin(const struct calls *calls, const struct report_item *item,
		      const struct call_event *e, struct call_step *step)
{
	struct call_task *task = step->task;
	uint32_t sp = e->sp ? (uint32_t)number(item, e->sp) : 0;
	size_t cap = task->cap;

	if (e->depth) {
		step->depth = depth_of(item, e);
		drop_deeper(calls, task, step->depth);
	}
	if (e->sp) /* what goes on from a call is inside it, at its place */
		drop_left(calls, task, sp - (e->continues ? 1 : 0));
	if (task->nr >= MAX_DEPTH)
		drop_calls(calls, task, 0);
	if (!e->depth)
		step->depth = (int32_t)task->nr;
	if (array_reserve(&task->calls, &cap, task->nr + 1u, sizeof(*task->calls)) < 0)
		return -ENOMEM;
	task->cap = (uint32_t)cap;
	task->calls[task->nr++] = (struct call){.func = step->func,
						.ts = item->rec->ts,
						.sp = sp,
						.has_sp = e->sp != NULL,
						.continues = e->continues,
						.depth = step->depth,
						.self_known = true};
	return 0;
}

/* How long the call took that this return ends. False when nothing tells. */
static bool call_time(const struct report_item *item, const struct call_event *e,
		      const struct call *call, uint64_t *ret_ns)
{
	uint64_t begin, end;

	if (e->begin) {
		begin = number(item, e->begin);
		end = number(item, e->end);
		if (e->clock) {
			begin = source_time(item->source, begin, item->rec->cpu);
			end = source_time(item->source, end, item->rec->cpu);
		}
	} else if (call) {
		begin = call->ts;
		end = item->rec->ts;
	} else {
		return false;
	}
	*ret_ns = end - begin;
	return end >= begin;
}

/*
 * The innermost open call at `sp`, if the return of `func` can be its end: that is the function
 * which was entered there, whatever it has jumped to. task->nr if not; where another function was
 * entered, that one's return is not in the recording (a filter), and it is over.
 */
static uint32_t find_ended(const struct calls *calls, struct call_task *task, uint32_t sp,
			   uint64_t func)
{
	uint32_t at = find_at(task, task->nr, sp), outermost = at, next;

	if (at == task->nr)
		return at;
	while ((next = find_at(task, outermost, sp)) < outermost)
		outermost = next;
	if (task->calls[outermost].continues || task->calls[outermost].func == func)
		return at;
	drop_below(calls, task, outermost, sp);
	return task->nr;
}

/*
 * The open call that a return ends, as the last one of the task. False when it is not known, and
 * then what cannot be open any more is gone.
 */
static bool close_inner(const struct calls *calls, const struct report_item *item,
			const struct call_event *e, struct call_step *step)
{
	struct call_task *task = step->task;
	const struct call *call;
	struct call ended;
	uint32_t sp, at;

	if (!e->sp) {
		call = find_call(task, step->func, e->depth ? &step->depth : NULL);
		if (call)
			drop_calls(calls, task, (uint32_t)(call - task->calls) + 1);
		else if (e->depth)
			drop_deeper(calls, task, step->depth);
		return call;
	}
	sp = (uint32_t)number(item, e->sp);
	at = find_ended(calls, task, sp, step->func);
	if (at == task->nr)
		return false;
	ended = task->calls[at];
	memmove(&task->calls[at], &task->calls[at + 1], (task->nr - at - 1) * sizeof(*task->calls));
	task->nr--;
	drop_below(calls, task, at, sp);
	step->more = find_at(task, task->nr, sp) < task->nr;
	step->func = ended.func;
	task->calls[task->nr++] = ended;
	return true;
}

static void take_end(const struct calls *calls, const struct report_item *item,
		     const struct call_event *e, struct call_step *step)
{
	struct call_task *task = step->task;
	const struct call *call;

	if (e->depth)
		step->depth = depth_of(item, e);
	call = close_inner(calls, item, e, step) ? &task->calls[task->nr - 1] : NULL;
	step->timed = call_time(item, e, call, &step->ns);
	if (call) {
		step->paired = true;
		step->call = *call;
		step->depth = call->depth;
		task->nr--;
		step->self_known = step->timed && call->self_known && call->callees_ns <= step->ns;
		step->self_ns = step->self_known ? step->ns - call->callees_ns : 0;
	} else if (!e->depth) {
		step->depth = (int32_t)task->nr;
	}
	if (task->nr) {
		task->calls[task->nr - 1].callees_ns += step->timed ? step->ns : 0;
		task->calls[task->nr - 1].self_known &= step->timed;
	}
}

/* --- chains of callers --- */

static uint64_t function_of(const struct calls *calls, uint64_t addr)
{
	const struct symbol *symbol = symbols_find(calls->symbols, addr);

	return symbol ? symbol->addr : addr;
}

static int push_link(struct call_task *task, uint64_t func)
{
	size_t cap = task->cap_chain;

	if (array_reserve(&task->chain, &cap, task->nr_chain + 1u, sizeof(*task->chain)) < 0)
		return -ENOMEM;
	task->cap_chain = (uint32_t)cap;
	task->chain[task->nr_chain++] = (struct call_link){.func = func};
	return 0;
}

static int take_point(const struct calls *calls, const struct report_item *item,
		      const struct call_event *e, struct call_step *step)
{
	struct call_task *task = step->task;
	uint32_t nr = 0;

	step->count = e->count ? number(item, e->count) : 1;
	if (!calls->owner.chains)
		return 0;
	if (e->parent) {
		uint64_t parent = function_of(calls, number(item, e->parent));

		for (nr = task->nr_chain; nr && task->chain[nr - 1].func != parent;)
			nr--;
		if (nr >= MAX_CHAIN)
			nr = 0;
		task->nr_chain = nr;
		if (!nr && push_link(task, parent) < 0)
			return -ENOMEM;
	} else {
		task->nr_chain = 0;
	}
	step->depth = (int32_t)task->nr_chain;
	return push_link(task, function_of(calls, step->func));
}

/* --- */

int calls_record(struct calls *calls, const struct report_item *item, struct call_step *ret_step)
{
	const struct source_record *rec = item->rec;
	struct call_step step = {0};
	const struct call_event *e;
	int r = 0;

	if (reach_cpu(calls, rec->cpu) < 0)
		return -ENOMEM;
	if (!calls->more) {
		calls->sequence++;
		if (item->lost)
			calls->cpus[rec->cpu].lost_at = calls->sequence;
	}
	calls->more = false;
	if (!item->event) {
		*ret_step = step;
		return 0;
	}
	step.task = find_task(calls, item->pid, rec->cpu);
	if (!step.task)
		return -ENOMEM;
	e = find_event(calls, item->event);
	if (e && e->kind != CALL_NONE) {
		step.kind = rec->begins ? CALL_BEGIN : e->kind;
		step.func = number(item, e->func);
		if (step.kind == CALL_BEGIN)
			r = take_begin(calls, item, e, &step);
		else if (step.kind == CALL_END)
			take_end(calls, item, e, &step);
		else
			r = take_point(calls, item, e, &step);
	}
	if (r < 0)
		return r;
	calls->more = step.more;
	*ret_step = step;
	return 0;
}

bool calls_is_return(const struct calls *calls, const struct report_item *next, uint64_t func,
		     uint64_t *ret_ns)
{
	const struct call_event *e = next->event ? find_event(calls, next->event) : NULL;

	if (!e || e->kind != CALL_END || next->rec->begins || number(next, e->func) != func)
		return false;
	if (e->begin && !call_time(next, e, NULL, ret_ns))
		*ret_ns = 0;
	return true;
}

void calls_end(struct calls *calls)
{
	for (size_t i = 0; i < calls->nr_tasks; i++)
		drop_calls(calls, calls->tasks[i], 0);
}

struct call_task *calls_task_of(const struct calls *calls, int32_t pid)
{
	const uint64_t *found = pid ? map_find(&calls->by_key, (uint32_t)pid) : NULL;

	return found ? (struct call_task *)(uintptr_t)*found : NULL;
}

size_t calls_nr_tasks(const struct calls *calls)
{
	return calls->nr_tasks;
}

struct call_task *calls_task(const struct calls *calls, size_t index)
{
	return calls->tasks[index];
}
