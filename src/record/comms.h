/* SPDX-License-Identifier: MIT */
/*
 * Task names gathered while recording. The kernel keeps only the last few (saved_cmdlines, 128 by
 * default), so they are collected from time to time; a later name of a pid replaces an earlier one.
 */
#ifndef SONDE_RECORD_COMMS_H
#define SONDE_RECORD_COMMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/out.h"

#define COMM_BYTES 16

struct comms_entry {
	int32_t pid; /* 0: free */
	char comm[COMM_BYTES];
};

struct comms {
	struct comms_entry *table; /* open addressing; size is a power of two */
	size_t size, nr;
};

void comms_done(struct comms *comms);
/* Lines "PID COMM"; what is no such line, and "<...>", is passed over. */
int comms_merge(struct comms *comms, const char *text) _must_check_;
/* Unless `replace`, a name that is known stays. Names are cut to what the kernel keeps. */
int comms_set(struct comms *comms, int32_t pid, const char *comm, bool replace) _must_check_;
const char *comms_get(const struct comms *comms, int32_t pid); /* NULL: not known */
/* Append all as lines "PID COMM", by pid. */
int comms_text(const struct comms *comms, struct out *out) _must_check_;

#endif
