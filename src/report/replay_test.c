/* SPDX-License-Identifier: MIT */
/* Scenes of records, and the lines that they give. */
#include "report/replay.h"

#include "base/fault.h"
#include "base/test.h"
#include "report/scene_test.h"

static void db_free_p(struct event_db **db)
{
	event_db_free(*db);
}
static void replay_free_p(struct replay **replay)
{
	replay_free(*replay);
}
static void patterns_free_p(struct patterns **patterns)
{
	patterns_free(*patterns);
}
#define _cleanup_db_	   _cleanup_(db_free_p)
#define _cleanup_replay_   _cleanup_(replay_free_p)
#define _cleanup_patterns_ _cleanup_(patterns_free_p)

struct scene {
	const struct event_db *db;
	const struct scene_step *steps;
	size_t nr, at; /* at: the step that is being taken */
	uint8_t data[SCENE_LEN];
	struct source_record rec;
};

/* The first step of the CPU from the one on that is being taken. */
static bool look_ahead(void *arg, const struct source *source, uint32_t cpu,
		       struct report_item *ret_next)
{
	struct scene *scene = arg;

	(void)source;
	for (size_t i = scene->at; i < scene->nr; i++) {
		if (scene->steps[i].cpu != cpu)
			continue;
		*ret_next = scene_item(scene->db, &scene->steps[i], scene->data, &scene->rec);
		return true;
	}
	return false;
}

static int run(const struct event_db *db, const struct replay_options *options,
	       const struct scene_step *steps, size_t nr, struct out *out)
{
	struct dat_buffer buffer = {.name = (char *)(uintptr_t) ""};
	struct dat dat = {.nr_cpus = 2, .buffers = &buffer, .nr_buffers = 1};
	struct input input = {.dat = &dat, .db = (struct event_db *)(uintptr_t)db};
	const struct source source = {.input = &input, .nr_cpus = 2, .usecs = true};
	struct scene scene = {.db = db, .steps = steps, .nr = nr};
	_cleanup_replay_ struct replay *replay = NULL;
	struct replay_options with = *options;
	int r;

	with.comm = scene_comm;
	with.look_ahead = look_ahead;
	with.look_ahead_arg = &scene;
	r = replay_new(&replay, &with, &source, 1);
	for (; r == 0 && scene.at < nr; scene.at++) {
		uint8_t data[SCENE_LEN];
		struct source_record rec;
		struct report_item item = scene_item(db, &steps[scene.at], data, &rec);

		item.source = &source;
		r = replay_item(replay, &item, out);
	}
	return r < 0 ? r : replay_end(replay, out);
}

static bool check_with(const struct test_format *formats, size_t nr_formats,
		       const struct replay_options *options, const struct scene_step *steps,
		       size_t nr, const char *expected)
{
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};

	if (test_events_with(formats, nr_formats, &db) < 0 || run(db, options, steps, nr, &out) < 0)
		return false;
	if (!strcmp(out_cstr(&out), expected))
		return true;
	printf("# gives\n%s# not\n%s", out_cstr(&out), expected);
	return false;
}

#define CHECK_SCENE(options, steps, expected)                                                      \
	CHECK(check_with(scene_formats, ARRAY_SIZE(scene_formats), options, steps,                 \
			 ARRAY_SIZE(steps), expected))

static const struct replay_options plain = {.fields = {REPLAY_CPU, REPLAY_DURATION},
					    .nr_fields = 2};

/* do_one calls do_two twice, the second time for long, and that do_three. */
static const struct scene_step nested[] = {
	{IN(7, 0, ONE, 0, 1000)},	  {IN(7, 0, TWO, 1, 2000)},
	{OUT(7, 0, TWO, 1, 2000, 2500)},  {IN(7, 0, TWO, 1, 3000)},
	{IN(7, 0, THREE, 2, 4000)},	  {OUT(7, 0, THREE, 2, 4000, 5000)},
	{OUT(7, 0, TWO, 1, 3000, 53000)}, {OUT(7, 0, ONE, 0, 1000, 2001000)},
};

TEST(calls_nest_and_leaves_are_one_line)
{
	CHECK_SCENE(&plain, nested,
		    " 0)               |  do_one() {\n"
		    " 0)   0.500 us    |    do_two();\n"
		    " 0)               |    do_two() {\n"
		    " 0)   1.000 us    |      do_three();\n"
		    " 0) + 50.000 us   |    }\n"
		    " 0) # 2000.000 us |  }\n");
}

TEST(without_merging_every_call_has_two_lines)
{
	struct replay_options options = plain;

	options.no_merge = options.tail = true;
	options.nr_fields = 0;
	CHECK_SCENE(&options, nested,
		    "do_one() {\n  do_two() {\n  } /* do_two */\n  do_two() {\n    do_three() {\n"
		    "    } /* do_three */\n  } /* do_two */\n} /* do_one */\n");
}

