/* SPDX-License-Identifier: MIT */
/* A recording in progress: the reading side. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/partial_internal.h"

int dat_partial_stream_path(struct out *out, const char *dir, size_t buffer, uint32_t cpu)
{
	char name[64];

	snprintf(name, sizeof(name), "b%zu.cpu%u", buffer, cpu);
	return dat_partial_path(out, dir, name);
}

static int read_small(struct dat_state *st, const char *name, char **ret_data, size_t *ret_len)
{
	_cleanup_out_ struct out path = {0};
	int r = dat_partial_path(&path, st->dat.path, name);

	return r < 0 ? r : io_read_file(path.buf, LIMIT_OPTION_BYTES, ret_data, ret_len);
}

/* Options that came after meta.dat; one that is not whole yet is left out. */
static int read_options(struct dat_state *st)
{
	const bool big = st->dat.big_endian;
	char *data = NULL;
	size_t len = 0, at = 0;
	int r = read_small(st, "options", &data, &len);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = dat_keep(st, data);
	if (r < 0) {
		mem_free(data);
		return r;
	}
	while (r == 0 && len - at >= 6) {
		uint16_t id = load_u16(data + at, big);
		uint32_t size = load_u32(data + at + 2, big);

		if (size > len - at - 6)
			return 0;
		r = dat_option_add(st, id, (const uint8_t *)data + at + 6, size, at);
		if (r == 0)
			r = dat_option_decode(st, &st->dat.options[st->dat.nr_options - 1]);
		at += 6 + (size_t)size;
	}
	return r == -EFBIG ? 0 : r;
}

/* A text that is replaced while recording; what meta.dat says stays when there is none. */
static int read_text(struct dat_state *st, const char *name, struct dat_text *text)
{
	char *data = NULL;
	size_t len = 0;
	int r = read_small(st, name, &data, &len);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = dat_keep(st, data);
	if (r < 0) {
		mem_free(data);
		return r;
	}
	*text = (struct dat_text){data, len};
	return 0;
}

/* Lines may be being appended. */
static void leave_out_last_line(struct dat_text *text)
{
	const char *end = text->len ? memrchr(text->data, '\n', text->len) : NULL;

	text->len = end ? (size_t)(end + 1 - text->data) : 0;
}

static int open_stream(struct dat_state *st, size_t file_index, uint32_t cpu)
{
	_cleanup_out_ struct out path = {0};
	int r = dat_partial_stream_path(&path, st->dat.path, file_index, cpu);

	return r < 0 ? r : io_open(path.buf, O_RDONLY | O_NONBLOCK, 0);
}

int dat_partial_start(const char *dir, size_t buffer, uint32_t cpu, uint64_t *ret_start)
{
	_cleanup_out_ struct out path = {0};
	_cleanup_free_ char *text = NULL;
	int r = dat_partial_stream_path(&path, dir, buffer, cpu);

	*ret_start = 0;
	if (r < 0)
		return r;
	out_lit(&path, ".start");
	out_cstr(&path);
	r = path.failed ? -ENOMEM : io_read_file(path.buf, 64, &text, NULL);
	if (r == 0)
		*ret_start = strtoull(text, NULL, 10);
	return r == -ENOENT ? 0 : r;
}

uint64_t dat_partial_resume(const struct dat_state *st, const struct dat_buffer *buffer,
			    size_t cpu_index, uint64_t pos)
{
	const struct dat_cpu *cpu = &buffer->cpus[cpu_index];
	uint64_t start;
	size_t at = cpu_index;

	for (size_t i = 0; &st->dat.buffers[i] != buffer; i++)
		at += st->dat.buffers[i].nr_cpus;
	if (dat_partial_start(st->dat.path, st->partial->streams[at].file_index, cpu->cpu, &start) <
	    0)
		return pos;
	return start > cpu->offset + pos ? start - cpu->offset : pos;
}

