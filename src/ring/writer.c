/* SPDX-License-Identifier: MIT */
/*
 * The general path of the writer, and all that is rare: any payload, the time extend, the switch to
 * the next page, the full ring, threads without restartable sequences. It prepares a change in
 * plain C from what it read, and makes it in one step that first checks that what it read still
 * holds.
 */
#include "ring/writer.h"

#include <stddef.h>

#include "ring/raw.h"
#include "ring/subbuf.h"
#include "ring/writer_private.h"

#define MAX_RESTARTS	 100u /* in a row, then the thread's own ring: single steps, storms */
#define WAIT_NS		 (20 * 1000 * 1000) /* how long a recorder may be dead before it is noticed */
#define RING_WAIT_NS	 (1000 * 1000)	    /* for a fallback ring */
#define FUTEX_WAIT_	 0
#define FUTEX_WAKE_	 1
#define FUTEX_TID_MASK_	 0x3fffffffu
#define CLOCK_MONOTONIC_ 1
#define HEAD_BYTES	 4u
#define EXTEND_BYTES	 8u

/* A record to be written. */
struct record {
	const void *payload;
	uint32_t payload_bytes;
	uint32_t bytes;	  /* in the page, without a time extend */
	uint32_t nr_head; /* words in head: extend, header, length, common fields */
	uint32_t head[6];
	uint64_t common;
};

/* What a ring was when it was looked at. */
struct view {
	struct ring_control *control;
	struct ring_slot *slots, *slot;
	uint8_t *page;
	uint64_t commit, sequence, now;
	uint32_t index, offset; /* of the slot, in the page */
};

static const uint8_t zeros[4];

enum outcome {
	DONE,
	RETRY,
	RESTARTED,
	FULL,
	NO_RING
};

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static uint64_t now(const struct ring_header *session)
{
	struct {
		int64_t seconds, ns;
	} time;

	if (session->clock == RING_CLOCK_COUNTER)
		return raw_counter();
	raw_syscall3(SYS_clock_gettime, CLOCK_MONOTONIC_, &time, 0);
	return (uint64_t)time.seconds * 1000000000u + (uint64_t)time.ns;
}

static void futex_wake(uint32_t *word)
{
	raw_syscall3(SYS_futex, word, FUTEX_WAKE_, 0x7fffffff);
}

static void futex_wait(uint32_t *word, uint32_t value, uint64_t ns)
{
	const uint64_t time[2] = {ns / 1000000000u, ns % 1000000000u};

	raw_syscall4(SYS_futex, word, FUTEX_WAIT_, value, time);
}

/* The step where nobody else can write to the ring: the thread's own, signals blocked. */
static bool step_alone(const struct ring_step *step)
{
	for (int i = 0; i < 3; i++)
		if (load(step->checks[i].at) != step->checks[i].value)
			return false;
	for (uint64_t i = 0; i < step->nr_stores; i++) {
		__atomic_store_n(step->stores[i].at, step->stores[i].value, __ATOMIC_RELAXED);
		/* The first says that the slot's old page is gone, before anything of it changes.
		 */
		__atomic_thread_fence(__ATOMIC_RELEASE);
	}
	for (int i = 0; i < 3; i++) {
		volatile uint8_t *to = step->copies[i].to;
		const volatile uint8_t *from = step->copies[i].from;

		for (uint64_t n = 0; n < step->copies[i].bytes; n++)
			to[n] = from[n];
	}
	RING_POINT_HERE(RING_POINT_ALONE_STORED);
	__atomic_store_n(step->last.at, step->last.value, __ATOMIC_RELEASE);
	RING_POINT_HERE(RING_POINT_ALONE_DONE);
	return true;
}

static bool run_step(const struct ring_step *step, void *rseq, uint32_t ring)
{
#ifdef __x86_64__
	if (rseq)
		return ring_step_restartable(step, rseq, ring);
#endif
	(void)rseq;
	(void)ring;
	return step_alone(step);
}

