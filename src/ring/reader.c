/* SPDX-License-Identifier: MIT */
#include "ring/reader.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

#define COMMIT_AT 8u
#define MAX_TRIES 1000u

struct subbuf_layout ring_layout(const struct ring_session *session)
{
	return (struct subbuf_layout){
		.size = session->shape.subbuf_size, .long_size = 8, .big_endian = HOST_BIG};
}

static struct ring_slot *slot_of(const struct ring_reader *reader, uint64_t number)
{
	return &reader->slots[number & (reader->nr_subbufs - 1)];
}

static uint8_t *page_of(const struct ring_reader *reader, uint64_t number)
{
	return reader->data + (size_t)(number & (reader->nr_subbufs - 1)) * reader->subbuf_size;
}

/* Acquire: the records and the slots up to this state are visible. */
static uint32_t position(const struct ring_reader *reader, uint64_t *ret_commit)
{
	*ret_commit = __atomic_load_n(&reader->control->commit, __ATOMIC_ACQUIRE);
	return (uint32_t)*ret_commit & (reader->nr_subbufs * reader->subbuf_size - 1);
}

static uint64_t sequence(const struct ring_slot *slot)
{
	return __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);
}

/*
 * Number of the page that is being written. Where pages wait to be given back it is at most a ring
 * ahead, so its slot says it; a ring that is overwritten can be any number of rounds ahead.
 */
static uint64_t current_page(const struct ring_reader *reader, uint32_t pos)
{
	const uint32_t index = pos / reader->subbuf_size;

	if (reader->mode == RING_OVERWRITE)
		return sequence(&reader->slots[index]);
	return reader->place.next + ((index - reader->place.next) & (reader->nr_subbufs - 1));
}

/* At the first page that was not given back. */
static void find_place(struct ring_reader *reader)
{
	struct ring_place *place = &reader->place;
	const struct ring_slot *before, *slot;

	place->next = __atomic_load_n(&reader->control->read, __ATOMIC_RELAXED);
	if (!place->next)
		return;
	slot = slot_of(reader, place->next);
	before = slot_of(reader, place->next - 1);
	place->passed = slot->entries_before;
	place->lost_told =
		sequence(before) == place->next - 1 ? before->lost_before : slot->lost_before;
}

int ring_reader_init(struct ring_reader *reader, const struct ring_session *session, uint32_t ring,
		     const struct ring_place *from)
{
	const struct ring_shape *shape = &session->shape;
	uint8_t *base = (uint8_t *)session->header;

	*reader = (struct ring_reader){.subbuf_size = shape->subbuf_size,
				       .nr_subbufs = shape->nr_subbufs,
				       .mode = shape->mode};
	reader->copy = mem_alloc(shape->subbuf_size);
	if (!reader->copy)
		return -ENOMEM;
	reader->control = ring_control(session->header, ring);
	reader->slots = (struct ring_slot *)(void *)(base + shape->slots_at) +
			(size_t)ring * shape->nr_subbufs;
	reader->data =
		base + shape->data_at + (size_t)ring * shape->nr_subbufs * shape->subbuf_size;
	if (from)
		reader->place = *from;
	else
		find_place(reader);
	return 0;
}

void ring_reader_done(struct ring_reader *reader)
{
	mem_free(reader->copy);
	*reader = (struct ring_reader){0};
}

/* Header, losses and zeros behind the records: what the kernel does when it hands out a page. */
static void stamp(const struct ring_reader *reader, uint8_t *page, uint32_t length, uint64_t lost)
{
	uint8_t *rest = page + RING_HEAD_BYTES + length;
	uint64_t commit = length;

	memset(rest, 0, reader->subbuf_size - RING_HEAD_BYTES - length);
	if (lost) {
		commit |= SUBBUF_MISSED_EVENTS | SUBBUF_MISSED_STORED;
		store_u64(rest, lost, HOST_BIG);
	}
	store_u64(page + COMMIT_AT, commit, HOST_BIG);
}

