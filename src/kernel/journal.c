/* SPDX-License-Identifier: MIT */
#include "kernel/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/out.h"
#include "kernel/dynamic.h"
#include "kernel/journal_file.h"
#include "kernel/tracefs.h"

#define STATE_DIR      "/run/sonde"
#define SUFFIX	       ".journal"
#define DIRECTORY_MODE 0700

/* --- the state directory --- */

/* It must be ours: what a journal says is carried out with our rights. */
static int make_state_dir(const char *path, struct err *err)
{
	struct stat st;
	int r;

	do {
		r = io_mkdir(path, DIRECTORY_MODE);
	} while (r == -EINTR);
	if (r < 0 && r != -EEXIST)
		return err_sys(err, r, "cannot make %s, where what must be given back is noted",
			       path);
	if (lstat(path, &st) < 0)
		return err_sys(err, -errno, "cannot look at %s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return err_set(err, -EPERM,
			       "%s is not a directory of user %u, so it cannot be trusted with "
			       "what must be given back; remove it",
			       path, geteuid());
	return 0;
}

/* Where it is, without making it. NULL without memory. */
static char *state_path(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char of_user[64];

	if (geteuid() == 0)
		return mem_strdup(STATE_DIR);
	if (runtime && runtime[0] == '/' && access(runtime, W_OK) == 0)
		return tracefs_join(runtime, "sonde");
	snprintf(of_user, sizeof(of_user), "/tmp/sonde-%u", geteuid());
	return mem_strdup(of_user);
}

int kernel_state_dir(char **ret_path, struct err *err)
{
	_cleanup_free_ char *path = state_path();
	int r;

	if (!path)
		return err_sys(err, -ENOMEM, "cannot open the journal");
	/* A small initramfs may have no /run yet; what matters is whether the next one works. */
	r = geteuid() == 0 ? io_mkdir("/run", 0755) : 0;
	if (r < 0 && r != -EEXIST)
		return err_sys(err, r, "cannot make /run");
	r = make_state_dir(path, err);
	if (r == 0)
		*ret_path = steal(&path);
	return r;
}

static int lock(int fd, int how)
{
	int r;

	do {
		r = io_lock(fd, how);
	} while (r == -EINTR);
	return r;
}

/* Held while a journal is made or left ones are looked at, so that a new one is never unlocked. */
static int lock_state(const char *state, struct err *err)
{
	int fd, r;

	do {
		fd = io_open(state, O_RDONLY | O_DIRECTORY, 0);
	} while (fd == -EINTR);
	r = fd < 0 ? fd : lock(fd, LOCK_EX);
	if (r < 0) {
		io_close(fd);
		return err_sys(err, r, "cannot lock %s", state);
	}
	return fd;
}

static int find_state(const char *state, char **ret_path, struct err *err)
{
	int r;

	if (!state)
		return kernel_state_dir(ret_path, err);
	r = make_state_dir(state, err);
	if (r < 0)
		return r;
	*ret_path = mem_strdup(state);
	return *ret_path ? 0 : err_sys(err, -ENOMEM, "cannot open the journal");
}

/* --- one journal --- */

