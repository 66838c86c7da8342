/* SPDX-License-Identifier: MIT */
/* What the files that make print programs share. */
#ifndef SONDE_EVENT_COMPILE_H
#define SONDE_EVENT_COMPILE_H

#include "event/program.h"

struct compiler {
	struct event_db *db;
	const struct event *event;
	struct parser *parser; /* for its error */
	bool exact;	       /* trace-cmd 3.1's text */
	bool differs;	       /* the other text would not be the same */
	unsigned int depth;
	struct op *ops;
	uint32_t nr_ops, cap_ops;
	struct span literal; /* collected for the next op */
};

/* Zeroed memory of the db; NULL sets the parser's error. */
void *compile_alloc(struct compiler *c, size_t size);

const struct node *strip_casts(const struct node *node);

/* A node as a number or as a string; NULL on an error, which the parser then has. */
const struct num *compile_num(struct compiler *c, const struct node *node);
const struct text *compile_text(struct compiler *c, const struct node *node);

/*
 * The conversion of a pointer, `rest` being the format behind the p. Returns how many letters of it
 * belong to the conversion.
 */
size_t compile_pointer(struct compiler *c, struct op *op, const struct node *arg, struct span rest);

/* The ops of a format string, and the program from them. */
bool compile_format(struct compiler *c, struct span format, const struct node *args);
struct event_program *compile_finish(struct compiler *c);

/* The character at `at`, NUL behind the end. */
static inline char letter_at(struct span format, size_t at)
{
	return at < format.len ? format.p[at] : '\0';
}

#endif
