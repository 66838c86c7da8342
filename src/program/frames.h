/* SPDX-License-Identifier: MIT */
/*
 * The frame descriptions of an ELF file (.eh_frame): where functions begin and end, which stripped
 * files keep too, and where the caller's frame is at an instruction.
 */
#ifndef SONDE_PROGRAM_FRAMES_H
#define SONDE_PROGRAM_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame_cie {
	size_t at; /* where it stands; SIZE_MAX: none has been read */
	uint64_t code_align;
	uint8_t encoding; /* of addresses, DW_EH_PE_* */
	bool augmented, is_signal;
	size_t insns, insns_end; /* offsets of its instructions */
};

/* One description. */
struct frame {
	uint64_t start, bytes;
	struct frame_cie cie;
	size_t at; /* where it stands in the data */
	size_t insns, insns_end;
};

struct frames {
	const uint8_t *data; /* borrowed */
	size_t len;
	uint64_t address;     /* of data[0], as linked */
	size_t at;	      /* the next one */
	bool to_end;	      /* a terminator is passed over */
	struct frame_cie cie; /* the last one */
};

/* What a description says of one instruction. */
enum frame_state {
	FRAME_ENTERED,	 /* the return address is on top of the stack: as a function begins */
	FRAME_INSIDE,	 /* anything else */
	FRAME_OUTERMOST, /* there is no caller */
};

/* `len` bytes at `address`; with `to_end` all of them are meant, not what is before a terminator.
 */
void frames_init(struct frames *frames, const uint8_t *data, size_t len, uint64_t address,
		 bool to_end);

/* False at the end, or where the data makes no sense. Descriptions of nothing are passed over. */
bool frames_next(struct frames *frames, struct frame *ret_frame);

/* The description at `at`, which frames_next has found there. False when it cannot be read. */
bool frames_read(struct frames *frames, size_t at, struct frame *ret_frame);

/* At `offset` bytes from the frame's start. */
enum frame_state frames_state(const struct frames *frames, const struct frame *frame,
			      uint64_t offset);

#endif
