/* SPDX-License-Identifier: MIT */
/*
 * Hist triggers. Those of an event are taken together, since one text may pause or clear what
 * another has made. When all of an event can be counted where the event is, they are; else they are
 * left to whoever reads the recording, and checked against what that will hold. What a probe's
 * fields are is known when its module has come: room for its histograms is there before.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/mem.h"
#include "program/common_fields.h"
#include "program/probes_private.h"
#include "program/watcher_private.h"

#define NO_SLOT	 UINT8_MAX
#define FIRST_ID 16u /* of probes; below are those of functions */

/* A record of a function, as its file has it. */
#define RECORDED                                                                                   \
	PROGRAM_COMMON_FIELDS                                                                      \
	"\tfield:unsigned int ip;\toffset:8;\tsize:4;\tsigned:0;\n"                                \
	"\tfield:unsigned int sp;\toffset:12;\tsize:4;\tsigned:0;\n"                               \
	"\nprint fmt: \"%%u\", REC->ip\n"

/* The hist triggers of an event of functions, or of a rule of probes. */
struct watcher_hists {
	bool probes;
	uint32_t number;		 /* of the event, or of the rule */
	const struct program_rule *rule; /* of probes */
	struct watcher_name name;
	char *format;	    /* with all that is at hand in a program */
	const char **texts; /* borrowed */
	size_t nr_texts;
	char *why;			  /* they are not counted in programs; or NULL */
	bool refused;			  /* ... and that is a mistake, unless records can do it */
	uint8_t slots[PROGRAM_HISTS_MAX]; /* of each histogram; NO_SLOT: it is paused */
	size_t nr_slots;
	/* Of probes. */
	struct program_probe_arg args[PROGRAM_PROBE_ARGS_MAX];
	size_t nr_args;
	struct watcher_name *came; /* events that have come up */
	size_t nr_came, cap_came;
};

/* --- what has been asked for --- */

static struct watcher_hists *find(const struct program_watcher *watcher, bool probes,
				  uint32_t number)
{
	for (size_t i = 0; i < watcher->nr_triggered; i++) {
		struct watcher_hists *hists = &watcher->triggered[i];

		if (hists->probes == probes && hists->number == number)
			return hists;
	}
	return NULL;
}

static struct watcher_hists *make(struct program_watcher *watcher, bool probes, uint32_t number)
{
	struct watcher_hists *hists = find(watcher, probes, number);

	if (hists)
		return hists;
	if (array_reserve(&watcher->triggered, &watcher->cap_triggered, watcher->nr_triggered + 1,
			  sizeof(*hists)) < 0)
		return NULL;
	hists = &watcher->triggered[watcher->nr_triggered++];
	*hists = (struct watcher_hists){.probes = probes, .number = number};
	return hists;
}

static int add_text(struct watcher_hists *hists, const char *text)
{
	const char **texts =
		mem_realloc(hists->texts, (hists->nr_texts + 1) * sizeof(*hists->texts));

	if (!texts)
		return -ENOMEM;
	hists->texts = texts;
	texts[hists->nr_texts++] = text;
	return 0;
}

static int describe_function(const struct program_watcher *watcher, struct watcher_hists *hists,
			     const struct program_watch_event *event)
{
	_cleanup_out_ struct out format = {0};

	watcher_put_format(watcher, event->name, event->number + 1u, event->ends, &format);
	snprintf(hists->name.system, sizeof(hists->name.system), "%s", WATCHER_SYSTEM);
	snprintf(hists->name.event, sizeof(hists->name.event), "%s", event->name);
	hists->format = format.failed ? NULL : mem_strdup(out_cstr(&format));
	return hists->format ? 0 : -ENOMEM;
}

