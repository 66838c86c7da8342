/* SPDX-License-Identifier: MIT */
/*
 * Cutting one CPU's data between records: a run of records goes to a writer, whole pages as they
 * are, and at both ends a page with what belongs there. Losses stay with the record they precede.
 */
#ifndef SONDE_TRACEDAT_CUT_H
#define SONDE_TRACEDAT_CUT_H

#include "tracedat/writer.h"

struct dat_cut;

int dat_cut_open(struct dat_cut **ret_cut, struct dat *dat, size_t buffer, size_t cpu_index,
		 struct err *err) _must_check_;
void dat_cut_close(struct dat_cut *cut); /* NULL is legal */

/* Which records of a CPU are wanted, a bit each; their numbers count from 0. All zero: none. */
struct dat_choice {
	uint64_t *bits;
	size_t nr, cap; /* words */
};

int dat_choice_add(struct dat_choice *choice, uint64_t number) _must_check_; /* -ENOMEM */
void dat_choice_done(struct dat_choice *choice);

static inline bool dat_choice_has(const struct dat_choice *choice, uint64_t number)
{
	return number / 64 < choice->nr && choice->bits[number / 64] >> number % 64 & 1;
}

/*
 * Write only these, into pages made anew; what was lost before one that is left out is lost before
 * the next one. Before the first record has been passed; `choice` is borrowed.
 */
int dat_cut_choose(struct dat_cut *cut, const struct dat_choice *choice, struct err *err)
	_must_check_;

/*
 * Pass over the next `nr` records, writing them to `writer` (where a CPU has been begun) unless it
 * is NULL. Fewer when there are no more. Pages that cannot be read are left out, and told in
 * *ret_damage (code 0 when there are none), which is only ever set.
 */
int dat_cut_records(struct dat_cut *cut, uint64_t nr, struct dat_writer *writer,
		    struct err *ret_damage, struct err *err) _must_check_;

#endif
