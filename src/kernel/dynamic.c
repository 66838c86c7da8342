/* SPDX-License-Identifier: MIT */
#include "kernel/dynamic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/closest.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/out.h"
#include "kernel/errlog.h"
#include "kernel/features.h"

#define TEXT_BYTES     (16u << 20)
#define DYNAMIC_EVENTS "dynamic_events"
#define REMOVE_TRIES   50
#define REMOVE_WAIT_US 20000

/* How a kernel shows that it has a kind of probe, and what to say when it has not. */
static const struct {
	const char *name, *file;
	enum feature_id feature;
} kinds[] = {
	[PROBE_KERNEL] = {"kprobes", "kprobe_events", FEATURE_KPROBE},
	[PROBE_USER] = {"uprobes", "uprobe_events", FEATURE_UPROBE},
	[PROBE_EVENT] = {"eprobes", DYNAMIC_EVENTS, FEATURE_EPROBE},
	[PROBE_FUNCTION] = {"fprobes", DYNAMIC_EVENTS, FEATURE_FPROBE},
	[PROBE_TRACEPOINT] = {"tracepoint probes", DYNAMIC_EVENTS, FEATURE_TPROBE},
};

bool kernel_has_module(const char *name)
{
	_cleanup_out_ struct out path = {0};
	struct stat st;

	if (!*name || strchr(name, '/') || *name == '.')
		return false;
	out_printf(&path, "/sys/module/%s", name);
	return !path.failed && io_stat(out_cstr(&path), &st) == 0;
}

/* Kernels before 5.0 have a file for each kind. */
static const char *definitions_file(const struct tracefs *fs, enum probe_kind kind)
{
	return tracefs_exists(fs->path, DYNAMIC_EVENTS) ? DYNAMIC_EVENTS : kinds[kind].file;
}

static int check_kind(const struct tracefs *fs, enum probe_kind kind, struct err *err)
{
	_cleanup_free_ char *readme = NULL;
	const char *words = feature_info(kinds[kind].feature)->words;
	bool has = tracefs_exists(fs->path, kinds[kind].file);

	if (has && words &&
	    tracefs_read(fs->path, "README", "see what probes there are", TEXT_BYTES, &readme, NULL,
			 NULL) == 0)
		has = strstr(readme, words);
	return has ? 0
		   : feature_missing(err, -EOPNOTSUPP, feature_info(kinds[kind].feature), fs,
				     "this kernel has no %s", kinds[kind].name);
}

int kernel_dynamic_lock(const struct tracefs *fs, enum probe_kind kind, int *ret_fd,
			struct err *err)
{
	const char *what = "define a probe", *file = definitions_file(fs, kind);
	_cleanup_free_ char *path = tracefs_join(fs->path, file);
	int fd, r = check_kind(fs, kind, err);

	if (r < 0)
		return r;
	if (!path)
		return err_sys(err, -ENOMEM, "cannot %s", what);
	do {
		fd = io_open(path, O_RDONLY, 0);
	} while (fd == -EINTR);
	if (fd < 0)
		return tracefs_explain(err, fd, what, path);
	do {
		r = io_lock(fd, LOCK_EX);
	} while (r == -EINTR);
	if (r < 0) {
		io_close(fd);
		return err_sys(err, r, "cannot lock %s to %s", path, what);
	}
	*ret_fd = fd;
	return 0;
}

bool kernel_dynamic_exists(const struct tracefs *fs, const char *group, const char *event)
{
	_cleanup_out_ struct out path = {0};

	out_printf(&path, "events/%s/%s", group, event);
	return path.failed || tracefs_exists(fs->path, out_cstr(&path));
}

/* The line of `text` that defines it ("p:GROUP/EVENT ..."), cut in place, or NULL. */
static char *definition_of(char *text, const char *group, const char *event)
{
	size_t group_len = strlen(group), event_len = strlen(event);
	char *save;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *name = strchr(line, ':');

		if (name && !strncmp(name + 1, group, group_len) && name[1 + group_len] == '/' &&
		    !strncmp(name + 2 + group_len, event, event_len) &&
		    (!name[2 + group_len + event_len] || name[2 + group_len + event_len] == ' '))
			return line;
	}
	return NULL;
}

int kernel_dynamic_taken(const struct tracefs *fs, const char *group, const char *event,
			 struct err *err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_out_ struct out line = {0};
	char *definition = NULL, holder[64];
	long pid;

	if (tracefs_read(fs->path, definitions_file(fs, PROBE_KERNEL), "list the probes",
			 TEXT_BYTES, &text, NULL, NULL) == 0)
		definition = definition_of(text, group, event);
	if (!definition)
		return err_set(err, -EEXIST,
			       "%s/%s is an event of the kernel; give the probe another name",
			       group, event);
	out_printf(&line, "-:%s/%s", group, event);
	pid = kernel_journal_holder(fs->state, out_cstr(&line));
	if (pid < 0)
		snprintf(holder, sizeof(holder), "sonde start; sonde reset ends it");
	else
		snprintf(holder, sizeof(holder), "the sonde with process id %ld", pid);
	if (pid)
		return err_set(err, -EEXIST,
			       "the probe %s/%s exists already, defined by %s: '%.150s'; give this "
			       "one another name",
			       group, event, holder, definition);
	return err_set(err, -EEXIST,
		       "the probe %s/%s exists already: '%.200s', made by another program; give "
		       "this one another name, or remove it: echo '-:%s/%s' >> %s/%s",
		       group, event, definition, group, event, fs->path,
		       definitions_file(fs, PROBE_KERNEL));
}

