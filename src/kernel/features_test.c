/* SPDX-License-Identifier: MIT */
/* What is found out about made-up kernels: a tracefs, a /proc and a configuration of plain files.
 */
#include "base/test.h"

#include <errno.h>
#include <sys/utsname.h>
#include <zlib.h>

#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "kernel/fake_test.h"
#include "kernel/features.h"
#include "kernel/kconfig.h"

#define INST	"instances/own/"
#define EVENT	"events/sched/sched_process_exec/"
#define ROOT_OK "Name:\tx\nUid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n"

static char machine[80];

static void link_ns(const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/machine/proc/self/ns/pid", root);
	unlink(path);
	if (symlink(text, path) < 0)
		__builtin_trap();
}

/* What every kernel has, and a machine whose root may do everything. */
static void put_common(void)
{
	static const char *const files[][2] = {
		{"trace_marker", ""},
		{"buffer_percent", "50\n"},
		{"options/stacktrace", "0\n"},
		{"options/userstacktrace", "0\n"},
		{"set_event_notrace_pid", ""},
		{"set_event", ""},
		{"events/enable", "0\n"},
		{"buffer_size_kb", "1408\n"},
		{EVENT "enable", "0\n"},
		{"per_cpu/cpu0/trace_pipe_raw", ""},
		{"events/sched/sched_process_exec/trigger",
		 "# Available triggers:\n# traceon traceoff enable_event disable_event "
		 "stacktrace\n"},
	};
	char path[200];

	fake_make();
	put_instance(INST);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		put(files[i][0], files[i][1]);
		snprintf(path, sizeof(path), INST "%s", files[i][0]);
		put(path, files[i][1]);
	}
	put("available_events", "sched:sched_process_exec\nsyscalls:sys_enter_read\n");
	put("README", "tracing mini-HOWTO:\n");
	put("machine/proc/self/status", ROOT_OK);
	put("machine/proc/self/ns/x", "");
	link_ns("pid:[4026531836]");
	put("machine/proc/sys/kernel/perf_event_paranoid", "2\n");
	put("machine/proc/sys/kernel/kptr_restrict", "0\n");
	put("machine/proc/sys/kernel/ftrace_enabled", "1\n");
	put("machine/proc/kallsyms", "ffffffff81000000 T _text\n");
	put("machine/proc/meminfo", "MemTotal: 1 kB\nMemAvailable:  1048576 kB\n");
	snprintf(machine, sizeof(machine), "%s/machine", root);
}

static void put_config(const char *text)
{
	struct utsname uts;
	char path[200];

	uname(&uts);
	snprintf(path, sizeof(path), "machine/boot/config-%s", uts.release);
	put(path, text);
}

static struct features *look(void)
{
	struct features_options options = {
		.tracefs = root, .root = machine, .state = fake_state(), .instance = "own"};
	struct features *features = NULL;
	struct err err = {0};

	if (features_probe(&features, &options, &err) < 0) {
		printf("# %s\n", err.text);
		__builtin_trap();
	}
	return features;
}

static struct features *shown;

static const char *state(enum feature_id id)
{
	return feature_state_name(shown->list[id].state);
}

static void done(void)
{
	features_free(shown);
	shown = NULL;
	fake_remove("");
}

TEST(the_table_is_whole)
{
	for (int i = 0; i < FEATURE_NR; i++) {
		const struct feature_info *info = feature_info((enum feature_id)i);

		CHECK(info->name && info->title);
		CHECK(i == 0 || info->group >= feature_info((enum feature_id)(i - 1))->group);
		for (int k = 0; k < i; k++)
			CHECK(strcmp(info->name, feature_info((enum feature_id)k)->name));
		for (size_t k = 0; k < ARRAY_SIZE(info->instead); k++)
			CHECK(!info->instead[k].text || info->instead[k].needs != i);
	}
	CHECK_STR(feature_of_tracer("hwlat")->config[0], "CONFIG_HWLAT_TRACER");
	CHECK(!feature_of_tracer("nosuch"));
	CHECK_STR(feature_of_file("set_graph_notrace")->name, "tracer.function_graph");
	CHECK(!feature_of_file("nosuch"));
	CHECK_STR(feature_of_file("kprobe_events")->name, "kprobe");
	CHECK_STR(feature_of_trigger("hist:keys", 4)->name, "hist");
	CHECK_STR(feature_of_trigger("snapshot", 8)->name, "trigger.snapshot");
	CHECK(!feature_of_trigger("his", 3));
	CHECK_STR(feature_of_option("funcgraph-args")->name, "graph-args");
	CHECK(!feature_of_option("stacktrac"));
}

