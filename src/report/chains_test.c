/* SPDX-License-Identifier: MIT */
/*
 * Small scenes and the chains they give. What trace-cmd hist gives for the same recordings differs
 * as docs/compat.md says, and in nothing else.
 */
#include "report/chains.h"

#include "base/fault.h"
#include "base/test.h"
#include "expr/expr_test_events.h"

enum {
	EXIT = 10,
	ENTRY = 11,
	REPEATS = 19,
	OTHER = 50,
	FUNC = TEST_FUNC,
	STACK = TEST_STACK,
	RECORD_LEN = 80,
	MAX_CALLERS = 4
};

static const struct test_format formats[] = {
	{"ftrace", "name: funcgraph_entry\nID: 11\nformat:\n" TEST_COMMON
		   "\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n"
		   "\tfield:int depth;\toffset:16;\tsize:4;\tsigned:1;\n"
		   "\nprint fmt: \"%d\", REC->depth\n"},
	{"ftrace", "name: funcgraph_exit\nID: 10\nformat:\n" TEST_COMMON
		   "\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n"
		   "\tfield:int depth;\toffset:16;\tsize:4;\tsigned:1;\n"
		   "\nprint fmt: \"%d\", REC->depth\n"},
	{"ftrace", "name: func_repeats\nID: 19\nformat:\n" TEST_COMMON
		   "\tfield:unsigned long ip;\toffset:8;\tsize:8;\tsigned:0;\n"
		   "\tfield:unsigned long parent_ip;\toffset:16;\tsize:8;\tsigned:0;\n"
		   "\tfield:u16 count;\toffset:24;\tsize:2;\tsigned:0;\n"
		   "\nprint fmt: \"%d\", REC->count\n"},
	{"test", "name: other\nID: 50\nformat:\n" TEST_COMMON
		 "\tfield:int v;\toffset:8;\tsize:4;\tsigned:1;\n\nprint fmt: \"%d\", REC->v\n"},
};

static void db_free_p(struct event_db **db)
{
	event_db_free(*db);
}
static void chains_free_p(struct chains **chains)
{
	chains_free(*chains);
}
#define _cleanup_db_	 _cleanup_(db_free_p)
#define _cleanup_chains_ _cleanup_(chains_free_p)

/* Functions by number: 1 do_one, 2 do_two, 3 do_three; 9 has no name. */
struct step {
	uint16_t id;
	int32_t pid;
	uint32_t funcs[MAX_CALLERS]; /* function: itself, its caller; graph: itself; a stack */
	int32_t depth;		     /* func_repeats: the count */
	uint32_t cpu;
	int64_t lost; /* before it, on its CPU */
};

static uint64_t address(uint32_t number)
{
	/* The size of the last symbol is not known: only its start is in it. */
	return number == 9 ? 0x1234
			   : 0xffffffff81000000 + (number - 1) * 0x100 + (number < 3 ? 4 : 0);
}

static uint32_t make_record(const struct step *step, uint8_t *data)
{
	uint32_t at = step->id == STACK ? 16 : 8, nr = 0;

	memset(data, 0, RECORD_LEN);
	test_common(data, step->id, step->pid);
	for (; nr < MAX_CALLERS && step->funcs[nr]; nr++, at += 8)
		store_u64(data + at, address(step->funcs[nr]), false);
	if (step->id == STACK) {
		store_u64(data + at, UINT64_MAX, false); /* behind the last */
		return at + 8;
	}
	if (step->id == ENTRY || step->id == EXIT)
		store_u32(data + 16, (uint32_t)step->depth, false);
	if (step->id == REPEATS)
		store_u16(data + 24, (uint16_t)step->depth, false);
	return 32;
}

static const char *comm(void *arg, int32_t pid)
{
	(void)arg;
	return pid == 7 ? "bash" : NULL;
}

static int run(const struct event_db *db, bool all_pids, const struct step *steps, size_t nr,
	       enum report_format format, struct out *out)
{
	const struct chains_print how = {.format = format, .comm = comm};
	_cleanup_chains_ struct chains *chains = NULL;
	int r = chains_new(&chains, db, all_pids);

	for (size_t i = 0; r == 0 && i < nr; i++) {
		uint8_t data[RECORD_LEN];
		const struct source_record rec = {
			.data = data, .len = make_record(&steps[i], data), .cpu = steps[i].cpu};
		const struct report_item item = {.event = event_db_by_id(db, steps[i].id),
						 .rec = &rec,
						 .pid = steps[i].pid,
						 .lost = steps[i].lost};

		r = chains_event(chains, &item);
	}
	return r < 0 ? r : chains_print(chains, &how, out);
}

