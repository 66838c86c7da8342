/* SPDX-License-Identifier: MIT */
/*
 * Filters of programs: after a byte that says of which mode, the fields of a record, then the text.
 * What the watcher has made of it answers as the filter itself, and asks nothing but earlier
 * questions; what it decides for a function holds.
 */
#include "expr/kfilter.h"
#include "program/watcher_scene_test.h"

#define GIVEN_BYTES 40 /* of the record */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of functions and CPUs of which the record knows nothing, only the watcher's own is asked. */
static void compare(const struct program_watch *watch, const struct scene_moment *moment,
		    const struct event *event, const char *text)
{
	const struct filter_record record = {
		.data = moment->record,
		.len = sizeof(moment->record),
		.cpu = moment->cpu,
		.comm = moment->comm,
	};
	struct kfilter_kernel kernel;
	struct kfilter *filter;
	struct err err;

	kfilter_kernel_init(&kernel, NULL, 0);
	kernel.is_program = true;
	if (strstr(text, ".function") || kfilter_is_removal(text))
		return;
	if (!load_u32(moment->record + 4, HOST_BIG))
		return; /* the idle task, which has a name of its own and is no program's */
	if (kfilter_new(&filter, event, text, &kernel, 0, NULL, &err) < 0)
		return;
	if (kfilter_test(filter, &record) != scene_holds(watch, moment, SCENE_ENTRY))
		abort();
	kfilter_free(filter);
}

static void decide(struct program_watcher *watcher, const struct program_watch *watch,
		   struct scene_moment *moment)
{
	uint8_t choices[] = {PROGRAM_CHOICE_TRACE, PROGRAM_CHOICE_TRACE, PROGRAM_CHOICE_ROOT};

	if (program_watcher_apply(watcher, &scene_elf, SCENE_BASE, choices) < 0)
		return;
	/* Whose names would be needed to ask: what is not patched has none in the table. */
	if (choices[1] == PROGRAM_CHOICE_NONE && watch->asks_functions)
		return;
	store_u32(moment->record + 8, SCENE_OUTER, HOST_BIG);
	moment->names = program_watch_bits(watch, SCENE_OUTER);
	if (!(choices[1] & PROGRAM_CHOICE_WATCHED) &&
	    scene_holds(watch, moment, SCENE_ENTRY) != (choices[1] != PROGRAM_CHOICE_NONE))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct program_watch memory;
	struct scene_moment moment = {.comm = "worker-3"};
	struct program_rule rule = {0};
	struct program_watch_options options = {
		.events = scene_events,
		.nr_events = 1,
		.rules = &rule,
		.nr_rules = 1,
	};
	struct program_watcher *watcher;
	struct err err;
	char *text;

	if (size < 1 + GIVEN_BYTES)
		return 0;
	options.mode = data[0] & 1 ? PROGRAM_GRAPH : PROGRAM_FUNCTION;
	moment.cpu = data[0] >> 1;
	memcpy(moment.record, data + 1, GIVEN_BYTES);
	memcpy(moment.record + 48, data + 1 + 24, 16); /* as long, and as far, as the times say */
	moment.record[2] = moment.record[3] = 0;       /* flags that programs do not have */
	data += 1 + GIVEN_BYTES;
	size -= 1 + GIVEN_BYTES;
	text = mem_strndup((const char *)data, strnlen((const char *)data, size));
	if (!text)
		return 0;
	rule.filter = text;
	if (program_watcher_new(&watcher, &options, &err) == 0) {
		memset(memory.functions, 0, sizeof(memory.functions));
		program_watcher_begin(watcher, &memory);
		compare(&memory, &moment, program_watcher_event(watcher), text);
		decide(watcher, &memory, &moment);
		program_watcher_free(watcher);
	}
	mem_free(text);
	return 0;
}
