/* SPDX-License-Identifier: MIT */
#include "record/drain.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "record/rawread.h"
#include "ring/subbuf.h"

#define CPUS_PER_THREAD 2u
#define THREADS_MAX	64u
#define EVENTS_PER_WAIT 64
#define BATCH_BYTES	(128u << 10) /* handed to the partial at once */
#define URGENT_NICE	(-20)
#define ROUND_BYTES	(4u << 20) /* from one CPU before the others get their turn */

struct drain_source {
	struct drain_cpu of;
	uint64_t bytes; /* written by its thread, read after the join */
	bool unflushed;
};

struct drain_thread {
	struct drain *drain;
	pthread_t thread;
	pid_t tid;
	int epoll_fd;
	size_t first, step; /* serves sources first, first + step, ... */
	uint8_t *batch;
	size_t batch_size;
	struct names_reader *names;
	uint64_t due_ms; /* when all CPUs are looked at, however few their events */
	struct err err;
	bool running;
};

struct drain {
	struct dat_partial *partial;
	const struct names *names;
	unsigned int interval_ms;
	struct drain_source *sources;
	size_t nr_sources, cap_sources;
	struct drain_thread *threads;
	pid_t *tids;
	size_t nr_threads;
	int stop_fd, failed_fd;
	sem_t started;
	/*
	 * Set before stop_fd becomes readable; a thread that has woken for it sees which end is
	 * meant: reading the rest, or leaving at once.
	 */
	atomic_bool abandon;
};

int drain_new(struct drain **ret_drain, struct dat_partial *partial, const struct names *names,
	      unsigned int interval_ms, struct err *err)
{
	struct drain *drain = mem_zalloc(sizeof(*drain));

	if (!drain)
		return err_sys(err, -ENOMEM, "cannot prepare to read the ring buffers");
	drain->partial = partial;
	drain->names = names;
	drain->interval_ms = interval_ms;
	sem_init(&drain->started, 0, 0);
	drain->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	drain->failed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (drain->stop_fd < 0 || drain->failed_fd < 0) {
		int r = -errno;

		drain_free(drain);
		return err_sys(err, r, "cannot prepare to read the ring buffers");
	}
	*ret_drain = drain;
	return 0;
}

static void raise_fd(int fd)
{
	uint64_t one = 1;
	ssize_t n = write(fd, &one, sizeof(one));

	(void)n; /* only fails when it is raised already */
}

static int join_all(struct drain *drain)
{
	int r = 0;

	raise_fd(drain->stop_fd);
	for (size_t i = 0; i < drain->nr_threads; i++) {
		struct drain_thread *thread = &drain->threads[i];

		if (thread->running)
			pthread_join(thread->thread, NULL);
		thread->running = false;
		if (r == 0)
			r = thread->err.code;
	}
	return r;
}

void drain_free(struct drain *drain)
{
	if (!drain)
		return;
	atomic_store(&drain->abandon, true);
	if (drain->stop_fd >= 0)
		join_all(drain);
	for (size_t i = 0; i < drain->nr_threads; i++) {
		io_close(drain->threads[i].epoll_fd);
		mem_free(drain->threads[i].batch);
		names_reader_free(drain->threads[i].names);
	}
	for (size_t i = 0; i < drain->nr_sources; i++)
		io_close(drain->sources[i].of.fd);
	io_close(drain->stop_fd);
	io_close(drain->failed_fd);
	mem_free(drain->sources);
	mem_free(drain->threads);
	mem_free(drain->tids);
	mem_free(drain);
}

int drain_add(struct drain *drain, const struct drain_cpu *cpu, struct err *err)
{
	struct drain_source source = {.of = *cpu};
	int r = array_reserve(&drain->sources, &drain->cap_sources, drain->nr_sources + 1,
			      sizeof(source));

	if (r < 0) {
		io_close(cpu->fd);
		return err_sys(err, r, "cannot prepare to read the ring buffers");
	}
	drain->sources[drain->nr_sources++] = source;
	return 0;
}

/* --- in a thread --- */

/* Hardly anything in it: the kernel gave us the sub-buffer that is just being filled. */
static bool is_partial(const struct drain_source *source, const uint8_t *page)
{
	return (load_u32(page + 8, HOST_BIG) & SUBBUF_COMMIT_MASK) < source->of.page_size / 2;
}

static int append(struct drain_thread *thread, struct drain_source *source, size_t len)
{
	if (!len)
		return 0;
	source->bytes += len;
	source->unflushed = true;
	return dat_partial_append(thread->drain->partial, source->of.buffer, source->of.cpu,
				  thread->batch, len, &thread->err);
}

