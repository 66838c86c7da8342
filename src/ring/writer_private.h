/* SPDX-License-Identifier: MIT */
/* What the files of the writer share. */
#ifndef SONDE_RING_WRITER_PRIVATE_H
#define SONDE_RING_WRITER_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "ring/shared.h"
#include "ring/writer.h"

/*
 * One change of a ring, in one sequence: if the words have these values, make the stores and the
 * copies in their order, then the last store, which is what makes the change. writer_x86.S knows
 * the layout.
 */
struct ring_word {
	uint64_t *at;
	uint64_t value;
};
struct ring_copy {
	void *to;
	const void *from;
	uint64_t bytes;
};
struct ring_step {
	struct ring_word checks[3]; /* all are looked at */
	struct ring_word last;
	struct ring_copy copies[3]; /* all are made */
	uint64_t nr_stores;
	struct ring_word stores[6];
};

/*
 * The step as a restartable sequence on `cpu`. False when nothing was changed that counts:
 * restarted, on another CPU, or a word had another value.
 */
bool ring_step_restartable(const struct ring_step *step, void *rseq, uint32_t cpu);

/*
 * A fallback ring for one record, or a negative number when all are in use. Signals are blocked
 * until it is given back: so nobody else writes there.
 */
int32_t ring_thread_take(struct ring_header *session, struct ring_thread *thread);
void ring_thread_give_back(struct ring_header *session, uint32_t ring);

#ifdef RING_TEST_POINTS
/* Where the process is to meet the signal; 0 or passed: nowhere. */
extern volatile uint32_t ring_point, ring_point_signal, ring_point_pid;
void ring_point_hit(void);
#define RING_POINT_HERE(number)                                                                    \
	do {                                                                                       \
		if (ring_point == (number))                                                        \
			ring_point_hit();                                                          \
	} while (0)
#else
#define RING_POINT_HERE(number) ((void)0)
#endif

/* Points of the C code; 1 to 9 are in the assembly. */
enum {
	RING_POINT_SWITCH = 10,
	RING_POINT_FULL,
	RING_POINT_WAIT,
	RING_POINT_WAITED,
	RING_POINT_ALONE,
	RING_POINT_ALONE_STORED,
	RING_POINT_ALONE_DONE,
	RING_NR_POINTS
};

#endif
