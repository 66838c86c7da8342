/* SPDX-License-Identifier: MIT */
/* Tracers in user space: the loop on a made-up clock, what events explain, and the records. */
#include "base/test.h"

#include <errno.h>

#include "base/mem.h"
#include "event/event.h"
#include "record/userrecords.h"
#include "ring/page_writer.h"

#define US 1000ull

/* --- a clock that goes on by 50 ns a reading, but for gaps --- */

struct fake_clock {
	uint64_t now, nr;
	struct {
		uint64_t reading, ns;
	} gaps[8];
};

static uint64_t fake_now(void *ctx)
{
	struct fake_clock *clock = ctx;
	uint64_t step = clock->nr ? 50 : 0;

	for (size_t i = 0; i < ARRAY_SIZE(clock->gaps); i++) {
		if (clock->nr && clock->gaps[i].reading == clock->nr)
			step = clock->gaps[i].ns;
	}
	clock->nr++;
	return clock->now += step;
}

TEST(gaps_are_found_and_told_apart)
{
	/* Reading 0 begins; odd readings end a pair (inner), even ones lie between pairs. */
	struct fake_clock fake = {.now = 5000,
				  .gaps = {{3, 20 * US}, {8, 30 * US}, {10, 7 * US}, {13, 9 * US}}};
	struct sampler_clock clock = {fake_now, &fake};
	struct sampler_limits limits = {.width_ns = 100 * US, .gap_ns = 10 * US};
	struct sampler_queue queue;
	atomic_bool stop = false;
	struct sample sample;

	CHECK_EQ(sampler_queue_init(&queue, 4, 8), 0);
	CHECK(!sampler_spin(&queue, &clock, &limits, &stop, &sample));
	CHECK_EQ(sample.start, 5000);
	CHECK(sample.end - sample.start >= 100 * US && sample.end - sample.start < 101 * US);
	CHECK_EQ(sample.nr_gaps, 2);
	CHECK_EQ(sample.longest, 30 * US);
	CHECK_EQ(sample.sum, 50 * US);
	CHECK_EQ(sample.inner, 9 * US);
	CHECK_EQ(sample.outer, 7 * US);
	CHECK(!sampler_peek(&queue));
	sampler_push(&queue, &sample);
	CHECK(sampler_peek(&queue));
	CHECK(sampler_peek_gap(&queue, 0)->inner);
	CHECK_EQ(sampler_peek_gap(&queue, 0)->start, 5000 + 2 * 50);
	CHECK_EQ(sampler_peek_gap(&queue, 0)->end, 5000 + 2 * 50 + 20 * US);
	CHECK(!sampler_peek_gap(&queue, 1)->inner);
	sampler_pop(&queue);
	CHECK(!sampler_peek(&queue));
	sampler_queue_done(&queue);
}

TEST(a_long_gap_or_a_stop_ends_the_loop)
{
	struct fake_clock fake = {.now = 1, .gaps = {{3, 20 * US}}};
	struct sampler_clock clock = {fake_now, &fake};
	struct sampler_limits limits = {
		.width_ns = 1000 * US, .gap_ns = 5 * US, .stop_ns = 19 * US};
	struct sampler_queue queue;
	atomic_bool stop = false;
	struct sample sample;

	CHECK_EQ(sampler_queue_init(&queue, 4, 8), 0);
	CHECK(sampler_spin(&queue, &clock, &limits, &stop, &sample));
	CHECK_EQ(fake.nr, 4);
	atomic_store(&stop, true);
	CHECK(!sampler_spin(&queue, &clock, &limits, &stop, &sample));
	CHECK_EQ(fake.nr, 5);
	sampler_queue_done(&queue);
}

