/* SPDX-License-Identifier: MIT */
/*
 * --max-graph-depth: the places on the stack of the calls that are followed, so that a new one
 * knows how many of them are around it. A call at or above an open one's place says that this one
 * was left by longjmp or an exception. Places more than a MiB apart are on different stacks
 * (coroutines, signal handlers), each of which has a depth of its own.
 *
 * All of it may be interrupted by a handler whose calls come and go in between: they leave what is
 * around them as it was.
 */
#include "runtime/runtime.h"

#define STACK_SPAN (1ull << 20) /* as readers have it */

/* The open call is at `sp` or deeper on the same stack: it is over. */
static bool is_left(uint64_t open, uint64_t sp)
{
	return sp - open < STACK_SPAN;
}

static bool is_around(uint64_t open, uint64_t sp)
{
	return open - sp - 1 < STACK_SPAN;
}

/* A handler that comes in between follows no range. */
static void set_deep(struct rt_thread *thread, uint64_t deepest)
{
	thread->deep_size = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->deep_low = deepest - STACK_SPAN;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->deep_size = deepest ? STACK_SPAN : 0;
}

/* Forget the calls that are over; how many there are around `sp`, and the place of the last. */
static uint32_t count_around(struct rt_thread *thread, uint64_t sp, uint64_t *ret_deepest)
{
	uint32_t nr = 0, around = 0;

	*ret_deepest = 0;
	for (uint32_t i = 0; i < thread->nr_open; i++) {
		uint64_t open = thread->open[i];

		if (is_left(open, sp))
			continue;
		thread->open[nr++] = open;
		if (is_around(open, sp)) {
			around++;
			*ret_deepest = open;
		}
	}
	thread->nr_open = nr;
	return around;
}

/* No room: what is open on other stacks may never end. */
static void forget_others(struct rt_thread *thread, uint64_t sp)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < thread->nr_open; i++) {
		if (is_around(thread->open[i], sp))
			thread->open[nr++] = thread->open[i];
	}
	thread->nr_open = nr;
}

int rt_depth_begins(uint64_t sp)
{
	struct rt_thread *thread = &rt_thread;
	uint64_t deepest;
	uint32_t around = count_around(thread, sp, &deepest);

	if (around >= rt_plan.max_depth) {
		set_deep(thread, deepest);
		return 0;
	}
	if (thread->nr_open == RT_OPEN_MAX)
		forget_others(thread, sp);
	thread->open[thread->nr_open] = sp;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->nr_open++;
	set_deep(thread, around + 1 == rt_plan.max_depth ? sp : 0);
	return 1;
}

void rt_depth_ends(uint64_t sp)
{
	uint64_t deepest;

	count_around(&rt_thread, sp, &deepest);
	set_deep(&rt_thread, 0);
}

int rt_depth_allows(uint64_t sp)
{
	uint64_t deepest;

	return count_around(&rt_thread, sp, &deepest) < rt_plan.max_depth;
}
