/* SPDX-License-Identifier: MIT */
/*
 * Records that are shown at once. One thread reads all CPUs in rounds and hands the pages over;
 * nothing is stored. What makes the order right: before a round the trace clock is read, and after
 * it every record up to then has been handed over, so those may be shown, merged by time. A CPU
 * that could not be read to its end in a round holds the others back to the time it has reached.
 *
 * While the reader of the output is slow nothing is read, the kernel's buffers fill, and what is
 * lost is counted in the pages themselves.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/mem.h"
#include "record/rawread.h"
#include "record/session.h"

#define BATCH_BYTES    (128u << 10)
#define ROUND_BYTES    (2u << 20) /* of one CPU in a round */
#define NAMES_EVERY_NS 1000000000u
/* A record gets its time shortly before it can be read. */
#define SLACK_NS 1000000u

struct stream_cpu {
	int fd;
	size_t buffer;
	uint32_t cpu, page_size;
};

struct stream {
	struct stream_cpu *cpus;
	size_t nr, cap;
	int epoll_fd;
	uint8_t *batch;
	uint64_t *until; /* by buffer */
	uint64_t names_ns;
};

/* --- the file of metadata --- */

static int put_in_writer(void *to, uint16_t id, const void *data, size_t len, struct err *err)
{
	return dat_writer_option(to, id, data, len, err);
}

static int write_buffers(struct session *session, struct dat_writer *writer, const char *clock,
			 uint32_t page_size, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < session->nr_instances && r == 0; i++) {
		const struct session_instance *inst = &session->instances[i];
		const char *name = inst->plan && inst->plan->name ? inst->plan->name : "";

		r = dat_writer_buffer_begin(writer, name, inst->open ? inst->clock : clock,
					    inst->open ? inst->kernel.page_size : page_size,
					    session->fs->cpus, err);
		if (r == 0)
			r = dat_writer_buffer_end(writer, err);
	}
	return r;
}

static int write_metadata(struct session *session, const struct session_instance *first,
			  const char *path, struct err *err)
{
	struct dat_write_options options = {
		.version = 7,
		.compression = DAT_NONE,
		.big_endian = HOST_BIG,
		.long_size = first->kernel.long_size,
		.page_size = first->kernel.page_size,
		.nr_cpus = session->fs->cpus,
	};
	struct dat_writer *writer;
	int r = dat_writer_open(&writer, path, &options, err);

	if (r < 0)
		return r;
	session->metadata.dat.trace_clock = first->clocks;
	r = dat_writer_metadata(writer, &session->metadata.dat, err);
	if (r == 0)
		r = session_store_options(session, put_in_writer, writer, err);
	if (r == 0)
		r = write_buffers(session, writer, first->clock, options.page_size, err);
	if (r < 0) {
		dat_writer_abort(writer);
		return r;
	}
	return dat_writer_finish(writer, err);
}

/* In memory: nothing is left on a disk, whatever happens to us. */
static int begin(struct session *session, struct err *err)
{
	const struct record_stream *to = session->plan->stream;
	const struct session_instance *first = session->instances;
	_cleanup_close_ int fd = memfd_create("sonde-stream", MFD_CLOEXEC);
	char path[64];
	int r;

	if (fd < 0)
		return err_sys(err, -errno, "cannot show what is traced");
	while (!first->open)
		first++;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = kernel_metadata_read(&session->metadata, &first->kernel, &session->events,
				 session->stored, err);
	if (r == 0)
		r = kernel_metadata_symbols(&session->metadata, session->fs, err);
	if (r == 0)
		r = write_metadata(session, first, path, err);
	return r < 0 ? r : to->begin(to->ctx, path, session->fs->cpus, err);
}

/* --- reading --- */

