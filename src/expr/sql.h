/* SPDX-License-Identifier: MIT */
/*
 * Another spelling of hist triggers and synthetic events: the SELECT of libtracefs' sqlhist,
 * translated into the texts of hist.h, which say what it means.
 *
 *   SELECT FIELD|CAST(FIELD AS TYPE)[, ...] FROM EVENT [WHERE FILTER]                  a histogram
 *   SELECT FIELD [AS NAME]|(FIELD - FIELD) AS NAME|TIMESTAMP_DELTA[_USECS] AS NAME[, ...]
 *     FROM EVENT [AS NAME] JOIN EVENT [AS NAME] ON FIELD = FIELD[, ...] [WHERE FILTER]
 *                                                                              a synthetic event
 *
 * Words of the language are known in any case, names of events and fields as they are. An event is
 * NAME, SYSTEM.NAME or SYSTEM:NAME; with a JOIN a field has its event, or the event's AS name, in
 * front. TIMESTAMP, TIMESTAMP_USECS and STACKTRACE are fields of every event.
 */
#ifndef SONDE_EXPR_SQL_H
#define SONDE_EXPR_SQL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/out.h"
#include "expr/hist.h"

struct sql;

/* Whether a text begins with the word SELECT, and goes on behind it or ends there. */
bool sql_is(const char *text);

/* Grammar only; errors have a caret. Keeps a copy of the text. */
int sql_new(struct sql **ret_sql, const char *text, struct err *err) _must_check_;
void sql_free(struct sql *sql);

/* The names of the events as written: 0 is that of FROM, 1 that of JOIN or NULL. */
const char *sql_event(const struct sql *sql, size_t index);

struct sql_trigger {
	const struct event *event; /* of the set */
	struct out text;	   /* "hist:...[ if FILTER]" */
};

struct sql_texts {
	struct out synthetic; /* for hist_set_synthetic; empty without a JOIN */
	struct sql_trigger triggers[2];
	size_t nr_triggers;
	/*
	 * A trigger for the synthetic event, which shows it: its first fields are the keys, times
	 * by powers of two, and its order. Empty without a JOIN.
	 */
	struct out view;
};

/*
 * Translate with the events of `set`; `name` is that of the synthetic event. Texts are to be given
 * to the set in the order of the struct. sql_texts_done() also after an error.
 */
int sql_translate(const struct sql *sql, const struct hist_set *set, const char *name,
		  struct sql_texts *ret_texts, struct err *err) _must_check_;
void sql_texts_done(struct sql_texts *texts);

/* The texts as commands of a shell in the tracing directory, as sqlhist prints them. */
void sql_texts_print(struct sql_texts *texts, struct out *out);

#endif
