/* SPDX-License-Identifier: MIT */
/* The hist engine: what tests/hist compares with kernels at large, in small. */
#include "base/test.h"

#include <errno.h>

#include "base/mem.h"
#include "expr/expr_test_events.h"
#include "expr/hist.h"
#include "expr/hist_map.h"

struct rig {
	struct event_db *db;
	struct hist_set *set;
	const struct event *sw, *wakeup;
	struct err err;
	struct out out;
	uint64_t ts;
};

static bool rig_init(struct rig *rig, const char *release, bool strict)
{
	struct hist_options options = {
		.kernel = hist_kernel_from_release(release),
		.release = release,
		.strict = strict,
		.nsecs = true,
	};

	*rig = (struct rig){0};
	if (test_events(&rig->db) < 0 || hist_set_new(&rig->set, rig->db, &options) < 0)
		return false;
	rig->sw = event_db_by_name(rig->db, "sched", "sched_switch");
	rig->wakeup = event_db_by_name(rig->db, "sched", "sched_wakeup");
	return rig->sw && rig->wakeup;
}

static void rig_done(struct rig *rig)
{
	hist_set_free(rig->set);
	event_db_free(rig->db);
	out_done(&rig->out);
}

static int feed_switch(struct rig *rig, int32_t prev, int32_t next, const char *next_comm)
{
	struct test_switch s = {"prev", next_comm, prev, next, 120, next * 10, 0};
	uint8_t data[TEST_SWITCH_LEN];
	struct hist_record record = {
		.event = rig->sw, .data = data, .len = sizeof(data), .cpu = 1, .ts = rig->ts};

	test_switch(data, &s);
	return hist_set_record(rig->set, &record);
}

static int feed_wakeup(struct rig *rig, int32_t pid, uint32_t cpu)
{
	uint8_t data[TEST_WAKEUP_LEN];
	struct hist_record record = {
		.event = rig->wakeup, .data = data, .len = sizeof(data), .cpu = cpu, .ts = rig->ts};

	test_wakeup(data, 1, pid, "woken");
	return hist_set_record(rig->set, &record);
}

static const char *kernel_text(struct rig *rig, const struct event *event)
{
	out_clear(&rig->out);
	return hist_print_kernel(rig->set, event, &rig->out) < 0 ? "" : out_cstr(&rig->out);
}

TEST(text_of_the_kernel)
{
	struct rig rig;

	CHECK(rig_init(&rig, "6.1.0", true));
	CHECK(!hist_set_trigger(rig.set, rig.sw,
				"hist:keys=next_comm,next_pid.hex:vals=prev_prio:size=128"
				":sort=next_pid.descending if next_pid > 1",
				&rig.err));
	for (int32_t i = 0; i < 6; i++)
		CHECK(!feed_switch(&rig, 5, i % 3 * 15, "a task"));
	CHECK_STR(kernel_text(&rig, rig.sw),
		  "# event histogram\n#\n# trigger info: hist:keys=next_comm,next_pid.hex:vals="
		  "hitcount,prev_prio:sort=next_pid.hex.descending:size=128 if next_pid > 1 "
		  "[active]\n#\n\n"
		  "{ next_comm: a task                                            , next_pid: 1e } "
		  "hitcount:          2  prev_prio:        240\n"
		  "{ next_comm: a task                                            , next_pid: f } "
		  "hitcount:          2  prev_prio:        240\n"
		  "\nTotals:\n    Hits: 4\n    Entries: 2\n    Dropped: 0\n");
	rig_done(&rig);
}

