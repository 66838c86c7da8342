/* SPDX-License-Identifier: MIT */
/* By itself, and in need of nothing: the runtime in traced programs has it, too. */
#include "expr/glob_match.h"

/* One `[...]` behind its '[': does it hold `c`? *pattern goes behind the ']'; false: it has none.
 */
static bool read_class(const char **pattern, unsigned char c, bool *ret_match)
{
	bool inverted = **pattern == '!', match = false;
	const char *p = *pattern + inverted;
	unsigned char low = (unsigned char)*p++;

	do {
		unsigned char high = low;

		if (!low)
			return false;
		if (p[0] == '-' && p[1] != ']') {
			high = (unsigned char)p[1];
			if (!high)
				return false;
			p += 2;
		}
		match |= low <= c && c <= high;
		low = (unsigned char)*p++;
	} while (low != ']');
	*pattern = p;
	*ret_match = match != inverted;
	return true;
}

/* One character of the pattern, which is no star, against one of the text. */
static bool match_one(const char **pattern, unsigned char c)
{
	char d = *(*pattern)++;
	bool match;

	if (d == '?')
		return true;
	if (d == '[' && read_class(pattern, c, &match))
		return match;
	if (d == '\\')
		d = *(*pattern)++;
	return (unsigned char)d == c;
}

/* After a mismatch the last star takes one character more; never more than one level back. */
bool glob_match(const char *pattern, const char *text, size_t len)
{
	const char *end = text, *star = NULL, *star_text = NULL;

	while (len-- && *end)
		end++;
	for (;;) {
		if (*pattern == '*') {
			star = ++pattern;
			star_text = text;
			if (!*star)
				return true;
			continue;
		}
		if (text == end) {
			if (*pattern == '\\' && !pattern[1])
				pattern++;
			return !*pattern;
		}
		if (*pattern && match_one(&pattern, (unsigned char)*text)) {
			text++;
			continue;
		}
		if (!star)
			return false;
		pattern = star;
		text = ++star_text;
	}
}