/* What the queue has no room for is counted, and what it had stays whole. */
TEST(a_full_queue_counts)
{
	struct sampler_queue queue;
	atomic_bool stop = false;
	struct sample sample;

	CHECK_EQ(sampler_queue_init(&queue, 2, 4), 0);
	for (uint64_t i = 0; i < 4; i++) {
		struct fake_clock fake = {
			.now = 1000 * US * i,
			.gaps = {{2, 9 * US}, {4, 9 * US}, {5, 9 * US}},
		};
		struct sampler_clock clock = {fake_now, &fake};
		struct sampler_limits limits = {.width_ns = 40 * US, .gap_ns = 5 * US};

		CHECK(!sampler_spin(&queue, &clock, &limits, &stop, &sample));
		CHECK_EQ(sample.nr_gaps + sample.gaps_dropped, 3);
		sample.seq = i;
		sampler_push(&queue, &sample);
	}
	CHECK_EQ(atomic_load(&queue.lost), 2);
	CHECK_EQ(sampler_peek(&queue)->nr_gaps, 3);
	sampler_pop(&queue);
	CHECK_EQ(sampler_peek(&queue)->seq, 1);
	CHECK_EQ(sampler_peek(&queue)->nr_gaps, 1);
	CHECK_EQ(sampler_peek(&queue)->gaps_dropped, 2);
	CHECK_EQ(sampler_peek_gap(&queue, 0)->start, 1000 * US + 50);
	sampler_pop(&queue);
	CHECK(!sampler_peek(&queue));
	sampler_queue_done(&queue);
}

/* --- settings --- */

TEST(settings)
{
	struct user_settings settings;
	enum user_tracer_kind kind;
	bool cpus[40] = {false};
	struct err err = {0};

	user_settings_init(&settings);
	CHECK(user_tracer_by_name("timerlat", &kind) && kind == USER_TIMERLAT);
	CHECK(!user_tracer_by_name("function", &kind));
	CHECK_EQ(user_settings_option(&settings, USER_HWLAT, "hwlat_width=7", &err), 1);
	CHECK_EQ(settings.hwlat_width_us, 7);
	CHECK_EQ(user_settings_option(&settings, USER_HWLAT, "hwlat_mode=per-cpu", &err), 1);
	CHECK_EQ(settings.hwlat_mode, USER_MODE_PER_CPU);
	CHECK_EQ(user_settings_option(&settings, USER_HWLAT, "hwlat_mode=x", &err), -EINVAL);
	CHECK_EQ(user_settings_option(&settings, USER_HWLAT, "hwlat_width=0", &err), -EINVAL);
	CHECK_EQ(user_settings_option(&settings, USER_HWLAT, "hwlat_width=1x", &err), -EINVAL);
	CHECK_EQ(user_settings_option(&settings, USER_HWLAT, "hwlat_width", &err), -EINVAL);
	CHECK_EQ(user_settings_option(&settings, USER_HWLAT, "timerlat_period_us=500", &err),
		 -EINVAL);
	CHECK_EQ(user_settings_option(&settings, USER_OSNOISE, "osnoise_print_stack=1", &err),
		 -ENOTSUP);
	CHECK_EQ(user_settings_option(&settings, USER_OSNOISE, "stacktrace", &err), 0);
	CHECK_EQ(user_settings_check(&settings, USER_HWLAT, &err), 0);
	settings.hwlat_window_us = 6;
	CHECK_EQ(user_settings_check(&settings, USER_HWLAT, &err), -EINVAL);

	CHECK_EQ(user_cpus_list("0,2-3,39-50", cpus, 40, &err), 0);
	CHECK(cpus[0] && !cpus[1] && cpus[2] && cpus[3] && !cpus[4] && cpus[39]);
	CHECK_EQ(user_cpus_list("3-2", cpus, 40, &err), -EINVAL);
	CHECK_EQ(user_cpus_list("1;2", cpus, 40, &err), -EINVAL);
	CHECK_EQ(user_cpus_list("-1", cpus, 40, &err), -EINVAL);
	memset(cpus, 0, sizeof(cpus));
	CHECK_EQ(user_cpus_mask("82,00000005", cpus, 40, &err), 0);
	CHECK(cpus[0] && !cpus[1] && cpus[2] && cpus[33] && cpus[39] && !cpus[38]);
	CHECK_EQ(user_cpus_mask("g", cpus, 40, &err), -EINVAL);
}

/* --- events --- */

#define COMMON                                                                                     \
	"format:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"            \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"             \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
