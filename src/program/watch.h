/* SPDX-License-Identifier: MIT */
/*
 * What the runtime asks at each event of a function before it is recorded, and what it does then:
 * filters and triggers, as the recorder has compiled them into the memory of the session
 * (ring_header's watch_at). Nothing of it holds an
 * address: every process has it somewhere else. Freestanding.
 *
 * A question is a program of comparisons, each of which goes on at an earlier one, or says yes or
 * no: so that it ends, whatever a program has written over it.
 */
#ifndef SONDE_PROGRAM_WATCH_H
#define SONDE_PROGRAM_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#define PROGRAM_WATCH_OPS_MAX	    2048u
#define PROGRAM_WATCH_TRIGGERS_MAX  32u
#define PROGRAM_WATCH_COMMS_MAX	    32u
#define PROGRAM_WATCH_COMM_BYTES    64u
#define PROGRAM_WATCH_EVENTS	    16u
#define PROGRAM_WATCH_PROBES	    256u /* by the numbers of their events */
#define PROGRAM_WATCH_NAMES_MAX	    31u
#define PROGRAM_WATCH_FUNCTION_BITS 17u
#define PROGRAM_WATCH_FUNCTIONS	    (1u << PROGRAM_WATCH_FUNCTION_BITS)

/* What is compared. */
enum program_watch_source {
	PROGRAM_WATCH_TYPE, /* the id of the event */
	PROGRAM_WATCH_PID,
	PROGRAM_WATCH_IP,
	PROGRAM_WATCH_SP,
	PROGRAM_WATCH_DEPTH,
	PROGRAM_WATCH_CPU,
	PROGRAM_WATCH_COMMS, /* bit i: the task's name is like comms[i] */
	PROGRAM_WATCH_NAMES, /* bit i: the function has the name i */
	PROGRAM_WATCH_CALLTIME,
	PROGRAM_WATCH_RETTIME,
	PROGRAM_WATCH_DURATION, /* ns, of a call that has ended */
	PROGRAM_WATCH_PARENT,	/* the trace address that the call returns to */
	PROGRAM_WATCH_CALLERS,	/* bit i: the function there has the name i */
	PROGRAM_WATCH_ZERO,	/* fields that nobody fills in */
	PROGRAM_WATCH_ARG,	/* + the index: an argument of a probe */
};

/* In place of an operation: the answer. */
#define PROGRAM_WATCH_NO  0xfffeu
#define PROGRAM_WATCH_YES 0xffffu

struct program_watch_op {
	uint64_t low, span;	    /* source - low, without sign, is at most span; */
	uint16_t on_true, on_false; /* an op before this one, NO or YES */
	uint8_t source;
	bool bits; /* ... or source has one of the bits of low */
	uint16_t pad;
};

enum program_watch_action {
	PROGRAM_WATCH_TRACEON,
	PROGRAM_WATCH_TRACEOFF,
	PROGRAM_WATCH_STACKTRACE,
	PROGRAM_WATCH_ENABLE,
	PROGRAM_WATCH_DISABLE,
	PROGRAM_WATCH_SNAPSHOT,
	PROGRAM_WATCH_HIST,
};

struct program_watch_trigger {
	int64_t count;	    /* actions that are left, negative: no limit; the runtime's to take */
	uint32_t events;    /* on which it is, bits */
	uint32_t switches;  /* ENABLE, DISABLE: which, bits */
	uint16_t condition; /* an op, YES or NO */
	uint8_t action;
	bool first;				    /* it acts before the event is recorded */
	uint32_t hist;				    /* HIST: which of those at event_hists_at */
	uint64_t probes[PROGRAM_WATCH_PROBES / 64]; /* ENABLE, DISABLE: which events of probes */
};

/* An event of probes. */
struct program_watch_probe {
	uint32_t triggers; /* which it has, bits */
	uint16_t filter;   /* an op, YES or NO */
	uint16_t pad;
};

static inline bool program_watch_compare(const struct program_watch_op *op, uint64_t value)
{
	return op->bits ? value & op->low : value - op->low <= op->span;
}

/* A function that has bits, in a table by program_watch_hash; address 0: free. One store. */
#define PROGRAM_WATCH_UNCHOSEN (1u << 31) /* it has only commands: nothing of it is recorded */
union program_watch_function {
	struct {
		uint32_t address, bits;
	};
	uint64_t word;
};

/* A function that is asked for as the caller of others. */
#define PROGRAM_WATCH_CALLERS_MAX 1024u
struct program_watch_caller {
	uint32_t address, bytes, bits;
};

struct program_watch {
	uint32_t enabled;   /* events that are recorded, bits; triggers change them */
	uint32_t triggered; /* events that have triggers, bits */
	uint32_t nr_triggers;
	uint32_t mult, shift; /* ns = units of the clock * mult >> shift */
	bool asks_functions, asks_depth, asks_duration;
	uint8_t nr_comms;
	uint16_t nr_ops;
	/* struct program_hists, in bytes from here; 0: none. Of calls, which are counted and not
	 * recorded; of triggers, beside records. */
	uint64_t hists_at, event_hists_at;
	uint16_t filters[PROGRAM_WATCH_EVENTS]; /* of each event: an op, YES or NO */
	struct program_watch_trigger triggers[PROGRAM_WATCH_TRIGGERS_MAX];
	/* Come up with the modules: set before a process has one. */
	struct program_watch_probe probes[PROGRAM_WATCH_PROBES];
	uint64_t probes_off[PROGRAM_WATCH_PROBES / 64]; /* not recorded: triggers change them */
	char comms[PROGRAM_WATCH_COMMS_MAX][PROGRAM_WATCH_COMM_BYTES]; /* globs */
	struct program_watch_op ops[PROGRAM_WATCH_OPS_MAX];
	uint32_t nr_callers; /* grows with the modules; they are there before it says so */
	struct program_watch_caller callers[PROGRAM_WATCH_CALLERS_MAX];
	union program_watch_function functions[PROGRAM_WATCH_FUNCTIONS];
};

/* Where a function is looked for; behind it, up to the first that is free. */
static inline uint32_t program_watch_hash(uint32_t address)
{
	return address * 0x9e3779b1u >> (32 - PROGRAM_WATCH_FUNCTION_BITS);
}

static inline uint32_t program_watch_bits(const struct program_watch *watch, uint32_t address)
{
	uint32_t at = program_watch_hash(address);

	for (uint32_t i = 0; i < PROGRAM_WATCH_FUNCTIONS; i++) {
		union program_watch_function function = {
			.word = __atomic_load_n(&watch->functions[at].word, __ATOMIC_RELAXED)};

		if (function.address == address)
			return function.bits;
		if (!function.address)
			break;
		at = (at + 1) & (PROGRAM_WATCH_FUNCTIONS - 1);
	}
	return 0;
}

#endif
