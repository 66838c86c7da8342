/* SPDX-License-Identifier: MIT */
#include "record/record.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/mem.h"
#include "record/probes.h"
#include "record/program_side.h"

#define COMMS_EVERY_MS 1000

/* --- the main loop --- */

enum {
	WAIT_SIGNAL,
	WAIT_DRAIN,
	WAIT_USER,
	WAIT_PROGRAM,
	WAIT_PROGRAM_FAILED,
	WAIT_PIDS
};

struct wait {
	/*
	 * Signals, a failed thread, a failed tracer in user space, what programs have said and the
	 * failed thread that drains theirs, then pids of -P.
	 */
	struct pollfd fds[WAIT_PIDS + RECORD_LIST_MAX];
	nfds_t nr;
	size_t nr_pids; /* of -P, still alive */
};

static int watch_pids(struct session *session, struct wait *wait, struct err *err)
{
	for (size_t i = 0; i < session->plan->nr_pids; i++) {
		pid_t pid = session->plan->pids[i];
		int fd = (int)syscall(SYS_pidfd_open, pid, 0);
		int r = fd < 0 ? -errno : 0;

		if (r == -ESRCH)
			return err_set(err, r, "there is no process %d (-P)", (int)pid);
		if (r < 0)
			return err_sys(err, r, "cannot wait for process %d (-P)", (int)pid);
		wait->fds[wait->nr++] = (struct pollfd){.fd = fd, .events = POLLIN};
		wait->nr_pids++;
	}
	return 0;
}

static void look_at_pids(struct wait *wait)
{
	for (nfds_t i = WAIT_PIDS; i < wait->nr; i++) {
		if (wait->fds[i].fd < 0 || !(wait->fds[i].revents & POLLIN))
			continue;
		io_close(wait->fds[i].fd);
		wait->fds[i].fd = -1; /* poll passes over it */
		wait->nr_pids--;
	}
}

static bool is_over(struct session *session, struct wait *wait)
{
	if (session->over)
		return true;
	if (session->plan->command)
		return record_command_ended(&session->command);
	return session->plan->nr_pids && !wait->nr_pids;
}

/* A snapshot is a file too, and has the names that are known by then. */
static int comms_every_ms(const struct session *session)
{
	return triggers_count(session->triggers)
		       ? (int)MIN(session_interval_ms(session), COMMS_EVERY_MS)
		       : COMMS_EVERY_MS;
}

static int wait_for_end(struct session *session, struct wait *wait, struct err *err)
{
	bool said = false;
	/* While the programs start, for what takes long the first time. */
	int first = session->side ? program_side_look(session->side, err) : 0;

	if (first < 0)
		return first;
	while (!is_over(session, wait)) {
		int n = poll(wait->fds, wait->nr,
			     session->stream ? (int)session->plan->interval_ms
					     : comms_every_ms(session));
		int r = 0;

		if (n < 0 && errno != EINTR)
			return err_sys(err, -errno, "cannot wait for the end of the recording");
		if (session->stream)
			r = session_stream_round(session, false, err);
		else if (n == 0 && session->partial)
			r = session_store_comms(session, err);
		if (r < 0)
			return r;
		if (r == 0 && session->side && (n == 0 || wait->fds[WAIT_PROGRAM].revents))
			r = program_side_look(session->side, err);
		if (r == 0 && session->partial)
			r = session_look(session, session->side, err);
		if (r < 0)
			return r;
		if (n == 0)
			session_watch_losses(session);
		if (n == 0 && session->forwarded && !said) {
			said = true;
			session_say(session, RECORD_SAY_WARNING,
				    "waiting for '%.100s' to end; once more Ctrl-C ends the "
				    "recording without it",
				    session->command.name);
		}
		if ((wait->fds[WAIT_DRAIN].revents && !session->stream) ||
		    wait->fds[WAIT_USER].revents || wait->fds[WAIT_PROGRAM_FAILED].revents)
			return 0; /* stopping them gives the reason */
		session_signals_read(session);
		look_at_pids(wait);
	}
	return 0;
}

/* The recording has failed; the command may still have work to do. */
static void wait_for_command(struct session *session, struct wait *wait)
{
	while (!session->over && !record_command_ended(&session->command)) {
		if (poll(wait->fds, 1, -1) < 0 && errno != EINTR)
			return;
		session_signals_read(session);
	}
}

/* --- the course of a recording --- */

/* Sub-buffers of all instances differ only in size. */
int session_make_names(struct session *session, struct err *err)
{
	const struct dat_metadata *dat = &session->metadata.dat;
	struct subbuf_layout layout = {.big_endian = HOST_BIG};
	int r;

	for (size_t i = 0; i < session->nr_instances; i++) {
		if (session->instances[i].open)
			layout.long_size = session->instances[i].kernel.long_size;
	}
	r = dat->nr_formats ? names_new(&session->names, dat->formats, dat->nr_formats, &layout)
			    : names_new(&session->names, dat->ftrace_formats,
					dat->nr_ftrace_formats, &layout);
	return r < 0 ? err_sys(err, r, "cannot prepare to read the ring buffers") : 0;
}

