/* SPDX-License-Identifier: MIT */
/* Small scenes of function_graph records and the exact numbers they give. */
#include "report/functions.h"

#include "base/fault.h"
#include "base/test.h"
#include "expr/expr_test_events.h"

enum {
	EXIT = 10,
	ENTRY = 11,
	REPEATS = 19,
	FUNC = TEST_FUNC,
	ONE = 0, /* functions: offsets behind the first symbol */
	TWO = 0x100,
	THREE = 0x200,
	RECORD_LEN = 40
};

static const struct test_format formats[] = {
	{"ftrace", "name: funcgraph_entry\nID: 11\nformat:\n" TEST_COMMON
		   "\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n"
		   "\tfield:int depth;\toffset:16;\tsize:4;\tsigned:1;\n"
		   "\nprint fmt: \"%d\", REC->depth\n"},
	{"ftrace", "name: funcgraph_exit\nID: 10\nformat:\n" TEST_COMMON
		   "\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n"
		   "\tfield:int depth;\toffset:16;\tsize:4;\tsigned:1;\n"
		   "\tfield:unsigned int overrun;\toffset:20;\tsize:4;\tsigned:0;\n"
		   "\tfield:unsigned long long calltime;\toffset:24;\tsize:8;\tsigned:0;\n"
		   "\tfield:unsigned long long rettime;\toffset:32;\tsize:8;\tsigned:0;\n"
		   "\nprint fmt: \"%d\", REC->depth\n"},
	{"ftrace", "name: func_repeats\nID: 19\nformat:\n" TEST_COMMON
		   "\tfield:unsigned long ip;\toffset:8;\tsize:8;\tsigned:0;\n"
		   "\tfield:u16 count;\toffset:16;\tsize:2;\tsigned:0;\n"
		   "\nprint fmt: \"%d\", REC->count\n"},
};

/* As above, of a tracer that leaves the time to the reader. */
static const struct test_format bare_formats[] = {
	{"ftrace", "name: funcgraph_entry\nID: 11\nformat:\n" TEST_COMMON
		   "\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n"
		   "\nprint fmt: \"%lx\", REC->func\n"},
	{"ftrace", "name: funcgraph_exit\nID: 10\nformat:\n" TEST_COMMON
		   "\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n"
		   "\nprint fmt: \"%lx\", REC->func\n"},
};

static void db_free_p(struct event_db **db)
{
	event_db_free(*db);
}
static void functions_free_p(struct functions **functions)
{
	functions_free(*functions);
}
#define _cleanup_db_	    _cleanup_(db_free_p)
#define _cleanup_functions_ _cleanup_(functions_free_p)

struct step {
	uint16_t id;
	int32_t pid;
	uint32_t cpu;
	uint32_t func;
	int32_t depth;	     /* func_repeats: the count */
	uint64_t begin, end; /* of an exit; the record's own time is `end` */
	int64_t lost;	     /* before it, on its CPU */
};

/* The time of an entry does not matter where exits tell both times. */
#define IN(pid, cpu, func, depth)	       ENTRY, pid, cpu, func, depth, 0, 0, 0
#define OUT(pid, cpu, func, depth, begin, end) EXIT, pid, cpu, func, depth, begin, end, 0

static const char *comm(void *arg, int32_t pid)
{
	(void)arg;
	return pid == 7 || pid == 8 ? "bash" : pid == 9 ? "cc1" : NULL;
}

static int feed(struct functions *functions, const struct event_db *db, const struct step *steps,
		size_t nr)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < nr; i++) {
		uint8_t data[RECORD_LEN] = {0};
		const struct source_record rec = {
			.ts = steps[i].end, .data = data, .len = RECORD_LEN, .cpu = steps[i].cpu};
		const struct report_item item = {.event = event_db_by_id(db, steps[i].id),
						 .rec = &rec,
						 .pid = steps[i].pid,
						 .lost = steps[i].lost};

		test_common(data, steps[i].id, steps[i].pid);
		store_u64(data + 8, 0xffffffff81000000 + steps[i].func, false);
		store_u32(data + 16, (uint32_t)steps[i].depth, false);
		store_u64(data + 24, steps[i].begin, false);
		store_u64(data + 32, steps[i].end, false);
		r = functions_event(functions, &item);
	}
	return r;
}

