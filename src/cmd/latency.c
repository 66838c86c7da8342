/* SPDX-License-Identifier: MIT */
/* `sonde latency START END [KEY]`: a short form of three hist triggers and a synthetic event. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/out.h"
#include "cmd/hist_triggers.h"
#include "cmd/option_rows.h"
#include "cmd/record_args.h"
#include "cmd/report.h"
#include "cmd/summary.h"
#include "cmd/words.h"

struct latency {
	const struct command *command;
	const char *operands[3]; /* START, END, KEY */
	size_t nr_operands;
	struct words words, texts;
	struct out start, end;
};

static int take(struct latency *latency, int id, const char *arg)
{
	const char *option;

	if (id == CMD_OPERAND) {
		if (latency->nr_operands == ARRAY_SIZE(latency->operands))
			return cmd_usage(latency->command, "'%s': START, END and KEY are there",
					 arg);
		latency->operands[latency->nr_operands++] = arg;
		return 0;
	}
	option = words_option_text(&latency->texts, latency->command, id, &arg);
	return option ? words_option(&latency->words, option, arg) : -ENOMEM;
}

/* The field that connects the events: FIELD, or FIELD=FIELD where it has two names. */
static void split_key(const struct latency *latency, char *text, const char **ret_start,
		      const char **ret_end)
{
	bool is_switch = strcmp(latency->operands[1], "sched:sched_switch") == 0;
	char *equals = text ? strchr(text, '=') : NULL;

	if (equals)
		*equals = '\0';
	*ret_start = text ? text : is_switch ? "pid" : "common_pid";
	*ret_end = equals ? equals + 1 : text ? text : is_switch ? "next_pid" : "common_pid";
}

static int make_triggers(struct latency *latency)
{
	const char *start = latency->operands[0], *end = latency->operands[1];
	_cleanup_free_ char *key = latency->operands[2] ? mem_strdup(latency->operands[2]) : NULL;
	size_t system = strcspn(start, ":");
	const char *start_key, *end_key;
	const char *const words[] = {"-s",
				     "latency u64 usecs",
				     "--only",
				     "synthetic:latency",
				     "hist:keys=usecs.log2:sort=usecs",
				     "synthetic:latency"};
	int r = 0;

	if (latency->operands[2] && !key)
		return -ENOMEM;
	split_key(latency, key, &start_key, &end_key);
	out_printf(&latency->start, "hist:keys=%s:latency_start=common_timestamp.usecs", start_key);
	out_printf(&latency->end,
		   "hist:keys=%s:latency_time=common_timestamp.usecs-$latency_start:"
		   "onmatch(%.*s.%s).latency($latency_time)",
		   end_key, (int)system, start, start + system + 1);
	r = words_option(&latency->words, out_cstr(&latency->start), start);
	if (r == 0)
		r = words_option(&latency->words, out_cstr(&latency->end), end);
	for (size_t i = ARRAY_SIZE(words) - 2; i < ARRAY_SIZE(words) && r == 0; i++)
		r = words_push(&latency->words, words[i]);
	for (size_t i = 0; i < ARRAY_SIZE(words) - 2 && r == 0; i++)
		r = words_push(&latency->words, words[i]);
	return r;
}

static int parse(struct latency *latency, int argc, char **argv)
{
	struct cmd_parser parser;
	int id, r = words_push(&latency->words, argv[0]);

	cmd_parser_init(&parser, latency->command, argc, argv);
	parser.want_operands = true;
	while (r == 0 && (id = cmd_next(&parser)) != 0)
		r = id == -1 ? CMD_USAGE : take(latency, id, parser.arg);
	if (r == 0 && (latency->nr_operands < 2 || !strchr(latency->operands[0], ':') ||
		       !strchr(latency->operands[1], ':')))
		return cmd_usage(latency->command, "give START and END as SYSTEM:EVENT");
	return r == 0 ? make_triggers(latency) : r;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct latency latency = {.command = command};
	int status, own = 1;

	while (own < argc && strcmp(argv[own], "--") != 0)
		own++;
	status = parse(&latency, own, argv);
	for (int i = own; i < argc && status == 0; i++)
		status = words_push(&latency.words, argv[i]);
	if (status == -ENOMEM) {
		cmd_error(command, "out of memory");
		status = CMD_FAILED;
	}
	if (status == 0)
		status = hist_triggers_run(&cmd_hist, (int)latency.words.nr,
					   (char **)(uintptr_t)latency.words.words);
	words_done(&latency.words);
	words_done_texts(&latency.texts);
	out_done(&latency.start);
	out_done(&latency.end);
	return status;
}

static const struct cmd_option options[] = {
	REPORT_INPUT_ROWS("read FILE"),
	REPORT_RANGE_ROWS,
	REPORT_FILTER_ROWS,
	SUMMARY_OUTPUT_ROWS,
	HIST_LIVE_ROWS,
	{'q', 'q', "quiet", CMD_ARG_NONE, NULL, "no messages but errors", "Messages"},
	{0},
};

const struct command cmd_latency = {
	.name = "latency",
	.group = "understand",
	.summary = "show how long it takes from one event to another",
	.synopsis = "[OPTIONS] START END [KEY] [-i FILE | --live | -- COMMAND]",
	.description =
		"Prints a histogram of the microseconds from each START to the next END with the "
		"same KEY: a field that both events have, or START_FIELD=END_FIELD. Without KEY it "
		"is common_pid, and of a sched:sched_switch the task that comes (pid=next_pid). "
		"Events are named SYSTEM:EVENT.\n"
		"\n"
		"It is read from a file (-i, default trace.dat), or of what happens while COMMAND "
		"runs, until Ctrl-C (--live) or for a time (--for): counted in the kernel where it "
		"can do that. For "
		"more than this see 'sonde help hist'.\n"
		"\n"
		"Examples:\n"
		"  sonde latency raw_syscalls:sys_enter raw_syscalls:sys_exit -- ls\n"
		"  sonde latency --live sched:sched_waking sched:sched_switch\n"
		"  sonde latency --for 10s irq:irq_handler_entry irq:irq_handler_exit irq\n"
		"  sonde latency sched:sched_waking sched:sched_switch -i trace.dat\n"
		"  sonde latency block:block_rq_issue block:block_rq_complete sector",
	.options = options,
	.run = run,
};
