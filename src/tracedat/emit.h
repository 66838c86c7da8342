/* SPDX-License-Identifier: MIT */
/*
 * Buffered writing of a file whose earlier parts are patched later: the writer's lower half. After
 * a failure every further call returns the same error.
 */
#ifndef SONDE_TRACEDAT_EMIT_H
#define SONDE_TRACEDAT_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct dat_emit {
	int fd;
	bool big_endian;
	int failed;	  /* the first error */
	uint64_t written; /* bytes in the file; what is in buf comes behind them */
	uint8_t *buf;
	size_t len;
};

int dat_emit_open(struct dat_emit *emit, const char *path, bool big_endian) _must_check_;
int dat_emit_close(struct dat_emit *emit); /* without flushing */

static inline uint64_t dat_emit_pos(const struct dat_emit *emit)
{
	return emit->written + emit->len;
}

int dat_emit_flush(struct dat_emit *emit);
int dat_emit_bytes(struct dat_emit *emit, const void *data, size_t len);
int dat_emit_zeros(struct dat_emit *emit, uint64_t nr);
int dat_emit_align(struct dat_emit *emit, uint64_t to);
int dat_emit_u16(struct dat_emit *emit, uint16_t value);
int dat_emit_u32(struct dat_emit *emit, uint32_t value);
int dat_emit_u64(struct dat_emit *emit, uint64_t value);
/* Overwrite what lies before the position. */
int dat_emit_patch(struct dat_emit *emit, uint64_t at, const void *data, size_t len);
int dat_emit_patch_u32(struct dat_emit *emit, uint64_t at, uint32_t value);
int dat_emit_patch_u64(struct dat_emit *emit, uint64_t at, uint64_t value);
/* `len` bytes of another file, copied by the kernel where it can. */
int dat_emit_copy(struct dat_emit *emit, int fd, uint64_t offset, uint64_t len);

#endif
