/* SPDX-License-Identifier: MIT */
/* tracefs code on a made-up tracefs: a directory of plain files. */
#include "base/test.h"

#include <errno.h>

#include "base/io.h"
#include "base/mem.h"
#include "kernel/events.h"
#include "kernel/fake_test.h"
#include "kernel/instance.h"
#include "kernel/metadata.h"
#include "kernel/tracefs.h"

TEST(opens_and_counts_cpus)
{
	struct tracefs *fs = fake();
	unsigned int cpus = fs->cpus;

	fake_done(fs);
	CHECK_EQ(cpus, 4);
}

TEST(a_path_that_is_no_tracefs)
{
	struct tracefs *fs;
	struct err err;

	CHECK(tracefs_open(&fs, "/proc/self/nothing", &err) == -ENOENT);
	CHECK(strstr(err.text, "cannot count CPUs"));
}

static size_t match(const struct kernel_events *events, const char *pattern, char *ret_names)
{
	bool hits[16] = {false};
	size_t nr = kernel_events_match(events, pattern, hits);

	ret_names[0] = '\0';
	for (size_t i = 0; i < events->nr; i++) {
		if (hits[i])
			sprintf(ret_names + strlen(ret_names), "%s ", events->list[i].name);
	}
	return nr;
}

TEST(patterns_of_events)
{
	static const struct {
		const char *pattern, *names;
	} cases[] = {
		{"sched", "sched_switch sched_waking "},
		{"sched_switch", "sched_switch "},
		{"sched:sched_switch", "sched_switch "},
		{"sched:*ing", "sched_waking "},
		{"sched:", "sched_switch sched_waking "},
		{":sched_*", "sched_like sched_switch sched_waking "},
		{"sched_*", "sched_like sched_switch sched_waking "},
		{"sch*", "sched_like sched_switch sched_waking "},
		{"all", "block_rq_issue sched_like sched_switch sched_waking signal_generate "},
		{"*:*", "block_rq_issue sched_like sched_switch sched_waking signal_generate "},
		{"block:sched_switch", ""},
		{"", ""},
		{"[", ""},
	};
	struct kernel_events events;
	char names[500];

	CHECK_EQ(kernel_events_parse(&events, "sched:sched_waking\nsched:sched_switch\n"
					      "signal:signal_generate\nblock:block_rq_issue\n"
					      "block:sched_like\nbad line\n:x\ny:\n"),
		 0);
	CHECK_EQ(events.nr, 5);
	CHECK_EQ(events.list[0].nr_in_system, 2);
	CHECK_EQ(events.list[3].first_of_system, 2);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		match(&events, cases[i].pattern, names);
		CHECK_STR(names, cases[i].names);
	}
	kernel_events_done(&events);
}

TEST(why_a_pattern_names_nothing)
{
	struct kernel_events events;
	struct err err;

	CHECK_EQ(kernel_events_parse(&events, "sched:sched_waking\n"), 0);
	CHECK_EQ(kernel_events_explain(&events, "syscalls:sys_enter_x", &err), -ENOENT);
	CHECK(strstr(err.text, "CONFIG_FTRACE_SYSCALLS"));
	CHECK_EQ(kernel_events_explain(&events, "ftrace:function", &err), -ENOENT);
	CHECK(strstr(err.text, "-p TRACER"));
	CHECK_EQ(kernel_events_explain(&events, "usdt:python:line", &err), -ENOENT);
	CHECK(strstr(err.text, "sonde record -e usdt:python:line COMMAND"));
	CHECK_EQ(kernel_events_explain(&events, "nope", &err), -ENOENT);
	CHECK_STR(err.text, "no event of this kernel matches 'nope'");
	kernel_events_done(&events);
}

