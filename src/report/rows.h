/* SPDX-License-Identifier: MIT */
/*
 * Rows of named values as JSON (one object a line) or CSV (names in the first line), for the
 * commands that summarise. Text tables have layouts of their own.
 */
#ifndef SONDE_REPORT_ROWS_H
#define SONDE_REPORT_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/out.h"
#include "report/report.h"

struct rows {
	enum report_format format; /* REPORT_JSON or REPORT_CSV */
	struct out *out;	   /* borrowed */
	const char *buffer;	   /* NULL, or which file or instance: the first column */
	size_t nr_values;	   /* of this row so far */
};

/* The line of names of a CSV table, `buffer` first when `with_buffer`. Nothing in JSON. */
void rows_names(struct out *out, enum report_format format, bool with_buffer,
		const char *const *names, size_t nr_names);

/* One row: begin, its values in the order of the names, end. */
void rows_begin(struct rows *rows);
void rows_text(struct rows *rows, const char *name, const char *text);
void rows_u64(struct rows *rows, const char *name, uint64_t value);
void rows_i64(struct rows *rows, const char *name, int64_t value);
/* A value that is not known: null, or an empty column. */
void rows_none(struct rows *rows, const char *name);
/* A comma-free text that is a number or an array already. */
void rows_raw(struct rows *rows, const char *name, const char *text, size_t len);
void rows_end(struct rows *rows);

/* `text` as one CSV column, quoted where it must be. */
void rows_csv_text(struct out *out, const char *text);

#endif
