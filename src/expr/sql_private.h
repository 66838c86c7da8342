/* SPDX-License-Identifier: MIT */
/* A SELECT, taken apart: from sql_parse.c to sql.c. */
#ifndef SONDE_EXPR_SQL_PRIVATE_H
#define SONDE_EXPR_SQL_PRIVATE_H

#include "base/arena.h"
#include "expr/hist_private.h"
#include "expr/sql.h"

enum sql_kind {
	SQL_END,
	SQL_WORD, /* letters, digits, and . : _ $ */
	SQL_STRING,
	SQL_OP, /* one byte, or two of && || == != <= >= */
};

/* A piece of the text; where there is none its length is 0. */
struct sql_token {
	enum sql_kind kind;
	const char *text;
	size_t len;
};

struct sql_column {
	struct sql_token a, b; /* b: of a sum or difference */
	char op;	       /* '+', '-', or 0 */
	struct sql_token cast, name;
};

struct sql_event {
	const char *name;
	struct sql_token token, alias;
};

struct sql {
	char *text;
	struct arena arena;
	struct sql_column columns[HIST_PARAMS];
	size_t nr_columns;
	struct sql_event events[2];
	size_t nr_events;
	struct sql_token on[HIST_KEYS][2];
	size_t nr_on;
	const char *where; /* behind WHERE; NULL without one */
};

/* The token at `pos`, or behind white space there. */
struct sql_token sql_token_at(const char *pos);
bool sql_token_is(const struct sql_token *token, const char *word); /* in any case */
bool sql_token_is_op(const struct sql_token *token, const char *op);

#endif
