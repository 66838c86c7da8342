/* SPDX-License-Identifier: MIT */
/* How the processor's time stamp counter (trace clock x86-tsc) becomes nanoseconds. */
#ifndef SONDE_KERNEL_TSC_H
#define SONDE_KERNEL_TSC_H

#include <stdint.h>

#include "base/err.h"

struct kernel_tsc {
	uint32_t mult, shift; /* ns = counter * mult >> shift */
};

/*
 * What the kernel tells perf; it is asked the first time. -EOPNOTSUPP where the counter is not fit
 * for it. Thread-safe.
 */
int kernel_tsc_scale(struct kernel_tsc *ret_tsc, struct err *err) _must_check_;

#endif
