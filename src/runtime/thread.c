/* SPDX-License-Identifier: MIT */
/*
 * What the assembly does not know by itself: a thread's first record, a stack it has not been seen
 * on, a child. All of it may run in a signal handler, and between any two instructions of one.
 */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "runtime/runtime.h"
#include "runtime/sys.h"

/* Stacks become known in pieces of this size: small enough not to reach into somebody else's. */
#define STACK_PIECE (64ull << 10)

__thread struct rt_thread rt_thread __attribute__((tls_model("initial-exec")));

/* In a page of its own, which fork wipes: the pid of the process, or 0. */
union rt_epoch_page {
	uint32_t epoch;
	uint8_t page[4096];
};
__attribute__((aligned(4096))) union rt_epoch_page rt_epoch;

struct rt_range rt_shadowed;
struct ring_header *rt_session;
uint64_t *rt_counters;
uint64_t rt_threshold;

bool rt_threads_init(void)
{
	rt_epoch.epoch = (uint32_t)sys_0(SYS_getpid);
	return !sys_failed(sys_3(SYS_madvise, (long)&rt_epoch, sizeof(rt_epoch), MADV_WIPEONFORK));
}

static void write_call(struct ring_thread *thread, uint64_t sp, uint32_t address, uint32_t type)
{
	uint32_t payload[2] = {address, (uint32_t)(sp >> 3)};

	ring_write(rt_session, thread, (uint16_t)type, payload, sizeof(payload));
}

/* So that whoever reads knows the thread's name. */
static void introduce(struct rt_thread *thread, int32_t tid)
{
	struct rt_event_thread event = {.pid = tid};

	sys_3(SYS_prctl, PR_GET_NAME, (long)event.comm, 0);
	rt_watch_name(thread, event.comm, sizeof(event.comm));
	ring_write(rt_session, &thread->ring, RT_EVENT_THREAD, &event, sizeof(event));
}

static bool make_slots(uint64_t slots)
{
	uint64_t low = slots & ~(uint64_t)(PROGRAM_PAGE_BYTES - 1);

	return sys_3(SYS_mprotect, (long)low, STACK_PIECE + PROGRAM_PAGE_BYTES,
		     PROT_READ | PROT_WRITE) == 0;
}

/* This thread's stack at `sp` is its own; false when addresses there have no shadow slot. */
static bool know_stack(struct rt_thread *thread, uint64_t sp)
{
	uint64_t low = sp & -STACK_PIECE, high = low + STACK_PIECE;

	if (low - rt_shadowed.low >= rt_shadowed.size || high - rt_shadowed.low > rt_shadowed.size)
		return false;
	/* Memory for the slots only where there are stacks: the rest can be neither used nor
	 * locked. */
	if ((rt_plan.mode == PROGRAM_SESSION_GRAPH || rt_sees_returns()) &&
	    (!make_slots(low - PROGRAM_SHADOW) ||
	     (rt_sees_returns() && !make_slots(low - RT_NEXTS * PROGRAM_SHADOW)) ||
	     (rt_notes_times() && !make_slots(low - RT_TIMES * PROGRAM_SHADOW)) ||
	     (rt_follows_depth() && !make_slots(low - RT_OPENS * PROGRAM_SHADOW))))
		return false;
	if (thread->stack_size && high == thread->stack_low)
		high += thread->stack_size;
	else if (thread->stack_size && low == thread->stack_low + thread->stack_size)
		low = thread->stack_low;
	/* A handler that comes in between finds no stack known. */
	thread->stack_size = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->stack_low = low;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->stack_size = high - low;
	return true;
}

/* What a child writes with that runs in its parent's memory: vfork, posix_spawn. */
static struct ring_thread *alone(struct rt_thread *thread, uint32_t tid)
{
	if (thread->alone_tid != tid) {
		__builtin_memset(&thread->alone, 0, sizeof(thread->alone));
		ring_thread_init_alone(&thread->alone);
		thread->alone_tid = tid;
	}
	return &thread->alone;
}

