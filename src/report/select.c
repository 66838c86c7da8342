/* SPDX-License-Identifier: MIT */
/*
 * Select: which records are shown, and everything about a line that depends on the lines before it:
 * the name of its task, the indent of a function, the pairing of a function with its return.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "report/batch.h"

enum {
	FLAG_HARDIRQ = 0x08,
	FLAG_SOFTIRQ = 0x10
};

/* u16 type, u8 flags, u8 preempt_count, s32 pid: the same in all kernels so far. */
enum {
	PLAIN_PID = 4,
	PLAIN_COMMON = 8
};

struct record_ids {
	const struct event *event;
	int32_t pid;
	uint16_t id;
};

static bool common_fits(uint32_t offset, uint32_t size, uint32_t len)
{
	return size && offset <= len && size <= len - offset;
}

static inline struct record_ids identify(const struct report_input *input, const uint8_t *data,
					 uint32_t len)
{
	const struct event_common *common = input->common;
	struct record_ids ids = {0};

	if (input->plain && len >= PLAIN_COMMON) {
		ids.id = load_u16(data, HOST_BIG);
		ids.event = input->by_id[ids.id];
		ids.pid = (int32_t)load_u32(data + PLAIN_PID, HOST_BIG);
		return ids;
	}
	if (!common_fits(common->type_offset, common->type_size, len))
		return ids;
	ids.id = (uint16_t)load_uint(data + common->type_offset, common->type_size, input->big);
	ids.event = input->by_id[ids.id];
	if (common_fits(common->pid_offset, common->pid_size, len))
		ids.pid =
			(int32_t)load_int(data + common->pid_offset, common->pid_size, input->big);
	return ids;
}

static const char *comm_of(const struct report *report, struct report_input *input,
			   struct report_cpu *cpu, int32_t pid)
{
	struct comm_table *learned = input->input->learned;
	uint32_t generation = comm_table_generation(learned);

	if (cpu->comm_valid && cpu->pid == pid && cpu->comm_generation == generation)
		return cpu->comm;
	if (report->options.compat == COMPAT_31) {
		cpu->comm = comm_table_31_find(learned, input->input->db, pid);
	} else {
		cpu->comm = event_db_comm(input->input->db, pid);
		if (!cpu->comm)
			cpu->comm = comm_table_find(learned, pid);
	}
	cpu->pid = pid;
	cpu->comm_generation = generation;
	cpu->comm_valid = true;
	return cpu->comm;
}

static int learn_field(const struct report *report, struct report_input *input,
		       const struct event *event, const char *pid_name, const char *comm_name,
		       const uint8_t *data, uint32_t len)
{
	const struct event_field *pid_field, *comm_field;
	struct comm_table *learned = input->input->learned;
	const struct event_db *db = input->input->db;
	const void *comm;
	uint32_t size;
	int32_t pid;

	pid_field = event_field_find(event, pid_name);
	comm_field = event_field_find(event, comm_name);
	if (!pid_field || !comm_field)
		return 0;
	pid = (int32_t)event_field_u64(event, pid_field, data, len);
	comm = event_field_bytes(event, comm_field, data, len, &size);
	if (!comm)
		return 0;
	if (report->options.compat == COMPAT_31)
		return comm_table_31_learn(learned, db, pid, comm, size);
	if (pid == 0 || event_db_comm(db, pid))
		return 0;
	return comm_table_learn(learned, pid, comm, size);
}

/* A printed sched_switch or sched_wakeup tells the names of the tasks in it. */
static int learn_comms(const struct report *report, struct report_input *input,
		       const struct event *event, const uint8_t *data, uint32_t len)
{
	int r;

	if (event->kind == EVENT_SCHED_WAKEUP)
		return learn_field(report, input, event, "pid", "comm", data, len);
	r = learn_field(report, input, event, "prev_pid", "prev_comm", data, len);
	return r < 0 ? r : learn_field(report, input, event, "next_pid", "next_comm", data, len);
}

