/* SPDX-License-Identifier: MIT */
/* One writer: the forms of a record, long pauses, full rings, threads without sequences. */
#include "ring/rig_test.h"

#include <sys/syscall.h>

static struct rig rig;

static struct ring_thread alone;

TEST(every_payload)
{
	uint8_t payload[4096];
	uint32_t max;

	for (int own = 0; own < 2; own++) {
		struct ring_thread *thread = own ? &alone : &rig_thread;
		uint32_t nr = 0, ring = 0;
		bool all = true;

		if (own)
			ring_thread_init_alone(&alone);
		CHECK(rig_open(&rig, RING_OVERWRITE, 4096, 4096, 2));
		for (uint32_t i = 0; i < sizeof(payload); i++)
			payload[i] = (uint8_t)(i * 7 + 1);
		max = ring_payload_max(rig.mapped);
		for (uint32_t len = 0; len <= max + 1; len++)
			all &= ring_write(rig.mapped, thread, 77, payload, len) == (len <= max);
		CHECK(all);
		CHECK_EQ(rig.session.header->lost_outside, 1);
		ring_session_switch(&rig.session, false);
		for (; ring < rig.nr_rings; ring++) {
			const struct subbuf_layout layout = ring_layout(&rig.session);
			struct ring_page page;
			uint32_t last = 0;

			while (ring_reader_take(&rig.readers[ring], &page) ||
			       (!last++ &&
				ring_reader_partial(&rig.readers[ring], RING_NO_LIMIT, &page))) {
				struct subbuf_cursor cursor;
				struct subbuf_record record;

				CHECK_EQ(subbuf_open(&cursor, &layout, page.data, 4096), 0);
				while (subbuf_next(&cursor, &record)) {
					CHECK_EQ(load_u16(record.data, HOST_BIG), 77);
					CHECK_EQ(load_u32(record.data + 4, HOST_BIG), gettid());
					CHECK(record.len >= 8);
					/* On one CPU the lengths come in order. */
					CHECK(!memcmp(record.data + 8, payload,
						      MIN(record.len - 11, record.len - 8)));
					for (uint32_t i = record.len - 3; i > 8 && i < record.len;
					     i++)
						CHECK(!record.data[i] ||
						      record.data[i] == payload[i - 8]);
					nr++;
				}
				CHECK(!cursor.corrupt);
			}
		}
		CHECK_EQ(nr, max + 1);
		rig_close(&rig);
	}
}

/* Stay on one CPU, so that its ring can be looked at. */
static uint32_t pin(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? UINT32_MAX : (uint32_t)cpu;
}

static void unpin(void)
{
	cpu_set_t set;

	memset(&set, 0xff, sizeof(set));
	(void)sched_setaffinity(0, sizeof(set), &set);
}

/* The page began `units` earlier than it did: the next record comes that much later. */
static void age(uint32_t ring, uint64_t units)
{
	struct ring_control *control = ring_control(rig.mapped, ring);
	uint8_t *page = ring_data(control) + (control->commit & control->page_mask);

	store_u64(page, load_u64(page, HOST_BIG) - units, HOST_BIG);
}

/* The ring that this thread writes to, whatever kind it has. */
static uint32_t used_ring(void)
{
	for (uint32_t ring = 0; ring < rig.nr_rings; ring++)
		if (ring_control(rig.mapped, ring)->commit != RING_HEAD_BYTES)
			return ring;
	return 0;
}

TEST(pauses)
{
	uint64_t first, last;
	uint32_t ring;

	CHECK(rig_open(&rig, RING_BLOCK, 4096, 8, 2));
	CHECK(pin() != UINT32_MAX);
	CHECK(rig_write(&rig, 1, 0));
	ring = used_ring();
	first = subbuf_time(
		&(struct subbuf_layout){.size = 4096, .long_size = 8, .big_endian = HOST_BIG},
		ring_data(ring_control(rig.mapped, ring)));
	age(ring, 1ull << 30);
	CHECK(rig_write(&rig, 1, 1)); /* with a time extend */
	CHECK_EQ(ring_control(rig.mapped, ring)->commit & 0xfff, 16 + 20 + 8 + 20);
	age(ring, 1ull << 20);
	CHECK(rig_write(&rig, 1, 2));
	CHECK_EQ(ring_control(rig.mapped, ring)->commit & 0xfff, 16 + 20 + 8 + 20 + 20);
	age(ring, 1ull << 36);
	CHECK(rig_write(&rig, 1, 3)); /* in the next page */
	CHECK_EQ(ring_control(rig.mapped, ring)->commit & RING_POS_MASK, 4096 + 16 + 20);
	last = ring_control(rig.mapped, ring)->commit >> RING_POS_BITS;
	CHECK_EQ(last, 0);
	unpin();
	ring_session_switch(&rig.session, false);
	rig_finish(&rig);
	CHECK(!rig.wrong);
	CHECK_EQ(rig.seen[1], 4);
	CHECK(rig.time[ring] >= first);
	rig_close(&rig);
}

