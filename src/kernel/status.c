/* SPDX-License-Identifier: MIT */
#include "kernel/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define STATS_BYTES 65536u

static void trim_end(char *text)
{
	size_t len = strlen(text);

	while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
		text[--len] = '\0';
}

/* "#### all functions enabled ####" is the kernel's way to say that a list is empty. */
static void drop_remarks(char *text)
{
	char *to = text;

	while (*text) {
		size_t len = strcspn(text, "\n") + 1;

		if (text[len - 1] == '\0')
			len--;
		if (strncmp(text, "####", 4) != 0) {
			memmove(to, text, len);
			to += len;
		}
		text += len;
	}
	*to = '\0';
}

/* Whether a mask of hexadecimal digits and commas has exactly the lowest `cpus` bits set. */
static bool mask_is_full(const char *mask, unsigned int cpus)
{
	unsigned int bits = 0;

	for (const char *c = mask; *c; c++) {
		int digit = *c >= '0' && *c <= '9' ? *c - '0' : (*c | 32) - 'a' + 10;

		if (*c == ',')
			continue;
		if (digit < 0 || digit > 15 || (bits && digit != 15) || (digit & (digit + 1)))
			return false;
		bits += (unsigned int)__builtin_popcount((unsigned int)digit);
	}
	return bits == cpus;
}

static bool is_unchanged(enum kernel_control control, const char *text, const struct tracefs *fs)
{
	switch (control) {
	case KERNEL_TRACER:
		return !strcmp(text, "nop");
	case KERNEL_TRACING_ON:
		return !strcmp(text, "1");
	case KERNEL_CPUMASK:
		return mask_is_full(text, fs->cpus);
	case KERNEL_CLOCK:
		return strstr(text, "[local]") != NULL;
	case KERNEL_BUFFER_SIZE:
	case KERNEL_BUFFER_TOTAL_SIZE:
		return strstr(text, "expanded") != NULL;
	case KERNEL_SUBBUF_SIZE:
		return !strcmp(text, "4");
	case KERNEL_BUFFER_PERCENT:
		return !strcmp(text, "50");
	case KERNEL_GRAPH_DEPTH:
	case KERNEL_THRESHOLD:
	case KERNEL_MAX_LATENCY:
		return !strcmp(text, "0");
	default:
		return false;
	}
}

static void read_control(struct kernel_status *status, const struct tracefs *fs,
			 const struct kernel_target *target, enum kernel_control control)
{
	struct err refusal = {0};
	char *text = NULL;
	int r = kernel_control_read(target, control, &text, &refusal);

	if (r == -ENOENT)
		return;
	if (r < 0) {
		status->refused[control] = true;
		if (!status->refusal.code)
			status->refusal = refusal;
		return;
	}
	drop_remarks(text);
	trim_end(text);
	if (!text[0] || !strcmp(text, "no pid")) {
		mem_free(text);
		return;
	}
	status->text[control] = text;
	status->unchanged[control] = is_unchanged(control, text, fs);
}

/* --- events --- */

/* The text of a filter or trigger file, NULL when it says that there is none. */
static int read_rule(const struct kernel_target *target, const struct kernel_event *event,
		     enum kernel_event_file file, char **ret_text, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = kernel_event_read(target, event, file, &text, err);

	/* Some events of the kernel have no such file; one of a probe may have just gone. */
	if (r == -ENOENT || r == -ENODEV)
		return 0;
	if (r < 0)
		return r;
	trim_end(text);
	if (text[0] && text[0] != '#' && strcmp(text, "none") != 0)
		*ret_text = steal(&text);
	return 0;
}

static int read_enabled(struct kernel_status *status, const struct kernel_target *target, size_t i,
			char system, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = 0;

	if (system == 'X') {
		r = kernel_event_read(target, &status->events.list[i], KERNEL_EVENT_ENABLE, &text,
				      err);
		if (r == -ENOENT || r == -ENODEV)
			return 0;
		if (r < 0)
			return r;
	}
	status->event_status[i].enabled = system == '1' || (text && text[0] == '1');
	status->nr_enabled += status->event_status[i].enabled;
	return 0;
}

static int read_events(struct kernel_status *status, const struct tracefs *fs,
		       const struct kernel_target *target, struct err *err)
{
	char system = '0';
	int r = kernel_events_load(&status->events, fs, err);

	if (r < 0)
		return r;
	status->event_status = mem_calloc(status->events.nr + 1, sizeof(*status->event_status));
	if (!status->event_status)
		return err_sys(err, -ENOMEM, "cannot see which events are enabled");
	for (size_t i = 0; i < status->events.nr; i++) {
		const struct kernel_event *event = &status->events.list[i];
		struct kernel_event_status *one = &status->event_status[i];

		if (event->first_of_system == i) {
			r = kernel_system_enabled(target, event->system, &system, err);
			if (r == -ENOENT || r == -ENODEV)
				system = '0';
			else if (r < 0)
				return r;
		}
		r = read_enabled(status, target, i, system, err);
		if (r == 0)
			r = read_rule(target, event, KERNEL_EVENT_FILTER, &one->filter, err);
		if (r == 0)
			r = read_rule(target, event, KERNEL_EVENT_TRIGGER, &one->trigger, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- buffers --- */

static int read_cpus(struct kernel_status *status, const struct tracefs *fs,
		     const struct kernel_target *target, struct err *err)
{
	status->cpus = mem_calloc(fs->cpus + 1, sizeof(*status->cpus));
	if (!status->cpus)
		return err_sys(err, -ENOMEM, "cannot read the counts of events");
	for (unsigned int cpu = 0; cpu < fs->cpus; cpu++) {
		struct kernel_cpu_status *one = &status->cpus[status->nr_cpus];
		_cleanup_free_ char *text = NULL;
		char file[64];
		int r;

		snprintf(file, sizeof(file), "per_cpu/cpu%u/stats", cpu);
		r = tracefs_read(target->path, file, "read the counts of events", STATS_BYTES,
				 &text, NULL, err);
		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		one->cpu = cpu;
		kernel_stats_parse(text, &one->stats);
		status->nr_cpus++;
	}
	return 0;
}

uint64_t kernel_cpu_lost(const struct kernel_cpu_stats *stats)
{
	return stats->overrun + stats->commit_overrun + stats->dropped;
}

uint64_t kernel_cpu_written(const struct kernel_cpu_stats *stats)
{
	return stats->entries + stats->read + kernel_cpu_lost(stats);
}

int kernel_status_read(struct kernel_status *status, const struct tracefs *fs,
		       const struct kernel_target *target, struct err *err)
{
	int r;

	*status = (struct kernel_status){0};
	for (int control = 0; control < KERNEL_NR_CONTROLS; control++) {
		if (control != KERNEL_FUNCTIONS && control != KERNEL_TRACERS)
			read_control(status, fs, target, (enum kernel_control)control);
	}
	r = read_events(status, fs, target, err);
	if (r == 0)
		r = read_cpus(status, fs, target, err);
	if (r < 0)
		kernel_status_done(status);
	return r;
}

void kernel_status_done(struct kernel_status *status)
{
	for (int control = 0; control < KERNEL_NR_CONTROLS; control++)
		mem_free(status->text[control]);
	for (size_t i = 0; status->event_status && i < status->events.nr; i++) {
		mem_free(status->event_status[i].filter);
		mem_free(status->event_status[i].trigger);
	}
	mem_free(status->event_status);
	mem_free(status->cpus);
	kernel_events_done(&status->events);
	*status = (struct kernel_status){0};
}
