/* SPDX-License-Identifier: MIT */
/* Which begin belongs to which end, with all that is stored and with what must be derived. */
#include "report/calls.h"

#include "base/mem.h"
#include "base/test.h"
#include "report/scene_test.h"

static void db_free_p(struct event_db **db)
{
	event_db_free(*db);
}
static void calls_free_p(struct calls **calls)
{
	calls_free(*calls);
}
#define _cleanup_db_	_cleanup_(db_free_p)
#define _cleanup_calls_ _cleanup_(calls_free_p)

/* What is told, a letter each: unfinished, forgotten, more to come; and the last step. */
struct seen {
	char told[32];
	size_t nr;
	struct call_step step;
};

static void tell(struct seen *seen, char what)
{
	if (seen->nr < sizeof(seen->told) - 1)
		seen->told[seen->nr++] = what;
}

static void unfinished(void *arg, struct call_task *task, const struct call *call)
{
	(void)task;
	(void)call;
	tell(arg, 'u');
}

static void forgotten(void *arg, struct call_task *task, const struct call *call)
{
	(void)task;
	(void)call;
	tell(arg, 'f');
}

static int run(const struct test_format *formats, size_t nr_formats, const struct scene_step *steps,
	       size_t nr, struct seen *seen)
{
	const struct calls_owner owner = {unfinished, forgotten, seen, .chains = true};
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_calls_ struct calls *calls = NULL;
	int r = test_events_with(formats, nr_formats, &db);

	*seen = (struct seen){0};
	if (r == 0)
		r = calls_new(&calls, db, &owner);
	for (size_t i = 0; r == 0 && i < nr; i++) {
		uint8_t data[SCENE_LEN];
		struct source_record rec;
		const struct report_item item = scene_item(db, &steps[i], data, &rec);

		do {
			r = calls_record(calls, &item, &seen->step);
			if (seen->step.more)
				tell(seen, 'm');
		} while (r == 0 && seen->step.more);
	}
	seen->step.task = NULL; /* goes with calls */
	return r;
}

#define RUN(steps, seen)                                                                           \
	CHECK(run(scene_formats, ARRAY_SIZE(scene_formats), steps, ARRAY_SIZE(steps), seen) == 0)
#define RUN_BARE(steps, seen)                                                                      \
	CHECK(run(scene_bare_formats, ARRAY_SIZE(scene_bare_formats), steps, ARRAY_SIZE(steps),    \
		  seen) == 0)

#define RUN_PROGRAM(steps, seen)                                                                   \
	CHECK(run(scene_program_formats, ARRAY_SIZE(scene_program_formats), steps,                 \
		  ARRAY_SIZE(steps), seen) == 0)

TEST(a_return_ends_all_that_jumped_on_from_its_place)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, THREE, 1010, 50)},   {IN(7, 0, ONE, 1000, 100)},
		{JUMP(7, 0, TWO, 1000, 150)},  {IN(7, 0, ONE, 900, 160)},
		{OUT(7, 0, ONE, 900, 0, 180)}, {OUT(7, 0, ONE, 1000, 0, 200)},
	};
	struct seen seen;

	RUN_PROGRAM(steps, &seen);
	CHECK_STR(seen.told, "m");
	CHECK(seen.step.paired && seen.step.timed && seen.step.self_known);
	CHECK_EQ(seen.step.func & 0xffff, ONE);
	CHECK_EQ(seen.step.depth, 1);
	CHECK_EQ(seen.step.ns, 100);
	CHECK_EQ(seen.step.self_ns, 50);
}

/* Filters may leave out an entry, and its return, each by itself. */
TEST(a_return_ends_no_other_functions_call)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, THREE, 1010, 50)},	{IN(7, 0, ONE, 1000, 100)},
		{OUT(7, 0, TWO, 1000, 0, 200)}, /* of ONE there was no return */
		{JUMP(7, 0, ONE, 1000, 250)},	/* nor an entry of TWO, which jumped to it */
		{OUT(7, 0, TWO, 1000, 0, 260)},
	};
	struct seen seen;

	CHECK(run(scene_program_formats, ARRAY_SIZE(scene_program_formats), steps, 3, &seen) == 0);
	CHECK_STR(seen.told, "u");
	CHECK(!seen.step.paired && !seen.step.timed);
	CHECK_EQ(seen.step.func & 0xffff, TWO);
	RUN_PROGRAM(steps, &seen);
	CHECK(seen.step.paired);
	CHECK_EQ(seen.step.func & 0xffff, ONE);
	CHECK_EQ(seen.step.ns, 10);
}

TEST(a_call_above_open_ones_on_the_stack_says_that_they_were_left)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, ONE, 1000, 100)},    {IN(7, 0, TWO, 900, 150)},
		{IN(7, 0, THREE, 800, 160)},   {IN(7, 0, TWO, 900, 170)},
		{OUT(7, 0, TWO, 900, 0, 180)},
	};
	struct seen seen;

	RUN_PROGRAM(steps, &seen);
	CHECK_STR(seen.told, "uu");
	CHECK_EQ(seen.step.depth, 1);
	CHECK_EQ(seen.step.ns, 10);
}

