/* SPDX-License-Identifier: MIT */
/* The helper calls of print fmts: __print_flags(...), __get_str(...), sizeof(...) and the like. */
#include <string.h>

#include "base/mem.h"
#include "event/internal.h"

/* Own fields of the event only: common ones have no dynamic arrays. */
static const struct event_field *own_field(const struct parser *p)
{
	const struct event *event = &p->event->pub;
	struct span name = {p->token.text, p->token.len};

	for (uint32_t i = event->nr_common; i < event->nr_fields; i++)
		if (span_is(name, event->fields[i].name))
			return &event->fields[i];
	return NULL;
}

static const struct event_field *any_field(const struct parser *p)
{
	const struct event *event = &p->event->pub;
	struct span name = {p->token.text, p->token.len};

	for (uint32_t i = 0; i < event->nr_fields; i++)
		if (span_is(name, event->fields[i].name))
			return &event->fields[i];
	return NULL;
}

static enum token_type close_call(struct parser *p, bool skip_newlines)
{
	if (!parse_at(p, TOKEN_DELIM, ")"))
		return parse_fail(p, "too many arguments, or no )");
	return skip_newlines ? parse_next_item(p) : parse_next(p);
}

/* An argument with its operators, up to the current delimiter. */
static struct node *whole_argument(struct parser *p)
{
	struct node *node = parse_node(p);
	enum token_type type;

	if (!node)
		return NULL;
	type = parse_arg(p, node);
	while (type == TOKEN_OP && p->exact)
		type = parse_more(p, node);
	if (type == TOKEN_ERROR || !parse_fold(p, node))
		return NULL;
	return node;
}

static struct node *argument_before(struct parser *p, const char *delim)
{
	struct node *node = whole_argument(p);

	if (!node)
		return NULL;
	if (!parse_at(p, TOKEN_DELIM, delim)) {
		parse_fail(p, "wrong number of arguments");
		return NULL;
	}
	return node;
}

/* The value of __print_flags and __print_symbolic is not folded. */
static struct node *shown_value(struct parser *p)
{
	struct node *node = parse_node(p);
	enum token_type type;

	if (!node)
		return NULL;
	type = parse_arg(p, node);
	while (type == TOKEN_OP && p->exact)
		type = parse_more(p, node);
	if (type == TOKEN_ERROR)
		return NULL;
	if (!parse_at(p, TOKEN_DELIM, ",")) {
		parse_fail(p, "value without a list");
		return NULL;
	}
	return node;
}

/* `{value, "text"}`, the brace being the current token. */
static struct pair *one_pair(struct parser *p)
{
	struct pair *pair = arena_alloc(p->scratch, sizeof(*pair));
	struct node *value = parse_node(p), *text = parse_node(p);
	enum token_type type;

	if (!pair || !value || !text) {
		parse_fail(p, "out of memory");
		return NULL;
	}
	type = parse_arg(p, value);
	if (type == TOKEN_OP && p->exact)
		type = parse_more(p, value);
	if (type == TOKEN_ERROR)
		return NULL;
	if (!parse_at(p, TOKEN_DELIM, ",")) {
		parse_fail(p, "no comma in {value, text}");
		return NULL;
	}
	if (!parse_constant(p, value, &pair->value) || parse_arg(p, text) == TOKEN_ERROR)
		return NULL;
	if (!parse_at(p, TOKEN_OP, "}")) {
		parse_fail(p, "{ without }");
		return NULL;
	}
	return parse_constant(p, text, &pair->text) ? pair : NULL;
}

/* `{ }`, which some kernels have for an empty list; the token behind it becomes current. */
static bool empty_pair(struct parser *p)
{
	struct lexer before = p->lexer;

	if (parse_next_item(p) == TOKEN_OP && parse_at(p, TOKEN_OP, "}")) {
		parse_next_item(p);
		return true;
	}
	p->lexer = before;
	return false;
}

static enum token_type pairs(struct parser *p, struct pair **list)
{
	do {
		struct pair *pair;

		if (parse_next_item(p) != TOKEN_OP || !parse_at(p, TOKEN_OP, "{"))
			break;
		if (!p->exact && empty_pair(p))
			continue;
		pair = one_pair(p);
		if (!pair)
			return TOKEN_ERROR;
		*list = pair;
		list = &pair->next;
		parse_next_item(p);
	} while (parse_at(p, TOKEN_DELIM, ","));
	return close_call(p, true);
}

