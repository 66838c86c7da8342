/* SPDX-License-Identifier: MIT */
#include "report/source.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "report/begins.h"
#include "report/comm.h"

int input_open(struct input **ret_input, const char *path, const struct input_options *options,
	       struct err *err)
{
	struct input *input = mem_zalloc(sizeof(*input));
	unsigned int flags = (options->no_handlers ? DAT_NO_HANDLERS : 0) |
			     (options->trace_cmd_names ? DAT_TRACE_CMD_NAMES : 0);
	const char *slash;
	int r;

	if (!input)
		return err_set(err, -ENOMEM, "%s: out of memory", path);
	input->options = *options;
	input->path = mem_strdup(path);
	input->print_flags = mem_zalloc(65536);
	r = input->path && input->print_flags ? comm_table_new(&input->learned) : -ENOMEM;
	if (r < 0) {
		input_free(input);
		return err_set(err, r, "%s: out of memory", path);
	}
	slash = strrchr(input->path, '/');
	input->base_name = slash ? slash + 1 : input->path;
	r = dat_open(&input->dat, path, err);
	if (r >= 0)
		r = dat_events(input->dat, flags, &input->db, err);
	if (r < 0) {
		input_free(input);
		return r;
	}
	*ret_input = input;
	return 0;
}

void input_free(struct input *input)
{
	if (!input)
		return;
	event_db_free(input->db);
	dat_close(input->dat);
	comm_table_free(input->learned);
	mem_free(input->print_flags);
	mem_free(input->path);
	mem_free(input);
}

/* The clocks that count nanoseconds and are shown as seconds. */
static bool clock_is_ns(const char *clock, bool with_boot)
{
	static const char *const names[] = {"local", "global",	 "uptime", "perf",
					    "mono",  "mono_raw", "tai",	   "tsc2nsec"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(clock, names[i]))
			return true;
	return with_boot && !strcmp(clock, "boot");
}

static bool has_clock_option(const struct dat *dat)
{
	for (size_t i = 0; i < dat->nr_options; i++)
		if (dat->options[i].id == DAT_OPTION_TRACECLOCK)
			return true;
	return false;
}

int source_init(struct source *source, struct input *input, size_t buffer, struct err *err)
{
	const struct dat *dat = input->dat;
	const struct input_options *options = &input->options;
	const struct dat_buffer *buf = &dat->buffers[buffer];

	*source = (struct source){.input = input, .buffer = buffer};
	source->is_instance = buf->name[0] != '\0';
	source->name = source->is_instance ? buf->name : NULL;
	source->nr_cpus = buf->nr_cpus;
	source->clock_known = has_clock_option(dat);
	source->usecs = options->trace_cmd_clocks ? clock_is_ns(dat->clock, false)
						  : clock_is_ns(buf->clock, true);
	if (options->raw_ts) {
		source->usecs = false;
	} else {
		source->offset = options->ts_offset;
		if (dat->has_offset)
			source->offset += dat->offset;
		if (dat->has_date && !options->no_date)
			source->offset += dat->date_offset_ns;
		if (options->ts2secs_hz) {
			source->scale = 1e9 / (double)options->ts2secs_hz;
			source->usecs |= !options->trace_cmd_clocks;
		} else if (dat->has_tsc2nsec) {
			source->mult = dat->tsc_mult;
			source->shift = dat->tsc_shift;
			source->usecs = true;
		}
	}
	source->heads = mem_calloc(buf->nr_cpus, sizeof(*source->heads));
	source->heap = mem_calloc(buf->nr_cpus, sizeof(*source->heap));
	if (!source->heads || !source->heap) {
		source_done(source);
		return err_set(err, -ENOMEM, "%s: out of memory", input->path);
	}
	return 0;
}

void source_done(struct source *source)
{
	for (uint32_t i = 0; i < source->nr_heads; i++)
		dat_stream_close(source->heads[i].stream);
	mem_free(source->heads);
	mem_free(source->heap);
	mem_free(source->begins);
	*source = (struct source){0};
}

void source_add_offset(struct source *source, int64_t offset)
{
	source->offset += offset;
}

void source_set_sync(struct source *source, const struct dat_time_shift *sync)
{
	source->sync = sync;
}

