/* SPDX-License-Identifier: MIT */
/* From OUT.partial to a single trace.dat. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/partial.h"
#include "tracedat/partial_internal.h"

static void remove_streams(const char *path, size_t index, unsigned int nr_cpus)
{
	for (uint32_t cpu = 0; cpu < nr_cpus; cpu++) {
		_cleanup_out_ struct out name = {0};

		if (dat_partial_stream_path(&name, path, index, cpu) < 0)
			continue;
		(void)!io_unlink(name.buf);
		out_lit(&name, ".start");
		out_cstr(&name);
		if (!name.failed)
			(void)!io_unlink(name.buf);
	}
}

void dat_partial_remove(const char *path)
{
	static const char *const names[] = {"buffers",	"cmdlines.new", "cmdlines", "kallsyms.new",
					    "kallsyms", "options",	"meta.dat"};
	_cleanup_out_ struct out name = {0};
	_cleanup_free_ char *text = NULL;
	char *line, *rest;

	if (dat_partial_path(&name, path, "buffers") == 0 &&
	    io_read_file(name.buf, LIMIT_OPTION_BYTES, &text, NULL) == 0) {
		/* The list first: without it this is no recording any more. */
		(void)!io_unlink(name.buf);
		for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
			unsigned int index, nr_cpus;

			if (sscanf(line, "%u %*u %u", &index, &nr_cpus) == 2)
				remove_streams(path, index, MIN(nr_cpus, LIMIT_CPUS));
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (dat_partial_path(&name, path, names[i]) == 0)
			(void)!io_unlink(name.buf);
	(void)!io_rmdir(path);
}

static int write_sealed(struct dat *dat, const char *temp, int version, struct err *err)
{
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

		r = dat_writer_copy_buffer(writer, dat, i, &damage, err);
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

int dat_partial_copy(const char *path, const char *out, int version, struct err *err)
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
	r = write_sealed(dat, temp.buf, version, err);
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
	int r = dat_partial_copy(path, out, version, err);

	if (r == 0)
		dat_partial_remove(path);
	return r;
}
