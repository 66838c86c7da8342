/* SPDX-License-Identifier: MIT */
#include "tracedat/window.h"

#include <errno.h>

#include "base/io.h"
#include "base/mem.h"

enum {
	DEFAULT_AHEAD = 64 << 10
};

void dat_window_init(struct dat_window *window, int fd, uint32_t ahead)
{
	*window = (struct dat_window){.fd = fd, .ahead = ahead ? ahead : DEFAULT_AHEAD};
}

void dat_window_done(struct dat_window *window)
{
	mem_free(window->buf);
	window->buf = NULL;
	window->len = window->cap = 0;
}

ssize_t dat_window_get(struct dat_window *window, uint64_t offset, size_t len,
		       const uint8_t **ret_data)
{
	uint64_t skip = offset - window->offset;
	size_t want;
	ssize_t n;
	int r;

	if (offset >= window->offset && skip <= window->len && len <= window->len - skip) {
		*ret_data = window->buf + skip;
		return (ssize_t)len;
	}
	want = MAX(len, (size_t)window->ahead);
	window->len = 0;
	r = array_reserve(&window->buf, &window->cap, want, 1);
	if (r < 0)
		return r;
	n = io_pread_full(window->fd, window->buf, want, offset);
	if (n < 0)
		return n;
	window->offset = offset;
	window->len = (size_t)n;
	*ret_data = window->buf;
	return (ssize_t)MIN(len, (size_t)n);
}