/* How much is taken from one CPU. */
enum drain_take {
	TAKE_FULL, /* it has reached its watermark: what is known to be full */
	TAKE_NOW,  /* what there is now, until a sub-buffer comes that is still being filled */
	TAKE_REST, /* nothing is written any more: everything */
};

static bool want_more(const struct drain_source *source, enum drain_take how, const uint8_t *page,
		      size_t taken)
{
	if (how == TAKE_REST)
		return true;
	/* To read on would be to chase the writer event by event. */
	if (is_partial(source, page))
		return false;
	return taken < (how == TAKE_NOW ? ROUND_BYTES
					: (size_t)source->of.wake_pages * source->of.page_size);
}

static int take(struct drain_thread *thread, struct drain_source *source, enum drain_take how)
{
	size_t room = thread->batch_size - thread->batch_size % source->of.page_size;
	size_t len = 0, total = 0;
	bool more = true;

	while (more) {
		uint8_t *page = thread->batch + len;
		int r = raw_read_page(source->of.fd, page, source->of.page_size);

		if (r < 0)
			return err_sys(&thread->err, r, "cannot read the kernel's buffer of CPU %u",
				       source->of.cpu);
		if (r == 0)
			break;
		names_scan(thread->names, page, source->of.page_size);
		len += source->of.page_size;
		total += source->of.page_size;
		more = want_more(source, how, page, total);
		if (len < room)
			continue;
		r = append(thread, source, len);
		if (r < 0)
			return r;
		len = 0;
	}
	return append(thread, source, len);
}

static int flush(struct drain_thread *thread, struct drain_source *source)
{
	if (!source->unflushed)
		return 0;
	source->unflushed = false;
	return dat_partial_flush(thread->drain->partial, source->of.buffer, source->of.cpu,
				 &thread->err);
}

