/* SPDX-License-Identifier: MIT */
/*
 * What buffers hold already, into a file. Read by one thread, page by page: nothing is being
 * written meanwhile, and the raw file of a snapshot cannot be waited for.
 */
#include <errno.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "record/rawread.h"
#include "record/session.h"

#define BATCH_BYTES (128u << 10)

/* What others have read is no event of the file's. */
static int note_reads(struct session *session, struct session_instance *inst, struct err *err)
{
	inst->read_before = mem_calloc(session->fs->cpus, sizeof(*inst->read_before));
	if (!inst->read_before)
		return err_sys(err, -ENOMEM, "cannot read the buffers");
	for (uint32_t cpu = 0; cpu < session->fs->cpus; cpu++) {
		struct kernel_cpu_stats stats;
		int r = kernel_instance_stats(&inst->kernel, cpu, &stats, NULL, err);

		if (r < 0 && r != -ENOENT)
			return r;
		inst->read_before[cpu] = r == 0 ? stats.read : 0;
	}
	return 0;
}

static int open_instance(struct session *session, struct session_instance *inst, struct err *err)
{
	int r = kernel_instance_look(&inst->kernel, session->fs, inst->plan->source,
				     session->journal, err);

	inst->open = r == 0;
	if (r == 0)
		r = kernel_instance_clocks(&inst->kernel, &inst->clocks, err);
	if (r == 0) {
		inst->clock = kernel_clock_current(inst->clocks);
		r = inst->clock ? 0 : err_sys(err, -ENOMEM, "cannot read the trace clock");
	}
	inst->kernel.snapshot = session->plan->snapshot;
	return r == 0 ? note_reads(session, inst, err) : r;
}

static int open_instances(struct session *session, struct err *err)
{
	const struct record_plan *plan = session->plan;
	int r = 0;

	session->instances = mem_calloc(plan->nr_instances, sizeof(*session->instances));
	session->stored = mem_calloc(session->events.nr, sizeof(*session->stored));
	if (!session->instances || !session->stored)
		return err_sys(err, -ENOMEM, "cannot read the buffers");
	/* Anything may be in them. */
	memset(session->stored, true, session->events.nr);
	session->nr_instances = plan->nr_instances;
	for (size_t i = 0; i < plan->nr_instances && r == 0; i++) {
		if (!plan->instances[i]->source)
			continue;
		session->instances[i].plan = plan->instances[i];
		r = open_instance(session, &session->instances[i], err);
	}
	return r;
}

/* The instances' own buffers must not be written to: the clock is measured in one of our own. */
static int measure_date(struct session *session, struct err *err)
{
	struct kernel_instance own;
	const struct session_instance *inst = session->instances;
	struct err ignored;
	int r = kernel_instance_create(&own, session->fs, session->journal, err), closed;

	if (r < 0)
		return r;
	while (!inst->open)
		inst++;
	r = kernel_instance_clock(&own, inst->clock, err);
	if (r == 0)
		r = kernel_date_offset(&own, &session->date_offset, err);
	closed = kernel_instance_close(&own, r < 0 ? &ignored : err);
	return r < 0 ? r : closed;
}

static int read_cpu(struct session *session, size_t buffer, uint32_t cpu, int fd, uint8_t *batch,
		    struct err *err)
{
	uint32_t size = session->instances[buffer].kernel.page_size;
	size_t room = MAX(BATCH_BYTES / size, 1u) * size, len = 0;
	int r;

	while ((r = raw_read_page(fd, batch + len, size)) > 0) {
		names_scan(session->reader, batch + len, size);
		len += size;
		if (len < room)
			continue;
		r = dat_partial_append(session->partial, buffer, cpu, batch, len, err);
		if (r < 0)
			return r;
		len = 0;
	}
	if (r < 0)
		return err_sys(err, r, "cannot read the kernel's buffer of CPU %u", cpu);
	if (len)
		r = dat_partial_append(session->partial, buffer, cpu, batch, len, err);
	return r < 0 ? r : dat_partial_flush(session->partial, buffer, cpu, err);
}

static int read_instance(struct session *session, size_t buffer, struct err *err)
{
	const struct session_instance *inst = &session->instances[buffer];
	_cleanup_free_ uint8_t *batch = mem_alloc((size_t)MAX(inst->kernel.page_size, BATCH_BYTES));
	int r = batch ? 0 : err_sys(err, -ENOMEM, "cannot read the buffers");

	for (uint32_t cpu = 0; inst->open && cpu < session->fs->cpus && r == 0; cpu++) {
		int fd;

		r = kernel_instance_open_raw(&inst->kernel, cpu, &fd, err);
		/* There is no such CPU. */
		if (r == -ENOENT) {
			r = 0;
			continue;
		}
		if (r < 0)
			break;
		r = read_cpu(session, buffer, cpu, fd, batch, err);
		io_close(fd);
	}
	return r;
}

/* Options of -O change how the kernel writes the text; they are put back. */
static int extract_text(struct session *session, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < session->nr_instances; i++) {
		struct session_instance *inst = &session->instances[i];

		for (size_t k = 0; inst->open && k < inst->plan->options.nr && r == 0; k++)
			r = kernel_instance_option(&inst->kernel, inst->plan->options.items[k],
						   err);
	}
	return r < 0 ? r : session_latency_write(session, err);
}

static int extract(struct session *session, struct record_result *result, struct err *err)
{
	int r = session_open(session, err);

	if (r == 0)
		r = kernel_events_load(&session->events, session->fs, err);
	if (r == 0)
		r = open_instances(session, err);
	if (r == 0 && session->plan->date)
		r = measure_date(session, err);
	session->latency = session_is_latency(session->plan);
	if (r == 0 && session->latency)
		return extract_text(session, err);
	if (r == 0)
		r = session_store_open(session, err);
	if (r == 0)
		r = session_make_names(session, err);
	if (r == 0 && names_reader_new(&session->reader, session->names) < 0)
		r = err_sys(err, -ENOMEM, "cannot read the buffers");
	session->keep_partial = r == 0;
	for (size_t i = 0; i < session->nr_instances && r == 0; i++) {
		if (session->instances[i].open)
			r = read_instance(session, i, err);
	}
	if (r == 0)
		r = session_store_finish(session, result, err);
	return r;
}

int record_extract(const struct record_plan *plan, record_say_fn say, void *ctx,
		   struct record_result *ret_result, struct err *err)
{
	struct session session = SESSION_INIT(plan, say, ctx);
	struct err other;
	int r, closed;

	*ret_result = (struct record_result){.command_status = -1};
	session_hold_signals(&session);
	r = extract(&session, ret_result, err);
	if (r < 0 && session.keep_partial)
		session_store_failed(&session, ret_result);
	closed = session_close_instances(&session, r < 0, r < 0 ? &other : err);
	if (r == 0)
		r = closed;
	if (r == 0 && session.partial)
		r = session_seal(&session, err);
	ret_result->sealed = r == 0;
	session_store_close(&session);
	if (r < 0 && session.keep_partial && ret_result->nr_cpus)
		session_count_unsaved(session.partial_path, ret_result);
	if (r < 0 && session.keep_partial)
		err_wrap(err, r,
			 "not all could be moved (what there is can be read: sonde report %s)",
			 session.partial_path);
	sigprocmask(SIG_SETMASK, &session.signals.mask, NULL);
	session_free(&session);
	return r;
}
