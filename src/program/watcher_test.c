/* SPDX-License-Identifier: MIT */
/* Filters in programs: what they become, and which functions have to be asked at all. */
#include "program/watcher.h"

#include <errno.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/test.h"
#include "program/watcher_scene_test.h"

static void watcher_free_p(struct program_watcher **watcher)
{
	program_watcher_free(*watcher);
}
#define _cleanup_watcher_ _cleanup_(watcher_free_p)

static struct program_watch_options options_of(const struct program_rule *rules, size_t nr)
{
	return (struct program_watch_options){
		.mode = PROGRAM_GRAPH,
		.events = scene_events,
		.nr_events = ARRAY_SIZE(scene_events),
		.rules = rules,
		.nr_rules = nr,
	};
}

/* In memory as a session has it, which stays until the next one. */
static const struct program_watch *begin(struct program_watcher *watcher)
{
	static struct program_watch memory;

	memset(&memory, 0, sizeof(memory));
	program_watcher_begin(watcher, &memory);
	return &memory;
}

/* '.' not patched, 't' traced, 'w' asked. */
static void put_letters(char *text, const uint8_t choices[3])
{
	for (size_t i = 0; i < 3; i++)
		text[i] = !choices[i] ? '.' : choices[i] & PROGRAM_CHOICE_WATCHED ? 'w' : 't';
}

/* What becomes of main, outer and inner, a letter each; or the error. */
static const char *chosen(const struct program_rule *rules, size_t nr)
{
	const struct program_watch_options options = options_of(rules, nr);
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	uint8_t choices[] = {PROGRAM_CHOICE_TRACE, PROGRAM_CHOICE_TRACE, PROGRAM_CHOICE_TRACE};
	static char text[sizeof(struct err)];
	struct err err;

	if (program_watcher_new(&watcher, &options, &err) < 0) {
		snprintf(text, sizeof(text), "%s", err.text);
		return text;
	}
	begin(watcher);
	if (program_watcher_apply(watcher, &scene_elf, SCENE_BASE, choices) < 0)
		return "cannot";
	put_letters(text, choices);
	snprintf(text + 3, sizeof(text) - 3, "%s%s", program_watcher_unmatched(watcher) ? " " : "",
		 program_watcher_unmatched(watcher) ? program_watcher_unmatched(watcher) : "");
	return text;
}

static const char *all(const char *filter)
{
	const struct program_rule rule = {.filter = filter};

	return chosen(&rule, 1);
}

TEST(what_depends_on_the_function_alone_is_decided_before)
{
	CHECK_STR(all("ip.function == outer"), ".t.");
	CHECK_STR(all("ip.function != outer"), "t.t");
	CHECK_STR(all("(ip.function == outer) || ip.function == in*"), ".tt");
	CHECK_STR(all("ip.function == outer@tool && common_pid == 5"), ".w.");
	CHECK_STR(all("ip.function == outer || common_pid == 5"), "wtw");
	CHECK_STR(all("ip == 0x500030"), "..t");
	CHECK_STR(all("common_flags == 1 || ip.function == main"), "t..");
	CHECK_STR(all("CPU == 1 || CPU != 1"), "www");
	CHECK_STR(all("ip.function == nothing || CPU == 0"), "www nothing");
	CHECK_STR(all("0"), "ttt");
	/* Calls around one count, whatever is recorded of them. */
	CHECK_STR(all("ip.function == outer && depth > 1"), "www");
}

/* Without it a function of -g would not be one, and a limit of depth would be reached later. */
TEST(what_others_depend_on_is_patched_all_the_same)
{
	const struct program_rule rule = {.filter = "ip.function == inner"};
	struct program_watch_options options = options_of(&rule, 1);

	for (int limited = 0; limited < 2; limited++) {
		uint8_t choices[] = {PROGRAM_CHOICE_TRACE, PROGRAM_CHOICE_ROOT,
				     PROGRAM_CHOICE_TRACE};
		struct program_watcher *watcher;
		struct err err;

		options.limited = limited;
		CHECK_EQ(program_watcher_new(&watcher, &options, &err), 0);
		begin(watcher);
		CHECK_EQ(program_watcher_apply(watcher, &scene_elf, SCENE_BASE, choices), 0);
		CHECK_EQ(choices[0], limited ? PROGRAM_CHOICE_TRACE | PROGRAM_CHOICE_WATCHED
					     : PROGRAM_CHOICE_NONE);
		CHECK_EQ(choices[1], PROGRAM_CHOICE_ROOT | PROGRAM_CHOICE_WATCHED);
		CHECK_EQ(choices[2], PROGRAM_CHOICE_TRACE);
		program_watcher_free(watcher);
	}
}

