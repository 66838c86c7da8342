/* SPDX-License-Identifier: MIT */
/*
 * The text: for each task its entries, longest first within an event, and below an entry the stacks
 * as a tree that shares what they have in common from the top.
 */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "report/profile_data.h"
#include "report/rows.h"

/* A branch of the tree of stacks: those of `stacks` that have `addr` at this depth. */
struct chain {
	const struct entry_stack *const *stacks;
	size_t nr_stacks;
	uint64_t addr;
	uint32_t percent;
	struct times times;
};

struct chains {
	struct chain *chain; /* owned */
	size_t nr;
};

struct printer {
	const struct profile *profile;
	struct out *out;
	uint64_t lines; /* bit n: a branch continues in column n */
	int error;
	struct rows *rows;     /* instead of the text: a row an entry */
	const char *task_name; /* of the rows */
	int64_t pid;	       /* of the rows; -1: of no single task */
};

static void print_ts(struct out *out, uint64_t ts)
{
	uint64_t us = ts / 1000 + (ts % 1000 >= 500);

	out_lit(out, "(ts:");
	out_u64(out, us / 1000000);
	out_char(out, '.');
	out_u64_pad(out, us % 1000000, 6, '0');
	out_char(out, ')');
}

static void print_number(struct out *out, const char *before, uint64_t value)
{
	out_str(out, before);
	out_u64(out, value);
}

/* --- stacks --- */

/* False behind the last address of the stack. */
static bool stack_addr(const struct profile *profile, const struct stack_text *text, uint32_t depth,
		       uint64_t *ret_addr)
{
	uint32_t size = profile->long_size;
	uint64_t addr, none = size == 4 ? UINT32_MAX : UINT64_MAX;

	if ((uint64_t)(depth + 1) * size > text->len)
		return false;
	addr = load_uint(text->bytes + depth * size, size, profile->big_endian);
	if (addr == none)
		return false;
	*ret_addr = addr;
	return true;
}

/* trace-cmd's order: by 32-bit words as they lie in memory; a longer stack behind its beginning. */
static int compare_stacks(const void *a, const void *b)
{
	const struct stack_text *left = (*(const struct entry_stack *const *)a)->text;
	const struct stack_text *right = (*(const struct entry_stack *const *)b)->text;
	uint32_t len = MIN(left->len, right->len);

	for (uint32_t i = 0; i < len; i += 4) {
		uint32_t l = load_u32(left->bytes + i, HOST_BIG);
		uint32_t r = load_u32(right->bytes + i, HOST_BIG);

		if (l != r)
			return l < r ? -1 : 1;
	}
	return left->len < right->len ? -1 : left->len > right->len;
}

/* Longest first, or most frequent where there is no time; else in the order of the addresses. */
static int compare_chains(const void *a, const void *b)
{
	const struct chain *left = a, *right = b;

	if (left->times.total != right->times.total)
		return left->times.total > right->times.total ? -1 : 1;
	if (left->times.count != right->times.count)
		return left->times.count > right->times.count ? -1 : 1;
	return left->stacks < right->stacks ? -1 : left->stacks > right->stacks;
}

static void set_percent(struct chains *chains)
{
	uint64_t total = 0, count = 0;

	for (size_t i = 0; i < chains->nr; i++) {
		total += chains->chain[i].times.total;
		count += chains->chain[i].times.count;
	}
	for (size_t i = 0; i < chains->nr; i++) {
		struct chain *chain = &chains->chain[i];

		if (total)
			chain->percent = (uint32_t)((chain->times.total * 100 + total / 2) / total);
		else if (count)
			chain->percent = (uint32_t)((chain->times.count * 100 + count / 2) / count);
	}
}

