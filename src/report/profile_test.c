/* SPDX-License-Identifier: MIT */
/*
 * Small scenes, each a list of records and the profile they give. The layout is trace-cmd's: the
 * expected texts were checked against `trace-cmd report --profile` on such recordings.
 */
#include "base/fault.h"
#include "base/test.h"
#include "expr/expr_test_events.h"
#include "report/profile.h"

enum {
	SYS_ENTER = 21,
	SYS_EXIT,
	IRQ_ENTRY,
	IRQ_EXIT,
	RAISE,
	ENTRY,
	EXIT,
	G_ENTRY = 11,
	G_EXIT = 10
};

#define KEYED(system, name, id, type, field, size)                                                 \
	{                                                                                          \
		system, "name: " name "\nID: " #id "\nformat:\n" TEST_COMMON "\tfield:" type       \
			" " field ";\toffset:8;\tsize:" #size ";\tsigned:1;\n"                     \
			"\nprint fmt: \"%d\", REC->" field "\n"                                    \
	}

static const struct test_format profile_formats[] = {
	KEYED("raw_syscalls", "sys_enter", 21, "long", "id", 8),
	KEYED("raw_syscalls", "sys_exit", 22, "long", "id", 8),
	KEYED("irq", "irq_handler_entry", 23, "int", "irq", 4),
	KEYED("irq", "irq_handler_exit", 24, "int", "irq", 4),
	KEYED("irq", "softirq_raise", 25, "unsigned int", "vec", 4),
	KEYED("irq", "softirq_entry", 26, "unsigned int", "vec", 4),
	KEYED("irq", "softirq_exit", 27, "unsigned int", "vec", 4),
	KEYED("ftrace", "funcgraph_entry", 11, "unsigned long", "func", 8),
	KEYED("ftrace", "funcgraph_exit", 10, "unsigned long", "func", 8),
};

static void db_free_p(struct event_db **db)
{
	event_db_free(*db);
}
static void profile_free_p(struct profile **profile)
{
	profile_free(*profile);
}
#define _cleanup_db_	  _cleanup_(db_free_p)
#define _cleanup_profile_ _cleanup_(profile_free_p)

struct step {
	uint64_t ts;
	uint16_t id;
	int32_t pid; /* the current task */
	uint32_t cpu;
	uint64_t key; /* what the event is about; sched_switch: the next pid */
	int64_t state;
	const char *comm; /* sched_switch: of the previous task; the next is "next" */
};

enum {
	LOST = 0
}; /* no event: events were lost */

static uint32_t make_record(const struct step *step, uint8_t *data)
{
	const struct test_switch s = {.prev_comm = step->comm,
				      .next_comm = "next",
				      .prev_pid = step->pid,
				      .next_pid = (int32_t)step->key,
				      .prev_state = step->state};

	if (step->id == TEST_SWITCH) {
		test_switch(data, &s);
		return TEST_SWITCH_LEN;
	}
	if (step->id == TEST_WAKEUP) {
		test_wakeup(data, step->pid, (int32_t)step->key, "woken");
		return TEST_WAKEUP_LEN;
	}
	memset(data, 0, 64);
	test_common(data, step->id, step->pid);
	if (step->id == TEST_STACK) { /* the key's digits: 1 do_one, 2 do_two, 3 do_three */
		uint32_t at = 16;

		for (uint64_t digits = step->key; digits; digits /= 10, at += 8)
			store_u64(data + at, 0xffffffff80ffff04 + digits % 10 * 0x100, false);
		return at;
	}
	store_u64(data + 8, step->key, false);
	return 16;
}

static int run(const struct event_db *db, const struct profile_options *options,
	       const struct step *steps, size_t nr, struct out *out, struct err *err)
{
	_cleanup_profile_ struct profile *profile = NULL;
	int r = profile_new(&profile, db, options, err);

	for (size_t i = 0; r == 0 && i < nr; i++) {
		uint8_t data[128];
		uint32_t len = make_record(&steps[i], data);

		if (steps[i].id == LOST)
			profile_lost(profile, steps[i].cpu);
		else
			r = profile_event(profile, event_db_by_id(db, steps[i].id), data, len,
					  steps[i].cpu, steps[i].ts);
	}
	return r < 0 ? r : profile_print(profile, out);
}

