/* SPDX-License-Identifier: MIT */
/* `sonde mem`: who allocates kernel memory, and how much of it is waste. */
#include <errno.h>

#include "cmd/summary.h"
#include "report/allocs.h"

struct mem_options {
	bool trace_cmd; /* --compat */
};

static int make(struct summary *summary, const struct source *source, void **ret_table,
		struct err *err)
{
	const struct mem_options *options = summary->own;
	struct allocs *allocs;

	if (allocs_new(&allocs, source->input->db, options->trace_cmd) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	if (allocs_possible(allocs))
		*ret_table = allocs;
	else
		allocs_free(allocs);
	return 0;
}

static int item(void *table, const struct report_item *it)
{
	return allocs_event(table, it->event, it->rec->data, it->rec->len);
}

static void heading(const struct summary *summary, struct out *out)
{
	allocs_heading(out, summary->session.args.report.format, summary->with_buffer);
}

static int print(const struct summary *summary, void *table, const char *buffer, struct out *out)
{
	return allocs_print(table, summary->session.args.report.format, buffer, out);
}

static void free_table(void *table)
{
	allocs_free(table);
}

static const struct summary_kind kind = {
	.make = make,
	.item = item,
	.heading = heading,
	.print = print,
	.free = free_table,
	.wants = "events of the slab allocator (sonde record -e kmem)",
};

static int own_option(void *own, int id, const char *text)
{
	struct mem_options *options = own;

	(void)text;
	if (id == REPORT_OPT_COMPAT)
		options->trace_cmd = true;
	return REPORT_NOT_OWN; /* the version is checked where all commands have it checked */
}

static int run(const struct command *command, int argc, char **argv)
{
	struct mem_options options = {0};

	return summary_run(command, argc, argv, &kind, own_option, &options, NULL);
}

static const struct cmd_option options[] = {
	REPORT_INPUT_ROWS("read FILE"),
	REPORT_RANGE_ROWS,
	REPORT_FILTER_ROWS,
	REPORT_STRICT_ROW,
	SUMMARY_OUTPUT_ROWS,
	{REPORT_OPT_COMPAT, 0, "compat", CMD_ARG_REQUIRED, "VERSION",
	 "count as trace-cmd does, with its defects", NULL},
	{'q', 'q', "quiet", CMD_ARG_NONE, NULL, "no warnings", "Messages"},
	{0},
};

const struct command cmd_mem = {
	.name = "mem",
	.group = "understand",
	.summary = "show who allocates kernel memory, and how much of it is waste",
	.synopsis = "[OPTIONS] [FILE]",
	.description =
		"Reads trace.dat (or FILE) and prints a line for each kernel function that "
		"allocated slab\n"
		"memory: what it holds at the end of the recording (Alloc), how much of that it "
		"asked for\n"
		"(req) and the difference (Waste), everything it was ever given (TotAlloc, "
		"TotReq), and the\n"
		"most that it held and wasted at one time (MaxAlloc, MaxReq, MaxWaste); in bytes, "
		"most\n"
		"wasteful first. What was allocated before the recording does not count, nor its "
		"freeing.\n"
		"\n"
		"The events are those of kmem: kmalloc, kmalloc_node, kmem_cache_alloc, "
		"kmem_cache_alloc_node,\n"
		"kfree and kmem_cache_free. Where some were lost, or memory was freed by a call "
		"without an event\n"
		"(kmem_cache_free_bulk), it counts as freed when its address is given out again. "
		"trace-cmd\n"
		"counts it for ever, counts allocations that failed, and takes the difference of "
		"MaxAlloc and\n"
		"MaxReq for MaxWaste; --compat 3.1 gives its numbers.\n"
		"\n"
		"Examples:\n"
		"  sonde record -e kmem make -j8\n"
		"  sonde mem\n"
		"  sonde mem --task 'gcc*' --from +10s --to +20s\n"
		"  sonde mem --json | jq -r 'select(.max_waste > 65536) | .function'",
	.options = options,
	.needs = CMD_NEEDS_FILE,
	.run = run,
};
