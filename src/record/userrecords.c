/* SPDX-License-Identifier: MIT */
#include "record/userrecords.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "event/event.h"
#include "ring/page_writer.h"

#define FIELDS_MAX   9
#define RECORD_BYTES 256
#define IRQ_CONTEXT  0
#define TASK_CONTEXT 1
#define NS_PER_US    1000u
#define NS_PER_S     1000000000

/* In the order of the values that make_record gets. */
static const char *const field_names[USER_NR_TRACERS][FIELDS_MAX] = {
	[USER_HWLAT] = {"duration", "outer_duration", "nmi_total_ts", "tv_sec", "tv_nsec",
			"nmi_count", "seqnum", "count"},
	[USER_OSNOISE] = {"noise", "runtime", "max_sample", "hw_count", "nmi_count", "irq_count",
			  "softirq_count", "thread_count"},
	[USER_TIMERLAT] = {"seqnum", "context", "timer_latency"},
};

struct cpu_records {
	struct page_writer writer;
	uint64_t written, lost;
};

struct user_records {
	struct user_records_options options;
	struct event_db *db;
	const struct event *event, *print;
	const struct event_field *fields[FIELDS_MAX];
	const struct event_field *text, *ip; /* of print */
	struct cpu_records *cpus;
	uint8_t *pages;
	uint32_t hwlat_seq;
};

/* --- formats --- */

static int find_event(struct user_records *records, struct err *err)
{
	const char *name = user_tracer_name(records->options.kind);
	const struct event_field *last = NULL;

	records->event = event_db_by_name(records->db, "ftrace", name);
	records->print = event_db_by_name(records->db, "ftrace", "print");
	records->text = records->print ? event_field_find(records->print, "buf") : NULL;
	records->ip = records->print ? event_field_find(records->print, "ip") : NULL;
	for (size_t i = 0; records->event && i < FIELDS_MAX; i++) {
		const char *field = field_names[records->options.kind][i];

		if (!field)
			break;
		last = event_field_find(records->event, field);
		if (!last || last->offset + last->size > RECORD_BYTES ||
		    (last->size != 4 && last->size != 8))
			return err_set(err, -ENOTSUP,
				       "this kernel's event ftrace:%s has no field '%s' that could "
				       "be filled from user space",
				       name, field);
		records->fields[i] = last;
	}
	return records->event ? 0
			      : err_set(err, -ENOTSUP,
					"this kernel knows no event ftrace:%s in which user space "
					"could store what it measures",
					name);
}

static int add_formats(struct user_records *records, struct err *err)
{
	const struct user_records_options *options = &records->options;
	struct event_db_options db_options = {
		.big_endian = options->layout.big_endian,
		.long_size = options->layout.long_size,
	};
	int r = event_db_new(&records->db, &db_options);

	for (size_t i = 0; i < options->nr_formats && r == 0; i++) {
		r = event_db_add_format(records->db, "ftrace", options->formats[i].text,
					options->formats[i].len, err);
		/* Another tracer's, which is not needed. */
		if (r != -ENOMEM)
			r = 0;
	}
	if (r == 0)
		r = event_db_seal(records->db);
	return r < 0 ? err_sys(err, r, "cannot prepare the tracer") : find_event(records, err);
}

int user_records_new(struct user_records **ret_records, const struct user_records_options *options,
		     struct err *err)
{
	struct user_records *records = mem_zalloc(sizeof(*records));
	int r;

	if (!records)
		return err_sys(err, -ENOMEM, "cannot prepare the tracer");
	records->options = *options;
	records->cpus = mem_calloc(options->nr_cpus, sizeof(*records->cpus));
	records->pages = mem_calloc(options->nr_cpus, options->layout.size);
	if (!records->cpus || !records->pages)
		r = err_sys(err, -ENOMEM, "cannot prepare the tracer");
	else
		r = add_formats(records, err);
	if (r < 0) {
		user_records_free(records);
		return r;
	}
	for (uint32_t cpu = 0; cpu < options->nr_cpus; cpu++)
		page_writer_init(&records->cpus[cpu].writer, &options->layout,
				 records->pages + (size_t)cpu * options->layout.size);
	records->options.formats = NULL;
	*ret_records = records;
	return 0;
}

void user_records_free(struct user_records *records)
{
	if (!records)
		return;
	event_db_free(records->db);
	mem_free(records->cpus);
	mem_free(records->pages);
	mem_free(records);
}

/* --- pages --- */

static int store_page(struct user_records *records, uint32_t cpu, struct err *err)
{
	struct page_writer *writer = &records->cpus[cpu].writer;
	int r;

	if (!page_writer_finish(writer))
		return 0;
	r = records->options.store(records->options.ctx, cpu, writer->page, err);
	if (r == 0)
		page_writer_next(writer);
	return r;
}