static void look(struct view *view, struct ring_header *session, uint32_t ring)
{
	struct ring_control *control = ring_control(session, ring);
	uint32_t pos;

	view->control = control;
	view->commit = load(&control->commit);
	pos = (uint32_t)view->commit & RING_POS_MASK;
	view->page = ring_data(control) + (pos & control->page_mask);
	view->offset = pos & control->offset_mask;
	view->index = pos / session->subbuf_size;
	view->slots = ring_slots(session, ring);
	view->slot = view->slots + view->index;
	view->sequence = load(&view->slot->sequence);
	view->now = now(session);
}

static void add_check(struct ring_step *step, unsigned int nr, uint64_t *at, uint64_t value)
{
	step->checks[nr].at = at;
	step->checks[nr].value = value;
}

static void add_store(struct ring_step *step, void *at, uint64_t value)
{
	step->stores[step->nr_stores].at = at;
	step->stores[step->nr_stores].value = value;
	step->nr_stores++;
}

/*
 * A step that holds if the ring is as it was seen. The commit word alone could come back to the
 * same value after the ring went round; with the number of the page it cannot.
 */
static void begin_step(struct ring_step *step, const struct view *view)
{
	add_check(step, 0, &view->control->commit, view->commit);
	add_check(step, 1, &view->slot->sequence, view->sequence);
	add_check(step, 2, &view->slot->sequence, view->sequence);
	step->nr_stores = 0;
	step->copies[0].bytes = 0;
	step->copies[1].bytes = 0;
	step->copies[2].bytes = 0;
}

/* Records in a page. Most are of one size, which the branch predictor knows: under a ns each. */
static uint32_t count_entries(const uint8_t *page, uint32_t offset)
{
	uint32_t entries = 0, at = RING_HEAD_BYTES;

	while (at < offset) {
		const uint32_t *head = (const uint32_t *)(const void *)(page + at);
		uint32_t type_len = *head & 31;

		if (__builtin_expect(type_len == RING_CALL_WORDS, 1)) {
			at += RING_CALL_BYTES;
			entries++;
		} else if (type_len == SUBBUF_TIME_EXTEND) {
			at += EXTEND_BYTES;
		} else {
			/* Garbage is possible: a page that others went on with. The step finds out.
			 */
			at += HEAD_BYTES + (type_len ? type_len * 4 : head[1] & 0xfffc);
			entries++;
		}
	}
	return entries;
}

static bool has_room(const struct ring_header *session, const struct view *view)
{
	if (session->mode == RING_OVERWRITE && !ring_snapshot_until(session))
		return true;
	/* Acquire: what the reader did with the page is over before it is written again. */
	return view->sequence + 1 - load(&view->control->read) < session->nr_subbufs;
}

static void wake_recorder(struct ring_header *session)
{
	__atomic_store_n(&session->sleeping, 0, __ATOMIC_RELAXED);
	__atomic_fetch_add(&session->doorbell, 1, __ATOMIC_SEQ_CST);
	futex_wake(&session->doorbell);
}

static void ring_doorbell(struct ring_header *session, const struct view *view)
{
	if (__atomic_load_n(&session->sleeping, __ATOMIC_RELAXED) &&
	    view->sequence + 1 - load(&view->control->read) >= session->wake_pages)
		wake_recorder(session);
}

