/* SPDX-License-Identifier: MIT */
#include "kernel/control.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/out.h"

#define CONTROL_BYTES (64u << 20)

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

/* --- files --- */

static const struct {
	const char *file, *what;
	bool top_only; /* in every kernel */
} controls[KERNEL_NR_CONTROLS] = {
	[KERNEL_TRACING_ON] = {"tracing_on", "see whether tracing is on", false},
	[KERNEL_TRACER] = {"current_tracer", "see the current tracer", false},
	[KERNEL_TRACERS] = {"available_tracers", "list the tracers", false},
	[KERNEL_CLOCK] = {"trace_clock", "read the trace clock", false},
	[KERNEL_OPTIONS] = {"trace_options", "list the trace options", false},
	[KERNEL_CPUMASK] = {"tracing_cpumask", "see which CPUs are traced", false},
	[KERNEL_BUFFER_SIZE] = {"buffer_size_kb", "read the buffer size", false},
	[KERNEL_BUFFER_TOTAL_SIZE] = {"buffer_total_size_kb", "read the buffer size", false},
	[KERNEL_SUBBUF_SIZE] = {"buffer_subbuf_size_kb", "read the size of sub-buffers", false},
	[KERNEL_BUFFER_PERCENT] = {"buffer_percent", "read when readers are woken", false},
	[KERNEL_FUNCTIONS] = {"available_filter_functions", "list the functions", true},
	[KERNEL_FUNCTION_FILTER] = {"set_ftrace_filter", "read the function filter", false},
	[KERNEL_FUNCTION_NOTRACE] = {"set_ftrace_notrace", "read which functions are left out",
				     false},
	[KERNEL_FUNCTION_PIDS] = {"set_ftrace_pid", "read the pids of the function tracer", false},
	[KERNEL_FUNCTION_NOTRACE_PIDS] = {"set_ftrace_notrace_pid",
					  "read the pids that the function tracer leaves out",
					  false},
	[KERNEL_GRAPH_FUNCTION] = {"set_graph_function", "read the graph filter", true},
	[KERNEL_GRAPH_NOTRACE] = {"set_graph_notrace", "read what graphs leave out", true},
	[KERNEL_GRAPH_DEPTH] = {"max_graph_depth", "read the depth of graphs", true},
	[KERNEL_THRESHOLD] = {"tracing_thresh", "read the threshold", true},
	[KERNEL_MAX_LATENCY] = {"tracing_max_latency", "read the longest latency", false},
	[KERNEL_EVENT_PIDS] = {"set_event_pid", "read the pids of events", false},
	[KERNEL_EVENT_NOTRACE_PIDS] = {"set_event_notrace_pid",
				       "read the pids whose events are left out", false},
	[KERNEL_KPROBES] = {"kprobe_events", "list the kprobes", true},
	[KERNEL_UPROBES] = {"uprobe_events", "list the uprobes", true},
	[KERNEL_SYNTHETIC_EVENTS] = {"synthetic_events", "list the synthetic events", true},
	[KERNEL_DYNAMIC_EVENTS] = {"dynamic_events", "list the dynamic events", true},
	[KERNEL_ERROR_LOG] = {"error_log", "read the error log", false},
};

char *kernel_control_path(const struct kernel_target *target, enum kernel_control control)
{
	return tracefs_join(target->path, controls[control].file);
}

bool kernel_control_exists(const struct kernel_target *target, enum kernel_control control)
{
	return tracefs_exists(target->path, controls[control].file);
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory, sorted. words_done them. */
static int list_directory(const char *path, char ***ret_words, size_t *ret_nr)
{
	size_t nr = 0, cap = 0;
	char **words = NULL;
	struct dirent *entry;
	DIR *dir;
	int r = io_opendir(path, &dir);

	if (r < 0)
		return r;
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		r = array_reserve(&words, &cap, nr + 1, sizeof(*words));
		if (r < 0)
			break;
		words[nr] = mem_strdup(entry->d_name);
		if (words[nr])
			nr++;
		else
			r = -ENOMEM;
	}
	closedir(dir);
	if (nr)
		qsort(words, nr, sizeof(*words), compare_words);
	*ret_words = words;
	*ret_nr = nr;
	return r;
}

static void words_done(char **words, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		mem_free(words[i]);
	mem_free(words);
}

/* trace_options has only those of the current tracer; the directory has all. */
static int read_options(const struct kernel_target *target, char **ret_text, struct err *err)
{
	const char *what = controls[KERNEL_OPTIONS].what;
	_cleanup_free_ char *dir = tracefs_join(target->path, "options");
	_cleanup_out_ struct out out = {0};
	char **words = NULL;
	size_t nr = 0;
	int r = dir ? list_directory(dir, &words, &nr) : -ENOMEM;

	if (r < 0)
		tracefs_explain(err, r, what, dir ? dir : "options");
	for (size_t i = 0; i < nr && r == 0; i++) {
		_cleanup_free_ char *text = NULL;

		r = tracefs_read(dir, words[i], what, CONTROL_BYTES, &text, NULL, err);
		if (r == 0)
			out_printf(&out, "%s%s\n", text[0] == '0' ? "no" : "", words[i]);
	}
	words_done(words, nr);
	if (r < 0)
		return r;
	out_cstr(&out);
	if (out.failed)
		return err_sys(err, -ENOMEM, "cannot %s", what);
	*ret_text = steal(&out.buf);
	return 0;
}

