/* SPDX-License-Identifier: MIT */
#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/mem.h"

#define THREADS_MAX 8u

struct work {
	parallel_fn *fn;
	void *ctx;
	size_t nr;
	atomic_size_t next;
};

size_t parallel_threads(void)
{
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		return 1;
	return MIN((size_t)MAX(CPU_COUNT(&cpus), 1), (size_t)THREADS_MAX);
}

static void *take_turns(void *arg)
{
	struct work *work = arg;
	size_t index;

	while ((index = atomic_fetch_add_explicit(&work->next, 1, memory_order_relaxed)) < work->nr)
		work->fn(work->ctx, index);
	return NULL;
}

void parallel_for(parallel_fn *fn, void *ctx, size_t nr)
{
	struct work work = {.fn = fn, .ctx = ctx, .nr = nr};
	size_t wanted = nr > 1 ? MIN(parallel_threads(), nr) - 1 : 0, started = 0;
	pthread_t threads[THREADS_MAX];
	sigset_t all, old;

	/* Signals are for those who know what to do with them; this one is our own (mapped.h). */
	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (started < wanted && pthread_create(&threads[started], NULL, take_turns, &work) == 0)
		started++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	take_turns(&work);
	while (started)
		pthread_join(threads[--started], NULL);
}
