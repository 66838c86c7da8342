/* SPDX-License-Identifier: MIT */
/*
 * The pipeline. The caller's thread selects and writes; formatting, the bulk of the work, goes to
 * worker threads, or is done here when there are none or all are busy. Batches lie in a ring in
 * output order, so the text is written in order whoever finishes first, and memory is bounded by
 * the ring.
 */
#include "report/report.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/mem.h"
#include "report/batch.h"

/* The first line should be out at once; later, large batches cost less. */
enum {
	FIRST_BATCH_RECORDS = 64,
	SLOTS_PER_THREAD = 3
};

enum slot_state {
	SLOT_FREE,
	SLOT_FILLED,
	SLOT_BUSY,
	SLOT_DONE
};

struct pipeline {
	struct report *report;
	struct batch **slots; /* ring: head is the next to write, tail the next to fill */
	enum slot_state *states;
	unsigned int nr_slots, head, tail;
	pthread_mutex_t lock; /* of states and quit */
	pthread_cond_t filled, changed;
	pthread_t *threads;
	unsigned int nr_threads;
	bool quit;
};

static bool is_plain(const struct event_common *common, bool big)
{
	return big == HOST_BIG && common->type_offset == 0 && common->type_size == 2 &&
	       common->pid_offset == 4 && common->pid_size == 4;
}

static int load_events(struct report_input *input)
{
	const struct event_db *db = input->input->db;

	input->common = event_db_common(db);
	input->big = event_db_big_endian(db);
	input->plain = is_plain(input->common, input->big);
	input->by_id = mem_calloc(65536, sizeof(*input->by_id));
	if (!input->by_id)
		return -ENOMEM;
	for (size_t i = 0; i < event_db_count(db); i++) {
		uint16_t id = event_db_at(db, i)->id;

		input->by_id[id] = event_db_by_id(db, id);
	}
	return 0;
}

static void load_graph(struct report_input *input)
{
	struct event_db *db = input->input->db;
	struct report_graph *graph = &input->graph;

	graph->entry = event_db_by_name(db, "ftrace", "funcgraph_entry");
	graph->exit = event_db_by_name(db, "ftrace", "funcgraph_exit");
	if (graph->entry)
		graph->entry_func = event_field_find(graph->entry, "func");
	if (graph->exit)
		graph->exit_func = event_field_find(graph->exit, "func");
	input->function = event_db_by_name(db, "ftrace", "function");
	if (input->function) {
		input->function_ip = event_field_find(input->function, "ip");
		input->function_parent = event_field_find(input->function, "parent_ip");
	}
}

static int alloc_cpus(struct report *report)
{
	for (size_t i = 0; i < report->nr_sources; i++) {
		const struct source *source = &report->sources[i];
		const struct dat_buffer *buf = &source->input->dat->buffers[source->buffer];
		uint32_t nr = 0;

		for (uint32_t j = 0; j < buf->nr_cpus; j++)
			nr = MAX(nr, buf->cpus[j].cpu + 1);
		report->nr_cpus[i] = nr;
		report->nr_indents = MAX(report->nr_indents, nr);
		report->cpus[i] = mem_calloc(nr, sizeof(**report->cpus));
		if (!report->cpus[i])
			return -ENOMEM;
	}
	report->indents = mem_calloc(report->nr_indents, sizeof(*report->indents));
	return report->indents ? 0 : -ENOMEM;
}

int report_new(struct report **ret_report, const struct report_options *options,
	       struct source *sources, size_t nr_sources, struct input *const *inputs,
	       struct filter *const *filters, size_t nr_inputs, struct err *err)
{
	struct report *report = mem_zalloc(sizeof(*report));

