/* SPDX-License-Identifier: MIT */
/* Getting events out of the kernel: switching them on, and the ways to the raw buffer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "kernel/features_internal.h"

#define LIST_BYTES (1u << 20)
#define NEED_OWN   "not tried: it takes an own instance"

static size_t nr_systems(const struct kernel_events *events)
{
	size_t nr = 0;

	for (size_t i = 0; i < events->nr; i++)
		nr += events->list[i].first_of_system == i;
	return nr;
}

/*
 * The first event of a fresh kernel gives the top buffer its full size (before 6.7 also one of
 * another instance), which nobody can take back: "7 (expanded: 1408)" says that it has not yet.
 */
static bool is_fresh(const struct probing *p)
{
	_cleanup_free_ char *text = NULL;

	return tracefs_read(p->fs->path, "buffer_size_kb", "read the buffer size", LIST_BYTES,
			    &text, NULL, NULL) == 0 &&
	       strstr(text, "expanded") != NULL;
}

/* A rare event is patched in and out of the kernel; our instance records nothing meanwhile. */
static int try_event(struct probing *p, struct err *err)
{
	_cleanup_free_ bool *hits = NULL;
	int r;

	if (is_fresh(p))
		return probe_open(p->dir, "events/enable", O_WRONLY);
	hits = mem_calloc(p->events.nr, sizeof(*hits));
	if (!hits)
		return err_sys(err, -ENOMEM, "cannot choose an event");
	if (kernel_events_match(&p->events, "sched:sched_process_exec", hits) == 0)
		hits[0] = true;
	r = kernel_instance_enable(&p->inst, &p->events, hits, true, err);
	return r < 0 ? r : kernel_instance_enable(&p->inst, &p->events, hits, false, err);
}

static void probe_events(struct probing *p)
{
	struct err err = {0};
	int r = kernel_events_load(&p->events, p->fs, &err);
	bool syscalls = false;

	if (r == 0 && p->events.nr == 0)
		r = -ENOENT;
	for (size_t i = 0; i < p->events.nr && !syscalls; i++)
		syscalls = !strcmp(p->events.list[i].system, "syscalls");
	if (r == 0 && p->has_inst)
		r = try_event(p, &err);
	if (r < 0)
		probe_result(p, FEATURE_EVENTS, r, "available_events");
	else if (!p->has_inst)
		probe_unknown(p, FEATURE_EVENTS, NEED_OWN);
	else
		probe_ok(p, FEATURE_EVENTS, "%zu events of %zu systems, with filters", p->events.nr,
			 nr_systems(&p->events));
	if (r < 0)
		probe_unknown(p, FEATURE_SYSCALLS, "not tried: events cannot be used");
	else if (syscalls)
		probe_ok(p, FEATURE_SYSCALLS, "%s", "");
	else
		probe_missing(p, FEATURE_SYSCALLS);
}

static void probe_stacks(struct probing *p)
{
	probe_file(p, FEATURE_STACKS, p->dir, "options/stacktrace", O_RDONLY);
	/* The option is there on every machine, also where the architecture cannot do it. */
	if (kconfig_get(&p->config, "CONFIG_USER_STACKTRACE_SUPPORT") == KCONFIG_ABSENT)
		probe_missing(p, FEATURE_USER_STACKS);
	else
		probe_file(p, FEATURE_USER_STACKS, p->dir, "options/userstacktrace", O_RDONLY);
}

static void probe_pid_lists(struct probing *p)
{
	probe_file(p, FEATURE_PID_FILTER, p->dir, "set_event_pid", O_RDONLY);
	if (p->features->list[FEATURE_PID_FILTER].state == FEATURE_OK &&
	    probe_open(p->dir, "set_event_notrace_pid", O_RDONLY) == -ENOENT)
		probe_limited(p, FEATURE_PID_FILTER, FEATURE_FIX_KERNEL, "Linux 5.7 or newer",
			      "no set_event_notrace_pid: what sonde itself does is recorded too");
}

static void probe_clocks(struct probing *p)
{
	_cleanup_free_ char *text = NULL;
	struct err err = {0};
	int r = tracefs_read(p->dir, "trace_clock", "list the clocks", LIST_BYTES, &text, NULL,
			     &err);

	if (r < 0) {
		probe_result(p, FEATURE_CLOCKS, r, "trace_clock");
		return;
	}
	for (char *c = text; *c; c++) {
		if (*c == '[' || *c == ']' || *c == '\n')
			*c = ' ';
	}
	probe_ok(p, FEATURE_CLOCKS, "%s", text + strspn(text, " "));
}

static int try_splice(int raw)
{
	_cleanup_close_ int from = -1, to = -1;
	int fds[2], r;
	ssize_t n;

	r = io_pipe(fds, O_CLOEXEC | O_NONBLOCK);
	if (r < 0)
		return r;
	from = fds[0];
	to = fds[1];
	n = io_splice(raw, to, 4096, SPLICE_F_NONBLOCK);
	return n < 0 && n != -EAGAIN ? (int)n : 0;
}

static int try_map(int raw)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, raw, 0);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, size);
	return 0;
}

/* The numbers of CPUs may have gaps. */
static int open_any_raw(struct probing *p, struct err *err)
{
	int r = -ENOENT, fd;

	for (unsigned int cpu = 0; cpu < p->fs->cpus && r == -ENOENT; cpu++)
		r = kernel_instance_open_raw(&p->inst, cpu, &fd, err);
	return r < 0 ? r : fd;
}

static void probe_ring(struct probing *p)
{
	static const enum feature_id parts[] = {FEATURE_RAW, FEATURE_SPLICE, FEATURE_MMAP};
	struct err err = {0};
	_cleanup_close_ int raw = p->has_inst ? open_any_raw(p, &err) : -1;
	int r;

	if (raw < 0) {
		for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
			probe_unknown(p, parts[i],
				      i ? "not tried: there is no raw buffer" : NEED_OWN);
		if (p->has_inst)
			probe_result(p, FEATURE_RAW, raw, "trace_pipe_raw");
		return;
	}
	probe_ok(p, FEATURE_RAW, "sub-buffers of %u bytes", p->inst.page_size);
	r = try_splice(raw);
	probe_result(p, FEATURE_SPLICE, r == -EINVAL ? -ENOENT : r, "trace_pipe_raw");
	r = try_map(raw);
	/* What a file without the operation answers, and what some answer to the unknown. */
	probe_result(p, FEATURE_MMAP, r == -ENODEV || r == -EINVAL ? -ENOENT : r, "trace_pipe_raw");
}

void probe_recording(struct probing *p)
{
	probe_events(p);
	probe_stacks(p);
	probe_pid_lists(p);
	probe_file(p, FEATURE_MARKER, p->dir, "trace_marker", O_WRONLY);
	probe_file(p, FEATURE_ERROR_LOG, p->dir, "error_log", O_RDONLY);
	probe_clocks(p);
	probe_ring(p);
	probe_file(p, FEATURE_WATERMARK, p->dir, "buffer_percent", O_RDONLY);
	probe_file(p, FEATURE_SUBBUF_SIZE, p->dir, "buffer_subbuf_size_kb", O_RDONLY);
}
