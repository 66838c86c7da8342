/* SPDX-License-Identifier: MIT */
#include "program/hist_plan.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "expr/hist.h"
#include "program/watch.h"

#define ALIGN 4096u

/* --- from text to a table --- */

static int take_keys(struct program_hist *hist, const struct hist_plain *plain,
		     const struct program_hist_fields *fields, struct err *err)
{
	static const uint8_t units[] = {
		[HIST_PLAIN] = PROGRAM_HIST_NUMBER,
		[HIST_POWERS] = PROGRAM_HIST_LOG2,
		[HIST_WIDTHS] = PROGRAM_HIST_BUCKET,
	};

	hist->nr_keys = (uint8_t)plain->nr_keys;
	for (uint32_t i = 0; i < plain->nr_keys; i++) {
		const struct hist_plain_key *key = &plain->keys[i];

		hist->keys[i] = (struct program_hist_key){
			.width = key->width,
			.source = key->field ? fields->source(fields->ctx, key->field)
					     : PROGRAM_WATCH_CPU,
			.unit = units[key->unit],
			.is_signed = key->field && key->field->size == 4 &&
				     key->field->flags & EVENT_FIELD_SIGNED,
		};
		if (hist->keys[i].source == PROGRAM_WATCH_ZERO)
			return err_set(err, -ENOTSUP, "the field %s", key->field->name);
	}
	return 0;
}

/* Of calls the durations are always at hand. */
static int take_values(struct program_hist *hist, const struct hist_plain *plain,
		       const struct program_hist_fields *fields, struct err *err)
{
	hist->value = fields->always;
	for (uint32_t i = 0; i < plain->nr_values; i++) {
		const struct event_field *field = plain->values[i];
		uint8_t source = fields->source(fields->ctx, field);

		if (source == PROGRAM_WATCH_ZERO || (fields->always && source != fields->always))
			return err_set(err, -ENOTSUP, "sums of %s", field->name);
		if (i && source != hist->value)
			return err_set(err, -ENOTSUP, "sums of two values");
		hist->value = source;
	}
	return 0;
}