static void journal_name(char *name, size_t size, const char *kept)
{
	struct timespec now;

	if (kept) {
		snprintf(name, size, "%s" SUFFIX, kept);
		return;
	}
	/* A pid alone may be in use in another pid namespace. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(name, size, "%d-%llx" SUFFIX, (int)getpid(),
		 (unsigned long long)now.tv_sec * 1000000000u + (unsigned long long)now.tv_nsec);
}

static int open_locked(struct kernel_journal *journal, bool kept, struct err *err)
{
	int r;

	do {
		journal->fd = io_open(journal->path, O_RDWR | O_CREAT | (kept ? 0 : O_EXCL), 0600);
	} while (journal->fd == -EINTR);
	if (journal->fd < 0)
		return err_sys(err, journal->fd, "cannot make the journal %s", journal->path);
	r = lock(journal->fd, LOCK_EX | LOCK_NB);
	if (r == -EWOULDBLOCK)
		return err_set(err, -EBUSY,
			       "another sonde is changing what 'sonde start' has set up; try again "
			       "when it has ended");
	if (r < 0)
		return err_sys(err, r, "cannot lock the journal %s", journal->path);
	return journal_file_load(journal, err);
}

static void journal_free(struct kernel_journal *journal)
{
	journal_close_file(journal);
	mem_free(journal);
}

int kernel_journal_open(struct kernel_journal **ret_journal, const char *state, const char *name,
			struct err *err)
{
	_cleanup_free_ char *dir = NULL;
	_cleanup_close_ int dir_fd = -1;
	struct kernel_journal *journal;
	char file[100];
	int r = find_state(state, &dir, err);

	if (r < 0)
		return r;
	journal = mem_zalloc(sizeof(*journal));
	if (!journal)
		return err_sys(err, -ENOMEM, "cannot open the journal");
	journal->fd = -1;
	journal->kept = name != NULL;
	journal_name(file, sizeof(file), name);
	journal->path = tracefs_join(dir, file);
	r = journal->path ? 0 : err_sys(err, -ENOMEM, "cannot open the journal");
	if (r == 0)
		dir_fd = r = lock_state(dir, err);
	if (r >= 0)
		r = open_locked(journal, name != NULL, err);
	if (r < 0) {
		if (!name && journal->fd >= 0 && io_unlink(journal->path) < 0)
			r = r < 0 ? r : -EIO;
		journal_free(journal);
		return r;
	}
	*ret_journal = journal;
	return 0;
}

int kernel_journal_push(struct kernel_journal *journal, enum kernel_undo kind, const char *dir,
			const char *file, const char *text, struct err *err)
{
	char *path = file ? tracefs_join(dir, file) : mem_strdup(dir);
	struct journal_entry entry = {
		.kind = kind,
		.path = path,
		.text = mem_strdup(text),
	};
	int r = path && entry.text ? journal_file_append(journal, &entry) : -ENOMEM;

	if (r == 0)
		return 0;
	mem_free(entry.path);
	mem_free(entry.text);
	return err_sys(err, r, "cannot note in %s what must be given back", journal->path);
}

size_t kernel_journal_mark(const struct kernel_journal *journal)
{
	return journal->nr;
}

void kernel_journal_forget(struct kernel_journal *journal, size_t mark)
{
	journal_file_forget(journal, mark);
}

/* --- undoing --- */

#define UNDO_WHAT     "put the old setting back"
#define RMDIR_TRIES   50
#define RMDIR_WAIT_US 20000

/*
 * A reader that is just closing keeps an instance busy for a moment; anything else is tried once
 * more, since nobody else will remove it.
 */
static int undo_rmdir(const char *path, struct err *err)
{
	int r;

	for (unsigned int i = 0;; i++) {
		r = io_rmdir(path);
		if (r == 0 || r == -ENOENT)
			return 0;
		if (r == -EINTR || i == 0)
			continue;
		if (r != -EBUSY || i >= RMDIR_TRIES)
			return tracefs_explain(err, r, "remove the tracing instance", path);
		usleep(RMDIR_WAIT_US);
	}
}

static int undo_lines(const char *dir, const char *file, char *text, struct err *err)
{
	char *save;
	int r = tracefs_write(dir, file, "", UNDO_WHAT, err);

	for (char *line = strtok_r(text, "\n", &save); line && r == 0;
	     line = strtok_r(NULL, "\n", &save))
		r = tracefs_append(dir, file, line, UNDO_WHAT, err);
	return r;
}

static int undo_one(const struct journal_entry *entry, struct err *err)
{
	_cleanup_free_ char *dir = mem_strdup(entry->path), *lines = NULL;
	char *slash = dir ? strrchr(dir, '/') : NULL;
	int r;

	if (entry->kind == KERNEL_UNDO_RMDIR)
		return undo_rmdir(entry->path, err);
	if (!slash)
		return err_sys(err, dir ? -EINVAL : -ENOMEM, "cannot " UNDO_WHAT);
	*slash = '\0';
	switch (entry->kind) {
	case KERNEL_UNDO_WRITE:
		r = tracefs_write(dir, slash + 1, entry->text, UNDO_WHAT, err);
		break;
	case KERNEL_UNDO_LINES:
		lines = mem_strdup(entry->text);
		r = lines ? undo_lines(dir, slash + 1, lines, err)
			  : err_sys(err, -ENOMEM, "cannot " UNDO_WHAT);
		break;
	case KERNEL_UNDO_PROBE:
		r = kernel_dynamic_remove(dir, slash + 1, entry->text, err);
		break;
	default:
		r = tracefs_append(dir, slash + 1, entry->text, UNDO_WHAT, err);
	}
	/* An option of a tracer that is not set any more. */
	if (r == -EINVAL && !strcmp(slash + 1, "trace_options"))
		return 0;
	/* Its instance, its module or the probe itself has gone since, and the setting with it. */
	return r == -ENOENT || r == -ENODEV ? 0 : r;
}

/* One pass, newest first. What is undone leaves the list; returns the first failure. */
static int undo_pass(struct kernel_journal *journal, size_t mark, struct err *err)
{
	struct err reason;
	int first = 0;

	for (size_t i = journal->nr; i-- > mark;) {
		int r = undo_one(&journal->entries[i], &reason);

		if (r == 0) {
			journal_file_remove(journal, i);
		} else if (first == 0) {
			first = r;
			if (err)
				*err = reason;
		}
	}
	return first;
}

int kernel_journal_undo(struct kernel_journal *journal, size_t mark, struct err *err)
{
	struct err once_more;

	if (undo_pass(journal, mark, err) == 0)
		return 0;
	/* An error that has passed, or an order that is possible only now. */
	return undo_pass(journal, mark, &once_more);
}

int kernel_journal_close(struct kernel_journal *journal, struct err *err)
{
	int r, unlinked;

	if (!journal)
		return 0;
	r = kernel_journal_undo(journal, 0, err);
	do {
		unlinked = r == 0 ? io_unlink(journal->path) : 0;
	} while (unlinked == -EINTR);
	/* An empty one that stays is no harm: the next to look removes it. */
	journal_free(journal);
	return r;
}

void kernel_journal_release(struct kernel_journal *journal)
{
	if (journal)
		journal_free(journal);
}

/* --- journals of others --- */

/* Opens and locks; -EBUSY when it is in use, -ESTALE when it is not one of ours or going. */
static int open_left(struct kernel_journal *journal, const char *dir, const char *name)
{
	struct err ignored;
	struct stat st;
	int r;

	*journal = (struct kernel_journal){.fd = -1, .path = tracefs_join(dir, name)};
	if (!journal->path)
		return -ENOMEM;
	journal->fd = io_open(journal->path, O_RDWR | O_NOFOLLOW, 0);
	if (journal->fd < 0)
		return journal->fd;
	r = io_fstat(journal->fd, &st);
	if (r == 0 && (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || !st.st_nlink))
		r = -ESTALE;
	if (r == 0 && !io_locks_exist(journal->fd) && kill((pid_t)strtol(name, NULL, 10), 0) == 0)
		r = -EBUSY;
	if (r == 0 && lock(journal->fd, LOCK_EX | LOCK_NB) < 0)
		r = -EBUSY;
	return r < 0 ? r : journal_file_load(journal, &ignored);
}

static int recover_one(const char *dir, const char *name, bool undo,
		       void (*note)(void *ctx, const struct kernel_left_over *left), void *ctx)
{
	struct kernel_left_over left = {0};
	struct kernel_journal journal;
	struct err reason = {0};
	int r = open_left(&journal, dir, name), found = 0;

	if (r == 0) {
		left.pid = strtol(name, NULL, 10);
		left.command = journal.command ? journal.command : "";
		left.entries = journal.nr;
		if (undo)
			left.result = kernel_journal_undo(&journal, 0, &reason);
		left.reason = reason.text;
		found = left.entries != 0;
		if ((undo || !found) && left.result == 0 && io_unlink(journal.path) < 0)
			left.result = 0; /* empty: the next one tries again */
		if (found)
			note(ctx, &left);
	}
	journal_close_file(&journal);
	return found;
}

static bool is_of_session(const char *name)
{
	size_t len = strlen(name), suffix = strlen(SUFFIX);

	return name[0] >= '1' && name[0] <= '9' && len > suffix &&
	       !strcmp(name + len - suffix, SUFFIX);
}

bool kernel_journal_any(const char *state)
{
	_cleanup_free_ char *path = state ? mem_strdup(state) : state_path();
	struct dirent *entry;
	bool any = false;
	DIR *dir;

	if (!path || io_opendir(path, &dir) < 0)
		return false;
	while (!any && (entry = readdir(dir)))
		any = is_of_session(entry->d_name);
	closedir(dir);
	return any;
}

int kernel_journal_recover(const char *state, bool undo,
			   void (*note)(void *ctx, const struct kernel_left_over *left), void *ctx,
			   struct err *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int lock_fd = -1;
	struct dirent *entry;
	int r = find_state(state, &path, err), found = 0;
	DIR *dir;

	if (r < 0)
		return r;
	lock_fd = lock_state(path, err);
	if (lock_fd < 0)
		return lock_fd;
	r = io_opendir(path, &dir);
	if (r < 0)
		return err_sys(err, r, "cannot look for journals in %s", path);
	while ((entry = readdir(dir))) {
		if (is_of_session(entry->d_name))
			found += recover_one(path, entry->d_name, undo, note, ctx);
	}
	closedir(dir);
	return found;
}

static int load_kept(struct kernel_journal *journal, const char *state)
{
	_cleanup_free_ char *dir = NULL;
	struct err ignored;
	int r = find_state(state, &dir, &ignored);

	*journal = (struct kernel_journal){.fd = -1};
	if (r < 0)
		return r;
	journal->path = tracefs_join(dir, KERNEL_JOURNAL_START SUFFIX);
	if (!journal->path)
		return -ENOMEM;
	journal->fd = io_open(journal->path, O_RDONLY | O_NOFOLLOW, 0);
	return journal->fd < 0 ? journal->fd : journal_file_load(journal, &ignored);
}

bool kernel_journal_is_kept(const struct kernel_journal *journal)
{
	return journal->kept;
}

bool kernel_journal_kept_exists(const char *state)
{
	struct kernel_journal journal;
	bool exists = load_kept(&journal, state) == 0 && journal.nr;

	journal_close_file(&journal);
	return exists;
}

bool kernel_journal_kept_uses(const char *state, const char *dir)
{
	struct kernel_journal journal;
	size_t len = strlen(dir);
	bool uses = false;

	if (load_kept(&journal, state) == 0) {
		for (size_t i = 0; i < journal.nr && !uses; i++) {
			const struct journal_entry *entry = &journal.entries[i];

			uses = !strncmp(entry->path, dir, len) && entry->path[len] == '/' &&
			       strncmp(entry->path + len, "/instances/", 11) != 0 &&
			       entry->kind != KERNEL_UNDO_PROBE;
		}
	}
	journal_close_file(&journal);
	return uses;
}

bool kernel_journal_kept_changes(const char *state, const char *dir, const char *file)
{
	_cleanup_free_ char *path = tracefs_join(dir, file);
	struct kernel_journal journal;
	bool changes = false;

	if (load_kept(&journal, state) == 0) {
		for (size_t i = 0; path && i < journal.nr && !changes; i++)
			changes = !strcmp(journal.entries[i].path, path);
	}
	journal_close_file(&journal);
	return changes;
}

/* Whether the journal `name` in `dir` has a probe to remove in that way. */
static bool holds(const char *dir, const char *name, const char *text)
{
	struct kernel_journal journal = {.fd = -1, .path = tracefs_join(dir, name)};
	struct err ignored;
	bool found = false;

	if (journal.path)
		journal.fd = io_open(journal.path, O_RDONLY | O_NOFOLLOW, 0);
	if (journal.fd >= 0 && journal_file_load(&journal, &ignored) == 0) {
		for (size_t i = 0; i < journal.nr && !found; i++)
			found = journal.entries[i].kind == KERNEL_UNDO_PROBE &&
				!strcmp(journal.entries[i].text, text);
	}
	journal_close_file(&journal);
	return found;
}

long kernel_journal_holder(const char *state, const char *text)
{
	_cleanup_free_ char *path = NULL;
	struct dirent *entry;
	struct err ignored;
	long holder = 0;
	DIR *dir;

	if (find_state(state, &path, &ignored) < 0 || io_opendir(path, &dir) < 0)
		return 0;
	while (!holder && (entry = readdir(dir))) {
		bool kept = !strcmp(entry->d_name, KERNEL_JOURNAL_START SUFFIX);

		if ((kept || is_of_session(entry->d_name)) && holds(path, entry->d_name, text))
			holder = kept ? -1 : strtol(entry->d_name, NULL, 10);
	}
	closedir(dir);
	return holder;
}
