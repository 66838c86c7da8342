/* SPDX-License-Identifier: MIT */
#include "cmd/hist_watch.h"

#include "base/mem.h"
#include "cmd/hist_triggers.h"
#include "cmd/hist_words.h"
#include "cmd/summary.h"

/* All records that there are. Functions and events come up all the time: each time anew. */
static int read_all(struct summary *summary, struct err *err)
{
	struct report_session *s = &summary->session;
	int r;

	s->calls = true;
	r = report_session_start(s, err);
	if (r >= 0)
		r = report_session_report(s, err);
	return r < 0 ? r : summary_take(summary, err);
}

static int fill(struct hist_watch *watch, struct summary *summary,
		const struct record_hist_key *keys, size_t nr, struct err *err)
{
	int r = report_session_open(&summary->session, err);

	if (r >= 0)
		r = summary_make_tables(summary, err);
	if (r < 0)
		return r;
	return watch->counted ? hist_triggers_add(summary, keys, nr) : read_all(summary, err);
}

void hist_watch_look(void *ctx, const struct record_hist_key *keys, size_t nr)
{
	struct hist_watch *watch = ctx;
	_cleanup_free_ char **argv =
		mem_dup(watch->read->words, (watch->read->nr + 1) * sizeof(*argv));
	struct hist_words words = {.command = watch->command, .counted = watch->counted};
	struct summary summary = {.kind = &hist_triggers_kind, .own = &words};
	_cleanup_out_ struct out out = {0};
	struct err err;

	if (argv &&
	    summary_parse(&summary, watch->command, (int)watch->read->nr, argv,
			  hist_words_option) == CMD_OK &&
	    fill(watch, &summary, keys, nr, &err) >= 0 && hist_triggers_draw(&summary, &out) >= 0)
		(void)!redraw_show(&watch->redraw, &out);
	summary_done(&summary);
	hist_words_done(&words);
}
