/* SPDX-License-Identifier: MIT */
/*
 * After a recording that has failed: which of the events that the kernel wrote are in OUT.partial.
 * They are counted there, since what was compressed and not written yet went with the recorder.
 */
#include <string.h>

#include "base/mem.h"
#include "record/session.h"
#include "ring/subbuf.h"
#include "tracedat/dat.h"

static uint64_t count_cpu(struct dat *dat, size_t buffer, size_t index)
{
	struct dat_stream *stream;
	struct dat_chunk *chunk;
	const uint8_t *page;
	struct err ignored;
	uint64_t count = 0;
	uint32_t len;

	if (dat_stream_open(&stream, dat, buffer, index, &ignored) < 0)
		return 0;
	while (dat_stream_next(stream, &page, &len, &chunk, &ignored) > 0)
		count += subbuf_count(&dat->buffers[buffer].layout, page, len);
	dat_stream_close(stream);
	return count;
}

static uint64_t count_stored(struct dat *dat, const char *instance, uint32_t cpu)
{
	for (size_t b = 0; b < dat->nr_buffers; b++) {
		const struct dat_buffer *buffer = &dat->buffers[b];

		if (strcmp(buffer->name, instance) != 0)
			continue;
		for (size_t i = 0; i < buffer->nr_cpus; i++) {
			if (buffer->cpus[i].cpu == cpu)
				return count_cpu(dat, b, i);
		}
	}
	return 0;
}

void session_count_unsaved(const char *partial, struct record_result *result)
{
	struct err ignored;
	struct dat *dat = NULL;

	/* What cannot be opened holds nothing. */
	if (dat_open(&dat, partial, &ignored) < 0)
		dat = NULL;
	for (size_t i = 0; i < result->nr_cpus; i++) {
		struct record_cpu *cpu = &result->cpus[i];
		uint64_t stored = dat ? count_stored(dat, cpu->instance, cpu->cpu) : 0;

		stored += cpu->let_go;
		cpu->unsaved = cpu->events + cpu->left - MIN(stored, cpu->events);
		result->unsaved += cpu->unsaved;
	}
	dat_close(dat);
}
