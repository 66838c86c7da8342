/* SPDX-License-Identifier: MIT */
/*
 * Calls whose number is known, from everywhere at once: counting THREADS ROUNDS. Threads that are
 * interrupted by signals, whose handler is counted as well, children that are forked meanwhile, and
 * one that is killed in the middle. Prints how often `plain`, `handler` and `stopped` were called.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* Called as it is written, whatever a compiler knows of it. */
#ifdef __clang__
#define APART __attribute__((noinline, optnone))
#else
#define APART __attribute__((noinline, noipa))
#endif

#define THREADS_MAX 64
#define CHILDREN    8
#define SIGNALS_MIN 200

struct shared {
	long handled;	       /* by the handler, in all processes */
	volatile long stopped; /* calls that the killed child has finished */
};

static struct shared *shared;
static long rounds;

APART static long plain(long value)
{
	return value * 3 + (value >> 2);
}

APART static long stopped(long value)
{
	return value + 1;
}

APART static void handler(int number)
{
	(void)number;
	__atomic_fetch_add(&shared->handled, 1, __ATOMIC_RELAXED);
}

static void *work(void *arg)
{
	long sum = 0;

	for (long i = 0; i < rounds; i++)
		sum += plain(i);
	*(long *)arg = sum;
	return NULL;
}

static void fork_workers(void)
{
	long sum;

	for (int i = 0; i < CHILDREN; i++) {
		if (fork() == 0) {
			work(&sum);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
}

/* What it has begun when it dies is one call more at most. */
static void kill_one(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			shared->stopped = stopped(shared->stopped);
	while (shared->stopped < 100000)
		;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	const struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	int nr = argc > 1 ? atoi(argv[1]) : 1;
	static pthread_t threads[THREADS_MAX];
	static long sums[THREADS_MAX];

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	rounds = argc > 2 ? atol(argv[2]) : 1000;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < nr && i < THREADS_MAX; i++)
		pthread_create(&threads[i], NULL, work, &sums[i]);
	fork_workers();
	for (int i = 0; i < nr && i < THREADS_MAX; i++)
		pthread_join(threads[i], NULL);
	/* Also where all of that takes no time. */
	while (__atomic_load_n(&shared->handled, __ATOMIC_RELAXED) < SIGNALS_MIN)
		pause();
	setitimer(ITIMER_REAL, &never, NULL);
	kill_one();
	printf("plain %ld\nhandler %ld\nstopped %ld\n", (nr + CHILDREN) * rounds, shared->handled,
	       shared->stopped);
	return 0;
}