/* Split sorted stacks by their address at `depth`; those that end above it are left out. */
static int split(const struct profile *profile, const struct entry_stack *const *stacks, size_t nr,
		 uint32_t depth, struct chains *ret_chains)
{
	struct chains chains = {.chain = mem_calloc(nr + 1, sizeof(struct chain))};
	bool open = false;

	if (!chains.chain)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		struct chain *chain = &chains.chain[chains.nr - open];
		uint64_t addr;

		if (!stack_addr(profile, stacks[i]->text, depth, &addr)) {
			open = false;
			continue;
		}
		if (!open || chain->addr != addr) {
			chain = &chains.chain[chains.nr++];
			chain->stacks = &stacks[i];
			chain->addr = addr;
			open = true;
		}
		chain->nr_stacks++;
		times_merge(&chain->times, &stacks[i]->times);
	}
	qsort(chains.chain, chains.nr, sizeof(struct chain), compare_chains);
	set_percent(&chains);
	*ret_chains = chains;
	return 0;
}

static void print_lines(struct printer *printer, uint32_t level)
{
	for (uint32_t i = 0; i <= level; i++) {
		bool line = i < 64 && (printer->lines >> i & 1);

		out_str(printer->out, line ? "    | " : "      ");
	}
}

static void set_line(struct printer *printer, uint32_t level, bool on)
{
	uint64_t bit = level < 64 ? 1ull << level : 0;

	printer->lines = on ? printer->lines | bit : printer->lines & ~bit;
}

static void print_func(struct printer *printer, uint64_t addr)
{
	const struct symbol *symbol = symbols_find(event_db_symbols(printer->profile->db), addr);
	struct out *out = printer->out;

	if (symbol) {
		out_mem(out, symbol->name, symbol->name_len);
		out_lit(out, " (0x");
		out_hex(out, addr);
		out_lit(out, ")\n");
	} else {
		out_lit(out, "0x");
		out_hex(out, addr);
		out_char(out, '\n');
	}
}

static void print_chain_times(struct out *out, const struct chain *chain)
{
	const struct times *times = &chain->times;

	print_number(out, "  ", chain->percent);
	print_number(out, "% (", times->count);
	out_char(out, ')');
	if (times->total) {
		print_number(out, " time:", times->total);
		print_number(out, " max:", times->max);
		print_ts(out, times->max_ts);
		print_number(out, " min:", times->min);
		print_ts(out, times->min_ts);
		print_number(out, " avg:", times->total / times->count);
	}
	out_char(out, '\n');
}

static void print_chains(struct printer *printer, struct chains *chains, uint32_t level,
			 uint32_t depth);

/* One branch: its functions down to where it divides, and the branches below. */
static void print_chain(struct printer *printer, const struct chain *chain, uint32_t level,
			uint32_t depth, bool last)
{
	struct chains below = {0};
	const char *line = last ? "      " : "    | ";

	print_lines(printer, level);
	out_lit(printer->out, "    + ");
	if (last)
		set_line(printer, level + 1, false);
	print_func(printer, chain->addr);
	print_lines(printer, level);
	out_str(printer->out, line);
	print_chain_times(printer->out, chain);

	while (!printer->error) {
		mem_free(below.chain);
		below = (struct chains){0};
		printer->error =
			split(printer->profile, chain->stacks, chain->nr_stacks, ++depth, &below);
		if (printer->error || below.nr != 1)
			break;
		print_lines(printer, level);
		out_str(printer->out, line);
		out_lit(printer->out, "   ");
		print_func(printer, below.chain[0].addr);
	}
	if (!printer->error)
		print_chains(printer, &below, level + 1, depth);
	mem_free(below.chain);
	print_lines(printer, level + 1);
	out_char(printer->out, '\n');
}

static void print_chains(struct printer *printer, struct chains *chains, uint32_t level,
			 uint32_t depth)
{
	if (!chains->nr)
		return;
	set_line(printer, level + 1, true);
	print_lines(printer, level + 1);
	out_char(printer->out, '\n');
	for (size_t i = 0; i < chains->nr; i++)
		print_chain(printer, &chains->chain[i], level, depth, i + 1 == chains->nr);
	set_line(printer, level + 1, false);
	print_lines(printer, level);
	out_char(printer->out, '\n');
}

