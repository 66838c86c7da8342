/* SPDX-License-Identifier: MIT */
/*
 * The journal's file: a line about its session, then entries, each
 *   KIND PATH-BYTES TEXT-BYTES newline, path, text, newline
 * An entry that is done while newer ones are not has an x for its KIND. A last entry that is not
 * complete was being written when the session was killed: its change was not made. Private to
 * src/kernel.
 */
#ifndef SONDE_KERNEL_JOURNAL_FILE_H
#define SONDE_KERNEL_JOURNAL_FILE_H

#include <stdint.h>

#include "kernel/journal.h"

struct journal_entry {
	enum kernel_undo kind;
	char *path, *text;   /* owned */
	uint64_t start, end; /* of the entry in the file */
};

struct kernel_journal {
	char *path;
	char *command; /* of the session that made it */
	int fd;
	bool kept;
	uint64_t start, end; /* of the entries, in the file */
	struct journal_entry *entries;
	size_t nr, cap;
};

/* Read the file, or begin it when it is empty. */
int journal_file_load(struct kernel_journal *journal, struct err *err) _must_check_;
/* Takes path and text on success. */
int journal_file_append(struct kernel_journal *journal, const struct journal_entry *entry)
	_must_check_;
/* Entry `i` is done: leave it out. */
void journal_file_remove(struct kernel_journal *journal, size_t i);
/* Cut the list, and the file, back to `nr` entries. */
void journal_file_forget(struct kernel_journal *journal, size_t nr);
/* Close and free all but *journal itself; the file stays as it is. */
void journal_close_file(struct kernel_journal *journal);

#endif
