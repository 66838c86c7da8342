/* SPDX-License-Identifier: MIT */
#include "cmd/call_args.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

static int add_name(struct call_args *args, struct patterns *names, const char *option,
		    const char *word)
{
	struct err err = {0};
	int r = patterns_add(names, word, args->regex, &err);

	if (r == -EINVAL)
		return cmd_usage(args->command, "%s: %s", option, err.text);
	return r;
}

/* A regular expression is taken as it is; globs may be a list. */
static int add_names(struct call_args *args, struct patterns **names, const char *option,
		     const char *text)
{
	_cleanup_free_ char *copy = mem_strdup(text);
	char *rest = copy, *word;
	int r = 0;

	if (!copy || (!*names && patterns_new(names) < 0))
		return -ENOMEM;
	if (args->regex)
		return add_name(args, *names, option, text);
	while (r == 0 && (word = strsep(&rest, ",;")))
		r = add_name(args, *names, option, word);
	return r;
}

static int set_match(struct call_args *args, const char *text)
{
	args->regex = !strcmp(text, "regex");
	return args->regex || !strcmp(text, "glob")
		       ? 0
		       : cmd_usage(args->command, "--match: '%s' is neither glob nor regex", text);
}

bool call_args_time(const char *text, uint64_t *ret_ns)
{
	char with_unit[64];
	size_t len = strlen(text), digits = strspn(text, "0123456789.");

	if (len >= sizeof(with_unit) - 2 || text[0] == '+')
		return false;
	memcpy(with_unit, text, len);
	memcpy(with_unit + len, "us", 3);
	return report_parse_time(digits == len ? with_unit : text, true, 0, ret_ns);
}

static int set_min(struct call_args *args, const char *text)
{
	return call_args_time(text, &args->min_ns)
		       ? 0
		       : cmd_usage(args->command, "-t: '%s' is not a time", text);
}

static int set_depth(struct call_args *args, const char *text)
{
	uint64_t depth;

	if (!cmd_parse_u64(args->command, "-D", text, 1, INT32_MAX, &depth))
		return CMD_USAGE;
	args->filter.max_depth = (uint32_t)depth;
	return 0;
}

int call_args_fields(const char *text, size_t *nr,
		     int (*add)(void *arg, const char *word, size_t len), void *arg)
{
	int r = 0;

	if (*text == '+')
		text++;
	else
		*nr = 0;
	if (!strcmp(text, "none"))
		return 0;
	while (r == 0 && *text) {
		size_t len = strcspn(text, ",");

		r = add(arg, text, len);
		text += len + (text[len] == ',');
	}
	return r;
}

int call_args_take(struct call_args *args, int id, const char *text)
{
	int r;

	switch (id) {
	case CALL_OPT_ONLY:
		r = add_names(args, &args->only, "-F", text);
		args->filter.only = args->only;
		return r;
	case CALL_OPT_HIDE:
		r = add_names(args, &args->hide, "-N", text);
		args->filter.hide = args->hide;
		return r;
	case CALL_OPT_MATCH:
		return set_match(args, text);
	case CALL_OPT_DEPTH:
		return set_depth(args, text);
	case CALL_OPT_MIN:
		return set_min(args, text);
	default:
		return REPORT_NOT_OWN;
	}
}

void call_args_done(struct call_args *args)
{
	patterns_free(args->only);
	patterns_free(args->hide);
}
