/* SPDX-License-Identifier: MIT */
/* `sonde report`: what comes before the records and behind them, and the report itself. */
#include "cmd/report_session.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cmd/pager.h"

int cmd_report_run(const struct command *command, int argc, char **argv);

static const struct command *warn_command;

static void warn(const char *text)
{
	cmd_warn(warn_command, "%s", text);
}

static int profile_record(struct profile *profile, const struct event *event,
			  const struct source_record *rec)
{
	if (rec->lost)
		profile_lost(profile, rec->cpu);
	return profile_event(profile, event, rec->data, rec->len, rec->cpu, rec->ts);
}

static int each_record(void *arg, const struct source *source, const struct event *event,
		       const struct source_record *rec, struct out *suffix)
{
	struct report_session *s = arg;
	int r = 0;

	if (s->wakeup && event)
		r = wakeup_event(s->wakeup, event, rec->data, rec->len, rec->ts, suffix);
	for (size_t i = 0; s->profiles && event && i < s->nr_inputs; i++)
		if (s->inputs[i] == source->input)
			r = profile_record(s->profiles[i], event, rec);
	return r;
}

static int make_summaries(struct report_session *s, struct err *err)
{
	struct report_args *args = &s->args;
	int r = 0;

	if (!args->wakeup && !args->profile)
		return 0;
	args->report.each = each_record;
	args->report.each_arg = s;
	if (args->wakeup)
		r = wakeup_new(&s->wakeup, s->inputs[0]->db);
	if (r < 0)
		return err_set(err, -ENOMEM, "out of memory");
	if (!args->profile)
		return 0;
	args->report.format = REPORT_NONE;
	s->profiles = mem_calloc(s->nr_inputs, sizeof(*s->profiles));
	if (!s->profiles)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < s->nr_inputs && r >= 0; i++)
		r = report_session_profile(s, s->inputs[i], &s->profiles[i], err);
	return r;
}

/* Width of the name column; as in trace-cmd, all files count, and the instances. */
static size_t name_width(const struct report_session *s)
{
	size_t width = 0;

	if (s->nr_inputs < 2 && s->nr_sources < 2 && !(s->nr_sources && s->sources[0].is_instance))
		return 0;
	for (size_t i = 0; i < s->nr_sources; i++)
		if (s->sources[i].name)
			width = MAX(width, strlen(s->sources[i].name));
	return width;
}

static int print_text_buffers(struct report_session *s, const struct input *input, struct err *err)
{
	for (size_t i = 0; i < input->dat->nr_buffers; i++) {
		_cleanup_free_ char *text = NULL;
		size_t len;
		int r;

		if (!input->dat->buffers[i].is_text)
			continue;
		if (s->nr_inputs > 1)
			return err_set(err, -EINVAL,
				       "%s: the text of a latency tracer cannot be merged with "
				       "other files; read it alone",
				       input->path);
		r = dat_buffer_text(input->dat, i, &text, &len, err);
		if (r < 0)
			return r;
		fwrite(text, 1, len, stdout);
		if (len)
			putchar('\n'); /* as trace-cmd ends it */
	}
	return 0;
}

/* The first line of CSV; a text that is no records has no place in it, nor in JSON. */
static int print_table_header(struct report_session *s, struct err *err)
{
	for (size_t i = 0; i < s->nr_inputs; i++)
		for (size_t j = 0; j < s->inputs[i]->dat->nr_buffers; j++)
			if (s->inputs[i]->dat->buffers[j].is_text)
				return err_set(err, -EINVAL,
					       "%s: holds the text of a latency tracer, which has "
					       "no records for --json or --csv",
					       s->inputs[i]->path);
	if (s->args.report.format != REPORT_CSV)
		return 0;
	for (size_t i = 0; i < s->args.csv_fields.nr; i++)
		printf("%s%s", i ? "," : "", s->args.csv_fields.words[i]);
	putchar('\n');
	return 0;
}

/* "cpus=N" for each file, and the text of latency tracers. */
static int print_headers(struct report_session *s, struct err *err)
{
	size_t width = 0;

	if (s->args.report.format == REPORT_JSON || s->args.report.format == REPORT_CSV)
		return print_table_header(s, err);
	for (size_t i = 0; s->nr_inputs > 1 && i < s->nr_inputs; i++)
		width = MAX(width, strlen(s->inputs[i]->base_name));
	for (size_t i = 0; i < s->nr_inputs; i++) {
		const struct input *input = s->inputs[i];
		int r;

		if (width)
			printf("%*s: ", (int)width, input->base_name);
		printf("cpus=%u\n", input->dat->nr_cpus);
		r = print_text_buffers(s, input, err);
		if (r < 0)
			return r;
		if (s->args.info != INFO_NONE)
			report_show_info(&s->args, s->inputs[i]);
		for (size_t j = 0; width && j < input->dat->nr_buffers; j++)
			width = MAX(width, strlen(input->dat->buffers[j].name));
	}
	return 0;
}

static unsigned int format_threads(void)
{
	cpu_set_t set;
	int nr;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 0;
	nr = CPU_COUNT(&set);
	return nr > 1 ? (unsigned int)MIN(nr - 1, 16) : 0;
}

static int print_summaries(struct report_session *s, struct err *err)
{
	_cleanup_out_ struct out out = {0};
	int r;

	if (s->wakeup)
		wakeup_summary(s->wakeup, &out);
	for (size_t i = 0; s->profiles && i < s->nr_inputs; i++)
		if (profile_print(s->profiles[i], &out) < 0)
			return err_set(err, -ENOMEM, "out of memory");
	if (out.failed)
		return err_set(err, -ENOMEM, "out of memory");
	r = out.len ? io_write_full(STDOUT_FILENO, out.buf, out.len) : 0;
	return r < 0 ? err_sys(err, r, "cannot write the report") : 0;
}

