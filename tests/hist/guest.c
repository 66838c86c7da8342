/* SPDX-License-Identifier: MIT */
/*
 * Runs in the test guest: writes hist triggers to the kernel, says what it answers, makes events of
 * a child's own, and keeps the hist files and a recording of the same events.
 *
 *   hist_guest INSTANCE CASES OUT [stacks]
 *
 * A case is a line: "s TEXT" for synthetic_events, or "SYSTEM:EVENT TEXT" for a trigger. To OUT go
 * answers ("= ERRNO" and the error_log below it, a case after the other), hist.SYSTEM.EVENT, and
 * OUT.dat. Both sides see the same records since only events of the child and its children are let
 * in, which do nothing before the triggers are set and are gone before the files are read.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[200];

static int put(const char *file, const char *text, int flags)
{
	char path[9000];
	int fd, code = 0;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_WRONLY | flags);
	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		code = errno;
	close(fd);
	return code;
}

static void copy(const char *from, FILE *to)
{
	char path[400], buf[65536];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, from);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, to);
	close(fd);
}

static void pause_ms(long ms)
{
	struct timespec t = {0, ms * 1000000};

	nanosleep(&t, NULL);
}

static void work(int nr)
{
	char buf[8192];

	for (int i = 0; i < 6 + nr * 3; i++) {
		int fd = open("/proc/self/stat", O_RDONLY);
		void *map = mmap(NULL, 4096u * (size_t)(1 + i % 5), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (read(fd, buf, (size_t)(100 + 700 * (i % 7))) < 0 || map == MAP_FAILED)
			exit(1);
		memset(map, 1, 4096);
		munmap(map, 4096u * (size_t)(1 + i % 5));
		close(fd);
		if (i % 2)
			pause_ms(1 + i % 3);
		else
			getppid();
	}
}

enum {
	NR_CHILDREN = 5
};

/* A child: takes its name, waits for a byte, works. The names are those of the recording, so they
 * must not change while it runs. */
static pid_t start_child(int nr, int start)
{
	static const char *const names[NR_CHILDREN] = {"alpha", "beta", "gamma delta", "epsilon",
						       "zeta"};
	pid_t pid = fork();
	cpu_set_t cpus;
	char byte;

	if (pid)
		return pid;
	/* On one CPU: two at once may reach a full map in another order than the buffer. */
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	prctl(PR_SET_NAME, names[nr]);
	if (read(start, &byte, 1) != 1)
		exit(1);
	work(nr);
	exit(0);
}

/* One line of the cases to the kernel, and its answer. */
static void try_case(char *line, FILE *answers)
{
	char file[8300], *text = strchr(line, ' '), *colon;
	int code;

	*text++ = '\0';
	if (strcmp(line, "s") == 0) {
		int fd = open("/sys/kernel/tracing/synthetic_events", O_WRONLY | O_APPEND);

		code = fd < 0 || write(fd, text, strlen(text)) < 0 ? errno : 0;
		close(fd);
	} else {
		colon = strchr(line, ':');
		*colon = '/';
		snprintf(file, sizeof(file), "events/%s/trigger", line);
		code = put(file, text, O_APPEND);
	}
	fprintf(answers, "= %d\n", code);
	copy("error_log", answers);
	put("error_log", "", O_TRUNC);
	if (strcmp(line, "s") == 0) { /* those have no instance */
		char old[200];

		strcpy(old, folder);
		strcpy(folder, "/sys/kernel/tracing");
		copy("error_log", answers);
		put("error_log", "", O_TRUNC);
		strcpy(folder, old);
	}
}

static FILE *open_out(const char *out, const char *name)
{
	char path[400];
	FILE *file;

	snprintf(path, sizeof(path), "%s%s", out, name);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		exit(1);
	}
	return file;
}

static void keep_hist(const char *event, const char *out)
{
	char file[300], name[300], *slash;
	FILE *to;

	snprintf(name, sizeof(name), ".hist.%s", event);
	slash = strchr(name, '/');
	*slash = '.';
	to = open_out(out, name);
	snprintf(file, sizeof(file), "events/%s/hist", event);
	copy(file, to);
	fclose(to);
}

static void make_instance(const char *name, const char *pids, bool stacks)
{
	snprintf(folder, sizeof(folder), "/sys/kernel/tracing/instances/%s", name);
	mkdir(folder, 0700);
	put("buffer_size_kb", "16384", 0);
	if (stacks)
		put("options/stacktrace", "1", 0);
	put("set_event_pid", pids, 0);
	put("trace_clock", "global", 0);
}

int main(int argc, char **argv)
{
	static char line[8192], file[8300];
	char *events[64], pids[100] = "", command[400];
	size_t nr = 0;
	bool apart = strstr(argv[1], "snapshot") != NULL;
	FILE *cases, *answers;
	int start[2];

	if (argc < 4)
		return 2;
	if (pipe(start) < 0)
		return 1;
	for (int i = 0; i < NR_CHILDREN; i++)
		snprintf(pids + strlen(pids), sizeof(pids) - strlen(pids), "%d ",
			 (int)start_child(i, start[0]));
	pause_ms(100); /* they wait by now */
	make_instance(argv[1], pids, argc > 4);
	cases = fopen(argv[2], "r");
	answers = open_out(argv[3], ".answers");
	while (cases && fgets(line, sizeof(line), cases)) {
		char *space = strchr(line, ' '), *colon = strchr(line, ':');
		size_t i;

		line[strcspn(line, "\n")] = '\0';
		if (!space)
			continue;
		try_case(line, answers);
		if (!colon || colon > space)
			continue;
		for (i = 0; i < nr && strcmp(events[i], line) != 0; i++)
			;
		if (i == nr && nr < 64)
			events[nr++] = strdup(line);
	}
	fclose(answers);
	if (apart) /* a snapshot takes the events away */
		make_instance("apart", pids, false);
	for (size_t i = 0; i < nr; i++) {
		snprintf(file, sizeof(file), "events/%s/enable", events[i]);
		put(file, "1", 0);
	}
	put("events/sched/sched_switch/enable", "1", 0);
	if (write(start[1], "12345", NR_CHILDREN) != NR_CHILDREN)
		return 1;
	while (wait(NULL) > 0)
		;
	pause_ms(300);
	put("tracing_on", "0", 0);
	snprintf(folder, sizeof(folder), "/sys/kernel/tracing/instances/%s", argv[1]);
	for (size_t i = 0; i < nr; i++)
		keep_hist(events[i], argv[3]);
	snprintf(command, sizeof(command), "sonde extract -q -B %s -o %s.dat",
		 apart ? "apart" : argv[1], argv[3]);
	return system(command) == 0 ? 0 : 1;
}
