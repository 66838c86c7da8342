/* SPDX-License-Identifier: MIT */
/*
 * Inside of the filter engine: text -> tree (filter_parse.c, kfilter_parse.c) -> program
 * (filter_compile.c) -> answer (filter_eval.c). Trees and programs live in the arena of the filter
 * text they come from.
 */
#ifndef SONDE_EXPR_FILTER_PROGRAM_H
#define SONDE_EXPR_FILTER_PROGRAM_H

#include <regex.h>

#include "base/arena.h"
#include "expr/filter.h"
#include "expr/glob.h"
#include "expr/token.h"

/* What a string is compared with: compiled once a text, shared by all its events. */
enum matcher_kind {
	MATCHER_EXACT,
	MATCHER_LITERAL, /* a regex without special characters but anchors: no regexec needed */
	MATCHER_REGEX,
};

struct matcher {
	struct matcher *next;
	enum matcher_kind kind;
	const char *pattern; /* as written */
	const char *literal; /* lower case, without anchors */
	size_t pattern_len, literal_len;
	bool at_start, at_end;
	regex_t regex;
};

/* Borrows `pattern`, which lies in the arena. Links the new matcher into *list. */
int matcher_new(struct matcher **list, struct arena *arena, const char *pattern, size_t len,
		bool regex, struct matcher **ret_matcher, char *reason, size_t reason_len)
	_must_check_;
void matcher_list_done(struct matcher *list);
bool matcher_test(const struct matcher *matcher, const char *text, size_t len);

enum node_kind {
	NODE_BOOL,    /* value */
	NODE_LOGIC,   /* op: OP_AND, OP_OR, OP_NOT (right only) */
	NODE_COMPARE, /* op on numbers: left is a field, right a number or a field */
	NODE_STRING,  /* op on strings: left is a field, matcher */
	NODE_ARITH,   /* op on two values; true when the result is not 0 */
	NODE_NUMBER,  /* number */
	NODE_TEXT,    /* text */
	NODE_FIELD,   /* field, or special */
	NODE_TEST,    /* an instruction that is ready: what the kernel's filters are made of */
};

struct instruction;

enum node_special {
	SPECIAL_NONE,
	SPECIAL_COMM,
	SPECIAL_CPU
};

struct node {
	enum node_kind kind;
	enum token_op op;
	enum node_special special;
	bool value;
	bool quoted_char; /* NODE_TEXT in single quotes */
	uint32_t depth;
	uint64_t number;
	const char *text;
	size_t text_len;
	const struct event_field *field;
	const struct matcher *matcher;
	const struct instruction *test;
	struct node *left, *right;
};

struct filter_source {
	const char *text; /* the whole -F text, for error messages */
	size_t start;	  /* of the expression in it */
	bool is_kernel;	  /* which stands behind `if` */
	unsigned int flags;
};

/* Parse the expression for one event; constants are folded. */
int filter_parse(const struct filter_source *source, const struct event *event, struct arena *arena,
		 struct matcher **matchers, struct node **ret_node, struct err *err) _must_check_;

void node_print(const struct node *node, struct out *out);

enum operand_kind {
	OPERAND_NUMBER,
	OPERAND_FIELD,
	OPERAND_CPU
};

struct operand {
	enum operand_kind kind;
	uint32_t offset;
	uint8_t size;
	bool is_signed;
	uint64_t number;
};

enum instruction_code {
	CODE_RANGE, /* left - right.number, without sign, is at most `span` */
	CODE_BITS,  /* left has one of the bits of right.number */
	CODE_COMPARE,
	CODE_ARITH,
	CODE_STRING_FIELD, /* a char array */
	CODE_STRING_VALUE, /* a number, as its symbol or in hex */
	CODE_STRING_COMM,
	CODE_GLOB_FIELD, /* a char array, of whatever kind */
	CODE_GLOB_COMM,
	CODE_GLOB_POINTER, /* the text at an address that was recorded with the trace */
	CODE_CPU_IN,	   /* left, a number, is in cpus */
	CODE_CPUS_SAME,	   /* the mask that a field holds is cpus */
	CODE_CPUS_COMMON,  /* ... has one of cpus */
	CODE_FUNCTION,	   /* left is in a function that `function` names */
	CODE_FAIL, /* a value that has no number: the record does not match, whatever else holds */
};

/* Jump targets beyond any program. */
#define PROGRAM_TRUE  UINT32_MAX
#define PROGRAM_FALSE (UINT32_MAX - 1)

struct cpu_list {
	const uint64_t *bits;
	uint32_t nr_words;
};

struct instruction {
	enum instruction_code code;
	enum token_op op;
	struct operand left, right;
	uint64_t span;
	const struct event_field *field;
	const struct matcher *matcher;
	struct glob glob;
	const struct function_pattern *function;
	struct cpu_list cpus;
	bool strict; /* globs look where the kernel does */
	uint32_t on_true, on_false;
};

struct filter_program {
	const struct event *event;
	const struct node *root;
	struct instruction *code;
	uint32_t nr, entry; /* entry may be a PROGRAM_ constant */
	bool big_endian;
};

struct function_pattern;
struct kfilter;
/* Of a filter that was compiled. */
const struct filter_program *kfilter_program(const struct kfilter *filter);

/* `field` as an operand. */
struct operand field_operand(const struct event_field *field);
/* As filter_parse.c's fold: constants are taken out of && and ||. */
struct node *node_fold(struct node *node);

int filter_program_compile(struct filter_program *program, struct arena *arena,
			   const struct event *event, const struct node *root) _must_check_;
bool filter_program_run(const struct filter_program *program, const struct event_db *db,
			const struct filter_record *record);

#endif
