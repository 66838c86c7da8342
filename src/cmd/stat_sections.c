/* SPDX-License-Identifier: MIT */
/* The settings that `sonde stat` shows, for its text and its JSON. */
#include <string.h>

#include "base/mem.h"
#include "cmd/stat.h"

const struct stat_section stat_sections[] = {
	{KERNEL_FUNCTION_FILTER, STAT_INDENTED, "Function Filter", "function_filter", true, false,
	 false},
	{KERNEL_FUNCTION_NOTRACE, STAT_INDENTED, "Function No Trace", "function_notrace", true,
	 false, false},
	{KERNEL_GRAPH_FUNCTION, STAT_INDENTED, "Function Graph Filter", "graph_function", true,
	 false, false},
	{KERNEL_GRAPH_NOTRACE, STAT_INDENTED, "Function Graph No Trace", "graph_notrace", true,
	 false, false},
	{KERNEL_GRAPH_DEPTH, STAT_INLINE, "Function graph depth", "max_graph_depth", false, true,
	 false},
	{KERNEL_THRESHOLD, STAT_INLINE, "Threshold in microseconds", "threshold_us", false, true,
	 false},
	{KERNEL_MAX_LATENCY, STAT_INLINE, "Max latency in microseconds", "max_latency_us", false,
	 true, false},
	{KERNEL_BUFFER_SIZE, STAT_INDENTED, "Buffer size in kilobytes (per cpu)", "buffer_size_kb",
	 false, true, false},
	{KERNEL_BUFFER_TOTAL_SIZE, STAT_INDENTED, "Buffer total size in kilobytes",
	 "buffer_total_size_kb", false, true, false},
	{KERNEL_SUBBUF_SIZE, STAT_INDENTED, "Sub-buffer size in kilobytes", "subbuf_size_kb", false,
	 true, false},
	{KERNEL_CLOCK, STAT_INLINE, "Clock", "clock", false, false, false},
	{KERNEL_CPUMASK, STAT_INLINE, "CPU mask", "cpumask", false, true, false},
	{KERNEL_OPTIONS, STAT_INDENTED, "Options", "options", true, false, true},
	{KERNEL_KPROBES, STAT_INDENTED, "Kprobe events", "kprobe_events", true, false, false},
	{KERNEL_UPROBES, STAT_INDENTED, "Uprobe events", "uprobe_events", true, false, false},
	{KERNEL_SYNTHETIC_EVENTS, STAT_INDENTED, "Synthetic events", "synthetic_events", true,
	 false, false},
	{KERNEL_DYNAMIC_EVENTS, STAT_INDENTED, "Other dynamic events", "dynamic_events", true,
	 false, false},
	{KERNEL_EVENT_PIDS, STAT_PLAIN, "Filtered event PIDs", "event_pids", true, false, false},
	{KERNEL_EVENT_NOTRACE_PIDS, STAT_PLAIN, "Filtered notrace event PIDs", "event_notrace_pids",
	 true, false, false},
	{KERNEL_FUNCTION_PIDS, STAT_PLAIN, "Filtered function tracer PIDs", "function_pids", true,
	 false, false},
	{KERNEL_FUNCTION_NOTRACE_PIDS, STAT_PLAIN, "Filtered function tracer notrace PIDs",
	 "function_notrace_pids", true, false, false},
	{KERNEL_ERROR_LOG, STAT_PLAIN, "Error log", "error_log", true, false, false},
};

const size_t stat_nr_sections = ARRAY_SIZE(stat_sections);

char *stat_shown(const struct kernel_status *status, enum kernel_control control)
{
	const char *text = status->text[control];
	char *copy, *to;

	if (control == KERNEL_CLOCK)
		return kernel_clock_current(text);
	copy = to = mem_strdup(text);
	if (!copy || control != KERNEL_DYNAMIC_EVENTS)
		return copy;
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		if (!strchr("prs", line[0]) || !len) {
			memcpy(to, line, len);
			to += len;
			*to++ = '\n';
		}
		line += len + (line[len] != '\0');
	}
	if (to > copy)
		to--;
	*to = '\0';
	return copy;
}

const char *stat_rule(const struct kernel_event_status *status, bool triggers)
{
	return triggers ? status->trigger : status->filter;
}
