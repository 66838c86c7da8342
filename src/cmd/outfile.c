/* SPDX-License-Identifier: MIT */
#include "cmd/outfile.h"

#include <errno.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"

static void outfile_done(struct outfile *outfile)
{
	mem_free(outfile->path);
	mem_free(outfile->temp);
	*outfile = (struct outfile){0};
}

static bool same_file(const struct stat *a, const char *input)
{
	struct stat b;

	return input && io_stat(input, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

static char *temp_name(const char *path)
{
	static const char suffix[] = ".new";
	size_t len = strlen(path);
	char *temp = mem_alloc(len + sizeof(suffix));

	if (temp) {
		memcpy(temp, path, len);
		memcpy(temp + len, suffix, sizeof(suffix));
	}
	return temp;
}

int outfile_begin(struct outfile *outfile, const char *path, const char *input, struct err *err)
{
	struct stat stat;
	bool exists = io_stat(path, &stat) == 0;

	if (exists && same_file(&stat, input))
		return err_set(err, -EEXIST, "%s: is the input itself; name another output", path);
	if (exists && S_ISDIR(stat.st_mode))
		return err_set(err, -EISDIR, "%s: is a directory", path);
	outfile->path = mem_strdup(path);
	outfile->temp = exists && !S_ISREG(stat.st_mode) ? mem_strdup(path) : temp_name(path);
	if (outfile->path && outfile->temp)
		return 0;
	outfile_done(outfile);
	return err_sys(err, -ENOMEM, "%s", path);
}

int outfile_commit(struct outfile *outfile, struct err *err)
{
	int r = 0;

	if (strcmp(outfile->temp, outfile->path) != 0)
		r = io_rename(outfile->temp, outfile->path);
	if (r < 0) {
		err_sys(err, r, "%s: cannot be made", outfile->path);
		(void)!io_unlink(outfile->temp);
	}
	outfile_done(outfile);
	return r;
}

void outfile_drop(struct outfile *outfile)
{
	if (outfile->temp && strcmp(outfile->temp, outfile->path) != 0)
		(void)!io_unlink(outfile->temp);
	outfile_done(outfile);
}
