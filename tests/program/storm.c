/* SPDX-License-Identifier: MIT */
/*
 * A trace back from wherever a signal comes, which are also instructions of the tracer: each must
 * reach the function that began the thread, which is in a section of its own to be known by. With
 * an argument there are no signals: a debugger looks.
 */
#include <execinfo.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* Called as it is written, whatever a compiler knows of it. */
#ifdef __clang__
#define APART __attribute__((noinline, optnone))
#else
#define APART __attribute__((noinline, noipa))
#endif

#define NR_SIGNALS 1000

static volatile int nr_seen, begun, over;
static int nr_lost;
extern const char __start_began[], __stop_began[];

APART static int leaf(int value)
{
	return value + 1;
}

APART static int saves(int a, int b, int c)
{
	int x = leaf(a), y = leaf(b), z = leaf(c);

	return x * y + z * a + b * c;
}

APART static int large(int value)
{
	char room[5000];

	memset(room, value, sizeof(room));
	return leaf(room[value]) + room[4999];
}

APART static int tail(int value)
{
	return leaf(value * 3);
}

APART static int framed(int value)
{
	/* With a frame pointer. */
	if (!__builtin_frame_address(0))
		return 0;
	return saves(value, value + 1, value + 2) + 1;
}

APART static int work(int value)
{
	return tail(value) + large(value) + framed(value) + saves(value, 1, 2);
}

static void on_signal(int number)
{
	void *frames[40];
	int nr = backtrace(frames, 40), i = 0;

	(void)number;
	while (i < nr && !(frames[i] >= (const void *)__start_began &&
			   frames[i] < (const void *)__stop_began))
		i++;
	nr_lost += i == nr;
	nr_seen++;
}

__attribute__((section("began"))) static void *begin(void *arg)
{
	long sum = 0;

	begun = 1;
	while (!over)
		sum += work(3);
	(void)arg;
	return (void *)sum;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	void *frames[4];
	pthread_t thread;

	(void)argv;
	if (argc > 1) {
		begin(NULL);
		return 0;
	}
	backtrace(frames, 4); /* what it loads at first is not of interest */
	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, begin, NULL);
	while (!begun)
		sched_yield();
	for (int i = 0; i < NR_SIGNALS; i++) {
		pthread_kill(thread, SIGUSR1);
		while (nr_seen <= i)
			sched_yield();
	}
	over = 1;
	pthread_join(thread, NULL);
	printf("%d of %d lost\n", nr_lost, nr_seen);
	return 0;
}