static int run(const struct event_db *db, enum functions_group group, const struct step *steps,
	       size_t nr, const struct functions_print *how, struct out *out)
{
	_cleanup_functions_ struct functions *functions = NULL;
	int r = functions_new(&functions, db, group);

	if (r == 0)
		r = feed(functions, db, steps, nr);
	return r < 0 ? r : functions_print(functions, how, out);
}

/* The CSV rows that a scene gives. */
static bool check_with(const struct test_format *with, size_t nr_with, enum functions_group group,
		       const struct step *steps, size_t nr, const char *expected)
{
	const struct functions_print how = {
		.format = REPORT_CSV, .sort = FUNCTIONS_NAME, .comm = comm};
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};

	if (test_events_with(with, nr_with, &db) < 0 || run(db, group, steps, nr, &how, &out) < 0)
		return false;
	if (!strcmp(out_cstr(&out), expected))
		return true;
	printf("# gives\n%s# not\n%s", out_cstr(&out), expected);
	return false;
}

#define CHECK_SCENE(group, steps, expected)                                                        \
	CHECK(check_with(formats, ARRAY_SIZE(formats), group, steps, ARRAY_SIZE(steps), expected))

/* function,hits,timed,total,avg,s2,self,self_calls,min,p50,p90,p95,p99,max,module */

TEST(a_call_in_a_call_is_not_its_callers_own_time)
{
	static const struct step steps[] = {
		{IN(7, 0, ONE, 0)},
		{IN(7, 0, TWO, 1)},
		{OUT(7, 0, TWO, 1, 110, 120)},
		{IN(7, 0, TWO, 1)},
		{OUT(7, 0, TWO, 1, 130, 150)},
		{OUT(7, 0, ONE, 0, 100, 200)},
	};

	/* s^2 of 10 and 20 is 50. */
	CHECK_SCENE(FUNCTIONS_ALL, steps,
		    "do_one,1,1,100,100,0,70,1,100,100,100,100,100,100,\n"
		    "do_two,2,2,30,15,50,30,2,10,10,20,20,20,20,\n");
}

TEST(recursion_counts_the_whole_time_on_each_level)
{
	static const struct step steps[] = {
		{IN(7, 0, ONE, 0)},	     {IN(7, 0, ONE, 1)},
		{IN(7, 0, ONE, 2)},	     {OUT(7, 0, ONE, 2, 12, 13)},
		{OUT(7, 0, ONE, 1, 11, 14)}, {OUT(7, 0, ONE, 0, 10, 15)},
	};

	CHECK_SCENE(FUNCTIONS_ALL, steps, "do_one,3,3,9,3,4,5,3,1,3,5,5,5,5,\n");
}

TEST(a_call_that_did_not_end_is_a_hit)
{
	static const struct step steps[] = {
		/* the exit of do_two is missing, though nothing was lost */
		{IN(7, 0, ONE, 0)},
		{IN(7, 0, TWO, 1)},
		{OUT(7, 0, ONE, 0, 0, 10)},
		/* a task that ends in do_three; another one gets its pid */
		{IN(7, 0, THREE, 0)},
		{IN(7, 0, ONE, 0)},
		{OUT(7, 0, ONE, 0, 20, 22)},
		/* the recording ends */
		{IN(9, 1, THREE, 0)},
	};

	CHECK_SCENE(FUNCTIONS_ALL, steps,
		    "do_one,2,2,12,6,32,12,2,2,2,10,10,10,10,\n"
		    "do_three,2,0,,,,,0,,,,,,,\n"
		    "do_two,1,0,,,,,0,,,,,,,\n");
}

TEST(behind_a_loss_open_calls_have_no_time_of_their_own)
{
	static const struct step steps[] = {
		{IN(7, 0, ONE, 0)},
		{IN(9, 1, ONE, 0)},
		{ENTRY, 7, 0, TWO, 1, 0, 0, 5},
		{OUT(7, 0, TWO, 1, 50, 60)},
		{OUT(7, 0, ONE, 0, 10, 100)},
		/* on the other CPU nothing was lost */
		{OUT(9, 1, ONE, 0, 10, 20)},
		/* and what begins behind the loss is whole */
		{IN(7, 0, ONE, 0)},
		{OUT(7, 0, ONE, 0, 200, 230)},
	};

	CHECK_SCENE(FUNCTIONS_ALL, steps,
		    "do_one,3,3,130,43,1733,40,2,10,30,90,90,90,90,\n"
		    "do_two,1,1,10,10,0,10,1,10,10,10,10,10,10,\n");
}

