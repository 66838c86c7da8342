/* SPDX-License-Identifier: MIT */
/* Nearly all patterns are plain names, for which a comparison of strings is enough. */
#include "expr/function_pattern.h"

#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

#define MOD_MARK ":mod:"

enum kind {
	KIND_PLAIN,
	KIND_GLOB,
	KIND_REGEX,
	KIND_ALL,
};

struct function_pattern {
	char *text;    /* as it was given */
	char *name;    /* of functions */
	char *library; /* NULL: any */
	enum kind kind;
	regex_t regex; /* of KIND_REGEX */
};

void function_pattern_free(struct function_pattern *pattern)
{
	if (!pattern)
		return;
	if (pattern->kind == KIND_REGEX)
		regfree(&pattern->regex);
	mem_free(pattern->text);
	mem_free(pattern->name);
	mem_free(pattern->library);
	mem_free(pattern);
}

static int read_regex(struct function_pattern *pattern, struct err *err)
{
	size_t len = strlen(pattern->name);
	char text[100];
	int r;

	/* Without the slashes. */
	memmove(pattern->name, pattern->name + 1, len - 2);
	pattern->name[len - 2] = '\0';
	r = regcomp(&pattern->regex, pattern->name, REG_EXTENDED | REG_NOSUB);
	if (!r) {
		pattern->kind = KIND_REGEX;
		return 0;
	}
	regerror(r, &pattern->regex, text, sizeof(text));
	return err_caret(err, -EINVAL, pattern->text, 1, "no regular expression (%s)", text);
}

static int read_name(struct function_pattern *pattern, struct err *err)
{
	size_t len = strlen(pattern->name);

	if (len > 2 && pattern->name[0] == '/' && pattern->name[len - 1] == '/')
		return read_regex(pattern, err);
	if (!strcmp(pattern->name, "*"))
		pattern->kind = KIND_ALL;
	else if (strpbrk(pattern->name, "*?["))
		pattern->kind = KIND_GLOB;
	return 0;
}

/* Where the name ends and what is behind the mark; a regular expression may contain anything. */
static const char *find_library(const char *text, size_t *ret_name_len)
{
	const char *slash = text[0] == '/' ? strrchr(text + 1, '/') : NULL;
	const char *from = slash && (slash[1] == '@' || slash[1] == ':') ? slash + 1 : text;
	const char *mark = strstr(from, MOD_MARK), *at = strchr(from, '@');

	*ret_name_len = strlen(text);
	/* A regular expression ends the text, or a mark follows it. */
	if (from == text && slash && !slash[1])
		return NULL;
	if (mark) {
		*ret_name_len = (size_t)(mark - text);
		return mark + strlen(MOD_MARK);
	}
	if (at) {
		*ret_name_len = (size_t)(at - text);
		return at + 1;
	}
	return NULL;
}

static int read_pattern(struct function_pattern *pattern, const char *text, struct err *err)
{
	size_t name_len;
	const char *library;

	if (strlen(text) > LIMIT_STRING_BYTES)
		return err_set(err, -EINVAL, "a pattern of more than %u bytes", LIMIT_STRING_BYTES);
	library = find_library(text, &name_len);
	if (library && !*library)
		return err_caret(err, -EINVAL, text, strlen(text), "the library's name is missing");
	if (!name_len && (!library || text[0] != ':'))
		return err_caret(err, -EINVAL, text, 0, "the function's name is missing");
	pattern->text = mem_strdup(text);
	pattern->name = name_len ? mem_strndup(text, name_len) : mem_strdup("*");
	pattern->library = library ? mem_strdup(library) : NULL;
	if (!pattern->text || !pattern->name || (library && !pattern->library))
		return err_sys(err, -ENOMEM, "cannot read the patterns");
	return read_name(pattern, err);
}

int function_pattern_new(struct function_pattern **ret_pattern, const char *text, struct err *err)
{
	struct function_pattern *pattern = mem_zalloc(sizeof(*pattern));
	int r = pattern ? read_pattern(pattern, text, err)
			: err_sys(err, -ENOMEM, "cannot read the patterns");

	if (r < 0) {
		function_pattern_free(pattern);
		return r;
	}
	*ret_pattern = pattern;
	return 0;
}

const char *function_pattern_text(const struct function_pattern *pattern)
{
	return pattern->text;
}

bool function_pattern_names(const struct function_pattern *pattern, const char *name)
{
	switch (pattern->kind) {
	case KIND_PLAIN:
		return !strcmp(name, pattern->name);
	case KIND_GLOB:
		return fnmatch(pattern->name, name, 0) == 0;
	case KIND_REGEX:
		return regexec(&pattern->regex, name, 0, NULL, 0) == 0;
	case KIND_ALL:
		break;
	}
	return true;
}

bool function_library_is(const char *wanted, const char *name, const char *path)
{
	const char *rest;
	size_t len;

	if (strchr(wanted, '/'))
		return path && fnmatch(wanted, path, 0) == 0;
	if (fnmatch(wanted, name, 0) == 0)
		return true;
	len = strlen(wanted);
	if (strncmp(name, wanted, len) != 0)
		return false;
	rest = name + len;
	return !strncmp(rest, ".so.", 4) || !strcmp(rest, ".so") ||
	       (len > 3 && !strcmp(wanted + len - 3, ".so") && rest[0] == '.');
}

bool function_pattern_in(const struct function_pattern *pattern, const char *name, const char *path)
{
	return !pattern->library || function_library_is(pattern->library, name, path);
}
