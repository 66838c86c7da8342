/* SPDX-License-Identifier: MIT */
/*
 * How a process and its threads become writers: the mapping, the restartable sequences, and rings
 * of their own for threads that have none.
 */
#include "ring/writer.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>

#include "ring/raw.h"
#include "ring/writer_private.h"

/*
 * struct rseq as the kernel has had it from the beginning. One that we register ourselves stays
 * mapped for good: a C library that knows nothing of it frees the thread's TLS while the kernel
 * still writes there. `tid` says whose it is; a dead thread's is used again.
 */
struct area {
	uint32_t cpu_id_start, cpu_id;
	uint64_t cs;
	uint32_t flags, node_id, mm_cid, pad;
	int32_t tid;
	uint32_t unused[7];
} __attribute__((aligned(64)));

#define RSEQ_BYTES 32u
#define NR_AREAS   16384u

/* What a C library that registers threads itself says about it (glibc 2.35 and later). */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

static struct area *areas; /* NULL: the C library's are used, or none */
static uint32_t nr_areas;
static uint32_t key_base;
static uint32_t event_base;

static bool rseq_of_library(void)
{
	return &__rseq_offset && &__rseq_size && __rseq_size;
}

static void *map(size_t bytes, int protection, int flags, int fd)
{
	long at = raw_syscall(SYS_mmap, 0, (long)bytes, protection, flags, fd, 0);

	return at < 0 && at > -4096 ? NULL : (void *)at;
}

struct ring_header *ring_attach(int fd, int *ret_error)
{
	struct ring_header *session;
	long bytes = raw_syscall3(SYS_lseek, fd, 0, 2 /* SEEK_END */);
	bool fits;

	*ret_error = -EBADMSG;
	if (bytes < RING_CONTROL_AT)
		return NULL;
	session = map((size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	if (!session) {
		*ret_error = -ENOMEM;
		return NULL;
	}
	fits = session->magic == RING_MAGIC && session->version == RING_VERSION &&
	       session->bytes <= (uint64_t)bytes;
	if (!fits) {
		raw_syscall3(SYS_munmap, session, bytes, 0);
		return NULL;
	}
	key_base = (uint32_t)(raw_counter() ^ (uintptr_t)session >> 12);
	event_base = session->event_base;
	/* A core file of the program does not need the trace. */
	raw_syscall3(SYS_madvise, session, bytes, MADV_DONTDUMP);
#ifdef __x86_64__
	if (!areas && !rseq_of_library())
		areas = map(sizeof(*areas) * NR_AREAS, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
#endif
	return session;
}

static bool thread_is_dead(int32_t tid)
{
	return raw_syscall3(SYS_tgkill, raw_getpid(), tid, 0) == -ESRCH;
}

/* An area that no living thread has, now the thread's; NULL when there are too many threads. */
static struct area *find_area(int32_t tid)
{
	uint32_t index = __atomic_load_n(&nr_areas, __ATOMIC_RELAXED);

	while (index < NR_AREAS)
		if (__atomic_compare_exchange_n(&nr_areas, &index, index + 1, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			__atomic_store_n(&areas[index].tid, tid, __ATOMIC_RELAXED);
			return &areas[index];
		}
	for (index = 0; index < NR_AREAS; index++) {
		int32_t owner = __atomic_load_n(&areas[index].tid, __ATOMIC_RELAXED);

		if ((!owner || thread_is_dead(owner)) &&
		    __atomic_compare_exchange_n(&areas[index].tid, &owner, tid, false,
						__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return &areas[index];
	}
	return NULL;
}

/* Register the thread; NULL when the kernel does not want to. Signals are blocked. */
static void *register_thread(int32_t tid)
{
	struct area *area = find_area(tid);

	if (!area)
		return NULL;
	area->cpu_id_start = 0;
	area->cpu_id = (uint32_t)-1;
	area->cs = 0;
	if (!raw_syscall4(SYS_rseq, area, RSEQ_BYTES, 0, RING_RSEQ_SIG))
		return area;
	__atomic_store_n(&area->tid, 0, __ATOMIC_RELAXED);
	return NULL;
}

static void *find_rseq(struct ring_thread *thread, int32_t tid)
{
	struct area *area = thread->rseq;

	if (rseq_of_library())
		return (void *)(raw_thread_pointer() + (uintptr_t)__rseq_offset);
	if (!areas)
		return NULL;
	if (!area)
		return register_thread(tid);
	/* After fork the kernel goes on with the parent's registration. */
	__atomic_store_n(&area->tid, tid, __ATOMIC_RELAXED);
	return area;
}

static void init(struct ring_thread *thread, bool alone)
{
	const int32_t tid = raw_gettid();
	uint64_t signals;

	raw_signals_block(&signals);
	if (!thread->known || thread->common >> 32 != (uint32_t)tid) {
		thread->alone = alone;
		thread->common = (uint64_t)(uint32_t)tid << 32 | event_base;
		thread->rseq = alone ? NULL : find_rseq(thread, tid);
		thread->known = true;
	}
	raw_signals_restore(&signals);
}

void ring_thread_init(struct ring_thread *thread)
{
	init(thread, false);
}

void ring_thread_init_alone(struct ring_thread *thread)
{
	init(thread, true);
}

/*
 * Not the pid alone: another pid namespace has the same ones. Computed anew each time: a vfork
 * child shares this memory, and a forked one has a copy of it.
 */
uint32_t ring_process_key(void)
{
	return (key_base ^ (uint32_t)raw_getpid() * 0x9e3779b1u) | 1;
}

static bool take_ring(struct ring_control *control, uint32_t key, int32_t tid)
{
	uint64_t owner = __atomic_load_n(&control->owner, __ATOMIC_ACQUIRE);
	const uint64_t mine = (uint64_t)key << 32 | (uint32_t)tid;

	if (owner && (owner >> 32 != key || !thread_is_dead((int32_t)(uint32_t)owner)))
		return false;
	return __atomic_compare_exchange_n(&control->owner, &owner, mine, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

int32_t ring_thread_own(struct ring_header *session, struct ring_thread *thread)
{
	const int32_t tid = raw_gettid();
	uint32_t key;

	if (thread->own_tid == (uint32_t)tid)
		return (int32_t)thread->own - 1;
	/* Also a forked child comes here: the parent's ring is not its own. */
	thread->own_tid = (uint32_t)tid;
	thread->own = 0;
	key = ring_process_key();
	for (uint32_t ring = session->nr_cpus; ring < session->nr_rings; ring++)
		if (take_ring(ring_control(session, ring), key, tid)) {
			thread->own = ring + 1;
			break;
		}
	return (int32_t)thread->own - 1;
}
