/* SPDX-License-Identifier: MIT */
#include "report/hist_write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "ring/page_writer.h"
#include "tracedat/writer.h"

enum {
	KEPT_BYTES = 1 << 20 /* of a CPU in memory; what is older goes to a file */
};

struct writer_cpu {
	struct page_writer writer;
	uint8_t *page;	   /* the one being filled; NULL: nothing yet */
	struct out pages;  /* those that are full, the newest of them */
	int fd;		   /* of the older ones, a file without a name; -1: there are none */
	uint64_t fd_bytes; /* in it */
};

struct hist_writer {
	const struct hist_set *set;
	const struct source *source;
	const struct dat_buffer *buffer;
	char *folder; /* for older pages */
	struct writer_cpu *cpus;
	size_t nr_cpus, cap_cpus;
};

int hist_writer_new(struct hist_writer **ret_writer, const struct hist_set *set,
		    const struct source *source, const char *path)
{
	struct hist_writer *writer = mem_zalloc(sizeof(*writer));
	const char *slash = strrchr(path, '/');

	if (!writer)
		return -ENOMEM;
	writer->folder = slash ? mem_strndup(path, (size_t)(slash - path) + 1) : mem_strdup(".");
	if (!writer->folder) {
		mem_free(writer);
		return -ENOMEM;
	}
	writer->set = set;
	writer->source = source;
	writer->buffer = &source->input->dat->buffers[source->buffer];
	*ret_writer = writer;
	return 0;
}

void hist_writer_free(struct hist_writer *writer)
{
	if (!writer)
		return;
	for (size_t i = 0; i < writer->nr_cpus; i++) {
		mem_free(writer->cpus[i].page);
		out_done(&writer->cpus[i].pages);
		io_close(writer->cpus[i].fd);
	}
	mem_free(writer->cpus);
	mem_free(writer->folder);
	mem_free(writer);
}

static struct writer_cpu *cpu_of(struct hist_writer *writer, uint32_t number)
{
	const struct subbuf_layout *layout = &writer->buffer->layout;
	struct writer_cpu *cpu;

	if (number >= LIMIT_CPUS)
		return NULL;
	if (number >= writer->nr_cpus) {
		if (array_reserve(&writer->cpus, &writer->cap_cpus, (size_t)number + 1,
				  sizeof(*writer->cpus)) < 0)
			return NULL;
		while (writer->nr_cpus <= number)
			writer->cpus[writer->nr_cpus++] = (struct writer_cpu){.fd = -1};
	}
	cpu = &writer->cpus[number];
	if (!cpu->page) {
		cpu->page = mem_zalloc(layout->size);
		if (!cpu->page)
			return NULL;
		page_writer_init(&cpu->writer, layout, cpu->page);
	}
	return cpu;
}

/* Where no file can be without a name, the pages stay in memory. */
static int put_aside(const struct hist_writer *writer, struct writer_cpu *cpu)
{
	int r;

	if (cpu->fd < 0)
		cpu->fd = io_open(writer->folder, O_TMPFILE | O_RDWR, 0600);
	if (cpu->fd < 0)
		return 0;
	r = io_pwrite_full(cpu->fd, cpu->pages.buf, cpu->pages.len, cpu->fd_bytes);
	if (r < 0)
		return r;
	cpu->fd_bytes += cpu->pages.len;
	out_clear(&cpu->pages);
	return 0;
}

static int keep_page(const struct hist_writer *writer, struct writer_cpu *cpu)
{
	if (page_writer_finish(&cpu->writer))
		out_mem(&cpu->pages, cpu->page, cpu->writer.layout.size);
	page_writer_next(&cpu->writer);
	if (cpu->pages.failed)
		return -ENOMEM;
	return cpu->pages.len >= KEPT_BYTES ? put_aside(writer, cpu) : 0;
}

int hist_writer_emit(void *arg, const struct hist_record *record)
{
	struct hist_writer *writer = arg;
	struct writer_cpu *cpu = cpu_of(writer, record->cpu);
	int r;

	if (!cpu)
		return -ENOMEM;
	if (page_writer_add(&cpu->writer, record->ts, record->data, record->len))
		return 0;
	r = keep_page(writer, cpu);
	if (!page_writer_add(&cpu->writer, record->ts, record->data, record->len))
		page_writer_lose(&cpu->writer, 1); /* larger than a page */
	return r;
}

/* The recording's formats, and those of the synthetic events, which they replace. */
static struct dat_format *all_formats(const struct hist_writer *writer, size_t *ret_nr)
{
	const struct dat *dat = writer->source->input->dat;
	size_t nr_own = hist_set_nr_synthetic(writer->set);
	struct dat_format *formats = mem_calloc(dat->nr_formats + nr_own + 1, sizeof(*formats));

