/* SPDX-License-Identifier: MIT */
#include "kernel/tracefs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "kernel/functions.h"

#define TRACEFS_USUAL	"/sys/kernel/tracing"
#define TRACEFS_DEBUGFS "/sys/kernel/debug/tracing"
#define MOUNTS_BYTES	(16u << 20)

char *tracefs_join(const char *dir, const char *file)
{
	size_t dir_len = strlen(dir), file_len = strlen(file);
	char *path = mem_alloc(dir_len + file_len + 2);

	if (!path)
		return NULL;
	memcpy(path, dir, dir_len);
	path[dir_len] = '/';
	memcpy(path + dir_len + 1, file, file_len + 1);
	return path;
}

bool tracefs_exists(const char *dir, const char *file)
{
	_cleanup_free_ char *path = tracefs_join(dir, file);
	struct stat st;

	return path && io_stat(path, &st) == 0;
}

int tracefs_read(const char *dir, const char *file, const char *what, size_t limit, char **ret_text,
		 size_t *ret_len, struct err *err)
{
	_cleanup_free_ char *path = tracefs_join(dir, file);
	int r;

	if (!path)
		return err_sys(err, -ENOMEM, "cannot %s", what);
	do {
		r = io_read_file(path, limit, ret_text, ret_len);
	} while (r == -EINTR);
	return r < 0 ? tracefs_explain(err, r, what, path) : 0;
}

/* Of a list of functions the kernel takes one word a write. */
static int write_words(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = io_write(fd, text, len);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

static bool is_word_list(const char *path)
{
	const char *name = strrchr(path, '/');

	return name && kernel_functions_is_list(name + 1);
}

/* The kernel acts on each write by itself, so a value that went in by halves is an error. */
static int write_value(const char *path, int flags, const char *text)
{
	_cleanup_close_ int fd = -1;
	size_t len = strlen(text);
	ssize_t n;

	do {
		fd = io_open(path, O_WRONLY | flags, 0);
	} while (fd == -EINTR);
	if (fd < 0)
		return fd;
	if (is_word_list(path))
		return write_words(fd, text, len);
	do {
		n = io_write(fd, text, len);
	} while (n == -EINTR);
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EIO;
}

static int write_path(const char *dir, const char *file, int flags, const char *text,
		      const char *what, struct err *err)
{
	_cleanup_free_ char *path = tracefs_join(dir, file);
	int r;

	if (!path)
		return err_sys(err, -ENOMEM, "cannot %s", what);
	r = write_value(path, flags, text);
	return r < 0 ? tracefs_explain(err, r, what, path) : 0;
}

int tracefs_write(const char *dir, const char *file, const char *text, const char *what,
		  struct err *err)
{
	return write_path(dir, file, O_TRUNC, text, what, err);
}

int tracefs_append(const char *dir, const char *file, const char *text, const char *what,
		   struct err *err)
{
	return write_path(dir, file, O_APPEND, text, what, err);
}

bool tracefs_list_has(const char *text, const char *word)
{
	size_t len = strlen(word);

	while (*text) {
		size_t n;

		text += strspn(text, " \t\n[]");
		n = strcspn(text, " \t\n[]");
		if (n && n == len && !memcmp(text, word, n))
			return true;
		text += n;
	}
	return false;
}

static bool is_tracefs(const char *path)
{
	return tracefs_exists(path, "available_events") || tracefs_exists(path, "trace_clock");
}

/* One line of /proc/mounts: "device path type options 0 0"; true when it is a tracefs in use. */
static bool mount_line(char *line, char **ret_path)
{
	char *save, *path, *type;

	if (!strtok_r(line, " ", &save))
		return false;
	path = strtok_r(NULL, " ", &save);
	type = strtok_r(NULL, " ", &save);
	if (!path || !type || strcmp(type, "tracefs") != 0 || !is_tracefs(path))
		return false;
	*ret_path = path;
	return true;
}

static char *find_in_mounts(void)
{
	_cleanup_free_ char *text = NULL;
	char *save, *path;

	if (io_read_file("/proc/mounts", MOUNTS_BYTES, &text, NULL) < 0)
		return NULL;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (mount_line(line, &path))
			return mem_strdup(path);
	}
	return NULL;
}

static int not_found(struct err *err)
{
	struct stat st;

	if (io_stat(TRACEFS_USUAL, &st) < 0)
		return err_set(err, -ENOENT,
			       "cannot find tracefs: %s does not exist, so this kernel was built "
			       "without CONFIG_TRACING, or /sys is not mounted",
			       TRACEFS_USUAL);
	if (geteuid() != 0 && access(TRACEFS_USUAL, X_OK) < 0)
		return err_set(err, -EACCES,
			       "cannot look into %s: permission denied; run as root (sudo sonde "
			       "...), or let root open it to a group you are in: mount -o "
			       "remount,mode=750,gid=GROUP %s",
			       TRACEFS_USUAL, TRACEFS_USUAL);
	return err_set(err, -ENOENT,
		       "tracefs is not mounted on %s; as root: mount -t tracefs nodev %s "
		       "(inside a container it must be given by the host)",
		       TRACEFS_USUAL, TRACEFS_USUAL);
}

