/* SPDX-License-Identifier: MIT */
#include "cmd/hist_stream.h"

#include <errno.h>
#include <time.h>

#include "base/mem.h"
#include "cmd/hist_triggers.h"
#include "cmd/hist_words.h"
#include "cmd/redraw.h"
#include "cmd/stream.h"
#include "cmd/summary.h"

struct counting {
	const struct hist_stream_plan *plan;
	struct hist_words words;
	struct words line;
	char *path;
	struct summary summary;
	struct redraw redraw;
	uint64_t drawn_ns;
	bool draws;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int parse(void *arg, const char *path)
{
	struct counting *c = arg;
	int r = 0;

	c->path = mem_strdup(path);
	if (!c->path)
		return -ENOMEM;
	for (size_t i = 0; i < c->plan->read->nr && r == 0; i++)
		r = words_push(&c->line, c->plan->read->words[i]);
	if (r == 0)
		r = words_option(&c->line, "-i", c->path);
	return r < 0 ? r
		     : summary_parse(&c->summary, c->plan->command, (int)c->line.nr,
				     (char **)(uintptr_t)c->line.words, hist_words_option);
}

static int opened(void *arg, struct err *err)
{
	struct counting *c = arg;

	return summary_make_tables(&c->summary, err);
}

static int draw(struct counting *c, struct err *err)
{
	_cleanup_out_ struct out out = {0};

	if (hist_triggers_draw(&c->summary, &out) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	if (redraw_show(&c->redraw, &out) < 0)
		return err_set(err, -EPIPE, "cannot write to standard output");
	return 0;
}

static int run(void *arg, struct err *err)
{
	struct counting *c = arg;
	uint64_t now = now_ns();
	int r = summary_take(&c->summary, err);

	if (r < 0 || !c->draws || now - c->drawn_ns < c->plan->refresh_ms * 1000000ull)
		return r;
	c->drawn_ns = now;
	return draw(c, err);
}

int hist_stream_run(const struct hist_stream_plan *plan)
{
	struct counting c = {
		.plan = plan,
		.words = {.command = plan->command},
		.summary = {.kind = &hist_triggers_kind, .own = &c.words},
		.drawn_ns = now_ns(),
		.draws = plan->refresh_ms && redraw_possible(),
	};
	const struct stream_reader reader = {parse, opened, run, &c.summary.session, &c};
	struct stream_report report = {.command = plan->command, .reader = &reader};
	const struct record_stream stream = stream_report_callbacks(&report);
	int status = stream_run(plan->command, plan->part, (int)plan->record->nr,
				(char **)(uintptr_t)plan->record->words, &stream),
	    shown = CMD_OK;

	if (redraw_clear(&c.redraw) == 0 && c.summary.session.report && status != CMD_FAILED)
		shown = summary_finish(&c.summary);
	summary_done(&c.summary);
	hist_words_done(&c.words);
	words_done(&c.line);
	mem_free(c.path);
	return status != CMD_OK ? status : shown;
}
