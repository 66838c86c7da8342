/* SPDX-License-Identifier: MIT */
/*
 * What a call costs: SHAPE CALLS [ROUNDS]. Prints, for each of several rounds that follow one
 * another, ns per call and ns per reading of the time stamp counter, and how many calls of traced
 * functions there were in all.
 *
 *	rdtsc      no calls at all
 *	leaf       one function, again and again
 *	small      256 different ones in turn
 *	recursion  Fibonacci's numbers
 *	chain      a hundred calls deep
 *	threads    leaf in eight threads at once
 *	processes  leaf in 50 processes, one after the other
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Called as it is written, whatever a compiler knows of it. */
#ifdef __clang__
#define APART __attribute__((noinline, optnone))
#else
#define APART __attribute__((noinline, noipa))
#endif
/* What measures is not measured, by those who build it into every function. */
#define ASIDE	     __attribute__((no_instrument_function))

#define NR_THREADS   8
#define NR_PROCESSES 50
#define FIB_OF	     20
#define FIB_CALLS    21891

#ifdef WITH_LTTNG
#define TRACEPOINT_DEFINE
#include "calls_tp.h"

ASIDE void __cyg_profile_func_enter(void *function, void *caller);
ASIDE void __cyg_profile_func_exit(void *function, void *caller);

void __cyg_profile_func_enter(void *function, void *caller)
{
	(void)caller;
	tracepoint(calls, entry, function);
}

void __cyg_profile_func_exit(void *function, void *caller)
{
	(void)caller;
	tracepoint(calls, exit, function);
}
#endif

APART static long leaf(long value)
{
	return value * 3 + (value >> 2);
}

#define SMALL(n)                                                                                   \
	APART static long small_##n(long value)                                                    \
	{                                                                                          \
		return value + 0x##n;                                                              \
	}
#define SMALL_16(n)                                                                                \
	SMALL(n##0)                                                                                \
	SMALL(n##1)                                                                                \
	SMALL(n##2)                                                                                \
	SMALL(n##3)                                                                                \
	SMALL(n##4)                                                                                \
	SMALL(n##5)                                                                                \
	SMALL(n##6)                                                                                \
	SMALL(n##7)                                                                                \
	SMALL(n##8)                                                                                \
	SMALL(n##9)                                                                                \
	SMALL(n##a)                                                                                \
	SMALL(n##b)                                                                                \
	SMALL(n##c)                                                                                \
	SMALL(n##d)                                                                                \
	SMALL(n##e)                                                                                \
	SMALL(n##f)
#define NAME_16(n)                                                                                 \
	small_##n##0, small_##n##1, small_##n##2, small_##n##3, small_##n##4, small_##n##5,        \
		small_##n##6, small_##n##7, small_##n##8, small_##n##9, small_##n##a,              \
		small_##n##b, small_##n##c, small_##n##d, small_##n##e, small_##n##f

SMALL_16(0)
SMALL_16(1)
SMALL_16(2)
SMALL_16(3)
SMALL_16(4)
SMALL_16(5)
SMALL_16(6)
SMALL_16(7)
SMALL_16(8)
SMALL_16(9)
SMALL_16(a)
SMALL_16(b)
SMALL_16(c)
SMALL_16(d)
SMALL_16(e)
SMALL_16(f)

static long (*const smalls[])(long) = {
	NAME_16(0), NAME_16(1), NAME_16(2), NAME_16(3), NAME_16(4), NAME_16(5),
	NAME_16(6), NAME_16(7), NAME_16(8), NAME_16(9), NAME_16(a), NAME_16(b),
	NAME_16(c), NAME_16(d), NAME_16(e), NAME_16(f),
};

APART static long chain(long depth)
{
	long below = depth ? chain(depth - 1) : 0;

	/* Or compilers make a loop of it. */
	__asm__ volatile("" : "+r"(below));
	return below + 1;
}

APART static long fib(long n)
{
	long a, b;

	if (n < 2)
		return n;
	a = fib(n - 1);
	__asm__ volatile("" : "+r"(a));
	b = fib(n - 2);
	__asm__ volatile("" : "+r"(b));
	return a + b;
}

ASIDE static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

ASIDE static void leaves(long calls)
{
	volatile long sum = 0;

	for (long i = 0; i < calls; i++)
		sum = leaf(i);
	(void)sum;
}

ASIDE static void *leaves_of_a_thread(void *calls)
{
	leaves(*(long *)calls / NR_THREADS);
	return NULL;
}

ASIDE static void run_threads(long calls)
{
	pthread_t threads[NR_THREADS];

	for (int i = 0; i < NR_THREADS; i++)
		pthread_create(&threads[i], NULL, leaves_of_a_thread, &calls);
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
}

ASIDE static void run_processes(long calls)
{
	for (int i = 0; i < NR_PROCESSES; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			leaves(calls / NR_PROCESSES);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
}

/* Returns how many calls these were. */
ASIDE static long run(const char *shape, long calls)
{
	volatile long sum = 0;
	long made = calls;

	if (!strcmp(shape, "leaf"))
		leaves(calls);
	else if (!strcmp(shape, "small"))
		for (long i = 0; i < calls; i++)
			sum = smalls[i & 255](i);
	else if (!strcmp(shape, "chain"))
		for (long i = 0; i < calls; i += 100)
			sum = chain(99);
	else if (!strcmp(shape, "recursion"))
		for (made = 0; made < calls; made += FIB_CALLS)
			sum = fib(FIB_OF);
	else if (!strcmp(shape, "threads"))
		run_threads(calls);
	else if (!strcmp(shape, "processes"))
		run_processes(calls);
	else
		for (long i = 0; i < calls; i++)
			sum = (long)__builtin_ia32_rdtsc();
	(void)sum;
	return made;
}

ASIDE static double measure(const char *shape, long calls, long *total)
{
	double start = now_ns();
	long made = run(shape, calls);

	*total += made;
	return (now_ns() - start) / (double)made;
}

ASIDE int main(int argc, char **argv)
{
	const char *shape = argc > 1 ? argv[1] : "leaf";
	long calls = argc > 2 ? atol(argv[2]) : 100000, total = 0, ignored = 0;
	int rounds = argc > 3 ? atoi(argv[3]) : 9;

	for (int i = 0; i < rounds; i++)
		printf("round %.3f %.3f\n", measure(shape, calls, &total),
		       measure("rdtsc", 100000, &ignored));
	printf("calls %ld\n", total);
	return 0;
}
