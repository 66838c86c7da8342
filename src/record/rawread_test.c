/* SPDX-License-Identifier: MIT */
#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "record/rawread.h"

/* What the next reads answer, then they work, at most `chunk` bytes at once. */
static int answers[8];
static int nr_answers;
static size_t chunk;

static int hook(enum io_op op, const char *path, size_t *len)
{
	(void)path;
	if (op != IO_READ)
		return 0;
	*len = *len < chunk ? *len : chunk;
	return nr_answers ? answers[--nr_answers] : 0;
}

static int read_page(uint8_t page[64], size_t there, size_t most)
{
	uint8_t data[64];
	int fds[2], r;

	memset(data, 7, sizeof(data));
	if (pipe2(fds, O_NONBLOCK) < 0 || write(fds[1], data, there) != (ssize_t)there)
		__builtin_trap();
	chunk = most;
	io_fault_hook = hook;
	r = raw_read_page(fds[0], page, 64);
	io_fault_hook = NULL;
	close(fds[0]);
	close(fds[1]);
	return r;
}

TEST(a_page_comes_whole_or_not_at_all)
{
	uint8_t page[64] = {0};

	CHECK_EQ(read_page(page, 0, 64), 0);
	CHECK_EQ(read_page(page, 64, 64), 1);
	CHECK_EQ(read_page(page, 64, 10), 1);
	CHECK_EQ(page[63], 7);
	CHECK_EQ(read_page(page, 30, 64), -EIO);
}

TEST(what_passes_is_tried_again)
{
	uint8_t page[64] = {0};

	for (nr_answers = 0; nr_answers < 3; nr_answers++)
		answers[nr_answers] = nr_answers == 1 ? -EINTR : -ENOMEM;
	CHECK_EQ(read_page(page, 64, 64), 1);
	CHECK_EQ(nr_answers, 0);
	answers[nr_answers++] = -EIO;
	CHECK_EQ(read_page(page, 64, 64), -EIO);
}

TEST_MAIN()