TEST(a_call_whose_end_was_lost_is_lost)
{
	static const struct step steps[] = {
		{IN(7, 0, ONE, 0)},
		{ENTRY, 7, 0, ONE, 0, 0, 0, SUBBUF_LOST_UNKNOWN},
		{OUT(7, 0, ONE, 0, 50, 60)},
	};

	CHECK_SCENE(FUNCTIONS_ALL, steps, "do_one,1,1,10,10,0,10,1,10,10,10,10,10,10,\n");
}

TEST(a_task_that_comes_to_the_cpu_of_a_loss)
{
	static const struct step steps[] = {
		{IN(7, 0, ONE, 0)},
		{FUNC, 9, 1, THREE, 0, 0, 0, 3}, /* lost on CPU 1, where it may have been since */
		{OUT(7, 1, ONE, 0, 10, 20)},
	};

	CHECK_SCENE(FUNCTIONS_ALL, steps,
		    "do_one,1,1,10,10,0,,0,10,10,10,10,10,10,\n"
		    "do_three,1,0,,,,,0,,,,,,,\n");
}

TEST(tasks_switch_and_migrate)
{
	static const struct step steps[] = {
		{IN(7, 0, ONE, 0)},	     {IN(8, 0, ONE, 0)}, /* 7 sleeps */
		{IN(7, 1, TWO, 1)},				 /* and goes on elsewhere */
		{OUT(8, 0, ONE, 0, 20, 25)}, {OUT(7, 1, TWO, 1, 30, 34)},
		{OUT(7, 1, ONE, 0, 10, 40)}, {IN(9, 0, TWO, 0)},
		{OUT(9, 0, TWO, 0, 1, 2)},
	};

	CHECK_SCENE(FUNCTIONS_ALL, steps,
		    "do_one,2,2,35,17,312,31,2,5,5,30,30,30,30,\n"
		    "do_two,2,2,5,2,4,5,2,1,1,4,4,4,4,\n");
	CHECK_SCENE(FUNCTIONS_BY_CPU, steps,
		    "0,do_one,1,1,5,5,0,5,1,5,5,5,5,5,5,\n"
		    "0,do_two,1,1,1,1,0,1,1,1,1,1,1,1,1,\n"
		    "1,do_one,1,1,30,30,0,26,1,30,30,30,30,30,30,\n"
		    "1,do_two,1,1,4,4,0,4,1,4,4,4,4,4,4,\n");
	CHECK_SCENE(FUNCTIONS_BY_TASK, steps,
		    "bash,7,do_one,1,1,30,30,0,26,1,30,30,30,30,30,30,\n"
		    "bash,7,do_two,1,1,4,4,0,4,1,4,4,4,4,4,4,\n"
		    "bash,8,do_one,1,1,5,5,0,5,1,5,5,5,5,5,5,\n"
		    "cc1,9,do_two,1,1,1,1,0,1,1,1,1,1,1,1,1,\n");
	CHECK_SCENE(FUNCTIONS_BY_COMM, steps,
		    "bash,do_one,2,2,35,17,312,31,2,5,5,30,30,30,30,\n"
		    "bash,do_two,1,1,4,4,0,4,1,4,4,4,4,4,4,\n"
		    "cc1,do_two,1,1,1,1,0,1,1,1,1,1,1,1,1,\n");
}

TEST(idle_tasks_are_one_a_cpu)
{
	static const struct step steps[] = {
		{IN(0, 0, ONE, 0)},	     {IN(0, 1, ONE, 0)},
		{IN(0, 1, TWO, 1)},	     {OUT(0, 0, ONE, 0, 10, 20)},
		{OUT(0, 1, TWO, 1, 12, 13)}, {OUT(0, 1, ONE, 0, 10, 20)},
	};

	CHECK_SCENE(FUNCTIONS_ALL, steps,
		    "do_one,2,2,20,10,0,19,2,10,10,10,10,10,10,\n"
		    "do_two,1,1,1,1,0,1,1,1,1,1,1,1,1,\n");
}

