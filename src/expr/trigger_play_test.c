/* SPDX-License-Identifier: MIT */
/* Which records of a recording would have been there with triggers. */
#include "base/fault.h"
#include "base/test.h"
#include "base/out.h"
#include "expr/expr_test_events.h"
#include "expr/trigger_play.h"

static void db_free_p(struct event_db **db)
{
	event_db_free(*db);
}
static void play_free_p(struct trigger_play **play)
{
	trigger_play_free(*play);
}
#define _cleanup_db_   _cleanup_(db_free_p)
#define _cleanup_play_ _cleanup_(play_free_p)

/*
 * Nine records: a sched_switch to each of the pids 1 to 9, before each of which the task is woken:
 * "w1 s1 w2 s2 ..." without those that were not there.
 */
static const char *played(const struct event_db *db, const char *const *texts, struct out *out)
{
	_cleanup_play_ struct trigger_play *play = NULL;
	struct kfilter_kernel kernel;
	struct err err = {0};

	out_clear(out);
	kfilter_kernel_init(&kernel, NULL, 0);
	if (trigger_play_new(&play, db, &kernel, false) < 0)
		return "no memory";
	for (; *texts; texts++)
		if (trigger_play_add(play, *texts, &err) < 0) {
			out_printf(out, "! %.*s", (int)strcspn(err.text, "\n"), err.text);
			return out_cstr(out);
		}
	for (int pid = 1; pid <= 9; pid++) {
		uint8_t woken[TEST_WAKEUP_LEN] = {0}, switched[TEST_SWITCH_LEN];
		struct test_switch s = {.prev_comm = "x", .next_comm = "y", .next_pid = pid};
		struct filter_record w = {.data = woken, .len = sizeof(woken)};
		struct filter_record r = {.data = switched, .len = sizeof(switched)};

		test_wakeup(woken, 1, pid, "y");
		test_common(woken, TEST_WAKEUP, 1);
		test_switch(switched, &s);
		if (trigger_play_record(play, event_db_by_id(db, TEST_WAKEUP), &w))
			out_printf(out, "w%d ", pid);
		if (trigger_play_record(play, event_db_by_id(db, TEST_SWITCH), &r))
			out_printf(out, "s%d ", pid);
	}
	return out_cstr(out);
}

struct sample {
	const char *texts[4], *want;
};

TEST(what_is_there)
{
	static const struct sample samples[] = {
		{{"sched_switch:traceoff if next_pid == 2"}, "w1 s1 w2 s2 "},
		{{"sched_wakeup:traceoff"}, "w1 "},
		{{"sched_wakeup:traceon if pid == 8"}, "s8 w9 s9 "},
		{{"sched_switch:traceon:1"}, "s1 w2 s2 w3 s3 w4 s4 w5 s5 w6 s6 w7 s7 w8 s8 w9 s9 "},
		{{"sched_switch:traceoff if next_pid == 1", "sched_wakeup:traceon if pid >= 8"},
		 "w1 s1 s8 w9 s9 "},
		{{"sched_wakeup:traceon if pid == 3 || pid == 6",
		  "sched_switch:traceoff:1 if next_pid >= 3"},
		 "s3 s6 w7 s7 w8 s8 w9 s9 "},
		{{"sched_switch:enable_event:sched:sched_wakeup if next_pid == 7"},
		 "s1 s2 s3 s4 s5 s6 s7 w8 s8 w9 s9 "},
		{{"sched_wakeup:disable_event:sched:sched_switch if pid == 3",
		  "sched_wakeup:enable_event:sched:sched_switch if pid == 8"},
		 "w1 w2 w3 w4 w5 w6 w7 w8 s8 w9 s9 "},
		{{"sched_switch:disable_event:sched:sched_switch if next_pid == 2"},
		 "w1 s1 w2 w3 w4 w5 w6 w7 w8 w9 "},
		{{"sched_switch,sched/sched_wakeup:traceoff if common_pid == 1"}, "w1 "},
		{{"sched_switch:traceoff:0"},
		 "w1 s1 w2 s2 w3 s3 w4 s4 w5 s5 w6 s6 w7 s7 w8 s8 w9 s9 "},
		{{"sched_switch:stacktrace"},
		 "! of a recording, only traceon, traceoff, enable_event and disable_event choose "
		 "records"},
		{{"sched_switch"},
		 "! the trigger 'sched_switch' is not understood; it is written EVENTS:TRIGGER"},
		{{"bogus:traceoff"}, "! no event or system is called 'bogus'"},
		{{"sched_switch:bogus"}, "! 'bogus' is no trigger"},
		{{"sched_switch:!traceoff"},
		 "! '!traceoff': no trigger is set that could be removed"},
		{{"sched_switch:traceoff if bogus == 1"}, "! Field not found"},
		{{"sched_switch:enable_event:a:b"}, "! no event is called a:b"},
	};
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};

	CHECK_EQ(test_events(&db), 0);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		CHECK_STR(played(db, samples[i].texts, &out), samples[i].want);
}

TEST(no_memory)
{
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = FAULT_MEM};
	_cleanup_db_ struct event_db *db = NULL;
	struct kfilter_kernel kernel;

	CHECK_EQ(test_events(&db), 0);
	kfilter_kernel_init(&kernel, NULL, 0);
	while (fault_next(&sweep)) {
		_cleanup_play_ struct trigger_play *play = NULL;
		struct err err;
		int r = trigger_play_new(&play, db, &kernel, false);

		if (r == 0)
			r = trigger_play_add(play, "sched:traceoff:2 if common_pid == 1", &err);
		CHECK(r == 0 || (r == -ENOMEM && fault_fired()));
	}
}

TEST_MAIN()