	if (!report)
		return err_set(err, -ENOMEM, "out of memory");
	report->options = *options;
	report->sources = sources;
	report->nr_sources = nr_sources;
	report->nr_inputs = nr_inputs;
	report->inputs = mem_calloc(nr_inputs, sizeof(*report->inputs));
	report->source_input = mem_calloc(nr_sources, sizeof(*report->source_input));
	report->cpus = mem_calloc(nr_sources, sizeof(*report->cpus));
	report->nr_cpus = mem_calloc(nr_sources, sizeof(*report->nr_cpus));
	if (!report->inputs || !report->source_input || !report->cpus || !report->nr_cpus ||
	    alloc_cpus(report) < 0) {
		report_free(report);
		return err_set(err, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < nr_inputs; i++) {
		report->inputs[i].input = inputs[i];
		report->inputs[i].filter = filters ? filters[i] : NULL;
		load_graph(&report->inputs[i]);
		if (load_events(&report->inputs[i]) < 0) {
			report_free(report);
			return err_set(err, -ENOMEM, "out of memory");
		}
		for (size_t j = 0; j < nr_sources; j++)
			if (sources[j].input == inputs[i])
				report->source_input[j] = (uint32_t)i;
	}
	*ret_report = report;
	return 0;
}

void report_free(struct report *report)
{
	if (!report)
		return;
	for (size_t i = 0; report->cpus && i < report->nr_sources; i++)
		mem_free(report->cpus[i]);
	for (uint32_t i = 0; report->indents && i < report->nr_indents; i++)
		mem_free(report->indents[i].names);
	mem_free(report->indents);
	mem_free(report->cpus);
	mem_free(report->nr_cpus);
	mem_free(report->source_input);
	for (size_t i = 0; report->inputs && i < report->nr_inputs; i++)
		mem_free(report->inputs[i].by_id);
	mem_free(report->inputs);
	mem_free(report->losses);
	mem_free(report);
}

void report_set_tasks(struct report *report, const struct report_tasks *tasks)
{
	report->tasks = *tasks;
}

void report_set_events(struct report *report, size_t input, const uint8_t *shown)
{
	report->inputs[input].shown = shown;
}

void report_set_triggers(struct report *report, size_t input, struct trigger_play *triggers)
{
	report->inputs[input].triggers = triggers;
}

void report_set_name_width(struct report *report, size_t width)
{
	report->name_width = width;
}

void report_set_end(struct report *report, uint64_t to)
{
	report->options.has_to = true;
	report->options.to = to;
}

uint64_t report_shown(const struct report *report)
{
	return report->shown;
}

size_t report_losses(const struct report *report, const struct report_cpu_loss **ret_losses)
{
	*ret_losses = report->losses;
	return report->nr_losses;
}

int report_collect_losses(struct report *report)
{
	report->nr_losses = 0;
	for (size_t i = 0; i < report->nr_sources; i++) {
		for (uint32_t cpu = 0; cpu < report->nr_cpus[i]; cpu++) {
			const struct report_cpu *state = &report->cpus[i][cpu];

			if (!state->lost && !state->lost_unknown)
				continue;
			if (array_reserve(&report->losses, &report->cap_losses,
					  report->nr_losses + 1, sizeof(*report->losses)))
				return -ENOMEM;
			report->losses[report->nr_losses++] = (struct report_cpu_loss){
				&report->sources[i], cpu, state->lost, state->lost_unknown};
		}
	}
	return 0;
}

/* Format one filled batch; the lock is held on entry and on return. False when there is none. */
static bool format_one(struct pipeline *pipe)
{
	for (unsigned int i = 0; i < pipe->nr_slots; i++) {
		unsigned int slot = (pipe->head + i) % pipe->nr_slots;

		if (pipe->states[slot] != SLOT_FILLED)
			continue;
		pipe->states[slot] = SLOT_BUSY;
		pthread_mutex_unlock(&pipe->lock);
		batch_format(pipe->report, pipe->slots[slot]);
		pthread_mutex_lock(&pipe->lock);
		pipe->states[slot] = SLOT_DONE;
		pthread_cond_signal(&pipe->changed);
		return true;
	}
	return false;
}

static void *worker(void *arg)
{
	struct pipeline *pipe = arg;

	pthread_mutex_lock(&pipe->lock);
	while (!pipe->quit)
		if (!format_one(pipe))
			pthread_cond_wait(&pipe->filled, &pipe->lock);
	pthread_mutex_unlock(&pipe->lock);
	return NULL;
}

static int write_batch(struct batch *batch, int fd, struct err *err)
{
	int r;

	if (batch->text.failed)
		return err_set(err, -ENOMEM, "out of memory while formatting");
	r = io_write_full(fd, batch->text.buf, batch->text.len);
	if (r < 0)
		return err_sys(err, r, "cannot write the report");
	batch_clear(batch);
	return 0;
}

static bool has_free_slot(const struct pipeline *pipe)
{
	return pipe->states[pipe->tail] == SLOT_FREE;
}

/* Select into the tail slot; the lock is held on entry and on return. */
static int fill_slot(struct pipeline *pipe, struct err *err)
{
	struct batch *batch = pipe->slots[pipe->tail];
	uint32_t max = pipe->report->batches ? BATCH_RECORDS : FIRST_BATCH_RECORDS;
	int r;

	pthread_mutex_unlock(&pipe->lock);
	r = batch_fill(pipe->report, batch, max, err);
	pthread_mutex_lock(&pipe->lock);
	if (r < 0)
		return r;
	pipe->states[pipe->tail] = SLOT_FILLED;
	pipe->tail = (pipe->tail + 1) % pipe->nr_slots;
	pthread_cond_signal(&pipe->filled);
	return 0;
}

static int write_slot(struct pipeline *pipe, int fd, struct err *err)
{
	struct batch *batch = pipe->slots[pipe->head];
	int r;

	pthread_mutex_unlock(&pipe->lock);
	r = write_batch(batch, fd, err);
	pthread_mutex_lock(&pipe->lock);
	pipe->states[pipe->head] = SLOT_FREE;
	pipe->head = (pipe->head + 1) % pipe->nr_slots;
	return r;
}

/* The caller's thread: write what is ready, else select more, else help, else wait. */
static int run_pipeline(struct pipeline *pipe, int fd, struct err *err)
{
	int r = 0;

	pthread_mutex_lock(&pipe->lock);
	while (r >= 0) {
		if (pipe->states[pipe->head] == SLOT_DONE)
			r = write_slot(pipe, fd, err);
		else if (!pipe->report->done && has_free_slot(pipe))
			r = fill_slot(pipe, err);
		else if (format_one(pipe))
			continue;
		else if (pipe->states[pipe->head] == SLOT_FREE)
			break; /* all written, nothing left to select */
		else
			pthread_cond_wait(&pipe->changed, &pipe->lock);
	}
	pthread_mutex_unlock(&pipe->lock);
	return r;
}

static void pipeline_stop(struct pipeline *pipe)
{
	pthread_mutex_lock(&pipe->lock);
	pipe->quit = true;
	pthread_cond_broadcast(&pipe->filled);
	pthread_mutex_unlock(&pipe->lock);
	for (unsigned int i = 0; i < pipe->nr_threads; i++)
		pthread_join(pipe->threads[i], NULL);
	for (unsigned int i = 0; pipe->slots && i < pipe->nr_slots; i++) {
		if (pipe->slots[i])
			batch_done(pipe->slots[i]);
		mem_free(pipe->slots[i]);
	}
	mem_free(pipe->slots);
	mem_free(pipe->states);
	mem_free(pipe->threads);
	pthread_cond_destroy(&pipe->changed);
	pthread_cond_destroy(&pipe->filled);
	pthread_mutex_destroy(&pipe->lock);
}

static int pipeline_start(struct pipeline *pipe, struct report *report)
{
	unsigned int want = report->options.each ? 0 : report->options.nr_threads;

	*pipe = (struct pipeline){.report = report,
				  .nr_slots = want ? want * SLOTS_PER_THREAD + 2 : 1};
	pthread_mutex_init(&pipe->lock, NULL);
	pthread_cond_init(&pipe->filled, NULL);
	pthread_cond_init(&pipe->changed, NULL);
	pipe->slots = mem_calloc(pipe->nr_slots, sizeof(*pipe->slots));
	pipe->states = mem_calloc(pipe->nr_slots, sizeof(*pipe->states));
	pipe->threads = mem_calloc(want, sizeof(*pipe->threads));
	if (!pipe->slots || !pipe->states || !pipe->threads)
		return -ENOMEM;
	for (unsigned int i = 0; i < pipe->nr_slots; i++) {
		pipe->slots[i] = mem_zalloc(sizeof(**pipe->slots));
		if (!pipe->slots[i])
			return -ENOMEM;
	}
	/* Fewer threads than wanted only cost speed: this thread formats too. */
	while (pipe->nr_threads < want &&
	       !pthread_create(&pipe->threads[pipe->nr_threads], NULL, worker, pipe))
		pipe->nr_threads++;
	return 0;
}

int report_run(struct report *report, int fd, struct err *err)
{
	struct pipeline pipe;
	int r = pipeline_start(&pipe, report);

	report->done = false;
	if (r < 0)
		err_set(err, r, "out of memory");
	else
		r = run_pipeline(&pipe, fd, err);
	pipeline_stop(&pipe);
	if (r >= 0 && report_collect_losses(report) < 0)
		r = err_set(err, -ENOMEM, "out of memory");
	return r;
}