/* A definition says what its event will be. */
static int describe_definition(struct watcher_hists *hists, struct err *err)
{
	struct probe_wanted wanted = {.text = NULL};
	struct probe_events events = {.nr = 0};
	struct probe_found found = {.address = 0};
	struct probe_event *event = NULL;
	_cleanup_out_ struct out format = {0};
	bool is_new;
	int r = probe_wanted_read(&wanted, hists->rule->events, err);

	if (r == 0) {
		memcpy(found.system, wanted.group, sizeof(wanted.group));
		memcpy(found.name, wanted.event, sizeof(wanted.event));
		memcpy(found.fields, wanted.fields, sizeof(found.fields));
		found.nr_fields = wanted.nr_fields;
		found.is_return = wanted.is_return;
		r = probe_events_get(&events, &found, &event, &is_new);
	}
	for (size_t i = 0; event && i < event->nr_fields; i++)
		hists->args[hists->nr_args++] = event->fields[i].fetch;
	if (event) {
		snprintf(hists->name.system, sizeof(hists->name.system), "%s", event->system);
		snprintf(hists->name.event, sizeof(hists->name.event), "%s", event->name);
		probe_event_format(&format, event, (uint16_t)(FIRST_ID + hists->number));
	}
	hists->format = format.failed || !event ? NULL : mem_strdup(out_cstr(&format));
	probe_events_done(&events);
	probe_wanted_done(&wanted);
	return r == 0 && !hists->format ? -ENOMEM : r;
}

/* Of a mark only the kind of its arguments is known; of a pattern not even which it is. */
static int describe_mark(struct watcher_hists *hists)
{
	_cleanup_free_ char *name = program_probes_event_name(hists->rule->events);
	const char *text = name ? name : hists->rule->events, *colon = strrchr(text, ':');
	_cleanup_out_ struct out format = {0};

	snprintf(hists->name.system, sizeof(hists->name.system), "%.*s", (int)(colon - text), text);
	snprintf(hists->name.event, sizeof(hists->name.event), "%s", colon + 1);
	watcher_put_any_probe(hists->name.event, FIRST_ID + hists->number, hists->args, &format);
	hists->nr_args = PROGRAM_PROBE_ARGS_MAX;
	hists->format = format.failed ? NULL : mem_strdup(out_cstr(&format));
	if (hists->format && strpbrk(hists->rule->events, "*?["))
		hists->why = mem_strdup("several events may be meant");
	return hists->format ? 0 : -ENOMEM;
}

static int describe_probe(struct watcher_hists *hists, const struct program_rule *rule,
			  struct err *err)
{
	hists->rule = rule;
	if (!strrchr(rule->events, ':'))
		return err_set(err, -EINVAL, "-e: '%.60s' is no probe", rule->events);
	return probe_is_definition(rule->events) ? describe_definition(hists, err)
						 : describe_mark(hists);
}

static int add_of_functions(struct program_watcher *watcher, const struct program_rule *rule,
			    const char *text, struct err *err)
{
	uint32_t events;
	int r = watcher_events_of(watcher, rule->events, &events, err);

	for (size_t i = 0; i < watcher->nr_events && r == 0; i++) {
		const struct program_watch_event *event = &watcher->events[i];
		struct watcher_hists *hists;

		if (!(events >> event->number & 1))
			continue;
		hists = make(watcher, false, event->number);
		if (!hists)
			return -ENOMEM;
		if (!hists->format)
			r = describe_function(watcher, hists, event);
		if (r == 0)
			r = add_text(hists, text);
	}
	return r;
}

static int add_of_probes(struct program_watcher *watcher, const struct program_rule *rule,
			 uint32_t number, const char *text, struct err *err)
{
	struct watcher_hists *hists = make(watcher, true, number);
	int r = hists ? 0 : -ENOMEM;

	if (r == 0 && !hists->format)
		r = describe_probe(hists, rule, err);
	return r < 0 ? r : add_text(hists, text);
}

/* --- the kernel's engine says what they are --- */

struct engine {
	struct event_db *db;
	struct hist_set *set;
};

static void engine_done(struct engine *engine)
{
	hist_set_free(engine->set);
	event_db_free(engine->db);
}
#define _cleanup_engine_ _cleanup_(engine_done)

static int engine_begin(struct engine *engine, struct err *err)
{
	const struct event_db_options options = {.long_size = 8, .no_handlers = true};

	return event_db_new(&engine->db, &options) < 0
		       ? err_sys(err, -ENOMEM, "cannot prepare a histogram")
		       : 0;
}

/* As in the kernel, whose version decides what is accepted. `counted`: filters are not looked at.
 */
