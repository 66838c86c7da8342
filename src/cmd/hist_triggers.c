/* SPDX-License-Identifier: MIT */
#include "cmd/hist_triggers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/hist_live.h"
#include "cmd/summary.h"
#include "cmd/words.h"
#include "expr/hist.h"
#include "report/hist_calls.h"
#include "report/hist_feed.h"
#include "report/hist_table.h"
#include "report/hist_write.h"

/* One trigger: 'hist:...' EVENT [if FILTER]. */
struct wanted {
	const char *event;
	struct out text;
};

struct triggers_args {
	const struct command *command;
	struct wanted *wanted;
	size_t nr_wanted, cap_wanted;
	struct words synthetics;
	bool strict, in_filter;
	const char *only;   /* the event whose histograms are shown; NULL: all */
	const char *events; /* -o: the file for synthetic events */
	uint64_t limit;
};

struct triggers_table {
	struct triggers_args *args;
	const struct source *source;
	struct hist_set *set;
	struct hist_feed *feed;
	struct hist_calls *calls;   /* some trigger is about calls */
	struct hist_writer *writer; /* -o */
};

bool hist_triggers_wanted(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strncmp(argv[i], "hist:", 5) == 0)
			return true;
	return false;
}

/* The next word of the triggers. */
static int take_word(struct triggers_args *args, const char *word)
{
	struct wanted *last = args->nr_wanted ? &args->wanted[args->nr_wanted - 1] : NULL;

	if (strncmp(word, "hist:", 5) == 0) {
		if (last && !last->event)
			return cmd_usage(args->command,
					 "'%s' is for no event: SYSTEM:EVENT goes "
					 "behind it",
					 out_cstr(&last->text));
		if (array_reserve(&args->wanted, &args->cap_wanted, args->nr_wanted + 1,
				  sizeof(*args->wanted)) < 0)
			return -ENOMEM;
		last = &args->wanted[args->nr_wanted++];
		*last = (struct wanted){0};
		args->in_filter = false;
		out_str(&last->text, word);
		return 0;
	}
	if (!last)
		return cmd_usage(args->command, "'%s': a histogram begins with 'hist:keys=...'",
				 word);
	if (!last->event) {
		last->event = word;
		return 0;
	}
	args->in_filter |= strcmp(word, "if") == 0 || strncmp(word, "if ", 3) == 0;
	if (!args->in_filter)
		return cmd_usage(args->command,
				 "'%s': behind the event may come 'if FILTER' or the next "
				 "'hist:...'",
				 word);
	out_char(&last->text, ' ');
	out_str(&last->text, word);
	return 0;
}

static int own_option(void *own, int id, const char *text)
{
	struct triggers_args *args = own;

	switch (id) {
	case CMD_OPERAND:
		return take_word(args, text);
	case 's':
		return words_push(&args->synthetics, text);
	case HIST_OPT_STRICT:
		args->strict = true;
		return 0;
	case 'o':
		args->events = text;
		return 0;
	case HIST_OPT_ONLY:
		args->only = text;
		return 0;
	case HIST_OPT_LIMIT:
		return cmd_parse_u64(args->command, "--limit", text, 1, UINT64_MAX, &args->limit)
			       ? 0
			       : CMD_USAGE;
	default:
		return REPORT_NOT_OWN;
	}
}

/* SYSTEM:EVENT, SYSTEM.EVENT, SYSTEM/EVENT or EVENT */
static const struct event *find_event(const struct hist_set *set, const char *name)
{
	size_t len = strcspn(name, ":./");
	_cleanup_free_ char *system = NULL;

	if (strcmp(name, HIST_CALLS_EVENT) == 0)
		return hist_set_event(set, "synthetic", HIST_CALLS_NAME);

	if (!name[len])
		return hist_set_event(set, NULL, name);
	system = mem_strndup(name, len);
	return system ? hist_set_event(set, system, name + len + 1) : NULL;
}

/* As the kernel's error_log has it, without the time. */
static void print_errors(const struct hist_set *set)
{
	const char *message, *place, *command;
	_cleanup_out_ struct out out = {0};
	size_t at;

	for (size_t i = 0; (message = hist_set_error(set, i, &place, &command, &at)); i++)
		out_printf(&out, "%s: error: %s\n  Command: %s\n%*s^\n", place, message, command,
			   (int)(at + strlen("  Command: ")), "");
	if (out.len)
		(void)!fwrite(out.buf, 1, out.len, stderr);
}

static int add_triggers(struct triggers_table *table, struct err *err)
{
	struct triggers_args *args = table->args;
	int r = 0;

	for (size_t i = 0; i < args->nr_wanted && r >= 0 && !table->calls; i++)
		if (args->wanted[i].event && strcmp(args->wanted[i].event, HIST_CALLS_EVENT) == 0)
			r = hist_calls_new(&table->calls, table->set, table->source->input->db,
					   err);
	for (size_t i = 0; i < args->synthetics.nr && r >= 0; i++)
		r = hist_set_synthetic(table->set, args->synthetics.words[i], err);
	for (size_t i = 0; i < args->nr_wanted && r >= 0; i++) {
		struct wanted *wanted = &args->wanted[i];
		const struct event *event =
			wanted->event ? find_event(table->set, wanted->event) : NULL;

		if (!event)
			return err_set(err, -ENOENT, "%s: no such event in the recording",
				       wanted->event ? wanted->event : "(none)");
		r = hist_set_trigger(table->set, event, out_cstr(&wanted->text), err);
	}
	if (r < 0 && args->strict)
		print_errors(table->set);
	return r;
}

