/* SPDX-License-Identifier: MIT */
/*
 * The kernel's event filters, the language of tracefs `filter` files and of `if` in triggers:
 *
 *   prev_pid > 5 && (comm ~ "ba*" || !(prio & 4))
 *
 * A text is accepted or refused exactly as the kernel does, with its errno, its message and its
 * caret, and becomes a program that reads the few fields it needs straight from the raw record.
 * Where kernels differ, struct kfilter_kernel says which one is asked. The rules, and what
 * KFILTER_STRICT changes, are in docs/design/expr.md.
 */
#ifndef SONDE_EXPR_KFILTER_H
#define SONDE_EXPR_KFILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "event/event.h"
#include "expr/filter.h"

/* What the filters of a kernel can do. */
struct kfilter_kernel {
	bool ustring;	 /* since 5.17: FIELD.ustring, __rel_loc strings */
	bool function;	 /* since 6.3: FIELD.function */
	bool stacktrace; /* since 6.3: the names stacktrace and STACKTRACE */
	bool cpus;	 /* since 6.6: CPUS{LIST}, cpumask fields */
	/*
	 * It is a traced program, whose functions may not be known yet: .function takes a pattern
	 * (function_pattern.h), which is tried on the function of each record.
	 */
	bool is_program;
	const struct event_db *db; /* with the names of functions and tasks; NULL: the event's */
	uint32_t nr_cpus;	   /* that it may have: what CPUS{} is held against */
};

/*
 * `release` as uname says it ("6.1.0-57-amd64"), alone or as in a trace.dat's UNAME ("Linux HOST
 * RELEASE MACHINE"); NULL, or one that cannot be read: the newest. `nr_cpus` 0: not known, any
 * number goes.
 */
void kfilter_kernel_init(struct kfilter_kernel *kernel, const char *release, uint32_t nr_cpus);

enum kfilter_flags {
	/*
	 * Answer as the kernel does, bit for bit, also where that is no sense: "*x" matches nothing
	 * that is shorter than its array, numbers are cut to the field's size. Without it, the
	 * honest answer.
	 */
	KFILTER_STRICT = 1 << 0,
};

/* Why the kernel refuses a text. */
struct kfilter_error {
	int code;	     /* what write() gives: -EINVAL, but also -EPERM, -ENOENT, -ESRCH */
	const char *message; /* in the kernel's words, static */
	size_t column; /* of the kernel's caret: mostly one behind the place, or behind the text */
	bool no_field; /* the event has no field of that name; another one may */
};

struct kfilter;

/*
 * Compile `text` (NUL-terminated) for `event`, whose db must be sealed and outlive the filter.
 * White space at its end is dropped, as the kernel does. The filter keeps no pointer to the text.
 * Returns 0; error->code when the kernel refuses the text (then `error`, which may be NULL, is set,
 * and err shows the text with a caret); -ENOMEM with error->code 0.
 */
int kfilter_new(struct kfilter **ret_filter, const struct event *event, const char *text,
		const struct kfilter_kernel *kernel, unsigned int flags,
		struct kfilter_error *error, struct err *err) _must_check_;
void kfilter_free(struct kfilter *filter);

/* Fast, thread-safe, allocates nothing. What lies beyond the record reads as 0 or "". */
bool kfilter_test(const struct kfilter *filter, const struct filter_record *record);

/* True when every record (or none) passes, whatever it holds. */
bool kfilter_always(const struct kfilter *filter);
bool kfilter_never(const struct kfilter *filter);

/* A number as the kernel reads it: 0x, 0 for octal, nothing behind it; false: none, or too big. */
bool kfilter_number(const char *text, uint64_t *ret_number);

/* Whether its answers depend on the record's comm, which may be NULL if not. */
bool kfilter_asks_comm(const struct kfilter *filter);

/* "0", with white space around it: written to a `filter` file it removes the filter. */
bool kfilter_is_removal(const char *text);

#endif
