/* SPDX-License-Identifier: MIT */
/*
 * Changing a tracefs file that is not ours: what it says goes into the journal first, in the form
 * in which it can be written back.
 */
#ifndef SONDE_KERNEL_BORROW_H
#define SONDE_KERNEL_BORROW_H

#include "base/err.h"
#include "kernel/journal.h"

/* Note the content of dir/file. `what` says what is being tried, for the error. */
int kernel_borrow(struct kernel_journal *journal, const char *dir, const char *file,
		  const char *what, struct err *err) _must_check_;
/* The same, then write `text` (which replaces what is there). */
int kernel_borrow_write(struct kernel_journal *journal, const char *dir, const char *file,
			const char *text, const char *what, struct err *err) _must_check_;

#endif
