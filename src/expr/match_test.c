/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "base/mem.h"
#include "base/test.h"
#include "expr/match.h"

static void match_free_p(struct event_match **match)
{
	event_match_free(*match);
}

/* 1 and 0 as event_match_test says, or the error of event_match_new. */
static int test(const char *pattern, enum event_match_kind kind, const char *system,
		const char *name)
{
	_cleanup_(match_free_p) struct event_match *match = NULL;
	const struct event event = {.system = system, .name = name};
	struct err err;
	int r = event_match_new(&match, pattern, kind, &err);

	return r < 0 ? r : event_match_test(match, &event);
}

TEST(whole_names)
{
	CHECK_EQ(test("sched_switch", EVENT_MATCH_NAME, "sched", "sched_switch"), 1);
	CHECK_EQ(test("SCHED_SW.*", EVENT_MATCH_NAME, "sched", "sched_switch"), 1);
	CHECK_EQ(test("sched", EVENT_MATCH_NAME, "sched", "sched_switch"), 1);
	CHECK_EQ(test("sched_", EVENT_MATCH_NAME, "sched", "sched_switch"), 0);
	CHECK_EQ(test("switch", EVENT_MATCH_NAME, "sched", "sched_switch"), 0);
	CHECK_EQ(test("sched/sched_switch", EVENT_MATCH_NAME, "sched", "sched_switch"), 0);
	CHECK_EQ(test("sched_switch", EVENT_MATCH_NAME, NULL, "sched_switch"), 1);
}

TEST(parts)
{
	CHECK_EQ(test("switch", EVENT_MATCH_PART, "sched", "sched_switch"), 1);
	CHECK_EQ(test("ched", EVENT_MATCH_PART, "sched", "foo"), 1);
	CHECK_EQ(test("sys:read", EVENT_MATCH_PART, "syscalls", "sys_enter_read"), 1);
	CHECK_EQ(test("sys:read", EVENT_MATCH_PART, "syscalls", "sys_enter_write"), 0);
	CHECK_EQ(test("sys:read", EVENT_MATCH_PART, "ext4", "ext4_readpage"), 0);
	CHECK_EQ(test("^read", EVENT_MATCH_PART, "ext4", "ext4_readpage"), 0);
}

TEST(filters)
{
	CHECK_EQ(test(" sched / sched_switch ", EVENT_MATCH_FILTER, "sched", "sched_switch"), 1);
	CHECK_EQ(test("sched/", EVENT_MATCH_FILTER, "sched", "sched_switch"), 1);
	CHECK_EQ(test("/sched_switch", EVENT_MATCH_FILTER, "sched", "sched_switch"), 1);
	CHECK_EQ(test("irq/sched_switch", EVENT_MATCH_FILTER, "sched", "sched_switch"), 0);
	CHECK_EQ(test("  ", EVENT_MATCH_FILTER, "sched", "sched_switch"), 0);
}

TEST(refused)
{
	CHECK_EQ(test("", EVENT_MATCH_NAME, "a", "b"), -EINVAL);
	CHECK_EQ(test(":", EVENT_MATCH_PART, "a", "b"), -EINVAL);
	CHECK_EQ(test("/", EVENT_MATCH_FILTER, "a", "b"), -EINVAL);
	CHECK_EQ(test("a[", EVENT_MATCH_NAME, "a", "b"), -EINVAL);
	CHECK_EQ(test("a[:b", EVENT_MATCH_PART, "a", "b"), -EINVAL);
}

TEST_MAIN()