static enum token_type print_flags(struct parser *p, struct node *node)
{
	*node = (struct node){.type = NODE_FLAGS, .left = shown_value(p)};
	if (!node->left)
		return TOKEN_ERROR;
	if (parse_next_item(p) == TOKEN_ERROR)
		return TOKEN_ERROR;
	if (token_has_value(&p->token)) {
		node->text = (struct span){p->token.text, p->token.len};
		parse_next_item(p);
	}
	if (!parse_at(p, TOKEN_DELIM, ","))
		return parse_fail(p, "no comma behind the delimiter");
	return pairs(p, &node->pairs);
}

static enum token_type print_symbolic(struct parser *p, struct node *node)
{
	*node = (struct node){.type = NODE_SYMBOL, .left = shown_value(p)};
	if (!node->left)
		return TOKEN_ERROR;
	return pairs(p, &node->pairs);
}

static enum token_type print_hex(struct parser *p, struct node *node, enum node_type type)
{
	*node = (struct node){.type = type};
	node->left = argument_before(p, ",");
	if (!node->left)
		return TOKEN_ERROR;
	node->right = argument_before(p, ")");
	return node->right ? parse_next_item(p) : TOKEN_ERROR;
}

/* Arguments of any number, up to the closing parenthesis. */
static enum token_type argument_list(struct parser *p, struct node *node, unsigned int want)
{
	struct node **list = &node->args;
	unsigned int nr = 0;

	do {
		struct node *arg = whole_argument(p);

		if (!arg)
			return TOKEN_ERROR;
		*list = arg;
		list = &arg->next;
		nr++;
	} while (parse_at(p, TOKEN_DELIM, ","));
	if (nr != want)
		return parse_fail(p, "wrong number of arguments");
	return close_call(p, true);
}

static enum token_type print_array(struct parser *p, struct node *node)
{
	*node = (struct node){.type = NODE_ARRAY};
	return argument_list(p, node, 3);
}

/* __print_hex_dump(prefix, type, row size, group size, buffer, length, ascii) */
static enum token_type print_hex_dump(struct parser *p, struct node *node)
{
	*node = (struct node){.type = NODE_HEX_DUMP};
	return argument_list(p, node, 7);
}

static enum token_type named_field(struct parser *p, struct node *node, enum node_type type)
{
	if (parse_next(p) != TOKEN_ITEM)
		return parse_fail(p, "not the name of a field");
	*node = (struct node){.type = type, .text = {p->token.text, p->token.len}};
	node->field = any_field(p);
	if (parse_next(p) != TOKEN_DELIM)
		return parse_fail(p, "no ) behind the field");
	return close_call(p, false);
}

static enum token_type dynamic_array(struct parser *p, struct node *node, enum node_type type)
{
	if (parse_next(p) != TOKEN_ITEM)
		return parse_fail(p, "not the name of a field");
	*node = (struct node){.type = type, .field = own_field(p)};
	if (!node->field)
		return parse_fail(p, "no such field");
	if (parse_next(p) != TOKEN_DELIM)
		return parse_fail(p, "no ) behind the field");
	if (close_call(p, type == NODE_DYNAMIC) == TOKEN_ERROR)
		return TOKEN_ERROR;
	if (p->exact && type == NODE_DYNAMIC && parse_at(p, TOKEN_OP, "["))
		return parse_fail(p, "index of a dynamic array");
	return p->token.type;
}

static enum token_type builtin_expect(struct parser *p, struct node *node)
{
	enum token_type type = parse_arg(p, node);

	if (type == TOKEN_ERROR)
		return type;
	if (!parse_at(p, TOKEN_DELIM, ","))
		return parse_fail(p, "wrong number of arguments");
	if (parse_next(p) != TOKEN_ITEM)
		return parse_fail(p, "unexpected second argument");
	if (parse_next(p) != TOKEN_DELIM)
		return parse_fail(p, "wrong number of arguments");
	return close_call(p, true);
}

/* __builtin_choose_expr(constant, a, b) and __builtin_constant_p(x), which kernel macros leave. */
static enum token_type builtin_choose(struct parser *p, struct node *node)
{
	struct node call = {0}, *chosen;

	if (argument_list(p, &call, 3) == TOKEN_ERROR)
		return TOKEN_ERROR;
	if (call.args->type != NODE_ATOM)
		return parse_fail(p, "choice without a constant");
	chosen = span_u64(call.args->text) ? call.args->next : call.args->next->next;
	*node = *chosen;
	node->next = NULL;
	return p->token.type;
}

static enum token_type constant_p(struct parser *p, struct node *node)
{
	struct node call = {0};

	if (argument_list(p, &call, 1) == TOKEN_ERROR)
		return TOKEN_ERROR;
	*node = (struct node){.type = NODE_ATOM, .text = {"0", 1}};
	if (call.args->type == NODE_ATOM)
		node->text.p = "1";
	return p->token.type;
}

