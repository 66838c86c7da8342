/* SPDX-License-Identifier: MIT */
/*
 * Filters, asked before an event of a function is recorded, triggers (program/watch.h), and the
 * depth of calls that they may ask for: a call at A has at A - RT_OPENS * PROGRAM_SHADOW where
 * on the stack the call is that was open before it, and its own depth. So calls that were left by
 * longjmp or an exception are told by their place, and nothing has to be looked through.
 */
#include "program/watch.h"

#include <sys/prctl.h>

#include "expr/glob_match.h"
#include "ring/raw.h"
#include "runtime/moment.h"
#include "runtime/sys.h"

#define STACK_SPAN  (1ull << 20) /* as readers have it */
#define PLACE_BITS  48
#define PLACE_MASK  ((1ull << PLACE_BITS) - 1)
#define DEPTH_MAX   0xffffull
#define FOREIGN_MAX 64u /* calls on other stacks that are passed over */

struct program_watch *rt_watching;

/* --- depth --- */

static uint64_t *opened(uint64_t sp)
{
	return (uint64_t *)(sp - RT_OPENS * PROGRAM_SHADOW);
}

static uint64_t before(uint64_t sp)
{
	return *opened(sp) & PLACE_MASK;
}

static uint32_t depth_at(uint64_t sp)
{
	return (uint32_t)(*opened(sp) >> PLACE_BITS);
}

static bool is_left(uint64_t open, uint64_t sp)
{
	return sp - open < STACK_SPAN;
}

static bool is_around(uint64_t open, uint64_t sp)
{
	return open - sp - 1 < STACK_SPAN;
}

/* The innermost call around `sp` on its stack, from `open` on; 0: none. */
static uint64_t open_around(uint64_t open, uint64_t sp)
{
	for (uint32_t foreign = 0; open && foreign < FOREIGN_MAX; open = before(open)) {
		if (is_around(open, sp))
			return open;
		foreign += !is_left(open, sp);
	}
	return 0;
}

static uint32_t depth_below(uint64_t open, uint64_t sp)
{
	open = open_around(open, sp);
	return open ? depth_at(open) + 1 : 0;
}

