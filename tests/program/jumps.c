/* SPDX-License-Identifier: MIT */
/* Ways to leave functions other than by returning, and stacks other than the usual. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* Not every C library (musl) has these. */
#if __has_include(<execinfo.h>)
#define HAS_CONTEXTS
#include <execinfo.h>
#include <ucontext.h>
#endif

/* Called as it is written, whatever a compiler knows of it. */
#ifdef __clang__
#define APART __attribute__((noinline, optnone))
#else
#define APART __attribute__((noinline, noipa))
#endif

static jmp_buf here;
static sigjmp_buf there;
/* By a pointer, so that no compiler sees that `down` never returns. */
static void (*volatile leave)(jmp_buf, int) = longjmp;
static volatile int handled, cleaned;
static volatile int *volatile nowhere = (volatile int *)8;

APART static int down(int depth, int value)
{
	char room[64];

	memset(room, value, sizeof(room));
	if (depth > 0)
		return down(depth - 1, value) + room[3];
	leave(here, value);
	return 0;
}

APART static int jump(int value)
{
	int r = setjmp(here);

	return r ? r : down(value % 17, value);
}

APART static void on_signal(int number)
{
	handled += number;
}

APART static void on_fault(int number)
{
	handled += number;
	siglongjmp(there, 1);
}

APART static int step(int value)
{
	return value + 1;
}

#ifdef HAS_CONTEXTS
static ucontext_t main_context, contexts[2];

static void coroutine(int which)
{
	int sum = 0;

	for (int i = 0; i < 1000; i++) {
		sum += step(i);
		swapcontext(&contexts[which], which ? &contexts[0] : &contexts[1]);
	}
	printf("coroutine %d %d\n", which, sum);
}

static void run_coroutines(void)
{
	for (int i = 0; i < 2; i++) {
		getcontext(&contexts[i]);
		contexts[i].uc_stack.ss_size = 65536;
		contexts[i].uc_stack.ss_sp = malloc(65536);
		contexts[i].uc_link = i ? &main_context : &contexts[1];
		makecontext(&contexts[i], (void (*)(void))(void *)coroutine, 1, i);
	}
	swapcontext(&main_context, &contexts[0]);
}

APART static int trace_back(int depth)
{
	void *frames[64];
	int r;

	if (depth) {
		r = trace_back(depth - 1);
		return r ? r : -1;
	}
	return backtrace(frames, 64);
}
#endif

static void clean(void *arg)
{
	(void)arg;
	cleaned++;
}

APART static int sleep_long(int seconds)
{
	return (int)sleep((unsigned int)seconds) + 1;
}

static void *wait_for_cancel(void *arg)
{
	pthread_cleanup_push(clean, NULL);
	sleep_long(1000);
	pthread_cleanup_pop(0);
	return arg;
}

int main(void)
{
	static char alternate[65536];
	stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	static int sum;
	pthread_t thread;

	for (int i = 1; i < 1000; i++)
		sum += jump(i);
	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < 100; i++)
		raise(SIGUSR1);
	action.sa_handler = on_fault;
	action.sa_flags = SA_ONSTACK | SA_NODEFER;
	sigaction(SIGSEGV, &action, NULL);
	for (volatile int i = 0; i < 10; i++) {
		if (!sigsetjmp(there, 1))
			*nowhere = 1;
	}
#ifdef HAS_CONTEXTS
	run_coroutines();
	printf("%d\n", trace_back(10) > 11);
#endif
	pthread_create(&thread, NULL, wait_for_cancel, NULL);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	printf("%d %d %d\n", sum, handled, cleaned);
	return 0;
}
