/* SPDX-License-Identifier: MIT */
#include "base/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

#define NAME	 "sonde-keeper"
#define FDS_MOST 65536u /* looked at where the kernel has no close_range (before 5.9) */

static void close_between(unsigned int first, unsigned int last)
{
	struct rlimit limit = {.rlim_cur = FDS_MOST};

#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, last, 0) == 0)
		return;
#endif
	getrlimit(RLIMIT_NOFILE, &limit);
	for (unsigned int fd = first; fd <= last && fd < limit.rlim_cur && fd < FDS_MOST; fd++)
		close((int)fd);
}

/* The lowest of the descriptors from `from` on, or -1. */
static int next_kept(const int *fds, size_t nr, int own, int from)
{
	int lowest = own >= from ? own : -1;

	for (size_t i = 0; i < nr; i++) {
		if (fds[i] >= from && (lowest < 0 || fds[i] < lowest))
			lowest = fds[i];
	}
	return lowest;
}

/* All but these; whoever waits for the end of one of the others must not wait for this process. */
static void close_others(const int *fds, size_t nr, int own)
{
	int from = 0, kept;

	while ((kept = next_kept(fds, nr, own, from)) >= 0) {
		if (kept > from)
			close_between((unsigned int)from, (unsigned int)kept - 1);
		from = kept + 1;
	}
	close_between((unsigned int)from, UINT_MAX);
	/* So that no file of ours becomes somebody's standard output. */
	do {
		kept = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (kept >= 0 && kept < STDERR_FILENO);
	if (kept > STDERR_FILENO)
		close(kept);
}

/* True when the other end was closed without a word: nobody has it any more. */
static bool was_left(int fd)
{
	char word;
	ssize_t n;

	do {
		n = read(fd, &word, 1);
	} while (n < 0 && errno == EINTR);
	return n == 0;
}

int keeper_start(struct keeper *keeper, const int *fds, size_t nr, void (*work)(void *ctx),
		 void *ctx)
{
	sigset_t all, before;
	int ends[2];
	int r = io_pipe(ends, O_CLOEXEC);
	pid_t pid;

	if (r < 0)
		return r;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = fork();
	if (pid == 0) {
		setsid();
		prctl(PR_SET_NAME, NAME);
		close_others(fds, nr, ends[0]);
		if (was_left(ends[0]))
			work(ctx);
		_exit(0);
	}
	r = pid < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	io_close(ends[0]);
	if (r < 0) {
		io_close(ends[1]);
		return r;
	}
	*keeper = (struct keeper){.pid = pid, .fd = ends[1]};
	return 0;
}

void keeper_dismiss(struct keeper *keeper)
{
	if (!keeper->pid)
		return;
	(void)!io_write_full(keeper->fd, "", 1);
	io_close(keeper->fd);
	while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*keeper = (struct keeper)KEEPER_INIT;
}
