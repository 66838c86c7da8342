/* SPDX-License-Identifier: MIT */
/* Triggers: how they are written, and when they act. */
#include "base/test.h"

#include <errno.h>

#include "expr/trigger.h"

TEST(written_as_the_kernels_own)
{
	struct trigger_rule rule;
	struct err err;

	CHECK_EQ(trigger_rule_parse(&rule, "traceoff", &err), 0);
	CHECK_EQ(rule.action, TRIGGER_TRACEOFF);
	CHECK_EQ(rule.count, TRIGGER_UNLIMITED);
	CHECK(!rule.filter);
	CHECK_EQ(trigger_rule_parse(&rule, "traceon:3 if pid == 1 && comm ~ \"a b\"", &err), 0);
	CHECK_EQ(rule.action, TRIGGER_TRACEON);
	CHECK_EQ(rule.count, 3);
	CHECK_STR(rule.filter, "pid == 1 && comm ~ \"a b\"");
	CHECK_EQ(trigger_rule_parse(&rule, "enable_event:sched:sched_waking:2  if  x", &err), 0);
	CHECK_EQ(rule.action, TRIGGER_ENABLE);
	CHECK_STR(rule.system, "sched");
	CHECK_STR(rule.event, "sched_waking");
	CHECK_EQ(rule.count, 2);
	CHECK_STR(rule.filter, "x");
	CHECK_EQ(trigger_rule_parse(&rule, "disable_event:a:b", &err), 0);
	CHECK_EQ(rule.action, TRIGGER_DISABLE);
	CHECK_EQ(rule.count, TRIGGER_UNLIMITED);
	CHECK_EQ(trigger_rule_parse(&rule, "snapshot:1", &err), 0);
	CHECK_EQ(rule.action, TRIGGER_SNAPSHOT);
	CHECK_EQ(trigger_rule_parse(&rule, " !stacktrace", &err), 0);
	CHECK(rule.removes && rule.action == TRIGGER_STACKTRACE);
	CHECK_EQ(trigger_rule_parse(&rule, "hist:keys=pid:vals=x if y == 1", &err), 0);
	CHECK_STR(rule.hist, "keys=pid:vals=x if y == 1");
	CHECK_EQ(trigger_rule_parse(&rule, "disable_hist:a:b", &err), 0);
	CHECK_EQ(rule.action, TRIGGER_DISABLE_HIST);
}

TEST(commands_for_functions)
{
	struct function_command command;
	struct err err;

	CHECK_EQ(function_command_parse(&command, "do_*:traceoff:5", &err), 0);
	CHECK_EQ(command.function_len, 4);
	CHECK_EQ(command.rule.action, TRIGGER_TRACEOFF);
	CHECK_EQ(command.rule.count, 5);
	CHECK_EQ(function_command_parse(&command, "f:mod:libc:enable_event:a:b", &err), 0);
	CHECK_EQ(command.function_len, 10);
	CHECK_EQ(command.rule.action, TRIGGER_ENABLE);
	CHECK_STR(command.rule.system, "a");
	CHECK_EQ(function_command_parse(&command, "f:stacktrace if depth > 3", &err), 0);
	CHECK_STR(command.rule.filter, "depth > 3");
	CHECK_EQ(function_command_parse(&command, "f:traceoff:x", &err), -EINVAL);
	CHECK_EQ(function_command_parse(&command, ":traceoff", &err), -EINVAL);
	CHECK_EQ(function_command_parse(&command, "f:dump", &err), -ENOENT);
	CHECK_EQ(function_command_parse(&command, "traceoff", &err), -ENOENT);
}

/* What looks wrong, and is right to the kernel. */
TEST(oddities)
{
	struct trigger_rule rule;
	struct err err;

	CHECK_EQ(trigger_rule_parse(&rule, "traceoff:", &err), 0);
	CHECK_EQ(rule.count, TRIGGER_UNLIMITED);
	CHECK_EQ(trigger_rule_parse(&rule, "traceoff 5 if x", &err), 0);
	CHECK_EQ(rule.count, 5);
	CHECK_STR(rule.filter, "x");
	CHECK_EQ(trigger_rule_parse(&rule, "traceoff:1:2", &err), 0);
	CHECK_EQ(rule.count, 1);
	CHECK_EQ(trigger_rule_parse(&rule, "traceoff:if x", &err), 0);
	CHECK_EQ(rule.count, TRIGGER_UNLIMITED);
	CHECK_STR(rule.filter, "x");
	CHECK_EQ(trigger_rule_parse(&rule, "snapshot:0x10", &err), 0);
	CHECK_EQ(rule.count, 16);
	CHECK_EQ(trigger_rule_parse(&rule, "snapshot:0", &err), 0);
	CHECK_EQ(rule.count, 0);
}

TEST(mistakes)
{
	static const char *const wrong[] = {
		"traceoff:x",	    "traceoff:-1",	 "traceoff:08",		"traceoff:0x",
		"traceoff if",	    "traceoff if ",	 "traceoff when x",	"traceoff ifx",
		"traceoff:1x if y", "enable_event",	 "enable_event:a",	"enable_event::b",
		"enable_event:a:",  "enable_event:a:b:", "disable_event:a:b:c",
	};
	struct trigger_rule rule;
	char text[400] = "enable_event:";
	struct err err;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int r = trigger_rule_parse(&rule, wrong[i], &err);

		if (r != -EINVAL)
			printf("# %s: %d\n", wrong[i], r);
		CHECK_EQ(r, -EINVAL);
	}
	CHECK_EQ(trigger_rule_parse(&rule, "traceoffs", &err), -ENOENT);
	CHECK_EQ(trigger_rule_parse(&rule, "", &err), -ENOENT);
	CHECK_EQ(trigger_rule_parse(&rule, "!", &err), -ENOENT);
	memset(text + strlen(text), 'x', TRIGGER_NAME_BYTES);
	strcat(text, ":y");
	CHECK_EQ(trigger_rule_parse(&rule, text, &err), -EINVAL);
}

static struct trigger_rule parsed(const char *text)
{
	struct trigger_rule rule;
	struct err err;

	if (trigger_rule_parse(&rule, text, &err) < 0)
		__builtin_trap();
	return rule;
}

/* As in the kernel, what changes nothing costs nothing. */
TEST(counts)
{
	struct trigger_state state = {.on = true};
	struct trigger_rule off = parsed("traceoff:2"), on = parsed("traceon");
	struct trigger_rule snapshot = parsed("snapshot:1"), enable = parsed("enable_event:a:b");

	CHECK(!trigger_rule_fires(&on, &state));
	CHECK(trigger_rule_fires(&off, &state));
	CHECK(!state.on);
	CHECK(!trigger_rule_fires(&off, &state));
	CHECK_EQ(off.count, 1);
	CHECK(trigger_rule_fires(&on, &state));
	CHECK(state.on);
	CHECK(trigger_rule_fires(&off, &state));
	CHECK(trigger_rule_fires(&on, &state));
	CHECK(!trigger_rule_fires(&off, &state));
	CHECK(state.on);
	CHECK(trigger_rule_fires(&snapshot, &state));
	CHECK(!trigger_rule_fires(&snapshot, &state));
	for (int i = 0; i < 10; i++)
		CHECK(trigger_rule_fires(&enable, &state));
}

TEST_MAIN()
