/* SPDX-License-Identifier: MIT */
/*
 * Which events are pairs, and by which field their two records are matched. The later one to claim
 * an event has it: the user's hooks come after the built-in pairs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "report/profile_data.h"

static struct kind *add_kind(struct profile *profile, const struct event *event,
			     enum kind_type type)
{
	struct kind *kind = arena_alloc(&profile->arena, sizeof(*kind));

	if (!kind)
		return NULL;
	kind->event = event;
	kind->type = type;
	profile->by_id[event->id] = kind;
	return kind;
}

/* *ret_kind stays NULL when the event was not recorded. */
static int add_known(struct profile *profile, const char *system, const char *name,
		     enum kind_type type, struct kind **ret_kind)
{
	const struct event *event = event_db_by_name(profile->db, system, name);

	*ret_kind = NULL;
	if (!event)
		return 0;
	*ret_kind = add_kind(profile, event, type);
	return *ret_kind ? 0 : -ENOMEM;
}

static void make_pair(struct kind *first, const struct event_field *first_key, struct kind *second,
		      const struct event_field *second_key, bool migrates, bool global)
{
	first->begins = second;
	second->ends = first;
	first->begin_key = first_key;
	second->end_key = second_key;
	first->migrates = second->migrates = migrates;
	first->global = second->global = global;
}

/* Without the field in both, the two stay events of their own. */
static void pair_by(struct kind *first, struct kind *second, const char *field, bool migrates,
		    bool global)
{
	const struct event_field *first_key, *second_key;

	if (!first || !second)
		return;
	first_key = event_field_find(first->event, field);
	second_key = event_field_find(second->event, field);
	if (first_key && second_key)
		make_pair(first, first_key, second, second_key, migrates, global);
}

static int setup_sched(struct profile *profile)
{
	struct kind *sched_switch, *wakeup, *exec;
	int r;

	r = add_known(profile, "sched", "sched_wakeup", KIND_WAKEUP, &wakeup);
	if (r == 0)
		r = add_known(profile, "sched", "sched_switch", KIND_SWITCH, &sched_switch);
	if (r == 0)
		r = add_known(profile, "sched", "sched_process_exec", KIND_EXEC, &exec);
	if (r < 0)
		return r;
	if (exec)
		exec->value = event_field_find(exec->event, "old_pid");
	if (sched_switch) {
		const struct event *event = sched_switch->event;

		sched_switch->pid = event_field_find(event, "prev_pid");
		sched_switch->value = event_field_find(event, "prev_state");
		sched_switch->migrates = true;
		profile->switch_next = event_field_find(event, "next_pid");
		profile->switch_prev_comm = event_field_find(event, "prev_comm");
		profile->switch_next_comm = event_field_find(event, "next_comm");
		if (!sched_switch->pid || !sched_switch->value || !profile->switch_next)
			sched_switch->type = KIND_OTHER;
	}
	if (wakeup) {
		wakeup->pid = event_field_find(wakeup->event, "pid");
		wakeup->value = event_field_find(wakeup->event, "success");
		profile->wakeup_comm = event_field_find(wakeup->event, "comm");
	}
	if (sched_switch && wakeup && sched_switch->type == KIND_SWITCH && wakeup->pid) {
		make_pair(sched_switch, profile->switch_next, wakeup, wakeup->pid, true, false);
		make_pair(wakeup, wakeup->pid, sched_switch, sched_switch->pid, true, false);
	} else if (wakeup) {
		wakeup->type = KIND_OTHER;
		wakeup->pid = NULL;
	}
	return 0;
}

