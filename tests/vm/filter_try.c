/* SPDX-License-Identifier: MIT */
/*
 * filter_try LIST OUT: in the guest, writes event filters into an instance of the kernel, one round
 * of them at a time, and lets the same events come into it and into an instance without filters.
 * For filters-in-guest; shares nothing with the code it checks.
 *
 * LIST: lines "SYSTEM/EVENT TAB FILTER", rounds separated by empty lines; \xHH is a byte. OUT gets
 * `answers` ("ROUND TAB ERRNO TAB COLUMN TAB MESSAGE" a line of LIST, from the `filter` file, and
 * what error_log says of it must be the same), `times` ("ROUND ON OFF", in ns, between which both
 * instances were on) and ROUND.{all,some}.CPU, what trace_pipe_raw has given.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRACING "/sys/kernel/tracing/"
#define SOME	TRACING "instances/some/"
#define ALL	TRACING "instances/all/"
#define CPUS	2

static int put(const char *path, const char *text, size_t len, int flags)
{
	int fd = open(path, O_WRONLY | flags), r = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, len) < 0)
		r = errno;
	close(fd);
	return r;
}

static void say(const char *instance, const char *file, const char *text)
{
	char path[300];

	snprintf(path, sizeof(path), "%s%s", instance, file);
	if (put(path, text, strlen(text), O_TRUNC))
		printf("# %s: %s: %s\n", path, text, strerror(errno));
}

static size_t slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	ssize_t n;

	while (fd >= 0 && len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	if (fd >= 0)
		close(fd);
	return len;
}

/* \xHH in place. */
static size_t unescape(char *text)
{
	char *to = text, *from = text;

	for (; *from; to++) {
		if (from[0] == '\\' && from[1] == 'x' && isxdigit(from[2]) && isxdigit(from[3])) {
			char hex[3] = {from[2], from[3], 0};

			*to = (char)strtol(hex, NULL, 16);
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
	return (size_t)(to - text);
}

/* The column and the message behind the last line break but two of a refused filter's file. */
static void read_refusal(const char *path, FILE *answers)
{
	static char buf[65536], log[65536];
	char *error, *caret, *logged, *message;

	slurp(path, buf, sizeof(buf));
	error = strstr(buf, "\nparse_error: ");
	slurp(SOME "error_log", log, sizeof(log));
	put(SOME "error_log", "", 0, O_TRUNC);
	if (!error) {
		fprintf(answers, "\t0\t%s\n", strstr(buf, "\nError: ") ? "Error" : "?");
		return;
	}
	*error = '\0';
	caret = strrchr(buf, '\n');
	message = error + strlen("\nparse_error: ");
	message[strcspn(message, "\n")] = '\0';
	logged = strstr(log, "error: error: ");
	logged = logged ? logged + strlen("error: error: ") : log;
	if (strncmp(logged, message, strlen(message)) != 0)
		printf("# error_log has '%.60s', not '%s'\n", logged, message);
	fprintf(answers, "\t%d\t%s\n", caret ? (int)strlen(caret + 1) - 1 : -1, message);
}

static void set_filter(int round, char *line, FILE *answers)
{
	char path[400], *tab = strchr(line, '\t');
	size_t len;
	int r;

	*tab = '\0';
	snprintf(path, sizeof(path), SOME "events/%.200s/filter", line);
	len = unescape(tab + 1);
	r = put(path, tab + 1, len, 0);
	fprintf(answers, "%d\t%d", round, r);
	if (r)
		read_refusal(path, answers);
	else
		fprintf(answers, "\t0\t\n");
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void send_some(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
	close(fd);
}

static void ignore(int signal)
{
	(void)signal;
}

static void child(int i)
{
	static const char *const names[] = {"bash", "sh", "cc1plus", "fifteen-letters",
					    "a b",  "1st"};
	static const char *const programs[] = {"/bin/true", "/bin/false", "/bin/busybox", NULL};
	const char *program = programs[i % 4];

	prctl(PR_SET_NAME, names[i % 6]);
	signal(SIGUSR1, ignore);
	kill(getpid(), SIGUSR1);
	send_some();
	usleep(500);
	if (program)
		execl(program, program, "true", NULL);
	_exit(i);
}

/*
 * Nobody waits for the children: who does may change the state of an ended one, on another CPU,
 * between the records that the two instances make of its last switch.
 */
static void load(void)
{
	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 6; i++)
		if (!fork())
			child(i);
	while (wait(NULL) > 0)
		;
}

static void drain(const char *instance, const char *to, const char *name, int round)
{
	static char page[1 << 16];
	char path[300];

	for (int cpu = 0; cpu < CPUS; cpu++) {
		ssize_t n;
		int in, out;

		snprintf(path, sizeof(path), "%sper_cpu/cpu%d/trace_pipe_raw", instance, cpu);
		in = open(path, O_RDONLY | O_NONBLOCK);
		snprintf(path, sizeof(path), "%s/%d.%s.%d", to, round, name, cpu);
		out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		while ((n = read(in, page, 4096)) > 0)
			if (write(out, page, 4096) != 4096)
				exit(1);
		close(in);
		close(out);
	}
}

static void run_round(int round, const char *out, FILE *times)
{
	long long on, off;

	say(ALL, "trace", "");
	say(SOME, "trace", "");
	say(ALL, "tracing_on", "1");
	say(SOME, "tracing_on", "1");
	usleep(2000);
	on = now();
	load();
	off = now();
	usleep(2000);
	say(SOME, "tracing_on", "0");
	say(ALL, "tracing_on", "0");
	fprintf(times, "%d %lld %lld\n", round, on, off);
	drain(ALL, out, "all", round);
	drain(SOME, out, "some", round);
}

static void set_up(const char *instance)
{
	mkdir(instance, 0755);
	say(instance, "tracing_on", "0");
	say(instance, "trace_clock", "mono");
	say(instance, "buffer_size_kb", "2048");
}

int main(int argc, char **argv)
{
	static char line[65536];
	char path[300];
	FILE *list, *answers, *times;
	int round = 0;

	if (argc != 3 || !(list = fopen(argv[1], "r")))
		return 1;
	snprintf(path, sizeof(path), "%s/answers", argv[2]);
	answers = fopen(path, "w");
	snprintf(path, sizeof(path), "%s/times", argv[2]);
	times = fopen(path, "w");
	if (!answers || !times)
		return 1;
	set_up(ALL);
	set_up(SOME);
	for (char *event; fgets(line, sizeof(line), list);) {
		line[strcspn(line, "\n")] = '\0';
		if (!*line) {
			run_round(round++, argv[2], times);
			continue;
		}
		event = strdup(line);
		set_filter(round, line, answers);
		/* Switched on once: it stays on. */
		*strchr(event, '\t') = '\0';
		snprintf(path, sizeof(path), "events/%.200s/enable", event);
		say(ALL, path, "1");
		say(SOME, path, "1");
		free(event);
	}
	return fclose(answers) || fclose(times);
}
