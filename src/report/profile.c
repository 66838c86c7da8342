/* SPDX-License-Identifier: MIT */
/*
 * The counting. A record that begins a pair leaves a `start`; the record that ends it adds the time
 * between to the entry of its task. A stack belongs to the record before it of the same task: to
 * the start, until it ends, or to the entry that was just counted. The stacks of function graph
 * entries come before them, so a stack of nothing is kept for the one record behind it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "report/profile_data.h"

enum {
	TASK_STATES = 1023, /* the bits of prev_state that are states, not reasons */
	STACK_MAX_DEPTH = 1024,
};

/* --- tables --- */

struct task *profile_new_task(struct profile *profile, int32_t pid)
{
	struct task *task = arena_alloc(&profile->arena, sizeof(*task));

	if (!task)
		return NULL;
	task->pid = pid;
	task->id = ++profile->nr_tasks;
	*profile->last_task = task;
	profile->last_task = &task->next;
	return task;
}

static struct task *find_task(struct profile *profile, uint64_t pid)
{
	uint64_t *found, key = (uint32_t)pid;
	struct task *task;

	if (profile->recent_task && profile->recent_task->pid == (int32_t)pid)
		return profile->recent_task;
	found = map_find(&profile->tasks, key);
	if (found) {
		task = (struct task *)(uintptr_t)*found;
	} else {
		task = profile_new_task(profile, (int32_t)pid);
		if (!task || map_set(&profile->tasks, key, (uintptr_t)task) < 0)
			return NULL;
	}
	profile->recent_task = task;
	return task;
}

static uint64_t hash(const struct task *task, const struct kind *kind, uint64_t key, uint64_t value)
{
	return map_mix(map_mix(map_mix(task->id, (uintptr_t)kind), key), value);
}

struct entry *profile_entry(struct profile *profile, struct task *task, const struct kind *kind,
			    uint64_t key, uint64_t value)
{
	uint64_t h = hash(task, kind, key, value), *found = map_find(&profile->entries, h);
	struct entry *first = found ? (struct entry *)(uintptr_t)*found : NULL, *entry;

	for (entry = first; entry; entry = entry->same_hash)
		if (entry->task == task && entry->kind == kind && entry->key == key &&
		    entry->value == value)
			return entry;

	entry = arena_alloc(&profile->arena, sizeof(*entry));
	if (!entry || map_set(&profile->entries, h, (uintptr_t)entry) < 0)
		return NULL;
	entry->same_hash = first;
	entry->task = task;
	entry->kind = kind;
	entry->key = key;
	entry->value = value;
	entry->next = task->entries;
	task->entries = entry;
	return entry;
}

struct entry_stack *profile_entry_stack(struct profile *profile, struct entry *entry,
					const struct stack_text *text)
{
	uint64_t h = map_mix((uintptr_t)entry, text->id);
	uint64_t *found = map_find(&profile->entry_stacks, h);
	struct entry_stack *first = found ? (struct entry_stack *)(uintptr_t)*found : NULL, *stack;

	for (stack = first; stack; stack = stack->same_hash)
		if (stack->entry == entry && stack->text == text)
			return stack;

	stack = arena_alloc(&profile->arena, sizeof(*stack));
	if (!stack || map_set(&profile->entry_stacks, h, (uintptr_t)stack) < 0)
		return NULL;
	stack->same_hash = first;
	stack->entry = entry;
	stack->text = text;
	stack->next = entry->stacks;
	entry->stacks = stack;
	return stack;
}

