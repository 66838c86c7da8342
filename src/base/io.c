/* SPDX-License-Identifier: MIT */
#include "base/io.h"

#include <errno.h>
#include <sys/file.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"

int (*io_fault_hook)(enum io_op op, const char *path, size_t *len);

const char *io_op_name(enum io_op op)
{
	static const char *const names[IO_NR_OPS] = {
		[IO_OPEN] = "open",
		[IO_CLOSE] = "close",
		[IO_READ] = "read",
		[IO_PREAD] = "pread",
		[IO_WRITE] = "write",
		[IO_PWRITE] = "pwrite",
		[IO_STAT] = "stat",
		[IO_TRUNCATE] = "truncate",
		[IO_SYNC] = "sync",
		[IO_RENAME] = "rename",
		[IO_UNLINK] = "unlink",
		[IO_MKDIR] = "mkdir",
		[IO_RMDIR] = "rmdir",
		[IO_SPLICE] = "splice",
		[IO_COPY_RANGE] = "copy_range",
		[IO_PIPE] = "pipe",
		[IO_MMAP] = "mmap",
		[IO_EPOLL] = "epoll",
		[IO_OPENDIR] = "opendir",
		[IO_LOCK] = "lock",
	};

	return (unsigned int)op < IO_NR_OPS ? names[op] : "?";
}

static int fault(enum io_op op, const char *path, size_t *len)
{
	size_t none = 0;

	if (__builtin_expect(io_fault_hook == NULL, 1))
		return 0;
	return io_fault_hook(op, path, len ? len : &none);
}

static int result(int value)
{
	return value < 0 ? -errno : value;
}

static ssize_t result_len(ssize_t value)
{
	return value < 0 ? -errno : value;
}

int io_openat(int dir, const char *path, int flags, mode_t mode)
{
	int r = fault(IO_OPEN, path, NULL);

	return r < 0 ? r : result(openat(dir, path, flags | O_CLOEXEC, mode));
}

int io_open(const char *path, int flags, mode_t mode)
{
	return io_openat(AT_FDCWD, path, flags, mode);
}

int io_close(int fd)
{
	int r, hooked;

	if (fd < 0)
		return 0;
	hooked = fault(IO_CLOSE, NULL, NULL);
	r = result(close(fd));
	return hooked < 0 ? hooked : r;
}

ssize_t io_read(int fd, void *buf, size_t len)
{
	int r = fault(IO_READ, NULL, &len);

	return r < 0 ? r : result_len(read(fd, buf, len));
}

ssize_t io_pread(int fd, void *buf, size_t len, uint64_t offset)
{
	int r = fault(IO_PREAD, NULL, &len);

	if (r < 0)
		return r;
	if (offset > INT64_MAX)
		return -EOVERFLOW;
	return result_len(pread(fd, buf, len, (off_t)offset));
}

ssize_t io_write(int fd, const void *buf, size_t len)
{
	int r = fault(IO_WRITE, NULL, &len);

	return r < 0 ? r : result_len(write(fd, buf, len));
}

ssize_t io_pwrite(int fd, const void *buf, size_t len, uint64_t offset)
{
	int r = fault(IO_PWRITE, NULL, &len);

	if (r < 0)
		return r;
	if (offset > INT64_MAX)
		return -EFBIG;
	return result_len(pwrite(fd, buf, len, (off_t)offset));
}

int io_fstat(int fd, struct stat *ret_stat)
{
	int r = fault(IO_STAT, NULL, NULL);

	return r < 0 ? r : result(fstat(fd, ret_stat));
}

int io_stat(const char *path, struct stat *ret_stat)
{
	int r = fault(IO_STAT, path, NULL);

	return r < 0 ? r : result(stat(path, ret_stat));
}

int io_ftruncate(int fd, uint64_t size)
{
	int r = fault(IO_TRUNCATE, NULL, NULL);

	if (r < 0)
		return r;
	return size > INT64_MAX ? -EFBIG : result(ftruncate(fd, (off_t)size));
}

int io_punch(int fd, uint64_t offset, uint64_t len)
{
	int r = fault(IO_TRUNCATE, NULL, NULL);

	if (r < 0)
		return r;
	if (offset > INT64_MAX || len > INT64_MAX)
		return -EFBIG;
	return result(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
				(off_t)len));
}

int io_lock(int fd, int how)
{
	int r = fault(IO_LOCK, NULL, NULL);

	if (r == 0)
		r = result(flock(fd, how));
	return r == -ENOSYS ? 0 : r;
}