static int engine_ready(struct engine *engine, bool counted, struct err *err)
{
	struct hist_options options = {.strict = true, .counted = counted};
	struct utsname host;

	(void)!uname(&host);
	options.release = host.release;
	options.kernel = hist_kernel_from_release(host.release);
	if (event_db_seal(engine->db) < 0 || hist_set_new(&engine->set, engine->db, &options) < 0)
		return err_sys(err, -ENOMEM, "cannot prepare a histogram");
	return 0;
}

static const struct event *engine_event(const struct engine *engine,
					const struct watcher_hists *hists)
{
	return event_db_by_name(engine->db, hists->name.system, hists->name.event);
}

static int add_format(struct engine *engine, const struct watcher_hists *hists, bool recorded,
		      struct err *err)
{
	_cleanup_out_ struct out text = {0};

	if (recorded && !hists->probes)
		out_printf(&text, "name: %s\nID: %u\n" RECORDED, hists->name.event,
			   hists->number + 1u);
	else
		out_str(&text, hists->format);
	out_cstr(&text);
	if (text.failed)
		return err_sys(err, -ENOMEM, "cannot prepare a histogram");
	return event_db_add_format(engine->db, hists->name.system, text.buf, text.len, err);
}

static int make_engine(const struct program_watcher *watcher, bool recorded, struct engine *engine,
		       struct err *err)
{
	int r = engine_begin(engine, err);

	for (size_t i = 0; i < watcher->nr_triggered && r == 0; i++)
		r = add_format(engine, &watcher->triggered[i], recorded, err);
	return r < 0 ? r : engine_ready(engine, !recorded, err);
}

static int give(const struct engine *engine, const struct watcher_hists *hists, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < hists->nr_texts && r == 0; i++)
		r = hist_set_trigger(engine->set, engine_event(engine, hists), hists->texts[i],
				     err);
	return r;
}

/* The next histogram of these, from *at on; NULL. */
static const struct hist *next_hist(const struct engine *engine, const struct watcher_hists *hists,
				    size_t *at)
{
	while (*at < hist_set_count(engine->set)) {
		const struct hist *hist = hist_set_at(engine->set, (*at)++);

		if (hist_event(hist) == engine_event(engine, hists))
			return hist;
	}
	return NULL;
}

/* --- what can be counted in programs --- */

static uint8_t source_in_function(void *ctx, const struct event_field *field)
{
	return watcher_source(ctx, field->offset);
}

static uint8_t source_in_probe(void *ctx, const struct event_field *field)
{
	return watcher_source_of_probe(ctx, field->offset);
}

static int add_trigger(struct program_watcher *watcher, const struct watcher_hists *hists,
		       uint32_t slot, uint16_t condition, struct err *err)
{
	struct program_watch *plan = watcher->plan;

	if (plan->nr_triggers == PROGRAM_WATCH_TRIGGERS_MAX)
		return err_set(err, -E2BIG, "more than %u triggers", PROGRAM_WATCH_TRIGGERS_MAX);
	plan->triggered |= 1u << hists->number;
	plan->triggers[plan->nr_triggers++] = (struct program_watch_trigger){
		.count = TRIGGER_UNLIMITED,
		.events = 1u << hists->number,
		.condition = condition,
		.action = PROGRAM_WATCH_HIST,
		.hist = slot,
	};
	return 0;
}

static int take_of_function(struct program_watcher *watcher, struct watcher_hists *hists,
			    const struct hist *hist, struct err *err)
{
	const struct program_hist_fields fields = {.source = source_in_function, .ctx = watcher};
	const char *filter = hist_filter(hist);
	uint16_t condition = PROGRAM_WATCH_YES;
	int r = 0;

	if (filter)
		r = watcher_compile_for(watcher, 1u << hists->number, filter, &condition, err);
	watcher->asks_duration = false;
	if (r == 0)
		r = program_hist_plan_take(&watcher->hists, hist, condition, &fields, err);
	watcher->plan->asks_duration |= watcher->asks_duration;
	return r < 0 ? r : add_trigger(watcher, hists, watcher->hists.hists.nr - 1, condition, err);
}

