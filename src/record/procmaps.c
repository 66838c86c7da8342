/* SPDX-License-Identifier: MIT */
#include "record/procmaps.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/out.h"

#define MAPS_BYTES (64u << 20)

/* "START-END PERMS OFFSET DEVICE INODE NAME": what has a name. Returns how many. */
static unsigned int put_lines(struct out *out, char *text)
{
	unsigned int nr = 0;
	char *rest;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		unsigned long long start, end;
		int name = 0;

		if (sscanf(line, "%llx-%llx %*s %*x %*s %*d %n", &start, &end, &name) < 2 ||
		    !name || !line[name])
			continue;
		/* Behind a blank stands a remark: "(deleted)". */
		line[(size_t)name + strcspn(line + name, " \t")] = '\0';
		out_printf(out, "%llx %llx %s\n", start, end, line + name);
		nr++;
	}
	return nr;
}

int procmaps_take(struct procmaps *maps, pid_t pid)
{
	_cleanup_out_ struct out lines = {0}, all = {0};
	_cleanup_free_ char *text = NULL;
	char path[64], exe[PATH_MAX] = "";
	unsigned int nr;
	ssize_t n;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	r = io_read_file(path, MAPS_BYTES, &text, NULL);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	/* A thread of the kernel has neither. */
	if (n <= 0)
		return 0;
	exe[n] = '\0';
	nr = put_lines(&lines, text);
	out_printf(&all, "%x %x %s\n%s", (unsigned int)pid, nr, exe, out_cstr(&lines));
	r = all.failed || lines.failed
		    ? -ENOMEM
		    : array_reserve(&maps->texts, &maps->cap, maps->nr + 1, sizeof(*maps->texts));
	if (r < 0)
		return r;
	maps->texts[maps->nr] = mem_strdup(out_cstr(&all));
	if (!maps->texts[maps->nr])
		return -ENOMEM;
	maps->nr++;
	return 0;
}

void procmaps_done(struct procmaps *maps)
{
	for (size_t i = 0; i < maps->nr; i++)
		mem_free(maps->texts[i]);
	mem_free(maps->texts);
	*maps = (struct procmaps){0};
}

int procmaps_attach(pid_t pid, bool children, struct err *err)
{
	long options = PTRACE_O_TRACEEXIT;

	if (children)
		options |= PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
	if (ptrace(PTRACE_SEIZE, pid, NULL, options) < 0)
		return err_sys(err, -errno,
			       "cannot watch the command for its address maps (--proc-map)");
	return 0;
}

void procmaps_stopped(struct procmaps *maps, pid_t pid, int status)
{
	int event = status >> 16, signal = WSTOPSIG(status);
	bool of_group = event == PTRACE_EVENT_STOP && signal != SIGTRAP;

	if (event == PTRACE_EVENT_EXIT && procmaps_take(maps, pid) < 0)
		event = 0;
	/* Stopped by a signal, as it would be without us: until it is continued. */
	if (of_group)
		ptrace(PTRACE_LISTEN, pid, NULL, NULL);
	else
		ptrace(PTRACE_CONT, pid, NULL, event ? 0L : (long)signal);
}
