/* SPDX-License-Identifier: MIT */
/* `sonde stat`: what is traced now. The layout is trace-cmd's, with the events' counts after it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/stat.h"
#include "cmd/target.h"
#include "kernel/stacktracer.h"
#include "kernel/status.h"

enum {
	OPT_JSON = 256
};

static const struct cmd_option stat_options[] = {
	CMD_TARGET_B,
	CMD_TARGET_T,
	{'o', 'o', NULL, CMD_ARG_NONE, NULL, "list the trace options too", "What"},
	{OPT_JSON, 0, "json", CMD_ARG_NONE, NULL,
	 "one JSON object an instance, a line each, with everything in it", NULL},
	{0},
};

/* --- text --- */

static void print_lines(const char *text, const char *indent)
{
	while (*text) {
		size_t len = strcspn(text, "\n");

		printf("%s%.*s\n", indent, (int)len, text);
		text += len + (text[len] != '\0');
	}
}

/* Whether all events of the system that event i is in are enabled. */
static bool whole_system(const struct kernel_status *status, size_t i)
{
	size_t first = status->events.list[i].first_of_system;

	for (size_t k = first; k < first + status->events.list[i].nr_in_system; k++) {
		if (!status->event_status[k].enabled)
			return false;
	}
	return true;
}

static void print_systems(const struct kernel_status *status)
{
	bool any = false;

	for (size_t i = 0; i < status->events.nr; i++) {
		const struct kernel_event *event = &status->events.list[i];

		if (event->first_of_system != i || !whole_system(status, i))
			continue;
		printf("%s   %s\n", any ? "" : " Individual systems:\n", event->system);
		any = true;
	}
}

static void print_individual(const struct kernel_status *status)
{
	const char *system = NULL;

	for (size_t i = 0; i < status->events.nr; i++) {
		const struct kernel_event *event = &status->events.list[i];

		if (!status->event_status[i].enabled || whole_system(status, i))
			continue;
		if (!system)
			puts(" Individual events:");
		if (!system || strcmp(system, event->system) != 0)
			printf("    %s\n", event->system);
		system = event->system;
		printf("        %s\n", event->name);
	}
}

static void print_events(const struct kernel_status *status)
{
	puts("\nEvents:");
	if (!status->nr_enabled) {
		puts(" All disabled");
	} else if (status->nr_enabled == status->events.nr) {
		puts(" All enabled");
	} else {
		print_systems(status);
		print_individual(status);
	}
}

/* Filters, or triggers, each line of them in quotes; the caret of a bad filter stays readable. */
static void print_rules(const struct kernel_status *status, bool triggers)
{
	bool any = false;

	for (size_t i = 0; i < status->events.nr; i++) {
		const struct kernel_event *event = &status->events.list[i];
		const char *rule = stat_rule(&status->event_status[i], triggers);

		if (!rule)
			continue;
		if (!any)
			printf("\n%s:\n", triggers ? "Triggers" : "Filters");
		any = true;
		if (!triggers && strchr(rule, '\n')) {
			printf("  %s:%s (refused by the kernel, not in use)\n", event->system,
			       event->name);
			print_lines(rule, "    ");
			continue;
		}
		while (*rule) {
			size_t len = strcspn(rule, "\n");

			printf("  %s:%s \"%.*s\"\n", event->system, event->name, (int)len, rule);
			rule += len + (rule[len] != '\0');
		}
	}
}

static void print_section(const struct stat_args *stat, const struct kernel_status *status,
			  const struct stat_section *section)
{
	_cleanup_free_ char *text = NULL;

	if (!status->text[section->control] || (section->with_option && !stat->options) ||
	    (section->if_changed && status->unchanged[section->control]))
		return;
	text = stat_shown(status, section->control);
	if (!text || !*text)
		return;
	if (section->layout == STAT_INLINE) {
		printf("\n%s: %s\n", section->heading, text);
		return;
	}
	printf("\n%s:\n", section->heading);
	print_lines(text, section->layout == STAT_INDENTED ? "   " : "");
}

static void print_counts(const struct kernel_status *status)
{
	uint64_t lost = 0, written = 0;

	for (size_t i = 0; i < status->nr_cpus; i++) {
		lost += kernel_cpu_lost(&status->cpus[i].stats);
		written += kernel_cpu_written(&status->cpus[i].stats);
	}
	if (!written) {
		puts("\nBuffer: empty, no event was written");
		return;
	}
	printf("\nBuffer (events):\n   %4s %12s %12s %12s %12s %14s %12s\n", "CPU", "entries",
	       "read", "overrun", "dropped", "commit overrun", "written");
	for (size_t i = 0; i < status->nr_cpus; i++) {
		const struct kernel_cpu_stats *s = &status->cpus[i].stats;

		if (kernel_cpu_written(s))
			printf("   %4u %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64
			       " %14" PRIu64 " %12" PRIu64 "\n",
			       status->cpus[i].cpu, s->entries, s->read, s->overrun, s->dropped,
			       s->commit_overrun, kernel_cpu_written(s));
	}
	printf("   entries and read: %" PRIu64 " + lost: %" PRIu64 " = written: %" PRIu64 "\n",
	       written - lost, lost, written);
}