/* All of this thread's CPUs: what there is, out to the file. */
static int take_all(struct drain_thread *thread, enum drain_take how)
{
	struct drain *drain = thread->drain;
	int first = 0;

	for (size_t i = thread->first; i < drain->nr_sources; i += thread->step) {
		int r = take(thread, &drain->sources[i], how);

		if (r == 0)
			r = flush(thread, &drain->sources[i]);
		if (r < 0 && how != TAKE_REST)
			return r;
		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

/* Returns 1 when the thread shall end. */
static int serve(struct drain_thread *thread, const struct epoll_event *events, int nr)
{
	for (int i = 0; i < nr; i++) {
		struct drain_source *source = events[i].data.ptr;
		int r;

		if (!source)
			return 1;
		r = take(thread, source, TAKE_FULL);
		if (r < 0)
			return r;
		if (events[i].events & (EPOLLHUP | EPOLLERR))
			epoll_ctl(thread->epoll_fd, EPOLL_CTL_DEL, source->of.fd, NULL);
	}
	return 0;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* All CPUs when the interval is over, so that the busy ones do not keep the others waiting. */
static int take_due(struct drain_thread *thread)
{
	uint64_t now = now_ms();

	if (now < thread->due_ms)
		return 0;
	thread->due_ms = now + thread->drain->interval_ms;
	return take_all(thread, TAKE_NOW);
}

static int run(struct drain_thread *thread)
{
	struct drain *drain = thread->drain;
	struct epoll_event events[EVENTS_PER_WAIT];

	thread->due_ms = now_ms() + drain->interval_ms;
	for (;;) {
		uint64_t now = now_ms();
		int r = io_epoll_wait(thread->epoll_fd, events, EVENTS_PER_WAIT,
				      now < thread->due_ms ? (int)(thread->due_ms - now) : 0);

		if (r == -EINTR)
			continue;
		if (r < 0)
			return err_sys(&thread->err, r, "cannot wait for the ring buffers");
		r = serve(thread, events, r);
		if (r == 0)
			r = take_due(thread);
		if (r < 0)
			return r;
		if (r > 0)
			break;
	}
	return atomic_load(&drain->abandon) ? 0 : take_all(thread, TAKE_REST);
}

/*
 * What keeps a CPU busy with events must not keep their reader from it. The reader needs little
 * time, and needs it soon.
 */
static void make_urgent(void)
{
	if (setpriority(PRIO_PROCESS, 0, URGENT_NICE) < 0)
		return; /* not root: it runs as everything else does */
}

static void *thread_main(void *arg)
{
	struct drain_thread *thread = arg;
	int r;

	thread->tid = gettid();
	make_urgent();
	sem_post(&thread->drain->started); /* drain_start sees the tid behind it */
	r = run(thread);
	if (r < 0) {
		if (!thread->err.code)
			err_sys(&thread->err, r, "cannot record");
		raise_fd(thread->drain->failed_fd);
	}
	return NULL;
}

/* --- from outside --- */

static int watch(const struct drain_thread *thread, int fd, struct drain_source *source)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};

	return epoll_ctl(thread->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int thread_prepare(struct drain_thread *thread, struct err *err)
{
	struct drain *drain = thread->drain;
	int r;

	thread->batch_size = BATCH_BYTES;
	thread->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = thread->epoll_fd < 0 ? -errno : watch(thread, drain->stop_fd, NULL);
	for (size_t i = thread->first; i < drain->nr_sources && r == 0; i += thread->step) {
		thread->batch_size = MAX(thread->batch_size, drain->sources[i].of.page_size);
		r = watch(thread, drain->sources[i].of.fd, &drain->sources[i]);
	}
	if (r == 0) {
		thread->batch = mem_alloc(thread->batch_size);
		r = thread->batch ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = names_reader_new(&thread->names, drain->names);
	return r < 0 ? err_sys(err, r, "cannot prepare to read the ring buffers") : 0;
}

static int make_realtime(struct drain_thread *thread, int priority, struct err *err)
{
	struct sched_param param = {.sched_priority = priority};
	int r = priority ? -pthread_setschedparam(thread->thread, SCHED_FIFO, &param) : 0;

	if (r == -EPERM)
		return err_set(
			err, r,
			"cannot give the reading threads real-time priority %d (-r): that takes "
			"root with CAP_SYS_NICE, which a container may withhold",
			priority);
	return r < 0 ? err_sys(err, r, "cannot give the reading threads real-time priority %d",
			       priority)
		     : 0;
}

static int thread_start(struct drain_thread *thread, int priority, struct err *err)
{
	int r = thread_prepare(thread, err);

	if (r < 0)
		return r;
	r = -pthread_create(&thread->thread, NULL, thread_main, thread);
	if (r < 0)
		return err_sys(err, r, "cannot start a thread");
	thread->running = true;
	while (sem_wait(&thread->drain->started) < 0 && errno == EINTR)
		;
	thread->drain->tids[thread->first] = thread->tid;
	return make_realtime(thread, priority, err);
}

int drain_start(struct drain *drain, int priority, struct err *err)
{
	size_t nr = (drain->nr_sources + CPUS_PER_THREAD - 1) / CPUS_PER_THREAD;
	int r = 0;

	nr = MIN(MAX(nr, (size_t)1), (size_t)THREADS_MAX);
	drain->threads = mem_calloc(nr, sizeof(*drain->threads));
	drain->tids = mem_calloc(nr, sizeof(*drain->tids));
	if (!drain->threads || !drain->tids)
		return err_sys(err, -ENOMEM, "cannot start threads");
	for (size_t i = 0; i < nr && r == 0; i++) {
		drain->threads[i] = (struct drain_thread){
			.drain = drain,
			.epoll_fd = -1,
			.first = i,
			.step = nr,
		};
		drain->nr_threads = i + 1;
		r = thread_start(&drain->threads[i], priority, err);
	}
	return r;
}

size_t drain_tids(const struct drain *drain, const pid_t **ret_tids)
{
	*ret_tids = drain->tids;
	return drain->nr_threads;
}

int drain_failed_fd(const struct drain *drain)
{
	return drain->failed_fd;
}

int drain_stop(struct drain *drain, struct err *err)
{
	int r = join_all(drain);

	for (size_t i = 0; i < drain->nr_threads; i++) {
		if (drain->threads[i].err.code) {
			*err = drain->threads[i].err;
			break;
		}
	}
	return r;
}

int drain_names(const struct drain *drain, struct comms *comms)
{
	int r = 0;

	for (size_t i = 0; i < drain->nr_threads && r == 0; i++)
		r = names_merge(drain->threads[i].names, comms);
	return r;
}

bool drain_watched(const struct drain *drain)
{
	for (size_t i = 0; drain && i < drain->nr_threads; i++) {
		if (names_watched(drain->threads[i].names))
			return true;
	}
	return false;
}

uint64_t drain_bytes(const struct drain *drain, size_t buffer, uint32_t cpu)
{
	for (size_t i = 0; i < drain->nr_sources; i++) {
		if (drain->sources[i].of.buffer == buffer && drain->sources[i].of.cpu == cpu)
			return drain->sources[i].bytes;
	}
	return 0;
}
