/* SPDX-License-Identifier: MIT */
/*
 * A recording made inside programs: the command is started with the runtime in it, which asks the
 * server for its images and writes into rings that are drained here. Nothing of it needs tracefs.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <pwd.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/mem.h"
#include "program/launch.h"
#include "program/serve.h"
#include "record/program_count.h"
#include "record/program_drain.h"
#include "record/program_events.h"
#include "record/program_store.h"
#include "record/session.h"
#include "ring/session.h"

#define SUBBUF_BYTES  (16u << 10)
#define BUFFER_KB     4096u /* of each CPU, unless -b says otherwise */
#define NR_FALLBACK   64u
#define LOOK_EVERY_MS 200 /* at names that have come up, and warnings */

struct inside {
	struct session session;
	struct ring_session ring;
	struct program_select *select;
	struct program_server *server;
	struct program_drain *drain;
	struct program_count *count; /* NULL: not -p count */
	struct program_store store;
};

static const struct record_instance *what(const struct inside *inside)
{
	return inside->session.plan->instances[0];
}

static enum program_mode mode_of(const struct inside *inside)
{
	const char *tracer = what(inside)->tracer;

	if (!strcmp(tracer, "count"))
		return PROGRAM_COUNT;
	return !strcmp(tracer, "function") ? PROGRAM_FUNCTION : PROGRAM_GRAPH;
}

/* --- setting up --- */

static int make_ring(struct inside *inside, struct err *err)
{
	static const enum ring_mode modes[] = {
		[RECORD_BLOCK] = RING_BLOCK,
		[RECORD_DROP] = RING_DROP,
		[RECORD_OVERWRITE] = RING_OVERWRITE,
	};
	const struct record_plan *plan = inside->session.plan;
	uint64_t kb = what(inside)->buffer_kb ? what(inside)->buffer_kb : BUFFER_KB;
	uint32_t subbuf =
		what(inside)->subbuf_kb ? (uint32_t)what(inside)->subbuf_kb << 10 : SUBBUF_BYTES;
	struct ring_options options = {
		.mode = modes[plan->program.on_full],
		.clock = RING_CLOCK_COUNTER,
		.subbuf_size = RING_SUBBUF_MIN,
		.nr_subbufs = RING_NR_SUBBUFS_MIN,
		.nr_fallback = NR_FALLBACK,
		.event_base = PROGRAM_EVENTS_BASE,
		.counters = mode_of(inside) == PROGRAM_COUNT,
	};

	while (options.subbuf_size < subbuf && options.subbuf_size < RING_SUBBUF_MAX)
		options.subbuf_size *= 2;
	while ((uint64_t)options.nr_subbufs * options.subbuf_size < kb << 10 &&
	       options.nr_subbufs < RING_NR_SUBBUFS_MAX)
		options.nr_subbufs *= 2;
	return ring_session_create(&inside->ring, &options, err);
}

static struct program_patterns patterns(const struct record_list *list)
{
	return (struct program_patterns){list->items, list->nr};
}

static int choose(struct inside *inside, struct err *err)
{
	const struct record_instance *inst = what(inside);
	struct program_filters filters = {
		.trace = patterns(&inst->functions),
		.notrace = patterns(&inst->no_functions),
		.graph = patterns(&inst->graph_functions),
		.libs = inside->session.plan->program.libs,
	};

	return program_select_new(&inside->select, &filters, err);
}

static int find_user(const char *name, uid_t *ret_uid, struct err *err)
{
	const struct passwd *user = name ? getpwnam(name) : NULL;

	if (name && !user)
		return err_set(err, -ENOENT, "there is no user '%.100s' (--user)", name);
	*ret_uid = user ? user->pw_uid : geteuid();
	return 0;
}

static int start_server(struct inside *inside, struct err *err)
{
	const struct record_plan *plan = inside->session.plan;
	struct program_server_options options = {
		.session_fd = inside->ring.fd,
		.select = inside->select,
		.mode = mode_of(inside),
		.roots = what(inside)->graph_functions.nr != 0,
		.max_depth = (uint32_t)plan->max_graph_depth,
		.threshold = plan->thresh_ns ? program_store_ticks(plan->thresh_ns) : 0,
	};
	int r = find_user(plan->user, &options.uid, err);

	if (r == 0)
		r = program_server_new(&inside->server, &options, err);
	if (r == 0)
		r = program_launch_environment(program_server_name(inside->server),
					       plan->program.runtime, err);
	return r;
}

static int create(struct session *session, struct err *err)
{
	struct inside *inside = (struct inside *)(void *)session;

	return program_store_create(session, &inside->ring, err);
}

/* -p count: pages of counts go where the program's own would. */
static int store_counts(void *ctx, uint32_t cpu, const void *page, uint32_t nr)
{
	return program_drain_store(ctx, cpu, page, nr);
}

static int take_counts(void *ctx, struct program_drain *drain)
{
	const struct inside *inside = ctx;

	return program_count_take(inside->count, drain);
}

static int start_drain(struct inside *inside, struct err *err)
{
	const struct session *session = &inside->session;
	struct program_drain_options options = {
		.session = &inside->ring,
		.partial = session->partial,
		.names = session->names,
		.interval_ms = MAX(session->plan->interval_ms, 1u),
		.ctx = inside,
	};
	const struct program_count_options counting = {
		.session = &inside->ring,
		.server = inside->server,
		.pid = session->command.started_pid,
		.store = store_counts,
	};

	if (mode_of(inside) == PROGRAM_COUNT) {
		if (program_count_new(&inside->count, &counting) < 0)
			return err_sys(err, -ENOMEM, "cannot prepare to read the counters");
		options.due = take_counts;
	}
	return program_drain_new(&inside->drain, &options, err);
}

