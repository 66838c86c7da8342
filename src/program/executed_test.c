/* SPDX-License-Identifier: MIT */
/*
 * Who is told of: greetings in any order, failures, reused pids, more files than are kept. What
 * nothing speaks against is no ELF file here: this program may be made with a sanitizer.
 */
#include "program/executed.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/test.h"

struct told {
	uint64_t files, times;
	char path[600], why[600]; /* of the last one */
};

static void tell(void *ctx, const char *path, uint64_t times, const char *why)
{
	struct told *told = ctx;

	told->files++;
	told->times += times;
	snprintf(told->path, sizeof(told->path), "%s", path);
	snprintf(told->why, sizeof(told->why), "%s", why);
}

static struct told all(struct executed *executed)
{
	struct told told = {0};

	executed_each(executed, tell, &told);
	return told;
}

static struct execution *begin(struct executed *executed, pid_t pid, int fd)
{
	const struct ucred who = {pid, geteuid(), getegid()};
	struct execution *execution = executed_begin(executed, &who, fd);

	if (!execution)
		abort();
	return execution;
}

/* A program of 64 bits without a loader: its header, cut off behind it. */
static int make_static(char *path)
{
	uint8_t head[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1, [16] = 2, [18] = 62, [20] = 1, [52] = 64};
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, head, sizeof(head)) != (ssize_t)sizeof(head) ||
	    fchmod(fd, 0755) < 0)
		abort();
	return fd;
}

TEST(who_greets_is_traced)
{
	struct executed *executed = executed_new();
	int fd = open("/dev/null", O_PATH | O_CLOEXEC);
	struct execution *execution;

	execution = begin(executed, 300, fd);
	executed_end(executed, execution, false);
	executed_greets(executed, 300);
	/* Heard before its end. */
	execution = begin(executed, 301, fd);
	executed_greets(executed, 301);
	executed_end(executed, execution, false);
	/* It came back. */
	executed_end(executed, begin(executed, 302, fd), true);
	CHECK_EQ(all(executed).files, 0);
	executed_free(executed);
	close(fd);
}

TEST(who_does_not_greet_is_told)
{
	struct executed *executed = executed_new();
	int fd = open("/dev/null", O_PATH | O_CLOEXEC);
	struct told told;

	/* 300 + 256 is in the same bucket; 300 is another process the second time. */
	executed_end(executed, begin(executed, 300, fd), false);
	executed_end(executed, begin(executed, 300 + 256, fd), false);
	executed_end(executed, begin(executed, 300, fd), false);
	executed_greets(executed, 300);
	told = all(executed);
	CHECK_EQ(told.files, 1);
	CHECK_EQ(told.times, 2);
	CHECK(strstr(told.path, "null") != NULL);
	CHECK(strstr(told.why, "did not ask") != NULL);
	executed_free(executed);
	close(fd);
}

TEST(who_greets_behind_a_static_program_is_another)
{
	char path[] = "/tmp/sonde-executed-XXXXXX";
	int fd = make_static(path);
	struct executed *executed = executed_new();
	struct told told;

	executed_end(executed, begin(executed, 300, fd), false);
	executed_greets(executed, 300);
	executed_end(executed, begin(executed, 300, fd), true);
	told = all(executed);
	CHECK_EQ(told.times, 1);
	CHECK_STR(told.path, path);
	CHECK(strstr(told.why, "statically") != NULL);
	executed_free(executed);
	unlink(path);
	close(fd);
}

TEST(a_script_is_its_interpreter)
{
	char path[] = "/tmp/sonde-executed-XXXXXX", script[] = "/tmp/sonde-executed-XXXXXX";
	int fd = make_static(path), text = mkstemp(script);
	struct executed *executed = executed_new();
	struct told told;

	dprintf(text, "#!%s\n", path);
	CHECK_EQ(fchmod(text, 0755), 0);
	executed_end(executed, begin(executed, 300, text), false);
	told = all(executed);
	CHECK_EQ(told.times, 1);
	CHECK_STR(told.path, script);
	CHECK(strstr(told.why, "its interpreter /tmp/") && strstr(told.why, "statically"));
	executed_free(executed);
	unlink(path);
	unlink(script);
	close(fd);
	close(text);
}

TEST(files_are_limited_and_counts_are_not)
{
	struct executed *executed = executed_new();
	struct told told;

	for (int i = 0; i < 600; i++) {
		char path[] = "/tmp/sonde-executed-XXXXXX";
		int fd = make_static(path);

		/* Half of them are not told of, and make room. */
		executed_end(executed, begin(executed, 300, fd), i % 2);
		unlink(path);
		close(fd);
	}
	told = all(executed);
	CHECK_EQ(told.files, 257);
	CHECK_EQ(told.times, 300);
	CHECK_STR(told.path, "other programs");
	executed_free(executed);
}

TEST_MAIN()