static const struct stack_text *find_stack(struct profile *profile, const uint8_t *bytes,
					   uint32_t len)
{
	struct stack_text *first, *stack;
	uint64_t h = len, *found;

	for (uint32_t i = 0; i + 4 <= len; i += 4)
		h = map_mix(h, load_u32(bytes + i, HOST_BIG));
	found = map_find(&profile->stacks, h);
	first = found ? (struct stack_text *)(uintptr_t)*found : NULL;
	for (stack = first; stack; stack = stack->next)
		if (stack->len == len && !memcmp(stack->bytes, bytes, len))
			return stack;

	stack = arena_alloc(&profile->arena, sizeof(*stack) + len);
	if (!stack || map_set(&profile->stacks, h, (uintptr_t)stack) < 0)
		return NULL;
	stack->next = first;
	stack->id = ++profile->nr_stacks;
	stack->len = len;
	memcpy(stack->bytes, bytes, len);
	return stack;
}

static void times_add(struct times *times, uint64_t time, uint64_t ts)
{
	times->count++;
	times->total += time;
	if (times->count == 1 || time < times->min) {
		times->min = time;
		times->min_ts = ts;
	}
	if (time > times->max) {
		times->max = time;
		times->max_ts = ts;
	}
}

void times_merge(struct times *times, const struct times *other)
{
	if (!times->count) {
		*times = *other;
		return;
	}
	times->count += other->count;
	times->total += other->total;
	if (times->max < other->max) {
		times->max = other->max;
		times->max_ts = other->max_ts;
	}
	if (times->min > other->min) {
		times->min = other->min;
		times->min_ts = other->min_ts;
	}
}

static int add_stack(struct profile *profile, struct entry *entry, const struct stack_text *text,
		     uint64_t time, uint64_t ts)
{
	struct entry_stack *stack = profile_entry_stack(profile, entry, text);

	if (!stack)
		return -ENOMEM;
	times_add(&stack->times, time, ts);
	return 0;
}

/* --- pairs --- */

static uint64_t start_hash(const struct task *task, const struct kind *kind, uint64_t key)
{
	return hash(task, kind, key, UINT64_MAX);
}

static struct start *new_start(struct profile *profile)
{
	struct start *start = profile->free_starts;

	if (!start)
		return arena_alloc(&profile->arena, sizeof(*start));
	profile->free_starts = start->older;
	*start = (struct start){0};
	return start;
}

static struct start *add_start(struct profile *profile, struct task *task, const struct kind *kind,
			       uint64_t key, uint64_t value, uint32_t cpu, uint64_t ts)
{
	struct start *start = new_start(profile), **open;
	uint64_t *found;

	if (!start)
		return NULL;
	start->hash = start_hash(task, kind, key);
	start->kind = kind;
	start->task = task;
	start->key = key;
	start->value = value;
	start->ts = ts;
	start->list = kind->migrates ? profile->nr_cpus : cpu;

	found = map_find(&profile->starts, start->hash);
	start->older = found ? (struct start *)(uintptr_t)*found : NULL;
	if (map_set(&profile->starts, start->hash, (uintptr_t)start) < 0)
		return NULL;
	if (start->older)
		start->older->newer = start;
	open = &profile->open[start->list];
	start->next = *open;
	if (start->next)
		start->next->prev = start;
	*open = start;
	return start;
}

static void free_start(struct profile *profile, struct start *start)
{
	if (start->task->last_start == start)
		start->task->last_start = NULL;

	if (start->older)
		start->older->newer = start->newer;
	if (start->newer)
		start->newer->older = start->older;
	else if (start->older)
		*map_find(&profile->starts, start->hash) = (uintptr_t)start->older;
	else
		map_remove(&profile->starts, start->hash);

	if (start->next)
		start->next->prev = start->prev;
	if (start->prev)
		start->prev->next = start->next;
	else
		profile->open[start->list] = start->next;

	start->older = profile->free_starts;
	profile->free_starts = start;
}

/*
 * End the youngest start of that kind and key. *ret_entry is NULL when there was none. A clock that
 * ran backwards between two CPUs counts as no time.
 */
