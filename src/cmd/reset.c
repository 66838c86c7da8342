/* SPDX-License-Identifier: MIT */
/*
 * `sonde reset`: by itself it gives back what start and set have changed; with -t, -B or -a it
 * switches tracing off there, whoever has set it up. The order of its options counts: -b and -d
 * are for what was named last.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/target.h"
#include "kernel/journal.h"
#include "kernel/reset.h"

#define BUFFER_KB_MAX (1ull << 32)

/* clang-format off */
static const struct cmd_option reset_options[] = {
	{'B', 'B', "instance", CMD_ARG_REQUIRED, "NAME",
	 "this tracing instance; may be given several times", "Which instance"},
	{'a', 'a', "all", CMD_ARG_NONE, NULL, "all instances but the top one", NULL},
	{'t', 't', "top", CMD_ARG_NONE, NULL, "the top instance", NULL},
	{'b', 'b', "buffer-size", CMD_ARG_REQUIRED, "KB",
	 "then give each CPU a buffer of this size, in the instance named before", "How"},
	{'d', 'd', "delete", CMD_ARG_NONE, NULL, "then remove the instance named before", NULL},
	{'k', 'k', "keep", CMD_ARG_REQUIRED, "KIND",
	 "with -t: keep the dynamic events of this kind: kprobe, kretprobe, uprobe, uretprobe, "
	 "eprobe, synth, all", NULL},
	{0},
};
/* clang-format on */

struct reset_item { /* one -B, -a or -t with what follows it */
	char what;  /* the letter */
	const char *name;
	uint64_t kb;
	bool remove;
};

struct reset_args {
	const struct command *command;
	struct reset_item *items;
	size_t nr, cap;
	uint64_t kb; /* -b before all of them: the top instance's */
	unsigned int keep;
};

static bool add_item(struct reset_args *args, char what, const char *name)
{
	struct reset_item item = {.what = what, .name = name};

	if (array_reserve(&args->items, &args->cap, args->nr + 1, sizeof(item)) < 0) {
		cmd_error(args->command, "not enough memory");
		return false;
	}
	args->items[args->nr++] = item;
	return true;
}

static bool keep_kind(struct reset_args *args, const char *name)
{
	static const struct {
		const char *name;
		unsigned int bits;
	} kinds[] = {
		{"kprobe", KERNEL_DYNAMIC_KPROBE}, {"kretprobe", KERNEL_DYNAMIC_KRETPROBE},
		{"uprobe", KERNEL_DYNAMIC_UPROBE}, {"uretprobe", KERNEL_DYNAMIC_URETPROBE},
		{"eprobe", KERNEL_DYNAMIC_EPROBE}, {"synth", KERNEL_DYNAMIC_SYNTH},
		{"all", KERNEL_DYNAMIC_ALL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(kinds[i].name, name)) {
			args->keep |= kinds[i].bits;
			return true;
		}
	}
	cmd_usage(args->command,
		  "-k: '%.40s' is none of kprobe, kretprobe, uprobe, uretprobe, eprobe, synth, all",
		  name);
	return false;
}

static bool take_option(struct reset_args *args, int id, const char *arg)
{
	struct reset_item *last = args->nr ? &args->items[args->nr - 1] : NULL;

	switch (id) {
	case 'b':
		return cmd_parse_u64(args->command, "-b", arg, 1, BUFFER_KB_MAX,
				     last ? &last->kb : &args->kb);
	case 'd':
		if (last && last->what != 't')
			return last->remove = true;
		cmd_usage(args->command,
			  "-d: the top instance cannot be removed; -d belongs behind a -B or -a");
		return false;
	case 'k':
		return keep_kind(args, arg);
	default:
		return add_item(args, (char)id, arg);
	}
}

static bool parse(struct reset_args *args, int argc, char **argv)
{
	struct cmd_parser parser;
	int id;

	cmd_parser_init(&parser, args->command, argc, argv);
	while ((id = cmd_next(&parser)) > 0) {
		if (!take_option(args, id, parser.arg))
			return false;
	}
	if (id < 0)
		return false;
	if (parser.first < argc) {
		cmd_usage(args->command, "takes no operand: '%.80s' (-B NAME?)",
			  argv[parser.first]);
		return false;
	}
	/* As trace-cmd: a size alone is the top instance's, which is then reset too. */
	if (args->kb && !add_item(args, 't', NULL))
		return false;
	for (size_t i = 0; i < args->nr && args->kb; i++) {
		if (args->items[i].what == 't')
			args->items[i].kb = args->kb;
	}
	return true;
}

/* --- what start has done --- */

