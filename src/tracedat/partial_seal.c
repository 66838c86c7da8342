/* SPDX-License-Identifier: MIT */
/* From OUT.partial to a single trace.dat. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/partial.h"
#include "tracedat/partial_internal.h"
#include "tracedat/writer_internal.h"

/* Whether a file of this name belongs in OUT.partial. */
static bool is_ours(const char *name)
{
	static const char *const names[] = {"buffers",	    "cmdlines.new", "cmdlines",
					    "kallsyms.new", "kallsyms",	    "options",
					    "meta.dat.new", "meta.dat"};
	unsigned int buffer, cpu;
	int len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(name, names[i]))
			return true;
	}
	return sscanf(name, "b%u.cpu%u%n", &buffer, &cpu, &len) == 2 &&
	       (!name[len] || !strcmp(name + len, ".start") || !strcmp(name + len, ".start.new"));
}

static int remove_file(const char *dir, const char *name)
{
	_cleanup_out_ struct out path = {0};
	int r = dat_partial_path(&path, dir, name);

	return r < 0 ? r : io_unlink(path.buf);
}

int dat_partial_sweep(const char *path)
{
	struct dirent *entry;
	int r, removed;
	DIR *dir;

	r = io_opendir(path, &dir);
	if (r < 0)
		return r;
	/* The list first: without it this is no recording any more. */
	(void)!remove_file(path, "buffers");
	while ((entry = readdir(dir))) {
		removed = is_ours(entry->d_name) ? remove_file(path, entry->d_name) : 0;
		if (removed < 0 && removed != -ENOENT && r == 0)
			r = removed;
	}
	closedir(dir);
	removed = io_rmdir(path);
	return r < 0 ? r : removed;
}

int dat_partial_aside(struct out *out, const char *path)
{
	out_str(out, path);
	out_lit(out, ".new");
	out_cstr(out);
	return out->failed ? -ENOMEM : 0;
}

int dat_partial_remove(const char *path)
{
	_cleanup_out_ struct out aside = {0};

	/* In one step for everybody who looks, also when we are killed while we remove it. */
	if (dat_partial_aside(&aside, path) == 0) {
		(void)!dat_partial_sweep(aside.buf);
		if (io_rename(path, aside.buf) == 0)
			path = aside.buf;
	}
	return dat_partial_sweep(path);
}

/* Buffers and CPUs as they are without what lies behind a part's ends; which buffer that is of. */
static size_t shorten(struct dat *dat, const struct dat_partial_part *part)
{
	for (size_t i = 0; part && i < dat->nr_buffers; i++) {
		struct dat_buffer *buffer = &dat->buffers[i];

		if (dat_partial_file_index(dat_state(dat), buffer) != part->buffer)
			continue;
		for (uint32_t cpu = 0; cpu < buffer->nr_cpus; cpu++) {
			const struct dat_partial_end *end = &part->ends[cpu];
			struct dat_cpu *at = &buffer->cpus[cpu];

			at->size = MIN(at->size, end->bytes - MIN(end->bytes, at->offset));
			if (end->len && dat->nr_cpus <= cpu)
				dat->nr_cpus = cpu + 1;
		}
		return i;
	}
	return SIZE_MAX;
}

static int write_sealed(struct dat *dat, const char *temp, int version,
			const struct dat_partial_part *part, struct err *err)
{
	const size_t shortened = shorten(dat, part);
	struct dat_write_options options = {
		.version = version,
		.compression = version == 6 ? DAT_NONE : dat->compression,
		.fast = true,
		.big_endian = dat->big_endian,
		.long_size = dat->user_long_size,
		.page_size = dat->page_size,
		.nr_cpus = dat->nr_cpus,
	};
	struct dat_writer *writer;
	int r = dat_writer_open(&writer, temp, &options, err);

	if (r < 0)
		return r;
	r = dat_writer_copy_head(writer, dat, err);
	for (size_t i = 0; r == 0 && i < dat->nr_buffers; i++) {
		struct err damage = {0};

		r = dat_writer_copy_streams(writer, dat, i, i == shortened ? part->ends : NULL,
					    &damage, err);
		if (r == 0 && damage.code) {
			r = damage.code;
			if (err)
				*err = damage;
		}
	}
	if (r == 0 && dat_state(dat)->broken)
		r = err_set(err, dat->damage.code, "%s: %s", dat->path, dat->damage.text);
	if (r < 0) {
		dat_writer_abort(writer);
		return r;
	}
	return dat_writer_finish(writer, err);
}

int dat_partial_copy(const char *path, const char *out, int version,
		     const struct dat_partial_part *part, struct err *err)
{
	_cleanup_out_ struct out temp = {0};
	struct dat *dat;
	int r;

	out_str(&temp, out);
	out_str(&temp, ".sealing");
	out_cstr(&temp);
	if (temp.failed)
		return err_sys(err, -ENOMEM, "%s", out);
	r = dat_open(&dat, path, err);
	if (r < 0)
		return r;
	r = write_sealed(dat, temp.buf, version, part, err);
	dat_close(dat);
	if (r == 0) {
		r = io_rename(temp.buf, out);
		if (r < 0)
			err_sys(err, r, "%s: cannot be made", out);
	}
	if (r < 0)
		(void)!io_unlink(temp.buf);
	return r;
}

int dat_partial_seal_dir(const char *path, const char *out, int version, struct err *err)
{
	int r = dat_partial_copy(path, out, version, NULL, err);

	/* A directory that stays is rubbish: the recording is in `out`. */
	if (r == 0)
		(void)!dat_partial_remove(path);
	return r;
}
