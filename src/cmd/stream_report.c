/* SPDX-License-Identifier: MIT */
/* The showing half of `sonde stream`: a report whose file is fed while it is recorded. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmd/report_session.h"
#include "cmd/stream.h"
#include "report/comm.h"

/* The report that `sonde report FILE` would be, or what the reader has. */
static int parse(struct stream_report *report, const char *path)
{
	char word[] = "report", *argv[] = {word, (char *)path, NULL};

	if (report->reader) {
		report->session = report->reader->session;
		return report->reader->parse(report->reader->arg, path);
	}
	report->session = mem_zalloc(sizeof(*report->session));
	return report->session ? report_args_parse(&report->session->args, report->command, 2, argv)
			       : -ENOMEM;
}

static int open_report(struct stream_report *report, const char *path, uint32_t nr_cpus,
		       struct err *err)
{
	struct report_session *s;
	struct dat *dat;
	int r = parse(report, path);

	if (r != CMD_OK)
		return err_set(err, r < 0 ? r : -EINVAL, "cannot show what is traced");
	s = report->session;
	r = report_session_open(s, err);
	if (r < 0)
		return r;
	dat = s->inputs[0]->dat;
	r = dat_feed_begin(dat, nr_cpus, err);
	/* The sources were made for buffers without a CPU. */
	for (size_t i = 0; i < s->nr_sources && r == 0; i++) {
		struct source *source = &s->sources[i];
		size_t buffer = source->buffer;

		source_done(source);
		r = source_init(source, s->inputs[0], buffer, err);
	}
	if (r == 0 && report->reader)
		r = report->reader->opened(report->reader->arg, err);
	if (r == 0)
		r = report_session_start(s, err);
	if (r == 0)
		r = report_session_report(s, err);
	return r;
}

static int begin(void *ctx, const char *path, uint32_t nr_cpus, struct err *err)
{
	struct stream_report *report = ctx;
	int r = open_report(report, path, nr_cpus, err);
	const struct report_session *s = report->session;
	size_t width = 0;

	if (r < 0)
		return r;
	report->same_clocks = true;
	for (size_t i = 0; i < s->nr_sources; i++) {
		const struct dat *dat = s->inputs[0]->dat;

		report->same_clocks &= !strcmp(dat->buffers[i].clock, dat->buffers[0].clock);
		width = MAX(width, strlen(dat->buffers[i].name));
	}
	report_set_name_width(s->report, width);
	return 0;
}

static int pages(void *ctx, size_t buffer, uint32_t cpu, const void *data, size_t len,
		 struct err *err)
{
	struct stream_report *report = ctx;

	return dat_feed(report->session->inputs[0]->dat, buffer, cpu, data, len, err);
}

static int name(void *ctx, int32_t pid, const char *comm)
{
	struct stream_report *report = ctx;

	return comm_table_learn(report->session->inputs[0]->learned, pid, comm,
				(uint32_t)strlen(comm) + 1);
}

/*
 * Up to which displayed time all records are there. Instances with clocks of their own cannot be
 * put in order, so that the one that is ahead holds nobody back.
 */
static uint64_t safe_time(const struct stream_report *report, const uint64_t *until)
{
	const struct report_session *s = report->session;
	uint64_t lowest = UINT64_MAX, highest = 0;

	for (size_t i = 0; i < s->nr_sources; i++) {
		uint64_t raw = until[s->sources[i].buffer], ts;

		/* An instance that is not traced has no time. */
		if (!raw)
			continue;
		ts = source_time(&s->sources[i], raw, 0);
		lowest = MIN(lowest, ts);
		highest = MAX(highest, ts);
	}
	return report->same_clocks ? lowest : highest;
}

static int until(void *ctx, const uint64_t *times, struct err *err)
{
	struct stream_report *report = ctx;
	struct report_session *s = report->session;
	bool more = false;

	for (size_t i = 0; i < s->nr_sources; i++)
		more |= source_refresh(&s->sources[i]) > 0;
	if (!more && !report->reader)
		return 0;
	report_set_end(s->report, times ? safe_time(report, times) : UINT64_MAX);
	return report->reader ? report->reader->run(report->reader->arg, err)
			      : report_run(s->report, STDOUT_FILENO, err);
}

struct record_stream stream_report_callbacks(struct stream_report *report)
{
	return (struct record_stream){begin, pages, name, until, report};
}

void stream_report_done(struct stream_report *report)
{
	if (!report->session || report->reader)
		return;
	report_session_done(report->session);
	mem_free(report->session);
	report->session = NULL;
}
