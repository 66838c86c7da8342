/* SPDX-License-Identifier: MIT */
/*
 * The queue of lines. Nearly always it is empty: a line is printed when it comes. A line waits when
 * an option hides calls and only later records tell whether it is hidden or a leaf; then all lines
 * behind it wait, too, so that they stay in order. What is short and over is dropped at once, so
 * the queue holds calls that are open, and events among them. It has a limit, beyond which the
 * first line is taken for a call with something inside.
 */
#include <errno.h>

#include "base/mem.h"
#include "report/replay_data.h"

static struct replay_line *slot(const struct replay *replay, uint64_t number)
{
	return &replay->queue[number % REPLAY_QUEUE];
}

uint64_t replay_next_number(const struct replay *replay)
{
	return replay->tail;
}

struct replay_line *replay_waiting(struct replay *replay, uint64_t number)
{
	return number >= replay->head && number < replay->tail ? slot(replay, number) : NULL;
}

static void print(struct replay *replay, const struct replay_line *line)
{
	if (replay->options.format == REPORT_JSON)
		replay_json(replay, line);
	else
		replay_print(replay, line);
}

static bool is_same_leaf(const struct replay_line *a, const struct replay_line *b)
{
	return a->func == b->func && a->source == b->source && a->cpu == b->cpu &&
	       a->pid == b->pid && a->depth == b->depth && a->timed == b->timed;
}

static void print_held(struct replay *replay)
{
	if (replay->held.count)
		print(replay, &replay->held);
	replay->held.count = 0;
}

/* A line whose turn it is; with fold, equal leaves become one. */
static void emit(struct replay *replay, const struct replay_line *line)
{
	struct replay_line *held = &replay->held;

	if (!replay->options.fold) {
		print(replay, line);
		return;
	}
	if (line->kind != LINE_LEAF) {
		print_held(replay);
		print(replay, line);
		return;
	}
	if (held->count && is_same_leaf(held, line)) {
		held->count++;
		held->ns += line->ns;
		held->min_ns = MIN(held->min_ns, line->ns);
		held->max_ns = MAX(held->max_ns, line->ns);
		return;
	}
	print_held(replay);
	*held = *line;
	held->count = 1;
	held->min_ns = held->max_ns = line->ns;
}

/* Long enough by now, although it has not ended. */
static void check_age(const struct replay *replay, struct replay_line *line)
{
	if (line->wait_time && replay->now - line->ts >= replay->options.min_ns)
		line->wait_time = false;
}

static void emit_head(struct replay *replay)
{
	struct replay_line *line = slot(replay, replay->head++);

	if (!line->dropped)
		emit(replay, line);
	mem_free((void *)(uintptr_t)line->text);
	line->text = NULL;
}

void replay_flush(struct replay *replay, bool all)
{
	while (replay->head < replay->tail) {
		struct replay_line *line = slot(replay, replay->head);

		if (all)
			line->wait_time = line->wait_shape = false;
		check_age(replay, line);
		if (!line->dropped && (line->wait_time || line->wait_shape))
			return;
		emit_head(replay);
	}
	if (all)
		print_held(replay);
}

void replay_push(struct replay *replay, const struct replay_line *line)
{
	struct replay_line *last;

	if (replay->head == replay->tail && !line->wait_time && !line->wait_shape) {
		emit(replay, line);
		replay->head++; /* numbers go on */
		replay->tail++;
		return;
	}
	if (!replay->queue)
		replay->queue = mem_calloc(REPLAY_QUEUE, sizeof(*replay->queue));
	if (!replay->queue) {
		replay->error = -ENOMEM;
		return;
	}
	if (replay->tail - replay->head == REPLAY_QUEUE) {
		last = slot(replay, replay->head);
		last->wait_time = last->wait_shape = false;
		replay_flush(replay, false);
	}
	last = slot(replay, replay->tail++);
	*last = *line;
	if (line->text) {
		last->text = mem_strndup(line->text, line->text_len);
		if (!last->text)
			replay->error = -ENOMEM;
	}
}