TEST(calls_on_another_stack_outlive_the_one_they_were_begun_in)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, ONE, 50000000, 100)},	    {IN(7, 0, TWO, 1000, 150)},
		{OUT(7, 0, ONE, 50000000, 0, 200)}, {IN(7, 0, ONE, 50000000, 220)},
		{IN(7, 0, THREE, 900, 230)},	    {OUT(7, 0, THREE, 900, 0, 240)},
		{OUT(7, 0, TWO, 1000, 0, 250)},
	};
	struct seen seen;

	RUN_PROGRAM(steps, &seen);
	CHECK_STR(seen.told, "");
	CHECK(seen.step.paired);
	CHECK_EQ(seen.step.ns, 100);
}

TEST(a_return_believes_what_it_stores)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, ONE, 0, 100)},
		{IN(7, 0, TWO, 1, 200)},
		{OUT(7, 0, TWO, 1, 210, 240)},
		{OUT(7, 0, ONE, 0, 110, 310)},
	};
	struct seen seen;

	RUN(steps, &seen);
	CHECK(seen.step.kind == CALL_END && seen.step.paired && seen.step.timed);
	CHECK_EQ(seen.step.ns, 200);
	CHECK_EQ(seen.step.self_ns, 170);
	CHECK_EQ(seen.nr, 0);
}

TEST(without_stored_times_the_records_tell)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, ONE, 0, 100)}, {IN(7, 0, ONE, 0, 200)},     {OUT(7, 0, ONE, 0, 0, 240)},
		{IN(8, 0, ONE, 0, 250)}, {OUT(7, 1, ONE, 0, 0, 310)},
	};
	struct seen seen;

	RUN_BARE(steps, &seen);
	CHECK(seen.step.paired && seen.step.timed && seen.step.self_known);
	CHECK_EQ(seen.step.depth, 0);
	CHECK_EQ(seen.step.ns, 210);
	CHECK_EQ(seen.step.self_ns, 170);
}

TEST(a_return_ends_what_is_open_inside)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, ONE, 0, 100)},
		{IN(7, 0, TWO, 1, 200)},
		{IN(7, 0, THREE, 2, 300)},
		{OUT(7, 0, ONE, 0, 100, 400)},
	};
	struct seen seen;

	RUN(steps, &seen);
	CHECK_STR(seen.told, "uu");
	CHECK(seen.step.paired);
	RUN_BARE(steps, &seen);
	CHECK_STR(seen.told, "uu");
	CHECK_EQ(seen.step.ns, 300);
}

TEST(an_entry_of_the_same_depth_ends_the_one_before)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, ONE, 0, 100)},
		{IN(7, 0, TWO, 1, 200)},
		{IN(7, 0, THREE, 1, 300)},
	};
	struct seen seen;

	RUN(steps, &seen);
	CHECK_STR(seen.told, "u");
	CHECK_EQ(seen.step.depth, 1);
	RUN_BARE(steps, &seen); /* where depth is not stored, it is inside */
	CHECK_STR(seen.told, "");
	CHECK_EQ(seen.step.depth, 2);
}

TEST(a_return_without_an_entry_may_have_its_time)
{
	static const struct scene_step steps[] = {{OUT(7, 0, TWO, 3, 100, 400)}};
	struct seen seen;

	RUN(steps, &seen);
	CHECK(!seen.step.paired && seen.step.timed);
	CHECK_EQ(seen.step.ns, 300);
	CHECK_EQ(seen.step.depth, 3);
	RUN_BARE(steps, &seen);
	CHECK(!seen.step.paired && !seen.step.timed);
}

TEST(a_loss_is_forgotten_by_those_who_were_there)
{
	static const struct scene_step steps[] = {
		{IN(7, 0, ONE, 0, 100)},
		{IN(8, 1, ONE, 0, 110)},
		{SCENE_ENTRY, 9, 0, TWO, 0, 200, 0, 3},
		{OUT(8, 1, ONE, 0, 110, 300)}, /* of another CPU: known */
		{OUT(7, 1, ONE, 0, 100, 400)},
	};
	struct seen seen;

	RUN(steps, &seen);
	CHECK_STR(seen.told, "f");
	CHECK(!seen.step.paired && seen.step.timed && !seen.step.self_known);
}

TEST(idle_tasks_are_one_a_cpu)
{
	static const struct scene_step steps[] = {
		{IN(0, 0, ONE, 0, 100)},
		{IN(0, 1, TWO, 0, 110)},
		{OUT(0, 0, ONE, 0, 100, 200)},
	};
	struct seen seen;

	RUN(steps, &seen);
	CHECK(seen.step.paired);
	CHECK_STR(seen.told, "");
}

TEST(callers_make_chains)
{
	static const struct scene_step steps[] = {
		{FN(7, 0, TWO, ONE, 100)},
		{FN(7, 0, THREE, TWO, 200)},
		{SCENE_REPEATS, 7, 0, THREE, 4, 300, TWO, 0},
	};
	struct seen seen;

	RUN(steps, &seen);
	CHECK(seen.step.kind == CALL_POINT);
	CHECK_EQ(seen.step.count, 4);
	CHECK_EQ(seen.step.depth, 2);
}

TEST_MAIN()
