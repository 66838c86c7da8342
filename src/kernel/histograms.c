/* SPDX-License-Identifier: MIT */
#include "kernel/histograms.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/out.h"
#include "kernel/dynamic.h"
#include "kernel/events.h"
#include "kernel/features.h"
#include "kernel/instance.h"

#define HIST_BYTES     (256u << 20)
#define SYNTHETIC_FILE "synthetic_events"
/* The file by which a synthetic event is removed, as probes are. */
#define DYNAMIC_EVENTS "dynamic_events"

struct kernel_histograms {
	const struct tracefs *fs;
	struct kernel_journal *journal;
	struct kernel_instance inst;
	bool inst_open;
	struct kernel_events events; /* with those that were made */
	bool events_loaded;
};

/* Every event has the file where the kernel has the trigger. */
static bool kernel_has_hist(const struct tracefs *fs)
{
	return tracefs_exists(fs->path, "events/sched/sched_switch/hist");
}

int kernel_histograms_open(struct kernel_histograms **ret_histograms, const struct tracefs *fs,
			   struct err *err)
{
	struct kernel_histograms *histograms;
	int r;

	if (!kernel_has_hist(fs))
		return feature_missing(err, -EOPNOTSUPP, feature_info(FEATURE_HIST), fs,
				       "this kernel has no hist triggers");
	histograms = mem_zalloc(sizeof(*histograms));
	if (!histograms)
		return err_set(err, -ENOMEM, "out of memory");
	histograms->fs = fs;
	r = kernel_journal_open(&histograms->journal, fs->state, NULL, err);
	if (r < 0) {
		mem_free(histograms);
		return r;
	}
	*ret_histograms = histograms;
	return 0;
}

int kernel_histograms_synthetic(struct kernel_histograms *histograms, const char *text,
				struct err *err)
{
	const struct tracefs *fs = histograms->fs;
	size_t mark = kernel_journal_mark(histograms->journal), start = strspn(text, " \t");
	_cleanup_free_ char *name = mem_strndup(text + start, strcspn(text + start, " \t;"));
	_cleanup_out_ struct out undo = {0};
	int r;

	if (!tracefs_exists(fs->path, SYNTHETIC_FILE) || !tracefs_exists(fs->path, DYNAMIC_EVENTS))
		return err_set(err, -EOPNOTSUPP, "this kernel has no synthetic events");
	out_printf(&undo, "-:synthetic/%s", name ? name : "");
	if (!name || undo.failed)
		return err_set(err, -ENOMEM, "out of memory");
	if (kernel_dynamic_exists(fs, "synthetic", name))
		return err_set(err, -EEXIST, "the kernel has a synthetic event %s already", name);
	r = kernel_journal_push(histograms->journal, KERNEL_UNDO_PROBE, fs->path, DYNAMIC_EVENTS,
				out_cstr(&undo), err);
	if (r < 0)
		return r;
	r = tracefs_append(fs->path, SYNTHETIC_FILE, text, "define a synthetic event", err);
	if (r < 0)
		kernel_journal_forget(histograms->journal, mark);
	return r;
}

/* Behind the synthetic events, which can go only after what uses them. */
static int make_instance(struct kernel_histograms *histograms, struct err *err)
{
	int r;

	if (histograms->inst_open)
		return 0;
	r = kernel_events_load(&histograms->events, histograms->fs, err);
	if (r < 0)
		return r;
	histograms->events_loaded = true;
	r = kernel_instance_create(&histograms->inst, histograms->fs, histograms->journal, err);
	if (r < 0)
		return r;
	histograms->inst_open = true;
	/* A trigger that needs the time gets none from a buffer that is off. */
	return kernel_instance_start(&histograms->inst, err);
}

int kernel_histograms_trigger(struct kernel_histograms *histograms, const char *system,
			      const char *event, const char *text, struct err *err)
{
	const struct kernel_events *events = &histograms->events;
	_cleanup_free_ bool *hits = NULL;
	size_t i = 0;
	int r = make_instance(histograms, err);

	if (r < 0)
		return r;
	while (i < events->nr && (strcmp(events->list[i].system, system) != 0 ||
				  strcmp(events->list[i].name, event) != 0))
		i++;
	if (i == events->nr)
		return err_set(err, -ENOENT, "%s:%s: this kernel has no such event", system, event);
	hits = mem_calloc(events->nr, sizeof(*hits));
	if (!hits)
		return err_set(err, -ENOMEM, "out of memory");
	hits[i] = true;
	return kernel_instance_trigger(&histograms->inst, events, hits, text, err);
}

static int event_file(struct out *out, const char *system, const char *event, const char *file)
{
	out_printf(out, "events/%s/%s/%s", system, event, file);
	out_cstr(out);
	return out->failed ? -ENOMEM : 0;
}

bool kernel_histograms_control(const struct kernel_histograms *histograms, const char *system,
			       const char *event, const char *text)
{
	_cleanup_out_ struct out file = {0};

	return event_file(&file, system, event, "trigger") == 0 &&
	       tracefs_append(histograms->inst.path, file.buf, text, "change a trigger", NULL) == 0;
}

int kernel_histograms_read(const struct kernel_histograms *histograms, const char *system,
			   const char *event, char **ret_text, struct err *err)
{
	_cleanup_out_ struct out file = {0};

	if (event_file(&file, system, event, "hist") < 0)
		return err_set(err, -ENOMEM, "out of memory");
	return tracefs_read(histograms->inst.path, file.buf, "read a histogram", HIST_BYTES,
			    ret_text, NULL, err);
}

int kernel_histograms_close(struct kernel_histograms *histograms, struct err *err)
{
	int r = 0, closed;

	if (!histograms)
		return 0;
	if (histograms->inst_open)
		r = kernel_instance_close(&histograms->inst, err);
	closed = kernel_journal_close(histograms->journal, r < 0 ? NULL : err);
	if (histograms->events_loaded)
		kernel_events_done(&histograms->events);
	mem_free(histograms);
	return r < 0 ? r : closed;
}
