/* SPDX-License-Identifier: MIT */
/*
 * Which functions are traced: -l, -n and -g, and the default, which is the program's own functions
 * and those of libraries that it calls.
 *
 * What a pattern is says expr/function_pattern.h; one without LIBRARY means every module.
 */
#ifndef SONDE_PROGRAM_SELECT_H
#define SONDE_PROGRAM_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "program/functions.h"

struct program_patterns {
	const char *const *texts; /* borrowed while program_select_new runs */
	size_t nr;
};

struct program_filters {
	struct program_patterns trace;	 /* -l: only these; none: the default */
	struct program_patterns notrace; /* -n: not these */
	struct program_patterns graph;	 /* -g: only what these call, and they */
	bool libs;			 /* --libs: without -l, everything of every library */
	bool nothing;			 /* without -l no function at all: only probes */
};

struct program_select;

/* -EINVAL with a caret when a pattern is none. */
int program_select_new(struct program_select **ret_select, const struct program_filters *filters,
		       struct err *err) _must_check_;
void program_select_free(struct program_select *select);

/* What a function is selected for, one byte a function. */
enum program_choice {
	PROGRAM_CHOICE_NONE,
	PROGRAM_CHOICE_TRACE,
	PROGRAM_CHOICE_ROOT,	    /* -g names it */
	PROGRAM_CHOICE_WATCHED = 4, /* and its events are asked about (program/watcher.h) */
};

/*
 * *ret_choices is one enum program_choice for each function of `elf`, the caller's to mem_free;
 * *ret_nr (may be NULL) how many are not NONE. `program` is the executable of the process (its
 * imports make the default), `elf` itself for the executable.
 */
int program_select_apply(struct program_select *select, const struct program_elf *elf,
			 const struct program_elf *program, uint8_t **ret_choices, size_t *ret_nr)
	_must_check_;

/*
 * The first pattern that has matched nothing in any program_select_apply so far (a misspelt name),
 * or NULL.
 */
const char *program_select_unmatched(const struct program_select *select);

/* Names that functions are looked up by, written as patterns of -l are. At most 32. */
struct program_marks;
int program_marks_new(struct program_marks **ret_marks, const struct program_patterns *names,
		      struct err *err) _must_check_;
void program_marks_free(struct program_marks *marks);
/* Bit i of bits[F], which are zeros before: the function F of `elf` has the name i. */
void program_marks_apply(struct program_marks *marks, const struct program_elf *elf,
			 uint32_t *bits);
/* As program_select_unmatched. */
const char *program_marks_unmatched(const struct program_marks *marks);

#endif
