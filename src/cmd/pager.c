/* SPDX-License-Identifier: MIT */
#include "cmd/pager.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

static pid_t pager_pid;

static const char *pager_command(void)
{
	const char *command = getenv("SONDE_PAGER");

	if (!command)
		command = getenv("PAGER");
	if (!command)
		command = "less";
	return command[0] && strcmp(command, "cat") ? command : NULL;
}

static void run_pager(const char *command, int input)
{
	dup2(input, STDIN_FILENO);
	signal(SIGPIPE, SIG_DFL);
	/* less: keep colours, leave when one screen holds it all. */
	setenv("LESS", "FRX", 0);
	execlp("sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

void pager_start(void)
{
	const char *command = pager_command();
	int fds[2];
	pid_t pid;

	if (!isatty(STDOUT_FILENO) || !command)
		return;
	fflush(stdout);
	if (io_pipe(fds, 0) < 0)
		return;
	pid = fork();
	if (pid == 0)
		run_pager(command, fds[0]);
	if (pid > 0) {
		dup2(fds[1], STDOUT_FILENO);
		pager_pid = pid;
		/* Ctrl-C is for the pager; this process ends by the broken pipe. */
		signal(SIGINT, SIG_IGN);
	}
	io_close(fds[0]);
	io_close(fds[1]);
}

void pager_finish(void)
{
	if (!pager_pid)
		return;
	fflush(stdout);
	io_close(STDOUT_FILENO);
	waitpid(pager_pid, NULL, 0);
	pager_pid = 0;
	/* Later output has nowhere to go; keep the descriptor taken. */
	if (io_open("/dev/null", 1, 0) < 0)
		return;
}
