/* SPDX-License-Identifier: MIT */
/* Scenes of records, and the trees that they give. */
#include "report/graph.h"

#include "base/fault.h"
#include "base/test.h"
#include "report/scene_test.h"

static void db_free_p(struct event_db **db)
{
	event_db_free(*db);
}
static void graph_free_p(struct graph **graph)
{
	graph_free(*graph);
}
static void patterns_free_p(struct patterns **patterns)
{
	patterns_free(*patterns);
}
#define _cleanup_db_	   _cleanup_(db_free_p)
#define _cleanup_graph_	   _cleanup_(graph_free_p)
#define _cleanup_patterns_ _cleanup_(patterns_free_p)

static const struct graph_print plain = {
	.fields = {GRAPH_TOTAL, GRAPH_SELF, GRAPH_CALLS}, .nr_fields = 3, .comm = scene_comm};

static int run(const struct event_db *db, const struct graph_options *options,
	       const struct graph_print *how, const struct scene_step *steps, size_t nr,
	       struct out *out)
{
	_cleanup_graph_ struct graph *graph = NULL;
	int r = graph_new(&graph, db, options);

	for (size_t i = 0; r == 0 && i < nr; i++) {
		uint8_t data[SCENE_LEN];
		struct source_record rec;
		const struct report_item item = scene_item(db, &steps[i], data, &rec);

		r = graph_event(graph, &item);
	}
	return r < 0 ? r : graph_print(graph, how, out);
}

static bool check_scene(const struct graph_options *options, const struct graph_print *how,
			const struct scene_step *steps, size_t nr, const char *expected)
{
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};

	if (test_events_with(scene_formats, ARRAY_SIZE(scene_formats), &db) < 0 ||
	    run(db, options, how, steps, nr, &out) < 0)
		return false;
	if (!strcmp(out_cstr(&out), expected))
		return true;
	printf("# gives\n%s# not\n%s", out_cstr(&out), expected);
	return false;
}

#define CHECK_SCENE(options, how, steps, expected)                                                 \
	CHECK(check_scene(options, how, steps, ARRAY_SIZE(steps), expected))
#define HEADING "#   TOTAL TIME     SELF TIME       CALLS    FUNCTION\n"

/* do_one calls do_two, and do_two do_three; another task calls do_two alone, which does not end. */
static const struct scene_step scene[] = {
	{IN(7, 0, ONE, 0, 1000)},	   {IN(7, 0, TWO, 1, 2000)},
	{IN(7, 0, THREE, 2, 2100)},	   {OUT(7, 0, THREE, 2, 2100, 2400)},
	{OUT(7, 0, TWO, 1, 2000, 2500)},   {IN(7, 0, THREE, 1, 3000)},
	{OUT(7, 0, THREE, 1, 3000, 4000)}, {OUT(7, 0, ONE, 0, 1000, 5000)},
	{IN(9, 1, TWO, 0, 6000)},	   {IN(9, 1, THREE, 1, 6100)},
	{OUT(9, 1, THREE, 1, 6100, 6200)},
};

TEST(calls_are_merged_by_their_callers)
{
	static const struct graph_options all;

	CHECK_SCENE(&all, &plain, scene,
		    HEADING
		    "      4.000 us      2.500 us           1  : do_one\n"
		    "      1.000 us      1.000 us           1  :   +-do_three\n"
		    "      0.500 us      0.200 us           1  :   +-do_two\n"
		    "      0.300 us      0.300 us           1  :       do_three\n"
		    "                                       1  : do_two  /* 1 did not return "
		    "*/\n"
		    "      0.100 us      0.100 us           1  :   do_three\n");
}

TEST(a_graph_for_each_task)
{
	static const struct graph_options by_task = {.group = GRAPH_BY_TASK, .min_ns = 1000};

	CHECK_SCENE(&by_task, &plain, scene,
		    "bash-7\n" HEADING "      4.000 us      2.500 us           1  : do_one\n"
		    "      1.000 us      1.000 us           1  :   do_three\n"
		    "\ncc1-9\n" HEADING
		    "                                       1  : do_two  /* 1 did not return */\n");
}

TEST(tasks_of_one_name_are_one)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, ONE, 0, 1000)},
		{OUT(7, 0, ONE, 0, 1000, 2000)},
		{IN(8, 0, ONE, 0, 3000)},
		{OUT(8, 0, ONE, 0, 3000, 5000)},
	};
	static const struct graph_options by_comm = {.group = GRAPH_BY_COMM};

	CHECK_SCENE(&by_comm, &plain, steps,
		    "bash\n" HEADING "      3.000 us      3.000 us           2  : do_one\n");
}

