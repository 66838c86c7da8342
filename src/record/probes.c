/* SPDX-License-Identifier: MIT */
/*
 * A probe belongs to the whole machine. When its name is somebody else's, one that only stands in
 * the kernel's default group gets a group of our own, kprobes_PID. Two definitions of one name in
 * the same recording are one event with two places, as they are to the kernel; the same definition
 * twice (for two instances) is one probe.
 */
#include "record/probes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/out.h"
#include "expr/probe.h"
#include "kernel/dynamic.h"
#include "symbol/elf.h"
#include "symbol/locate.h"

#define NAME_TRIES 100u

/* A definition on its way to the kernel. */
struct making {
	struct probe probe;
	char *path; /* PROBE_USER: of the file */
	uint64_t offset;
	const char *group;
	char event[PROBE_NAME_BYTES];
	char own_group[PROBE_NAME_BYTES];
};

static void making_done(struct making *making)
{
	probe_done(&making->probe);
	mem_free(making->path);
}

/* The kernel takes any offset, and refuses to enable the event when that is behind the end. */
static int check_offset(const struct making *making, struct err *err)
{
	struct stat st;

	if (io_stat(making->path, &st) < 0 || making->offset < (uint64_t)st.st_size)
		return 0;
	return err_set(err, -EINVAL, "the offset 0x%llx lies behind the end of %.200s",
		       (unsigned long long)making->offset, making->path);
}

static int resolve(struct making *making, struct err *err)
{
	const struct probe *probe = &making->probe;
	int r;

	making->offset = probe->offset;
	if (probe->kind != PROBE_USER)
		return 0;
	r = symbol_locate(probe->file, NULL, &making->path, err);
	if (r < 0)
		return r;
	if (strpbrk(making->path, " \t\n#"))
		return err_set(
			err, -EINVAL,
			"the kernel takes no path with a blank or '#' for a probe: '%.200s'; "
			"a hard link with another name helps",
			making->path);
	if (!probe->symbol)
		return check_offset(making, err);
	return symbol_function_place(making->path, probe->symbol, probe->offset, &making->offset,
				     err);
}

static char *definition(const struct making *making)
{
	_cleanup_out_ struct out out = {0};

	probe_print(&making->probe, making->group, making->event, making->path, making->offset,
		    &out);
	return out.failed ? NULL : mem_strdup(out_cstr(&out));
}

static struct session_probe *find_wanted(struct session *session, const char *wanted)
{
	for (size_t i = 0; i < session->nr_probes; i++) {
		if (!strcmp(session->probes[i].wanted, wanted))
			return &session->probes[i];
	}
	return NULL;
}

/* The probe of this recording that has the name EVENT and was to be in GROUP. */
static struct session_probe *find_name(struct session *session, const char *group,
				       const char *event)
{
	for (size_t i = 0; i < session->nr_probes; i++) {
		struct session_probe *probe = &session->probes[i];

		if (probe->event && !strcmp(probe->asked, group) && !strcmp(probe->event, event))
			return probe;
	}
	return NULL;
}

/* A name that we made up must not join an event of ours that is another one. */
static void avoid_own(struct session *session, struct making *making)
{
	char base[PROBE_NAME_BYTES];

	snprintf(base, sizeof(base), "%.59s", making->event);
	for (unsigned int i = 2; i < NAME_TRIES; i++) {
		if (!find_name(session, making->group, making->event))
			return;
		snprintf(making->event, sizeof(making->event), "%.59s_%u", base, i);
	}
}

/* Under the lock: a name that is free, or ours. *ret_more: it is ours already. */
static int choose_name(struct session *session, struct making *making, bool *ret_more,
		       struct err *err)
{
	const struct session_probe *mine = find_name(session, making->group, making->event);
	const char *asked = making->group;

	*ret_more = mine;
	if (mine) {
		making->group = mine->group;
		return 0;
	}
	if (!kernel_dynamic_exists(session->fs, making->group, making->event))
		return 0;
	if (making->probe.group)
		return kernel_dynamic_taken(session->fs, making->group, making->event, err);
	snprintf(making->own_group, sizeof(making->own_group), "%s_%d", asked, (int)getpid());
	making->group = making->own_group;
	if (kernel_dynamic_exists(session->fs, making->group, making->event))
		return kernel_dynamic_taken(session->fs, making->group, making->event, err);
	session_say(session, RECORD_SAY_WARNING,
		    "there is a probe %s/%s already, of another program; this one is %s/%s", asked,
		    making->event, making->group, making->event);
	return 0;
}

