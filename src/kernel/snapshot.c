/* SPDX-License-Identifier: MIT */
#include "kernel/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "kernel/borrow.h"
#include "kernel/journal.h"

#define COPY_BYTES 65536u

bool kernel_snapshot_native(const struct kernel_target *target)
{
	return tracefs_exists(target->path, "snapshot");
}

/* --- where copies are --- */

/* "snapshot/top" or "snapshot/instances/NAME", so that no name can be mistaken for the top one. */
static int copy_dir(const struct tracefs *fs, const struct kernel_target *target, char **ret_dir,
		    struct err *err)
{
	_cleanup_free_ char *found = NULL, *dir = NULL;
	int r = fs->state ? 0 : kernel_state_dir(&found, err);

	if (r < 0)
		return r;
	dir = tracefs_join(fs->state ? fs->state : found,
			   target->name[0] ? "snapshot/instances" : "snapshot");
	*ret_dir = dir ? tracefs_join(dir, target->name[0] ? target->name : "top") : NULL;
	return *ret_dir ? 0 : err_sys(err, -ENOMEM, "cannot look for snapshots");
}

static int copy_path(const struct tracefs *fs, const struct kernel_target *target, int cpu,
		     char **ret_path, struct err *err)
{
	_cleanup_free_ char *dir = NULL;
	char file[32] = "trace";
	int r = copy_dir(fs, target, &dir, err);

	if (r < 0)
		return r;
	if (cpu != KERNEL_ALL_CPUS)
		snprintf(file, sizeof(file), "cpu%d", cpu);
	*ret_path = tracefs_join(dir, file);
	return *ret_path ? 0 : err_sys(err, -ENOMEM, "cannot look for snapshots");
}

char *kernel_snapshot_path(const struct tracefs *fs, const struct kernel_target *target, int cpu)
{
	struct err ignored;
	char *path = NULL;

	if (kernel_snapshot_native(target))
		return kernel_buffer_path(target, KERNEL_BUFFER_SNAPSHOT, cpu);
	return copy_path(fs, target, cpu, &path, &ignored) < 0 ? NULL : path;
}

/* Make a directory and those above it. Cuts and mends `path`. */
static int make_dirs(char *path)
{
	int r;

	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		r = io_mkdir(path, 0700);
		*slash = '/';
		if (r < 0 && r != -EEXIST)
			return r;
	}
	r = io_mkdir(path, 0700);
	return r == -EEXIST ? 0 : r;
}

/* --- taking copies --- */

static int copy_text(int from, int to)
{
	_cleanup_free_ char *buf = mem_alloc(COPY_BYTES);
	ssize_t n;
	int r;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		n = io_read(from, buf, COPY_BYTES);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		r = io_write_full(to, buf, (size_t)n);
		if (r < 0)
			return r;
	}
}

/* Written beside its final name, so that a copy is whole or the one before. */
static int copy_buffer(const struct kernel_target *target, int cpu, const char *dir,
		       struct err *err)
{
	_cleanup_free_ char *path = NULL, *temp = NULL;
	_cleanup_close_ int from = -1;
	char file[32] = "trace", temp_file[40];
	int to, r, closed;

	if (cpu != KERNEL_ALL_CPUS)
		snprintf(file, sizeof(file), "cpu%d", cpu);
	snprintf(temp_file, sizeof(temp_file), "%s.new", file);
	path = tracefs_join(dir, file);
	temp = tracefs_join(dir, temp_file);
	if (!path || !temp)
		return err_sys(err, -ENOMEM, "cannot take a snapshot");
	r = kernel_buffer_open(target, KERNEL_BUFFER_TRACE, cpu, &from, err);
	if (r < 0)
		return r;
	to = io_open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	r = to < 0 ? to : copy_text(from, to);
	closed = io_close(to);
	if (r == 0 && to >= 0)
		r = closed;
	if (r == 0)
		r = io_rename(temp, path);
	if (r == 0)
		return 0;
	if (to >= 0 && io_unlink(temp) < 0)
		return err_sys(err, r, "cannot take a snapshot: %s (and %s is left)", path, temp);
	return err_sys(err, r, "cannot take a snapshot: %s", path);
}