static bool handler_runs(const struct report *report, const struct report_input *input, uint16_t id)
{
	return !report->options.raw && !input->input->options.no_handlers &&
	       !(input->input->print_flags[id] & (EVENT_PRINT_RAW | EVENT_PRINT_NO_HANDLER));
}

static int stack_set(struct indent_stack *stack, size_t pos, const char *name)
{
	size_t old = stack->cap;
	int r;

	if (!name)
		return 0;
	r = array_reserve(&stack->names, &stack->cap, pos + 1, sizeof(*stack->names));
	if (r < 0)
		return r;
	if (stack->cap > old)
		memset(stack->names + old, 0, (stack->cap - old) * sizeof(*stack->names));
	stack->names[pos] = name;
	return 0;
}

static const char *symbol_name(const struct report_input *input, uint64_t addr)
{
	const struct symbol *symbol = symbols_find(event_db_symbols(input->input->db), addr);

	return symbol ? symbol->name : NULL;
}

/*
 * How deep a traced function is on its CPU, judged from the names of the callers seen so far; the
 * same guess as trace-cmd's: names deeper than the new one stay, and may be found again.
 */
static int indent_of(struct report *report, const struct report_input *input, uint32_t cpu,
		     const uint8_t *data, uint32_t len, uint16_t *ret_indent)
{
	struct indent_stack *stack;
	const char *parent, *name;
	int r;

	if (!input->function_ip || !input->function_parent || cpu >= report->nr_indents)
		return 0;
	stack = &report->indents[cpu];
	parent = symbol_name(input,
			     event_field_u64(input->function, input->function_parent, data, len));
	if (!parent)
		return 0;
	name = symbol_name(input, event_field_u64(input->function, input->function_ip, data, len));
	for (size_t i = 0; i < stack->cap && stack->names[i]; i++) {
		if (stack->names[i] == parent || !strcmp(stack->names[i], parent)) {
			*ret_indent = (uint16_t)MIN(i, (size_t)UINT16_MAX);
			return stack_set(stack, i + 1, name);
		}
	}
	*ret_indent = 0;
	r = stack_set(stack, 0, parent);
	return r < 0 ? r : stack_set(stack, 1, name);
}

static bool task_wanted(const struct report_tasks *tasks, int32_t pid, const char *comm)
{
	if (!tasks->nr_pids && !tasks->nr_comms)
		return true;
	for (size_t i = 0; i < tasks->nr_pids; i++)
		if (tasks->pids[i] == pid)
			return true;
	for (size_t i = 0; comm && i < tasks->nr_comms; i++)
		if (!fnmatch(tasks->comms[i], comm, 0))
			return true;
	return false;
}

static bool context_hidden(const struct report *report, const struct report_input *input,
			   const uint8_t *data, uint32_t len)
{
	const struct event_common *common = input->common;
	uint64_t flags;

	if (!report->options.no_irqs && !report->options.no_softirqs)
		return false;
	if (!common_fits(common->flags_offset, common->flags_size, len))
		return false;
	flags = load_uint(data + common->flags_offset, common->flags_size, input->big);
	return (report->options.no_irqs && (flags & FLAG_HARDIRQ)) ||
	       (report->options.no_softirqs && (flags & FLAG_SOFTIRQ));
}

/* Of no interest at all, whatever it is: losses before such records are not told either. */
static bool outside(const struct report *report, const struct source_record *rec)
{
	if (report->options.has_from && rec->ts < report->options.from)
		return true;
	return report->options.cpus &&
	       (rec->cpu >= report->options.nr_cpus || !report->options.cpus[rec->cpu]);
}

