/* SPDX-License-Identifier: MIT */
/*
 * Session memory: one memfd of the recorder, mapped by every traced process of a session.
 *
 *   header page | control of ring 0..R-1 | slots of ring 0..R-1 | sub-buffers of ring 0..R-1
 *     | counters of CPU 0..C-1 and one more set, where they are asked for
 *     | what the runtime is told to ask at each event (program/watch.h), where it is
 *
 * Ring 0..nr_cpus-1 belong to CPUs and are written in restartable sequences; the rest are lent to
 * threads that cannot have such. A ring is nr_subbufs sub-buffers of subbuf_size bytes, used in
 * turn; each is the kernel's page (ring/subbuf.h) in native byte order, with a long of 8 bytes.
 *
 * All that is true of a ring at one moment is one word, `commit`:
 *
 *   time since the page began : 36 | position in the ring, in bytes : 28
 *
 * so that one store of 8 bytes moves the ring from one valid state to the next. Whatever else a
 * writer stores before that store lies beyond the position, or in the slot of a page that is not
 * begun yet, and means nothing until then. docs/design/ring.md says why.
 *
 * Counters (-p count) are words of 8 bytes, RING_COUNTERS_MAX in a set, of which only the pages
 * that were counted in take memory. A CPU's set is written on that CPU only, in restartable
 * sequences that end in the addition; the last set is for all who have none, by atomic additions.
 *
 * Constants are also used by assembly: what is not for it stands under #ifndef __ASSEMBLER__.
 */
#ifndef SONDE_RING_SHARED_H
#define SONDE_RING_SHARED_H

#define RING_POS_BITS 28
#define RING_POS_MASK 0x0fffffff
#define RING_TIME_MAX ((1ull << 36) - 1) /* beyond it a new page begins */

/* Offsets in the header and in a control, for assembly; asserted below. */
#define RING_CPUS_ON	     8
#define RING_CONTROL_AT	     4096 /* of control 0 in the session */
#define RING_CONTROL_SHIFT   8	  /* a control has 256 bytes */
#define RING_COMMIT	     0
#define RING_DATA	     8
#define RING_PAGE_MASK	     16
#define RING_OFFSET_MASK     20
#define RING_CALL_OFFSET_MAX 24

/* A set of counters. */
#define RING_COUNTERS_SHIFT 25
#define RING_COUNTERS_MAX   (1 << (RING_COUNTERS_SHIFT - 3))

/* The record of a call: header 4, common fields 8, address 4, stack pointer 4. */
#define RING_CALL_BYTES 20
#define RING_CALL_WORDS 4

/* struct ring_thread. */
#define RING_THREAD_RSEQ   0
#define RING_THREAD_COMMON 8

/* struct rseq of the kernel. */
#define RING_RSEQ_CPU_ID 4
#define RING_RSEQ_CS	 8
#define RING_RSEQ_SIG	 0x53053053

/*
 * Events that are written in programs. The u16 at the beginning of a record, the event's id in the
 * file, is the session's event_base + this: the recorder chooses where no other event has its id.
 */
#define RING_EVENT_ENTRY   1 /* a function begins: u32 address, u32 stack pointer >> 3 */
#define RING_EVENT_EXIT	   2 /* it returned: the same */
#define RING_EVENT_TAIL	   3 /* it took the place of one that jumped to it: the same */
#define RING_EVENT_BLOCKED 4 /* a thread waited for room: u64, in units of the clock */

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_MAGIC	    0x31676e69726e6f73ull /* "sonring1" */
#define RING_VERSION	    1u
#define RING_SUBBUF_MIN	    4096u
#define RING_SUBBUF_MAX	    65536u
#define RING_NR_SUBBUFS_MIN 2u
#define RING_NR_SUBBUFS_MAX 4096u
#define RING_HEAD_BYTES	    16u /* of a sub-buffer, before its records */
#define RING_TAIL_BYTES	    8u /* kept free behind the records: the lost count has its place there */
#define RING_ALIVE_BYTES    64u