TEST(refused_with_the_kernels_words)
{
	static const struct {
		const char *text, *message;
		size_t at;
		int code;
	} cases[] = {
		{"hist:keys=nope", "Couldn't find field", 10, -EINVAL},
		{"hist:keys=next_pid:vals=prev_prio.log2", "Invalid field modifier", 24, -EINVAL},
		{"hist:keys=next_pid:x=1/0", "Division by zero", 23, -EDOM},
		{"hist:keys=next_pid:x=prev_prio+next_comm",
		 "String type can not be an operand in expression", 31, -EINVAL},
		{"hist:keys=$x", "Couldn't find variable", 11, -EINVAL},
		{"hist:keys=next_pid:sort=next_pid.up", "Invalid sort modifier", 33, -EINVAL},
		{"hist:keys=next_pid:sort=a,b,c", "Sort field must be a key or a val", 24, -EINVAL},
		{"hist:keys=next_pid:x=", "Empty assignment", 19, -EINVAL},
		{"hist:keys=next_pid:clear", "Can't clear or continue a nonexistent hist trigger",
		 0, -ENOENT},
		{"hist:keys=next_pid:onmatch(sched.nope).x()", "Invalid subsystem or event name",
		 33, -EINVAL},
		{"hist:keys=next_pid:size=5000000", NULL, 0, -EINVAL},
		{"hist:vals=prev_prio", NULL, 0, -EINVAL},
	};
	struct rig rig;

	CHECK(rig_init(&rig, "6.12.1", true));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *place, *command, *message;
		size_t at = 0;

		CHECK_EQ(hist_set_trigger(rig.set, rig.sw, cases[i].text, &rig.err), cases[i].code);
		message = hist_set_error(rig.set, 0, &place, &command, &at);
		CHECK(!message == !cases[i].message);
		if (!message)
			continue;
		CHECK_STR(message, cases[i].message);
		CHECK_EQ(at, cases[i].at);
		CHECK_STR(command, cases[i].text);
		CHECK_STR(place, "hist:sched:sched_switch");
	}
	CHECK_EQ(hist_set_count(rig.set), 0);
	rig_done(&rig);
}

/* Values below 2^20 divided by a constant come out one too large; the honest way does not. */
TEST(division_by_a_constant)
{
	for (int strict = 0; strict < 2; strict++) {
		struct hist_rows *rows;
		struct hist_cell cell;
		struct rig rig;

		CHECK(rig_init(&rig, "6.12.1", strict));
		CHECK(!hist_set_trigger(rig.set, rig.sw, "hist:keys=next_pid/1000:size=128",
					&rig.err));
		CHECK(!feed_switch(&rig, 1, 1500, "x"));
		CHECK(!hist_rows_new(hist_set_at(rig.set, 0), &rows));
		hist_cell(hist_set_at(rig.set, 0), rows, 0, 0, &cell);
		CHECK_EQ(cell.number, strict ? 2 : 1);
		hist_rows_free(rows);
		rig_done(&rig);
	}
}

static int same(const void *arg, const uint8_t *a, const uint8_t *b)
{
	(void)arg;
	(void)a;
	(void)b;
	return 0;
}

/* Five equal elements, in the orders that kernels leave them in. */
TEST(ties)
{
	static const uint8_t orders[2][5] = {{1, 2, 3, 4, 0}, {3, 1, 4, 2, 0}};
	uint8_t bytes[5] = {0, 1, 2, 3, 4}, *elements[5];

	for (int double_pop = 0; double_pop < 2; double_pop++) {
		for (size_t i = 0; i < 5; i++)
			elements[i] = &bytes[i];
		hist_heapsort(elements, 5, double_pop, same, NULL);
		for (size_t i = 0; i < 5; i++)
			CHECK_EQ(*elements[i], orders[double_pop][i]);
	}
}

TEST(full_map_drops)
{
	struct hist_totals totals;
	struct rig rig;

	CHECK(rig_init(&rig, "6.12.1", true));
	CHECK(!hist_set_trigger(rig.set, rig.sw, "hist:keys=next_pid:size=128", &rig.err));
	for (int32_t i = 0; i < 1000; i++)
		CHECK(!feed_switch(&rig, 1, i % 200, "x"));
	totals = hist_totals(hist_set_at(rig.set, 0));
	CHECK_EQ(totals.entries, 128);
	CHECK_EQ(totals.hits, 640);
	CHECK_EQ(totals.dropped, 360);
	rig_done(&rig);
}

struct emitted {
	unsigned int nr;
	uint64_t lat;
	int32_t pid;
	char comm[16];
};

static int emit(void *arg, const struct hist_record *record)
{
	struct emitted *emitted = arg;
	const struct event *event = record->event;
	const struct event_field *comm = event_field_find(event, "comm");
	uint32_t len;
	const char *text = event_field_bytes(event, comm, record->data, record->len, &len);

	emitted->nr++;
	emitted->lat =
		event_field_u64(event, event_field_find(event, "lat"), record->data, record->len);
	emitted->pid = (int32_t)event_field_u64(event, event_field_find(event, "pid"), record->data,
						record->len);
	snprintf(emitted->comm, sizeof(emitted->comm), "%.*s", (int)len, text);
	return 0;
}

static bool add_latency(struct rig *rig)
{
	return !hist_set_synthetic(rig->set, "wake u64 lat; pid_t pid; char[] comm", &rig->err) &&
	       !hist_set_trigger(rig->set, rig->wakeup, "hist:keys=pid:ts0=common_timestamp.usecs",
				 &rig->err) &&
	       !hist_set_trigger(rig->set, rig->sw,
				 "hist:keys=next_pid:lat=common_timestamp.usecs-$ts0:"
				 "onmatch(sched.sched_wakeup).wake($lat,next_pid,next_comm)",
				 &rig->err);
}