/* Whether the definition that a line of dynamic_events shows is in the journal of another session.
 */
static bool is_of_others(const struct tracefs *fs, const struct kernel_journal *journal,
			 const char *name)
{
	_cleanup_out_ struct out line = {0};
	long holder;

	out_printf(&line, "-:%s", name);
	holder = line.failed ? 0 : kernel_journal_holder(fs->state, out_cstr(&line));
	if (holder == -1)
		return !kernel_journal_is_kept(journal);
	return holder && holder != (long)getpid();
}

/* Clear the hit of GROUP/EVENT, cut in place; 1 when there was one. */
static size_t spare_event(const struct kernel_events *events, bool *hits, char *name)
{
	char *slash = strchr(name, '/');

	if (!slash)
		return 0;
	*slash = '\0';
	for (size_t i = 0; i < events->nr; i++) {
		if (!hits[i] || strcmp(events->list[i].system, name) != 0 ||
		    strcmp(events->list[i].name, slash + 1) != 0)
			continue;
		hits[i] = false;
		return 1;
	}
	return 0;
}

size_t kernel_dynamic_spare(const struct tracefs *fs, const struct kernel_journal *journal,
			    const struct kernel_events *events, bool *hits)
{
	const char *file = definitions_file(fs, PROBE_USER);
	_cleanup_free_ char *text = NULL;
	size_t nr = 0;
	char *save;

	if (!tracefs_exists(fs->path, file) ||
	    tracefs_read(fs->path, file, "list the probes", TEXT_BYTES, &text, NULL, NULL) < 0)
		return 0;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *name = strchr(line, ':');

		if (!name)
			continue;
		name++;
		name[strcspn(name, " ")] = '\0';
		if (is_of_others(fs, journal, name))
			nr += spare_event(events, hits, name);
	}
	return nr;
}

/* --- making --- */

/* A symbol of the kernel that is spelt nearly so, in `text` (kallsyms, cut in place), or NULL. */
static const char *near_symbol(char *text, const char *place)
{
	size_t len = strcspn(place, "+% ");
	struct closest closest;
	char *save;

	closest_init(&closest, place, len);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *name = strchr(line, ' ');

		name = name ? strchr(name + 1, ' ') : NULL;
		if (!name)
			continue;
		name[1 + strcspn(name + 1, "\t ")] = '\0';
		if (!strncmp(name + 1, place, len) && !name[1 + len])
			return NULL;
		closest_try(&closest, name + 1);
	}
	return closest_found(&closest);
}

static void suggest(const struct tracefs *fs, enum probe_kind kind, const char *text,
		    struct err *err)
{
	_cleanup_free_ char *symbols = NULL;
	const char *place = strchr(text, ' '), *near;
	struct err reason = *err;

	if ((kind != PROBE_KERNEL && kind != PROBE_FUNCTION) || !place ||
	    (place[1] >= '0' && place[1] <= '9') ||
	    io_read_file(fs->kallsyms, LIMIT_SECTION_BYTES, &symbols, NULL) < 0)
		return;
	near = near_symbol(symbols, place + 1);
	if (near)
		err_set(err, reason.code, "%s\ndid you mean '%.80s'?", reason.text, near);
}

/* The kernel has one errno for an event that it does not know and one that it does not like. */
static int not_attached(const struct tracefs *fs, int code, const char *text, struct err *err)
{
	const char *place = strchr(text, ' ');
	size_t system = place ? strcspn(place + 1, "./ ") : 0;
	_cleanup_free_ char *group = mem_strndup(place ? place + 1 : "", system), *event = NULL;

	if (!group || !place || !place[1 + system])
		return code;
	place += system + 2;
	event = mem_strndup(place, strcspn(place, " "));
	if (!event)
		return code;
	if (kernel_dynamic_exists(fs, group, event))
		return err_set(
			err, code,
			"an eprobe cannot be attached to %s/%s: that event is a probe itself, "
			"or cannot be enabled",
			group, event);
	return err_set(err, code, "an eprobe cannot be attached: there is no event %s/%s", group,
		       event);
}

/* A kernel that does not know a kind of probe refuses it in silence; README may speak of it. */
static int no_reason(const struct tracefs *fs, enum probe_kind kind, int code, const char *text,
		     struct err *err)
{
	const struct feature_info *info = feature_info(kinds[kind].feature);
	char why[200];

