/* SPDX-License-Identifier: MIT */
/* A text that is drawn again and again in its place on a terminal. Private to src/cmd. */
#ifndef SONDE_CMD_REDRAW_H
#define SONDE_CMD_REDRAW_H

#include "base/err.h"
#include "base/out.h"

struct redraw {
	unsigned int lines; /* of the last text */
};

/* Whether standard output is a terminal on which that works. */
bool redraw_possible(void);
/* In place of the last text, cut to the terminal's size. */
int redraw_show(struct redraw *redraw, const struct out *text) _must_check_;
/* Take the last text away. */
int redraw_clear(struct redraw *redraw) _must_check_;

#endif