TEST(a_kernel_with_everything)
{
	static const char *const files[] = {
		"buffer_subbuf_size_kb",
		"set_ftrace_filter",
		"set_ftrace_pid",
		"options/func-args",
		"options/funcgraph-retval",
		"options/funcgraph-retaddr",
		"options/funcgraph-args",
		"function_profile_enabled",
		"stack_trace",
		"kprobe_events",
		"uprobe_events",
		"dynamic_events",
		"user_events_data",
		"snapshot",
		"synthetic_events",
		INST "set_ftrace_filter",
		INST "buffer_subbuf_size_kb",
		INST "snapshot",
	};
	static const char tracers[] = "timerlat osnoise hwlat blk mmiotrace branch function_graph "
				      "wakeup_dl wakeup_rt wakeup preemptirqsoff preemptoff "
				      "irqsoff function nop\n";

	put_common();
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		put(files[i], "");
	put("available_tracers", tracers);
	put(INST "available_tracers", tracers);
	put("README", "p[:[<group>/]\n f[:[<group>/]\n t[:[<group>/]\n .buckets=size .percent "
		      "onchange(var)\n");
	put(INST EVENT "trigger", "# Available triggers:\n# traceon traceoff snapshot stacktrace "
				  "enable_event disable_event enable_hist disable_hist hist\n");
	shown = look();
	for (int i = 0; i < FEATURE_NR; i++) {
		if (shown->list[i].state != FEATURE_OK)
			printf("# %s: %s\n", shown->list[i].info->name, shown->list[i].reason);
		CHECK_EQ(shown->list[i].state, FEATURE_OK);
		CHECK_STR(shown->list[i].reason, "");
		CHECK_STR(shown->list[i].fix, "");
		CHECK(!shown->list[i].instead);
	}
	CHECK(shown->records_events);
	CHECK_STR(shown->list[FEATURE_BLK].detail, "also in instances");
	/* What is defined is removed, in the notation of each. */
	CHECK(strstr(get("uprobe_events"), "p:sonde_"));
	CHECK(strstr(get("uprobe_events"), "-:sonde_"));
	CHECK_STR(get(INST EVENT "enable"), "0");
	CHECK_STR(get("current_tracer"), "nop\n");
	CHECK_STR(get(INST "tracing_on"), "1\n");
	done();
}

TEST(a_kernel_with_little_says_why)
{
	put_common();
	put_config("CONFIG_TRACING=y\n# CONFIG_KPROBES is not set\nCONFIG_FUNCTION_TRACER=y\n"
		   "# CONFIG_FUNCTION_GRAPH_TRACER is not set\nCONFIG_USER_STACKTRACE_SUPPORT=y\n"
		   "CONFIG_STACK_TRACER=y\nCONFIG_FPROBE=m\n");
	put("available_tracers", "nop\n");
	put(INST "available_tracers", "nop\n");
	shown = look();
	CHECK(shown->records_events);
	CHECK(strstr(shown->config_path, "/boot/config-") == shown->config_path);
	CHECK_STR(state(FEATURE_KPROBE), "missing");
	CHECK_STR(shown->list[FEATURE_KPROBE].culprit, "CONFIG_KPROBES");
	CHECK(strstr(shown->list[FEATURE_KPROBE].reason, "built without CONFIG_KPROBES (/boot/"));
	CHECK_STR(shown->list[FEATURE_KPROBE].fix,
		  "a kernel since Linux 2.6.33 built with CONFIG_KPROBES=y");
	CHECK_STR(shown->list[FEATURE_GRAPH].culprit, "CONFIG_FUNCTION_GRAPH_TRACER");
	CHECK(strstr(shown->list[FEATURE_GRAPH].instead, "syscalls"));
	CHECK_EQ(shown->list[FEATURE_GRAPH_RETVAL].part_of, FEATURE_GRAPH);
	CHECK_STR(shown->list[FEATURE_FPROBE].culprit, "CONFIG_FPROBE_EVENTS");
	CHECK(strstr(shown->list[FEATURE_FPROBE].reason, "it came with Linux 6.5"));
	/* The configuration has it, the kernel does not: the option is not to blame. */
	CHECK(!shown->list[FEATURE_STACK_TRACER].culprit);
	CHECK(strstr(shown->list[FEATURE_STACK_TRACER].reason, "CONFIG_STACK_TRACER is on, yet"));
	CHECK_EQ(shown->list[FEATURE_SUBBUF_SIZE].cause, FEATURE_CAUSE_VERSION);
	CHECK_STR(shown->list[FEATURE_SUBBUF_SIZE].culprit, "6.8");
	CHECK_STR(state(FEATURE_TRACEOFF), "ok");
	CHECK_STR(state(FEATURE_HIST), "missing");
	CHECK_EQ(shown->list[FEATURE_HIST_BUCKETS].part_of, FEATURE_HIST);
	done();
}

