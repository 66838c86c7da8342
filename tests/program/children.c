/* SPDX-License-Identifier: MIT */
/* All the ways to have a child: each one calls `grow` a known number of times, in total 1600. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Called as it is written, whatever a compiler knows of it. */
#ifdef __clang__
#define APART __attribute__((noinline, optnone))
#else
#define APART __attribute__((noinline, noipa))
#endif

extern char **environ;

APART static int grow(int value)
{
	return value + 3;
}

static int grow_hundred(void)
{
	int value = 0;

	for (int i = 0; i < 100; i++)
		value = grow(value);
	return value / 100;
}

static int status_of(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	char *self[] = {argv[0], "child", NULL};
	static int sum;

	if (argc > 1)
		return grow_hundred();
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(grow_hundred());
		sum += status_of(pid);
		pid = vfork();
		if (!pid) {
			execv(argv[0], self);
			_exit(99);
		}
		sum += status_of(pid);
		if (posix_spawn(&pid, argv[0], NULL, NULL, self, environ) == 0)
			sum += status_of(pid);
	}
	grow_hundred();
	printf("%d\n", sum);
	return sum == 45 ? 0 : 1;
}
