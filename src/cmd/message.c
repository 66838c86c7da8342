/* SPDX-License-Identifier: MIT */
/*
 * What goes to stderr: one line a failure, the command's name in front, colour only where a person
 * looks at it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"

static bool colour_wanted(int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (no_color && *no_color)
		return false;
	return isatty(fd) && term && strcmp(term, "dumb");
}

bool cmd_stderr_is_tty(void)
{
	return isatty(STDERR_FILENO);
}

bool cmd_stdout_colour(void)
{
	return colour_wanted(STDOUT_FILENO);
}

static void message(const struct command *command, const char *colour, const char *fmt,
		    va_list args)
{
	bool colours = colour_wanted(STDERR_FILENO);

	fflush(stdout);
	flockfile(stderr);
	fprintf(stderr, "%ssonde%s%s:%s ", colours ? colour : "", command ? " " : "",
		command ? command->name : "", colours ? "\033[0m" : "");
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	funlockfile(stderr);
}

void cmd_error(const struct command *command, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	message(command, "\033[1;31m", fmt, args);
	va_end(args);
}

void cmd_warn(const struct command *command, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	message(command, "\033[1;33m", fmt, args);
	va_end(args);
}

void cmd_note(const struct command *command, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	message(command, "", fmt, args);
	va_end(args);
}

int cmd_fail(const struct command *command, const struct err *err)
{
	cmd_error(command, "%s", err->text[0] ? err->text : err_name(err->code));
	return CMD_FAILED;
}

int cmd_usage(const struct command *command, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	message(command, "\033[1;31m", fmt, args);
	va_end(args);
	fprintf(stderr, "Try 'sonde%s%s --help'.\n", command ? " " : "",
		command ? command->name : "");
	return CMD_USAGE;
}

/*
 * Once an error has stuck to the stream its errno is gone, so the pipe itself is asked whether
 * anybody still reads it.
 */
static bool stdout_pipe_broken(void)
{
	struct pollfd fd = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return poll(&fd, 1, 0) == 1 && (fd.revents & POLLERR);
}

int cmd_finish(const struct command *command, int status)
{
	static bool reported;
	bool failed = fflush(stdout) != 0;
	int code = failed ? errno : 0;

	if (!failed && !ferror(stdout))
		return status;
	if (code == EPIPE || stdout_pipe_broken())
		return status;
	if (!reported) {
		reported = true;
		cmd_error(command, "cannot write to standard output%s%s", code ? ": " : "",
			  code ? err_name(-code) : "");
	}
	return CMD_FAILED;
}

bool cmd_parse_u64(const struct command *command, const char *option, const char *text,
		   uint64_t min, uint64_t max, uint64_t *ret_value)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	/* strtoull takes blanks and a minus sign; an option's number has neither. */
	if (text[0] < '0' || text[0] > '9' || *end) {
		cmd_usage(command, "%s: '%.80s' is not a number", option, text);
		return false;
	}
	if (errno == ERANGE || value < min || value > max) {
		cmd_usage(command, "%s: %.80s is not between %llu and %llu", option, text,
			  (unsigned long long)min, (unsigned long long)max);
		return false;
	}
	*ret_value = value;
	return true;
}