static int setup_irqs(struct profile *profile, bool global)
{
	struct kind *irq_entry, *irq_exit, *entry, *exit, *raise;
	int r;

	r = add_known(profile, "irq", "irq_handler_entry", KIND_OTHER, &irq_entry);
	if (r == 0)
		r = add_known(profile, "irq", "irq_handler_exit", KIND_OTHER, &irq_exit);
	if (r == 0)
		r = add_known(profile, "irq", "softirq_entry", KIND_SOFTIRQ, &entry);
	if (r == 0)
		r = add_known(profile, "irq", "softirq_exit", KIND_SOFTIRQ, &exit);
	if (r == 0)
		r = add_known(profile, "irq", "softirq_raise", KIND_SOFTIRQ, &raise);
	if (r < 0)
		return r;
	pair_by(irq_entry, irq_exit, "irq", false, global);
	pair_by(entry, exit, "vec", false, global);
	pair_by(raise, entry, "vec", false, global);
	return 0;
}

static int setup_functions(struct profile *profile)
{
	struct kind *function, *entry, *exit, *stack, *enter, *leave;
	const struct event_field *caller;
	int r;

	r = add_known(profile, "ftrace", "function", KIND_FUNCTION, &function);
	if (r == 0)
		r = add_known(profile, "ftrace", "funcgraph_entry", KIND_FUNCTION, &entry);
	if (r == 0)
		r = add_known(profile, "ftrace", "funcgraph_exit", KIND_FUNCTION, &exit);
	if (r == 0)
		r = add_known(profile, "ftrace", "kernel_stack", KIND_OTHER, &stack);
	if (r == 0)
		r = add_known(profile, "raw_syscalls", "sys_enter", KIND_SYSCALL, &enter);
	if (r == 0)
		r = add_known(profile, "raw_syscalls", "sys_exit", KIND_SYSCALL, &leave);
	if (r < 0)
		return r;

	if (function)
		function->value = event_field_find(function->event, "ip");
	pair_by(entry, exit, "func", true, false);
	if (entry && entry->begins) {
		entry->type = KIND_GRAPH_ENTRY;
		exit->type = KIND_GRAPH_EXIT;
	}
	pair_by(enter, leave, "id", true, false);
	caller = stack ? event_field_find(stack->event, "caller") : NULL;
	if (caller) {
		stack->type = KIND_STACK;
		profile->stack_kind = stack;
		profile->stack_offset = caller->offset;
	}
	return 0;
}

/* [SYSTEM:]EVENT,FIELD[,EXTRA]: one side of a hook. */
struct hook_side {
	const char *system, *event, *field, *extra; /* into a copy; NULL when not given */
};

static bool read_side(char *text, struct hook_side *side)
{
	char *rest = text, *colon;

	*side = (struct hook_side){.event = strsep(&rest, ",")};
	if (rest)
		side->field = strsep(&rest, ",");
	side->extra = rest;
	colon = strchr(side->event, ':');
	if (colon) {
		*colon = '\0';
		side->system = side->event;
		side->event = colon + 1;
	}
	return *side->event && side->field && *side->field && (!side->system || *side->system) &&
	       (!side->extra || *side->extra);
}

/* Cuts `text`, a copy of the hook, in place. */
static int read_hook(const char *hook, char *text, struct hook_side *first,
		     struct hook_side *second, struct err *err)
{
	char *slash = strchr(text, '/');

	if (slash)
		*slash = '\0';
	if (slash && read_side(text, first) && read_side(slash + 1, second) &&
	    (!second->extra || strspn(second->extra, "pPgGsS") == strlen(second->extra)))
		return 0;
	return err_set(err, -EINVAL,
		       "hook '%s' is not of the form [SYSTEM:]EVENT,FIELD[,PID_FIELD]/"
		       "[SYSTEM:]EVENT,FIELD[,FLAGS] with the flags p, g and s",
		       hook);
}

static char *side_pattern(const struct hook_side *side)
{
	const char *system = side->system ? side->system : "*";
	size_t size = strlen(system) + strlen(side->event) + 2;
	char *pattern = mem_alloc(size);

	if (pattern)
		snprintf(pattern, size, "%s:%s", system, side->event);
	return pattern;
}

