/* SPDX-License-Identifier: MIT */
/*
 * Constants of print fmts. libtraceevent works them out in two ways, one for arguments and one for
 * the lists of __print_flags and __print_symbolic, which differ in signs and in what they know.
 */
#include <string.h>

#include "base/limits.h"
#include "event/internal.h"

static bool operate(uint16_t op, uint64_t a, uint64_t b, uint64_t *ret_value)
{
	switch (op) {
	case OP2('>', '>'):
		*ret_value = a >> (b & 63);
		return true;
	case OP2('>', '='):
		*ret_value = a >= b;
		return true;
	case OP1('>'):
		*ret_value = a > b;
		return true;
	case OP2('<', '<'):
		*ret_value = a << (b & 63);
		return true;
	case OP2('<', '='):
		*ret_value = a <= b;
		return true;
	case OP1('<'):
		*ret_value = a < b;
		return true;
	case OP2('&', '&'):
		*ret_value = a && b;
		return true;
	case OP1('&'):
		*ret_value = a & b;
		return true;
	case OP2('|', '|'):
		*ret_value = a || b;
		return true;
	case OP1('|'):
		*ret_value = a | b;
		return true;
	case OP1('-'):
		*ret_value = a - b;
		return true;
	case OP1('+'):
		*ret_value = a + b;
		return true;
	case OP1('*'):
		*ret_value = a * b;
		return true;
	case OP1('^'):
		*ret_value = a ^ b;
		return true;
	case OP1('/'):
		*ret_value = b ? a / b : 0;
		return true;
	case OP1('%'):
		*ret_value = b ? a % b : 0;
		return true;
	case OP2('=', '='):
		*ret_value = a == b;
		return true;
	case OP2('!', '='):
		*ret_value = a != b;
		return true;
	default:
		return false;
	}
}

static bool number_text(struct parser *p, int64_t value, struct span *ret_text)
{
	char *text = arena_alloc(&p->db->arena, 24), *at;
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;

	if (!text) {
		parse_fail(p, "out of memory");
		return false;
	}
	at = text + 23;
	do {
		*--at = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	if (value < 0)
		*--at = '-';
	*ret_text = (struct span){at, (size_t)(text + 23 - at)};
	return true;
}

bool parse_fold(struct parser *p, struct node *node)
{
	uint64_t value;
	bool ok;

	if (node->type != NODE_OP)
		return true;
	if (!parse_work(p) || p->depth > PARSE_MAX_DEPTH)
		return !p->error; /* what is not folded here is folded when it is compiled */
	p->depth++;
	ok = (!node->left || parse_fold(p, node->left)) &&
	     (!node->right || parse_fold(p, node->right));
	p->depth--;
	if (!ok)
		return false;
	if (!node->left || !node->right || node->left->type != NODE_ATOM ||
	    node->right->type != NODE_ATOM)
		return true;
	if (!p->exact && (node->left->quoted || node->right->quoted))
		return true;
	if (!operate(node->op, span_u64(node->left->text), span_u64(node->right->text), &value))
		return true;
	*node = (struct node){.type = NODE_ATOM, .next = node->next};
	return number_text(p, (int64_t)value, &node->text);
}

/* Operators in a constant of __print_flags and __print_symbolic; signed, and not all of them. */
static bool constant_op(const struct node *node, int64_t a, int64_t b, int64_t *ret_value)
{
	switch (node->op) {
	case OP1('<'):
		*ret_value = a < b;
		return true;
	case OP2('<', '='):
		*ret_value = a <= b;
		return true;
	case OP1('>'):
		*ret_value = a > b;
		return true;
	case OP2('>', '='):
		*ret_value = a >= b;
		return true;
	case OP2('>', '>'):
		*ret_value = a >> (b & 63);
		return true;
	case OP1('*'):
	case OP1('/'):
	case OP1('%'):
	case OP1('^'):
	case OP1('?'):
	case OP1(':'):
	case OP1('['):
	case OP1('!'):
		return false;
	case OP1('~'):
		*ret_value = ~b;
		return true;
	default: {
		uint64_t value;

		if (!operate(node->op, (uint64_t)a, (uint64_t)b, &value))
			return false;
		*ret_value = (int64_t)value;
		return true;
	}
	}
}

static bool constant_value(struct parser *p, const struct node *node, int64_t *ret_value)
{
	int64_t a = 0, b = 0;

	if (!parse_work(p))
		return false;

	switch (node->type) {
	case NODE_ATOM:
		*ret_value = span_i64(node->text);
		return true;
	case NODE_CAST:
		if (!constant_value(p, node->left, &a))
			return false;
		*ret_value = (int64_t)((uint64_t)a & cast_mask(node->text));
		return true;
	case NODE_OP:
		if (!node->left || !node->right)
			return false;
		if (node->left->type != NODE_NULL && !constant_value(p, node->left, &a))
			return false;
		return constant_value(p, node->right, &b) && constant_op(node, a, b, ret_value);
	default:
		return false;
	}
}

bool parse_constant(struct parser *p, const struct node *node, struct span *ret_text)
{
	int64_t value;

	while (node->type == NODE_CAST)
		node = node->left;
	if (node->type == NODE_ATOM) {
		*ret_text = node->text;
		return true;
	}
	if (node->type != NODE_OP || !constant_value(p, node, &value)) {
		parse_fail(p, "not a constant");
		return false;
	}
	return number_text(p, value, ret_text);
}
