/* SPDX-License-Identifier: MIT */
/*
 * Arguments of a print fmt to trees of nodes.
 *
 * There are two ways to group operators. C's, by precedence climbing (climb), and libtraceevent's
 * (operator_31), which reports of trace-cmd show: operators of equal rank group to the right, the
 * third operand of ?: ends at the next operator, and a right operand in parentheses loses them to
 * an operator that binds tighter. Formats that libtraceevent 1.7 cannot understand at all are read
 * the first way; all others the second, so that the text of a report does not depend on the tool.
 */
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "event/internal.h"

/* `a`, `between`, `b` in the db's arena. */
static bool join(struct parser *p, struct span *a, const char *between, struct span b)
{
	size_t middle = strlen(between);
	char *text = arena_alloc(&p->db->arena, a->len + middle + b.len + 1);

	if (!text) {
		parse_fail(p, "out of memory");
		return false;
	}
	memcpy(text, a->p, a->len);
	memcpy(text + a->len, between, middle);
	memcpy(text + a->len + middle, b.p, b.len);
	*a = (struct span){text, a->len + middle + b.len};
	return true;
}

/* --- tools of the parser --- */

enum token_type parse_fail(struct parser *p, const char *error)
{
	if (!p->error)
		p->error = error;
	p->token.type = TOKEN_ERROR;
	return TOKEN_ERROR;
}

bool parse_work(struct parser *p)
{
	if (++p->work <= LIMIT_PRINT_NODES)
		return true;
	parse_fail(p, "too long an expression");
	return false;
}

struct node *parse_node(struct parser *p)
{
	struct node *node = arena_alloc(p->scratch, sizeof(*node));

	if (!node)
		parse_fail(p, "out of memory");
	return node;
}

enum token_type parse_next(struct parser *p)
{
	p->token = lex_next(&p->lexer);
	return p->token.type;
}

enum token_type parse_next_item(struct parser *p)
{
	p->token = lex_next_item(&p->lexer);
	return p->token.type;
}

static struct span token_span(const struct parser *p)
{
	return (struct span){p->token.text, p->token.len};
}

static uint16_t token_op(const struct parser *p)
{
	const char *text = p->token.text;

	switch (p->token.len) {
	case 1:
		return OP1(text[0]);
	case 2:
		return OP2(text[0], text[1]);
	default:
		return 0; /* <<= and >>= */
	}
}

/* Rank of a binary operator, smaller binds tighter; -1 when there is no such operator. */
static int rank_of(uint16_t op)
{
	switch (op) {
	case OP1('~'):
	case OP1('!'):
		return 4;
	case OP1('*'):
	case OP1('/'):
	case OP1('%'):
		return 6;
	case OP1('+'):
	case OP1('-'):
		return 7;
	case OP2('<', '<'):
	case OP2('>', '>'):
		return 8;
	case OP1('<'):
	case OP1('>'):
	case OP2('<', '='):
	case OP2('>', '='):
		return 9;
	case OP2('=', '='):
	case OP2('!', '='):
		return 10;
	case OP1('&'):
		return 11;
	case OP1('^'):
		return 12;
	case OP1('|'):
		return 13;
	case OP2('&', '&'):
		return 14;
	case OP2('|', '|'):
		return 15;
	case OP1('?'):
		return 16;
	default:
		return -1;
	}
}

static bool is_binary(uint16_t op)
{
	return op != OP1('~') && op != OP1('!') && op != OP1('?') && rank_of(op) > 0;
}

static struct node *op_node(struct parser *p, struct node *node, uint16_t op)
{
	struct node *left = parse_node(p);

	if (!left)
		return NULL;
	*left = *node;
	*node = (struct node){.type = NODE_OP, .op = op, .left = left};
	return left;
}

/* --- libtraceevent's grouping --- */

static enum token_type operator_31(struct parser *p, struct node *node);
static enum token_type primary(struct parser *p, struct node *node);

static enum token_type unary_31(struct parser *p, struct node *node)
{
	uint16_t op = token_op(p);
	enum token_type type;