static int set_up(struct inside *inside, struct err *err)
{
	struct session *session = &inside->session;
	int r = program_launch_check(session->plan->command[0], err);

	if (r == 0)
		r = make_ring(inside, err);
	if (r == 0)
		r = choose(inside, err);
	if (r == 0)
		r = start_server(inside, err);
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
	return r < 0 ? r : start_drain(inside, err);
}

/* --- while it runs --- */

static int look(struct inside *inside, struct err *err)
{
	char text[sizeof(err->text)];
	int r;

	while (program_server_warning(inside->server, text, sizeof(text)))
		session_say(&inside->session, RECORD_SAY_WARNING, "%s", text);
	r = program_store_symbols(&inside->session, inside->server, err);
	return r < 0 ? r : program_store_clock(&inside->session, &inside->store, false, err);
}

static int wait_for_end(struct inside *inside, struct err *err)
{
	struct session *session = &inside->session;
	bool said = false;

	while (!session->over && !record_command_ended(&session->command)) {
		struct pollfd fds[] = {
			{.fd = session->signal_fd, .events = POLLIN},
			{.fd = program_drain_failed_fd(inside->drain), .events = POLLIN},
			{.fd = program_server_fd(inside->server), .events = POLLIN},
		};
		int n = poll(fds, ARRAY_SIZE(fds), LOOK_EVERY_MS);
		int r;

		if (n < 0 && errno != EINTR)
			return err_sys(err, -errno, "cannot wait for the end of the recording");
		if (n > 0 && fds[1].revents)
			return 0; /* stopping it gives the reason */
		r = look(inside, err);
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

	program_store_clock_begin(&inside->store);
	ring_session_switch(&inside->ring, true);
	r = record_command_release(&session->command, err);
	if (r == 0) {
		session->keep_partial = true;
		session_say(session, RECORD_SAY_STARTED, "%s", "");
		r = wait_for_end(inside, err);
	}
	ring_session_switch(&inside->ring, false);
	stopped = program_drain_stop(inside->drain, r < 0 ? &other : err);
	return r < 0 ? r : stopped;
}

/* --- the end --- */

static void say_skipped(void *ctx, const char *module, const char *function, const char *reason)
{
	struct session *session = ctx;

	if (function)
		session_say(session, RECORD_SAY_SKIPPED, "%s: %s: %s", module, function, reason);
	else
		session_say(session, RECORD_SAY_SKIPPED, "%s: %s", module, reason);
}

static void say_what_was_not_traced(struct inside *inside)
{
	struct session *session = &inside->session;
	struct program_server_counts counts = program_server_counts(inside->server);
	const char *unmatched = program_select_unmatched(inside->select);

	if (!counts.processes)
		session_say(session, RECORD_SAY_WARNING,
			    "'%.100s' never asked for its trace: it did not load the runtime (a "
			    "static program, or LD_PRELOAD was taken out of its environment)",
			    session->command.name);
	else if (unmatched)
		session_say(session, RECORD_SAY_WARNING,
			    "'%.100s' names no function of any program or library that ran",
			    unmatched);
	if (session->plan->program.list_skipped)
		program_server_skipped(inside->server, say_skipped, session);
}

/* Whose counts they are said to be, though its children's are among them. */
static int name_command(struct session *session)
{
	const char *path = session->plan->command[0], *slash = strrchr(path, '/');

	return comms_set(&session->comms, session->command.started_pid, slash ? slash + 1 : path,
			 false);
}

static int finish(struct inside *inside, struct record_result *result, struct err *err)
{
	struct session *session = &inside->session;
	int r = look(inside, err);

	if (r == 0)
		r = program_store_clock(session, &inside->store, true, err);
	if (r == 0)
		r = program_store_counts(session, inside->drain, &inside->ring, result, err);
	if (r == 0 && (program_drain_names(inside->drain, &session->comms) < 0 ||
		       (inside->count && name_command(session) < 0)))
		r = err_sys(err, -ENOMEM, "cannot keep the names of tasks");
	if (r == 0)
		r = session_store_comms(session, err);
	if (r == 0)
		say_what_was_not_traced(inside);
	return r;
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

static void free_all(struct inside *inside)
{
	program_drain_free(inside->drain);
	program_count_free(inside->count);
	program_server_free(inside->server);
	program_select_free(inside->select);
	if (inside->ring.header)
		ring_session_close(&inside->ring);
}

int record_program(const struct record_plan *plan, record_say_fn say, void *ctx,
		   struct record_result *ret_result, struct err *err)
{
	struct inside inside = {.session = SESSION_INIT(plan, say, ctx), .ring.fd = -1};
	struct session *session = &inside.session;
	int r;

	*ret_result = (struct record_result){.command_status = -1};
	r = session_signals_take(session, err);
	if (r == 0)
		r = set_up(&inside, err);
	if (r == 0)
		r = trace(&inside, err);
	if (r == 0)
		r = finish(&inside, ret_result, err);
	if (r < 0)
		record_command_cancel(&session->command);
	free_all(&inside);
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