static int copy_buffers(const struct tracefs *fs, const struct kernel_target *target, int cpu,
			const char *dir, struct err *err)
{
	int r;

	if (cpu != KERNEL_ALL_CPUS)
		return copy_buffer(target, cpu, dir, err);
	r = copy_buffer(target, KERNEL_ALL_CPUS, dir, err);
	for (unsigned int i = 0; i < fs->cpus && r == 0; i++) {
		char per_cpu[64];

		snprintf(per_cpu, sizeof(per_cpu), "per_cpu/cpu%u", i);
		if (tracefs_exists(target->path, per_cpu))
			r = copy_buffer(target, (int)i, dir, err);
	}
	return r;
}

/* Tracing goes on whatever happens: the journal starts it again, after kill -9 too. */
static int stop_and_copy(const struct tracefs *fs, const struct kernel_target *target, int cpu,
			 const char *dir, struct err *err)
{
	struct kernel_journal *journal = NULL;
	struct err close_err = {0};
	int r, closed;

	r = kernel_journal_open(&journal, fs->state, NULL, err);
	if (r < 0)
		return r;
	r = kernel_borrow_write(journal, target->path, "tracing_on", "0", "stop tracing", err);
	if (r == 0)
		r = copy_buffers(fs, target, cpu, dir, err);
	closed = kernel_journal_close(journal, &close_err);
	if (r == 0 && closed < 0) {
		if (err)
			*err = close_err;
		return closed;
	}
	return r;
}

static int take_copy(const struct tracefs *fs, const struct kernel_target *target, int cpu,
		     struct err *err)
{
	_cleanup_free_ char *dir = NULL, *on = NULL;
	sigset_t block, old;
	int r = copy_dir(fs, target, &dir, err);

	if (r < 0)
		return r;
	r = make_dirs(dir);
	if (r < 0)
		return err_sys(err, r, "cannot take a snapshot: %s", dir);
	r = kernel_control_read(target, KERNEL_TRACING_ON, &on, err);
	if (r < 0)
		return r;
	if (on[0] == '0')
		return copy_buffers(fs, target, cpu, dir, err);
	/* A Ctrl-C must not come between the stop and the start. */
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGHUP);
	sigaddset(&block, SIGQUIT);
	pthread_sigmask(SIG_BLOCK, &block, &old);
	r = stop_and_copy(fs, target, cpu, dir, err);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

/* --- the kernel's --- */

static const char *native_file(int cpu, char *text, size_t size)
{
	if (cpu == KERNEL_ALL_CPUS)
		return "snapshot";
	snprintf(text, size, "per_cpu/cpu%d/snapshot", cpu);
	return text;
}

static int write_native(const struct kernel_target *target, int cpu, const char *value,
			const char *what, struct err *err)
{
	char file[64];

	return tracefs_append(target->path, native_file(cpu, file, sizeof(file)), value, what, err);
}

static int take_native(const struct kernel_target *target, int cpu, struct err *err)
{
	int r = write_native(target, cpu, "1", "take a snapshot", err);

	if (r == -EINVAL && cpu != KERNEL_ALL_CPUS)
		return err_set(err, r,
			       "cannot take a snapshot of one CPU: this kernel has no "
			       "CONFIG_RING_BUFFER_ALLOW_SWAP; take one of all (sonde snapshot -s) "
			       "and look at one CPU of it (sonde snapshot -c %d)",
			       cpu);
	if (r == -EBUSY)
		return err_set(err, r,
			       "cannot take a snapshot: the tracer in use takes them itself, or "
			       "another program holds the buffer (reads its trace_pipe or maps "
			       "it)");
	return r;
}

