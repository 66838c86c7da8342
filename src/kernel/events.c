/* SPDX-License-Identifier: MIT */
#include "kernel/events.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "kernel/kconfig.h"

#define EVENTS_BYTES (64u << 20)

/* Systems that a kernel has only with a configuration option. */
static const struct {
	const char *system, *config;
} feature_systems[] = {
	{"syscalls", "CONFIG_FTRACE_SYSCALLS"},
	{"block", "CONFIG_BLOCK"},
	{"kvm", "CONFIG_KVM"},
	{"rcu", "CONFIG_RCU_TRACE"},
	{"lock", "CONFIG_LOCKDEP"},
	{"preemptirq", "CONFIG_PREEMPTIRQ_TRACEPOINTS"},
	{"osnoise", "CONFIG_OSNOISE_TRACER"},
	{"rv", "CONFIG_RV"},
};

static int compare_events(const void *a, const void *b)
{
	const struct kernel_event *x = a, *y = b;
	int c = strcmp(x->system, y->system);

	return c ? c : strcmp(x->name, y->name);
}

static void group_systems(struct kernel_events *events)
{
	size_t first = 0;

	for (size_t i = 0; i <= events->nr; i++) {
		if (i < events->nr && !strcmp(events->list[i].system, events->list[first].system))
			continue;
		for (size_t k = first; k < i; k++) {
			events->list[k].first_of_system = first;
			events->list[k].nr_in_system = i - first;
		}
		first = i;
	}
}

static int add_line(struct kernel_events *events, size_t *cap, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);
	struct kernel_event event = {0};
	int r;

	if (!colon || colon == line || colon + 1 == line + len || len > LIMIT_STRING_BYTES)
		return 0;
	if (events->nr >= LIMIT_EVENTS)
		return -E2BIG;
	event.system = arena_strndup(&events->arena, line, (size_t)(colon - line));
	event.name = arena_strndup(&events->arena, colon + 1, len - (size_t)(colon + 1 - line));
	if (!event.system || !event.name)
		return -ENOMEM;
	r = array_reserve(&events->list, cap, events->nr + 1, sizeof(*events->list));
	if (r == 0)
		events->list[events->nr++] = event;
	return r;
}

int kernel_events_parse(struct kernel_events *events, const char *text)
{
	size_t cap = 0;
	int r = 0;

	*events = (struct kernel_events){0};
	while (*text && r == 0) {
		size_t len = strcspn(text, "\n");

		r = add_line(events, &cap, text, len);
		text += len + (text[len] != '\0');
	}
	if (r < 0) {
		kernel_events_done(events);
		return r;
	}
	if (events->nr) {
		qsort(events->list, events->nr, sizeof(*events->list), compare_events);
		group_systems(events);
	}
	return 0;
}

int kernel_events_load(struct kernel_events *events, const struct tracefs *fs, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = tracefs_read(fs->path, "available_events", "list the events", EVENTS_BYTES, &text,
			     NULL, err);

	if (r < 0)
		return r;
	r = kernel_events_parse(events, text);
	return r < 0 ? err_sys(err, r, "cannot list the events of %s", fs->path) : 0;
}

void kernel_events_done(struct kernel_events *events)
{
	mem_free(events->list);
	arena_done(&events->arena);
	*events = (struct kernel_events){0};
}

static bool glob(const char *pattern, const char *name)
{
	return fnmatch(pattern, name, 0) == 0;
}

size_t kernel_events_match(const struct kernel_events *events, const char *pattern, bool *hits)
{
	const char *colon = strchr(pattern, ':');
	char system[LIMIT_STRING_BYTES] = "*";
	const char *name = "*";
	bool all = !strcmp(pattern, "all");
	size_t nr = 0;

	if (colon && (size_t)(colon - pattern) < sizeof(system)) {
		if (colon != pattern) {
			memcpy(system, pattern, (size_t)(colon - pattern));
			system[colon - pattern] = '\0';
		}
		if (colon[1])
			name = colon + 1;
	}
	for (size_t i = 0; i < events->nr; i++) {
		const struct kernel_event *event = &events->list[i];
		bool hit = all;

		if (!hit && colon)
			hit = glob(system, event->system) && glob(name, event->name);
		else if (!hit)
			hit = glob(pattern, event->system) || glob(pattern, event->name);
		if (!hit)
			continue;
		hits[i] = true;
		nr++;
	}
	return nr;
}

static bool has_system(const struct kernel_events *events, const char *name, size_t len)
{
	for (size_t i = 0; i < events->nr; i += events->list[i].nr_in_system) {
		if (strlen(events->list[i].system) == len &&
		    !strncmp(events->list[i].system, name, len))
			return true;
	}
	return false;
}

/* A system that is not there: by the kernel's configuration, or for want of its module. */
static int explain_system(size_t i, const char *pattern, struct err *err)
{
	_cleanup_(kconfig_done) struct kconfig config = {0};
	const char *system = feature_systems[i].system, *option = feature_systems[i].config;

	if (kconfig_load(&config, "") < 0)
		config = (struct kconfig){0};
	switch (kconfig_get(&config, option)) {
	case KCONFIG_OFF:
	case KCONFIG_ABSENT:
		return err_set(err, -ENOENT,
			       "no event matches '%.200s': this kernel has no system '%s', it was "
			       "built without %s (%s)",
			       pattern, system, option, config.path);
	case KCONFIG_MODULE:
		return err_set(err, -ENOENT,
			       "no event matches '%.200s': the system '%s' belongs to a module "
			       "(%s) that is not loaded",
			       pattern, system, option);
	default:
		return err_set(err, -ENOENT,
			       "no event matches '%.200s': the system '%s' needs a kernel with %s, "
			       "and its module where it is one",
			       pattern, system, option);
	}
}

int kernel_events_explain(const struct kernel_events *events, const char *pattern, struct err *err)
{
	size_t len = strcspn(pattern, ":");

	if (!events->nr)
		return err_set(err, -ENOENT,
			       "this kernel offers no events at all (CONFIG_EVENT_TRACING)");
	if (len == 6 && !strncmp(pattern, "ftrace", len))
		return err_set(err, -ENOENT,
			       "'%.200s': events of the system ftrace are written by tracers, "
			       "markers and stack traces; they cannot be enabled with -e (use "
			       "-p TRACER, -O stacktrace)",
			       pattern);
	if (len == 4 && !strncmp(pattern, "usdt:", len + 1))
		return err_set(err, -ENOENT,
			       "'%.200s': USDT probes are events of the programs that sonde runs, "
			       "not of the kernel: sonde record -e %.200s COMMAND, without --in "
			       "both and -e of the kernel",
			       pattern, pattern);
	if (pattern[len] && has_system(events, pattern, len))
		return err_set(
			err, -ENOENT,
			"the system '%.*s' has no event that matches '%.150s'; it has: sonde "
			"list -e '^%.*s:'",
			(int)MIN(len, 80), pattern, pattern + len + 1, (int)MIN(len, 80), pattern);
	for (size_t i = 0; i < ARRAY_SIZE(feature_systems); i++) {
		if (strlen(feature_systems[i].system) == len &&
		    !strncmp(pattern, feature_systems[i].system, len))
			return explain_system(i, pattern, err);
	}
	return err_set(err, -ENOENT, "no event of this kernel matches '%.200s'", pattern);
}