/* A clock that goes back, as between two processors: the record gets the time of the one before. */
TEST(time_that_goes_back)
{
	uint32_t ring;

	CHECK(rig_open(&rig, RING_BLOCK, 4096, 8, 2));
	CHECK(pin() != UINT32_MAX);
	CHECK(rig_write(&rig, 1, 0));
	ring = used_ring();
	age(ring, 1ull << 20);
	CHECK(rig_write(&rig, 1, 1));
	age(ring, -(1ull << 30));
	CHECK(rig_write(&rig, 1, 2));
	CHECK(rig_write(&rig, 1, 3));
	unpin();
	rig_finish(&rig);
	CHECK(!rig.wrong);
	CHECK_EQ(rig.seen[1], 4);
	rig_close(&rig);
}

TEST(off_is_off)
{
	CHECK(rig_open(&rig, RING_DROP, 4096, 2, 2));
	ring_session_switch(&rig.session, false);
	CHECK(!rig_write(&rig, 1, 0));
	ring_session_switch(&rig.session, true);
	CHECK(rig_write(&rig, 1, 1));
	ring_session_switch(&rig.session, false);
	rig_finish(&rig);
	CHECK_EQ(rig.seen[1], 1);
	CHECK_EQ(rig_count(&rig), 0);
	rig_close(&rig);
}

/* Nobody reads: what fits stays, the rest is counted and told behind it. */
TEST(dropped)
{
	const uint64_t nr = 5000;

	CHECK(rig_open(&rig, RING_DROP, 4096, 4, 2));
	for (uint64_t i = 0; i < nr; i++)
		(void)rig_write(&rig, 1, i);
	CHECK(rig_drain(&rig));
	CHECK(rig_write(&rig, 1, nr)); /* tells what was lost before it */
	ring_session_switch(&rig.session, false);
	rig_finish(&rig);
	CHECK(!rig.wrong);
	CHECK(rig.lost > 0);
	CHECK_EQ(rig.entries + rig.lost, nr + 1);
	CHECK_EQ(rig_count(&rig), rig.lost);
	rig_close(&rig);
}

/* The newest stay. */
TEST(overwritten)
{
	const uint64_t nr = 50000;

	CHECK(rig_open(&rig, RING_OVERWRITE, 4096, 4, 2));
	CHECK(pin() != UINT32_MAX);
	for (uint64_t i = 0; i < nr; i++)
		CHECK(rig_write(&rig, 1, i));
	unpin();
	ring_session_switch(&rig.session, false);
	rig_finish(&rig);
	CHECK(!rig.wrong);
	CHECK(rig.entries >= 3 * 203);
	CHECK(rig.entries <= 4 * 203);
	CHECK_EQ(rig.entries + rig.lost, nr);
	CHECK_EQ(rig_count(&rig), rig.lost);
	CHECK_EQ(rig.sum[1], rig.entries * (nr - 1) - rig.entries * (rig.entries - 1) / 2);
	rig_close(&rig);
}

/* What was written before a snapshot was wanted, and nothing else, though pages hold later records.
 */
