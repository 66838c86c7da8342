/* SPDX-License-Identifier: MIT */
/*
 * A file that a command makes: written beside its final name and put there in one step, so that a
 * failure leaves what was there before. What is no regular file (/dev/null) is written directly.
 */
#ifndef SONDE_CMD_OUTFILE_H
#define SONDE_CMD_OUTFILE_H

#include "base/err.h"

struct outfile {
	char *path; /* as given */
	char *temp; /* where to write; the same text when it is written directly */
};

/* -EEXIST when `path` is the same file as `input` (or NULL). */
int outfile_begin(struct outfile *outfile, const char *path, const char *input, struct err *err)
	_must_check_;
/* Put it in place. Done with in any case. */
int outfile_commit(struct outfile *outfile, struct err *err) _must_check_;
/* Remove what was written. */
void outfile_drop(struct outfile *outfile);

#endif
