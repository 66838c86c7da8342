/* SPDX-License-Identifier: MIT */
#include "base/fault.h"
#include "base/test.h"
#include "expr/expr_test_events.h"
#include "report/wakeup.h"

static void db_free_p(struct event_db **db)
{
	event_db_free(*db);
}
static void wakeup_free_p(struct wakeup **wakeup)
{
	wakeup_free(*wakeup);
}
#define _cleanup_db_	 _cleanup_(db_free_p)
#define _cleanup_wakeup_ _cleanup_(wakeup_free_p)

static int wake(struct wakeup *wakeup, const struct event_db *db, int32_t pid, uint64_t ts,
		struct out *out)
{
	uint8_t data[TEST_WAKEUP_LEN];

	test_wakeup(data, 1, pid, "x");
	return wakeup_event(wakeup, event_db_by_id(db, TEST_WAKEUP), data, sizeof(data), ts, out);
}

static int run(struct wakeup *wakeup, const struct event_db *db, int32_t pid, int32_t prio,
	       uint64_t ts, struct out *out)
{
	const struct test_switch s = {.prev_pid = 1, .next_pid = pid, .next_prio = prio};
	uint8_t data[TEST_SWITCH_LEN];

	test_switch(data, &s);
	return wakeup_event(wakeup, event_db_by_id(db, TEST_SWITCH), data, sizeof(data), ts, out);
}

TEST(latencies)
{
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_wakeup_ struct wakeup *wakeup = NULL;
	_cleanup_out_ struct out out = {0};

	CHECK(test_events(&db) == 0);
	CHECK(wakeup_new(&wakeup, db) == 0);
	wakeup_summary(wakeup, &out);
	CHECK_STR(out_cstr(&out), "");

	CHECK(run(wakeup, db, 7, 120, 500, &out) == 0); /* no wake-up seen */
	CHECK(wake(wakeup, db, 7, 1000, &out) == 0);
	CHECK(wake(wakeup, db, 8, 1500, &out) == 0);
	CHECK_STR(out_cstr(&out), "");
	CHECK(run(wakeup, db, 7, 120, 82712, &out) == 0);
	CHECK_STR(out_cstr(&out), " Latency: 81.712 usecs");
	CHECK(run(wakeup, db, 7, 120, 90000, &out) == 0); /* counts once */
	CHECK_STR(out_cstr(&out), " Latency: 81.712 usecs");
	out_clear(&out);
	CHECK(wake(wakeup, db, 8, 69000000000, &out) == 0); /* woken again: the later one counts */
	CHECK(run(wakeup, db, 8, 99, 69000002005, &out) == 0);
	CHECK_STR(out_cstr(&out), " Latency: 2.005 usecs");

	out_clear(&out);
	wakeup_summary(wakeup, &out);
	CHECK_STR(out_cstr(&out), "\nAverage wakeup latency: 41.858 usecs\n"
				  "Maximum Latency: 81.712 usecs at timestamp: 0.000083\n"
				  "Minimum Latency: 2.005 usecs at timestamp: 69.000002\n\n"
				  "RT task timings:\n"
				  "\nAverage wakeup latency: 2.005 usecs\n"
				  "Maximum Latency: 2.005 usecs at timestamp: 69.000002\n"
				  "Minimum Latency: 2.005 usecs at timestamp: 69.000002\n\n");
}

TEST(other_records)
{
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_wakeup_ struct wakeup *wakeup = NULL;
	_cleanup_out_ struct out out = {0};
	uint8_t data[8] = {0};

	CHECK(test_events(&db) == 0);
	CHECK(wakeup_new(&wakeup, db) == 0);
	CHECK(wakeup_event(wakeup, NULL, data, sizeof(data), 1, &out) == 0);
	CHECK(wakeup_event(wakeup, event_db_by_id(db, TEST_FUNC), data, sizeof(data), 1, &out) ==
	      0);
	CHECK(wakeup_event(wakeup, event_db_by_id(db, TEST_WAKEUP), data, sizeof(data), 1, &out) ==
	      0);
	CHECK(wakeup_event(wakeup, event_db_by_id(db, TEST_SWITCH), data, sizeof(data), 1, &out) ==
	      0);
	CHECK_EQ(out.len, 0);
}

TEST(no_memory)
{
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = FAULT_MEM};
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};

	CHECK(test_events(&db) == 0);
	while (fault_next(&sweep)) {
		_cleanup_wakeup_ struct wakeup *wakeup = NULL;
		int r = wakeup_new(&wakeup, db);

		for (int32_t pid = 1; r == 0 && pid < 200; pid++)
			r = wake(wakeup, db, pid, 5, &out);
		CHECK(r == 0 || (r == -ENOMEM && fault_fired()));
	}
}

TEST_MAIN()
