/* SPDX-License-Identifier: MIT */
#include "cmd/hist_program.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/hist_triggers.h"
#include "cmd/hist_words.h"
#include "cmd/report.h"
#include "program/watcher.h"

/* The kernel's, which is what --strict shows; else ours has more room. */
#define STRICT_SIZE ":size=2048"

static char *text_of(struct hist_wanted *wanted, bool strict)
{
	_cleanup_out_ struct out text = {0};
	const char *trigger = out_cstr(&wanted->text), *filter = strstr(trigger, " if ");
	size_t len = filter ? (size_t)(filter - trigger) : strlen(trigger);

	out_mem(&text, trigger, len);
	if (strict && !memmem(trigger, len, ":size=", 6))
		out_str(&text, STRICT_SIZE);
	if (filter)
		out_str(&text, filter);
	return text.failed ? NULL : mem_strdup(out_cstr(&text));
}

static int take_texts(struct hist_words *words, struct words *record, struct words *texts)
{
	int r = 0;

	for (size_t i = 0; i < words->nr_wanted && r == 0; i++) {
		char *text = text_of(&words->wanted[i], words->strict);

		if (!text || words_push(texts, text) < 0) {
			mem_free(text);
			return -ENOMEM;
		}
		r = words_option(record, "--hist", text);
	}
	return r;
}

/* Only calls; what else there is needs their records. */
static const char *needs_records(const struct hist_words *words)
{
	if (words->events || words->synthetics.nr)
		return "synthetic events";
	for (size_t i = 0; i < words->nr_wanted; i++) {
		if (words->wanted[i].sql)
			return "SELECT";
		if (!words->wanted[i].event ||
		    strcmp(words->wanted[i].event, HIST_CALLS_EVENT) != 0)
			return "events that are no calls";
	}
	return NULL;
}

static int check_texts(const char *const *texts, size_t nr, struct err *err)
{
	const struct program_watch_options options = {
		.mode = PROGRAM_GRAPH,
		.hists = texts,
		.nr_hists = nr,
	};
	struct program_watcher *watcher;
	struct err why = {0};
	int r = program_watcher_new(&watcher, &options, &why);

	program_watcher_free(watcher);
	if (r == 0 || r == -ENOMEM)
		return r;
	return err_set(err, -EOPNOTSUPP, "%s", why.text);
}

int hist_program_plan(const struct command *command, const struct words *read, struct words *record,
		      struct words *texts, struct err *err)
{
	struct hist_words words = {.command = command};
	struct report_args args = {.own = hist_words_option, .own_arg = &words};
	struct words own = {0};
	const size_t before = texts->nr;
	const char *why;
	int r = report_args_parse(&args, command, (int)read->nr, (char **)(uintptr_t)read->words);

	why = r == CMD_OK ? needs_records(&words) : "these options";
	if (why)
		r = err_set(err, -EOPNOTSUPP, "%s", why);
	else
		r = take_texts(&words, &own, texts);
	if (r == 0)
		r = check_texts(texts->words + before, texts->nr - before, err);
	for (size_t i = 0; i < own.nr && r == 0; i++)
		r = words_push(record, own.words[i]);
	words_done(&own);
	report_args_done(&args);
	hist_words_done(&words);
	return r;
}
