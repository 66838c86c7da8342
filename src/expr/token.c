/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/mem.h"
#include "expr/token.h"

/* Of each dialect; longest first: the first entry that the text begins with is the operator. */
struct op_text {
	const char *text;
	enum token_op op;
};

static const struct op_text report_ops[] = {
	{">>=", OP_UNKNOWN}, {"<<=", OP_UNKNOWN}, {"->", OP_UNKNOWN},	{"++", OP_UNKNOWN},
	{"--", OP_UNKNOWN},  {"+=", OP_UNKNOWN},  {"-=", OP_UNKNOWN},	{"|=", OP_UNKNOWN},
	{"&=", OP_UNKNOWN},  {"&&", OP_AND},	  {"||", OP_OR},	{">>", OP_RSHIFT},
	{"<<", OP_LSHIFT},   {"==", OP_EQ},	  {"!=", OP_NE},	{"<=", OP_LE},
	{">=", OP_GE},	     {"=~", OP_REGEX},	  {"!~", OP_NOT_REGEX}, {"!", OP_NOT},
	{"+", OP_ADD},	     {"-", OP_SUB},	  {"*", OP_MUL},	{"/", OP_DIV},
	{"%", OP_MOD},	     {"&", OP_BIT_AND},	  {"|", OP_BIT_OR},	{"^", OP_BIT_XOR},
	{"~", OP_BIT_NOT},   {"<", OP_LT},	  {">", OP_GT},
};

static const struct op_text kernel_ops[] = {
	{"&&", OP_AND}, {"||", OP_OR},	{"!~", OP_UNKNOWN}, {"!=", OP_NE},
	{"==", OP_EQ},	{"<=", OP_LE},	{">=", OP_GE},	    {"<", OP_LT},
	{">", OP_GT},	{"~", OP_GLOB}, {"&", OP_BIT_AND},  {"!", OP_NOT},
};

static const struct {
	const struct op_text *ops;
	size_t nr;
} dialects[] = {
	[TOKEN_REPORT] = {report_ops, ARRAY_SIZE(report_ops)},
	[TOKEN_KERNEL] = {kernel_ops, ARRAY_SIZE(kernel_ops)},
};

bool token_is_space(enum token_dialect dialect, char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || (dialect == TOKEN_KERNEL && c == '\xa0');
}

/* The kernel's letters of Latin-1: all from 0xc0 on but the signs for times and divided by. */
bool token_is_alnum(enum token_dialect dialect, char c)
{
	unsigned char u = (unsigned char)c;

	if (dialect == TOKEN_KERNEL && u >= 0xc0)
		return u != 0xd7 && u != 0xf7;
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_space(const struct tokenizer *tokenizer, char c)
{
	return token_is_space(tokenizer->dialect, c);
}

static bool is_word(const struct tokenizer *tokenizer, char c)
{
	return token_is_alnum(tokenizer->dialect, c) || c == '_';
}

void tokenizer_init(struct tokenizer *tokenizer, const char *text, size_t len,
		    enum token_dialect dialect)
{
	*tokenizer = (struct tokenizer){
		.text = text, .pos = text, .end = text + len, .dialect = dialect};
}

/*
 * Behind the closing quote of the quoted text at `pos`, or NULL. Two backslashes are one, escaped;
 * in the kernel's dialect they are nothing special.
 */
static const char *quoted_end(enum token_dialect dialect, const char *pos, const char *end)
{
	char quote = *pos++;

	for (; pos < end; pos++) {
		if (*pos == '\\' && pos + 1 < end && dialect != TOKEN_KERNEL)
			pos++;
		else if (*pos == quote)
			return pos + 1;
	}
	return NULL;
}

static void read_quoted(struct tokenizer *tokenizer, struct token *token)
{
	enum token_dialect dialect = tokenizer->dialect;
	const char *end = quoted_end(dialect, tokenizer->pos, tokenizer->end), *next;
	bool kernel = dialect == TOKEN_KERNEL;

	token->kind = *tokenizer->pos == '"' || kernel ? TOKEN_STRING : TOKEN_CHAR;
	while (end && token->kind == TOKEN_STRING && !kernel) {
		for (next = end; next < tokenizer->end && is_space(tokenizer, *next); next++)
			;
		if (next == tokenizer->end || *next != '"')
			break;
		end = quoted_end(dialect, next, tokenizer->end);
	}
	if (!end) {
		token->kind = TOKEN_UNTERMINATED;
		end = tokenizer->end;
	}
	token->len = (size_t)(end - token->text);
	tokenizer->pos = end;
}

static void read_op(struct tokenizer *tokenizer, struct token *token)
{
	size_t left = (size_t)(tokenizer->end - tokenizer->pos);
	const struct op_text *ops = dialects[tokenizer->dialect].ops;

	token->kind = TOKEN_OP;
	token->op = OP_UNKNOWN;
	token->len = 1;
	for (size_t i = 0; i < dialects[tokenizer->dialect].nr; i++) {
		size_t len = strlen(ops[i].text);

		if (len <= left && !memcmp(tokenizer->pos, ops[i].text, len)) {
			token->op = ops[i].op;
			token->len = len;
			break;
		}
	}
	tokenizer->pos += token->len;
}

void token_skip_space(struct tokenizer *tokenizer)
{
	while (tokenizer->pos < tokenizer->end && is_space(tokenizer, *tokenizer->pos))
		tokenizer->pos++;
}

void token_next(struct tokenizer *tokenizer, struct token *ret_token)
{
	struct token token = {.kind = TOKEN_END};
	const char *pos;

	token_skip_space(tokenizer);
	pos = tokenizer->pos;
	token.text = pos;
	if (pos == tokenizer->end) {
		*ret_token = token;
		return;
	}
	if (is_word(tokenizer, *pos)) {
		while (pos < tokenizer->end && is_word(tokenizer, *pos))
			pos++;
		token.kind = TOKEN_WORD;
		token.len = (size_t)(pos - token.text);
		tokenizer->pos = pos;
	} else if (*pos == '"' || *pos == '\'') {
		read_quoted(tokenizer, &token);
	} else if (*pos == '(' || *pos == ')' || *pos == ',') {
		token.kind = *pos == '(' ? TOKEN_OPEN : *pos == ')' ? TOKEN_CLOSE : TOKEN_COMMA;
		token.len = 1;
		tokenizer->pos++;
	} else if (*pos < '!' || *pos > '~') {
		token.kind = TOKEN_INVALID;
		token.len = 1;
		tokenizer->pos++;
	} else {
		read_op(tokenizer, &token);
	}
	*ret_token = token;
}

size_t token_string(const struct token *token, char *buf)
{
	const char *pos = token->text, *end = token->text + token->len;
	size_t len = 0;

	while (pos < end) {
		const char *close = quoted_end(TOKEN_REPORT, pos, end);

		if (!close)
			break;
		memcpy(buf + len, pos + 1, (size_t)(close - pos) - 2);
		len += (size_t)(close - pos) - 2;
		for (pos = close; pos < end && token_is_space(TOKEN_REPORT, *pos); pos++)
			;
	}
	buf[len] = '\0';
	return len;
}

const char *token_op_text(enum token_op op)
{
	for (size_t i = 0; i < ARRAY_SIZE(report_ops); i++)
		if (op != OP_UNKNOWN && report_ops[i].op == op)
			return report_ops[i].text;
	return "";
}
