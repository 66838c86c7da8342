/* SPDX-License-Identifier: MIT */
/* The threads that measure: one for each CPU, or one that goes round (hwlat). */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "record/usertracer_private.h"

#define NS_PER_US	  1000ull
#define NS_PER_S	  1000000000ull
#define HWLAT_THRESH_US	  10u
#define OSNOISE_THRESH_US 5u
#define PRIORITY	  95 /* of the kernel's timerlat threads */
#define GAPS_IN_QUEUE	  32768u
#define SAMPLES_IN_QUEUE  64u
#define TIMERS_IN_QUEUE	  4096u
#define SLEEP_MAX_NS	  100000000ull /* then look whether it is over */
#define CPU_SET_BYTES	  CPU_ALLOC_SIZE(CPU_SETSIZE * 64)

static bool is_over(const struct user_tracer *tracer)
{
	return atomic_load(&tracer->stop) || atomic_load(&tracer->halted);
}

/* --- CPUs --- */

static int pin(uint32_t cpu)
{
	_cleanup_free_ cpu_set_t *set = mem_zalloc(CPU_SET_BYTES);

	if (!set)
		return -ENOMEM;
	CPU_SET_S(cpu, CPU_SET_BYTES, set);
	return sched_setaffinity(0, CPU_SET_BYTES, set) < 0 ? -errno : 0;
}

static int unpin(const struct user_tracer *tracer)
{
	_cleanup_free_ cpu_set_t *set = mem_zalloc(CPU_SET_BYTES);

	if (!set)
		return -ENOMEM;
	for (uint32_t cpu = 0; cpu < tracer->options.fs->cpus; cpu++) {
		if (tracer->cpus[cpu])
			CPU_SET_S(cpu, CPU_SET_BYTES, set);
	}
	return sched_setaffinity(0, CPU_SET_BYTES, set) < 0 ? -errno : 0;
}

/* The next one of the set; itself when there is no other. */
static uint32_t next_cpu(const struct user_tracer *tracer, uint32_t cpu)
{
	uint32_t nr = tracer->options.fs->cpus;

	for (uint32_t i = 1; i <= nr; i++) {
		if (tracer->cpus[(cpu + i) % nr])
			return (cpu + i) % nr;
	}
	return cpu;
}

/* Without the right to it the scheduler's events still tell what was another task's doing. */
static bool become_realtime(void)
{
	struct sched_param param = {.sched_priority = PRIORITY};

	return sched_setscheduler(0, SCHED_FIFO, &param) == 0;
}

/* --- the three loops --- */

static void rest(const struct user_tracer *tracer, uint64_t ns)
{
	struct pollfd fd = {.fd = tracer->stop_fd, .events = POLLIN};
	struct timespec time = {
		.tv_sec = (time_t)(ns / NS_PER_S),
		.tv_nsec = (long)(ns % NS_PER_S),
	};

	if (ns && ppoll(&fd, 1, &time, NULL) < 0)
		return; /* earlier than wanted: the next window begins earlier */
}

static bool spin(struct user_thread *thread, const struct sampler_limits *limits,
		 struct sample *ret_sample)
{
	struct user_tracer *tracer = thread->tracer;
	bool too_long;

	atomic_store(&thread->since, user_tracer_now(tracer));
	too_long = sampler_spin(&thread->queue, &tracer->clock, limits, &tracer->stop, ret_sample);
	ret_sample->cpu = thread->cpu;
	sampler_push(&thread->queue, ret_sample);
	/* Only now: whoever sees it sees the sample. */
	atomic_store(&thread->since, UINT64_MAX);
	return too_long;
}

/* With mode none the scheduler chooses the CPU, but not while a window lasts. */
static void hwlat_move(struct user_thread *thread, uint64_t round)
{
	struct user_tracer *tracer = thread->tracer;
	int cpu;

	switch (tracer->options.settings.hwlat_mode) {
	case USER_MODE_PER_CPU:
		return;
	case USER_MODE_ROUND_ROBIN:
		if (round)
			thread->cpu = next_cpu(tracer, thread->cpu);
		break;
	default:
		if (unpin(tracer) < 0)
			break;
		cpu = sched_getcpu();
		if (cpu >= 0 && (uint32_t)cpu < tracer->options.fs->cpus)
			thread->cpu = (uint32_t)cpu;
	}
	/* A CPU that has gone away is passed over by staying: the next round tries the next. */
	if (pin(thread->cpu) < 0)
		thread->cpu = (uint32_t)sched_getcpu();
}

