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

/*
 * Pass over the next `nr` records, writing them to `writer` (where a CPU has been begun) unless it
 * is NULL. Fewer when there are no more. Pages that cannot be read are left out, and told in
 * *ret_damage (code 0 when there are none), which is only ever set.
 */
int dat_cut_records(struct dat_cut *cut, uint64_t nr, struct dat_writer *writer,
		    struct err *ret_damage, struct err *err) _must_check_;

#endif