TEST(the_callers_and_callees_of_a_function)
{
	static const struct graph_options all;
	_cleanup_patterns_ struct patterns *functions = NULL;
	struct graph_print how = plain;
	struct err err;

	CHECK(patterns_new(&functions) == 0 && patterns_add(functions, "do_two", false, &err) == 0);
	how.functions = functions;
	CHECK_SCENE(&all, &how, scene,
		    "# do_two: its callers\n" HEADING
		    "      0.500 us      0.200 us           1  : do_two <- do_one\n"
		    "                                       1  : do_two\n"
		    "\n# do_two: what it calls\n" HEADING
		    "      0.500 us      0.200 us           2  : do_two  /* 1 did not return */\n"
		    "      0.400 us      0.400 us           2  :   do_three\n");
	how.format = REPORT_JSON;
	CHECK_SCENE(
		&all, &how, scene,
		"{\"type\":\"callers\",\"function\":\"do_two\",\"callers\":[\"do_one\"],"
		"\"calls\":1,\"timed\":1,\"open\":0,\"total_ns\":500,\"self_ns\":200,"
		"\"avg_ns\":500,\"min_ns\":500,\"max_ns\":500}\n"
		"{\"type\":\"callers\",\"function\":\"do_two\",\"callers\":[],\"calls\":1,"
		"\"timed\":0,\"open\":1,\"total_ns\":null,\"self_ns\":null,\"avg_ns\":null,"
		"\"min_ns\":null,\"max_ns\":null}\n"
		"{\"type\":\"callees\",\"id\":1,\"caller\":0,\"depth\":0,\"function\":\"do_two\","
		"\"calls\":2,\"timed\":1,\"open\":1,\"total_ns\":500,\"self_ns\":200,"
		"\"avg_ns\":500,\"min_ns\":500,\"max_ns\":500}\n"
		"{\"type\":\"callees\",\"id\":2,\"caller\":1,\"depth\":1,\"function\":\"do_three\","
		"\"calls\":2,\"timed\":2,\"open\":0,\"total_ns\":400,\"self_ns\":400,"
		"\"avg_ns\":200,\"min_ns\":100,\"max_ns\":300}\n");
}

TEST(behind_a_loss_callers_are_not_known)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, ONE, 0, 1000)},
		{SCENE_ENTRY, 7, 0, THREE, 3, 2000, 0, 5},
		{OUT(7, 0, THREE, 3, 2000, 3000)},
		{OUT(7, 0, ONE, 0, 1000, 4000)},
	};
	static const struct graph_options all;

	CHECK_SCENE(&all, &plain, steps,
		    HEADING "      3.000 us                         1  : do_one\n"
			    "                                          : [callers not recorded]\n"
			    "      1.000 us      1.000 us           1  :   do_three\n");
}

TEST(function_records_count_in_their_chains)
{
	static const struct scene_step steps[] = {
		{FN(7, 0, TWO, ONE, 1000)},
		{FN(7, 0, THREE, TWO, 2000)},
		{SCENE_REPEATS, 7, 0, THREE, 5, 2500, TWO, 0},
	};
	static const struct graph_options all;

	CHECK_SCENE(&all, &plain, steps,
		    "#      CALLS    FUNCTION\n"
		    "              : do_one\n"
		    "           1  :   do_two\n"
		    "           6  :     do_three\n");
}

TEST(a_name_that_is_not_there_is_told)
{
	static const struct graph_options all;
	_cleanup_patterns_ struct patterns *functions = NULL;
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};
	struct graph_print how = plain;
	struct err err;

	CHECK(patterns_new(&functions) == 0 && patterns_add(functions, "nope", false, &err) == 0);
	CHECK(patterns_add(functions, "(", true, &err) == -EINVAL);
	how.functions = functions;
	CHECK(test_events_with(scene_formats, ARRAY_SIZE(scene_formats), &db) == 0);
	CHECK_EQ(run(db, &all, &how, scene, ARRAY_SIZE(scene), &out), -ENOENT);
}

/* Recursion as deep as records go: text stops, memory and stack do not matter. */
TEST(recursion_is_a_long_chain)
{
	enum {
		NR = 50000
	};
	static struct scene_step steps[NR];
	static const struct graph_options all;
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};

	for (int32_t i = 0; i < NR; i++)
		steps[i] = (struct scene_step){IN(7, 0, ONE, i, 1)};
	CHECK(test_events_with(scene_formats, ARRAY_SIZE(scene_formats), &db) == 0);
	CHECK(run(db, &all, &plain, steps, NR, &out) == 0);
	CHECK(strstr(out_cstr(&out), "too deep to be drawn") != NULL);
}

TEST(every_failing_allocation_is_told)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_MEM};
	static const struct graph_options by_comm = {.group = GRAPH_BY_COMM};
	_cleanup_db_ struct event_db *db = NULL;

	CHECK(test_events_with(scene_formats, ARRAY_SIZE(scene_formats), &db) == 0);
	while (fault_next(&s)) {
		_cleanup_out_ struct out out = {0};
		int r = run(db, &by_comm, &plain, scene, ARRAY_SIZE(scene), &out);

		fault_pause();
		CHECK(r < 0 || !fault_fired());
	}
}

TEST_MAIN()