TEST(short_calls_are_left_out_and_what_held_only_them_is_a_leaf)
{
	struct replay_options options = plain;

	options.min_ns = 10000;
	CHECK_SCENE(&options, nested,
		    " 0)               |  do_one() {\n"
		    " 0) + 50.000 us   |    do_two();\n"
		    " 0) # 2000.000 us |  }\n");
}

TEST(a_depth_limit_makes_leaves)
{
	struct replay_options options = plain;

	options.filter.max_depth = 1;
	CHECK_SCENE(&options, nested, " 0) # 2000.000 us |  do_one();\n");
}

TEST(a_filter_shows_the_inside_of_a_function)
{
	_cleanup_patterns_ struct patterns *only = NULL;
	_cleanup_patterns_ struct patterns *hide = NULL;
	struct replay_options options = plain;
	struct err err;

	CHECK(patterns_new(&only) == 0 && patterns_add(only, "do_t[v-x]o", false, &err) == 0);
	CHECK(patterns_new(&hide) == 0 && patterns_add(hide, "thr.*$", true, &err) == 0);
	options.filter.only = only;
	CHECK_SCENE(&options, nested,
		    " 0)   0.500 us    |  do_two();\n"
		    " 0)               |  do_two() {\n"
		    " 0)   1.000 us    |    do_three();\n"
		    " 0) + 50.000 us   |  }\n");
	options.filter.hide = hide;
	CHECK_SCENE(&options, nested,
		    " 0)   0.500 us    |  do_two();\n"
		    " 0) + 50.000 us   |  do_two();\n");
}

TEST(equal_leaves_are_folded)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, TWO, 0, 1000)}, {OUT(7, 0, TWO, 0, 1000, 2000)},
		{IN(7, 0, TWO, 0, 3000)}, {OUT(7, 0, TWO, 0, 3000, 6000)},
		{IN(7, 0, ONE, 0, 7000)}, {OUT(7, 0, ONE, 0, 7000, 8000)},
	};
	struct replay_options options = plain;

	options.fold = true;
	CHECK_SCENE(&options, steps,
		    " 0)   4.000 us    |  do_two(); /* 2 calls, 1.000 us to 3.000 us */\n"
		    " 0)   1.000 us    |  do_one();\n");
}

TEST(another_task_on_the_cpu_is_told_as_the_kernel_does)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, ONE, 0, 1000)},	 {IN(9, 0, ONE, 0, 2000)},
		{IN(8, 1, TWO, 0, 2500)},	 {OUT(9, 0, ONE, 0, 2000, 3000)},
		{OUT(8, 1, TWO, 0, 2500, 3500)}, {OUT(7, 0, ONE, 0, 1000, 4000)},
	};

	CHECK_SCENE(&plain, steps,
		    " 0)               |  do_one() {\n"
		    " ------------------------------------------\n"
		    " 0)     bash-7     =>     cc1-9     \n"
		    " ------------------------------------------\n\n"
		    " 0)   1.000 us    |  do_one();\n"
		    " 1)   1.000 us    |  do_two();\n"
		    " ------------------------------------------\n"
		    " 0)     cc1-9      =>     bash-7    \n"
		    " ------------------------------------------\n\n"
		    " 0)   3.000 us    |  } /* do_one */\n");
}

TEST(a_column_for_each_thread)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, ONE, 0, 1000)},
		{IN(9, 1, TWO, 0, 2000)},
		{OUT(9, 1, TWO, 0, 2000, 3000)},
		{OUT(7, 0, ONE, 0, 1000, 4000)},
	};
	struct replay_options options = plain;

	options.column_view = true;
	options.column_offset = 8;
	options.nr_fields = 0;
	CHECK_SCENE(&options, steps, "do_one();\n        do_two();\n");
}

TEST(losses_are_told_and_braces_behind_them_are_named)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, ONE, 0, 1000)},
		{IN(7, 0, TWO, 1, 2000)},
		{SCENE_EXIT, 7, 0, THREE, 1, 5000, 4000, 12},
		{SCENE_EXIT, 7, 0, ONE, 0, 6000, 1000, SUBBUF_LOST_UNKNOWN},
	};

	CHECK_SCENE(&plain, steps,
		    " 0)               |  do_one() {\n"
		    " 0)               |    do_two() {\n"
		    "CPU:0 [LOST 12 EVENTS]\n"
		    " 0)   1.000 us    |    } /* do_three */\n"
		    "CPU:0 [LOST EVENTS]\n"
		    " 0)   5.000 us    |  }\n");
}

TEST(calls_without_a_return_are_said_to_be_so)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, ONE, 0, 1000)},
		{IN(7, 0, TWO, 1, 2000)},
		{IN(7, 0, THREE, 1, 3000)},
		{IN(9, 1, TWO, 0, 4000)},
	};

	CHECK_SCENE(&plain, steps,
		    " 0)               |  do_one() {\n"
		    " 0)               |    do_two() {\n"
		    " 0)               |      /* do_two: no return was recorded */\n"
		    " 0)               |    do_three() {\n"
		    " 1)               |  do_two() {\n"
		    "# not returned when the records end: bash-7: do_one > do_three\n"
		    "# not returned when the records end: cc1-9: do_two\n");
}