static bool check_scene(const struct profile_options *options, const struct step *steps, size_t nr,
			const char *expected)
{
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};
	struct err err = {0};

	if (test_events_with(profile_formats, ARRAY_SIZE(profile_formats), &db) < 0 ||
	    run(db, options, steps, nr, &out, &err) < 0) {
		printf("# %s\n", err.text);
		return false;
	}
	if (!strcmp(out_cstr(&out), expected))
		return true;
	printf("# gives\n%s# not\n%s", out_cstr(&out), expected);
	return false;
}

static const struct profile_options plain = {.nr_cpus = 2};

TEST(blocked_woken_preempted)
{
	static const struct step steps[] = {
		{1000, TEST_SWITCH, 7, 0, 8, 1, "bash"}, /* bash sleeps */
		{3000, TEST_WAKEUP, 8, 0, 7},		 /* woken by 8 */
		{3500, TEST_SWITCH, 8, 0, 7, 0, "next"}, /* 8 preempted, bash runs */
		{9500, TEST_SWITCH, 7, 0, 8, 2, "bash"}, /* bash blocks */
	};

	CHECK(check_scene(&plain, steps, ARRAY_SIZE(steps),
			  "\ntask: bash-7\n"
			  "  Event: sched_switch:S (1) Total: 2000 Avg: 2000 "
			  "Max: 2000(ts:0.000003) Min:2000(ts:0.000003)\n"
			  "  Event: sched_wakeup:0x7 (1) Total: 500 Avg: 500 "
			  "Max: 500(ts:0.000004) Min:500(ts:0.000004)\n"
			  "\ntask: next-8\n"
			  "  Event: sched_switch:R (1) Total: 6000 Avg: 6000 "
			  "Max: 6000(ts:0.000010) Min:6000(ts:0.000010)\n"));
}

TEST(pairs_and_single_events)
{
	static const struct step steps[] = {
		{1000, SYS_ENTER, 7, 0, 59},
		{1100, IRQ_ENTRY, 7, 0, 5},
		{1200, RAISE, 7, 0, 1},
		{1300, IRQ_EXIT, 7, 0, 5},
		{1400, ENTRY, 7, 0, 1},
		{1700, EXIT, 7, 0, 1},
		{1800, SYS_EXIT, 7, 1, 59}, /* on another CPU: system calls migrate */
		{1900, TEST_FUNC, 7, 1, 0xffffffff81000000},
		{2000, TEST_FUNC, 7, 1, 0x10},
		{2100, IRQ_EXIT, 7, 0, 5}, /* its beginning was not recorded */
	};

	CHECK(check_scene(&plain, steps, ARRAY_SIZE(steps),
			  "\ntask: bash-7\n"
			  "  Event: func: 0x10 (1)\n"
			  "  Event: func: do_one() (1)\n"
			  "  Event: sys_enter:59 (1) Total: 800 Avg: 800 "
			  "Max: 800(ts:0.000002) Min:800(ts:0.000002)\n"
			  "  Event: irq_handler_entry:0x5 (1) Total: 200 Avg: 200 "
			  "Max: 200(ts:0.000001) Min:200(ts:0.000001)\n"
			  "  Event: softirq_raise:TIMER (1) Total: 200 Avg: 200 "
			  "Max: 200(ts:0.000001) Min:200(ts:0.000001)\n"
			  "  Event: softirq_entry:TIMER (1) Total: 300 Avg: 300 "
			  "Max: 300(ts:0.000002) Min:300(ts:0.000002)\n"));
}

TEST(global_and_lost)
{
	static const struct profile_options global = {.nr_cpus = 2, .global = true};
	static const struct step steps[] = {
		{1000, IRQ_ENTRY, 7, 1, 5}, {1500, IRQ_EXIT, 7, 1, 5}, {2000, IRQ_ENTRY, 7, 1, 5},
		{2000, SYS_ENTER, 7, 0, 1}, {2100, LOST, 0, 1},	       {2500, IRQ_EXIT, 7, 1, 5},
		{2600, SYS_EXIT, 7, 0, 1},
	};

	CHECK(check_scene(&global, steps, ARRAY_SIZE(steps),
			  "Global CPU[1] Events\n"
			  "  Event: irq_handler_entry:0x5 (1) Total: 500 Avg: 500 "
			  "Max: 500(ts:0.000002) Min:500(ts:0.000002)\n"
			  "\ntask: bash-7\n"));
}

