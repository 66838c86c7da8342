/* SPDX-License-Identifier: MIT */
/*
 * --daemonize: the command comes back as soon as tracing is on, and the recording goes on in the
 * background. Its process id is in a file that is kept locked meanwhile.
 */
#ifndef SONDE_CMD_DAEMON_H
#define SONDE_CMD_DAEMON_H

#include <stdbool.h>

#include "cmd/cmd.h"

#define CMD_DAEMON_PID_FILE "/run/sonde-record.pid"

struct cmd_daemon {
	int pid_fd, ready_fd; /* -1: none */
};

#define CMD_DAEMON_INIT                                                                            \
	{                                                                                          \
		-1, -1                                                                             \
	}

/*
 * Fork: true in the background process. The other one waits for cmd_daemon_ready and returns false
 * with *ret_status what to exit with (after a message).
 */
bool cmd_daemon_begin(struct cmd_daemon *daemon, const struct command *command, int *ret_status)
	_must_check_;
/* Tracing is on: the other process may go, and the terminal with it. */
void cmd_daemon_ready(struct cmd_daemon *daemon);
void cmd_daemon_end(struct cmd_daemon *daemon);

#endif