static int end_start(struct profile *profile, struct task *task, const struct kind *kind,
		     uint64_t key, uint64_t ts, struct entry **ret_entry)
{
	uint64_t *found = kind ? map_find(&profile->starts, start_hash(task, kind, key)) : NULL;
	struct start *start = found ? (struct start *)(uintptr_t)*found : NULL;
	struct entry *entry;
	uint64_t time;
	int r = 0;

	*ret_entry = NULL;
	while (start && (start->task != task || start->kind != kind || start->key != key))
		start = start->older;
	if (!start)
		return 0;

	time = (int64_t)(ts - start->ts) < 0 ? 0 : ts - start->ts;
	entry = profile_entry(profile, task, kind, start->key, start->value);
	if (!entry)
		return -ENOMEM;
	times_add(&entry->times, time, ts);
	entry->last_time = time;
	if (start->stack)
		r = add_stack(profile, entry, start->stack, time, start->stack_ts);
	free_start(profile, start);
	*ret_entry = entry;
	return r;
}

/* --- records --- */

struct record {
	const struct kind *kind;
	const uint8_t *data;
	uint32_t len, cpu;
	uint64_t ts, pid;
};

/* A field that is no number, or is missing, reads as 0. */
static uint64_t number(const struct profile *profile, const struct event_field *field,
		       const struct record *record)
{
	if (!field || field->size > 8 || (uint64_t)field->offset + field->size > record->len)
		return 0;
	return load_uint(record->data + field->offset, field->size, profile->big_endian);
}

static void learn_comm(struct profile *profile, struct task *task, const struct event_field *field,
		       const struct record *record)
{
	const char *comm;
	uint32_t len;

	if (task->comm || !field)
		return;
	comm = event_field_bytes(record->kind->event, field, record->data, record->len, &len);
	if (comm)
		task->comm = arena_strndup(&profile->arena, comm, strnlen(comm, len));
}

static struct task *owner(struct profile *profile, const struct record *record)
{
	const struct kind *kind = record->kind;

	if (kind->global)
		return &profile->cpu_tasks[kind->migrates ? profile->nr_cpus : record->cpu];
	return find_task(profile, kind->pid ? number(profile, kind->pid, record) : record->pid);
}

static int end_pair(struct profile *profile, const struct record *record)
{
	struct task *task = owner(profile, record);
	struct entry *entry;
	int r;

	if (!task)
		return -ENOMEM;
	r = end_start(profile, task, record->kind->ends,
		      number(profile, record->kind->end_key, record), record->ts, &entry);
	task->last_start = NULL;
	task->last_entry = entry;
	return r;
}

static int begin_pair(struct profile *profile, const struct record *record, struct task **ret_task)
{
	struct task *task = owner(profile, record);
	uint64_t key = number(profile, record->kind->begin_key, record);
	struct start *start;

	if (!task)
		return -ENOMEM;
	start = add_start(profile, task, record->kind, key, key, record->cpu, record->ts);
	if (!start)
		return -ENOMEM;
	task->last_start = start;
	task->last_entry = NULL;
	*ret_task = task;
	return 0;
}

/* An event that stands alone is only counted. */
static int count_event(struct profile *profile, const struct record *record)
{
	struct task *task = find_task(profile, record->pid);
	uint64_t value = number(profile, record->kind->value, record);
	struct entry *entry;

	if (!task)
		return -ENOMEM;
	entry = profile_entry(profile, task, record->kind, value, value);
	if (!entry)
		return -ENOMEM;
	entry->times.count++;
	task->stack_owner = NULL;
	task->last_start = NULL;
	task->last_entry = entry;
	return 0;
}

static int take_other(struct profile *profile, const struct record *record)
{
	struct task *task;
	int r = 0;

	if (!record->kind->ends && !record->kind->begins)
		return count_event(profile, record);
	if (record->kind->ends)
		r = end_pair(profile, record);
	if (r == 0 && record->kind->begins)
		r = begin_pair(profile, record, &task);
	return r;
}

