/* SPDX-License-Identifier: MIT */
/* An event about which questions are asked (program/watch.h), and the answers. Private. */
#ifndef SONDE_RUNTIME_MOMENT_H
#define SONDE_RUNTIME_MOMENT_H

#include "runtime/runtime.h"

struct rt_moment {
	struct ring_thread *ring;
	uint64_t sp, begin, end;
	uint64_t duration; /* ns, of a call that has ended */
	uint32_t address, type, depth, names;
	bool followed; /* the thread's open calls are known, and this is one of them */
	/* Of a probe, else NULL: its arguments, and its record. */
	const uint64_t *args;
	const void *payload;
	uint32_t payload_bytes;
};

/* Field by field: compilers clear a whole structure by an instruction that takes as long as a
 * clock. */
static inline void rt_moment_init(struct rt_moment *moment, struct ring_thread *ring, uint64_t sp,
				  uint32_t address, uint32_t type)
{
	moment->ring = ring;
	moment->sp = sp;
	moment->begin = 0;
	moment->end = 0;
	moment->duration = 0;
	moment->address = address;
	moment->type = type;
	moment->depth = 0;
	moment->names = 0;
	moment->followed = false;
	moment->args = NULL;
}

/* As the file's scale has it. */
static inline uint64_t rt_ns(uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * rt_watching->mult >>
			  (rt_watching->shift & 63));
}

/* watch.c: asks the kernel. */
uint32_t rt_cpu_asked(void);
/* The CPU that a thread is on. */
static inline uint32_t rt_cpu_of(const struct ring_thread *ring)
{
	return ring->rseq ? *(const volatile uint32_t *)((uintptr_t)ring->rseq + RING_RSEQ_CPU_ID)
			  : rt_cpu_asked();
}
/* The same: where the call returns to, and the bits of the function there. */
uint64_t rt_moment_parent(const struct rt_moment *moment);
uint32_t rt_moment_callers(const struct rt_moment *moment);

/* A probe that has come later may have brought names. */
void rt_watch_names_again(struct rt_thread *thread);
static inline uint32_t rt_moment_comms(const struct rt_moment *moment)
{
	if (moment->args && rt_thread.nr_comms != rt_watching->nr_comms)
		rt_watch_names_again(&rt_thread);
	return rt_thread.comms;
}

/* Here, because calls cost as much as the answers. */
RT_INLINE uint64_t rt_moment_value(const struct rt_moment *moment, uint8_t source)
{
	switch (source) {
	case PROGRAM_WATCH_TYPE:
		return (moment->ring->common + moment->type) & 0xffff;
	case PROGRAM_WATCH_PID:
		return moment->ring->common >> 32;
	case PROGRAM_WATCH_IP:
		return moment->address;
	case PROGRAM_WATCH_SP:
		return (uint32_t)(moment->sp >> 3);
	case PROGRAM_WATCH_DEPTH:
		return moment->depth;
	case PROGRAM_WATCH_CPU:
		return rt_cpu_of(moment->ring);
	case PROGRAM_WATCH_COMMS:
		return rt_moment_comms(moment);
	case PROGRAM_WATCH_NAMES:
		return moment->names;
	case PROGRAM_WATCH_CALLTIME:
		return moment->begin;
	case PROGRAM_WATCH_RETTIME:
		return moment->end;
	case PROGRAM_WATCH_DURATION:
		return moment->duration;
	case PROGRAM_WATCH_PARENT:
		return rt_moment_parent(moment);
	case PROGRAM_WATCH_CALLERS:
		return rt_moment_callers(moment);
	default:
		return moment->args && source >= PROGRAM_WATCH_ARG &&
				       source < PROGRAM_WATCH_ARG + PROGRAM_PROBE_ARGS_MAX
			       ? moment->args[source - PROGRAM_WATCH_ARG]
			       : 0;
	}
}

/* Whether the question that begins at this op is answered with yes. Each step goes to an earlier
 * op: it ends. */
RT_INLINE bool rt_moment_holds(const struct program_watch *watch, const struct rt_moment *moment,
			       uint32_t at)
{
	uint32_t limit = PROGRAM_WATCH_OPS_MAX;

	while (at < limit) {
		const struct program_watch_op *op = &watch->ops[at];

		limit = at;
		at = program_watch_compare(op, rt_moment_value(moment, op->source)) ? op->on_true
										    : op->on_false;
	}
	return at == PROGRAM_WATCH_YES;
}

#endif