	if (op != OP1('~') && op != OP1('!') && op != OP1('+') && op != OP1('-'))
		return parse_fail(p, "operator without a left side");
	*node = (struct node){.type = NODE_OP, .op = op};
	node->left = parse_node(p);
	node->right = parse_node(p);
	if (!node->left || !node->right)
		return TOKEN_ERROR;
	type = parse_arg(p, node->right);
	if (type != TOKEN_OP || parse_at(p, TOKEN_OP, ":"))
		return type;
	return operator_31(p, rank_of(token_op(p)) > 0 ? node : node->right);
}

/* Behind the `?`: the two branches hang on a node of their own. */
static enum token_type branches_31(struct parser *p, struct node *node)
{
	struct node *both = parse_node(p);
	enum token_type type;

	if (!both)
		return TOKEN_ERROR;
	*both = (struct node){.type = NODE_OP, .op = OP1(':')};
	both->left = parse_node(p);
	both->right = parse_node(p);
	if (!both->left || !both->right)
		return TOKEN_ERROR;
	type = parse_arg(p, both->left);
	while (type == TOKEN_OP && !parse_at(p, TOKEN_OP, ":"))
		type = operator_31(p, both->left);
	if (type == TOKEN_ERROR)
		return type;
	if (!parse_at(p, TOKEN_OP, ":"))
		return parse_fail(p, "? without :");
	node->right = both;
	return parse_arg(p, both->right);
}

static enum token_type index_31(struct parser *p, struct node *node)
{
	enum token_type type;

	node->right = parse_node(p);
	if (!node->right)
		return TOKEN_ERROR;
	type = parse_arg(p, node->right);
	if (type == TOKEN_ERROR)
		return type;
	if (!parse_at(p, TOKEN_OP, "]"))
		return parse_fail(p, "[ without ]");
	return parse_next_item(p);
}

/* `TYPE *` before a closing parenthesis: a pointer type, no product. */
static bool pointer_type(struct parser *p, struct node *node, enum token_type *ret_type)
{
	if (node->op != OP1('*') || !parse_at(p, TOKEN_DELIM, ")"))
		return false;
	*ret_type = TOKEN_DELIM;
	if (node->left->type != NODE_ATOM) {
		*ret_type = parse_fail(p, "bad pointer type");
	} else {
		*node = *node->left;
		if (!join(p, &node->text, " ", (struct span){"*", 1}))
			*ret_type = TOKEN_ERROR;
	}
	return true;
}

static enum token_type binary_31(struct parser *p, struct node *node, struct node **ret_right)
{
	enum token_type type;
	struct node *right;

	node->prio = node->left->type == NODE_NULL ? 0 : rank_of(node->op);
	parse_next_item(p);
	*ret_right = NULL;
	if (pointer_type(p, node, &type))
		return type == TOKEN_ERROR ? TOKEN_ERROR : TOKEN_SPACE; /* done, do not go on */
	right = parse_node(p);
	if (!right)
		return TOKEN_ERROR;
	type = primary(p, right);
	if (type == TOKEN_ERROR)
		return type;
	*ret_right = right;
	node->right = right;
	if (right->type == NODE_OP && rank_of(node->op) < rank_of(right->op)) {
		struct node tmp = *node;

		tmp.right = right->left;
		*node = *right;
		*right = tmp;
		node->left = right;
	}
	return type;
}

/* The current token is an operator behind `node`. */
static enum token_type operator_31(struct parser *p, struct node *node)
{
	uint16_t op = token_op(p);
	struct node *right = NULL;
	enum token_type type;
	int rank;

	if (++p->depth > PARSE_MAX_DEPTH)
		return parse_fail(p, "nested too deeply");
	if (!op_node(p, node, op))
		return TOKEN_ERROR;
	if (op == OP1('?')) {
		type = branches_31(p, node);
	} else if (op == OP1('[')) {
		type = index_31(p, node);
	} else if (is_binary(op)) {
		type = binary_31(p, node, &right);
		if (type == TOKEN_SPACE) {
			p->depth--;
			return p->token.type;
		}
	} else {
		return parse_fail(p, "unknown operator");
	}
	if (type == TOKEN_OP && !parse_at(p, TOKEN_OP, ":")) {
		rank = rank_of(token_op(p)); /* -1 for [, which goes to the right operand */
		if (rank <= node->prio && !right)
			return parse_fail(p, "unknown operator");
		type = operator_31(p, rank > node->prio ? node : right);
	}
	p->depth--;
	return type;
}

/* --- C's grouping --- */

