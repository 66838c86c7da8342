/* SPDX-License-Identifier: MIT */
/*
 * The expression of a filter, for one event. libtraceevent's language has no precedence: `&&` and
 * `||` bind equally and to the left, and arithmetic is a condition of its own (`flags & 4`), not an
 * operand. One level of the text (the whole, a parenthesis, the operand of `!`) is read token by
 * token into three slots: the logic chain so far, the condition being built, and a value that still
 * waits for its operator.
 */
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "expr/filter_program.h"

struct parser {
	const struct filter_source *source;
	const struct event *event;
	struct arena *arena;
	struct matcher **matchers;
	struct tokenizer tokenizer;
	struct token token;
	uint32_t nr_nodes;
	bool compat;
	struct err *err;
};

struct level {
	struct node *chain;	/* a && b || ...: its right side may be missing yet */
	struct node *condition; /* its right side may be missing yet */
	struct node *value;	/* the left side of what comes */
	uint32_t depth;
	bool is_operand; /* of '!': ends behind one condition */
	bool closed;	 /* by ')' */
	bool done;
};

static int parse_level(struct parser *parser, struct level *level, struct node **ret_node);

#define parse_error(parser, ...)                                                                   \
	err_caret((parser)->err, -EINVAL, (parser)->source->text,                                  \
		  (size_t)((parser)->token.text - (parser)->source->text), __VA_ARGS__)

static struct node *new_node(struct parser *parser, enum node_kind kind, enum token_op op)
{
	struct node *node = NULL;

	if (parser->nr_nodes++ < LIMIT_FILTER_NODES)
		node = arena_alloc(parser->arena, sizeof(*node));
	if (node) {
		node->kind = kind;
		node->op = op;
		node->depth = 1;
	}
	return node;
}

static int no_node(struct parser *parser)
{
	if (parser->nr_nodes > LIMIT_FILTER_NODES)
		return parse_error(parser, "the filter has more than %u values and operators",
				   LIMIT_FILTER_NODES);
	return err_set(parser->err, -ENOMEM, "out of memory");
}

static int set_depth(struct parser *parser, struct node *node, const struct node *child)
{
	node->depth = MAX(node->depth, child->depth + 1);
	if (node->depth > LIMIT_FILTER_DEPTH)
		return parse_error(parser, "the filter is nested more than %u deep",
				   LIMIT_FILTER_DEPTH);
	return 0;
}

/* As strtoull(text, NULL, 0) on the word: 0x, 0 for octal, ends at the first odd character. */
static uint64_t read_number(const char *text, size_t len)
{
	uint64_t value = 0;
	unsigned int base = 10;
	size_t i = 0;

	if (len > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		i = 2;
	} else if (text[0] == '0') {
		base = 8;
	}
	for (; i < len; i++) {
		char c = text[i];
		unsigned int digit = c >= '0' && c <= '9'   ? (unsigned int)(c - '0')
				     : c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a') + 10
				     : c >= 'A' && c <= 'F' ? (unsigned int)(c - 'A') + 10
							    : 99;

		if (digit >= base)
			break;
		if (size_mul(value, (uint64_t)base, &value) ||
		    size_add(value, (uint64_t)digit, &value))
			return UINT64_MAX;
	}
	return value;
}

static const struct event_field *find_field(const struct event *event, const char *name, size_t len)
{
	for (uint32_t i = 0; i < event->nr_fields; i++)
		if (!strncmp(event->fields[i].name, name, len) &&
		    event->fields[i].name[len] == '\0')
			return &event->fields[i];
	return NULL;
}

static int read_value(struct parser *parser, struct node **ret_node)
{
	const struct token *token = &parser->token;
	struct node *node = new_node(parser, NODE_FIELD, OP_UNKNOWN);
	char *text;

	if (!node)
		return no_node(parser);
	if (token->kind == TOKEN_STRING || token->kind == TOKEN_CHAR) {
		text = arena_alloc(parser->arena, token->len);
		if (!text)
			return err_set(parser->err, -ENOMEM, "out of memory");
		node->kind = NODE_TEXT;
		node->quoted_char = token->kind == TOKEN_CHAR;
		node->text_len = token_string(token, text);
		node->text = text;
	} else if (token->text[0] >= '0' && token->text[0] <= '9') {
		node->kind = NODE_NUMBER;
		node->number = read_number(token->text, token->len);
	} else {
		node->field = find_field(parser->event, token->text, token->len);
		if (node->field)
			;
		else if (token->len == 4 && !memcmp(token->text, "COMM", 4))
			node->special = SPECIAL_COMM;
		else if (token->len == 3 && !memcmp(token->text, "CPU", 3))
			node->special = SPECIAL_CPU;
		else
			node->kind = NODE_BOOL; /* the event has no such field: false */
	}
	*ret_node = node;
	return 0;
}