int profile_hook_events(const char *hook, struct profile_hook *ret_hook, struct err *err)
{
	_cleanup_free_ char *text = mem_strdup(hook);
	struct hook_side first, second;
	struct profile_hook found;
	int r = text ? read_hook(hook, text, &first, &second, err) : -ENOMEM;

	if (r == -EINVAL)
		return r;
	if (r == 0) {
		found = (struct profile_hook){
			.first = side_pattern(&first),
			.second = side_pattern(&second),
			.stack = second.extra && strpbrk(second.extra, "sS"),
		};
		if (found.first && found.second) {
			*ret_hook = found;
			return 0;
		}
		mem_free(found.first);
		mem_free(found.second);
	}
	return err_set(err, -ENOMEM, "out of memory");
}

static int find_hook_field(const struct hook_side *side, const char *name,
			   const struct event *event, const char *hook,
			   const struct event_field **ret_field, struct err *err)
{
	*ret_field = event_field_find(event, name);
	if (*ret_field)
		return 0;
	return err_set(err, -EINVAL, "hook '%s': event %s has no field '%s'", hook, side->event,
		       name);
}

static int add_hook(struct profile *profile, const char *hook, struct err *err)
{
	_cleanup_free_ char *text = mem_strdup(hook);
	const struct event *first_event, *second_event;
	const struct event_field *first_key = NULL, *second_key = NULL, *pid = NULL;
	struct hook_side first, second;
	struct kind *begin, *end;
	int r;

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	r = read_hook(hook, text, &first, &second, err);
	if (r < 0)
		return r;
	first_event = event_db_by_name(profile->db, first.system, first.event);
	second_event = event_db_by_name(profile->db, second.system, second.event);
	if (!first_event || !second_event)
		return err_set(err, -EINVAL, "hook '%s': the file has no event %s", hook,
			       first_event ? second.event : first.event);
	r = find_hook_field(&first, first.field, first_event, hook, &first_key, err);
	if (r == 0)
		r = find_hook_field(&second, second.field, second_event, hook, &second_key, err);
	if (r == 0 && first.extra)
		r = find_hook_field(&first, first.extra, first_event, hook, &pid, err);
	if (r < 0)
		return r;

	begin = add_kind(profile, first_event, KIND_OTHER);
	end = begin && first_event != second_event ? add_kind(profile, second_event, KIND_OTHER)
						   : begin;
	if (!end)
		return err_set(err, -ENOMEM, "out of memory");
	begin->pid = pid;
	make_pair(begin, first_key, end, second_key, !second.extra || !strpbrk(second.extra, "pP"),
		  second.extra && strpbrk(second.extra, "gG"));
	return 0;
}

/* All other events are counted, by the value of their first field. */
static int add_others(struct profile *profile)
{
	for (size_t i = 0; i < event_db_count(profile->db); i++) {
		const struct event *event = event_db_at(profile->db, i);
		struct kind *kind;

		if (profile->by_id[event->id])
			continue;
		kind = add_kind(profile, event, KIND_OTHER);
		if (!kind)
			return -ENOMEM;
		if (event->nr_fields > event->nr_common)
			kind->value = &event->fields[event->nr_common];
	}
	return 0;
}

int profile_setup(struct profile *profile, const struct profile_options *options, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < event_db_count(profile->db); i++) {
		const struct event *event = event_db_at(profile->db, i);

		profile->nr_ids = MAX(profile->nr_ids, (size_t)event->id + 1);
		if (!profile->common_pid)
			profile->common_pid = event_field_find(event, "common_pid");
	}
	profile->by_id = mem_calloc(profile->nr_ids + 1, sizeof(struct kind *));
	if (!profile->by_id)
		r = -ENOMEM;
	if (r == 0)
		r = setup_irqs(profile, options->global);
	if (r == 0)
		r = setup_sched(profile);
	if (r == 0)
		r = setup_functions(profile);
	if (r < 0)
		return err_set(err, r, "out of memory");
	for (size_t i = 0; i < options->nr_hooks; i++) {
		r = add_hook(profile, options->hooks[i], err);
		if (r < 0)
			return r;
	}
	r = add_others(profile);
	if (r < 0)
		return err_set(err, r, "out of memory");
	return 0;
}