static int add_cpu(struct session *session, size_t buffer, uint32_t cpu, struct err *err)
{
	struct stream *stream = session->stream;
	const struct kernel_instance *kernel = &session->instances[buffer].kernel;
	struct stream_cpu entry = {.buffer = buffer, .cpu = cpu, .page_size = kernel->page_size};
	struct epoll_event event = {.events = EPOLLIN};
	int r = kernel_instance_open_raw(kernel, cpu, &entry.fd, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = array_reserve(&stream->cpus, &stream->cap, stream->nr + 1, sizeof(entry));
	if (r == 0 && epoll_ctl(stream->epoll_fd, EPOLL_CTL_ADD, entry.fd, &event) < 0)
		r = -errno;
	if (r < 0) {
		io_close(entry.fd);
		return err_sys(err, r, "cannot prepare to read the ring buffers");
	}
	stream->cpus[stream->nr++] = entry;
	return 0;
}

static int refuse_sampled(const struct session *session, struct err *err)
{
	for (size_t i = 0; i < session->nr_instances; i++) {
		const struct session_instance *inst = &session->instances[i];

		if (inst->sampled)
			return err_set(err, -EOPNOTSUPP,
				       "this kernel lacks the tracer '%.32s', which sonde then "
				       "measures itself; that can be recorded, not streamed: "
				       "sonde record -p %.32s, then sonde report",
				       inst->plan->tracer, inst->plan->tracer);
	}
	return 0;
}

/* The command was forked before and is not concerned. */
static int make_realtime(int priority, struct err *err)
{
	struct sched_param param = {.sched_priority = priority};

	if (priority && sched_setscheduler(0, SCHED_FIFO, &param) < 0)
		return err_sys(err, -errno, "cannot get real-time priority %d", priority);
	return 0;
}

int session_stream_open(struct session *session, struct err *err)
{
	struct stream *stream = mem_zalloc(sizeof(*stream));
	uint32_t largest = BATCH_BYTES;
	int r;

	if (!stream)
		return err_sys(err, -ENOMEM, "cannot show what is traced");
	session->stream = stream;
	stream->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r = refuse_sampled(session, err);
	if (r == 0)
		r = make_realtime(session->plan->rt_priority, err);
	if (r == 0 && stream->epoll_fd < 0)
		r = err_sys(err, -errno, "cannot wait for the ring buffers");
	if (r == 0)
		r = begin(session, err);
	if (r == 0)
		r = session_make_names(session, err);
	for (size_t i = 0; i < session->nr_instances; i++) {
		largest = MAX(largest, session->instances[i].kernel.page_size);
		for (uint32_t cpu = 0;
		     session->instances[i].open && cpu < session->fs->cpus && r == 0; cpu++)
			r = add_cpu(session, i, cpu, err);
	}
	if (r < 0)
		return r;
	stream->batch = mem_alloc(largest);
	stream->until = mem_calloc(session->nr_instances, sizeof(*stream->until));
	if (!stream->batch || !stream->until ||
	    names_reader_new(&session->reader, session->names) < 0)
		return err_sys(err, -ENOMEM, "cannot show what is traced");
	return 0;
}

int session_stream_fd(const struct session *session)
{
	return session->stream->epoll_fd;
}

void session_stream_close(struct session *session)
{
	struct stream *stream = session->stream;

	if (!stream)
		return;
	for (size_t i = 0; i < stream->nr; i++)
		io_close(stream->cpus[i].fd);
	io_close(stream->epoll_fd);
	mem_free(stream->cpus);
	mem_free(stream->batch);
	mem_free(stream->until);
	mem_free(stream);
	session->stream = NULL;
}

static int hand_over(struct session *session, const struct stream_cpu *cpu, size_t len,
		     struct err *err)
{
	const struct record_stream *to = session->plan->stream;

	return len ? to->pages(to->ctx, cpu->buffer, cpu->cpu, session->stream->batch, len, err)
		   : 0;
}

/*
 * What one CPU has, but no sub-buffer more once one begins behind the round: reading on would chase
 * the writer record by record. (One that is not full says nothing: it may be the rest of one that
 * was read before.) *until is lowered where that was not reached.
 */
static int read_cpu(struct session *session, const struct stream_cpu *cpu, bool last,
		    uint64_t *until, struct err *err)
{
	struct stream *stream = session->stream;
	size_t room = MAX(BATCH_BYTES / cpu->page_size, 1u) * cpu->page_size, len = 0, total = 0;
	int r;

	while ((r = raw_read_page(cpu->fd, stream->batch + len, cpu->page_size)) > 0) {
		const uint8_t *page = stream->batch + len;
		uint64_t begins = load_u64(page, HOST_BIG);

		names_scan(session->reader, page, cpu->page_size);
		len += cpu->page_size;
		total += cpu->page_size;
		if (!last && begins > *until + SLACK_NS)
			break;
		if (!last && total >= ROUND_BYTES) {
			*until = MIN(*until, begins);
			break;
		}
		if (len < room)
			continue;
		r = hand_over(session, cpu, len, err);
		if (r < 0)
			return r;
		len = 0;
	}
	if (r < 0)
		return err_sys(err, r, "cannot read the kernel's buffer of CPU %u", cpu->cpu);
	return hand_over(session, cpu, len, err);
}

/* --- names --- */

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What the kernel remembers, from time to time; what was seen in the pages, before each showing. */
static int tell_names(struct session *session, struct err *err)
{
	const struct record_stream *to = session->plan->stream;
	struct stream *stream = session->stream;
	_cleanup_free_ char *text = NULL;
	uint64_t now = monotonic_ns();
	struct err ignored;
	int r = 0;

	if (now - stream->names_ns >= NAMES_EVERY_NS) {
		stream->names_ns = now;
		if (kernel_cmdlines(session->fs, &text, &ignored) == 0)
			r = comms_merge(&session->comms, text);
	}
	if (r == 0)
		r = names_merge(session->reader, &session->comms);
	for (size_t i = 0; i < session->comms.size && r == 0; i++) {
		const struct comms_entry *entry = &session->comms.table[i];

		if (entry->pid)
			r = to->name(to->ctx, entry->pid, entry->comm);
	}
	return r < 0 ? err_sys(err, r, "cannot keep the names of tasks") : 0;
}

/* --- rounds --- */

static bool counts_ns(const struct session_instance *inst)
{
	static const char *const others[] = {"counter", "uptime", "x86-tsc", "ppc-tb"};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (!strcmp(inst->clock, others[i]))
			return false;
	}
	return true;
}

