/* SPDX-License-Identifier: MIT */
/* `sonde hist`: which call chains led to functions and events, and how often. */
#include <errno.h>

#include "base/mem.h"
#include "cmd/hist_triggers.h"
#include "cmd/record_args.h"
#include "cmd/summary.h"
#include "report/chains.h"

struct hist_args {
	const struct command *command;
	bool all_pids;
	uint64_t limit;
};

struct hist_table {
	const struct input *input;
	struct chains *chains;
};

static void free_table(void *arg)
{
	struct hist_table *table = arg;

	chains_free(table->chains);
	mem_free(table);
}

static int make(struct summary *summary, const struct source *source, void **ret_table,
		struct err *err)
{
	const struct hist_args *args = summary->own;
	struct hist_table *table = mem_zalloc(sizeof(*table));

	if (!table)
		return err_set(err, -ENOMEM, "out of memory");
	table->input = source->input;
	if (chains_new(&table->chains, source->input->db, args->all_pids) < 0) {
		free_table(table);
		return err_set(err, -ENOMEM, "out of memory");
	}
	*ret_table = table;
	return 0;
}

static int item(void *arg, const struct report_item *it)
{
	struct hist_table *table = arg;

	return chains_event(table->chains, it);
}

static void heading(const struct summary *summary, struct out *out)
{
	chains_heading(out, summary->session.args.report.format, summary->with_buffer);
}

static int print(const struct summary *summary, void *arg, const char *buffer, struct out *out)
{
	const struct hist_args *args = summary->own;
	struct hist_table *table = arg;
	struct chains_print how = {
		.format = summary->session.args.report.format,
		.buffer = buffer,
		.limit = args->limit,
		.comm = summary_comm,
		.comm_arg = (void *)(uintptr_t)table->input,
	};

	return chains_print(table->chains, &how, out);
}

static const struct summary_kind kind = {
	.make = make,
	.item = item,
	.heading = heading,
	.print = print,
	.free = free_table,
	.wants = "records",
};

static int own_option(void *own, int id, const char *text)
{
	struct hist_args *args = own;

	switch (id) {
	case 'P':
		args->all_pids = true;
		return 0;
	case HIST_OPT_LIMIT:
		return summary_limit(args->command, text, &args->limit);
	default:
		return REPORT_NOT_OWN;
	}
}

static int run(const struct command *command, int argc, char **argv)
{
	struct hist_args args = {.command = command};

	if (hist_triggers_wanted(argc, argv))
		return hist_triggers_run(command, argc, argv);
	return summary_run(command, argc, argv, &kind, own_option, &args, NULL);
}

static const struct cmd_option options[] = {
	REPORT_INPUT_ROWS("read FILE"),
	REPORT_RANGE_ROWS,
	REPORT_FILTER_ROWS,
	SUMMARY_OUTPUT_ROWS,
	{'P', 'P', "all-pids", CMD_ARG_NONE, NULL, "all tasks together", NULL},
	{HIST_OPT_LIMIT, 0, "limit", CMD_ARG_REQUIRED, "N", "only the N most frequent", NULL},
	{'s', 's', "synthetic", CMD_ARG_REQUIRED, "DEFINITION",
	 "a synthetic event, as 'NAME TYPE FIELD; TYPE FIELD'", "Hist triggers"},
	{'n', 'n', "name", CMD_ARG_REQUIRED, "NAME",
	 "the synthetic event of the SELECT behind it (default: Anonymous)", NULL},
	{HIST_OPT_TRANSLATE, 0, "translate", CMD_ARG_NONE, NULL,
	 "what each SELECT means to the kernel, as commands in its tracing directory", NULL},
	{REPORT_OPT_STRICT, 0, "strict", CMD_ARG_NONE, NULL,
	 "the text of the kernel's hist file, and its results bit by bit", NULL},
	{'o', 'o', "output", CMD_ARG_REQUIRED, "FILE",
	 "write the synthetic events that fired to FILE, a trace.dat", NULL},
	{HIST_OPT_ONLY, 0, "only", CMD_ARG_REQUIRED, "EVENT",
	 "of several triggers show only those of this event", NULL},
	{OPT_IN, 0, "in", CMD_ARG_REQUIRED, "program|kernel",
	 "with COMMAND and calls: of whose functions", NULL},
	HIST_LIVE_ROWS,
	{'q', 'q', "quiet", CMD_ARG_NONE, NULL, "no warnings", "Messages"},
	{0},
};

