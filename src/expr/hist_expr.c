/* SPDX-License-Identifier: MIT */
/*
 * Expressions: sums and products of fields, constants and references. The kernel cuts a text at its
 * last + or -, else at its last * or /, so that operators of one rank go from left to right; the
 * only minus sign it knows is -(...) around all of an expression.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "expr/hist_private.h"

enum {
	MAX_SUBEXPRS = 3
};

/* The text of an expression, its name: "a+b", "-(a)"; deeper ones come with their own names. */
static int name_expr(struct hist_data *data, struct hist_node *node, unsigned int level,
		     struct out *out)
{
	static const char signs[] = {
		[HIST_OP_SUB] = '-', [HIST_OP_ADD] = '+', [HIST_OP_DIV] = '/', [HIST_OP_MUL] = '*'};
	int r = 0;

	if (level > 1)
		return -EINVAL;
	if (!node->operands[0]) {
		hist_node_text(data, node, out);
	} else if (node->arithmetic == HIST_OP_NEGATE) {
		out_lit(out, "-(");
		r = name_expr(data, node->operands[0], level + 1, out);
		out_char(out, ')');
	} else if (node->arithmetic == HIST_OP_NONE) {
		r = -EINVAL;
	} else {
		hist_node_text(data, node->operands[0], out);
		out_char(out, signs[node->arithmetic]);
		hist_node_text(data, node->operands[1], out);
	}
	return r;
}

static int set_name(struct hist_data *data, struct hist_node *node)
{
	_cleanup_out_ struct out out = {0};
	int r = name_expr(data, node, 0, &out);

	if (r >= 0 && out.len >= HIST_STRING_BYTES)
		r = -E2BIG;
	if (r < 0 && !data->set->options.kernel.stack_fields)
		return 0; /* older kernels go on without a name */
	if (r < 0)
		return r;
	node->name = arena_strdup(&data->arena, out_cstr(&out));
	return node->name ? 0 : -ENOMEM;
}

static struct hist_node *refuse(struct hist_data *data, const char *message, const char *text,
				int code, int *ret_code)
{
	if (message)
		hist_refuse(data->set, message, text);
	*ret_code = code;
	return NULL;
}

/* -(EXPR) */
static struct hist_node *parse_negation(struct hist_data *data, char *text, uint32_t flags,
					const char *var, unsigned int *depth, int *ret_code)
{
	struct hist_node *node, *operand;
	char *close;

	if (++*depth > MAX_SUBEXPRS)
		return refuse(data, "Too many subexpressions (3 max)", text, -EINVAL, ret_code);
	text++;
	if (!strchr(text, '('))
		return refuse(data, NULL, NULL, -EINVAL, ret_code);
	text++;
	close = strrchr(text, ')');
	if (!close)
		return refuse(data, NULL, NULL, -EINVAL, ret_code);
	if (close[1])
		return refuse(data, "Unary minus not supported in sub-expressions", text, -EINVAL,
			      ret_code);
	*close = '\0';
	node = hist_make_node(data, NULL, flags | NODE_EXPR, var);
	if (!node)
		return refuse(data, NULL, NULL, -ENOMEM, ret_code);
	operand = hist_parse_expr(data, text, 0, NULL, depth, ret_code);
	if (!operand)
		return NULL;
	if (operand->flags & NODE_STRING_VALUE)
		return refuse(data, "String type can not be an operand in expression", text,
			      -EINVAL, ret_code);
	node->flags |= operand->flags & (NODE_TIME | NODE_USECS);
	node->op = node->arithmetic = HIST_OP_NEGATE;
	node->operands[0] = operand;
	node->size = operand->size;
	node->is_signed = operand->is_signed;
	node->type = operand->type;
	*ret_code = set_name(data, node);
	return *ret_code < 0 ? NULL : node;
}

/* Of a reference: the variable that it stands for. False: there is none of that name. */
static bool find_definition(const struct hist_node *operand, struct hist_node **ret_var)
{
	*ret_var = NULL;
	if (!(operand->flags & (NODE_REF | NODE_ALIAS)))
		return true;
	*ret_var = hist_find_own_var(operand->var_owner, operand->name);
	return *ret_var != NULL;
}

uint64_t hist_divide_up(uint64_t value, uint64_t divisor)
{
	uint64_t one = 1u << HIST_DIV_SHIFT;

	if (value >= one)
		return value / divisor;
	return (value * (one / divisor) + one - 1) >> HIST_DIV_SHIFT;
}

