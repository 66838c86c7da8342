/* SPDX-License-Identifier: MIT */
/*
 * What a record in a program's ring costs, in ns and as a ratio to reading the time stamp counter,
 * measured in turns in one run: best of many short loops, so that other load matters little.
 *
 *	ring [SUBBUF_BYTES [NR_SUBBUFS]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ring/session.h"
#include "ring/writer.h"

#define LOOP   20000u
#define ROUNDS 400u

void bench_loop(struct ring_header *session, struct ring_thread *thread, uint64_t nr);
void bench_counter(uint64_t nr);

static struct ring_header *header;
static struct ring_thread thread, alone;

static void counter(void)
{
	bench_counter(LOOP);
}

static void in_line(void)
{
	bench_loop(header, &thread, LOOP);
}

static void called(void)
{
	for (uint32_t i = 0; i < LOOP; i++)
		(void)ring_write_call(header, &thread, RING_EVENT_ENTRY, i, i);
}

static void general(uint32_t len)
{
	static const uint8_t payload[256];

	for (uint32_t i = 0; i < LOOP; i++)
		(void)ring_write(header, &thread, 9, payload, len);
}

static void general_8(void)
{
	general(8);
}

static void general_100(void)
{
	general(100);
}

static void own_ring(void)
{
	for (uint32_t i = 0; i < LOOP / 10; i++)
		(void)ring_write_call(header, &alone, RING_EVENT_ENTRY, i, i);
}

static struct {
	const char *name;
	void (*run)(void);
	uint32_t nr;
	double best; /* ns */
} cases[] = {
	{"rdtsc alone", counter, LOOP, 0},
	{"call record, in line", in_line, LOOP, 0},
	{"call record, called from C", called, LOOP, 0},
	{"ring_write, 8 bytes", general_8, LOOP, 0},
	{"ring_write, 100 bytes", general_100, LOOP, 0},
	{"call record, no restartable sequence", own_ring, LOOP / 10, 0},
};

static double now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int main(int argc, char **argv)
{
	struct ring_options options = {.mode = RING_OVERWRITE, .nr_fallback = 2};
	struct ring_session session;
	struct err err;
	int error;

	options.subbuf_size = argc > 1 ? (uint32_t)atoi(argv[1]) : 16384;
	options.nr_subbufs = argc > 2 ? (uint32_t)atoi(argv[2]) : 64;
	if (ring_session_create(&session, &options, &err)) {
		fprintf(stderr, "ring: %s\n", err.text);
		return 1;
	}
	ring_session_switch(&session, true);
	header = ring_attach(session.fd, &error);
	if (!header)
		return 1;
	ring_thread_init(&thread);
	ring_thread_init_alone(&alone);
	for (uint32_t round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			double start = now_ns(), ns;

			cases[i].run();
			ns = (now_ns() - start) / cases[i].nr;
			if (!round || ns < cases[i].best)
				cases[i].best = ns;
		}
	printf("sub-buffers of %u bytes, %u a ring, overwritten\n", options.subbuf_size,
	       options.nr_subbufs);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		printf("%-38s %8.2f ns %8.2f x\n", cases[i].name, cases[i].best,
		       cases[i].best / cases[0].best);
	ring_session_close(&session);
	return 0;
}