static int open_buffers(struct session *session, struct err *err)
{
	int r = session_make_names(session, err);

	if (r == 0)
		session_watch_symbols(session);
	if (r == 0)
		r = drain_new(&session->drain, session->partial, session->names,
			      session_interval_ms(session), err);

	for (size_t i = 0; i < session->nr_instances && r == 0; i++) {
		const struct session_instance *inst = &session->instances[i];

		for (uint32_t cpu = 0;
		     inst->open && !inst->sampled && cpu < session->fs->cpus && r == 0; cpu++) {
			struct drain_cpu of = {
				.buffer = i,
				.cpu = cpu,
				.page_size = inst->kernel.page_size,
				.wake_pages = inst->wake_pages,
			};

			r = kernel_instance_open_raw(&inst->kernel, cpu, &of.fd, err);
			if (r == 0)
				r = drain_add(session->drain, &of, err);
			else if (r == -ENOENT)
				r = 0;
		}
	}
	return r < 0 ? r : drain_start(session->drain, session->plan->rt_priority, err);
}

static int set_up(struct session *session, struct err *err)
{
	int r = session_open(session, err);

	if (r == 0)
		r = session_setup(session, err);
	if (r == 0)
		r = session_check_hists(session, err);
	session->latency = session_is_latency(session->plan);
	if (r == 0 && session->latency)
		r = session_latency_prepare(session, err);
	else if (r == 0 && session->plan->stream)
		r = session_stream_open(session, err);
	else if (r == 0)
		r = session_store_open(session, err);
	if (r == 0 && !session->stream && !session->latency)
		r = open_buffers(session, err);
	if (r == 0 && session->side)
		r = program_side_begin(session->side, session->nr_instances, err);
	if (r == 0)
		r = session_triggers_open(session, err);
	if (r == 0)
		r = session_user_open(session, err);
	if (r == 0)
		r = session_setup_pids(session, err);
	return r;
}

/* Tracing is on from here; whatever happens it is switched off again and the rest read. */
static int trace(struct session *session, struct wait *wait, struct err *err)
{
	struct err other;
	int r, stopped, measured;

	session_clear_hists(session);
	r = session_switch(session, true, err);
	if (r == 0)
		r = session_latency_begin(session, err);
	if (r == 0)
		r = triggers_start(session->triggers, err);
	if (r == 0)
		r = session_user_start(session, err);
	if (r == 0 && session->side)
		program_side_on(session->side);
	if (r == 0 && session->plan->command)
		r = record_command_release(&session->command, err);
	if (r == 0)
		session->keep_partial = session->partial;
	if (r == 0 && !session->plan->command)
		session_say(session, RECORD_SAY_WAITING, "%s", "");
	if (r == 0)
		r = session_started(session, err);
	if (r == 0)
		r = wait_for_end(session, wait, err);
	stopped = session_switch(session, false, r < 0 ? &other : err);
	if (r == 0 && stopped == 0)
		r = session_read_hists(session, err);
	session_triggers_stop(session);
	if (session->side) {
		measured = program_side_off(session->side, r < 0 || stopped < 0 ? &other : err);
		r = r < 0 ? r : measured;
	}
	measured = session_user_stop(session, r < 0 || stopped < 0 ? &other : err);
	r = r < 0 ? r : measured;
	/* A buffer that still fills would never be empty; drain_free leaves without the rest. */
	if (stopped < 0)
		return r < 0 ? r : stopped;
	if (session->latency)
		return r;
	if (session->stream)
		stopped = r < 0 ? 0 : session_stream_round(session, true, err);
	else
		stopped = drain_stop(session->drain, r < 0 ? &other : err);
	return r < 0 ? r : stopped;
}

static int drain_fd(const struct session *session)
{
	if (session->latency)
		return -1;
	return session->stream ? session_stream_fd(session) : drain_failed_fd(session->drain);
}

static int finish(struct session *session, struct record_result *result, struct err *err)
{
	int r = session->side ? program_side_finish(session->side, result, err) : 0;

	if (r == 0)
		r = session_give_hists(session, result, err);
	if (r < 0)
		return r;
	if (session->latency)
		return session_latency_write(session, err);
	return session->stream ? session_stream_finish(session, result, err)
			       : session_store_finish(session, result, err);
}

static void wait_for_programs(const struct session *session, struct wait *wait)
{
	const struct program_side *side = session->side;

	wait->fds[WAIT_PROGRAM] = (struct pollfd){
		.fd = side ? program_server_fd(side->server) : -1,
		.events = POLLIN,
	};
	wait->fds[WAIT_PROGRAM_FAILED] = (struct pollfd){
		.fd = side ? program_drain_failed_fd(side->drain) : -1,
		.events = POLLIN,
	};
}

