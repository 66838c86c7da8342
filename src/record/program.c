/* SPDX-License-Identifier: MIT */
/*
 * A recording made inside programs alone: the command is started with the runtime in it, which asks
 * the server for its images and writes into rings that are drained here. Nothing of it needs
 * tracefs.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/mem.h"
#include "record/program_side.h"

#define LOOK_EVERY_MS 200 /* at names that have come up, and warnings */

struct inside {
	struct session session; /* first: create finds the rest */
	struct program_side side;
};

static int create(struct session *session, struct err *err)
{
	struct inside *inside = (struct inside *)(void *)session;

	return program_store_create(session, &inside->side.ring, err);
}

static int set_up(struct inside *inside, struct err *err)
{
	struct session *session = &inside->session;
	int r = program_side_prepare(&inside->side, err);

	/* Before there are more threads than the server's, which needs no memory of the child. */
	if (r == 0) {
		session->command.user = session->plan->user;
		r = record_command_start(&session->command, session->plan->command,
					 &session->signals, err);
	}
	if (r == 0)
		r = session_store_make(session, create, err);
	if (r == 0)
		r = program_store_names_reader(session, err);
	return r < 0 ? r : program_side_begin(&inside->side, 0, err);
}

static int wait_for_end(struct inside *inside, struct err *err)
{
	struct session *session = &inside->session;
	bool said = false;
	/* While the program starts, for what takes long the first time. */
	int first = program_side_look(&inside->side, err);

	if (first < 0)
		return first;
	while (!session->over && !record_command_ended(&session->command)) {
		struct pollfd fds[] = {
			{.fd = session->signal_fd, .events = POLLIN},
			{.fd = program_drain_failed_fd(inside->side.drain), .events = POLLIN},
			{.fd = program_server_fd(inside->side.server), .events = POLLIN},
		};
		int n = poll(fds, ARRAY_SIZE(fds), LOOK_EVERY_MS);
		int r;

		if (n < 0 && errno != EINTR)
			return err_sys(err, -errno, "cannot wait for the end of the recording");
		if (n > 0 && fds[1].revents)
			return 0; /* stopping it gives the reason */
		r = program_side_look(&inside->side, err);
		if (r == 0)
			r = session_look(session, &inside->side, err);
		if (r < 0)
			return r;
		if (n == 0 && session->forwarded && !said) {
			said = true;
			session_say(session, RECORD_SAY_WARNING,
				    "waiting for '%.100s' to end; once more Ctrl-C ends the "
				    "recording without it",
				    session->command.name);
		}
		session_signals_read(session);
	}
	return 0;
}

static int trace(struct inside *inside, struct err *err)
{
	struct session *session = &inside->session;
	struct err other;
	int r, stopped;

	program_side_on(&inside->side);
	r = record_command_release(&session->command, err);
	if (r == 0) {
		session->keep_partial = true;
		r = session_started(session, err);
	}
	if (r == 0)
		r = wait_for_end(inside, err);
	stopped = program_side_off(&inside->side, r < 0 ? &other : err);
	return r < 0 ? r : stopped;
}

static int finish(struct inside *inside, struct record_result *result, struct err *err)
{
	int r = program_side_finish(&inside->side, result, err);

	return r < 0 ? r : session_store_comms(&inside->session, err);
}

/* The recording has failed; the command may still have work to do. */
static void wait_for_command(struct session *session)
{
	struct pollfd fd = {.fd = session->signal_fd, .events = POLLIN};

	while (!session->over && !record_command_ended(&session->command)) {
		if (poll(&fd, 1, -1) < 0 && errno != EINTR)
			return;
		session_signals_read(session);
	}
}

int record_program(const struct record_plan *plan, record_say_fn say, void *ctx,
		   struct record_result *ret_result, struct err *err)
{
	struct inside inside = {.session = SESSION_INIT(plan, say, ctx)};
	struct session *session = &inside.session;
	int r;

	*ret_result = (struct record_result){.command_status = -1};
	inside.side = PROGRAM_SIDE_INIT(session, plan->instances[0], "");
	r = session_signals_take(session, err);
	if (r == 0)
		r = set_up(&inside, err);
	if (r == 0)
		r = trace(&inside, err);
	if (r == 0)
		r = finish(&inside, ret_result, err);
	if (r < 0)
		record_command_cancel(&session->command);
	program_side_free(&inside.side);
	if (r == 0 && session->partial)
		r = session_seal(session, err);
	ret_result->sealed = r == 0;
	session->keep_partial &= !plan->discard;
	session_store_close(session);
	if (r < 0 && session->keep_partial)
		err_wrap(err, r, "recording failed (what there is can be read: sonde report %s)",
			 session->partial_path);
	record_command_cancel(&session->command);
	if (r < 0 && session->command.pid && !session->over) {
		session_say(session, RECORD_SAY_ERROR, "%s", err->text);
		ret_result->error_said = true;
		wait_for_command(session);
	}
	ret_result->command_status = session->command.status;
	session_signals_give_back(session);
	session_free(session);
	return r;
}
