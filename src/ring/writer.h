/* SPDX-License-Identifier: MIT */
/*
 * The writer: records into the rings of a session (ring/shared.h), from any thread, signal handler
 * or child of a traced program. It runs inside such programs: no libc, no allocation, no lock,
 * general registers only. Nothing here fails loudly: what cannot be stored is counted.
 *
 * On x86-64 the record of a call has a fast path in assembly (ring/writer_x86.h); all else, and
 * other processors, take ring_write.
 */
#ifndef SONDE_RING_WRITER_H
#define SONDE_RING_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/shared.h"

/*
 * A thread that writes to one session: in its TLS, initial-exec where the assembly is to find it,
 * all zeros at first. After fork the child's copy is right but for the tid; a child that shares its
 * parent's memory (vfork, CLONE_VM without CLONE_THREAD) must not use the parent's: the kernel does
 * not restart its sequences. It needs a ring_thread of its own, begun with ring_thread_init_alone.
 */
struct ring_thread {
	void *rseq;	 /* the registered struct rseq; NULL: take the slow path */
	uint64_t common; /* the common fields of its records: tid << 32, and event 0's id */
	uint32_t own;	 /* the fallback ring that it had last + 1, or 0 */
	uint32_t space;	 /* in which its tid means something, or 0: not known yet */
	bool alone;	 /* no restartable sequences: always fallback rings */
	bool known;	 /* ring_thread_init was here */
};

_Static_assert(offsetof(struct ring_thread, rseq) == RING_THREAD_RSEQ, "rseq");
_Static_assert(offsetof(struct ring_thread, common) == RING_THREAD_COMMON, "common");

/*
 * Map the session that `fd` holds (which may be closed then) into this process and find out how
 * threads get their restartable sequences: from the C library that registered them, or by
 * registering them here. Returns the session or NULL, *ret_error then being a negative errno. Once
 * a process, before its first record, and not from a signal handler.
 */
struct ring_header *ring_attach(int fd, int *ret_error);

/*
 * Before the first record of a thread, and again in the child after fork: sets tid and rseq.
 * ring_write does it for a thread that is all zeros.
 */
void ring_thread_init(struct ring_thread *thread);

/* The same for a thread that has no restartable sequence. */
void ring_thread_init_alone(struct ring_thread *thread);

/*
 * Write one record: the common fields with `type` and the thread's tid, then `len` bytes of
 * payload, at most ring_payload_max(). In block mode this waits for room as long as the recorder
 * lives. False when the record was not stored: counted as lost, or tracing is off.
 */
bool ring_write(struct ring_header *session, struct ring_thread *thread, uint16_t type,
		const void *payload, uint32_t len);

/* Largest payload: time extend, header with a length and common fields stand before it. */
static inline uint32_t ring_payload_max(const struct ring_header *session)
{
	return session->subbuf_size - RING_HEAD_BYTES - RING_TAIL_BYTES - 24;
}

/*
 * The record of a call, RING_EVENT_ENTRY and the like, as the assembly writes it: `sp` is the stack
 * pointer. The fast path where there is one.
 */
bool ring_write_call(struct ring_header *session, struct ring_thread *thread, uint16_t type,
		     uint32_t addr, uint64_t sp);

/*
 * The recorder shall set aside what has been written so far, this thread's records included. At
 * once for the caller; false when the recording is over.
 */
bool ring_want_snapshot(struct ring_header *session);

#endif