TEST(snapshot_up_to_a_time)
{
	struct ring_reader *reader;
	struct ring_page page;
	uint64_t until;

	CHECK(rig_open(&rig, RING_DROP, 4096, 8, 2));
	CHECK(pin() != UINT32_MAX);
	for (uint64_t i = 0; i < 300; i++)
		CHECK(rig_write(&rig, 1, i));
	reader = &rig.readers[used_ring()];
	CHECK(ring_want_snapshot(rig.mapped));
	until = ring_snapshot_until(rig.session.header);
	CHECK(ring_reader_ends_by(reader, until));
	CHECK_EQ(ring_reader_partial(reader, RING_NO_LIMIT, &page), 1);
	CHECK_EQ(page.entries, 203);
	CHECK_EQ(ring_reader_take(reader, &page), 1);
	CHECK(!ring_reader_ends_by(reader, until));
	for (uint64_t i = 300; i < 500; i++)
		CHECK(rig_write(&rig, 1, i));
	unpin();
	CHECK_EQ(ring_reader_complete(reader), 1);
	CHECK(!ring_reader_ends_by(reader, until));
	for (int again = 0; again < 2; again++) {
		CHECK_EQ(ring_reader_partial(reader, until, &page), 1);
		CHECK_EQ(page.entries, 300 - 203);
		CHECK_EQ(page.length, page.entries * RING_CALL_BYTES);
	}
	CHECK_EQ(ring_reader_partial(reader, page.ts - 1, &page), 0);
	ring_session_snapshot_done(&rig.session, until - 1); /* of another one */
	CHECK_EQ(ring_snapshot_until(rig.mapped), until);
	ring_session_snapshot_done(&rig.session, until);
	CHECK_EQ(ring_snapshot_until(rig.mapped), 0);
	ring_session_switch(&rig.session, false);
	CHECK(!ring_want_snapshot(rig.mapped));
	rig_finish(&rig);
	CHECK(!rig.wrong);
	CHECK_EQ(rig.entries, 500 - 203);
	rig_close(&rig);
}

static void *write_rounds(void *arg)
{
	for (uint64_t i = 0; i < (uintptr_t)arg; i++)
		(void)rig_write(&rig, 2, i);
	return NULL;
}

/* As long as a snapshot is wanted, nothing of what the ring holds is overwritten. */
TEST(snapshot_of_what_is_overwritten)
{
	const uint64_t before = 203 * 2 + 100, after = 5000;
	struct ring_control *control;
	pthread_t thread;

	CHECK(rig_open(&rig, RING_OVERWRITE, 4096, 4, 2));
	CHECK(pin() != UINT32_MAX);
	for (uint64_t i = 0; i < before; i++)
		CHECK(rig_write(&rig, 1, i));
	control = ring_control(rig.mapped, used_ring());
	CHECK(ring_want_snapshot(rig.mapped));
	CHECK_EQ(pthread_create(&thread, NULL, write_rounds, (void *)(uintptr_t)after), 0);
	for (uint64_t until = rig_ms() + 10000; rig_ms() < until;) {
		if (__atomic_load_n(&control->waiters, __ATOMIC_SEQ_CST))
			break;
		sched_yield();
	}
	CHECK(__atomic_load_n(&control->waiters, __ATOMIC_SEQ_CST));
	CHECK_EQ(rig_count(&rig), 0);
	CHECK_EQ(ring_reader_complete(&rig.readers[used_ring()]), 3);
	ring_session_snapshot_done(&rig.session, ring_snapshot_until(rig.mapped));
	pthread_join(thread, NULL);
	unpin();
	ring_session_switch(&rig.session, false);
	rig_finish(&rig);
	CHECK(!rig.wrong);
	CHECK(rig.lost > 0);
	CHECK_EQ(rig.entries + rig.lost, before + after + 1); /* the wait, too */
	rig_close(&rig);
}

static bool write_alone(uint32_t producer, uint64_t number)
{
	return ring_write_call(rig.mapped, &alone, RING_EVENT_ENTRY, producer, number << 3);
}

/* One ring for all threads that need one, each for as long as it writes a record. */
TEST(fallback_rings)
{
	struct ring_control *control;
	pid_t pid;

	CHECK(rig_open(&rig, RING_DROP, 4096, 8, 1));
	control = ring_control(rig.mapped, rig.nr_rings - 1);
	memset(&alone, 0, sizeof(alone));
	ring_thread_init_alone(&alone);
	for (uint64_t i = 0; i < 1000; i++)
		CHECK(write_alone(1, i));
	CHECK_EQ(control->owner, 0);
	pid = fork();
	if (!pid)
		_exit(!write_alone(2, 0));
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	/* Of a thread that has ended in the middle; of one of whom nobody here knows. */
	control->owner = (uint64_t)alone.space << 32 | (uint32_t)pid;
	CHECK(write_alone(1, 1000));
	control->owner = 1ull << 32 | (uint32_t)pid;
	CHECK(!write_alone(1, 1001));
	CHECK_EQ(rig.session.header->lost_outside, 1);
	control->owner = 0;
	rig_finish(&rig);
	CHECK(!rig.wrong);
	CHECK_EQ(rig.seen[1], 1001);
	CHECK_EQ(rig.seen[2], 1);
	CHECK_EQ(rig_count(&rig), 1);
	rig_close(&rig);
}