static int undo_start(const struct reset_args *args, const struct tracefs *fs)
{
	struct kernel_journal *journal = NULL;
	struct kernel_targets targets = {0};
	struct err err = {0};
	bool something = false;
	int r = 0;

	if (kernel_journal_kept_exists(fs->state)) {
		something = true;
		r = kernel_journal_open(&journal, fs->state, KERNEL_JOURNAL_START, &err);
		if (r == 0)
			r = kernel_journal_close(journal, &err);
	}
	/* One whose journal is lost. */
	if (r == 0 && kernel_target_exists(fs, KERNEL_LASTING_INSTANCE)) {
		something = true;
		r = kernel_targets_add(&targets, fs, KERNEL_LASTING_INSTANCE, &err);
		if (r == 0)
			r = kernel_reset_remove(&targets.list[0], &err);
		kernel_targets_done(&targets);
	}
	if (r < 0)
		return cmd_fail(args->command, &err);
	if (!something)
		cmd_note(args->command,
			 "sonde start and set have changed nothing; -t resets the top instance, -B "
			 "NAME another one");
	return CMD_OK;
}

/* --- what anybody has done --- */

static int reset_one(const struct reset_args *args, const struct reset_item *item,
		     const struct kernel_target *target, const struct tracefs *fs,
		     const struct kernel_events *events)
{
	struct err err = {0};
	int r = item->remove ? kernel_reset_remove(target, &err)
			     : kernel_reset(target, fs, events, &err);

	if (r == 0 && item->what == 't')
		r = kernel_reset_dynamic(fs, args->keep, &err);
	if (r == 0 && item->kb && !item->remove)
		r = kernel_reset_buffer(target, item->kb, &err);
	return r < 0 ? cmd_fail(args->command, &err) : CMD_OK;
}

static int reset_item(const struct reset_args *args, const struct reset_item *item,
		      const struct tracefs *fs, const struct kernel_events *events)
{
	struct kernel_targets targets = {0};
	struct err err = {0};
	int status = CMD_OK, r;

	if (item->what == 'a')
		r = kernel_targets_add_all(&targets, fs, &err);
	else
		r = kernel_targets_add(&targets, fs, item->what == 't' ? "" : item->name, &err);
	if (r < 0)
		status = cmd_fail(args->command, &err);
	for (size_t i = 0; i < targets.nr; i++) {
		if (reset_one(args, item, &targets.list[i], fs, events) != CMD_OK)
			status = CMD_FAILED;
	}
	kernel_targets_done(&targets);
	return status;
}

static int reset_items(const struct reset_args *args, const struct tracefs *fs)
{
	struct kernel_events events = {0};
	struct err err = {0};
	int status = CMD_OK;

	if (kernel_events_load(&events, fs, &err) < 0)
		return cmd_fail(args->command, &err);
	for (size_t i = 0; i < args->nr; i++) {
		if (reset_item(args, &args->items[i], fs, &events) != CMD_OK)
			status = CMD_FAILED;
	}
	kernel_events_done(&events);
	return status;
}

static int run_reset(const struct command *command, int argc, char **argv)
{
	struct reset_args args = {.command = command};
	struct tracefs *fs = NULL;
	struct err err = {0};
	int status = CMD_USAGE;

	if (!parse(&args, argc, argv))
		goto out;
	if (tracefs_open(&fs, NULL, &err) < 0)
		status = cmd_fail(command, &err);
	else
		status = args.nr ? reset_items(&args, fs) : undo_start(&args, fs);
out:
	tracefs_close(fs);
	mem_free(args.items);
	return status;
}

const struct command cmd_reset = {
	.name = "reset",
	.group = "record",
	.summary = "end what start and set began, or switch tracing off altogether",
	.synopsis = "[-t | -B NAME | -a [-b KB] [-d]]... [-k KIND]",
	.description =
		"Without options: ends what sonde start and sonde set began. Their instance goes "
		"with what it holds, and every setting that they changed elsewhere is as it was.\n"
		"\n"
		"With -t, -B or -a: switches tracing off there, whoever has set it up. The tracer "
		"becomes nop; all events, filters, triggers, chosen processes and functions go; "
		"the clock is local; the buffer is empty and on. With -t the dynamic events of the "
		"machine (probes, synthetic ones) go too, but those kept with -k.\n"
		"\n"
		"The order counts: -b and -d are for the instance that was named before them.\n"
		"\n"
		"  sonde reset                       after sonde start\n"
		"  sonde reset -t                    clean up behind another tool\n"
		"  sonde reset -B one -b 4096 -B two -d\n"
		"  sonde reset -t -a -d              everything, and no instance stays",
	.options = reset_options,
	.needs = CMD_NEEDS_TRACEFS | CMD_NEEDS_ROOT,
	.run = run_reset,
};
