/* SPDX-License-Identifier: MIT */
/*
 * What is known of each feature: its configuration options, the release that brought it, and what
 * Sonde does where it is missing. The releases are Linux's own; distributions port back, so they
 * only ever explain.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/features.h"
#include "kernel/kconfig.h"

#define PROGRAM_INSTEAD                                                                            \
	"the functions of a program itself: sonde live COMMAND, sonde record --in program"
#define EVENTS_INSTEAD "events with stacks: sonde record -e sched -e syscalls -T; " PROGRAM_INSTEAD
#define CALLS_INSTEAD                                                                              \
	"times of system calls: sonde record -e raw_syscalls, sonde profile --only "               \
	"tasks; " PROGRAM_INSTEAD
#define KRET_INSTEAD	 "a kprobe and a kretprobe: sonde record -e 'p FUNCTION' -e 'r FUNCTION'"
#define MEASURED_INSTEAD "sonde record -p measures it in user space"
#define IRQ_INSTEAD	 "time in interrupts: sonde record -e irq -e sched, sonde profile --only tasks"
#define TRIGGER_INSTEAD	 "sonde record -R, which acts right after the event itself"
#define WAKEUP_INSTEAD	 "wake-up latencies: sonde record -e sched, sonde report -w"
#define COUNT_INSTEAD	 "the events themselves, counted: sonde hist 'hist:keys=...' EVENT"
#define PAIRED_INSTEAD	 "both events recorded, paired by sonde report --profile -H"
#define SPLICE_INSTEAD	 "plain reads, which copy every page once more"
#define FIND_INSTEAD	 "a tracepoint near it: sonde list -e"
#define STACKS_INSTEAD	 "kernel stacks at events: sonde record -T -e EVENT"
#define COPY_INSTEAD	 "sonde snapshot -s copies the buffer's text"

static const struct feature_info table[FEATURE_NR] = {
	[FEATURE_TRACEFS] = {"tracefs", "tracefs", FEATURES_ACCESS, {"CONFIG_TRACING"}},
	[FEATURE_RIGHTS] = {"rights", "rights", FEATURES_ACCESS},
	[FEATURE_POLICY] = {"files", "files", FEATURES_ACCESS},
	[FEATURE_PID_NAMESPACE] = {"pid-namespace", "pid namespace", FEATURES_ACCESS},
	[FEATURE_OTHERS] = {"others", "other tracing", FEATURES_ACCESS},
	[FEATURE_PERF] = {"perf-events", "perf events", FEATURES_ACCESS, {"CONFIG_PERF_EVENTS"}},
	[FEATURE_ADDRESSES] = {"kernel-addresses",
			       "kernel addresses",
			       FEATURES_ACCESS,
			       {"CONFIG_KALLSYMS"},
			       .instead = {{FEATURE_NONE, "addresses instead of function names"}}},
	[FEATURE_MEMORY] = {"memory", "memory", FEATURES_ACCESS},

	[FEATURE_INSTANCES] = {"instances",
			       "own instance",
			       FEATURES_RECORDING,
			       {"CONFIG_TRACING"},
			       "3.10",
			       "instances"},
	[FEATURE_EVENTS] = {"events",
			    "events",
			    FEATURES_RECORDING,
			    {"CONFIG_EVENT_TRACING"},
			    .file = "available_events"},
	[FEATURE_SYSCALLS] = {"syscall-events",
			      "system calls",
			      FEATURES_RECORDING,
			      {"CONFIG_FTRACE_SYSCALLS"},
			      .instead = {{FEATURE_KPROBE, "kprobes on the calls' functions"}}},
	[FEATURE_STACKS] = {"stacks", "kernel stacks", FEATURES_RECORDING, {"CONFIG_STACKTRACE"}},
	[FEATURE_USER_STACKS] = {"user-stacks",
				 "user stacks",
				 FEATURES_RECORDING,
				 {"CONFIG_USER_STACKTRACE_SUPPORT"}},
	[FEATURE_PID_FILTER] = {"pid-filter",
				"process lists",
				FEATURES_RECORDING,
				{NULL},
				"4.4",
				"set_event_pid",
				.instead = {{FEATURE_NONE, "a filter: -f 'common_pid == PID'"}}},
	[FEATURE_MARKER] = {"marker", "markers", FEATURES_RECORDING, {NULL}, NULL, "trace_marker"},
	[FEATURE_ERROR_LOG] = {"error-log",
			       "error log",
			       FEATURES_RECORDING,
			       {NULL},
			       "5.2",
			       "error_log",
			       .instead = {{FEATURE_NONE,
					    "the message in the event's filter file"}}},
	[FEATURE_CLOCKS] = {"clocks", "clocks", FEATURES_RECORDING, {NULL}, NULL, "trace_clock"},
	[FEATURE_RAW] = {"raw-buffer", "raw buffer", FEATURES_RECORDING},
	[FEATURE_SPLICE] = {"splice", "splice", FEATURES_RECORDING,
			    .instead = {{FEATURE_NONE, SPLICE_INSTEAD}}},
	[FEATURE_MMAP] = {"mmap",
			  "mapped buffer",
			  FEATURES_RECORDING,
			  {NULL},
			  "6.10",
			  .instead = {{FEATURE_SPLICE, "splice"}, {FEATURE_NONE, SPLICE_INSTEAD}}},
	[FEATURE_WATERMARK] = {"watermark",
			       "watermark",
			       FEATURES_RECORDING,
			       {NULL},
			       "5.0",
			       "buffer_percent",
			       .instead = {{FEATURE_NONE, "looking at the buffers every second"}}},
	[FEATURE_SUBBUF_SIZE] = {"subbuf-size",
				 "sub-buffer size",
				 FEATURES_RECORDING,
				 {NULL},
				 "6.8",
				 "buffer_subbuf_size_kb",
				 .instead = {{FEATURE_NONE, "sub-buffers of one page"}}},

	[FEATURE_FUNCTION] = {"tracer.function",
			      "function",
			      FEATURES_TRACERS,
			      {"CONFIG_FUNCTION_TRACER"},
			      "2.6.27",
			      "set_ftrace_pid",
			      "function",
			      .instead = {{FEATURE_EVENTS, EVENTS_INSTEAD},
					  {FEATURE_NONE, PROGRAM_INSTEAD}}},

	[FEATURE_FUNCTION_FILTER] = {"function-filter",
				     "function filters",
				     FEATURES_TRACERS,
				     {"CONFIG_FUNCTION_TRACER", "CONFIG_DYNAMIC_FTRACE"},
				     "2.6.27",
				     "set_ftrace_filter",
				     .instead = {{FEATURE_EVENTS, EVENTS_INSTEAD}}},
	[FEATURE_FUNCTION_INSTANCES] = {"function-instances",
					"function in instances",
					FEATURES_TRACERS,
					{NULL},
					"3.16",
					.instead = {{FEATURE_FUNCTION, "the top instance, "
								       "borrowed and given back"}}},
	[FEATURE_FUNCTION_ARGS] = {"function-args",
				   "func-args",
				   FEATURES_TRACERS,
				   {"CONFIG_FUNCTION_TRACER", "CONFIG_FUNCTION_TRACE_ARGS"},
				   "6.15",
				   .file = "options/func-args",
				   .instead = {{FEATURE_FPROBE, "fprobes with $arg*"},
					       {FEATURE_KPROBE, "kprobes with $argN"}}},
	[FEATURE_GRAPH] = {"tracer.function_graph",
			   "function_graph",
			   FEATURES_TRACERS,
			   {"CONFIG_FUNCTION_TRACER", "CONFIG_FUNCTION_GRAPH_TRACER"},
			   "2.6.30",
			   "set_graph_function",
			   "function_graph",
			   .instead = {{FEATURE_KRETPROBE, KRET_INSTEAD},
				       {FEATURE_EVENTS, CALLS_INSTEAD},
				       {FEATURE_NONE, PROGRAM_INSTEAD}}},

	[FEATURE_GRAPH_INSTANCES] = {"graph-instances",
				     "graph in instances",
				     FEATURES_TRACERS,
				     {NULL},
				     "6.11",
				     .instead = {{FEATURE_GRAPH,
						  "the top instance, borrowed and given back"}}},
	[FEATURE_GRAPH_RETVAL] = {"graph-retval",
				  "funcgraph-retval",
				  FEATURES_TRACERS,
				  {"CONFIG_FUNCTION_GRAPH_TRACER", "CONFIG_FUNCTION_GRAPH_RETVAL"},
				  "6.5",
				  .file = "options/funcgraph-retval",
				  .instead = {{FEATURE_KRETPROBE, "kretprobes with $retval"}}},
	[FEATURE_GRAPH_RETADDR] = {"graph-retaddr",
				   "funcgraph-retaddr",
				   FEATURES_TRACERS,
				   {"CONFIG_FUNCTION_GRAPH_TRACER",
				    "CONFIG_FUNCTION_GRAPH_RETADDR"},
				   "6.13",
				   .file = "options/funcgraph-retaddr",
				   .instead = {{FEATURE_FUNCTION,
						"the function tracer, which names the caller"}}},
	[FEATURE_GRAPH_ARGS] = {"graph-args",
				"funcgraph-args",
				FEATURES_TRACERS,
				{"CONFIG_FUNCTION_GRAPH_TRACER", "CONFIG_FUNCTION_TRACE_ARGS"},
				"6.15",
				.file = "options/funcgraph-args",
				.instead = {{FEATURE_FPROBE, "fprobes with $arg*"},
					    {FEATURE_KPROBE, "kprobes with $argN"}}},
	[FEATURE_BLK] = {"tracer.blk",
			 "blk",
			 FEATURES_TRACERS,
			 {"CONFIG_BLK_DEV_IO_TRACE"},
			 "2.6.30",
			 .tracer = "blk",
			 .instead = {{FEATURE_EVENTS, "block events: sonde record -e block"}}},
	[FEATURE_HWLAT] = {"tracer.hwlat",
			   "hwlat",
			   FEATURES_TRACERS,
			   {"CONFIG_HWLAT_TRACER"},
			   "4.9",
			   "hwlat_detector",
			   "hwlat",
			   .instead = {{FEATURE_EVENTS, MEASURED_INSTEAD}}},

	[FEATURE_OSNOISE] = {"tracer.osnoise",
			     "osnoise",
			     FEATURES_TRACERS,
			     {"CONFIG_OSNOISE_TRACER"},
			     "5.14",
			     "osnoise",
			     "osnoise",
			     .instead = {{FEATURE_EVENTS, MEASURED_INSTEAD}}},

	[FEATURE_TIMERLAT] = {"tracer.timerlat",
			      "timerlat",
			      FEATURES_TRACERS,
			      {"CONFIG_TIMERLAT_TRACER"},
			      "5.14",
			      NULL,
			      "timerlat",
			      .instead = {{FEATURE_EVENTS, MEASURED_INSTEAD}}},

	[FEATURE_IRQSOFF] = {"tracer.irqsoff",
			     "irqsoff",
			     FEATURES_TRACERS,
			     {"CONFIG_IRQSOFF_TRACER"},
			     "2.6.27",
			     NULL,
			     "irqsoff",
			     .instead = {{FEATURE_EVENTS, IRQ_INSTEAD}}},

	[FEATURE_PREEMPTOFF] = {"tracer.preemptoff",
				"preemptoff",
				FEATURES_TRACERS,
				{"CONFIG_PREEMPT_TRACER"},
				"2.6.27",
				NULL,
				"preemptoff",
				.instead = {{FEATURE_EVENTS, IRQ_INSTEAD}}},

	[FEATURE_PREEMPTIRQSOFF] = {"tracer.preemptirqsoff",
				    "preemptirqsoff",
				    FEATURES_TRACERS,
				    {"CONFIG_IRQSOFF_TRACER", "CONFIG_PREEMPT_TRACER"},
				    "2.6.27",
				    NULL,
				    "preemptirqsoff",
				    .instead = {{FEATURE_EVENTS, IRQ_INSTEAD}}},

	[FEATURE_WAKEUP] = {"tracer.wakeup",
			    "wakeup",
			    FEATURES_TRACERS,
			    {"CONFIG_SCHED_TRACER"},
			    "2.6.27",
			    NULL,
			    "wakeup",
			    .instead = {{FEATURE_EVENTS, WAKEUP_INSTEAD}}},

	[FEATURE_WAKEUP_RT] = {"tracer.wakeup_rt",
			       "wakeup_rt",
			       FEATURES_TRACERS,
			       {"CONFIG_SCHED_TRACER"},
			       "2.6.31",
			       NULL,
			       "wakeup_rt",
			       .instead = {{FEATURE_EVENTS, WAKEUP_INSTEAD}}},

	[FEATURE_WAKEUP_DL] = {"tracer.wakeup_dl",
			       "wakeup_dl",
			       FEATURES_TRACERS,
			       {"CONFIG_SCHED_TRACER"},
			       "3.14",
			       NULL,
			       "wakeup_dl",
			       .instead = {{FEATURE_EVENTS, WAKEUP_INSTEAD}}},

	[FEATURE_MMIOTRACE] = {"tracer.mmiotrace",
			       "mmiotrace",
			       FEATURES_TRACERS,
			       {"CONFIG_MMIOTRACE"},
			       "2.6.27",
			       NULL,
			       "mmiotrace"},
	[FEATURE_BRANCH] = {"tracer.branch",
			    "branch",
			    FEATURES_TRACERS,
			    {"CONFIG_BRANCH_TRACER"},
			    "2.6.29",
			    NULL,
			    "branch"},
	[FEATURE_NOP] = {"tracer.nop",
			 "nop",
			 FEATURES_TRACERS,
			 {"CONFIG_NOP_TRACER"},
			 "2.6.27",
			 NULL,
			 "nop"},
	[FEATURE_PROFILER] =
		{"function-profiler",
		 "function profiler",
		 FEATURES_TRACERS,
		 {"CONFIG_FUNCTION_TRACER", "CONFIG_FUNCTION_PROFILER"},
		 "2.6.30",
		 "function_profile_enabled",
		 .instead = {{FEATURE_GRAPH, "sonde record -p function_graph, then sonde profile"},
			     {FEATURE_FUNCTION,
			      "hits: sonde record -p function, then sonde profile"},
			     {FEATURE_EVENTS, "what tasks wait for: sonde profile --only tasks"}}},

	[FEATURE_STACK_TRACER] = {"stack-tracer",
				  "stack tracer",
				  FEATURES_TRACERS,
				  {"CONFIG_FUNCTION_TRACER", "CONFIG_STACK_TRACER"},
				  "2.6.30",
				  "stack_trace",
				  .instead = {{FEATURE_EVENTS, STACKS_INSTEAD}}},

	[FEATURE_KPROBE] = {"kprobe",
			    "kprobe",
			    FEATURES_PROBES,
			    {"CONFIG_KPROBES", "CONFIG_KPROBE_EVENTS"},
			    "2.6.33",
			    "kprobe_events",
			    NULL,
			    .instead = {{FEATURE_EVENTS, FIND_INSTEAD}}},

	[FEATURE_KRETPROBE] = {"kretprobe",
			       "kretprobe",
			       FEATURES_PROBES,
			       {"CONFIG_KPROBES", "CONFIG_KRETPROBES", "CONFIG_KPROBE_EVENTS"},
			       "2.6.33",
			       "kprobe_events",
			       .instead = {{FEATURE_EVENTS, FIND_INSTEAD}}},

	[FEATURE_UPROBE] = {"uprobe",
			    "uprobe",
			    FEATURES_PROBES,
			    {"CONFIG_UPROBES", "CONFIG_UPROBE_EVENTS"},
			    "3.5",
			    "uprobe_events"},
	[FEATURE_URETPROBE] = {"uretprobe",
			       "uretprobe",
			       FEATURES_PROBES,
			       {"CONFIG_UPROBES", "CONFIG_UPROBE_EVENTS"},
			       "3.10",
			       "uprobe_events"},
	[FEATURE_EPROBE] = {"eprobe",
			    "eprobe",
			    FEATURES_PROBES,
			    {"CONFIG_PROBE_EVENTS", "CONFIG_EPROBE_EVENTS"},
			    "5.15",
			    NULL,
			    NULL,
			    {{FEATURE_EVENTS, "the event itself, with all its fields"}},
			    .words = "e[:[<group>/]"},

	[FEATURE_FPROBE] = {"fprobe",
			    "fprobe",
			    FEATURES_PROBES,
			    {"CONFIG_FPROBE", "CONFIG_FPROBE_EVENTS"},
			    "6.5",
			    .instead = {{FEATURE_KPROBE, "kprobes"},
					{FEATURE_EVENTS, FIND_INSTEAD}},
			    .words = "f[:[<group>/]"},

	[FEATURE_TPROBE] = {"tracepoint-probe",
			    "tracepoint probe",
			    FEATURES_PROBES,
			    {"CONFIG_FPROBE", "CONFIG_FPROBE_EVENTS"},
			    "6.5",
			    .instead = {{FEATURE_KPROBE, "kprobes"},
					{FEATURE_EVENTS, FIND_INSTEAD}},
			    .words = "t[:[<group>/]"},

	[FEATURE_USER_EVENTS] = {"user-events",
				 "user_events",
				 FEATURES_PROBES,
				 {"CONFIG_USER_EVENTS"},
				 "6.4",
				 "user_events_data",
				 NULL,
				 {{FEATURE_UPROBE,
				   "uprobes, or a program's writes to trace_marker"},
				  {FEATURE_MARKER, "a program's writes to trace_marker"}}},

	[FEATURE_TRACEON] = {"trigger.traceon",
			     "traceon",
			     FEATURES_SUMMARIES,
			     {NULL},
			     "3.14",
			     .instead = {{FEATURE_EVENTS, TRIGGER_INSTEAD}}},
	[FEATURE_TRACEOFF] = {"trigger.traceoff",
			      "traceoff",
			      FEATURES_SUMMARIES,
			      {NULL},
			      "3.14",
			      .instead = {{FEATURE_EVENTS, TRIGGER_INSTEAD}}},
	[FEATURE_ENABLE_EVENT] = {"trigger.enable_event",
				  "enable_event",
				  FEATURES_SUMMARIES,
				  {NULL},
				  "3.14",
				  .instead = {{FEATURE_EVENTS, TRIGGER_INSTEAD}}},
	[FEATURE_DISABLE_EVENT] = {"trigger.disable_event",
				   "disable_event",
				   FEATURES_SUMMARIES,
				   {NULL},
				   "3.14",
				   .instead = {{FEATURE_EVENTS, TRIGGER_INSTEAD}}},
	[FEATURE_STACKTRACE_TRIGGER] = {"trigger.stacktrace",
					"stacktrace",
					FEATURES_SUMMARIES,
					{"CONFIG_STACKTRACE"},
					"3.14",
					NULL,
					NULL,
					{{FEATURE_STACKS, "stacks on all events: -T"}}},
	[FEATURE_SNAPSHOT_TRIGGER] = {"trigger.snapshot",
				      "snapshot trigger",
				      FEATURES_SUMMARIES,
				      {"CONFIG_TRACER_SNAPSHOT"},
				      "3.14",
				      NULL,
				      NULL,
				      {{FEATURE_EVENTS, "sonde record -R snapshot, which copies "
							"what is recorded to a file"}}},
	[FEATURE_SNAPSHOT] = {"snapshot",
			      "snapshot",
			      FEATURES_SUMMARIES,
			      {"CONFIG_TRACER_SNAPSHOT"},
			      "3.9",
			      "snapshot",
			      .instead = {{FEATURE_RAW, COPY_INSTEAD}}},

	[FEATURE_HIST] = {"hist",
			  "hist",
			  FEATURES_SUMMARIES,
			  {"CONFIG_HIST_TRIGGERS"},
			  "4.7",
			  "hist",
			  NULL,
			  {{FEATURE_EVENTS, COUNT_INSTEAD}}},
	[FEATURE_HIST_BUCKETS] = {"hist.buckets",
				  "hist .buckets",
				  FEATURES_SUMMARIES,
				  {NULL},
				  "5.14",
				  NULL,
				  NULL,
				  {{FEATURE_HIST, ".log2"}, {FEATURE_EVENTS, COUNT_INSTEAD}},
				  .words = ".buckets=size"},

	[FEATURE_HIST_PERCENT] = {"hist.percent",
				  "hist .percent .graph",
				  FEATURES_SUMMARIES,
				  {NULL},
				  "6.2",
				  NULL,
				  NULL,
				  {{FEATURE_EVENTS, COUNT_INSTEAD}},
				  .words = ".percent"},

	[FEATURE_HIST_ONCHANGE] = {"hist.onchange",
				   "hist onchange()",
				   FEATURES_SUMMARIES,
				   {NULL},
				   "5.1",
				   NULL,
				   NULL,
				   {{FEATURE_EVENTS, COUNT_INSTEAD}},
				   .words = "onchange(var)"},

	[FEATURE_SYNTHETIC] = {"synthetic-events",
			       "synthetic events",
			       FEATURES_SUMMARIES,
			       {"CONFIG_SYNTH_EVENTS"},
			       "4.17",
			       "synthetic_events",
			       NULL,
			       {{FEATURE_EVENTS, PAIRED_INSTEAD}}},
};

/* Further files of a feature that has one in the table already. */
static const struct {
	const char *file;
	enum feature_id id;
} more_files[] = {
	{"set_ftrace_notrace", FEATURE_FUNCTION_FILTER},
	{"available_filter_functions", FEATURE_FUNCTION_FILTER},
	{"available_filter_functions_addrs", FEATURE_FUNCTION_FILTER},
	{"set_ftrace_notrace_pid", FEATURE_FUNCTION},
	{"set_graph_notrace", FEATURE_GRAPH},
	{"max_graph_depth", FEATURE_GRAPH},
	{"stack_max_size", FEATURE_STACK_TRACER},
	{"stack_trace_filter", FEATURE_STACK_TRACER},
	{"kprobe_profile", FEATURE_KPROBE},
	{"uprobe_profile", FEATURE_UPROBE},
	{"set_event_notrace_pid", FEATURE_PID_FILTER},
};