static bool check_scene(bool all_pids, enum report_format format, const struct step *steps,
			size_t nr, const char *expected)
{
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};

	if (test_events_with(formats, ARRAY_SIZE(formats), &db) < 0 ||
	    run(db, all_pids, steps, nr, format, &out) < 0)
		return false;
	if (!strcmp(out_cstr(&out), expected))
		return true;
	printf("# gives\n%s# not\n%s", out_cstr(&out), expected);
	return false;
}

#define CHECK_SCENE(steps, expected)                                                               \
	CHECK(check_scene(false, REPORT_CSV, steps, ARRAY_SIZE(steps), expected))

/* pid,task,kind,name,count,chain */

TEST(chains_put_together_from_callers)
{
	static const struct step steps[] = {
		{FUNC, 7, {2, 3}}, {FUNC, 7, {1, 2}}, /* three calls two calls one */
		{FUNC, 7, {1, 2}},		      /* again */
		{FUNC, 7, {9, 3}},		      /* three calls something else */
		{FUNC, 7, {2, 1}},		      /* elsewhere */
	};

	CHECK_SCENE(steps, "7,bash,function,do_one,2,do_two;do_three\n"
			   "7,bash,function,0x1234,1,do_three\n"
			   "7,bash,function,do_two,1,do_one\n");
}

TEST(repeats_count_as_often_as_they_say)
{
	static const struct step steps[] = {{FUNC, 7, {1, 2}}, {REPEATS, 7, {1, 2}, 5}};

	CHECK_SCENE(steps, "7,bash,function,do_one,6,do_two\n");
}

TEST(a_function_that_calls_itself_does_not_grow_for_ever)
{
	_cleanup_chains_ struct chains *chains = NULL;
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};
	const struct chains_print how = {.format = REPORT_JSON};
	const struct step step = {FUNC, 7, {1, 1}};

	CHECK(test_events_with(formats, ARRAY_SIZE(formats), &db) == 0);
	CHECK(chains_new(&chains, db, false) == 0);
	for (int i = 0; i < 10000; i++) {
		uint8_t data[RECORD_LEN];
		const struct source_record rec = {.data = data, .len = make_record(&step, data)};
		const struct report_item item = {
			.event = event_db_by_id(db, FUNC), .rec = &rec, .pid = 7};

		CHECK(chains_event(chains, &item) == 0);
	}
	CHECK(chains_print(chains, &how, &out) == 0);
	CHECK(out.len > 1000 && out.len < 100000);
}

TEST(calls_count_when_they_end)
{
	static const struct step steps[] = {
		{EXIT, 7, {3}, 1}, /* its begin was not recorded */
		{ENTRY, 7, {1}, 0}, {ENTRY, 7, {2}, 1},	  {ENTRY, 8, {2}, 0, 1},
		{EXIT, 7, {2}, 1},  {EXIT, 8, {2}, 0, 1}, {EXIT, 7, {1}, 0},
		{ENTRY, 7, {1}, 0}, {ENTRY, 7, {3}, 1}, /* the recording ends in do_three */
	};

	CHECK_SCENE(steps, "7,bash,function,do_three,1,\n"
			   "7,bash,function,do_three,1,do_one\n"
			   "7,bash,function,do_one,1,\n"
			   "7,bash,function,do_two,1,do_one\n"
			   "8,<...>,function,do_two,1,\n");
}

TEST(events_with_their_stacks_and_without)
{
	static const struct step steps[] = {
		{OTHER, 7, {0}},       {STACK, 7, {9, 1, 2}}, /* a trampoline on top */
		{ENTRY, 7, {3}, 0},    {OTHER, 7, {0}},	      /* in do_three */
		{OTHER, 8, {0}, 0, 1}, {OTHER, 7, {0}},	      {STACK, 8, {2}, 0, 1},
		{STACK, 7, {1, 2}},    {STACK, 7, {3}}, /* of nothing */
		{EXIT, 7, {3}, 0},
	};

	CHECK_SCENE(steps, "7,bash,event,other,2,do_one;do_two\n"
			   "7,bash,event,other,1,do_three\n"
			   "7,bash,function,do_three,1,\n"
			   "8,<...>,event,other,1,do_two\n");
}

