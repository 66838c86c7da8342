/* SPDX-License-Identifier: MIT */
/*
 * A program with USDT probes of all kinds: probed MODE ROUNDS. What it prints depends on nothing
 * but that, whether it is traced or not.
 */
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probes.h"

PROBE_SEMAPHORE(sem_guarded);
PROBE_SEMAPHORE(sem_never);
int counter_global = 40;
static uint64_t table[4] = {11, 22, 33, 44};

/* Registers, memory, constants of all widths. */
__attribute__((noinline)) static long leaf(long round, int8_t small, const uint64_t *at)
{
	uint16_t half = (uint16_t)(round * 3);

	PROBE3("leaf", "-8", round, "-1", small, "8", at[round & 3]);
	PROBE2("widths", "2", half, "-4", -5);
	PROBE1("big", "8", (uint64_t)1 << 63);
	PROBE1("global", "-4", counter_global);
	return round + small + half;
}

/* A loop whose condition leads right behind the probe, and one whose probe is all there is. */
__attribute__((noinline)) static long loops(long n)
{
	long sum = 0;

	for (long i = 0; i < n; i++) {
		if (i & 1)
			PROBE1("odd", "-8", i);
		sum += i;
	}
	for (long i = 0; i < n; i++)
		PROBE0("empty");
	return sum;
}

/* The probe is a case of a switch, reached through a table. */
__attribute__((noinline)) static int cases(unsigned int which)
{
	switch (which) {
	case 0:
		PROBE0("case_0");
		return 5;
	case 1:
		PROBE0("case_1");
		return 17;
	case 2:
		PROBE0("case_2");
		__attribute__((fallthrough));
	case 3:
		PROBE0("case_3");
		return 23;
	case 4:
		return getpid() > 0 ? 4 : 5;
	case 5:
		return getppid() > 0 ? 6 : 7;
	default:
		return 1;
	}
}

/* Values that live in vector registers and below the stack pointer while a probe is hit. */
__attribute__((noinline)) static double vectors(double a, double b)
{
	volatile char red[96];
	double sum = a * b;

	memset((void *)(uintptr_t)red, (int)a, sizeof(red));
	PROBE2("vectors", "-8", (long)a, "1", red[95]);
	return sum + red[0] + a / b;
}

/* Flags that are made before a probe and used behind it. */
__attribute__((noinline)) static long flags(long a, long b)
{
	long result;

	__asm__ volatile("xor %0, %0\n cmp %2, %1\n" PROBE_NOTE("0", "flags", "-8@%1") "setl %b0\n"
			 : "=&r"(result)
			 : "r"(a), "r"(b)
			 : "cc");
	return result;
}

/* The direction flag is set: handlers are C. */
__attribute__((noinline)) static long backwards(void)
{
	char from[64], to[64] = "";
	void *source = from + 63, *target = to + 63;
	long left = 64;

	memset(from, 'x', sizeof(from));
	__asm__ volatile("std\n" PROBE_NOTE("0", "backwards", "-8@%2") "rep movsb\n cld\n"
			 : "+S"(source), "+D"(target), "+c"(left)
			 :
			 : "memory");
	return to[0] == 'x' && to[63] == 'x';
}

__attribute__((noinline)) static long guarded(long round)
{
	if (sem_guarded)
		PROBE_IF1(sem_guarded, "guarded", "-8", round);
	if (sem_never)
		PROBE_IF1(sem_never, "never", "-8", round);
	return sem_guarded;
}

static long work(long rounds)
{
	long sum = 0;

	for (long i = 0; i < rounds; i++) {
		sum += leaf(i, (int8_t)-i, table) + loops(6) + cases((unsigned int)i % 7);
		sum += (long)vectors((double)i, 2.0) + flags(i, 3) + backwards();
		(void)guarded(i);
	}
	return sum;
}

static void *in_thread(void *arg)
{
	return (void *)work((long)arg);
}

static long threads(long rounds)
{
	pthread_t ids[4];
	long sum = 0;

	for (int i = 0; i < 4; i++)
		pthread_create(&ids[i], NULL, in_thread, (void *)rounds);
	for (int i = 0; i < 4; i++) {
		void *result;

		pthread_join(ids[i], &result);
		sum += (long)result;
	}
	return sum;
}

static long forks(long rounds)
{
	for (int i = 0; i < 3; i++) {
		if (fork() == 0)
			_exit(work(rounds) < 0);
		wait(NULL);
	}
	return work(rounds);
}

/* PLUGIN has a probe of its own. */
static long loads(long rounds, const char *path)
{
	void *library = dlopen(path, RTLD_NOW);
	long (*plugged)(long) = library ? (long (*)(long))dlsym(library, "plugged") : NULL;
	long sum = 0;

	for (long i = 0; plugged && i < rounds; i++)
		sum += plugged(i);
	return plugged ? sum : -1;
}

/* For probes at its entry: pointers, one of them bad, and arguments on the stack. */
struct said {
	char text[8];
	const char *far;
};
__attribute__((noinline)) static long said(const struct said *what, int n, long c, long d, long e,
					   long f, long g, long eighth)
{
	__asm__ volatile("" ::: "memory");
	return (n & 1 ? 1 : what->far[0]) + n + c + d + e + f + g + eighth;
}

static long say(long rounds)
{
	const struct said good = {"said", "far"};
	/* So that no copy of it is made for these arguments. */
	long (*volatile call)(const struct said *, int, long, long, long, long, long, long) = said;
	long sum = 0;

	for (int i = 0; i < rounds; i++)
		sum += call(i & 1 ? (const struct said *)8 : &good, -i, i, 4, 5, 6, 7, 80 + i);
	return sum;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "work";
	long rounds = argc > 2 ? atol(argv[2]) : 10, sum;

	if (!strcmp(mode, "threads"))
		sum = threads(rounds);
	else if (!strcmp(mode, "forks"))
		sum = forks(rounds);
	else if (!strcmp(mode, "loads"))
		sum = loads(rounds, argv[3]);
	else if (!strcmp(mode, "say"))
		sum = say(rounds);
	else
		sum = work(rounds);
	printf("%ld\n", sum);
	return 0;
}
