/* SPDX-License-Identifier: MIT */
/*
 * Functions chosen by name, as replay's and graph's -F and -N do: globs or regular expressions,
 * tried on the whole name. NAME@MODULE asks for the module, too (a glob in both cases).
 */
#ifndef SONDE_REPORT_PATTERNS_H
#define SONDE_REPORT_PATTERNS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct patterns;

int patterns_new(struct patterns **ret_patterns) _must_check_;
void patterns_free(struct patterns *patterns);

/*
 * Add one pattern: a glob, or with `regex` a POSIX extended regular expression, which matches a
 * part of the name unless it is anchored. -EINVAL with a message, or -ENOMEM.
 */
int patterns_add(struct patterns *patterns, const char *pattern, bool regex, struct err *err)
	_must_check_;

/* Whether any pattern matches. `module`: without brackets, NULL for the kernel proper. */
bool patterns_test(const struct patterns *patterns, const char *name, const char *module);

#endif
