/* SPDX-License-Identifier: MIT */
/*
 * Hist triggers that count in the kernel: in an instance of their own, with synthetic events that
 * go when it is closed, or from the journal when we are killed. What this kernel can do is found
 * out by asking it for it.
 */
#ifndef SONDE_KERNEL_HISTOGRAMS_H
#define SONDE_KERNEL_HISTOGRAMS_H

#include <stdbool.h>

#include "base/err.h"
#include "kernel/tracefs.h"

struct kernel_histograms;

/* Borrows `fs`. -EOPNOTSUPP when this kernel has no hist triggers, or none for synthetic events. */
int kernel_histograms_open(struct kernel_histograms **ret_histograms, const struct tracefs *fs,
			   struct err *err) _must_check_;
/*
 * "NAME TYPE FIELD; ...". Before the first trigger. -EEXIST when there is an event of that name,
 * which is somebody else's.
 */
int kernel_histograms_synthetic(struct kernel_histograms *histograms, const char *text,
				struct err *err) _must_check_;
/* It counts from now on. */
int kernel_histograms_trigger(struct kernel_histograms *histograms, const char *system,
			      const char *event, const char *text, struct err *err) _must_check_;
/* A text that changes a trigger that is there: with pause, cont or clear. False: refused. */
bool kernel_histograms_control(const struct kernel_histograms *histograms, const char *system,
			       const char *event, const char *text);
/* The event's `hist` file; new string. */
int kernel_histograms_read(const struct kernel_histograms *histograms, const char *system,
			   const char *event, char **ret_text, struct err *err) _must_check_;
/* Give everything back. NULL is legal. */
int kernel_histograms_close(struct kernel_histograms *histograms, struct err *err);

#endif
