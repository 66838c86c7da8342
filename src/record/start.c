/* SPDX-License-Identifier: MIT */
/*
 * Tracing that outlives the command that has set it up (start, set): the set-up of a recording,
 * without a recorder. What was changed is in the kept journal, from which `reset` gives it back.
 */
#include "record/session.h"

static int set_up(struct session *session, struct err *err)
{
	int r = 0;

	session->command.user = session->plan->user;
	if (session->plan->command)
		r = record_command_start(&session->command, session->plan->command,
					 &session->signals, err);
	if (r == 0)
		r = session_open(session, err);
	if (r == 0)
		r = session_setup(session, err);
	if (r == 0)
		r = session_user_refuse(session, err);
	if (r == 0)
		r = session_triggers_refuse(session, err);
	if (r == 0)
		r = session_setup_pids(session, err);
	if (r == 0 && !session->plan->only_set)
		r = session_switch(session, true, err);
	if (r == 0 && !session->plan->only_set)
		r = session_latency_begin(session, err);
	if (r == 0 && session->plan->command)
		r = record_command_release(&session->command, err);
	return r;
}

int record_start(const struct record_plan *plan, record_say_fn say, void *ctx,
		 struct record_result *ret_result, struct err *err)
{
	struct session session = SESSION_INIT(plan, say, ctx);
	int r, closed;

	*ret_result = (struct record_result){.command_status = -1};
	session_hold_signals(&session);
	r = set_up(&session, err);
	closed = session_close_instances(&session, r < 0, r < 0 ? NULL : err);
	if (r == 0)
		r = closed;
	record_command_cancel(&session.command);
	/* A signal from the terminal is the command's, and then ours. */
	if (r == 0 && !plan->do_not_wait)
		record_command_wait(&session.command);
	ret_result->unknown_events = session.unknown_events;
	ret_result->command_status = session.command.status;
	sigprocmask(SIG_SETMASK, &session.signals.mask, NULL);
	session_free(&session);
	return r;
}