static uint64_t give_room(struct program_hist_plan *plan, uint64_t bytes)
{
	uint64_t at = plan->bytes;

	plan->bytes = (plan->bytes + bytes + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
	return at;
}

static void place(struct program_hist_plan *plan, struct program_hist *hist)
{
	const uint64_t elements = program_hist_elements(hist->bits);

	if (!plan->bytes) {
		(void)give_room(plan, sizeof(plan->hists));
		plan->hists.nr_sets = (uint32_t)MIN(MAX(sysconf(_SC_NPROCESSORS_CONF), 1),
						    (long)PROGRAM_HIST_SETS_MAX);
	}
	hist->places_at = give_room(plan, program_hist_places(hist->bits) * sizeof(uint64_t));
	hist->elements_at = give_room(plan, elements * sizeof(struct program_hist_element));
	hist->sums_at = give_room(plan, elements * sizeof(struct program_hist_sums) *
						(plan->hists.nr_sets + 1));
}

static int read_hist(struct program_hist *to, const struct hist *hist,
		     const struct program_hist_fields *fields, struct err *err)
{
	struct hist_plain plain;
	const char *why;
	int r;

	if (!hist_is_plain(hist, &plain, &why))
		return err_set(err, -ENOTSUP, "%s", why);
	r = take_keys(to, &plain, fields, err);
	if (r == 0)
		r = take_values(to, &plain, fields, err);
	to->bits = (uint8_t)MIN(plain.bits, PROGRAM_HIST_BITS_MAX);
	return r;
}

int program_hist_plan_take(struct program_hist_plan *plan, const struct hist *hist,
			   uint16_t condition, const struct program_hist_fields *fields,
			   struct err *err)
{
	struct program_hist taken = {.condition = condition};
	int r;

	if (plan->hists.nr == PROGRAM_HISTS_MAX)
		return err_set(err, -E2BIG, "more than %u histograms", PROGRAM_HISTS_MAX);
	r = read_hist(&taken, hist, fields, err);
	if (r < 0)
		return r;
	place(plan, &taken);
	plan->hists.list[plan->hists.nr++] = taken;
	return 0;
}

int program_hist_plan_again(struct program_hist_plan *plan, uint32_t index, const struct hist *hist,
			    const struct program_hist_fields *fields, struct err *err)
{
	struct program_hist *to = &plan->hists.list[index], taken = {0};
	int r = read_hist(&taken, hist, fields, err);

	if (r < 0)
		return r;
	memcpy(to->keys, taken.keys, sizeof(to->keys));
	to->nr_keys = taken.nr_keys;
	to->value = taken.value;
	return 0;
}

int program_hist_plan_add(struct program_hist_plan *plan, const struct event *calls,
			  const char *text, uint16_t condition,
			  const struct program_hist_fields *fields, struct err *err)
{
	const struct hist_options options = {.kernel = hist_kernel_from_release("")};
	struct hist_set *set;
	int r = hist_set_new(&set, calls->db, &options);

	if (r < 0)
		return err_sys(err, r, "cannot prepare a histogram");
	r = hist_set_trigger(set, calls, text, err);
	if (r == 0 && (hist_set_count(set) != 1 || hist_is_paused(hist_set_at(set, 0))))
		r = err_set(err, -ENOTSUP, "pause, and histograms with a name");
	if (r == 0)
		r = program_hist_plan_take(plan, hist_set_at(set, 0), condition, fields, err);
	hist_set_free(set);
	return r;
}

/* --- what has been counted --- */

static const void *at(const struct program_hists *memory, uint64_t bytes)
{
	return (const void *)((uintptr_t)memory + bytes);
}

/* Whether who looks for the element's keys finds it: else it is one that was never used. */
static bool is_found(const struct program_hist *hist, const struct program_hists *memory,
		     const struct program_hist_element *elements, uint32_t element)
{
	const uint64_t *places = at(memory, hist->places_at);
	uint64_t hash = program_hist_hash(elements[element].keys, hist->nr_keys);
	uint32_t nr = program_hist_places(hist->bits), i = program_hist_place(hash, hist->bits);

	for (uint32_t n = 0; n < PROGRAM_HIST_STEPS_MAX && places[i]; n++, i = (i + 1) & (nr - 1)) {
		if (places[i] == (program_hist_tag(hash) | (element + 1)))
			return true;
	}
	return false;
}

static void sum_up(const struct program_hist_plan *plan, const struct program_hist *hist,
		   const struct program_hists *memory, uint32_t element,
		   struct program_hist_counted *counted)
{
	const struct program_hist_sums *sums = at(memory, hist->sums_at);

	for (uint32_t set = 0; set <= plan->hists.nr_sets; set++) {
		const struct program_hist_sums *one =
			&sums[(uint64_t)set * program_hist_elements(hist->bits) + element];

		counted->hits += one->hits;
		counted->value += one->value;
	}
}

int program_hists_each(const struct program_hist_plan *plan, const struct program_hists *memory,
		       int (*each)(void *ctx, const struct program_hist_counted *counted),
		       void *ctx)
{
	int r = 0;

	for (uint32_t i = 0; i < plan->hists.nr && r >= 0; i++) {
		const struct program_hist *hist = &plan->hists.list[i];
		const struct program_hist *theirs = &memory->list[i];
		const struct program_hist_element *elements = at(memory, hist->elements_at);
		uint32_t nr = MIN(theirs->nr_taken, program_hist_elements(hist->bits));

		for (uint32_t element = 0; element < nr && r >= 0; element++) {
			struct program_hist_counted counted = {.hist = i};

			if (!is_found(hist, memory, elements, element))
				continue;
			memcpy(counted.keys, elements[element].keys, sizeof(counted.keys));
			sum_up(plan, hist, memory, element, &counted);
			if (counted.hits)
				r = each(ctx, &counted);
		}
		if (theirs->dropped && r >= 0)
			r = each(ctx, &(struct program_hist_counted){.hist = i,
								     .dropped = theirs->dropped});
	}
	return r;
}
