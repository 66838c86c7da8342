/* SPDX-License-Identifier: MIT */
/*
 * A moving view of a file: bytes at an offset, read ahead by a fixed amount, so that walking many
 * small things costs few system calls.
 */
#ifndef SONDE_TRACEDAT_WINDOW_H
#define SONDE_TRACEDAT_WINDOW_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct dat_window {
	int fd;
	uint32_t ahead;	 /* bytes read at once at least; 0 is 64 KiB */
	uint64_t offset; /* of buf in the file */
	uint8_t *buf;
	size_t len, cap;
};

void dat_window_init(struct dat_window *window, int fd, uint32_t ahead);
void dat_window_done(struct dat_window *window);

/*
 * `len` bytes at `offset`, borrowed until the next call. Returns how many there are (less than len
 * only at the end of the file), or a negative errno. The caller has checked len against the size of
 * the file or a limit.
 */
ssize_t dat_window_get(struct dat_window *window, uint64_t offset, size_t len,
		       const uint8_t **ret_data) _must_check_;

#endif
