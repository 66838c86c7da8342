/* SPDX-License-Identifier: MIT */
#include "record/program_side.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "program/launch.h"
#include "record/program_events.h"
#include "record/program_hist.h"

#define SUBBUF_BYTES	  (16u << 10)
#define BUFFER_KB	  4096u /* of each CPU, unless -b says otherwise */
#define NR_FALLBACK	  64u

#define SNAPSHOT_EVERY_MS 200u

static enum program_mode mode_of(const struct program_side *side)
{
	const char *tracer = side->what->tracer;

	/* Without a tracer there are probes only, which need nothing of functions. */
	if (!tracer)
		return PROGRAM_FUNCTION;
	if (!strcmp(tracer, "count"))
		return PROGRAM_COUNT;
	return !strcmp(tracer, "function") ? PROGRAM_FUNCTION : PROGRAM_GRAPH;
}

/* --- names --- */

/* Store the names and events that have come up, if it is time to; what has failed once stays so. */
static int keep_symbols(struct program_side *side, bool store, struct err *err)
{
	int r;

	pthread_mutex_lock(&side->names_lock);
	if (store && !side->names_err.code && program_store_events(side, &side->names_err) == 0)
		(void)!program_store_symbols(side, &side->names_err);
	r = side->names_err.code;
	if (r < 0)
		*err = side->names_err;
	pthread_mutex_unlock(&side->names_lock);
	return r;
}

/* In the server's thread, for a process that waits; what fails is told by the next look. */
static void names_are_due(void *ctx)
{
	struct err err;

	(void)!keep_symbols(ctx, true, &err);
}

/* --- setting up --- */

static int make_ring(struct program_side *side, struct err *err)
{
	static const enum ring_mode modes[] = {
		[RECORD_BLOCK] = RING_BLOCK,
		[RECORD_DROP] = RING_DROP,
		[RECORD_OVERWRITE] = RING_OVERWRITE,
	};
	const struct record_plan *plan = side->session->plan;
	uint64_t kb = side->what->buffer_kb ? side->what->buffer_kb : BUFFER_KB;
	uint32_t subbuf =
		side->what->subbuf_kb ? (uint32_t)side->what->subbuf_kb << 10 : SUBBUF_BYTES;
	struct ring_options options = {
		.mode = modes[plan->program.on_full],
		.clock = RING_CLOCK_COUNTER,
		.subbuf_size = RING_SUBBUF_MIN,
		.nr_subbufs = RING_NR_SUBBUFS_MIN,
		.nr_fallback = NR_FALLBACK,
		.event_base = side->event_base,
		.counters = mode_of(side) == PROGRAM_COUNT,
		.watch_bytes = side->watcher ? (uint32_t)program_watcher_bytes(side->watcher) : 0,
	};
	int r;

	while (options.subbuf_size < subbuf && options.subbuf_size < RING_SUBBUF_MAX)
		options.subbuf_size *= 2;
	while ((uint64_t)options.nr_subbufs * options.subbuf_size < kb << 10 &&
	       options.nr_subbufs < RING_NR_SUBBUFS_MAX)
		options.nr_subbufs *= 2;
	r = ring_session_create(&side->ring, &options, err);
	if (r == 0 && options.counters) {
		side->counts = program_kept_counts_new(side->ring.shape.nr_cpus + 1);
		if (!side->counts)
			r = err_sys(err, -ENOMEM, "cannot keep what is counted");
	}
	if (r == 0 && side->watcher)
		program_watcher_begin(side->watcher, (void *)((uint8_t *)side->ring.header +
							      side->ring.shape.watch_at));
	return r;
}

static struct program_patterns patterns(const struct record_list *list)
{
	return (struct program_patterns){list->items, list->nr};
}

static int choose(struct program_side *side, struct err *err)
{
	const struct record_instance *inst = side->what;
	struct program_filters filters = {
		.trace = patterns(&inst->functions),
		.notrace = patterns(&inst->no_functions),
		.graph = patterns(&inst->graph_functions),
		.libs = side->session->plan->program.libs,
		.nothing = !inst->tracer,
	};

	return program_select_new(&side->select, &filters, err);
}

static bool is_probe(const struct record_rule *rule)
{
	return rule->events && program_probes_is_meant(rule->events, false);
}

/* -e of probes in the program; what is asked of them the watcher knows. */
static int find_probes(struct program_side *side, const struct program_watch_options *options,
		       struct err *err)
{
	_cleanup_free_ struct program_rule *rules =
		mem_calloc(options->nr_rules + 1, sizeof(*rules));
	size_t nr = 0;

