/* SPDX-License-Identifier: MIT */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/test.h"

#define DATA_LEN 200000u

static char dir[] = "/tmp/sonde-io-test-XXXXXX";
static char file_a[64], file_b[64];

static bool setup(void)
{
	static bool done;

	if (done)
		return true;
	if (!mkdtemp(dir))
		return false;
	snprintf(file_a, sizeof(file_a), "%s/a", dir);
	snprintf(file_b, sizeof(file_b), "%s/b", dir);
	done = true;
	return true;
}

static char byte_at(size_t i)
{
	return (char)(i * 7 + i / 251);
}

static bool has_pattern(const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] != byte_at(i))
			return false;
	}
	return true;
}

/* Write the pattern, read it back in two ways; what a sweep runs. */
static int write_and_read(void)
{
	_cleanup_free_ char *data = mem_alloc(DATA_LEN);
	_cleanup_free_ char *back = NULL;
	_cleanup_close_ int fd = -1;
	size_t len;
	ssize_t n;
	int r;

	if (!data)
		return -ENOMEM;
	for (size_t i = 0; i < DATA_LEN; i++)
		data[i] = byte_at(i);
	fd = io_open(file_a, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		return fd;
	r = io_write_full(fd, data, 1000);
	if (r < 0)
		return r;
	r = io_pwrite_full(fd, data + 1000, DATA_LEN - 1000, 1000);
	if (r < 0)
		return r;
	n = io_pread_full(fd, data, DATA_LEN, 0);
	if (n < 0)
		return (int)n;
	if (n != DATA_LEN || !has_pattern(data, DATA_LEN))
		return -EBADMSG;
	r = io_read_file(file_a, 1u << 20, &back, &len);
	if (r < 0)
		return r;
	return len == DATA_LEN && has_pattern(back, len) && !back[len] ? 0 : -EBADMSG;
}

TEST(round_trip)
{
	CHECK(setup());
	CHECK_EQ(write_and_read(), 0);
}

TEST(each_call_fails_once)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_IO, .code = -EIO};
	unsigned long runs = 0;

	CHECK(setup());
	while (fault_next(&s)) {
		int r = write_and_read();

		/* A failing close of a file that was read is nobody's loss. */
		CHECK(r == 0 || (fault_fired() && r == -EIO));
		runs++;
	}
	CHECK(runs > 6);
}

TEST(a_full_disk_stays_full)
{
	_cleanup_(fault_done) struct fault_sweep s = {
		.what = FAULT_IO,
		.code = -ENOSPC,
		.ops = 1u << IO_WRITE | 1u << IO_PWRITE,
		.stays = true,
	};

	CHECK(setup());
	while (fault_next(&s))
		CHECK_EQ(write_and_read(), fault_fired() ? -ENOSPC : 0);
	CHECK_EQ(s.k, 3);
}

TEST(short_calls_lose_nothing)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_SHORT};

	CHECK(setup());
	while (fault_next(&s))
		CHECK_EQ(write_and_read(), 0);
	CHECK(s.k > 4);
}

TEST(interrupted_calls_are_repeated)
{
	_cleanup_(fault_done) struct fault_sweep s = {
		.what = FAULT_IO,
		.code = -EINTR,
		.ops = 1u << IO_WRITE | 1u << IO_PWRITE | 1u << IO_READ | 1u << IO_PREAD,
	};

	CHECK(setup());
	while (fault_next(&s))
		CHECK_EQ(write_and_read(), 0);
	CHECK(s.k > 4);
}

TEST(each_allocation_fails_once)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_MEM};

	CHECK(setup());
	while (fault_next(&s))
		CHECK_EQ(write_and_read(), fault_fired() ? -ENOMEM : 0);
	CHECK(s.k > 2);
}

TEST(a_killed_child_is_seen)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_KILL, .ops = 1u << IO_PWRITE};

	CHECK(setup());
	while (fault_next(&s)) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(write_and_read() ? 1 : 0);
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
		if (fault_fired())
			CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		else
			CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
	}
	CHECK_EQ(s.k, 2);
}