static uint32_t sane_length(const struct ring_reader *reader, uint32_t length)
{
	return MIN(length, reader->subbuf_size - RING_HEAD_BYTES - RING_TAIL_BYTES) & ~3u;
}

static void give(struct ring_reader *reader, uint8_t *page, const struct ring_slot *slot,
		 struct ring_page *ret_page)
{
	const uint32_t length = sane_length(reader, slot->length);
	const uint64_t missed = slot->entries_before - reader->place.passed;

	ret_page->lost = missed + slot->lost_before - reader->place.lost_told;
	ret_page->data = page;
	ret_page->ts = load_u64(page, HOST_BIG);
	ret_page->length = length;
	ret_page->entries = slot->entries;
	stamp(reader, page, length, ret_page->lost);
	reader->place.overrun += missed;
	reader->place.lost_told = slot->lost_before;
	reader->place.passed = slot->entries_before + slot->entries;
	reader->place.entries += slot->entries;
	reader->place.next++;
}

static void loads_before_loads(void)
{
#ifdef __aarch64__
	__asm__ volatile("dmb ishld" : : : "memory");
#else
	__asm__ volatile("" : : : "memory");
#endif
}

/* As copy, if it is still page `number` when all of it was copied. */
static bool copy_page(struct ring_reader *reader, uint64_t number, uint32_t bytes,
		      struct ring_slot *ret_slot)
{
	const struct ring_slot *slot = slot_of(reader, number);

	if (sequence(slot) != number)
		return false;
	*ret_slot = *slot;
	memcpy(reader->copy, page_of(reader, number), bytes);
	/* The loads above are before the one below, which sees whether they were in time. */
	loads_before_loads();
	return __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) == number;
}

/* The first page from the reader's place on that may still be there. */
static uint64_t next_page(const struct ring_reader *reader, uint64_t current)
{
	if (reader->mode != RING_OVERWRITE || current < reader->nr_subbufs)
		return reader->place.next;
	return MAX(reader->place.next, current - reader->nr_subbufs + 1);
}

static int take_overwritten(struct ring_reader *reader, uint64_t current,
			    struct ring_page *ret_page)
{
	struct ring_slot slot;

	reader->place.next = next_page(reader, current);
	for (; reader->place.next < current; reader->place.next++)
		if (copy_page(reader, reader->place.next, reader->subbuf_size, &slot)) {
			give(reader, reader->copy, &slot, ret_page);
			return 1;
		}
	return 0;
}

uint32_t ring_reader_complete(const struct ring_reader *reader)
{
	uint64_t commit, current = current_page(reader, position(reader, &commit));

	return current <= reader->place.next
		       ? 0
		       : (uint32_t)MIN(current - reader->place.next, reader->nr_subbufs - 1ull);
}

int ring_reader_take(struct ring_reader *reader, struct ring_page *ret_page)
{
	uint64_t commit, current = current_page(reader, position(reader, &commit));

	if (current <= reader->place.next)
		return 0;
	if (reader->mode == RING_OVERWRITE)
		return take_overwritten(reader, current, ret_page);
	give(reader, page_of(reader, reader->place.next), slot_of(reader, reader->place.next),
	     ret_page);
	return 1;
}

void ring_reader_give_back(struct ring_reader *reader)
{
	struct ring_control *control = reader->control;

	/*
	 * From here on writers may use the pages' slots. A full barrier: a writer that says that it
	 * waits and then looks, and this that stores and then looks for those who wait, cannot miss
	 * each other.
	 */
	(void)__atomic_exchange_n(&control->read, reader->place.next, __ATOMIC_SEQ_CST);
	/* Not for each page: who is woken should find room for more than one. */
	if (__atomic_load_n(&control->waiters, __ATOMIC_SEQ_CST) &&
	    ring_reader_complete(reader) <= reader->nr_subbufs / 2)
		ring_wake(control);
}