	if (!rules)
		return err_sys(err, -ENOMEM, "cannot read the probes");
	for (size_t i = 0; i < options->nr_rules; i++) {
		if (options->rules[i].probes)
			rules[nr++] = options->rules[i];
	}
	return nr ? program_probes_new(&side->probes, rules, nr, side->watcher, err) : 0;
}

static void add_rule(struct program_watch_options *options, struct program_rule *rules,
		     const struct record_rule *rule)
{
	rules[options->nr_rules++] = (struct program_rule){
		.events = rule->events,
		.filter = rule->filter,
		.off = rule->disable,
		.probes = is_probe(rule),
		.triggers = rule->triggers.items,
		.nr_triggers = rule->triggers.nr,
	};
}

bool program_side_wants_snapshots(const struct program_side *side)
{
	return side->watcher && program_watcher_wants_snapshots(side->watcher);
}

/* Beside the kernel -e is the kernel's. */
static int watch(struct program_side *side, struct err *err)
{
	const struct record_instance *inst = side->what;
	const struct record_list *hists = &side->session->plan->program.hists;
	bool any = inst->tracer_rule.filter || inst->tracer_rule.triggers.nr || inst->nr_rules ||
		   inst->function_commands.nr || hists->nr;
	struct kernel_tsc scale = any ? program_store_scale() : (struct kernel_tsc){0};
	_cleanup_free_ struct program_rule *rules = mem_calloc(inst->nr_rules + 1, sizeof(*rules));
	struct program_watch_options options = {
		.mode = mode_of(side),
		.thresh = side->session->plan->program.thresh_ns,
		.limited = side->session->plan->program.max_depth,
		.rules = rules,
		.commands = inst->function_commands.items,
		.nr_commands = inst->function_commands.nr,
		.hists = hists->items,
		.nr_hists = hists->nr,
		.mult = scale.mult,
		.shift = scale.shift,
	};
	int r;

	if (!rules)
		return err_sys(err, -ENOMEM, "cannot compile the filters");
	options.events = program_events_watched(options.thresh, options.mode == PROGRAM_GRAPH,
						&options.nr_events);
	if (inst->tracer_rule.filter || inst->tracer_rule.triggers.nr)
		add_rule(&options, rules, &inst->tracer_rule);
	for (size_t i = 0; i < inst->nr_rules; i++)
		add_rule(&options, rules, &inst->rules[i]);
	r = program_watcher_new(&side->watcher, &options, err);
	if (r == 0 && side->session->plan->discard && program_side_wants_snapshots(side))
		r = err_set(err, -ENOTSUP,
			    "snapshot copies a recording, and none is kept here; use sonde record");
	if (r == 0 && side->session->plan->discard && program_side_wants_hists(side))
		r = err_set(err, -ENOTSUP,
			    "what a hist trigger counts is shown by sonde record; or sonde hist "
			    "'hist:...' EVENT");
	return r < 0 ? r : find_probes(side, &options, err);
}

static int find_user(const char *name, uid_t *ret_uid, struct err *err)
{
	const struct passwd *user = name ? getpwnam(name) : NULL;

	if (name && !user)
		return err_set(err, -ENOENT, "there is no user '%.100s' (--user)", name);
	*ret_uid = user ? user->pw_uid : geteuid();
	return 0;
}

static int start_server(struct program_side *side, struct err *err)
{
	const struct record_plan *plan = side->session->plan;
	struct program_server_options options = {
		.session_fd = side->ring.fd,
		.select = side->select,
		.watcher = side->watcher,
		.probes = side->probes,
		.mode = mode_of(side),
		.roots = side->what->graph_functions.nr != 0,
		.max_depth = plan->program.max_depth,
		.threshold =
			plan->program.thresh_ns ? program_store_ticks(plan->program.thresh_ns) : 0,
		.counters = side->counts ? side->counts->addresses : NULL,
		.names_due = names_are_due,
		.ctx = side,
	};
	int r = find_user(plan->user, &options.uid, err);

	if (r == 0)
		r = program_server_new(&side->server, &options, err);
	if (r == 0)
		r = program_launch_environment(program_server_name(side->server),
					       plan->program.runtime, err);
	return r;
}

int program_side_prepare(struct program_side *side, struct err *err)
{
	int r = program_launch_check(side->session->plan->command[0], err);

	side->event_base = PROGRAM_EVENTS_BASE;
	if (r == 0)
		r = choose(side, err);
	if (r == 0)
		r = watch(side, err);
	if (r == 0)
		r = make_ring(side, err);
	if (r == 0)
		r = start_server(side, err);
	if (r == 0)
		program_side_say_hists(side);
	return r;
}

