/* SPDX-License-Identifier: MIT */
#include "base/test.h"

#include "base/mem.h"
#include "kernel/fake_test.h"
#include "kernel/reset.h"

static struct tracefs *fs;
static struct kernel_events events;
static struct kernel_targets targets;

static void begin(void)
{
	struct err err;

	fs = fake();
	put("available_events", "sched:sched_switch\nsched:sched_waking\n");
	if (kernel_events_load(&events, fs, &err) < 0 ||
	    kernel_targets_add(&targets, fs, "", &err) < 0)
		__builtin_trap();
}

static void end(void)
{
	kernel_events_done(&events);
	kernel_targets_done(&targets);
	fake_done(fs);
}

TEST(an_instance_is_as_new)
{
	struct err err = {0};

	begin();
	put("events/enable", "X\n");
	put("tracing_cpumask", "1\n");
	put("set_ftrace_pid", "no pid\n");
	put("set_ftrace_filter", "vfs_read\nvfs_open:traceoff:unlimited\nvfs_open:dump:count=2\n");
	put("events/sched/sched_switch/trigger",
	    "traceoff:count=3 if prev_pid > 2\nenable_event:irq:x:unlimited\n"
	    "hist:keys=a:vals=hitcount [active]\n");
	put("events/sched/sched_waking/trigger", "# Available triggers:\n# traceon traceoff\n");
	CHECK_EQ(kernel_reset(&targets.list[0], fs, &events, &err), 0);
	CHECK_STR(get("current_tracer"), "nop");
	CHECK_STR(get("tracing_on"), "1");
	CHECK_STR(get("trace_clock"), "local");
	CHECK_STR(get("events/enable"), "0");
	CHECK_STR(get("events/sched/filter"), "0");
	CHECK_STR(get("set_event_pid"), "");
	CHECK_STR(get("set_ftrace_pid"), "no pid\n");
	CHECK_STR(get("tracing_cpumask"), "f");
	CHECK_STR(get("events/sched/sched_switch/trigger"),
		  "traceoff:count=3 if prev_pid > 2\nenable_event:irq:x:unlimited\n"
		  "hist:keys=a:vals=hitcount [active]\n"
		  "!traceoff!enable_event:irq:x!hist:keys=a:vals=hitcount");
	CHECK_STR(get("events/sched/sched_waking/trigger"),
		  "# Available triggers:\n# traceon traceoff\n");
	end();
}

/* A real list keeps its commands when its functions go; this one loses them with the rest. */
TEST(a_failure_is_told_and_the_rest_done)
{
	struct err err = {0};

	begin();
	fake_remove("trace");
	put("trace/x", "a directory cannot be written\n");
	CHECK(kernel_reset(&targets.list[0], fs, &events, &err) < 0);
	CHECK(strstr(err.text, "trace"));
	CHECK_STR(get("tracing_on"), "1");
	end();
}

TEST(dynamic_events_go_but_those_that_are_kept)
{
	static const char list[] = "p:kprobes/a do_a x=1\nr4:kprobes/b do_b\np:up/c /bin/x:0x10\n"
				   "r:up/d /bin/x:0x10\ne:eprobes/e sched.x\ns:synthetic/f u64 y\n";
	struct err err = {0};

	begin();
	put("dynamic_events", list);
	CHECK_EQ(kernel_reset_dynamic(fs,
				      KERNEL_DYNAMIC_KPROBE | KERNEL_DYNAMIC_URETPROBE |
					      KERNEL_DYNAMIC_SYNTH,
				      &err),
		 0);
	CHECK_STR(get("dynamic_events") + sizeof(list) - 1, "-:kprobes/b\n-:up/c\n-:eprobes/e\n");
	put("dynamic_events", list);
	CHECK_EQ(kernel_reset_dynamic(fs, KERNEL_DYNAMIC_ALL, &err), 0);
	CHECK_STR(get("dynamic_events"), list);
	end();
}

TEST_MAIN()
