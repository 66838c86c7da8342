/* SPDX-License-Identifier: MIT */
/* The metadata of a recording in progress: written when it begins, and again when events come up.
 */
#include <errno.h>

#include "base/io.h"
#include "tracedat/partial_internal.h"
#include "tracedat/writer.h"

/* Beside it, then in its place in one step. */
int dat_partial_write_meta(const char *dir, const struct dat_write_options *options,
			   const struct dat_metadata *metadata, struct err *err)
{
	_cleanup_out_ struct out temp = {0}, path = {0};
	struct dat_write_options meta_options = *options;
	struct dat_writer *writer;
	int r = dat_partial_path(&path, dir, "meta.dat");

	if (r == 0)
		r = dat_partial_path(&temp, dir, "meta.dat.new");
	if (r < 0)
		return err_sys(err, r, "%s", dir);
	meta_options.version = 7;
	meta_options.fast = true;
	r = dat_writer_open(&writer, temp.buf, &meta_options, err);
	if (r < 0)
		return r;
	r = dat_writer_metadata(writer, metadata, err);
	if (r < 0) {
		dat_writer_abort(writer);
		return r;
	}
	r = dat_writer_finish(writer, err);
	if (r < 0)
		return r;
	r = io_rename(temp.buf, path.buf);
	return r < 0 ? err_sys(err, r, "%s: cannot be written", path.buf) : 0;
}
