/* SPDX-License-Identifier: MIT */
/*
 * Patterns that name functions of programs, as -l takes them: NAME, NAME@LIBRARY, NAME:mod:LIBRARY
 * or :mod:LIBRARY (all of its functions). NAME and LIBRARY may have the wildcards * ? [...]; NAME
 * between two slashes is an extended regular expression. LIBRARY is a file's name, with or without
 * what follows ".so" ("libc" is libc.so.6), a path when it has a slash.
 */
#ifndef SONDE_EXPR_FUNCTION_PATTERN_H
#define SONDE_EXPR_FUNCTION_PATTERN_H

#include <stdbool.h>

#include "base/err.h"

struct function_pattern;

/* -EINVAL with a caret when `text`, which is copied, is no pattern; -ENOMEM. */
int function_pattern_new(struct function_pattern **ret_pattern, const char *text, struct err *err)
	_must_check_;
void function_pattern_free(struct function_pattern *pattern);

/* As it was given. */
const char *function_pattern_text(const struct function_pattern *pattern);
/* Thread-safe, as function_pattern_in. */
bool function_pattern_names(const struct function_pattern *pattern, const char *name);
/* Whether functions of the file `name`, whose path is `path` (or NULL), may be meant. */
bool function_pattern_in(const struct function_pattern *pattern, const char *name,
			 const char *path);
/* Whether LIBRARY means that file. */
bool function_library_is(const char *wanted, const char *name, const char *path);

#endif
