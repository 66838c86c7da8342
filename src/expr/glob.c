/* SPDX-License-Identifier: MIT */
#include "expr/glob.h"

#include <errno.h>
#include <string.h>

/*
 * What kind of glob it is. The kernel's rule: a star in the middle or any of `[?\` makes it a full
 * glob; a star at the start and at the end are the simple kinds.
 */
static enum glob_kind classify(const char *pattern, size_t len, bool strict)
{
	bool front = len && pattern[0] == '*', end = len > 1 && pattern[len - 1] == '*';

	if (strict && len && pattern[0] >= '0' && pattern[0] <= '9')
		return GLOB_FULL;
	for (size_t i = 0; i < len; i++) {
		if (pattern[i] == '[' || pattern[i] == '?' || pattern[i] == '\\')
			return GLOB_ANY;
		if (pattern[i] == '*' && i > 0 && i < len - 1)
			return GLOB_ANY;
	}
	if (front)
		return end ? GLOB_MIDDLE : GLOB_END;
	return end ? GLOB_FRONT : GLOB_FULL;
}

int glob_init(struct glob *ret_glob, struct arena *arena, const char *pattern, size_t len,
	      bool is_glob, bool strict)
{
	struct glob glob = {.kind = GLOB_FULL};

	if (is_glob && len && pattern[0] == '!') {
		glob.invert = true;
		pattern++;
		len--;
	}
	if (is_glob)
		glob.kind = classify(pattern, len, strict);
	if (glob.kind == GLOB_END || glob.kind == GLOB_MIDDLE) {
		pattern++;
		len--;
	}
	if (glob.kind == GLOB_FRONT || glob.kind == GLOB_MIDDLE)
		len--;
	glob.text = arena_strndup(arena, pattern, len);
	if (!glob.text)
		return -ENOMEM;
	glob.len = len;
	*ret_glob = glob;
	return 0;
}

bool glob_test(const struct glob *glob, const char *mem, size_t size, bool strict)
{
	size_t len = strnlen(mem, size), want = glob->len;

	switch (glob->kind) {
	case GLOB_FULL:
		return (len == want && !memcmp(mem, glob->text, want)) != glob->invert;
	case GLOB_FRONT:
		return (len >= want && !memcmp(mem, glob->text, want)) != glob->invert;
	case GLOB_END:
		if (strict)
			len = size ? size - 1 : 0;
		return ((size || !strict) && len >= want &&
			!memcmp(mem + len - want, glob->text, want)) != glob->invert;
	case GLOB_MIDDLE:
		return (memmem(mem, strict ? size : len, glob->text, want) != NULL) != glob->invert;
	case GLOB_ANY:
		break;
	}
	return glob_match(glob->text, mem, len) != glob->invert;
}
