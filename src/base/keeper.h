/* SPDX-License-Identifier: MIT */
/*
 * A process that outlives this one, for what is to be done when it was killed: it waits for our
 * end, however that comes, and does the work unless it was told before that there is none. It
 * cannot be reached by what ends us: it has a session of its own, all signals blocked, and none of
 * our descriptors but those it is given. It leaves by itself.
 */
#ifndef SONDE_BASE_KEEPER_H
#define SONDE_BASE_KEEPER_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct keeper {
	pid_t pid; /* 0: none */
	int fd;
};

#define KEEPER_INIT                                                                                \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/*
 * Start it, with the `nr` descriptors and a copy of the memory as it is now. When we have ended,
 * and all our threads with us, `work` runs in it. Of other threads that there may be it has none:
 * what they have locked just now stays locked for it.
 */
int keeper_start(struct keeper *keeper, const int *fds, size_t nr, void (*work)(void *ctx),
		 void *ctx) _must_check_;
/* There is nothing to be done any more: it ends without its work, and is waited for. */
void keeper_dismiss(struct keeper *keeper);

#endif
