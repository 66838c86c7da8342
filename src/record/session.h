/* SPDX-License-Identifier: MIT */
/* What the parts of one recording share. Private to src/record. */
#ifndef SONDE_RECORD_SESSION_H
#define SONDE_RECORD_SESSION_H

#include "kernel/instance.h"
#include "kernel/metadata.h"
#include "record/alarm.h"
#include "record/command.h"
#include "record/comms.h"
#include "record/drain.h"
#include "record/loss.h"
#include "record/record.h"
#include "record/triggers.h"
#include "record/usertracer.h"

struct session_instance {
	const struct record_instance *plan; /* NULL: the empty top buffer of a file without one */
	struct kernel_instance kernel;
	char tracer[64];       /* asked for, or going on; "": none */
	char *clocks, *clock;  /* text of trace_clock, the current one */
	uint64_t buffer_kb;    /* of each CPU */
	struct loss_cpu *loss; /* of each CPU, owned; NULL where nothing is drained */
	uint32_t wake_pages;   /* sub-buffers that are certainly full when a reader is woken */
	uint64_t *read_before; /* of each CPU, owned: events read before; NULL: none */
	bool open;
	bool sampled; /* its buffer holds what is measured in user space, not the kernel's pages */
};

struct session_user { /* the tracer that runs in user space, if any. sessionuser.c */
	const struct record_instance *plan; /* that asks for it; NULL: none */
	struct user_tracer_options options;
	struct record_instance made;	 /* for a buffer of its own */
	size_t buffer;			 /* index of the buffer it fills */
	struct session_instance *beside; /* the instance it was asked for in */
	struct kernel_targets stopped;	 /* those that a threshold stops */
	struct user_tracer *tracer;
};

struct program_side;
struct session_hist;

struct session {
	const struct record_plan *plan;
	record_say_fn say;
	void *ctx;
	struct tracefs *fs;
	struct kernel_journal *journal;
	size_t journal_mark;	      /* what a kept journal had before this session */
	struct session_probe *probes; /* probes.c */
	size_t nr_probes, cap_probes;
	struct kernel_events events;
	bool *stored; /* by event: its format goes into the file */
	struct session_instance *instances;
	size_t nr_instances;
	struct kernel_instance globals; /* what is one for the machine */
	bool globals_open;
	struct kernel_metadata metadata;
	struct record_command command;
	struct procmaps maps;
	struct record_signals signals;
	struct record_alarm alarm;
	int signal_fd;
	struct dat_partial *partial;
	char *partial_path;
	int partial_lock;
	bool keep_partial; /* something was recorded, or it is not ours */
	struct drain *drain;
	struct names *names;
	struct stream *stream;	     /* where the records are shown at once */
	struct names_reader *reader; /* of a session that reads by itself, without drain */
	struct comms comms;
	struct loss loss;
	struct session_user user;
	struct program_side *side;  /* the programs', beside the kernel's; NULL: not traced */
	struct session_hist *hists; /* of triggers. sessionhists.c */
	size_t nr_hists, cap_hists;
	struct triggers *triggers; /* those that the kernel does not carry out; NULL: none */
	uint64_t look_at;	   /* ms; when the plan's look is due; 0: not known yet */
	size_t snapshots; /* that were taken, into OUTPUT.snapshot.dat; the last is there */
	int64_t date_offset;
	const char *unknown_events;
	bool latency;	    /* the output is a latency tracer's text */
	bool symbols_later; /* the kernel's symbols are left out unless a record comes with one */
	bool signalled;
	bool forwarded; /* a signal went on to the command; the next one ends the recording */
	bool over;
	bool failed; /* only what can still be said is wanted */
};

/* A session that has nothing yet, for session_free. */
#define SESSION_INIT(plan_, say_, ctx_)                                                            \
	{                                                                                          \
		.plan = (plan_), .say = (say_), .ctx = (ctx_), .command = RECORD_COMMAND_INIT,     \
		.signal_fd = -1, .partial_lock = -1                                                \
	}

_printf_(3, 4) void session_say(struct session *session, enum record_say what, const char *fmt,
				...);

/* tracefs and the journal, the kept one when the settings are to stay. session.c */
int session_open(struct session *session, struct err *err) _must_check_;
/* Instances made and set as the plan says, tracing still off. setup.c */
int session_setup(struct session *session, struct err *err) _must_check_;
/* Look at the counters; a warning when more was lost, now and then. loss.c */
void session_watch_losses(struct session *session);
/* Size, sub-buffers and watermark of an instance's buffer. shape.c */
int session_shape_buffer(struct session *session, struct session_instance *inst, struct err *err)
	_must_check_;
