/* SPDX-License-Identifier: MIT */
/*
 * A recording that is not kept: in a directory of its own under $TMPDIR, which goes as soon as the
 * file is open for reading, or when a signal ends us before that; after kill -9 a keeper removes
 * it.
 */
#ifndef SONDE_CMD_UNKEPT_H
#define SONDE_CMD_UNKEPT_H

#include "base/keeper.h"
#include "cmd/record_args.h"
#include "cmd/words.h"

struct unkept {
	const struct command *command;
	char folder[256], path[300]; /* of the file */
	struct keeper keeper;
};

/* One at a time. -errno with a message; unkept_remove in any case. */
int unkept_make(struct unkept *unkept, const struct command *command, struct err *err) _must_check_;
/* `arg` is the struct unkept; does nothing the second time. */
void unkept_remove(void *arg);

/*
 * Record what `words` say to the parser of `part`, which is of the table of `command`. Nothing is
 * kept of a recording that fails when `discard` is set. `look` as in the plan; or NULL. Negative
 * when there is nothing to show, and all has been said; the exit status in both cases.
 */
int unkept_record(const struct command *command, const struct command *part,
		  const struct words *words, bool discard, const struct record_look *look,
		  int *ret_status) _must_check_;

#endif