TEST(without_a_configuration_it_is_probable)
{
	put_common();
	shown = look();
	CHECK(!shown->config_path);
	CHECK_EQ(shown->list[FEATURE_KPROBE].cause, FEATURE_CAUSE_PROBABLY);
	CHECK_STR(shown->list[FEATURE_KPROBE].reason,
		  "probably built without CONFIG_KPROBE_EVENTS, which came with Linux 2.6.33");
	done();
}

/* --- refusals --- */

static const char *shut[8];
static int shut_code;

static int refuse(enum io_op op, const char *path, size_t *len)
{
	(void)len;
	for (size_t i = 0; op == IO_OPEN && path && i < ARRAY_SIZE(shut) && shut[i]; i++) {
		const char *name = strrchr(path, '/');

		if (strncmp(path, machine, strlen(machine)) && name && !strcmp(name + 1, shut[i]))
			return shut_code;
	}
	return 0;
}

static void look_refused(const char *first, const char *second, int code)
{
	shut[0] = first;
	shut[1] = second;
	shut_code = code;
	io_fault_hook = refuse;
	shown = look();
	io_fault_hook = NULL;
	shut[0] = NULL;
}

/* A refusal offers what is there, and only that. */
TEST(what_is_said_instead)
{
	const struct feature_info *graph = feature_info(FEATURE_GRAPH);
	struct tracefs fs = {.path = root};
	struct err err;

	put_common();
	put("kprobe_events", "");
	CHECK(strstr(feature_instead(graph, &fs), "kretprobe"));
	fake_remove("kprobe_events");
	CHECK(strstr(feature_instead(graph, &fs), "raw_syscalls"));
	CHECK(strstr(feature_instead(graph, &fs), "sonde record --in program"));
	put("available_tracers", "nop\n");
	CHECK(strstr(feature_instead(feature_info(FEATURE_PROFILER), &fs), "--only tasks"));
	put("available_tracers", "function nop\n");
	CHECK(strstr(feature_instead(feature_info(FEATURE_PROFILER), &fs), "-p function,"));
	CHECK_STR(feature_instead(feature_info(FEATURE_GRAPH_ARGS), &fs) ?: "nothing", "nothing");
	put("README", "f[:[<group>/][<event>]] <func-name>\n");
	CHECK_STR(feature_instead(feature_info(FEATURE_GRAPH_ARGS), &fs), "fprobes with $arg*");
	CHECK_EQ(feature_missing(&err, -ENOENT, NULL, &fs, "no '%s'", "x"), -ENOENT);
	CHECK_STR(err.text, "no 'x'");
	CHECK_EQ(feature_missing(&err, -EINVAL, graph, &fs, "no '%s'", "x"), -EINVAL);
	CHECK(!strncmp(err.text, "no 'x': ", 8) && strstr(err.text, "; instead: times of"));
	CHECK_EQ(tracefs_explain(&err, -ENOENT, "do it", "/x/instances/y/snapshot"), -ENOENT);
	CHECK(strstr(err.text, "cannot do it: this kernel has no /x/instances/y/snapshot: "));
	CHECK(strstr(err.text, "; instead: sonde snapshot"));
	fake_remove("");
}

