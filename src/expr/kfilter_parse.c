/* SPDX-License-Identifier: MIT */
/*
 * The kernel's filters, what stands between the conditions: `&&` binds tighter than `||`, `!` takes
 * a condition or a parenthesis. The kernel first looks over the text for its quotes and parentheses
 * and counts the conditions; what that finds wrong comes before anything else.
 */
#include "expr/kfilter_parse.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

/* The kernel takes less than a page. */
#define TEXT_BYTES 4096

static const char *const messages[] = {
	[KFILTER_ERROR] = "Error",
	[KFILTER_INVALID_OP] = "Invalid operator",
	[KFILTER_TOO_MANY_OPEN] = "Too many '('",
	[KFILTER_TOO_MANY_CLOSE] = "Too few '('",
	[KFILTER_MISSING_QUOTE] = "Missing matching quote",
	[KFILTER_MISSING_BRACE_OPEN] = "Missing '{'",
	[KFILTER_MISSING_BRACE_CLOSE] = "Missing '}'",
	[KFILTER_OPERAND_TOO_LONG] = "Operand too long",
	[KFILTER_EXPECT_STRING] = "Expecting string field",
	[KFILTER_EXPECT_DIGIT] = "Expecting numeric field",
	[KFILTER_ILLEGAL_FIELD_OP] = "Illegal operation for field type",
	[KFILTER_FIELD_NOT_FOUND] = "Field not found",
	[KFILTER_ILLEGAL_INTVAL] = "Illegal integer value",
	[KFILTER_TOO_MANY_PREDS] = "Too many terms in predicate expression",
	[KFILTER_INVALID_FILTER] = "Meaningless filter expression",
	[KFILTER_INVALID_CPULIST] = "Invalid cpulist",
	[KFILTER_INVALID_VALUE] = "Invalid value (did you forget quotes)?",
	[KFILTER_NO_FUNCTION] = "Function not found",
	[KFILTER_NO_FILTER] = "No filter found",
};

int kfilter_refuse(struct kfilter_parser *parser, int code, enum kfilter_message message,
		   const char *at)
{
	parser->error = (struct kfilter_error){
		.code = code,
		.message = messages[message],
		.column = message == KFILTER_ERROR ? 0 : (size_t)(at - parser->text),
		.no_field = message == KFILTER_FIELD_NOT_FOUND,
	};
	return code;
}

/* The '(' that is not closed, seen from the end of the text. */
static const char *find_open(const char *text, size_t len)
{
	uint32_t closed = 0;
	char quote = 0;

	for (size_t i = len; i-- > 1;) {
		if (quote) {
			if (text[i] == quote)
				quote = 0;
		} else if (text[i] == '\'' || text[i] == '"') {
			quote = text[i];
		} else if (text[i] == ')') {
			closed++;
		} else if (text[i] == '(' && closed-- == 0) {
			return &text[i];
		}
	}
	return text;
}

/* The first look: quotes, parentheses, and how much there is of both. */
struct look {
	char quote;
	const char *quoted; /* the last quote that was opened */
	uint32_t open, max_open, nr_terms;
	bool in_term;
};

/* One byte that is no white space; false: a ')' too many. */
static bool look_at(struct look *look, const char **p)
{
	char c = **p;

	if (look->quote) {
		if (c == look->quote)
			look->quote = 0;
		return true;
	}
	if (c == '(' || c == ')' || ((c == '|' || c == '&') && (*p)[1] == c)) {
		look->in_term = false;
		if (c == ')' && !look->open)
			return false;
		look->open += c == '(';
		look->open -= c == ')';
		look->max_open = MAX(look->max_open, look->open);
		return true;
	}
	if (c == '\'' || c == '"') {
		look->quote = c;
		look->quoted = *p;
	}
	if (!look->in_term) {
		look->nr_terms++;
		look->in_term = true;
	}
	return true;
}

static int look_over(struct kfilter_parser *parser)
{
	struct look look = {0};

	for (const char *p = parser->text; *p; p++) {
		if (!token_is_space(TOKEN_KERNEL, *p) && !look_at(&look, &p))
			return kfilter_refuse(parser, -EPERM, KFILTER_TOO_MANY_CLOSE, p);
	}
	if (look.quote)
		return kfilter_refuse(parser, -ESRCH, KFILTER_MISSING_QUOTE, look.quoted);
	if (look.open)
		return kfilter_refuse(parser, -ENOENT, KFILTER_TOO_MANY_OPEN,
				      find_open(parser->text, strlen(parser->text)));
	if (!look.nr_terms)
		return kfilter_refuse(parser, -EINVAL, KFILTER_ERROR, parser->text);
	parser->max_terms = look.nr_terms;
	parser->max_depth = look.max_open;
	return 0;
}

