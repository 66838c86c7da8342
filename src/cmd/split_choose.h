/* SPDX-License-Identifier: MIT */
/* Which records of a recording the options of `sonde split` select, as report shows them. */
#ifndef SONDE_CMD_SPLIT_CHOOSE_H
#define SONDE_CMD_SPLIT_CHOOSE_H

#include "cmd/report_session.h"
#include "tracedat/cut.h"

struct split_choices {
	struct dat_choice **cpus; /* by buffer, by number of the CPU; NULL: all records */
	size_t nr_buffers;
	uint32_t nr_cpus;
};

/*
 * Reads the whole of an opened session's one file, in the order of time, when its options select
 * records. A bit a record is kept. split_choose_done in any case.
 */
int split_choose(struct split_choices *choices, struct report_session *s, struct err *err)
	_must_check_;
void split_choose_done(struct split_choices *choices);

#endif
