/* SPDX-License-Identifier: MIT */
/*
 * Histograms of a recording's triggers. Those that the kernel keeps are read before their instance
 * goes; what a kernel without hist triggers refuses is left to whoever reads the recording.
 */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/mem.h"
#include "event/event.h"
#include "expr/hist.h"
#include "kernel/metadata.h"
#include "kernel/triggers.h"
#include "record/session.h"

#define HIST_BYTES (64u << 20) /* of one file; larger is no histogram */

struct session_hist {
	const struct session_instance *inst;
	const struct kernel_event *event;
	const char *trigger;
	bool here;  /* to be counted from the recording, not by the kernel */
	char *text; /* what the kernel has counted, of all the event's triggers, once tracing is
		       over */
};

static bool is_hist(const char *text)
{
	return !strncmp(text, "hist:", 5);
}

/* An instance that stays keeps its histograms, for `sonde show --hist`. */
static bool goes_away(const struct session *session, const struct session_instance *inst)
{
	return inst->kernel.created && !session->plan->keep_after;
}

static int add(struct session *session, const struct session_hist *hist, struct err *err)
{
	if (array_reserve(&session->hists, &session->cap_hists, session->nr_hists + 1,
			  sizeof(*hist)) < 0)
		return err_sys(err, -ENOMEM, "cannot set a trigger");
	session->hists[session->nr_hists++] = *hist;
	return 0;
}

bool session_counts_hist(const struct session *session, const struct session_instance *inst,
			 const struct kernel_event *event, const char *text)
{
	return is_hist(text) && goes_away(session, inst) && !session->plan->stream &&
	       kernel_trigger_missing(session->fs, event, text, 4);
}

int session_add_hist(struct session *session, const struct session_instance *inst, const bool *hits,
		     const char *text, bool here, struct err *err)
{
	int r = 0;

	if (!is_hist(text) || !goes_away(session, inst))
		return 0;
	for (size_t i = 0; i < session->events.nr && r == 0; i++) {
		const struct session_hist hist = {inst, &session->events.list[i], text, here, NULL};

		if (hits[i])
			r = add(session, &hist, err);
	}
	if (r == 0 && here)
		session_say(session, RECORD_SAY_WARNING,
			    "this kernel has no hist triggers: '%.100s' is counted from the "
			    "recording when it is over",
			    text);
	return r;
}

/* --- whether those that are counted here are right, before anything is recorded --- */

static int add_formats(const struct session *session, struct event_db *db, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < session->nr_hists && r == 0; i++) {
		const struct session_hist *hist = &session->hists[i];
		_cleanup_free_ char *text = NULL;
		size_t len;

		if (!hist->here || event_db_by_name(db, hist->event->system, hist->event->name))
			continue;
		r = kernel_format(session->fs, hist->event->system, hist->event->name, &text, &len,
				  err);
		if (r == 0)
			r = event_db_add_format(db, hist->event->system, text, len, err);
	}
	if (r == 0 && event_db_seal(db) < 0)
		r = err_sys(err, -ENOMEM, "cannot set a trigger");
	return r;
}

static int try(const struct session *session, struct event_db *db, struct err *err)
{
	struct hist_options options = {.strict = true};
	struct hist_set *set;
	struct utsname host;
	int r = add_formats(session, db, err);

	if (r < 0)
		return r;
	(void)!uname(&host);
	options.release = host.release;
	options.kernel = hist_kernel_from_release(host.release);
	if (hist_set_new(&set, db, &options) < 0)
		return err_sys(err, -ENOMEM, "cannot set a trigger");
	for (size_t i = 0; i < session->nr_hists && r == 0; i++) {
		const struct session_hist *hist = &session->hists[i];

		if (hist->here)
			r = hist_set_trigger(
				set, event_db_by_name(db, hist->event->system, hist->event->name),
				hist->trigger, err);
	}
	hist_set_free(set);
	return r;
}

int session_check_hists(const struct session *session, struct err *err)
{
	const struct event_db_options options = {.long_size = sizeof(long)};
	struct event_db *db;
	size_t nr = 0;
	int r;

	for (size_t i = 0; i < session->nr_hists; i++)
		nr += session->hists[i].here;
	if (!nr)
		return 0;
	if (event_db_new(&db, &options) < 0)
		return err_sys(err, -ENOMEM, "cannot set a trigger");
	r = try(session, db, err);
	event_db_free(db);
	return r;
}

/* --- their results --- */

static char *name_of(const struct kernel_event *event)
{
	_cleanup_out_ struct out name = {0};

	out_printf(&name, "%s:%s", event->system, event->name);
	return name.failed ? NULL : mem_strdup(out_cstr(&name));
}

static int event_file(const struct session_hist *hist, const char *file, struct out *out)
{
	out_printf(out, "events/%s/%s/%s", hist->event->system, hist->event->name, file);
	out_cstr(out);
	return out->failed ? -ENOMEM : 0;
}

/* One with variables refuses that, since they would be defined twice; it has counted the set-up. */
void session_clear_hists(const struct session *session)
{
	for (size_t i = 0; i < session->nr_hists; i++) {
		const struct session_hist *hist = &session->hists[i];
		_cleanup_out_ struct out file = {0}, text = {0};

		if (hist->here || event_file(hist, "trigger", &file) < 0)
			continue;
		hist_kernel_text(hist->trigger, true, "clear", &text);
		(void)!tracefs_append(hist->inst->kernel.path, file.buf, out_cstr(&text),
				      "change a trigger", NULL);
	}
}

/* Of several triggers of an event the kernel has one file. */
static bool is_read(const struct session *session, const struct session_hist *hist)
{
	for (const struct session_hist *other = session->hists; other < hist; other++)
		if (other->inst == hist->inst && other->event == hist->event)
			return true;
	return false;
}

int session_read_hists(const struct session *session, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < session->nr_hists && r == 0; i++) {
		struct session_hist *hist = &session->hists[i];
		_cleanup_out_ struct out file = {0};

		if (hist->here || is_read(session, hist))
			continue;
		r = event_file(hist, "hist", &file);
		r = r < 0 ? err_sys(err, r, "cannot read a histogram")
			  : tracefs_read(hist->inst->kernel.path, file.buf, "read a histogram",
					 HIST_BYTES, &hist->text, NULL, err);
	}
	return r;
}

int session_give_hists(const struct session *session, struct record_result *result, struct err *err)
{
	for (size_t i = 0; i < session->nr_hists; i++) {
		struct session_hist *hist = &session->hists[i];
		const struct record_instance *plan = hist->inst->plan;
		struct record_hist to = {.trigger = hist->here ? hist->trigger : NULL};

		if (!hist->here && !hist->text)
			continue;
		to.instance = plan && plan->name ? plan->name : "";
		to.text = steal(&hist->text);
		to.event = name_of(hist->event);
		if (record_result_add_hist(result, &to) < 0 || !to.event)
			return err_sys(err, -ENOMEM, "cannot keep the histograms");
	}
	return 0;
}

void session_free_hists(struct session *session)
{
	for (size_t i = 0; i < session->nr_hists; i++)
		mem_free(session->hists[i].text);
	mem_free(session->hists);
}