static enum token_type climb(struct parser *p, struct node *node, int loosest);

static enum token_type unary(struct parser *p, struct node *node)
{
	enum token_type type;
	uint16_t op;

	while (parse_at(p, TOKEN_OP, "&")) /* address of a field: stands for its bytes */
		parse_next_item(p);
	if (p->token.type != TOKEN_OP)
		return primary(p, node);
	op = token_op(p);
	if (op != OP1('~') && op != OP1('!') && op != OP1('+') && op != OP1('-'))
		return parse_fail(p, "operator without a left side");
	*node = (struct node){.type = NODE_OP, .op = op};
	node->left = parse_node(p);
	node->right = parse_node(p);
	if (!node->left || !node->right)
		return TOKEN_ERROR;
	if (++p->depth > PARSE_MAX_DEPTH)
		return parse_fail(p, "nested too deeply");
	parse_next_item(p);
	type = unary(p, node->right);
	p->depth--;
	return type;
}

static enum token_type branches(struct parser *p, struct node *node)
{
	struct node *both = parse_node(p);
	enum token_type type;

	if (!both)
		return TOKEN_ERROR;
	*both = (struct node){.type = NODE_OP, .op = OP1(':')};
	both->left = parse_node(p);
	both->right = parse_node(p);
	if (!both->left || !both->right)
		return TOKEN_ERROR;
	type = parse_arg(p, both->left);
	if (type == TOKEN_ERROR)
		return type;
	if (!parse_at(p, TOKEN_OP, ":"))
		return parse_fail(p, "? without :");
	node->right = both;
	parse_next_item(p);
	return climb(p, both->right, 16);
}

static enum token_type climb(struct parser *p, struct node *node, int loosest)
{
	enum token_type type;

	if (++p->depth > PARSE_MAX_DEPTH)
		return parse_fail(p, "nested too deeply");
	type = unary(p, node);
	while (type == TOKEN_OP) {
		uint16_t op = token_op(p);
		int rank = op == OP1('[') ? 1 : rank_of(op);

		if (rank < 0 || rank > loosest || op == OP1('~') || op == OP1('!'))
			break;
		if (!op_node(p, node, op))
			return TOKEN_ERROR;
		if (op == OP1('?')) {
			type = branches(p, node);
		} else if (op == OP1('[')) {
			type = index_31(p, node);
		} else {
			parse_next_item(p);
			if (pointer_type(p, node, &type))
				break;
			node->right = parse_node(p);
			if (!node->right)
				return TOKEN_ERROR;
			type = climb(p, node->right, rank - 1);
		}
	}
	p->depth--;
	return type;
}

/* --- operands --- */

static const struct event_field *find_field(const struct parser *p, struct span name)
{
	const struct event *event = &p->event->pub;

	for (uint32_t i = 0; i < event->nr_fields; i++)
		if (span_is(name, event->fields[i].name))
			return &event->fields[i];
	return NULL;
}

/* Behind REC: `->field`. */
static enum token_type record_field(struct parser *p, struct node *node)
{
	parse_next_item(p);
	if (parse_at(p, TOKEN_DELIM, ")"))
		return TOKEN_ITEM; /* (REC)->field: the parenthesis goes on */
	if (!parse_at(p, TOKEN_OP, "->"))
		return parse_fail(p, "REC without ->");
	if (parse_next(p) != TOKEN_ITEM)
		return parse_fail(p, "REC-> without a field");
	*node = (struct node){.type = NODE_FIELD, .text = token_span(p)};
	node->field = find_field(p, node->text);
	return parse_next(p);
}

static bool is_type_name(struct span text)
{
	static const char *const words[] = {"unsigned", "signed", "char", "short", "int",  "long",
					    "const",	"struct", "enum", "union", "void", "bool"};

	if (text.len && text.p[text.len - 1] == '*')
		return true;
	if (text.len > 2 && !memcmp(text.p + text.len - 2, "_t", 2))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t len = strlen(words[i]);

		if (text.len >= len && !memcmp(text.p, words[i], len) &&
		    (text.len == len || text.p[len] == ' '))
			return true;
	}
	while (text.len && *text.p == '_') {
		text.p++;
		text.len--;
	}
	return text.len >= 2 && (*text.p == 'u' || *text.p == 's') && text.p[1] >= '0' &&
	       text.p[1] <= '9';
}

