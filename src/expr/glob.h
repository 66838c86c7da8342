/* SPDX-License-Identifier: MIT */
/*
 * The kernel's patterns for strings: a text, `x*`, `*x`, `*x*`, or a glob with `*`, `?`, `[a-z]`,
 * `[!a-z]` and `\`; '!' before it turns the answer around.
 */
#ifndef SONDE_EXPR_GLOB_H
#define SONDE_EXPR_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "expr/glob_match.h"

enum glob_kind {
	GLOB_FULL,
	GLOB_FRONT,  /* x* */
	GLOB_END,    /* *x */
	GLOB_MIDDLE, /* *x* */
	GLOB_ANY,    /* all else */
};

struct glob {
	enum glob_kind kind;
	bool invert;
	const char *text; /* what must be there, or the whole pattern of GLOB_ANY; NUL-terminated */
	size_t len;
};

/*
 * `pattern` of `len` bytes as a glob, or as plain text. The kernel takes a glob that begins with a
 * digit for plain text; `strict` does so too. -ENOMEM.
 */
int glob_init(struct glob *ret_glob, struct arena *arena, const char *pattern, size_t len,
	      bool is_glob, bool strict) _must_check_;

/*
 * `mem` holds a string that ends with a NUL or after `size` bytes. `strict` looks where the kernel
 * does: for `*x` at the end of the memory, for `*x*` also behind the NUL.
 */
bool glob_test(const struct glob *glob, const char *mem, size_t size, bool strict);

#endif
