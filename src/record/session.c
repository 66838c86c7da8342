/* SPDX-License-Identifier: MIT */
/* The beginning and the end of a session: tracefs, the journal, the switches of its instances. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "record/probes.h"

void session_say(struct session *session, enum record_say what, const char *fmt, ...)
{
	char text[sizeof(((struct err *)0)->text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	session->say(session->ctx, what, text);
}

static void note_stale(void *ctx, const char *name)
{
	session_say(ctx, RECORD_SAY_WARNING,
		    "removed the tracing instance %s, which a recorder that was killed had left",
		    name);
}

int session_open(struct session *session, struct err *err)
{
	const struct record_plan *plan = session->plan;
	int r = tracefs_open(&session->fs, plan->tracefs, err);

	if (r < 0)
		return r;
	if (plan->kallsyms)
		session->fs->kallsyms = plan->kallsyms;
	if (!session->fs->was_mounted)
		session_say(session, RECORD_SAY_WARNING, "mounted tracefs on %s",
			    session->fs->path);
	session->fs->state = plan->state;
	kernel_instance_remove_stale(session->fs, note_stale, session);
	r = kernel_journal_open(&session->journal, plan->state,
				plan->keep_after ? KERNEL_JOURNAL_START : NULL, err);
	if (r == 0)
		session->journal_mark = kernel_journal_mark(session->journal);
	return r;
}

static const int command_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

void session_hold_signals(struct session *session)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, &session->signals.mask);
	for (size_t i = 0; i < ARRAY_SIZE(command_signals); i++)
		sigaction(command_signals[i], NULL, &session->signals.actions[i]);
	/* Ignored by sonde itself. */
	session->signals.actions[3] = (struct sigaction){.sa_handler = SIG_DFL};
}

int session_switch(struct session *session, bool on, struct err *err)
{
	int first = 0;

	for (size_t i = 0; i < session->nr_instances; i++) {
		struct session_instance *inst = &session->instances[i];
		int r = 0;

		if (inst->open && on)
			r = kernel_instance_start(&inst->kernel, err);
		else if (inst->open)
			r = kernel_instance_stop(&inst->kernel, first ? NULL : err);
		if (r < 0 && first == 0)
			first = r;
		if (r < 0 && on)
			break;
	}
	return first;
}

/* One that is to stay keeps its entries in the journal. */
static int close_one(struct kernel_instance *kernel, bool leave, int first, struct err *err)
{
	struct err ignored;
	int r = 0;

	if (leave)
		kernel_instance_release(kernel);
	else
		r = kernel_instance_close(kernel, first ? &ignored : err);
	return first ? first : r;
}

/* The kept journal goes when nothing was set up: an empty one would speak of a session. */
static int close_journal(struct session *session, bool leave, int first, struct err *err)
{
	struct kernel_journal *journal = session->journal;
	bool kept = session->plan->keep_after && (leave || session->journal_mark);
	struct err reason;
	int r = 0;

	session->journal = NULL;
	if (kept)
		kernel_journal_release(journal);
	else
		r = kernel_journal_close(journal, &reason);
	/* A probe that somebody else records too stays for now, which spoils nothing. */
	if (r == -EBUSY && session->nr_probes) {
		session_say(session, RECORD_SAY_WARNING, "%s", reason.text);
		return first;
	}
	if (r < 0 && !first)
		err_set(err, r, "%s", reason.text);
	return first ? first : r;
}

int session_close_instances(struct session *session, bool failed, struct err *err)
{
	bool leave = session->plan->keep_after && !failed;
	int r = 0;

	for (size_t i = session->nr_instances; i-- > 0;) {
		struct session_instance *inst = &session->instances[i];

		if (inst->open)
			r = close_one(&inst->kernel, leave, r, err);
		inst->open = false;
	}
	if (session->globals_open)
		r = close_one(&session->globals, leave, r, err);
	session->globals_open = false;
	return session->journal ? close_journal(session, leave, r, err) : r;
}

void session_free(struct session *session)
{
	struct err ignored;

	/* Those that were never opened: nothing can fail. */
	if (session_triggers_close(session, &ignored) < 0)
		session->triggers = NULL;
	drain_free(session->drain);
	mem_free(session->partial_path);
	kernel_metadata_done(&session->metadata);
	comms_done(&session->comms);
	procmaps_done(&session->maps);
	names_reader_free(session->reader);
	names_free(session->names);
	for (size_t i = 0; i < session->nr_instances; i++) {
		mem_free(session->instances[i].clocks);
		mem_free(session->instances[i].clock);
		mem_free(session->instances[i].loss);
		mem_free(session->instances[i].read_before);
	}
	mem_free(session->instances);
	session_free_hists(session);
	mem_free(session->stored);
	kernel_events_done(&session->events);
	session_probes_free(session);
	tracefs_close(session->fs);
}