static void print_refused(const struct stat_args *stat, const struct kernel_status *status)
{
	unsigned int nr = 0;

	if (!status->refusal.code)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(status->refused); i++)
		nr += status->refused[i];
	if (nr > 1)
		cmd_warn(stat->target.command, "%u settings are not shown; the first of them: %s",
			 nr, status->refusal.text);
	else
		cmd_warn(stat->target.command, "%s", status->refusal.text);
}

static void print_status(const struct stat_args *stat, const struct kernel_target *target,
			 const struct kernel_status *status)
{
	const char *on = status->text[KERNEL_TRACING_ON];

	if (target->name[0])
		printf("Instance: %s\n", target->name);
	if (status->text[KERNEL_TRACER] && !status->unchanged[KERNEL_TRACER])
		printf("\nTracer: %s\n", status->text[KERNEL_TRACER]);
	print_events(status);
	print_rules(status, false);
	print_rules(status, true);
	for (size_t i = 0; i < stat_nr_sections; i++) {
		/* The error log comes after the switch. */
		if (stat_sections[i].control == KERNEL_ERROR_LOG && on)
			printf("\nTracing is %s\n", on[0] == '0' ? "disabled" : "enabled");
		print_section(stat, status, &stat_sections[i]);
	}
	print_counts(status);
}

/* What the kernel has once: the instances and the stack tracer. */
static void print_global(const struct tracefs *fs)
{
	struct kernel_targets all = {0};
	struct err ignored;
	bool running;

	if (kernel_targets_add_all(&all, fs, &ignored) == 0 && all.nr) {
		puts("\nInstances:");
		for (size_t i = 0; i < all.nr; i++)
			printf(" %s\n", all.list[i].name);
	}
	kernel_targets_done(&all);
	if (kernel_stacktracer_running(fs, &running, &ignored) == 0)
		printf("\nStack tracing is %s\n", running ? "enabled" : "disabled");
	else
		puts("\nStack tracing: not in this kernel (CONFIG_STACK_TRACER)");
}

/* --- the command --- */

static int stat_one(const struct stat_args *stat, const struct kernel_target *target)
{
	struct kernel_status status;
	struct err err = {0};
	int result = CMD_OK;

	if (kernel_status_read(&status, stat->target.fs, target, &err) < 0)
		return cmd_fail(stat->target.command, &err);
	if (stat->json) {
		result = stat_print_json(stat, target, &status);
	} else {
		print_status(stat, target, &status);
		if (!target->name[0])
			print_global(stat->target.fs);
	}
	print_refused(stat, &status);
	kernel_status_done(&status);
	return result;
}

static int stat_all(const struct stat_args *stat)
{
	const struct kernel_targets *targets = &stat->target.targets;
	int status = CMD_OK, s;

	for (size_t i = 0; i < targets->nr; i++) {
		if (i && !stat->json)
			puts("---------------");
		s = stat_one(stat, &targets->list[i]);
		status = s ? s : status;
	}
	return status;
}

static int run_stat(const struct command *command, int argc, char **argv)
{
	struct stat_args stat = {.target = {.command = command}};
	struct cmd_parser parser;
	struct err err = {0};
	int id, status = CMD_OK;

	cmd_parser_init(&parser, command, argc, argv);
	while ((id = cmd_next(&parser)) > 0) {
		stat.options |= id == 'o';
		stat.json |= id == OPT_JSON;
		if (cmd_target_option(&stat.target, id, parser.arg) < 0)
			status = CMD_FAILED;
	}
	if (id < 0)
		status = CMD_USAGE;
	else if (parser.first < argc)
		status = cmd_usage(command, "takes no operand: '%.80s'", argv[parser.first]);
	else if (status == CMD_OK && cmd_target_open(&stat.target, &err) < 0)
		status = cmd_fail(command, &err);
	else if (status == CMD_OK)
		status = stat_all(&stat);
	cmd_target_done(&stat.target);
	return status;
}

const struct command cmd_stat = {
	.name = "stat",
	.group = "look",
	.summary = "what is traced now, and how many events were lost",
	.synopsis = "[-B NAME]... [-t] [-o] [--json]",
	.description =
		"Prints what is set up in the kernel's tracing, by whomever: tracer, enabled "
		"events, "
		"filters, triggers, function filters, pids, buffer sizes, clock, probes, the "
		"kernel's log of refused settings, instances. What is as the kernel starts is left "
		"out. Nothing is changed.\n"
		"\n"
		"At the end are the counts of each CPU's buffer. 'entries' are in the buffer, "
		"'read' "
		"were taken out by a reader; 'overrun' were overwritten by newer ones before they "
		"were read, 'dropped' found no room, and 'commit overrun' came while an "
		"interrupted "
		"writer held the place. entries + read + lost = written, always.\n"
		"\n"
		"Without -B or -t this is the instance that sonde start made; when there is none, "
		"the top one.\n"
		"\n"
		"  sonde stat          what is traced\n"
		"  sonde stat -B one   in the instance 'one'\n"
		"  sonde stat --json | jq .lost",
	.options = stat_options,
	.needs = CMD_NEEDS_TRACEFS,
	.run = run_stat,
};