#define ONE_FIELD(name, id, field)                                                                 \
	"name: " name "\nID: " id "\n" COMMON "\tfield:int " field                                 \
	";\toffset:8;\tsize:4;\tsigned:1;\n\nprint fmt: \"%d\", REC->" field "\n"

enum {
	ID_IRQ = 300,
	ID_SOFTIRQ,
	ID_NMI,
	ID_SWITCH,
	ID_TIMER,
	ID_WAKING,
	ID_OTHER
};

static const struct {
	size_t source;
	const char *text;
} event_formats[] = {
	{0, ONE_FIELD("irq_handler_entry", "300", "irq")},
	{2, ONE_FIELD("softirq_entry", "301", "vec")},
	{3, ONE_FIELD("nmi_handler", "302", "delta_ns")},
	{4, ONE_FIELD("sched_switch", "303", "next_pid")},
	{5, ONE_FIELD("hrtimer_expire_entry", "304", "x")},
	{6, ONE_FIELD("sched_waking", "305", "pid")},
};

#define PAGE 4096
static const struct subbuf_layout layout = {PAGE, 8, HOST_BIG};

struct events {
	struct interference *what;
	struct interference_list list;
	uint8_t page[PAGE];
	struct page_writer writer;
};

static bool events_begin(struct events *events)
{
	struct err err = {0};
	bool ok = interference_new(&events->what, &layout) == 0;

	for (size_t i = 0; ok && i < ARRAY_SIZE(event_formats); i++)
		ok = interference_add(events->what, &interference_sources[event_formats[i].source],
				      event_formats[i].text, strlen(event_formats[i].text),
				      &err) == 0;
	page_writer_init(&events->writer, &layout, events->page);
	return ok;
}

static bool event_at(struct events *events, uint64_t ts, uint16_t id, int32_t value)
{
	uint8_t data[12] = {0};

	store_u16(data, id, HOST_BIG);
	data[2] = 0x09;
	data[3] = 2;
	store_u32(data + 4, 4711, HOST_BIG);
	store_u32(data + 8, (uint32_t)value, HOST_BIG);
	return page_writer_add(&events->writer, ts, data, sizeof(data));
}

static bool events_page(struct events *events)
{
	bool ok = page_writer_finish(&events->writer) &&
		  interference_scan(events->what, &events->list, events->page, PAGE) == 0;

	page_writer_next(&events->writer);
	return ok;
}

static void events_done(struct events *events)
{
	interference_list_done(&events->list);
	interference_free(events->what);
}

TEST(events_explain_gaps)
{
	static struct events e;
	struct interference_counts counts;

	e = (struct events){0};
	CHECK(events_begin(&e));
	CHECK(interference_knows(e.what, INTERFERENCE_NMI));
	CHECK(!interference_knows(e.what, INTERFERENCE_LOST));
	CHECK(event_at(&e, 1000, ID_IRQ, 0) && event_at(&e, 2000, ID_SOFTIRQ, 0) &&
	      event_at(&e, 3000, ID_OTHER, 0) && event_at(&e, 4000, ID_NMI, 77) &&
	      event_at(&e, 5000, ID_SWITCH, 42) && event_at(&e, 6000, ID_SWITCH, 43) &&
	      events_page(&e));
	CHECK_EQ(e.list.nr, 5);
	CHECK(interference_explains(&e.list, 900, 1100, true));
	CHECK(!interference_explains(&e.list, 2500, 3500, true));
	CHECK(interference_explains(&e.list, 3900, 4100, true));
	CHECK(!interference_explains(&e.list, 3900, 4100, false));
	interference_count(&e.list, 1000, 6000, 42, &counts);
	CHECK_EQ(counts.by_kind[INTERFERENCE_IRQ], 1);
	CHECK_EQ(counts.by_kind[INTERFERENCE_SOFTIRQ], 1);
	CHECK_EQ(counts.by_kind[INTERFERENCE_NMI], 1);
	CHECK_EQ(counts.by_kind[INTERFERENCE_SWITCH], 1);
	CHECK_EQ(counts.nmi_ns, 77);
	CHECK(!counts.lost);
	/* Lost between 6000 and 9000: that is so for every time that touches it. */
	page_writer_lose(&e.writer, 3);
	CHECK(event_at(&e, 9000, ID_IRQ, 0) && events_page(&e));
	interference_count(&e.list, 1000, 5999, 0, &counts);
	CHECK(!counts.lost);
	interference_count(&e.list, 7000, 8000, 0, &counts);
	CHECK(counts.lost);
	interference_count(&e.list, 8000, 9500, 0, &counts);
	CHECK(counts.lost);
	interference_count(&e.list, 9001, 9500, 0, &counts);
	CHECK(!counts.lost);
	interference_forget(&e.list, 5500);
	CHECK_EQ(e.list.events[0].ts, 6000);
	events_done(&e);
}

