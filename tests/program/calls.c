/* SPDX-License-Identifier: MIT */
/* Calls whose number is known: calls THREADS ROUNDS. Each round is one outer, three inner. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Called as it is written, whatever a compiler knows of it. */
#ifdef __clang__
#define APART __attribute__((noinline, optnone))
#else
#define APART __attribute__((noinline, noipa))
#endif

#define THREADS_MAX 1000

static long rounds;

APART static long inner(long value)
{
	return value * 3 + (value >> 2);
}

APART static long outer(long value)
{
	long sum = 0;

	for (int i = 0; i < 3; i++)
		sum += inner(value + i);
	return sum;
}

APART static long deep(long depth)
{
	long below = depth ? deep(depth - 1) : 0;

	/* Or compilers make a loop of it. */
	__asm__ volatile("" : "+r"(below));
	return below + 1;
}

static void *work(void *arg)
{
	long sum = 0;

	for (long i = 0; i < rounds; i++)
		sum += outer(i);
	*(long *)arg = sum;
	return NULL;
}

int main(int argc, char **argv)
{
	int nr = argc > 1 ? atoi(argv[1]) : 1;
	static pthread_t threads[THREADS_MAX];
	static long sums[THREADS_MAX];
	long sum = 0;

	rounds = argc > 2 ? atol(argv[2]) : 1000;
	for (int i = 0; i < nr; i++)
		pthread_create(&threads[i], NULL, work, &sums[i]);
	for (int i = 0; i < nr; i++) {
		pthread_join(threads[i], NULL);
		sum += sums[i];
	}
	printf("%ld %ld\n", sum, deep(10000));
	return 7;
}
