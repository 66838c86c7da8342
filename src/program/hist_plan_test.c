/* SPDX-License-Identifier: MIT */
/* Histograms in programs: what their triggers become, and what is read from their memory. */
#include "program/hist_plan.h"

#include <errno.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/test.h"
#include "program/common_fields.h"
#include "program/watcher_scene_test.h"

static void watcher_free_p(struct program_watcher **watcher)
{
	program_watcher_free(*watcher);
}
#define _cleanup_watcher_ _cleanup_(watcher_free_p)

static int make(const char *const *texts, size_t nr, struct program_watcher **ret_watcher,
		struct err *err)
{
	const struct program_watch_options options = {
		.mode = PROGRAM_GRAPH,
		.events = scene_events,
		.nr_events = ARRAY_SIZE(scene_events),
		.hists = texts,
		.nr_hists = nr,
	};

	return program_watcher_new(ret_watcher, &options, err);
}

/* "", or why it is not counted in a program. */
static const char *refused(const char *text)
{
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	static struct err err;

	return make(&text, 1, &watcher, &err) < 0 ? err.text : "";
}

TEST(what_can_be_counted)
{
	CHECK_STR(refused("hist:keys=func:vals=duration"), "");
	CHECK_STR(refused("hist:keys=func.hex,common_pid.execname,common_cpu:sort=func:size=256"),
		  "");
	CHECK_STR(refused("hist:keys=duration.log2,duration.buckets=10 if duration > 5"), "");
	CHECK_STR(refused("hist:keys=func if func.function == main && COMM ~ \"a*\""), "");
	CHECK_STR(refused("hist:keys=func:x=duration"), "variables and actions");
	CHECK_STR(refused("hist:keys=func:vals=func"), "sums of func");
	CHECK_STR(refused("hist:keys=common_flags"), "the field common_flags");
	CHECK_STR(refused("hist:keys=stacktrace"), "keys that are no numbers of the event");
	CHECK_STR(refused("hist:keys=func:name=n"), "histograms with a name");
	CHECK_STR(refused("hist:keys=func:pause"), "pause, and histograms with a name");
	CHECK(*refused("hist:keys=depth") != '\0');
	CHECK(*refused("hist:keys=func if depth > 1") != '\0');
}

TEST(no_more_than_there_is_room_for)
{
	const char *texts[PROGRAM_HISTS_MAX + 1];
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		texts[i] = i % 2 ? "hist:keys=func" : "hist:keys=duration";
	CHECK_EQ(make(texts, PROGRAM_HISTS_MAX + 1, &watcher, &err), -E2BIG);
	CHECK_EQ(make(texts, PROGRAM_HISTS_MAX, &watcher, &err), 0);
}

/* Aligned as in a session. */
static struct program_watch *memory_for(const struct program_watcher *watcher)
{
	size_t bytes = (program_watcher_bytes(watcher) + 63) & ~(size_t)63;
	struct program_watch *memory = aligned_alloc(64, bytes);

	if (!memory)
		exit(1);
	memset(memory, 0, bytes);
	return memory;
}

TEST(functions_that_nobody_counts_are_left_alone)
{
	const char *const text = "hist:keys=func if func.function == outer";
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	_cleanup_free_ struct program_watch *memory = NULL;
	uint8_t choices[] = {PROGRAM_CHOICE_TRACE, PROGRAM_CHOICE_TRACE, PROGRAM_CHOICE_TRACE};
	struct err err;

	CHECK_EQ(make(&text, 1, &watcher, &err), 0);
	memory = memory_for(watcher);
	program_watcher_begin(watcher, memory);
	CHECK_EQ(program_watcher_apply(watcher, &scene_elf, SCENE_BASE, choices), 0);
	CHECK_EQ(choices[0], PROGRAM_CHOICE_NONE);
	CHECK_EQ(choices[1], PROGRAM_CHOICE_TRACE);
	CHECK_EQ(choices[2], PROGRAM_CHOICE_NONE);
}

struct seen {
	uint32_t nr;
	struct program_hist_counted last;
};

static int see(void *ctx, const struct program_hist_counted *counted)
{
	struct seen *seen = ctx;

	seen->nr++;
	seen->last = *counted;
	return 0;
}

/* As a program does it, of one key; `place`: further on than where it is looked for first. */
static void put(struct program_hists *hists, uint64_t key, uint32_t element, uint32_t further)
{
	struct program_hist *hist = &hists->list[0];
	uint64_t *places = (void *)((uint8_t *)hists + hist->places_at);
	struct program_hist_element *elements = (void *)((uint8_t *)hists + hist->elements_at);
	struct program_hist_sums *sums = (void *)((uint8_t *)hists + hist->sums_at);
	uint64_t hash = program_hist_hash(&key, 1);
	uint32_t at = program_hist_place(hash, hist->bits) + further;

	places[at & (program_hist_places(hist->bits) - 1)] = program_hist_tag(hash) | (element + 1);
	elements[element].keys[0] = key;
	for (uint32_t set = 0; set <= hists->nr_sets; set++)
		sums[set * program_hist_elements(hist->bits) + element] =
			(struct program_hist_sums){2, 30};
}