TEST(an_interrupt_is_not_the_time_of_whom_it_interrupts)
{
	/* The kernel puts it on the stack of the interrupted task, one level deeper. */
	static const struct step steps[] = {
		{IN(7, 0, ONE, 0)},
		{IN(7, 0, THREE, 1)},
		{IN(7, 0, TWO, 2)},
		{OUT(7, 0, TWO, 2, 32, 35)},
		{OUT(7, 0, THREE, 1, 30, 40)},
		{OUT(7, 0, ONE, 0, 0, 100)},
	};

	CHECK_SCENE(FUNCTIONS_ALL, steps,
		    "do_one,1,1,100,100,0,90,1,100,100,100,100,100,100,\n"
		    "do_three,1,1,10,10,0,7,1,10,10,10,10,10,10,\n"
		    "do_two,1,1,3,3,0,3,1,3,3,3,3,3,3,\n");
}

TEST(an_end_without_a_begin)
{
	/* tracing_thresh leaves only ends */
	static const struct step steps[] = {
		{OUT(7, 0, TWO, 1, 10, 20)},
		{OUT(7, 0, ONE, 0, 5, 30)},
		{OUT(7, 0, ONE, 0, 31, 30)}, /* no time can be made of this */
	};

	CHECK_SCENE(FUNCTIONS_ALL, steps,
		    "do_one,2,1,25,25,0,,0,25,25,25,25,25,25,\n"
		    "do_two,1,1,10,10,0,,0,10,10,10,10,10,10,\n");
}

TEST(counts_without_times)
{
	static const struct step steps[] = {
		{FUNC, 7, 0, ONE, 0, 0, 0, 0},
		{FUNC, 7, 0, ONE, 0, 0, 0, 0},
		{REPEATS, 7, 0, ONE, 5, 0, 0, 0},
		{FUNC, 7, 0, TWO, 0, 0, 0, 0},
	};
	const struct functions_print how = {.sort = FUNCTIONS_HITS, .columns = ~0u, .limit = 1};
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};

	CHECK(test_events_with(formats, ARRAY_SIZE(formats), &db) == 0);
	CHECK(run(db, FUNCTIONS_ALL, steps, ARRAY_SIZE(steps), &how, &out) == 0);
	CHECK_STR(out_cstr(&out), "  Function                               Hit\n"
				  "  --------                               ---\n"
				  "  do_one                                   7\n");
}

TEST(times_of_the_records_where_exits_tell_none)
{
	static const struct step steps[] = {
		{ENTRY, 7, 0, ONE, 0, 0, 100, 0}, {ENTRY, 7, 0, TWO, 0, 0, 110, 0},
		{EXIT, 7, 0, TWO, 0, 0, 125, 0},  {EXIT, 7, 0, ONE, 0, 0, 200, 0},
		{EXIT, 7, 0, ONE, 0, 0, 300, 0},
	};

	CHECK(check_with(bare_formats, ARRAY_SIZE(bare_formats), FUNCTIONS_ALL, steps,
			 ARRAY_SIZE(steps),
			 "do_one,2,1,100,100,0,85,1,100,100,100,100,100,100,\n"
			 "do_two,1,1,15,15,0,15,1,15,15,15,15,15,15,\n"));
}

TEST(the_kernels_layout)
{
	/* The widths of a table that a 6.1 kernel printed. */
	static const struct step steps[] = {
		{OUT(7, 0, ONE, 0, 0, 227833)},	  {OUT(7, 0, TWO, 0, 0, 22700)},
		{OUT(7, 0, TWO, 0, 0, 20500)},	  {OUT(7, 0, THREE, 0, 0, 6265984123)},
		{OUT(7, 0, 0xfff0000, 0, 0, 19)},
	};
	const struct functions_print how = {.sort = FUNCTIONS_TOTAL,
					    .columns = 1 << FUNCTIONS_TOTAL | 1 << FUNCTIONS_AVG |
						       1 << FUNCTIONS_S2};
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};

	CHECK(test_events_with(formats, ARRAY_SIZE(formats), &db) == 0);
	CHECK(run(db, FUNCTIONS_ALL, steps, ARRAY_SIZE(steps), &how, &out) == 0);
	CHECK_STR(out_cstr(&out), "  Function                               Hit    Time            "
				  "Avg             s^2\n"
				  "  --------                               ---    ----            "
				  "---             ---\n"
				  "  do_three                                 1    6265984 us      "
				  "6265984 us      0.000 us\n"
				  "  do_one                                   1    227.833 us      "
				  "227.833 us      0.000 us\n"
				  "  do_two                                   2    43.200 us       "
				  "21.600 us       2.420 us\n"
				  "  0xffffffff90ff0000                       1    0.019 us        "
				  "0.019 us        0.000 us\n");
}