TEST(events_have_filters_of_their_own)
{
	const struct program_rule exits[] = {
		{.events = "sonde:func_exit", .filter = "ip.function == outer"},
	};
	const struct program_rule later[] = {
		{.filter = "CPU == 1"},
		{.events = "func_*", .filter = "ip.function == outer"},
	};
	const struct program_rule off[] = {
		{.events = "func_exit", .off = true},
		{.events = "func_entry", .filter = "ip.function != main"},
	};
	const struct program_rule on[] = {{.events = "sonde"}};
	const struct program_rule unknown[] = {{.events = "sched:*", .filter = "CPU == 1"}};

	CHECK_STR(chosen(exits, 1), "wtw");
	CHECK_STR(chosen(later, 2), ".t.");
	CHECK_STR(chosen(off, 2), ".ww");
	CHECK_STR(chosen(on, 1), "ttt");
	CHECK_STR(chosen(unknown, 1), "-e: 'sched:*' is none of the events that are made here: "
				      "func_entry, func_exit");
}

static const struct scene_moment moment = {.cpu = 5, .names = 2, .comm = "worker-3"};

/* 'y' or 'n', of a record of pid -2, sp 7, depth 3. */
static char ask(const char *filter)
{
	const struct program_rule rule = {.events = "func_entry", .filter = filter};
	const struct program_watch_options options = options_of(&rule, 1);
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	struct scene_moment now = moment;
	struct err err;

	store_u32(now.record + 4, (uint32_t)-2, HOST_BIG);
	store_u32(now.record + 8, SCENE_OUTER, HOST_BIG);
	store_u32(now.record + 12, 7, HOST_BIG);
	store_u32(now.record + 16, 3, HOST_BIG);
	if (program_watcher_new(&watcher, &options, &err) < 0)
		return '!';
	return scene_holds(begin(watcher), &now, SCENE_ENTRY) ? 'y' : 'n';
}

TEST(answers)
{
	CHECK_EQ(ask("depth == 3 && sp == 7"), 'y');
	CHECK_EQ(ask("depth > 3 || sp & 8"), 'n');
	CHECK_EQ(ask("common_pid < 0 && common_pid == -2"), 'y');
	CHECK_EQ(ask("CPU & CPUS{5}"), 'y');
	CHECK_EQ(ask("COMM == \"worker-3\""), 'y');
	CHECK_EQ(ask("COMM ~ \"worker-*\" && !(COMM ~ \"*-4\")"), 'y');
	CHECK_EQ(ask("COMM ~ \"!work*\""), 'n');
	CHECK_EQ(ask("COMM != \"worker-3\""), 'n');
	CHECK_EQ(ask("COMM == \"w*-3\""), 'n');
	CHECK_EQ(ask("COMM ~ \"*rker*\""), 'y');
	CHECK_EQ(ask("COMM ~ \"w?rker-[0-9]\""), 'y');
	/* Names have bits in the order in which they come: outer is the second here. */
	CHECK_EQ(ask("ip.function == main || ip.function == outer"), 'y');
	CHECK_EQ(ask("ip.function == main"), 'n');
	CHECK_EQ(ask("stacktrace == 1"), 'n');
}

TEST(refused_with_a_caret)
{
	CHECK(strstr(all("deep > 1"), "Field not found"));
	CHECK(strchr(all("deep > 1"), '^'));
	CHECK(strstr(all("sp.function == main || common_pid.function == main"), "cannot be asked"));
	CHECK(strstr(all("COMM.function == main"), "Illegal"));
	CHECK(strstr(all("ip.function == 5"), "function"));
	CHECK(strstr(all("depth > 1 &&"), "&&"));
}