/* Keep the recorder's own threads out of the trace, choose the pids of -F and -P. */
int session_setup_pids(struct session *session, struct err *err) _must_check_;
/* The functions that a tracer of functions sees, before the tracer is set. setup_functions.c */
int session_setup_functions(struct session *session, struct session_instance *inst, struct err *err)
	_must_check_;
/* What needs the tracer to be set: options that are its own. */
int session_setup_tracer_options(struct session_instance *inst, struct err *err) _must_check_;
/* What is one for the whole machine: borrowed, given back with the instances. */
int session_setup_globals(struct session *session, struct err *err) _must_check_;
/* tracing_on of all instances. */
int session_switch(struct session *session, bool on, struct err *err) _must_check_;
/*
 * Give all instances back, or leave them as they are where the settings are to stay and `failed`
 * is not set; then the journal is closed. The first failure.
 */
int session_close_instances(struct session *session, bool failed, struct err *err);
/*
 * For a session without a loop for signals: they wait while things change. signals is what a
 * command gets; its mask is to be set again in the end.
 */
void session_hold_signals(struct session *session);
/* Frees what has been made; the instances are to be closed before. */
void session_free(struct session *session);

/*
 * Blocked while the recording runs, and read from signal_fd: what came for the command is handed
 * on. signals.c
 */
int session_signals_take(struct session *session, struct err *err) _must_check_;
void session_signals_read(struct session *session);
void session_signals_give_back(struct session *session);
/* Everything is on: says so, and sets the alarm of --for. */
int session_started(struct session *session, struct err *err) _must_check_;

/* Which events carry names of tasks, from the metadata. record.c */
int session_make_names(struct session *session, struct err *err) _must_check_;
/* Records shown at once, in place of draining and storing. stream.c */
int session_stream_open(struct session *session, struct err *err) _must_check_;
int session_stream_fd(const struct session *session); /* readable: a round is due */
/* Hand over what there is; `last`: tracing is off, and all of it. */
int session_stream_round(struct session *session, bool last, struct err *err) _must_check_;
int session_stream_finish(struct session *session, struct record_result *result, struct err *err)
	_must_check_;
void session_stream_close(struct session *session);
/* The options of the file that are known before. store.c */
typedef int (*session_option_fn)(void *to, uint16_t id, const void *data, size_t len,
				 struct err *err);
int session_store_options(struct session *session, session_option_fn put, void *to, struct err *err)
	_must_check_;
/*
 * Latency tracers keep the worst case as text and hardly anything else: that text is the file.
 * latency.c
 */
bool session_is_latency(const struct record_plan *plan);
/* Only one instance, and nothing that needs its events. */
int session_latency_prepare(struct session *session, struct err *err) _must_check_;
/*
 * Once tracing is on: what a tracer measured before has no events, and would hide all that is
 * shorter.
 */
int session_latency_begin(struct session *session, struct err *err) _must_check_;
/* The text as it is now into the output, in place of all data. */
int session_latency_write(struct session *session, struct err *err) _must_check_;
/* OUT from OUT.partial. record.c */
int session_seal(struct session *session, struct err *err) _must_check_;
/* OUT.partial: made, filled with the options of the end, sealed. store.c */
int session_store_open(struct session *session, struct err *err) _must_check_;
/* The same for a recording whose partial `make` creates at session->partial_path. */
typedef int (*session_create_fn)(struct session *session, struct err *err);
int session_store_make(struct session *session, session_create_fn make, struct err *err)
	_must_check_;
/* Bytes of a sub-buffer of this instance's buffer in the file. */
uint32_t session_page_size(const struct session *session, const struct session_instance *inst);
/* The names of tasks: all that are known into OUT.partial; add what is there to them. */
int session_store_comms(struct session *session, struct err *err) _must_check_;
int session_read_comms(struct session *session) _must_check_;
int session_store_finish(struct session *session, struct record_result *result, struct err *err)
	_must_check_;
/* In place of finish: what the kernel has counted, while the instances are still there. */
void session_store_failed(struct session *session, struct record_result *result);
/* And what of that is not in the closed partial. unsaved.c */
void session_count_unsaved(const char *partial, struct record_result *result);
void session_store_close(struct session *session);

