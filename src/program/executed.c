/* SPDX-License-Identifier: MIT */
#include "program/executed.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "program/launch.h"

#define FILES_MAX  256u /* that are told of; the rest is told as a number */
#define BUCKETS	   256u
#define PATH_SHOWN 512u
#define WITHOUT_WHY                                                                                \
	"it did not ask for its trace (LD_PRELOAD was taken out of its environment, or it ended "  \
	"before its libraries began)"

struct file {
	struct file *next;
	dev_t device; /* what it is known by */
	ino_t inode;
	struct timespec changed;
	uid_t uid;
	gid_t gid;
	char path[PATH_SHOWN];
	char why[sizeof(((struct err *)NULL)->text)]; /* "": nothing speaks against it */
	bool never;				      /* who greets is another program by then */
	uint64_t waiting;			      /* executions */
	uint64_t untraced;
};

struct execution {
	struct execution *next;
	struct file *file;
	pid_t pid;
	bool over, greeted;
};

struct executed {
	struct file *files;
	size_t nr_files;
	struct file others; /* which are too many */
	struct execution *waiting[BUCKETS];
};

struct executed *executed_new(void)
{
	struct executed *executed = mem_zalloc(sizeof(*executed));

	if (executed)
		snprintf(executed->others.path, PATH_SHOWN, "other programs");
	return executed;
}

/* --- files --- */

/* Those that nothing is to be said of make room. Returns the end of the list. */
static struct file **forget_files(struct executed *executed)
{
	struct file **link = &executed->files;

	while (*link) {
		struct file *file = *link;

		if (file->waiting || file->untraced) {
			link = &file->next;
			continue;
		}
		*link = file->next;
		mem_free(file);
		executed->nr_files--;
	}
	return link;
}

static void describe(struct file *file, int fd, const struct stat *st, const struct ucred *who)
{
	char link[64];
	struct err err;
	ssize_t n;

	file->device = st->st_dev;
	file->inode = st->st_ino;
	file->changed = st->st_ctim;
	file->uid = who->uid;
	file->gid = who->gid;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, file->path, sizeof(file->path) - 1);
	if (n <= 0)
		snprintf(file->path, sizeof(file->path), "a program");
	if (program_launch_judge(link, who->uid, who->gid, &file->never, &err) < 0)
		memcpy(file->why, err.text, sizeof(file->why));
}

static struct file *find_file(struct executed *executed, int fd, const struct ucred *who)
{
	struct file **link = &executed->files, *file;
	struct stat st = {0};

	(void)!io_fstat(fd, &st);
	for (; (file = *link); link = &file->next) {
		if (file->device == st.st_dev && file->inode == st.st_ino &&
		    file->changed.tv_sec == st.st_ctim.tv_sec &&
		    file->changed.tv_nsec == st.st_ctim.tv_nsec && file->uid == who->uid &&
		    file->gid == who->gid)
			return file;
	}
	if (executed->nr_files >= FILES_MAX)
		link = forget_files(executed);
	file = executed->nr_files < FILES_MAX ? mem_zalloc(sizeof(*file)) : NULL;
	if (!file)
		return &executed->others;
	describe(file, fd, &st, who);
	*link = file;
	executed->nr_files++;
	return file;
}

/* --- executions --- */

static struct execution **bucket(struct executed *executed, pid_t pid)
{
	return &executed->waiting[(uint32_t)pid % BUCKETS];
}

static void remove_execution(struct executed *executed, struct execution *execution, bool untraced)
{
	struct execution **link = bucket(executed, execution->pid);

	while (*link != execution)
		link = &(*link)->next;
	*link = execution->next;
	execution->file->waiting--;
	execution->file->untraced += untraced;
	mem_free(execution);
}

struct execution *executed_begin(struct executed *executed, const struct ucred *who, int fd)
{
	struct execution *execution = mem_zalloc(sizeof(*execution)), *next;
	struct execution **link = bucket(executed, who->pid);

	if (!execution)
		return NULL;
	/* Another process had that pid, which has not greeted. */
	for (struct execution *old = *link; old; old = next) {
		next = old->next;
		if (old->over && old->pid == who->pid)
			remove_execution(executed, old, true);
	}
	execution->pid = who->pid;
	execution->file = find_file(executed, fd, who);
	execution->file->waiting++;
	execution->next = *link;
	*link = execution;
	return execution;
}

void executed_end(struct executed *executed, struct execution *execution, bool failed)
{
	if (failed || execution->greeted)
		remove_execution(executed, execution, false);
	else if (execution->file->never)
		remove_execution(executed, execution, true);
	else
		execution->over = true;
}

void executed_greets(struct executed *executed, pid_t pid)
{
	struct execution *next;

	for (struct execution *at = *bucket(executed, pid); at; at = next) {
		next = at->next;
		if (at->pid != pid || at->file->never)
			continue;
		at->greeted = true; /* its end may be heard after that */
		if (at->over)
			remove_execution(executed, at, false);
	}
}

void executed_each(struct executed *executed, executed_fn each, void *ctx)
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct execution *next;

		for (struct execution *at = executed->waiting[i]; at; at = next) {
			next = at->next;
			if (at->over)
				remove_execution(executed, at, true);
		}
	}
	for (struct file *file = executed->files; file; file = file->next) {
		if (file->untraced)
			each(ctx, file->path, file->untraced,
			     file->why[0] ? file->why : WITHOUT_WHY);
	}
	if (executed->others.untraced)
		each(ctx, executed->others.path, executed->others.untraced, WITHOUT_WHY);
}

void executed_free(struct executed *executed)
{
	if (!executed)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (executed->waiting[i])
			remove_execution(executed, executed->waiting[i], false);
	}
	for (struct file *next; executed->files; executed->files = next) {
		next = executed->files->next;
		mem_free(executed->files);
	}
	mem_free(executed);
}