/* --- records --- */

#define FIELD(type, name, offset, size)                                                            \
	"\tfield:" type " " name ";\toffset:" #offset ";\tsize:" #size ";\tsigned:0;\n"

static const char hwlat_format[] = "name: hwlat\nID: 16\n" COMMON FIELD(
	"u64", "duration", 8, 8) FIELD("u64", "outer_duration", 16,
				       8) FIELD("u64", "nmi_total_ts", 24,
						8) FIELD("s64", "tv_sec", 32,
							 8) FIELD("long", "tv_nsec", 40, 8)
	FIELD("unsigned int", "nmi_count", 48, 4) FIELD("unsigned int", "seqnum", 52, 4) FIELD(
		"unsigned int", "count", 56,
		4) "\nprint fmt: \"cnt:%u ts:%llu.%09lu inner:%llu outer:%llu count:%u nmi-ts:%llu "
		   "nmi-count:%u\", REC->seqnum, REC->tv_sec, REC->tv_nsec, REC->duration, "
		   "REC->outer_duration, REC->count, REC->nmi_total_ts, REC->nmi_count\n";
static const char osnoise_format[] = "name: osnoise\nID: 17\n" COMMON FIELD(
	"u64", "noise", 8, 8) FIELD("u64", "runtime", 16,
				    8) FIELD("u64", "max_sample", 24,
					     8) FIELD("unsigned int", "hw_count", 32,
						      4) FIELD("unsigned int", "nmi_count", 36,
							       4) FIELD("unsigned int", "irq_count",
									40, 4)
	FIELD("unsigned int", "softirq_count", 44, 4) FIELD(
		"unsigned int",
		"thread_count",
		48, 4) "\nprint fmt: \"noise:%llu max:%llu run:%llu hw:%u nmi:%u irq:%u softirq:%u "
		       "thread:%u\", "
		       "REC->noise, REC->max_sample, REC->runtime, REC->hw_count, REC->nmi_count, "
		       "REC->irq_count, REC->softirq_count, REC->thread_count\n";
static const char timerlat_format[] = "name: timerlat\nID: 18\n" COMMON FIELD(
	"unsigned int", "seqnum", 8, 4) FIELD("int", "context", 12, 4)
	FIELD("u64", "timer_latency", 16,
	      8) "\nprint fmt: \"seq:%u context:%d latency:%llu\", REC->seqnum, REC->context, "
		 "REC->timer_latency\n";
static const char print_format[] = "name: print\nID: 5\n" COMMON FIELD("unsigned long", "ip", 8, 8)
	FIELD("char", "buf[]", 16, 0) "\nprint fmt: \"%ps: %s\", (void *)REC->ip, REC->buf\n";

#define TEXT(text)                                                                                 \
	{                                                                                          \
		"ftrace", text, sizeof(text) - 1                                                   \
	}
static const struct dat_format formats[] = {TEXT(hwlat_format), TEXT(osnoise_format),
					    TEXT(timerlat_format), TEXT(print_format)};