int program_side_count(const struct program_side *side, const struct ring_session *ring,
		       struct program_count **ret_count)
{
	const struct program_count_options options = {
		.session = ring,
		.kept = side->kept,
		.counts = side->counts,
		.pid = side->session->command.started_pid,
		.event_base = side->event_base,
	};

	return program_count_new(ret_count, &options);
}

/* When all has been counted. */
static int take_hists(void *ctx, struct program_drain *drain)
{
	struct program_side *side = ctx;

	if (side->hists_stored || ring_is_tracing(side->ring.header))
		return 0;
	side->hists_stored = true;
	return program_hist_store(side->watcher, &side->ring, side->event_base, drain);
}

int program_side_begin(struct program_side *side, size_t buffer, struct err *err)
{
	const struct session *session = side->session;
	struct program_drain_options options = {
		.session = &side->ring,
		.partial = session->partial,
		.buffer = buffer,
		.names = session->names,
		.interval_ms = MAX(session_interval_ms(session), 1u),
	};
	int r;

	side->buffer = buffer;
	side->kept = program_kept_new(side->ring.shape.nr_rings);
	if (!side->kept)
		return err_sys(err, -ENOMEM, "cannot record");
	options.kept = side->kept;
	r = program_keeper_start(side, buffer, err);
	if (r < 0)
		return r;
	if (side->counts) {
		if (program_side_count(side, &side->ring, &side->count) < 0)
			return err_sys(err, -ENOMEM, "cannot prepare to read the counters");
		options.due = program_count_take;
		options.ctx = side->count;
	} else if (session->plan->program.hists.nr) {
		options.due = take_hists;
		options.ctx = side;
	}
	return program_drain_new(&side->drain, &options, err);
}

void program_side_set_events(struct program_side *side, uint16_t base)
{
	side->event_base = base;
	side->ring.header->event_base = base;
}

/* --- while it runs --- */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The names that the thread which drains has stored are kept beside the kernel's. */
static int write_snapshot(struct program_side *side, struct err *err)
{
	const struct dat_partial_part part = {
		.buffer = side->buffer,
		.ends = side->snapshot->ends,
	};
	struct session *session = side->session;
	int r = session->side ? session_store_comms(session, err) : 0;

	return r < 0 ? r : session_snapshot(session, &part, err);
}

/*
 * A snapshot that was asked for becomes a file. Beside the kernel, when that has been read, too
 * (record/triggers.c); not before it can be said what its times are; and not all the time, where
 * they are asked for all the time: only the last one stays.
 */
static void take_snapshot(struct program_side *side, bool last)
{
	struct session *session = side->session;
	uint64_t now = now_ms();
	struct err err;

	if (last || (!side->snapshot && now >= side->snapshot_next)) {
		struct program_snapshot *newer = program_drain_snapshot(side->drain);

		if (newer) {
			program_snapshot_free(side->snapshot);
			side->snapshot = newer;
			side->snapshot_at =
				now + (session->side ? 2ull * session_interval_ms(session) : 0);
		}
	}
	if (!side->snapshot ||
	    (!last && (now < side->snapshot_at || !side->kept->store.clock_stored)))
		return;
	if (write_snapshot(side, &err) < 0 && !side->snapshot_failed) {
		side->snapshot_failed = true;
		session_say(session, RECORD_SAY_WARNING, "a trigger could not act: %s", err.text);
	}
	program_snapshot_free(side->snapshot);
	side->snapshot = NULL;
	side->snapshot_next = now_ms() + SNAPSHOT_EVERY_MS;
}

int program_side_look(struct program_side *side, struct err *err)
{
	char text[sizeof(err->text)];
	bool left = program_server_names_left(side->server);
	int r;

	while (program_server_warning(side->server, text, sizeof(text)))
		session_say(side->session, RECORD_SAY_WARNING, "%s", text);
	r = keep_symbols(side, left, err);
	if (r == 0)
		r = program_store_clock(side->session, &side->kept->store, false, err);
	if (r == 0)
		take_snapshot(side, false);
	return r;
}

void program_side_on(struct program_side *side)
{
	program_store_clock_begin(&side->kept->store);
	ring_session_switch(&side->ring, true);
	if (side->watcher && program_watcher_starts_off(side->watcher))
		(void)ring_pause(side->ring.header, true);
}