static void *write_one(void *arg)
{
	struct ring_thread *thread = mem_zalloc(sizeof(*thread));

	if (!thread)
		return NULL;
	ring_thread_init_alone(thread);
	(void)ring_write_call(rig.mapped, thread, RING_EVENT_ENTRY, 3, (uintptr_t)arg << 3);
	mem_free(thread);
	return NULL;
}

/* More threads at once than rings: in block mode they wait for each other. */
TEST(fallback_rings_of_many_threads)
{
	enum {
		NR = 50
	};
	pthread_t threads[NR];

	CHECK(rig_open(&rig, RING_BLOCK, 4096, 8, 2));
	for (uintptr_t i = 0; i < NR; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, write_one, (void *)i), 0);
	for (uintptr_t i = 0; i < NR; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	rig_finish(&rig);
	CHECK_EQ(rig.seen[3], NR);
	CHECK_EQ(rig_count(&rig), 0);
	rig_close(&rig);
}

#ifdef __x86_64__
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

/* A thread as the C library begins it: what its area says of the CPU is not true yet. */
static void *begin_unregistered(void *arg)
{
	uint32_t *area = (void *)((uint8_t *)__builtin_thread_pointer() + __rseq_offset);
	struct ring_thread thread = {0};

	if (syscall(SYS_rseq, area, 32, 1, RING_RSEQ_SIG))
		return NULL;
	area[0] = area[1] = 0;
	for (uint32_t i = 0; i < 10; i++)
		ring_write_call(rig.mapped, &thread, RING_EVENT_ENTRY, 1, (uint64_t)i << 3);
	return arg;
}

TEST(thread_that_is_not_registered_yet)
{
	pthread_t thread;
	void *done;

	if (!&__rseq_offset || !__rseq_size)
		SKIP("the C library registers no thread");
	CHECK(rig_open(&rig, RING_DROP, 4096, 4, 1));
	CHECK(!pthread_create(&thread, NULL, begin_unregistered, &rig));
	CHECK(!pthread_join(thread, &done));
	for (uint32_t cpu = 0; done && cpu < rig.session.shape.nr_cpus; cpu++)
		CHECK_EQ(ring_control(rig.mapped, cpu)->commit & RING_POS_MASK, RING_HEAD_BYTES);
	rig_finish(&rig);
	CHECK_EQ(rig.seen[1], done ? 10 : 0);
	rig_close(&rig);
	if (!done)
		SKIP("the thread could not be unregistered");
}
#else
/* What a C library says that registers threads, in its place. */
extern const ptrdiff_t __rseq_offset;
extern const unsigned int __rseq_size;
const ptrdiff_t __rseq_offset = 0;
const unsigned int __rseq_size = 32;

TEST(registered_thread_has_a_ring_of_its_own)
{
	struct ring_thread thread = {0};

	CHECK(rig_open(&rig, RING_DROP, 4096, 4, 1));
	for (uint32_t i = 0; i < 10; i++)
		ring_write_call(rig.mapped, &thread, RING_EVENT_ENTRY, 1, (uint64_t)i << 3);
	CHECK(!thread.rseq);
	for (uint32_t cpu = 0; cpu < rig.session.shape.nr_cpus; cpu++)
		CHECK_EQ(ring_control(rig.mapped, cpu)->commit & RING_POS_MASK, RING_HEAD_BYTES);
	rig_finish(&rig);
	CHECK_EQ(rig.seen[1], 10);
	rig_close(&rig);
}
#endif

