/* SPDX-License-Identifier: MIT */
/*
 * How a process and its threads become writers: the mapping, the restartable sequences, and rings
 * for threads that have none.
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

/* The sequences are written for x86-64 only (writer_x86.S). */
#ifdef __x86_64__
#define HAS_SEQUENCES true
#else
#define HAS_SEQUENCES false
#endif

#define RSEQ_BYTES	 32u
#define RSEQ_UNREGISTER_ 1
#define NR_AREAS	 16384u

/* What a C library that registers threads itself says about it (glibc 2.35 and later). */
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

static struct area *areas; /* NULL: the C library's are used, or none */
static uint32_t nr_areas;
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
	event_base = session->event_base;
	/* A core file of the program does not need the trace. */
	raw_syscall3(SYS_madvise, session, bytes, MADV_DONTDUMP);
	if (HAS_SEQUENCES && !areas && !rseq_of_library())
		areas = map(sizeof(*areas) * NR_AREAS, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
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

/*
 * The C library registers a thread only when start_thread has called others already. Until then its
 * area says CPU 0, or, on a stack that is used again, where the last thread was; and nothing is
 * restarted. To register it fails if that has been done; if not, to take it back makes the CPU's
 * number -1, which it is until the library registers.
 */
static void *area_of_library(void)
{
	uint8_t *area = (uint8_t *)raw_thread_pointer() + __rseq_offset;

	if (!raw_syscall4(SYS_rseq, area, RSEQ_BYTES, 0, RING_RSEQ_SIG))
		raw_syscall4(SYS_rseq, area, RSEQ_BYTES, RSEQ_UNREGISTER_, RING_RSEQ_SIG);
	return area;
}

static void *find_rseq(struct ring_thread *thread, int32_t tid)
{
	struct area *area = thread->rseq;

	/* A CPU's ring is not to be written without them. */
	if (!HAS_SEQUENCES)
		return NULL;
	if (rseq_of_library())
		return area_of_library();
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
	thread->space = 0;
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

/* struct stat of the kernel: st_ino is its second word. */
#define STAT_BYTES 144u
#define AT_FDCWD_  (-100)

/*
 * The pid namespace: only there does a tid say who it is. Where it cannot be found out, a number
 * that nobody else has, so that nobody believes to know whether the thread lives.
 */
static uint32_t find_space(void)
{
	uint64_t stat[STAT_BYTES / 8];

	if (raw_syscall4(SYS_newfstatat, AT_FDCWD_, "/proc/self/ns/pid", stat, 0))
		return (uint32_t)raw_counter() | 1;
	return (uint32_t)stat[1] | 1u << 31;
}

/* One that is mine already had the same tid, and is dead. */
static bool take_ring(struct ring_control *control, uint64_t mine, bool of_dead)
{
	uint64_t owner = __atomic_load_n(&control->owner, __ATOMIC_ACQUIRE);

	if (owner && owner != mine &&
	    (!of_dead || owner >> 32 != mine >> 32 ||
	     raw_syscall3(SYS_tkill, (int32_t)(uint32_t)owner, 0, 0) != -ESRCH))
		return false;
	return __atomic_compare_exchange_n(&control->owner, &owner, mine, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

/* The one it had last, so that a thread's records are not strewn over all of them; else any. */
int32_t ring_thread_take(struct ring_header *session, struct ring_thread *thread)
{
	uint64_t mine;

	if (!thread->space)
		thread->space = find_space();
	mine = (uint64_t)thread->space << 32 | (uint32_t)raw_gettid();
	if (thread->own && take_ring(ring_control(session, thread->own - 1), mine, false))
		return (int32_t)thread->own - 1;
	for (int of_dead = 0; of_dead < 2; of_dead++)
		for (uint32_t ring = session->nr_cpus; ring < session->nr_rings; ring++)
			if (take_ring(ring_control(session, ring), mine, of_dead)) {
				thread->own = ring + 1;
				return (int32_t)ring;
			}
	return -1;
}

void ring_thread_give_back(struct ring_header *session, uint32_t ring)
{
	__atomic_store_n(&ring_control(session, ring)->owner, 0, __ATOMIC_RELEASE);
}
