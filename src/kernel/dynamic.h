/* SPDX-License-Identifier: MIT */
/*
 * Dynamic events: kprobes, uprobes, eprobes, fprobes, tracepoint probes. They belong to the whole
 * machine, not to an instance, so what is made here is in the session's journal first, and a name
 * is never taken from somebody else: the kernel would add our place to their event.
 */
#ifndef SONDE_KERNEL_DYNAMIC_H
#define SONDE_KERNEL_DYNAMIC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "expr/probe.h"
#include "kernel/events.h"
#include "kernel/journal.h"
#include "kernel/tracefs.h"

/* Whether a kernel module of that name is there, as a part of the kernel or loaded. */
bool kernel_has_module(const char *name);

/*
 * Only one sonde at a time looks for a free name and takes it: *ret_fd holds the lock until it is
 * closed. Fails with the reason when this kernel has no such probes.
 */
int kernel_dynamic_lock(const struct tracefs *fs, enum probe_kind kind, int *ret_fd,
			struct err *err) _must_check_;

bool kernel_dynamic_exists(const struct tracefs *fs, const char *group, const char *event);
/* Say that the name is taken, by what and by whom; returns -EEXIST. */
int kernel_dynamic_taken(const struct tracefs *fs, const char *group, const char *event,
			 struct err *err);

/*
 * Make the event that `text` defines. It is removed when the journal is undone. On a refusal err
 * has the kernel's message and its caret. With `more` the event is ours already and gets a further
 * place.
 */
int kernel_dynamic_create(const struct tracefs *fs, struct kernel_journal *journal,
			  enum probe_kind kind, const char *group, const char *event,
			  const char *text, bool more, struct err *err) _must_check_;

/*
 * Clear the hits of probes that another session of sonde has made: enabled here, they could not be
 * removed when that session ends. For patterns that do not name one. Returns how many.
 */
size_t kernel_dynamic_spare(const struct tracefs *fs, const struct kernel_journal *journal,
			    const struct kernel_events *events, bool *hits);

/*
 * Write `text`, "-:GROUP/EVENT", to dir/file. One that is still enabled somewhere is tried for a
 * second, then explained (-EBUSY). 0 when there is no such event.
 */
int kernel_dynamic_remove(const char *dir, const char *file, const char *text, struct err *err)
	_must_check_;

#endif
