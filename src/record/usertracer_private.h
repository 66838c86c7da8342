/* SPDX-License-Identifier: MIT */
/* What the measuring threads (userthread.c) and the writing one (usertracer.c) share. */
#ifndef SONDE_RECORD_USERTRACER_PRIVATE_H
#define SONDE_RECORD_USERTRACER_PRIVATE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "record/sampler.h"
#include "record/userrecords.h"
#include "record/usertracer.h"

struct user_thread {
	struct user_tracer *tracer;
	pthread_t thread;
	pid_t tid;
	uint32_t cpu; /* the first one of a thread that goes round */
	bool running, realtime;
	char name[COMM_BYTES];
	struct sampler_queue queue;
	/*
	 * When the measurement in progress began, UINT64_MAX between two: events from then on are
	 * still needed by the thread that writes.
	 */
	atomic_ullong since;
};

struct user_tracer {
	struct user_tracer_options options;
	clockid_t clock_id;
	struct sampler_clock clock;
	bool *cpus; /* those to be measured */
	struct user_events events;
	struct user_records *records;
	uint64_t *bytes; /* by CPU, stored */
	struct user_thread *threads;
	size_t nr_threads;
	sem_t ready, go;
	int stop_fd; /* readable: the threads end */
	atomic_bool stop;
	atomic_bool halted; /* a threshold was passed: nothing is measured from then on */
	pthread_t writer;
	bool writing;
	int writer_fd, failed_fd;
	struct err err; /* the writer's */
	uint64_t stored_at;
	char text[400];
};

/* Now, on the trace clock. */
uint64_t user_tracer_now(const struct user_tracer *tracer);
/* Switch off what is recorded, because of a threshold. Any thread. */
void user_tracer_halt(struct user_tracer *tracer);

/* Start the threads the mode and the set of CPUs ask for; they wait for `go`. userthread.c */
int user_threads_start(struct user_tracer *tracer, struct err *err) _must_check_;
void user_threads_stop(struct user_tracer *tracer);

#endif