static int take_of_probe(struct program_watcher *watcher, const struct watcher_hists *hists,
			 const struct hist *hist, struct err *err)
{
	struct program_watch_event_of_probes probe = {.args = hists->args,
						      .nr_args = hists->nr_args};
	const struct program_hist_fields fields = {.source = source_in_probe, .ctx = &probe};
	const char *filter = hist_filter(hist);
	int r = 0;

	probe.system = hists->name.system;
	probe.name = hists->name.event;
	probe.format = hists->format;
	if (filter)
		r = watcher_check_probe_filter(watcher, &probe, filter, err);
	return r < 0 ? r
		     : program_hist_plan_take(&watcher->hists, hist, PROGRAM_WATCH_YES, &fields,
					      err);
}

static int take_all(struct program_watcher *watcher, struct watcher_hists *hists,
		    const struct engine *engine, struct err *err)
{
	const struct hist *hist;
	size_t at = 0;
	int r = 0;

	while (r == 0 && (hist = next_hist(engine, hists, &at))) {
		uint8_t slot = NO_SLOT;

		if (hists->nr_slots == ARRAY_SIZE(hists->slots))
			return err_set(err, -E2BIG, "more than %u histograms", PROGRAM_HISTS_MAX);
		if (!hist_is_paused(hist)) {
			slot = (uint8_t)watcher->hists.hists.nr;
			r = hists->probes ? take_of_probe(watcher, hists, hist, err)
					  : take_of_function(watcher, hists, hist, err);
		}
		hists->slots[hists->nr_slots++] = slot;
	}
	return r;
}

/* All of an event, or none: then nothing of them stays. */
static int choose(struct program_watcher *watcher, struct watcher_hists *hists,
		  const struct engine *engine, struct err *err)
{
	const struct program_hist_plan before = watcher->hists;
	const struct program_watch *plan = watcher->plan;
	const uint32_t nr_triggers = plan->nr_triggers, triggered = plan->triggered;
	const bool asks_depth = plan->asks_depth, asks_duration = plan->asks_duration;
	const uint16_t nr_ops = plan->nr_ops;
	struct err why;
	int r;

	if (hists->why)
		return 0;
	r = take_all(watcher, hists, engine, &why);
	if (r == 0)
		return 0;
	watcher->hists = before;
	watcher->plan->nr_triggers = nr_triggers;
	watcher->plan->triggered = triggered;
	watcher->plan->asks_depth = asks_depth;
	watcher->plan->asks_duration = asks_duration;
	watcher->plan->nr_ops = nr_ops;
	hists->nr_slots = 0;
	hists->refused = r == -EINVAL;
	hists->why = r == -ENOMEM ? NULL : mem_strdup(why.text);
	return hists->why ? 0 : err_sys(err, -ENOMEM, "cannot prepare a histogram");
}

static bool records_stacks(const struct program_watcher *watcher, const struct watcher_hists *hists)
{
	struct trigger_rule rule;
	bool records = false;

	for (size_t i = 0; !hists->probes && i < watcher->plan->nr_triggers; i++) {
		const struct program_watch_trigger *trigger = &watcher->plan->triggers[i];

		records |= trigger->action == PROGRAM_WATCH_STACKTRACE &&
			   trigger->events >> hists->number & 1;
	}
	for (size_t i = 0; hists->probes && i < hists->rule->nr_triggers; i++)
		records |= trigger_rule_parse(&rule, hists->rule->triggers[i], NULL) == 0 &&
			   rule.action == TRIGGER_STACKTRACE;
	return records;
}

/* A stack is there when something records it. */
static int check_stacks(const struct program_watcher *watcher, const struct watcher_hists *hists,
			const struct engine *engine, struct err *err)
{
	bool stack;

	if (!hist_set_wants(engine->set, engine_event(engine, hists), &stack) || !stack ||
	    records_stacks(watcher, hists))
		return 0;
	return err_set(err, -ENOTSUP,
		       "'%.100s' is about stacks: -R stacktrace beside it records them",
		       hists->texts[0]);
}

/* What is left to the recording has to be about what is in it. */
static int check_recorded(const struct program_watcher *watcher, struct err *err)
{
	_cleanup_engine_ struct engine engine = {NULL, NULL};
	int r = make_engine(watcher, true, &engine, err);

	for (size_t i = 0; i < watcher->nr_triggered && r == 0; i++) {
		const struct watcher_hists *hists = &watcher->triggered[i];

		if (!hists->why)
			continue;
		r = give(&engine, hists, err);
		if (r < 0 && hists->refused)
			return err_set(err, r, "%s", hists->why);
		if (r < 0)
			return err_wrap(err, r, "counted from the recording (%s)", hists->why);
		if (r == 0)
			r = check_stacks(watcher, hists, &engine, err);
	}
	return r;
}

