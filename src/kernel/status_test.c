/* SPDX-License-Identifier: MIT */
/* What is set in an instance, read from a made-up tracefs. */
#include "base/test.h"

#include <errno.h>

#include "base/fault.h"
#include "kernel/fake_test.h"
#include "kernel/status.h"

static void read_status(struct kernel_status *status, const struct tracefs *fs, const char *name,
			int *ret_result, struct err *err)
{
	struct kernel_targets targets = {0};
	int r = kernel_targets_add(&targets, fs, name, err);

	if (r == 0)
		r = kernel_status_read(status, fs, &targets.list[0], err);
	kernel_targets_done(&targets);
	*ret_result = r;
}

/* The events below are sorted: block_rq_issue sched_like sched_switch sched_waking signal_... */
enum {
	SCHED_SWITCH = 2,
	SCHED_WAKING = 3
};

TEST(settings_events_and_counts)
{
	struct tracefs *fs = fake();
	struct kernel_status status;
	struct err err = {0};
	int r;

	put("events/sched/enable", "X\n");
	put("events/sched/sched_switch/trigger", "# Available triggers:\n# traceon\n");
	put("events/sched/sched_waking/trigger", "traceoff:unlimited\nstacktrace:count=3\n");
	put("set_ftrace_filter", "#### all functions enabled ####\nvfs_read:traceoff:count=4\n");
	put("set_ftrace_notrace", "#### no functions disabled ####\n");
	put("set_ftrace_pid", "no pid\n");
	put("tracing_cpumask", "f\n");
	put("tracing_thresh", "500\n");
	put("max_graph_depth", "0\n");
	put("options/sleep-time", "1\n");
	put("options/annotate", "0\n");
	read_status(&status, fs, "", &r, &err);
	CHECK_EQ(r, 0);
	CHECK_STR(status.text[KERNEL_OPTIONS], "noannotate\nsleep-time");
	CHECK_EQ(status.nr_enabled, 1);
	CHECK(status.event_status[SCHED_WAKING].enabled);
	CHECK_STR(status.event_status[SCHED_WAKING].filter, "pid > 4");
	CHECK_STR(status.event_status[SCHED_WAKING].trigger,
		  "traceoff:unlimited\nstacktrace:count=3");
	CHECK(!status.event_status[SCHED_SWITCH].filter);
	CHECK(!status.event_status[SCHED_SWITCH].trigger);
	CHECK_STR(status.text[KERNEL_FUNCTION_FILTER], "vfs_read:traceoff:count=4");
	CHECK(!status.text[KERNEL_FUNCTION_NOTRACE]);
	CHECK(!status.text[KERNEL_FUNCTION_PIDS]);
	CHECK_STR(status.text[KERNEL_EVENT_PIDS], "17");
	CHECK(status.unchanged[KERNEL_CPUMASK]);
	CHECK(status.unchanged[KERNEL_TRACER]);
	CHECK(status.unchanged[KERNEL_CLOCK]);
	CHECK(status.unchanged[KERNEL_BUFFER_SIZE]);
	CHECK(status.unchanged[KERNEL_GRAPH_DEPTH]);
	CHECK(!status.unchanged[KERNEL_THRESHOLD]);
	CHECK_EQ(status.refusal.code, 0);
	CHECK_EQ(status.nr_cpus, 2);
	CHECK_EQ(status.cpus[1].cpu, 3);
	CHECK_EQ(kernel_cpu_lost(&status.cpus[0].stats), 8);
	CHECK_EQ(kernel_cpu_written(&status.cpus[0].stats), 108);
	kernel_status_done(&status);
	fake_done(fs);
}

TEST(masks_of_cpus)
{
	static const struct {
		const char *mask;
		bool full; /* of 4 CPUs */
	} cases[] = {{"f", true},	   {"00000000,0000000f", true},
		     {"7", false},	   {"e", false},
		     {"1f", false},	   {"ff", false},
		     {"", false},	   {"g", false},
		     {"1,00000000", false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tracefs *fs = fake();
		struct kernel_status status;
		struct err err;
		bool full;
		int r;

		put("tracing_cpumask", cases[i].mask);
		read_status(&status, fs, "", &r, &err);
		full = r == 0 && status.unchanged[KERNEL_CPUMASK];
		kernel_status_done(&status);
		fake_done(fs);
		CHECK_EQ(full, cases[i].full);
	}
}

TEST(an_instance_has_no_global_settings)
{
	struct tracefs *fs = fake();
	struct kernel_targets targets = {0};
	struct kernel_status status;
	struct err err = {0};
	char *text;
	int r;

	put("kprobe_events", "p:kprobes/x do_exit\n");
	put("set_graph_function", "do_exit\n");
	put_instance("instances/one/");
	put("instances/one/events/sched/enable", "1\n");
	put("instances/one/current_tracer", "function\n");
	read_status(&status, fs, "one", &r, &err);
	CHECK_EQ(r, 0);
	CHECK(!status.text[KERNEL_KPROBES]);
	CHECK_STR(status.text[KERNEL_TRACER], "function");
	CHECK(!status.unchanged[KERNEL_TRACER]);
	CHECK_EQ(status.nr_enabled, 2);
	kernel_status_done(&status);
	CHECK_EQ(kernel_targets_add(&targets, fs, "one", &err), 0);
	CHECK_EQ(kernel_control_read(&targets.list[0], KERNEL_GRAPH_FUNCTION, &text, &err),
		 -ENOENT);
	CHECK(strstr(err.text, "one set_graph_function for all instances"));
	kernel_targets_done(&targets);
	fake_done(fs);
}

/* A refused setting is noted, and does not keep the others back. */
TEST(a_refused_setting)
{
	struct tracefs *fs = fake();
	struct kernel_status status;
	struct err err = {0};
	int r;

	put("set_ftrace_filter/not-a-file", "");
	read_status(&status, fs, "", &r, &err);
	CHECK_EQ(r, 0);
	CHECK(status.refused[KERNEL_FUNCTION_FILTER]);
	CHECK(status.refusal.code < 0);
	CHECK(strstr(status.refusal.text, "set_ftrace_filter"));
	CHECK_STR(status.text[KERNEL_TRACER], "nop");
	kernel_status_done(&status);
	fake_done(fs);
}

TEST(memory_that_runs_out)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_MEM};
	struct tracefs *fs = fake();

	put("options/a", "1\n");
	put("options/b", "0\n");
	while (fault_next(&s)) {
		struct kernel_status status = {0};
		struct err err = {0};
		int r;

		read_status(&status, fs, "", &r, &err);
		fault_pause();
		CHECK(fault_fired() || r == 0);
		CHECK(r == 0 || err.text[0]);
		kernel_status_done(&status);
	}
	fault_pause();
	fake_done(fs);
}

TEST_MAIN()
