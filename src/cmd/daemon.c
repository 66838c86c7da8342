/* SPDX-License-Identifier: MIT */
#include "cmd/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

/* The file, locked: one background recording at a time, as its stop goes by this file. */
static int lock_pid_file(const struct command *command)
{
	_cleanup_free_ char *other = NULL;
	int fd = io_open(CMD_DAEMON_PID_FILE, O_RDWR | O_CREAT, 0644);

	if (fd < 0) {
		cmd_error(command, "cannot write %s: %s", CMD_DAEMON_PID_FILE, strerror(-fd));
		return fd;
	}
	if (io_lock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	io_close(fd);
	if (io_read_file(CMD_DAEMON_PID_FILE, 64, &other, NULL) == 0)
		other[strcspn(other, "\n")] = '\0';
	cmd_error(command, "a recording is in the background already: kill -INT %s ends it",
		  other ? other : "$(cat " CMD_DAEMON_PID_FILE ")");
	return -EBUSY;
}

/* In the process that was started: until tracing is on, or it has failed. */
static int wait_until_ready(const struct command *command, pid_t pid, int fd)
{
	char byte;
	ssize_t n;
	int status;

	do {
		n = io_read(fd, &byte, 1);
	} while (n == -EINTR);
	if (n == 1) {
		cmd_note(command, "recording in the background; kill -INT %d ends it", (int)pid);
		return CMD_OK;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : CMD_FAILED;
}

bool cmd_daemon_begin(struct cmd_daemon *daemon, const struct command *command, int *ret_status)
{
	int ends[2], fd = lock_pid_file(command), r;
	pid_t pid;

	*ret_status = CMD_FAILED;
	if (fd < 0)
		return false;
	r = io_pipe(ends, 0);
	fflush(NULL);
	pid = r < 0 ? -1 : fork();
	if (pid == 0) {
		io_close(ends[0]);
		setsid();
		*daemon = (struct cmd_daemon){.pid_fd = fd, .ready_fd = ends[1]};
		return true;
	}
	if (r == 0)
		io_close(ends[1]);
	if (pid < 0)
		cmd_error(command, "cannot go into the background: %s", strerror(errno));
	else
		*ret_status = wait_until_ready(command, pid, ends[0]);
	if (r == 0)
		io_close(ends[0]);
	io_close(fd);
	return false;
}

/* The terminal belongs to others from here. */
static void leave_terminal(void)
{
	_cleanup_close_ int null = io_open("/dev/null", O_RDWR, 0);

	for (int fd = 0; fd <= 2 && null >= 0; fd++) {
		if (dup2(null, fd) < 0)
			return;
	}
}

void cmd_daemon_ready(struct cmd_daemon *daemon)
{
	char text[32];

	if (daemon->ready_fd < 0)
		return;
	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (io_ftruncate(daemon->pid_fd, 0) == 0 &&
	    io_write_full(daemon->pid_fd, text, strlen(text)) < 0)
		fprintf(stderr, "cannot write %s\n", CMD_DAEMON_PID_FILE);
	/* The reader sees the byte, or that we have gone. */
	if (io_write_full(daemon->ready_fd, "", 1) < 0)
		fprintf(stderr, "recording in the background as %d\n", (int)getpid());
	io_close(daemon->ready_fd);
	daemon->ready_fd = -1;
	leave_terminal();
}

void cmd_daemon_end(struct cmd_daemon *daemon)
{
	if (daemon->pid_fd < 0)
		return;
	/* Still locked: nobody else's can be removed. */
	if (io_unlink(CMD_DAEMON_PID_FILE) < 0)
		fprintf(stderr, "cannot remove %s\n", CMD_DAEMON_PID_FILE);
	io_close(daemon->pid_fd);
	io_close(daemon->ready_fd);
	*daemon = (struct cmd_daemon)CMD_DAEMON_INIT;
}
