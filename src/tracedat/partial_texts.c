/* SPDX-License-Identifier: MIT */
/* A recording in progress: what is written beside its streams, while it runs. */
#include <errno.h>
#include <fcntl.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "tracedat/partial.h"
#include "tracedat/partial_internal.h"
#include "tracedat/partial_writer.h"
#include "tracedat/writer_internal.h"

int dat_partial_write_file(const char *path, const void *data, size_t len)
{
	int fd = io_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666), r, closed;

	if (fd < 0)
		return fd;
	r = io_write_full(fd, data, len);
	closed = io_close(fd);
	return r < 0 ? r : closed;
}

/* Replaced in one step: whoever reads sees the old text or the new one. */
static int replace_text(struct dat_partial *partial, const char *name, const char *text, size_t len,
			struct err *err)
{
	_cleanup_out_ struct out path = {0}, temp = {0};
	int r = dat_partial_path(&path, partial->path, name);

	if (r == 0)
		r = dat_partial_path(&temp, partial->path, name);
	out_lit(&temp, ".new");
	out_cstr(&temp);
	if (r < 0 || temp.failed)
		return err_sys(err, -ENOMEM, "%s: cannot write %s", partial->path, name);
	pthread_mutex_lock(&partial->lock);
	r = dat_partial_write_file(temp.buf, text, len);
	if (r == 0)
		r = io_rename(temp.buf, path.buf);
	pthread_mutex_unlock(&partial->lock);
	return r < 0 ? err_sys(err, r, "%s: cannot write %s", partial->path, name) : 0;
}

int dat_partial_cmdlines(struct dat_partial *partial, const char *text, size_t len, struct err *err)
{
	return replace_text(partial, "cmdlines", text, len, err);
}

int dat_partial_kallsyms(struct dat_partial *partial, const char *text, size_t len, struct err *err)
{
	return replace_text(partial, "kallsyms", text, len, err);
}

static int append_text(const char *path, const char *text, size_t len, uint64_t offset)
{
	_cleanup_close_ int fd = io_open(path, O_WRONLY | O_CREAT, 0666);

	return fd < 0 ? fd : io_pwrite_full(fd, text, len, offset);
}

int dat_partial_more_kallsyms(struct dat_partial *partial, const char *text, size_t len,
			      struct err *err)
{
	_cleanup_out_ struct out path = {0};
	int r = dat_partial_path(&path, partial->path, "kallsyms");

	if (r == 0)
		r = append_text(path.buf, text, len, partial->kallsyms_size);
	if (r < 0)
		return err_sys(err, r, "%s: cannot write kallsyms", partial->path);
	partial->kallsyms_size += len;
	return 0;
}

int dat_partial_option(struct dat_partial *partial, uint16_t id, const void *data, size_t len,
		       struct err *err)
{
	_cleanup_out_ struct out option = {0};
	int r;

	if (len > LIMIT_OPTION_BYTES)
		return err_sys(err, -EFBIG, "%s: option %u", partial->path, id);
	dat_put_option(&option, partial->options.big_endian, id, data, len);
	if (option.failed)
		return err_sys(err, -ENOMEM, "%s: option %u", partial->path, id);
	pthread_mutex_lock(&partial->lock);
	r = io_pwrite_full(partial->options_fd, option.buf, option.len, partial->options_size);
	if (r == 0)
		partial->options_size += option.len;
	else
		(void)!io_ftruncate(partial->options_fd, partial->options_size);
	pthread_mutex_unlock(&partial->lock);
	return r < 0 ? err_sys(err, r, "%s: cannot write option %u", partial->path, id) : 0;
}
