/* SPDX-License-Identifier: MIT */
/*
 * One pattern is one or two POSIX basic regular expressions: for the event's name and, when the
 * pattern has both parts, for its system's. A pattern of one part is tried on either name.
 */
#include <errno.h>
#include <regex.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "expr/match.h"

struct event_match {
	regex_t event, system;
	bool has_event, has_system;
};

void event_match_free(struct event_match *match)
{
	if (!match)
		return;
	if (match->has_event)
		regfree(&match->event);
	if (match->has_system)
		regfree(&match->system);
	mem_free(match);
}

static void event_match_free_p(struct event_match **match)
{
	event_match_free(*match);
}

static int compile(regex_t *regex, const char *text, size_t len, bool whole, struct err *err)
{
	_cleanup_free_ char *pattern = mem_alloc(len + 3);
	char reason[128];
	size_t at = 0;
	int r;

	if (!pattern)
		return err_set(err, -ENOMEM, "out of memory");
	if (whole)
		pattern[at++] = '^';
	memcpy(pattern + at, text, len);
	at += len;
	if (whole)
		pattern[at++] = '$';
	pattern[at] = '\0';

	r = regcomp(regex, pattern, REG_ICASE | REG_NOSUB);
	if (!r)
		return 0;
	regerror(r, regex, reason, sizeof(reason));
	return err_set(err, r == REG_ESPACE ? -ENOMEM : -EINVAL,
		       "'%.*s' is no regular expression: %s", (int)len, text, reason);
}

static void trim(const char **text, size_t *len)
{
	while (*len && strchr(" \t\n\r\f\v", **text)) {
		(*text)++;
		(*len)--;
	}
	while (*len && strchr(" \t\n\r\f\v", (*text)[*len - 1]))
		(*len)--;
}

/*
 * The next part of `text` up to `separator`; empty parts are skipped, as strtok does. Returns false
 * when there is none.
 */
static bool next_part(const char **text, char separator, const char **ret_part, size_t *ret_len)
{
	const char *end;

	while (separator && **text == separator)
		(*text)++;
	if (!**text)
		return false;
	end = separator ? strchr(*text, separator) : NULL;
	if (!end)
		end = *text + strlen(*text);
	*ret_part = *text;
	*ret_len = (size_t)(end - *text);
	*text = end;
	return true;
}

int event_match_new(struct event_match **ret_match, const char *pattern, enum event_match_kind kind,
		    struct err *err)
{
	static const char separators[] = {
		[EVENT_MATCH_NAME] = '\0', [EVENT_MATCH_PART] = ':', [EVENT_MATCH_FILTER] = '/'};
	_cleanup_(event_match_free_p) struct event_match *match = NULL;
	const char *text = pattern, *first, *second = NULL;
	size_t first_len, second_len = 0;
	bool whole = kind != EVENT_MATCH_PART;
	int r;

	if (strlen(pattern) > LIMIT_FILTER_BYTES)
		return err_set(err, -EINVAL, "the event pattern is longer than %u bytes",
			       LIMIT_FILTER_BYTES);
	if (!next_part(&text, separators[kind], &first, &first_len))
		return err_set(err, -EINVAL, "'%s' names no event", pattern);
	if (separators[kind] && !next_part(&text, separators[kind], &second, &second_len))
		second = NULL;
	if (kind == EVENT_MATCH_FILTER) {
		trim(&first, &first_len);
		if (second)
			trim(&second, &second_len);
	}

	match = mem_zalloc(sizeof(*match));
	if (!match)
		return err_set(err, -ENOMEM, "out of memory");
	r = compile(&match->event, second ? second : first, second ? second_len : first_len, whole,
		    err);
	if (r < 0)
		return r;
	match->has_event = true;
	if (second) {
		r = compile(&match->system, first, first_len, whole, err);
		if (r < 0)
			return r;
		match->has_system = true;
	}
	*ret_match = steal(&match);
	return 0;
}

bool event_match_test(const struct event_match *match, const struct event *event)
{
	const char *system = event->system ? event->system : "";
	bool event_matches = !regexec(&match->event, event->name, 0, NULL, 0);

	if (match->has_system)
		return event_matches && !regexec(&match->system, system, 0, NULL, 0);
	return event_matches || !regexec(&match->event, system, 0, NULL, 0);
}