const struct feature_info *feature_info(enum feature_id id)
{
	return &table[id];
}

const struct feature_info *feature_of_file(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(more_files); i++) {
		if (!strcmp(more_files[i].file, name))
			return &table[more_files[i].id];
	}
	for (size_t i = 0; i < FEATURE_NR; i++) {
		if (table[i].file && !strcmp(table[i].file, name))
			return &table[i];
	}
	return NULL;
}

const struct feature_info *feature_of_tracer(const char *tracer)
{
	for (size_t i = 0; i < FEATURE_NR; i++) {
		if (table[i].tracer && !strcmp(table[i].tracer, tracer))
			return &table[i];
	}
	return NULL;
}

const struct feature_info *feature_of_option(const char *name)
{
	for (size_t i = 0; i < FEATURE_NR; i++) {
		const char *file = table[i].file;

		if (file && !strncmp(file, "options/", 8) && !strcmp(file + 8, name))
			return &table[i];
	}
	return NULL;
}

const struct feature_info *feature_of_trigger(const char *word, size_t len)
{
	for (size_t i = FEATURE_TRACEON; i < FEATURE_NR; i++) {
		const char *name = table[i].name;

		name += !strncmp(name, "trigger.", 8) ? 8 : 0;
		if (strlen(name) == len && !strncmp(name, word, len) && i != FEATURE_SNAPSHOT)
			return &table[i];
	}
	return NULL;
}

const char *feature_group_name(enum feature_group group)
{
	static const char *const names[FEATURES_NR] = {"access", "recording", "tracers", "probes",
						       "in-kernel"};

	return names[group];
}

const char *feature_state_name(enum feature_state state)
{
	static const char *const names[] = {"unknown", "ok", "limited", "missing", "refused"};

	return names[state];
}

const char *feature_fixer_name(enum feature_fixer fixer)
{
	static const char *const names[FEATURE_FIX_NR] = {"",	  "root",   "host",
							  "boot", "kernel", "nobody"};

	return names[fixer];
}