static int take_switch(struct profile *profile, const struct record *record)
{
	const struct kind *kind = record->kind;
	uint64_t prev = number(profile, kind->pid, record);
	uint64_t next = number(profile, profile->switch_next, record);
	uint64_t state = number(profile, kind->value, record) & TASK_STATES;
	struct task *task = find_task(profile, prev);
	struct entry *entry;
	int r;

	if (!task)
		return -ENOMEM;
	learn_comm(profile, task, profile->switch_prev_comm, record);
	task->sleeping = state != 0;
	task->last_start = add_start(profile, task, kind, prev, state, record->cpu, record->ts);
	task->last_entry = NULL;
	if (!task->last_start)
		return -ENOMEM;

	task = find_task(profile, next);
	if (!task)
		return -ENOMEM;
	learn_comm(profile, task, profile->switch_next_comm, record);
	/* It was woken, or else it was preempted before. */
	r = end_start(profile, task, kind->ends, next, record->ts, &entry);
	if (r == 0)
		r = end_start(profile, task, kind, next, record->ts, &entry);
	return r;
}

static int take_wakeup(struct profile *profile, const struct record *record)
{
	const struct kind *kind = record->kind;
	struct task *waker = find_task(profile, record->pid), *task;
	uint64_t pid = number(profile, kind->pid, record);
	struct entry *entry;
	int r;

	if (!waker)
		return -ENOMEM;
	if (kind->value && !number(profile, kind->value, record))
		return 0;
	task = find_task(profile, pid);
	if (!task)
		return -ENOMEM;
	learn_comm(profile, task, profile->wakeup_comm, record);
	if (!task->sleeping) {
		waker->stack_owner = NULL;
		waker->last_start = NULL;
		waker->last_entry = NULL;
		return 0;
	}
	task->sleeping = false;
	waker->stack_owner = task; /* the stack behind this is why the task was woken */
	r = end_start(profile, task, kind->ends, pid, record->ts, &entry);
	if (r < 0)
		return r;
	task->last_start = add_start(profile, task, kind, pid, pid, record->cpu, record->ts);
	task->last_entry = NULL;
	return task->last_start ? 0 : -ENOMEM;
}

static int take_stack(struct profile *profile, const struct record *record)
{
	struct task *current = find_task(profile, record->pid), *task;
	uint32_t len =
		record->len > profile->stack_offset ? record->len - profile->stack_offset : 0;
	const struct stack_text *text;
	struct entry *entry;

	if (!current)
		return -ENOMEM;
	len = MIN(len, STACK_MAX_DEPTH * profile->long_size) & ~3u;
	task = current->stack_owner ? current->stack_owner : current;
	current->stack_owner = NULL;
	current->spare_stack = NULL;
	if (len < profile->long_size)
		return 0;
	text = find_stack(profile, record->data + profile->stack_offset, len);
	if (!text)
		return -ENOMEM;
	if (task->last_start) {
		task->last_start->stack = text;
		task->last_start->stack_ts = record->ts;
		task->last_start = NULL;
		task->last_entry = NULL;
		return 0;
	}
	if (task->last_entry) {
		entry = task->last_entry;
		task->last_entry = NULL;
		return add_stack(profile, entry, text, entry->last_time, record->ts);
	}
	current->spare_stack = text;
	current->spare_ts = record->ts;
	current->fresh_stack = true;
	return 0;
}

static int take_graph_entry(struct profile *profile, const struct record *record)
{
	struct task *task;
	int r = begin_pair(profile, record, &task);

	if (r < 0)
		return r;
	if (task->spare_stack) {
		task->last_start->stack = task->spare_stack;
		task->last_start->stack_ts = task->spare_ts;
		task->spare_stack = NULL;
	}
	task->last_start = NULL; /* a stack behind this is not of this */
	return 0;
}

static int take_graph_exit(struct profile *profile, const struct record *record)
{
	int r = end_pair(profile, record);

	if (r == 0)
		owner(profile, record)->last_entry = NULL;
	return r;
}

/* The task has a new name, which the next switch tells. */
static int take_exec(struct profile *profile, const struct record *record)
{
	const struct event_field *old_pid = record->kind->value;
	struct task *task =
		find_task(profile, old_pid ? number(profile, old_pid, record) : record->pid);

	if (!task)
		return -ENOMEM;
	task->comm = NULL;
	return 0;
}

