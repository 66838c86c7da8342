/* SPDX-License-Identifier: MIT */
/* `sonde list`: what can be traced here, in the words that record and the other commands take. */
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/help.h"
#include "cmd/target.h"
#include "symbol/btf.h"
#include "symbol/locate.h"
#include "symbol/usdt.h"
#include "tracedat/codec.h"

enum {
	OPT_FULL = 256,
	OPT_PROTO,
	OPT_USDT,
};

static const struct cmd_option list_options[] = {
	{'e', 'e', "events", CMD_ARG_OPTIONAL, "REGEX",
	 "events, as SYSTEM:EVENT; only those that match", "What"},
	{'F', 'F', "format", CMD_ARG_NONE, NULL, "with -e: the fields of each event", NULL},
	{OPT_FULL, 0, "full", CMD_ARG_NONE, NULL, "with -F: how it is printed too", NULL},
	{'R', 'R', "triggers", CMD_ARG_NONE, NULL, "with -e: the triggers of each event", NULL},
	{'l', 'l', "filters", CMD_ARG_NONE, NULL, "with -e: the filter of each event", NULL},
	{'s', 's', "systems", CMD_ARG_NONE, NULL, "event systems", NULL},
	{'t', 't', "tracers", CMD_ARG_NONE, NULL, "tracers", NULL},
	{'p', 'p', NULL, CMD_ARG_NONE, NULL, "the same as -t", NULL},
	{'o', 'o', "options", CMD_ARG_NONE, NULL, "trace options, as they are set", NULL},
	{'f', 'f', "functions", CMD_ARG_OPTIONAL, "REGEX",
	 "functions that can be traced; only those that match", NULL},
	{OPT_PROTO, 0, "proto", CMD_ARG_NONE, NULL,
	 "with -f: arguments and result of each function, where the kernel knows them", NULL},
	{OPT_USDT, 0, "usdt", CMD_ARG_REQUIRED, "FILE",
	 "USDT probes of a program or library, with their arguments", NULL},
	{'C', 'C', "clocks", CMD_ARG_NONE, NULL, "trace clocks, the current one in brackets", NULL},
	{'B', 'B', "instances", CMD_ARG_NONE, NULL, "tracing instances", NULL},
	{'P', 'P', "plugins", CMD_ARG_NONE, NULL, "report's event handlers", NULL},
	{'O', 'O', "plugin-options", CMD_ARG_NONE, NULL, "the options of these handlers", NULL},
	{'c', 'c', "compression", CMD_ARG_NONE, NULL, "compressions of trace.dat files", NULL},
	{0},
};

struct list {
	const struct command *command;
	struct tracefs *fs;
	struct kernel_targets top;	/* the top instance */
	const char *events, *functions; /* patterns; "" for all */
	const char *usdt;		/* a program or library */
	bool full, format, triggers, filters, proto;
	bool want[128]; /* by letter */
};

/* --- patterns --- */

/*
 * Extended regular expressions; those that need the basic kind, as trace-cmd has it, say so by a
 * backslash before an operator.
 */
static int compile(const struct list *list, const char *pattern, regex_t *ret_regex)
{
	static const char *const basic[] = {"\\|", "\\(", "\\+", "\\?", "\\{"};
	int flags = REG_NOSUB | REG_EXTENDED, r;
	char why[200];

	for (size_t i = 0; i < ARRAY_SIZE(basic); i++) {
		if (strstr(pattern, basic[i]))
			flags = REG_NOSUB;
	}
	r = regcomp(ret_regex, pattern, flags);
	if (!r)
		return CMD_OK;
	regerror(r, ret_regex, why, sizeof(why));
	return cmd_usage(list->command, "'%.100s' is no regular expression: %s", pattern, why);
}

/* --- events --- */

static void print_without_print_fmt(char *text)
{
	char *end = strstr(text, "\nprint fmt:");

	if (end)
		end[1] = '\0';
	fputs(text, stdout);
}