TEST(what_was_counted)
{
	const char *const text = "hist:keys=func:vals=duration:size=128";
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	_cleanup_free_ struct program_watch *memory = NULL;
	struct program_hists *hists;
	struct seen seen = {0};
	struct err err;

	CHECK_EQ(make(&text, 1, &watcher, &err), 0);
	memory = memory_for(watcher);
	program_watcher_begin(watcher, memory);
	hists = (void *)((uint8_t *)memory + memory->hists_at);
	CHECK_EQ(hists->nr, 1);
	CHECK_EQ(hists->list[0].bits, 7);
	CHECK_EQ(program_watcher_counted(watcher, see, &seen), 0);
	CHECK_EQ(seen.nr, 0);

	hists->list[0].nr_taken = 3;
	put(hists, SCENE_OUTER, 1, 0);
	put(hists, 7, 2, 1); /* behind a free place: nobody has found it */
	CHECK_EQ(program_watcher_counted(watcher, see, &seen), 0);
	CHECK_EQ(seen.nr, 1);
	CHECK_EQ(seen.last.keys[0], SCENE_OUTER);
	CHECK_EQ(seen.last.hits, 2 * (hists->nr_sets + 1));
	CHECK_EQ(seen.last.value, 30 * (hists->nr_sets + 1));

	hists->list[0].dropped = 9;
	CHECK_EQ(program_watcher_counted(watcher, see, &seen), 0);
	CHECK_EQ(seen.nr, 3);
	CHECK_EQ(seen.last.dropped, 9);
	CHECK_EQ(seen.last.hits, 0);

	/* A program may have written over it: sizes and places are those of the plan. */
	memset(hists, 0xff, sizeof(*hists));
	CHECK_EQ(program_watcher_counted(watcher, see, &seen), 0);
}

/* Of an event of functions, and of probes. */
static int make_triggers(const char *const *texts, size_t nr, const char *probe,
			 struct program_watcher **ret_watcher, struct err *err)
{
	static const char *const leaf[] = {"hist:keys=arg1:vals=arg2 if arg2 > 1"};
	const struct program_rule rules[] = {
		{.events = "func_exit", .triggers = texts, .nr_triggers = nr},
		{.events = probe, .probes = true, .triggers = leaf, .nr_triggers = 1},
	};
	const struct program_watch_options options = {
		.mode = PROGRAM_GRAPH,
		.events = scene_events,
		.nr_events = ARRAY_SIZE(scene_events),
		.rules = rules,
		.nr_rules = probe ? 2 : 1,
	};

	return program_watcher_new(ret_watcher, &options, err);
}

/* Why they are counted from the recording; "": they are not; or what is wrong. */
static const char *recorded(const char *text)
{
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	struct program_watcher_hists hists;
	static struct err err;
	static char why[200];

	if (make_triggers(&text, 1, NULL, &watcher, &err) < 0)
		return err.text;
	program_watcher_hists_at(watcher, 0, &hists);
	snprintf(why, sizeof(why), "%s", hists.why ? hists.why : "");
	return why;
}

TEST(triggers_that_programs_count)
{
	CHECK_STR(recorded("hist:keys=ip.sym,depth:vals=duration if duration > 5"), "");
	CHECK_STR(recorded("hist:keys=parent_ip,common_cpu:pause"), "");
	CHECK_STR(recorded("hist:keys=ip:x=common_pid"), "variables and actions");
	CHECK_STR(recorded("hist:keys=ip:vals=sp,common_pid"), "sums of two values");
	CHECK_STR(recorded("hist:keys=ip:name=n"), "histograms with a name");
	CHECK(strstr(recorded("hist:keys=depth:x=common_pid"), "Couldn't find field"));
	CHECK(strstr(recorded("hist:keys=ip if nobody > 1"), "Field not found"));
	CHECK(strstr(recorded("hist:keys=stacktrace"), "-R stacktrace"));
	CHECK(strstr(recorded("hist:keys=ip:x=sp if ip.function == a"), "(variables and actions)"));
	CHECK(strstr(recorded("!hist:keys=ip"), "could be removed"));
}

