/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "expr/filter_program.h"
#include "expr/function_pattern.h"

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

static bool in_function(const struct instruction *in, const struct event_db *db,
			const struct filter_record *record, bool big_endian)
{
	const struct symbol *symbol =
		symbols_find(event_db_symbols(db), load(&in->left, record, big_endian));

	return symbol && function_pattern_names(in->function, symbol->name) &&
	       function_pattern_in(in->function, symbol->module ? symbol->module : "", NULL);
}

static int32_t record_pid(const struct event_db *db, const struct filter_record *record)
{
	const struct event_common *common = event_db_common(db);
	const struct operand pid = {
		.kind = OPERAND_FIELD,
		.offset = common->pid_offset,
		.size = common->pid_size <= 8 ? (uint8_t)common->pid_size : 0,
		.is_signed = true,
	};

	return (int32_t)load(&pid, record, event_db_big_endian(db));
}

static const char *record_comm(const struct event_db *db, const struct filter_record *record)
{
	const char *comm = record->comm;

	if (!comm)
		comm = event_db_comm(db, record_pid(db, record));
	return comm ? comm : "<...>";
}

static bool test_comm(const struct instruction *in, const struct event_db *db,
		      const struct filter_record *record)
{
	const char *comm = record_comm(db, record);

	return test_string(in, comm, strlen(comm));
}

static bool glob_field(const struct instruction *in, const struct event *event,
		       const struct filter_record *record)
{
	uint32_t len = 0;
	const char *text = event_field_bytes(event, in->field, record->data, record->len, &len);

	return glob_test(&in->glob, text ? text : "", text ? len : 0, in->strict);
}

/* The kernel has the task's name in an array of 16 bytes, the rest of which is 0. */
#define COMM_BYTES 16

static bool glob_comm(const struct instruction *in, const struct event_db *db,
		      const struct filter_record *record)
{
	const char *comm = record_comm(db, record);
	char array[COMM_BYTES] = "", idle[COMM_BYTES];

	/* Reports say <idle>, the kernel does not. */
	if (!record_pid(db, record)) {
		snprintf(idle, sizeof(idle), "swapper/%u", record->cpu);
		comm = idle;
	}
	if (!in->strict)
		return glob_test(&in->glob, comm, strlen(comm), false);
	memcpy(array, comm, strnlen(comm, sizeof(array) - 1));
	return glob_test(&in->glob, array, sizeof(array), true);
}

/* As in the kernel, an address that cannot be read matches nothing, not even `!=`. */
static bool glob_pointer(const struct instruction *in, const struct event_db *db,
			 const struct filter_record *record, bool big_endian)
{
	const char *text = event_db_printk(db, load(&in->left, record, big_endian));

	return text && glob_test(&in->glob, text, strlen(text) + 1, in->strict);
}

static bool in_list(const struct cpu_list *list, uint64_t cpu)
{
	return cpu / 64 < list->nr_words && (list->bits[cpu / 64] >> (cpu % 64) & 1);
}

/* The i-th 64 CPUs of a mask that a record holds: longs of the traced machine, 4 or 8 bytes. */
static uint64_t mask_word(const uint8_t *mask, uint32_t len, uint32_t i, uint8_t long_size,
			  bool big_endian)
{
	uint64_t word = 0;

	for (uint32_t at = i * 8, shift = 0; shift < 64; at += long_size, shift += 8 * long_size)
		if (at + long_size <= len)
			word |= load_uint(mask + at, long_size, big_endian) << shift;
	return word;
}

static bool test_cpus(const struct filter_program *program, const struct instruction *in,
		      const struct event_db *db, const struct filter_record *record)
{
	uint8_t long_size = event_db_long_size(db);
	uint32_t len = 0, nr;
	const uint8_t *mask =
		event_field_bytes(program->event, in->field, record->data, record->len, &len);

	nr = MAX(in->cpus.nr_words, (len + 7) / 8);
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t have = mask_word(mask, len, i, long_size, program->big_endian);
		uint64_t want = i < in->cpus.nr_words ? in->cpus.bits[i] : 0;

		if (in->code == CODE_CPUS_COMMON && (have & want))
			return true;
		if (in->code == CODE_CPUS_SAME && have != want)
			return false;
	}
	return in->code == CODE_CPUS_SAME;
}

static bool test(const struct filter_program *program, const struct instruction *in,
		 const struct event_db *db, const struct filter_record *record)
{
	bool big = program->big_endian;

	switch (in->code) {
	case CODE_RANGE:
		return load(&in->left, record, big) - in->right.number <= in->span;
	case CODE_BITS:
		return load(&in->left, record, big) & in->right.number;
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
	case CODE_GLOB_FIELD:
		return glob_field(in, program->event, record);
	case CODE_GLOB_COMM:
		return glob_comm(in, db, record);
	case CODE_GLOB_POINTER:
		return glob_pointer(in, db, record, big);
	case CODE_CPU_IN:
		return in_list(&in->cpus, load(&in->left, record, big));
	case CODE_CPUS_SAME:
	case CODE_CPUS_COMMON:
		return test_cpus(program, in, db, record);
	case CODE_FUNCTION:
		return in_function(in, db, record, big);
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
