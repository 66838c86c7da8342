/* SPDX-License-Identifier: MIT */
/* What hist triggers in programs have counted, as the outcome of a recording. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "record/program_side.h"

/* --- who counts --- */

bool program_side_wants_hists(const struct program_side *side)
{
	return side->watcher && program_watcher_nr_hists(side->watcher);
}

void program_side_say_hists(const struct program_side *side)
{
	struct program_watcher_hists inside = {.nr_texts = 0}, after = {.nr_texts = 0};
	size_t nr_inside = 0, nr_after = 0;

	for (size_t i = 0;
	     program_side_wants_hists(side) && i < program_watcher_nr_hists(side->watcher); i++) {
		struct program_watcher_hists hists;

		program_watcher_hists_at(side->watcher, i, &hists);
		*(hists.why ? &after : &inside) = hists;
		*(hists.why ? &nr_after : &nr_inside) += hists.nr_texts;
	}
	if (nr_inside)
		session_say(side->session, RECORD_SAY_WARNING,
			    "'%.100s'%s is counted in the program", inside.texts[0],
			    nr_inside > 1 ? " (and others)" : "");
	if (nr_after)
		session_say(side->session, RECORD_SAY_WARNING,
			    "'%.100s'%s is counted from the recording when it is over, not in the "
			    "program: %.*s",
			    after.texts[0], nr_after > 1 ? " (and others)" : "",
			    (int)strcspn(after.why, "\n"), after.why);
}

/* --- what has been counted --- */

static int name_event(const struct program_side *side, size_t index, size_t event,
		      struct record_hist *hist)
{
	_cleanup_out_ struct out name = {0};
	const char *system, *what;

	program_watcher_hists_event(side->watcher, index, event, &system, &what);
	out_printf(&name, "%s:%s", system, what);
	hist->instance = side->name;
	hist->event = name.failed ? NULL : mem_strdup(out_cstr(&name));
	return hist->event ? 0 : -ENOMEM;
}

/* One for each text: as a command line would have them. */
static int give_recorded(const struct program_side *side, size_t index,
			 const struct program_watcher_hists *hists, struct record_result *result)
{
	int r = 0;

	for (size_t event = 0; event < hists->nr_events; event++) {
		for (size_t i = 0; i < hists->nr_texts && r == 0; i++) {
			struct record_hist hist = {.trigger = hists->texts[i]};

			r = name_event(side, index, event, &hist);
			if (r == 0)
				r = record_result_add_hist(result, &hist);
		}
	}
	return r;
}

struct taking {
	const struct program_side *side;
	size_t index;
	struct record_hist *hist;
};

void record_hist_key_from(struct record_hist_key *key, const struct program_hist_counted *counted,
			  size_t hist)
{
	*key = (struct record_hist_key){
		.hist = hist,
		.counted = {.hits = counted->hits, .dropped = counted->dropped},
	};
	memcpy(key->counted.keys, counted->keys, sizeof(key->counted.keys));
	for (size_t i = 0; i < ARRAY_SIZE(key->counted.sums); i++)
		key->counted.sums[i] = counted->value;
}

static int take_counted(void *ctx, const struct program_hist_counted *counted)
{
	struct taking *taking = ctx;
	struct record_hist *hist = taking->hist;
	size_t which;

	if (!program_watcher_hist_is(taking->side->watcher, taking->index, counted->hist, &which))
		return 0;
	if (array_reserve(&hist->keys, &hist->cap_keys, hist->nr_keys + 1, sizeof(*hist->keys)) < 0)
		return -ENOMEM;
	record_hist_key_from(&hist->keys[hist->nr_keys++], counted, which);
	return 0;
}

static int give_counted(const struct program_side *side, size_t index,
			const struct program_watcher_hists *hists, struct record_result *result)
{
	struct record_hist hist = {
		.format = mem_strdup(hists->format),
		.triggers = mem_dup(hists->texts, hists->nr_texts * sizeof(*hists->texts)),
		.nr_triggers = hists->nr_texts,
	};
	struct taking taking = {side, index, &hist};
	int r = hist.format && hist.triggers ? 0 : -ENOMEM;

	if (r == 0)
		r = name_event(side, index, 0, &hist);
	if (r == 0)
		r = program_watcher_counted(side->watcher, take_counted, &taking);
	return r < 0 ? (record_hist_done(&hist), r) : record_result_add_hist(result, &hist);
}

int program_side_give_hists(const struct program_side *side, struct record_result *result,
			    struct err *err)
{
	int r = 0;

	for (size_t i = 0; program_side_wants_hists(side) &&
			   i < program_watcher_nr_hists(side->watcher) && r == 0;
	     i++) {
		struct program_watcher_hists hists;

		program_watcher_hists_at(side->watcher, i, &hists);
		if (hists.why)
			r = give_recorded(side, i, &hists, result);
		else if (hists.nr_events)
			r = give_counted(side, i, &hists, result);
	}
	return r < 0 ? err_sys(err, r, "cannot keep the histograms") : 0;
}
