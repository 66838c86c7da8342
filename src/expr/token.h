/* SPDX-License-Identifier: MIT */
/*
 * Words and operators of the ftrace languages. One tokenizer serves all of them; a dialect says how
 * a language differs. Tokens point into the text; nothing is allocated.
 */
#ifndef SONDE_EXPR_TOKEN_H
#define SONDE_EXPR_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

enum token_dialect {
	TOKEN_REPORT, /* libtraceevent's filters */
	/*
	 * The kernel's filters: letters and white space are those of Latin-1, a quoted text ends at
	 * the next quote of its kind, and both kinds are TOKEN_STRING.
	 */
	TOKEN_KERNEL,
};

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,   /* letters, digits, '_' */
	TOKEN_STRING, /* "..."; adjacent ones are one token, see token_string */
	TOKEN_CHAR,   /* '...' */
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_COMMA,
	TOKEN_OP,	    /* known or not: see op */
	TOKEN_INVALID,	    /* a byte that cannot stand here */
	TOKEN_UNTERMINATED, /* a quote without an end */
};

enum token_op {
	OP_UNKNOWN,
	OP_AND,
	OP_OR,
	OP_NOT,
	OP_ADD, /* the first of the calculating ones */
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_RSHIFT,
	OP_LSHIFT,
	OP_BIT_AND,
	OP_BIT_OR,
	OP_BIT_XOR,
	OP_BIT_NOT, /* the last of them */
	OP_EQ,	    /* the first of the comparing ones */
	OP_NE,
	OP_LT,
	OP_GT,
	OP_LE,
	OP_GE,
	OP_REGEX,
	OP_NOT_REGEX, /* the last of them */
	OP_GLOB,      /* the kernel's ~ */
};

struct token {
	enum token_kind kind;
	enum token_op op;
	const char *text; /* as written; strings with their quotes */
	size_t len;
};

struct tokenizer {
	const char *text, *pos, *end;
	enum token_dialect dialect;
};

void tokenizer_init(struct tokenizer *tokenizer, const char *text, size_t len,
		    enum token_dialect dialect);
void token_next(struct tokenizer *tokenizer, struct token *ret_token);
/* For what is no token: to the next byte that is no white space. */
void token_skip_space(struct tokenizer *tokenizer);
/* A letter or a digit, as the dialect sees it; '_' is none. */
bool token_is_alnum(enum token_dialect dialect, char c);
bool token_is_space(enum token_dialect dialect, char c);

/*
 * The contents of a TOKEN_STRING or TOKEN_CHAR of TOKEN_REPORT: quotes dropped, adjacent strings
 * joined, backslashes kept. `buf` has room for token->len bytes; returns the length, adds a NUL.
 */
size_t token_string(const struct token *token, char *buf);

/* How an operator is written; "" for OP_UNKNOWN. */
const char *token_op_text(enum token_op op);

static inline bool token_op_is_compare(enum token_op op)
{
	return op >= OP_EQ && op <= OP_NOT_REGEX;
}

static inline bool token_op_is_arithmetic(enum token_op op)
{
	return op >= OP_ADD && op <= OP_BIT_NOT;
}

#endif