static int print_event_file(const struct list *list, const struct kernel_event *event,
			    enum kernel_event_file file)
{
	_cleanup_free_ char *text = NULL;
	struct err err = {0};
	int r = kernel_event_read(&list->top.list[0], event, file, &text, &err);

	if (r == -ENOENT && file != KERNEL_EVENT_FORMAT) {
		puts("none");
		return CMD_OK;
	}
	if (r < 0)
		return cmd_fail(list->command, &err);
	if (file == KERNEL_EVENT_FORMAT && !list->full)
		print_without_print_fmt(text);
	else
		fputs(text, stdout);
	return CMD_OK;
}

static int print_event(const struct list *list, const struct kernel_event *event)
{
	int status = CMD_OK;

	if (list->format)
		printf("system: %s\n", event->system);
	else
		printf("%s:%s\n", event->system, event->name);
	if (list->format)
		status = print_event_file(list, event, KERNEL_EVENT_FORMAT);
	if (status == CMD_OK && list->filters)
		status = print_event_file(list, event, KERNEL_EVENT_FILTER);
	if (status == CMD_OK && list->triggers)
		status = print_event_file(list, event, KERNEL_EVENT_TRIGGER);
	if (list->filters || list->triggers)
		putchar('\n');
	return status;
}

static int list_events(const struct list *list)
{
	struct kernel_events events = {0};
	struct err err = {0};
	char name[9000];
	regex_t regex;
	int status = compile(list, list->events, &regex);

	if (status)
		return status;
	if (kernel_events_load(&events, list->fs, &err) < 0)
		status = cmd_fail(list->command, &err);
	for (size_t i = 0; i < events.nr && status == CMD_OK; i++) {
		snprintf(name, sizeof(name), "%s:%s", events.list[i].system, events.list[i].name);
		if (regexec(&regex, name, 0, NULL, 0) == 0)
			status = print_event(list, &events.list[i]);
	}
	regfree(&regex);
	kernel_events_done(&events);
	return status;
}

static int list_systems(const struct list *list)
{
	bool ftrace = kernel_has_ftrace_system(&list->top.list[0]);
	struct kernel_events events = {0};
	struct err err = {0};

	if (kernel_events_load(&events, list->fs, &err) < 0)
		return cmd_fail(list->command, &err);
	for (size_t i = 0; i < events.nr; i++) {
		if (events.list[i].first_of_system != i)
			continue;
		if (ftrace && strcmp(events.list[i].system, "ftrace") > 0) {
			puts("ftrace");
			ftrace = false;
		}
		puts(events.list[i].system);
	}
	kernel_events_done(&events);
	return CMD_OK;
}

/* --- what single files say --- */

/* Modules have types of their own, which are not looked at: their functions stay names. */
static void print_function(const struct btf *btf, const char *line, size_t len)
{
	_cleanup_out_ struct out out = {0};
	char name[512];

	snprintf(name, sizeof(name), "%.*s", (int)len, line);
	if (btf && !line[len] && btf_prototype(btf, name, &out) && !out.failed)
		printf("%s;\n", out_cstr(&out));
	else
		puts(line);
}

static void print_functions(const regex_t *regex, const struct btf *btf, char *text)
{
	char *save;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		/* A module's name stands behind the function's, and is not for the pattern. */
		size_t len = strcspn(line, "\t ");
		char end = line[len];
		bool hit;

		line[len] = '\0';
		hit = regexec(regex, line, 0, NULL, 0) == 0;
		line[len] = end;
		if (hit)
			print_function(btf, line, len);
	}
}

static int list_functions(const struct list *list)
{
	_cleanup_free_ char *text = NULL;
	struct btf *btf = NULL;
	struct err err = {0};
	regex_t regex;
	int status = compile(list, list->functions, &regex), r;

	if (status)
		return status;
	r = kernel_control_read(&list->top.list[0], KERNEL_FUNCTIONS, &text, &err);
	if (r == 0 && list->proto)
		r = btf_open(&btf, &err);
	if (r == 0)
		print_functions(&regex, btf, text);
	btf_free(btf);
	regfree(&regex);
	return r < 0 ? cmd_fail(list->command, &err) : CMD_OK;
}