int kernel_control_read(const struct kernel_target *target, enum kernel_control control,
			char **ret_text, struct err *err)
{
	const char *file = controls[control].file, *what = controls[control].what;

	if (control == KERNEL_OPTIONS && tracefs_exists(target->path, "options"))
		return read_options(target, ret_text, err);
	if (target->name[0] && controls[control].top_only && !tracefs_exists(target->path, file))
		return err_set(err, -ENOENT,
			       "cannot %s of the instance '%.100s': the kernel has one %s for all "
			       "instances (-t shows it)",
			       what, target->name, file);
	return tracefs_read(target->path, file, what, CONTROL_BYTES, ret_text, NULL, err);
}

static const struct {
	const char *file, *what;
} event_files[] = {
	[KERNEL_EVENT_ENABLE] = {"enable", "see whether an event is enabled"},
	[KERNEL_EVENT_FORMAT] = {"format", "read an event's format"},
	[KERNEL_EVENT_FILTER] = {"filter", "read an event's filter"},
	[KERNEL_EVENT_TRIGGER] = {"trigger", "read an event's triggers"},
	[KERNEL_EVENT_HIST] = {"hist", "read an event's histograms"},
};

/* "events/SYSTEM/NAME/FILE", cut only for names that no kernel has. */
static const char *event_file(const struct kernel_event *event, enum kernel_event_file file,
			      char *text, size_t size)
{
	snprintf(text, size, "events/%s/%s/%s", event->system, event->name, event_files[file].file);
	return text;
}

char *kernel_event_path(const struct kernel_target *target, const struct kernel_event *event,
			enum kernel_event_file file)
{
	char text[2 * LIMIT_STRING_BYTES + 32];

	return tracefs_join(target->path, event_file(event, file, text, sizeof(text)));
}

int kernel_event_read(const struct kernel_target *target, const struct kernel_event *event,
		      enum kernel_event_file file, char **ret_text, struct err *err)
{
	char text[2 * LIMIT_STRING_BYTES + 32];

	return tracefs_read(target->path, event_file(event, file, text, sizeof(text)),
			    event_files[file].what, CONTROL_BYTES, ret_text, NULL, err);
}

bool kernel_has_ftrace_system(const struct kernel_target *target)
{
	return tracefs_exists(target->path, "events/ftrace");
}

int kernel_system_enabled(const struct kernel_target *target, const char *system, char *ret_state,
			  struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char file[LIMIT_STRING_BYTES + 32];
	int r;

	snprintf(file, sizeof(file), "events/%s/enable", system);
	r = tracefs_read(target->path, file, "see which events are enabled", CONTROL_BYTES, &text,
			 NULL, err);
	if (r == 0)
		*ret_state = text[0];
	return r;
}

/* --- text of buffers --- */

static const struct {
	const char *file, *what;
} buffers[] = {
	[KERNEL_BUFFER_TRACE] = {"trace", "read the buffer"},
	[KERNEL_BUFFER_PIPE] = {"trace_pipe", "read the buffer as it fills"},
	[KERNEL_BUFFER_SNAPSHOT] = {"snapshot", "read the snapshot"},
};

char *kernel_buffer_path(const struct kernel_target *target, enum kernel_buffer buffer, int cpu)
{
	char file[64];

	if (cpu == KERNEL_ALL_CPUS)
		return tracefs_join(target->path, buffers[buffer].file);
	snprintf(file, sizeof(file), "per_cpu/cpu%d/%s", cpu, buffers[buffer].file);
	return tracefs_join(target->path, file);
}

int kernel_buffer_open(const struct kernel_target *target, enum kernel_buffer buffer, int cpu,
		       int *ret_fd, struct err *err)
{
	_cleanup_free_ char *path = kernel_buffer_path(target, buffer, cpu);
	char dir[64];
	int fd;

	if (!path)
		return err_sys(err, -ENOMEM, "cannot %s", buffers[buffer].what);
	do {
		fd = io_open(path, O_RDONLY, 0);
	} while (fd == -EINTR);
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	snprintf(dir, sizeof(dir), "per_cpu/cpu%d", cpu);
	if (fd == -ENOENT && cpu != KERNEL_ALL_CPUS && !tracefs_exists(target->path, dir))
		return err_set(err, fd, "cannot %s: there is no CPU %d (no %s/%s)",
			       buffers[buffer].what, cpu, target->path, dir);
	return tracefs_explain(err, fd, buffers[buffer].what, path);
}
