/* SPDX-License-Identifier: MIT */
/*
 * What a call costs: SHAPE CALLS. Prints ns per call, and per reading of the time stamp counter in
 * the same run, best of several rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Called as it is written, whatever a compiler knows of it. */
#ifdef __clang__
#define APART __attribute__((noinline, optnone))
#else
#define APART __attribute__((noinline, noipa))
#endif

#define ROUNDS 9

APART static long leaf(long value)
{
	return value * 3 + (value >> 2);
}

APART static long chain(long depth)
{
	long below = depth ? chain(depth - 1) : 0;

	/* Or compilers make a loop of it. */
	__asm__ volatile("" : "+r"(below));
	return below + 1;
}

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static long run(const char *shape, long calls)
{
	long sum = 0;

	if (!strcmp(shape, "leaf"))
		for (long i = 0; i < calls; i++)
			sum += leaf(i);
	else if (!strcmp(shape, "chain"))
		for (long i = 0; i < calls; i += 100)
			sum += chain(99);
	else
		for (long i = 0; i < calls; i++)
			sum += (long)__builtin_ia32_rdtsc();
	return sum;
}

static double best(const char *shape, long calls)
{
	double least = 1e99;

	for (int i = 0; i < ROUNDS; i++) {
		double start = now_ns(), took;
		volatile long sum = run(shape, calls);

		(void)sum;
		took = (now_ns() - start) / (double)calls;
		least = took < least ? took : least;
	}
	return least;
}

int main(int argc, char **argv)
{
	const char *shape = argc > 1 ? argv[1] : "leaf";
	long calls = argc > 2 ? atol(argv[2]) : 100000;

	printf("%s %.2f ns a call, rdtsc %.2f ns\n", shape, best(shape, calls),
	       best("rdtsc", 100000));
	return 0;
}
