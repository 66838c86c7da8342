/* SPDX-License-Identifier: MIT */
/*
 * Where a recording and a tracer in user space meet: whether one is needed, which buffer of the
 * file it fills, and its share of the end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "record/session.h"

/* --- choosing --- */

static int choose(struct session *session, const struct record_instance *plan,
		  enum user_tracer_kind kind, struct err *err)
{
	struct session_user *user = &session->user;

	if (user->plan)
		return err_set(err, -EINVAL,
			       "this kernel has neither the tracer '%s' nor '%s', and user space "
			       "can stand in for one of them at a time; record them one after "
			       "the other",
			       user->plan->tracer, plan->tracer);
	user->plan = plan;
	user->options.kind = kind;
	user_settings_init(&user->options.settings);
	for (size_t i = 0; i < plan->options.nr; i++) {
		int r = user_settings_option(&user->options.settings, kind, plan->options.items[i],
					     err);

		if (r < 0)
			return r;
	}
	return user_settings_check(&user->options.settings, kind, err);
}

int session_user_choose(struct session *session, struct err *err)
{
	const struct record_plan *plan = session->plan;
	struct kernel_instance top = {.fs = session->fs, .path = session->fs->path};
	enum user_tracer_kind kind;
	int r = 0;

	for (size_t i = 0; i < plan->nr_instances && r == 0; i++) {
		const char *tracer = plan->instances[i]->tracer;

		if (tracer && user_tracer_by_name(tracer, &kind) &&
		    !kernel_instance_has_tracer(&top, tracer))
			r = choose(session, plan->instances[i], kind, err);
	}
	/* Its clock must be one that user space can read, and all buffers of a file share theirs.
	 */
	for (size_t i = 0; i < plan->nr_instances && r == 0 && session->user.plan; i++) {
		const char *clock = plan->instances[i]->clock;

		if (plan->instances[i] == session->user.plan && clock)
			r = user_tracer_check_clock(session->user.options.kind, clock, err);
	}
	return r;
}

int session_user_refuse(const struct session *session, struct err *err)
{
	if (!session->user.plan)
		return 0;
	return err_set(err, -ENOTSUP,
		       "this kernel has no tracer '%s'; in user space sonde can stand in for it as "
		       "long as it runs itself: sonde record -p %s",
		       session->user.plan->tracer, session->user.plan->tracer);
}

const char *session_clock(const struct session *session, const struct record_instance *plan)
{
	if (plan->clock || !session->user.plan)
		return plan->clock;
	return session->user.plan->clock ? session->user.plan->clock : "mono";
}

bool session_user_has(const struct session *session, const struct record_instance *plan)
{
	return session->user.plan && session->user.plan == plan;
}

/*
 * The buffer: the instance's own when nothing else is recorded there, else one more of the
 * tracer's name, since the kernel's pages and ours cannot follow each other in one.
 */
int session_user_place(struct session *session, struct err *err)
{
	struct session_user *user = &session->user;
	struct session_instance *more = &session->instances[session->nr_instances];

	if (!user->plan)
		return 0;
	for (size_t i = 0; i < session->nr_instances; i++) {
		struct session_instance *inst = &session->instances[i];
		const char *name = inst->plan ? inst->plan->name : NULL;

		if (inst->plan == user->plan) {
			inst->sampled = !inst->plan->nr_rules;
			user->buffer = i;
			user->beside = inst;
		}
		if (name && !strcmp(name, user->plan->tracer) && user->plan->nr_rules)
			return err_set(
				err, -EEXIST,
				"what the tracer '%s' measures goes into a buffer of that "
				"name, which is an instance of yours (-B); give that another "
				"name",
				name);
	}
	if (!user->plan->nr_rules)
		return 0;
	user->made = (struct record_instance){.name = user->plan->tracer};
	more->plan = &user->made;
	more->sampled = true;
	user->buffer = session->nr_instances++;
	return 0;
}