/* What becomes of a record when the ring is full. */
enum ring_mode {
	RING_BLOCK,
	RING_DROP,
	RING_OVERWRITE
};

enum ring_clock {
	RING_CLOCK_COUNTER,
	RING_CLOCK_MONOTONIC
}; /* TSC (arm64: cntvct), or ns */

/* `tracing_on`. */
enum ring_tracing {
	RING_TRACING_OFF, /* for good, but for the recorder */
	RING_TRACING_ON,
	RING_TRACING_PAUSED, /* until somebody inside a program says otherwise: ring_pause */
};

/* At offset 0. Set by the recorder before anybody else maps it, but for the words that say who. */
struct ring_header {
	uint64_t magic;
	union {
		struct {
			/* nr_cpus, or 0: writers take the slow path (off, or another clock) */
			uint32_t cpus_on;
			/* enum ring_tracing; but for ON records are not written, nor counted */
			uint32_t tracing_on;
		};
		uint64_t state; /* both: what changes them changes them together */
	};
	uint32_t version;
	uint32_t nr_cpus;  /* possible CPUs */
	uint32_t nr_rings; /* nr_cpus and the fallback rings behind them */
	uint32_t subbuf_size, nr_subbufs;
	uint32_t mode, clock;
	uint32_t wake_pages;   /* complete pages of a ring that are worth waking the recorder for */
	uint32_t alive_offset; /* of the futex word in `alive` */
	uint32_t event_base;   /* of the events' ids; 16 of them are the session's */
	uint64_t slots_at, data_at;	/* of ring 0, bytes from the beginning of the session */
	uint64_t bytes;			/* of the session */
	uint64_t counters_at;		/* of CPU 0; 0: there are none */
	uint64_t watch_at, watch_bytes; /* 0: there is nothing to ask */

	/* Written by all, seldom. */
	uint64_t lost_outside
		__attribute__((aligned(128))); /* events that found no ring, or too large */
	uint32_t sleeping;		       /* the recorder waits on `doorbell` */
	uint32_t doorbell;		       /* futex */
	uint32_t untold;	 /* programs executed of which the recorder could not be told */
	uint32_t unseen_returns; /* of functions whose return is probed: it could not be seen */
	/*
	 * A snapshot is wanted of what was written up to this time; 0: none. Until the recorder has
	 * it, what is in the rings stays there, in overwrite mode too.
	 */
	uint64_t snapshot_until;

	/*
	 * A robust mutex that the recorder's main thread holds as long as it lives; the kernel
	 * takes the owner out of its futex word when the thread ends, however it ends.
	 */
	uint8_t alive[RING_ALIVE_BYTES] __attribute__((aligned(128)));
};

/* One ring. The first line is the writers', on one CPU; the second its reader's. */
struct ring_control {
	uint64_t commit;      /* the state, see above */
	uint64_t data;	      /* constant: bytes from this control to the ring's sub-buffers */
	uint32_t page_mask;   /* constant: position to its page's, RING_POS_MASK & -subbuf_size */
	uint32_t offset_mask; /* constant: subbuf_size - 1 */
	uint32_t call_offset_max; /* constant: last offset at which the record of a call fits */
	uint32_t pad;
	uint64_t lost;	/* events not stored because the ring was full */
	uint64_t owner; /* of a fallback ring: pid namespace << 32 | thread that writes, 0: free */

	uint64_t read __attribute__((aligned(128))); /* pages that the reader has given back */
	uint32_t waiters;			     /* writers that wait for `wake`, or did */
	uint32_t wake;				     /* futex */
} __attribute__((aligned(256)));

/* What is known of the page in a slot: set when the page begins, or ends, before the commit. */
struct ring_slot {
	uint64_t sequence;	 /* number of the page in its ring, from 0 */
	uint64_t entries_before; /* records in all pages before it */
	uint64_t lost_before;	 /* control's `lost` when it began */
	uint32_t length;	 /* bytes of records, when it ended */
	uint32_t entries;	 /* records, when it ended */
};

