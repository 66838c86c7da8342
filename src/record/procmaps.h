/* SPDX-License-Identifier: MIT */
/*
 * --proc-map: the address maps of traced processes, as the file's option PROCMAPS holds them:
 * "PID NR_MAPS EXE", then a line "START END FILE" for each mapping with a name, all in hexadecimal.
 * A command's are taken by ptrace when it is about to exit, as they say most then.
 */
#ifndef SONDE_RECORD_PROCMAPS_H
#define SONDE_RECORD_PROCMAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct procmaps {
	char **texts; /* one a process */
	size_t nr, cap;
};

/* Read them; a process that has ended or is not ours to see is passed over. */
int procmaps_take(struct procmaps *maps, pid_t pid) _must_check_;
void procmaps_done(struct procmaps *maps);

/*
 * Have the process and (with `children`) all that it makes stop at their ends. The caller's thread
 * must hand every stop that waitpid (__WALL) tells to procmaps_stopped.
 */
int procmaps_attach(pid_t pid, bool children, struct err *err) _must_check_;
/* A stop: take the maps when it is the end, and let it go on. Short memory costs the maps. */
void procmaps_stopped(struct procmaps *maps, pid_t pid, int status);

#endif
