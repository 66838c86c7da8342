/* SPDX-License-Identifier: MIT */
/*
 * Functions whose return is probed (program/layout.h). Their stubs are called through as those of
 * function_graph are, and have the true return address in the same slot; but their return is seen
 * whatever is around it. Where the return address of one leads to another stub (the function is
 * traced, too, or took another one's place by a jump), it goes on there: that stub's address is in
 * a slot of its own, at A - RT_NEXTS * PROGRAM_SHADOW; 0: to the true address.
 *
 * When the other stub is of this kind its own slot is needed for the new one. What was there is
 * kept in the thread's list until the new one has returned.
 */
#include "runtime/runtime.h"

#define NEXT_FREE    0u /* or about to be filled */
#define NEXT_ENDED   1u
#define STACK_SPAN   (1ull << 20) /* as watch.c has it */
#define CALL_AT	     5u /* of the call or jump behind PROGRAM_RETURN_EXIT, as in each stub */
#define CALL_OPCODES 2u
#define CALL_BYTES   6u

static uint64_t *slot(uint64_t sp)
{
	return (uint64_t *)(sp - PROGRAM_SHADOW);
}

static uint64_t *next_slot(uint64_t sp)
{
	return (uint64_t *)(sp - RT_NEXTS * PROGRAM_SHADOW);
}

static bool is_in_arena(uint64_t address)
{
	return address - rt_clusters[0].low < rt_clusters[0].size ||
	       address - rt_clusters[1].low < rt_clusters[1].size;
}

/* Where functions return to in a stub: whether it is one of those here, by the word it uses. */
static bool is_ours(uint64_t exit)
{
	int32_t to_word;

	__builtin_memcpy(&to_word, (const void *)(exit + CALL_AT + CALL_OPCODES), sizeof(to_word));
	return *(const uint64_t *)(exit + CALL_AT + CALL_BYTES + (uint64_t)(int64_t)to_word) ==
	       (uint64_t)rt_return;
}

/* --- the thread's list --- */

/* Those on top that have ended are free again. */
static void trim(struct rt_thread *thread)
{
	while (thread->nr_nexts && thread->nexts[thread->nr_nexts - 1].sp == NEXT_ENDED) {
		thread->nexts[thread->nr_nexts - 1].sp = NEXT_FREE;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		thread->nr_nexts--;
	}
}

/* What a longjmp has left at `sp`, or up to `below` bytes below it. */
static void forget(struct rt_thread *thread, uint64_t sp, uint64_t below)
{
	for (uint32_t i = 0; i < thread->nr_nexts && i < RT_NEXTS_MAX; i++) {
		struct rt_next *next = &thread->nexts[i];

		if (next->sp > NEXT_ENDED && sp - next->sp <= below)
			next->sp = NEXT_ENDED;
	}
	trim(thread);
}

/* A handler that comes in between finds a place that is not free, and nobody's. */
static bool keep(struct rt_thread *thread, uint64_t sp, uint64_t to)
{
	uint32_t at = thread->nr_nexts;

	if (at >= RT_NEXTS_MAX) {
		forget(thread, sp - 1, STACK_SPAN);
		at = thread->nr_nexts;
	}
	if (at >= RT_NEXTS_MAX)
		return false;
	thread->nr_nexts = at + 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->nexts[at].to = to;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->nexts[at].sp = sp;
	return true;
}

/* What was kept last for this place. */
static uint64_t take(struct rt_thread *thread, uint64_t sp)
{
	for (uint32_t i = thread->nr_nexts; i-- > 0;) {
		struct rt_next *next = &thread->nexts[i];
		uint64_t to = next->to;

		if (next->sp != sp)
			continue;
		next->sp = NEXT_ENDED;
		trim(thread);
		return to;
	}
	return 0;
}

/* --- functions --- */

static int unseen(void)
{
	__atomic_fetch_add(&rt_session->unseen_returns, 1, __ATOMIC_RELAXED);
	return 0;
}

int rt_return_begins(uint64_t sp)
{
	struct rt_thread *thread = &rt_thread;
	uint64_t to = *(const uint64_t *)sp, next = 0;
	bool is_tail;

	if (!rt_has_slots(sp))
		return unseen();
	if (is_in_arena(to))
		next = to;
	else
		*slot(sp) = to;
	is_tail = next && is_ours(next);
	if (is_tail && !keep(thread, sp, *next_slot(sp)))
		return unseen();
	if (!is_tail && thread->nr_nexts)
		forget(thread, sp, 0);
	*next_slot(sp) = next;
	return 1;
}

uint64_t rt_return_hit(const struct rt_registers *registers, const struct program_probe *probe)
{
	struct rt_thread *thread = &rt_thread;
	uint64_t sp = registers->by_number[RT_RSP] - 8;
	uint64_t next = *next_slot(sp), to = next ? next : *slot(sp);

	if (next && is_ours(next))
		*next_slot(sp) = take(thread, sp);
	rt_probe_returns(registers, probe, sp);
	return to;
}
