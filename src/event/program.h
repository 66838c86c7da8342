/* SPDX-License-Identifier: MIT */
/*
 * A compiled print fmt. A program is an array of ops; an op is a literal text followed by one
 * value. Numbers and strings that are no plain field are small trees whose field offsets are
 * resolved, so that printing a record looks nothing up by name and parses nothing.
 */
#ifndef SONDE_EVENT_PROGRAM_H
#define SONDE_EVENT_PROGRAM_H

#include "event/internal.h"

enum num_op {
	NUM_CONST,
	NUM_PENDING, /* a name, 0 until the symbols are known */
	NUM_BPRINT,  /* value: the n-th argument of a bprint record */
	NUM_FIELD,   /* size bytes at offset */
	NUM_DYNAMIC, /* address of a dynamic array's bytes in the record */
	NUM_DYNAMIC_LEN,
	NUM_INDEX_FIELD,   /* a-th element of an array: offset, size; masked by value */
	NUM_INDEX_DYNAMIC, /* size bytes at byte a of a dynamic array; masked by value */
	NUM_MASK,	   /* a & value: a cast */
	NUM_COND,	   /* a ? b : c */
	NUM_CALL,
	NUM_SAME_TEXT, /* texts equal; value 1: not equal */
	NUM_NOT,
	NUM_INVERT,
	NUM_ADD,
	NUM_SUB,
	NUM_MUL,
	NUM_DIV,
	NUM_MOD,
	NUM_AND,
	NUM_OR,
	NUM_XOR,
	NUM_SHL,
	NUM_SHR,
	NUM_EQ,
	NUM_NE,
	NUM_LT,
	NUM_LE,
	NUM_GT,
	NUM_GE,
	NUM_BOTH,
	NUM_EITHER,
};

struct text;

struct num {
	uint8_t op;
	uint32_t size, offset;
	uint64_t value;
	const struct event_field *field;
	const struct helper *helper;
	const struct num *a, *b, *c;
	const struct num *next_arg; /* of a call, whose first argument is a */
	const struct text *text_a, *text_b;
};

enum {
	CALL_MAX_ARGS = 3
};

struct flag {
	int64_t value;
	struct span text;
};

enum text_kind {
	TEXT_NONE, /* what has no text in trace-cmd: nothing, not even padding */
	TEXT_LITERAL,
	TEXT_BYTES,   /* size bytes at offset, up to a NUL; size 0: the rest of the record */
	TEXT_POINTER, /* a pointer at offset: the text of a printk format, or hexadecimal */
	TEXT_DYNAMIC, /* a dynamic string */
	TEXT_BPRINT,  /* the offset-th argument of a bprint record */
	TEXT_FLAGS,
	TEXT_SYMBOL,
	TEXT_HEX,
	TEXT_ARRAY,
	TEXT_BITMASK,
	TEXT_CPUMASK,
	TEXT_HEX_DUMP,
	TEXT_COND,
	TEXT_CALL,
};

struct text {
	uint8_t kind;
	bool spaced; /* TEXT_HEX: blanks between the bytes */
	bool old;    /* TEXT_ARRAY: in decimal with blanks, as 3.1 has it */
	uint32_t offset, size;
	struct span span; /* literal, or the delimiter of flags */
	const struct flag *flags;
	uint32_t nr_flags;
	const struct event_field *field; /* dynamic */
	const struct num *num;		 /* value, condition, or the call itself */
	const struct num *count, *elem_size;
	const struct num *dump[7];
	const struct text *yes, *no;
};

/* A conversion of printf. */
enum spec_flags {
	SPEC_LEFT = 1 << 0,
	SPEC_ZERO = 1 << 1,
	SPEC_PLUS = 1 << 2,
	SPEC_ALT = 1 << 3,
	SPEC_PRECISION = 1 << 4,
	SPEC_STAR_WIDTH = 1 << 5,
	SPEC_STAR_PRECISION = 1 << 6,
};

struct spec {
	char conv;
	uint8_t flags;
	int8_t size; /* -2: hh, -1: h, 0, 1: l, 2: ll */
	uint32_t width, precision;
};

enum op_code {
	OP_END,	     /* only the literal */
	OP_UNSIGNED, /* %u of a field */
	OP_SIGNED,   /* %d of a field, sign-extended from bits */
	OP_HEX,	     /* %x of a field */
	OP_NUMBER,   /* any conversion of any number */
	OP_CHARS,    /* %s of a char array */
	OP_DYNAMIC,  /* %s of a dynamic string */
	OP_TEXT,     /* any %s */
	OP_SYMBOL,   /* %ps and %pS */
	OP_POINTER,  /* %p */
	OP_ADDRESS,  /* %px */
	OP_MAC,
	OP_IPV4,
	OP_IPV6,
	OP_SOCKADDR,
	OP_UUID,
	OP_BYTES,  /* %ph */
	OP_CALL,   /* a helper that prints, in the place of one of the above */
	OP_BPRINT, /* a pointer in a bprint record: text when it was recorded as text, else as
		      `bits` */
};

struct op {
	uint8_t code;
	uint8_t bits;	/* OP_SIGNED, OP_UNSIGNED, OP_HEX: of the value that are shown */
	char variant;	/* of an address: the letter behind I, i, M, m, U, h */
	char variant_2; /* and the one behind it */
	bool reverse, compressed, port;
	uint32_t offset, size; /* of the field */
	struct span literal;   /* before the value */
	struct spec spec;
	const struct num *num, *star;
	const struct text *text;
	const struct event_field *field; /* dynamic field, or the field that is the argument */
	const struct event_field *shows; /* the field alone, for -R; NULL otherwise */
};

uint64_t num_eval(const struct num *num, const struct rec *rec);

/* Text of an op's argument in the op's format (spec and star), and without one. */
void text_print(const struct rec *rec, const struct text *text, const struct spec *spec,
		int64_t star, struct out *out);
/* A number as printf does it. */
void number_print(struct out *out, const struct spec *spec, int64_t star, uint64_t value);
void pointer_print(const struct rec *rec, const struct op *op, struct out *out);
void symbol_print(const struct rec *rec, uint64_t addr, bool offset, struct out *out);

void program_run(const struct rec *rec, const struct event_program *program, struct out *out);
/* One op without its literal. */
void program_step(const struct rec *rec, const struct op *op, struct out *out);

/* ` name=value` for all own fields. */
void raw_print(struct rec *rec, const struct event_program *program, struct out *out);

/* Bytes of a dynamic array as libtraceevent finds them: clipped to the record. */
void rec_dynamic(const struct rec *rec, const struct event_field *field, uint32_t *ret_offset,
		 uint32_t *ret_len);

#endif