static void write_alone(struct rt_thread *thread, uint32_t tid, uint64_t sp, uint32_t address,
			uint32_t type)
{
	(void)alone(thread, tid);
	if (rt_watch_outside(&thread->alone, sp, address, type))
		write_call(&thread->alone, sp, address, type);
}

enum whose {
	OURS, /* this thread's, and now it is known */
	OURS_UNKNOWN,
	CHILDS
};

/* Whose stack `sp` is on. */
static enum whose look(struct rt_thread *thread, uint32_t tid, uint64_t sp)
{
	uint32_t pid = (uint32_t)sys_0(SYS_getpid);

	if (!rt_epoch.epoch) /* forked */
		rt_epoch.epoch = pid;
	if (rt_epoch.epoch != pid)
		return CHILDS;
	if (thread->epoch != pid) {
		thread->root = 0;
		if (rt_hists())
			rt_hist_thread(thread);
		ring_thread_init(&thread->ring);
		thread->epoch = pid;
		if (rt_plan.mode != PROGRAM_SESSION_COUNT)
			introduce(thread, (int32_t)tid);
	}
	return know_stack(thread, sp) ? OURS : OURS_UNKNOWN;
}

/*
 * The assembly met a thread, a process or a stack that is not known. 1: now it is; 0: it cannot be,
 * and the record has been written.
 */
int rt_look(uint64_t sp, uint32_t address, uint32_t type)
{
	struct rt_thread *thread = &rt_thread;
	uint32_t tid = (uint32_t)sys_0(SYS_gettid);
	enum whose whose = look(thread, tid, sp);

	if (whose == OURS)
		return 1;
	if (rt_threshold || rt_hists()) /* how long it takes cannot be known */
		return 0;
	if (whose == CHILDS)
		write_alone(thread, tid, sp, address, type);
	else if (rt_watch_outside(&thread->ring, sp, address, type))
		write_call(&thread->ring, sp, address, type);
	return 0;
}

bool rt_has_slots(uint64_t sp)
{
	struct rt_thread *thread = &rt_thread;

	if (thread->epoch == rt_epoch.epoch && sp - thread->stack_low < thread->stack_size)
		return true;
	return look(thread, (uint32_t)sys_0(SYS_gettid), sp) == OURS;
}

struct ring_thread *rt_ring(uint64_t sp)
{
	struct rt_thread *thread = &rt_thread;
	uint32_t tid;

	if (thread->epoch == rt_epoch.epoch && sp - thread->stack_low < thread->stack_size)
		return &thread->ring;
	tid = (uint32_t)sys_0(SYS_gettid);
	return look(thread, tid, sp) == CHILDS ? alone(thread, tid) : &thread->ring;
}

/*
 * A call that could not be counted for this CPU: the thread or the stack was not known (the next
 * one will be), is a child's, or the sequence was interrupted.
 */
void rt_count_outside(uint64_t sp, uint32_t counter)
{
	struct rt_thread *thread = &rt_thread;

	if (thread->epoch != rt_epoch.epoch || sp - thread->stack_low >= thread->stack_size)
		(void)look(thread, (uint32_t)sys_0(SYS_gettid), sp);
	if (ring_is_tracing(rt_session))
		__atomic_fetch_add(ring_counters(rt_session, rt_session->nr_cpus) + counter, 1,
				   __ATOMIC_RELAXED);
}

/* What the fast path has left to us. */
void rt_write(uint64_t sp, uint32_t address, uint32_t type)
{
	write_call(&rt_thread.ring, sp, address, type);
}

/* --thresh: the call that ends here took long. */
void rt_write_long(uint64_t sp, uint32_t address)
{
	struct rt_event_long event = {
		.address = address,
		.sp = (uint32_t)(sp >> 3),
		.begin = *rt_noted(sp),
		.end = raw_counter(),
	};

	if (rt_watch_long(sp, &event))
		ring_write(rt_session, &rt_thread.ring, RT_EVENT_LONG, &event, sizeof(event));
}