/* A guest's time on its host's clock: the offset of the sample before, or between two samples. */
static uint64_t sync_time(const struct dat_time_shift *sync, uint64_t ts, uint32_t cpu)
{
	const struct dat_shift_sample *low, *high;
	const struct dat_shift_cpu *shift;
	uint32_t lo = 0, hi;
	int64_t offset;

	if (!sync->nr_cpus)
		return ts;
	shift = &sync->cpus[cpu < sync->nr_cpus ? cpu : 0];
	if (!shift->nr)
		return ts;
	for (hi = shift->nr; hi - lo > 1;) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (shift->samples[mid].time <= (int64_t)ts)
			lo = mid;
		else
			hi = mid;
	}
	low = &shift->samples[lo];
	high = hi < shift->nr && (int64_t)ts >= low->time ? &shift->samples[hi] : NULL;
	offset = low->offset;
	if (high && (sync->flags & 1) && high->time > low->time) {
		__int128 way = (__int128)((int64_t)ts - low->time) * (high->offset - low->offset);

		offset +=
			(int64_t)((way + (high->time - low->time) / 2) / (high->time - low->time));
	}
	if (low->scaling > 1 && low->fraction >= 0 && low->fraction < 64)
		ts = (uint64_t)(((unsigned __int128)ts * (uint64_t)low->scaling) >> low->fraction);
	return ts + (uint64_t)offset;
}

uint64_t source_time(const struct source *source, uint64_t raw, uint32_t cpu)
{
	if (source->input->options.raw_ts)
		return raw;
	if (source->sync)
		raw = sync_time(source->sync, raw, cpu);
	if (source->scale != 0.0)
		raw = (uint64_t)((double)raw * source->scale);
	else if (source->mult)
		raw = (uint64_t)(((unsigned __int128)raw * source->mult) >> (source->shift & 127));
	return raw + (uint64_t)source->offset;
}

static inline uint64_t fast_time(const struct source *source, uint64_t raw, uint32_t cpu)
{
	if (__builtin_expect(source->sync || source->scale != 0.0 || source->mult, 0))
		return source_time(source, raw, cpu);
	return raw + (uint64_t)source->offset;
}

static void note_damage(struct source *source, const struct err *err)
{
	if (!source->damage.code)
		source->damage = *err;
}

/* Step to the next page that has a record. 1, or 0 at the end. Damage is noted, not returned. */
static int next_page(struct source *source, struct source_head *head, struct subbuf_record *rec)
{
	const struct dat *dat = source->input->dat;
	const struct subbuf_layout *layout = &dat->buffers[source->buffer].layout;

	for (;;) {
		struct err err = {0};
		uint32_t len;
		int r;

		if (head->cursor.corrupt) {
			err_set(&err, -EBADMSG, "%s: CPU %u: a page holds bytes that are no record",
				source->input->path, head->cpu);
			note_damage(source, &err);
			head->cursor.corrupt = false;
		}
		r = dat_stream_next(head->stream, &head->rec.page, &len, &head->rec.chunk, &err);
		if (r < 0) {
			note_damage(source, &err);
			continue; /* behind the damage, where that can be */
		}
		if (r == 0)
			return 0;
		if (subbuf_open(&head->cursor, layout, head->rec.page, len) < 0)
			head->cursor.corrupt = true;
		head->rec.page_ts = head->cursor.ts;
		head->pending_lost = subbuf_lost_sum(head->pending_lost, head->cursor.lost);
		if (subbuf_next(&head->cursor, rec))
			return 1;
	}
}

/* Load the next record of one CPU into head->rec. False at the end. */
static inline bool head_read(struct source *source, struct source_head *head)
{
	struct subbuf_record rec;

	head->rec.lost = 0;
	head->rec.page_start = false;
	if (__builtin_expect(!subbuf_next(&head->cursor, &rec), 0)) {
		head->ended = !next_page(source, head, &rec);
		if (head->ended)
			return false;
		head->rec.page_start = true;
		head->rec.lost = head->pending_lost;
		head->pending_lost = 0;
	}
	head->rec.ts = fast_time(source, rec.ts, head->cpu);
	head->rec.data = rec.data;
	head->rec.len = rec.len;
	return true;
}

/* The same, where begins of calls come in between. */
static bool head_merge(struct source *source, struct source_head *head)
{
	const struct source_begin *begin = head->begin;

	if (!head->holds) {
		head->holds = head_read(source, head);
		head->held = head->rec;
	}
	if (begin < head->end_begins && (!head->holds || begin->ts <= head->held.ts)) {
		head->rec.ts = begin->ts;
		head->rec.data = begin->data;
		head->rec.len = sizeof(begin->data);
		head->rec.lost = 0;
		head->rec.page_start = false;
		head->rec.begins = true;
		head->begin++;
		head->ended = false;
		return true;
	}
	if (head->holds)
		head->rec = head->held;
	head->ended = !head->holds;
	head->holds = false;
	return !head->ended;
}

static inline bool head_advance(struct source *source, struct source_head *head)
{
	return __builtin_expect(head->begin != NULL, 0) ? head_merge(source, head)
							: head_read(source, head);
}

static inline bool head_before(const struct source *source, uint32_t a, uint32_t b)
{
	uint64_t ta = source->heads[a].rec.ts, tb = source->heads[b].rec.ts;

	return ta < tb || (ta == tb && a < b);
}