/* Begin the next page. */
static enum outcome switch_page(struct ring_header *session, const struct view *view, void *rseq,
				uint32_t ring)
{
	const uint32_t next = (view->index + 1) & (session->nr_subbufs - 1);
	struct ring_slot *slot = &view->slots[next];
	uint8_t *page = ring_data(view->control) + (size_t)next * session->subbuf_size;
	uint64_t lost = load(&view->control->lost);
	uint32_t length = view->offset - RING_HEAD_BYTES, entries;
	struct ring_step step;

	RING_POINT_HERE(RING_POINT_SWITCH);
	if (!has_room(session, view))
		return FULL;
	entries = count_entries(view->page, view->offset);
	begin_step(&step, view);
	add_check(&step, 2, &view->control->lost, lost);
	/* First: from here on a reader knows that the page that was in this slot is gone. */
	add_store(&step, &slot->sequence, view->sequence + 1);
	add_store(&step, &slot->entries_before, view->slot->entries_before + entries);
	add_store(&step, &slot->lost_before, lost);
	add_store(&step, &view->slot->length, (uint64_t)entries << 32 | length);
	add_store(&step, view->page + 8, length);
	add_store(&step, page, view->now);
	/* The commit: the old page is complete, the new one has begun, and is empty. */
	step.last.at = &view->control->commit;
	step.last.value = (uint64_t)next * session->subbuf_size + RING_HEAD_BYTES;
	if (!run_step(&step, rseq, ring))
		return RESTARTED;
	ring_doorbell(session, view);
	return RETRY;
}

/* Count an event that found the ring full. */
static enum outcome lose(const struct view *view, void *rseq, uint32_t ring)
{
	uint64_t lost = load(&view->control->lost);
	struct ring_step step;

	begin_step(&step, view);
	add_check(&step, 2, &view->control->lost, lost);
	step.last.at = &view->control->lost;
	step.last.value = lost + 1;
	return run_step(&step, rseq, ring) ? DONE : RESTARTED;
}

static void put_head(struct record *record, uint64_t delta)
{
	const uint32_t padded = (8 + record->payload_bytes + 3) & ~3u;
	uint32_t *word = record->head;

	if (delta > SUBBUF_DELTA_MASK) {
		*word++ = (uint32_t)(delta & SUBBUF_DELTA_MASK) << 5 | SUBBUF_TIME_EXTEND;
		*word++ = (uint32_t)(delta >> 27);
		delta = 0;
	}
	*word++ = (uint32_t)delta << 5 | (padded <= SUBBUF_DATA_MAX * 4 ? padded / 4 : 0);
	if (padded > SUBBUF_DATA_MAX * 4)
		*word++ = padded + 4;
	*word++ = (uint32_t)record->common;
	*word++ = (uint32_t)(record->common >> 32);
	record->nr_head = (uint32_t)(word - record->head);
}

static void record_init(struct record *record, const struct ring_thread *thread, uint16_t type,
			const void *payload, uint32_t len)
{
	const uint32_t padded = (8 + len + 3) & ~3u;

	record->payload = payload;
	record->payload_bytes = len;
	record->bytes = HEAD_BYTES + (padded > SUBBUF_DATA_MAX * 4 ? 4 : 0) + padded;
	record->common = thread->common + type;
}

/*
 * One attempt to write the record into a ring: done, or why not. RETRY: the ring has moved on, look
 * again.
 */
static enum outcome attempt(struct ring_header *session, uint32_t ring, void *rseq,
			    struct record *record, bool count_loss)
{
	const uint32_t end = session->subbuf_size - RING_TAIL_BYTES;
	uint64_t start, time, last, delta;
	enum outcome outcome;
	struct ring_step step;
	struct view view;
	uint32_t need;
	uint8_t *to;