static bool is_complete(const struct node *node)
{
	if (node->kind == NODE_COMPARE || node->kind == NODE_ARITH || node->kind == NODE_LOGIC)
		return node->right != NULL;
	return true;
}

/* `field op "text"`: `compare` becomes a string comparison in place. */
static int compare_text(struct parser *parser, struct node *compare, const struct node *text)
{
	bool regex = compare->op == OP_REGEX || compare->op == OP_NOT_REGEX;
	struct matcher *matcher;
	char reason[128] = "";
	int r;

	if (compare->left->kind == NODE_BOOL) {
		*compare = (struct node){.kind = NODE_BOOL, .depth = 1};
		return 0;
	}
	if (compare->op != OP_EQ && compare->op != OP_NE && !regex)
		return parse_error(parser, "a string cannot be compared with '%s'",
				   token_op_text(compare->op));
	r = matcher_new(parser->matchers, parser->arena, text->text, text->text_len, regex,
			&matcher, reason, sizeof(reason));
	if (r == -EINVAL)
		return parse_error(parser, "no regular expression: %s", reason);
	if (r < 0)
		return err_set(parser->err, r, "out of memory");
	compare->kind = NODE_STRING;
	compare->matcher = matcher;
	return 0;
}

static int compare_with(struct parser *parser, struct node *compare, struct node *value)
{
	bool regex = compare->op == OP_REGEX || compare->op == OP_NOT_REGEX;

	if (value->kind == NODE_TEXT && value->quoted_char && value->text_len == 1 && !regex) {
		value->kind = NODE_NUMBER;
		value->number = (unsigned char)value->text[0];
	}
	if (value->kind == NODE_TEXT)
		return compare_text(parser, compare, value);
	if (parser->compat && value->kind != NODE_NUMBER)
		return parse_error(parser,
				   "a field can be compared with a number or a string only");
	if (regex)
		return parse_error(parser, "'%s' needs a string", token_op_text(compare->op));
	compare->right = value;
	return set_depth(parser, compare, value);
}

static int set_right(struct parser *parser, struct node *parent, struct node *node)
{
	if (is_complete(parent))
		return parse_error(parser, "an operator is missing here");
	if (parent->kind == NODE_COMPARE)
		return compare_with(parser, parent, node);
	parent->right = node;
	return set_depth(parser, parent, node);
}

static int take_value(struct parser *parser, struct level *level, struct node *node)
{
	const struct node *before = level->condition ? level->condition : level->chain;
	int r;

	if (!level->value) {
		if (!parser->compat && before && is_complete(before))
			return parse_error(parser, "an operator is missing here");
		level->value = node;
		return 0;
	}
	if (!level->condition)
		return parse_error(parser, "an operator is missing here");
	r = set_right(parser, level->condition, node);
	if (r < 0)
		return r;
	level->value = NULL;
	level->done = level->is_operand;
	return 0;
}

static int take_open(struct parser *parser, struct level *level)
{
	struct level inner = {.depth = level->depth + 1};
	struct token open = parser->token;
	struct node *node;
	int r;

	if (level->value || level->condition)
		return parse_error(parser, "'(' cannot stand here");
	if (inner.depth > LIMIT_FILTER_DEPTH / 8)
		return parse_error(parser, "more than %u nested parentheses",
				   LIMIT_FILTER_DEPTH / 8);
	r = parse_level(parser, &inner, &node);
	if (r < 0)
		return r;
	if (!inner.closed) {
		parser->token = open;
		return parse_error(parser, "this '(' is not closed");
	}
	level->done = level->is_operand;
	if (level->chain)
		return set_right(parser, level->chain, node);
	level->condition = node;
	return 0;
}

