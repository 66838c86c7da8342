/* SPDX-License-Identifier: MIT */
#include "record/usertracer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "record/usertracer_private.h"

#define NS_PER_S	1000000000ull
#define NS_PER_MS	1000000ull
#define NS_PER_US	1000ull
#define JOIN_EVERY_MS	100
#define FORGET_SLACK_NS (10 * NS_PER_MS)

/* --- clocks --- */

static const struct {
	const char *name;
	clockid_t id;
	bool can_sleep; /* clock_nanosleep knows it */
} clocks[] = {
	{"mono", CLOCK_MONOTONIC, true},
	{"boot", CLOCK_BOOTTIME, true},
	{"tai", CLOCK_TAI, true},
	{"mono_raw", CLOCK_MONOTONIC_RAW, false},
};

static uint64_t read_clock(clockid_t id)
{
	struct timespec time;

	clock_gettime(id, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static uint64_t clock_now(void *ctx)
{
	return read_clock(*(const clockid_t *)ctx);
}

uint64_t user_tracer_now(const struct user_tracer *tracer)
{
	return read_clock(tracer->clock_id);
}

static int find_clock(enum user_tracer_kind kind, const char *name, clockid_t *ret_id)
{
	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
		if (strcmp(clocks[i].name, name) != 0)
			continue;
		if (kind == USER_TIMERLAT && !clocks[i].can_sleep)
			return -EINVAL;
		*ret_id = clocks[i].id;
		return 0;
	}
	return -EINVAL;
}

int user_tracer_check_clock(enum user_tracer_kind kind, const char *clock, struct err *err)
{
	clockid_t id;

	if (find_clock(kind, clock, &id) == 0)
		return 0;
	return err_set(err, -EINVAL,
		       "the tracer %s runs in user space here, where the clock '%.40s' cannot be "
		       "read; -C mono, boot%s works (without -C it is mono)",
		       user_tracer_name(kind), clock,
		       kind == USER_TIMERLAT ? " or tai" : ", tai or mono_raw");
}

/* --- what is known of this machine --- */

static bool knows(const struct user_tracer *tracer, enum interference_kind kind)
{
	return interference_knows(tracer->events.what, kind);
}

/* Whether what has no event to explain it is the hardware's. */
static bool knows_hardware(const struct user_tracer *tracer)
{
#if defined(__x86_64__) || defined(__i386__)
	const bool needs_vectors = true; /* the timer's interrupt is one of them */
#else
	const bool needs_vectors = false;
#endif
	return knows(tracer, INTERFERENCE_IRQ) && knows(tracer, INTERFERENCE_SOFTIRQ) &&
	       knows(tracer, INTERFERENCE_SWITCH) && (tracer->events.vectors || !needs_vectors);
}

static const char *describe_hwlat(const struct user_tracer *tracer)
{
	if (knows_hardware(tracer))
		return "gaps in which the kernel's events show an interrupt or another task are "
		       "left out";
	return "interrupts and other tasks count as latency, because this kernel lacks the events "
	       "that would tell them apart";
}

static const char *describe_osnoise(const struct user_tracer *tracer)
{
	if (!knows_hardware(tracer))
		return "this kernel lacks events to tell the hardware's noise from the rest, so "
		       "its count is not known";
	return "the counts are estimated from the kernel's events";
}

static const char *describe_timerlat(const struct user_tracer *tracer)
{
	if (knows(tracer, INTERFERENCE_TIMER) && knows(tracer, INTERFERENCE_WAKING))
		return "the latency in interrupt context is taken from the kernel's events";
	return "this kernel lacks the events that would give the latency in interrupt context, so "
	       "only that of the thread is recorded";
}

/* Of the counts that a record of this tracer has: those that nothing tells. */
static void describe_missing(const struct user_tracer *tracer, char *text, size_t size)
{
	static const struct {
		enum interference_kind kind;
		const char *name;
	} counts[] = {{INTERFERENCE_NMI, "NMI"},
		      {INTERFERENCE_IRQ, "IRQ"},
		      {INTERFERENCE_SOFTIRQ, "softirq"},
		      {INTERFERENCE_SWITCH, "thread"}};
	size_t nr = tracer->options.kind == USER_OSNOISE ? ARRAY_SIZE(counts) : 1, len = 0;

	text[0] = '\0';
	if (tracer->options.kind == USER_TIMERLAT)
		return;
	for (size_t i = 0; i < nr && len < size; i++) {
		if (!knows(tracer, counts[i].kind))
			len += (size_t)snprintf(
				text + len, size - len, "%s %s",
				len ? "," : "; not known (4294967295):", counts[i].name);
	}
}

static void describe(struct user_tracer *tracer)
{
	static const char *(*const describers[USER_NR_TRACERS])(const struct user_tracer *) = {
		[USER_HWLAT] = describe_hwlat,
		[USER_OSNOISE] = describe_osnoise,
		[USER_TIMERLAT] = describe_timerlat};
	enum user_tracer_kind kind = tracer->options.kind;
	const char *realtime = "";
	char missing[100];

	describe_missing(tracer, missing, sizeof(missing));
	for (size_t i = 0; i < tracer->nr_threads; i++) {
		if (kind != USER_OSNOISE && !tracer->threads[i].realtime)
			realtime = ", without real-time priority (not permitted)";
	}
	snprintf(tracer->text, sizeof(tracer->text),
		 "%s is measured by sonde in user space%s: %s%s", user_tracer_name(kind), realtime,
		 describers[kind](tracer), missing);
}

const char *user_tracer_text(const struct user_tracer *tracer)
{
	return tracer->text;
}

/* --- making --- */

static int choose_cpus(struct user_tracer *tracer, struct err *err)
{
	const struct user_tracer_options *options = &tracer->options;
	uint32_t nr = options->fs->cpus;
	_cleanup_free_ bool *masked = mem_calloc(nr, sizeof(*masked));
	int r = 0;

	tracer->cpus = mem_calloc(nr, sizeof(*tracer->cpus));
	tracer->bytes = mem_calloc(nr, sizeof(*tracer->bytes));
	if (!tracer->cpus || !tracer->bytes || !masked)
		return err_sys(err, -ENOMEM, "cannot prepare the tracer");
	memset(tracer->cpus, options->settings.cpus ? 0 : 1, nr);
	if (options->settings.cpus)
		r = user_cpus_list(options->settings.cpus, tracer->cpus, nr, err);
	if (r < 0 || !options->cpumask)
		return r;
	r = user_cpus_mask(options->cpumask, masked, nr, err);
	for (uint32_t cpu = 0; cpu < nr; cpu++)
		tracer->cpus[cpu] &= masked[cpu];
	return r;
}

static int store(void *ctx, uint32_t cpu, const void *page, struct err *err)
{
	struct user_tracer *tracer = ctx;
	const struct user_tracer_options *options = &tracer->options;
	int r = dat_partial_append(options->partial, options->buffer, cpu, page,
				   options->layout.size, err);

	if (r == 0)
		r = dat_partial_flush(options->partial, options->buffer, cpu, err);
	if (r == 0)
		tracer->bytes[cpu] += options->layout.size;
	return r;
}

static int make_records(struct user_tracer *tracer, struct err *err)
{
	const struct user_tracer_options *options = &tracer->options;
	struct user_records_options records = {
		.kind = options->kind,
		.layout = options->layout,
		.nr_cpus = options->fs->cpus,
		.formats = options->formats,
		.nr_formats = options->nr_formats,
		.hw_known = knows_hardware(tracer),
		.marker_ip = options->marker_ip,
		.store = store,
		.ctx = tracer,
	};

	for (unsigned int kind = 0; kind < INTERFERENCE_NR_KINDS; kind++)
		records.counts_known[kind] = knows(tracer, (enum interference_kind)kind);
	return user_records_new(&tracer->records, &records, err);
}

static int open_events(struct user_tracer *tracer, struct err *err)
{
	const struct user_tracer_options *options = &tracer->options;
	unsigned int kinds = 1u << INTERFERENCE_TIMER | 1u << INTERFERENCE_WAKING;

	if (options->kind != USER_TIMERLAT)
		kinds = 1u << INTERFERENCE_IRQ | 1u << INTERFERENCE_SOFTIRQ |
			1u << INTERFERENCE_NMI | 1u << INTERFERENCE_SWITCH;
	return user_events_open(&tracer->events, options->fs, options->events, kinds,
				options->clock, options->journal, err);
}

static int choose_wakings(struct user_tracer *tracer, struct err *err)
{
	_cleanup_free_ pid_t *pids = mem_calloc(tracer->nr_threads, sizeof(*pids));

	if (!pids)
		return err_sys(err, -ENOMEM, "cannot prepare the tracer");
	for (size_t i = 0; i < tracer->nr_threads; i++)
		pids[i] = tracer->threads[i].tid;
	return user_events_wake(&tracer->events, tracer->options.events, pids, tracer->nr_threads,
				err);
}

int user_tracer_new(struct user_tracer **ret_tracer, const struct user_tracer_options *options,
		    struct err *err)
{
	struct user_tracer *tracer = mem_zalloc(sizeof(*tracer));
	int r;

	if (!tracer)
		return err_sys(err, -ENOMEM, "cannot prepare the tracer");
	*ret_tracer = tracer;
	tracer->options = *options;
	tracer->clock = (struct sampler_clock){clock_now, &tracer->clock_id};
	sem_init(&tracer->ready, 0, 0);
	sem_init(&tracer->go, 0, 0);
	tracer->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	tracer->writer_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	tracer->failed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (tracer->stop_fd < 0 || tracer->writer_fd < 0 || tracer->failed_fd < 0)
		return err_sys(err, -errno, "cannot prepare the tracer");
	r = user_tracer_check_clock(options->kind, options->clock, err);
	if (r == 0)
		r = find_clock(options->kind, options->clock, &tracer->clock_id);
	if (r == 0)
		r = choose_cpus(tracer, err);
	if (r == 0)
		r = open_events(tracer, err);
	if (r == 0)
		r = make_records(tracer, err);
	if (r == 0)
		r = user_threads_start(tracer, err);
	if (r == 0 && options->kind == USER_TIMERLAT)
		r = choose_wakings(tracer, err);
	if (r == 0)
		describe(tracer);
	return r;
}

/* --- thresholds --- */

void user_tracer_halt(struct user_tracer *tracer)
{
	const struct kernel_targets *targets = tracer->options.instances;
	struct err ignored;

	if (atomic_exchange(&tracer->halted, true))
		return;
	/* What cannot be switched off here is switched off at the end. */
	for (size_t i = 0; i < targets->nr; i++) {
		if (kernel_control_switch(&targets->list[i], false, &ignored) < 0)
			continue;
	}
}

/* --- joining samples and events --- */

static int64_t real_offset(const struct user_tracer *tracer)
{
	return (int64_t)(read_clock(CLOCK_REALTIME) - user_tracer_now(tracer));
}

static bool stops_timerlat(const struct user_tracer *tracer, const struct user_sample *what)
{
	uint64_t stop_ns = tracer->options.settings.stop_us * NS_PER_US;

	return tracer->options.kind == USER_TIMERLAT && stop_ns &&
	       user_records_irq_latency(what) > stop_ns;
}

/* The samples of a thread that ended before `until`. */
static int join_thread(struct user_tracer *tracer, struct user_thread *thread, uint64_t until,
		       struct err *err)
{
	struct user_sample what = {
		.queue = &thread->queue,
		.pid = thread->tid,
		.real_offset_ns = real_offset(tracer),
	};
	uint64_t lost = atomic_exchange(&thread->queue.lost, 0);
	int r = 0;

	if (lost)
		user_records_lose(tracer->records, thread->cpu, lost);
	while (r == 0 && (what.sample = sampler_peek(&thread->queue)) && what.sample->end < until) {
		what.events = &tracer->events.lists[what.sample->cpu];
		r = user_records_sample(tracer->records, &what, err);
		if (r == 0 && stops_timerlat(tracer, &what))
			user_tracer_halt(tracer);
		sampler_pop(&thread->queue);
	}
	return r;
}

static int join(struct user_tracer *tracer, struct err *err)
{
	uint64_t now = user_tracer_now(tracer), needed = now - FORGET_SLACK_NS;
	int r;

	for (size_t i = 0; i < tracer->nr_threads; i++)
		needed = MIN(needed, (uint64_t)atomic_load(&tracer->threads[i].since));
	/* All events up to now are there when these have been read. */
	r = user_events_read(&tracer->events, now, err);
	for (size_t i = 0; i < tracer->nr_threads && r == 0; i++) {
		const struct sample *later;

		r = join_thread(tracer, &tracer->threads[i], now, err);
		/* It ended meanwhile, and its events are wanted the next time. */
		later = sampler_peek(&tracer->threads[i].queue);
		needed = later ? MIN(needed, later->start) : needed;
	}
	user_events_forget(&tracer->events, needed);
	return r;
}

static int join_and_store(struct user_tracer *tracer, bool last, struct err *err)
{
	uint64_t now = user_tracer_now(tracer);
	int r = join(tracer, err);

	if (r < 0 || (!last && now - tracer->stored_at < tracer->options.interval_ms * NS_PER_MS))
		return r;
	tracer->stored_at = now;
	return user_records_flush(tracer->records, err);
}

static void *writer_main(void *arg)
{
	struct user_tracer *tracer = arg;
	struct pollfd fd = {.fd = tracer->writer_fd, .events = POLLIN};
	uint64_t one = 1;
	bool last = false;
	ssize_t n;

	prctl(PR_SET_NAME, "sonde-join", 0, 0, 0);
	while (!last && !tracer->err.code) {
		last = poll(&fd, 1, JOIN_EVERY_MS) > 0;
		if (join_and_store(tracer, last, &tracer->err) == 0)
			tracer->err.code = 0;
	}
	if (tracer->err.code) {
		n = write(tracer->failed_fd, &one, sizeof(one));
		(void)n; /* only fails when it is raised already */
	}
	return NULL;
}

int user_tracer_start(struct user_tracer *tracer, struct err *err)
{
	const struct user_thread *first = tracer->threads;
	int r;

	while (!first->tid)
		first++;
	r = user_records_note(tracer->records, first->cpu, user_tracer_now(tracer), first->tid,
			      tracer->text, err);
	if (r == 0)
		r = kernel_instance_start(&tracer->events.kernel, err);
	if (r < 0)
		return r;
	tracer->stored_at = user_tracer_now(tracer);
	r = -pthread_create(&tracer->writer, NULL, writer_main, tracer);
	if (r < 0)
		return err_sys(err, r, "cannot start a thread");
	tracer->writing = true;
	for (size_t i = 0; i < tracer->nr_threads; i++)
		sem_post(&tracer->go);
	return 0;
}

int user_tracer_failed_fd(const struct user_tracer *tracer)
{
	return tracer->failed_fd;
}

int user_tracer_stop(struct user_tracer *tracer, struct err *err)
{
	uint64_t one = 1;
	ssize_t n;

	if (!tracer)
		return 0;
	user_threads_stop(tracer);
	if (!tracer->writing)
		return 0;
	n = write(tracer->writer_fd, &one, sizeof(one));
	(void)n; /* only fails when it is raised already */
	pthread_join(tracer->writer, NULL);
	tracer->writing = false;
	if (tracer->err.code)
		*err = tracer->err;
	return tracer->err.code;
}

uint64_t user_tracer_written(const struct user_tracer *tracer, uint32_t cpu)
{
	return user_records_written(tracer->records, cpu);
}

uint64_t user_tracer_lost(const struct user_tracer *tracer, uint32_t cpu)
{
	return user_records_lost(tracer->records, cpu);
}

uint64_t user_tracer_bytes(const struct user_tracer *tracer, uint32_t cpu)
{
	return tracer->bytes[cpu];
}

int user_tracer_names(const struct user_tracer *tracer, struct comms *comms)
{
	int r = 0;

	for (size_t i = 0; i < tracer->nr_threads && r == 0; i++) {
		if (tracer->threads[i].tid)
			r = comms_set(comms, tracer->threads[i].tid, tracer->threads[i].name, true);
	}
	return r;
}

int user_tracer_free(struct user_tracer *tracer, struct err *err)
{
	struct err ignored;
	int r;

	if (!tracer)
		return 0;
	if (tracer->stop_fd >= 0 && user_tracer_stop(tracer, &ignored) < 0)
		tracer->err.code = 0; /* whoever wanted to know has called stop */
	for (size_t i = 0; i < tracer->nr_threads; i++)
		sampler_queue_done(&tracer->threads[i].queue);
	user_records_free(tracer->records);
	r = user_events_close(&tracer->events, err);
	io_close(tracer->stop_fd);
	io_close(tracer->writer_fd);
	io_close(tracer->failed_fd);
	sem_destroy(&tracer->ready);
	sem_destroy(&tracer->go);
	mem_free(tracer->threads);
	mem_free(tracer->cpus);
	mem_free(tracer->bytes);
	mem_free(tracer);
	return r;
}
