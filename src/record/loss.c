/* SPDX-License-Identifier: MIT */
/*
 * What did not fit during one burst, beside what the buffer held, is what it lacked: events were
 * drained meanwhile as fast as that goes, so the rate and the reader's latency are both in it.
 */
#include "record/loss.h"

#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "record/session.h"

#define WARN_EVERY_MS	  5000
#define EVENT_BYTES_GUESS 64

bool loss_update(struct loss *loss, struct loss_cpu *cpu, const struct kernel_cpu_stats *stats,
		 uint64_t event_bytes, uint64_t buffer_kb)
{
	uint64_t lost = loss_of(stats);
	bool rose = lost > cpu->lost;

	cpu->lost = lost;
	if (!rose) {
		cpu->calm = lost;
		return false;
	}
	if (!event_bytes)
		event_bytes = EVENT_BYTES_GUESS;
	loss->needed_kb =
		MAX(loss->needed_kb, buffer_kb + (lost - cpu->calm) * event_bytes / 1024 + 1);
	return true;
}

uint64_t loss_recommended_kb(const struct loss *loss)
{
	uint64_t kb = 1;

	while (kb < loss->needed_kb)
		kb *= 2;
	return kb;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void warn(struct session *session, uint32_t cpu, uint64_t lost, uint64_t buffer_kb)
{
	uint64_t now = now_ms();

	if (session->loss.said_ms && now - session->loss.said_ms < WARN_EVERY_MS)
		return;
	session->loss.said_ms = now;
	session_say(session, RECORD_SAY_WARNING,
		    "events are being lost (CPU %u: %llu so far): buffers of %llu KiB run full; "
		    "-b %llu would have held them",
		    cpu, (unsigned long long)lost, (unsigned long long)buffer_kb,
		    (unsigned long long)loss_recommended_kb(&session->loss));
}

void session_watch_losses(struct session *session)
{
	for (size_t i = 0; i < session->nr_instances; i++) {
		const struct session_instance *inst = &session->instances[i];

		for (uint32_t cpu = 0; inst->open && inst->loss && cpu < session->fs->cpus; cpu++) {
			struct kernel_cpu_stats stats;
			struct err ignored;

			/* Counters that cannot be read now are read at the end. */
			if (kernel_instance_stats(&inst->kernel, cpu, &stats, NULL, &ignored) < 0)
				continue;
			if (loss_update(&session->loss, &inst->loss[cpu], &stats,
					stats.entries ? stats.bytes / stats.entries : 0,
					inst->buffer_kb))
				warn(session, cpu, inst->loss[cpu].lost, inst->buffer_kb);
		}
	}
}
