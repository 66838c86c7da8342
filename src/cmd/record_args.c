/* SPDX-License-Identifier: MIT */
#include "cmd/record_args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cmd/help.h"
#include "cmd/record_program.h"
#include "cmd/report.h"
#include "kernel/events.h"

#define DEFAULT_INTERVAL_MS 1000
#define BUFFER_KB_MAX	    (1ull << 32)

struct record_instance *record_args_instance(struct record_args *args)
{
	return args->plan.instances[args->plan.nr_instances - 1];
}

bool record_args_add_instance(struct record_args *args, const char *name)
{
	struct record_plan *plan = &args->plan;
	struct record_instance **list, *inst = mem_zalloc(sizeof(*inst));

	list = inst ? mem_realloc(plan->instances, (plan->nr_instances + 1) * sizeof(*list)) : NULL;
	if (!list) {
		mem_free(inst);
		cmd_error(args->command, "not enough memory");
		return false;
	}
	inst->name = name;
	plan->instances = list;
	plan->instances[plan->nr_instances++] = inst;
	return true;
}

static bool set_cpumask(struct record_args *args, const char *mask)
{
	if (!strcmp(mask, "-1")) {
		record_args_instance(args)->cpumask = mask;
		return true;
	}
	if (!*mask || mask[strspn(mask, "0123456789abcdefABCDEF,")]) {
		cmd_usage(args->command,
			  "-M: '%.80s' is no hexadecimal mask of CPUs, or -1 for all", mask);
		return false;
	}
	if (!mask[strspn(mask, "0,")]) {
		cmd_usage(args->command, "-M: '%.80s' has no CPU in it", mask);
		return false;
	}
	record_args_instance(args)->cpumask = mask;
	return true;
}

/* -B: a name that was given before is continued, at the end of the list. */
static bool set_instance(struct record_args *args, const char *name)
{
	struct record_plan *plan = &args->plan;

	if (args->disable && args->mode == RECORD_MODE_SET)
		return record_args_list(args, &args->removed, name);
	args->disable = false;
	if (!*name || strlen(name) > 255 || strchr(name, '/')) {
		cmd_usage(args->command, "-B: '%.80s' cannot be the name of an instance", name);
		return false;
	}
	for (size_t i = 1; i < plan->nr_instances; i++) {
		struct record_instance *found = plan->instances[i];

		if (strcmp(found->name, name) != 0)
			continue;
		memmove(&plan->instances[i], &plan->instances[i + 1],
			(plan->nr_instances - i - 1) * sizeof(found));
		plan->instances[plan->nr_instances - 1] = found;
		return true;
	}
	if (plan->nr_instances >= RECORD_LIST_MAX) {
		cmd_usage(args->command, "-B: more than %d instances", RECORD_LIST_MAX - 1);
		return false;
	}
	return record_args_add_instance(args, name);
}

bool record_args_list(struct record_args *args, struct record_list *list, const char *item)
{
	if (list->nr >= RECORD_LIST_MAX) {
		cmd_usage(args->command, "more than %d options of one kind", RECORD_LIST_MAX);
		return false;
	}
	list->items[list->nr++] = item;
	return true;
}

static bool add_rule(struct record_args *args, const char *events)
{
	struct record_instance *inst = record_args_instance(args);

	if (inst->nr_rules >= RECORD_LIST_MAX) {
		cmd_usage(args->command, "-e: more than %d", RECORD_LIST_MAX);
		return false;
	}
	if (strlen(events) >= LIMIT_STRING_BYTES || !*events) {
		cmd_usage(args->command, "-e: '%.80s' is no name of events", events);
		return false;
	}
	inst->rules[inst->nr_rules++] = (struct record_rule){
		.events = events,
		.disable = args->disable,
	};
	return true;
}

static struct record_rule *last_rule(struct record_args *args, const char *option)
{
	struct record_instance *inst = record_args_instance(args);

	if (inst->nr_rules)
		return &inst->rules[inst->nr_rules - 1];
	if (inst->tracer)
		return &inst->tracer_rule;
	cmd_usage(args->command, "%s: belongs behind the -e whose events it is for", option);
	return NULL;
}