	look(&view, session, ring);
	begin_step(&step, &view);
	if (view.offset == RING_HEAD_BYTES)
		/* An empty page begins with its first record; until that counts, so does no time.
		 */
		add_store(&step, view.page, view.now);
	start = view.offset == RING_HEAD_BYTES ? view.now : load((uint64_t *)(void *)view.page);
	last = view.commit >> RING_POS_BITS;
	time = view.now < start + last ? last : view.now - start; /* never back */
	delta = time - last;
	need = record->bytes + (delta > SUBBUF_DELTA_MASK ? EXTEND_BYTES : 0);
	if (time > RING_TIME_MAX || view.offset + need > end) {
		outcome = switch_page(session, &view, rseq, ring);
		if (outcome != FULL || !count_loss)
			return outcome;
		outcome = lose(&view, rseq, ring);
		return outcome == DONE ? FULL : outcome;
	}
	put_head(record, delta);
	to = view.page + view.offset;
	step.copies[0].to = to;
	step.copies[0].from = record->head;
	step.copies[0].bytes = record->nr_head * 4;
	step.copies[1].to = to + record->nr_head * 4;
	step.copies[1].from = record->payload;
	step.copies[1].bytes = record->payload_bytes;
	step.copies[2].to = to + record->nr_head * 4 + record->payload_bytes;
	step.copies[2].from = zeros;
	step.copies[2].bytes = -record->payload_bytes & 3;
	step.last.at = &view.control->commit;
	step.last.value = time << RING_POS_BITS | (((uint32_t)view.commit & RING_POS_MASK) + need);
	return run_step(&step, rseq, ring) ? DONE : RESTARTED;
}

/* The kernel takes the recorder's thread out of this word when that ends. */
static bool recorder_lives(const struct ring_header *session)
{
	const uint32_t *word = (const void *)(session->alive + session->alive_offset);

	return __atomic_load_n(word, __ATOMIC_RELAXED) & FUTEX_TID_MASK_;
}

/* Nobody will read any more: no writer needs to wait, or to write. */
static void give_up(struct ring_header *session)
{
	__atomic_store_n(&session->state, ring_state(session, RING_TRACING_OFF), __ATOMIC_RELAXED);
}

/* Wait until the ring may have room again. False: do not wait, nobody reads. */
static bool wait_for_room(struct ring_header *session, uint32_t ring)
{
	struct ring_control *control = ring_control(session, ring);
	uint32_t wake = __atomic_load_n(&control->wake, __ATOMIC_ACQUIRE);
	struct view view;

	/*
	 * Before room is looked for: either this sees what the reader gave back, or the reader sees
	 * that somebody waits. The wait ends by itself in any case.
	 */
	__atomic_exchange_n(&control->waiters, 1, __ATOMIC_SEQ_CST);
	look(&view, session, ring);
	RING_POINT_HERE(RING_POINT_FULL);
	if (has_room(session, &view))
		return true;
	if (!recorder_lives(session)) {
		give_up(session);
		return false;
	}
	/* It may have gone to sleep after this ring's last page was begun. */
	ring_doorbell(session, &view);
	RING_POINT_HERE(RING_POINT_WAIT);
	futex_wait(&control->wake, wake, WAIT_NS);
	RING_POINT_HERE(RING_POINT_WAITED);
	return true;
}

/* In a ring that is this thread's own meanwhile, nothing else of the thread running. */
static enum outcome attempt_alone(struct ring_header *session, struct ring_thread *thread,
				  struct record *record, bool count_loss, uint32_t *ret_ring)
{
	enum outcome outcome = NO_RING;
	uint64_t signals;
	int32_t ring;

	raw_signals_block(&signals);
	ring = ring_thread_take(session, thread);
	if (ring >= 0) {
		*ret_ring = (uint32_t)ring;
		RING_POINT_HERE(RING_POINT_ALONE);
		outcome = attempt(session, *ret_ring, 0, record, count_loss);
		ring_thread_give_back(session, *ret_ring);
	}
	raw_signals_restore(&signals);
	return outcome;
}

/* On this CPU's ring, or one that is the thread's own meanwhile. */
static enum outcome attempt_somewhere(struct ring_header *session, struct ring_thread *thread,
				      unsigned int restarts, struct record *record, bool count_loss,
				      uint32_t *ret_ring)
{
	const uint32_t *cpu_id = (uint32_t *)((uintptr_t)thread->rseq + RING_RSEQ_CPU_ID);

	if (thread->rseq && restarts < MAX_RESTARTS) {
		*ret_ring = __atomic_load_n(cpu_id, __ATOMIC_RELAXED);
		if (*ret_ring < session->nr_cpus)
			return attempt(session, *ret_ring, thread->rseq, record, count_loss);
	}
	return attempt_alone(session, thread, record, count_loss, ret_ring);
}