/* --- its course --- */

static int list_instances(struct session *session, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < session->nr_instances && r == 0; i++) {
		if (session->instances[i].open)
			r = kernel_targets_add(&session->user.stopped, session->fs,
					       session->instances[i].kernel.name, err);
	}
	return r;
}

/* "ADDRESS T tracing_mark_write" in the text of kallsyms; 0 when it is not there, or hidden. */
static uint64_t find_marker_ip(const struct dat_text *kallsyms)
{
	const char *name = kallsyms->data ? strstr(kallsyms->data, " tracing_mark_write\n") : NULL;

	if (!name)
		return 0;
	while (name > kallsyms->data && name[-1] != '\n')
		name--;
	return strtoull(name, NULL, 16);
}

int session_user_open(struct session *session, struct err *err)
{
	struct session_user *user = &session->user;
	const struct dat_metadata *dat = &session->metadata.dat;
	struct user_tracer_options *options = &user->options;
	int r;

	if (!user->plan)
		return 0;
	options->clock = session_clock(session, user->plan);
	options->cpumask = user->plan->cpumask;
	options->fs = session->fs;
	options->journal = session->journal;
	options->events = &session->events;
	options->formats = dat->ftrace_formats;
	options->nr_formats = dat->nr_ftrace_formats;
	options->marker_ip = find_marker_ip(&dat->kallsyms);
	options->partial = session->partial;
	options->buffer = user->buffer;
	options->layout = (struct subbuf_layout){
		.size = session_page_size(session, &session->instances[user->buffer]),
		.long_size = user->beside->kernel.long_size,
		.big_endian = HOST_BIG,
	};
	options->interval_ms = session->plan->interval_ms;
	options->instances = &user->stopped;
	r = list_instances(session, err);
	if (r == 0)
		r = user_tracer_new(&user->tracer, options, err);
	if (r == 0)
		session_say(session, RECORD_SAY_WARNING, "this kernel has no tracer '%s': %s",
			    user->plan->tracer, user_tracer_text(user->tracer));
	return r;
}

int session_user_start(struct session *session, struct err *err)
{
	return session->user.tracer ? user_tracer_start(session->user.tracer, err) : 0;
}

int session_user_stop(struct session *session, struct err *err)
{
	return user_tracer_stop(session->user.tracer, err);
}

int session_user_failed_fd(const struct session *session)
{
	return session->user.tracer ? user_tracer_failed_fd(session->user.tracer) : -1;
}

int session_user_names(struct session *session)
{
	return session->user.tracer ? user_tracer_names(session->user.tracer, &session->comms) : 0;
}

int session_user_stats(const struct session *session, uint32_t cpu,
		       struct kernel_cpu_stats *ret_stats, char **ret_text)
{
	const struct user_tracer *tracer = session->user.tracer;
	uint64_t written = user_tracer_written(tracer, cpu), lost = user_tracer_lost(tracer, cpu);
	_cleanup_out_ struct out out = {0};

	out_printf(&out,
		   "entries: 0\noverrun: %llu\ncommit overrun: 0\nbytes: 0\ndropped events: 0\n"
		   "read events: %llu\n",
		   (unsigned long long)lost, (unsigned long long)written);
	if (out.failed)
		return -ENOMEM;
	*ret_text = mem_strdup(out_cstr(&out));
	*ret_stats = (struct kernel_cpu_stats){.overrun = lost, .read = written};
	return *ret_text ? 0 : -ENOMEM;
}

uint64_t session_user_bytes(const struct session *session, uint32_t cpu)
{
	return user_tracer_bytes(session->user.tracer, cpu);
}

int session_user_close(struct session *session, struct err *err)
{
	struct user_tracer *tracer = session->user.tracer;

	session->user.tracer = NULL;
	kernel_targets_done(&session->user.stopped);
	return user_tracer_free(tracer, err);
}