/* The records of a page as "TS PID FLAGS TEXT\n". */
static void print_page(const void *page, struct out *out)
{
	struct event_db_options options = {.big_endian = HOST_BIG, .long_size = 8};
	struct event_context context = {.compat = 34};
	struct event_db *db;
	struct subbuf_cursor cursor;
	struct subbuf_record record;
	struct err err;

	if (event_db_new(&db, &options) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		if (event_db_add_format(db, "ftrace", formats[i].text, formats[i].len, &err) < 0)
			__builtin_trap();
	}
	if (event_db_seal(db) < 0 || subbuf_open(&cursor, &layout, page, PAGE) < 0)
		__builtin_trap();
	if (cursor.lost)
		out_printf(out, "lost %lld\n", (long long)cursor.lost);
	while (subbuf_next(&cursor, &record) > 0) {
		uint16_t id = load_u16(record.data, HOST_BIG);

		out_printf(out, "%llu %u %u/%u ", (unsigned long long)record.ts,
			   load_u32(record.data + 4, HOST_BIG), record.data[2], record.data[3]);
		event_print(event_db_by_id(db, id), record.data, record.len, 0, &context, out);
		out_char(out, '\n');
	}
	event_db_free(db);
}

static int keep_page(void *ctx, uint32_t cpu, const void *page, struct err *err)
{
	struct out *out = ctx;

	(void)err;
	out_printf(out, "cpu %u\n", cpu);
	print_page(page, out);
	return 0;
}

static bool records_begin(struct user_records **ret, enum user_tracer_kind kind, bool known,
			  struct out *out)
{
	struct user_records_options options = {
		.kind = kind,
		.layout = layout,
		.nr_cpus = 2,
		.formats = formats,
		.nr_formats = ARRAY_SIZE(formats),
		.hw_known = known,
		.marker_ip = 0x1234,
		.store = keep_page,
		.ctx = out,
	};
	struct err err;

	for (size_t i = 0; i < INTERFERENCE_LOST; i++)
		options.counts_known[i] = known;
	return user_records_new(ret, &options, &err) == 0;
}

/*
 * One window on CPU 1, thread 42, from 0: gaps 20 us at 100 ns (inner, an interrupt in it), 30 us
 * between pairs that nothing explains, 40 us with a switch, 15 us with an NMI.
 */
static bool window(struct events *e, struct sampler_queue *queue, struct sample *sample)
{
	struct fake_clock fake = {
		.gaps = {{3, 20 * US}, {6, 30 * US}, {9, 40 * US}, {11, 15 * US}},
	};
	struct sampler_clock clock = {fake_now, &fake};
	struct sampler_limits limits = {.width_ns = 200 * US, .gap_ns = 11 * US};
	atomic_bool stop = false;

	if (!events_begin(e) || sampler_queue_init(queue, 4, 16) < 0)
		return false;
	sampler_spin(queue, &clock, &limits, &stop, sample);
	sample->cpu = 1;
	sampler_push(queue, sample);
	return event_at(e, 5000, ID_IRQ, 1) && event_at(e, 60000, ID_SWITCH, 7) &&
	       event_at(e, 70000, ID_SWITCH, 42) && event_at(e, 95000, ID_NMI, 9000) &&
	       events_page(e);
}

static void run_window(enum user_tracer_kind kind, bool known, bool lose, struct out *out)
{
	static struct events e;
	struct sampler_queue queue;
	struct user_records *records;
	struct sample sample;
	struct err err;

	e = (struct events){0};
	CHECK(window(&e, &queue, &sample));
	if (lose) {
		page_writer_lose(&e.writer, 3);
		CHECK(event_at(&e, 150000, ID_IRQ, 0) && events_page(&e));
	}
	CHECK(records_begin(&records, kind, known, out));
	CHECK_EQ(user_records_sample(records,
				     &(struct user_sample){
					     .sample = sampler_peek(&queue),
					     .queue = &queue,
					     .events = &e.list,
					     .pid = 42,
					     .real_offset_ns = 1700000000000000000,
				     },
				     &err),
		 0);
	CHECK_EQ(user_records_flush(records, &err), 0);
	user_records_free(records);
	sampler_queue_done(&queue);
	events_done(&e);
}

TEST(hwlat_leaves_out_what_events_explain)
{
	_cleanup_out_ struct out out = {0};

	/* The NMI's gap counts, as in the kernel's tracer, and is told. */
	run_window(USER_HWLAT, true, false, &out);
	CHECK_STR(out_cstr(&out), "cpu 1\n200000 42 0/0 cnt:1 ts:1700000000.000050200 inner:15 "
				  "outer:30 count:2 nmi-ts:9 nmi-count:1\n");
}