bool ring_reader_ends_by(const struct ring_reader *reader, uint64_t until)
{
	uint64_t commit, current = current_page(reader, position(reader, &commit));
	uint64_t next = next_page(reader, current);

	/* The page behind it began after its last record. */
	return next < current &&
	       __atomic_load_n((const uint64_t *)(const void *)page_of(reader, next + 1),
			       __ATOMIC_RELAXED) <= until;
}

/* Records of the copied page up to `until`; behind them its length ends. */
static uint32_t count_records(const struct ring_reader *reader, uint64_t until, uint32_t *length)
{
	const struct subbuf_layout layout = {reader->subbuf_size, 8, HOST_BIG};
	struct subbuf_cursor cursor;
	struct subbuf_record record;
	uint32_t entries = 0, end = 0;

	if (subbuf_open(&cursor, &layout, reader->copy, reader->subbuf_size))
		return 0;
	while (subbuf_next(&cursor, &record)) {
		if (record.ts > until) {
			*length = end;
			break;
		}
		end = (uint32_t)(cursor.pos - reader->copy) - RING_HEAD_BYTES;
		entries++;
	}
	return entries;
}

int ring_reader_partial(struct ring_reader *reader, uint64_t until, struct ring_page *ret_page)
{
	uint64_t commit, number, missed;
	uint32_t length, tries = 0;
	struct ring_slot slot;

	/* Again when the page was overwritten while it was copied. */
	do {
		const uint32_t pos = position(reader, &commit);
		const uint64_t current = current_page(reader, pos);
		const uint32_t offset = pos & (reader->subbuf_size - 1);

		number = next_page(reader, current);
		if ((number == current && offset <= RING_HEAD_BYTES) || tries++ == MAX_TRIES)
			return 0;
		length = number == current ? offset - RING_HEAD_BYTES
					   : slot_of(reader, number)->length;
		length = sane_length(reader, length);
	} while (!copy_page(reader, number, RING_HEAD_BYTES + length, &slot));
	missed = slot.entries_before - reader->place.passed;
	ret_page->lost = missed + slot.lost_before - reader->place.lost_told;
	ret_page->data = reader->copy;
	ret_page->ts = load_u64(reader->copy, HOST_BIG);
	stamp(reader, reader->copy, length, 0);
	ret_page->entries = count_records(reader, until, &length);
	ret_page->length = length;
	stamp(reader, reader->copy, length, ret_page->lost);
	return length != 0;
}

uint64_t ring_reader_overrun(const struct ring_reader *reader)
{
	uint64_t commit, number = current_page(reader, position(reader, &commit));

	if (number != reader->place.next)
		return reader->place.overrun;
	return reader->place.overrun + slot_of(reader, number)->entries_before -
	       reader->place.passed;
}

uint64_t ring_reader_lost(const struct ring_reader *reader)
{
	return __atomic_load_n(&reader->control->lost, __ATOMIC_RELAXED);
}

int ring_reader_tail(struct ring_reader *reader, struct ring_page *ret_page)
{
	const struct ring_slot *slot;
	uint64_t commit, lost;
	uint32_t pos;

	pos = position(reader, &commit);
	slot = &reader->slots[pos / reader->subbuf_size];
	lost = ring_reader_lost(reader) - slot->lost_before;
	/* A page that was begun and has no records has not said what was lost before it. */
	if ((pos & (reader->subbuf_size - 1)) <= RING_HEAD_BYTES)
		lost += slot->lost_before - reader->place.lost_told + slot->entries_before -
			reader->place.passed;
	if (!lost)
		return 0;
	*ret_page = (struct ring_page){.data = reader->copy, .lost = lost};
	ret_page->ts =
		load_u64(page_of(reader, slot->sequence), HOST_BIG) + (commit >> RING_POS_BITS);
	store_u64(reader->copy, ret_page->ts, HOST_BIG);
	stamp(reader, reader->copy, 0, lost);
	return 1;
}
