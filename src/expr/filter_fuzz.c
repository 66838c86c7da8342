/* SPDX-License-Identifier: MIT */
/*
 * The first byte chooses flags, the second the event, then a filter text up to a NUL, then the
 * record it is tried on.
 */
#include "base/mem.h"
#include "expr/expr_test_events.h"
#include "expr/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_records(const struct filter *filter, const struct event_db *db, size_t which,
			const uint8_t *data, size_t size)
{
	const struct event *event = event_db_at(db, which % event_db_count(db));
	struct filter_record record = {.data = data, .len = (uint32_t)size, .cpu = 1, .ts = 5};
	enum filter_result result = filter_match(filter, event, &record);

	if ((result == FILTER_MATCH || result == FILTER_NONE) && !filter_can_match(filter, event))
		abort();
	record.comm = "bash";
	filter_match(filter, event, &record);
	filter_match(filter, NULL, &record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_db *db;
	_cleanup_out_ struct out out = {0};
	struct filter *filter;
	struct err err = {0};
	char *text;
	size_t len;

	if (!db && test_events(&db) < 0)
		abort();
	if (size < 2 || filter_new(&filter, db) < 0)
		return 0;
	len = strnlen((const char *)data + 2, size - 2);
	text = mem_strndup((const char *)data + 2, len);
	if (text &&
	    filter_add(filter, text, data[0] & (FILTER_NEGATE | FILTER_COMPAT), &err) == 0) {
		size_t rest = MIN(2 + len + 1, size);

		filter_print(filter, &out);
		try_records(filter, db, data[1], data + rest, size - rest);
	}
	mem_free(text);
	filter_free(filter);
	return 0;
}
