/* SPDX-License-Identifier: MIT */
/* Calls that are long, and thousands that are not: slow is called 6 times, each at least 3 ms. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

/* Called as it is written, whatever a compiler knows of it. */
#ifdef __clang__
#define APART __attribute__((noinline, optnone))
#else
#define APART __attribute__((noinline, noipa))
#endif

APART static long quick(long value)
{
	return value + 1;
}

APART static long slow(long ms)
{
	struct timespec time = {0, ms * 1000000};

	nanosleep(&time, NULL);
	return quick(ms);
}

APART static long middle(long times)
{
	long sum = 0;

	for (long i = 0; i < times; i++)
		sum += quick(i) + slow(3);
	return sum;
}

static void *work(void *arg)
{
	*(long *)arg = middle(2);
	return NULL;
}

int main(void)
{
	static long sum, other;
	pthread_t thread;

	pthread_create(&thread, NULL, work, &other);
	for (long i = 0; i < 5000; i++)
		sum += quick(i);
	sum += middle(3) + slow(5);
	pthread_join(thread, NULL);
	printf("%ld\n", sum + other);
	return 3;
}
