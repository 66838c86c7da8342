/* SPDX-License-Identifier: MIT */
/*
 * tracefs: where it is, its files, and why one of them refuses. This folder is the only one that
 * names its paths. An error from here is never a bare errno: it says what was wanted, which file
 * said no, why, and what to do.
 */
#ifndef SONDE_KERNEL_TRACEFS_H
#define SONDE_KERNEL_TRACEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct tracefs {
	char *path;	      /* without a final slash */
	const char *kallsyms; /* "/proc/kallsyms"; a test has its own */
	const char *state;    /* of the journals; NULL: kernel_state_dir */
	bool was_mounted;     /* false: this call mounted it */
	unsigned int cpus;    /* one more than the highest CPU that has a buffer */
};

/*
 * Find tracefs: `path` when given, else its usual place, the list of mounts, debugfs; root gets it
 * mounted when it is nowhere. The result is the caller's to tracefs_close.
 */
int tracefs_open(struct tracefs **ret_fs, const char *path, struct err *err) _must_check_;
void tracefs_close(struct tracefs *fs); /* NULL is legal */
/*
 * The same for one who only looks: a tracefs that is mounted nowhere gets mounted in a mount
 * namespace of this process's own, so nothing is left when it ends.
 */
int tracefs_open_privately(struct tracefs **ret_fs, const char *path, struct err *err) _must_check_;

/*
 * Read or write a file given by directory and name below it. `what` says what is being tried, for
 * the error: "set the clock". Who does not want to know why passes NULL for err and saves the
 * search for the reason, which may have to read the kernel's configuration. A value is written in
 * one call, as tracefs demands.
 */
int tracefs_read(const char *dir, const char *file, const char *what, size_t limit, char **ret_text,
		 size_t *ret_len, struct err *err) _must_check_;
int tracefs_write(const char *dir, const char *file, const char *text, const char *what,
		  struct err *err) _must_check_;
/* The same for lists: opened for appending, so that what is there stays. */
int tracefs_append(const char *dir, const char *file, const char *text, const char *what,
		   struct err *err) _must_check_;
bool tracefs_exists(const char *dir, const char *file);
/* Whether `word` is in the text of a list of words; brackets around the current one do not count.
 */
bool tracefs_list_has(const char *text, const char *word);

/* Fill err, if there is one, with "cannot WHAT: PATH: reason; remedy" and return code. */
int tracefs_explain(struct err *err, int code, const char *what, const char *path);

/* Whether the kernel is locked down; *ret_mode gets "integrity" or "confidentiality". */
bool tracefs_lockdown(char *ret_mode, size_t size);

/* "dir/file" as a new string, or NULL. */
char *tracefs_join(const char *dir, const char *file) _must_check_;

#endif
