/* SPDX-License-Identifier: MIT */
/*
 * The same cases as hist_guest's, put to src/expr/hist: hist_batch CASES FILE.dat OUT. What it
 * writes has the same form, so that tests/hist/run can compare texts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/mem.h"
#include "expr/hist.h"
#include "report/comm.h"
#include "report/hist_feed.h"
#include "report/source.h"

static struct hist_set *set;
static const struct input *input;

static const char *comm_of(void *arg, int32_t pid)
{
	const char *name = event_db_comm(input->db, pid);

	(void)arg;
	return name ? name : comm_table_find(input->learned, pid);
}

static void print_errors(FILE *out)
{
	const char *message, *place, *command;
	size_t at;

	for (size_t i = 0; (message = hist_set_error(set, i, &place, &command, &at)); i++)
		fprintf(out, "%s: error: %s\n  Command: %s\n%*s^\n", place, message, command,
			(int)(at + strlen("  Command: ")), "");
}

static const struct event *event_of(char *name)
{
	char *colon = strchr(name, ':');
	const struct event *event;

	*colon = '\0';
	event = hist_set_event(set, name, colon + 1);
	*colon = ':';
	return event;
}

static void try_case(char *line, FILE *answers)
{
	char *text = strchr(line, ' ');
	const struct event *event;
	struct err err = {0};
	int code;

	*text++ = '\0';
	if (strcmp(line, "s") == 0) {
		code = hist_set_synthetic(set, text, &err);
	} else {
		event = event_of(line);
		code = event ? hist_set_trigger(set, event, text, &err) : -ENOENT;
	}
	fprintf(answers, "= %d\n", -code);
	if (code < 0)
		print_errors(answers);
}

static void feed_all(struct source *source)
{
	const struct source_record *rec;
	struct hist_feed *feed;

	if (hist_feed_new(&feed, set, input->db) < 0)
		exit(1);
	while ((rec = source_peek(source))) {
		struct hist_record record = {
			.event = event_db_by_id(input->db, load_u16(rec->data, false)),
			.data = rec->data,
			.len = rec->len,
			.cpu = rec->cpu,
			.ts = rec->ts,
		};

		if (record.event && hist_feed_record(feed, &record) < 0)
			exit(1);
		source_pop(source);
	}
	if (hist_feed_end(feed) < 0)
		exit(1);
	hist_feed_free(feed);
}

/* The event's hist file, as PREFIX.KIND.SYSTEM.EVENT. */
static void write_hist(const struct event *event, const char *prefix, const char *kind)
{
	_cleanup_out_ struct out out = {0};
	char path[400];
	FILE *file;

	snprintf(path, sizeof(path), "%s.%s.%s.%s", prefix, kind, event->system, event->name);
	file = fopen(path, "w");
	if (!file || hist_print_kernel(set, event, &out) < 0)
		exit(1);
	fwrite(out.buf, 1, out.len, file);
	fclose(file);
}

/* The kernel's own files, taken in by our engine, are written once more. */
static void write_loaded(const char *cases, const char *prefix)
{
	int len = (int)(strlen(cases) - strlen(".cases"));

	for (size_t i = 0; i < hist_set_count(set); i++) {
		const struct event *event = hist_event(hist_set_at(set, i));
		_cleanup_free_ char *text = NULL;
		struct err err = {0};
		char path[400];

		snprintf(path, sizeof(path), "%.*s.hist.%s.%s", len, cases, event->system,
			 event->name);
		if (io_read_file(path, 64u << 20, &text, NULL) < 0)
			exit(1);
		if (hist_set_load(set, event, text, &err) < 0)
			fprintf(stderr, "%s: %s\n", path, err.text);
		write_hist(event, prefix, "loaded");
	}
}

int main(int argc, char **argv)
{
	struct input_options options = {.raw_ts = true};
	static char line[8192], path[400];
	struct source source;
	struct input *opened;
	struct err err = {0};
	FILE *cases, *answers;

	if (argc != 4)
		return 2;
	if (input_open(&opened, argv[2], &options, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	input = opened;
	struct hist_options how = {
		.release = input->dat->uname,
		.kernel = hist_kernel_from_release(input->dat->uname),
		.strict = true,
		.nsecs = true,
	};
	if (hist_set_new(&set, input->db, &how) < 0 ||
	    source_init(&source, opened, input->dat->nr_buffers - 1, &err) < 0 ||
	    source_start(&source, NULL, 0, 0, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	hist_set_comm(set, comm_of, NULL);
	snprintf(path, sizeof(path), "%s.answers", argv[3]);
	cases = fopen(argv[1], "r");
	answers = fopen(path, "w");
	while (cases && answers && fgets(line, sizeof(line), cases)) {
		line[strcspn(line, "\n")] = '\0';
		if (strchr(line, ' '))
			try_case(line, answers);
	}
	if (!cases || !answers)
		return 1;
	fclose(cases);
	fclose(answers);
	feed_all(&source);
	for (size_t i = 0; i < hist_set_count(set); i++)
		write_hist(hist_event(hist_set_at(set, i)), argv[3], "hist");
	write_loaded(argv[1], argv[3]);
	hist_set_free(set);
	source_done(&source);
	input_free(opened);
	return 0;
}