static void run_hwlat(struct user_thread *thread)
{
	const struct user_settings *settings = &thread->tracer->options.settings;
	uint64_t thresh_us = settings->thresh_us ? settings->thresh_us : HWLAT_THRESH_US;
	struct sampler_limits limits = {
		.width_ns = settings->hwlat_width_us * NS_PER_US,
		.gap_ns = (thresh_us + 1) * NS_PER_US, /* the kernel compares whole us with > */
	};
	struct sample sample;

	for (uint64_t round = 0; !is_over(thread->tracer); round++) {
		hwlat_move(thread, round);
		spin(thread, &limits, &sample);
		rest(thread->tracer,
		     (settings->hwlat_window_us - settings->hwlat_width_us) * NS_PER_US);
	}
}

static void run_osnoise(struct user_thread *thread)
{
	struct user_tracer *tracer = thread->tracer;
	const struct user_settings *settings = &tracer->options.settings;
	struct sampler_limits limits = {
		.width_ns = settings->osnoise_runtime_us * NS_PER_US,
		.gap_ns =
			(settings->thresh_us ? settings->thresh_us : OSNOISE_THRESH_US) * NS_PER_US,
		.stop_ns = settings->stop_us * NS_PER_US,
	};
	struct sample sample;

	while (!is_over(tracer)) {
		bool too_long = spin(thread, &limits, &sample);

		if (too_long ||
		    (settings->stop_total_us && sample.sum > settings->stop_total_us * NS_PER_US))
			user_tracer_halt(tracer);
		rest(tracer,
		     (settings->osnoise_period_us - settings->osnoise_runtime_us) * NS_PER_US);
	}
}

/* In pieces, so that an end is noticed. False: it is over. */
static bool sleep_until(const struct user_tracer *tracer, uint64_t until)
{
	while (!is_over(tracer)) {
		uint64_t now = user_tracer_now(tracer);
		uint64_t next = MIN(until, now + SLEEP_MAX_NS);
		struct timespec time = {
			.tv_sec = (time_t)(next / NS_PER_S),
			.tv_nsec = (long)(next % NS_PER_S),
		};
		int r = clock_nanosleep(tracer->clock_id, TIMER_ABSTIME, &time, NULL);

		if (r == 0 && next == until)
			return true;
	}
	return false;
}

static void run_timerlat(struct user_thread *thread)
{
	struct user_tracer *tracer = thread->tracer;
	const struct user_settings *settings = &tracer->options.settings;
	const uint64_t period = settings->timerlat_period_us * NS_PER_US;
	uint64_t next = user_tracer_now(tracer) + period;
	struct sample sample = {.cpu = thread->cpu};

	/* The kernel would let an ordinary thread's timer expire up to 50 us later. */
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	for (;; next += period) {
		atomic_store(&thread->since, next);
		if (!sleep_until(tracer, next))
			return;
		sample.end = user_tracer_now(tracer);
		sample.start = next;
		sample.seq++;
		sampler_push(&thread->queue, &sample);
		if (settings->stop_total_us &&
		    sample.end - sample.start > settings->stop_total_us * NS_PER_US)
			user_tracer_halt(tracer);
		/* Activations that are over before they could be waited for are left out. */
		if (sample.end > next + period)
			next += (sample.end - next) / period * period;
	}
}

/* --- their life --- */

