/* SPDX-License-Identifier: MIT */
#include "record/comms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

#define COMMS_FIRST_SIZE 256u
#define COMMS_MAX	 (1u << 22) /* the kernel's largest number of pids */

void comms_done(struct comms *comms)
{
	mem_free(comms->table);
	*comms = (struct comms){0};
}

/* The entry of pid, or the free one where it belongs. */
static struct comms_entry *find(const struct comms *comms, int32_t pid)
{
	size_t i = (uint32_t)pid * 2654435761u;

	for (;; i++) {
		struct comms_entry *entry = &comms->table[i & (comms->size - 1)];

		if (entry->pid == pid || entry->pid == 0)
			return entry;
	}
}

static int grow(struct comms *comms)
{
	struct comms bigger = {.size = comms->size ? comms->size * 2 : COMMS_FIRST_SIZE};

	if (bigger.size > COMMS_MAX * 2)
		return -E2BIG;
	bigger.table = mem_calloc(bigger.size, sizeof(*bigger.table));
	if (!bigger.table)
		return -ENOMEM;
	for (size_t i = 0; i < comms->size; i++) {
		if (comms->table[i].pid)
			*find(&bigger, comms->table[i].pid) = comms->table[i];
	}
	bigger.nr = comms->nr;
	mem_free(comms->table);
	*comms = bigger;
	return 0;
}

static int set(struct comms *comms, int32_t pid, const char *comm, size_t len, bool replace)
{
	struct comms_entry *entry;
	int r = comms->nr * 2 >= comms->size ? grow(comms) : 0;

	if (r < 0)
		return r;
	entry = find(comms, pid);
	if (entry->pid && !replace)
		return 0;
	comms->nr += entry->pid == 0;
	entry->pid = pid;
	len = MIN(len, (size_t)COMM_BYTES - 1);
	memset(entry->comm, 0, sizeof(entry->comm));
	memcpy(entry->comm, comm, len);
	return 0;
}

int comms_set(struct comms *comms, int32_t pid, const char *comm, bool replace)
{
	return pid > 0 ? set(comms, pid, comm, strlen(comm), replace) : 0;
}

int comms_merge(struct comms *comms, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		char *end;
		long pid = strtol(text, &end, 10);
		size_t comm_len = (size_t)(text + len - end);
		int r = 0;

		/* strtol passes over line ends; then `end` lies behind this line. */
		if (end > text && end < text + len && *end == ' ' && pid > 0 &&
		    pid <= (long)LIMIT_PID && strncmp(end + 1, "<...>", 5) != 0)
			r = set(comms, (int32_t)pid, end + 1, comm_len - 1, true);
		if (r < 0)
			return r;
		text += len + (text[len] != '\0');
	}
	return 0;
}

const char *comms_get(const struct comms *comms, int32_t pid)
{
	const struct comms_entry *entry = comms->size && pid > 0 ? find(comms, pid) : NULL;

	return entry && entry->pid ? entry->comm : NULL;
}

static int by_pid(const void *a, const void *b)
{
	const struct comms_entry *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

int comms_text(const struct comms *comms, struct out *out)
{
	_cleanup_free_ struct comms_entry *sorted = mem_calloc(comms->nr, sizeof(*sorted));
	size_t nr = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < comms->size; i++) {
		if (comms->table[i].pid)
			sorted[nr++] = comms->table[i];
	}
	qsort(sorted, nr, sizeof(*sorted), by_pid);
	for (size_t i = 0; i < nr; i++) {
		out_i64(out, sorted[i].pid);
		out_char(out, ' ');
		out_str(out, sorted[i].comm);
		out_char(out, '\n');
	}
	return out->failed ? -ENOMEM : 0;
}
