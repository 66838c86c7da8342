/* SPDX-License-Identifier: MIT */
/* What `sonde stat` knows, as JSON: everything, whether it was changed or not. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/out.h"
#include "cmd/stat.h"
#include "kernel/stacktracer.h"

static void json_key(struct out *out, const char *key)
{
	if (out->buf[out->len - 1] != '{')
		out_char(out, ',');
	out_json(out, key, strlen(key));
	out_char(out, ':');
}

static void json_lines(struct out *out, const char *text)
{
	out_char(out, '[');
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		if (line != text)
			out_char(out, ',');
		out_json(out, line, len);
		line += len + (line[len] != '\0');
	}
	out_char(out, ']');
}

/* A number where it is one: not the "X" of buffers of different sizes, and not a mask. */
static void json_value(struct out *out, enum kernel_control control, const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (control != KERNEL_CPUMASK && digits && digits < 19 &&
	    (!text[digits] || text[digits] == ' '))
		out_mem(out, text, digits);
	else
		out_json(out, text, strlen(text));
}

static void json_events(struct out *out, const struct kernel_status *status)
{
	char name[600];
	bool any = false;

	json_key(out, "events");
	out_char(out, '[');
	for (size_t i = 0; i < status->events.nr; i++) {
		if (!status->event_status[i].enabled)
			continue;
		snprintf(name, sizeof(name), "%s:%s", status->events.list[i].system,
			 status->events.list[i].name);
		if (any)
			out_char(out, ',');
		any = true;
		out_json(out, name, strlen(name));
	}
	out_char(out, ']');
}

static void json_rules(struct out *out, const struct kernel_status *status, bool triggers)
{
	char name[600];

	json_key(out, triggers ? "triggers" : "filters");
	out_char(out, '{');
	for (size_t i = 0; i < status->events.nr; i++) {
		const char *rule = stat_rule(&status->event_status[i], triggers);

		if (!rule)
			continue;
		snprintf(name, sizeof(name), "%s:%s", status->events.list[i].system,
			 status->events.list[i].name);
		json_key(out, name);
		if (triggers)
			json_lines(out, rule);
		else
			out_json(out, rule, strlen(rule));
	}
	out_char(out, '}');
}

static void json_cpus(struct out *out, const struct kernel_status *status)
{
	uint64_t lost = 0, written = 0;

	json_key(out, "cpus");
	out_char(out, '[');
	for (size_t i = 0; i < status->nr_cpus; i++) {
		const struct kernel_cpu_stats *s = &status->cpus[i].stats;

		lost += kernel_cpu_lost(s);
		written += kernel_cpu_written(s);
		out_printf(out,
			   "%s{\"cpu\":%u,\"entries\":%" PRIu64 ",\"read\":%" PRIu64
			   ",\"overrun\":%" PRIu64 ",\"commit_overrun\":%" PRIu64
			   ",\"dropped\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"lost\":%" PRIu64
			   ",\"written\":%" PRIu64 "}",
			   i ? "," : "", status->cpus[i].cpu, s->entries, s->read, s->overrun,
			   s->commit_overrun, s->dropped, s->bytes, kernel_cpu_lost(s),
			   kernel_cpu_written(s));
	}
	out_char(out, ']');
	json_key(out, "lost");
	out_u64(out, lost);
	json_key(out, "written");
	out_u64(out, written);
}

static void json_global(struct out *out, const struct tracefs *fs)
{
	struct kernel_targets all = {0};
	struct err ignored;
	bool running;

	json_key(out, "instances");
	out_char(out, '[');
	if (kernel_targets_add_all(&all, fs, &ignored) == 0) {
		for (size_t i = 0; i < all.nr; i++) {
			if (i)
				out_char(out, ',');
			out_json(out, all.list[i].name, strlen(all.list[i].name));
		}
	}
	kernel_targets_done(&all);
	out_char(out, ']');
	json_key(out, "stack_tracer");
	if (kernel_stacktracer_running(fs, &running, &ignored) == 0)
		out_str(out, running ? "true" : "false");
	else
		out_lit(out, "null");
}

static void json_status(struct out *out, const struct kernel_target *target,
			const struct kernel_status *status)
{
	const char *on = status->text[KERNEL_TRACING_ON], *tracer = status->text[KERNEL_TRACER];

	json_key(out, "instance");
	if (target->name[0])
		out_json(out, target->name, strlen(target->name));
	else
		out_lit(out, "null");
	json_key(out, "tracing_on");
	out_str(out, on && on[0] == '0' ? "false" : "true");
	json_key(out, "tracer");
	tracer = tracer ? tracer : "nop";
	out_json(out, tracer, strlen(tracer));
	json_events(out, status);
	json_rules(out, status, false);
	json_rules(out, status, true);
	for (size_t i = 0; i < stat_nr_sections; i++) {
		_cleanup_free_ char *text = NULL;

		json_key(out, stat_sections[i].key);
		text = status->text[stat_sections[i].control]
			       ? stat_shown(status, stat_sections[i].control)
			       : NULL;
		if (stat_sections[i].list)
			json_lines(out, text ? text : "");
		else if (text)
			json_value(out, stat_sections[i].control, text);
		else
			out_lit(out, "null");
	}
	json_cpus(out, status);
}

int stat_print_json(const struct stat_args *stat, const struct kernel_target *target,
		    const struct kernel_status *status)
{
	struct out out = {0};
	bool failed;

	out_char(&out, '{');
	if (!out.failed)
		json_status(&out, target, status);
	if (!out.failed && !target->name[0])
		json_global(&out, stat->target.fs);
	out_lit(&out, "}\n");
	failed = out.failed;
	if (failed)
		cmd_error(stat->target.command, "not enough memory");
	else
		fwrite(out.buf, 1, out.len, stdout);
	out_done(&out);
	return failed ? CMD_FAILED : CMD_OK;
}