	if (!formats)
		return NULL;
	if (dat->nr_formats)
		memcpy(formats, dat->formats, dat->nr_formats * sizeof(*formats));
	for (size_t i = 0; i < nr_own; i++) {
		const struct event *event = hist_set_synthetic_at(writer->set, i);

		formats[dat->nr_formats + i] =
			(struct dat_format){"synthetic", event->format, event->format_len};
	}
	*ret_nr = dat->nr_formats + nr_own;
	return formats;
}

/* Times are written as they are shown; the clock says what they count. */
static int write_head(const struct hist_writer *writer, struct dat_writer *file, struct err *err)
{
	const struct dat *dat = writer->source->input->dat;
	struct dat_metadata metadata = {
		.header_page = dat->header_page,
		.header_event = dat->header_event,
		.kallsyms = dat->kallsyms,
		.printk = dat->printk,
		.cmdlines = dat->cmdlines,
		.ftrace_formats = dat->ftrace_formats,
		.nr_ftrace_formats = dat->nr_ftrace_formats,
		.trace_clock = writer->source->usecs ? "[mono]\n" : dat->trace_clock,
	};
	_cleanup_free_ struct dat_format *formats = all_formats(writer, &metadata.nr_formats);
	int r;

	if (!formats)
		return err_set(err, -ENOMEM, "out of memory");
	metadata.formats = formats;
	r = dat_writer_metadata(file, &metadata, err);
	if (r >= 0 && dat->uname)
		r = dat_writer_option(file, DAT_OPTION_UNAME, dat->uname, strlen(dat->uname) + 1,
				      err);
	return r;
}

/* The pages of one CPU in their order; its memory is used again for those of the file. */
static int write_cpu(struct hist_writer *writer, struct dat_writer *file, uint32_t number,
		     struct err *err)
{
	struct writer_cpu *cpu = &writer->cpus[number];
	int r = keep_page(writer, cpu);

	if (r == 0 && cpu->fd >= 0 && cpu->pages.len)
		r = put_aside(writer, cpu);
	if (r < 0)
		return err_sys(err, r, "cannot keep synthetic events");
	r = dat_writer_cpu(file, number, err);
	if (r >= 0 && cpu->fd < 0)
		return dat_writer_pages(file, cpu->pages.buf, cpu->pages.len, err);
	for (uint64_t at = 0; r >= 0 && at < cpu->fd_bytes;) {
		size_t len = (size_t)MIN(cpu->fd_bytes - at, (uint64_t)KEPT_BYTES);
		ssize_t got = io_pread_full(cpu->fd, cpu->pages.buf, len, at);

		if (got < (ssize_t)len)
			return err_sys(err, got < 0 ? (int)got : -EIO,
				       "cannot read synthetic events that were put aside");
		r = dat_writer_pages(file, cpu->pages.buf, len, err);
		at += len;
	}
	return r;
}

static int write_pages(struct hist_writer *writer, struct dat_writer *file, uint32_t nr_cpus,
		       struct err *err)
{
	const char *clock = writer->source->usecs ? "mono" : writer->buffer->clock;
	int r = dat_writer_buffer_begin(file, "", clock, writer->buffer->layout.size, nr_cpus, err);

	for (uint32_t i = 0; r >= 0 && i < writer->nr_cpus; i++) {
		if (writer->cpus[i].page)
			r = write_cpu(writer, file, i, err);
	}
	return r < 0 ? r : dat_writer_buffer_end(file, err);
}

int hist_writer_finish(struct hist_writer *writer, const char *path, struct err *err)
{
	struct dat *dat = writer->source->input->dat;
	uint32_t nr_cpus = MAX(dat->nr_cpus, (uint32_t)writer->nr_cpus);
	const struct dat_write_options options = {
		.version = 7,
		.compression = DAT_ZSTD,
		.big_endian = dat->big_endian,
		.long_size = dat->long_size,
		.page_size = writer->buffer->layout.size,
		.nr_cpus = nr_cpus,
	};
	struct dat_writer *file;
	int r = dat_load_symbols(dat, err);

	if (r >= 0)
		r = dat_writer_open(&file, path, &options, err);
	if (r < 0)
		return r;
	r = write_head(writer, file, err);
	if (r >= 0)
		r = write_pages(writer, file, nr_cpus, err);
	if (r >= 0)
		return dat_writer_finish(file, err);
	dat_writer_abort(file);
	return r;
}
