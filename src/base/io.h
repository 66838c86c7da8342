/* SPDX-License-Identifier: MIT */
/*
 * The I/O seam. Every system call of a reader, a writer or a recorder goes through one of these
 * functions, so that a test can make the k-th one fail (ENOSPC, EIO, EINTR) or cut it short, and
 * can then check what is left behind. All return a value >= 0 or a negative errno; errno itself is
 * not part of the contract. EINTR is handed to the caller by the plain calls and retried by the
 * `_full` ones.
 */
#ifndef SONDE_BASE_IO_H
#define SONDE_BASE_IO_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"

enum io_op {
	IO_OPEN,
	IO_CLOSE,
	IO_READ,
	IO_PREAD,
	IO_WRITE,
	IO_PWRITE,
	IO_STAT,
	IO_TRUNCATE,
	IO_SYNC,
	IO_RENAME,
	IO_UNLINK,
	IO_MKDIR,
	IO_RMDIR,
	IO_SPLICE,
	IO_COPY_RANGE,
	IO_PIPE,
	IO_MMAP,
	IO_EPOLL,
	IO_OPENDIR,
	IO_LOCK,
	IO_NR_OPS,
};

/*
 * The hook is called before each call, with the operation and the length it is about to use (0 for
 * calls without one). It returns 0 to let the call through, possibly after lowering *len, or a
 * negative errno to fail it. io_close always closes; a failing hook only changes its result.
 */
extern int (*io_fault_hook)(enum io_op op, const char *path, size_t *len);

/* Name of an operation, for test output. */
const char *io_op_name(enum io_op op);

int io_open(const char *path, int flags, mode_t mode) _must_check_; /* O_CLOEXEC is added */
int io_openat(int dir, const char *path, int flags, mode_t mode) _must_check_;
int io_close(int fd); /* fd < 0 is legal and does nothing */
ssize_t io_read(int fd, void *buf, size_t len) _must_check_;
ssize_t io_pread(int fd, void *buf, size_t len, uint64_t offset) _must_check_;
ssize_t io_write(int fd, const void *buf, size_t len) _must_check_;
ssize_t io_pwrite(int fd, const void *buf, size_t len, uint64_t offset) _must_check_;
int io_fstat(int fd, struct stat *ret_stat) _must_check_;
int io_stat(const char *path, struct stat *ret_stat) _must_check_;
int io_ftruncate(int fd, uint64_t size) _must_check_;
/* Give the space of a range back; what is read there is zeros. */
int io_punch(int fd, uint64_t offset, uint64_t len) _must_check_;
int io_fsync(int fd) _must_check_;
int io_rename(const char *from, const char *to) _must_check_;
int io_unlink(const char *path) _must_check_;
int io_mkdir(const char *path, mode_t mode) _must_check_;
int io_rmdir(const char *path) _must_check_;
int io_pipe(int ret_fds[2], int flags) _must_check_;
/* flock: how, as LOCK_EX | LOCK_NB; -EWOULDBLOCK when somebody else has it. */
int io_lock(int fd, int how) _must_check_;
/*
 * A kernel without CONFIG_FILE_LOCKING has no flock: io_lock then succeeds and locks nothing, and
 * whoever asks whether somebody still lives must ask the pid.
 */
bool io_locks_exist(int fd);
int io_opendir(const char *path, DIR **ret_dir) _must_check_; /* closedir it */
int io_epoll_wait(int fd, struct epoll_event *events, int nr, int timeout_ms) _must_check_;
ssize_t io_splice(int from, int to, size_t len, unsigned int flags) _must_check_;
ssize_t io_copy_range(int from, uint64_t from_offset, int to, uint64_t to_offset, size_t len)
	_must_check_; /* falls back to read and write */

/* Read until `len` bytes or end of file; returns how many. */
ssize_t io_pread_full(int fd, void *buf, size_t len, uint64_t offset) _must_check_;
/* Write all or fail; a write of 0 bytes is -EIO. */
int io_write_full(int fd, const void *buf, size_t len) _must_check_;
int io_pwrite_full(int fd, const void *buf, size_t len, uint64_t offset) _must_check_;

/*
 * The whole of a file whose size is not known beforehand (tracefs, procfs), with a NUL behind it.
 * *ret_data is the caller's to mem_free. -EFBIG beyond `limit` bytes.
 */
int io_read_file(const char *path, size_t limit, char **ret_data, size_t *ret_len) _must_check_;

static inline void io_close_p(int *fd)
{
	if (*fd >= 0)
		io_close(*fd);
}
#define _cleanup_close_ __attribute__((cleanup(io_close_p)))

#endif