static bool shown(struct report *report, struct report_input *input, struct report_cpu *cpu,
		  const struct source_record *rec, const struct record_ids *ids, const char *comm)
{
	struct filter_record record = {rec->data, rec->len, rec->cpu, rec->ts, comm};

	/* First: a trigger acts on what is hidden, too. */
	if (input->triggers && !trigger_play_record(input->triggers, ids->event, &record))
		return false;
	if (context_hidden(report, input, rec->data, rec->len))
		return false;
	if (input->shown && !input->shown[ids->id])
		return false;
	if (!task_wanted(&report->tasks, ids->pid, comm))
		return false;
	if (!input->filter)
		return true;
	return filter_shows(filter_match(input->filter, ids->event, &record), ids->event,
			    &cpu->last_shown, report->options.compat == COMPAT_31);
}

static int hold_chunk(struct batch *batch, struct report_cpu *cpu, struct dat_chunk *chunk)
{
	int r;

	if (cpu->last_batch == batch->serial && cpu->last_chunk == chunk)
		return 0;
	r = array_reserve(&batch->chunks, &batch->cap_chunks, batch->nr_chunks + 1,
			  sizeof(*batch->chunks));
	if (r < 0)
		return r;
	batch->chunks[batch->nr_chunks++] = dat_chunk_ref(chunk);
	cpu->last_chunk = chunk;
	cpu->last_batch = batch->serial;
	return 0;
}

static void count_loss(struct report_cpu *cpu, int64_t lost)
{
	if (lost > 0)
		cpu->lost += (uint64_t)lost;
	else if (lost)
		cpu->lost_unknown++;
}

static int note_loss(struct batch *batch, struct batch_record *out, int64_t lost)
{
	int r = array_reserve(&batch->lost, &batch->cap_lost, batch->nr_lost + 1,
			      sizeof(*batch->lost));

	if (r < 0)
		return r;
	batch->lost[batch->nr_lost++] = lost;
	out->flags |= REC_LOST;
	return 0;
}

static int note_page(struct batch *batch, struct batch_record *out, const struct source_record *rec)
{
	int r = array_reserve(&batch->pages, &batch->cap_pages, batch->nr_pages + 1,
			      sizeof(*batch->pages));

	if (r < 0)
		return r;
	batch->pages[batch->nr_pages++] = (struct batch_page){rec->page_ts, rec->page};
	out->flags |= REC_PAGE_START;
	return 0;
}

/*
 * True when `next`, the record behind an entry in its source, is that function's return. A loss
 * between the two is not passed over, as trace-cmd does: it is told between two lines.
 */
static bool is_leaf_exit(const struct report *report, const struct report_input *input,
			 const struct batch_record *entry, const struct source_record *next)
{
	const struct report_graph *graph = &input->graph;
	struct record_ids ids;

	if (!next || !graph->entry_func || !graph->exit_func)
		return false;
	if (next->lost && report->options.compat != COMPAT_31)
		return false;
	ids = identify(input, next->data, next->len);
	if (ids.event != graph->exit || ids.pid != entry->pid)
		return false;
	if (report->options.compat != COMPAT_31 && next->cpu != entry->cpu)
		return false;
	return event_field_u64(graph->entry, graph->entry_func, entry->data, entry->len) ==
	       event_field_u64(graph->exit, graph->exit_func, next->data, next->len);
}

static void put_record(struct batch *batch, const struct source_record *rec,
		       const struct record_ids *ids, const char *comm, size_t source)
{
	batch->recs[batch->nr++] = (struct batch_record){
		.event = ids->event,
		.data = rec->data,
		.ts = rec->ts,
		.comm = comm,
		.len = rec->len,
		.pid = ids->pid,
		.cpu = (uint16_t)rec->cpu,
		.source = (uint16_t)source,
	};
}

static void check_time(const struct report *report, struct report_cpu *cpu,
		       const struct source_record *rec)
{
	char text[160];

	if (cpu->last_ts > rec->ts && report->options.warn) {
		snprintf(text, sizeof(text),
			 "record on CPU %u went backwards: %llu to %llu, by %llu", rec->cpu,
			 (unsigned long long)cpu->last_ts, (unsigned long long)rec->ts,
			 (unsigned long long)(cpu->last_ts - rec->ts));
		report->options.warn(text);
	}
	cpu->last_ts = rec->ts;
}

