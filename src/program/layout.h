/* SPDX-License-Identifier: MIT */
/*
 * What the recorder's image of a module looks like in memory: shared by the planner, which writes
 * it, and the runtime, which maps it. Freestanding: nothing but stdint.h.
 *
 * An image is one memfd:
 *
 *   0             struct program_image_header, then nr_runs of struct program_image_run
 *   stubs_offset  the stubs, then a table for unwinders that has a byte for each byte of them
 *                 (unwind.h), then .eh_frame_hdr and .eh_frame, then stubs of probes and what is
 *                 to be recorded by each (struct program_probe)
 *   run.offset    the module's code with jumps in it, whole pages, one piece a run
 *
 * All addresses are as linked (what stands in the ELF file); in a process the module's load bias
 * comes on top, for the arena too. The arena is [arena, arena + PROGRAM_WORDS_BYTES): the words,
 * a page of data that the runtime fills and then makes read-only; behind it the stubs.
 */
#ifndef SONDE_PROGRAM_LAYOUT_H
#define SONDE_PROGRAM_LAYOUT_H

#include <stdint.h>

#define PROGRAM_IMAGE_MAGIC    0x47414d4945444e53ull /* "SNDEIMAG" */
#define PROGRAM_IMAGE_VERSION  4u
#define PROGRAM_IMAGE_RUNS_MAX 64u
#define PROGRAM_PAGE_BYTES     4096u
#define PROGRAM_WORDS_BYTES    PROGRAM_PAGE_BYTES

/* The words at the head of the arena: where the stubs go. 8 bytes each. */
enum program_word {
	PROGRAM_WORD_ENTRY,	 /* graph: before the function; may not return, see below */
	PROGRAM_WORD_EXIT,	 /* graph: after it */
	PROGRAM_WORD_ENTRY_ONLY, /* function and count modes, and functions seen at entry only */
	PROGRAM_WORD_ROOT_ENTRY, /* as ENTRY and EXIT, of the functions that -g names */
	PROGRAM_WORD_ROOT_EXIT,
	PROGRAM_WORD_WATCHED, /* + one of these: the same, of functions whose events are asked about
			       */
	PROGRAM_WORD_PROBE = 2 * PROGRAM_WORD_WATCHED, /* a probe is hit */
	PROGRAM_WORD_RETURN_ENTRY, /* before a function whose return is probed */
	PROGRAM_WORD_RETURN,	   /* after it */
	PROGRAM_NR_WORDS,
};

/*
 * A stub that sees entry and return, at a multiple of PROGRAM_STUB_ALIGN:
 *
 *    0  push $ID                 sign-extended; the low 32 bits count
 *    5  call *ENTRY(%rip)        on entry: 0(%rsp) = stub + 11, 8(%rsp) = ID, 16(%rsp) = caller
 *   11  lea 16(%rsp),%rsp
 *   16  call displaced
 *   21  push $ID                 where the function returns to
 *   26  jmp *EXIT(%rip)          on entry: 0(%rsp) = ID, 8(%rsp) = what was above the caller's
 *   32  displaced: the first instructions of the function, then a jump behind them
 *
 * ENTRY preserves every register. To be seen at entry only, it leaves for (its return address +
 * PROGRAM_ENTRY_TO_DISPLACED) with 16(%rsp) at the top of the stack. EXIT preserves every register
 * too and returns to the caller.
 *
 * A stub that sees the entry only:
 *
 *    0  push $ID
 *    5  call *ENTRY_ONLY(%rip)
 *   11  lea 8(%rsp),%rsp
 *   16  displaced
 *
 * The ID is the trace address, or in count mode the number of the counter.
 */
/*
 * A stub of probes: the instructions that its jump displaces, and before that at which a probe is
 * hit, once for each:
 *
 *    0  lea -128(%rsp),%rsp       functions without calls use what is below their stack pointer
 *    5  push $DISTANCE            from the end of the call to its struct program_probe
 *   10  call *PROBE(%rip)         on entry: 0(%rsp) = stub + 16, 8(%rsp) = DISTANCE
 *   16  lea 136(%rsp),%rsp
 *
 * PROBE preserves every register, and the flags.
 */
/*
 * The stub of a function whose return is probed has, before the displaced instructions:
 *
 *    the four instructions above, for each probe of its entry
 *    a head as above, when the function is traced, too
 *    0  call *RETURN_ENTRY(%rip)  on entry: 0(%rsp) = here + 6, 8(%rsp) = caller
 *    6  lea 8(%rsp),%rsp
 *   11  call displaced
 *   16  push $DISTANCE            where the function returns to; from the end of the call to the
 *                                 first struct program_probe of its return
 *   21  call *RETURN(%rip)        on entry: 0(%rsp) = here + 27, 8(%rsp) = DISTANCE
 *   27  ret                       to what RETURN has put in the place of DISTANCE
 *   32  displaced
 *
 * Both preserve every register. RETURN_ENTRY may leave for (its return address +
 * PROGRAM_RETURN_TO_DISPLACED), as ENTRY does; the return is not seen then.
 */
#define PROGRAM_RETURN_ENTERED	    6u
#define PROGRAM_RETURN_EXIT	    16u
#define PROGRAM_RETURN_CALLED	    27u
#define PROGRAM_RETURN_BYTES	    32u
#define PROGRAM_RETURN_TO_DISPLACED (PROGRAM_RETURN_BYTES - PROGRAM_RETURN_ENTERED)

#define PROGRAM_PROBE_CALL_BYTES    24u
#define PROGRAM_PROBE_CALLED	    16u
#define PROGRAM_RED_ZONE	    128u

