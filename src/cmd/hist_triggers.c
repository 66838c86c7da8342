/* SPDX-License-Identifier: MIT */
#include "cmd/hist_triggers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/hist_live.h"
#include "cmd/hist_tables.h"
#include "cmd/summary.h"
#include "record/record.h"
#include "report/hist_feed.h"
#include "report/hist_write.h"

struct triggers_table {
	struct hist_tables tables;
	const struct source *source;
	struct hist_feed *feed;
	struct hist_writer *writer; /* -o */
};

static const struct hist_words *words_of(const struct triggers_table *table)
{
	return table->tables.words;
}

static void free_table(void *arg)
{
	struct triggers_table *table = arg;

	hist_writer_free(table->writer);
	hist_feed_free(table->feed);
	hist_tables_done(&table->tables);
	mem_free(table);
}

/* One file has the events of one buffer. */
static int want_events(struct triggers_table *table, const struct summary *summary, struct err *err)
{
	if (summary->session.nr_sources > 1)
		return err_set(err, -EINVAL, "-o: the recording has several buffers");
	if (hist_writer_new(&table->writer, table->tables.set, table->source,
			    words_of(table)->events) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	hist_set_emit(table->tables.set, hist_writer_emit, table->writer);
	return 0;
}

static int make(struct summary *summary, const struct source *source, void **ret_table,
		struct err *err)
{
	struct hist_words *words = summary->own;
	const struct input *input = source->input;
	struct hist_options options = {
		.release = input->dat->uname,
		.kernel = hist_kernel_from_release(input->dat->uname),
		.strict = words->strict,
		.nsecs = source->usecs,
		.counted = words->counted,
	};
	struct triggers_table *table = mem_zalloc(sizeof(*table));
	int r;

	if (!table)
		return err_set(err, -ENOMEM, "out of memory");
	table->source = source;
	r = hist_tables_init(&table->tables, words, input->db, &options, err);
	if (table->tables.set)
		hist_set_comm(table->tables.set, summary_comm, (void *)(uintptr_t)input);
	if (r >= 0 && hist_feed_new(&table->feed, table->tables.set, input->db) < 0)
		r = err_set(err, -ENOMEM, "out of memory");
	if (r >= 0 && words->events)
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
	int r = it->lost ? hist_set_lost(table->tables.set, it->rec->cpu) : 0;

	if (r >= 0 && table->tables.calls)
		r = hist_calls_item(table->tables.calls, it);
	return r < 0 || !it->event ? r : hist_feed_record(table->feed, &record);
}

/* Each histogram has columns of its own. */
static void heading(const struct summary *summary, struct out *out)
{
	(void)summary;
	(void)out;
}

static int write_events(struct triggers_table *table)
{
	const struct hist_words *args = words_of(table);
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
	struct triggers_table *table = arg;
	int r = hist_feed_end(table->feed);

	if (r >= 0 && table->writer)
		r = write_events(table);
	return r < 0 ? r
		     : hist_tables_print(&table->tables, summary->session.args.report.format,
					 buffer, out);
}

int hist_triggers_draw(const struct summary *summary, struct out *out)
{
	int r = 0;

	for (size_t i = 0; i < summary->session.nr_sources && r >= 0; i++) {
		const struct triggers_table *table = summary->tables[i];

		if (table)
			r = hist_tables_print(&table->tables, REPORT_TEXT, NULL, out);
	}
	return r;
}

int hist_triggers_add(struct summary *summary, const struct record_hist_key *keys, size_t nr)
{
	int r = 0;

	for (size_t i = 0; i < summary->session.nr_sources && r >= 0; i++) {
		const struct triggers_table *table = summary->tables[i];

		for (size_t k = 0; table && k < nr && r >= 0; k++)
			r = hist_set_add(table->tables.set, keys[k].hist, &keys[k].counted);
	}
	return r;
}

const struct summary_kind hist_triggers_kind = {
	.make = make,
	.item = item,
	.heading = heading,
	.print = print,
	.free = free_table,
	.wants = "records",
};

static int read_words(struct hist_words *words, int argc, char **argv,
		      const struct summary_output *output)
{
	int status = summary_run(words->command, argc, argv, &hist_triggers_kind, hist_words_option,
				 words, output);

	hist_words_done(words);
	return status;
}

static int read_file(const struct command *command, int argc, char **argv, bool counted,
		     void (*opened)(void *arg), void *opened_arg)
{
	const struct summary_output output = {.opened = opened, .opened_arg = opened_arg};
	struct hist_words words = {.command = command, .counted = counted};

	return read_words(&words, argc, argv, &output);
}

int hist_triggers_titled(const struct command *command, int argc, char **argv)
{
	struct hist_words words = {.command = command, .titled = true};

	return read_words(&words, argc, argv, NULL);
}

bool hist_triggers_wanted(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strncmp(argv[i], "hist:", 5) == 0 || sql_is(argv[i]))
			return true;
	return false;
}

int hist_triggers_run(const struct command *command, int argc, char **argv)
{
	return hist_live_wanted(command, argc, argv)
		       ? hist_live_run(command, argc, argv, read_file)
		       : read_file(command, argc, argv, false, NULL, NULL);
}
