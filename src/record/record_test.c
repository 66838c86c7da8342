/* SPDX-License-Identifier: MIT */
#include "base/test.h"

#include <errno.h>

#include "base/mem.h"
#include "record/comms.h"
#include "record/record.h"

TEST(names_of_tasks)
{
	struct comms comms = {0};
	struct out out = {0};

	CHECK_EQ(comms_merge(&comms, "7 kworker/0:1\n12 a b c\n9 <...>\nx y\n\n-3 z\n5\n\n6 q\n"),
		 0);
	CHECK_STR(comms_get(&comms, 12), "a b c");
	CHECK(!comms_get(&comms, 9));
	CHECK(!comms_get(&comms, 0));
	CHECK_EQ(comms_merge(&comms, "12 ls"), 0);
	CHECK_EQ(comms_set(&comms, 12, "late", false), 0);
	CHECK_EQ(comms_set(&comms, 13, "a-name-of-more-than-fifteen", false), 0);
	CHECK_EQ(comms_text(&comms, &out), 0);
	CHECK_STR(out_cstr(&out), "6 q\n7 kworker/0:1\n12 ls\n13 a-name-of-more-\n");
	out_done(&out);
	comms_done(&comms);
}

TEST(many_names)
{
	struct comms comms = {0};
	char name[32];

	for (int i = 1; i < 20000; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		CHECK_EQ(comms_set(&comms, i * 7, name, true), 0);
	}
	for (int i = 1; i < 20000; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		CHECK_STR(comms_get(&comms, i * 7), name);
	}
	comms_done(&comms);
}

TEST(filters_of_one_rule_are_joined)
{
	struct record_rule rule = {.events = "sched"};

	CHECK_EQ(record_rule_filter(&rule, "a == 1"), 0);
	CHECK_STR(rule.filter, "a == 1");
	CHECK_EQ(record_rule_filter(&rule, "b || c"), 0);
	CHECK_STR(rule.filter, "(a == 1)&&(b || c)");
	mem_free(rule.filter);
}

TEST_MAIN()