int kernel_snapshot_take(const struct tracefs *fs, const struct kernel_target *target, int cpu,
			 struct err *err)
{
	return kernel_snapshot_native(target) ? take_native(target, cpu, err)
					      : take_copy(fs, target, cpu, err);
}

/* --- reset, free, read --- */

static int empty_copy(const char *path)
{
	int fd = io_open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW, 0);

	if (fd == -ENOENT)
		return 0;
	return fd < 0 ? fd : io_close(fd);
}

/* Do it to every copy of the instance. */
static int each_copy(const char *dir_path, int (*act)(const char *path))
{
	struct dirent *entry;
	DIR *dir;
	int r = io_opendir(dir_path, &dir), first = 0;

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while ((entry = readdir(dir))) {
		_cleanup_free_ char *path = NULL;

		if (entry->d_name[0] == '.')
			continue;
		path = tracefs_join(dir_path, entry->d_name);
		r = path ? act(path) : -ENOMEM;
		first = first ? first : r;
	}
	closedir(dir);
	return first;
}

int kernel_snapshot_reset(const struct tracefs *fs, const struct kernel_target *target, int cpu,
			  struct err *err)
{
	_cleanup_free_ char *path = NULL;
	int r;

	if (kernel_snapshot_native(target))
		return write_native(target, cpu, "2", "reset the snapshot", err);
	if (cpu == KERNEL_ALL_CPUS)
		r = copy_dir(fs, target, &path, err);
	else
		r = copy_path(fs, target, cpu, &path, err);
	if (r < 0)
		return r;
	r = cpu == KERNEL_ALL_CPUS ? each_copy(path, empty_copy) : empty_copy(path);
	return r < 0 ? err_sys(err, r, "cannot reset the snapshot: %s", path) : 0;
}

int kernel_snapshot_free(const struct tracefs *fs, const struct kernel_target *target,
			 struct err *err)
{
	_cleanup_free_ char *dir = NULL;
	int r;

	if (kernel_snapshot_native(target))
		return write_native(target, KERNEL_ALL_CPUS, "0", "free the snapshot", err);
	r = copy_dir(fs, target, &dir, err);
	if (r < 0)
		return r;
	r = each_copy(dir, io_unlink);
	if (r == 0)
		r = io_rmdir(dir);
	return r < 0 && r != -ENOENT ? err_sys(err, r, "cannot free the snapshot: %s", dir) : 0;
}

/* Whether a copy is of an instance of that name that is gone: this one was made after it. */
static bool is_older(int fd, const struct kernel_target *target)
{
	struct stat copy, instance;

	if (!target->name[0] || io_fstat(fd, &copy) < 0 || io_stat(target->path, &instance) < 0)
		return false;
	if (copy.st_mtim.tv_sec != instance.st_ctim.tv_sec)
		return copy.st_mtim.tv_sec < instance.st_ctim.tv_sec;
	return copy.st_mtim.tv_nsec < instance.st_ctim.tv_nsec;
}

int kernel_snapshot_open(const struct tracefs *fs, const struct kernel_target *target, int cpu,
			 int *ret_fd, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	int fd, r;

	if (kernel_snapshot_native(target))
		return kernel_buffer_open(target, KERNEL_BUFFER_SNAPSHOT, cpu, ret_fd, err);
	r = copy_path(fs, target, cpu, &path, err);
	if (r < 0)
		return r;
	fd = io_open(path, O_RDONLY | O_NOFOLLOW, 0);
	if (fd == -ENOENT && cpu != KERNEL_ALL_CPUS && (unsigned int)cpu >= fs->cpus)
		return err_set(err, -ENOENT, "cannot read the snapshot: there is no CPU %d", cpu);
	if (fd == -ENOENT)
		return -ENODATA;
	if (fd < 0)
		return err_sys(err, fd, "cannot read the snapshot: %s", path);
	if (is_older(fd, target)) {
		io_close(fd);
		return -ENODATA;
	}
	*ret_fd = fd;
	return 0;
}