TEST(hwlat_without_events)
{
	_cleanup_out_ struct out out = {0};

	run_window(USER_HWLAT, false, false, &out);
	CHECK_STR(out_cstr(&out),
		  "cpu 1\n200000 42 0/0 cnt:1 ts:1700000000.000020100 inner:40 outer:30 count:4 "
		  "nmi-ts:18446744073709551615 nmi-count:4294967295\n");
}

TEST(hwlat_with_lost_events_is_lost)
{
	_cleanup_out_ struct out out = {0};

	run_window(USER_HWLAT, true, true, &out);
	CHECK_STR(out_cstr(&out), "cpu 1\nlost 1\n");
}

TEST(osnoise_counts)
{
	_cleanup_out_ struct out out = {0}, unknown = {0}, lost = {0};

	run_window(USER_OSNOISE, true, false, &out);
	CHECK_STR(out_cstr(&out), "cpu 1\n200000 42 0/0 noise:105 max:40 run:200 hw:1 nmi:1 irq:1 "
				  "softirq:0 thread:1\n");
	run_window(USER_OSNOISE, false, false, &unknown);
	CHECK_STR(out_cstr(&unknown),
		  "cpu 1\n200000 42 0/0 noise:105 max:40 run:200 hw:4294967295 nmi:4294967295 "
		  "irq:4294967295 softirq:4294967295 thread:4294967295\n");
	run_window(USER_OSNOISE, true, true, &lost);
	CHECK_STR(out_cstr(&lost), out_cstr(&unknown));
}

TEST(timerlat_takes_the_interrupt_from_events)
{
	static struct events e;
	_cleanup_out_ struct out out = {0};
	struct sampler_queue queue;
	struct user_records *records;
	struct sample sample = {.seq = 3, .start = 1000, .end = 9000, .cpu = 1};
	struct user_sample what = {.queue = &queue, .events = &e.list, .pid = 42};
	struct err err;

	e = (struct events){0};
	CHECK(events_begin(&e));
	CHECK_EQ(sampler_queue_init(&queue, 4, 1), 0);
	/* The last timer before our waking is ours; a waking of another task is not. */
	CHECK(event_at(&e, 500, ID_TIMER, 0) && event_at(&e, 2000, ID_TIMER, 0) &&
	      event_at(&e, 2100, ID_WAKING, 41) && event_at(&e, 3000, ID_TIMER, 0) &&
	      event_at(&e, 3100, ID_WAKING, 42) && event_at(&e, 4000, ID_TIMER, 0) &&
	      events_page(&e));
	CHECK(records_begin(&records, USER_TIMERLAT, true, &out));
	what.sample = &sample;
	CHECK_EQ(user_records_irq_latency(&what), 2000);
	CHECK_EQ(user_records_sample(records, &what, &err), 0);
	/* Nothing woke it: it had no need to sleep. */
	sample = (struct sample){.seq = 4, .start = 9500, .end = 9600, .cpu = 1};
	CHECK_EQ(user_records_irq_latency(&what), 0);
	CHECK_EQ(user_records_sample(records, &what, &err), 0);
	CHECK_EQ(user_records_note(records, 0, 7, 42, "hello", &err), 0);
	CHECK_EQ(user_records_written(records, 0), 1);
	CHECK_EQ(user_records_flush(records, &err), 0);
	CHECK_STR(out_cstr(&out), "cpu 0\n7 42 0/0 0x1234: hello\n\n"
				  "cpu 1\n3000 4711 9/2 seq:3 context:0 latency:2000\n"
				  "9000 42 0/0 seq:3 context:1 latency:8000\n"
				  "9600 42 0/0 seq:4 context:1 latency:100\n");
	user_records_free(records);
	sampler_queue_done(&queue);
	events_done(&e);
}

TEST(a_kernel_without_the_event)
{
	struct user_records_options options = {
		.kind = USER_HWLAT,
		.layout = layout,
		.nr_cpus = 1,
		.formats = formats + 1,
		.nr_formats = ARRAY_SIZE(formats) - 1,
	};
	struct user_records *records;
	struct err err;

	CHECK_EQ(user_records_new(&records, &options, &err), -ENOTSUP);
}

TEST_MAIN()
