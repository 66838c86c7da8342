/* SPDX-License-Identifier: MIT */
/*
 * Programs that traced processes execute, until it is known whether the runtime is in them: those
 * that it is not in are kept by file, to be told of. Private to src/program; one thread at a time.
 */
#ifndef SONDE_PROGRAM_EXECUTED_H
#define SONDE_PROGRAM_EXECUTED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct executed;
struct execution;

/* NULL without memory. */
struct executed *executed_new(void);
void executed_free(struct executed *executed);

/*
 * The process `who` is about to execute the file that `fd` is (O_PATH will do; borrowed). To be
 * ended by executed_end; NULL without memory.
 */
struct execution *executed_begin(struct executed *executed, const struct ucred *who, int fd);
/* It has happened, or failed. */
void executed_end(struct executed *executed, struct execution *execution, bool failed);
/* The runtime is in a process. */
void executed_greets(struct executed *executed, pid_t pid);

/* Call for each file that was executed untraced. When all have greeted who ever will. */
typedef void (*executed_fn)(void *ctx, const char *path, uint64_t times, const char *why);
void executed_each(struct executed *executed, executed_fn each, void *ctx);

#endif
