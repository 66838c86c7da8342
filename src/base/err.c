/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

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
