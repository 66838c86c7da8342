/* SPDX-License-Identifier: MIT */
/* Histograms in programs: what their triggers become, and what is read from their memory. */
#include "program/hist_plan.h"

#include <errno.h>

#include "base/fault.h"
#include "base/test.h"
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
	CHECK_STR(refused("hist:keys=func:name=n"), "pause, and histograms with a name");
	CHECK(*refused("hist:keys=depth") != '\0');
	CHECK(*refused("hist:keys=func if depth > 1") != '\0');
}

TEST(no_more_than_there_is_room_for)
{
	const char *const texts[PROGRAM_HISTS_MAX + 1] = {"hist:keys=func", "hist:keys=func.hex",
							  "hist:keys=common_pid",
							  "hist:keys=duration", "hist:keys=func"};
	_cleanup_watcher_ struct program_watcher *watcher = NULL;
	struct err err;

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
	CHECK_EQ(seen.last.duration, 30 * (hists->nr_sets + 1));

	hists->list[0].dropped = 9;
	CHECK_EQ(program_watcher_counted(watcher, see, &seen), 0);
	CHECK_EQ(seen.nr, 3);
	CHECK_EQ(seen.last.dropped, 9);
	CHECK_EQ(seen.last.hits, 0);

	/* A program may have written over it: sizes and places are those of the plan. */
	memset(hists, 0xff, sizeof(*hists));
	CHECK_EQ(program_watcher_counted(watcher, see, &seen), 0);
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