TEST(a_write_of_nothing_is_an_error)
{
	CHECK(setup());
	_cleanup_close_ int fd = io_open(file_a, O_RDWR | O_CREAT, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(io_write_full(fd, "", 0), 0);
	CHECK_EQ(io_pwrite_full(fd, "x", 1, (uint64_t)INT64_MAX + 1), -EFBIG);
	CHECK_EQ(io_pread_full(fd, dir, 1, (uint64_t)INT64_MAX + 1), -EOVERFLOW);
}

static int copy_all(void)
{
	_cleanup_close_ int from = io_open(file_a, O_RDONLY, 0);
	_cleanup_close_ int to = io_open(file_b, O_RDWR | O_CREAT | O_TRUNC, 0600);
	uint64_t done = 0;

	if (from < 0 || to < 0)
		return -EIO;
	while (done < DATA_LEN) {
		ssize_t n = io_copy_range(from, done, to, done, DATA_LEN - (size_t)done);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n ? (int)n : -EIO;
		done += (uint64_t)n;
	}
	return 0;
}

TEST(copy_range)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_SHORT};
	_cleanup_free_ char *data = NULL;
	size_t len;

	CHECK(setup());
	CHECK_EQ(write_and_read(), 0);
	while (fault_next(&s))
		CHECK_EQ(copy_all(), 0);
	fault_pause();
	CHECK_EQ(io_read_file(file_b, DATA_LEN, &data, &len), 0);
	CHECK_EQ(len, DATA_LEN);
	CHECK(has_pattern(data, len));
}

/* From a pipe the kernel refuses copy_file_range; from procfs it says that there is nothing. */
TEST(copy_range_reaches_the_end_quietly)
{
	CHECK(setup());
	_cleanup_close_ int from = io_open(file_a, O_RDONLY, 0);
	_cleanup_close_ int to = io_open(file_b, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(from >= 0 && to >= 0);
	CHECK_EQ(io_copy_range(from, DATA_LEN + 1, to, 0, 100), 0);
	CHECK_EQ(io_copy_range(from, (uint64_t)INT64_MAX + 1, to, 0, 100), -EFBIG);
}

TEST(read_file_limits_and_failures)
{
	char *data = dir;
	size_t len = 77;

	CHECK(setup());
	CHECK_EQ(write_and_read(), 0);
	CHECK_EQ(io_read_file(file_a, DATA_LEN - 1, &data, &len), -EFBIG);
	CHECK_EQ(io_read_file("/nonexistent/file", 10, &data, &len), -ENOENT);
	CHECK_EQ(io_read_file("/tmp", 10, &data, &len), -EISDIR);
	CHECK(data == dir && len == 77);
	/* A file whose size stat does not tell. */
	CHECK_EQ(io_read_file("/proc/self/status", 1u << 20, &data, NULL), 0);
	CHECK(strstr(data, "Name:"));
	mem_free(data);
}

TEST(directories_and_names)
{
	char sub[80], moved[80];
	struct stat st;

	CHECK(setup());
	snprintf(sub, sizeof(sub), "%s/sub", dir);
	snprintf(moved, sizeof(moved), "%s/moved", dir);
	CHECK_EQ(io_mkdir(sub, 0700), 0);
	CHECK_EQ(io_mkdir(sub, 0700), -EEXIST);
	CHECK_EQ(io_rename(sub, moved), 0);
	CHECK_EQ(io_stat(sub, &st), -ENOENT);
	CHECK_EQ(io_stat(moved, &st), 0);
	CHECK(S_ISDIR(st.st_mode));
	CHECK_EQ(io_rmdir(moved), 0);
	CHECK_EQ(io_unlink(moved), -ENOENT);
}

TEST(close_always_closes)
{
	_cleanup_(fault_done) struct fault_sweep s = {
		.what = FAULT_IO, .code = -EIO, .ops = 1u << IO_CLOSE};
	int fds[2];

	CHECK_EQ(io_close(-1), 0);
	CHECK_EQ(io_pipe(fds, 0), 0);
	CHECK(fault_next(&s));
	CHECK_EQ(io_close(fds[0]), -EIO);
	fault_pause();
	CHECK_EQ(io_close(fds[0]), -EBADF);
	CHECK_EQ(io_close(fds[1]), 0);
}

TEST(operations_have_names)
{
	for (int op = 0; op < IO_NR_OPS; op++)
		CHECK(io_op_name((enum io_op)op) && strcmp(io_op_name((enum io_op)op), "?"));
	CHECK_STR(io_op_name(IO_NR_OPS), "?");
}

TEST(clean_up)
{
	CHECK(setup());
	CHECK_EQ(io_unlink(file_a), 0);
	CHECK_EQ(io_unlink(file_b), 0);
	CHECK_EQ(io_rmdir(dir), 0);
}

TEST_MAIN()