/*
 * The kernel's symbols, needsymbols.c: whether they belong to the recording from its beginning
 * (once the metadata is there); which records would need them after all (once the names are there);
 * they are stored if one of these came (once the drain was stopped).
 */
bool session_expects_symbols(const struct session *session);
void session_watch_symbols(struct session *session);
int session_late_symbols(struct session *session, struct err *err) _must_check_;

/*
 * The tracer in user space: whether the plan needs one (before the instances are made), which
 * buffer it fills (when they are), made when the partial is, started and stopped with tracing.
 * sessionuser.c
 */
int session_user_choose(struct session *session, struct err *err) _must_check_;
/* An error when it does: for tracing without a recorder. */
int session_user_refuse(const struct session *session, struct err *err) _must_check_;
int session_user_place(struct session *session, struct err *err) _must_check_;
int session_user_open(struct session *session, struct err *err) _must_check_;
int session_user_start(struct session *session, struct err *err) _must_check_;
int session_user_stop(struct session *session, struct err *err) _must_check_;
int session_user_failed_fd(const struct session *session); /* -1: none */
int session_user_names(struct session *session) _must_check_;
int session_user_close(struct session *session, struct err *err);
/* Is this the instance whose tracer runs in user space. */
bool session_user_has(const struct session *session, const struct record_instance *plan);
/* Trace clock of an instance; NULL: as the kernel has it. */
const char *session_clock(const struct session *session, const struct record_instance *plan);
/* As for an instance of the kernel, for its buffer; -ENOMEM. */
int session_user_stats(const struct session *session, uint32_t cpu,
		       struct kernel_cpu_stats *ret_stats, char **ret_text) _must_check_;
uint64_t session_user_bytes(const struct session *session, uint32_t cpu);

/*
 * Triggers: session_trigger gives one to the kernel, or keeps it to be carried out by sonde; then
 * it is opened when the drain's threads are known, and runs while tracing does. sessiontriggers.c
 */
int session_trigger(struct session *session, struct session_instance *inst, const bool *hits,
		    const char *text, struct err *err) _must_check_;
/* Records of an event that a trigger or a function command enables need its format, too. */
void session_store_enabled(struct session *session, const struct trigger_rule *rule);
/* An error when sonde would have to: for tracing without a recorder. */
int session_triggers_refuse(const struct session *session, struct err *err) _must_check_;
int session_triggers_open(struct session *session, struct err *err) _must_check_;
/* A failure is said, since what is recorded is whole all the same. */
void session_triggers_stop(struct session *session);
int session_triggers_close(struct session *session, struct err *err);
/*
 * OUTPUT.snapshot.dat from OUT.partial as it is, or with a part of it as is said; the trigger's
 * thread or, where programs are recorded, the main one. What was taken is said in the end.
 */
int session_snapshot(struct session *session, const struct dat_partial_part *part, struct err *err)
	_must_check_;
void session_say_snapshots(struct session *session);
/* The plan's look, when it is time; `side` NULL: programs are not recorded. look.c */
struct program_side;
int session_look(struct session *session, const struct program_side *side, struct err *err)
	_must_check_;
/* How long data may wait in the kernel. */
unsigned int session_interval_ms(const struct session *session);

/*
 * Histograms of triggers, sessionhists.c: whether this one is counted from the recording, because
 * the kernel has none; one that is set, or so counted (`here`); whether all of those can be, when
 * everything is set up; begin to count, when tracing does; what they have counted, when it is over.
 */
bool session_counts_hist(const struct session *session, const struct session_instance *inst,
			 const struct kernel_event *event, const char *text);
int session_add_hist(struct session *session, const struct session_instance *inst, const bool *hits,
		     const char *text, bool here, struct err *err) _must_check_;
int session_check_hists(const struct session *session, struct err *err) _must_check_;
void session_clear_hists(const struct session *session);
int session_read_hists(const struct session *session, struct err *err) _must_check_;
int session_give_hists(const struct session *session, struct record_result *result, struct err *err)
	_must_check_;
/* One more in the result, which owns it, also when it fails: -ENOMEM. */
int record_result_add_hist(struct record_result *result, struct record_hist *hist) _must_check_;
void record_hist_done(struct record_hist *hist);
struct program_hist_counted;
void record_hist_key_from(struct record_hist_key *key, const struct program_hist_counted *counted,
			  size_t hist);
void session_free_hists(struct session *session);

#endif