TEST(percentiles_are_right_to_three_percent)
{
	_cleanup_functions_ struct functions *functions = NULL;
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};
	const struct functions_print how = {.format = REPORT_CSV};
	unsigned long long v[13];

	CHECK(test_events_with(formats, ARRAY_SIZE(formats), &db) == 0);
	CHECK(functions_new(&functions, db, FUNCTIONS_ALL) == 0);
	for (uint64_t i = 100000; i > 0; i--) { /* 1 to 100000 us, longest first */
		const struct step step = {OUT(7, 0, ONE, 0, 0, i * 1000)};

		CHECK(feed(functions, db, &step, 1) == 0);
	}
	CHECK(functions_print(functions, &how, &out) == 0);
	CHECK_EQ(sscanf(out_cstr(&out),
			"do_one,%llu,%llu,%llu,%llu,%llu,,0,%llu,%llu,%llu,%llu,%llu,%llu", &v[0],
			&v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7], &v[8], &v[9], &v[10]),
		 11);
	CHECK_EQ(v[2], 5000050000000);
	CHECK_EQ(v[4], 833341666666666); /* n (n + 1) / 12, in ns^2 */
	CHECK_EQ(v[5], 1000);
	CHECK(v[6] > 48500000 && v[6] < 51500000);
	CHECK(v[7] > 87300000 && v[7] < 92700000);
	CHECK(v[8] > 92150000 && v[8] < 97850000);
	CHECK(v[9] > 96030000 && v[9] < 100000000);
	CHECK_EQ(v[10], 100000000);
}

TEST(numbers_too_large_to_be_squared)
{
	static const struct step steps[] = {
		{OUT(7, 0, ONE, 0, 0, UINT64_MAX)},
		{OUT(7, 0, ONE, 0, 0, UINT64_MAX)},
		{OUT(7, 0, TWO, 0, 0, 20000000000000000)},
		{OUT(7, 0, TWO, 0, 0, 0)},
	};

	CHECK_SCENE(FUNCTIONS_ALL, steps,
		    "do_one,2,2,18446744073709551615,9223372036854775807,,,0,18446744073709551615,"
		    "18446744073709551615,18446744073709551615,18446744073709551615,"
		    "18446744073709551615,18446744073709551615,\n"
		    "do_two,2,2,20000000000000000,10000000000000000,"
		    "200000000000000000000000000000000,,0,0,0,19703248369745920,19703248369745920,"
		    "19703248369745920,20000000000000000,\n");
}

TEST(sums_of_somebody_else)
{
	_cleanup_functions_ struct functions *functions = NULL;
	_cleanup_out_ struct out out = {0};
	const struct functions_print how = {.format = REPORT_CSV, .sort = FUNCTIONS_TOTAL};
	/* 10 and 20 on one CPU, 30 and 60 on the other: together s^2 is 1400 / 3. */
	const struct functions_sum first = {2, true, 30, 50}, second = {2, true, 90, 450};
	const struct functions_sum counted = {.hits = 7};

	CHECK(functions_new_names(&functions, FUNCTIONS_ALL) == 0);
	CHECK(functions_add(functions, 0, "one", 3, &first) == 0);
	CHECK(functions_add(functions, 1, "one and more", 3, &second) == 0);
	CHECK(functions_add(functions, 1, "two", 3, &counted) == 0);
	CHECK(functions_print(functions, &how, &out) == 0);
	CHECK_STR(out_cstr(&out), "one,4,4,120,30,466,,0,,,,,,,\n"
				  "two,7,0,,,,,0,,,,,,,\n");
}

