/* SPDX-License-Identifier: MIT */
/*
 * What the files of src/event share: an event as the db keeps it, and the steps from a print fmt to
 * a program. Not for other folders.
 *
 *   lex.c      text to tokens
 *   format.c   name, ID, fields
 *   parse.c    arguments of the print fmt to trees of nodes; call.c: those of helper calls;
 *              fold.c: constants; span.c: texts
 *   compile.c  the format string to a program; value.c: nodes to numbers and strings;
 *              address.c: %p and its kin; compile_bprint.c: trace_printk's formats
 *   eval.c     numbers of a program; print.c, text.c, pointer.c: its text; raw.c: fields as they
 * are handler*.c events that are shown otherwise than their print fmt says
 */
#ifndef SONDE_EVENT_INTERNAL_H
#define SONDE_EVENT_INTERNAL_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "event/event.h"
#include "event/lex.h"

/* Text that is not NUL-terminated; borrowed from the db's copy of a format or from its arena. */
struct span {
	const char *p;
	size_t len;
};

static inline bool span_is(struct span span, const char *text)
{
	return strlen(text) == span.len && !memcmp(span.p, text, span.len);
}

/* As strtoull and strtoll with base 0: what does not begin as a number is 0. */
uint64_t span_u64(struct span span);
int64_t span_i64(struct span span);

/* How libtraceevent looks at a field, where that differs from what event.h tells. */
enum field_traits {
	FIELD_CHARS = 1 << 0, /* array of char, u8 or s8: printed as a string when it is one */
	FIELD_WIDE = 1 << 1,  /* "long" somewhere in the type: raw in hexadecimal */
};

struct field_extra {
	uint32_t elem_size; /* 0 where the text does not tell */
	uint8_t traits;
};

/* What -R shows of one field: its own bytes, or the print fmt's way to show it. */
struct raw_field {
	int32_t op; /* index in the program, -1: the bytes */
	bool has_0x;
};

/* Which of a bprint event's handler_fields is what. */
enum bprint_field {
	BPRINT_IP,
	BPRINT_FMT,
	BPRINT_BUF
};

struct handler;
struct op;

/* How an argument of a bprint record is stored. */
enum bprint_kind {
	BPRINT_4,
	BPRINT_8,
	BPRINT_STRING,
	BPRINT_EITHER_4, /* a string when it begins with text, else a pointer of 4 or 8 bytes */
	BPRINT_EITHER_8,
};

enum {
	BPRINT_MAX_ARGS = 64
};

struct bprint_arg {
	bool is_string;
	uint64_t value;
	struct span text;
};

struct event_program {
	const struct op *ops;
	uint32_t nr_ops;
	const struct raw_field *raw; /* one for each field that is not common */
	const uint8_t *bprint_args;  /* enum bprint_kind, the first is the address of the caller */
	uint32_t nr_bprint_args;
};

struct event_impl {
	struct event pub; /* first: an event is its event_impl */
	const struct field_extra *extra;
	/*
	 * The program for trace-cmd 3.1's text and the one for newer text: usually the same one.
	 * NULL: that version cannot parse it.
	 */
	struct event_program *program_31, *program_34;
	const struct handler *handler;		     /* NULL: none */
	const struct event_field *handler_fields[8]; /* in the order of handler->fields */
	char state_letters[33];			     /* sched_switch: by bit, from the print fmt */
	bool is_ftrace, is_bprint;
	/* Raw in 3.1: char arrays that were once seen with bytes that are no text (sticky there) */
	uint8_t *seen_binary;
};

static inline struct event_impl *event_impl(const struct event *event)
{
	return (struct event_impl *)(uintptr_t)event;
}

static inline const struct field_extra *field_extra(const struct event *event,
						    const struct event_field *field)
{
	return &event_impl(event)->extra[field - event->fields];
}

struct printk {
	uint64_t addr;
	const char *text;
	size_t len;
	size_t order; /* in which they were added */
	/* of bprint records with this format, NULL: cannot be read */
	struct event_program *program_31, *program_34;
};

struct cmdline {
	int32_t pid;
	size_t order;
	const char *comm;
};

/* An enum constant or symbol in a print fmt, to be looked up when the symbols are known. */
struct num;
struct pending {
	struct pending *next;
	struct num *num;
	struct span name;
};

struct event_db {
	struct event_db_options options;
	struct arena arena;
	struct event_impl **events; /* in order of adding */
	size_t nr_events, cap_events;
	struct event_impl **by_id; /* NULL: no such event; as many as the largest id needs */
	size_t nr_ids, cap_ids;
	struct printk *printks; /* sorted by address once sealed */
	size_t nr_printks, cap_printks;
	struct cmdline *cmdlines; /* sorted by pid once sealed */
	size_t nr_cmdlines, cap_cmdlines;
	struct symbols *symbols;
	struct event_common common;
	struct pending *pending;
	bool sealed;
};

/* One record while it is looked at. */
struct rec {
	const struct event_db *db;
	const struct event_impl *event;
	const uint8_t *data;
	uint32_t len;
	bool big;
	uint8_t long_size;
	const struct bprint_arg *bprint; /* of a bprint record */
	uint32_t nr_bprint;
	const struct event_context *context;
};

static inline int compat_of(const struct event_context *context)
{
	return context ? context->compat : 31;
}

