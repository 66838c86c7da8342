/* SPDX-License-Identifier: MIT */
/*
 * One thread plans the files that processes have, in the order in which they will be asked about.
 * Who asks takes what is planned, waits for what is being planned, and plans itself what waits: so
 * nobody waits for a file that another one has to be finished for first.
 */
#include "program/ahead.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "program/modules.h"
#include "program/protocol.h"

#define FILES_MAX     128u /* each has a descriptor until it is planned */
#define MAPS_BYTES    (4u << 20)
#define LOADER_PREFIX "ld-" /* glibc's, and musl's, which is its libc: never patched */

enum state {
	STATE_WAITING,
	STATE_BEING_PLANNED,
	STATE_PLANNED,
	STATE_TAKEN /* or not worth it any more */
};

struct file {
	dev_t dev;
	ino_t inode;
	struct timespec changed;
	int fd; /* O_PATH; -1: it is not needed any more */
	enum state state;
	struct program_elf *elf; /* STATE_PLANNED; NULL: it cannot be traced */
	struct program_origin origin;
};

struct ahead {
	struct program_plans *plans;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t planned;
	struct file files[FILES_MAX];
	size_t nr_files;
	pthread_t thread;
	bool started, running; /* to be joined; not at its end yet */
};

int ahead_new(struct ahead **ret_ahead, struct program_plans *plans)
{
	struct ahead *ahead = mem_zalloc(sizeof(*ahead));

	if (!ahead)
		return -ENOMEM;
	ahead->plans = plans;
	pthread_mutex_init(&ahead->lock, NULL);
	pthread_cond_init(&ahead->planned, NULL);
	*ret_ahead = ahead;
	return 0;
}

static bool is_file(const struct file *file, const struct stat *st)
{
	return file->dev == st->st_dev && file->inode == st->st_ino &&
	       !memcmp(&file->changed, &st->st_ctim, sizeof(st->st_ctim));
}

/* --- the thread --- */

static struct file *next_waiting(struct ahead *ahead)
{
	for (size_t i = 0; i < ahead->nr_files; i++) {
		if (ahead->files[i].state == STATE_WAITING)
			return &ahead->files[i];
	}
	return NULL;
}

static void close_file(struct file *file)
{
	io_close(file->fd);
	file->fd = -1;
}

static struct program_elf *plan(struct ahead *ahead, int fd, struct program_origin *ret_origin)
{
	struct program_elf *elf = NULL;
	char path[MODULES_PATH_BYTES];
	struct err ignored;
	struct stat st;

	if (io_fstat(fd, &st) < 0)
		return NULL;
	modules_path(fd, &st, path);
	/* Whoever asks about it then is told why. */
	return program_plans_open(ahead->plans, &elf, path, ret_origin, &ignored) < 0 ? NULL : elf;
}

static void *plan_all(void *arg)
{
	struct ahead *ahead = arg;
	struct file *file;

	pthread_mutex_lock(&ahead->lock);
	while ((file = next_waiting(ahead))) {
		struct program_origin origin = {.keep = false};
		struct program_elf *elf;
		int fd = file->fd;

		file->state = STATE_BEING_PLANNED;
		pthread_mutex_unlock(&ahead->lock);
		elf = plan(ahead, fd, &origin);
		pthread_mutex_lock(&ahead->lock);
		file->elf = elf;
		file->origin = origin;
		file->state = STATE_PLANNED;
		close_file(file);
		pthread_cond_broadcast(&ahead->planned);
	}
	ahead->running = false;
	pthread_mutex_unlock(&ahead->lock);
	return NULL;
}

static void join(struct ahead *ahead)
{
	if (ahead->started)
		pthread_join(ahead->thread, NULL);
	ahead->started = false;
}

/* --- what a process has --- */

static bool is_never(const char *path)
{
	const char *name = strrchr(path, '/') + 1;

	return !strncmp(name, LOADER_PREFIX, strlen(LOADER_PREFIX)) ||
	       !strcmp(name, PROGRAM_RUNTIME);
}

