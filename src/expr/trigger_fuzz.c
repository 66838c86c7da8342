/* SPDX-License-Identifier: MIT */
/*
 * Triggers: one text a line, as `report --trigger` has them, up to a NUL; then records, 64 bytes
 * each, the first byte of which chooses the event.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "expr/expr_test_events.h"
#include "expr/trigger.h"
#include "expr/trigger_play.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void play_records(struct trigger_play *play, const struct event_db *db, const uint8_t *data,
			 size_t size)
{
	for (size_t at = 0; at < size; at += 64) {
		const struct event *event = event_db_at(db, data[at] % event_db_count(db));
		struct filter_record record = {.data = data + at,
					       .len = (uint32_t)MIN(size - at, 64u)};

		trigger_play_record(play, event, &record);
		trigger_play_record(play, NULL, &record);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_db *db;
	size_t len = strnlen((const char *)data, size);
	char *text = mem_strndup((const char *)data, len), *rest = text, *line;
	struct trigger_play *play = NULL;
	struct kfilter_kernel kernel;
	struct trigger_rule rule;
	struct function_command command;
	struct err err;
	int r = 0;

	if (!db && test_events(&db) < 0)
		abort();
	kfilter_kernel_init(&kernel, NULL, 0);
	if (text && trigger_play_new(&play, db, &kernel, size && data[0] & 0x80) == 0) {
		while (r == 0 && (line = strsep(&rest, "\n"))) {
			if (trigger_rule_parse(&rule, line, &err) == 0 && rule.filter &&
			    (rule.filter < line || rule.filter > line + strlen(line)))
				abort();
			if (function_command_parse(&command, line, &err) == 0 &&
			    (command.function != line || line[command.function_len] != ':'))
				abort();
			r = trigger_play_add(play, line, &err);
		}
		if (r == 0 && len < size)
			play_records(play, db, data + len + 1, size - len - 1);
	}
	trigger_play_free(play);
	mem_free(text);
	return 0;
}
