/* SPDX-License-Identifier: MIT */
#include "kernel/triggers.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/out.h"
#include "kernel/borrow.h"

#define LIST_BYTES 65536u
#define LIST_HEAD  "# Available triggers:\n#"

static int event_file(struct out *out, const struct kernel_event *event, const char *file)
{
	out_printf(out, "events/%s/%s/%s", event->system, event->name, file);
	out_cstr(out);
	return out->failed ? -ENOMEM : 0;
}

static bool has_word(const char *list, const char *word, size_t len)
{
	for (const char *at = list; *at && *at != '\n';) {
		size_t n = strcspn(at, " \n");

		if (n == len && !memcmp(at, word, len))
			return true;
		at += n + (at[n] == ' ');
	}
	return false;
}

bool kernel_trigger_missing(const struct tracefs *fs, const struct kernel_event *event,
			    const char *command, size_t len)
{
	_cleanup_out_ struct out file = {0};
	_cleanup_free_ char *text = NULL;

	if (event_file(&file, event, "trigger") < 0)
		return false;
	if (!tracefs_exists(fs->path, file.buf))
		return true;
	if (tracefs_read(fs->path, file.buf, "list triggers", LIST_BYTES, &text, NULL, NULL) < 0 ||
	    strncmp(text, LIST_HEAD, strlen(LIST_HEAD)) != 0)
		return false;
	return !has_word(text + strlen(LIST_HEAD), command, len);
}

int kernel_event_borrow(struct kernel_instance *inst, const struct kernel_event *event,
			struct err *err)
{
	_cleanup_out_ struct out file = {0};

	if (inst->created)
		return 0;
	if (event_file(&file, event, "enable") < 0)
		return err_sys(err, -ENOMEM, "cannot set a trigger");
	return kernel_borrow(inst->journal, inst->path, file.buf, "set a trigger", err);
}

int kernel_event_switch(const struct kernel_target *target, const struct kernel_event *event,
			bool on, struct err *err)
{
	_cleanup_out_ struct out file = {0};

	if (event_file(&file, event, "enable") < 0)
		return err_sys(err, -ENOMEM, "cannot switch an event");
	return tracefs_write(target->path, file.buf, on ? "1" : "0",
			     on ? "switch an event on" : "switch an event off", err);
}