static int record(struct session *session, struct wait *wait, struct record_result *result,
		  struct err *err)
{
	struct err other;
	int r, closed;

	r = session->side ? program_side_prepare(session->side, err) : 0;
	if (r < 0)
		return r;
	if (session->plan->command) {
		session->command.user = session->plan->user;
		session->command.maps = session->plan->proc_map ? &session->maps : NULL;
		session->command.maps_of_children = session->plan->with_children;
		r = record_command_start(&session->command, session->plan->command,
					 &session->signals, err);
		if (r < 0)
			return r;
	}
	r = watch_pids(session, wait, err);
	if (r == 0)
		r = set_up(session, err);
	wait->fds[WAIT_SIGNAL] = (struct pollfd){.fd = session->signal_fd, .events = POLLIN};
	if (r == 0) {
		wait->fds[WAIT_DRAIN] = (struct pollfd){
			.fd = drain_fd(session),
			.events = POLLIN,
		};
		wait->fds[WAIT_USER] = (struct pollfd){
			.fd = session_user_failed_fd(session),
			.events = POLLIN,
		};
		wait_for_programs(session, wait);
		r = trace(session, wait, err);
	}
	if (r == 0)
		r = finish(session, result, err);
	if (r < 0 && session->keep_partial && session->partial)
		session_store_failed(session, result);
	session_stream_close(session);
	/* Give the instances back before the work of sealing; the raw files keep them busy. */
	drain_free(session->drain);
	session->drain = NULL;
	closed = session_user_close(session, r < 0 ? &other : err);
	r = r < 0 ? r : closed;
	closed = session_triggers_close(session, r < 0 ? &other : err);
	r = r < 0 ? r : closed;
	closed = session_close_instances(session, r < 0, r < 0 ? &other : err);
	return r < 0 ? r : closed;
}

int session_seal(struct session *session, struct err *err)
{
	struct dat_partial *partial = session->partial;
	int r;

	session->partial = NULL;
	r = dat_partial_seal(partial, session->plan->output, session->plan->version, err);
	/* What sealing could not remove is rubbish now. */
	if (r == 0)
		session->keep_partial = false;
	return r;
}

int record_run(const struct record_plan *plan, record_say_fn say, void *ctx,
	       struct record_result *ret_result, struct err *err)
{
	struct session session = SESSION_INIT(plan, say, ctx);
	struct program_side side = PROGRAM_SIDE_INIT(&session, plan->program.beside, "program");
	struct wait wait = {.nr = WAIT_PIDS};
	int r;

	session.side = plan->program.beside ? &side : NULL;
	*ret_result = (struct record_result){.command_status = -1};
	r = session_signals_take(&session, err);
	if (r == 0)
		r = record(&session, &wait, ret_result, err);
	if (session.side)
		program_side_free(session.side);
	if (r == 0 && session.partial)
		r = session_seal(&session, err);
	ret_result->sealed = r == 0 && !plan->stream;
	ret_result->unknown_events = session.unknown_events;
	session.keep_partial &= !plan->discard;
	session_store_close(&session);
	if (r < 0 && session.keep_partial && ret_result->nr_cpus)
		session_count_unsaved(session.partial_path, ret_result);
	if (r == -ENOSPC || r == -EDQUOT)
		err_wrap(err, r,
			 "no room for the recording; give it some, put it on another disk (-o), or "
			 "keep only the newest (-m KB)");
	if (r < 0 && session.keep_partial)
		err_wrap(err, r, "recording failed (what there is can be read: sonde report %s)",
			 session.partial_path);
	record_command_cancel(&session.command);
	/* Nobody reads any more (EPIPE): then nobody waits either. */
	if (r < 0 && session.command.pid && !session.over && !(plan->stream && r == -EPIPE)) {
		session_say(&session, RECORD_SAY_ERROR, "%s", err->text);
		ret_result->error_said = true;
		wait_for_command(&session, &wait);
	}
	ret_result->command_status = session.command.status;
	for (nfds_t i = WAIT_PIDS; i < wait.nr; i++)
		io_close(wait.fds[i].fd);
	session_signals_give_back(&session);
	session_free(&session);
	return r;
}

void record_hist_done(struct record_hist *hist)
{
	mem_free(hist->event);
	mem_free(hist->text);
	mem_free(hist->format);
	mem_free(hist->triggers);
	mem_free(hist->keys);
}

int record_result_add_hist(struct record_result *result, struct record_hist *hist)
{
	int r = array_reserve(&result->hists, &result->cap_hists, result->nr_hists + 1,
			      sizeof(*hist));

	if (r < 0)
		record_hist_done(hist);
	else
		result->hists[result->nr_hists++] = *hist;
	return r;
}

void record_result_done(struct record_result *result)
{
	mem_free(result->cpus);
	for (size_t i = 0; i < result->nr_hists; i++)
		record_hist_done(&result->hists[i]);
	mem_free(result->hists);
	*result = (struct record_result){.command_status = -1};
}
