/* SPDX-License-Identifier: MIT */
#include "record/command.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

#define STATUS_NOT_FOUND   127
#define STATUS_NOT_STARTED 126

/* In the child: become that user, as a login would. 0 or an errno. */
static int become(const struct passwd *user)
{
	if (!user)
		return 0;
	if (initgroups(user->pw_name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
	    setuid(user->pw_uid) < 0)
		return errno;
	if (setenv("USER", user->pw_name, 1) < 0 || setenv("LOGNAME", user->pw_name, 1) < 0 ||
	    setenv("HOME", user->pw_dir, 1) < 0)
		return errno;
	return 0;
}

/* In the child. The plain system calls: what a test makes fail is the recorder. */
_Noreturn static void run_child(char **argv, const struct record_signals *signals,
				const struct passwd *user, int go, int report)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
	char byte;
	int code;
	ssize_t n;

	do {
		n = read(go, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(STATUS_NOT_STARTED);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &signals->actions[i], NULL);
	sigprocmask(SIG_SETMASK, &signals->mask, NULL);
	code = become(user);
	if (!code) {
		execvp(argv[0], argv);
		code = errno;
	}
	if (write(report, &code, sizeof(code)) != (ssize_t)sizeof(code))
		_exit(STATUS_NOT_STARTED);
	_exit(code == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_STARTED);
}

int record_command_start(struct record_command *command, char **argv,
			 const struct record_signals *signals, struct err *err)
{
	const struct passwd *user = command->user ? getpwnam(command->user) : NULL;
	int go[2], report[2], r;
	pid_t pid;

	if (command->user && !user)
		return err_set(err, -ENOENT, "there is no user '%.100s' (--user)", command->user);
	r = io_pipe(go, 0);
	if (r < 0)
		return err_sys(err, r, "cannot start '%.200s'", argv[0]);
	r = io_pipe(report, 0);
	if (r < 0) {
		io_close(go[0]);
		io_close(go[1]);
		return err_sys(err, r, "cannot start '%.200s'", argv[0]);
	}
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		close(report[0]);
		run_child(argv, signals, user, go[0], report[1]);
	}
	r = pid < 0 ? -errno : 0;
	io_close(go[0]);
	io_close(report[1]);
	command->name = argv[0];
	command->ignores_interrupt = signals->actions[0].sa_handler == SIG_IGN;
	command->go_fd = go[1];
	command->exec_fd = report[0];
	if (r < 0) {
		record_command_cancel(command);
		return err_sys(err, r, "cannot start '%.200s'", argv[0]);
	}
	command->pid = command->started_pid = pid;
	return command->maps ? procmaps_attach(pid, command->maps_of_children, err) : 0;
}

static void close_pipes(struct record_command *command)
{
	io_close(command->go_fd);
	io_close(command->exec_fd);
	command->go_fd = command->exec_fd = -1;
}

static int exec_failed(struct record_command *command, int code, struct err *err)
{
	record_command_wait(command);
	if (code == ENOENT)
		return err_set(err, -code, "cannot run '%.200s': no such command", command->name);
	return err_sys(err, -code, "cannot run '%.200s'", command->name);
}

int record_command_release(struct record_command *command, struct err *err)
{
	int code = 0, r = io_write_full(command->go_fd, "", 1);
	size_t have = 0;

	/* The other end of exec_fd closes by itself when the exec works. */
	while (r == 0 && have < sizeof(code)) {
		ssize_t n = io_read(command->exec_fd, (char *)&code + have, sizeof(code) - have);

		if (n == -EINTR)
			continue;
		if (n < 0)
			r = (int)n;
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	close_pipes(command);
	if (r < 0)
		return err_sys(err, r, "cannot start '%.200s'", command->name);
	return have == sizeof(code) && code > 0 ? exec_failed(command, code, err) : 0;
}

static void ended(struct record_command *command, int status)
{
	command->pid = 0;
	if (WIFSIGNALED(status))
		command->status = 128 + WTERMSIG(status);
	else
		command->status = WEXITSTATUS(status);
}

/*
 * Wait for the command, or for whatever stops when the maps are wanted. 1: it has ended, 0: not
 * yet, or an error.
 */
static int wait_once(struct record_command *command, int flags)
{
	int status;
	pid_t pid = waitpid(command->maps ? -1 : command->pid, &status,
			    flags | (command->maps ? __WALL : 0));

	if (pid < 0)
		return -errno;
	if (pid > 0 && WIFSTOPPED(status) && command->maps)
		procmaps_stopped(command->maps, pid, status);
	else if (pid == command->pid)
		ended(command, status);
	else if (pid == 0)
		return -EAGAIN;
	return command->pid == 0;
}

bool record_command_ended(struct record_command *command)
{
	while (command->pid && wait_once(command, WNOHANG) == 0)
		;
	return command->pid == 0;
}

void record_command_wait(struct record_command *command)
{
	while (command->pid) {
		int r = wait_once(command, 0);

		if (r < 0 && r != -EINTR)
			command->pid = 0;
	}
}

/* A background job of a script ignores SIGINT; SIGTERM says the same to it. */
void record_command_signal(struct record_command *command, int signal)
{
	if (signal == SIGINT && command->ignores_interrupt)
		signal = SIGTERM;
	if (command->pid)
		kill(command->pid, signal);
}

void record_command_cancel(struct record_command *command)
{
	bool held = command->go_fd >= 0;

	close_pipes(command);
	if (held && command->pid) {
		record_command_wait(command);
		command->status = -1;
	}
}