static int read_clocks(struct session *session, struct err *err)
{
	for (size_t i = 0; i < session->nr_instances; i++) {
		const struct session_instance *inst = &session->instances[i];
		uint64_t *until = &session->stream->until[i], slack;
		int r;

		if (!inst->open)
			continue;
		r = kernel_instance_now(&inst->kernel, session->stream->cpus[0].cpu, until, err);
		if (r < 0)
			return r;
		slack = counts_ns(inst) ? SLACK_NS : 0;
		*until -= MIN(*until, slack);
	}
	return 0;
}

int session_stream_round(struct session *session, bool last, struct err *err)
{
	const struct record_stream *to = session->plan->stream;
	struct stream *stream = session->stream;
	int r = last || !stream->nr ? 0 : read_clocks(session, err);

	for (size_t i = 0; i < stream->nr && r == 0; i++) {
		const struct stream_cpu *cpu = &stream->cpus[i];

		r = read_cpu(session, cpu, last, &stream->until[cpu->buffer], err);
	}
	if (r == 0)
		r = tell_names(session, err);
	return r < 0 ? r : to->until(to->ctx, last ? NULL : stream->until, err);
}

int session_stream_finish(struct session *session, struct record_result *result, struct err *err)
{
	size_t cap = 0;

	for (size_t i = 0; i < session->stream->nr; i++) {
		const struct stream_cpu *cpu = &session->stream->cpus[i];
		const struct session_instance *inst = &session->instances[cpu->buffer];
		struct kernel_cpu_stats stats;
		struct record_cpu *to;
		int r = kernel_instance_stats(&inst->kernel, cpu->cpu, &stats, NULL, err);

		if (r == 0 && array_reserve(&result->cpus, &cap, result->nr_cpus + 1,
					    sizeof(*result->cpus)) < 0)
			r = err_sys(err, -ENOMEM, "cannot keep the statistics");
		if (r < 0)
			return r;
		to = &result->cpus[result->nr_cpus++];
		*to = (struct record_cpu){
			.instance = inst->plan->name ? inst->plan->name : "",
			.cpu = cpu->cpu,
			.events = stats.read,
			.lost = stats.overrun + stats.commit_overrun + stats.dropped,
			.buffer_kb = inst->plan->buffer_kb,
		};
		result->events += to->events;
		result->lost += to->lost;
	}
	return 0;
}