static void print_stacks(struct printer *printer, const struct entry *entry)
{
	_cleanup_free_ const struct entry_stack **stacks = NULL;
	struct chains chains;
	size_t nr = 0;

	for (const struct entry_stack *s = entry->stacks; s; s = s->next)
		nr++;
	if (!nr || printer->error)
		return;
	stacks = mem_calloc(nr, sizeof(struct entry_stack *));
	if (!stacks) {
		printer->error = -ENOMEM;
		return;
	}
	nr = 0;
	for (const struct entry_stack *s = entry->stacks; s; s = s->next)
		stacks[nr++] = s;
	qsort(stacks, nr, sizeof(struct entry_stack *), compare_stacks);
	printer->error = split(printer->profile, stacks, nr, 0, &chains);
	if (printer->error)
		return;
	printer->lines = 0;
	print_chains(printer, &chains, 0, 0);
	mem_free(chains.chain);
}

/* --- entries --- */

static void print_states(struct out *out, uint64_t states)
{
	static const char letters[] = "SDTtXZxKWP"; /* bit 0 is S */

	if (!states)
		out_char(out, 'R');
	for (size_t i = 0; i < sizeof(letters) - 1; i++)
		if (states >> i & 1)
			out_char(out, letters[i]);
}

static void print_softirq(struct out *out, uint64_t vec)
{
	/* kernel: include/linux/interrupt.h */
	static const char *const names[] = {"HI",	    "TIMER",   "NET_TX", "NET_RX",  "BLOCK",
					    "BLOCK_IOPOLL", "TASKLET", "SCHED",	 "HRTIMER", "RCU"};

	if (vec < ARRAY_SIZE(names))
		out_str(out, names[vec]);
	else
		out_i64(out, (int32_t)vec);
}

/* What tells the entries of one event apart. */
static void print_detail(const struct entry *entry, struct out *out)
{
	const struct kind *kind = entry->kind;

	if (kind->type == KIND_SWITCH) {
		print_states(out, entry->value);
	} else if (kind->type == KIND_SOFTIRQ) {
		print_softirq(out, entry->value);
	} else if (kind->type == KIND_SYSCALL) {
		out_i64(out, (int32_t)entry->value);
	} else {
		out_lit(out, "0x");
		out_hex(out, entry->value);
	}
}

static bool is_function(const struct kind *kind)
{
	return kind->type == KIND_FUNCTION || kind->type == KIND_GRAPH_ENTRY ||
	       kind->type == KIND_GRAPH_EXIT;
}

static const struct symbol *entry_symbol(struct printer *printer, const struct entry *entry)
{
	return is_function(entry->kind)
		       ? symbols_find(event_db_symbols(printer->profile->db), entry->value)
		       : NULL;
}

static void print_entry_name(struct printer *printer, const struct entry *entry)
{
	const struct symbol *symbol = entry_symbol(printer, entry);
	struct out *out = printer->out;

	if (is_function(entry->kind))
		out_lit(out, "func: ");
	if (symbol) {
		out_mem(out, symbol->name, symbol->name_len);
		out_lit(out, "()");
		return;
	}
	if (!is_function(entry->kind)) {
		out_str(out, entry->kind->event->name);
		out_char(out, ':');
	}
	print_detail(entry, out);
}

static const char *const row_names[] = {"task",	  "pid",    "event",  "detail", "count", "total_ns",
					"avg_ns", "max_ns", "max_ts", "min_ns", "min_ts"};

static void entry_row(struct printer *printer, const struct entry *entry)
{
	const uint64_t values[] = {entry->times.total,
				   entry->times.count ? entry->times.total / entry->times.count : 0,
				   entry->times.max,
				   entry->times.max_ts,
				   entry->times.min,
				   entry->times.min_ts};
	const struct symbol *symbol = entry_symbol(printer, entry);
	_cleanup_out_ struct out detail = {0};
	struct rows *rows = printer->rows;

	print_detail(entry, &detail);
	rows_begin(rows);
	rows_text(rows, "task", printer->task_name);
	if (printer->pid >= 0)
		rows_u64(rows, "pid", (uint64_t)printer->pid);
	else
		rows_none(rows, "pid");
	rows_text(rows, "event", entry->kind->event->name);
	rows_text(rows, "detail", symbol ? symbol->name : out_cstr(&detail));
	rows_u64(rows, "count", entry->times.count);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		if (entry->times.total)
			rows_u64(rows, row_names[5 + i], values[i]);
		else
			rows_none(rows, row_names[5 + i]);
	}
	rows_end(rows);
	if (detail.failed)
		printer->error = -ENOMEM;
}