static bool add_filter(struct record_args *args, const char *filter)
{
	struct record_rule *rule = last_rule(args, "-f");

	if (!rule)
		return false;
	if (!filter[strspn(filter, " \t")]) {
		cmd_usage(args->command, "-f: an empty filter");
		return false;
	}
	if (strlen(filter) >= LIMIT_FILTER_BYTES) {
		cmd_usage(args->command, "-f: the filter is too long");
		return false;
	}
	if (record_rule_filter(rule, filter) == 0)
		return true;
	cmd_error(args->command, "not enough memory");
	return false;
}

static bool add_trigger(struct record_args *args, const char *trigger)
{
	struct record_rule *rule = last_rule(args, "-R");

	return rule && record_args_list(args, &rule->triggers, trigger);
}

static bool add_pids(struct record_args *args, const char *text)
{
	struct record_plan *plan = &args->plan;

	while (*text) {
		char *end;
		unsigned long pid = strtoul(text, &end, 10);

		if (*text < '0' || *text > '9' || !pid || pid > LIMIT_PID ||
		    (*end && *end != ',')) {
			cmd_usage(args->command, "-P: '%.80s' is no list of process ids", text);
			return false;
		}
		if (plan->nr_pids >= RECORD_LIST_MAX) {
			cmd_usage(args->command, "-P: more than %d processes", RECORD_LIST_MAX);
			return false;
		}
		plan->pids[plan->nr_pids++] = (pid_t)pid;
		text = *end ? end + 1 : end;
	}
	return true;
}

static bool set_compression(struct record_args *args, const char *name)
{
	static const struct {
		const char *name;
		enum dat_compression value;
	} names[] = {{"any", DAT_ZSTD}, {"zstd", DAT_ZSTD}, {"zlib", DAT_ZLIB}, {"none", DAT_NONE}};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i].name, name)) {
			args->plan.compression = names[i].value;
			return true;
		}
	}
	cmd_usage(args->command, "--compression: '%.40s' is none of any, zstd, zlib, none", name);
	return false;
}

static bool set_ts_offset(struct record_args *args, const char *text)
{
	char *end;

	errno = 0;
	args->plan.ts_offset = strtoll(text, &end, 0);
	args->plan.has_ts_offset = true;
	if (end != text && !*end && !errno)
		return true;
	cmd_usage(args->command, "--ts-offset: '%.80s' is not a number", text);
	return false;
}

static bool set_number(struct record_args *args, int id, const char *text)
{
	const struct command *command = args->command;
	uint64_t value;

	switch (id) {
	case 'b':
		return cmd_parse_u64(command, "-b", text, 1, BUFFER_KB_MAX,
				     &record_args_instance(args)->buffer_kb);
	case 'm':
		return cmd_parse_u64(command, "-m", text, 1, BUFFER_KB_MAX,
				     &record_args_instance(args)->keep_kb);
	case OPT_SUBBUF:
		return cmd_parse_u64(command, "--subbuf-size", text, 1, LIMIT_SUBBUF_BYTES >> 10,
				     &record_args_instance(args)->subbuf_kb);
	case 's':
		if (!cmd_parse_u64(command, "-s", text, 1, 3600ull * 1000000, &value))
			return false;
		args->plan.interval_ms = (unsigned int)MAX(value / 1000, 1ull);
		return true;
	case 'r':
		if (!cmd_parse_u64(command, "-r", text, 1, 99, &value))
			return false;
		args->plan.rt_priority = (int)value;
		return true;
	default:
		if (!cmd_parse_u64(command, "--file-version", text, 6, 7, &value))
			return false;
		args->plan.version = (int)value;
		return true;
	}
}

/* Options that belong to an instance. 0: not one of them, 1: done, -1: a mistake. */
static int instance_option(struct record_args *args, int id, const char *arg)
{
	switch (id) {
	case 'e':
		return add_rule(args, arg) ? 1 : -1;
	case 'f':
		return add_filter(args, arg) ? 1 : -1;
	case 'R':
		return add_trigger(args, arg) ? 1 : -1;
	case 'v':
		args->disable = true;
		return 1;
	case 'p':
		record_args_instance(args)->tracer = arg;
		return 1;
	case 'O':
		return record_args_list(args, &record_args_instance(args)->options, arg) ? 1 : -1;
	case 'T':
		return record_args_list(args, &record_args_instance(args)->options, "stacktrace")
			       ? 1
			       : -1;
	case 'C':
		if (!strcmp(arg, "tsc2nsec")) {
			args->plan.tsc2nsec = true;
			arg = "x86-tsc";
		}
		record_args_instance(args)->clock = arg;
		return 1;
	case 'M':
		return set_cpumask(args, arg) ? 1 : -1;
	case 'B':
		return set_instance(args, arg) ? 1 : -1;
	default:
		return 0;
	}
}

