/* SPDX-License-Identifier: MIT */
#include "expr/trigger.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "expr/kfilter.h"
#include "expr/token.h"

static const struct {
	const char *name;
	enum trigger_action action;
	bool names_event;
} commands[] = {
	{"traceon", TRIGGER_TRACEON, false},
	{"traceoff", TRIGGER_TRACEOFF, false},
	{"snapshot", TRIGGER_SNAPSHOT, false},
	{"stacktrace", TRIGGER_STACKTRACE, false},
	{"enable_event", TRIGGER_ENABLE, true},
	{"disable_event", TRIGGER_DISABLE, true},
	{"enable_hist", TRIGGER_ENABLE_HIST, true},
	{"disable_hist", TRIGGER_DISABLE_HIST, true},
	{"hist", TRIGGER_HIST, false},
};

size_t trigger_command_len(const char *text)
{
	return strcspn(text, ": \t");
}

static bool find_command(const char *text, size_t *ret_index)
{
	size_t len = trigger_command_len(text);

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strlen(commands[i].name) == len && !memcmp(commands[i].name, text, len)) {
			*ret_index = i;
			return true;
		}
	}
	return false;
}

static const char *skip_blanks(const char *p)
{
	while (token_is_space(TOKEN_KERNEL, *p))
		p++;
	return p;
}

/* Up to the next colon; false when it is empty or too long. */
static bool take_name(char *to, const char **p, const char *end)
{
	size_t len = 0;

	while (*p + len < end && (*p)[len] != ':')
		len++;
	if (!len || len >= TRIGGER_NAME_BYTES)
		return false;
	memcpy(to, *p, len);
	to[len] = '\0';
	*p += len;
	return true;
}

/* A count from `p` to the next colon or `end`; the kernel does not look at what follows a colon. */
static bool take_count(int64_t *ret_count, const char *p, const char *end)
{
	const char *colon = memchr(p, ':', (size_t)(end - p));
	char digits[32];
	uint64_t count;
	size_t len = (size_t)((colon ? colon : end) - p);

	if (len >= sizeof(digits))
		return false;
	memcpy(digits, p, len);
	digits[len] = '\0';
	if (!kfilter_number(digits, &count))
		return false;
	/* The kernel's counter is a long whose -1 is no limit. */
	*ret_count = count > INT64_MAX ? TRIGGER_UNLIMITED : (int64_t)count;
	return true;
}

/* `if FILTER` */
static bool take_filter(struct trigger_rule *rule, const char *p)
{
	p = skip_blanks(p);
	if (!*p)
		return true;
	if (strncmp(p, "if", 2) != 0 || (p[2] != ' ' && p[2] != '\t'))
		return false;
	rule->filter = skip_blanks(p + 3);
	return *rule->filter;
}

/* What follows the command and one separator. */
static bool take_rest(struct trigger_rule *rule, bool names_event, const char *p)
{
	const char *end = p + strcspn(p, " \t");

	rule->count = TRIGGER_UNLIMITED;
	if (names_event) {
		if (!take_name(rule->system, &p, end) || p == end)
			return false;
		p++;
		if (!take_name(rule->event, &p, end))
			return false;
		if (p < end && !take_count(&rule->count, p + 1, end))
			return false;
		return take_filter(rule, end);
	}
	if (*p < '0' || *p > '9')
		return take_filter(rule, p);
	return take_count(&rule->count, p, end) && take_filter(rule, end);
}

int trigger_rule_parse(struct trigger_rule *ret_rule, const char *text, struct err *err)
{
	struct trigger_rule rule = {0};
	const char *p = skip_blanks(text);
	size_t command = 0;

	rule.removes = *p == '!';
	p += rule.removes;
	if (!find_command(p, &command))
		return err_set(err, -ENOENT, "'%.60s' is no trigger", text);
	rule.action = commands[command].action;
	p += trigger_command_len(p);
	p = skip_blanks(*p ? p + 1 : p);
	if (rule.action == TRIGGER_HIST) {
		rule.hist = p;
		rule.count = TRIGGER_UNLIMITED;
	} else if (!take_rest(&rule, commands[command].names_event, p)) {
		return err_set(err, -EINVAL,
			       "the trigger '%.100s' is not understood; it is written %s%s[:COUNT] "
			       "[if FILTER]",
			       text, commands[command].name,
			       commands[command].names_event ? ":SYSTEM:EVENT" : "");
	}
	*ret_rule = rule;
	return 0;
}

int function_command_parse(struct function_command *ret_command, const char *text, struct err *err)
{
	struct function_command command = {.function = text};
	const char *colon = strchr(text, ':');
	size_t index;
	int r;

	while (colon && !find_command(colon + 1, &index))
		colon = strchr(colon + 1, ':');
	if (!colon)
		return err_set(err, -ENOENT,
			       "'%.60s' is no command for functions; it is written "
			       "FUNCTION:COMMAND[:COUNT], as in main:traceoff:1",
			       text);
	command.function_len = (size_t)(colon - text);
	if (!command.function_len)
		return err_set(err, -EINVAL, "'%.60s': the function's name is missing", text);
	r = trigger_rule_parse(&command.rule, colon + 1, err);
	if (r == 0)
		*ret_command = command;
	return r;
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