/* A borrowed instance: every setting comes back, in its own notation. */
TEST(borrowed_instance_is_restored)
{
	struct tracefs *fs = fake();
	struct kernel_journal *journal = fake_journal();
	struct kernel_instance inst;
	struct kernel_events events;
	pid_t pids[] = {1, 22};
	struct err err = {0};
	bool hits[8] = {false};
	size_t nr;
	int r;

	put_instance("instances/keep/");
	r = kernel_instance_open(&inst, fs, "keep", journal, &err);
	if (r < 0)
		printf("# %s\n", err.text);
	CHECK_EQ(r, 0);
	CHECK(!inst.created);
	CHECK_EQ(inst.page_size, 4096);
	CHECK_STR(get("instances/keep/tracing_on"), "0");
	CHECK_EQ(kernel_events_load(&events, fs, &err), 0);
	CHECK_EQ(kernel_events_match(&events, "sched", hits), 2);
	CHECK_EQ(kernel_instance_enable(&inst, &events, hits, true, &err), 0);
	CHECK_EQ(kernel_instance_filter(&inst, &events, hits, "prev_pid == 2", &nr, &err), 0);
	CHECK_EQ(kernel_instance_clock(&inst, "mono", &err), 0);
	CHECK_EQ(kernel_instance_buffer(&inst, 64, &err), 0);
	CHECK_EQ(kernel_instance_tracer(&inst, "function", &err), 0);
	CHECK_EQ(kernel_instance_option(&inst, "stacktrace", &err), 0);
	CHECK_EQ(kernel_instance_pids(&inst, "set_event_pid", pids, 2, &err), 0);
	CHECK_EQ(kernel_instance_start(&inst, &err), 0);
	CHECK_STR(get("instances/keep/tracing_on"), "1");
	CHECK_STR(get("instances/keep/events/sched/enable"), "0\n");
	CHECK_STR(get("instances/keep/events/sched/sched_switch/enable"), "1");
	CHECK_STR(get("instances/keep/events/sched/sched_waking/filter"), "prev_pid == 2");
	CHECK_STR(get("instances/keep/set_event_pid"), "1 22 ");
	CHECK_STR(get("instances/keep/trace_options"), "stacktrace");
	CHECK_EQ(kernel_instance_close(&inst, &err), 0);
	CHECK_STR(get("instances/keep/tracing_on"), "1\n");
	CHECK_STR(get("instances/keep/events/sched/sched_switch/enable"), "0");
	CHECK_STR(get("instances/keep/events/sched/sched_waking/enable"), "1");
	CHECK_STR(get("instances/keep/events/sched/sched_switch/filter"), "0");
	CHECK_STR(get("instances/keep/events/sched/sched_waking/filter"), "pid > 4\n");
	CHECK_STR(get("instances/keep/trace_clock"), "local");
	CHECK_STR(get("instances/keep/buffer_size_kb"), "1408");
	CHECK_STR(get("instances/keep/current_tracer"), "nop\n");
	CHECK_STR(get("instances/keep/trace_options"), "nostacktrace");
	CHECK_STR(get("instances/keep/set_event_pid"), "17\n");
	kernel_events_done(&events);
	CHECK_EQ(kernel_journal_close(journal, &err), 0);
	fake_done(fs);
}

TEST(what_the_kernel_does_not_have)
{
	struct tracefs *fs = fake();
	struct kernel_journal *journal = fake_journal();
	struct kernel_instance inst;
	struct err err = {0};

	put_instance("instances/keep/");
	CHECK_EQ(kernel_instance_open(&inst, fs, "keep", journal, &err), 0);
	CHECK_EQ(kernel_instance_tracer(&inst, "function_graph", &err), -ENOENT);
	CHECK(strstr(err.text, "this kernel has no tracer 'function_graph', only: function nop: "));
	CHECK(strstr(err.text, "CONFIG_FUNCTION_GRAPH_TRACER"));
	CHECK(strstr(err.text, "; instead: "));
	CHECK_EQ(kernel_instance_tracer(&inst, "hwla", &err), -ENOENT);
	CHECK_STR(err.text, "there is no tracer 'hwla'; did you mean 'hwlat'?");
	CHECK_EQ(kernel_instance_clock(&inst, "glob", &err), -EINVAL);
	CHECK_STR(err.text, "this kernel has no trace clock 'glob'; it has: [local] global mono "
			    "x86-tsc");
	CHECK_EQ(kernel_instance_option(&inst, "nothing", &err), -EINVAL);
	CHECK_STR(err.text, "this kernel has no option 'nothing' (sonde list -o shows all)");
	CHECK_EQ(kernel_instance_option(&inst, "nostacktrce", &err), -EINVAL);
	CHECK_STR(err.text, "this kernel has no option 'nostacktrce'; did you mean 'stacktrace'? "
			    "(sonde list -o shows all)");
	CHECK_EQ(kernel_instance_option(&inst, "hwlat_widht=5", &err), -EINVAL);
	CHECK(strstr(err.text, "; did you mean 'hwlat_width'?"));
	CHECK_EQ(kernel_instance_option(&inst, "funcgraph-retval", &err), -EINVAL);
	CHECK(strstr(err.text, "CONFIG_FUNCTION_GRAPH_"));
	CHECK_EQ(kernel_instance_subbuf(&inst, 8, &err), -ENOENT);
	CHECK(strstr(err.text, "buffer_subbuf_size_kb: not in this kernel; it came with Linux 6.8; "
			       "instead: sub-buffers of "
			       "one page"));
	CHECK_EQ(kernel_instance_close(&inst, &err), 0);
	CHECK_EQ(kernel_instance_open(&inst, fs, "a/b", journal, &err), -EINVAL);
	CHECK_EQ(kernel_instance_open(&inst, fs, "..", journal, &err), -EINVAL);
	CHECK_EQ(kernel_journal_close(journal, &err), 0);
	fake_done(fs);
}

