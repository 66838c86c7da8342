/* SPDX-License-Identifier: MIT */
#include "record/rawread.h"

#include <errno.h>
#include <unistd.h>

#define MEMORY_TRIES   1000
#define MEMORY_WAIT_US 2000

ssize_t raw_read(int fd, void *buf, size_t size)
{
	unsigned int tries = 0;

	for (;;) {
		ssize_t n = io_read(fd, buf, size);

		if (n == -ENOMEM && tries++ < MEMORY_TRIES)
			usleep(MEMORY_WAIT_US);
		else if (n != -EINTR)
			return n;
	}
}

int raw_read_page(int fd, uint8_t *page, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = raw_read(fd, page + have, size - have);

		if (n == 0 || n == -EAGAIN)
			break;
		if (n < 0)
			return (int)n;
		have += (size_t)n;
	}
	return have == size ? 1 : have ? -EIO : 0;
}