static void print_entry(struct printer *printer, const struct entry *entry)
{
	const struct times *times = &entry->times;
	struct out *out = printer->out;

	if (printer->rows) {
		entry_row(printer, entry);
		return;
	}
	out_lit(out, "  Event: ");
	print_entry_name(printer, entry);
	print_number(out, " (", times->count);
	out_char(out, ')');
	if (times->total) {
		print_number(out, " Total: ", times->total);
		print_number(out, " Avg: ", times->total / times->count);
		print_number(out, " Max: ", times->max);
		print_ts(out, times->max_ts);
		print_number(out, " Min:", times->min);
		print_ts(out, times->min_ts);
	}
	out_char(out, '\n');
	print_stacks(printer, entry);
}

static int rank(const struct entry *entry)
{
	return entry->kind->type == KIND_SWITCH ? 0 : entry->kind->type == KIND_WAKEUP ? 1 : 2;
}

#define COMPARE(a, b) ((a) < (b) ? -1 : (a) > (b))

/* Switches by state, wake-ups, then by event; the longest first, then the most frequent. */
static int compare_entries(const void *a, const void *b)
{
	const struct entry *left = *(const struct entry *const *)a;
	const struct entry *right = *(const struct entry *const *)b;
	int r = COMPARE(rank(left), rank(right));

	if (r == 0 && rank(left) == 0)
		r = COMPARE(left->value, right->value);
	if (r == 0 && rank(left) == 2)
		r = COMPARE(left->kind->event->id, right->kind->event->id);
	if (r == 0)
		r = COMPARE(right->times.total, left->times.total);
	if (r == 0)
		r = COMPARE(right->times.count, left->times.count);
	if (r == 0)
		r = COMPARE(left->value, right->value);
	return r ? r : COMPARE(left->key, right->key);
}

static void print_entries(struct printer *printer, const struct task *task)
{
	_cleanup_free_ const struct entry **entries = NULL;
	size_t nr = 0;

	for (const struct entry *e = task->entries; e; e = e->next)
		nr++;
	entries = mem_calloc(nr + 1, sizeof(struct entry *));
	if (!entries) {
		printer->error = -ENOMEM;
		return;
	}
	nr = 0;
	for (const struct entry *e = task->entries; e; e = e->next)
		entries[nr++] = e;
	qsort(entries, nr, sizeof(struct entry *), compare_entries);
	for (size_t i = 0; i < nr && !printer->error; i++)
		print_entry(printer, entries[i]);
}

/* --- tasks and groups --- */

static void print_task(struct printer *printer, const struct task *task)
{
	const char *comm = task->comm;

	if (!comm)
		comm = event_db_comm(printer->profile->db, task->pid);
	printer->task_name = comm ? comm : "<...>";
	printer->pid = task->pid;
	if (!printer->rows)
		out_printf(printer->out, "\ntask: %s-%d\n", printer->task_name, task->pid);
	print_entries(printer, task);
}

static int compare_pids(const void *a, const void *b)
{
	const struct task *const *left = a, *const *right = b;

	return COMPARE((*left)->pid, (*right)->pid);
}

static int compare_names(const void *a, const void *b)
{
	const struct task *const *left = a, *const *right = b;
	int r = strcmp((*left)->comm, (*right)->comm);

	return r ? r : compare_pids(a, b);
}

/* What tasks of one name have in common: wake-ups and switches are no longer told apart by pid. */
static int merge_entry(struct profile *profile, struct task *group, const struct entry *entry)
{
	uint64_t key = entry->key, value = entry->value;
	struct entry *merged;

	if (entry->kind->type == KIND_WAKEUP)
		key = value = 0;
	else if (entry->kind->type == KIND_SWITCH)
		key = value;
	merged = profile_entry(profile, group, entry->kind, key, value);
	if (!merged)
		return -ENOMEM;
	times_merge(&merged->times, &entry->times);
	for (const struct entry_stack *s = entry->stacks; s; s = s->next) {
		struct entry_stack *stack = profile_entry_stack(profile, merged, s->text);

		if (!stack)
			return -ENOMEM;
		times_merge(&stack->times, &s->times);
	}
	return 0;
}

