/* SPDX-License-Identifier: MIT */
/*
 * The first instructions of a function: which of them a jump displaces, and what they are at
 * another place. x86-64.
 */
#ifndef SONDE_PROGRAM_WINDOW_H
#define SONDE_PROGRAM_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "program/functions.h"

#define WINDOW_JUMP_BYTES      5u
#define WINDOW_DISPLACED_BYTES 96u /* more than any window becomes */

/* Code as the file has it; `address` is that of code[0]. */
struct window_code {
	const uint8_t *code;
	size_t bytes;
	uint64_t address;
};

/* Whether this build can decode instructions at all. */
bool window_supported(void);

/*
 * Choose the window of the function at `start`, which ends at `end`; nothing else begins before
 * `next`. Sets site and window, and skip when there is none.
 */
void window_find(struct program_function *function, const struct window_code *code, uint64_t end,
		 uint64_t next);

/*
 * Whether the branch that would stand at `at` is one: an instruction begins at `*start`, and
 * decoding from there meets it. True when the code between is no code. `*start` becomes the last
 * one found that begins at or before `at`: from there the next can be asked about.
 */
bool window_is_branch(const struct window_code *code, uint64_t *start, uint64_t at,
		      uint64_t target);

struct window_displaced {
	uint8_t code[WINDOW_DISPLACED_BYTES];
	uint8_t states[WINDOW_DISPLACED_BYTES]; /* what unwind.h says of each byte */
};

/*
 * Write the window's instructions for `place`, with a jump behind them unless they never get
 * there. Returns the bytes, or 0 when the distance is too great.
 */
size_t window_displace(const struct window_code *code, const struct program_function *function,
		       uint64_t place, struct window_displaced *ret_displaced);

/* Bytes between functions, which nothing runs: nop and int3. */
bool window_is_padding(const struct window_code *code, uint64_t from, uint64_t to);

/* An instruction, as far as it matters for windows that are no function's start. */
enum window_insn_kind {
	WINDOW_INSN_PLAIN, /* goes on behind it, or to where a condition leads */
	WINDOW_INSN_CALL,
	WINDOW_INSN_JUMP,     /* does not go on behind it */
	WINDOW_INSN_JUMP_FAR, /* the same, to where a register or memory says */
	WINDOW_INSN_UNMOVABLE,
	WINDOW_INSN_UNDECODED,
};

struct window_insn {
	size_t length; /* 0: not known */
	enum window_insn_kind kind;
	uint64_t refers; /* what its operand relative to %rip means, or 0 */
};

void window_look(const struct window_code *code, uint64_t address, struct window_insn *ret_insn);

/*
 * As window_displace, of the instructions in [from, to); `last`: behind them there is the jump to
 * `to`. *ret_bytes may be 0. False when the distance is too great.
 */
bool window_move(const struct window_code *code, uint64_t from, uint64_t to, bool last,
		 uint64_t place, struct window_displaced *ret_displaced, size_t *ret_bytes);

#endif