#define RING_AT_(type, field, at) _Static_assert(offsetof(type, field) == (at), #field)
RING_AT_(struct ring_header, cpus_on, RING_CPUS_ON);
RING_AT_(struct ring_control, commit, RING_COMMIT);
RING_AT_(struct ring_control, data, RING_DATA);
RING_AT_(struct ring_control, page_mask, RING_PAGE_MASK);
RING_AT_(struct ring_control, offset_mask, RING_OFFSET_MASK);
RING_AT_(struct ring_control, call_offset_max, RING_CALL_OFFSET_MAX);
_Static_assert(sizeof(struct ring_header) <= RING_CONTROL_AT, "header");
_Static_assert(sizeof(struct ring_control) == 1u << RING_CONTROL_SHIFT, "control");
_Static_assert(sizeof(struct ring_slot) == 32, "slot");

static inline struct ring_control *ring_control(const void *session, uint32_t ring)
{
	return (struct ring_control *)((uintptr_t)session + RING_CONTROL_AT) + ring;
}

static inline struct ring_slot *ring_slots(const struct ring_header *session, uint32_t ring)
{
	return (struct ring_slot *)((uintptr_t)session + session->slots_at) +
	       (size_t)ring * session->nr_subbufs;
}

/* The counters of a CPU, or (nr_cpus) of those who have none. */
static inline uint64_t *ring_counters(const struct ring_header *session, uint32_t cpu)
{
	return (uint64_t *)((uintptr_t)session + session->counters_at +
			    ((uint64_t)cpu << RING_COUNTERS_SHIFT));
}

static inline bool ring_is_tracing(const struct ring_header *session)
{
	return __atomic_load_n(&session->tracing_on, __ATOMIC_RELAXED) == RING_TRACING_ON;
}

/* Acquire: a reader that has seen a page and then 0 here has seen no record behind the wish. */
static inline uint64_t ring_snapshot_until(const struct ring_header *session)
{
	return __atomic_load_n(&session->snapshot_until, __ATOMIC_ACQUIRE);
}

/* The latest of those who come at once: it has what the others want. */
static inline void ring_wish_snapshot(struct ring_header *session, uint64_t until)
{
	uint64_t wanted = ring_snapshot_until(session);

	while (wanted < until &&
	       !__atomic_compare_exchange_n(&session->snapshot_until, &wanted, until, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

/* The recorder has switched tracing off: it is not just paused. */
static inline bool ring_is_off(const struct ring_header *session)
{
	return __atomic_load_n(&session->tracing_on, __ATOMIC_RELAXED) == RING_TRACING_OFF;
}

/*
 * What `state` is when tracing is switched. In the little-endian words of the processors that have
 * the runtime, cpus_on is the lower half.
 */
static inline uint64_t ring_state(const struct ring_header *session, enum ring_tracing tracing)
{
	bool fast = tracing == RING_TRACING_ON && session->clock == RING_CLOCK_COUNTER;

	return (uint64_t)tracing << 32 | (fast ? session->nr_cpus : 0);
}

/*
 * Triggers: pause, or go on, unless the recorder has switched tracing off. True when that has
 * changed something: of several who come at once one is told so.
 */
static inline bool ring_pause(struct ring_header *session, bool pause)
{
	uint64_t on = ring_state(session, RING_TRACING_ON);
	uint64_t paused = ring_state(session, RING_TRACING_PAUSED);
	uint64_t from = pause ? on : paused;

	return __atomic_compare_exchange_n(&session->state, &from, pause ? paused : on, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* The sub-buffers of a ring. */
static inline uint8_t *ring_data(const struct ring_control *control)
{
	return (uint8_t *)((uintptr_t)control + control->data);
}

#endif
#endif
