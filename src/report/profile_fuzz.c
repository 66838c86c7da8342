/* SPDX-License-Identifier: MIT */
/*
 * A hook text up to a NUL (empty: no hook), then records for the profile and the wake-up latencies:
 * event, CPU and length, a byte each, and the payload.
 */
#include "expr/expr_test_events.h"
#include "report/profile.h"
#include "report/wakeup.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_records(struct profile *profile, struct wakeup *wakeup, const struct event_db *db,
			 const uint8_t *data, size_t size)
{
	_cleanup_out_ struct out out = {0};
	uint64_t ts = 0;

	while (size >= 3) {
		const struct event *event = event_db_at(db, data[0] % event_db_count(db));
		uint32_t cpu = data[1] & 3, len = (uint32_t)MIN((size_t)data[2], size - 3);

		ts += data[1];
		if (data[1] & 0x80)
			profile_lost(profile, cpu);
		if (profile_event(profile, event, data + 3, len, cpu, ts) < 0 ||
		    wakeup_event(wakeup, event, data + 3, len, ts, &out) < 0)
			return;
		data += 3 + len;
		size -= 3 + len;
	}
	if (profile_print(profile, &out) == 0)
		wakeup_summary(wakeup, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_db *db;
	struct profile_options options = {.nr_cpus = 2};
	struct profile *profile = NULL;
	struct wakeup *wakeup = NULL;
	struct err err = {0};
	size_t len = strnlen((const char *)data, size);
	char *hook = mem_strndup((const char *)data, len);
	const char *hooks[] = {hook};

	if (!db && test_events(&db) < 0)
		abort();
	options.hooks = hooks;
	options.nr_hooks = len > 0;
	options.global = len & 1;
	options.by_comm = len & 2;
	if (hook && len < size && profile_new(&profile, db, &options, &err) == 0 &&
	    wakeup_new(&wakeup, db) == 0)
		take_records(profile, wakeup, db, data + len + 1, size - len - 1);
	profile_free(profile);
	wakeup_free(wakeup);
	mem_free(hook);
	return 0;
}