const struct command cmd_hist = {
	.name = "hist",
	.group = "understand",
	.summary = "show which call chains led to functions and events, or a hist trigger's result",
	.synopsis = "[OPTIONS] [FILE] | [OPTIONS] {'hist:keys=...' EVENT [if FILTER] | 'SELECT "
		    "...'}... "
		    "[-i FILE | --live | -- COMMAND]",
	.description =
		"Reads trace.dat (or FILE) and prints a histogram for each function and event of "
		"each task,\n"
		"most frequent first: how often it came, and below it the callers, as a tree from "
		"the innermost\n"
		"outwards, each branch with its share. Events stand between asterisks.\n"
		"\n"
		"Calls of the function_graph tracer count when they end, with their callers. "
		"Records of the\n"
		"function tracer name a function and its caller; chains are put together from "
		"them, and only the\n"
		"innermost function of a chain counts. Events have the kernel stack that was "
		"recorded behind\n"
		"them (record -T, or --func-stack for functions), else the functions that their "
		"task was in.\n"
		"\n"
		"With 'hist:keys=...' and an event it is the kernel's hist trigger instead, in "
		"the words of\n"
		"the trigger files: keys, vals, sort, size, modifiers (.hex .sym .sym-offset "
		".execname .syscall\n"
		".log2 .buckets=N .usecs .percent .graph .stacktrace), variables, expressions, "
		"onmatch(), onmax()\n"
		"and onchange() with trace(), save() and snapshot(); 'if FILTER' may follow the "
		"event. Several\n"
		"triggers may be given, each with its event, and -s defines synthetic events. "
		"What it counts\n"
		"is a file, or what happens while a COMMAND runs (behind --) or until Ctrl-C "
		"(--live)\n"
		"or for a time (--for), on the whole machine: in the kernel where that has hist "
		"triggers and takes\n"
		"these, else here from the stream of events; which of them is told. 'calls' in "
		"place of an event are the returns of "
		"functions, of a\n"
		"program's or with --in kernel of the kernel's, with the fields func, duration, "
		"self (ns), depth.\n"
		"Programs count their calls themselves, without a record for each, where keys and "
		"values are func,\n"
		"duration, common_pid and common_cpu; --on-stream has them recorded.\n"
		"usdt:PROVIDER:NAME is a program's USDT probe, 'p:NAME FILE:FUNCTION ARGS' and "
		"'r:NAME ...' are\n"
		"probes of one's own.\n"
		"\n"
		"Buckets (.log2, .buckets=N) come in their order, with percentiles; "
		"common_timestamp.buckets=N\n"
		"and a second key of buckets are drawn as a heat map. What the kernel calls a "
		"histogram to the\n"
		"byte, oddities of its arithmetic included, is --strict.\n"
		"\n"
		"'SELECT ...' says the same in the words of sqlhist. Without a JOIN it is a "
		"histogram: fields\n"
		"are keys, CAST(FIELD AS TYPE) has a modifier (comm, hex, sym, sym-offset, "
		"syscall, "
		"log2,\n"
		"buckets=N) or is summed up (COUNTER). With FROM A JOIN B ON A.x = B.y it makes a "
		"synthetic event\n"
		"of two, of fields, sums and differences of them, TIMESTAMP_DELTA or "
		"TIMESTAMP_DELTA_USECS;\n"
		"what is shown is that event, by its first three fields, or what further words "
		"ask of it.\n"
		"\n"
		"Examples:\n"
		"  sonde record -e sched_switch -T make\n"
		"  sonde hist                                  who waits where\n"
		"  sonde hist -P --limit 10                    of all tasks, the ten most "
		"frequent\n"
		"  sonde record -p function --func-stack -l kfree_skb_reason sleep 1\n"
		"  sonde hist --csv | sort -t, -k5 -rn\n"
		"  sonde hist 'hist:keys=common_pid.execname,id.syscall:sort=hitcount' "
		"raw_syscalls:sys_enter --for 10s\n"
		"  sonde hist --live 'hist:keys=common_pid.execname' raw_syscalls:sys_enter\n"
		"  sonde hist 'hist:keys=bytes_req.log2' kmem:kmalloc 'if bytes_req > 64' -i "
		"x.dat\n"
		"  sonde hist 'hist:keys=func:vals=duration' calls -- git status\n"
		"  sonde hist 'hist:keys=n.log2' 'p:asked libc.so.6:malloc n=%di:u64' -- ls\n"
		"  sonde hist 'hist:keys=duration.log2' calls 'if func.function == strbuf_*' -- "
		"git "
		"log\n"
		"  sonde hist -s 'wake u64 us; pid_t pid' \\\n"
		"    'hist:keys=pid:t=common_timestamp.usecs' sched:sched_waking \\\n"
		"    "
		"'hist:keys=next_pid:d=common_timestamp.usecs-$t:onmatch(sched.sched_waking).wake($"
		"d,"
		"next_pid)' sched:sched_switch \\\n"
		"    'hist:keys=us.log2' synthetic:wake -i x.dat\n"
		"  sonde hist 'SELECT start.pid, TIMESTAMP_DELTA_USECS AS lat FROM sched_waking AS "
		"start\n"
		"    JOIN sched_switch AS end ON start.pid = end.next_pid WHERE start.prio < 100' "
		"-- make\n"
		"  sonde hist 'SELECT CAST(common_pid AS comm), CAST(bytes_req AS counter) FROM "
		"kmalloc' -i x.dat",
	.options = options,
	.needs = CMD_NEEDS_FILE,
	.run = run,
};