static bool is_cast(const struct parser *p, const struct node *node)
{
	if (token_has_value(&p->token) || parse_at(p, TOKEN_DELIM, "("))
		return true;
	if (p->exact || node->type != NODE_ATOM || node->quoted || !is_type_name(node->text))
		return false;
	return p->token.type == TOKEN_OP && (token_op(p) == OP1('-') || token_op(p) == OP1('~') ||
					     token_op(p) == OP1('!') || token_op(p) == OP1('&'));
}

static struct local *find_local(const struct parser *p, struct span name)
{
	for (struct local *local = p->locals; local; local = local->next)
		if (local->name.len == name.len && !memcmp(local->name.p, name.p, name.len))
			return local;
	return NULL;
}

/* `TYPE NAME = VALUE;`, the first word of the type being the current token. */
static bool declare(struct parser *p)
{
	struct local *local = arena_alloc(p->scratch, sizeof(*local));

	if (!local) {
		parse_fail(p, "out of memory");
		return false;
	}
	while (p->token.type == TOKEN_ITEM || parse_at(p, TOKEN_OP, "*")) {
		local->name = token_span(p);
		parse_next_item(p);
	}
	if (!parse_at(p, TOKEN_OP, "=") || parse_arg(p, &local->value) == TOKEN_ERROR)
		return false;
	local->next = p->locals;
	p->locals = local;
	return parse_at(p, TOKEN_OP, ";");
}

/*
 * `({ int x = (A); int y = (B); x < y ? x : y; })`: what min() and max() look like in a format. The
 * brace is the current token.
 */
static enum token_type statements(struct parser *p, struct node *node)
{
	struct local *outer = p->locals;

	parse_next_item(p);
	while (p->token.type == TOKEN_ITEM && !token_is(&p->token, TOKEN_ITEM, "REC")) {
		if (find_local(p, token_span(p)))
			break;
		if (!declare(p))
			return parse_fail(p, "statement that is no declaration");
		parse_next_item(p);
	}
	if (climb(p, node, 16) == TOKEN_ERROR)
		return TOKEN_ERROR;
	p->locals = outer;
	if (parse_at(p, TOKEN_OP, ";"))
		parse_next_item(p);
	if (!parse_at(p, TOKEN_OP, "}"))
		return parse_fail(p, "{ without }");
	parse_next_item(p);
	if (!parse_at(p, TOKEN_DELIM, ")"))
		return parse_fail(p, "( without )");
	return parse_next_item(p);
}

/* Behind `(`: a value in parentheses, a cast, or (REC)->field. */
static enum token_type parenthesis(struct parser *p, struct node *node)
{
	struct lexer before = p->lexer;
	enum token_type type;
	struct node *item;

	if (!p->exact) {
		if (parse_next_item(p) == TOKEN_OP && parse_at(p, TOKEN_OP, "{"))
			return statements(p, node);
		p->lexer = before;
	}
	type = parse_arg(p, node);
	if (type == TOKEN_OP && p->exact)
		type = operator_31(p, node);
	if (type == TOKEN_ERROR)
		return type;
	if (type == TOKEN_ITEM && parse_at(p, TOKEN_DELIM, ")"))
		return record_field(p, node);
	if (!parse_at(p, TOKEN_DELIM, ")"))
		return parse_fail(p, "( without )");
	parse_next_item(p);
	if (!is_cast(p, node))
		return p->token.type;
	if (node->type != NODE_ATOM)
		return parse_fail(p, "cast to something that is no type");
	item = parse_node(p);
	if (!item)
		return TOKEN_ERROR;
	*node = (struct node){.type = NODE_CAST, .text = node->text, .left = item};
	return p->exact ? primary(p, item) : unary(p, item);
}

static enum token_type item(struct parser *p, struct node *node)
{
	struct token first = p->token;
	struct span text = token_span(p);
	const struct local *local = p->locals ? find_local(p, text) : NULL;

