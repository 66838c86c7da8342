/* SPDX-License-Identifier: MIT */
/*
 * A filter text up to a NUL, then the record it is tried on, twice: with the first byte's flags,
 * and strictly beside the naive evaluator, where that knows the words.
 */
#include <stdlib.h>

#include "expr/kfilter_naive_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_event(const struct event *event, const char *text, unsigned int flags,
		      const struct filter_record *record)
{
	struct kfilter_kernel kernel;
	struct kfilter *filter;
	struct kfilter_error error;
	struct err err;

	kfilter_kernel_init(&kernel, flags & 2 ? "6.1.0" : NULL, flags & 4 ? NAIVE_CPUS : 0);
	if (kfilter_new(&filter, event, text, &kernel, flags & KFILTER_STRICT, &error, &err) < 0) {
		if (error.column > strlen(text) + 2 || (error.code && !error.message))
			abort();
		return;
	}
	if (kfilter_test(filter, record) ? kfilter_never(filter) : kfilter_always(filter))
		abort();
	if ((flags & KFILTER_STRICT) && !strstr(text, "CPUS") && !strstr(text, ".function") &&
	    event->id == NAIVE_ID && record->len >= NAIVE_LEN) {
		struct naive naive = {.p = text, .event = event, .record = record};

		if (naive_or(&naive) != kfilter_test(filter, record))
			abort();
	}
	kfilter_free(filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_db *db;
	static const struct event *event;
	uint8_t buf[NAIVE_LEN];
	struct filter_record record = {.data = buf, .len = sizeof(buf), .cpu = 2, .comm = "bash"};
	char *text;
	size_t len;

	if (!db)
		event = naive_event(&db);
	if (!event || size < 1)
		return 0;
	len = strnlen((const char *)data + 1, size - 1);
	text = mem_strndup((const char *)data + 1, len);
	if (!text)
		return 0;
	naive_record(buf);
	if (size > len + 2)
		memcpy(buf + 8, data + len + 2, MIN(size - len - 2, sizeof(buf) - 8));
	try_event(event, text, data[0], &record);
	try_event(event, text, data[0] | KFILTER_STRICT, &record);
	try_event(event_db_by_id(db, TEST_FUNC), text, data[0], &record);
	record.len = data[0];
	if (record.len <= sizeof(buf))
		try_event(event, text, data[0], &record);
	mem_free(text);
	return 0;
}