/* A wake-up is matched once, by the switch to its task. */
TEST(synthetic_events)
{
	struct emitted emitted = {0};
	struct rig rig;

	CHECK(rig_init(&rig, "6.12.1", true));
	CHECK(add_latency(&rig));
	CHECK(!hist_set_trigger(rig.set, hist_set_event(rig.set, "synthetic", "wake"),
				"hist:keys=comm:vals=lat", &rig.err));
	hist_set_emit(rig.set, emit, &emitted);
	rig.ts = 1000000;
	CHECK(!feed_wakeup(&rig, 42, 0));
	rig.ts = 1250000;
	CHECK(!feed_switch(&rig, 1, 41, "other"));
	CHECK(!feed_switch(&rig, 1, 42, "mine"));
	CHECK(!feed_switch(&rig, 1, 42, "again"));
	CHECK_EQ(emitted.nr, 1);
	CHECK_EQ(emitted.lat, 250);
	CHECK_EQ(emitted.pid, 42);
	CHECK_STR(emitted.comm, "mine");
	CHECK_EQ(hist_totals(hist_set_at(rig.set, 1)).unmatched, 2);
	CHECK(strstr(kernel_text(&rig, hist_set_event(rig.set, "synthetic", "wake")),
		     "} hitcount:          1  lat:        250\n"));
	CHECK_EQ(hist_set_synthetic(rig.set, "!wake", &rig.err), -EBUSY);
	rig_done(&rig);
}

/* What was lost on a variable's CPU may have been its end; the kernel's way does not know. */
TEST(losses_spoil_variables)
{
	for (int strict = 0; strict < 2; strict++) {
		struct emitted emitted = {0};
		struct rig rig;

		CHECK(rig_init(&rig, "6.12.1", strict));
		CHECK(add_latency(&rig));
		hist_set_emit(rig.set, emit, &emitted);
		CHECK(!feed_wakeup(&rig, 42, 0));
		CHECK(!feed_wakeup(&rig, 43, 3));
		CHECK(!hist_set_lost(rig.set, 3));
		CHECK(!feed_switch(&rig, 1, 42, "kept"));
		CHECK(!feed_switch(&rig, 1, 43, "spoilt"));
		CHECK_EQ(emitted.nr, strict ? 2 : 1);
		CHECK_EQ(hist_totals(hist_set_at(rig.set, 1)).poisoned, strict ? 0 : 1);
		rig_done(&rig);
	}
}

TEST(triggers_come_and_go)
{
	struct rig rig;

	CHECK(rig_init(&rig, "6.1.0", true));
	CHECK(!hist_set_trigger(rig.set, rig.sw, "hist:keys=next_pid:size=128", &rig.err));
	CHECK_EQ(hist_set_trigger(rig.set, rig.sw, "hist:keys=next_pid:size=256", &rig.err),
		 -EEXIST);
	CHECK(!feed_switch(&rig, 1, 2, "x"));
	CHECK(!hist_set_trigger(rig.set, rig.sw, "hist:keys=next_pid:pause", &rig.err));
	CHECK(!feed_switch(&rig, 1, 2, "x"));
	CHECK_EQ(hist_totals(hist_set_at(rig.set, 0)).hits, 1);
	CHECK(!hist_set_trigger(rig.set, rig.sw, "hist:keys=next_pid:cont", &rig.err));
	CHECK(!feed_switch(&rig, 1, 2, "x"));
	CHECK_EQ(hist_totals(hist_set_at(rig.set, 0)).hits, 2);
	CHECK(!hist_set_trigger(rig.set, rig.sw, "hist:keys=next_pid:clear", &rig.err));
	CHECK_EQ(hist_totals(hist_set_at(rig.set, 0)).hits, 0);
	CHECK(!hist_set_trigger(rig.set, rig.sw, "!hist:keys=next_pid", &rig.err));
	CHECK_EQ(hist_set_count(rig.set), 0);
	rig_done(&rig);
}

