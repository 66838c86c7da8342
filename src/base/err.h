/* SPDX-License-Identifier: MIT */
/*
 * The one error type. A fallible function returns 0 (or a count) on success and a negative errno
 * on failure; one that has more to say takes a `struct err *` last. The caller owns the struct;
 * it is of fixed size, so reporting an error can never itself run out of memory.
 */
#ifndef SONDE_BASE_ERR_H
#define SONDE_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _must_check_   __attribute__((warn_unused_result))

struct err {
	int code;	/* negative errno, 0 when nothing failed */
	char text[500]; /* one sentence without a final full stop or newline */
};

/*
 * Fill `err` (which may be NULL) and return `code`, so that callers can write
 * `return err_set(err, -EINVAL, "...")`. `code` is a negative errno.
 */
int err_set(struct err *err, int code, const char *fmt, ...) _printf_(3, 4);

/* As err_set, and appends ": " and the text of the errno. */
int err_sys(struct err *err, int code, const char *fmt, ...) _printf_(3, 4);

/*
 * "MESSAGE\n  TEXT\n  ^": the caret stands below text[at]; a long text is cut around it. For parse
 * errors.
 */
int err_caret(struct err *err, int code, const char *text, size_t at, const char *fmt, ...)
	_printf_(5, 6);

/* Put "context: " before the text already in `err`; returns `code` unchanged. */
int err_wrap(struct err *err, int code, const char *fmt, ...) _printf_(3, 4);

/* Text of a negative errno; never NULL, thread-safe, not to be freed. */
const char *err_name(int code);

#endif
