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
#include "expr/sql.h"
#include "report/hist_calls.h"
#include "report/hist_feed.h"
#include "report/hist_table.h"
#include "report/hist_write.h"

/* One trigger, 'hist:...' EVENT [if FILTER], or a SELECT. */
struct wanted {
	const char *event;
	struct out text;
	struct sql *sql;
	const char *name; /* of the synthetic event that a SELECT with JOIN makes */
};

struct triggers_args {
	const struct command *command;
	struct wanted *wanted;
	size_t nr_wanted, cap_wanted;
	struct words synthetics;
	const char *name; /* -n, for the next SELECT */
	bool strict, in_filter, translate, joins;
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
	struct out translation;	    /* of all SELECTs */
};

bool hist_triggers_wanted(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strncmp(argv[i], "hist:", 5) == 0 || sql_is(argv[i]))
			return true;
	return false;
}

static int take_select(struct triggers_args *args, struct wanted *wanted, const char *word)
{
	struct err err;

	if (sql_new(&wanted->sql, word, &err) < 0) {
		cmd_fail(args->command, &err);
		return CMD_USAGE;
	}
	wanted->name = args->name ? args->name : HIST_SELECT_NAME;
	args->joins |= sql_event(wanted->sql, 1) != NULL;
	args->name = NULL;
	return 0;
}

static int begin_trigger(struct triggers_args *args, const char *word)
{
	struct wanted *last = args->nr_wanted ? &args->wanted[args->nr_wanted - 1] : NULL;

	if (last && !last->event && !last->sql)
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
	if (sql_is(word))
		return take_select(args, last, word);
	out_str(&last->text, word);
	return 0;
}

/* The next word of the triggers. */
static int take_word(struct triggers_args *args, const char *word)
{
	struct wanted *last = args->nr_wanted ? &args->wanted[args->nr_wanted - 1] : NULL;

	if (strncmp(word, "hist:", 5) == 0 || sql_is(word))
		return begin_trigger(args, word);
	if (last && last->sql)
		return cmd_usage(
			args->command,
			"'%s': behind a SELECT, which is one word, may come the next one or "
			"'hist:...'",
			word);
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
	case 'n':
		args->name = text;
		return 0;
	case HIST_OPT_TRANSLATE:
		args->translate = true;
		return 0;
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

static const struct event *find_event(const struct hist_set *set, const char *name)
{
	if (strcmp(name, HIST_CALLS_EVENT) == 0)
		return hist_set_event(set, "synthetic", HIST_CALLS_NAME);
	return hist_set_find_event(set, name);
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

/* The first event that a trigger is about, as it was written. */
static const char *event_of(const struct wanted *wanted)
{
	return wanted->sql ? sql_event(wanted->sql, 0) : wanted->event;
}

/* Somebody asks for histograms of this event, so that it is to be shown. */
static bool is_asked_for(const struct triggers_table *table, const struct event *event)
{
	const struct triggers_args *args = table->args;

	for (size_t i = 0; i < args->nr_wanted; i++) {
		const struct wanted *wanted = &args->wanted[i];
		bool joins = wanted->sql && sql_event(wanted->sql, 1);
		const char *name = event_of(wanted);

		if (!joins && name && find_event(table->set, name) == event)
			return true;
	}
	return false;
}

/* Through the texts that it means; its synthetic event is shown as it is, or as others want it. */
static int add_select(struct triggers_table *table, const struct wanted *wanted, struct err *err)
{
	struct sql_texts texts;
	const struct event *made;
	int r = sql_translate(wanted->sql, table->set, wanted->name, &texts, err);

	if (r >= 0)
		sql_texts_print(&texts, &table->translation);
	if (r >= 0 && texts.synthetic.len)
		r = hist_set_synthetic(table->set, out_cstr(&texts.synthetic), err);
	for (size_t i = 0; i < texts.nr_triggers && r >= 0; i++)
		r = hist_set_trigger(table->set, texts.triggers[i].event,
				     out_cstr(&texts.triggers[i].text), err);
	if (r >= 0 && texts.view.len) {
		made = hist_set_event(table->set, "synthetic", wanted->name);
		if (!is_asked_for(table, made))
			r = hist_set_trigger(table->set, made, out_cstr(&texts.view), err);
	}
	sql_texts_done(&texts);
	return r;
}

static int add_trigger(struct triggers_table *table, struct wanted *wanted, struct err *err)
{
	const struct event *event;

	if (wanted->sql)
		return add_select(table, wanted, err);
	event = wanted->event ? find_event(table->set, wanted->event) : NULL;
	if (!event)
		return err_set(err, -ENOENT, "%s: no such event in the recording",
			       wanted->event ? wanted->event : "(none)");
	return hist_set_trigger(table->set, event, out_cstr(&wanted->text), err);
}

static int add_triggers(struct triggers_table *table, struct err *err)
{
	struct triggers_args *args = table->args;
	bool selects = false;
	int r = 0;

	for (size_t i = 0; i < args->nr_wanted; i++)
		selects |= args->wanted[i].sql != NULL;
	if (args->name)
		return err_set(err, -EINVAL, "-n %s: a SELECT has to follow", args->name);
	if (args->translate && !selects)
		return err_set(err, -EINVAL, "--translate: there is no SELECT");
	for (size_t i = 0; i < args->nr_wanted && r >= 0 && !table->calls; i++)
		if (args->wanted[i].event && strcmp(args->wanted[i].event, HIST_CALLS_EVENT) == 0)
			r = hist_calls_new(&table->calls, table->set, table->source->input->db,
					   err);
	for (size_t i = 0; i < args->synthetics.nr && r >= 0; i++)
		r = hist_set_synthetic(table->set, args->synthetics.words[i], err);
	for (size_t i = 0; i < args->nr_wanted && r >= 0; i++)
		r = add_trigger(table, &args->wanted[i], err);
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
	out_done(&table->translation);
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

/* Triggers that only serve a JOIN are shown when --only says so. */
static bool is_shown(const struct triggers_table *table, const struct event *event)
{
	const struct triggers_args *args = table->args;

	if (args->only)
		return find_event(table->set, args->only) == event;
	return !args->joins || event->db != table->source->input->db || is_asked_for(table, event);
}

/* The `hist` files of all events that have triggers. */
static int print_strict(const struct triggers_table *table, struct out *out)
{
	const struct hist_set *set = table->set;
	int r = 0;

	for (size_t i = 0; i < hist_set_count(set) && r >= 0; i++) {
		const struct event *event = hist_event(hist_set_at(set, i));
		bool first = is_shown(table, event);

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
	if (args->translate) {
		out_str(out, out_cstr(&table->translation));
		return 0;
	}
	if (args->strict && how.format == REPORT_TEXT)
		return print_strict(table, out);
	for (size_t i = 0; i < hist_set_count(table->set) && r >= 0; i++) {
		const struct hist *hist = hist_set_at(table->set, i);

		if (is_shown(table, hist_event(hist)))
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

	for (size_t i = 0; i < args.nr_wanted; i++) {
		out_done(&args.wanted[i].text);
		sql_free(args.wanted[i].sql);
	}
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