int program_side_off(struct program_side *side, struct err *err)
{
	ring_session_switch(&side->ring, false);
	return program_drain_stop(side->drain, err);
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

static void say_untraced(void *ctx, const char *path, uint64_t times, const char *why)
{
	session_say(ctx, RECORD_SAY_WARNING, "%s was executed %llu time%s untraced: %s", path,
		    (unsigned long long)times, times == 1 ? "" : "s", why);
}

static void say_of_probes(struct program_side *side)
{
	uint32_t unseen = __atomic_load_n(&side->ring.header->unseen_returns, __ATOMIC_RELAXED);
	const char *text, *why;
	size_t at = 0;

	while (side->probes && program_probes_refused(side->probes, &at, &text, &why))
		session_say(side->session, RECORD_SAY_WARNING, "'%.100s' is not recorded: %s", text,
			    why);
	if (unseen)
		session_say(side->session, RECORD_SAY_WARNING,
			    "%u return%s of probed functions could not be seen: of a child of "
			    "vfork, on a stack that has no slots, or of more than 64 functions "
			    "that had jumped to one another",
			    unseen, unseen == 1 ? "" : "s");
}

static void say_what_was_not_traced(struct program_side *side)
{
	struct session *session = side->session;
	uint32_t untold = __atomic_load_n(&side->ring.header->untold, __ATOMIC_RELAXED);
	struct program_server_counts counts = program_server_counts(side->server);
	const char *unmatched = program_select_unmatched(side->select);

	const char *probe = side->probes ? program_probes_unmatched(side->probes) : NULL;

	if (!unmatched && side->watcher)
		unmatched = program_watcher_unmatched(side->watcher);
	if (!counts.processes)
		session_say(session, RECORD_SAY_WARNING,
			    "'%.100s' never asked for its trace: it did not load the runtime (a "
			    "static program, or LD_PRELOAD was taken out of its environment)",
			    session->command.name);
	else if (unmatched)
		session_say(session, RECORD_SAY_WARNING,
			    "'%.100s' names no function of any program or library that ran",
			    unmatched);
	if (counts.processes && probe)
		session_say(session, RECORD_SAY_WARNING,
			    "'%.100s' names no probe of any program or library that ran (sonde "
			    "list --usdt FILE says which there are)",
			    probe);
	say_of_probes(side);
	program_server_untraced(side->server, say_untraced, session);
	if (untold)
		session_say(
			session, RECORD_SAY_WARNING,
			"%u time%s a program was executed where the recorder could not be "
			"told of it (another network namespace, no file descriptor left): it may "
			"have run untraced",
			untold, untold == 1 ? "" : "s");
	if (session->plan->program.list_skipped)
		program_server_skipped(side->server, say_skipped, session);
}

int program_side_name_command(struct session *session)
{
	const char *path = session->plan->command[0], *slash = strrchr(path, '/');

	return comms_set(&session->comms, session->command.started_pid, slash ? slash + 1 : path,
			 false);
}

int program_side_finish(struct program_side *side, struct record_result *result, struct err *err)
{
	struct session *session = side->session;
	int r;

	program_server_stop(side->server);
	r = program_side_look(side, err);
	if (r == 0)
		r = keep_symbols(side, true, err);
	if (r == 0)
		r = program_store_clock(session, &side->kept->store, true, err);
	if (r == 0)
		take_snapshot(side, true);
	side->kept->store.counts_stored = true;
	if (r == 0)
		r = program_store_counts(session, side->drain, &side->ring, side->name, result,
					 err);
	if (r == 0 && (program_drain_names(side->drain, &session->comms) < 0 ||
		       (side->count && program_side_name_command(session) < 0)))
		r = err_sys(err, -ENOMEM, "cannot keep the names of tasks");
	if (r == 0)
		r = program_side_give_hists(side, result, err);
	if (r == 0)
		say_what_was_not_traced(side);
	session_say_snapshots(session);
	return r;
}

void program_side_free(struct program_side *side)
{
	program_snapshot_free(side->snapshot);
	program_drain_free(side->drain);
	/* All is stored, or has failed. */
	keeper_dismiss(&side->keeper);
	program_count_free(side->count);
	program_server_free(side->server);
	program_kept_free(side->kept, side->ring.shape.nr_rings);
	program_kept_counts_free(side->counts, side->ring.shape.nr_cpus + 1);
	program_select_free(side->select);
	program_probes_free(side->probes);
	program_watcher_free(side->watcher);
	if (side->ring.header)
		ring_session_close(&side->ring);
	pthread_mutex_destroy(&side->names_lock);
}
