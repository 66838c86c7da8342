/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a trace.dat that is copied: as a whole in another form, and cut between records.
 * What comes out must be a file that can be opened.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "tracedat/cut.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct dat_write_options options_for(const struct dat *dat, unsigned int kind)
{
	return (struct dat_write_options){
		.version = kind & 3 ? 7 : 6,
		.compression = kind & 3 ? (kind & 3) - 1 : DAT_NONE,
		.big_endian = dat->big_endian,
		.long_size = dat->user_long_size,
		.page_size = dat->page_size,
		.nr_cpus = dat->nr_cpus,
	};
}

/* Up to three of each CPU's records are left out, the next few taken. */
static int cut_buffer(struct dat_writer *writer, struct dat *dat, size_t index)
{
	const struct dat_buffer *buffer = &dat->buffers[index];
	struct err damage = {0};
	int r = dat_writer_buffer_begin(writer, buffer->name, buffer->clock, buffer->layout.size,
					buffer->nr_cpus, NULL);

	for (uint32_t i = 0; r == 0 && i < buffer->nr_cpus && i < 16; i++) {
		struct dat_cut *cut;

		r = dat_writer_cpu(writer, buffer->cpus[i].cpu, NULL);
		if (r == 0)
			r = dat_cut_open(&cut, dat, index, i, NULL);
		if (r < 0)
			break;
		r = dat_cut_records(cut, i % 4, NULL, &damage, NULL);
		if (r == 0)
			r = dat_cut_records(cut, 7, writer, &damage, NULL);
		dat_cut_close(cut);
	}
	return r < 0 ? r : dat_writer_buffer_end(writer, NULL);
}

static int copy(struct dat *dat, const char *path, unsigned int kind)
{
	struct dat_write_options options = options_for(dat, kind);
	struct err damage = {0};
	struct dat_writer *writer;
	int r = dat_writer_open(&writer, path, &options, NULL);

	if (r < 0)
		return r;
	r = dat_writer_copy_head(writer, dat, NULL);
	for (size_t i = 0; r == 0 && i < dat->nr_buffers && i < 16; i++)
		r = kind & 4 && !dat->buffers[i].is_text
			    ? cut_buffer(writer, dat, i)
			    : dat_writer_copy_buffer(writer, dat, i, &damage, NULL);
	if (r < 0) {
		dat_writer_abort(writer);
		return r;
	}
	return dat_writer_finish(writer, NULL);
}

static int memory_file(const char *name, char *path, size_t path_size)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	snprintf(path, path_size, "/proc/self/fd/%d", fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char in_path[64], out_path[64];
	static int in = -1;
	struct dat *dat;
	int r;

	if (in < 0) {
		in = memory_file("in", in_path, sizeof(in_path));
		(void)memory_file("out", out_path, sizeof(out_path));
	}
	if (size < 1 || ftruncate(in, 0) < 0 ||
	    pwrite(in, data + 1, size - 1, 0) != (ssize_t)size - 1)
		return 0;
	if (dat_open(&dat, in_path, NULL) < 0)
		return 0;
	r = copy(dat, out_path, data[0]);
	dat_close(dat);
	if (r < 0)
		return 0;
	if (dat_open(&dat, out_path, NULL) < 0)
		__builtin_trap();
	dat_close(dat);
	return 0;
}
