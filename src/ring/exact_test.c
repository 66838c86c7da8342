/* SPDX-License-Identifier: MIT */
/*
 * Entries + lost = written, to the unit, with many writers at once: threads, processes, signal
 * handlers, forked children, on rings of CPUs and of their own, in all modes, while somebody reads.
 */
#include "ring/rig_test.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>

static struct rig rig;
static uint64_t nr_records = 60000; /* of one producer */

/* Shared with the producers' processes. */
struct shared {
	uint64_t written[RIG_MAX_PRODUCERS]; /* calls of a producer */
	uint64_t other;			     /* records of other kinds */
	uint32_t done;			     /* producers */
};
static struct shared *shared;

static void open_shared(void)
{
	void *at = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);

	if (at == MAP_FAILED)
		exit(1);
	shared = at;
}

/* `nr` calls, and now and then a record of another size. */
static void produce(uint32_t producer, uint64_t nr, struct ring_thread *thread)
{
	uint8_t payload[300] = {1, 2, 3};

	for (uint64_t i = 0; i < nr; i++) {
		(void)ring_write_call(rig.mapped, thread, RING_EVENT_ENTRY, producer,
				      shared->written[producer]++ << 3);
		if (i % 61)
			continue;
		(void)ring_write(rig.mapped, thread, 77, payload, (uint32_t)(i % sizeof(payload)));
		__atomic_fetch_add(&shared->other, 1, __ATOMIC_RELAXED);
	}
}

static void finished(void)
{
	__atomic_fetch_add(&shared->done, 1, __ATOMIC_SEQ_CST);
}

static void *producer_thread(void *arg)
{
	const uint32_t producer = (uint32_t)(uintptr_t)arg;
	static _Thread_local struct ring_thread own;

	if (producer % 4 == 3)
		ring_thread_init_alone(&own);
	produce(producer, nr_records, producer % 4 == 3 ? &own : &rig_thread);
	finished();
	return NULL;
}

static void read_until(uint32_t nr)
{
	while (__atomic_load_n(&shared->done, __ATOMIC_SEQ_CST) < nr)
		if (!rig_drain(&rig))
			ring_session_wait(&rig.session, 1);
	ring_session_switch(&rig.session, false);
	rig_finish(&rig);
}

static void judge(void)
{
	uint64_t written = shared->other;

	for (uint32_t i = 0; i < RIG_MAX_PRODUCERS; i++)
		written += shared->written[i];
	if (rig.wrong)
		printf("# %s\n", rig.wrong);
	CHECK(!rig.wrong);
	CHECK_EQ(rig.entries - rig.blocked + rig.lost, written);
	CHECK_EQ(rig_count(&rig), rig.lost);
	if (rig.session.shape.mode != RING_BLOCK)
		return;
	CHECK_EQ(rig.lost, 0);
	CHECK_EQ(rig.other, shared->other);
	for (uint32_t i = 0; i < RIG_MAX_PRODUCERS; i++) {
		uint64_t nr = shared->written[i];

		CHECK_EQ(rig.seen[i], nr);
		CHECK_EQ(rig.sum[i], nr ? nr * (nr - 1) / 2 : 0);
	}
}

static void threads(enum ring_mode mode, uint32_t size, uint32_t nr)
{
	pthread_t id[6];

	CHECK(rig_open(&rig, mode, size, nr, 8));
	memset(shared, 0, sizeof(*shared));
	for (uintptr_t i = 0; i < 6; i++)
		CHECK_EQ(pthread_create(&id[i], NULL, producer_thread, (void *)i), 0);
	read_until(6);
	for (int i = 0; i < 6; i++)
		pthread_join(id[i], NULL);
	judge();
	rig_close(&rig);
}

TEST(threads_block)
{
	threads(RING_BLOCK, 4096, 4);
	threads(RING_BLOCK, 65536, 2);
}

TEST(threads_drop)
{
	threads(RING_DROP, 4096, 2);
	threads(RING_DROP, 8192, 64);
}

TEST(threads_overwrite)
{
	threads(RING_OVERWRITE, 4096, 2);
	threads(RING_OVERWRITE, 16384, 16);
}

/* Processes with two threads each, some of which fork in the middle. */
static void process(uint32_t producer)
{
	pthread_t thread;
	pid_t child;

	if (pthread_create(&thread, NULL, producer_thread, (void *)(uintptr_t)producer))
		_exit(1);
	produce(producer + 1, nr_records / 8, &rig_thread);
	child = fork();
	if (!child) {
		ring_thread_init(&rig_thread);
		produce(producer + 2, nr_records / 8, &rig_thread);
		_exit(0);
	}
	produce(producer + 1, nr_records / 8, &rig_thread);
	pthread_join(thread, NULL);
	waitpid(child, NULL, 0);
	finished();
	_exit(0);
}