	if (token_is(&first, TOKEN_ITEM, "REC"))
		return record_field(p, node);
	if (local) {
		*node = local->value;
		return parse_next_item(p);
	}
	parse_next_item(p);
	if (parse_at(p, TOKEN_DELIM, "("))
		return parse_call(p, node, &first);
	while (p->token.type == TOKEN_ITEM) { /* "unsigned long" */
		if (!join(p, &text, " ", token_span(p)))
			return TOKEN_ERROR;
		parse_next_item(p);
	}
	*node = (struct node){.type = NODE_ATOM, .text = text};
	return p->token.type;
}

static enum token_type character(struct parser *p, struct node *node)
{
	char *text = arena_alloc(&p->db->arena, 8);
	int c = p->token.len ? p->token.text[0] : '\'';

	if (!text)
		return parse_fail(p, "out of memory");
	node->type = NODE_ATOM;
	node->text.p = text;
	if (c >= 100)
		text[node->text.len++] = (char)('0' + c / 100);
	if (c >= 10)
		text[node->text.len++] = (char)('0' + c / 10 % 10);
	text[node->text.len++] = (char)('0' + c % 10);
	return parse_next_item(p);
}

/* One operand that begins at the current token. */
static enum token_type primary(struct parser *p, struct node *node)
{
	switch (p->token.type) {
	case TOKEN_ITEM:
		return item(p, node);
	case TOKEN_SQUOTE:
		if (!p->exact)
			return character(p, node);
		*node = (struct node){.type = NODE_ATOM, .text = token_span(p)};
		return parse_next_item(p);
	case TOKEN_DQUOTE:
		*node = (struct node){.type = NODE_ATOM, .text = token_span(p), .quoted = true};
		return parse_next_item(p);
	case TOKEN_DELIM:
		if (parse_at(p, TOKEN_DELIM, "(")) {
			enum token_type type;

			if (++p->depth > PARSE_MAX_DEPTH)
				return parse_fail(p, "nested too deeply");
			type = parenthesis(p, node);
			p->depth--;
			return type;
		}
		return parse_fail(p, "argument missing");
	case TOKEN_OP:
		if (p->exact)
			return unary_31(p, node);
		return parse_fail(p, "operator without a left side");
	default:
		return parse_fail(p, "argument missing");
	}
}

/* The argument that begins behind the current token. */
enum token_type parse_arg(struct parser *p, struct node *node)
{
	enum token_type type;

	if (++p->depth > PARSE_MAX_DEPTH)
		return parse_fail(p, "nested too deeply");
	if (p->exact) {
		parse_next(p);
		type = primary(p, node);
	} else {
		parse_next_item(p);
		type = climb(p, node, 16);
	}
	p->depth--;
	return type;
}

enum token_type parse_more(struct parser *p, struct node *node)
{
	return operator_31(p, node);
}

/* --- the print fmt --- */

static bool arguments(struct parser *p, struct node **list)
{
	enum token_type type = TOKEN_ERROR;

	do {
		struct node *node;

		if (type == TOKEN_NEWLINE) {
			type = parse_next_item(p);
			continue;
		}
		node = parse_node(p);
		if (!node)
			return false;
		type = parse_arg(p, node);
		if (type == TOKEN_ERROR)
			return false;
		*list = node;
		list = &node->next;
		if (type == TOKEN_OP && p->exact) {
			type = operator_31(p, node);
			if (type == TOKEN_ERROR || !parse_fold(p, node))
				return false;
			continue;
		}
		if (!p->exact && !parse_fold(p, node))
			return false;
		if (!parse_at(p, TOKEN_DELIM, ","))
			break;
	} while (type != TOKEN_NONE);
	if (!p->exact && type != TOKEN_NONE && type != TOKEN_NEWLINE) {
		parse_fail(p, "something behind the last argument");
		return false;
	}
	return true;
}

bool parse_print_fmt(struct parser *p, struct span *ret_format, struct node **ret_args)
{
	struct span format;

	*ret_args = NULL;
	if (parse_next_item(p) != TOKEN_DQUOTE) {
		parse_fail(p, "print fmt is not a string");
		return false;
	}
	format = token_span(p);
	while (parse_next_item(p) == TOKEN_DQUOTE)
		if (!join(p, &format, "", token_span(p)))
			return false;
	*ret_format = format;
	if (p->token.type == TOKEN_NONE)
		return true;
	if (!parse_at(p, TOKEN_DELIM, ",")) {
		parse_fail(p, "no comma behind the format");
		return false;
	}
	return arguments(p, ret_args) && !p->error;
}