static enum io_op failing_op;
static int failing_code;
static unsigned int failing_after;
static const char *answer_file, *answer_text; /* what the kernel would leave behind */

static int fail_nth(enum io_op op, const char *path, size_t *len)
{
	(void)path;
	(void)len;
	if (op != failing_op || failing_after--)
		return 0;
	if (answer_file)
		put(answer_file, answer_text);
	return failing_code;
}

/* EPERM of a filter is a syntax error, and the newest entry of error_log is the one to show. */
TEST(filter_error_shows_the_caret)
{
	struct tracefs *fs = fake();
	struct kernel_journal *journal = fake_journal();
	struct kernel_instance inst;
	struct kernel_events events;
	struct err err = {0};
	bool hits[8] = {false};
	size_t nr;
	int r;

	put_instance("instances/keep/");
	CHECK_EQ(kernel_instance_open(&inst, fs, "keep", journal, &err), 0);
	CHECK_EQ(kernel_events_load(&events, fs, &err), 0);
	CHECK_EQ(kernel_events_match(&events, "sched_switch", hits), 1);
	failing_op = IO_WRITE;
	failing_code = -EPERM;
	failing_after = 0;
	answer_file = "instances/keep/error_log";
	answer_text = "[  1.0] event filter parse error: error: Old one\n  Command: x\n           "
		      "^\n"
		      "[ 1897.661500] event filter parse error: error: Field not found\n"
		      "  Command: pid == 1 && foo == 1\n"
		      "                       ^\n";
	io_fault_hook = fail_nth;
	r = kernel_instance_filter(&inst, &events, hits, "pid == 1 && foo == 1", &nr, &err);
	io_fault_hook = NULL;
	answer_file = NULL;
	CHECK_EQ(r, -EINVAL);
	CHECK_STR(err.text, "the kernel does not accept the filter for sched:sched_switch: Field "
			    "not found\n  pid == 1 && foo == 1\n              ^");
	CHECK_EQ(kernel_instance_close(&inst, &err), 0);
	kernel_events_done(&events);
	CHECK_EQ(kernel_journal_close(journal, &err), 0);
	fake_done(fs);
}

/* The entry about the trigger's own filter, whatever else has been refused since. */
TEST(trigger_filter_error_shows_the_caret)
{
	static const char *const wrong[][2] = {
		{"traceoff:x if pid > 1", "is no number"},
		{"traceoff:", "is no number"},
		{"enable_event:sched:sched_waking:x", "is no number"},
		{"enable_event:sched", "SYSTEM:EVENT"},
		{"enable_event:sched:nosuch:1 if pid > 1", "no such event"},
		{"traceoff:3 if pid > 1", "behind 'if'"},
	};
	struct tracefs *fs = fake();
	struct kernel_journal *journal = fake_journal();
	struct kernel_instance inst;
	struct kernel_events events;
	struct err err = {0};
	bool hits[8] = {false};
	int r;

	put_instance("instances/keep/");
	put("instances/keep/events/sched/sched_switch/trigger", "");
	CHECK_EQ(kernel_instance_open(&inst, fs, "keep", journal, &err), 0);
	CHECK_EQ(kernel_events_load(&events, fs, &err), 0);
	CHECK_EQ(kernel_events_match(&events, "sched_switch", hits), 1);
	failing_op = IO_WRITE;
	failing_code = -EINVAL;
	failing_after = 0;
	answer_file = "instances/keep/error_log";
	answer_text = "[  1.0] event filter parse error: error: Field not found\n"
		      "  Command: foo > 1\n               ^\n"
		      "[  2.0] event filter parse error: error: Another one\n  Command: x\n"
		      "           ^\n";
	io_fault_hook = fail_nth;
	r = kernel_instance_trigger(&inst, &events, hits, "traceoff if  foo > 1 ", &err);
	io_fault_hook = NULL;
	answer_file = NULL;
	CHECK_EQ(r, -EINVAL);
	CHECK_STR(err.text, "the kernel does not accept the trigger for sched:sched_switch: Field "
			    "not found\n  foo > 1\n      ^");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		put("events/sched/sched_switch/trigger",
		    "# Available triggers:\n# traceoff enable_event\n");
		put("instances/keep/events/sched/sched_switch/trigger", "");
		put("instances/keep/error_log", "");
		failing_after = 0;
		io_fault_hook = fail_nth;
		r = kernel_instance_trigger(&inst, &events, hits, wrong[i][0], &err);
		io_fault_hook = NULL;
		CHECK_EQ(r, -EINVAL);
		if (!strstr(err.text, wrong[i][1]))
			printf("# %s: %s\n", wrong[i][0], err.text);
		CHECK(strstr(err.text, wrong[i][1]));
	}
	CHECK_EQ(kernel_instance_close(&inst, &err), 0);
	kernel_events_done(&events);
	CHECK_EQ(kernel_journal_close(journal, &err), 0);
	fake_done(fs);
}