/* The kernel does not know tracefs by name, or mounts an empty one. */
static int nothing_there(struct err *err)
{
	char mode[32];

	if (tracefs_lockdown(mode, sizeof(mode)))
		return err_set(
			err, -ENODEV,
			"this kernel shows no tracefs: it is locked down (lockdown: %s), and "
			"only another boot changes that (mostly: Secure Boot off)",
			mode);
	return err_set(
		err, -ENODEV,
		"this kernel shows no tracefs: it was built without CONFIG_TRACING, or is "
		"locked down (lockdown: confidentiality; see dmesg), which only another boot "
		"changes");
}

/* Mount it; `privately`: only this process sees that, and it ends with it. */
static int mount_it(bool privately, struct err *err)
{
	int r = 0;

	if (privately &&
	    (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
		r = -errno;
	if (r == 0 && mount("nodev", TRACEFS_USUAL, "tracefs", 0, NULL) < 0)
		r = -errno;
	if (r == -ENODEV)
		return nothing_there(err);
	/* It is mounted already, and empty: below. */
	if (r == -EBUSY)
		r = 0;
	if (r < 0 && r != -EPERM)
		return not_found(err);
	if (r < 0)
		return err_set(
			err, r,
			"tracefs is not mounted on %s, and root may not mount it here (a "
			"container without CAP_SYS_ADMIN?); mount it on the host and pass it "
			"in: -v %s:%s",
			TRACEFS_USUAL, TRACEFS_USUAL, TRACEFS_USUAL);
	if (!is_tracefs(TRACEFS_USUAL))
		return nothing_there(err);
	return 0;
}

static int find(struct tracefs *fs, bool privately, struct err *err)
{
	int r;

	fs->was_mounted = true;
	if (is_tracefs(TRACEFS_USUAL))
		fs->path = mem_strdup(TRACEFS_USUAL);
	else
		fs->path = find_in_mounts();
	if (fs->path)
		return 0;
	/* Looking there makes the kernel mount it, so not for one who wants to leave no trace. */
	if (!privately && is_tracefs(TRACEFS_DEBUGFS)) {
		fs->path = mem_strdup(TRACEFS_DEBUGFS);
		return fs->path ? 0 : -ENOMEM;
	}
	if (geteuid() != 0)
		return not_found(err);
	r = mount_it(privately, err);
	if (r < 0)
		return r;
	fs->was_mounted = false;
	fs->path = mem_strdup(TRACEFS_USUAL);
	return fs->path ? 0 : -ENOMEM;
}

static int count_cpus(struct tracefs *fs, struct err *err)
{
	_cleanup_free_ char *path = tracefs_join(fs->path, "per_cpu");
	struct dirent *entry;
	DIR *dir;
	int r;

	if (!path)
		return err_sys(err, -ENOMEM, "cannot count CPUs");
	r = io_opendir(path, &dir);
	if (r < 0)
		return tracefs_explain(err, r, "count CPUs", path);
	while ((entry = readdir(dir))) {
		unsigned int cpu;

		if (sscanf(entry->d_name, "cpu%u", &cpu) == 1 && cpu < LIMIT_CPUS)
			fs->cpus = MAX(fs->cpus, cpu + 1);
	}
	closedir(dir);
	if (!fs->cpus)
		return err_set(err, -ENOENT, "%s has no CPU in it", path);
	return 0;
}

static int open_at(struct tracefs **ret_fs, const char *path, bool privately, struct err *err)
{
	struct tracefs *fs = mem_zalloc(sizeof(*fs));
	int r;

	if (!fs)
		return err_sys(err, -ENOMEM, "cannot open tracefs");
	fs->kallsyms = "/proc/kallsyms";
	if (path) {
		fs->was_mounted = true;
		fs->path = mem_strdup(path);
		r = fs->path ? 0 : err_sys(err, -ENOMEM, "cannot open tracefs");
	} else {
		r = find(fs, privately, err);
		if (r == -ENOMEM)
			err_sys(err, r, "cannot open tracefs");
	}
	if (r == 0)
		r = count_cpus(fs, err);
	if (r < 0) {
		tracefs_close(fs);
		return r;
	}
	*ret_fs = fs;
	return 0;
}

int tracefs_open(struct tracefs **ret_fs, const char *path, struct err *err)
{
	return open_at(ret_fs, path, false, err);
}

int tracefs_open_privately(struct tracefs **ret_fs, const char *path, struct err *err)
{
	return open_at(ret_fs, path, true, err);
}

void tracefs_close(struct tracefs *fs)
{
	if (!fs)
		return;
	mem_free(fs->path);
	mem_free(fs);
}
