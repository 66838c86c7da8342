/* SPDX-License-Identifier: MIT */
#include "record/program_drain.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "ring/reader.h"

#define RING_AGAIN_NS  5000000
#define NAMES_EVERY_MS 200
#define HASTE_PART     2u /* of a ring: so full it has to be */

struct source {
	struct ring_reader reader;
	bool ready;
};

struct batch {
	uint32_t pages, records;
	bool in_haste; /* the ring is half full: there is no time to compress */
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
	uint64_t names_stored; /* of those that it has taken */
	uint8_t *batch;	       /* pages on their way */
	uint32_t batch_pages;
	uint64_t haste_left;   /* bytes of pages that may still be stored as they are */
	uint64_t page_cost[2]; /* ns that a page has taken lately, compressed and as it is; 0: ? */
	pthread_t thread;
	bool running;
	bool all; /* what a snapshot is wanted of holds nothing back any more */
	_Atomic(struct program_snapshot *) snapshot; /* the last one, until it is fetched */
	atomic_int wish; /* one of the above; the thread looks after every wait */
	int failed_fd;
	struct err err; /* the thread's; read after the join */
};

/* --- in the thread --- */

static uint32_t subbuf_size(const struct program_drain *drain)
{
	return drain->options.session->shape.subbuf_size;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The last eight count most. */
static void note_cost(struct program_drain *drain, const struct batch *batch, uint64_t ns)
{
	uint64_t *cost = &drain->page_cost[batch->in_haste], now = ns / batch->pages;

	*cost = *cost ? *cost - *cost / 8 + now / 8 : now;
}

/* The pages in `batch`, as one chunk: all of them or none, also for whoever comes after a kill. */
static int store(struct program_drain *drain, uint32_t ring, const struct batch *batch, bool rest)
{
	struct program_kept_ring *kept = &drain->options.kept->rings[ring];
	const struct program_kept_state *before = &kept->states[kept->current];
	struct program_kept_state *after = &kept->states[!kept->current];
	const size_t bytes = (size_t)batch->pages * subbuf_size(drain);
	const uint64_t began = now_ns();
	int r;

	after->bytes = 0;
	after->place = drain->sources[ring].reader.place;
	after->read = before->read + batch->records;
	after->page_bytes = before->page_bytes + bytes;
	after->rest = rest;
	r = dat_partial_store(drain->options.partial, drain->options.buffer, ring, drain->batch,
			      bytes, batch->in_haste, &after->bytes, &drain->err);
	if (batch->in_haste)
		drain->haste_left -= bytes;
	note_cost(drain, batch, now_ns() - began);
	if (r == 0) /* A keeper goes on behind these pages. */
		__atomic_store_n(&kept->current, !kept->current, __ATOMIC_RELEASE);
	return r;
}

int program_drain_store(struct program_drain *drain, uint32_t ring, const void *page, uint32_t nr)
{
	const struct batch batch = {.pages = 1, .records = nr};

	memcpy(drain->batch, page, subbuf_size(drain));
	return store(drain, ring, &batch, false);
}

static void put(struct program_drain *drain, struct batch *batch, const struct ring_page *page)
{
	uint8_t *to = drain->batch + (size_t)batch->pages * subbuf_size(drain);

	memcpy(to, page->data, subbuf_size(drain));
	names_scan(drain->names, to, subbuf_size(drain));
	batch->pages++;
	batch->records += page->entries;
}

static bool is_over(const struct program_drain *drain, uint32_t ring)
{
	const struct program_kept_ring *kept = &drain->options.kept->rings[ring];

	return kept->states[kept->current].rest;
}

/*
 * A page with records that are later than a snapshot that is wanted goes to the stream when that
 * has been made. First it is complete, then nothing is wanted: so no record in it is behind a wish.
 */
static bool may_take(const struct program_drain *drain, const struct ring_reader *reader)
{
	uint64_t until;

	if (!ring_reader_complete(reader))
		return false;
	until = drain->all ? 0 : ring_snapshot_until(drain->options.session->header);
	return !until || ring_reader_ends_by(reader, until);
}

/*
 * Whether pages go as they are. Who fills a ring faster than its pages can be compressed waits for
 * that, or loses records; so they are stored as they are, and compressed at the end
 * (tracedat/pack.h). Not where only the newest are kept, and not where writing so much takes longer
 * than compressing it (a slow disk; memory that a virtual machine has to be given first), which is
 * tried again now and then.
 */
static bool choose_haste(struct program_drain *drain, const struct ring_reader *reader)
{
	const struct ring_shape *shape = &drain->options.session->shape;
	uint64_t *cost = drain->page_cost;

	if (shape->mode == RING_OVERWRITE ||
	    ring_reader_complete(reader) < shape->nr_subbufs / HASTE_PART ||
	    drain->haste_left < (uint64_t)drain->batch_pages * shape->subbuf_size)
		return false;
	if (cost[true] <= cost[false])
		return true;
	cost[true] -= cost[true] / 64;
	return false;
}

/*
 * Complete pages, as long as there are so many: to chase the writer page by page would make small
 * chunks.
 */
static int take(struct program_drain *drain, uint32_t ring, uint32_t least)
{
	struct ring_reader *reader = &drain->sources[ring].reader;
	int r = 0;

	if (is_over(drain, ring))
		return 0;
	while (r == 0 && ring_reader_complete(reader) >= least) {
		struct batch batch = {.in_haste = choose_haste(drain, reader)};
		struct ring_page page;

		while (batch.pages < drain->batch_pages && may_take(drain, reader) &&
		       ring_reader_take(reader, &page) > 0)
			put(drain, &batch, &page);
		if (!batch.pages)
			return 0;
		r = store(drain, ring, &batch, false);
		if (r == 0 && !drain->options.salvage)
			ring_reader_give_back(reader);
	}
	return r;
}

static uint64_t now_ms(void)
{
	return now_ns() / 1000000;
}

static int make_due(struct program_drain *drain)
{
	return drain->options.due ? drain->options.due(drain->options.ctx, drain) : 0;
}

static int take_all(struct program_drain *drain, uint32_t least)
{
	int r = 0;

	for (uint32_t ring = 0; ring < drain->nr_sources && r == 0; ring++)
		r = take(drain, ring, least);
	return r;
}

/* Names that came up go to OUT.partial soon: who is killed has no end at which to do it. */
static int store_names(struct program_drain *drain)
{
	_cleanup_out_ struct out text = {0};
	struct comms comms = {0};
	int r = names_merge(drain->names, &comms);

	if (r == 0)
		r = comms_text(&comms, &text);
	comms_done(&comms);
	if (r == 0)
		r = dat_partial_cmdlines(drain->options.partial, text.buf ? text.buf : "", text.len,
					 &drain->err);
	drain->names_stored = names_taken(drain->names);
	return r;
}

static int add_to_snapshot(struct program_drain *drain, struct program_snapshot *snapshot,
			   uint32_t ring, const struct ring_page *page)
{
	int r = program_snapshot_add(snapshot, ring, page->data);

	/* Names of tasks that begin there. */
	if (r == 0)
		names_scan(drain->names, page->data, subbuf_size(drain));
	return r;
}

/* A ring whose complete pages from before `until` are in its stream. */
static int look_at_ring(struct program_drain *drain, struct program_snapshot *snapshot,
			uint32_t ring, uint64_t until)
{
	struct ring_reader *reader = &drain->sources[ring].reader;
	const struct program_kept_ring *kept = &drain->options.kept->rings[ring];
	struct ring_page page;
	int r = 0;

	snapshot->ends[ring].bytes = kept->states[kept->current].bytes;
	if (ring_reader_partial(reader, until, &page) > 0)
		r = add_to_snapshot(drain, snapshot, ring, &page);
	if (r == 0 && ring_reader_tail(reader, &page) > 0 && page.ts <= until)
		r = add_to_snapshot(drain, snapshot, ring, &page);
	return r;
}

/*
 * All up to the time at which a program has asked for it; what is written meanwhile comes behind
 * it. It takes the place of one that was not fetched.
 */
static int make_snapshot(struct program_drain *drain)
{
	struct ring_session *session = drain->options.session;
	uint64_t until = ring_snapshot_until(session->header);
	struct program_snapshot *snapshot;
	int r = take_all(drain, 1);

	snapshot =
		program_snapshot_new(drain->options.partial, drain->nr_sources, subbuf_size(drain));
	if (!snapshot)
		return -ENOMEM;
	for (uint32_t ring = 0; ring < drain->nr_sources && r == 0; ring++)
		r = look_at_ring(drain, snapshot, ring, until);
	ring_session_snapshot_done(session, until);
	if (r == 0 && names_taken(drain->names) > drain->names_stored)
		r = store_names(drain);
	if (r == 0)
		snapshot = atomic_exchange(&drain->snapshot, snapshot);
	program_snapshot_free(snapshot);
	return r;
}

static int look_for_snapshot(struct program_drain *drain)
{
	return ring_snapshot_until(drain->options.session->header) ? make_snapshot(drain) : 0;
}

/* Nobody writes any more: also what is not a whole page. */
static int take_rest(struct program_drain *drain)
{
	int r = drain->options.salvage ? 0 : look_for_snapshot(drain);

	drain->all = true;
	if (r == 0)
		r = take_all(drain, 1);
	if (r == 0)
		r = make_due(drain);
	for (uint32_t ring = 0; ring < drain->nr_sources && r == 0; ring++) {
		struct ring_reader *reader = &drain->sources[ring].reader;
		struct batch batch = {0};
		struct ring_page page;

		if (is_over(drain, ring))
			continue;
		if (ring_reader_partial(reader, RING_NO_LIMIT, &page) > 0)
			put(drain, &batch, &page);
		if (ring_reader_tail(reader, &page) > 0)
			put(drain, &batch, &page);
		if (batch.pages)
			r = store(drain, ring, &batch, true);
	}
	return r;
}

static int run(struct program_drain *drain)
{
	uint64_t due = now_ms() + drain->options.interval_ms, names_due = 0;

	while (atomic_load(&drain->wish) == GO_ON) {
		uint64_t now = now_ms();
		int r;

		ring_session_wait(drain->options.session, now < due ? (int)(due - now) : 0);
		now = now_ms();
		r = take_all(drain, now >= due ? 1 : drain->batch_pages);
		if (r == 0)
			r = look_for_snapshot(drain);
		if (r == 0 && now >= due)
			r = make_due(drain);
		if (now >= due)
			due = now + drain->options.interval_ms;
		if (r == 0 && now >= names_due && names_taken(drain->names) > drain->names_stored) {
			names_due = now + NAMES_EVERY_MS;
			r = store_names(drain);
		}
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

/* Which of a ring's two states is true: its stream says it. */
static int go_on(struct program_drain *drain, uint32_t ring)
{
	struct program_kept_ring *kept = &drain->options.kept->rings[ring];
	uint64_t size = kept->states[kept->current].bytes;
	uint64_t target = kept->states[!kept->current].bytes;
	bool whole;
	int r;

	if (!size && !target)
		return 0;
	r = dat_partial_adopt_stream(drain->options.partial, drain->options.buffer, ring, size,
				     target, &whole, &drain->err);
	if (r == 0 && whole)
		kept->current = !kept->current;
	return r;
}

/* An eighth of the memory, in which they wait to be written, and of the room on the disk. */
static uint64_t haste_bytes(const struct program_drain *drain)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	struct statvfs disk;

	if (drain->options.salvage ||
	    fstatvfs(dat_partial_descriptor(drain->options.partial), &disk) < 0)
		return 0;
	return MIN(memory, (uint64_t)disk.f_bavail * disk.f_frsize) / 8;
}

static int prepare(struct program_drain *drain)
{
	const struct program_drain_options *options = &drain->options;
	int r = names_reader_new(&drain->names, options->names);

	drain->failed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (drain->failed_fd < 0)
		return -errno;
	drain->batch_pages =
		MIN((uint32_t)dat_partial_chunk_bytes(options->partial, 0) / subbuf_size(drain),
		    MAX(options->session->shape.nr_subbufs / 4, 1u));
	/* Two at the end, however small the ring is. */
	drain->batch = mem_alloc((size_t)MAX(drain->batch_pages, 2u) * subbuf_size(drain));
	drain->haste_left = haste_bytes(drain);
	drain->nr_sources = options->session->shape.nr_rings;
	drain->sources = mem_calloc(drain->nr_sources, sizeof(*drain->sources));
	if (!drain->sources || !drain->batch)
		return -ENOMEM;
	for (uint32_t ring = 0; ring < drain->nr_sources && r == 0; ring++) {
		struct program_kept_ring *kept = &options->kept->rings[ring];

		if (options->salvage)
			r = go_on(drain, ring);
		if (r == 0)
			r = ring_reader_init(&drain->sources[ring].reader, options->session, ring,
					     &kept->states[kept->current].place);
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
	if (r == 0 && !options->salvage) {
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
	if (drain->options.salvage) {
		int r = take_rest(drain);

		return r < 0 && !drain->err.code ? err_sys(err, r, "cannot record") : r;
	}
	end(drain, TAKE_REST);
	if (drain->err.code)
		*err = drain->err;
	return drain->err.code;
}

struct program_drained program_drain_counts(const struct program_drain *drain, uint32_t ring)
{
	const struct ring_reader *reader = &drain->sources[ring].reader;
	const struct program_kept_ring *kept = &drain->options.kept->rings[ring];
	const struct program_kept_state *state = &kept->states[kept->current];

	return (struct program_drained){
		.read = state->read,
		.lost = ring_reader_lost(reader),
		.overrun = ring_reader_overrun(reader),
		.bytes = state->page_bytes,
	};
}

struct program_snapshot *program_drain_snapshot(struct program_drain *drain)
{
	return atomic_exchange(&drain->snapshot, NULL);
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
	program_snapshot_free(program_drain_snapshot(drain));
	names_reader_free(drain->names);
	io_close(drain->failed_fd);
	mem_free(drain->batch);
	mem_free(drain->sources);
	mem_free(drain);
}