bool io_locks_exist(int fd)
{
	return flock(fd, LOCK_UN) == 0 || errno != ENOSYS;
}

int io_fsync(int fd)
{
	int r = fault(IO_SYNC, NULL, NULL);

	return r < 0 ? r : result(fsync(fd));
}

int io_rename(const char *from, const char *to)
{
	int r = fault(IO_RENAME, from, NULL);

	return r < 0 ? r : result(rename(from, to));
}

int io_unlink(const char *path)
{
	int r = fault(IO_UNLINK, path, NULL);

	return r < 0 ? r : result(unlink(path));
}

int io_mkdir(const char *path, mode_t mode)
{
	int r = fault(IO_MKDIR, path, NULL);

	return r < 0 ? r : result(mkdir(path, mode));
}

int io_rmdir(const char *path)
{
	int r = fault(IO_RMDIR, path, NULL);

	return r < 0 ? r : result(rmdir(path));
}

int io_pipe(int ret_fds[2], int flags)
{
	int r = fault(IO_PIPE, NULL, NULL);

	return r < 0 ? r : result(pipe2(ret_fds, flags | O_CLOEXEC));
}

int io_opendir(const char *path, DIR **ret_dir)
{
	int r = fault(IO_OPENDIR, path, NULL);
	DIR *dir;

	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir)
		return -errno;
	*ret_dir = dir;
	return 0;
}

int io_epoll_wait(int fd, struct epoll_event *events, int nr, int timeout_ms)
{
	int r = fault(IO_EPOLL, NULL, NULL);

	return r < 0 ? r : result(epoll_wait(fd, events, nr, timeout_ms));
}

ssize_t io_splice(int from, int to, size_t len, unsigned int flags)
{
	int r = fault(IO_SPLICE, NULL, &len);

	return r < 0 ? r : result_len(splice(from, NULL, to, NULL, len, flags));
}

/* Where the file systems differ or do not support it, copy_file_range is done by hand. */
static ssize_t copy_by_hand(int from, uint64_t from_offset, int to, uint64_t to_offset, size_t len)
{
	char buf[65536];
	ssize_t n = io_pread(from, buf, MIN(len, sizeof(buf)), from_offset);
	int r;

	if (n <= 0)
		return n;
	r = io_pwrite_full(to, buf, (size_t)n, to_offset);
	return r < 0 ? r : n;
}

ssize_t io_copy_range(int from, uint64_t from_offset, int to, uint64_t to_offset, size_t len)
{
	off_t in = (off_t)from_offset, out = (off_t)to_offset;
	int r = fault(IO_COPY_RANGE, NULL, &len);
	ssize_t n;

	if (r < 0)
		return r;
	if (from_offset > INT64_MAX || to_offset > INT64_MAX)
		return -EFBIG;
	n = result_len(copy_file_range(from, &in, to, &out, len, 0));
	if (n == -EXDEV || n == -EINVAL || n == -ENOSYS || n == -EOPNOTSUPP)
		return copy_by_hand(from, from_offset, to, to_offset, len);
	return n;
}

ssize_t io_pread_full(int fd, void *buf, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = io_pread(fd, (char *)buf + done, len - done, offset + done);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int io_write_full(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = io_write(fd, p, len);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_pwrite_full(int fd, const void *buf, size_t len, uint64_t offset)
{
	const char *p = buf;

	while (len) {
		ssize_t n = io_pwrite(fd, p, len, offset);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int io_read_file(const char *path, size_t limit, char **ret_data, size_t *ret_len)
{
	_cleanup_close_ int fd = io_open(path, O_RDONLY, 0);
	_cleanup_free_ char *data = NULL;
	size_t len = 0, cap = 0, expected = 0;
	struct stat st;

	if (fd < 0)
		return fd;
	/* Files of /proc and the like say 0. */
	if (io_fstat(fd, &st) == 0 && st.st_size > 0)
		expected = MIN((size_t)st.st_size, limit);
	for (;;) {
		ssize_t n;
		int r = array_reserve(&data, &cap, MAX(len, expected) + 16384 + 1, 1);

		if (r < 0)
			return r;
		if (!len)
			mem_expect_use(data, cap);
		n = io_read(fd, data + len, cap - len - 1);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > limit)
			return -EFBIG;
	}
	data[len] = '\0';
	*ret_data = steal(&data);
	if (ret_len)
		*ret_len = len;
	return 0;
}