/* trace-cmd's levels: up to "err" only errors, from "warn" on what sonde always says. */
static bool set_level(struct record_args *args, const char *level)
{
	static const char *const names[][3] = {
		{"none", "none", "0"},	  {"crit", "critical", "1"}, {"err", "error", "2"},
		{"warn", "warning", "3"}, {"info", "info", "4"},     {"debug", "debug", "5"},
		{"all", "all", "6"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (level && strcmp(level, names[i][0]) != 0 && strcmp(level, names[i][1]) != 0 &&
		    strcmp(level, names[i][2]) != 0)
			continue;
		args->quiet = level && i < 3;
		return true;
	}
	cmd_usage(args->command,
		  "--verbose: '%.40s' is none of none, crit, err, warn, info, debug, all, 0 to 6",
		  level);
	return false;
}

bool record_args_common(struct record_args *args, int id, const char *arg)
{
	struct record_plan *plan = &args->plan;

	switch (id) {
	case 'a':
		return plan->all_formats = true;
	case 'i':
		return plan->ignore_unknown = true;
	case 'F':
		return plan->command_only = true;
	case 'c':
		return plan->with_children = true;
	case 'P':
		return add_pids(args, arg);
	case 'o':
		plan->output = arg;
		return true;
	case 'q':
		return args->quiet = true;
	case OPT_VERBOSE:
		return set_level(args, arg);
	case OPT_NOSPLICE:
	case OPT_NOFIFOS:
		return true; /* trace-cmd's words for what is always so here */
	case OPT_STDERR:
		return args->to_stderr = true;
	case OPT_NO_FILTER:
		return plan->own_too = true;
	case 'K':
		plan->keep_before = true;
		return plan->keep_after = true;
	case 'k':
		return plan->keep_after = true;
	case OPT_USER:
		plan->user = arg;
		return true;
	case OPT_FOR:
		return report_parse_duration(args->command, arg, &plan->for_ns);
	case OPT_TEMP:
		plan->temp = arg;
		return true;
	case OPT_TSC2NSEC:
		return plan->tsc2nsec = true;
	case OPT_PROC_MAP:
		return plan->proc_map = true;
	case OPT_DAEMONIZE:
		return args->daemonize = true;
	case OPT_PROFILE:
		return args->profile = true;
	case 'S':
		return args->only_given = true;
	case 'H':
		return record_args_list(args, &plan->hooks, arg);
	case OPT_POLL:
		plan->interval_ms = 0;
		return true;
	case OPT_FORK:
		return plan->do_not_wait = true;
	case OPT_DATE:
		return plan->date = true;
	case OPT_TS_OFFSET:
		return set_ts_offset(args, arg);
	case OPT_COMPRESSION:
		return set_compression(args, arg);
	default:
		return set_number(args, id, arg);
	}
}

static bool check_plan(struct record_args *args)
{
	const struct record_plan *plan = &args->plan;
	bool any = false;

	for (size_t i = 0; i < plan->nr_instances; i++) {
		const struct record_instance *inst = plan->instances[i];
		bool traces = inst->nr_rules || inst->tracer;

		any |= traces;
		if (i && !traces && args->mode != RECORD_MODE_SET) {
			cmd_usage(args->command, "-B %.80s: nothing to record in it (-e, -p)",
				  inst->name);
			return false;
		}
	}
	if (!any && args->mode != RECORD_MODE_SET)
		cmd_usage(args->command, "nothing to record: give events (-e) or a tracer (-p)");
	else if (plan->command_only && !plan->command)
		cmd_usage(args->command, "-F needs a command");
	else if (plan->user && !plan->command)
		cmd_usage(args->command, "--user needs a command");
	else if (plan->proc_map && !plan->command && !plan->nr_pids)
		cmd_usage(args->command, "--proc-map needs a command or -P");
	else if (plan->with_children && !plan->command_only && !plan->nr_pids)
		cmd_usage(args->command, "-c belongs to -F or -P");
	else if (args->only_given && !args->profile)
		cmd_usage(args->command, "-S belongs to --profile");
	else if (plan->date && plan->has_ts_offset)
		cmd_usage(args->command, "--date and --ts-offset exclude each other");
	else
		return record_args_check_functions(args);
	return false;
}

void record_args_init(struct record_args *args, const struct command *command)
{
	*args = (struct record_args){
		.command = command,
		.daemon = CMD_DAEMON_INIT,
		.plan =
			{
				.output = "trace.dat",
				.version = 7,
				.compression = DAT_ZSTD,
				.interval_ms = DEFAULT_INTERVAL_MS,
				.version_text = "sonde " SONDE_VERSION,
			},
	};
}

bool record_args_parse(struct record_args *args, int argc, char **argv)
{
	struct cmd_parser parser;
	int id;

	if (args->mode == RECORD_MODE_START || args->mode == RECORD_MODE_SET)
		args->plan.keep_after = true;
	if (args->mode == RECORD_MODE_SET)
		args->plan.keep_before = args->plan.only_set = true;
	cmd_parser_init(&parser, args->command, argc, argv);
	if (!record_args_add_instance(args, NULL))
		return false;
	while ((id = cmd_next(&parser)) > 0) {
		int done;

		if (record_args_refused(args, id))
			return false;
		done = instance_option(args, id, parser.arg);
		if (done == 0)
			done = record_args_functions(args, id, parser.arg);
		if (done == 0)
			done = record_args_in_program(args, id, parser.arg);
		if (done < 0 || (done == 0 && !record_args_common(args, id, parser.arg)))
			return false;
	}
	if (id < 0)
		return false;
	if (parser.first < argc)
		args->plan.command = argv + parser.first;
	return record_args_to_expand(args) || (check_plan(args) && record_args_choose_place(args));
}

bool record_args_to_expand(const struct record_args *args)
{
	return (args->profile || args->plan.hooks.nr) && !args->expanded;
}

void record_args_say(void *ctx, enum record_say what, const char *text)
{
	struct record_args *args = ctx;

	if (what == RECORD_SAY_STARTED) {
		cmd_daemon_ready(&args->daemon);
		return;
	}
	/* Asked for by an option of its own: also with -q. */
	if (what == RECORD_SAY_SKIPPED) {
		fprintf(stderr, "  skipped %s\n", text);
		return;
	}
	if (what == RECORD_SAY_ERROR) {
		cmd_error(args->command, "%s", text);
		return;
	}
	if (args->quiet)
		return;
	switch (what) {
	case RECORD_SAY_WAITING:
		/* Nobody will be there to hit it. */
		if (args->daemonize)
			break;
		fprintf(args->to_stderr ? stderr : stdout, "Hit Ctrl^C to stop recording\n");
		fflush(stdout);
		break;
	case RECORD_SAY_TRACER:
		fprintf(stderr, "  plugin '%s'\n", text);
		break;
	default:
		cmd_warn(args->command, "%s", text);
	}
}

int record_args_run(struct record_args *args, struct record_result *ret_result, struct err *err)
{
	return args->in_program
		       ? record_program(&args->plan, record_args_say, args, ret_result, err)
		       : record_run(&args->plan, record_args_say, args, ret_result, err);
}

void record_args_suggest_event(const struct record_args *args, const char *pattern)
{
	const char *colon = strchr(pattern, ':');
	struct kernel_events events = {0};
	struct tracefs *fs = NULL;
	struct closest closest;
	struct err err;

	if (tracefs_open(&fs, args->plan.tracefs, &err) < 0)
		return;
	if (kernel_events_load(&events, fs, &err) == 0) {
		const char *word = colon ? colon + 1 : pattern;

		closest_init(&closest, word, strlen(word));
		for (size_t i = 0; i < events.nr; i++) {
			if (!colon && events.list[i].first_of_system == i)
				closest_try(&closest, events.list[i].system);
			closest_try(&closest, events.list[i].name);
		}
		if (closest_found(&closest))
			fprintf(stderr, "Did you mean '%s'?\n", closest_found(&closest));
		kernel_events_done(&events);
	}
	tracefs_close(fs);
}

void record_args_done(struct record_args *args)
{
	struct record_plan *plan = &args->plan;

	for (size_t i = 0; i < plan->nr_instances; i++) {
		struct record_instance *inst = plan->instances[i];

		for (size_t k = 0; k < inst->nr_rules; k++)
			mem_free(inst->rules[k].filter);
		mem_free(inst->tracer_rule.filter);
		mem_free(inst);
	}
	mem_free(plan->instances);
	mem_free(plan->program.beside);
}