static void name_thread(struct user_thread *thread)
{
	static const char *const names[USER_NR_TRACERS] = {
		[USER_HWLAT] = "hwlatd", [USER_OSNOISE] = "osnoise", [USER_TIMERLAT] = "timerlat"};
	const struct user_tracer_options *options = &thread->tracer->options;

	if (options->kind == USER_HWLAT && options->settings.hwlat_mode != USER_MODE_PER_CPU)
		snprintf(thread->name, sizeof(thread->name), "%s", names[options->kind]);
	else
		snprintf(thread->name, sizeof(thread->name), "%s/%hu", names[options->kind],
			 (unsigned short)thread->cpu);
	prctl(PR_SET_NAME, thread->name, 0, 0, 0);
}

static void *thread_main(void *arg)
{
	struct user_thread *thread = arg;
	struct user_tracer *tracer = thread->tracer;
	enum user_tracer_kind kind = tracer->options.kind;

	thread->tid = gettid();
	name_thread(thread);
	if (pin(thread->cpu) < 0)
		thread->tid = 0; /* a CPU that is not there, or not ours */
	/* osnoise measures what an ordinary task gets, as the kernel's tracer does. */
	thread->realtime = thread->tid && kind != USER_OSNOISE && become_realtime();
	sem_post(&tracer->ready); /* the starter sees tid and realtime behind it */
	while (sem_wait(&tracer->go) < 0 && errno == EINTR)
		;
	if (!thread->tid || is_over(tracer))
		return NULL;
	if (kind == USER_HWLAT)
		run_hwlat(thread);
	else if (kind == USER_OSNOISE)
		run_osnoise(thread);
	else
		run_timerlat(thread);
	atomic_store(&thread->since, UINT64_MAX);
	return NULL;
}

static int start_one(struct user_tracer *tracer, uint32_t cpu, struct err *err)
{
	bool timer = tracer->options.kind == USER_TIMERLAT;
	struct user_thread *thread = &tracer->threads[tracer->nr_threads];
	int r;

	*thread = (struct user_thread){.tracer = tracer, .cpu = cpu};
	atomic_init(&thread->since, UINT64_MAX);
	r = sampler_queue_init(&thread->queue, timer ? TIMERS_IN_QUEUE : SAMPLES_IN_QUEUE,
			       timer ? 1 : GAPS_IN_QUEUE);
	if (r == 0) {
		r = -pthread_create(&thread->thread, NULL, thread_main, thread);
		if (r < 0)
			sampler_queue_done(&thread->queue);
	}
	if (r < 0)
		return err_sys(err, r, "cannot start a measuring thread");
	thread->running = true;
	tracer->nr_threads++;
	while (sem_wait(&tracer->ready) < 0 && errno == EINTR)
		;
	return 0;
}

int user_threads_start(struct user_tracer *tracer, struct err *err)
{
	const struct user_tracer_options *options = &tracer->options;
	bool one = options->kind == USER_HWLAT && options->settings.hwlat_mode != USER_MODE_PER_CPU;
	size_t usable = 0;
	int r = 0;

	tracer->threads = mem_calloc(options->fs->cpus, sizeof(*tracer->threads));
	if (!tracer->threads)
		return err_sys(err, -ENOMEM, "cannot start measuring threads");
	for (uint32_t cpu = 0; cpu < options->fs->cpus && r == 0; cpu++) {
		if (!tracer->cpus[cpu] || (one && usable))
			continue;
		r = start_one(tracer, cpu, err);
		if (r == 0 && tracer->threads[tracer->nr_threads - 1].tid)
			usable++;
		else
			tracer->cpus[cpu] = false;
	}
	if (r == 0 && !usable)
		r = err_set(err, -EINVAL,
			    "none of the CPUs that %s shall measure can be used: none of them is "
			    "online and allowed to this process",
			    user_tracer_name(options->kind));
	return r;
}

void user_threads_stop(struct user_tracer *tracer)
{
	uint64_t one = 1;
	ssize_t n;

	atomic_store(&tracer->stop, true);
	n = write(tracer->stop_fd, &one, sizeof(one));
	(void)n; /* only fails when it is raised already */
	for (size_t i = 0; i < tracer->nr_threads; i++)
		sem_post(&tracer->go);
	for (size_t i = 0; i < tracer->nr_threads; i++) {
		if (tracer->threads[i].running)
			pthread_join(tracer->threads[i].thread, NULL);
		tracer->threads[i].running = false;
	}
}
