/* SPDX-License-Identifier: MIT */
/* The records of the runtime beside those of ring/shared.h. Also for assembly. */
#ifndef SONDE_RUNTIME_EVENTS_H
#define SONDE_RUNTIME_EVENTS_H

#define RT_EVENT_CALL	5  /* a function begins whose end will not be seen: as RING_EVENT_ENTRY */
#define RT_EVENT_THREAD 6  /* the first record of a thread: struct rt_event_thread */
#define RT_EVENT_LONG	8  /* a call that took long has ended: struct rt_event_long */
#define RT_EVENT_STACK	9  /* the stack of the event before it: struct rt_event_stack */
#define RT_EVENT_HIST	10 /* the recorder's: a key of a histogram and what was counted of it */
#define RT_EVENT_COUNT	7  /* the recorder's: calls of a function that were only counted */

#ifndef __ASSEMBLER__

#include <stdint.h>

struct rt_event_thread {
	int32_t pid; /* the thread's own id */
	char comm[16];
};

#define RT_STACK_MAX 64
struct rt_event_stack {
	int32_t size, pad;		/* how many */
	uint64_t callers[RT_STACK_MAX]; /* trace addresses, innermost first */
};

struct rt_event_long {
	uint32_t address, sp; /* as RING_EVENT_ENTRY */
	uint64_t begin, end;
};

#endif
#endif