/* `tasks` sorted by name and pid: one group a name, each a task of its own behind all others. */
static int merge_tasks(struct profile *profile, struct task **tasks, size_t nr,
		       struct task **groups, size_t *ret_nr_groups)
{
	struct task *group = NULL;
	size_t nr_groups = 0;

	for (size_t i = 0; i < nr; i++) {
		if (!group || strcmp(group->comm, tasks[i]->comm)) {
			group = profile_new_task(profile, 0);
			if (!group)
				return -ENOMEM;
			group->comm = tasks[i]->comm;
			groups[nr_groups++] = group;
		}
		tasks[i]->grouped = true;
		for (const struct entry *e = tasks[i]->entries; e; e = e->next) {
			int r = merge_entry(profile, group, e);

			if (r < 0)
				return r;
		}
	}
	*ret_nr_groups = nr_groups;
	return 0;
}

static int print_groups(struct printer *printer, struct profile *profile, struct task **tasks,
			size_t nr)
{
	_cleanup_free_ struct task **named = mem_calloc(nr + 1, sizeof(struct task *));
	_cleanup_free_ struct task **groups = mem_calloc(nr + 1, sizeof(struct task *));
	size_t nr_named = 0, nr_groups;
	int r;

	if (!named || !groups)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		if (tasks[i]->comm)
			named[nr_named++] = tasks[i];
	qsort(named, nr_named, sizeof(struct task *), compare_names);
	r = merge_tasks(profile, named, nr_named, groups, &nr_groups);
	if (r < 0)
		return r;
	for (size_t i = 0; i < nr_groups; i++) {
		printer->task_name = groups[i]->comm;
		printer->pid = -1;
		if (!printer->rows)
			out_printf(printer->out, "\ngroup: %s\n", groups[i]->comm);
		print_entries(printer, groups[i]);
	}
	return 0;
}

static void print_global(struct printer *printer, const struct task *task)
{
	if (!task->entries)
		return;
	printer->task_name = task->comm;
	printer->pid = -1;
	if (!printer->rows)
		out_printf(printer->out, "%s\n", task->comm);
	print_entries(printer, task);
}

static int print_all(struct printer *printer, struct profile *profile)
{
	_cleanup_free_ struct task **tasks = NULL;
	size_t nr = 0;

	tasks = mem_calloc(profile->nr_tasks + 1u, sizeof(struct task *));
	if (!tasks)
		return -ENOMEM;
	for (struct task *task = profile->first_task; task; task = task->next)
		tasks[nr++] = task;
	qsort(tasks, nr, sizeof(struct task *), compare_pids);

	print_global(printer, &profile->cpu_tasks[profile->nr_cpus]);
	for (uint32_t i = 0; i < profile->nr_cpus; i++)
		print_global(printer, &profile->cpu_tasks[i]);
	if (profile->by_comm) {
		int r = print_groups(printer, profile, tasks, nr);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < nr && !printer->error; i++)
		if (!tasks[i]->grouped)
			print_task(printer, tasks[i]);
	return printer->error;
}

int profile_print(struct profile *profile, struct out *out)
{
	struct printer printer = {.profile = profile, .out = out};

	return print_all(&printer, profile);
}

void profile_rows_heading(struct out *out, enum report_format format, bool with_buffer)
{
	rows_names(out, format, with_buffer, row_names, ARRAY_SIZE(row_names));
}

int profile_rows(struct profile *profile, enum report_format format, const char *buffer,
		 struct out *out)
{
	struct rows rows = {.format = format, .out = out, .buffer = buffer};
	struct printer printer = {.profile = profile, .out = out, .rows = &rows};
	int r = print_all(&printer, profile);

	return r < 0 || !out->failed ? r : -ENOMEM;
}