TEST(stats_are_parsed)
{
	struct tracefs *fs = fake();
	struct kernel_journal *journal = fake_journal();
	struct kernel_instance inst;
	struct kernel_cpu_stats stats;
	struct err err;

	put_instance("instances/keep/");
	CHECK_EQ(kernel_instance_open(&inst, fs, "keep", journal, &err), 0);
	CHECK_EQ(kernel_instance_stats(&inst, 0, &stats, NULL, &err), 0);
	CHECK_EQ(stats.overrun, 5);
	CHECK_EQ(stats.commit_overrun, 1);
	CHECK_EQ(stats.dropped, 2);
	CHECK_EQ(stats.read, 100);
	CHECK_EQ(kernel_instance_stats(&inst, 2, &stats, NULL, &err), -ENOENT);
	CHECK_EQ(kernel_instance_close(&inst, &err), 0);
	CHECK_EQ(kernel_journal_close(journal, &err), 0);
	fake_done(fs);
}

/* The same from the filter file, which has the event's own reason; and an event without the field.
 */
TEST(filter_error_of_the_event_itself)
{
	struct tracefs *fs = fake();
	struct kernel_journal *journal = fake_journal();
	struct kernel_instance inst;
	struct kernel_events events;
	struct err err = {0};
	bool hits[8] = {false};
	size_t nr = 0;
	int r;

	put_instance("instances/keep/");
	CHECK_EQ(kernel_instance_open(&inst, fs, "keep", journal, &err), 0);
	CHECK_EQ(kernel_events_load(&events, fs, &err), 0);
	CHECK_EQ(kernel_events_match(&events, "sched", hits), 2);
	answer_file = "instances/keep/events/sched/sched_switch/filter";
	answer_text = "foo == 1\n    ^\nparse_error: Field not found\n";
	failing_op = IO_WRITE;
	failing_code = -EINVAL;
	failing_after = 0;
	io_fault_hook = fail_nth;
	r = kernel_instance_filter(&inst, &events, hits, "foo == 1", &nr, &err);
	io_fault_hook = NULL;
	answer_file = NULL;
	CHECK_EQ(r, 0);
	CHECK_EQ(nr, 1);
	CHECK_STR(get("instances/keep/events/sched/sched_switch/filter"), "0");
	CHECK_STR(get("instances/keep/events/sched/sched_waking/filter"), "foo == 1");
	hits[3] = false;
	CHECK_EQ(kernel_instance_filter(&inst, &events, hits,
					"comm ~ \"*sh\" && b ~ '!*x' || c ~ "
					"\"*a*\" || d == \"*e\"",
					&nr, &err),
		 0);
	CHECK_STR(get("instances/keep/events/sched/sched_switch/filter"),
		  "comm ~ \"**sh\" && b ~ '!**x' || c ~ \"*a*\" || d == \"*e\"");
	CHECK_EQ(kernel_instance_close(&inst, &err), 0);
	kernel_events_done(&events);
	CHECK_EQ(kernel_journal_close(journal, &err), 0);
	fake_done(fs);
}

/* A value must go in whole: the kernel would act on the part. */
static int cut_writes(enum io_op op, const char *path, size_t *len)
{
	(void)path;
	if (op == IO_WRITE && *len > 1)
		*len = 1;
	return 0;
}

TEST(short_write_of_a_value_is_an_error)
{
	struct tracefs *fs = fake();
	struct err err;
	int r;

	io_fault_hook = cut_writes;
	r = tracefs_write(root, "trace_clock", "mono", "set the trace clock", &err);
	io_fault_hook = NULL;
	fake_done(fs);
	CHECK_EQ(r, -EIO);
	CHECK(strstr(err.text, "cannot set the trace clock"));
}

static void count_stale(void *ctx, const char *name)
{
	(void)name;
	++*(int *)ctx;
}

TEST(stale_instances_go)
{
	struct tracefs *fs = fake();
	char mine[64];
	char path[300];
	int nr = 0;

	snprintf(mine, sizeof(mine), "instances/sonde-%d", (int)getpid());
	for (int i = 0; i < 4; i++) {
		static const char *const names[] = {"instances/sonde-536870911",
						    "instances/sonde-x", "instances/sonde-1",
						    "instances/other-536870911"};

		snprintf(path, sizeof(path), "%s/%s", root, names[i]);
		mkdir(path, 0700);
	}
	snprintf(path, sizeof(path), "%s/%s", root, mine);
	mkdir(path, 0700);
	kernel_instance_remove_stale(fs, count_stale, &nr);
	CHECK_EQ(nr, 1);
	CHECK_EQ(access(path, F_OK), 0);
	fake_done(fs);
}

TEST_MAIN()
