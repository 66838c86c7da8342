/* SPDX-License-Identifier: MIT */
#include "expr/trigger_play.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "expr/match.h"
#include "expr/trigger.h"

struct played {
	struct trigger_rule rule;
	char *text; /* what the rule borrows from */
	const struct event *switched;
};

/* One trigger on one event. */
struct action {
	size_t trigger;
	struct kfilter *filter; /* NULL: none */
	struct action *next;	/* on the same event, in the order of adding */
};

struct event_state {
	bool off;
	struct action *actions;
};

struct trigger_play {
	const struct event_db *db;
	struct kfilter_kernel kernel;
	bool strict;
	struct played *list;
	size_t nr, cap;
	struct event_state *events; /* by id */
	size_t nr_ids;
	struct trigger_state state;
	bool switches; /* there is a traceon or a traceoff */
};

int trigger_play_new(struct trigger_play **ret_play, const struct event_db *db,
		     const struct kfilter_kernel *kernel, bool strict)
{
	struct trigger_play *play = mem_zalloc(sizeof(*play));

	if (!play)
		return -ENOMEM;
	play->db = db;
	play->kernel = *kernel;
	play->strict = strict;
	play->state.on = true;
	for (size_t i = 0; i < event_db_count(db); i++)
		play->nr_ids = MAX(play->nr_ids, event_db_at(db, i)->id + (size_t)1);
	play->events = mem_calloc(play->nr_ids + 1, sizeof(*play->events));
	if (!play->events) {
		mem_free(play);
		return -ENOMEM;
	}
	*ret_play = play;
	return 0;
}

void trigger_play_free(struct trigger_play *play)
{
	struct action *action, *next;

	if (!play)
		return;
	for (size_t id = 0; id < play->nr_ids; id++) {
		for (action = play->events[id].actions; action; action = next) {
			next = action->next;
			kfilter_free(action->filter);
			mem_free(action);
		}
	}
	for (size_t i = 0; i < play->nr; i++)
		mem_free(play->list[i].text);
	mem_free(play->list);
	mem_free(play->events);
	mem_free(play);
}

static void match_free_p(struct event_match **match)
{
	event_match_free(*match);
}

static int add_action(struct trigger_play *play, const struct event *event, struct err *err)
{
	const struct played *played = &play->list[play->nr - 1];
	struct action *action = mem_zalloc(sizeof(*action)), **tail;

	if (!action)
		return err_set(err, -ENOMEM, "out of memory");
	for (tail = &play->events[event->id].actions; *tail; tail = &(*tail)->next)
		;
	*tail = action;
	action->trigger = play->nr - 1;
	if (!played->rule.filter)
		return 0;
	return kfilter_new(&action->filter, event, played->rule.filter, &play->kernel,
			   play->strict ? KFILTER_STRICT : 0, NULL, err);
}

/* The names before the trigger, separated by commas. */
static int add_events(struct trigger_play *play, char *names, struct err *err)
{
	size_t found = 0;
	char *rest = names, *name;

	while ((name = strsep(&rest, ","))) {
		_cleanup_(match_free_p) struct event_match *match = NULL;
		int r = event_match_new(&match, name, EVENT_MATCH_FILTER, err);

		found = 0;
		for (size_t i = 0; r == 0 && i < event_db_count(play->db); i++) {
			if (!event_match_test(match, event_db_at(play->db, i)))
				continue;
			found++;
			r = add_action(play, event_db_at(play->db, i), err);
		}
		if (r < 0)
			return r;
		if (!found)
			return err_set(err, -ENOENT, "no event or system is called '%.100s'", name);
	}
	return 0;
}

/* What holds before the first record. */
static int set_start(struct trigger_play *play, struct played *played, struct err *err)
{
	const struct trigger_rule *rule = &played->rule;

	switch (rule->action) {
	case TRIGGER_TRACEON:
	case TRIGGER_TRACEOFF:
		if (!play->switches)
			play->state.on = rule->action == TRIGGER_TRACEOFF;
		play->switches = true;
		return 0;
	case TRIGGER_ENABLE:
	case TRIGGER_DISABLE:
		played->switched = event_db_by_name(play->db, rule->system, rule->event);
		if (!played->switched)
			return err_set(err, -ENOENT, "no event is called %.100s:%.100s",
				       rule->system, rule->event);
		if (rule->action == TRIGGER_ENABLE)
			play->events[played->switched->id].off = true;
		return 0;
	case TRIGGER_SNAPSHOT:
	case TRIGGER_STACKTRACE:
	case TRIGGER_HIST:
	case TRIGGER_ENABLE_HIST:
	case TRIGGER_DISABLE_HIST:
		break;
	}
	return err_set(err, -ENOTSUP,
		       "of a recording, only traceon, traceoff, enable_event and disable_event "
		       "choose records");
}

int trigger_play_add(struct trigger_play *play, const char *text, struct err *err)
{
	struct played *played;
	char *trigger;
	int r = array_reserve(&play->list, &play->cap, play->nr + 1, sizeof(*play->list));

	if (r < 0)
		return err_set(err, r, "out of memory");
	played = &play->list[play->nr];
	*played = (struct played){.text = mem_strdup(text)};
	if (!played->text)
		return err_set(err, -ENOMEM, "out of memory");
	play->nr++;
	trigger = strchr(played->text, ':');
	if (!trigger)
		return err_set(err, -EINVAL,
			       "the trigger '%.100s' is not understood; it is written "
			       "EVENTS:TRIGGER",
			       text);
	*trigger++ = '\0';
	r = trigger_rule_parse(&played->rule, trigger, err);
	if (r == 0 && played->rule.removes)
		r = err_set(err, -EINVAL, "'%.100s': no trigger is set that could be removed",
			    trigger);
	if (r == 0)
		r = set_start(play, played, err);
	return r < 0 ? r : add_events(play, played->text, err);
}

bool trigger_play_record(struct trigger_play *play, const struct event *event,
			 const struct filter_record *record)
{
	bool recorded = play->state.on;
	const struct event_state *state;

	if (!event)
		return recorded;
	state = &play->events[event->id];
	if (state->off)
		recorded = false;
	for (const struct action *action = state->actions; action; action = action->next) {
		struct played *played = &play->list[action->trigger];

		if (action->filter && !kfilter_test(action->filter, record))
			continue;
		if (!trigger_rule_fires(&played->rule, &play->state))
			continue;
		if (played->rule.action == TRIGGER_TRACEON && !action->filter)
			recorded = !state->off;
		else if (played->switched)
			play->events[played->switched->id].off =
				played->rule.action == TRIGGER_DISABLE;
	}
	/* Whether the event is on is looked at once more before its record is kept. */
	return recorded && !state->off;
}