/* The time that this thread waited, as an event, if that can be stored at once. */
static bool tell_blocked(struct ring_header *session, struct ring_thread *thread, uint64_t since)
{
	const uint64_t waited = now(session) - since;
	unsigned int restarts = 0;
	struct record record;
	enum outcome outcome;
	uint32_t ring;

	record_init(&record, thread, RING_EVENT_BLOCKED, &waited, sizeof(waited));
	do {
		outcome = attempt_somewhere(session, thread, restarts, &record, false, &ring);
		restarts += outcome == RESTARTED;
	} while (outcome == RETRY || outcome == RESTARTED);
	return outcome == DONE;
}

static bool lose_outside(struct ring_header *session)
{
	__atomic_fetch_add(&session->lost_outside, 1, __ATOMIC_RELAXED);
	return false;
}

/*
 * All fallback rings are in use, each for one record; false: there are none, or nobody reads any
 * more.
 */
static bool wait_for_ring(struct ring_header *session)
{
	uint32_t *wake = &ring_control(session, session->nr_cpus)->wake;

	if (session->nr_rings == session->nr_cpus || session->mode != RING_BLOCK)
		return false;
	if (!recorder_lives(session)) {
		give_up(session);
		return false;
	}
	futex_wait(wake, __atomic_load_n(wake, __ATOMIC_RELAXED), RING_WAIT_NS);
	return true;
}

bool ring_write(struct ring_header *session, struct ring_thread *thread, uint16_t type,
		const void *payload, uint32_t len)
{
	unsigned int restarts = 0;
	uint64_t blocked_since = 0;
	struct record record;
	bool count_loss;

	if (!thread->known)
		ring_thread_init(thread);
	if (!ring_is_tracing(session))
		return false;
	if (len > ring_payload_max(session))
		return lose_outside(session);
	record_init(&record, thread, type, payload, len);
	/* A ring that is overwritten is full only where it waits for a snapshot. */
	count_loss = session->mode == RING_DROP;
	for (;;) {
		uint32_t ring = 0;
		enum outcome outcome;

		if (blocked_since && tell_blocked(session, thread, blocked_since))
			blocked_since = 0;
		outcome = attempt_somewhere(session, thread, restarts, &record, count_loss, &ring);
		restarts = outcome == RESTARTED ? restarts + 1 : 0;
		if (outcome == DONE)
			return true;
		if (outcome == NO_RING && !wait_for_ring(session))
			return lose_outside(session);
		if (outcome != FULL && outcome != NO_RING)
			continue;
		if (count_loss || !ring_is_tracing(session))
			return false;
		if (outcome == NO_RING)
			continue;
		if (!blocked_since)
			blocked_since = now(session);
		count_loss = !wait_for_room(session, ring);
	}
}

bool ring_want_snapshot(struct ring_header *session)
{
	if (__atomic_load_n(&session->tracing_on, __ATOMIC_RELAXED) == RING_TRACING_OFF)
		return false;
	raw_counter_behind();
	ring_wish_snapshot(session, now(session));
	/* Either this sees that the recorder sleeps, or it sees the wish before it does. */
	if (__atomic_load_n(&session->sleeping, __ATOMIC_SEQ_CST))
		wake_recorder(session);
	return true;
}

#ifndef __x86_64__
bool ring_write_call(struct ring_header *session, struct ring_thread *thread, uint16_t type,
		     uint32_t addr, uint64_t sp)
{
	const uint32_t payload[2] = {addr, (uint32_t)(sp >> 3)};

	return ring_write(session, thread, type, payload, sizeof(payload));
}
#endif

#ifdef RING_TEST_POINTS
volatile uint32_t ring_point, ring_point_signal, ring_point_pid;

void ring_point_hit(void)
{
	ring_point = 0;
	raw_syscall3(SYS_kill, ring_point_pid, ring_point_signal, 0);
}
#endif
