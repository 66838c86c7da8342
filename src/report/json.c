/* SPDX-License-Identifier: MIT */
/* Machine-readable lines: one JSON object or one CSV row a record. docs/man/sonde-report.1 */
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "report/batch.h"

static void put_number(struct out *out, const struct event_field *field, uint64_t value)
{
	if (field->flags & EVENT_FIELD_SIGNED)
		out_i64(out, (int64_t)value);
	else
		out_u64(out, value);
}

static void put_array(struct out *out, const struct event *event, const struct event_field *field,
		      const uint8_t *bytes, uint32_t len)
{
	bool big = event_db_big_endian(event->db);
	uint32_t size = field->elem_size;

	if (size != 1 && size != 2 && size != 4 && size != 8)
		size = 1;
	out_char(out, '[');
	for (uint32_t i = 0; i + size <= len; i += size) {
		if (i)
			out_char(out, ',');
		if (field->flags & EVENT_FIELD_SIGNED)
			out_i64(out, load_int(bytes + i, size, big));
		else
			out_u64(out, load_uint(bytes + i, size, big));
	}
	out_char(out, ']');
}

/* A field's value: number, string or array of numbers. `quote` writes a string. */
static void put_value(struct out *out, const struct batch_record *rec,
		      const struct event_field *field,
		      void (*quote)(struct out *out, const char *text, size_t len))
{
	const void *bytes;
	uint32_t len = 0;

	if (!(field->flags & (EVENT_FIELD_ARRAY | EVENT_FIELD_STRING))) {
		put_number(out, field, event_field_u64(rec->event, field, rec->data, rec->len));
		return;
	}
	bytes = event_field_bytes(rec->event, field, rec->data, rec->len, &len);
	if (field->flags & EVENT_FIELD_STRING)
		quote(out, bytes ? bytes : "", bytes ? strnlen(bytes, len) : 0);
	else
		put_array(out, rec->event, field, bytes, bytes ? len : 0);
}

static void event_text(const struct report *report, const struct batch_record *rec,
		       struct out *scratch)
{
	out_clear(scratch);
	if (rec->event)
		format_info(report, rec, scratch);
}

static void json_key(struct out *out, const char *key)
{
	out_lit(out, ",\"");
	out_str(out, key);
	out_lit(out, "\":");
}

static void json_text_member(struct out *out, const char *key, const char *text)
{
	json_key(out, key);
	out_json(out, text, strlen(text));
}

static void json_fields(const struct batch_record *rec, struct out *out)
{
	const struct event *event = rec->event;
	bool first = true;

	json_key(out, "fields");
	out_char(out, '{');
	for (uint32_t i = 0; event && i < event->nr_fields; i++) {
		const struct event_field *field = &event->fields[i];

		if (field->flags & EVENT_FIELD_COMMON)
			continue;
		if (!first)
			out_char(out, ',');
		first = false;
		out_json(out, field->name, strlen(field->name));
		out_char(out, ':');
		put_value(out, rec, field, out_json);
	}
	out_char(out, '}');
}

void format_json(const struct report *report, const struct batch_record *rec, int64_t lost,
		 struct out *out, struct out *scratch)
{
	const struct source *source = &report->sources[rec->source];
	const struct report_input *input = &report->inputs[report->source_input[rec->source]];

	out_lit(out, "{\"ts\":");
	out_u64(out, rec->ts);
	json_key(out, "cpu");
	out_u64(out, rec->cpu);
	json_text_member(out, "task", format_comm(rec));
	json_key(out, "pid");
	out_i64(out, rec->pid);
	out_clear(scratch);
	format_latency_flags(input, rec->data, rec->len, scratch);
	json_key(out, "flags");
	out_json(out, scratch->buf, scratch->len);
	if (report->nr_inputs > 1)
		json_text_member(out, "file", input->input->base_name);
	if (source->is_instance)
		json_text_member(out, "instance", input->input->dat->buffers[source->buffer].name);
	if (rec->event) {
		json_text_member(out, "system", rec->event->system);
		json_text_member(out, "event", rec->event->name);
	} else {
		out_lit(out, ",\"system\":null,\"event\":null");
	}
	if (lost) {
		json_key(out, "lost_before");
		out_i64(out, lost);
	}
	json_fields(rec, out);
	event_text(report, rec, scratch);
	json_key(out, "text");
	out_json(out, scratch->buf, scratch->len);
	out_lit(out, "}\n");
}

/* RFC 4180: quoted when it holds a comma, a quote or a line end. */
static void csv_string(struct out *out, const char *text, size_t len)
{
	bool quote = false;

	for (size_t i = 0; i < len && !quote; i++)
		quote = text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
	if (!quote) {
		out_mem(out, text, len);
		return;
	}
	out_char(out, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			out_char(out, '"');
		out_char(out, text[i]);
	}
	out_char(out, '"');
}

static void csv_text(struct out *out, const char *text)
{
	csv_string(out, text, strlen(text));
}

static void csv_field(const struct report *report, const struct batch_record *rec, const char *name,
		      struct out *out, struct out *scratch)
{
	const struct source *source = &report->sources[rec->source];
	const struct report_input *input = &report->inputs[report->source_input[rec->source]];
	const struct event_field *field;

	if (!strcmp(name, "ts")) {
		out_u64(out, rec->ts);
	} else if (!strcmp(name, "cpu")) {
		out_u64(out, rec->cpu);
	} else if (!strcmp(name, "task")) {
		csv_text(out, format_comm(rec));
	} else if (!strcmp(name, "pid") && !(rec->event && event_field_find(rec->event, "pid"))) {
		out_i64(out, rec->pid);
	} else if (!strcmp(name, "flags")) {
		format_latency_flags(input, rec->data, rec->len, out);
	} else if (!strcmp(name, "file")) {
		csv_text(out, input->input->base_name);
	} else if (!strcmp(name, "instance")) {
		csv_text(out, input->input->dat->buffers[source->buffer].name);
	} else if (!strcmp(name, "system")) {
		csv_text(out, rec->event ? rec->event->system : "");
	} else if (!strcmp(name, "event")) {
		csv_text(out, rec->event ? rec->event->name : "");
	} else if (!strcmp(name, "text")) {
		event_text(report, rec, scratch);
		csv_string(out, scratch->buf, scratch->len);
	} else if (rec->event && (field = event_field_find(rec->event, name))) {
		out_clear(scratch);
		if (field->flags & EVENT_FIELD_ARRAY && !(field->flags & EVENT_FIELD_STRING)) {
			put_value(scratch, rec, field, csv_string);
			csv_string(out, scratch->buf, scratch->len);
		} else {
			put_value(out, rec, field, csv_string);
		}
	}
}

bool report_csv_column(const char *name)
{
	static const char *const names[] = {"ts",   "cpu",	"task",	  "pid",   "flags",
					    "file", "instance", "system", "event", "text"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

void format_csv(const struct report *report, const struct batch_record *rec, struct out *out,
		struct out *scratch)
{
	for (size_t i = 0; i < report->options.nr_csv_fields; i++) {
		if (i)
			out_char(out, ',');
		csv_field(report, rec, report->options.csv_fields[i], out, scratch);
	}
	out_char(out, '\n');
}