static int new_logic(struct kfilter_parser *parser, enum token_op op, struct node *left,
		     struct node **node)
{
	struct node *logic = arena_alloc(parser->arena, sizeof(*logic));

	if (!logic)
		return -ENOMEM;
	logic->kind = NODE_LOGIC;
	logic->op = op;
	logic->left = left;
	logic->right = *node;
	*node = logic;
	return 0;
}

static int parse_or(struct kfilter_parser *parser, struct node **ret_node);

/* What may stand behind a condition or a ')'. */
static int read_behind(struct kfilter_parser *parser)
{
	const struct token *token = &parser->token;

	token_next(&parser->tokenizer, &parser->token);
	if (token->kind == TOKEN_END) {
		if (!parser->depth)
			return 0;
		return kfilter_refuse(parser, -EPERM, KFILTER_TOO_MANY_OPEN, token->text + 1);
	}
	if (token->kind == TOKEN_CLOSE) {
		if (parser->depth)
			return 0;
		return kfilter_refuse(parser, -EPERM, KFILTER_TOO_MANY_CLOSE, token->text + 1);
	}
	if (token->kind == TOKEN_OP && (token->op == OP_AND || token->op == OP_OR))
		return 0;
	return kfilter_refuse(parser, -EPERM, KFILTER_TOO_MANY_PREDS, token->text);
}

static int parse_parenthesis(struct kfilter_parser *parser, struct node **ret_node)
{
	int r;

	if (parser->depth >= parser->max_depth)
		return kfilter_refuse(parser, -EINVAL, KFILTER_ERROR, parser->text);
	parser->depth++;
	r = parse_or(parser, ret_node);
	parser->depth--;
	return r;
}

static int parse_condition(struct kfilter_parser *parser, struct node **ret_node)
{
	const struct token *token = &parser->token;

	if (token->kind == TOKEN_OPEN)
		return parse_parenthesis(parser, ret_node);
	if (token->kind == TOKEN_END && !parser->nr_terms)
		return kfilter_refuse(parser, -EINVAL, KFILTER_NO_FILTER, token->text);
	if (token->kind == TOKEN_END)
		return kfilter_refuse(parser, -EINVAL, KFILTER_INVALID_FILTER, token->text);
	if (parser->nr_terms == parser->max_terms)
		return kfilter_refuse(parser, -EPERM, KFILTER_TOO_MANY_PREDS, token->text);
	if (token->kind != TOKEN_WORD)
		return kfilter_refuse(parser, -EPERM, KFILTER_ERROR, token->text);
	parser->nr_terms++;
	return kfilter_term(parser, ret_node);
}

/* A condition or a parenthesis with all the '!' before it, and the token behind it. */
static int parse_not(struct kfilter_parser *parser, struct node **ret_node)
{
	bool invert = false;
	int r;

	token_next(&parser->tokenizer, &parser->token);
	while (parser->token.kind == TOKEN_OP && parser->token.op == OP_NOT) {
		invert = !invert;
		token_next(&parser->tokenizer, &parser->token);
	}
	r = parse_condition(parser, ret_node);
	if (r == 0 && invert)
		r = new_logic(parser, OP_NOT, NULL, ret_node);
	return r < 0 ? r : read_behind(parser);
}

static int parse_and(struct kfilter_parser *parser, struct node **ret_node)
{
	struct node *left;
	int r = parse_not(parser, ret_node);

	while (r == 0 && parser->token.kind == TOKEN_OP && parser->token.op == OP_AND) {
		left = *ret_node;
		r = parse_not(parser, ret_node);
		if (r == 0)
			r = new_logic(parser, OP_AND, left, ret_node);
	}
	return r;
}

/* Up to the ')' or the end, which is then the parser's token. */
static int parse_or(struct kfilter_parser *parser, struct node **ret_node)
{
	struct node *left;
	int r = parse_and(parser, ret_node);

	while (r == 0 && parser->token.kind == TOKEN_OP) {
		left = *ret_node;
		r = parse_and(parser, ret_node);
		if (r == 0)
			r = new_logic(parser, OP_OR, left, ret_node);
	}
	return r;
}

int kfilter_parse(struct kfilter_parser *parser, const char *text, struct node **ret_node)
{
	size_t len = strlen(text);
	struct node *node = NULL;
	int r;

	while (len && token_is_space(TOKEN_KERNEL, text[len - 1]))
		len--;
	parser->text = arena_strndup(parser->arena, text, len);
	if (!parser->text)
		return -ENOMEM;
	if (len >= TEXT_BYTES)
		return kfilter_refuse(parser, -EINVAL, KFILTER_ERROR, parser->text);
	r = look_over(parser);
	if (r < 0)
		return r;
	tokenizer_init(&parser->tokenizer, parser->text, len, TOKEN_KERNEL);
	r = parse_or(parser, &node);
	if (r == 0)
		*ret_node = node_fold(node);
	return r;
}
