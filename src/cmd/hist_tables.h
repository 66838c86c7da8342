/* SPDX-License-Identifier: MIT */
/*
 * The histograms that the words of `sonde hist` ask for, of one source: made from the words, filled
 * by whoever counts, printed. Private to src/cmd.
 */
#ifndef SONDE_CMD_HIST_TABLES_H
#define SONDE_CMD_HIST_TABLES_H

#include "cmd/hist_words.h"
#include "report/hist_calls.h"
#include "report/hist_table.h"

/* A text as tracefs takes it: a trigger of the event, or without one a synthetic event. */
struct hist_text {
	const struct event *event;
	char *text;
};

struct hist_tables {
	struct hist_words *words;
	const struct event_db *db;
	struct hist_set *set;
	struct hist_calls *calls; /* some trigger is about calls */
	struct out translation;	  /* of all SELECTs */
	struct hist_text *texts;  /* in the order in which they are given */
	size_t nr_texts, cap_texts;
};

/* Borrows words and db. hist_tables_done in any case. */
int hist_tables_init(struct hist_tables *tables, struct hist_words *words,
		     const struct event_db *db, const struct hist_options *options, struct err *err)
	_must_check_;
void hist_tables_done(struct hist_tables *tables);

/* Whether histograms of the event are shown. */
bool hist_tables_shows(const struct hist_tables *tables, const struct event *event);
/* The next event, from *at on, that has triggers and is shown, each once; NULL. */
const struct event *hist_tables_next(const struct hist_tables *tables, size_t *at);
/* All of them, as the words want it. -ENOMEM. */
int hist_tables_print(const struct hist_tables *tables, enum report_format format,
		      const char *buffer, struct out *out) _must_check_;

#endif
