/* SPDX-License-Identifier: MIT */
/*
 * The first byte chooses kernel and mode. Lines up to a NUL: "s DEFINITION" is a synthetic event,
 * else the first letter chooses an event and what follows is its trigger. Then records: event,
 * length, bytes, which are also read as a kernel's hist file.
 */
#include "base/mem.h"
#include "expr/expr_test_events.h"
#include "expr/hist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *comm(void *arg, int32_t pid)
{
	(void)arg;
	return pid % 3 ? "bash" : NULL;
}

/* Of the db, or synthetic. */
static const struct event *choose(const struct hist_set *set, const struct event_db *db,
				  uint8_t which)
{
	size_t nr = event_db_count(db), all = nr + hist_set_nr_synthetic(set);
	size_t index = which % all;

	return index < nr ? event_db_at(db, index) : hist_set_synthetic_at(set, index - nr);
}

static void add_lines(struct hist_set *set, const struct event_db *db, char *text)
{
	struct err err;
	char *line;

	while ((line = strsep(&text, "\n"))) {
		if (!*line)
			continue;
		if (line[0] == 's' && line[1] == ' ') {
			if (hist_set_synthetic(set, line + 2, &err) < 0 && !*err.text)
				abort();
		} else if (hist_set_trigger(set, choose(set, db, (uint8_t)line[0]), line + 1,
					    &err) < 0 &&
			   !*err.text) {
			abort();
		}
	}
}

static void add_records(struct hist_set *set, const struct event_db *db, const uint8_t *data,
			size_t size)
{
	static const uint64_t stack[] = {0xffffffff81000000, 0xffffffff81000010, 1, 2};
	uint64_t ts = 0;

	while (size > 2) {
		uint32_t len = (uint32_t)MIN((size_t)data[1], size - 2);
		struct hist_record record = {
			.event = choose(set, db, data[0]),
			.data = data + 2,
			.len = len,
			.cpu = data[0] >> 6,
			.ts = ts += 1000,
			.stack = stack,
			.nr_stack = data[1] % 5,
		};

		if (hist_set_record(set, &record) < 0 ||
		    (data[1] == 7 && hist_set_lost(set, record.cpu) < 0))
			abort();
		data += 2 + len;
		size -= 2 + len;
	}
}

/* A hist file is of an event, with all its triggers: it is looked at once. */
static bool is_first(const struct hist_set *set, size_t index)
{
	const struct event *event = hist_event(hist_set_at(set, index));

	for (size_t i = 0; i < index; i++)
		if (hist_event(hist_set_at(set, i)) == event)
			return false;
	return true;
}

static void print_all(const struct hist_set *set)
{
	_cleanup_out_ struct out out = {0};

	for (size_t i = 0; i < hist_set_count(set); i++) {
		const struct hist *hist = hist_set_at(set, i);
		struct hist_rows *rows;
		size_t keys;

		if (is_first(set, i) && hist_print_kernel(set, hist_event(hist), &out) < 0)
			abort();
		if (hist_rows_new(hist, &rows) < 0)
			abort();
		for (size_t row = 0; row < hist_rows_count(rows); row++) {
			for (size_t j = 0; j < hist_nr_columns(hist, &keys); j++) {
				struct hist_column column;
				struct hist_cell cell;

				hist_column(hist, j, &column);
				hist_cell(hist, rows, row, j, &cell);
			}
		}
		hist_rows_free(rows);
		out_clear(&out);
	}
}

/* What a kernel says it has counted: our own text, and any other, which must be refused or read. */
static void load_all(struct hist_set *set, const uint8_t *data, size_t size)
{
	char *text = mem_strndup((const char *)data, size);
	struct err err;

	for (size_t i = 0; i < hist_set_count(set); i++) {
		const struct event *event = hist_event(hist_set_at(set, i));
		_cleanup_out_ struct out out = {0};

		if (!is_first(set, i))
			continue;
		if (hist_print_kernel(set, event, &out) < 0)
			abort();
		if (text && hist_set_load(set, event, text, &err) < 0 && !*err.text)
			abort();
		if (hist_set_load(set, event, out_cstr(&out), &err) < 0 && !*err.text)
			abort();
	}
	mem_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_db *db;
	struct hist_options options = {.nsecs = true};
	struct hist_set *set;
	char *text;
	size_t len;

	if (!db && test_events(&db) < 0)
		abort();
	if (size < 2)
		return 0;
	options.release = data[0] & 1 ? "6.1.0" : "6.12.1";
	options.kernel = hist_kernel_from_release(options.release);
	options.strict = data[0] & 2;
	if (hist_set_new(&set, db, &options) < 0)
		return 0;
	hist_set_comm(set, comm, NULL);
	len = strnlen((const char *)data + 1, size - 1);
	text = mem_strndup((const char *)data + 1, len);
	if (text) {
		size_t rest = MIN(1 + len + 1, size);

		add_lines(set, db, text);
		add_records(set, db, data + rest, size - rest);
		print_all(set);
		load_all(set, data + rest, size - rest);
		print_all(set);
	}
	mem_free(text);
	hist_set_free(set);
	return 0;
}