static int create(struct session *session, struct making *making, struct err *err)
{
	_cleanup_close_ int lock = -1;
	_cleanup_free_ char *text = NULL;
	bool more;
	int r = kernel_dynamic_lock(session->fs, making->probe.kind, &lock, err);

	if (r == 0)
		r = choose_name(session, making, &more, err);
	if (r < 0)
		return r;
	text = definition(making);
	if (!text)
		return err_sys(err, -ENOMEM, "cannot define a probe");
	return kernel_dynamic_create(session->fs, session->journal, making->probe.kind,
				     making->group, making->event, text, more, err);
}

static int set_name(struct session_probe *probe, const char *asked, const char *group,
		    const char *event, struct err *err)
{
	_cleanup_out_ struct out pattern = {0};

	out_printf(&pattern, "%s:%s", group, event);
	probe->asked = mem_strdup(asked);
	probe->group = mem_strdup(group);
	probe->event = mem_strdup(event);
	probe->pattern = pattern.failed ? NULL : mem_strdup(out_cstr(&pattern));
	return probe->asked && probe->group && probe->event && probe->pattern
		       ? 0
		       : err_sys(err, -ENOMEM, "cannot define a probe");
}

/* Resolved: what to make, or the same that there is already. */
static int make(struct session *session, struct making *making, struct session_probe *probe,
		struct err *err)
{
	const char *asked =
		making->probe.group ? making->probe.group : probe_default_group(making->probe.kind);
	const struct session_probe *same;
	int r;

	making->group = asked;
	if (making->probe.event)
		snprintf(making->event, sizeof(making->event), "%s", making->probe.event);
	else
		probe_default_event(&making->probe, making->event);
	probe->wanted = definition(making);
	if (!probe->wanted)
		return err_sys(err, -ENOMEM, "cannot define a probe");
	same = find_wanted(session, probe->wanted);
	if (same && same->event)
		return set_name(probe, asked, same->group, same->event, err);
	if (!making->probe.event)
		avoid_own(session, making);
	r = create(session, making, err);
	return r < 0 ? r : set_name(probe, asked, making->group, making->event, err);
}

static void probe_free(struct session_probe *probe)
{
	mem_free(probe->wanted);
	mem_free(probe->asked);
	mem_free(probe->group);
	mem_free(probe->event);
	mem_free(probe->pattern);
}

static int add_probe(struct session *session, const struct record_rule *rule, struct err *err)
{
	struct session_probe probe = {.rule = rule};
	struct making making = {0};
	int r = array_reserve(&session->probes, &session->cap_probes, session->nr_probes + 1,
			      sizeof(probe));

	if (r < 0)
		return err_sys(err, r, "cannot define a probe");
	r = probe_parse(&making.probe, rule->events, kernel_has_module, err);
	if (r < 0)
		return r;
	r = resolve(&making, err);
	if (r == 0)
		r = make(session, &making, &probe, err);
	making_done(&making);
	if (r < 0 && r != -ENOMEM && session->plan->ignore_unknown) {
		session_say(session, RECORD_SAY_WARNING, "%s; ignored", err->text);
		probe_free(&probe);
		probe = (struct session_probe){.rule = rule, .wanted = mem_strdup("")};
		r = probe.wanted ? 0 : err_sys(err, -ENOMEM, "cannot define a probe");
	}
	if (r < 0)
		probe_free(&probe);
	else
		session->probes[session->nr_probes++] = probe;
	return r;
}

int session_probes_create(struct session *session, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < session->plan->nr_instances && r == 0; i++) {
		const struct record_instance *inst = session->plan->instances[i];

		for (size_t k = 0; k < inst->nr_rules && r == 0; k++) {
			if (probe_is_definition(inst->rules[k].events))
				r = add_probe(session, &inst->rules[k], err);
		}
	}
	return r;
}

const char *session_rule_events(const struct session *session, const struct record_rule *rule)
{
	for (size_t i = 0; i < session->nr_probes; i++) {
		if (session->probes[i].rule == rule)
			return session->probes[i].pattern;
	}
	return rule->events;
}

void session_probes_free(struct session *session)
{
	for (size_t i = 0; i < session->nr_probes; i++)
		probe_free(&session->probes[i]);
	mem_free(session->probes);
	session->probes = NULL;
	session->nr_probes = session->cap_probes = 0;
}