TEST(short_records_and_no_memory)
{
	static const uint16_t ids[] = {ENTRY, ENTRY, EXIT, FUNC, REPEATS};
	static const uint8_t zeroes[RECORD_LEN];
	static const enum functions_group groups[] = {FUNCTIONS_BY_COMM, FUNCTIONS_BY_CPU};
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = FAULT_MEM};
	const struct functions_print how = {.format = REPORT_JSON, .comm = comm};
	_cleanup_db_ struct event_db *db = NULL;

	CHECK(test_events_with(formats, ARRAY_SIZE(formats), &db) == 0);
	while (fault_next(&sweep)) {
		_cleanup_functions_ struct functions *functions = NULL;
		_cleanup_out_ struct out out = {0};
		int r = functions_new(&functions, db, groups[sweep.k & 1]);

		for (uint32_t i = 0; r == 0 && i < 5 * RECORD_LEN; i++) {
			const uint32_t len = i / 5;
			const struct source_record rec = {
				.data = zeroes + RECORD_LEN - len, .len = len, .cpu = i % 3};
			const struct report_item item = {.event = event_db_by_id(db, ids[i % 5]),
							 .rec = &rec,
							 .pid = (int32_t)(i % 7)};

			r = functions_event(functions, &item);
		}
		if (r == 0)
			r = functions_print(functions, &how, &out);
		CHECK(r == 0 || (r == -ENOMEM && fault_fired()));
	}
}

/* The rows of the differences between two scenes. */
static int run_diff(const struct event_db *db, const struct step *before, size_t nr_before,
		    const struct step *after, size_t nr_after, struct functions_print *how,
		    struct out *out)
{
	_cleanup_functions_ struct functions *base = NULL;
	_cleanup_functions_ struct functions *named = NULL;
	_cleanup_functions_ struct functions *now = NULL;
	int r = functions_new(&base, db, FUNCTIONS_ALL);

	if (r == 0)
		r = feed(base, db, before, nr_before);
	if (r == 0)
		r = functions_named(base, &named);
	if (r == 0)
		r = functions_new(&now, db, FUNCTIONS_ALL);
	if (r == 0)
		r = feed(now, db, after, nr_after);
	return r < 0 ? r : functions_diff(named, now, how, out);
}

static const struct step diff_before[] = {
	{OUT(7, 0, ONE, 0, 100, 200)},
	{OUT(7, 0, TWO, 0, 300, 2300)},
};
static const struct step diff_after[] = {
	{OUT(7, 0, ONE, 0, 100, 350)},
	{OUT(7, 0, ONE, 0, 400, 450)},
	{IN(7, 0, THREE, 0)},
	{OUT(7, 0, THREE, 0, 500, 510)},
};

TEST(two_profiles_side_by_side)
{
	struct functions_print how = {.sort = FUNCTIONS_TOTAL,
				      .columns = 1u << FUNCTIONS_TOTAL | 1u << FUNCTIONS_SELF};
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};

	CHECK(test_events_with(formats, ARRAY_SIZE(formats), &db) == 0);
	CHECK(run_diff(db, diff_before, 2, diff_after, 4, &how, &out) == 0);
	CHECK_STR(out_cstr(&out),
		  "  Function                               Hit       +/-         Time          +/-"
		  "         Self          +/-       Time\n"
		  "  do_two                                   0        -1     0.000 us    -2.000 us"
		  "     0.000 us            -       gone\n"
		  "  do_one                                   2        +1     0.300 us    +0.200 us"
		  "            -            -   +200.0 %\n"
		  "  do_three                                 1        +1     0.010 us    +0.010 us"
		  "     0.010 us    +0.010 us        new\n");
	out_clear(&out);
	how.format = REPORT_CSV;
	how.sort = FUNCTIONS_NAME;
	CHECK(run_diff(db, diff_before, 2, diff_after, 4, &how, &out) == 0);
	/* Of each number what it was and what it is. */
	CHECK_STR(out_cstr(&out),
		  "do_one,1,2,100,300,100,150,0,20000,,,100,50,100,51,100,250,100,250,100,250,100,"
		  "250\n"
		  "do_three,0,1,,10,,10,,0,,10,,10,,10,,10,,10,,10,,10\n"
		  "do_two,1,0,2000,,2000,,0,,,,2000,,2000,,2000,,2000,,2000,,2000,\n");
}

TEST(every_failing_allocation_of_a_comparison_is_told)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_MEM};
	struct functions_print how = {.sort = FUNCTIONS_TOTAL, .columns = ~0u};
	_cleanup_db_ struct event_db *db = NULL;

	CHECK(test_events_with(formats, ARRAY_SIZE(formats), &db) == 0);
	while (fault_next(&s)) {
		_cleanup_out_ struct out out = {0};
		int r = run_diff(db, diff_before, 2, diff_after, 4, &how, &out);

		fault_pause();
		CHECK(r < 0 || !fault_fired());
	}
}

TEST_MAIN()