static int plan(struct program_watcher *watcher, struct err *err)
{
	_cleanup_engine_ struct engine engine = {NULL, NULL};
	bool any_recorded = false;
	int r = make_engine(watcher, false, &engine, err);

	for (size_t i = 0; i < watcher->nr_triggered && r == 0; i++)
		r = give(&engine, &watcher->triggered[i], err);
	for (size_t i = 0; i < watcher->nr_triggered && r == 0; i++) {
		r = choose(watcher, &watcher->triggered[i], &engine, err);
		any_recorded |= watcher->triggered[i].why != NULL;
	}
	return r == 0 && any_recorded ? check_recorded(watcher, err) : r;
}

int watcher_add_hists(struct program_watcher *watcher, const struct program_rule *rules, size_t nr,
		      struct err *err)
{
	uint32_t nr_probes = 0;
	int r = 0;

	for (size_t i = 0; i < nr && r == 0; i++) {
		const struct program_rule *rule = &rules[i];

		for (size_t k = 0; k < rule->nr_triggers && r == 0; k++) {
			struct trigger_rule trigger;

			r = trigger_rule_parse(&trigger, rule->triggers[k], err);
			if (r < 0 || trigger.action != TRIGGER_HIST)
				continue;
			r = watcher_check_trigger(watcher, &trigger, err);
			if (r == 0)
				r = rule->probes ? add_of_probes(watcher, rule, nr_probes,
								 rule->triggers[k], err)
						 : add_of_functions(watcher, rule,
								    rule->triggers[k], err);
		}
		nr_probes += rule->probes;
	}
	if (r == -ENOMEM)
		return err_sys(err, r, "cannot prepare a histogram");
	return r == 0 && watcher->nr_triggered ? plan(watcher, err) : r;
}

void watcher_free_hists(struct program_watcher *watcher)
{
	for (size_t i = 0; i < watcher->nr_triggered; i++) {
		struct watcher_hists *hists = &watcher->triggered[i];

		mem_free(hists->format);
		mem_free(hists->texts);
		mem_free(hists->why);
		mem_free(hists->came);
	}
	mem_free(watcher->triggered);
}

/* --- a probe has come up --- */

static int note_event(struct watcher_hists *hists,
		      const struct program_watch_event_of_probes *probe)
{
	struct watcher_name *name;

	if (array_reserve(&hists->came, &hists->cap_came, hists->nr_came + 1,
			  sizeof(*hists->came)) < 0)
		return -ENOMEM;
	name = &hists->came[hists->nr_came++];
	snprintf(name->system, sizeof(name->system), "%s", probe->system);
	snprintf(name->event, sizeof(name->event), "%s", probe->name);
	return 0;
}

/* The histogram is that of this probe from now on. */
static int begin(struct program_watcher *watcher, const struct hist *hist, uint8_t slot,
		 const struct program_watch_event_of_probes *probe, struct err *err)
{
	const struct program_hist_fields fields = {.source = source_in_probe,
						   .ctx = (void *)(uintptr_t)probe};
	struct program_hists *memory = watcher_hists_in(watcher->memory);
	const struct program_hist *from = &watcher->hists.hists.list[slot];
	uint16_t condition = PROGRAM_WATCH_YES;
	int r = program_hist_plan_again(&watcher->hists, slot, hist, &fields, err);

	if (r == 0 && hist_filter(hist))
		r = watcher_compile_probe(watcher, probe, hist_filter(hist), &condition, err);
	if (r < 0)
		return r;
	memcpy(memory->list[slot].keys, from->keys, sizeof(from->keys));
	memory->list[slot].nr_keys = from->nr_keys;
	memory->list[slot].value = from->value;
	return watcher_put_probe_trigger(watcher, probe,
					 &(struct program_watch_trigger){
						 .count = TRIGGER_UNLIMITED,
						 .condition = condition,
						 .action = PROGRAM_WATCH_HIST,
						 .hist = slot,
					 },
					 err);
}