/* One map for the triggers of a name. */
/* What is printed is read again, into a set that has counted nothing. */
static bool reads_back(const char *release, const char *trigger, const char *condition)
{
	_cleanup_out_ struct out text = {0}, again = {0};
	struct rig rig, empty;
	bool same = false;

	if (!rig_init(&rig, release, true) || !rig_init(&empty, release, true))
		return false;
	out_printf(&text, "%s%s", trigger, condition);
	if (!hist_set_trigger(rig.set, rig.sw, out_cstr(&text), &rig.err) &&
	    !hist_set_trigger(empty.set, empty.sw, out_cstr(&text), &empty.err)) {
		for (int32_t i = 0; i < 40; i++)
			if (feed_switch(&rig, i % 7, i % 9, i % 2 ? "a, } {b: c" : "") < 0)
				return false;
		out_clear(&text);
		same = hist_print_kernel(rig.set, rig.sw, &text) == 0 &&
		       !hist_set_load(empty.set, empty.sw, out_cstr(&text), &empty.err) &&
		       hist_print_kernel(empty.set, empty.sw, &again) == 0 &&
		       !strcmp(out_cstr(&text), out_cstr(&again)) &&
		       hist_totals(hist_set_at(empty.set, 0)).hits ==
			       hist_totals(hist_set_at(rig.set, 0)).hits;
	}
	rig_done(&rig);
	rig_done(&empty);
	return same;
}

TEST(the_kernels_text_is_read)
{
	static const char *const triggers[] = {
		"hist:keys=next_comm,next_pid.hex:vals=prev_prio",
		"hist:keys=common_pid.execname,next_comm:sort=common_pid",
		"hist:keys=next_prio.log2,next_pid.buckets=3:vals=next_pid,prev_pid.hex",
		"hist:keys=prev_pid.syscall,common_cpu",
		"hist:keys=prev_state.sym,next_pid.sym-offset",
		"hist:keys=prev_pid:x=next_prio:onmax($x).save(next_comm,prev_prio,prev_comm)",
		"hist:keys=prev_pid:x=next_prio:onchange($x).save(next_prio)",
	};

	for (size_t i = 0; i < ARRAY_SIZE(triggers); i++) {
		CHECK(reads_back("6.1.0", triggers[i], ""));
		CHECK(reads_back("6.12.0", triggers[i], " if next_pid > 2"));
	}
}

TEST(other_texts_are_not_read)
{
	static const char *const texts[] = {
		"",
		"# event histogram\n#\n# trigger info: x\n#\n\n",
		"# event histogram\n#\n#\n\n{ next_pid: x } hitcount: 1\n\nTotals:\n",
		"# event histogram\n#\n# x\n#\n\n{ next_pid: 1 } hitcount: 1\n",
		"# event histogram\n#\n# x\n#\n\n{ next_pid: 1",
	};
	struct rig rig;

	CHECK(rig_init(&rig, "6.12.0", false));
	CHECK(!hist_set_trigger(rig.set, rig.sw, "hist:keys=next_pid", &rig.err));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		CHECK_EQ(hist_set_load(rig.set, rig.sw, texts[i], &rig.err), -EBADMSG);
	rig_done(&rig);
}

TEST(texts_for_a_kernel)
{
	static const struct {
		const char *text, *control, *kernel;
	} cases[] = {
		{"hist:keys=a:vals=b.percent,c.graph:sort=b if d == 1", NULL,
		 "hist:keys=a:vals=b,c:sort=b:size=16384 if d == 1"},
		{"hist:keys=a:hitcount.percent:size=64", "pause",
		 "hist:keys=a:hitcount:size=64:pause"},
		{"hist:keys=percent.graph", "clear", "hist:keys=percent.graph:size=16384:clear"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_out_ struct out out = {0}, same = {0};

		hist_kernel_text(cases[i].text, false, cases[i].control, &out);
		CHECK_STR(out_cstr(&out), cases[i].kernel);
		hist_kernel_text(cases[i].text, true, NULL, &same);
		CHECK_STR(out_cstr(&same), cases[i].text);
	}
}

TEST(named_triggers_share)
{
	struct rig rig;

	CHECK(rig_init(&rig, "6.12.1", true));
	CHECK(!hist_set_trigger(rig.set, rig.sw, "hist:name=both:keys=common_pid:size=128",
				&rig.err));
	CHECK(!hist_set_trigger(rig.set, rig.wakeup, "hist:name=both:keys=common_pid:size=128",
				&rig.err));
	CHECK(!feed_switch(&rig, 1, 2, "x"));
	CHECK(!feed_wakeup(&rig, 2, 0));
	CHECK_EQ(hist_totals(hist_set_at(rig.set, 0)).hits, 2);
	CHECK_EQ(hist_totals(hist_set_at(rig.set, 1)).hits, 2);
	rig_done(&rig);
}

TEST_MAIN()
