/* SPDX-License-Identifier: MIT */
/*
 * Inside of the parser of the kernel's filters: kfilter_parse.c reads what stands between the
 * conditions, kfilter_term.c one condition. Columns of errors are the kernel's, who counts them
 * from the byte behind a condition's first.
 */
#ifndef SONDE_EXPR_KFILTER_PARSE_H
#define SONDE_EXPR_KFILTER_PARSE_H

#include "expr/filter_program.h"
#include "expr/function_pattern.h"
#include "expr/kfilter.h"

/* The kernel's messages; kfilter_parse.c has their texts. */
enum kfilter_message {
	KFILTER_ERROR, /* the kernel has nothing to say but the errno */
	KFILTER_INVALID_OP,
	KFILTER_TOO_MANY_OPEN,
	KFILTER_TOO_MANY_CLOSE,
	KFILTER_MISSING_QUOTE,
	KFILTER_MISSING_BRACE_OPEN,
	KFILTER_MISSING_BRACE_CLOSE,
	KFILTER_OPERAND_TOO_LONG,
	KFILTER_EXPECT_STRING,
	KFILTER_EXPECT_DIGIT,
	KFILTER_ILLEGAL_FIELD_OP,
	KFILTER_FIELD_NOT_FOUND,
	KFILTER_ILLEGAL_INTVAL,
	KFILTER_TOO_MANY_PREDS,
	KFILTER_INVALID_FILTER,
	KFILTER_INVALID_CPULIST,
	KFILTER_INVALID_VALUE,
	KFILTER_NO_FUNCTION,
	KFILTER_NO_FILTER,
};

struct kfilter_parser {
	const struct event *event;
	const struct kfilter_kernel *kernel;
	struct arena *arena;
	bool strict;
	const char *text; /* a copy, in the arena */
	struct tokenizer tokenizer;
	struct token token;
	uint32_t nr_terms, max_terms;	  /* conditions read, and as many as a first look found */
	uint32_t depth, max_depth;	  /* of parentheses */
	struct function_names *functions; /* in the arena; what they hold is not */
	struct kfilter_error error;
};

/* The patterns of a text, to be freed with what was made of it. */
struct function_names {
	struct function_pattern *pattern;
	struct function_names *next;
};

/* The kernel refuses the text at `at`, which points into it; returns `code`. */
int kfilter_refuse(struct kfilter_parser *parser, int code, enum kfilter_message message,
		   const char *at);

/*
 * The whole text, without the white space at its end, folded. parser->error says why not; with its
 * code 0 memory is short.
 */
int kfilter_parse(struct kfilter_parser *parser, const char *text, struct node **ret_node)
	_must_check_;

/* One condition, whose first token is the parser's; the next token is not yet read. */
int kfilter_term(struct kfilter_parser *parser, struct node **ret_node) _must_check_;

/*
 * A list of CPUs as the kernel writes it: `0-3,8`, `0-15:2/4`, `N` for the last one, `all`. False
 * when it is none. The bits lie in the arena; *ret_nr is how many are set. NULL bits: no memory.
 */
bool kfilter_cpu_list(struct arena *arena, const char *text, size_t len, uint32_t nr_cpus,
		      struct cpu_list *ret_list, uint32_t *ret_nr);

#endif