/* The thread, which knows where they are, does not run. */
static void forget_taken(struct ahead *ahead)
{
	size_t left = 0;

	for (size_t i = 0; i < ahead->nr_files; i++) {
		if (ahead->files[i].state != STATE_TAKEN)
			ahead->files[left++] = ahead->files[i];
	}
	ahead->nr_files = left;
}

static void add(struct ahead *ahead, int fd, const struct stat *st)
{
	for (size_t i = 0; i < ahead->nr_files; i++) {
		if (is_file(&ahead->files[i], st)) {
			io_close(fd);
			return;
		}
	}
	if (ahead->nr_files == FILES_MAX) {
		io_close(fd);
		return;
	}
	ahead->files[ahead->nr_files++] = (struct file){
		.dev = st->st_dev,
		.inode = st->st_ino,
		.changed = st->st_ctim,
		.fd = fd,
	};
}

/* A line of /proc/PID/maps: START-END r-xp OFFSET MAJOR:MINOR INODE PATH. */
static void look_at(struct ahead *ahead, const char *line, ahead_wanted_fn *wanted, void *ctx)
{
	const char *path = strchr(line, '/');
	unsigned long long inode;
	struct stat st;
	char execute;
	int fd;

	if (!path || sscanf(line, "%*s %*c%*c%c%*c %*s %*s %llu", &execute, &inode) != 2 ||
	    execute != 'x' || is_never(path))
		return;
	fd = io_open(path, O_PATH, 0);
	if (fd < 0)
		return;
	/* The process may have other mounts, or the file may be another one by now. */
	if (io_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_ino != inode ||
	    !wanted(ctx, &st)) {
		io_close(fd);
		return;
	}
	add(ahead, fd, &st);
}

void ahead_look(struct ahead *ahead, pid_t pid, ahead_wanted_fn *wanted, void *ctx)
{
	_cleanup_free_ char *maps = NULL;
	char path[64];
	size_t len;
	char *end;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	if (io_read_file(path, MAPS_BYTES, &maps, &len) < 0)
		return;
	pthread_mutex_lock(&ahead->lock);
	if (!ahead->running)
		forget_taken(ahead);
	/* The first one lies highest, and the program, which is asked about first, lowest. */
	while ((end = memrchr(maps, '\n', len))) {
		char *line;

		*end = '\0';
		len = (size_t)(end - maps);
		line = memrchr(maps, '\n', len);
		look_at(ahead, line ? line + 1 : maps, wanted, ctx);
	}
	if (next_waiting(ahead) && !ahead->running) {
		join(ahead);
		ahead->started = ahead->running =
			pthread_create(&ahead->thread, NULL, plan_all, ahead) == 0;
	}
	pthread_mutex_unlock(&ahead->lock);
}

bool ahead_take(struct ahead *ahead, const struct stat *st, struct program_elf **ret_elf,
		struct program_origin *ret_origin)
{
	struct program_elf *elf = NULL;

	pthread_mutex_lock(&ahead->lock);
	for (size_t i = 0; i < ahead->nr_files; i++) {
		struct file *file = &ahead->files[i];

		if (!is_file(file, st) || file->state == STATE_TAKEN)
			continue;
		while (file->state == STATE_BEING_PLANNED)
			pthread_cond_wait(&ahead->planned, &ahead->lock);
		elf = file->elf;
		*ret_origin = file->origin;
		file->elf = NULL;
		file->state = STATE_TAKEN;
		close_file(file);
		break;
	}
	pthread_mutex_unlock(&ahead->lock);
	*ret_elf = elf;
	return elf;
}

void ahead_free(struct ahead *ahead)
{
	if (!ahead)
		return;
	pthread_mutex_lock(&ahead->lock);
	for (size_t i = 0; i < ahead->nr_files; i++) {
		if (ahead->files[i].state == STATE_WAITING)
			ahead->files[i].state = STATE_TAKEN;
	}
	pthread_mutex_unlock(&ahead->lock);
	join(ahead);
	for (size_t i = 0; i < ahead->nr_files; i++) {
		program_elf_free(ahead->files[i].elf);
		close_file(&ahead->files[i]);
	}
	pthread_cond_destroy(&ahead->planned);
	pthread_mutex_destroy(&ahead->lock);
	mem_free(ahead);
}