static uint32_t call_begins(struct rt_thread *thread, uint64_t sp)
{
	uint64_t open = thread->innermost;
	uint32_t depth;

	while (open && is_left(open, sp))
		open = before(open);
	depth = depth_below(open, sp);
	*opened(sp) = open | (depth < DEPTH_MAX ? depth : DEPTH_MAX) << PLACE_BITS;
	/* A handler that comes in between leaves what is open as it was. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	thread->innermost = sp;
	return depth;
}

/* Counts the call, where its end will be seen; how deep it is. */
RT_INLINE uint32_t follow(struct rt_thread *thread, uint64_t sp, uint32_t type)
{
	uint32_t depth;

	switch (type) {
	case RING_EVENT_ENTRY:
		return call_begins(thread, sp);
	case RING_EVENT_EXIT:
		depth = depth_at(sp);
		thread->innermost = before(sp);
		return depth;
	case RING_EVENT_TAIL:
		return depth_at(sp);
	default:
		return depth_below(thread->innermost, sp);
	}
}

/* --- questions --- */

uint32_t rt_cpu_asked(void)
{
	uint32_t cpu = 0;

	sys_3(SYS_getcpu, (long)&cpu, 0, 0);
	return cpu;
}

/* Where the call at `sp` returns to: in its slot when its end will be seen, or when that is now. */
static uint64_t returns_to(uint64_t sp, bool has_slot)
{
	uint64_t address = has_slot ? 0 : *(const uint64_t *)sp;

	if (has_slot || rt_arena_find(address))
		address = *(const uint64_t *)(sp - PROGRAM_SHADOW);
	return address;
}

uint64_t rt_moment_parent(const struct rt_moment *moment)
{
	return rt_trace_address(returns_to(moment->sp, moment->type != RT_EVENT_CALL));
}

uint32_t rt_moment_callers(const struct rt_moment *moment)
{
	uint32_t nr = __atomic_load_n(&rt_watching->nr_callers, __ATOMIC_ACQUIRE);
	uint64_t parent =
		rt_moment_parent(moment) - 1; /* in the call, which may be the last there */

	for (uint32_t i = 0; i < nr && i < PROGRAM_WATCH_CALLERS_MAX; i++) {
		const struct program_watch_caller *caller = &rt_watching->callers[i];

		if (parent - caller->address < caller->bytes)
			return caller->bits;
	}
	return 0;
}

/* --- triggers --- */

/* One of the actions that are left. */
static bool take(int64_t *count)
{
	int64_t left = __atomic_load_n(count, __ATOMIC_RELAXED);

	while (left > 0) {
		if (__atomic_compare_exchange_n(count, &left, left - 1, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	}
	return left < 0;
}

/*
 * The function, and where it and the calls that are open around it return to: so there are all
 * functions that call one that is followed. False: tracing is off.
 */
static bool write_stack(const struct rt_moment *moment)
{
	struct rt_event_stack stack;
	bool has_slot = moment->type != RT_EVENT_CALL;
	bool is_known = moment->followed || (moment->args && moment->ring == &rt_thread.ring);
	uint64_t sp = moment->sp, open = is_known ? rt_thread.innermost : 0;

	if (!ring_is_tracing(rt_session))
		return false;
	stack.size = 0;
	stack.pad = 0;
	stack.callers[stack.size++] = moment->address;
	if (moment->followed)
		stack.callers[stack.size++] = rt_trace_address(returns_to(sp, has_slot));
	while (stack.size < RT_STACK_MAX && (open = open_around(open, sp))) {
		sp = open;
		stack.callers[stack.size++] = rt_trace_address(returns_to(sp, true));
	}
	ring_write(rt_session, moment->ring, RT_EVENT_STACK, &stack, 8 + 8 * (uint32_t)stack.size);
	return true;
}

/* Switches events of probes; whether that changes something. */
static bool switch_probes(struct program_watch *watch, const uint64_t *probes, bool off)
{
	bool changed = false;

	for (uint32_t i = 0; i < PROGRAM_WATCH_PROBES / 64; i++) {
		uint64_t *word = &watch->probes_off[i], before;

		if (!probes[i])
			continue;
		before = off ? __atomic_fetch_or(word, probes[i], __ATOMIC_RELAXED)
			     : __atomic_fetch_and(word, ~probes[i], __ATOMIC_RELAXED);
		changed |= ((off ? ~before : before) & probes[i]) != 0;
	}
	return changed;
}

/* True when that changes something: of several at once, for the one that does. */
static bool change(struct program_watch *watch, const struct rt_moment *moment,
		   const struct program_watch_trigger *trigger)
{
	uint32_t before;

	switch (trigger->action) {
	case PROGRAM_WATCH_STACKTRACE:
		return write_stack(moment);
	case PROGRAM_WATCH_HIST:
		rt_hist_event(moment, trigger->hist);
		return true;
	case PROGRAM_WATCH_SNAPSHOT:
		return ring_want_snapshot(rt_session);
	case PROGRAM_WATCH_TRACEON:
	case PROGRAM_WATCH_TRACEOFF:
		return ring_pause(rt_session, trigger->action == PROGRAM_WATCH_TRACEOFF);
	case PROGRAM_WATCH_ENABLE:
		before = __atomic_fetch_or(&watch->enabled, trigger->switches, __ATOMIC_RELAXED);
		return switch_probes(watch, trigger->probes, false) | (~before & trigger->switches);
	default:
		before = __atomic_fetch_and(&watch->enabled, ~trigger->switches, __ATOMIC_RELAXED);
		return switch_probes(watch, trigger->probes, true) | (before & trigger->switches);
	}
}

/* As in the kernel, what changes nothing does not count. */
static void act(struct program_watch *watch, const struct rt_moment *moment,
		struct program_watch_trigger *trigger)
{
	if (take(&trigger->count) && !change(watch, moment, trigger) && trigger->count >= 0)
		__atomic_fetch_add(&trigger->count, 1, __ATOMIC_RELAXED);
}

static bool has_trigger(const struct program_watch *watch, const struct rt_moment *moment,
			uint32_t index)
{
	if (moment->args)
		return watch->probes[moment->type & (PROGRAM_WATCH_PROBES - 1)].triggers >> index &
		       1;
	return watch->triggers[index].events >> moment->type & 1;
}

static void write_event(const struct rt_moment *moment)
{
	if (moment->args)
		ring_write(rt_session, moment->ring, (uint16_t)moment->type, moment->payload,
			   moment->payload_bytes);
	else
		ring_write_call(rt_session, moment->ring, (uint16_t)moment->type, moment->address,
				moment->sp);
}

/*
 * The event's triggers. What has to be done behind its record is done here, and so is the record;
 * whether it is still to be made.
 */
static bool trigger(struct program_watch *watch, const struct rt_moment *moment, bool wanted)
{
	uint32_t nr = watch->nr_triggers, behind = 0;

	for (uint32_t i = 0; i < nr && i < PROGRAM_WATCH_TRIGGERS_MAX; i++) {
		struct program_watch_trigger *one = &watch->triggers[i];

		if (!has_trigger(watch, moment, i) ||
		    !rt_moment_holds(watch, moment, one->condition))
			continue;
		if (one->first)
			act(watch, moment, one);
		else
			behind |= 1u << i;
	}
	if (!behind)
		return wanted;
	if (wanted)
		write_event(moment);
	for (; behind; behind &= behind - 1)
		act(watch, moment, &watch->triggers[__builtin_ctz(behind)]);
	return false;
}

RT_INLINE bool is_wanted(struct rt_moment *moment)
{
	struct program_watch *watch = rt_watching;
	bool wanted = watch->enabled >> moment->type & 1;

	if (watch->asks_functions)
		moment->names = program_watch_bits(watch, moment->address);
	wanted = wanted && !(moment->names & PROGRAM_WATCH_UNCHOSEN) &&
		 rt_moment_holds(watch, moment, watch->filters[moment->type]);
	if (!(watch->triggered >> moment->type & 1))
		return wanted;
	return trigger(watch, moment, wanted);
}

RT_INLINE bool watch(uint64_t sp, uint32_t address, uint32_t type)
{
	struct rt_thread *thread = &rt_thread;
	struct rt_moment moment;

	rt_moment_init(&moment, &thread->ring, sp, address, type);
	moment.followed = rt_watching->asks_depth;
	if (moment.followed)
		moment.depth = follow(thread, sp, type);
	if (rt_watching->asks_duration && type == RING_EVENT_ENTRY)
		*rt_noted(sp) = raw_counter();
	if (rt_watching->asks_duration && type == RING_EVENT_EXIT)
		moment.duration = rt_ns(raw_counter() - *rt_noted(sp));
	return is_wanted(&moment);
}

int rt_watch(uint64_t sp, uint32_t address, uint32_t type)
{
	return watch(sp, address, type);
}

int rt_watch_exit(uint64_t sp, uint32_t address)
{
	return watch(sp, address, RING_EVENT_EXIT);
}

bool rt_watch_outside(struct ring_thread *ring, uint64_t sp, uint32_t address, uint32_t type)
{
	struct rt_moment moment;

	rt_moment_init(&moment, ring, sp, address, type);
	return !rt_watching || is_wanted(&moment);
}

bool rt_watch_long(uint64_t sp, const struct rt_event_long *event)
{
	struct rt_moment moment;

	rt_moment_init(&moment, &rt_thread.ring, sp, event->address, RT_EVENT_LONG);
	moment.begin = event->begin;
	moment.end = event->end;
	moment.duration = rt_watching ? rt_ns(event->end - event->begin) : 0;
	return !rt_watching || is_wanted(&moment);
}

bool rt_watch_probe(struct ring_thread *ring, uint64_t sp, const struct program_probe *probe,
		    const uint64_t *args, const void *payload, uint32_t bytes)
{
	struct program_watch *watch = rt_watching;
	uint32_t number = probe->event & (PROGRAM_WATCH_PROBES - 1);
	struct rt_moment moment;
	bool wanted;

	rt_moment_init(&moment, ring, sp, probe->ip, number);
	moment.args = args;
	/* Where it returns to is in its slot, as of a call that ends. */
	moment.followed = probe->is_return;
	moment.payload = payload;
	moment.payload_bytes = bytes;
	wanted = !(watch->probes_off[number / 64] >> number % 64 & 1) &&
		 rt_moment_holds(watch, &moment, watch->probes[number].filter);
	return watch->probes[number].triggers ? trigger(watch, &moment, wanted) : wanted;
}

void rt_watch_name(struct rt_thread *thread, const char *comm, uint32_t size)
{
	const struct program_watch *watch = rt_watching;

	thread->comms = 0;
	thread->nr_comms = watch ? __atomic_load_n(&watch->nr_comms, __ATOMIC_ACQUIRE) : 0;
	for (uint32_t i = 0; i < thread->nr_comms && i < PROGRAM_WATCH_COMMS_MAX; i++)
		thread->comms |= (uint32_t)glob_match(watch->comms[i], comm, size) << i;
}

void rt_watch_names_again(struct rt_thread *thread)
{
	char comm[sizeof(((struct rt_event_thread *)0)->comm)];

	sys_3(SYS_prctl, PR_GET_NAME, (long)comm, 0);
	rt_watch_name(thread, comm, sizeof(comm));
}
