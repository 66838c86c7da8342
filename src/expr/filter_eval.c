/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "expr/filter_program.h"

/* A field that does not lie within the record, or has a size that is no number's, reads as 0. */
static inline uint64_t load(const struct operand *operand, const struct filter_record *record,
			    bool big_endian)
{
	const uint8_t *data = record->data;

	switch (operand->kind) {
	case OPERAND_NUMBER:
		return operand->number;
	case OPERAND_CPU:
		return record->cpu;
	case OPERAND_FIELD:
		break;
	}
	if ((uint64_t)operand->offset + operand->size > record->len)
		return 0;
	if (operand->is_signed)
		return (uint64_t)load_int(data + operand->offset, operand->size, big_endian);
	return load_uint(data + operand->offset, operand->size, big_endian);
}

static inline bool compare(enum token_op op, uint64_t left, uint64_t right)
{
	switch (op) {
	case OP_EQ:
		return left == right;
	case OP_NE:
		return left != right;
	case OP_LT:
		return left < right;
	case OP_GT:
		return left > right;
	case OP_LE:
		return left <= right;
	case OP_GE:
		return left >= right;
	default:
		return false;
	}
}

/* Division by nothing gives nothing; shifts count modulo 64, as the processor does. */
static uint64_t calculate(enum token_op op, uint64_t left, uint64_t right)
{
	switch (op) {
	case OP_ADD:
		return left + right;
	case OP_SUB:
		return left - right;
	case OP_MUL:
		return left * right;
	case OP_DIV:
		return right ? left / right : 0;
	case OP_MOD:
		return right ? left % right : 0;
	case OP_RSHIFT:
		return left >> (right & 63);
	case OP_LSHIFT:
		return left << (right & 63);
	case OP_BIT_AND:
		return left & right;
	case OP_BIT_OR:
		return left | right;
	case OP_BIT_XOR:
		return left ^ right;
	default:
		return 0;
	}
}

static bool test_string(const struct instruction *in, const char *text, size_t len)
{
	bool matches = matcher_test(in->matcher, text, len);

	return matches == (in->op == OP_EQ || in->op == OP_REGEX);
}

static bool test_field(const struct instruction *in, const struct event *event,
		       const struct filter_record *record)
{
	uint32_t len = 0;
	const char *text = event_field_bytes(event, in->field, record->data, record->len, &len);

	return test_string(in, text ? text : "", text ? strnlen(text, len) : 0);
}

/* A number beside a string: pointers and longs are the name of the function they lie in. */
static bool test_value(const struct instruction *in, const struct event_db *db,
		       const struct filter_record *record, bool big_endian)
{
	uint64_t value = load(&in->left, record, big_endian);
	const struct symbol *symbol = NULL;
	char hex[32];

	if (in->field && (in->field->flags & (EVENT_FIELD_POINTER | EVENT_FIELD_LONG)))
		symbol = symbols_find(event_db_symbols(db), value);
	if (symbol)
		return test_string(in, symbol->name, symbol->name_len);
	snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)value);
	return test_string(in, hex, strlen(hex));
}

static bool test_comm(const struct instruction *in, const struct event_db *db,
		      const struct filter_record *record)
{
	const struct event_common *common = event_db_common(db);
	const char *comm = record->comm;
	const struct operand pid = {
		.kind = OPERAND_FIELD,
		.offset = common->pid_offset,
		.size = common->pid_size <= 8 ? (uint8_t)common->pid_size : 0,
		.is_signed = true,
	};

	if (!comm)
		comm = event_db_comm(db, (int32_t)load(&pid, record, event_db_big_endian(db)));
	if (!comm)
		comm = "<...>";
	return test_string(in, comm, strlen(comm));
}

static bool test(const struct filter_program *program, const struct instruction *in,
		 const struct event_db *db, const struct filter_record *record)
{
	bool big = program->big_endian;

	switch (in->code) {
	case CODE_FIELD_NUMBER:
		return compare(in->op, load(&in->left, record, big), in->right.number);
	case CODE_COMPARE:
		return compare(in->op, load(&in->left, record, big), load(&in->right, record, big));
	case CODE_ARITH:
		return calculate(in->op, load(&in->left, record, big),
				 load(&in->right, record, big)) != 0;
	case CODE_STRING_FIELD:
		return test_field(in, program->event, record);
	case CODE_STRING_VALUE:
		return test_value(in, db, record, big);
	case CODE_STRING_COMM:
		return test_comm(in, db, record);
	case CODE_FAIL:
		break;
	}
	return false;
}

bool filter_program_run(const struct filter_program *program, const struct event_db *db,
			const struct filter_record *record)
{
	uint32_t at = program->entry;

	while (at < PROGRAM_FALSE) {
		const struct instruction *in = &program->code[at];

		at = test(program, in, db, record) ? in->on_true : in->on_false;
	}
	return at == PROGRAM_TRUE;
}
