/* SPDX-License-Identifier: MIT */
/*
 * A tree becomes one instruction a comparison, each with the place to go on when it holds and when
 * not: `&&`, `||` and `!` cost nothing but the choice of those places. Instructions are laid down
 * from the last condition to the first, so that both places are always known.
 */
#include <errno.h>

#include "base/mem.h"
#include "expr/filter_program.h"

static uint32_t count(const struct node *node)
{
	if (node->kind != NODE_LOGIC)
		return 1;
	return count(node->right) + (node->left ? count(node->left) : 0);
}

struct operand field_operand(const struct event_field *field)
{
	return (struct operand){
		.kind = OPERAND_FIELD,
		.offset = field->offset,
		.size = field->size <= 8 ? (uint8_t)field->size : 0,
		.is_signed = field->flags & EVENT_FIELD_SIGNED,
	};
}

static struct operand operand(const struct node *node)
{
	struct operand operand = {.kind = OPERAND_NUMBER, .number = node->number};

	if (node->kind == NODE_NUMBER)
		return operand;
	if (node->field)
		return field_operand(node->field);
	if (node->special == SPECIAL_CPU) {
		operand.kind = OPERAND_CPU;
	} else {
		operand.number =
			(uint64_t)INT64_MAX; /* COMM as a number: trace-cmd has an address */
	}
	return operand;
}

static enum instruction_code string_code(const struct node *field)
{
	if (field->special == SPECIAL_COMM)
		return CODE_STRING_COMM;
	return field->field && (field->field->flags & EVENT_FIELD_STRING) ? CODE_STRING_FIELD
									  : CODE_STRING_VALUE;
}

/*
 * `left OP number` as a range that left lies in, if it is one: true. All numbers are unsigned here.
 * A range that is empty or everything is left to CODE_COMPARE.
 */
static bool set_range(struct instruction *in, uint64_t number)
{
	uint64_t low = 0, high = UINT64_MAX;

	switch (in->op) {
	case OP_EQ:
		low = high = number;
		break;
	case OP_LE:
		high = number;
		break;
	case OP_GE:
		low = number;
		break;
	case OP_LT:
		high = number - 1;
		break;
	case OP_GT:
		low = number + 1;
		break;
	default:
		return false;
	}
	if ((in->op == OP_LT && !number) || (in->op == OP_GT && number == UINT64_MAX))
		return false;
	in->code = CODE_RANGE;
	in->right.number = low;
	in->span = high - low;
	return true;
}

static void fill(struct instruction *instruction, const struct node *node)
{
	if (node->kind == NODE_TEST) {
		*instruction = *node->test;
		return;
	}
	instruction->op = node->op;
	if (node->kind == NODE_STRING) {
		instruction->code = string_code(node->left);
		instruction->left = operand(node->left);
		instruction->field = node->left->field;
		instruction->matcher = node->matcher;
		return;
	}
	if (node->op == OP_BIT_NOT || node->left->kind == NODE_TEXT ||
	    node->right->kind == NODE_TEXT) {
		instruction->code = CODE_FAIL;
		return;
	}
	instruction->left = operand(node->left);
	instruction->right = operand(node->right);
	if (node->kind == NODE_ARITH)
		instruction->code = CODE_ARITH;
	else if (instruction->right.kind != OPERAND_NUMBER ||
		 !set_range(instruction, instruction->right.number))
		instruction->code = CODE_COMPARE;
}

/* Returns where the evaluation of `node` begins. */
static uint32_t emit(struct filter_program *program, const struct node *node, uint32_t on_true,
		     uint32_t on_false)
{
	struct instruction *instruction;
	uint32_t right;

	if (node->kind == NODE_BOOL)
		return node->value ? on_true : on_false;
	if (node->kind == NODE_LOGIC) {
		if (node->op == OP_NOT)
			return emit(program, node->right, on_false, on_true);
		right = emit(program, node->right, on_true, on_false);
		if (node->op == OP_AND)
			return emit(program, node->left, right, on_false);
		return emit(program, node->left, on_true, right);
	}
	instruction = &program->code[program->nr];
	fill(instruction, node);
	if (instruction->code == CODE_FAIL)
		on_true = on_false = PROGRAM_FALSE;
	instruction->on_true = on_true;
	instruction->on_false = on_false;
	return program->nr++;
}

int filter_program_compile(struct filter_program *program, struct arena *arena,
			   const struct event *event, const struct node *root)
{
	*program = (struct filter_program){
		.event = event,
		.root = root,
		.big_endian = event_db_big_endian(event->db),
	};
	program->code = arena_alloc(arena, count(root) * sizeof(*program->code));
	if (!program->code)
		return -ENOMEM;
	program->entry = emit(program, root, PROGRAM_TRUE, PROGRAM_FALSE);
	return 0;
}