TEST(stacks)
{
	static const struct step steps[] = {
		{1000, TEST_SWITCH, 7, 0, 8, 1, "bash"},
		{1001, TEST_STACK, 7, 0, 21}, /* do_one, called by do_two: why it sleeps */
		{4000, TEST_WAKEUP, 8, 0, 7},
		{4001, TEST_STACK, 8, 0, 3}, /* of the wake-up of 7 */
		{5000, TEST_SWITCH, 8, 0, 7, 0, "next"},
		{6000, TEST_SWITCH, 7, 0, 8, 1, "bash"},
		{6001, TEST_STACK, 7, 0, 31},
		{7000, TEST_WAKEUP, 8, 0, 7},
	};

	CHECK(check_scene(
		&plain, steps, ARRAY_SIZE(steps),
		"\ntask: bash-7\n"
		"  Event: sched_switch:S (2) Total: 4000 Avg: 2000 "
		"Max: 3000(ts:0.000004) Min:1000(ts:0.000007)\n"
		"          | \n"
		"          + do_one (0xffffffff81000004)\n"
		"              100% (2) time:4000 max:3000(ts:0.000001) min:1000(ts:0.000006) "
		"avg:2000\n"
		"                | \n"
		"                + do_two (0xffffffff81000104)\n"
		"                |   75% (1) time:3000 max:3000(ts:0.000001) min:3000(ts:0.000001) "
		"avg:3000\n"
		"                | \n"
		"                + 0xffffffff81000204\n"
		"                    25% (1) time:1000 max:1000(ts:0.000006) min:1000(ts:0.000006) "
		"avg:1000\n"
		"                  \n"
		"            \n"
		"            \n"
		"      \n"
		"  Event: sched_wakeup:0x7 (1) Total: 1000 Avg: 1000 "
		"Max: 1000(ts:0.000005) Min:1000(ts:0.000005)\n"
		"          | \n"
		"          + 0xffffffff81000204\n"
		"              100% (1) time:1000 max:1000(ts:0.000004) min:1000(ts:0.000004) "
		"avg:1000\n"
		"            \n"
		"      \n"
		"\ntask: next-8\n"
		"  Event: sched_switch:R (1) Total: 1000 Avg: 1000 "
		"Max: 1000(ts:0.000006) Min:1000(ts:0.000006)\n"));
}

TEST(graph_stacks_come_first)
{
	static const struct step steps[] = {
		{1000, TEST_STACK, 7, 0, 1},
		{1001, G_ENTRY, 7, 0, 0xffffffff81000100},
		{1002, TEST_STACK, 7, 0, 2}, /* of nothing: the next record is no entry */
		{1005, G_EXIT, 7, 0, 0xffffffff81000100},
		{1006, G_ENTRY, 7, 0, 0xffffffff81000100},
		{1009, G_EXIT, 7, 0, 0xffffffff81000100},
	};

	CHECK(check_scene(
		&plain, steps, ARRAY_SIZE(steps),
		"\ntask: bash-7\n"
		"  Event: func: do_two() (2) Total: 7 Avg: 3 Max: 4(ts:0.000001) "
		"Min:3(ts:0.000001)\n"
		"          | \n"
		"          + do_one (0xffffffff81000004)\n"
		"              100% (1) time:4 max:4(ts:0.000001) min:4(ts:0.000001) avg:4\n"
		"            \n"
		"      \n"));
}

TEST(by_comm)
{
	static const struct profile_options options = {.nr_cpus = 2, .by_comm = true};
	static const struct step steps[] = {
		{1000, TEST_SWITCH, 7, 0, 9, 0, "cc1"},	 {2000, TEST_SWITCH, 9, 0, 7, 0, "ld"},
		{3000, TEST_SWITCH, 8, 1, 10, 0, "cc1"}, {6000, TEST_SWITCH, 10, 1, 8, 0, "ld"},
		{6000, TEST_FUNC, 3, 1, 0x10},
	};

	CHECK(check_scene(&options, steps, ARRAY_SIZE(steps),
			  "\ngroup: cc1\n"
			  "  Event: sched_switch:R (2) Total: 4000 Avg: 2000 "
			  "Max: 3000(ts:0.000006) Min:1000(ts:0.000002)\n"
			  "\ngroup: next\n"
			  "\ntask: <...>-3\n"
			  "  Event: func: 0x10 (1)\n"));
}

