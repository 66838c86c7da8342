/* SPDX-License-Identifier: MIT */
#include "base/mapped.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/parallel.h"
#include "base/test.h"

#define PAGE  4096u
#define PAGES 8u

/* A file of PAGES pages, each full of its number, from 1 on. */
static int make_file(void)
{
	char path[] = "/tmp/mapped-XXXXXX";
	int fd = mkstemp(path), r = 0;
	uint8_t page[PAGE];

	unlink(path);
	for (unsigned int i = 0; i < PAGES && r == 0; i++) {
		memset(page, (int)i + 1, sizeof(page));
		r = io_pwrite_full(fd, page, sizeof(page), (uint64_t)i * PAGE);
	}
	return r < 0 ? -1 : fd;
}

static void add_page(void *sum, size_t index)
{
	const struct mapped *mapped = *(const struct mapped **)sum;
	volatile const uint8_t *data = mapped->data + index * PAGE;

	/* Both ends of it. */
	__atomic_fetch_add(((size_t **)sum)[1], (size_t)data[0] + data[PAGE - 1], __ATOMIC_RELAXED);
}

/* By several threads, which have other signals blocked. */
static size_t sum_of(const struct mapped *mapped)
{
	size_t sum = 0;
	const void *ctx[2] = {mapped, &sum};

	parallel_for(add_page, ctx, mapped->bytes / PAGE);
	return sum;
}

TEST(what_the_file_has)
{
	_cleanup_close_ int fd = make_file();
	struct mapped mapped = {.bytes = 0};

	CHECK(fd >= 0);
	CHECK_EQ(mapped_open(&mapped, fd, PAGE, (size_t)(PAGES - 1) * PAGE), 0);
	CHECK_EQ(sum_of(&mapped), 2 * (2 + 3 + 4 + 5 + 6 + 7 + 8));
	CHECK(!mapped_is_cut(&mapped));
	mapped_close(&mapped);
	mapped_close(&mapped);
	CHECK(!mapped_is_cut(&mapped));
}

/* Zeroes, in the one that was cut; another one is as it was, also after it. */
TEST(cut_short)
{
	_cleanup_close_ int fd = make_file(), other = make_file();
	struct mapped cut = {.bytes = 0}, whole = {.bytes = 0};

	CHECK(fd >= 0 && other >= 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(mapped_open(&cut, fd, 0, (size_t)PAGES * PAGE), 0);
		CHECK_EQ(mapped_open(&whole, other, 0, (size_t)PAGES * PAGE), 0);
		CHECK(!mapped_is_cut(&cut));
		CHECK_EQ(io_ftruncate(fd, 2 * PAGE), 0);
		CHECK_EQ(sum_of(&cut), 2 * (1 + 2));
		CHECK_EQ(sum_of(&whole), 2 * (1 + 2 + 3 + 4 + 5 + 6 + 7 + 8));
		CHECK(mapped_is_cut(&cut) && !mapped_is_cut(&whole));
		mapped_close(&cut);
		mapped_close(&whole);
		CHECK_EQ(io_ftruncate(fd, (uint64_t)PAGES * PAGE), 0);
	}
}

/* What was not mapped here ends the process, as it does without us. */
TEST(others)
{
	_cleanup_close_ int fd = make_file();
	struct mapped mapped = {.bytes = 0};
	int status = 0;
	pid_t pid;

	CHECK(fd >= 0);
	CHECK_EQ(mapped_open(&mapped, fd, 0, PAGE), 0);
	pid = fork();
	if (pid == 0) {
		volatile uint8_t *data = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);

		if (data == MAP_FAILED || io_ftruncate(fd, PAGE) < 0)
			_exit(1);
		_exit(data[PAGE]);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	mapped_close(&mapped);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

TEST(who_may_write)
{
	_cleanup_close_ int fd = make_file();
	struct mapped mapped = {.bytes = 0};

	CHECK(fd >= 0);
	CHECK_EQ(fchmod(fd, 0620), 0);
	CHECK_EQ(mapped_open(&mapped, fd, 0, PAGE), -EPERM);
	CHECK_EQ(fchmod(fd, 0602), 0);
	CHECK_EQ(mapped_open(&mapped, fd, 0, PAGE), -EPERM);
	CHECK_EQ(fchmod(fd, 0644), 0);
	CHECK_EQ(mapped_open(&mapped, fd, 0, PAGE), 0);
	mapped_close(&mapped);
	if (geteuid() != 0)
		SKIP("the owner is changed by root only");
	CHECK_EQ(fchown(fd, 1, 1), 0);
	CHECK_EQ(mapped_open(&mapped, fd, 0, PAGE), -EPERM);
	CHECK_EQ(mapped_open(&mapped, -1, 0, PAGE), -EBADF);
}

TEST_MAIN()
