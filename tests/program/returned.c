/* SPDX-License-Identifier: MIT */
/*
 * A program whose functions return in all ways there are: returned MODE ROUNDS. What it prints
 * depends on nothing but that, whether it is traced or not.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_BYTES (1u << 20) /* memory of its own, not the heap's */

/* Called as it is written, whatever a compiler knows of it; clang makes no jumps of calls then. */
#ifdef __clang__
#define FUNCTION __attribute__((noinline, optnone))
#else
#define FUNCTION __attribute__((noinline, noipa))
#endif

/* --- values --- */

struct found {
	int32_t id, negative;
	const char *name;
};

FUNCTION static const struct found *find(long n)
{
	static const struct found found[] = {{40, -7, "odd"}, {41, -8, "even"}};

	__asm__ volatile("" ::: "memory");
	return n % 3 == 2 ? NULL : &found[n & 1];
}

FUNCTION static int8_t negative(long n)
{
	return (int8_t)-n;
}

FUNCTION static __int128 wide(long n)
{
	return (__int128)n << 64 | 5;
}

FUNCTION static double real(long n)
{
	return (double)n / 2;
}

FUNCTION static long double longer(long n)
{
	return (long double)n / 4;
}

FUNCTION static const char *name(long n)
{
	static const char *const names[] = {"zero", "one", "two"};

	return names[n % 3];
}

/* On the stack, and by a pointer that comes back. */
struct large {
	long values[6];
};
FUNCTION static struct large large(long a, long b, long c, long d, long e, long f, long g, long h)
{
	return (struct large){{a, b, c + d, e + f, g, h}};
}

static long values(long rounds)
{
	/* So that no copy of it is made for these arguments. */
	struct large (*volatile call)(long, long, long, long, long, long, long, long) = large;
	long sum = 0;

	for (long i = 0; i < rounds; i++) {
		const struct found *found = find(i);
		const __int128 is_wide = wide(i);
		struct large is_large = call(i, 1, 2, 3, 4, 5, 6, 80 + i);

		sum += (found ? found->id : 0) + negative(i);
		sum += (long)(is_wide >> 64) + (long)(is_wide & 7);
		sum += (long)(real(i) * 2) + (long)(longer(i) * 4) + (long)strlen(name(i));
		sum += is_large.values[0] + is_large.values[5];
	}
	return sum;
}

/* --- recursion, jumps in place of calls --- */

FUNCTION static long sum_of(long n)
{
	long below = n ? sum_of(n - 1) : 0;

	__asm__ volatile("" : "+r"(below)); /* no loop is made of it */
	return n + below;
}

FUNCTION static long last(long n)
{
	return n * 3;
}

FUNCTION static long middle(long n)
{
	return last(n + 1);
}

FUNCTION static long first(long n)
{
	return middle(n + 1);
}

/* Each takes the other's place, however far down. */
static long odd(long n);
FUNCTION static long even(long n)
{
	return n ? odd(n - 1) : 1;
}

FUNCTION static long odd(long n)
{
	return n ? even(n - 1) : 0;
}

/* --- longjmp --- */

static __thread jmp_buf out;

FUNCTION static long leave(long n)
{
	if (n & 1)
		longjmp(out, 1);
	return n;
}

/* In place of it: what was at this place on the stack is left, too. */
FUNCTION static long to_leave(long n)
{
	return leave(n + 1);
}

FUNCTION static long leaves(long n)
{
	return setjmp(out) ? 1000 : leave(n) + to_leave(n);
}

static long work(long rounds)
{
	long sum = 0;

	for (long i = 0; i < rounds; i++) {
		sum += sum_of(i % 90) + first(i) + leaves(i);
		sum += even(i % 5);
	}
	return sum;
}

/* --- other stacks --- */

static volatile long handled;

static void on_signal(int number)
{
	(void)number;
	handled++;
	first(sum_of(3));
}

/* Signals at any time, on a stack of their own; stderr says how many. */
static long signals(long rounds)
{
	const struct itimerval often = {{0, 100}, {0, 100}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESTART};
	stack_t stack = {.ss_size = STACK_BYTES, .ss_sp = malloc(STACK_BYTES)};
	long sum = 0;

	sigaltstack(&stack, NULL);
	sigaction(SIGPROF, &action, NULL);
	setitimer(ITIMER_PROF, &often, NULL);
	for (long i = 0; i < rounds; i++)
		sum += sum_of(i % 9) + first(i) + even(i % 5);
	setitimer(ITIMER_PROF, &never, NULL);
	fprintf(stderr, "%ld handled\n", handled);
	return sum;
}

static ucontext_t here, there;
static long from_there;

static void coroutine(void)
{
	for (long i = 0;; i++) {
		from_there += first(i) + sum_of(i % 5);
		swapcontext(&there, &here);
	}
}

static long coroutines(long rounds)
{
	getcontext(&there);
	there.uc_stack.ss_sp = malloc(STACK_BYTES);
	there.uc_stack.ss_size = STACK_BYTES;
	makecontext(&there, coroutine, 0);
	for (long i = 0; i < rounds; i++) {
		swapcontext(&here, &there);
		from_there += first(i);
	}
	return from_there;
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

/* A thread that is cancelled, or leaves, while functions are open. */
FUNCTION static long leave_thread(long n)
{
	if (n >= 0)
		pthread_exit((void *)n);
	return n;
}

static void *leaving_thread(void *arg)
{
	return (void *)(leave_thread((long)arg) + 1);
}

static long ends(long rounds)
{
	long sum = 0;

	for (long i = 0; i < rounds; i++) {
		pthread_t id;
		void *result;

		pthread_create(&id, NULL, leaving_thread, (void *)(i & 1 ? i : -i - 1));
		pthread_join(id, &result);
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

/* For what a probe costs: nothing but calls; stderr says how long each took of the CPU. */
FUNCTION static long leaf(long n)
{
	return n + 1;
}

static long leafs(long rounds)
{
	struct timespec begin, end;
	long sum = 0;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	for (long i = 0; i < rounds; i++)
		sum = leaf(sum);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	fprintf(stderr, "%.1f ns a call\n",
		((double)(end.tv_sec - begin.tv_sec) * 1e9 +
		 (double)(end.tv_nsec - begin.tv_nsec)) /
			(double)rounds);
	return sum;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		long (*run)(long rounds);
	} modes[] = {{"values", values},	 {"work", work},       {"signals", signals},
		     {"coroutines", coroutines}, {"threads", threads}, {"ends", ends},
		     {"forks", forks},		 {"leafs", leafs}};
	long rounds = argc > 2 ? atol(argv[2]) : 10;

	for (size_t i = 0; argc > 2 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (!strcmp(modes[i].name, argv[1]))
			printf("%ld\n", modes[i].run(rounds));
	}
	return 0;
}
