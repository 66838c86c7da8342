/* SPDX-License-Identifier: MIT */
#include "record/program_drain.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "ring/reader.h"

#define RING_AGAIN_NS 5000000

struct source {
	struct ring_reader reader;
	struct program_drained counts;
	bool ready, unflushed;
};

enum {
	GO_ON,
	TAKE_REST,
	LEAVE
};

struct program_drain {
	struct program_drain_options options;
	struct source *sources;
	uint32_t nr_sources;
	struct names_reader *names;
	pthread_t thread;
	bool running;
	atomic_int wish; /* one of the above; the thread looks after every wait */
	int failed_fd;
	struct err err; /* the thread's; read after the join */
};

/* --- in the thread --- */

int program_drain_store(struct program_drain *drain, uint32_t ring, const void *page, uint32_t nr)
{
	struct source *source = &drain->sources[ring];
	uint32_t size = drain->options.session->shape.subbuf_size;
	int r;

	names_scan(drain->names, page, size);
	r = dat_partial_append(drain->options.partial, drain->options.buffer, ring, page, size,
			       &drain->err);
	if (r == 0) {
		source->counts.read += nr;
		source->counts.bytes += size;
		source->unflushed = true;
	}
	return r;
}

static int store(struct program_drain *drain, uint32_t ring, const struct ring_page *page)
{
	return program_drain_store(drain, ring, page->data, page->entries);
}

static int take(struct program_drain *drain, uint32_t ring)
{
	struct source *source = &drain->sources[ring];
	struct ring_page page;
	int r = 0;

	while (r == 0 && ring_reader_take(&source->reader, &page) > 0) {
		r = store(drain, ring, &page);
		ring_reader_give_back(&source->reader);
	}
	return r;
}

static int flush(struct program_drain *drain, uint32_t ring)
{
	if (!drain->sources[ring].unflushed)
		return 0;
	drain->sources[ring].unflushed = false;
	return dat_partial_flush(drain->options.partial, drain->options.buffer, ring, &drain->err);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int make_due(struct program_drain *drain)
{
	return drain->options.due ? drain->options.due(drain->options.ctx, drain) : 0;
}

static int take_all(struct program_drain *drain, bool to_file)
{
	int r = to_file ? make_due(drain) : 0;

	for (uint32_t ring = 0; ring < drain->nr_sources && r == 0; ring++) {
		r = take(drain, ring);
		if (r == 0 && to_file)
			r = flush(drain, ring);
	}
	return r;
}

/* Nobody writes any more: also what is not a whole page. */
static int take_rest(struct program_drain *drain)
{
	int r = take_all(drain, false);

	if (r == 0)
		r = make_due(drain);
	for (uint32_t ring = 0; ring < drain->nr_sources && r == 0; ring++) {
		struct ring_page page;

		if (ring_reader_partial(&drain->sources[ring].reader, &page) > 0)
			r = store(drain, ring, &page);
		if (r == 0 && ring_reader_tail(&drain->sources[ring].reader, &page) > 0)
			r = store(drain, ring, &page);
		if (r == 0)
			r = flush(drain, ring);
	}
	return r;
}

static int run(struct program_drain *drain)
{
	uint64_t due = now_ms() + drain->options.interval_ms;

	while (atomic_load(&drain->wish) == GO_ON) {
		uint64_t now = now_ms();
		int r;

		ring_session_wait(drain->options.session, now < due ? (int)(due - now) : 0);
		now = now_ms();
		r = take_all(drain, now >= due);
		if (now >= due)
			due = now + drain->options.interval_ms;
		if (r < 0)
			return r;
	}
	return atomic_load(&drain->wish) == TAKE_REST ? take_rest(drain) : 0;
}

static void *thread_main(void *arg)
{
	struct program_drain *drain = arg;
	uint64_t one = 1;
	int r = run(drain);

	if (r < 0) {
		if (!drain->err.code)
			err_sys(&drain->err, r, "cannot record");
		(void)!write(drain->failed_fd, &one, sizeof(one));
	}
	return NULL;
}

/* --- from outside --- */

static int prepare(struct program_drain *drain)
{
	const struct program_drain_options *options = &drain->options;
	int r = names_reader_new(&drain->names, options->names);

	drain->failed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (drain->failed_fd < 0)
		return -errno;
	drain->nr_sources = options->session->shape.nr_rings;
	drain->sources = mem_calloc(drain->nr_sources, sizeof(*drain->sources));
	if (!drain->sources)
		return -ENOMEM;
	for (uint32_t ring = 0; ring < drain->nr_sources && r == 0; ring++) {
		r = ring_reader_init(&drain->sources[ring].reader, options->session, ring);
		drain->sources[ring].ready = r == 0;
	}
	return r;
}

int program_drain_new(struct program_drain **ret_drain, const struct program_drain_options *options,
		      struct err *err)
{
	struct program_drain *drain = mem_zalloc(sizeof(*drain));
	int r;

	if (!drain)
		return err_sys(err, -ENOMEM, "cannot prepare to read the buffers");
	drain->options = *options;
	drain->failed_fd = -1;
	r = prepare(drain);
	if (r == 0) {
		r = -pthread_create(&drain->thread, NULL, thread_main, drain);
		drain->running = r == 0;
	}
	if (r < 0) {
		program_drain_free(drain);
		return err_sys(err, r, "cannot prepare to read the buffers");
	}
	*ret_drain = drain;
	return 0;
}

int program_drain_failed_fd(const struct program_drain *drain)
{
	return drain->failed_fd;
}

/* The thread may be just about to sleep: rung until it has heard. */
static void end(struct program_drain *drain, int wish)
{
	struct ring_header *header = drain->options.session->header;
	struct timespec until;

	if (!drain->running)
		return;
	atomic_store(&drain->wish, wish);
	do {
		__atomic_fetch_add(&header->doorbell, 1, __ATOMIC_SEQ_CST);
		syscall(SYS_futex, &header->doorbell, FUTEX_WAKE, 1, NULL, NULL, 0);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += RING_AGAIN_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
	} while (pthread_timedjoin_np(drain->thread, NULL, &until) != 0);
	drain->running = false;
}

int program_drain_stop(struct program_drain *drain, struct err *err)
{
	end(drain, TAKE_REST);
	if (drain->err.code)
		*err = drain->err;
	return drain->err.code;
}

struct program_drained program_drain_counts(const struct program_drain *drain, uint32_t ring)
{
	const struct source *source = &drain->sources[ring];
	struct program_drained counts = source->counts;

	counts.lost = ring_reader_lost(&source->reader);
	counts.overrun = ring_reader_overrun(&source->reader);
	return counts;
}

int program_drain_names(const struct program_drain *drain, struct comms *comms)
{
	return names_merge(drain->names, comms);
}

void program_drain_free(struct program_drain *drain)
{
	if (!drain)
		return;
	end(drain, LEAVE);
	for (uint32_t ring = 0; drain->sources && ring < drain->nr_sources; ring++) {
		if (drain->sources[ring].ready)
			ring_reader_done(&drain->sources[ring].reader);
	}
	names_reader_free(drain->names);
	io_close(drain->failed_fd);
	mem_free(drain->sources);
	mem_free(drain);
}