TEST(lockdown_by_file)
{
	put_common();
	put("machine/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	put("available_tracers", "function nop\n");
	put("set_ftrace_filter", "");
	put("set_ftrace_pid", "");
	put(INST "set_ftrace_filter", "");
	look_refused("set_ftrace_filter", "set_ftrace_pid", -EPERM);
	CHECK(shown->records_events);
	CHECK_STR(state(FEATURE_FUNCTION), "refused");
	CHECK_EQ(shown->list[FEATURE_FUNCTION].fixer, FEATURE_FIX_BOOT);
	CHECK_EQ(shown->list[FEATURE_FUNCTION].cause, FEATURE_CAUSE_POLICY);
	CHECK(strstr(shown->list[FEATURE_FUNCTION].reason, "(EPERM; lockdown: integrity)"));
	CHECK(strstr(shown->list[FEATURE_FUNCTION].instead, "sonde record -e sched"));
	CHECK_EQ(shown->list[FEATURE_FUNCTION_FILTER].part_of, FEATURE_FUNCTION);
	CHECK_STR(state(FEATURE_POLICY), "limited");
	CHECK(strstr(shown->list[FEATURE_POLICY].reason,
		     "lockdown: integrity): set_ftrace_filter set_ftrace_pid"));
	CHECK(strstr(shown->list[FEATURE_POLICY].reason, "2 of "));
	CHECK_STR(get(INST "current_tracer"), "nop\n");
	done();
}

TEST(kprobes_refused_at_the_definition)
{
	put_common();
	put("kprobe_events", "");
	look_refused("kprobe_events", NULL, -EPERM);
	CHECK_STR(state(FEATURE_KPROBE), "refused");
	CHECK_STR(state(FEATURE_KRETPROBE), "refused");
	CHECK(strstr(shown->list[FEATURE_KPROBE].reason, "lockdown or another policy"));
	done();
}

TEST(a_user_is_told_to_be_root)
{
	put_common();
	put("machine/proc/self/status", "Name:\tx\nUid:\t1000\t1000\t1000\t1000\nCapEff:\t0\n");
	put("machine/proc/kallsyms", "0000000000000000 T _text\n");
	look_refused("tracing_on", "trace_marker", -EACCES);
	CHECK(!shown->records_events);
	CHECK_STR(state(FEATURE_INSTANCES), "refused");
	CHECK_EQ(shown->list[FEATURE_INSTANCES].fixer, FEATURE_FIX_ROOT);
	CHECK(strstr(shown->list[FEATURE_INSTANCES].fix, "sudo"));
	CHECK_STR(state(FEATURE_MARKER), "refused");
	CHECK_STR(state(FEATURE_RIGHTS), "limited");
	CHECK_STR(state(FEATURE_ADDRESSES), "limited");
	CHECK_STR(state(FEATURE_PERF), "limited");
	CHECK_STR(state(FEATURE_RAW), "unknown");
	CHECK_STR(state(FEATURE_EVENTS), "unknown");
	done();
}

TEST(a_container)
{
	put_common();
	put("machine/proc/self/status", "Name:\tx\nUid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb\n");
	link_ns("pid:[4026532281]");
	look_refused("trace_marker", NULL, -EPERM);
	CHECK_STR(state(FEATURE_RIGHTS), "limited");
	CHECK_EQ(shown->list[FEATURE_RIGHTS].fixer, FEATURE_FIX_HOST);
	CHECK_EQ(shown->list[FEATURE_MARKER].fixer, FEATURE_FIX_HOST);
	CHECK(strstr(shown->list[FEATURE_MARKER].reason, "CAP_SYS_ADMIN"));
	CHECK_STR(state(FEATURE_PID_NAMESPACE), "limited");
	done();
}

TEST(settings_that_stand_in_the_way)
{
	put_common();
	put("available_tracers", "function nop\n");
	put("current_tracer", "function\n");
	put("set_ftrace_filter", "");
	put(INST "set_ftrace_filter", "");
	put("machine/proc/sys/kernel/ftrace_enabled", "0\n");
	put("machine/proc/meminfo", "MemAvailable: 2000 kB\n");
	put(INST "available_tracers", "nop\n");
	shown = look();
	CHECK_STR(state(FEATURE_FUNCTION), "limited");
	CHECK_STR(shown->list[FEATURE_FUNCTION].fix, "sysctl kernel.ftrace_enabled=1");
	CHECK_STR(state(FEATURE_OTHERS), "limited");
	CHECK(strstr(shown->list[FEATURE_OTHERS].reason, "'function'"));
	CHECK_STR(state(FEATURE_MEMORY), "limited");
	done();
}

TEST(without_tracefs)
{
	struct features_options options = {.root = machine};
	struct err err;

	put_common();
	put_config("# CONFIG_KPROBES is not set\nCONFIG_UPROBES=y\n");
	options.tracefs = "/proc/self/nothing";
	CHECK_EQ(features_probe(&shown, &options, &err), 0);
	CHECK(!shown->records_events && !shown->tracefs);
	CHECK_STR(state(FEATURE_TRACEFS), "missing");
	CHECK_STR(state(FEATURE_KPROBE), "missing");
	CHECK_STR(state(FEATURE_UPROBE), "unknown");
	CHECK_STR(state(FEATURE_MEMORY), "ok");
	done();
}

TEST(a_packed_configuration)
{
	static const char text[] = "CONFIG_HIST_TRIGGERS=y\n# CONFIG_HIST_TRIGGERS_X is not set\n"
				   "CONFIG_A_MODULE=m\n";
	struct kconfig config;
	unsigned char packed[400];
	z_stream z = {.next_in = (Bytef *)(uintptr_t)text, .avail_in = sizeof(text) - 1};
	char path[200];
	FILE *file;

	put_common();
	CHECK_EQ(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_out = packed;
	z.avail_out = sizeof(packed);
	CHECK_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
	snprintf(path, sizeof(path), "%s/proc/config.gz", machine);
	file = fopen(path, "w");
	fwrite(packed, 1, z.total_out, file);
	fclose(file);
	CHECK_EQ(kconfig_load(&config, machine), 0);
	CHECK_STR(config.path, "/proc/config.gz");
	CHECK_STR(config.text, text);
	CHECK_EQ(kconfig_get(&config, "CONFIG_HIST_TRIGGERS"), KCONFIG_ON);
	CHECK_EQ(kconfig_get(&config, "CONFIG_HIST_TRIGGERS_X"), KCONFIG_OFF);
	CHECK_EQ(kconfig_get(&config, "CONFIG_HIST"), KCONFIG_ABSENT);
	CHECK_EQ(kconfig_get(&config, "HIST_TRIGGERS"), KCONFIG_ABSENT);
	CHECK_EQ(kconfig_get(&config, "CONFIG_A_MODULE"), KCONFIG_MODULE);
	kconfig_done(&config);
	/* A damaged one is passed over. */
	CHECK_EQ(truncate(path, (off_t)z.total_out - 9), 0);
	CHECK_EQ(kconfig_load(&config, machine), 0);
	CHECK_EQ(kconfig_get(&config, "CONFIG_HIST_TRIGGERS"), KCONFIG_UNKNOWN);
	kconfig_done(&config);
	deflateEnd(&z);
	fake_remove("");
}

/* Every call and allocation may fail: there is an answer or an error, and no leak. */
static void sweep(struct fault_sweep *s)
{
	struct features_options options = {.tracefs = root, .root = machine, .instance = "own"};
	struct err err = {0};

	while (fault_next(s)) {
		struct features *features = NULL;
		int (*io_hook)(enum io_op, const char *, size_t *) = io_fault_hook;
		bool (*mem_hook)(size_t) = mem_fault_hook;
		int r;

		/* Anew: what could not be undone stays, and counts. */
		fault_pause();
		put_common();
		put("kprobe_events", "");
		put_config("# CONFIG_KPROBES is not set\n");
		options.state = fake_state();
		io_fault_hook = io_hook;
		mem_fault_hook = mem_hook;
		r = features_probe(&features, &options, &err);
		fault_pause();
		CHECK(r == 0 || r == -ENOMEM);
		CHECK(r == 0 || err.text[0]);
		CHECK(fault_fired() || (r == 0 && features->records_events));
		features_free(features);
		fake_remove("");
	}
}

TEST(failing_calls)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_IO, .code = -EIO};

	sweep(&s);
}

TEST(failing_memory)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_MEM};

	sweep(&s);
}

TEST_MAIN()