/* New pages of a recording in progress: 1 when there are more records, 0 when it has ended. */
static int follow_more(struct report_session *s, struct err *err)
{
	for (;;) {
		bool more = false, growing = false;

		for (size_t i = 0; i < s->nr_inputs; i++) {
			int r = dat_refresh(s->inputs[i]->dat, err);

			if (r < 0)
				return r;
			growing |= r > 0;
		}
		for (size_t i = 0; i < s->nr_sources; i++)
			more |= source_refresh(&s->sources[i]) > 0;
		if (more || !growing)
			return more;
		usleep(100000);
	}
}

/* In 3.1's text, what a raw character array shows depends on the records before it. */
static bool text_follows(const struct report_session *s)
{
	bool follows = s->args.report.raw || s->args.raw_events.nr;

	for (size_t i = 0; i < s->nr_inputs && !follows; i++)
		follows = event_db_text_follows(s->inputs[i]->db);
	return follows && s->args.report.compat == COMPAT_31;
}

static int run_records(struct report_session *s, struct err *err)
{
	struct report_args *args = &s->args;
	int r;

	args->report.csv_fields = args->csv_fields.words;
	args->report.nr_csv_fields = args->csv_fields.nr;
	args->report.nr_threads = text_follows(s) ? 0 : format_threads();
	args->report.warn = args->quiet ? NULL : warn;
	r = make_summaries(s, err);
	if (r >= 0)
		r = report_session_report(s, err);
	if (r < 0)
		return r;
	report_set_name_width(s->report, name_width(s));
	do {
		r = report_run(s->report, STDOUT_FILENO, err);
		if (r >= 0)
			r = args->follow ? follow_more(s, err) : 0;
	} while (r > 0);
	return r < 0 ? r : print_summaries(s, err);
}

static int print_filters(struct report_session *s)
{
	_cleanup_out_ struct out out = {0};

	for (size_t i = 0; i < s->nr_inputs; i++)
		if (s->filters[i])
			filter_print(s->filters[i], &out);
	fwrite(out.buf, 1, out.len, stdout);
	return CMD_OK;
}

static void print_verbose(const struct report_session *s)
{
	if (s->args.verbose < 4)
		return;
	for (size_t i = 0; i < s->nr_inputs; i++) {
		const struct dat *dat = s->inputs[i]->dat;

		fprintf(stderr, "%s: version %d, compression %s, %zu formats, %zu symbols\n",
			dat->path, dat->version, dat->compression_name,
			event_db_count(s->inputs[i]->db),
			symbols_count(event_db_symbols(s->inputs[i]->db)));
		for (size_t j = 0; j < dat->nr_buffers; j++)
			fprintf(stderr,
				"  buffer \"%s\": clock %s, %u CPUs, sub-buffers of %u bytes\n",
				dat->buffers[j].name, dat->buffers[j].clock,
				dat->buffers[j].nr_cpus, dat->buffers[j].layout.size);
	}
}

/* Options that print something of the first file and leave the records alone. */
static bool is_plain_info(const struct report_args *args)
{
	return args->info != INFO_NONE && args->info < INFO_STAT;
}

/* Of the first file, as trace-cmd; only --cpus goes through all. */
static int show_plain_info(struct report_session *s)
{
	size_t nr = s->args.info == INFO_CPUS ? s->nr_inputs : 1;
	int status = CMD_OK;

	for (size_t i = 0; i < nr && status == CMD_OK; i++)
		status = report_show_info(&s->args, s->inputs[i]);
	return status;
}

/* What failed here is reported here: the stream forgets it, so that it is told once. */
static int flush_stdout(struct err *err)
{
	int r = fflush(stdout) ? -errno : 0;

	if (!r)
		return 0;
	__fpurge(stdout);
	clearerr(stdout);
	return err_sys(err, r, "cannot write to standard output");
}

static int show_records(struct report_session *s)
{
	struct err err = {0};
	int r, status;

	if (s->args.align_ts)
		report_session_align(s);
	status = report_session_range(s);
	if (status != CMD_OK)
		return status;
	r = report_session_start(s, &err);
	if (r < 0)
		return cmd_fail(s->args.command, &err);
	if (!s->args.no_pager)
		pager_start();
	r = print_headers(s, &err);
	if (r >= 0)
		r = flush_stdout(&err);
	if (r >= 0 && s->args.info == INFO_NONE)
		r = run_records(s, &err);
	pager_finish();
	if (r == -EPIPE)
		return CMD_OK; /* whoever read it has seen enough */
	if (r < 0)
		return cmd_fail(s->args.command, &err);
	if (s->report)
		report_session_losses(s);
	return CMD_OK;
}

int cmd_report_run(const struct command *command, int argc, char **argv)
{
	struct report_session s = {0};
	struct err err = {0};
	int status;

	warn_command = command;
	status = report_args_parse(&s.args, command, argc, argv);
	if (status == CMD_OK && report_session_open(&s, &err) < 0)
		status = cmd_fail(command, &err);
	if (status == CMD_OK) {
		print_verbose(&s);
		if (s.args.test_filters && s.args.nr_filters)
			status = print_filters(&s);
		else if (is_plain_info(&s.args))
			status = show_plain_info(&s);
		else
			status = show_records(&s);
		if (status == CMD_OK)
			status = report_session_damage(&s);
	}
	report_session_done(&s);
	return status;
}
