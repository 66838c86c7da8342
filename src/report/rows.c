/* SPDX-License-Identifier: MIT */
#include "report/rows.h"

#include <string.h>

void rows_csv_text(struct out *out, const char *text)
{
	if (!strpbrk(text, ",\"\r\n")) {
		out_str(out, text);
		return;
	}
	out_char(out, '"');
	for (; *text; text++) {
		if (*text == '"')
			out_char(out, '"');
		out_char(out, *text);
	}
	out_char(out, '"');
}

void rows_names(struct out *out, enum report_format format, bool with_buffer,
		const char *const *names, size_t nr_names)
{
	if (format != REPORT_CSV)
		return;
	if (with_buffer)
		out_lit(out, "buffer,");
	for (size_t i = 0; i < nr_names; i++) {
		if (i)
			out_char(out, ',');
		out_str(out, names[i]);
	}
	out_char(out, '\n');
}

/* What stands before a value: the separator, and in JSON its name. */
static void before(struct rows *rows, const char *name)
{
	if (rows->nr_values++)
		out_char(rows->out, ',');
	if (rows->format != REPORT_JSON)
		return;
	out_json(rows->out, name, strlen(name));
	out_char(rows->out, ':');
}

void rows_begin(struct rows *rows)
{
	rows->nr_values = 0;
	if (rows->format == REPORT_JSON)
		out_char(rows->out, '{');
	if (rows->buffer)
		rows_text(rows, "buffer", rows->buffer);
}

void rows_text(struct rows *rows, const char *name, const char *text)
{
	before(rows, name);
	if (rows->format == REPORT_JSON)
		out_json(rows->out, text, strlen(text));
	else
		rows_csv_text(rows->out, text);
}

void rows_u64(struct rows *rows, const char *name, uint64_t value)
{
	before(rows, name);
	out_u64(rows->out, value);
}

void rows_i64(struct rows *rows, const char *name, int64_t value)
{
	before(rows, name);
	out_i64(rows->out, value);
}

void rows_none(struct rows *rows, const char *name)
{
	before(rows, name);
	if (rows->format == REPORT_JSON)
		out_lit(rows->out, "null");
}

void rows_raw(struct rows *rows, const char *name, const char *text, size_t len)
{
	before(rows, name);
	out_mem(rows->out, text, len);
}

void rows_end(struct rows *rows)
{
	if (rows->format == REPORT_JSON)
		out_char(rows->out, '}');
	out_char(rows->out, '\n');
}