TEST(depth_and_duration_are_derived_where_they_are_not_stored)
{
	/* do_two leaves without a return, as with longjmp. */
	static const struct scene_step steps[] = {
		{IN(7, 0, ONE, 0, 1000)},	{IN(7, 0, THREE, 0, 2000)},
		{OUT(7, 0, THREE, 0, 0, 2500)}, {IN(7, 0, TWO, 0, 3000)},
		{OUT(7, 0, ONE, 0, 0, 4000)},
	};

	CHECK(check_with(scene_bare_formats, ARRAY_SIZE(scene_bare_formats), &plain, steps,
			 ARRAY_SIZE(steps),
			 " 0)               |  do_one() {\n"
			 " 0)   0.500 us    |    do_three();\n"
			 " 0)               |    do_two() {\n"
			 " 0)               |      /* do_two: no return was recorded */\n"
			 " 0)   3.000 us    |  }\n"));
}

TEST(function_records_are_indented_by_their_callers)
{
	static const struct scene_step steps[] = {
		{FN(7, 0, TWO, ONE, 1000)},
		{FN(7, 0, THREE, TWO, 2000)},
		{SCENE_REPEATS, 7, 0, THREE, 5, 2500, TWO, 0},
		{FN(7, 0, TWO, ONE, 3000)},
	};

	CHECK_SCENE(&plain, steps,
		    " 0)               |  do_two(); /* <-do_one */\n"
		    " 0)               |    do_three();\n"
		    " 0)               |    do_three(); /* 5 times */\n"
		    " 0)               |  do_two(); /* <-do_one */\n");
}

TEST(json_is_a_line_an_object)
{
	struct replay_options options = plain;

	options.format = REPORT_JSON;
	options.filter.max_depth = 2;
	options.min_ns = 40000;
	CHECK_SCENE(&options, nested,
		    "{\"type\":\"begin\",\"ts\":1000,\"cpu\":0,\"task\":\"bash\",\"pid\":7,"
		    "\"depth\":0,\"function\":\"do_one\",\"addr\":\"0xffffffff81000000\"}\n"
		    "{\"type\":\"call\",\"ts\":3000,\"cpu\":0,\"task\":\"bash\",\"pid\":7,"
		    "\"depth\":1,\"function\":\"do_two\",\"addr\":\"0xffffffff81000100\","
		    "\"duration_ns\":50000}\n"
		    "{\"type\":\"end\",\"ts\":2001000,\"cpu\":0,\"task\":\"bash\",\"pid\":7,"
		    "\"depth\":0,\"function\":\"do_one\",\"addr\":\"0xffffffff81000000\","
		    "\"duration_ns\":2000000}\n");
}

/* A call is open for long while others come and go: the queue stays bounded, the order right. */
TEST(waiting_lines_are_bounded)
{
	enum {
		NR = 70000
	};
	static struct scene_step steps[2 * NR + 2];
	struct replay_options options = plain;
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};
	static const char first[] = "do_one() {\ndo_two();\n";
	static const char last[] = "do_two();\n}\n";

	steps[0] = (struct scene_step){IN(7, 0, ONE, 0, 0)};
	for (uint32_t i = 0; i < NR; i++) {
		steps[1 + 2 * i] = (struct scene_step){IN(9, 1, TWO, 0, 1 + 2 * i)};
		steps[2 + 2 * i] = (struct scene_step){OUT(9, 1, TWO, 0, 1 + 2 * i, 2 + 2 * i)};
	}
	steps[2 * NR + 1] = (struct scene_step){OUT(7, 0, ONE, 0, 0, 3 * NR)};
	options.filter.max_depth = 9;
	options.nr_fields = 0;
	CHECK(test_events_with(scene_formats, ARRAY_SIZE(scene_formats), &db) == 0);
	CHECK(run(db, &options, steps, ARRAY_SIZE(steps), &out) == 0);
	CHECK_EQ(out.len, 11 + NR * 10 + 2);
	CHECK(!memcmp(out.buf, first, sizeof(first) - 1));
	CHECK(!memcmp(out.buf + out.len - sizeof(last) + 1, last, sizeof(last) - 1));
}

TEST(every_failing_allocation_is_told)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_MEM};
	_cleanup_db_ struct event_db *db = NULL;
	struct replay_options options = plain;

	options.min_ns = 10000;
	CHECK(test_events_with(scene_formats, ARRAY_SIZE(scene_formats), &db) == 0);
	while (fault_next(&s)) {
		_cleanup_out_ struct out out = {0};
		int r = run(db, &options, nested, ARRAY_SIZE(nested), &out);

		fault_pause();
		CHECK(r < 0 || out.failed || !fault_fired());
	}
}

TEST_MAIN()
