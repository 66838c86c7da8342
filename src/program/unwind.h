/* SPDX-License-Identifier: MIT */
/*
 * Frame descriptions of stubs. A stack can be unwound from any instruction of a stub, also when a
 * signal came there. One description serves all stubs of an image: its rules are expressions that
 * look up, in a table with a byte for each byte of the stubs, how things are at the instruction
 * that comes next. A description for each stub would take more room than that, and processes share
 * the table.
 */
#ifndef SONDE_PROGRAM_UNWIND_H
#define SONDE_PROGRAM_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "program/layout.h"

/* What is said of an instruction, before it: the bytes from the stack pointer up to the CFA, and:
 */
#define UNWIND_ODD    1u    /* the CFA is one more, see unwind.c */
#define UNWIND_SHADOW 2u    /* the return address is in its shadow slot, not below the CFA */
#define UNWIND_RBP    4u    /* the caller's %rbp is at CFA - 16, not in the register */
#define UNWIND_FAR    0xf8u /* instead of the bytes: they are in the 32 bits behind this byte */

/* All of a stub that is not displaced code (layout.h): `only` for one that sees the entry only. */
void unwind_put_head(uint8_t *states, bool only);

/* Of what a probe of a function's entry adds, and of what sees its return. */
void unwind_put_hit(uint8_t *states);
void unwind_put_return(uint8_t *states);

#define UNWIND_FRAMES_BYTES 320u /* of what unwind_put_frames writes, at most */
#define UNWIND_HDR_BYTES    24u	 /* of .eh_frame_hdr */

/*
 * .eh_frame_hdr, and .eh_frame at UNWIND_HDR_BYTES, for stubs that take `len` bytes, behind which
 * the table is, and behind that these frames. Returns how many bytes, a terminator of zeros
 * included.
 */
size_t unwind_put_frames(uint8_t frames[UNWIND_FRAMES_BYTES], size_t len);

#endif
