/* SPDX-License-Identifier: MIT */
/*
 * Tokens of a format text. The cutting follows libtraceevent where the two could differ (what ends
 * a string, which operators have two characters), so that the same texts are understood.
 */
#ifndef SONDE_EVENT_LEX_H
#define SONDE_EVENT_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"

enum token_type {
	TOKEN_ERROR,
	TOKEN_NONE, /* end of the text, or a byte that is no text */
	TOKEN_SPACE,
	TOKEN_NEWLINE,
	TOKEN_OP,
	TOKEN_DELIM, /* ( ) , */
	TOKEN_ITEM,  /* letters, digits, _ */
	TOKEN_DQUOTE,
	TOKEN_SQUOTE,
};

struct token {
	enum token_type type;
	const char *text; /* without quotes; borrowed from the text or from the arena */
	size_t len;
};

struct lexer {
	const char *text;
	size_t pos, len;
	struct arena *arena; /* for joined strings */
	bool tabs;	     /* a string may hold tabs; libtraceevent ends it there */
	bool no_memory;
};

/* The next token, blanks included. */
struct token lex_any(struct lexer *lexer);
/* The next token that is not blank; newlines count. */
struct token lex_next(struct lexer *lexer);
/* The next token that is neither blank nor a newline. */
struct token lex_next_item(struct lexer *lexer);

static inline bool token_is(const struct token *token, enum token_type type, const char *text)
{
	return token->type == type && strlen(text) == token->len &&
	       !memcmp(token->text, text, token->len);
}

/* A number, a name or a quoted text: something that has a value. */
static inline bool token_has_value(const struct token *token)
{
	return token->type >= TOKEN_ITEM;
}

#endif
