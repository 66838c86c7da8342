/* SPDX-License-Identifier: MIT */
/*
 * The arguments of a probe: [NAME=]FETCH[:TYPE]. Checked is their shape: names, braces, lengths.
 * What a register, a variable or a type is called is left to the kernel.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "expr/probe.h"

#define ARGS_MAX      128u
#define ARG_NAME_MAX  32u
#define ARG_TEXT_MAX  63u
#define NESTING_MAX   32u
#define OFFSET_DIGITS "0123456789abcdefABCDEFxX"

struct checker {
	const char *text; /* the whole definition */
	struct err *err;
	const char *end; /* of the argument */
	unsigned int nesting;
};

static int refuse(const struct checker *checker, const char *at, const char *message)
{
	return err_caret(checker->err, -EINVAL, checker->text, (size_t)(at - checker->text), "%s",
			 message);
}

static int check_fetch(struct checker *checker, const char *c, const char **ret_end);

/* ±[u]OFF(FETCH) */
static int check_dereference(struct checker *checker, const char *c, const char **ret_end)
{
	const char *digits = c + 1 + (c[1] == 'u'), *open = digits + strspn(digits, OFFSET_DIGITS);
	int r;

	if (open >= checker->end || *open != '(')
		return refuse(checker, c, "Dereference needs a brace");
	if (open == digits)
		return refuse(checker, digits, "Invalid dereference offset");
	if (++checker->nesting > NESTING_MAX)
		return refuse(checker, c, "Dereference is too much nested");
	r = check_fetch(checker, open + 1, &c);
	if (r < 0)
		return r;
	if (c >= checker->end || *c != ')')
		return refuse(checker, checker->end, "Dereference brace is not closed");
	*ret_end = c + 1;
	return 0;
}

/* One FETCH, up to ')', ':' or the end. */
static int check_fetch(struct checker *checker, const char *c, const char **ret_end)
{
	const char *start = c;

	if (c < checker->end && (*c == '+' || *c == '-'))
		return check_dereference(checker, c, ret_end);
	if (c + 1 < checker->end && *c == '\\' && c[1] == '"') {
		c = memchr(c + 2, '"', (size_t)(checker->end - c - 2));
		if (!c)
			return refuse(checker, checker->end, "String is not closed with '\"'");
		*ret_end = c + 1;
		return 0;
	}
	while (c < checker->end && *c != ')' && *c != ':')
		c++;
	if (c == start)
		return refuse(checker, start, "No argument expression");
	if (c == start + 1 && strchr("$%@\\", *start))
		return refuse(checker, start, "Invalid fetch argument");
	*ret_end = c;
	return 0;
}

/* TYPE[N]; BTF casts and bit fields have other characters in them. */
static int check_type(struct checker *checker, const char *c)
{
	size_t len = (size_t)(checker->end - c);
	const char *open = memchr(c, '[', len);

	if (!len)
		return refuse(checker, c, "Unknown type is specified");
	if (open && !memchr(open, ']', (size_t)(checker->end - open)))
		return refuse(checker, checker->end, "Array is not closed");
	if (open && checker->end[-1] != ']')
		return refuse(checker, (const char *)memchr(open, ']', len) + 1,
			      "Array has wrong suffix");
	return 0;
}

static int check_body(struct checker *checker, const char *body)
{
	const char *c;
	int r;

	if (body == checker->end)
		return refuse(checker, body, "No argument expression");
	if ((size_t)(checker->end - body) > ARG_TEXT_MAX)
		return refuse(checker, body, "Argument expression is too long");
	/* A cast of newer kernels. */
	if (*body == '(')
		return 0;
	checker->nesting = 0;
	r = check_fetch(checker, body, &c);
	if (r < 0 || c == checker->end)
		return r;
	if (*c == ')')
		return refuse(checker, c, "Invalid fetch argument");
	if (*c != ':')
		return refuse(checker, c, "Unknown type is specified");
	return check_type(checker, c + 1);
}

static bool is_reserved(const char *name, size_t len)
{
	static const char *const reserved[] = {
		"common_type", "common_flags", "common_preempt_count", "common_pid",
		"common_tgid", "__probe_ip",   "__probe_ret_ip",       "__probe_func",
	};

	for (size_t i = 0; i < ARRAY_SIZE(reserved); i++) {
		if (strlen(reserved[i]) == len && !memcmp(reserved[i], name, len))
			return true;
	}
	return false;
}

static bool is_identifier(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' &&
		    (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return len > 0;
}

/* Whether an argument between `from` and `to` has the name already. */
static bool is_used(const char *from, const char *to, const char *name, size_t len)
{
	while (from < to) {
		if (!strncmp(from, name, len) && from[len] == '=')
			return true;
		from += strcspn(from, " ");
		from += *from == ' ';
	}
	return false;
}

static int check_arg(struct checker *checker, const char *args, const char *arg)
{
	const char *equal = memchr(arg, '=', (size_t)(checker->end - arg));
	size_t len = equal ? (size_t)(equal - arg) : 0;

	if (!equal)
		return check_body(checker, arg);
	if (!len)
		return refuse(checker, arg, "Argument name is not specified");
	if (len > ARG_NAME_MAX)
		return refuse(checker, arg, "Argument name is too long");
	if (!is_identifier(arg, len))
		return refuse(checker, arg,
			      "Argument name must follow the same rules as C identifiers");
	if (is_reserved(arg, len) || is_used(args, arg, arg, len))
		return refuse(checker, arg, "This argument name is already used");
	return check_body(checker, equal + 1);
}

int probe_check_args(const struct probe *probe, size_t at, struct err *err)
{
	struct checker checker = {.text = probe->text, .err = err};
	const char *args = probe->text + at;
	unsigned int nr = 0;

	for (const char *arg = args; *arg; arg = checker.end + (*checker.end == ' ')) {
		int r;

		checker.end = arg + strcspn(arg, " ");
		if (probe->kind == PROBE_EVENT && checker.end == arg + 2 && !memcmp(arg, "if", 2))
			return *checker.end ? 0
					    : refuse(&checker, checker.end, "No filter expression");
		if (++nr > ARGS_MAX)
			return refuse(&checker, arg, "Too many arguments are specified");
		r = check_arg(&checker, args, arg);
		if (r < 0)
			return r;
	}
	return 0;
}
