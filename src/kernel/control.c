/* SPDX-License-Identifier: MIT */
#include "kernel/control.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"

static void target_done(struct kernel_target *target)
{
	mem_free(target->name);
	mem_free(target->path);
}

void kernel_targets_done(struct kernel_targets *targets)
{
	for (size_t i = 0; i < targets->nr; i++)
		target_done(&targets->list[i]);
	mem_free(targets->list);
	*targets = (struct kernel_targets){0};
}

static char *target_path(const struct tracefs *fs, const char *name)
{
	_cleanup_free_ char *instances = NULL;

	if (!name[0])
		return mem_strdup(fs->path);
	instances = tracefs_join(fs->path, "instances");
	return instances ? tracefs_join(instances, name) : NULL;
}

static int push(struct kernel_targets *targets, const struct tracefs *fs, const char *name)
{
	struct kernel_target target = {0};
	int r = array_reserve(&targets->list, &targets->cap, targets->nr + 1, sizeof(target));

	if (r < 0)
		return r;
	target.name = mem_strdup(name);
	target.path = target_path(fs, name);
	if (!target.name || !target.path) {
		target_done(&target);
		return -ENOMEM;
	}
	targets->list[targets->nr++] = target;
	return 0;
}

static bool name_is_legal(const char *name)
{
	return strlen(name) < 256 && !strchr(name, '/') && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

bool kernel_target_exists(const struct tracefs *fs, const char *name)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;

	if (!name_is_legal(name))
		return false;
	path = target_path(fs, name);
	return path && io_stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int compare_targets(const void *a, const void *b)
{
	const struct kernel_target *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int kernel_targets_add_all(struct kernel_targets *targets, const struct tracefs *fs,
			   struct err *err)
{
	_cleanup_free_ char *path = tracefs_join(fs->path, "instances");
	size_t first = targets->nr;
	struct dirent *entry;
	DIR *dir;
	int r;

	if (!path)
		return err_sys(err, -ENOMEM, "cannot list the instances");
	r = io_opendir(path, &dir);
	if (r < 0)
		return tracefs_explain(err, r, "list the instances", path);
	while (r == 0 && (entry = readdir(dir))) {
		bool known = entry->d_name[0] == '.' || !kernel_target_exists(fs, entry->d_name);

		for (size_t i = 0; i < first && !known; i++)
			known = !strcmp(targets->list[i].name, entry->d_name);
		if (!known)
			r = targets->nr < LIMIT_INSTANCES ? push(targets, fs, entry->d_name)
							  : -E2BIG;
	}
	closedir(dir);
	if (r < 0)
		return err_sys(err, r, "cannot list the instances of %s", path);
	if (targets->nr > first)
		qsort(targets->list + first, targets->nr - first, sizeof(*targets->list),
		      compare_targets);
	return 0;
}

/* -ENOENT, with the names of those that exist. */
static int no_such(const struct tracefs *fs, const char *name, struct err *err)
{
	struct kernel_targets all = {0};
	char names[300] = "";
	size_t len = 0;
	struct err ignored;

	if (kernel_targets_add_all(&all, fs, &ignored) < 0)
		all.nr = 0;
	for (size_t i = 0; i < all.nr && len + strlen(all.list[i].name) + 3 < sizeof(names); i++)
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i ? ", " : "",
					all.list[i].name);
	kernel_targets_done(&all);
	if (!len)
		return err_set(err, -ENOENT,
			       "there is no tracing instance '%.100s', nor any other; without -B "
			       "the top one is meant",
			       name);
	return err_set(err, -ENOENT, "there is no tracing instance '%.100s'; there are: %s", name,
		       names);
}

int kernel_targets_add(struct kernel_targets *targets, const struct tracefs *fs, const char *name,
		       struct err *err)
{
	int r;

	if (!name_is_legal(name))
		return err_set(err, -EINVAL, "'%.100s' cannot be the name of an instance", name);
	for (size_t i = 0; i < targets->nr; i++) {
		if (!strcmp(targets->list[i].name, name))
			return 0;
	}
	if (!kernel_target_exists(fs, name))
		return no_such(fs, name, err);
	r = push(targets, fs, name);
	return r < 0 ? err_sys(err, r, "cannot look at the instance '%s'", name) : 0;
}

int kernel_control_switch(const struct kernel_target *target, bool on, struct err *err)
{
	return tracefs_write(target->path, "tracing_on", on ? "1" : "0",
			     on ? "start tracing" : "stop tracing", err);
}

int kernel_control_clear(const struct kernel_target *target, struct err *err)
{
	return tracefs_write(target->path, "trace", "", "empty the buffer", err);
}
