/* SPDX-License-Identifier: MIT */
/*
 * The recorded command: started but held before its exec until tracing is on, so that nothing of
 * its beginning is missing.
 */
#ifndef SONDE_RECORD_COMMAND_H
#define SONDE_RECORD_COMMAND_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "record/procmaps.h"

struct record_command {
	pid_t pid;	   /* 0: none, or it has ended */
	pid_t started_pid; /* stays */
	int go_fd, exec_fd;
	const char *name;
	bool ignores_interrupt;
	const char *user;      /* who runs it, NULL: we; set before start, with the next two */
	struct procmaps *maps; /* where its address maps go when it ends, NULL: not wanted */
	bool maps_of_children;
	int status; /* exit status, or 128 + signal; -1 while it runs or when there is none */
};

#define RECORD_COMMAND_INIT                                                                        \
	{                                                                                          \
		.go_fd = -1, .exec_fd = -1, .status = -1                                           \
	}

/*
 * Fork. `mask` is the signal mask the command gets, `old` the dispositions of SIGINT, SIGTERM,
 * SIGHUP and SIGPIPE it gets, in this order. Call before any thread is made.
 */
struct record_signals {
	sigset_t mask;
	struct sigaction actions[4];
};
int record_command_start(struct record_command *command, char **argv,
			 const struct record_signals *signals, struct err *err) _must_check_;
/*
 * Let it go. When the exec fails: an error, and the command has ended with status 127 (not found)
 * or 126.
 */
int record_command_release(struct record_command *command, struct err *err) _must_check_;
/* Look whether it has ended; true when it has (or there is none). */
bool record_command_ended(struct record_command *command);
void record_command_wait(struct record_command *command);
void record_command_signal(struct record_command *command, int signal);
/* Before release: it ends without having run. Afterwards: closes what is open, does not wait. */
void record_command_cancel(struct record_command *command);

#endif