static int take_record(struct profile *profile, const struct record *record)
{
	switch (record->kind->type) {
	case KIND_STACK:
		return take_stack(profile, record);
	case KIND_SWITCH:
		return take_switch(profile, record);
	case KIND_WAKEUP:
		return take_wakeup(profile, record);
	case KIND_GRAPH_ENTRY:
		return take_graph_entry(profile, record);
	case KIND_GRAPH_EXIT:
		return take_graph_exit(profile, record);
	case KIND_EXEC:
		return take_exec(profile, record);
	default:
		return take_other(profile, record);
	}
}

int profile_event(struct profile *profile, const struct event *event, const void *data,
		  uint32_t len, uint32_t cpu, uint64_t ts)
{
	struct record record = {.data = data, .len = len, .ts = ts};
	struct task *task;
	int r;

	if (!event || event->id >= profile->nr_ids)
		return 0;
	record.cpu = MIN(cpu, profile->nr_cpus - 1);
	record.kind = profile->by_id[event->id];
	record.pid = number(profile, profile->common_pid, &record);
	task = find_task(profile, record.pid);
	if (!task)
		return -ENOMEM;
	task->fresh_stack = false;
	r = take_record(profile, &record);
	if (!task->fresh_stack)
		task->spare_stack = NULL;
	return r;
}

void profile_lost(struct profile *profile, uint32_t cpu)
{
	uint32_t lists[] = {MIN(cpu, profile->nr_cpus - 1), profile->nr_cpus};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		while (profile->open[lists[i]])
			free_start(profile, profile->open[lists[i]]);
}

/* --- */

static int add_global_tasks(struct profile *profile)
{
	char name[64];

	profile->cpu_tasks = mem_calloc(profile->nr_cpus + 1u, sizeof(struct task));
	profile->open = mem_calloc(profile->nr_cpus + 1u, sizeof(struct start *));
	if (!profile->cpu_tasks || !profile->open)
		return -ENOMEM;
	for (uint32_t i = 0; i <= profile->nr_cpus; i++) {
		struct task *task = &profile->cpu_tasks[i];
		int len = i < profile->nr_cpus
				  ? snprintf(name, sizeof(name), "Global CPU[%u] Events", i)
				  : snprintf(name, sizeof(name), "Global Events");

		task->is_global = true;
		task->id = ++profile->nr_tasks;
		task->comm = arena_strndup(&profile->arena, name, (size_t)len);
		if (!task->comm)
			return -ENOMEM;
	}
	return 0;
}

int profile_new(struct profile **ret_profile, const struct event_db *db,
		const struct profile_options *options, struct err *err)
{
	struct profile *profile = mem_zalloc(sizeof(*profile));
	int r;

	if (!profile)
		return err_set(err, -ENOMEM, "out of memory");
	profile->db = db;
	profile->by_comm = options->by_comm;
	profile->big_endian = event_db_big_endian(db);
	profile->long_size = event_db_long_size(db) == 4 ? 4 : 8;
	profile->nr_cpus = MIN(MAX(options->nr_cpus, 1u), LIMIT_CPUS);
	profile->last_task = &profile->first_task;
	r = add_global_tasks(profile);
	if (r < 0)
		err_set(err, r, "out of memory");
	else
		r = profile_setup(profile, options, err);
	if (r < 0) {
		profile_free(profile);
		return r;
	}
	*ret_profile = profile;
	return 0;
}

void profile_free(struct profile *profile)
{
	if (!profile)
		return;
	map_done(&profile->tasks);
	map_done(&profile->entries);
	map_done(&profile->starts);
	map_done(&profile->stacks);
	map_done(&profile->entry_stacks);
	mem_free(profile->by_id);
	mem_free(profile->cpu_tasks);
	mem_free(profile->open);
	arena_done(&profile->arena);
	mem_free(profile);
}
