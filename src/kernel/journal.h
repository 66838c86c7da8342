/* SPDX-License-Identifier: MIT */
/*
 * The journal: what must be given back to tracefs, on disk before it is changed. A session has one
 * file in the state directory and keeps it locked (flock) as long as it lives. Undoing goes newest
 * first and shortens the file entry by entry, so a session may be killed at any moment, while it
 * undoes too: what is left is undone by whoever finds the file unlocked.
 *
 * The state directory is /run/sonde: what is in tracefs lives as long as the kernel, and so does
 * /run. Without root it is sonde/ in $XDG_RUNTIME_DIR, or /tmp/sonde-UID. A directory or a journal
 * that belongs to somebody else is never used.
 */
#ifndef SONDE_KERNEL_JOURNAL_H
#define SONDE_KERNEL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum kernel_undo {
	KERNEL_UNDO_WRITE,  /* write `text` in one go, which replaces what is there */
	KERNEL_UNDO_APPEND, /* one write that adds: "!TRIGGER" */
	KERNEL_UNDO_LINES,  /* empty the file, then add `text` line by line: function filters */
	KERNEL_UNDO_RMDIR,  /* remove the directory: an instance; nothing when it is gone */
	KERNEL_UNDO_PROBE,  /* add the line "-:GROUP/NAME"; nothing when there is no such probe */
};

/* The kept session of `sonde start`, which outlives its process. */
#define KERNEL_JOURNAL_START "start"

struct kernel_journal;

/* The state directory's path (new string), made when it does not exist. */
int kernel_state_dir(char **ret_path, struct err *err) _must_check_;

/*
 * Open a journal in `state` (NULL: kernel_state_dir). `name` NULL makes a new one, which
 * kernel_journal_close undoes; KERNEL_JOURNAL_START opens the kept one, made when there is none,
 * with the entries it has. -EBUSY when another process has it.
 */
int kernel_journal_open(struct kernel_journal **ret_journal, const char *state, const char *name,
			struct err *err) _must_check_;

/*
 * To be undone later; on disk when this returns 0. Push first, then change. `file` is below `dir`;
 * NULL for KERNEL_UNDO_RMDIR.
 */
int kernel_journal_push(struct kernel_journal *journal, enum kernel_undo kind, const char *dir,
			const char *file, const char *text, struct err *err) _must_check_;

/* A place in the journal, to go back to. */
size_t kernel_journal_mark(const struct kernel_journal *journal);
/*
 * Undo what was pushed since the mark, newest first. Everything is tried, what failed once more at
 * the end; the first failure is returned, and its entries stay in the file for a later try.
 */
int kernel_journal_undo(struct kernel_journal *journal, size_t mark, struct err *err);
/* Forget what was pushed since the mark: the change was not made, or is to stay (-k). */
void kernel_journal_forget(struct kernel_journal *journal, size_t mark);

/* Undo everything and remove the file, unless something could not be undone. NULL is legal. */
int kernel_journal_close(struct kernel_journal *journal, struct err *err);
/* Close without undoing: the kept session goes on, `sonde reset` will end it. NULL is legal. */
void kernel_journal_release(struct kernel_journal *journal);

/* Whether the state directory holds any session's journal; makes nothing, says nothing. */
bool kernel_journal_any(const char *state);

bool kernel_journal_is_kept(const struct kernel_journal *journal);
/* Whether the kept session has changed something in `dir` (its instances/ do not count). */
bool kernel_journal_kept_uses(const char *state, const char *dir);
/* Whether it has changed this file there. */
bool kernel_journal_kept_changes(const char *state, const char *dir, const char *file);
bool kernel_journal_kept_exists(const char *state);
/*
 * Whose session has `text` to undo, which names a probe of it: its process id, -1 the kept session,
 * 0 nobody's (that we may know of).
 */
long kernel_journal_holder(const char *state, const char *text);

/* One journal whose session was killed. */
struct kernel_left_over {
	long pid;
	const char *command; /* of the session, as its command line began */
	size_t entries;
	int result; /* 0, or the first failure of undoing, which `reason` explains */
	const char *reason;
};

/*
 * Look through the journals for sessions that were killed; with `undo` give back what they left.
 * Calls note(ctx, ...) for each. Journals of live sessions, kept ones and other users' are passed
 * over. Returns how many there were, or the error that hindered looking.
 */
int kernel_journal_recover(const char *state, bool undo,
			   void (*note)(void *ctx, const struct kernel_left_over *left), void *ctx,
			   struct err *err);

#endif