/* Look how far one CPU's stream has come. */
static int refresh_cpu(struct dat_state *st, struct dat_partial_stream *stream, struct dat_cpu *cpu)
{
	struct stat stat;
	uint64_t size;
	int r, fd;

	if (stream->fd < 0) {
		r = open_stream(st, stream->file_index, cpu->cpu);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		fd = r;
		r = dat_partial_start(st->dat.path, stream->file_index, cpu->cpu, &cpu->offset);
		if (r < 0) {
			io_close(fd);
			return r;
		}
		/* Read by a stream only once it sees a size, which is stored behind this. */
		__atomic_store_n(&stream->fd, fd, __ATOMIC_RELEASE);
	}
	r = io_fstat(stream->fd, &stat);
	if (r < 0)
		return r;
	if (!S_ISREG(stat.st_mode))
		return -EINVAL;
	size = (uint64_t)stat.st_size;
	__atomic_store_n(&cpu->size, size - MIN(cpu->offset, size), __ATOMIC_RELEASE);
	return 0;
}

static int add_buffer(struct dat_state *st, const char *name, const char *clock, size_t file_index,
		      uint32_t page_size, uint32_t nr_cpus)
{
	struct dat_partial_read *partial = st->partial;
	struct dat_buffer *buffer;
	size_t first = partial->nr;
	int r;

	name = arena_strdup(&st->arena, name);
	clock = arena_strdup(&st->arena, clock);
	buffer = name && clock ? dat_buffer_add(st, name, clock) : NULL;
	if (!buffer)
		return -ENOMEM;
	buffer->layout.size = page_size;
	buffer->compressed = st->dat.compression != DAT_NONE;
	buffer->cpus = arena_alloc(&st->arena, nr_cpus * sizeof(*buffer->cpus));
	r = array_reserve(&partial->streams, &partial->cap, first + nr_cpus,
			  sizeof(*partial->streams));
	if (r < 0 || !buffer->cpus)
		return -ENOMEM;
	for (uint32_t cpu = 0; cpu < nr_cpus; cpu++) {
		partial->streams[partial->nr++] = (struct dat_partial_stream){-1, file_index};
		buffer->cpus[cpu].cpu = cpu;
	}
	buffer->nr_cpus = nr_cpus;
	if (!*name)
		st->dat.clock = clock;
	return 0;
}

/* "INDEX PAGE_SIZE NR_CPUS COMPRESSION CLOCK NAME"; top instances only, or all others. */
static int add_buffer_line(struct dat_state *st, char *line, bool top)
{
	unsigned int index, page_size, nr_cpus;
	char compression[16], clock[64];
	int name = 0;

	if (sscanf(line, "%u %u %u %15s %63s%n", &index, &page_size, &nr_cpus, compression, clock,
		   &name) < 5 ||
	    line[name] != ' ' || page_size < LIMIT_SUBBUF_MIN_BYTES ||
	    page_size > LIMIT_SUBBUF_BYTES || nr_cpus > LIMIT_CPUS || index >= LIMIT_INSTANCES) {
		dat_damaged(st, -EBADMSG, "the list of buffers has the line \"%.100s\"", line);
		return 0;
	}
	if ((line[name + 1] == '\0') != top)
		return 0;
	return add_buffer(st, line + name + 1, clock, index, page_size, nr_cpus);
}

