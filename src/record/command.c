/* SPDX-License-Identifier: MIT */
#include "record/command.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

#define STATUS_NOT_FOUND   127
#define STATUS_NOT_STARTED 126

/* In the child. The plain system calls: what a test makes fail is the recorder. */
_Noreturn static void run_child(char **argv, const struct record_signals *signals, int go,
				int report)
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
	execvp(argv[0], argv);
	code = errno;
	if (write(report, &code, sizeof(code)) != (ssize_t)sizeof(code))
		_exit(STATUS_NOT_STARTED);
	_exit(code == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_STARTED);
}

int record_command_start(struct record_command *command, char **argv,
			 const struct record_signals *signals, struct err *err)
{
	int go[2], report[2], r;
	pid_t pid;

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
		run_child(argv, signals, go[0], report[1]);
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
	return 0;
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

bool record_command_ended(struct record_command *command)
{
	int status;

	if (command->pid && waitpid(command->pid, &status, WNOHANG) == command->pid)
		ended(command, status);
	return command->pid == 0;
}

void record_command_wait(struct record_command *command)
{
	int status;

	while (command->pid) {
		pid_t pid = waitpid(command->pid, &status, 0);

		if (pid == command->pid)
			ended(command, status);
		else if (pid < 0 && errno != EINTR)
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