static void free_table(void *arg)
{
	struct triggers_table *table = arg;

	hist_writer_free(table->writer);
	hist_calls_free(table->calls);
	hist_feed_free(table->feed);
	hist_set_free(table->set);
	mem_free(table);
}

/* One file has the events of one buffer. */
static int want_events(struct triggers_table *table, const struct summary *summary, struct err *err)
{
	if (summary->session.nr_sources > 1)
		return err_set(err, -EINVAL, "-o: the recording has several buffers");
	if (hist_writer_new(&table->writer, table->set, table->source) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	hist_set_emit(table->set, hist_writer_emit, table->writer);
	return 0;
}

static int make(struct summary *summary, const struct source *source, void **ret_table,
		struct err *err)
{
	struct triggers_args *args = summary->own;
	const struct input *input = source->input;
	struct hist_options options = {
		.release = input->dat->uname,
		.kernel = hist_kernel_from_release(input->dat->uname),
		.strict = args->strict,
		.nsecs = source->usecs,
	};
	struct triggers_table *table = mem_zalloc(sizeof(*table));
	int r;

	if (!table)
		return err_set(err, -ENOMEM, "out of memory");
	table->args = args;
	table->source = source;
	r = hist_set_new(&table->set, input->db, &options);
	if (r < 0) {
		mem_free(table);
		return err_set(err, r, "out of memory");
	}
	hist_set_comm(table->set, summary_comm, (void *)(uintptr_t)input);
	r = add_triggers(table, err);
	if (r >= 0 && hist_feed_new(&table->feed, table->set, input->db) < 0)
		r = err_set(err, -ENOMEM, "out of memory");
	if (r >= 0 && args->events)
		r = want_events(table, summary, err);
	if (r < 0)
		free_table(table);
	else
		*ret_table = table;
	return r;
}

static int item(void *arg, const struct report_item *it)
{
	struct triggers_table *table = arg;
	const struct hist_record record = {
		.event = it->event,
		.data = it->rec->data,
		.len = it->rec->len,
		.cpu = it->rec->cpu,
		.ts = it->rec->ts,
	};
	int r = it->lost ? hist_set_lost(table->set, it->rec->cpu) : 0;

	if (r >= 0 && table->calls)
		r = hist_calls_item(table->calls, it);
	return r < 0 || !it->event ? r : hist_feed_record(table->feed, &record);
}

/* Each histogram has columns of its own. */
static void heading(const struct summary *summary, struct out *out)
{
	(void)summary;
	(void)out;
}

/* The `hist` files of all events that have triggers. */
static int print_strict(const struct hist_set *set, struct out *out)
{
	int r = 0;

	for (size_t i = 0; i < hist_set_count(set) && r >= 0; i++) {
		const struct event *event = hist_event(hist_set_at(set, i));
		bool first = true;

		for (size_t j = 0; j < i; j++)
			first &= hist_event(hist_set_at(set, j)) != event;
		if (first)
			r = hist_print_kernel(set, event, out);
	}
	return r;
}

static int write_events(struct triggers_table *table)
{
	const struct triggers_args *args = table->args;
	struct outfile file;
	struct err err = {0};
	int r = outfile_begin(&file, args->events, table->source->input->path, &err);

	if (r >= 0) {
		r = hist_writer_finish(table->writer, file.temp, &err);
		if (r >= 0)
			r = outfile_commit(&file, &err);
		else
			outfile_drop(&file);
	}
	if (r < 0)
		cmd_fail(args->command, &err);
	return r;
}

static int print(const struct summary *summary, void *arg, const char *buffer, struct out *out)
{
	const struct triggers_args *args = summary->own;
	struct triggers_table *table = arg;
	struct hist_table_print how = {
		.format = summary->session.args.report.format,
		.buffer = buffer,
		.limit = args->limit,
	};
	int r = hist_feed_end(table->feed);

	if (r >= 0 && table->writer)
		r = write_events(table);
	if (r < 0)
		return r;
	if (args->strict && how.format == REPORT_TEXT)
		return print_strict(table->set, out);
	for (size_t i = 0; i < hist_set_count(table->set) && r >= 0; i++) {
		const struct hist *hist = hist_set_at(table->set, i);

		if (!args->only || find_event(table->set, args->only) == hist_event(hist))
			r = hist_table_print(hist, &how, out);
	}
	return r;
}

static const struct summary_kind kind = {
	.make = make,
	.item = item,
	.heading = heading,
	.print = print,
	.free = free_table,
	.wants = "records",
};

static int read_file(const struct command *command, int argc, char **argv,
		     void (*opened)(void *arg), void *opened_arg)
{
	const struct summary_output output = {.opened = opened, .opened_arg = opened_arg};
	struct triggers_args args = {.command = command};
	int status = summary_run(command, argc, argv, &kind, own_option, &args, &output);

	for (size_t i = 0; i < args.nr_wanted; i++)
		out_done(&args.wanted[i].text);
	mem_free(args.wanted);
	words_done(&args.synthetics);
	return status;
}

int hist_triggers_run(const struct command *command, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return hist_live_run(command, argc, argv, read_file);
	return read_file(command, argc, argv, NULL, NULL);
}