#define PROGRAM_STUB_ALIGN	    16u
#define PROGRAM_STUB_ENTERED	    11u
#define PROGRAM_STUB_EXIT	    21u
#define PROGRAM_STUB_DISPLACED	    32u
#define PROGRAM_STUB_ONLY	    16u
#define PROGRAM_ENTRY_TO_DISPLACED  (PROGRAM_STUB_DISPLACED - PROGRAM_STUB_ENTERED)

/* A return address RA in an arena is an exit (nothing else there is returned to): its ID. */
#define PROGRAM_EXIT_ID_OFFSET 1u /* load u32 at RA + 1 */

/*
 * Where the shadow slot is: the slot of the return address at A is at A - PROGRAM_SHADOW. Not just
 * 2^44: processors compare 12 bits of addresses at first, and would take a slot for what has been
 * written to the stack just now.
 */
#define PROGRAM_SHADOW ((1ull << 44) + 0x2c0u)

/* Where the value of an argument begins. */
enum program_start {
	PROGRAM_START_REGISTER, /* reg >> shift, of which reg_size bytes count */
	PROGRAM_START_CONSTANT, /* number */
	PROGRAM_START_ADDRESS,	/* number, an address as linked */
};
#define PROGRAM_NO_REGISTER 0xffu
#define PROGRAM_DEREFS_MAX  6u

/*
 * An argument: it starts as a register, to which index * scale may be added, or as a number. For
 * each dereference the number that stands derefs[i] behind is loaded, 8 bytes, and last of all what
 * goes into the record.
 */
struct program_probe_arg {
	int64_t number;
	int64_t derefs[PROGRAM_DEREFS_MAX];
	uint8_t nr_derefs;
	uint8_t start; /* enum program_start */
	uint8_t reg, index, scale, shift, reg_size;
	uint8_t size; /* 1, 2, 4, 8 bytes in the record; 0: a string */
	uint8_t is_signed;
	uint8_t is_safe; /* what it loads is there: the program has just loaded it itself */
	uint16_t offset; /* in the payload */
	uint32_t pad;
};
#define PROGRAM_PROBE_ARGS_MAX 16u
/* Where in the payload of a return that address is which the function returns to. */
#define PROGRAM_PROBE_RETURN_AT 8u

struct program_probe {
	uint64_t self;	    /* its own address, as linked */
	uint64_t address;   /* of the instruction, as linked */
	uint64_t semaphore; /* as linked: a u16 that is above 0 while somebody looks on; 0: none */
	uint32_t ip;	    /* trace address */
	uint16_t event;	    /* number of the event */
	uint8_t nr_args;
	uint8_t watched;  /* it has a filter or triggers */
	uint32_t bytes;	  /* of the payload, without strings */
	uint16_t nr_more; /* of the same function's return: they stand directly behind */
	uint8_t is_return;
	uint8_t pad;
	struct program_probe_arg args[PROGRAM_PROBE_ARGS_MAX];
};

struct program_image_run {
	uint64_t address; /* page-aligned, as linked */
	uint64_t length;  /* whole pages */
	uint64_t offset;  /* in the image */
	/*
	 * program_checksum() of [address, address + checked) as it is in the file, before the
	 * jumps; checked is less than length where the file ends inside the last page.
	 */
	uint64_t checked, checksum;
};

struct program_image_header {
	uint64_t magic;
	uint32_t version;
	uint32_t nr_runs;
	uint64_t arena; /* as linked; modulo 2^64, for it may lie below a module linked at 0 */
	uint64_t arena_bytes;  /* words and stubs */
	uint64_t stubs_offset; /* in the image; mapped at arena + PROGRAM_WORDS_BYTES */
	uint64_t stubs_bytes;  /* whole pages, frame descriptions included */
	uint64_t code_bytes;   /* of these, stubs: return addresses lie in them */
	uint64_t eh_frame_hdr; /* offset from the first stub, 4-byte aligned */
	uint64_t eh_frame;     /* offset from the first stub, 8-byte aligned */
	uint64_t eh_frame_bytes;
	uint64_t nr_stubs;
	uint64_t nr_probes;
	uint64_t probes; /* struct program_probe[nr_probes]: offset from the first stub */
};

#define PROGRAM_CHECKED_BYTES (16u * PROGRAM_PAGE_BYTES)

/* Of one piece: eight bytes a step. */
static inline uint64_t program_checksum_piece(const void *data, uint64_t bytes, uint64_t index)
{
	const unsigned char *p = (const unsigned char *)data;
	uint64_t sums[4] = {1, 2, 3, 4};

	for (; bytes >= 32; bytes -= 32, p += 32) {
		for (unsigned int i = 0; i < 4; i++) {
			uint64_t word;

			__builtin_memcpy(&word, p + 8 * i, 8);
			sums[i] = (sums[i] ^ word) * 0x9e3779b97f4a7c15ull;
			sums[i] ^= sums[i] >> 29;
		}
	}
	for (; bytes; bytes--)
		sums[bytes & 3] = (sums[bytes & 3] ^ *p++) * 0x100000001b3ull;
	return ((sums[0] ^ sums[1] << 1) + (sums[2] ^ sums[3] << 1)) * (2 * index + 1);
}

/*
 * The sum of those of pieces of PROGRAM_CHECKED_BYTES, so that they can be computed in any order.
 * Not against forgery, only against code that is not what was planned for.
 */
static inline uint64_t program_checksum(const void *data, uint64_t bytes)
{
	const unsigned char *p = (const unsigned char *)data;
	uint64_t sum = 0;

	for (uint64_t at = 0; at < bytes; at += PROGRAM_CHECKED_BYTES) {
		uint64_t left = bytes - at;

		sum += program_checksum_piece(
			p + at, left < PROGRAM_CHECKED_BYTES ? left : PROGRAM_CHECKED_BYTES,
			at / PROGRAM_CHECKED_BYTES);
	}
	return sum;
}

#endif