TEST(fields_are_those_of_the_mode)
{
	struct program_rule rule = {.filter = "depth > 1"};
	struct program_watch_options options = options_of(&rule, 1);
	struct program_watcher *watcher;
	struct err err;

	options.mode = PROGRAM_FUNCTION;
	CHECK_EQ(program_watcher_new(&watcher, &options, &err), -EINVAL);
	options.mode = PROGRAM_GRAPH;
	options.thresh = true;
	options.events = scene_long;
	options.nr_events = 1;
	CHECK_EQ(program_watcher_new(&watcher, &options, &err), -EINVAL);
	rule.filter = "calltime > 5 && rettime != 0";
	CHECK_EQ(program_watcher_new(&watcher, &options, &err), 0);
	CHECK(!begin(watcher)->asks_depth);
	program_watcher_free(watcher);
	options.nr_rules = 0;
	CHECK_EQ(program_watcher_new(&watcher, &options, &err), 0);
	CHECK(!watcher);
}

TEST(functions_with_names_are_in_the_table)
{
	const struct program_rule rule = {
		.filter = "(ip.function == main || ip.function == outer) && CPU == 5"};
	const struct program_watch_options options = options_of(&rule, 1);
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	uint8_t choices[] = {1, 1, 1};
	const struct program_watch *memory;
	struct err err;

	CHECK_EQ(program_watcher_new(&watcher, &options, &err), 0);
	memory = begin(watcher);
	CHECK(memory->asks_functions && !memory->asks_depth);
	CHECK_EQ(program_watch_bits(memory, SCENE_OUTER), 0);
	CHECK_EQ(program_watcher_apply(watcher, &scene_elf, SCENE_BASE, choices), 0);
	CHECK_EQ(program_watcher_apply(watcher, &scene_elf, SCENE_BASE, choices), 0);
	CHECK_EQ(program_watch_bits(memory, SCENE_BASE + 0x10) |
			 program_watch_bits(memory, SCENE_OUTER),
		 3);
	CHECK_EQ(program_watch_bits(memory, SCENE_BASE + 0x30), 0);
}

/* The same where main is not chosen, of a command. */
static const char *commanded(const char *command, struct program_watch *ret_plan)
{
	struct program_watch_options options = options_of(NULL, 0);
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	uint8_t choices[] = {PROGRAM_CHOICE_NONE, PROGRAM_CHOICE_TRACE, PROGRAM_CHOICE_TRACE};
	static char text[sizeof(struct err)];
	struct err err;

	options.commands = &command;
	options.nr_commands = 1;
	if (program_watcher_new(&watcher, &options, &err) < 0) {
		snprintf(text, sizeof(text), "%s", err.text);
		return text;
	}
	*ret_plan = *begin(watcher);
	if (program_watcher_apply(watcher, &scene_elf, SCENE_BASE, choices) < 0)
		return "cannot";
	put_letters(text, choices);
	snprintf(text + 3, sizeof(text) - 3, "%s",
		 program_watcher_starts_off(watcher) ? " off" : "");
	return text;
}

