/* SPDX-License-Identifier: MIT */
#include "kernel/metadata.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/out.h"
#include "base/bytes.h"
#include "ring/subbuf.h"

#define DATE_TRIES 10

/* --- formats --- */

int kernel_format(const struct tracefs *fs, const char *system, const char *name, char **ret_text,
		  size_t *ret_len, struct err *err)
{
	_cleanup_out_ struct out file = {0};

	out_printf(&file, "events/%s/%s/format", system, name);
	if (file.failed)
		return err_sys(err, -ENOMEM, "cannot read an event format");
	return tracefs_read(fs->path, out_cstr(&file), "read an event format", LIMIT_FORMAT_BYTES,
			    ret_text, ret_len, err);
}

struct format_list {
	const struct tracefs *fs;
	int (*fn)(void *ctx, const char *system, const char *name, const char *text, size_t len);
	void *ctx;
};

static int hand_over(const struct format_list *list, const char *system, const char *name,
		     struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = kernel_format(list->fs, system, name, &text, &len, err);

	return r < 0 ? r : list->fn(list->ctx, system, name, text, len);
}

static int ftrace_formats(const struct format_list *list, struct err *err)
{
	_cleanup_free_ char *path = tracefs_join(list->fs->path, "events/ftrace");
	struct dirent *entry;
	DIR *dir;
	int r;

	if (!path)
		return err_sys(err, -ENOMEM, "cannot read event formats");
	r = io_opendir(path, &dir);
	if (r < 0)
		return tracefs_explain(err, r, "read event formats", path);
	while (r == 0 && (entry = readdir(dir))) {
		/* Beside the events' directories there are the files `enable` and `filter`. */
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "enable") &&
		    strcmp(entry->d_name, "filter"))
			r = hand_over(list, "ftrace", entry->d_name, err);
	}
	closedir(dir);
	return r;
}

int kernel_formats(const struct tracefs *fs, const struct kernel_events *events,
		   int (*fn)(void *ctx, const char *system, const char *name, const char *text,
			     size_t len),
		   void *ctx, struct err *err)
{
	struct format_list list = {.fs = fs, .fn = fn, .ctx = ctx};
	int r = ftrace_formats(&list, err);

	for (size_t i = 0; i < events->nr && r == 0; i++)
		r = hand_over(&list, events->list[i].system, events->list[i].name, err);
	return r;
}

static int add_format(struct kernel_metadata *metadata, struct dat_format **list, size_t *cap,
		      size_t *nr, const char *system, const char *text, size_t len)
{
	struct dat_format format = {.system = system, .len = len};
	int r = array_reserve(list, cap, *nr + 1, sizeof(format));

	format.text = arena_strndup(&metadata->arena, text, len);
	if (r < 0 || !format.text)
		return -ENOMEM;
	(*list)[(*nr)++] = format;
	return 0;
}

static int add_ftrace_format(void *ctx, const char *system, const char *name, const char *text,
			     size_t len)
{
	struct kernel_metadata *metadata = ctx;

	(void)system;
	(void)name;
	return add_format(metadata, &metadata->ftrace_formats, &metadata->cap_ftrace,
			  &metadata->dat.nr_ftrace_formats, "ftrace", text, len);
}

static int read_formats(struct kernel_metadata *metadata, const struct tracefs *fs,
			const struct kernel_events *events, const bool *hits, struct err *err)
{
	struct format_list list = {.fs = fs, .fn = add_ftrace_format, .ctx = metadata};
	int r = ftrace_formats(&list, err);

	for (size_t i = 0; i < events->nr && r == 0; i++) {
		const struct kernel_event *event = &events->list[i];
		_cleanup_free_ char *text = NULL;
		const char *system;
		size_t len;

		if (!hits[i])
			continue;
		r = kernel_format(fs, event->system, event->name, &text, &len, err);
		if (r < 0)
			return r;
		system = arena_strdup(&metadata->arena, event->system);
		r = system ? add_format(metadata, &metadata->formats, &metadata->cap_formats,
					&metadata->dat.nr_formats, system, text, len)
			   : -ENOMEM;
	}
	if (r == -ENOMEM)
		return err_sys(err, r, "cannot keep the event formats");
	metadata->dat.formats = metadata->formats;
	metadata->dat.ftrace_formats = metadata->ftrace_formats;
	return r;
}

/* --- texts --- */

static int read_text(struct kernel_metadata *metadata, const char *dir, const char *file,
		     bool needed, struct dat_text *ret_text, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct err reason;
	size_t len;
	int r = tracefs_read(dir, file, "describe the traced machine", LIMIT_SECTION_BYTES, &text,
			     &len, &reason);

	if (r == -ENOMEM || (r < 0 && needed)) {
		if (err)
			*err = reason;
		return r;
	}
	if (r < 0)
		return 0;
	ret_text->data = arena_strndup(&metadata->arena, text, len);
	ret_text->len = len;
	return ret_text->data ? 0 : err_sys(err, -ENOMEM, "cannot keep %s", file);
}

