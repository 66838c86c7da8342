/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

const char *err_name(int code)
{
	int number = code < 0 ? -code : code;
#ifdef __GLIBC__
	const char *text = strerrordesc_np(number); /* strerror is not thread-safe here */
#else
	const char *text = strerror(number);
#endif

	return text ? text : "unknown error";
}

static size_t format_into(struct err *err, const char *fmt, va_list ap)
{
	int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);

	if (n < 0)
		return 0;
	return (size_t)n < sizeof(err->text) ? (size_t)n : sizeof(err->text) - 1;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	format_into(err, fmt, ap);
	va_end(ap);
	return code;
}

int err_sys(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	n = format_into(err, fmt, ap);
	va_end(ap);
	snprintf(err->text + n, sizeof(err->text) - n, ": %s", err_name(code));
	return code;
}

int err_wrap(struct err *err, int code, const char *fmt, ...)
{
	char inner[sizeof(err->text)];
	va_list ap;
	size_t n;

	if (!err)
		return code;
	memcpy(inner, err->text, sizeof(inner));
	va_start(ap, fmt);
	n = format_into(err, fmt, ap);
	va_end(ap);
	snprintf(err->text + n, sizeof(err->text) - n, ": %s", inner);
	return code;
}

/* The part of `text` around `at` that a message can hold. */
static void error_window(const char *text, size_t at, const char **ret_text, size_t *ret_len,
			 size_t *ret_at)
{
	enum {
		WIDTH = 120
	};
	size_t len = strlen(text), start = 0;

	if (at > len)
		at = len;
	if (len > WIDTH && at > WIDTH / 2)
		start = MIN(at - WIDTH / 2, len - WIDTH);
	*ret_text = text + start;
	*ret_len = MIN(len - start, (size_t)WIDTH);
	*ret_at = at - start;
}

int err_caret(struct err *err, int code, const char *text, size_t at, const char *fmt, ...)
{
	char message[200], line[121], caret[122];
	size_t len, column;
	const char *shown;
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(message, sizeof(message), fmt, ap) < 0)
		message[0] = '\0';
	va_end(ap);
	error_window(text, at, &shown, &len, &column);
	for (size_t i = 0; i < len; i++)
		line[i] = shown[i] >= ' ' && shown[i] != 0x7f ? shown[i] : ' ';
	line[len] = '\0';
	memset(caret, ' ', column);
	caret[column] = '^';
	caret[column + 1] = '\0';
	return err_set(err, code, "%s\n  %s\n  %s", message, line, caret);
}
