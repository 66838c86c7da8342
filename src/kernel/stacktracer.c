/* SPDX-License-Identifier: MIT */
#include "kernel/stacktracer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "kernel/features.h"

#define TABLE_BYTES (1u << 20)

const char *kernel_stacktracer_switch = "/proc/sys/kernel/stack_tracer_enabled";

static int refused(const struct tracefs *fs, int code, const char *what, struct err *err)
{
	const struct feature_info *info = feature_info(FEATURE_STACK_TRACER);
	const char *instead;
	char why[300];

	if (code != -ENOENT)
		return tracefs_explain(err, code, what, kernel_stacktracer_switch);
	if (tracefs_exists(fs->path, "stack_trace"))
		return err_set(err, code,
			       "cannot %s: %s does not exist; mount proc (mount -t proc proc "
			       "/proc)",
			       what, kernel_stacktracer_switch);
	feature_why_missing(info, why, sizeof(why));
	instead = feature_instead(info, fs);
	return err_set(err, code, "cannot %s in this kernel: %s%s%s", what, why,
		       instead ? "; instead: " : "", instead ? instead : "");
}

int kernel_stacktracer_running(const struct tracefs *fs, bool *ret_running, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = io_read_file(kernel_stacktracer_switch, 4096, &text, NULL);

	if (r < 0)
		return refused(fs, r, "see whether the stack tracer runs", err);
	*ret_running = text[0] != '0';
	return 0;
}

int kernel_stacktracer_run(const struct tracefs *fs, bool run, struct err *err)
{
	const char *what = run ? "start the stack tracer" : "stop the stack tracer";
	_cleanup_close_ int fd = io_open(kernel_stacktracer_switch, O_WRONLY, 0);
	ssize_t n;

	if (fd < 0)
		return refused(fs, fd, what, err);
	n = io_write(fd, run ? "1" : "0", 1);
	if (n == 1)
		return 0;
	return refused(fs, n < 0 ? (int)n : -EIO, what, err);
}

int kernel_stacktracer_reset(const struct tracefs *fs, struct err *err)
{
	return tracefs_write(fs->path, "stack_max_size", "0", "reset the stack tracer", err);
}

int kernel_stacktracer_read(const struct tracefs *fs, char **ret_text, struct err *err)
{
	return tracefs_read(fs->path, "stack_trace", "read the deepest stack", TABLE_BYTES,
			    ret_text, NULL, err);
}
