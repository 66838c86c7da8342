/* SPDX-License-Identifier: MIT */
/* Any bytes as a trace.dat: opened, and everything in it read, forwards and by seeking. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "tracedat/dat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_stream(struct dat_stream *stream, const struct subbuf_layout *layout)
{
	struct subbuf_cursor cursor;
	struct subbuf_record record;
	struct dat_chunk *chunk;
	const uint8_t *page;
	uint64_t middle = 1;
	uint32_t len;
	int r, tries = 0;

	while ((r = dat_stream_next(stream, &page, &len, &chunk, NULL)) != 0) {
		if (r < 0 && ++tries < 1000)
			continue;
		if (r < 0)
			break;
		(void)!subbuf_open(&cursor, layout, page, len);
		while (subbuf_next(&cursor, &record))
			middle = record.ts / 2;
	}
	if (dat_stream_seek(stream, middle, NULL) == 0)
		(void)!dat_stream_next(stream, &page, &len, &chunk, NULL);
	if (dat_stream_seek_last(stream, NULL) > 0)
		(void)!dat_stream_next(stream, &page, &len, &chunk, NULL);
}

static void read_buffer(struct dat *dat, size_t index)
{
	const struct dat_buffer *buffer = &dat->buffers[index];
	_cleanup_free_ char *text = NULL;
	size_t len;

	if (buffer->is_text) {
		(void)!dat_buffer_text(dat, index, &text, &len, NULL);
		return;
	}
	for (uint32_t cpu = 0; cpu < buffer->nr_cpus && cpu < 16; cpu++) {
		struct dat_stream *stream;

		if (dat_stream_open(&stream, dat, index, cpu, NULL) < 0)
			continue;
		read_stream(stream, &buffer->layout);
		dat_stream_close(stream);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct dat *dat;
	char path[64];

	if (fd < 0)
		fd = memfd_create("dat_fuzz", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (dat_open(&dat, path, NULL) < 0)
		return 0;
	(void)!dat_load_symbols(dat, NULL);
	(void)!dat_load_btf(dat, NULL);
	for (size_t i = 0; i < dat->nr_buffers && i < 16; i++)
		read_buffer(dat, i);
	dat_close(dat);
	return 0;
}
