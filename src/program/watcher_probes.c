/* SPDX-License-Identifier: MIT */
/*
 * Filters and triggers of probes. What a probe's fields are is known when its module has come, so
 * they are compiled then; what is wrong with any fields is told at the beginning.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "expr/probe.h"
#include "program/common_fields.h"
#include "program/probes.h"
#include "program/watcher_private.h"

/* As many arguments as there can be, all of 8 bytes. */
#define ANY_NAME   "any"
#define ANY_SYSTEM "sdt_any"

static int compile_with(struct program_watcher *watcher,
			const struct program_watch_event_of_probes *probe, const char *filter,
			uint16_t *ret_entry, struct err *err)
{
	const struct event_db_options options = {.long_size = 8, .no_handlers = true};
	struct event_db *db = NULL;
	int r = event_db_new(&db, &options);

	if (r == 0)
		r = event_db_add_format(db, probe->system, probe->format, strlen(probe->format),
					err);
	if (r == 0)
		r = event_db_seal(db);
	if (r < 0) {
		event_db_free(db);
		return err_sys(err, r, "cannot compile the filter of a probe");
	}
	watcher->compiling = probe;
	r = watcher_compile(watcher, event_db_by_name(db, probe->system, probe->name), filter,
			    ret_entry, err);
	watcher->compiling = NULL;
	event_db_free(db);
	return r;
}

/* What is wrong whatever the probe is; nothing stays but the names of tasks that are asked for. */
static int check_filter(struct program_watcher *watcher, const char *filter, struct err *err)
{
	struct program_probe_arg args[PROGRAM_PROBE_ARGS_MAX];
	struct program_watch_event_of_probes any = {
		.system = ANY_SYSTEM,
		.name = ANY_NAME,
		.args = args,
		.nr_args = ARRAY_SIZE(args),
	};
	uint16_t nr_ops = watcher->plan->nr_ops, entry;
	_cleanup_out_ struct out format = {0};
	int r;

	out_str(&format, "name: " ANY_NAME "\nID: 1\n" PROGRAM_COMMON_FIELDS
			 "\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n");
	for (uint32_t i = 0; i < ARRAY_SIZE(args); i++) {
		args[i].offset = (uint16_t)(8 + 8 * i);
		out_printf(&format, "\tfield:s64 arg%u;\toffset:%u;\tsize:8;\tsigned:1;\n", i + 1,
			   16 + 8 * i);
	}
	out_str(&format, "\nprint fmt: \"%lx\", REC->__probe_ip\n");
	any.format = out_cstr(&format);
	if (format.failed)
		return err_sys(err, -ENOMEM, "cannot compile the filter of a probe");
	r = compile_with(watcher, &any, filter, &entry, err);
	watcher->plan->nr_ops = nr_ops;
	return r;
}

int watcher_add_probe_rule(struct program_watcher *watcher, const struct program_rule *rule,
			   struct err *err)
{
	struct program_rule *rules =
		mem_realloc(watcher->probe_rules, (watcher->nr_probe_rules + 1) * sizeof(*rules));
	int r = 0;
	/* A definition names its fields. */
	bool has_names = probe_is_definition(rule->events);

	if (!rules)
		return err_sys(err, -ENOMEM, "cannot compile the filters");
	watcher->probe_rules = rules;
	rules[watcher->nr_probe_rules++] = *rule;
	if (rule->filter && !has_names)
		r = check_filter(watcher, rule->filter, err);
	for (size_t i = 0; i < rule->nr_triggers && r == 0; i++) {
		struct program_watch_trigger ignored;
		struct trigger_rule trigger;

		r = trigger_rule_parse(&trigger, rule->triggers[i], err);
		if (r == 0)
			r = watcher_check_trigger(watcher, &trigger, err);
		if (r == 0)
			r = watcher_read_action(watcher, &trigger, &ignored, err);
		if (r == 0 && trigger.filter && !has_names)
			r = check_filter(watcher, trigger.filter, err);
	}
	return r;
}

/* --- events that triggers switch --- */

bool watcher_is_probe(const struct trigger_rule *rule)
{
	return program_probes_is_meant(rule->system, false) ||
	       !strcmp(rule->system, probe_default_group(PROBE_USER));
}

static bool is_named(const struct watcher_name *wanted, const struct watcher_name *event)
{
	return *event->system && *wanted->system && !fnmatch(wanted->system, event->system, 0) &&
	       !fnmatch(wanted->event, event->event, 0);
}

