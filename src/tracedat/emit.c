/* SPDX-License-Identifier: MIT */
#include "tracedat/emit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/mem.h"

enum {
	EMIT_BUF_BYTES = 256 << 10
};

int dat_emit_open(struct dat_emit *emit, const char *path, bool big_endian)
{
	*emit = (struct dat_emit){.fd = -1, .big_endian = big_endian};
	emit->buf = mem_alloc(EMIT_BUF_BYTES);
	if (!emit->buf)
		return emit->failed = -ENOMEM;
	emit->fd = io_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	return emit->failed = emit->fd < 0 ? emit->fd : 0;
}

int dat_emit_close(struct dat_emit *emit)
{
	int r = io_close(emit->fd);

	mem_free(emit->buf);
	emit->buf = NULL;
	emit->fd = -1;
	return r;
}

int dat_emit_flush(struct dat_emit *emit)
{
	int r;

	if (emit->failed || !emit->len)
		return emit->failed;
	r = io_pwrite_full(emit->fd, emit->buf, emit->len, emit->written);
	if (r < 0)
		return emit->failed = r;
	emit->written += emit->len;
	emit->len = 0;
	return 0;
}

int dat_emit_bytes(struct dat_emit *emit, const void *data, size_t len)
{
	int r;

	if (emit->failed)
		return emit->failed;
	if (len > EMIT_BUF_BYTES - emit->len && dat_emit_flush(emit) < 0)
		return emit->failed;
	if (len >= EMIT_BUF_BYTES) {
		r = io_pwrite_full(emit->fd, data, len, emit->written);
		if (r < 0)
			return emit->failed = r;
		emit->written += len;
		return 0;
	}
	if (len)
		memcpy(emit->buf + emit->len, data, len);
	emit->len += len;
	return 0;
}

int dat_emit_zeros(struct dat_emit *emit, uint64_t nr)
{
	static const uint8_t zeros[4096];

	while (nr && !emit->failed) {
		size_t len = (size_t)MIN(nr, sizeof(zeros));

		dat_emit_bytes(emit, zeros, len);
		nr -= len;
	}
	return emit->failed;
}

int dat_emit_align(struct dat_emit *emit, uint64_t to)
{
	uint64_t over = dat_emit_pos(emit) % to;

	return over ? dat_emit_zeros(emit, to - over) : emit->failed;
}

int dat_emit_u16(struct dat_emit *emit, uint16_t value)
{
	uint8_t bytes[2];

	store_u16(bytes, value, emit->big_endian);
	return dat_emit_bytes(emit, bytes, sizeof(bytes));
}

int dat_emit_u32(struct dat_emit *emit, uint32_t value)
{
	uint8_t bytes[4];

	store_u32(bytes, value, emit->big_endian);
	return dat_emit_bytes(emit, bytes, sizeof(bytes));
}

int dat_emit_u64(struct dat_emit *emit, uint64_t value)
{
	uint8_t bytes[8];

	store_u64(bytes, value, emit->big_endian);
	return dat_emit_bytes(emit, bytes, sizeof(bytes));
}

int dat_emit_patch(struct dat_emit *emit, uint64_t at, const void *data, size_t len)
{
	int r;

	if (emit->failed)
		return emit->failed;
	if (at >= emit->written) { /* still in memory */
		memcpy(emit->buf + (at - emit->written), data, len);
		return 0;
	}
	if (at + len > emit->written && dat_emit_flush(emit) < 0)
		return emit->failed;
	r = io_pwrite_full(emit->fd, data, len, at);
	return r < 0 ? (emit->failed = r) : 0;
}

int dat_emit_patch_u32(struct dat_emit *emit, uint64_t at, uint32_t value)
{
	uint8_t bytes[4];

	store_u32(bytes, value, emit->big_endian);
	return dat_emit_patch(emit, at, bytes, sizeof(bytes));
}

int dat_emit_patch_u64(struct dat_emit *emit, uint64_t at, uint64_t value)
{
	uint8_t bytes[8];

	store_u64(bytes, value, emit->big_endian);
	return dat_emit_patch(emit, at, bytes, sizeof(bytes));
}

int dat_emit_copy(struct dat_emit *emit, int fd, uint64_t offset, uint64_t len)
{
	if (dat_emit_flush(emit) < 0)
		return emit->failed;
	while (len) {
		size_t step = (size_t)MIN(len, 1ull << 30);
		ssize_t n = io_copy_range(fd, offset, emit->fd, emit->written, step);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return emit->failed = n < 0 ? (int)n : -EIO;
		emit->written += (uint64_t)n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}