static int take_logic(struct parser *parser, struct level *level)
{
	struct node *before = level->chain ? level->chain : level->condition, *node;

	if (level->value || !before || !is_complete(before) ||
	    (level->condition && !is_complete(level->condition)))
		return parse_error(parser, "'%s' needs a condition before it",
				   token_op_text(parser->token.op));
	node = new_node(parser, NODE_LOGIC, parser->token.op);
	if (!node)
		return no_node(parser);
	node->left = before;
	level->chain = node;
	level->condition = NULL;
	return set_depth(parser, node, before);
}

static int take_not(struct parser *parser, struct level *level)
{
	struct level inner = {.depth = level->depth + 1, .is_operand = true};
	struct node *node, *operand;
	int r;

	if (level->value || (!parser->compat && level->condition))
		return parse_error(parser, "'!' cannot stand here");
	if (inner.depth > LIMIT_FILTER_DEPTH / 8)
		return parse_error(parser, "more than %u nested '!'", LIMIT_FILTER_DEPTH / 8);
	node = new_node(parser, NODE_LOGIC, OP_NOT);
	if (!node)
		return no_node(parser);
	if (level->chain) {
		r = set_right(parser, level->chain, node);
		if (r < 0)
			return r;
	}
	level->condition = node;
	r = parse_level(parser, &inner, &operand);
	if (r < 0)
		return r;
	node->right = operand;
	level->done = level->is_operand;
	r = set_depth(parser, node, operand);
	if (r < 0 || !level->chain)
		return r;
	return set_depth(parser, level->chain, node);
}

/* `-` before a number where a value is expected: true when it was one, and was taken. */
static int take_negative(struct parser *parser, struct level *level)
{
	struct node *node;
	int r;

	token_next(&parser->tokenizer, &parser->token);
	if (parser->token.kind != TOKEN_WORD || parser->token.text[0] < '0' ||
	    parser->token.text[0] > '9')
		return parse_error(parser, "a number is missing behind '-'");
	r = read_value(parser, &node);
	if (r < 0)
		return r;
	node->number = -node->number;
	return take_value(parser, level, node);
}

/* An operator between two values. */
static int take_operator(struct parser *parser, struct level *level)
{
	enum token_op op = parser->token.op;
	bool compare = token_op_is_compare(op);
	struct node *node;
	int r;

	if (!level->value)
		return parse_error(parser, "'%s' needs a value before it", token_op_text(op));
	if (!parser->compat && level->condition)
		return op == OP_SUB ? take_negative(parser, level)
				    : parse_error(parser, "a value is missing here");
	node = new_node(parser, compare ? NODE_COMPARE : NODE_ARITH, op);
	if (!node)
		return no_node(parser);
	if (level->chain) {
		r = set_right(parser, level->chain, node);
		if (r < 0)
			return r;
	}
	if (compare && level->value->kind != NODE_FIELD && level->value->kind != NODE_BOOL)
		return parse_error(parser, "the left side of '%s' must be a field",
				   token_op_text(op));
	node->left = level->value;
	level->condition = node;
	r = set_depth(parser, node, level->value);
	if (r < 0 || !level->chain)
		return r;
	return set_depth(parser, level->chain, node);
}

static int take_op(struct parser *parser, struct level *level)
{
	enum token_op op = parser->token.op;

	if (op == OP_AND || op == OP_OR)
		return take_logic(parser, level);
	if (op == OP_NOT)
		return take_not(parser, level);
	if (op == OP_UNKNOWN)
		return parse_error(parser, "unknown operator '%.*s'", (int)parser->token.len,
				   parser->token.text);
	return take_operator(parser, level);
}

/* ')' or the end of the text. */
static int end_level(struct parser *parser, struct level *level)
{
	bool closing = parser->token.kind == TOKEN_CLOSE;

	if (closing && !level->depth)
		return parse_error(parser, "')' without '('");
	if ((!level->chain && !level->condition) || level->is_operand)
		return parse_error(parser, "a condition is missing here");
	if ((level->chain && !is_complete(level->chain)) ||
	    (level->condition && !is_complete(level->condition)))
		return parse_error(parser, "a value is missing here");
	if (level->value && !parser->compat)
		return parse_error(parser, "an operator is missing here");
	level->closed = closing;
	level->done = true;
	return 0;
}

