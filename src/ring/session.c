/* SPDX-License-Identifier: MIT */
#include "ring/session.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"

#define ALIGN		4096u
#define WATCH_BYTES_MAX (2u << 30) /* histograms, of which only what is used has memory */

_Static_assert(sizeof(pthread_mutex_t) <= RING_ALIVE_BYTES, "alive");

static uint64_t align(uint64_t bytes)
{
	return (bytes + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

static bool power_in(uint32_t value, uint32_t low, uint32_t high)
{
	return value >= low && value <= high && !(value & (value - 1));
}

/* The highest possible CPU + 1: ids can have gaps, so counting is not enough. */
static uint32_t possible_cpus(void)
{
	_cleanup_free_ char *text = NULL;
	unsigned long last;
	const char *at;
	size_t len;

	if (io_read_file("/sys/devices/system/cpu/possible", 65536, &text, &len) < 0)
		return (uint32_t)MAX(sysconf(_SC_NPROCESSORS_CONF), 1);
	for (at = text + len; at > text && (at[-1] == '\n' || (at[-1] >= '0' && at[-1] <= '9'));)
		at--;
	last = strtoul(at, NULL, 10);
	return (uint32_t)MIN(last + 1, LIMIT_CPUS);
}

/* The places of everything, from the counts and sizes; false when these cannot be. */
static bool shape_places(struct ring_shape *shape)
{
	if (!power_in(shape->subbuf_size, RING_SUBBUF_MIN, RING_SUBBUF_MAX) ||
	    !power_in(shape->nr_subbufs, RING_NR_SUBBUFS_MIN, RING_NR_SUBBUFS_MAX) ||
	    shape->nr_cpus < 1 || shape->nr_cpus > LIMIT_CPUS || shape->nr_rings < shape->nr_cpus ||
	    shape->nr_rings > 2 * LIMIT_CPUS || shape->mode > RING_OVERWRITE ||
	    shape->clock > RING_CLOCK_MONOTONIC || shape->watch_bytes > WATCH_BYTES_MAX)
		return false;
	shape->slots_at =
		align(RING_CONTROL_AT + (uint64_t)shape->nr_rings * sizeof(struct ring_control));
	shape->data_at = align(shape->slots_at + (uint64_t)shape->nr_rings * shape->nr_subbufs *
							 sizeof(struct ring_slot));
	shape->bytes =
		shape->data_at + (uint64_t)shape->nr_rings * shape->nr_subbufs * shape->subbuf_size;
	shape->counters_at = shape->counters ? shape->bytes : 0;
	if (shape->counters)
		shape->bytes += (shape->nr_cpus + 1ull) << RING_COUNTERS_SHIFT;
	shape->watch_at = shape->watch_bytes ? shape->bytes : 0;
	shape->bytes += align(shape->watch_bytes);
	return true;
}

static void fill(struct ring_header *header, const struct ring_shape *shape)
{
	const uint64_t ring_bytes = (uint64_t)shape->nr_subbufs * shape->subbuf_size;

	header->version = RING_VERSION;
	header->nr_cpus = shape->nr_cpus;
	header->nr_rings = shape->nr_rings;
	header->subbuf_size = shape->subbuf_size;
	header->nr_subbufs = shape->nr_subbufs;
	header->mode = shape->mode;
	header->clock = shape->clock;
	header->wake_pages = MAX(shape->nr_subbufs / 4, 1);
	header->slots_at = shape->slots_at;
	header->data_at = shape->data_at;
	header->counters_at = shape->counters_at;
	header->watch_at = shape->watch_at;
	header->watch_bytes = shape->watch_bytes;
	header->bytes = shape->bytes;
	for (uint32_t ring = 0; ring < shape->nr_rings; ring++) {
		struct ring_control *control = ring_control(header, ring);

		control->commit = RING_HEAD_BYTES;
		control->data = shape->data_at + ring * ring_bytes -
				(uint64_t)((uintptr_t)control - (uintptr_t)header);
		control->page_mask = RING_POS_MASK & ~(shape->subbuf_size - 1);
		control->offset_mask = shape->subbuf_size - 1;
		control->call_offset_max = shape->subbuf_size - RING_TAIL_BYTES - RING_CALL_BYTES;
	}
	header->magic = RING_MAGIC;
}

/*
 * A robust mutex, because its word is what the kernel changes when its owner ends, without anything
 * that the owner would have to do. Where a C library has that word is found by looking.
 */
static int hold_alive(struct ring_header *header)
{
	pthread_mutex_t *mutex = (void *)header->alive;
	const uint32_t tid = (uint32_t)syscall(SYS_gettid);
	pthread_mutexattr_t attr;
	int error = pthread_mutexattr_init(&attr);

	if (error)
		return -error;
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	error = pthread_mutex_init(mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	if (!error)
		error = pthread_mutex_lock(mutex);
	if (error)
		return -error;
	for (uint32_t at = 0; at < sizeof(*mutex); at += 4)
		if (!memcmp(header->alive + at, &tid, 4)) {
			header->alive_offset = at;
			return 0;
		}
	pthread_mutex_unlock(mutex);
	return -ENOTSUP;
}

static int map_session(struct ring_session *session, int fd, uint64_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	/* Threads of the recorder that are forked (a command to be started) have no use for it. */
	(void)madvise(at, bytes, MADV_DONTFORK);
	session->header = at;
	return 0;
}

static int create_memory(struct ring_session *session)
{
	int error;

	session->fd = memfd_create("sonde-session", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (session->fd < 0)
		return -errno;
	error = io_ftruncate(session->fd, session->shape.bytes);
	if (error)
		return error;
	/* Nobody can make it shorter under the feet of those who have it mapped. */
	if (fcntl(session->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	error = map_session(session, session->fd, session->shape.bytes);
	if (error)
		return error;
	fill(session->header, &session->shape);
	error = hold_alive(session->header);
	session->alive = !error;
	return error;
}

int ring_session_create(struct ring_session *ret_session, const struct ring_options *options,
			struct err *err)
{
	struct ring_session session = {.fd = -1};
	int error;

	session.shape.mode = options->mode;
	session.shape.clock = options->clock;
	session.shape.subbuf_size = options->subbuf_size;
	session.shape.nr_subbufs = options->nr_subbufs;
	session.shape.counters = options->counters;
	session.shape.watch_bytes = options->watch_bytes;
	session.shape.nr_cpus = options->nr_cpus ? options->nr_cpus : possible_cpus();
	session.shape.nr_rings = session.shape.nr_cpus + MIN(options->nr_fallback, LIMIT_CPUS);
	if (!shape_places(&session.shape))
		return err_set(err, -EINVAL, "%u sub-buffers of %u bytes for %u CPUs: out of range",
			       options->nr_subbufs, options->subbuf_size, session.shape.nr_cpus);
	error = create_memory(&session);
	if (error) {
		ring_session_close(&session);
		return err_sys(err, error, "the session's memory cannot be created");
	}
	session.header->event_base = options->event_base;
	*ret_session = session;
	return 0;
}

/* The header that somebody else wrote: only its counts and sizes are believed, if they can be. */
static int check_header(struct ring_session *session, uint64_t bytes)
{
	const struct ring_header *header = session->header;
	struct ring_shape *shape = &session->shape;

	if (header->magic != RING_MAGIC || header->version != RING_VERSION)
		return -EBADMSG;
	shape->mode = header->mode;
	shape->clock = header->clock;
	shape->subbuf_size = header->subbuf_size;
	shape->nr_subbufs = header->nr_subbufs;
	shape->nr_cpus = header->nr_cpus;
	shape->nr_rings = header->nr_rings;
	shape->counters = header->counters_at;
	shape->watch_bytes = header->watch_bytes;
	return shape_places(shape) && shape->bytes <= bytes ? 0 : -EBADMSG;
}

int ring_session_open(struct ring_session *ret_session, int fd, struct err *err)
{
	struct ring_session session = {.fd = -1};
	struct stat stat;
	int error = io_fstat(fd, &stat);

	if (!error && stat.st_size < (off_t)RING_CONTROL_AT)
		error = -EBADMSG;
	if (error)
		return err_sys(err, error, "this is no session's memory");
	session.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	error = session.fd < 0 ? -errno : map_session(&session, fd, (uint64_t)stat.st_size);
	if (!error) {
		error = check_header(&session, (uint64_t)stat.st_size);
		if (error) {
			munmap(session.header, (size_t)stat.st_size);
			session.header = NULL;
		}
	}
	if (error) {
		ring_session_close(&session);
		return err_sys(err, error, "the session's memory cannot be opened");
	}
	*ret_session = session;
	return 0;
}

void ring_session_close(struct ring_session *session)
{
	if (session->alive)
		pthread_mutex_unlock((pthread_mutex_t *)(void *)session->header->alive);
	if (session->header)
		munmap(session->header, session->shape.bytes);
	io_close(session->fd);
	*session = (struct ring_session){.fd = -1};
}

/*
 * Where this thread runs, no sequence is under way: one that was has been interrupted, and will
 * begin again and see that tracing is off.
 */
static void visit_cpus(uint32_t nr_cpus)
{
	const size_t bytes = CPU_ALLOC_SIZE(nr_cpus);
	_cleanup_free_ cpu_set_t *may = mem_zalloc(bytes);
	_cleanup_free_ cpu_set_t *one = mem_zalloc(bytes);

	if (!may || !one || sched_getaffinity(0, bytes, may))
		return;
	for (uint32_t cpu = 0; cpu < nr_cpus; cpu++) {
		if (!CPU_ISSET_S(cpu, bytes, may))
			continue;
		CPU_ZERO_S(bytes, one);
		CPU_SET_S(cpu, bytes, one);
		(void)sched_setaffinity(0, bytes, one);
	}
	(void)sched_setaffinity(0, bytes, may);
}

void ring_wake(struct ring_control *control)
{
	if (!__atomic_exchange_n(&control->waiters, 0, __ATOMIC_SEQ_CST))
		return;
	__atomic_fetch_add(&control->wake, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &control->wake, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void ring_session_switch(struct ring_session *session, bool on)
{
	struct ring_header *header = session->header;

	__atomic_store_n(&header->state,
			 ring_state(header, on ? RING_TRACING_ON : RING_TRACING_OFF),
			 __ATOMIC_SEQ_CST);
	if (on)
		return;
	for (uint32_t ring = 0; ring < session->shape.nr_rings; ring++)
		ring_wake(ring_control(header, ring));
	visit_cpus(session->shape.nr_cpus);
}

bool ring_session_alive(const struct ring_session *session)
{
	const struct ring_header *header = session->header;
	const uint32_t at = header->alive_offset & (RING_ALIVE_BYTES - 4);

	return __atomic_load_n((const uint32_t *)(const void *)(header->alive + at),
			       __ATOMIC_RELAXED) &
	       FUTEX_TID_MASK;
}

void ring_session_snapshot_done(struct ring_session *session, uint64_t until)
{
	struct ring_header *header = session->header;

	(void)__atomic_compare_exchange_n(&header->snapshot_until, &until, 0, false,
					  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	for (uint32_t ring = 0; ring < session->shape.nr_rings; ring++)
		ring_wake(ring_control(header, ring));
}

void ring_session_wait(struct ring_session *session, int timeout_ms)
{
	struct ring_header *header = session->header;
	const struct timespec time = {timeout_ms / 1000, timeout_ms % 1000 * 1000000l};
	uint32_t value = __atomic_load_n(&header->doorbell, __ATOMIC_ACQUIRE);

	__atomic_store_n(&header->sleeping, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&header->snapshot_until, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &header->doorbell, FUTEX_WAIT, value, &time, NULL, 0);
	__atomic_store_n(&header->sleeping, 0, __ATOMIC_RELAXED);
}
