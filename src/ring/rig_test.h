/* SPDX-License-Identifier: MIT */
/*
 * For the tests of the ring: a session of this process as the recorder, and a judge that takes its
 * pages and knows what must be in them. A record carries its producer (address) and a number (stack
 * pointer) that only this producer counts up.
 */
#ifndef SONDE_RING_RIG_TEST_H
#define SONDE_RING_RIG_TEST_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/test.h"
#include "ring/reader.h"
#include "ring/session.h"
#include "ring/writer.h"

#define RIG_MAX_PRODUCERS 512u
#define RIG_MAX_RINGS	  64u

static _Thread_local struct ring_thread rig_thread __attribute__((unused));

struct rig {
	struct ring_session session;
	struct ring_header *mapped; /* what a producer in this process writes to */
	struct ring_reader readers[RIG_MAX_RINGS];
	uint32_t nr_rings;
	/* What was read. */
	uint64_t seen[RIG_MAX_PRODUCERS];		 /* records of a producer */
	uint64_t last[RIG_MAX_RINGS][RIG_MAX_PRODUCERS]; /* number + 1 of its last */
	uint64_t sum[RIG_MAX_PRODUCERS];		 /* of the numbers */
	uint64_t time[RIG_MAX_RINGS];
	uint64_t lost, entries, other, blocked; /* other: not calls */
	const char *wrong;
};

static inline bool rig_open(struct rig *rig, enum ring_mode mode, uint32_t size, uint32_t nr,
			    uint32_t fallback)
{
	const struct ring_options options = {
		.mode = mode, .subbuf_size = size, .nr_subbufs = nr, .nr_fallback = fallback};
	int error;

	memset(rig, 0, sizeof(*rig));
	/* Which ring a thread had is true of one session. */
	rig_thread.own = 0;
	if (ring_session_create(&rig->session, &options, NULL))
		return false;
	rig->nr_rings = rig->session.shape.nr_rings;
	rig->mapped = ring_attach(rig->session.fd, &error);
	if (!rig->mapped || rig->nr_rings > RIG_MAX_RINGS)
		return false;
	for (uint32_t i = 0; i < rig->nr_rings; i++)
		if (ring_reader_init(&rig->readers[i], &rig->session, i, NULL))
			return false;
	ring_session_switch(&rig->session, true);
	return true;
}

static inline void rig_close(struct rig *rig)
{
	for (uint32_t i = 0; i < rig->nr_rings; i++)
		ring_reader_done(&rig->readers[i]);
	munmap(rig->mapped, rig->session.shape.bytes);
	ring_session_close(&rig->session);
}

static inline void rig_wrong(struct rig *rig, const char *what)
{
	if (!rig->wrong)
		rig->wrong = what;
}

static inline void rig_record(struct rig *rig, uint32_t ring, const struct subbuf_record *record)
{
	uint32_t type = load_u16(record->data, HOST_BIG), producer, number;

	if (record->ts < rig->time[ring])
		rig_wrong(rig, "time goes back");
	rig->time[ring] = record->ts;
	rig->blocked += type == RING_EVENT_BLOCKED;
	rig->other += type != RING_EVENT_BLOCKED && type != RING_EVENT_ENTRY;
	if (type != RING_EVENT_ENTRY)
		return;
	if (record->len != 16) {
		rig_wrong(rig, "a record of another size");
		return;
	}
	producer = load_u32(record->data + 8, HOST_BIG);
	number = load_u32(record->data + 12, HOST_BIG);
	if (producer >= RIG_MAX_PRODUCERS) {
		rig_wrong(rig, "a record of nobody");
		return;
	}
	if (number < rig->last[ring][producer])
		rig_wrong(rig, "the order of a producer's records in a ring");
	rig->last[ring][producer] = number + 1ull;
	rig->seen[producer]++;
	rig->sum[producer] += number;
}

static inline void rig_page(struct rig *rig, uint32_t ring, const struct ring_page *page)
{
	const struct subbuf_layout layout = ring_layout(&rig->session);
	struct subbuf_cursor cursor;
	struct subbuf_record record;
	uint32_t entries = 0;

	if (subbuf_open(&cursor, &layout, page->data, layout.size))
		rig_wrong(rig, "a page that cannot be opened");
	while (subbuf_next(&cursor, &record)) {
		rig_record(rig, ring, &record);
		entries++;
	}
	if (cursor.corrupt)
		rig_wrong(rig, "a corrupt page");
	if (entries != page->entries)
		rig_wrong(rig, "the page has not as many records as it says");
	if (cursor.lost != (int64_t)page->lost)
		rig_wrong(rig, "the page does not say what was lost");
	rig->lost += page->lost;
	rig->entries += entries;
}

/* Take all complete pages; true when there were any. */
static inline bool rig_drain(struct rig *rig)
{
	struct ring_page page;
	bool any = false;

	for (uint32_t ring = 0; ring < rig->nr_rings; ring++)
		while (ring_reader_take(&rig->readers[ring], &page)) {
			rig_page(rig, ring, &page);
			ring_reader_give_back(&rig->readers[ring]);
			any = true;
		}
	return any;
}

/* All that is left, when nobody writes any more. */
static inline void rig_finish(struct rig *rig)
{
	struct ring_page page;

	rig_drain(rig);
	for (uint32_t ring = 0; ring < rig->nr_rings; ring++) {
		if (ring_reader_partial(&rig->readers[ring], RING_NO_LIMIT, &page))
			rig_page(rig, ring, &page);
		if (ring_reader_tail(&rig->readers[ring], &page))
			rig_page(rig, ring, &page);
	}
}

static inline uint64_t rig_count(const struct rig *rig)
{
	uint64_t total = rig->session.header->lost_outside;

	for (uint32_t ring = 0; ring < rig->nr_rings; ring++)
		total += ring_reader_lost(&rig->readers[ring]) +
			 ring_reader_overrun(&rig->readers[ring]);
	return total;
}

static inline bool rig_write(struct rig *rig, uint32_t producer, uint64_t number)
{
	return ring_write_call(rig->mapped, &rig_thread, RING_EVENT_ENTRY, producer, number << 3);
}

static inline uint64_t rig_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* A producer process; it ends with its parent. */
static inline pid_t rig_fork(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ring_thread_init(&rig_thread);
	}
	return pid;
}

#endif