static int take_token(struct parser *parser, struct level *level)
{
	struct node *node;
	int r;

	switch (parser->token.kind) {
	case TOKEN_WORD:
	case TOKEN_STRING:
	case TOKEN_CHAR:
		r = read_value(parser, &node);
		return r < 0 ? r : take_value(parser, level, node);
	case TOKEN_OPEN:
		return take_open(parser, level);
	case TOKEN_OP:
		return take_op(parser, level);
	case TOKEN_CLOSE:
	case TOKEN_END:
		return end_level(parser, level);
	case TOKEN_COMMA:
		return parse_error(parser, "',' cannot stand here");
	case TOKEN_UNTERMINATED:
		return parse_error(parser, "this quote is not closed");
	case TOKEN_INVALID:
		break;
	}
	return parse_error(parser, "this character cannot stand here");
}

static int parse_level(struct parser *parser, struct level *level, struct node **ret_node)
{
	while (!level->done) {
		int r;

		token_next(&parser->tokenizer, &parser->token);
		r = take_token(parser, level);
		if (r < 0)
			return r;
	}
	*ret_node = level->chain ? level->chain : level->condition;
	return 0;
}

static struct node *set_bool(struct node *node, bool value)
{
	*node = (struct node){.kind = NODE_BOOL, .value = value, .depth = 1};
	return node;
}

/* Take out what is known already: fields that the event does not have make their condition false.
 */
struct node *node_fold(struct node *node)
{
	if (node->kind == NODE_COMPARE || node->kind == NODE_ARITH) {
		if (node->left->kind == NODE_BOOL || node->right->kind == NODE_BOOL)
			return set_bool(node, false);
		return node;
	}
	if (node->kind != NODE_LOGIC)
		return node;

	node->right = node_fold(node->right);
	if (node->op == OP_NOT)
		return node->right->kind == NODE_BOOL ? set_bool(node, !node->right->value) : node;
	node->left = node_fold(node->left);
	if (node->left->kind == NODE_BOOL)
		return node->left->value == (node->op == OP_OR) ? node->left : node->right;
	if (node->right->kind == NODE_BOOL)
		return node->right->value == (node->op == OP_OR) ? node->right : node->left;
	return node;
}

int filter_parse(const struct filter_source *source, const struct event *event, struct arena *arena,
		 struct matcher **matchers, struct node **ret_node, struct err *err)
{
	struct parser parser = {
		.source = source,
		.event = event,
		.arena = arena,
		.matchers = matchers,
		.compat = source->flags & FILTER_COMPAT,
		.err = err,
	};
	struct level level = {.depth = 0};
	const char *text = source->text + source->start;
	struct node *node;
	int r;

	tokenizer_init(&parser.tokenizer, text, strlen(text), TOKEN_REPORT);
	r = parse_level(&parser, &level, &node);
	if (r < 0)
		return r;
	*ret_node = node_fold(node);
	return 0;
}

static void print_value(const struct node *node, struct out *out)
{
	if (node->kind == NODE_NUMBER)
		out_i64(out, (int64_t)node->number);
	else if (node->kind == NODE_FIELD)
		out_str(out, node->field		     ? node->field->name
			     : node->special == SPECIAL_COMM ? "COMM"
							     : "CPU");
	else if (node->kind == NODE_TEXT)
		out_printf(out, "\"%s\"", node->text);
}

void node_print(const struct node *node, struct out *out)
{
	switch (node->kind) {
	case NODE_BOOL:
		out_str(out, node->value ? "TRUE" : "FALSE");
		break;
	case NODE_LOGIC:
		if (node->op == OP_NOT) {
			out_char(out, '!');
		} else {
			out_char(out, '(');
			node_print(node->left, out);
			out_printf(out, ") %s ", token_op_text(node->op));
		}
		out_char(out, '(');
		node_print(node->right, out);
		out_char(out, ')');
		break;
	case NODE_STRING:
		print_value(node->left, out);
		out_printf(out, " %s \"%s\"", token_op_text(node->op), node->matcher->pattern);
		break;
	case NODE_COMPARE:
	case NODE_ARITH:
		print_value(node->left, out);
		out_printf(out, " %s ",
			   node->op == OP_BIT_NOT ? "[ERROR IN EXPRESSION TYPE]"
						  : token_op_text(node->op));
		print_value(node->right, out);
		break;
	default:
		print_value(node, out);
	}
}
