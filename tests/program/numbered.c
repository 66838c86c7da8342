/* SPDX-License-Identifier: MIT */
/*
 * Calls that say themselves which one they are: numbered FILE THREADS PACE_NS. Which of 16
 * functions is called next comes from a generator that the test knows, too; how many calls were
 * begun, and the longest time between two, lie in FILE, which is mapped, so that they are there
 * when this was killed. Ends when FILE says so. The time for which a thread could have run, and had
 * no CPU, is told apart: that is the machine's business.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Called as it is written, whatever a compiler knows of it. */
#ifdef __clang__
#define APART __attribute__((noinline, optnone))
#else
#define APART __attribute__((noinline, noipa))
#endif

#define THREADS_MAX 16
#define LONG_NS	    1000000u

struct shared {
	volatile uint64_t stop;	 /* set by the test */
	volatile uint64_t since; /* ns; gaps that end after it are of interest; set by the test */
	volatile uint64_t pid;
	volatile uint64_t tid[THREADS_MAX];
	volatile uint64_t begun[THREADS_MAX];  /* calls, this one included; stored before it */
	volatile uint64_t gap[THREADS_MAX];    /* ns, the longest */
	volatile uint64_t asleep[THREADS_MAX]; /* the same without waiting for a CPU */
};

static struct shared *shared;
static uint64_t pace;

#define STEP(n)                                                                                    \
	APART static long step_##n(long value)                                                     \
	{                                                                                          \
		return value * 3 + (n);                                                            \
	}
STEP(0)
STEP(1)
STEP(2)
STEP(3)
STEP(4)
STEP(5)
STEP(6)
STEP(7)
STEP(8)
STEP(9)
STEP(10)
STEP(11)
STEP(12)
STEP(13)
STEP(14)
STEP(15)

static long (*const steps[])(long) = {
	step_0, step_1, step_2,	 step_3,  step_4,  step_5,  step_6,  step_7,
	step_8, step_9, step_10, step_11, step_12, step_13, step_14, step_15,
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* ns that this thread has waited for a CPU so far. */
static uint64_t waited(int schedstat)
{
	unsigned long long ran, delay = 0;
	char text[128];
	ssize_t n = pread(schedstat, text, sizeof(text) - 1, 0);

	if (n > 0) {
		text[n] = '\0';
		if (sscanf(text, "%llu %llu", &ran, &delay) != 2)
			delay = 0;
	}
	return delay;
}

/* A long time between two calls. */
static void note(uint64_t index, uint64_t end, uint64_t gap, uint64_t delay)
{
	uint64_t asleep = gap - (delay < gap ? delay : gap);

	if (end <= shared->since)
		return;
	if (gap > shared->gap[index])
		shared->gap[index] = gap;
	if (asleep > shared->asleep[index])
		shared->asleep[index] = asleep;
}

static void *work(void *arg)
{
	uint64_t index = (uint64_t)(uintptr_t)arg, state = index, begun = 0, last = now();
	int schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	uint64_t delay = waited(schedstat);
	long value = 0;

	shared->tid[index] = (uint64_t)gettid();
	while (!shared->stop) {
		uint64_t before = last;

		state = state * 6364136223846793005u + 1442695040888963407u;
		shared->begun[index] = ++begun;
		value = steps[state >> 60](value);
		do {
			last = now();
		} while (last - before < pace);
		if (last - before >= LONG_NS) {
			uint64_t delay_before = delay;

			delay = waited(schedstat);
			note(index, last, last - before, delay - delay_before);
			last = now();
		}
	}
	return (void *)(uintptr_t)(value & 1);
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS_MAX];
	int nr = argc > 3 ? atoi(argv[2]) : 0;
	int fd = nr > 0 && nr <= THREADS_MAX ? open(argv[1], O_RDWR | O_CLOEXEC) : -1;
	void *at = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd < 0 || at == MAP_FAILED)
		return 1;
	shared = at;
	pace = (uint64_t)atol(argv[3]);
	shared->pid = (uint64_t)getpid();
	for (int i = 0; i < nr; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i))
			return 1;
	for (int i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