static int list_control(const struct list *list, enum kernel_control control)
{
	_cleanup_free_ char *text = NULL;
	struct err err = {0};

	if (kernel_control_read(&list->top.list[0], control, &text, &err) < 0)
		return cmd_fail(list->command, &err);
	fputs(text, stdout);
	return CMD_OK;
}

static int list_instances(const struct list *list)
{
	struct kernel_targets all = {0};
	struct err err = {0};

	if (kernel_targets_add_all(&all, list->fs, &err) < 0)
		return cmd_fail(list->command, &err);
	if (!all.nr)
		puts("No buffer instances defined");
	for (size_t i = 0; i < all.nr; i++)
		puts(all.list[i].name);
	kernel_targets_done(&all);
	return CMD_OK;
}

/* --- probes of programs --- */

static int print_probes(const char *path, struct err *err)
{
	_cleanup_out_ struct out text = {0};
	struct usdt_notes notes = {0};
	struct symbol_files files;
	int r = symbol_files_open(&files, path, err);

	if (r < 0)
		return r;
	r = usdt_notes_read(&notes, files.elves[0]);
	for (size_t i = 0; i < notes.nr; i++)
		usdt_print(&text, &notes.list[i], &files);
	symbol_files_close(&files);
	if (r == 0 && !notes.nr)
		r = err_set(err, -ENOENT, "%.300s has no USDT probes (.note.stapsdt)", path);
	else if (r < 0 || text.failed)
		r = err_sys(err, -ENOMEM, "cannot list the probes of %.300s", path);
	else
		fputs(out_cstr(&text), stdout);
	usdt_notes_done(&notes);
	return r;
}

static int list_usdt(const struct list *list)
{
	_cleanup_free_ char *path = NULL;
	struct err err = {0};

	if (symbol_locate(list->usdt, NULL, &path, &err) < 0 || print_probes(path, &err) < 0)
		return cmd_fail(list->command, &err);
	return CMD_OK;
}

static void list_compressions(void)
{
	static const enum dat_compression kinds[] = {DAT_ZSTD, DAT_ZLIB};

	puts("Supported compression algorithms:");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		printf("\t%s, %s\n", dat_compression_name(kinds[i]),
		       dat_compression_version(kinds[i]));
}

/* --- the command --- */

static int list_all(struct list *list)
{
	int status = CMD_OK;

	puts("event systems:");
	status |= list_systems(list);
	puts("\nevents:");
	list->events = "";
	status |= list_events(list);
	puts("\ntracers:");
	status |= list_control(list, KERNEL_TRACERS);
	puts("\noptions:");
	status |= list_control(list, KERNEL_OPTIONS);
	list_compressions();
	return status;
}

static int list_wanted(const struct list *list)
{
	int status = CMD_OK;

	if (list->events)
		status |= list_events(list);
	if (list->want['s'])
		status |= list_systems(list);
	if (list->want['t'])
		status |= list_control(list, KERNEL_TRACERS);
	if (list->want['o'])
		status |= list_control(list, KERNEL_OPTIONS);
	if (list->functions)
		status |= list_functions(list);
	if (list->usdt)
		status |= list_usdt(list);
	if (list->want['P'])
		cmd_print_handlers();
	if (list->want['O'])
		cmd_print_handler_options();
	if (list->want['B'])
		status |= list_instances(list);
	if (list->want['C'])
		status |= list_control(list, KERNEL_CLOCK);
	if (list->want['c'])
		list_compressions();
	return status;
}

/* The regex of -e and -f may stand in a word of its own, as in trace-cmd. */
static bool take_operand(struct list *list, int last, const char *word)
{
	const char **pattern = last == 'e' ? &list->events : last == 'f' ? &list->functions : NULL;

	if (!pattern || **pattern) {
		cmd_usage(list->command, "'%.80s': a regular expression stands behind -e or -f",
			  word);
		return false;
	}
	*pattern = word;
	return true;
}