/* The trigger switches this event, which one that enables it finds off. */
static void switch_probe(struct program_watch *watch, uint32_t trigger, uint32_t number)
{
	uint64_t bit = 1ull << number % 64;

	watch->triggers[trigger].probes[number / 64] |= bit;
	if (watch->triggers[trigger].action == PROGRAM_WATCH_ENABLE)
		__atomic_fetch_or(&watch->probes_off[number / 64], bit, __ATOMIC_RELAXED);
}

void watcher_switch_probes(struct program_watcher *watcher, uint32_t index,
			   const struct trigger_rule *rule)
{
	struct watcher_name *name = &watcher->switched_probes[index];

	if ((rule->action != TRIGGER_ENABLE && rule->action != TRIGGER_DISABLE) ||
	    !watcher_is_probe(rule))
		return;
	memcpy(name->system, rule->system, sizeof(name->system));
	memcpy(name->event, rule->event, sizeof(name->event));
}

bool program_watcher_asks_probes(const struct program_watcher *watcher)
{
	for (size_t i = 0; i < watcher->nr_probe_rules; i++) {
		const struct program_rule *rule = &watcher->probe_rules[i];

		if (rule->filter || rule->off || rule->nr_triggers)
			return true;
	}
	for (size_t i = 0; i < watcher->plan->nr_triggers; i++) {
		if (*watcher->switched_probes[i].system)
			return true;
	}
	return false;
}

/* --- an event that has come up --- */

static int add_trigger(struct program_watcher *watcher,
		       const struct program_watch_event_of_probes *probe, const char *text,
		       struct err *err)
{
	struct program_watch *memory = watcher->memory;
	uint32_t index = watcher->plan->nr_triggers;
	struct program_watch_trigger trigger = {.condition = PROGRAM_WATCH_YES};
	struct trigger_rule rule;
	int r = trigger_rule_parse(&rule, text, err);

	if (r == 0)
		r = watcher_check_trigger(watcher, &rule, err);
	if (r == 0)
		r = watcher_read_action(watcher, &rule, &trigger, err);
	if (r == 0 && rule.filter)
		r = compile_with(watcher, probe, rule.filter, &trigger.condition, err);
	if (r < 0)
		return r;
	trigger.count = rule.count;
	memory->triggers[index] = trigger;
	watcher->plan->nr_triggers++;
	watcher_switch_probes(watcher, index, &rule);
	if (trigger.action == PROGRAM_WATCH_ENABLE)
		__atomic_fetch_and(&memory->enabled, ~trigger.switches, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < PROGRAM_WATCH_PROBES; i++) {
		if (is_named(&watcher->switched_probes[index], &watcher->probes[i]))
			switch_probe(memory, index, i);
	}
	memory->probes[probe->number].triggers |= 1u << index;
	return 0;
}

static int add_rule(struct program_watcher *watcher,
		    const struct program_watch_event_of_probes *probe,
		    const struct program_rule *rule, uint16_t *filter, struct err *err)
{
	int r = 0;

	if (rule->off)
		*filter = PROGRAM_WATCH_NO;
	else if (rule->filter)
		r = compile_with(watcher, probe, rule->filter, filter, err);
	for (size_t i = 0; i < rule->nr_triggers && r == 0; i++)
		r = add_trigger(watcher, probe, rule->triggers[i], err);
	return r;
}

int program_watcher_probe(struct program_watcher *watcher,
			  const struct program_watch_event_of_probes *probe, struct err *err)
{
	struct program_watch *memory = watcher->memory, *plan = watcher->plan;
	struct watcher_name *name = &watcher->probes[probe->number];
	uint16_t filter = PROGRAM_WATCH_YES;
	int r = 0;

	snprintf(name->system, sizeof(name->system), "%s", probe->system);
	snprintf(name->event, sizeof(name->event), "%s", probe->name);
	for (uint32_t i = 0; i < plan->nr_triggers; i++) {
		if (is_named(&watcher->switched_probes[i], name))
			switch_probe(memory, i, probe->number);
	}
	for (size_t i = 0; i < watcher->nr_probe_rules && r == 0; i++) {
		if (probe->rules[i])
			r = add_rule(watcher, probe, &watcher->probe_rules[i], &filter, err);
	}
	if (r < 0)
		filter = PROGRAM_WATCH_NO;
	/* No process has such a probe before the recorder has answered. */
	memcpy(memory->comms, plan->comms, sizeof(plan->comms));
	__atomic_store_n(&memory->nr_comms, plan->nr_comms, __ATOMIC_RELEASE);
	memcpy(memory->ops, plan->ops, plan->nr_ops * sizeof(*plan->ops));
	memory->nr_ops = plan->nr_ops;
	memory->nr_triggers = plan->nr_triggers;
	memory->probes[probe->number].filter = filter;
	return r;
}