TEST(functions_with_stacks)
{
	static const struct step steps[] = {
		{FUNC, 7, {1, 2}},     {STACK, 7, {1, 2, 3}}, {FUNC, 7, {1, 2}},
		{STACK, 7, {1, 2, 3}}, {FUNC, 7, {1, 3}},     {STACK, 7, {1, 3}},
	};

	CHECK_SCENE(steps, "7,bash,event,do_one,2,do_one;do_two;do_three\n"
			   "7,bash,event,do_one,1,do_one;do_three\n");
}

TEST(behind_a_loss_nothing_is_known_of_the_callers)
{
	static const struct step steps[] = {
		{ENTRY, 7, {1}, 0},   {ENTRY, 9, {1}, 0, 1}, {ENTRY, 7, {2}, 1, 0, 3},
		{EXIT, 7, {2}, 1},    {EXIT, 7, {1}, 0},     {ENTRY, 9, {2}, 1, 1},
		{EXIT, 9, {2}, 1, 1}, {EXIT, 9, {1}, 0, 1},
	};

	CHECK_SCENE(steps, "7,bash,function,do_one,1,\n"
			   "7,bash,function,do_two,1,\n"
			   "9,<...>,function,do_one,1,\n"
			   "9,<...>,function,do_two,1,do_one\n");
}

TEST(the_tree)
{
	static const struct step steps[] = {
		{OTHER, 7, {0}}, {STACK, 7, {1, 2, 3}}, {OTHER, 7, {0}}, {STACK, 7, {1, 2, 1}},
		{OTHER, 7, {0}}, {STACK, 7, {1, 2, 1}}, {OTHER, 7, {0}}, {STACK, 7, {3, 2}},
		{OTHER, 8, {0}}, {STACK, 8, {1, 2}},	{OTHER, 8, {0}}, {STACK, 8, {1}},
	};

	CHECK(check_scene(false, REPORT_TEXT, steps, ARRAY_SIZE(steps),
			  "  %66.67  (7) bash                          other #4\n"
			  "         |\n"
			  "         --- *other*\n"
			  "            |\n"
			  "            |--%75.00-- do_one  # 3\n"
			  "            |          do_two\n"
			  "            |            |\n"
			  "            |            |--%66.67-- do_one  # 2\n"
			  "            |            |\n"
			  "            |            |--%33.33-- do_three  # 1\n"
			  "            |\n"
			  "            |--%25.00-- do_three  # 1\n"
			  "                       do_two\n"
			  "\n"
			  "  %33.33  (8) <...>                          other #2\n"
			  "         |\n"
			  "         --- *other*\n"
			  "          do_one\n"
			  "          do_two\n"));
	CHECK(check_scene(true, REPORT_TEXT, steps, 2,
			  "  %100.00 <all pids>                          other #1\n"
			  "         |\n"
			  "         --- *other*\n"
			  "          do_one\n"
			  "          do_two\n"
			  "          do_three\n"));
	CHECK(check_scene(
		true, REPORT_JSON, steps, 2,
		"{\"pid\":null,\"task\":null,\"kind\":\"event\",\"name\":\"other\",\"count\":1,"
		"\"chain\":[\"do_one\",\"do_two\",\"do_three\"]}\n"));
}

TEST(short_records_and_no_memory)
{
	static const uint16_t ids[] = {ENTRY, ENTRY, EXIT, FUNC, STACK, REPEATS, OTHER, STACK};
	static const uint8_t zeroes[RECORD_LEN];
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = FAULT_MEM};
	const struct chains_print how = {.format = REPORT_TEXT};
	_cleanup_db_ struct event_db *db = NULL;

	CHECK(test_events_with(formats, ARRAY_SIZE(formats), &db) == 0);
	while (fault_next(&sweep)) {
		_cleanup_chains_ struct chains *chains = NULL;
		_cleanup_out_ struct out out = {0};
		int r = chains_new(&chains, db, sweep.k & 1);

		for (uint32_t i = 0; r == 0 && i < 8 * RECORD_LEN; i++) {
			const uint32_t len = i / 8;
			const struct source_record rec = {
				.data = zeroes + RECORD_LEN - len, .len = len, .cpu = i % 3};
			const struct report_item item = {.event = event_db_by_id(db, ids[i % 8]),
							 .rec = &rec,
							 .pid = (int32_t)(i % 7)};

			r = chains_event(chains, &item);
		}
		if (r == 0)
			r = chains_print(chains, &how, &out);
		CHECK(r == 0 || (r == -ENOMEM && fault_fired()));
	}
}

TEST_MAIN()