/* What a function or scheduler record changes for the lines behind it. */
static int carry_forward(struct report *report, struct report_input *input,
			 struct batch_record *out)
{
	switch (out->event->kind) {
	case EVENT_SCHED_SWITCH:
	case EVENT_SCHED_WAKEUP:
		return learn_comms(report, input, out->event, out->data, out->len);
	case EVENT_FUNCTION:
		if (!report->options.events.function_indent)
			return 0;
		return indent_of(report, input, out->cpu, out->data, out->len, &out->indent);
	default:
		return 0;
	}
}

/* Show the record at the head of `source`, and take it. */
static int show(struct report *report, struct batch *batch, size_t source_index,
		const struct source_record *rec, const struct record_ids *ids, const char *comm)
{
	struct source *source = &report->sources[source_index];
	struct report_input *input = &report->inputs[report->source_input[source_index]];
	struct report_cpu *cpu = &report->cpus[source_index][rec->cpu];
	struct batch_record *out = &batch->recs[batch->nr];
	const struct source_record *next;
	int64_t lost;
	int r;

	put_record(batch, rec, ids, comm, source_index);
	r = hold_chunk(batch, cpu, rec->chunk);
	lost = subbuf_lost_sum(rec->lost, cpu->hidden_lost);
	cpu->hidden_lost = 0;
	if (r >= 0 && lost)
		r = note_loss(batch, out, lost);
	if (r >= 0 && rec->page_start && (report->options.boundary || report->options.debug))
		r = note_page(batch, out, rec);
	if (r < 0)
		return r;
	if (ids->pid)
		comm_table_31_searched(input->input->learned);
	if (report->options.ts_check)
		check_time(report, cpu, rec);
	if (report->options.ts_diff)
		report->last_diff_ts = report_diff_ts(report, source, rec->ts);
	report->shown++;
	source_pop(source);
	if (!out->event || !handler_runs(report, input, ids->id))
		return 0;
	if (out->event->kind != EVENT_GRAPH_ENTRY || report->options.format != REPORT_TEXT)
		return carry_forward(report, input, out);
	next = source_peek(source);
	if (is_leaf_exit(report, input, out, next)) {
		struct record_ids exit_ids = {.event = input->graph.exit, .pid = out->pid};

		out->flags |= REC_LEAF;
		put_record(batch, next, &exit_ids, comm, source_index);
		batch->recs[batch->nr - 1].flags = REC_LEAF_EXIT;
		cpu = &report->cpus[source_index][next->cpu];
		count_loss(cpu, next->lost);
		r = hold_chunk(batch, cpu, next->chunk);
		source_pop(source);
	}
	return r;
}

/* The source whose next record is the earliest; the first of them at equal times. */
static const struct source_record *earliest(const struct report *report, size_t *ret_source)
{
	const struct source_record *best = NULL;

	for (size_t i = 0; i < report->nr_sources; i++) {
		const struct source_record *rec = source_peek(&report->sources[i]);

		if (rec && (!best || rec->ts < best->ts)) {
			best = rec;
			*ret_source = i;
		}
	}
	return best;
}