static bool at_item(const struct parser *p, const char *const *names)
{
	for (; *names; names++)
		if (parse_at(p, TOKEN_ITEM, *names))
			return true;
	return false;
}

/* Types that 3.1 does not know the size of. */
static unsigned int newer_size(const struct parser *p)
{
	static const char *const size_8[] = {"__u64",  "u64",	   "__s64",   "s64",
					     "size_t", "uint64_t", "int64_t", NULL};
	static const char *const size_4[] = {"__u32", "u32", "__s32", "s32", "uint32_t", NULL};
	static const char *const size_2[] = {"__u16", "u16", "__s16", "s16", "short", NULL};
	static const char *const size_1[] = {"__u8", "u8", "__s8", "s8", "char", "bool", NULL};

	return at_item(p, size_8)   ? 8
	       : at_item(p, size_4) ? 4
	       : at_item(p, size_2) ? 2
	       : at_item(p, size_1) ? 1
				    : 0;
}

/* Size of what stands in sizeof(); 0 when not known. Leaves the token behind it current. */
static unsigned int size_of_type(struct parser *p)
{
	unsigned int size = 0;

	if (parse_at(p, TOKEN_ITEM, "unsigned") && parse_next_item(p) != TOKEN_ITEM)
		return 4;
	if (parse_at(p, TOKEN_ITEM, "long")) {
		parse_next_item(p);
		if (!parse_at(p, TOKEN_ITEM, "long"))
			return p->db->options.long_size;
		size = 8;
	} else if (parse_at(p, TOKEN_ITEM, "int")) {
		size = 4;
	} else if (!p->exact && newer_size(p)) {
		size = newer_size(p);
	} else if (parse_at(p, TOKEN_ITEM, "REC")) {
		const struct event_field *field;

		parse_next_item(p);
		if (!parse_at(p, TOKEN_OP, "->") || parse_next(p) != TOKEN_ITEM)
			return 0;
		field = any_field(p);
		if (!field || ((field->flags & EVENT_FIELD_ARRAY) && p->exact))
			return 0;
		size = field->size;
	}
	parse_next_item(p);
	return size;
}

static enum token_type size_of(struct parser *p, struct node *node)
{
	char *text = arena_alloc(&p->db->arena, 12);
	unsigned int size;
	size_t len = 0;

	if (!text)
		return parse_fail(p, "out of memory");
	parse_next_item(p);
	size = size_of_type(p);
	if (!p->exact && size && parse_at(p, TOKEN_OP, "*")) {
		parse_next_item(p);
		size = p->db->options.long_size;
	}
	if (!size)
		return parse_fail(p, "sizeof of an unknown type");
	for (unsigned int left = size; left; left /= 10)
		len++;
	*node = (struct node){.type = NODE_ATOM, .text = {text, len}};
	for (; size; size /= 10)
		text[--len] = (char)('0' + size % 10);
	return close_call(p, true);
}

static enum token_type helper_call(struct parser *p, struct node *node, const struct helper *helper)
{
	struct node **list = &node->args;

	*node = (struct node){.type = NODE_CALL, .helper = helper};
	for (unsigned int i = 0; i < helper->nr_args; i++) {
		struct node *arg = parse_node(p);

		if (!arg || parse_arg(p, arg) == TOKEN_ERROR)
			return TOKEN_ERROR;
		if (!parse_at(p, TOKEN_DELIM, i + 1 < helper->nr_args ? "," : ")"))
			return parse_fail(p, "wrong number of arguments");
		*list = arg;
		list = &arg->next;
	}
	return parse_next(p);
}

enum call {
	CALL_FLAGS,
	CALL_SYMBOLIC,
	CALL_HEX,
	CALL_HEX_STR,
	CALL_ARRAY,
	CALL_HEX_DUMP,
	CALL_STR,
	CALL_BITMASK,
	CALL_CPUMASK,
	CALL_DYNAMIC,
	CALL_DYNAMIC_LEN,
	CALL_EXPECT,
	CALL_CHOOSE,
	CALL_CONSTANT_P,
	CALL_SIZEOF,
};

