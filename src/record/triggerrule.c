/* SPDX-License-Identifier: MIT */
#include "record/triggerrule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct {
	const char *name;
	enum trigger_action action;
	bool names_event;
} commands[] = {
	{"traceon", TRIGGER_TRACEON, false},	  {"traceoff", TRIGGER_TRACEOFF, false},
	{"snapshot", TRIGGER_SNAPSHOT, false},	  {"enable_event", TRIGGER_ENABLE, true},
	{"disable_event", TRIGGER_DISABLE, true},
};

size_t trigger_command_len(const char *text)
{
	return strcspn(text, ": \t");
}

static int find_command(const char *text, size_t *ret_index, struct err *err)
{
	size_t len = trigger_command_len(text);

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strlen(commands[i].name) == len && !memcmp(commands[i].name, text, len)) {
			*ret_index = i;
			return 0;
		}
	}
	if (len == 10 && !memcmp(text, "stacktrace", len))
		return err_set(
			err, -ENOTSUP,
			"this kernel lacks the trigger stacktrace, and sonde cannot stand in "
			"for it: a stack is there only at the moment of the event; -T records "
			"one with every event");
	return err_set(err, -ENOTSUP,
		       "this kernel lacks the trigger '%.60s', and sonde stands in only for "
		       "traceon, traceoff, snapshot, enable_event and disable_event",
		       text);
}

/* One part between colons: -EINVAL when it is empty or too long. */
static int take_name(char *to, const char **p)
{
	size_t len;

	if (**p != ':')
		return -EINVAL;
	len = strcspn(*p + 1, ": \t");
	if (!len || len >= TRIGGER_NAME_BYTES)
		return -EINVAL;
	memcpy(to, *p + 1, len);
	to[len] = '\0';
	*p += 1 + len;
	return 0;
}

static int take_count(int64_t *ret_count, const char **p)
{
	char *end;

	*ret_count = TRIGGER_UNLIMITED;
	if (**p != ':')
		return 0;
	errno = 0;
	*ret_count = strtol(*p + 1, &end, 0);
	if ((*p)[1] < '0' || (*p)[1] > '9' || errno)
		return -EINVAL;
	*p = end;
	return 0;
}

static int take_filter(const char **ret_filter, const char *p)
{
	*ret_filter = NULL;
	p += strspn(p, " \t");
	if (!*p)
		return 0;
	if (strncmp(p, "if", 2) != 0 || (p[2] != ' ' && p[2] != '\t'))
		return -EINVAL;
	p += 2 + strspn(p + 2, " \t");
	*ret_filter = p;
	return *p ? 0 : -EINVAL;
}

int trigger_rule_parse(struct trigger_rule *ret_rule, const char *text, struct err *err)
{
	struct trigger_rule rule = {0};
	const char *p = text + trigger_command_len(text);
	size_t command = 0;
	int r = find_command(text, &command, err);

	if (r < 0)
		return r;
	rule.action = commands[command].action;
	if (commands[command].names_event)
		r = take_name(rule.system, &p) < 0 ? -EINVAL : take_name(rule.event, &p);
	if (r == 0)
		r = take_count(&rule.count, &p);
	if (r == 0)
		r = take_filter(&rule.filter, p);
	if (r < 0)
		return err_set(err, r,
			       "the trigger '%.100s' is not understood; it is written %s%s[:COUNT] "
			       "[if FILTER]",
			       text, commands[command].name,
			       commands[command].names_event ? ":SYSTEM:EVENT" : "");
	*ret_rule = rule;
	return 0;
}

bool trigger_rule_fires(struct trigger_rule *rule, struct trigger_state *state)
{
	if ((rule->action == TRIGGER_TRACEON && state->on) ||
	    (rule->action == TRIGGER_TRACEOFF && !state->on) || !rule->count)
		return false;
	if (rule->count > 0)
		rule->count--;
	if (rule->action == TRIGGER_TRACEON || rule->action == TRIGGER_TRACEOFF)
		state->on = rule->action == TRIGGER_TRACEON;
	return true;
}
