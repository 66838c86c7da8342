/* SPDX-License-Identifier: MIT */
/*
 * Many short processes: many N. Starts itself N times, two at a time, and each one calls `grow` ten
 * times.
 */
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

/* Called as it is written, whatever a compiler knows of it. */
#ifdef __clang__
#define APART __attribute__((noinline, optnone))
#else
#define APART __attribute__((noinline, noipa))
#endif

extern char **environ;

/* Long enough for a jump. */
APART static int grow(int value)
{
	return value + 3 + (value >> 16);
}

static int grow_ten(void)
{
	int value = 0;

	for (int i = 0; i < 10; i++)
		value = grow(value);
	return value;
}

static int take_one(void)
{
	int status;

	return wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 30 ? 0 : 1;
}

int main(int argc, char **argv)
{
	char *self[] = {argv[0], NULL};
	int nr = argc > 1 ? atoi(argv[1]) : 0, wrong = 0;

	if (!nr)
		return grow_ten();
	for (int i = 0; i < nr; i++) {
		pid_t pid;

		wrong += posix_spawn(&pid, argv[0], NULL, NULL, self, environ) != 0;
		if (i)
			wrong += take_one();
	}
	wrong += take_one();
	return wrong ? 1 : 0;
}