static int add(struct user_records *records, uint32_t cpu, uint64_t ts, const void *data,
	       uint32_t len, struct err *err)
{
	struct cpu_records *to = &records->cpus[cpu];
	int r = 0;

	if (!page_writer_add(&to->writer, ts, data, len)) {
		r = store_page(records, cpu, err);
		if (r == 0 && !page_writer_add(&to->writer, ts, data, len))
			r = err_set(err, -EMSGSIZE, "a record does not fit a sub-buffer");
	}
	to->written += r == 0;
	return r;
}

int user_records_flush(struct user_records *records, struct err *err)
{
	int r = 0;

	for (uint32_t cpu = 0; cpu < records->options.nr_cpus && r == 0; cpu++)
		r = store_page(records, cpu, err);
	return r;
}

void user_records_lose(struct user_records *records, uint32_t cpu, uint64_t nr)
{
	page_writer_lose(&records->cpus[cpu].writer, nr);
	records->cpus[cpu].lost += nr;
}

uint64_t user_records_written(const struct user_records *records, uint32_t cpu)
{
	return records->cpus[cpu].written;
}

uint64_t user_records_lost(const struct user_records *records, uint32_t cpu)
{
	return records->cpus[cpu].lost;
}

/* --- records --- */

static void put_int(uint8_t *data, uint32_t offset, uint32_t size, uint64_t value, bool big)
{
	switch (size) {
	case 1:
		data[offset] = (uint8_t)value;
		break;
	case 2:
		store_u16(data + offset, (uint16_t)value, big);
		break;
	case 4:
		store_u32(data + offset, (uint32_t)value, big);
		break;
	default:
		store_u64(data + offset, value, big);
	}
}

/* Common fields of what a thread in user space writes: nothing is switched off there. */
static void put_common(const struct user_records *records, uint8_t *data, uint16_t id, int32_t pid)
{
	const struct event_common *common = event_db_common(records->db);
	const bool big = records->options.layout.big_endian;

	put_int(data, common->type_offset, common->type_size, id, big);
	put_int(data, common->pid_offset, common->pid_size, (uint64_t)(int64_t)pid, big);
}

struct context { /* in which it happened; the event's own task for a thread's record */
	int32_t pid;
	uint8_t flags, preempt_count;
};

static int add_values(struct user_records *records, uint32_t cpu, uint64_t ts,
		      const struct context *context, const uint64_t *values, struct err *err)
{
	const struct event_common *common = event_db_common(records->db);
	const bool big = records->options.layout.big_endian;
	uint8_t data[RECORD_BYTES] = {0};
	uint32_t len = 0;

	put_common(records, data, records->event->id, context->pid);
	put_int(data, common->flags_offset, 1, context->flags, big);
	put_int(data, common->preempt_offset, 1, context->preempt_count, big);
	for (size_t i = 0; i < FIELDS_MAX && records->fields[i]; i++) {
		const struct event_field *field = records->fields[i];

		put_int(data, field->offset, field->size, values[i], big);
		len = MAX(len, field->offset + field->size);
	}
	return add(records, cpu, ts, data, len, err);
}

int user_records_note(struct user_records *records, uint32_t cpu, uint64_t ts, int32_t pid,
		      const char *text, struct err *err)
{
	uint8_t data[RECORD_BYTES * 4] = {0};
	size_t len;

	if (!records->text || records->text->offset >= RECORD_BYTES)
		return 0;
	put_common(records, data, records->print->id, pid);
	if (records->ip && records->ip->offset + 8 <= RECORD_BYTES)
		put_int(data, records->ip->offset, records->ip->size, records->options.marker_ip,
			records->options.layout.big_endian);
	len = records->text->offset;
	len += (size_t)snprintf((char *)data + len, sizeof(data) - len, "%s\n", text) + 1;
	return add(records, cpu, ts, data, (uint32_t)MIN(len, sizeof(data)), err);
}

/* --- hwlat --- */

struct hw_gaps {
	uint64_t inner, outer, first_ts; /* the largest, ns; when the first was seen */
	uint32_t nr;
	uint32_t pairs; /* of readings with such a gap, which is what hwlat counts */
};

static void find_hw_gaps(const struct user_records *records, const struct user_sample *what,
			 bool nmi_too, struct hw_gaps *ret_gaps)
{
	struct hw_gaps found = {.inner = what->sample->inner, .outer = what->sample->outer};
	uint64_t last_outer = 0;

	for (uint32_t i = 0; i < what->sample->nr_gaps; i++) {
		const struct sampler_gap *gap = sampler_peek_gap(what->queue, i);
		uint64_t length = gap->end - gap->start;
		uint64_t *largest = gap->inner ? &found.inner : &found.outer;

		if (records->options.hw_known &&
		    interference_explains(what->events, gap->start, gap->end, nmi_too))
			continue;
		*largest = MAX(*largest, length);
		if (!found.nr++)
			found.first_ts = gap->end;
		found.pairs += !gap->inner || gap->start != last_outer;
		last_outer = gap->inner ? 0 : gap->end;
	}
	*ret_gaps = found;
}

static uint64_t known_or_ones(bool known, uint64_t value)
{
	return known ? value : UINT64_MAX;
}