static const struct {
	const char *name;
	enum call call;
	bool newer; /* not in libtraceevent 1.7 */
} calls[] = {
	{"__print_flags", CALL_FLAGS, false},
	{"__print_symbolic", CALL_SYMBOLIC, false},
	{"__print_hex", CALL_HEX, false},
	{"__print_hex_str", CALL_HEX_STR, false},
	{"__print_array", CALL_ARRAY, false},
	{"__get_str", CALL_STR, false},
	{"__get_rel_str", CALL_STR, false},
	{"__get_bitmask", CALL_BITMASK, false},
	{"__get_rel_bitmask", CALL_BITMASK, false},
	{"__get_cpumask", CALL_CPUMASK, false},
	{"__get_rel_cpumask", CALL_CPUMASK, false},
	{"__get_dynamic_array", CALL_DYNAMIC, false},
	{"__get_rel_dynamic_array", CALL_DYNAMIC, false},
	{"__get_sockaddr", CALL_DYNAMIC, false},
	{"__get_sockaddr_rel", CALL_DYNAMIC, false},
	{"__get_dynamic_array_len", CALL_DYNAMIC_LEN, false},
	{"__get_rel_dynamic_array_len", CALL_DYNAMIC_LEN, false},
	{"__builtin_expect", CALL_EXPECT, false},
	{"sizeof", CALL_SIZEOF, false},
	{"__print_flags_u64", CALL_FLAGS, true},
	{"__print_symbolic_u64", CALL_SYMBOLIC, true},
	{"__print_hex_dump", CALL_HEX_DUMP, true},
	{"__print_dynamic_array", CALL_ARRAY, true},
	{"__get_rel_sockaddr", CALL_DYNAMIC, true},
	{"__builtin_choose_expr", CALL_CHOOSE, true},
	{"__builtin_constant_p", CALL_CONSTANT_P, true},
};

/* __print_dynamic_array(field, element size): __print_array over the whole of the field. */
static enum token_type print_dynamic_array(struct parser *p, struct node *node)
{
	struct node *array = parse_node(p), *len = parse_node(p), *size;

	if (!array || !len || parse_next_item(p) != TOKEN_ITEM)
		return parse_fail(p, "not the name of a field");
	array->type = NODE_DYNAMIC;
	array->field = own_field(p);
	*len = (struct node){.type = NODE_DYNAMIC_LEN, .field = array->field};
	if (!array->field)
		return parse_fail(p, "no such field");
	parse_next_item(p);
	if (!parse_at(p, TOKEN_DELIM, ","))
		return parse_fail(p, "wrong number of arguments");
	size = argument_before(p, ")");
	if (!size)
		return TOKEN_ERROR;
	*node = (struct node){.type = NODE_ARRAY, .args = array};
	array->next = parse_node(p);
	if (!array->next)
		return TOKEN_ERROR;
	*array->next = (struct node){.type = NODE_OP, .op = OP1('/'), .left = len, .right = size};
	array->next->next = size;
	return parse_next_item(p);
}

static enum token_type dispatch(struct parser *p, struct node *node, enum call call)
{
	switch (call) {
	case CALL_FLAGS:
		return print_flags(p, node);
	case CALL_SYMBOLIC:
		return print_symbolic(p, node);
	case CALL_HEX:
		return print_hex(p, node, NODE_HEX);
	case CALL_HEX_STR:
		return print_hex(p, node, NODE_HEX_STR);
	case CALL_ARRAY:
		return print_array(p, node);
	case CALL_HEX_DUMP:
		return print_hex_dump(p, node);
	case CALL_STR:
		return named_field(p, node, NODE_STRING);
	case CALL_BITMASK:
		return named_field(p, node, NODE_BITMASK);
	case CALL_CPUMASK:
		return named_field(p, node, NODE_CPUMASK);
	case CALL_DYNAMIC:
		return dynamic_array(p, node, NODE_DYNAMIC);
	case CALL_DYNAMIC_LEN:
		return dynamic_array(p, node, NODE_DYNAMIC_LEN);
	case CALL_EXPECT:
		return builtin_expect(p, node);
	case CALL_CHOOSE:
		return builtin_choose(p, node);
	case CALL_CONSTANT_P:
		return constant_p(p, node);
	case CALL_SIZEOF:
		return size_of(p, node);
	}
	return parse_fail(p, "unknown function");
}

/* `name(`, the parenthesis being the current token. */
enum token_type parse_call(struct parser *p, struct node *node, const struct token *name)
{
	struct span text = {name->text, name->len};
	const struct helper *helper;

	if (!p->exact && span_is(text, "__print_dynamic_array"))
		return print_dynamic_array(p, node);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (span_is(text, calls[i].name) && !(calls[i].newer && p->exact))
			return dispatch(p, node, calls[i].call);
	helper = p->db->options.no_handlers && p->exact ? NULL : helper_find(text);
	if (helper && !(helper->newer && p->exact))
		return helper_call(p, node, helper);
	return parse_fail(p, "unknown function");
}
