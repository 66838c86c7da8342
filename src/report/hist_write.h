/* SPDX-License-Identifier: MIT */
/*
 * Synthetic events to a trace.dat of their own: with the formats, names and symbols of the
 * recording that they come from, so that they are events as any other. The symbols are known at the
 * end only, so until then pages are put aside: a megabyte of each CPU in memory, older ones in
 * files without a name.
 */
#ifndef SONDE_REPORT_HIST_WRITE_H
#define SONDE_REPORT_HIST_WRITE_H

#include "expr/hist.h"
#include "report/source.h"

struct hist_writer;

/* Borrows both. `path`: where the file will be, beside which pages are put aside. */
int hist_writer_new(struct hist_writer **ret_writer, const struct hist_set *set,
		    const struct source *source, const char *path) _must_check_;
void hist_writer_free(struct hist_writer *writer);

/* A hist_emit_fn; `arg` is the writer. */
int hist_writer_emit(void *arg, const struct hist_record *record);
/* Create or truncate `path`. */
int hist_writer_finish(struct hist_writer *writer, const char *path, struct err *err) _must_check_;

#endif