static int hwlat_sample(struct user_records *records, const struct user_sample *what,
			struct err *err)
{
	const struct sample *sample = what->sample;
	bool nmi_known = records->options.counts_known[INTERFERENCE_NMI];
	struct context context = {.pid = what->pid};
	struct interference_counts counts;
	struct hw_gaps gaps;
	int64_t real_ns;

	interference_count(what->events, sample->start, sample->end, what->pid, &counts);
	/* Without these events any interrupt would look like the hardware's doing. */
	if (counts.lost && records->options.hw_known) {
		user_records_lose(records, sample->cpu, sample->nr_gaps ? 1 : 0);
		return 0;
	}
	find_hw_gaps(records, what, false, &gaps);
	if (!gaps.nr)
		return 0;
	real_ns = (int64_t)gaps.first_ts + what->real_offset_ns;
	return add_values(records, sample->cpu, sample->end, &context,
			  (const uint64_t[FIELDS_MAX]){
				  gaps.inner / NS_PER_US,
				  gaps.outer / NS_PER_US,
				  known_or_ones(nmi_known, counts.nmi_ns / NS_PER_US),
				  (uint64_t)(real_ns / NS_PER_S),
				  (uint64_t)(real_ns % NS_PER_S),
				  known_or_ones(nmi_known, counts.by_kind[INTERFERENCE_NMI]),
				  ++records->hwlat_seq,
				  known_or_ones(!sample->gaps_dropped, gaps.pairs),
			  },
			  err);
}

/* --- osnoise --- */

static int osnoise_sample(struct user_records *records, const struct user_sample *what,
			  struct err *err)
{
	const struct sample *sample = what->sample;
	const struct user_records_options *options = &records->options;
	struct context context = {.pid = what->pid};
	struct interference_counts counts;
	uint64_t n[INTERFERENCE_NR_KINDS];
	struct hw_gaps gaps;

	interference_count(what->events, sample->start, sample->end, what->pid, &counts);
	find_hw_gaps(records, what, true, &gaps);
	for (size_t i = 0; i < INTERFERENCE_NR_KINDS; i++)
		n[i] = known_or_ones(options->counts_known[i] && !counts.lost, counts.by_kind[i]);
	return add_values(
		records, sample->cpu, sample->end, &context,
		(const uint64_t[FIELDS_MAX]){
			sample->sum / NS_PER_US,
			(sample->end - sample->start) / NS_PER_US,
			sample->longest / NS_PER_US,
			known_or_ones(options->hw_known && !counts.lost && !sample->gaps_dropped,
				      gaps.nr),
			n[INTERFERENCE_NMI],
			n[INTERFERENCE_IRQ],
			n[INTERFERENCE_SOFTIRQ],
			n[INTERFERENCE_SWITCH],
		},
		err);
}

/* --- timerlat --- */

/*
 * The interrupt that woke the thread: the last expiring timer before the thread was woken, at or
 * after its time. NULL when there is none, or events were lost.
 */
static const struct interference_event *find_interrupt(const struct user_sample *what)
{
	const struct interference_list *list = what->events;
	const struct interference_event *timer = NULL;

	for (size_t i = interference_find(list, what->sample->start);
	     i < list->nr && list->events[i].ts <= what->sample->end; i++) {
		const struct interference_event *event = &list->events[i];

		if (event->kind == INTERFERENCE_LOST)
			return NULL;
		if (event->kind == INTERFERENCE_TIMER)
			timer = event;
		if (event->kind == INTERFERENCE_WAKING && event->value == what->pid)
			return timer;
	}
	return NULL;
}

uint64_t user_records_irq_latency(const struct user_sample *what)
{
	const struct interference_event *irq = find_interrupt(what);

	return irq ? irq->ts - what->sample->start : 0;
}

static int timerlat_sample(struct user_records *records, const struct user_sample *what,
			   struct err *err)
{
	const struct sample *sample = what->sample;
	const struct interference_event *irq = find_interrupt(what);
	struct context context = {.pid = what->pid};
	int r = 0;

	if (irq) {
		struct context interrupted = {
			.pid = irq->pid,
			.flags = irq->flags,
			.preempt_count = irq->preempt_count,
		};

		r = add_values(records, sample->cpu, irq->ts, &interrupted,
			       (const uint64_t[FIELDS_MAX]){sample->seq, IRQ_CONTEXT,
							    irq->ts - sample->start},
			       err);
	}
	if (r == 0)
		r = add_values(records, sample->cpu, sample->end, &context,
			       (const uint64_t[FIELDS_MAX]){sample->seq, TASK_CONTEXT,
							    sample->end - sample->start},
			       err);
	return r;
}

int user_records_sample(struct user_records *records, const struct user_sample *what,
			struct err *err)
{
	switch (records->options.kind) {
	case USER_HWLAT:
		return hwlat_sample(records, what, err);
	case USER_OSNOISE:
		return osnoise_sample(records, what, err);
	default:
		return timerlat_sample(records, what, err);
	}
}
