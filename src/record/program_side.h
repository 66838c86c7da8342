/* SPDX-License-Identifier: MIT */
/*
 * The part of a recording that is made inside programs: their memory, the server that they ask, the
 * thread that drains their rings into a buffer of the file. By itself (program.c), or beside the
 * kernel's (record.c). Nothing of it needs tracefs.
 *
 * In order: prepare, before the command is forked; the caller makes OUT.partial; begin; on; off,
 * which also takes the rest; finish; free.
 */
#ifndef SONDE_RECORD_PROGRAM_SIDE_H
#define SONDE_RECORD_PROGRAM_SIDE_H

#include <pthread.h>

#include "base/keeper.h"
#include "program/serve.h"
#include "record/program_count.h"
#include "record/program_drain.h"
#include "record/program_kept.h"
#include "record/program_store.h"
#include "record/session.h"
#include "ring/session.h"

struct program_side {
	struct session *session;	    /* borrowed */
	const struct record_instance *what; /* the tracer and its functions; borrowed */
	const char *name;		    /* of its buffer */
	struct ring_session ring;
	uint16_t event_base; /* of its events' ids */
	struct program_select *select;
	struct program_watcher *watcher; /* NULL: no filters */
	struct program_probes *probes;	 /* NULL: none */
	struct program_server *server;
	struct program_drain *drain;
	struct program_count *count;	     /* NULL: not -p count */
	bool hists_stored;		     /* what was counted in histograms */
	struct program_snapshot *snapshot;   /* to be written at snapshot_at; NULL: none */
	uint64_t snapshot_at, snapshot_next; /* ms; before the second no other one is */
	bool snapshot_failed;
	size_t buffer; /* index in OUT.partial */
	struct program_kept *kept;
	struct program_kept_counts *counts; /* NULL, too */
	struct keeper keeper;
	pthread_mutex_t names_lock; /* the server's thread stores names, too */
	struct err names_err;
	bool names_begun; /* some have been stored */
};
#define PROGRAM_SIDE_INIT(session_, what_, name_)                                                  \
	((struct program_side){.session = (session_),                                              \
			       .what = (what_),                                                    \
			       .name = (name_),                                                    \
			       .ring.fd = -1,                                                      \
			       .keeper = KEEPER_INIT,                                              \
			       .names_lock = PTHREAD_MUTEX_INITIALIZER})

/* What reads the counters of a session that is `ring`, in this process. */
int program_side_count(const struct program_side *side, const struct ring_session *ring,
		       struct program_count **ret_count) _must_check_;
/* Of -p count: whose counts they are said to be, though its children's are among them. */
int program_side_name_command(struct session *session) _must_check_;

/* Sets the environment of the command, which is forked next. */
int program_side_prepare(struct program_side *side, struct err *err) _must_check_;
/* Before begin: other ids for its events. */
void program_side_set_events(struct program_side *side, uint16_t base);
/* A trigger in the programs may want one. */
bool program_side_wants_snapshots(const struct program_side *side);
/* program_triggers.c: hist triggers; who counts them, and in the end, what they have counted. */
bool program_side_wants_hists(const struct program_side *side);
void program_side_say_hists(const struct program_side *side);
int program_side_give_hists(const struct program_side *side, struct record_result *result,
			    struct err *err) _must_check_;
/* The session has its partial and its names; `buffer` is the index of its buffer there. */
int program_side_begin(struct program_side *side, size_t buffer, struct err *err) _must_check_;
void program_side_on(struct program_side *side);
/* The first failure of the draining. */
int program_side_off(struct program_side *side, struct err *err) _must_check_;
/* Warnings, names and the clock; when program_server_fd is readable, and now and then. */
int program_side_look(struct program_side *side, struct err *err) _must_check_;
/* Statistics, the names of tasks (into session->comms), what is to be said. */
int program_side_finish(struct program_side *side, struct record_result *result, struct err *err)
	_must_check_;
void program_side_free(struct program_side *side);

#endif