static void processes(enum ring_mode mode)
{
	pid_t pids[8];

	CHECK(rig_open(&rig, mode, 4096, 4, 32));
	memset(shared, 0, sizeof(*shared));
	for (uint32_t i = 0; i < 8; i++) {
		pids[i] = rig_fork();
		if (!pids[i])
			process(i * 5);
	}
	read_until(16); /* each process, and its thread */
	for (int i = 0; i < 8; i++)
		waitpid(pids[i], NULL, 0);
	judge();
	rig_close(&rig);
}

TEST(processes_block)
{
	processes(RING_BLOCK);
}

TEST(processes_drop)
{
	processes(RING_DROP);
}

TEST(processes_overwrite)
{
	processes(RING_OVERWRITE);
}

/* Which thread's handler counts where. */
static _Thread_local uint32_t handler_producer;
static _Thread_local struct ring_thread *handler_thread;

static void handler(int signal)
{
	(void)signal;
	if (handler_thread)
		produce(handler_producer, 3, handler_thread);
}

static void *hammered_thread(void *arg)
{
	static _Thread_local struct ring_thread own;

	handler_producer = (uint32_t)(uintptr_t)arg + 100;
	if ((uintptr_t)arg == 2)
		ring_thread_init_alone(&own);
	handler_thread = (uintptr_t)arg == 2 ? &own : &rig_thread;
	produce((uint32_t)(uintptr_t)arg, nr_records, handler_thread);
	/* One signal at least: on a busy machine the first may come when all is written. */
	while (!__atomic_load_n(&shared->written[handler_producer], __ATOMIC_RELAXED))
		sched_yield();
	handler_thread = NULL;
	finished();
	return NULL;
}

static void *hammer(void *arg)
{
	pthread_t *victims = arg;

	while (__atomic_load_n(&shared->done, __ATOMIC_SEQ_CST) < 3)
		for (int i = 0; i < 3; i++)
			pthread_kill(victims[i], SIGUSR1);
	return NULL;
}

static void signals(enum ring_mode mode)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	pthread_t id[3], hammering;

	sigaction(SIGUSR1, &action, NULL);
	CHECK(rig_open(&rig, mode, 4096, 8, 8));
	memset(shared, 0, sizeof(*shared));
	for (uintptr_t i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&id[i], NULL, hammered_thread, (void *)i), 0);
	CHECK_EQ(pthread_create(&hammering, NULL, hammer, id), 0);
	while (__atomic_load_n(&shared->done, __ATOMIC_SEQ_CST) < 3)
		rig_drain(&rig);
	pthread_join(hammering, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(id[i], NULL);
	ring_session_switch(&rig.session, false);
	rig_finish(&rig);
	judge();
	rig_close(&rig);
}

TEST(signals_block)
{
	signals(RING_BLOCK);
}

TEST(signals_drop)
{
	signals(RING_DROP);
}

TEST(signals_overwrite)
{
	signals(RING_OVERWRITE);
}

/* How this program got its sequences: the runs below say what it should be. */
TEST(sequences)
{
	const char *expected = getenv("SONDE_TEST_SEQUENCES");

	CHECK(rig_open(&rig, RING_DROP, 4096, 2, 2));
	memset(&rig_thread, 0, sizeof(rig_thread));
	(void)rig_write(&rig, 1, 0);
	if (expected && !strcmp(expected, "own"))
		CHECK(rig_thread.rseq && !rig_thread.own);
	else if (expected)
		CHECK(rig_thread.own);
	rig_close(&rig);
}

static void without_rseq(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rseq, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {ARRAY_SIZE(filter), filter};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(77);
}

/* What the second run said, as remarks of this one. */
static void show(FILE *said)
{
	char line[200];

	rewind(said);
	while (fgets(line, sizeof(line), said))
		printf("# %s", line);
}

/* All of this program again, where the C library does not register threads. */
static void again(const char *sequences)
{
	FILE *said;
	int status;
	pid_t pid;

	if (getenv("SONDE_TEST_SEQUENCES"))
		SKIP("this is the second run");
#ifndef __x86_64__
	SKIP("no restartable sequences here");
#endif
	said = tmpfile();
	CHECK(said);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setenv("SONDE_TEST_SEQUENCES", sequences, 1);
		setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
		if (!strcmp(sequences, "none"))
			without_rseq();
		dup2(fileno(said), STDOUT_FILENO);
		execl("/proc/self/exe", "exact_test", NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	if (status && !(WIFEXITED(status) && WEXITSTATUS(status) == 77))
		show(said);
	fclose(said);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("no system call filters here");
	CHECK_EQ(status, 0);
}

TEST(registered_by_ourselves)
{
	again("own");
}

TEST(no_sequences)
{
	again("none");
}

__attribute__((constructor)) static void before_all(void)
{
	const char *sequences = getenv("SONDE_TEST_SEQUENCES");

	open_shared();
	if (sequences && !strcmp(sequences, "none"))
		nr_records /= 10; /* each takes four system calls */
}

TEST_MAIN()