/* The top instance first, as everywhere: its place in the arrays does not change afterwards. */
static int add_buffers(struct dat_state *st)
{
	for (int top = 1; top >= 0; top--) {
		_cleanup_free_ char *text = NULL;
		char *line, *rest;
		int r = read_small(st, "buffers", &text, NULL);

		if (r < 0)
			return r;
		for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
			r = add_buffer_line(st, line, top);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int refresh_cpus(struct dat_state *st)
{
	struct dat *dat = &st->dat;
	size_t at = 0;

	for (size_t i = 0; i < dat->nr_buffers; i++)
		for (uint32_t cpu = 0; cpu < dat->buffers[i].nr_cpus; cpu++, at++) {
			int r = refresh_cpu(st, &st->partial->streams[at],
					    &dat->buffers[i].cpus[cpu]);
			if (r < 0)
				return r;
			/* A program's threads may have had buffers above the machine's CPUs. */
			if (dat->buffers[i].cpus[cpu].size && dat->nr_cpus <= cpu)
				dat->nr_cpus = cpu + 1;
		}
	return 0;
}

int dat_partial_open_meta(struct dat_state *st)
{
	_cleanup_out_ struct out path = {0};
	int r = dat_partial_path(&path, st->dat.path, "meta.dat");

	return r < 0 ? r : io_open(path.buf, O_RDONLY | O_NONBLOCK, 0);
}

int dat_partial_load(struct dat_state *st)
{
	int r;

	st->partial = mem_zalloc(sizeof(*st->partial));
	if (!st->partial)
		return -ENOMEM;
	st->dat.unfinished = true;
	r = read_options(st);
	if (r == 0)
		r = read_text(st, "cmdlines", &st->dat.cmdlines);
	if (r == 0)
		r = read_text(st, "kallsyms", &st->dat.kallsyms);
	if (r == 0) {
		leave_out_last_line(&st->dat.kallsyms);
		r = add_buffers(st);
	}
	return r < 0 ? r : refresh_cpus(st);
}

void dat_partial_close(struct dat_state *st)
{
	if (!st->partial)
		return;
	for (size_t i = 0; i < st->partial->nr; i++)
		io_close(st->partial->streams[i].fd);
	mem_free(st->partial->streams);
	mem_free(st->partial);
}

/* Of a buffer without CPUs there is nothing in any file. */
size_t dat_partial_file_index(const struct dat_state *st, const struct dat_buffer *buffer)
{
	size_t at = 0;

	for (size_t i = 0; &st->dat.buffers[i] != buffer; i++)
		at += st->dat.buffers[i].nr_cpus;
	return buffer->nr_cpus ? st->partial->streams[at].file_index : SIZE_MAX;
}

int dat_partial_fd(const struct dat_state *st, const struct dat_buffer *buffer, size_t cpu_index)
{
	size_t at = cpu_index;

	for (size_t i = 0; &st->dat.buffers[i] != buffer; i++)
		at += st->dat.buffers[i].nr_cpus;
	return __atomic_load_n(&st->partial->streams[at].fd, __ATOMIC_ACQUIRE);
}

/* The recorder keeps its options file locked; false when nobody has it, as after kill -9. */
static bool recorder_lives(struct dat_state *st)
{
	_cleanup_out_ struct out path = {0};
	_cleanup_close_ int fd = -1;

	if (dat_partial_path(&path, st->dat.path, "options") < 0)
		return true;
	fd = io_open(path.buf, O_RDONLY, 0);
	return fd < 0 || io_lock(fd, LOCK_SH | LOCK_NB) < 0;
}

int dat_refresh(struct dat *dat, struct err *err)
{
	struct dat_state *st = dat_state(dat);
	_cleanup_out_ struct out path = {0};
	struct stat stat;
	bool ended, lives;
	int r;

	if (!st->partial)
		return 0;
	lives = recorder_lives(st);
	r = dat_partial_path(&path, dat->path, "buffers");
	if (r == 0)
		r = io_stat(path.buf, &stat);
	/* First whether it has ended, then how far it came: so nothing is missed in between. */
	ended = r == -ENOENT || r == -ENOTDIR;
	if (r == 0 || ended)
		r = refresh_cpus(st);
	if (r < 0)
		return err_sys(err, r, "%s: cannot be followed", dat->path);
	if (ended && dat->damage.code == -ENODATA)
		dat->damage = (struct err){0}; /* it has been finished meanwhile */
	return ended || !lives ? 0 : 1;
}
