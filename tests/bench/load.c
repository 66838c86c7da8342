/* SPDX-License-Identifier: MIT */
/*
 * The load of tests/bench/record, and the clock beside it. A load makes a known number of events
 * and writes down what it cost itself, so that the rest of a measured command is the recorder's.
 *
 * load syscalls N LOG: N calls of getppid, which are 2 N events of raw_syscalls.
 * load pipe N LOG: N bytes to and fro between two processes on one CPU, 2 N context switches.
 * load unread N LOG: the same N calls while the parent, a recorder, is stopped.
 * load number: that system call's number.
 * load idle MS LOG: nothing, for so many milliseconds.
 * load measure LOG COMMAND...: run COMMAND; the CPU time of it and of all its children.
 *
 * LOG gets one line: CPU time in microseconds, wall time in microseconds, exit status.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ll + now.tv_nsec / 1000;
}

static long long cpu_us(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000ll +
	       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static int report(const char *log, long long cpu, long long start, int status)
{
	FILE *out = fopen(log, "w");

	if (!out) {
		perror(log);
		return 1;
	}
	fprintf(out, "%lld %lld %d\n", cpu, wall_us() - start, status);
	return fclose(out) ? 1 : status;
}

static int syscalls(long nr)
{
	for (long i = 0; i < nr; i++)
		syscall(SYS_getppid);
	return 0;
}

/* The parent's pid is asked for once more by the first of the calls. */
static int unread(long nr)
{
	pid_t parent = (pid_t)syscall(SYS_getppid);
	int status;

	if (kill(parent, SIGSTOP) < 0)
		return 1;
	status = syscalls(nr - 1);
	return kill(parent, SIGCONT) < 0 ? 1 : status;
}

static int answer(int from, int to)
{
	char byte;

	while (read(from, &byte, 1) == 1)
		if (write(to, &byte, 1) != 1)
			return 1;
	return 0;
}

static int ping_pong(long nr)
{
	int there[2], back[2], status;
	cpu_set_t one;
	char byte = 0;
	pid_t pid;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0 || pipe(there) < 0 || pipe(back) < 0)
		return 1;
	pid = fork();
	if (pid == 0) {
		close(there[1]);
		_exit(answer(there[0], back[1]));
	}
	for (long i = 0; pid > 0 && i < nr; i++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			return 1;
	close(there[1]);
	return pid < 0 || waitpid(pid, &status, 0) != pid || status;
}

static int measure(const char *log, char **command)
{
	long long start = wall_us();
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execvp(command[0], command);
		perror(command[0]);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return report(log, cpu_us(RUSAGE_CHILDREN), start, status);
}

int main(int argc, char **argv)
{
	long long start = wall_us();
	int status = 1;

	if (argc > 3 && !strcmp(argv[1], "measure"))
		return measure(argv[2], argv + 3);
	if (argc == 2 && !strcmp(argv[1], "number"))
		return printf("%d\n", SYS_getppid) < 0;
	if (argc != 4) {
		fprintf(stderr,
			"usage: load syscalls|unread|pipe|idle N LOG, load measure LOG COMMAND\n");
		return 2;
	}
	if (!strcmp(argv[1], "syscalls"))
		status = syscalls(atol(argv[2]));
	else if (!strcmp(argv[1], "unread"))
		status = unread(atol(argv[2]));
	else if (!strcmp(argv[1], "pipe"))
		status = ping_pong(atol(argv[2]));
	else if (!strcmp(argv[1], "idle"))
		status = usleep((useconds_t)atol(argv[2]) * 1000);
	return report(argv[3], cpu_us(RUSAGE_SELF) + cpu_us(RUSAGE_CHILDREN), start, status);
}