TEST(a_trigger_counts_beside_the_record)
{
	const char *const texts[] = {"hist:keys=ip:vals=duration if ip.function == outer",
				     "hist:keys=sp:pause"};
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	_cleanup_free_ struct program_watch *memory = NULL;
	uint8_t choices[] = {PROGRAM_CHOICE_TRACE, PROGRAM_CHOICE_TRACE, PROGRAM_CHOICE_TRACE};
	const struct program_hists *hists;
	size_t which;
	struct err err;

	CHECK_EQ(make_triggers(texts, 2, NULL, &watcher, &err), 0);
	memory = memory_for(watcher);
	program_watcher_begin(watcher, memory);
	CHECK_EQ(program_watcher_apply(watcher, &scene_elf, SCENE_BASE, choices), 0);
	CHECK_EQ(choices[0], PROGRAM_CHOICE_TRACE);
	CHECK_EQ(choices[1], PROGRAM_CHOICE_TRACE | PROGRAM_CHOICE_WATCHED);
	CHECK_EQ(memory->hists_at, 0);
	CHECK_EQ(memory->nr_triggers, 1);
	CHECK_EQ(memory->triggers[0].action, PROGRAM_WATCH_HIST);
	CHECK_EQ(memory->triggers[0].events, 1u << SCENE_EXIT);
	CHECK(memory->asks_duration);
	hists = (const void *)((const uint8_t *)memory + memory->event_hists_at);
	CHECK_EQ(hists->nr, 1);
	CHECK_EQ(hists->list[0].value, PROGRAM_WATCH_DURATION);
	CHECK_EQ(program_watcher_nr_hists(watcher), 1);
	CHECK(program_watcher_hist_is(watcher, 0, 0, &which));
	CHECK_EQ(which, 0);
	CHECK(!program_watcher_hist_is(watcher, 0, 1, &which));
}

/* `arg2` is a number of 32 bits. */
static int come_up(struct program_watcher *watcher, const char *name, uint16_t number,
		   struct err *err)
{
	static const bool rules[] = {true};
	const struct program_probe_arg args[] = {{.offset = 8, .size = 8},
						 {.offset = 16, .size = 4}};
	struct program_watch_event_of_probes probe = {
		.system = "sdt_a",
		.name = name,
		.number = number,
		.args = args,
		.nr_args = 2,
		.rules = rules,
	};
	_cleanup_out_ struct out format = {0};

	out_printf(&format,
		   "name: %s\nID: %u\n" PROGRAM_COMMON_FIELDS
		   "\tfield:u64 arg1;\toffset:16;\tsize:8;\tsigned:0;\n"
		   "\tfield:s32 arg2;\toffset:24;\tsize:4;\tsigned:1;\n\nprint fmt: \"\"\n",
		   name, number);
	probe.format = out_cstr(&format);
	return format.failed ? -ENOMEM : program_watcher_probe(watcher, &probe, err);
}

TEST(a_probe_that_comes_up_is_counted)
{
	const char *const text = "traceoff";
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	_cleanup_free_ struct program_watch *memory = NULL;
	const struct program_hists *hists;
	struct program_watcher_hists counted;
	const char *system, *name;
	struct err err;

	CHECK_EQ(make_triggers(&text, 1, "usdt:a:leaf", &watcher, &err), 0);
	memory = memory_for(watcher);
	program_watcher_begin(watcher, memory);
	hists = (const void *)((const uint8_t *)memory + memory->event_hists_at);
	program_watcher_hists_at(watcher, 0, &counted);
	CHECK_EQ(counted.nr_events, 0);
	CHECK_EQ(come_up(watcher, "leaf", 16, &err), 0);
	CHECK_EQ(hists->list[0].keys[0].source, PROGRAM_WATCH_ARG);
	CHECK_EQ(hists->list[0].value, PROGRAM_WATCH_ARG + 1);
	CHECK_EQ(memory->nr_triggers, 2);
	CHECK_EQ(memory->probes[16].triggers, 2);
	program_watcher_hists_at(watcher, 0, &counted);
	CHECK(!counted.why);
	CHECK(strstr(counted.format, "s32 arg2"));

	/* One more means that neither is counted here. */
	CHECK_EQ(come_up(watcher, "leaf_1", 17, &err), 0);
	program_watcher_hists_at(watcher, 0, &counted);
	CHECK_STR(counted.why, "several events are meant");
	CHECK_EQ(counted.nr_events, 2);
	program_watcher_hists_event(watcher, 0, 1, &system, &name);
	CHECK_STR(name, "leaf_1");
}

TEST(memory_may_be_short_for_triggers)
{
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = FAULT_MEM};

	while (fault_next(&sweep)) {
		const char *const texts[] = {"hist:keys=ip if ip > 5", "hist:keys=ip:x=sp"};
		_cleanup_watcher_ struct program_watcher *watcher = NULL;
		_cleanup_free_ struct program_watch *memory = NULL;
		struct err err;
		int r = make_triggers(texts, 2, "usdt:a:leaf", &watcher, &err);

		if (r == 0) {
			memory = memory_for(watcher);
			program_watcher_begin(watcher, memory);
			r = come_up(watcher, "leaf", 16, &err);
		}
		CHECK(r == 0 || (r == -ENOMEM && fault_fired()));
	}
}

TEST(memory_may_be_short_anywhere)
{
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = FAULT_MEM};

	while (fault_next(&sweep)) {
		const char *const text = "hist:keys=func:vals=duration if func.function == a";
		_cleanup_watcher_ struct program_watcher *watcher = NULL;
		struct err err;
		int r = make(&text, 1, &watcher, &err);

		CHECK(r == 0 || (r == -ENOMEM && fault_fired()));
	}
}

TEST_MAIN()