static void sift_down(struct source *source, uint32_t at)
{
	uint32_t *heap = source->heap, head = heap[at];

	for (;;) {
		uint32_t child = at * 2 + 1;

		if (child >= source->nr_heap)
			break;
		if (child + 1 < source->nr_heap &&
		    head_before(source, heap[child + 1], heap[child]))
			child++;
		if (!head_before(source, heap[child], head))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = head;
}

static void heapify(struct source *source)
{
	for (uint32_t i = source->nr_heap / 2; i-- > 0;)
		sift_down(source, i);
}

/* They are sorted by CPU. */
static void begins_of(const struct source *source, struct source_head *head)
{
	size_t first = 0, end;

	if (!source->nr_begins)
		return;
	while (first < source->nr_begins && source->begins[first].cpu != head->cpu)
		first++;
	for (end = first; end < source->nr_begins && source->begins[end].cpu == head->cpu;)
		end++;
	head->begin = source->begins + first;
	head->end_begins = source->begins + end;
}

int source_start(struct source *source, const bool *cpus, uint32_t nr_cpus, uint64_t from,
		 struct err *err)
{
	struct dat *dat = source->input->dat;
	const struct dat_buffer *buf = &dat->buffers[source->buffer];

	for (uint32_t i = 0; i < buf->nr_cpus; i++) {
		struct source_head *head = &source->heads[source->nr_heads];
		uint32_t cpu = buf->cpus[i].cpu;
		int r;

		if (cpus && (cpu >= nr_cpus || !cpus[cpu]))
			continue;
		head->cpu = head->rec.cpu = cpu;
		r = dat_stream_open(&head->stream, dat, source->buffer, i, err);
		if (r < 0)
			return r;
		source->nr_heads++;
		if (from && !source->sync && source->scale == 0.0 && !source->mult) {
			uint64_t raw = from - (uint64_t)source->offset;

			/* Before the start of all time: begin at the beginning. */
			r = dat_stream_seek(head->stream, (int64_t)raw < 0 ? 0 : raw, err);
			if (r < 0)
				return r;
		}
		begins_of(source, head);
		if (head_advance(source, head))
			source->heap[source->nr_heap++] = source->nr_heads - 1;
	}
	heapify(source);
	return 0;
}

const struct source_record *source_peek_cpu(const struct source *source, uint32_t cpu)
{
	const struct source_head *head = NULL;

	if (cpu < source->nr_heads && source->heads[cpu].cpu == cpu)
		head = &source->heads[cpu];
	for (uint32_t i = 0; !head && i < source->nr_heads; i++)
		if (source->heads[i].cpu == cpu)
			head = &source->heads[i];
	return head && !head->ended ? &head->rec : NULL;
}

void source_pop(struct source *source)
{
	struct source_head *head = &source->heads[source->heap[0]];

	if (!head_advance(source, head))
		source->heap[0] = source->heap[--source->nr_heap];
	if (source->nr_heap)
		sift_down(source, 0);
}

int source_refresh(struct source *source)
{
	bool listed;

	for (uint32_t i = 0; i < source->nr_heads; i++) {
		listed = false;
		for (uint32_t j = 0; j < source->nr_heap; j++)
			listed |= source->heap[j] == i;
		if (!listed && head_advance(source, &source->heads[i]))
			source->heap[source->nr_heap++] = i;
	}
	heapify(source);
	return source->nr_heap ? 1 : 0;
}

int source_cpu_span(struct source *source, uint32_t cpu_index, bool want_last, uint64_t *ret_first,
		    uint64_t *ret_last, struct err *err)
{
	const struct dat *dat = source->input->dat;
	struct source_head head = {.cpu = dat->buffers[source->buffer].cpus[cpu_index].cpu};
	int r = dat_stream_open(&head.stream, source->input->dat, source->buffer, cpu_index, err);
	bool found;

	if (r < 0)
		return r;
	found = head_advance(source, &head);
	if (found)
		*ret_first = head.rec.ts;
	if (found && want_last) {
		r = dat_stream_seek_last(head.stream, err);
		head.cursor.pos = head.cursor.end;
		*ret_last = *ret_first;
		while (r >= 0 && head_advance(source, &head))
			*ret_last = head.rec.ts;
	}
	dat_stream_close(head.stream);
	return r < 0 ? r : found;
}

bool source_first_ts(struct source *source, uint64_t *ret_ts, struct err *err)
{
	const struct dat *dat = source->input->dat;
	bool any = false;

	for (uint32_t i = 0; i < dat->buffers[source->buffer].nr_cpus; i++) {
		uint64_t first, last;

		if (source_cpu_span(source, i, false, &first, &last, err) != 1)
			continue;
		if (!any || first < *ret_ts)
			*ret_ts = first;
		any = true;
	}
	return any;
}
