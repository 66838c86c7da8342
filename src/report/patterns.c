/* SPDX-License-Identifier: MIT */
#include "report/patterns.h"

#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

struct pattern {
	char *text;	    /* owned; split at the '@' */
	const char *module; /* into text, or NULL: any */
	bool is_regex;
	regex_t regex;
};

struct patterns {
	struct pattern *list;
	size_t nr, cap;
};

int patterns_new(struct patterns **ret_patterns)
{
	struct patterns *patterns = mem_zalloc(sizeof(*patterns));

	if (!patterns)
		return -ENOMEM;
	*ret_patterns = patterns;
	return 0;
}

void patterns_free(struct patterns *patterns)
{
	if (!patterns)
		return;
	for (size_t i = 0; i < patterns->nr; i++) {
		if (patterns->list[i].is_regex)
			regfree(&patterns->list[i].regex);
		mem_free(patterns->list[i].text);
	}
	mem_free(patterns->list);
	mem_free(patterns);
}

static int compile(struct pattern *pattern, struct err *err)
{
	char reason[100];
	int r = regcomp(&pattern->regex, pattern->text, REG_EXTENDED | REG_NOSUB);

	if (!r) {
		pattern->is_regex = true;
		return 0;
	}
	regerror(r, &pattern->regex, reason, sizeof(reason));
	return err_set(err, r == REG_ESPACE ? -ENOMEM : -EINVAL, "'%.200s': %s", pattern->text,
		       reason);
}

int patterns_add(struct patterns *patterns, const char *pattern, bool regex, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct pattern new = {0};
	char *at;
	int r;

	if (!*pattern || strlen(pattern) > LIMIT_STRING_BYTES)
		return err_set(err, -EINVAL, "'%.60s' is not the name of a function", pattern);
	text = mem_strdup(pattern);
	if (!text || array_reserve(&patterns->list, &patterns->cap, patterns->nr + 1,
				   sizeof(*patterns->list)) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	at = strrchr(text, '@');
	if (at) {
		*at = '\0';
		new.module = at + 1;
	}
	new.text = text;
	r = regex ? compile(&new, err) : 0;
	if (r < 0)
		return r;
	patterns->list[patterns->nr++] = new;
	text = NULL;
	return 0;
}

bool patterns_test(const struct patterns *patterns, const char *name, const char *module)
{
	for (size_t i = 0; i < patterns->nr; i++) {
		const struct pattern *pattern = &patterns->list[i];

		if (pattern->module && fnmatch(pattern->module, module ? module : "kernel", 0))
			continue;
		if (pattern->is_regex ? !regexec(&pattern->regex, name, 0, NULL, 0)
				      : !fnmatch(pattern->text, name, 0))
			return true;
	}
	return false;
}
