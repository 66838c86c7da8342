/* SPDX-License-Identifier: MIT */
#include "event/lex.h"

#include <string.h>

/* Bytes that are no text, control characters and those outside ASCII, are TOKEN_ERROR here. */
static const uint8_t classes[256] = {
	['\n'] = TOKEN_NEWLINE,	    ['\t'] = TOKEN_SPACE,	['\v'] = TOKEN_SPACE,
	['\f'] = TOKEN_SPACE,	    ['\r'] = TOKEN_SPACE,	[' '] = TOKEN_SPACE,
	['!'] = TOKEN_OP,	    ['"'] = TOKEN_DQUOTE,	['#' ... '&'] = TOKEN_OP,
	['\''] = TOKEN_SQUOTE,	    ['('] = TOKEN_DELIM,	[')'] = TOKEN_DELIM,
	['*'] = TOKEN_OP,	    ['+'] = TOKEN_OP,		[','] = TOKEN_DELIM,
	['-' ... '/'] = TOKEN_OP,   ['0' ... '9'] = TOKEN_ITEM, [':' ... '@'] = TOKEN_OP,
	['A' ... 'Z'] = TOKEN_ITEM, ['[' ... '^'] = TOKEN_OP,	['_'] = TOKEN_ITEM,
	['`'] = TOKEN_OP,	    ['a' ... 'z'] = TOKEN_ITEM, ['{' ... '~'] = TOKEN_OP,
};

static inline enum token_type class_of(char c)
{
	return (enum token_type)classes[(uint8_t)c];
}

static size_t operator_len(const struct lexer *lexer)
{
	const char *p = lexer->text + lexer->pos;
	size_t left = lexer->len - lexer->pos;
	char next = left > 1 ? p[1] : '\0';

	switch (p[0]) {
	case '-':
		if (next == '>')
			return 2;
		return next == '-' || next == '=' ? 2 : 1;
	case '+':
	case '|':
	case '&':
		return next == p[0] || next == '=' ? 2 : 1;
	case '<':
	case '>':
		if (next == p[0])
			return left > 2 && p[2] == '=' ? 3 : 2;
		return next == '=' ? 2 : 1;
	case '!':
	case '=':
		return next == '=' ? 2 : 1;
	default:
		return 1;
	}
}

/*
 * From behind the opening quote: length of the text, and the position moves behind the closing
 * quote (or behind the unprintable byte that ends the string as well). False at the end of the
 * text.
 */
static bool scan_quoted(struct lexer *lexer, char quote, size_t *ret_len)
{
	size_t start = lexer->pos;
	char last = quote;

	while (lexer->pos < lexer->len) {
		char c = lexer->text[lexer->pos++];

		if (c <= 0)
			return false;
		if (c == '\t' && lexer->tabs) {
			last = c;
			continue;
		}
		if (last != '\\' && c != '\n' && (c == quote || c < ' ' || c > '~')) {
			*ret_len = lexer->pos - 1 - start;
			return true;
		}
		/* A backslash behind a backslash counts for itself, and escapes what follows. */
		last = c;
	}
	return false;
}

static bool join(struct lexer *lexer, struct token *token, const char *more, size_t len)
{
	char *text = arena_alloc(lexer->arena, token->len + len + 1);

	if (!text) {
		lexer->no_memory = true;
		return false;
	}
	if (token->len)
		memcpy(text, token->text, token->len);
	if (len)
		memcpy(text + token->len, more, len);
	token->text = text;
	token->len += len;
	return true;
}

/* Strings that follow each other are one. */
static void join_following(struct lexer *lexer, struct token *token)
{
	for (;;) {
		size_t pos = lexer->pos, len;

		while (pos < lexer->len && (class_of(lexer->text[pos]) == TOKEN_SPACE ||
					    class_of(lexer->text[pos]) == TOKEN_NEWLINE))
			pos++;
		if (pos >= lexer->len || lexer->text[pos] != '"')
			return;
		lexer->pos = ++pos;
		if (!scan_quoted(lexer, '"', &len)) {
			token->type = TOKEN_NONE;
			return;
		}
		if (!join(lexer, token, lexer->text + pos, len)) {
			token->type = TOKEN_ERROR;
			return;
		}
	}
}

static struct token quoted(struct lexer *lexer, enum token_type type, char quote)
{
	struct token token = {.type = type, .text = lexer->text + ++lexer->pos};

	if (!scan_quoted(lexer, quote, &token.len))
		return (struct token){.type = TOKEN_NONE, .text = ""};
	if (type == TOKEN_DQUOTE)
		join_following(lexer, &token);
	return token;
}

/* Macros that old kernels left in the formats of mac80211. */
static void replace_macro(struct token *token)
{
	static const struct {
		const char *name, *text;
	} macros[] = {
		{"LOCAL_PR_FMT", "%s"}, {"STA_PR_FMT", " sta:%pM"}, {"VIF_PR_FMT", " vif:%p(%d)"}};

	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
		if (strlen(macros[i].name) == token->len &&
		    !memcmp(macros[i].name, token->text, token->len)) {
			token->type = TOKEN_DQUOTE;
			token->text = macros[i].text;
			token->len = strlen(macros[i].text);
			return;
		}
	}
}

struct token lex_any(struct lexer *lexer)
{
	struct token token = {.type = TOKEN_NONE, .text = ""};

	if (lexer->pos < lexer->len) {
		token.text = lexer->text + lexer->pos;
		token.type = class_of(*token.text);
	}
	switch (token.type) {
	case TOKEN_ERROR:
	case TOKEN_NONE:
		lexer->pos = lexer->len;
		return (struct token){.type = TOKEN_NONE, .text = ""};
	case TOKEN_NEWLINE:
	case TOKEN_DELIM:
		token.len = 1;
		break;
	case TOKEN_OP:
		token.len = operator_len(lexer);
		break;
	case TOKEN_DQUOTE:
	case TOKEN_SQUOTE:
		return quoted(lexer, token.type, *token.text);
	case TOKEN_SPACE:
	case TOKEN_ITEM:
		while (lexer->pos + token.len < lexer->len &&
		       class_of(token.text[token.len]) == token.type)
			token.len++;
		break;
	}
	lexer->pos += token.len;
	if (token.type == TOKEN_ITEM && token.len >= 10 && token.len <= 12)
		replace_macro(&token);
	return token;
}

struct token lex_next(struct lexer *lexer)
{
	struct token token;

	do {
		token = lex_any(lexer);
	} while (token.type == TOKEN_SPACE);
	return token;
}

struct token lex_next_item(struct lexer *lexer)
{
	struct token token;

	do {
		token = lex_any(lexer);
	} while (token.type == TOKEN_SPACE || token.type == TOKEN_NEWLINE);
	return token;
}