TEST(clock_of_the_system)
{
	const struct ring_options options = {.mode = RING_BLOCK,
					     .clock = RING_CLOCK_MONOTONIC,
					     .subbuf_size = 4096,
					     .nr_subbufs = 8};
	struct timespec before;
	struct ring_page page;
	uint32_t found = 0;
	uint64_t ns;

	CHECK(rig_open(&rig, RING_BLOCK, 4096, 8, 1));
	ring_session_close(&rig.session);
	CHECK_EQ(ring_session_create(&rig.session, &options, NULL), 0);
	munmap(rig.mapped, rig.session.shape.bytes);
	rig.mapped = rig.session.header;
	clock_gettime(CLOCK_MONOTONIC, &before);
	ns = (uint64_t)before.tv_sec * 1000000000 + (uint64_t)before.tv_nsec;
	ring_session_switch(&rig.session, true);
	(void)rig_write(&rig, 1, 0);
	for (uint32_t ring = 0; ring < rig.session.shape.nr_rings; ring++) {
		struct ring_reader reader;

		CHECK_EQ(ring_reader_init(&reader, &rig.session, ring, NULL), 0);
		if (ring_reader_partial(&reader, RING_NO_LIMIT, &page)) {
			CHECK(page.ts >= ns && page.ts < ns + 1000000000);
			found++;
		}
		ring_reader_done(&reader);
	}
	CHECK_EQ(found, rig.session.header->lost_outside ? 0 : 1);
	for (uint32_t i = 0; i < rig.nr_rings; i++)
		ring_reader_done(&rig.readers[i]);
	ring_session_close(&rig.session);
}

TEST(refused)
{
	struct ring_options options = {.subbuf_size = 4096, .nr_subbufs = 8};
	struct ring_session session, other;
	struct ring_header *header;
	struct err err;
	int fd, error;

	options.subbuf_size = 5000;
	CHECK_EQ(ring_session_create(&session, &options, &err), -EINVAL);
	options.subbuf_size = 4096;
	options.nr_subbufs = 8192;
	CHECK_EQ(ring_session_create(&session, &options, &err), -EINVAL);
	options.nr_subbufs = 8;
	CHECK_EQ(ring_session_create(&session, &options, &err), 0);
	CHECK_EQ(ring_session_open(&other, session.fd, &err), 0);
	ring_session_close(&other);
	session.header->nr_subbufs = 4096;
	CHECK_EQ(ring_session_open(&other, session.fd, &err), -EBADMSG);
	session.header->magic = 0;
	CHECK_EQ(ring_session_open(&other, session.fd, &err), -EBADMSG);
	header = ring_attach(session.fd, &error);
	CHECK(!header);
	CHECK_EQ(error, -EBADMSG);
	ring_session_close(&session);
	fd = memfd_create("small", 0);
	CHECK_EQ(ring_session_open(&other, fd, &err), -EBADMSG);
	CHECK(!ring_attach(fd, &error));
	close(fd);
}

/* Whatever a program did to the memory, a reader stays in it. */
TEST(scribbled)
{
	uint64_t state = 42;

	for (int mode = RING_BLOCK; mode <= RING_OVERWRITE; mode++)
		for (int round = 0; round < 200; round++) {
			struct ring_control *control;
			uint64_t *words;

			CHECK(rig_open(&rig, (enum ring_mode)mode, 4096, 4, 1));
			for (uint64_t i = 0; i < 1000; i++)
				if (mode != RING_BLOCK || i < 300)
					(void)rig_write(&rig, 1, i);
			control = ring_control(rig.mapped, used_ring());
			words = (uint64_t *)(void *)ring_slots(rig.mapped, used_ring());
			for (int i = 0; i < 16; i++) {
				state = state * 6364136223846793005u + 1442695040888963407u;
				words[i] = state >> (round % 64);
			}
			control->commit = round & 1 ? state : control->commit;
			control->data = state;
			rig.mapped->subbuf_size = (uint32_t)state;
			for (uint32_t ring = 0; ring < rig.nr_rings; ring++) {
				struct ring_page page;

				for (int i = 0; i < 8; i++)
					(void)!ring_reader_take(&rig.readers[ring], &page);
				(void)!ring_reader_partial(&rig.readers[ring], RING_NO_LIMIT,
							   &page);
				(void)!ring_reader_tail(&rig.readers[ring], &page);
				(void)ring_reader_overrun(&rig.readers[ring]);
			}
			rig_close(&rig);
		}
}

TEST_MAIN()