TEST(commands_are_watched_for)
{
	static struct program_watch plan;

	CHECK_STR(commanded("main:traceoff", &plan), "wtt");
	CHECK_EQ(plan.nr_triggers, 1);
	CHECK_EQ(plan.triggers[0].action, PROGRAM_WATCH_TRACEOFF);
	CHECK_EQ(plan.triggers[0].count, -1);
	CHECK_EQ(plan.triggers[0].events, 1u << SCENE_ENTRY);
	CHECK_EQ(plan.triggered, 1u << SCENE_ENTRY);
	CHECK(!plan.triggers[0].first && plan.asks_functions);
	CHECK_STR(commanded("outer:traceon:7", &plan), ".wt off");
	CHECK(plan.triggers[0].first && plan.triggers[0].count == 7);
	CHECK_STR(commanded("inner:traceon if depth == 1", &plan), ".ww off");
	CHECK(!plan.triggers[0].first && plan.asks_depth);
	/* What may be switched off has to be asked everywhere. */
	CHECK_STR(commanded("outer:disable_event:sonde:func_exit", &plan), ".ww");
	CHECK_EQ(plan.triggers[0].switches, 1u << SCENE_EXIT);
	CHECK_EQ(plan.enabled, UINT32_MAX);
	CHECK_STR(commanded("outer:enable_event:sonde:func_exit:1", &plan), ".ww");
	CHECK_EQ(plan.enabled, ~(1u << SCENE_EXIT));
	CHECK_STR(commanded("outer:stacktrace:1", &plan), ".ww");
	CHECK(plan.asks_depth && plan.triggers[0].action == PROGRAM_WATCH_STACKTRACE);
	CHECK_STR(commanded("outer:snapshot:3", &plan), ".wt");
	CHECK(plan.triggers[0].action == PROGRAM_WATCH_SNAPSHOT && plan.triggers[0].count == 3);
	CHECK(!plan.triggers[0].first);
	CHECK(strstr(commanded("outer:enable_event:sched:x", &plan), "func_entry"));
	CHECK(strstr(commanded("outer:traceoff if x", &plan), "Field not found"));
}

TEST(triggers_are_on_the_events_of_their_rule)
{
	const char *const triggers[] = {"traceoff:2 if ip.function == outer", "traceon"};
	const struct program_rule rule = {
		.events = "func_exit", .triggers = triggers, .nr_triggers = 2};
	const struct program_watch_options options = options_of(&rule, 1);
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	const struct program_watch *plan;
	struct err err;

	CHECK_EQ(program_watcher_new(&watcher, &options, &err), 0);
	plan = begin(watcher);
	CHECK(!program_watcher_starts_off(watcher));
	CHECK_EQ(plan->nr_triggers, 2);
	CHECK_EQ(plan->triggers[0].events, 1u << SCENE_EXIT);
	CHECK_EQ(plan->triggers[1].condition, PROGRAM_WATCH_YES);
	CHECK_EQ(plan->filters[SCENE_EXIT], PROGRAM_WATCH_YES);
}

TEST(callers_are_known_by_where_they_are)
{
	const struct program_rule rule = {.filter = "parent_ip.function == outer"};
	const struct program_watch_options options = options_of(&rule, 1);
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	uint8_t choices[] = {PROGRAM_CHOICE_TRACE, PROGRAM_CHOICE_NONE, PROGRAM_CHOICE_TRACE};
	const struct program_watch *memory;
	struct err err;

	CHECK_EQ(program_watcher_new(&watcher, &options, &err), 0);
	memory = begin(watcher);
	CHECK_EQ(program_watcher_apply(watcher, &scene_elf, SCENE_BASE, choices), 0);
	CHECK_EQ(choices[0], PROGRAM_CHOICE_TRACE | PROGRAM_CHOICE_WATCHED);
	CHECK_EQ(choices[1], PROGRAM_CHOICE_NONE);
	CHECK_EQ(memory->nr_callers, 1);
	CHECK_EQ(memory->callers[0].address, SCENE_OUTER);
	CHECK_EQ(memory->callers[0].bytes, 16);
	CHECK_EQ(memory->callers[0].bits, 1);
}

static int make_and_apply(void)
{
	const struct program_rule rule = {.filter = "ip.function == main && COMM ~ \"a*\""};
	const char *const command = "main:traceoff";
	struct program_watch_options options = options_of(&rule, 1);
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	uint8_t choices[] = {1, 1, 1};
	struct err err;
	int r;

	options.commands = &command;
	options.nr_commands = 1;
	r = program_watcher_new(&watcher, &options, &err);
	if (r < 0)
		return r;
	begin(watcher);
	return program_watcher_apply(watcher, &scene_elf, SCENE_BASE, choices);
}

TEST(memory_may_be_short_anywhere)
{
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = FAULT_MEM};

	while (fault_next(&sweep)) {
		int r = make_and_apply();

		CHECK(r == 0 || (r == -ENOMEM && fault_fired()));
	}
}

TEST_MAIN()