int batch_fill(struct report *report, struct batch *batch, uint32_t max, struct err *err)
{
	batch->serial = ++report->batches;
	batch->prev_diff_ts = report->last_diff_ts;
	max = MIN(max, (uint32_t)BATCH_RECORDS) - 1; /* room for the exit of a last leaf */
	while (batch->nr < max) {
		struct report_input *input;
		struct report_cpu *cpu;
		struct record_ids ids;
		const char *comm;
		size_t source = 0;
		const struct source_record *rec = earliest(report, &source);
		int r;

		if (!rec || (report->options.has_to && rec->ts > report->options.to)) {
			report->done = true;
			return 0;
		}
		if (outside(report, rec)) {
			source_pop(&report->sources[source]);
			continue;
		}
		input = &report->inputs[report->source_input[source]];
		cpu = &report->cpus[source][rec->cpu];
		ids = identify(input, rec->data, rec->len);
		comm = comm_of(report, input, cpu, ids.pid);
		count_loss(cpu, rec->lost);
		if (!shown(report, input, cpu, rec, &ids, comm)) {
			/* A loss before a hidden record is told at the next shown one. */
			if (report->options.compat != COMPAT_31)
				cpu->hidden_lost = subbuf_lost_sum(cpu->hidden_lost, rec->lost);
			source_pop(&report->sources[source]);
			continue;
		}
		r = show(report, batch, source, rec, &ids, comm);
		if (r < 0)
			return err_set(err, r, "out of memory");
	}
	return 0;
}

/* The record at the head of `source`: what the reader learns of it, and the caller's work. */
static int scan_record(struct report *report, size_t source_index, const struct source_record *rec,
		       int (*each)(void *arg, const struct report_item *item), void *arg)
{
	struct report_input *input = &report->inputs[report->source_input[source_index]];
	struct report_cpu *cpu = &report->cpus[source_index][rec->cpu];
	struct record_ids ids = identify(input, rec->data, rec->len);
	const uint64_t number = cpu->nr_records++;
	const char *comm = NULL;
	int64_t lost = subbuf_lost_sum(rec->lost, cpu->hidden_lost);
	int r = 0;

	if (rec->lost)
		count_loss(cpu, rec->lost);
	if (report->tasks.nr_comms || input->filter || input->triggers)
		comm = comm_of(report, input, cpu, ids.pid);
	if (!shown(report, input, cpu, rec, &ids, comm)) {
		cpu->hidden_lost = lost;
		return 0;
	}
	cpu->hidden_lost = 0;
	report->shown++;
	if (ids.event &&
	    (ids.event->kind == EVENT_SCHED_SWITCH || ids.event->kind == EVENT_SCHED_WAKEUP))
		r = learn_comms(report, input, ids.event, rec->data, rec->len);
	return r < 0 ? r
		     : each(arg, &(struct report_item){&report->sources[source_index], ids.event,
						       rec, ids.pid, lost, number});
}

int report_scan(struct report *report, int (*each)(void *arg, const struct report_item *item),
		void *arg, struct err *err)
{
	const struct source_record *rec;
	size_t source = 0;
	int r = 0;

	while (r >= 0 && (rec = earliest(report, &source))) {
		if (report->options.has_to && rec->ts > report->options.to)
			break;
		if (!outside(report, rec))
			r = scan_record(report, source, rec, each, arg);
		source_pop(&report->sources[source]);
	}
	if (r >= 0)
		r = report_collect_losses(report);
	if (r == -ENOMEM)
		return err_set(err, r, "out of memory");
	return r < 0 ? err_sys(err, r, "what records are made into cannot be kept") : 0;
}

bool report_look_ahead(const struct report *report, const struct source *source, uint32_t cpu,
		       struct report_item *ret_next)
{
	const struct source_record *next = source_peek_cpu(source, cpu);
	struct record_ids ids;

	if (!next)
		return false;
	ids = identify(&report->inputs[report->source_input[source - report->sources]], next->data,
		       next->len);
	*ret_next = (struct report_item){.source = source,
					 .event = ids.event,
					 .rec = next,
					 .pid = ids.pid,
					 .lost = next->lost};
	return true;
}

void batch_clear(struct batch *batch)
{
	for (size_t i = 0; i < batch->nr_chunks; i++)
		dat_chunk_unref(batch->chunks[i]);
	batch->nr = 0;
	batch->nr_lost = batch->nr_pages = batch->nr_chunks = 0;
	out_clear(&batch->text);
}

void batch_done(struct batch *batch)
{
	batch_clear(batch);
	mem_free(batch->lost);
	mem_free(batch->pages);
	mem_free(batch->chunks);
	out_done(&batch->text);
}
