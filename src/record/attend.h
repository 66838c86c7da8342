/* SPDX-License-Identifier: MIT */
/*
 * Something that is on while a command runs, or until a signal: what `sonde record` does, for those
 * who record nothing.
 */
#ifndef SONDE_RECORD_ATTEND_H
#define SONDE_RECORD_ATTEND_H

#include <stdint.h>

#include "base/err.h"

struct record_attend {
	int (*begin)(void *arg, struct err *err);
	int (*end)(void *arg, struct err *err);
	/* Now and then between them, every tick_ms; NULL: never. Negative: it is over. */
	int (*tick)(void *arg, struct err *err);
	unsigned int tick_ms;
	uint64_t for_ns; /* it is over after this, by a SIGTERM; 0: that is no reason */
	void *arg;
};

/*
 * begin(arg), run `command` (NULL: until SIGINT, SIGTERM or SIGHUP), end(arg). The command is
 * forked before `begin` and runs behind it; `end` is called when `begin` succeeded, whatever else
 * fails. *ret_status is the command's exit status (128 + N: signal N), -1 without one. Blocks
 * SIGINT, SIGTERM, SIGHUP and SIGCHLD meanwhile; one thread only.
 */
int record_attend(char **command, const struct record_attend *how, int *ret_status, struct err *err)
	_must_check_;

#endif