/* --- format.c --- */
int format_parse_fields(struct event_db *db, struct event_impl *event, struct lexer *lexer,
			struct err *err) _must_check_;

/* --- parse.c, call.c --- */

/* The numbers are those that trace-cmd prints in "ARG TYPE NOT FIELD BUT n". */
enum node_type {
	NODE_NULL = 0,
	NODE_ATOM = 1,
	NODE_FIELD = 2,
	NODE_FLAGS = 3,
	NODE_SYMBOL = 4,
	NODE_HEX = 5,
	NODE_ARRAY = 6,
	NODE_CAST = 7,
	NODE_STRING = 8,
	NODE_BSTRING = 9,
	NODE_DYNAMIC = 10,
	NODE_OP = 11,
	NODE_CALL = 12,
	NODE_BITMASK = 13,
	NODE_DYNAMIC_LEN = 14,
	NODE_HEX_STR = 15,
	NODE_CPUMASK = 16,
	NODE_HEX_DUMP = 17,
};

/* One or two characters of an operator as one number. */
#define OP1(a)	  ((uint16_t)(a))
#define OP2(a, b) ((uint16_t)((a) | (b) << 8))

struct pair { /* {value, "text"} of __print_flags and __print_symbolic */
	struct pair *next;
	struct span value, text;
};

struct node {
	enum node_type type;
	bool quoted; /* an atom that was a string */
	uint16_t op; /* NODE_OP: OP1 or OP2 */
	int prio;
	struct span text; /* atom, cast type, delimiter */
	const struct event_field *field;
	struct node *left, *right; /* operands; the value of a cast, flags, ... is left */
	struct node *args;	   /* of a call or of a helper with more than one argument */
	const struct helper *helper;
	struct pair *pairs;
	struct node *next; /* next argument */
	uint32_t bprint;   /* an atom that is the n-th argument of a bprint record, from 1 */
};

/* A variable that a kernel macro declares in a statement expression. */
struct local {
	struct local *next;
	struct span name;
	struct node value;
};

/* Of calls in the parser, a few to each nesting of the text. */
enum {
	PARSE_MAX_DEPTH = LIMIT_PRINT_DEPTH * 4
};

struct parser {
	struct lexer lexer;
	struct token token; /* the current one */
	struct event_db *db;
	struct event_impl *event;
	struct arena *scratch; /* for nodes; texts go to the db's arena */
	/*
	 * Understand what libtraceevent 1.7 understands, grouped as it groups it. Otherwise: C's
	 * own rules, and the helpers of newer kernels.
	 */
	bool exact;
	unsigned int depth, work; /* against LIMIT_PRINT_DEPTH and LIMIT_PRINT_NODES */
	struct local *locals;	  /* of statement expressions, the newest first */
	const char *error;	  /* first reason, static */
};

/* `"format", arguments` behind "print fmt:". Sets *ret_format and *ret_args, or p->error. */
bool parse_print_fmt(struct parser *p, struct span *ret_format, struct node **ret_args);

/* For call.c. All return the type of the token they end at, or TOKEN_ERROR. */
enum token_type parse_arg(struct parser *p, struct node *node);
enum token_type parse_more(struct parser *p, struct node *node); /* operators behind an argument */
enum token_type parse_call(struct parser *p, struct node *node, const struct token *name);
enum token_type parse_fail(struct parser *p, const char *error);
struct node *parse_node(struct parser *p);
enum token_type parse_next(struct parser *p);
enum token_type parse_next_item(struct parser *p);
static inline bool parse_at(const struct parser *p, enum token_type type, const char *text)
{
	return token_is(&p->token, type, text);
}

/* Count one more step; false when a hostile format would take too many. */
bool parse_work(struct parser *p);
/* A constant argument as text; false (and p->error) when it is not constant. */
bool parse_constant(struct parser *p, const struct node *node, struct span *ret_text);
/* Work out operators between two constants, as libtraceevent does right after parsing them. */
bool parse_fold(struct parser *p, struct node *node);

/* Mask that a cast to `type` leaves of a number. */
uint64_t cast_mask(struct span type);
/* The same for what a pointer of type `type` points to, as libtraceevent sees it. */
uint64_t cast_target_mask(struct span type);

/* Helper functions of modules that have a text of their own. */
struct helper {
	const char *name;
	unsigned int nr_args;
	void (*print)(const struct rec *rec, const uint64_t *args, struct out *out);
	uint64_t (*value)(const struct rec *rec, const uint64_t *args);
	bool newer; /* not known to trace-cmd 3.1 */
};
const struct helper *helper_find(struct span name);

/* --- compile.c --- */
struct event_program *compile_program(struct parser *p, struct span format, struct node *args,
				      bool exact, bool *ret_differs);
/*
 * The program of bprint records with this format, whose arguments lie in the record as the format
 * says. NULL when its conversions and arguments do not fit together.
 */
struct event_program *compile_bprint(struct parser *p, struct span printk, bool exact);

/* --- db.c --- */
const struct printk *db_printk(const struct event_db *db, uint64_t addr);

/* --- reading bytes of a record --- */
static inline uint64_t rec_uint(const struct rec *rec, uint32_t offset, uint32_t size)
{
	if (offset > rec->len || size > rec->len - offset)
		return 0;
	return load_uint(rec->data + offset, size, rec->big);
}

#endif