TEST(hooks)
{
	static const char *const hook = "irq:irq_handler_entry,irq/raw_syscalls:sys_enter,id,p";
	static const struct profile_options options = {.nr_cpus = 2, .hooks = &hook, .nr_hooks = 1};
	static const struct step steps[] = {
		{1000, IRQ_ENTRY, 7, 0, 5},
		{1700, SYS_ENTER, 7, 0, 5},
	};

	CHECK(check_scene(&options, steps, ARRAY_SIZE(steps),
			  "\ntask: bash-7\n"
			  "  Event: irq_handler_entry:0x5 (1) Total: 700 Avg: 700 "
			  "Max: 700(ts:0.000002) Min:700(ts:0.000002)\n"));
}

TEST(events_of_hooks)
{
	struct profile_hook hook;
	struct err err;

	CHECK_EQ(profile_hook_events("irq:irq_handler_entry,irq/sys_enter,id,s", &hook, &err), 0);
	CHECK_STR(hook.first, "irq:irq_handler_entry");
	CHECK_STR(hook.second, "*:sys_enter");
	CHECK(hook.stack);
	mem_free(hook.first);
	mem_free(hook.second);
	CHECK_EQ(profile_hook_events("a,b,c/d:e,f,p", &hook, &err), 0);
	CHECK_STR(hook.first, "*:a");
	CHECK(!hook.stack);
	mem_free(hook.first);
	mem_free(hook.second);
	CHECK_EQ(profile_hook_events("a,b", &hook, &err), -EINVAL);
	CHECK(strstr(err.text, "hook 'a,b'"));
}

TEST(bad_hooks)
{
	static const char *const bad[] = {
		"",
		"/",
		"sys_enter",
		"sys_enter,id",
		"sys_enter/sys_exit",
		"sys_enter,id/sys_exit",
		"sys_enter,id/sys_exit,",
		"sys_enter,id,/sys_exit,id",
		"sys_enter,id/sys_exit,id,q",
		":sys_enter,id/sys_exit,id",
		"bogus,id/sys_exit,id",
		"sys_enter,bogus/sys_exit,id",
		"sys_enter,id/sys_exit,bogus",
		"sys_enter,id,bogus/sys_exit,id",
	};
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};

	CHECK(test_events_with(profile_formats, ARRAY_SIZE(profile_formats), &db) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct profile_options options = {.hooks = &bad[i], .nr_hooks = 1};
		struct err err = {0};

		CHECK_EQ(run(db, &options, NULL, 0, &out, &err), -EINVAL);
		CHECK(strstr(err.text, "hook '"));
	}
}

TEST(short_records_and_no_memory)
{
	static const uint16_t ids[] = {TEST_SWITCH, TEST_WAKEUP, TEST_STACK, SYS_ENTER,
				       SYS_EXIT,    G_ENTRY,	 TEST_EXEC,  TEST_FUNC};
	static const uint8_t zeroes[64]; /* records end where this does: a sanitizer sees more */
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = FAULT_MEM};
	_cleanup_db_ struct event_db *db = NULL;

	CHECK(test_events_with(profile_formats, ARRAY_SIZE(profile_formats), &db) == 0);
	while (fault_next(&sweep)) {
		_cleanup_profile_ struct profile *profile = NULL;
		_cleanup_out_ struct out out = {0};
		struct err err;
		int r = profile_new(&profile, db, &plain, &err);

		for (uint32_t len = 0; r == 0 && len < 40; len++)
			for (size_t i = 0; r == 0 && i < ARRAY_SIZE(ids); i++)
				r = profile_event(profile, event_db_by_id(db, ids[i]),
						  zeroes + sizeof(zeroes) - len, len, 5, len);
		if (r == 0)
			r = profile_print(profile, &out);
		CHECK(r == 0 || (r == -ENOMEM && fault_fired()));
	}
}

TEST_MAIN()
