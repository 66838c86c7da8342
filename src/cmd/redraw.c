/* SPDX-License-Identifier: MIT */
#include "cmd/redraw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

enum {
	DEFAULT_ROWS = 24,
	DEFAULT_COLUMNS = 80
};

bool redraw_possible(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

/* To the beginning of the last text, and nothing below. */
static void go_back(struct redraw *redraw, struct out *out)
{
	out_char(out, '\r');
	if (redraw->lines)
		out_printf(out, "\033[%uA", redraw->lines);
	out_lit(out, "\033[J");
	redraw->lines = 0;
}

/* One line, of whole characters, up to the right border. */
static void put_line(struct out *out, const char *line, size_t len, unsigned int columns)
{
	unsigned int column = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if (c == '\t')
			column |= 7;
		if ((c & 0xc0) != 0x80 && ++column > columns)
			break;
		out_char(out, line[i]);
	}
	out_char(out, '\n');
}

static int put(const struct out *out)
{
	return out->failed ? -ENOMEM : io_write_full(STDOUT_FILENO, out->buf, out->len);
}

int redraw_show(struct redraw *redraw, const struct out *text)
{
	_cleanup_out_ struct out out = {0};
	struct winsize size = {0};
	const char *line = text->buf, *end = text->buf + text->len;
	unsigned int rows, columns;

	(void)!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	rows = size.ws_row > 1 ? size.ws_row : DEFAULT_ROWS;
	columns = size.ws_col ? size.ws_col : DEFAULT_COLUMNS;
	go_back(redraw, &out);
	while (line && line < end && redraw->lines + 1 < rows) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((newline ? newline : end) - line);

		put_line(&out, line, len, columns);
		redraw->lines++;
		line += len + 1;
	}
	return put(&out);
}

int redraw_clear(struct redraw *redraw)
{
	_cleanup_out_ struct out out = {0};

	if (!redraw->lines)
		return 0;
	go_back(redraw, &out);
	return put(&out);
}