static bool take(struct list *list, int id, const char *arg)
{
	switch (id) {
	case 'e':
		list->events = arg ? arg : "";
		return true;
	case 'f':
		list->functions = arg ? arg : "";
		return true;
	case 'F':
		list->format = true;
		return true;
	case OPT_FULL:
		list->full = true;
		return true;
	case OPT_PROTO:
		list->proto = true;
		return true;
	case OPT_USDT:
		list->usdt = arg;
		return true;
	case 'R':
		list->triggers = true;
		return true;
	case 'l':
		list->filters = true;
		return true;
	default:
		list->want[id == 'p' ? 't' : id] = true;
		return true;
	}
}

static int parse(struct list *list, int argc, char **argv, bool *ret_any)
{
	struct cmd_parser parser;
	int id, last = 0;

	cmd_parser_init(&parser, list->command, argc, argv);
	parser.want_operands = true;
	while ((id = cmd_next(&parser)) > 0 || id == CMD_OPERAND) {
		if (id == CMD_OPERAND ? !take_operand(list, last, parser.arg)
				      : !take(list, id, parser.arg))
			return CMD_USAGE;
		if (id == 'e' || id == 'f')
			last = id;
		*ret_any = true;
	}
	if (id < 0)
		return CMD_USAGE;
	if ((list->format || list->triggers || list->filters || list->full) && !list->events)
		list->events = "";
	if (list->proto && !list->functions)
		list->functions = "";
	if (list->full && !list->format)
		return cmd_usage(list->command, "--full goes with -F");
	return CMD_OK;
}

/* Handlers and compressions are Sonde's own: they need no tracefs. */
static bool needs_kernel(const struct list *list, bool any)
{
	return !any || list->events || list->functions || list->want['s'] || list->want['t'] ||
	       list->want['o'] || list->want['B'] || list->want['C'];
}

static int run_list(const struct command *command, int argc, char **argv)
{
	struct list list = {.command = command};
	struct err err = {0};
	bool any = false;
	int status = parse(&list, argc, argv, &any);

	if (status)
		return status;
	if (needs_kernel(&list, any)) {
		if (tracefs_open(&list.fs, NULL, &err) < 0 ||
		    kernel_targets_add(&list.top, list.fs, "", &err) < 0)
			status = cmd_fail(command, &err);
	}
	if (status == CMD_OK)
		status = any ? list_wanted(&list) : list_all(&list);
	kernel_targets_done(&list.top);
	tracefs_close(list.fs);
	return status;
}

const struct command cmd_list = {
	.name = "list",
	.group = "look",
	.summary = "events, tracers, functions, options, clocks and instances of this kernel, "
		   "and probes of programs",
	.synopsis = "[-e [REGEX] [-F [--full]] [-R] [-l]] [-f [REGEX] [--proto]] "
		    "[--usdt FILE] [-stoCBPOc]",
	.description =
		"Lists what this kernel can trace, in the words that sonde record takes. Without "
		"options: systems, events, tracers and trace options.\n"
		"\n"
		"A REGEX is searched anywhere in SYSTEM:EVENT or in the function's name; ^ and $ "
		"hold it to the ends.\n"
		"\n"
		"  sonde list -e             all events\n"
		"  sonde list -e ^sched:     those of sched\n"
		"  sonde list -e 'kmalloc|kfree' -F\n"
		"                            their fields\n"
		"  sonde list -f '^tcp_.*ack'\n"
		"                            functions that can be traced\n"
		"  sonde list -f vfs_read --proto\n"
		"                            with its arguments\n"
		"  sonde list --usdt python3\n"
		"                            probes in a program, without root\n"
		"  sonde list -t -C          tracers and clocks",
	.options = list_options,
	.run = run_list,
};