static int begin_all(struct program_watcher *watcher, struct watcher_hists *hists,
		     const struct program_watch_event_of_probes *probe, struct err *err)
{
	_cleanup_engine_ struct engine engine = {NULL, NULL};
	const struct hist *hist;
	size_t at = 0;
	int r = engine_begin(&engine, err);

	snprintf(hists->name.system, sizeof(hists->name.system), "%s", probe->system);
	snprintf(hists->name.event, sizeof(hists->name.event), "%s", probe->name);
	if (r == 0)
		r = event_db_add_format(engine.db, probe->system, probe->format,
					strlen(probe->format), err);
	if (r == 0)
		r = engine_ready(&engine, !hists->why, err);
	if (r == 0)
		r = give(&engine, hists, err);
	for (size_t i = 0; r == 0 && i < hists->nr_slots; i++) {
		hist = next_hist(&engine, hists, &at);
		if (hist && hists->slots[i] != NO_SLOT)
			r = begin(watcher, hist, hists->slots[i], probe, err);
	}
	return r;
}

int watcher_probe_hists(struct program_watcher *watcher,
			const struct program_watch_event_of_probes *probe, uint32_t rule,
			struct err *err)
{
	struct watcher_hists *hists = find(watcher, true, rule);
	char *format;
	int r;

	if (!hists)
		return 0;
	if (hists->nr_came && !hists->why) {
		hists->why = mem_strdup("several events are meant");
		if (!hists->why)
			return err_sys(err, -ENOMEM, "cannot prepare a histogram");
		hists->nr_slots = 0;
	}
	r = begin_all(watcher, hists, probe, err);
	if (r < 0 || note_event(hists, probe) < 0)
		return r < 0 ? r : err_sys(err, -ENOMEM, "cannot prepare a histogram");
	format = mem_strdup(probe->format);
	if (!format)
		return err_sys(err, -ENOMEM, "cannot prepare a histogram");
	mem_free(hists->format);
	hists->format = format;
	return 0;
}

/* --- what they are --- */

size_t program_watcher_nr_hists(const struct program_watcher *watcher)
{
	return watcher->nr_triggered;
}

void program_watcher_hists_at(const struct program_watcher *watcher, size_t index,
			      struct program_watcher_hists *ret)
{
	const struct watcher_hists *hists = &watcher->triggered[index];

	*ret = (struct program_watcher_hists){
		.texts = hists->texts,
		.nr_texts = hists->nr_texts,
		.format = hists->format,
		.why = hists->why,
		.nr_events = hists->probes ? hists->nr_came : 1,
	};
}

void program_watcher_hists_event(const struct program_watcher *watcher, size_t index, size_t event,
				 const char **ret_system, const char **ret_name)
{
	const struct watcher_hists *hists = &watcher->triggered[index];
	const struct watcher_name *name = hists->probes ? &hists->came[event] : &hists->name;

	*ret_system = name->system;
	*ret_name = name->event;
}

bool program_watcher_hist_is(const struct program_watcher *watcher, size_t index, uint32_t slot,
			     size_t *ret_hist)
{
	const struct watcher_hists *hists = &watcher->triggered[index];

	for (*ret_hist = 0; *ret_hist < hists->nr_slots; ++*ret_hist) {
		if (hists->slots[*ret_hist] == slot)
			return true;
	}
	return false;
}

/* --- of calls, which are counted and not recorded --- */

int watcher_add_calls(struct program_watcher *watcher, const char *text, struct err *err)
{
	const struct program_hist_fields fields = {
		.source = source_in_function,
		.ctx = watcher,
		.always = PROGRAM_WATCH_DURATION,
	};
	const char *filter = strstr(text, " if ");
	_cleanup_free_ char *trigger =
		mem_strndup(text, filter ? (size_t)(filter - text) : strlen(text));
	uint16_t condition = PROGRAM_WATCH_YES;
	int r = 0;

	if (!trigger)
		return err_sys(err, -ENOMEM, "cannot compile the histogram");
	watcher->counts_calls = true;
	if (filter)
		r = watcher_compile(watcher, watcher->calls, filter + strlen(" if "), &condition,
				    err);
	return r < 0 ? r
		     : program_hist_plan_add(&watcher->hists, watcher->calls, trigger, condition,
					     &fields, err);
}
