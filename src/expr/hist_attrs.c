/* SPDX-License-Identifier: MIT */
/* A hist trigger's text, cut at its colons. What the parts mean is settled later. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "expr/hist_private.h"

/*
 * A number as kstrtoull takes it: decimal, 0x or 0 for octal, one '+' before and one line end
 * behind it allowed, nothing else.
 */
int hist_parse_number(const char *text, uint64_t *ret_value)
{
	const char *digits = text + (*text == '+');
	char *end;

	if (*digits < '0' || *digits > '9')
		return -EINVAL;
	errno = 0;
	*ret_value = strtoull(digits, &end, 0);
	if (end == digits || (end - digits == 1 && (*end == 'x' || *end == 'X')))
		return -EINVAL;
	if (errno == ERANGE)
		return -ERANGE;
	return *end && strcmp(end, "\n") != 0 ? -EINVAL : 0;
}

static int parse_size(const char *text, unsigned int *ret_bits)
{
	unsigned int bits = HIST_MIN_BITS - 1;
	uint64_t size;
	int r = hist_parse_number(text, &size);

	if (r < 0)
		return r;
	while (bits <= HIST_MAX_BITS && ((uint64_t)1 << bits) < size)
		bits++;
	if (bits < HIST_MIN_BITS || bits > HIST_MAX_BITS)
		return -EINVAL;
	*ret_bits = bits;
	return 0;
}

static const char *behind(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

char *hist_strip(char *text)
{
	size_t len;

	text += strspn(text, HIST_BLANKS);
	for (len = strlen(text); len && strchr(HIST_BLANKS, text[len - 1]); len--)
		text[len - 1] = '\0';
	return text;
}

static int parse_assignment(struct hist_set *set, char *text, struct hist_attrs *attrs)
{
	static const struct {
		const char *prefix;
		size_t offset;
		bool whole; /* with the prefix */
	} known[] = {
		{"key=", offsetof(struct hist_attrs, keys), false},
		{"keys=", offsetof(struct hist_attrs, keys), false},
		{"val=", offsetof(struct hist_attrs, vals), false},
		{"vals=", offsetof(struct hist_attrs, vals), false},
		{"values=", offsetof(struct hist_attrs, vals), false},
		{"sort=", offsetof(struct hist_attrs, sort), false},
		{"name=", offsetof(struct hist_attrs, name), true},
		{"clock=", offsetof(struct hist_attrs, clock), false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		const char *rest = behind(text, known[i].prefix);

		if (rest) {
			*(char **)(void *)((char *)attrs + known[i].offset) =
				known[i].whole ? text : text + (rest - text);
			return 0;
		}
	}
	if (behind(text, "size="))
		return parse_size(text + 5, &attrs->bits);
	if (attrs->nr_assignments == HIST_VARS) {
		hist_refuse(set, "Too many variables defined", text);
		return -EINVAL;
	}
	attrs->assignments[attrs->nr_assignments++] = text;
	return 0;
}

static int parse_word(const struct hist_set *set, char *text, struct hist_attrs *attrs)
{
	if (set->options.kernel.nohitcount &&
	    (strcmp(text, "nohitcount") == 0 || strcmp(text, "NOHC") == 0)) {
		attrs->no_hitcount = true;
	} else if (strcmp(text, "pause") == 0) {
		attrs->pause = true;
	} else if (strcmp(text, "cont") == 0 || strcmp(text, "continue") == 0) {
		attrs->cont = true;
	} else if (strcmp(text, "clear") == 0) {
		attrs->clear = true;
	} else {
		if (attrs->nr_actions >= HIST_ACTIONS ||
		    (!behind(text, "onmatch(") && !behind(text, "onmax(") &&
		     !behind(text, "onchange(")))
			return -EINVAL;
		attrs->actions[attrs->nr_actions++] = text;
	}
	return 0;
}

/* A private copy for each part, since parsing cuts them further. */
static int copy_parts(struct arena *arena, struct hist_attrs *attrs)
{
	char **texts[] = {&attrs->keys, &attrs->vals, &attrs->sort, &attrs->name, &attrs->clock};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (*texts[i] && !(*texts[i] = arena_strdup(arena, *texts[i])))
			return -ENOMEM;
	}
	attrs->clock = hist_strip(attrs->clock);
	return 0;
}

int hist_parse_attrs(struct hist_set *set, struct arena *arena, char *text,
		     struct hist_attrs *ret_attrs)
{
	static char global[] = "global";
	struct hist_attrs attrs = {0};
	char *part;
	int r = 0;

	while ((part = strsep(&text, ":")) && r >= 0) {
		const char *equals = strchr(part, '=');

		if (!equals) {
			r = parse_word(set, part, &attrs);
		} else if (!equals[1]) {
			hist_refuse(set, "Empty assignment", part);
			r = -EINVAL;
		} else {
			r = parse_assignment(set, part, &attrs);
		}
	}
	if (r < 0)
		return r;
	if (!attrs.keys)
		return -EINVAL;
	if (!attrs.clock)
		attrs.clock = global;
	r = copy_parts(arena, &attrs);
	if (r >= 0)
		*ret_attrs = attrs;
	return r;
}
