/* SPDX-License-Identifier: MIT */
/* Triggers of an instance's events, and why the kernel refuses one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/errlog.h"
#include "kernel/features.h"
#include "kernel/instance.h"

#define TEXT_BYTES (4u << 20)
#define AVAILABLE  "# Available triggers:\n#"

static int note_trigger(struct kernel_instance *inst, const char *file, const char *text,
			struct err *err)
{
	_cleanup_free_ char *remove = mem_alloc(strlen(text) + 2);

	if (!remove)
		return err_sys(err, -ENOMEM, "cannot set a trigger");
	sprintf(remove, "!%s", text);
	return kernel_journal_push(inst->journal, KERNEL_UNDO_APPEND, inst->path, file, remove,
				   err);
}

/* What stands behind "if", as the kernel cuts it out; NULL when nothing does. Returns new text. */
static char *filter_of(const char *trigger)
{
	const char *condition = strstr(trigger, " if ");
	size_t len;

	if (!condition)
		return NULL;
	condition += 4 + strspn(condition + 4, " \t");
	for (len = strlen(condition); len && strchr(" \t\n", condition[len - 1]); len--)
		;
	return mem_strndup(condition, len);
}

/*
 * A filter leaves its reason in error_log, with the place; so do hist triggers, the others leave
 * nothing, and what stands there then is about something else.
 */
static bool logged(const struct kernel_instance *inst, const char *where, const char *trigger,
		   struct err *err)
{
	_cleanup_free_ char *log = NULL, *filter = filter_of(trigger);
	bool hist = !strncmp(trigger, "hist:", 5);
	char *message, *command;
	int caret;

	if ((!hist && !filter) ||
	    tracefs_read(inst->path, "error_log", "read errors", TEXT_BYTES, &log, NULL, NULL) <
		    0 ||
	    !kernel_errlog_find(log, hist ? NULL : filter, &message, &command, &caret))
		return false;
	err_set(err, -EINVAL,
		"the kernel does not accept the trigger for %.100s: %.100s\n  %.150s\n  %*s^",
		where, message, command, MIN(MAX(caret, 0), 150), "");
	return true;
}

/*
 * What is wrong behind the first ':', and so to blame before any filter is: "traceoff:COUNT",
 * "enable_event:SYSTEM:EVENT:COUNT". NULL when that is in order, or hist's own language.
 */
static const char *wrong_words(const struct kernel_instance *inst, const char *trigger)
{
	const char *words = trigger + strcspn(trigger, ": "), *count = words;
	char path[400];

	if (*words != ':' || !strncmp(trigger, "hist", 4) || !strncmp(trigger, "enable_hist", 11) ||
	    !strncmp(trigger, "disable_hist", 12))
		return NULL;
	if (!strncmp(trigger, "enable_event", 12) || !strncmp(trigger, "disable_event", 13)) {
		int system = (int)strcspn(words + 1, ": "), event;

		if (words[1 + system] != ':')
			return ": an event to switch is SYSTEM:EVENT";
		event = (int)strcspn(words + 2 + system, ": ");
		snprintf(path, sizeof(path), "events/%.*s/%.*s", MIN(system, 180), words + 1,
			 MIN(event, 180), words + 2 + system);
		if (!tracefs_exists(inst->path, path))
			return ": there is no such event to switch";
		count = words + 2 + system + event;
	}
	return *count == ':' && strspn(count + 1, "0123456789") < MAX(strcspn(count + 1, " "), 1u)
		       ? ": the count, behind the last ':', is no number"
		       : NULL;
}

/* Filters have errno values of their own, so none of these is what it seems to be. */
static int refused(const struct kernel_instance *inst, const struct kernel_event *event,
		   const char *file, const char *trigger, int code, struct err *err)
{
	size_t len = strcspn(trigger + (*trigger == '!'), ": ");
	_cleanup_free_ char *have = NULL, *word = NULL;
	const char *condition = strstr(trigger, " if "), *wrong;
	char where[200];

	snprintf(where, sizeof(where), "%.80s:%.80s", event->system, event->name);
	if (code == -EEXIST)
		return err_set(err, code, "%s has a trigger '%.*s' already", where,
			       (int)strcspn(trigger, ": "), trigger);
	if (code == -ENOMEM || code == -EBUSY || code == -EIO || code == -ENODEV)
		return code;
	if (logged(inst, where, trigger, err))
		return -EINVAL;
	/* Without a trigger of its own an event's file lists what there is. */
	if (tracefs_read(inst->fs->path, file, "list triggers", TEXT_BYTES, &have, NULL, NULL) <
		    0 ||
	    strncmp(have, AVAILABLE, strlen(AVAILABLE)) != 0)
		return code;
	have[strlen(AVAILABLE) + strcspn(have + strlen(AVAILABLE), "\n")] = '\0';
	word = mem_strndup(trigger + (*trigger == '!'), len);
	if (!word)
		return -ENOMEM;
	if (!tracefs_list_has(have + strlen(AVAILABLE), word))
		return feature_missing(err, -EINVAL, feature_of_trigger(word, len), inst->fs,
				       "this kernel has no trigger '%.60s'; it has:%.150s", word,
				       have + strlen(AVAILABLE));
	wrong = wrong_words(inst, trigger);
	if (condition && !wrong)
		return err_set(
			err, -EINVAL,
			"the kernel does not accept the trigger '%.150s' for %s: what stands "
			"behind 'if' is no filter of this event; its fields: sonde list -e "
			"'%s' -F",
			trigger, where, where);
	return err_set(err, -EINVAL, "the kernel does not accept the trigger '%.150s' for %s%s",
		       trigger, where, wrong ? wrong : "");
}

static int set_trigger(struct kernel_instance *inst, const struct kernel_event *event,
		       const char *text, struct err *err)
{
	size_t mark = kernel_journal_mark(inst->journal);
	bool holds = !strncmp(text, "hist", 4);
	char file[400];
	int r;

	snprintf(file, sizeof(file), "events/%.180s/%.180s/trigger", event->system, event->name);
	/* Triggers go with their instance, but a histogram with variables holds it. */
	r = inst->created && !holds ? 0 : note_trigger(inst, file, text, err);
	if (r < 0)
		return r;
	r = tracefs_append(inst->path, file, text, "set a trigger", err);
	if (r == 0)
		return 0;
	/* It was there before, or it never was: nothing to take away. */
	kernel_journal_forget(inst->journal, mark);
	return refused(inst, event, file, text, r, err);
}

int kernel_instance_trigger(struct kernel_instance *inst, const struct kernel_events *events,
			    const bool *hits, const char *trigger, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < events->nr && r == 0; i++) {
		if (hits[i])
			r = set_trigger(inst, &events->list[i], trigger, err);
	}
	return r;
}