static void read_uname(struct kernel_metadata *metadata)
{
	struct utsname name;
	_cleanup_out_ struct out out = {0};

	if (uname(&name) < 0)
		return;
	out_printf(&out, "%s %s %s %s", name.sysname, name.nodename, name.release, name.machine);
	if (!out.failed)
		metadata->uname = arena_strdup(&metadata->arena, out_cstr(&out));
}

static int read_texts(struct kernel_metadata *metadata, const struct kernel_instance *inst,
		      struct err *err)
{
	const struct tracefs *fs = inst->fs;
	const char *dir = tracefs_exists(inst->path, "events/header_page") ? inst->path : fs->path;
	struct dat_metadata *dat = &metadata->dat;
	int r = read_text(metadata, dir, "events/header_page", true, &dat->header_page, err);

	if (r == 0)
		r = read_text(metadata, dir, "events/header_event", true, &dat->header_event, err);
	if (r == 0)
		r = read_text(metadata, fs->path, "printk_formats", false, &dat->printk, err);
	return r;
}

int kernel_metadata_read(struct kernel_metadata *metadata, const struct kernel_instance *inst,
			 const struct kernel_events *events, const bool *hits, struct err *err)
{
	int r;

	*metadata = (struct kernel_metadata){0};
	r = read_texts(metadata, inst, err);
	if (r == 0)
		r = read_formats(metadata, inst->fs, events, hits, err);
	if (r < 0) {
		kernel_metadata_done(metadata);
		return r;
	}
	read_uname(metadata);
	return 0;
}

int kernel_metadata_symbols(struct kernel_metadata *metadata, const struct tracefs *fs,
			    struct err *err)
{
	size_t len = 0;
	/* Large, and not wanted twice in memory, so not through the arena. */
	int r = io_read_file(fs->kallsyms, LIMIT_SECTION_BYTES, &metadata->kallsyms, &len);

	if (r == -ENOMEM)
		return err_sys(err, r, "cannot read %s", fs->kallsyms);
	if (r == 0)
		metadata->dat.kallsyms = (struct dat_text){metadata->kallsyms, len};
	return 0;
}

void kernel_metadata_done(struct kernel_metadata *metadata)
{
	mem_free(metadata->formats);
	mem_free(metadata->ftrace_formats);
	mem_free(metadata->kallsyms);
	arena_done(&metadata->arena);
	*metadata = (struct kernel_metadata){0};
}

int kernel_cmdlines(const struct tracefs *fs, char **ret_text, struct err *err)
{
	return tracefs_read(fs->path, "saved_cmdlines", "read the names of tasks",
			    LIMIT_SECTION_BYTES, ret_text, NULL, err);
}

/* --- the wall clock --- */

static int64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Timestamp of the first record in any CPU's buffer. */
static int first_timestamp(struct kernel_instance *inst, uint64_t *ret_ts, struct err *err)
{
	struct subbuf_layout layout = {
		.size = inst->page_size,
		.long_size = inst->long_size,
		.big_endian = HOST_BIG,
	};
	_cleanup_free_ uint8_t *page = mem_alloc(inst->page_size);

	if (!page)
		return err_sys(err, -ENOMEM, "cannot read the time of a marker");
	for (unsigned int cpu = 0; cpu < inst->fs->cpus; cpu++) {
		_cleanup_close_ int fd = -1;
		struct subbuf_cursor cursor;
		struct subbuf_record record;
		int r = kernel_instance_open_raw(inst, cpu, &fd, err);
		ssize_t n;

		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		n = io_read(fd, page, inst->page_size);
		if (n <= 0 || subbuf_open(&cursor, &layout, page, (uint32_t)n) < 0 ||
		    subbuf_next(&cursor, &record) <= 0)
			continue;
		*ret_ts = record.ts;
		return 0;
	}
	return err_set(err, -ENODATA,
		       "cannot relate the trace clock to the date: a marker written "
		       "to the trace does not appear in it");
}

static int date_sample(struct kernel_instance *inst, int64_t *ret_offset, int64_t *ret_width,
		       struct err *err)
{
	int64_t before, after;
	uint64_t ts = 0;
	int r = kernel_instance_clear(inst, err);

	if (r < 0)
		return r;
	before = wall_ns();
	r = tracefs_append(inst->path, "trace_marker", "date", "write a marker", err);
	after = wall_ns();
	if (r == 0)
		r = first_timestamp(inst, &ts, err);
	if (r < 0)
		return r;
	*ret_width = after - before;
	*ret_offset = before + (after - before) / 2 - (int64_t)ts;
	return 0;
}

int kernel_date_offset(struct kernel_instance *inst, int64_t *ret_offset, struct err *err)
{
	int64_t best = INT64_MAX, offset = 0;
	int r = kernel_instance_start(inst, err);

	for (int i = 0; i < DATE_TRIES && r == 0; i++) {
		int64_t this_offset, width;

		r = date_sample(inst, &this_offset, &width, err);
		if (r == 0 && width >= 0 && width < best) {
			best = width;
			offset = this_offset;
		}
	}
	if (r == 0)
		r = kernel_instance_stop(inst, err);
	if (r == 0)
		r = kernel_instance_clear(inst, err);
	if (r == 0)
		*ret_offset = offset;
	return r;
}