	if (feature_is_off(info, why, sizeof(why)))
		return feature_missing(err, code, info, fs, "this kernel has no %s",
				       kinds[kind].name);
	return err_set(err, code,
		       "the kernel does not accept the probe '%.200s' and says no more than '%s'",
		       text, err_name(code));
}

/* What stands for $argN where the kernel knows no function but an address. */
static void no_arguments(struct err *err)
{
	struct err reason = *err;
#if defined(__x86_64__)
	const char *registers = ": %di %si %dx %cx %r8 %r9";
#elif defined(__aarch64__)
	const char *registers = ": %x0 to %x7";
#else
	const char *registers = "";
#endif

	err_set(err, reason.code,
		"%s\na uprobe has no $argN; at a function's start its arguments are in registers%s",
		reason.text, registers);
}

/* Why the kernel does not take a definition. */
static int refused(const struct tracefs *fs, int code, enum probe_kind kind, const char *text,
		   struct err *err)
{
	_cleanup_free_ char *log = NULL;
	char *message, *command;
	int caret;

	if (kind == PROBE_EVENT && (code == -ENODEV || code == -ENOENT))
		return not_attached(fs, code, text, err);
	if (code == -EPERM || code == -EACCES || code == -ENOMEM || code == -EIO || code == -ENODEV)
		return code;
	if (tracefs_read(fs->path, "error_log", "read errors", TEXT_BYTES, &log, NULL, NULL) < 0 ||
	    !kernel_errlog_find(log, text, &message, &command, &caret))
		return no_reason(fs, kind, code, text, err);
	err_caret(err, code, command, (size_t)MAX(caret, 0),
		  "the kernel does not accept the probe: %.100s", message);
	if (strstr(message, "symbol") || strstr(message, "address"))
		suggest(fs, kind, text, err);
	if (kind == PROBE_USER && strstr(text, "$arg"))
		no_arguments(err);
	return code;
}

int kernel_dynamic_create(const struct tracefs *fs, struct kernel_journal *journal,
			  enum probe_kind kind, const char *group, const char *event,
			  const char *text, bool more, struct err *err)
{
	const char *file = definitions_file(fs, kind);
	size_t mark = kernel_journal_mark(journal);
	_cleanup_out_ struct out undo = {0};
	int r = 0;

	out_printf(&undo, "-:%s/%s", group, event);
	if (undo.failed)
		return err_sys(err, -ENOMEM, "cannot define a probe");
	if (!more)
		r = kernel_journal_push(journal, KERNEL_UNDO_PROBE, fs->path, file, out_cstr(&undo),
					err);
	if (r < 0)
		return r;
	r = tracefs_append(fs->path, file, text, "define a probe", err);
	if (r == 0)
		return 0;
	if (!kernel_dynamic_exists(fs, group, event))
		kernel_journal_forget(journal, mark);
	return refused(fs, r, kind, text, err);
}

/* --- removing --- */

/* Whether an event is enabled in the instance at `dir`. */
static bool is_enabled(const char *dir, const char *name)
{
	_cleanup_out_ struct out file = {0};
	_cleanup_free_ char *text = NULL;

	out_printf(&file, "events/%s/enable", name);
	return !file.failed &&
	       tracefs_read(dir, out_cstr(&file), "see who uses a probe", 4096, &text, NULL,
			    NULL) == 0 &&
	       text[0] != '0';
}

/* The instances in which it is enabled, separated by commas. */
static void list_users(const char *dir, const char *name, struct out *out)
{
	_cleanup_free_ char *instances = tracefs_join(dir, "instances");
	struct dirent *entry;
	DIR *list;

	if (is_enabled(dir, name))
		out_str(out, "the top instance");
	if (!instances || io_opendir(instances, &list) < 0)
		return;
	while ((entry = readdir(list))) {
		_cleanup_free_ char *path = tracefs_join(instances, entry->d_name);

		if (entry->d_name[0] != '.' && path && is_enabled(path, name))
			out_printf(out, "%s%s", out->len ? ", " : "", entry->d_name);
	}
	closedir(list);
}

static int still_used(const char *dir, const char *file, const char *text, struct err *err)
{
	_cleanup_out_ struct out users = {0};

	list_users(dir, text + 2, &users);
	return err_set(err, -EBUSY,
		       "the probe %s stays for now: it is enabled %s%.150s; when that has ended, "
		       "sonde restore removes it (or: echo '%s' >> %s/%s)",
		       text + 2, users.len ? "in " : "by perf or another program",
		       users.len ? out_cstr(&users) : "", text, dir, file);
}

int kernel_dynamic_remove(const char *dir, const char *file, const char *text, struct err *err)
{
	for (unsigned int i = 0;; i++) {
		int r = tracefs_append(dir, file, text, "remove a probe", err);

		if (r == -ENOENT || r == -ENODEV)
			return 0;
		if (r != -EBUSY)
			return r;
		if (i >= REMOVE_TRIES)
			return still_used(dir, file, text, err);
		usleep(REMOVE_WAIT_US);
	}
}
