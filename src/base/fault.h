/* SPDX-License-Identifier: MIT */
/*
 * Fault sweeps for tests: run a job again and again, and in run k make its k-th system call or
 * allocation fail, until a run has fewer than k. Every error path of the job is then taken once.
 *
 *	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_IO, .code = -ENOSPC};
 *
 *	while (fault_next(&s)) {
 *		int r = write_the_file();
 *
 *		CHECK(fault_fired() || r == 0);
 *		CHECK(what_is_left_behind_is_fine());
 *	}
 *
 * The check itself must not be failed: call fault_pause() before it when it reads or allocates
 * through the seams. The counters are atomic and shared with children, so jobs may use threads
 * and fork. Only *_test.c files include this.
 */
#ifndef SONDE_BASE_FAULT_H
#define SONDE_BASE_FAULT_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/io.h"
#include "base/mem.h"

enum fault_what {
	FAULT_IO,    /* the call fails with .code */
	FAULT_SHORT, /* the call moves half of what it was asked to, at least one byte */
	FAULT_MEM,   /* the allocation returns NULL */
	FAULT_KILL,  /* kill -9 just before the call: only in a child of the test */
};

struct fault_sweep {
	enum fault_what what;
	int code;	     /* FAULT_IO: a negative errno */
	unsigned int ops;    /* bits 1u << IO_...; 0: every operation */
	unsigned long step;  /* try each step-th call only; 0 is 1 */
	unsigned long limit; /* stop after call number `limit`; 0: none */
	bool stays;	     /* all later calls fail too: a disk that stays full */
	unsigned long k;     /* the call that fails in this run, counted from 1 */
	bool started;
};

struct fault_state {
	struct fault_sweep sweep;
	unsigned long calls; /* atomic */
	bool fired;	     /* atomic */
};

/* Shared memory, so that what a child does is seen here. */
static inline struct fault_state *fault_state(void)
{
	static struct fault_state *state;

	if (!state) {
		void *map = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (map == MAP_FAILED)
			abort();
		state = map;
	}
	return state;
}

/* Counts one call; true when it is the one that fails (or a later one, if it stays so). */
static inline bool fault_hit(struct fault_state *state)
{
	unsigned long call = __atomic_add_fetch(&state->calls, 1, __ATOMIC_RELAXED);

	if (call < state->sweep.k || (call > state->sweep.k && !state->sweep.stays))
		return false;
	__atomic_store_n(&state->fired, true, __ATOMIC_RELAXED);
	return true;
}

static inline int fault_io_hook(enum io_op op, const char *path, size_t *len)
{
	struct fault_state *state = fault_state();
	const struct fault_sweep *sweep = &state->sweep;

	(void)path;
	if (sweep->ops && !(sweep->ops >> op & 1))
		return 0;
	if (sweep->what == FAULT_SHORT && *len < 2)
		return 0;
	if (!fault_hit(state))
		return 0;
	if (sweep->what == FAULT_KILL)
		raise(SIGKILL);
	if (sweep->what == FAULT_SHORT) {
		*len /= 2;
		return 0;
	}
	return sweep->code;
}

static inline bool fault_mem_hook(size_t size)
{
	(void)size;
	return fault_hit(fault_state());
}

/* No more faults in this run; fault_fired() keeps its answer. */
static inline void fault_pause(void)
{
	io_fault_hook = NULL;
	mem_fault_hook = NULL;
}

/* Whether this run has met its fault. */
static inline bool fault_fired(void)
{
	return __atomic_load_n(&fault_state()->fired, __ATOMIC_RELAXED);
}

/* Calls counted in this run. */
static inline unsigned long fault_calls(void)
{
	return __atomic_load_n(&fault_state()->calls, __ATOMIC_RELAXED);
}

/* Arm the next run; false after the first run that met no fault. */
static inline bool fault_next(struct fault_sweep *sweep)
{
	struct fault_state *state = fault_state();

	fault_pause();
	if (sweep->started && !state->fired)
		return false;
	sweep->k += sweep->started && sweep->step ? sweep->step : 1;
	if (sweep->limit && sweep->k > sweep->limit)
		return false;
	sweep->started = true;
	state->sweep = *sweep;
	state->calls = 0;
	state->fired = false;
	if (sweep->what == FAULT_MEM)
		mem_fault_hook = fault_mem_hook;
	else
		io_fault_hook = fault_io_hook;
	return true;
}

static inline void fault_done(struct fault_sweep *sweep)
{
	(void)sweep;
	fault_pause();
}

#endif
