/* SPDX-License-Identifier: MIT */
/*
 * A made-up tracefs: a directory of plain files that takes what is written and shows what was put
 * there. Only *_test.c files include this.
 */
#ifndef SONDE_KERNEL_FAKE_TEST_H
#define SONDE_KERNEL_FAKE_TEST_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/journal.h"
#include "kernel/tracefs.h"

static char root[64];

static inline void put(const char *file, const char *text)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, file);
	for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		__builtin_trap();
	close(fd);
}

static inline const char *get(const char *file)
{
	static char text[4096];
	char path[512];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, file);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return "(missing)";
	text[n] = '\0';
	return text;
}

#define HEADER_PAGE                                                                                \
	"\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"                                 \
	"\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"                                \
	"\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"                                 \
	"\tfield: char data;\toffset:16;\tsize:4080;\tsigned:0;\n"

/* The files of one instance, at `dir` ("" or "instances/NAME/"). */
static inline void put_instance(const char *dir)
{
	static const char *const files[][2] = {
		{"tracing_on", "1\n"},
		{"trace", ""},
		{"trace_clock", "[local] global mono x86-tsc\n"},
		{"current_tracer", "nop\n"},
		{"available_tracers", "function nop\n"},
		{"buffer_size_kb", "7 (expanded: 1408)\n"},
		{"trace_options", "print-parent\nnostacktrace\nevent-fork\n"},
		{"error_log", ""},
		{"set_event_pid", "17\n"},
		{"events/header_page", HEADER_PAGE},
		{"events/header_event", "# compressed entry header\n"},
		{"events/sched/enable", "0\n"},
		{"events/sched/filter", "none\n"},
		{"events/sched/sched_switch/enable", "0\n"},
		{"events/sched/sched_switch/filter", "none\n"},
		{"events/sched/sched_waking/enable", "1\n"},
		{"events/sched/sched_waking/filter", "pid > 4\n"},
		{"events/signal/signal_generate/enable", "0\n"},
		{"per_cpu/cpu0/stats", "entries: 0\noverrun: 5\ncommit overrun: 1\nbytes: 44\n"
				       "oldest event ts:     0.0\nnow ts: 5.2\n"
				       "dropped events: 2\nread events: 100\n"},
		{"per_cpu/cpu3/stats", ""},
	};
	char path[300];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", dir, files[i][0]);
		put(path, files[i][1]);
	}
}

static inline void fake_make(void)
{
	/* In memory where that can be had: sweeps make and remove thousands of such trees. */
	strcpy(root, "/dev/shm/sonde-kernel-test-XXXXXX");
	if (!mkdtemp(root))
		strcpy(root, "/tmp/sonde-kernel-test-XXXXXX");
	if (!strncmp(root, "/tmp", 4) && !mkdtemp(root))
		__builtin_trap();
	put_instance("");
	put("available_events", "sched:sched_waking\nsched:sched_switch\nsignal:signal_generate\n"
				"block:block_rq_issue\nblock:sched_like\nbad line\n:x\ny:\n");
	put("instances/keep/x", "");
}

/* The directory of the journals. */
static inline const char *fake_state(void)
{
	static char path[80];

	snprintf(path, sizeof(path), "%s/state", root);
	return path;
}

static inline struct kernel_journal *fake_journal(void)
{
	struct kernel_journal *journal;
	struct err err;

	if (kernel_journal_open(&journal, fake_state(), NULL, &err) < 0)
		__builtin_trap();
	return journal;
}

static inline struct tracefs *fake(void)
{
	struct tracefs *fs = NULL;
	struct err err;

	fake_make();
	if (tracefs_open(&fs, root, &err) < 0)
		__builtin_trap();
	fs->state = fake_state();
	return fs;
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Remove a directory below root and all that is in it. */
static inline void fake_remove(const char *dir)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", root, dir);
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fake_done(struct tracefs *fs)
{
	tracefs_close(fs);
	fake_remove("");
}

#endif
