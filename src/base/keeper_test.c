/* SPDX-License-Identifier: MIT */
#include "base/keeper.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

#define NR_ANYHOW 5 /* descriptors: 0 to 2, the one that is waited at, the directory read below */

static int told[2];

/* In the keeper: how many descriptors there are beside these. */
static void tell(void *ctx)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	(void)ctx;
	while (dir && readdir(dir))
		nr++;
	nr -= 2 + NR_ANYHOW; /* . and .. */
	(void)!write(told[1], &nr, sizeof(nr));
}

/* A process with a keeper, which then is killed, or dismisses it. */
static pid_t start(bool dismissed)
{
	pid_t pid = fork();

	if (!pid) {
		struct keeper keeper = KEEPER_INIT;

		close(told[0]);
		if (keeper_start(&keeper, &told[1], 1, tell, NULL) < 0)
			_exit(1);
		if (dismissed)
			keeper_dismiss(&keeper);
		else
			kill(0, SIGINT); /* as a terminal does, and it ends us */
		_exit(keeper.pid ? 2 : 0);
	}
	return pid;
}

TEST(works_after_a_kill)
{
	int nr = -1, status;
	pid_t pid;

	CHECK_EQ(pipe(told), 0);
	signal(SIGINT, SIG_DFL);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		pid = start(false);
		close(told[1]);
		while (waitpid(pid, NULL, 0) != pid)
			;
		_exit(0);
	}
	close(told[1]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(read(told[0], &nr, sizeof(nr)), sizeof(nr));
	CHECK_EQ(nr, 1);
	/* And it has ended. */
	CHECK_EQ(read(told[0], &nr, 1), 0);
	close(told[0]);
}

TEST(is_dismissed)
{
	int status;
	pid_t pid;
	char byte;

	CHECK_EQ(pipe(told), 0);
	pid = start(true);
	close(told[1]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK_EQ(read(told[0], &byte, 1), 0);
	close(told[0]);
}

TEST(none_is_dismissed)
{
	struct keeper keeper = KEEPER_INIT;

	keeper_dismiss(&keeper);
	CHECK_EQ(keeper.pid, 0);
}

TEST_MAIN()
