/* SPDX-License-Identifier: MIT */
/*
 * Whether a recording needs the kernel's symbols. Reading /proc/kallsyms and compressing it is most
 * of the work of a short recording, and of one of system calls or of the scheduler nobody ever
 * sees a symbol. So they are read at the beginning where they are expected: tracers of functions,
 * stacks, probes, events of most systems. For those of systems that hardly ever show one they are
 * left out, and read at the end if a record came that is shown with one: an event whose format says
 * so, or a line of trace_printk or of trace_marker, which begins with the address of its caller.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "record/drain.h"
#include "record/names.h"
#include "record/session.h"

/* No field of theirs is a code address but where the format says so with %ps, which is rare. */
static bool known_without(const char *system)
{
	static const char *const systems[] = {"irq",	"irq_vectors", "raw_syscalls", "sched",
					      "signal", "syscalls",    "task"};

	for (size_t i = 0; i < ARRAY_SIZE(systems); i++) {
		if (!strcmp(system, systems[i]))
			return true;
	}
	return false;
}

/* A %p that is followed by one of the letters for a symbol, in the print fmt. */
static bool shows_symbol(const char *text)
{
	for (const char *p = strchr(text, '%'); p; p = strchr(p, '%')) {
		p++;
		p += strspn(p, "-+ #0123456789.");
		if (*p == 'p' && p[1] && strchr("sSfFB", p[1]))
			return true;
	}
	return false;
}

static bool instance_expects(const struct session_instance *inst)
{
	const struct record_instance *plan = inst->plan;

	/* In one that was there before, anything can come. */
	if (!plan || !inst->open || !inst->kernel.created || inst->sampled || plan->tracer ||
	    plan->options.nr)
		return true;
	for (size_t i = 0; i < plan->nr_rules; i++) {
		if (plan->rules[i].triggers.nr)
			return true;
	}
	return false;
}

bool session_expects_symbols(const struct session *session)
{
	const struct dat_metadata *dat = &session->metadata.dat;

	if (session->side) /* whose own come up while it is recorded */
		return true;
	for (size_t i = 0; i < session->nr_instances; i++) {
		if (instance_expects(&session->instances[i]))
			return true;
	}
	for (size_t i = 0; i < dat->nr_formats; i++) {
		if (!known_without(dat->formats[i].system))
			return true;
	}
	return false;
}

static void watch(struct session *session, const struct dat_format *format)
{
	const char *id = strstr(format->text, "\nID: ");

	if (id)
		names_watch(session->names, (uint16_t)strtoul(id + 5, NULL, 10));
}

void session_watch_symbols(struct session *session)
{
	const struct dat_metadata *dat = &session->metadata.dat;

	if (!session->symbols_later)
		return;
	for (size_t i = 0; i < dat->nr_ftrace_formats; i++)
		watch(session, &dat->ftrace_formats[i]);
	for (size_t i = 0; i < dat->nr_formats; i++) {
		if (shows_symbol(dat->formats[i].text))
			watch(session, &dat->formats[i]);
	}
}

int session_late_symbols(struct session *session, struct err *err)
{
	const struct dat_text *text = &session->metadata.dat.kallsyms;
	int r;

	if (!session->symbols_later || !drain_watched(session->drain))
		return 0;
	r = kernel_metadata_symbols(&session->metadata, session->fs, err);
	if (r < 0 || !text->data)
		return r;
	return dat_partial_kallsyms(session->partial, text->data, text->len, err);
}
