/* SPDX-License-Identifier: MIT */
/* How long an instruction of x86-64 is, where that is told fast. */
#ifndef SONDE_PROGRAM_WINDOW_LENGTH_H
#define SONDE_PROGRAM_WINDOW_LENGTH_H

#include <stddef.h>
#include <stdint.h>

#define WINDOW_LENGTH_MAX 15u /* no instruction is longer */

/* There are WINDOW_LENGTH_MAX bytes. 0: it is not one of those that compilers make all the time. */
size_t window_length(const uint8_t *code);

#endif
