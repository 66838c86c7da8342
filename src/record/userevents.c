/* SPDX-License-Identifier: MIT */
#include "record/userevents.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/out.h"
#include "kernel/metadata.h"
#include "record/rawread.h"

/* One event of a source: only what was enabled is known afterwards. */
static int add_event(struct user_events *ue, const struct kernel_events *events, size_t index,
		     const struct interference_source *source, bool *hits, struct err *err)
{
	const struct kernel_event *event = &events->list[index];
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = kernel_format(ue->kernel.fs, event->system, event->name, &text, &len, err);

	memset(hits, 0, events->nr);
	hits[index] = true;
	if (r == 0)
		r = kernel_instance_enable(&ue->kernel, events, hits, true, err);
	if (r == 0)
		r = interference_add(ue->what, source, text, len, err);
	if (r == 0)
		ue->vectors |= !strcmp(event->system, "irq_vectors");
	return r == -ENOMEM ? r : 0;
}

static int add_source(struct user_events *ue, const struct kernel_events *events,
		      const struct interference_source *source, struct err *err)
{
	_cleanup_free_ bool *chosen = mem_calloc(events->nr + 1, sizeof(*chosen));
	_cleanup_free_ bool *hits = mem_calloc(events->nr + 1, sizeof(*hits));
	char pattern[80];
	int r = chosen && hits ? 0 : err_sys(err, -ENOMEM, "cannot choose events");

	snprintf(pattern, sizeof(pattern), "%s:%s", source->system, source->event);
	if (r == 0 && !kernel_events_match(events, pattern, chosen))
		return 0;
	for (size_t i = 0; i < events->nr && r == 0; i++) {
		if (chosen[i])
			r = add_event(ue, events, i, source, hits, err);
	}
	return r;
}

static int open_buffers(struct user_events *ue, struct err *err)
{
	int r = 0;

	for (uint32_t cpu = 0; cpu < ue->nr_cpus && r == 0; cpu++) {
		r = kernel_instance_open_raw(&ue->kernel, cpu, &ue->fds[cpu], err);
		if (r < 0)
			ue->fds[cpu] = -1;
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

static int prepare(struct user_events *ue, struct err *err)
{
	struct subbuf_layout layout = {
		.size = ue->kernel.page_size,
		.long_size = ue->kernel.long_size,
		.big_endian = HOST_BIG,
	};

	ue->lists = mem_calloc(ue->nr_cpus, sizeof(*ue->lists));
	ue->fds = mem_calloc(ue->nr_cpus, sizeof(*ue->fds));
	ue->page = mem_alloc(layout.size);
	for (uint32_t cpu = 0; ue->fds && cpu < ue->nr_cpus; cpu++)
		ue->fds[cpu] = -1;
	if (!ue->lists || !ue->fds || !ue->page || interference_new(&ue->what, &layout) < 0)
		return err_sys(err, -ENOMEM, "cannot read the events that explain a measurement");
	return 0;
}

int user_events_open(struct user_events *ue, const struct tracefs *fs,
		     const struct kernel_events *events, unsigned int kinds, const char *clock,
		     struct kernel_journal *journal, struct err *err)
{
	int r;

	*ue = (struct user_events){.nr_cpus = fs->cpus};
	r = kernel_instance_create(&ue->kernel, fs, journal, err);
	ue->open = r == 0;
	if (r == 0)
		r = prepare(ue, err);
	if (r == 0)
		r = kernel_instance_clock(&ue->kernel, clock, err);
	for (size_t i = 0; i < interference_nr_sources && r == 0; i++) {
		if (kinds & (1u << interference_sources[i].kind))
			r = add_source(ue, events, &interference_sources[i], err);
	}
	return r < 0 ? r : open_buffers(ue, err);
}

int user_events_wake(struct user_events *ue, const struct kernel_events *events, const pid_t *pids,
		     size_t nr, struct err *err)
{
	_cleanup_free_ bool *hits = mem_calloc(events->nr + 1, sizeof(*hits));
	_cleanup_out_ struct out filter = {0};
	size_t without;

	if (!interference_knows(ue->what, INTERFERENCE_WAKING))
		return 0;
	for (size_t i = 0; i < nr; i++)
		out_printf(&filter, "%spid == %d", i ? " || " : "", (int)pids[i]);
	if (!hits || filter.failed)
		return err_sys(err, -ENOMEM, "cannot choose events");
	kernel_events_match(events, "sched:sched_waking", hits);
	return kernel_instance_filter(&ue->kernel, events, hits, out_cstr(&filter), &without, err);
}

/* Reads until nothing is left, or what comes is younger than `until`: the writer is not chased. */
static int read_cpu(struct user_events *ue, uint32_t cpu, uint64_t until, struct err *err)
{
	struct interference_list *list = &ue->lists[cpu];
	const uint32_t size = ue->kernel.page_size;

	while (ue->fds[cpu] >= 0) {
		ssize_t n = raw_read(ue->fds[cpu], ue->page, size);
		int r;

		if (n == -EAGAIN || n == 0)
			return 0;
		if (n < 0)
			return err_sys(err, (int)n,
				       "cannot read the events that explain a "
				       "measurement (CPU %u)",
				       cpu);
		r = interference_scan(ue->what, list, ue->page, (uint32_t)n);
		if (r < 0)
			return err_sys(err, r, "cannot keep the events that explain a measurement");
		if (list->last_ts > until)
			return 0;
	}
	return 0;
}

int user_events_read(struct user_events *ue, uint64_t until, struct err *err)
{
	int r = 0;

	for (uint32_t cpu = 0; cpu < ue->nr_cpus && r == 0; cpu++)
		r = read_cpu(ue, cpu, until, err);
	return r;
}

void user_events_forget(struct user_events *ue, uint64_t before)
{
	for (uint32_t cpu = 0; cpu < ue->nr_cpus; cpu++)
		interference_forget(&ue->lists[cpu], before);
}

int user_events_close(struct user_events *ue, struct err *err)
{
	int r;

	for (uint32_t cpu = 0; ue->fds && cpu < ue->nr_cpus; cpu++)
		io_close(ue->fds[cpu]);
	for (uint32_t cpu = 0; ue->lists && cpu < ue->nr_cpus; cpu++)
		interference_list_done(&ue->lists[cpu]);
	mem_free(ue->fds);
	mem_free(ue->lists);
	mem_free(ue->page);
	interference_free(ue->what);
	r = ue->open ? kernel_instance_close(&ue->kernel, err) : 0;
	*ue = (struct user_events){0};
	return r;
}
