/* SPDX-License-Identifier: MIT */
/* Where a recording and the triggers meet that sonde carries out in place of the kernel. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "kernel/triggers.h"
#include "record/program_side.h"
#include "ring/raw.h"

#define SNAPSHOT_INTERVAL_MS 100u
#define SNAPSHOT_SUFFIX	     ".snapshot.dat"

static bool is_snapshot(const char *text)
{
	return trigger_command_len(text) == 8 && !memcmp(text, "snapshot", 8);
}

/*
 * The kernel's own snapshot takes the buffer away from whoever reads it: those events would be
 * missing in the file, and the snapshot would go with our instance. An instance that stays is its
 * owner's, and gets what was asked for.
 */
static bool is_ours(const struct session *session, const struct session_instance *inst,
		    const struct kernel_event *event, const char *text)
{
	size_t len = trigger_command_len(text);

	if (text[0] == '!')
		return false;
	if (is_snapshot(text) && inst->kernel.created && !session->plan->keep_after)
		return true;
	return kernel_trigger_missing(session->fs, event, text, len);
}

/* Not one that sonde stands in for, and not one the kernel has: let the kernel say so. */
static bool can_stand_in(const char *text, struct err *err)
{
	struct trigger_rule rule;
	int r = trigger_rule_parse(&rule, text, err);

	if (r < 0)
		return r != -ENOENT;
	return triggers_can_stand_in(text, err) == 0 || rule.action == TRIGGER_STACKTRACE;
}

void session_store_enabled(struct session *session, const struct trigger_rule *rule)
{
	const struct kernel_events *events = &session->events;

	for (size_t i = 0; rule->action == TRIGGER_ENABLE && i < events->nr; i++)
		session->stored[i] |= !strcmp(events->list[i].system, rule->system) &&
				      !strcmp(events->list[i].name, rule->event);
}

int session_trigger(struct session *session, struct session_instance *inst, const bool *hits,
		    const char *text, struct err *err)
{
	const struct kernel_events *events = &session->events;
	struct trigger_rule rule;
	size_t first = 0, event;
	struct err ignored;
	int r;

	if (trigger_rule_parse(&rule, text, &ignored) == 0)
		session_store_enabled(session, &rule);
	while (first < events->nr && !hits[first])
		first++;
	if (first < events->nr && session_counts_hist(session, inst, &events->list[first], text))
		return session_add_hist(session, inst, hits, text, true, err);
	r = session_add_hist(session, inst, hits, text, false, err);
	if (r < 0)
		return r;
	if (first == events->nr || !is_ours(session, inst, &events->list[first], text) ||
	    !can_stand_in(text, err))
		return kernel_instance_trigger(&inst->kernel, events, hits, text, err);
	if (session->plan->stream && is_snapshot(text))
		return err_set(err, -ENOTSUP,
			       "the trigger '%.100s' copies a recording, and nothing is recorded "
			       "here; use sonde record",
			       text);
	r = triggers_add(&session->triggers, events, &inst->kernel, hits, text, err);
	if (r < 0)
		return r;
	event = triggers_event(session->triggers, triggers_count(session->triggers) - 1);
	if (event < events->nr)
		session->stored[event] = true;
	return 0;
}

int session_triggers_refuse(const struct session *session, struct err *err)
{
	if (!triggers_count(session->triggers))
		return 0;
	return err_set(err, -ENOTSUP,
		       "the trigger '%.100s' is not carried out by this kernel; sonde can do that "
		       "as long as it runs itself: sonde record -R ...",
		       triggers_text(session->triggers, 0));
}

unsigned int session_interval_ms(const struct session *session)
{
	unsigned int interval = session->plan->interval_ms;
	bool any = triggers_count(session->triggers) ||
		   (session->side && program_side_wants_snapshots(session->side));

	return any ? MIN(interval, SNAPSHOT_INTERVAL_MS) : interval;
}

int session_snapshot(struct session *session, const struct dat_partial_part *part, struct err *err)
{
	_cleanup_out_ struct out path = {0};
	int r;

	out_str(&path, session->plan->output);
	out_lit(&path, SNAPSHOT_SUFFIX);
	out_cstr(&path);
	if (path.failed)
		return err_sys(err, -ENOMEM, "cannot take a snapshot");
	dat_partial_hold(session->partial);
	r = dat_partial_copy(session->partial_path, path.buf, session->plan->version, part, err);
	dat_partial_release(session->partial);
	session->snapshots += r == 0;
	return r;
}

void session_say_snapshots(struct session *session)
{
	if (session->snapshots)
		session_say(session, RECORD_SAY_WARNING, "the last of %zu snapshots is %s%s",
			    session->snapshots, session->plan->output, SNAPSHOT_SUFFIX);
}

/* Where programs are recorded as well it is their side that takes it, with what they have. */
static int take_snapshot(void *ctx, struct err *err)
{
	struct session *session = ctx;

	if (!session->side)
		return session_snapshot(session, NULL, err);
	ring_wish_snapshot(session->side->ring.header, raw_counter());
	return 0;
}

int session_triggers_open(struct session *session, struct err *err)
{
	struct triggers_options options = {
		.fs = session->fs,
		.journal = session->journal,
		.events = &session->events,
		.take_snapshot = take_snapshot,
		.ctx = session,
		.interval_ms = session_interval_ms(session),
		.no_filter = session->plan->own_too,
	};
	_cleanup_free_ pid_t *pids = NULL;
	const pid_t *tids;
	size_t nr;
	int r;

	if (!triggers_count(session->triggers))
		return 0;
	nr = session->drain ? drain_tids(session->drain, &tids) : 0;
	pids = mem_calloc(nr + 1, sizeof(*pids));
	if (!pids)
		return err_sys(err, -ENOMEM, "cannot watch triggers");
	pids[0] = getpid();
	if (nr)
		memcpy(pids + 1, tids, nr * sizeof(*pids));
	r = triggers_open(session->triggers, &options, pids, nr + 1, err);
	if (r == 0)
		session_say(session, RECORD_SAY_WARNING,
			    "the trigger '%.100s'%s is carried out by sonde, about a millisecond "
			    "after its event",
			    triggers_text(session->triggers, 0),
			    triggers_count(session->triggers) > 1 ? " (and others)" : "");
	return r;
}

void session_triggers_stop(struct session *session)
{
	struct err err;

	if (triggers_stop(session->triggers, &err) < 0)
		session_say(session, RECORD_SAY_WARNING, "a trigger could not act: %s", err.text);
	if (!session->side)
		session_say_snapshots(session);
}

int session_triggers_close(struct session *session, struct err *err)
{
	struct triggers *triggers = session->triggers;

	session->triggers = NULL;
	return triggers_free(triggers, err);
}