static bool is_power_of_2(uint64_t value)
{
	return !(value & (value - 1));
}

/* How to divide by a constant. */
static enum hist_op constant_division(const struct hist_data *data, uint64_t divisor)
{
	if (is_power_of_2(divisor))
		return HIST_OP_DIV_SHIFT;
	if (divisor > 1u << HIST_DIV_SHIFT || !data->set->options.strict)
		return HIST_OP_DIV_CONST;
	return HIST_OP_DIV_ROUND;
}

static uint64_t fold(enum hist_op op, uint64_t a, uint64_t b)
{
	switch (op) {
	case HIST_OP_SUB:
		return a - b;
	case HIST_OP_ADD:
		return a + b;
	case HIST_OP_MUL:
		return a * b;
	case HIST_OP_DIV_ROUND:
		return hist_divide_up(a, b);
	default:
		return a / b;
	}
}

/* An operand of a binary expression; never a string. */
static struct hist_node *parse_operand(struct hist_data *data, char *text, unsigned int *depth,
				       int *ret_code)
{
	struct hist_node *node = hist_parse_expr(data, text, 0, NULL, depth, ret_code);

	if (node && (node->flags & NODE_STRING_VALUE))
		return refuse(data, "String type can not be an operand in expression", text,
			      -EINVAL, ret_code);
	return node;
}

static struct hist_node *make_binary(struct hist_data *data, enum hist_op op,
				     struct hist_node *operands[2], uint32_t flags, const char *var,
				     const char *right_text, int *ret_code)
{
	struct hist_node *vars[2], *node;
	const struct hist_node *meant[2];
	bool constants;

	*ret_code = -EINVAL;
	if (!find_definition(operands[0], &vars[0]) || !find_definition(operands[1], &vars[1]))
		return NULL;
	for (int i = 0; i < 2; i++)
		meant[i] = vars[i] ? vars[i] : operands[i];
	if ((meant[0]->flags ^ meant[1]->flags) & NODE_USECS)
		return refuse(data, "Timestamp units in expression don't match", NULL, -EINVAL,
			      ret_code);
	constants = meant[0]->flags & meant[1]->flags & NODE_CONST;
	flags |= constants ? NODE_CONST : NODE_EXPR;
	flags |= operands[0]->flags & (NODE_TIME | NODE_USECS);
	node = hist_make_node(data, NULL, flags, var);
	if (!node)
		return refuse(data, NULL, NULL, -ENOMEM, ret_code);
	operands[0]->read_once = operands[1]->read_once = true;
	node->op = op;
	if (op == HIST_OP_DIV && (meant[1]->flags & NODE_CONST)) {
		if (!meant[1]->constant)
			return refuse(data, "Division by zero", right_text, -EDOM, ret_code);
		operands[1]->constant = meant[1]->constant;
		node->op = constant_division(data, meant[1]->constant);
	}
	if (constants) {
		node->constant = fold(node->op, meant[0]->constant, meant[1]->constant);
		node->op = HIST_OP_CONST;
	} else {
		node->operands[0] = operands[0];
		node->operands[1] = operands[1];
		node->size = operands[0]->size;
		node->is_signed = operands[0]->is_signed;
		node->arithmetic = op;
		node->type = operands[0]->type;
	}
	*ret_code = set_name(data, node);
	return *ret_code < 0 ? NULL : node;
}

struct hist_node *hist_parse_expr(struct hist_data *data, char *text, uint32_t flags,
				  const char *var, unsigned int *depth, int *ret_code)
{
	struct hist_node *operands[2];
	enum hist_op op;
	char *sign;

	if (*depth > MAX_SUBEXPRS)
		return refuse(data, "Too many subexpressions (3 max)", text, -EINVAL, ret_code);
	op = hist_find_operator(text, &sign);
	if (op == HIST_OP_NONE)
		return hist_parse_atom(data, text, flags, var, ret_code);
	if (op == HIST_OP_NEGATE)
		return parse_negation(data, text, flags, var, depth, ret_code);
	++*depth;
	*sign = '\0';
	if (!*text || !sign[1])
		return refuse(data, NULL, NULL, -EINVAL, ret_code);
	operands[0] = parse_operand(data, text, depth, ret_code);
	if (!operands[0])
		return NULL;
	operands[1] = parse_operand(data, sign + 1, depth, ret_code);
	if (!operands[1])
		return NULL;
	return make_binary(data, op, operands, flags, var, sign + 1, ret_code);
}
