/* SPDX-License-Identifier: MIT */
/*
 * Settings of the kernel's own tracers hwlat, osnoise and timerlat, and of everything that has a
 * threshold: -O NAME=VALUE. They are files of the whole kernel, so their old values go into the
 * journal.
 */
#ifndef SONDE_KERNEL_TUNING_H
#define SONDE_KERNEL_TUNING_H

#include <stdbool.h>

#include "base/closest.h"
#include "base/err.h"
#include "kernel/journal.h"
#include "kernel/tracefs.h"

/* Whether the name before '=' is one of these. */
bool kernel_tuning_is(const char *option);

/* Their names, for a misspelt option. */
void kernel_tuning_suggest(struct closest *closest);

/* Write it. -EINVAL for a value the kernel refuses, -ENOENT when it has no such setting. */
int kernel_tuning_write(struct kernel_journal *journal, const struct tracefs *fs,
			const char *option, struct err *err) _must_check_;

#endif
