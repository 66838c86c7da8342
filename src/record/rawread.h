/* SPDX-License-Identifier: MIT */
/* Reads of trace_pipe_raw, which every reader of a ring buffer shares. */
#ifndef SONDE_RECORD_RAWREAD_H
#define SONDE_RECORD_RAWREAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/io.h"

/*
 * Bytes, or -errno. A signal does not end it. For the first read the kernel takes a page, and takes
 * no pains to find one: -ENOMEM there passes, and is waited for, up to two seconds.
 */
ssize_t raw_read(int fd, void *buf, size_t size) _must_check_;

/*
 * One whole sub-buffer: 1, or 0 when there is none now. The kernel keeps the rest of a sub-buffer
 * for the next read, so a short read is completed.
 */
int raw_read_page(int fd, uint8_t *page, size_t size) _must_check_;

#endif
