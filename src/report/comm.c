/* SPDX-License-Identifier: MIT */
#include "report/comm.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"

struct comm_slot {
	int32_t pid;
	const char *comm; /* NULL: free */
	bool early;	  /* its names are in the early list */
	/* what was found among several early names, in which generation */
	const char *found;
	uint32_t found_generation;
};

struct early {
	int32_t pid;
	const char *comm;
};

struct comm_table {
	struct comm_slot *slots;
	uint32_t mask, nr;
	uint32_t generation;
	struct arena names;
	struct early *early;
	size_t nr_early, cap_early;
	bool searched;
};

int comm_table_new(struct comm_table **ret_table)
{
	_cleanup_free_ struct comm_table *table = mem_zalloc(sizeof(*table));

	if (!table)
		return -ENOMEM;
	table->mask = 255;
	table->slots = mem_calloc(table->mask + 1, sizeof(*table->slots));
	if (!table->slots)
		return -ENOMEM;
	*ret_table = steal(&table);
	return 0;
}

void comm_table_free(struct comm_table *table)
{
	if (!table)
		return;
	arena_done(&table->names);
	mem_free(table->early);
	mem_free(table->slots);
	mem_free(table);
}

static struct comm_slot *slot_of(struct comm_slot *slots, uint32_t mask, int32_t pid)
{
	uint32_t i = ((uint32_t)pid * 2654435761u) >> 8;

	for (;; i++) {
		struct comm_slot *slot = &slots[i & mask];

		if (!slot->comm || slot->pid == pid)
			return slot;
	}
}

const char *comm_table_find(const struct comm_table *table, int32_t pid)
{
	return slot_of(table->slots, table->mask, pid)->comm;
}

uint32_t comm_table_generation(const struct comm_table *table)
{
	return table->generation;
}

static int grow(struct comm_table *table)
{
	uint32_t mask = table->mask * 2 + 1;
	struct comm_slot *slots = mem_calloc((size_t)mask + 1, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i <= table->mask; i++)
		if (table->slots[i].comm)
			*slot_of(slots, mask, table->slots[i].pid) = table->slots[i];
	mem_free(table->slots);
	table->slots = slots;
	table->mask = mask;
	return 0;
}

static int add(struct comm_table *table, int32_t pid, const char *comm, bool early)
{
	struct comm_slot *slot;

	if (table->nr * 2 > table->mask) {
		int r = grow(table);

		if (r < 0)
			return r;
	}
	slot = slot_of(table->slots, table->mask, pid);
	*slot = (struct comm_slot){.pid = pid, .comm = comm, .early = early};
	table->nr++;
	return 0;
}

int comm_table_learn(struct comm_table *table, int32_t pid, const char *comm, uint32_t size)
{
	char *copy;
	int r;

	if (comm_table_find(table, pid))
		return 0;
	copy = arena_strndup(&table->names, comm, strnlen(comm, size));
	r = copy ? add(table, pid, copy, false) : -ENOMEM;
	if (r >= 0)
		table->generation++;
	return r;
}

/* --- trace-cmd 3.1 --- */

void comm_table_31_searched(struct comm_table *table)
{
	table->searched = true;
}

/* Before the first search: one more name, whether the pid has one or not. */
static int learn_early(struct comm_table *table, int32_t pid, const char *comm, uint32_t size)
{
	char *copy;
	int r;

	if (table->nr_early >= COMM_EARLY_MAX)
		return 0;
	r = array_reserve(&table->early, &table->cap_early, table->nr_early + 1,
			  sizeof(*table->early));
	if (r < 0)
		return r;
	copy = arena_strndup(&table->names, comm, strnlen(comm, size));
	if (!copy)
		return -ENOMEM;
	if (!comm_table_find(table, pid)) {
		r = add(table, pid, copy, true);
		if (r < 0)
			return r;
	}
	table->early[table->nr_early++] = (struct early){pid, copy};
	table->generation++;
	return 0;
}

int comm_table_31_learn(struct comm_table *table, const struct event_db *db, int32_t pid,
			const char *comm, uint32_t size)
{
	if (!table->searched)
		return learn_early(table, pid, comm, size);
	if (pid && event_db_comm(db, pid))
		return 0;
	return comm_table_learn(table, pid, comm, size);
}

/*
 * Which of a pid's names bisection finds: of `nr` names by pid, those of this pid are `first` to
 * `first + same - 1`, the newest in front.
 */
static size_t bisect(size_t nr, size_t first, size_t same)
{
	size_t low = 0, high = nr;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (mid < first)
			low = mid + 1;
		else if (mid >= first + same)
			high = mid;
		else
			return mid - first;
	}
	return 0;
}

static const char *find_among(const struct comm_table *table, const struct event_db *db,
			      int32_t pid)
{
	size_t first, recorded, early = 0, at;
	size_t nr = event_db_comm_rank(db, pid, &first, &recorded) + table->nr_early;

	for (uint32_t i = 0; i <= table->mask; i++) {
		const struct comm_slot *slot = &table->slots[i];

		if (slot->comm && !slot->early) {
			nr++;
			first += slot->pid < pid;
		}
	}
	for (size_t i = 0; i < table->nr_early; i++) {
		first += table->early[i].pid < pid;
		early += table->early[i].pid == pid;
	}
	at = bisect(nr, first, early + recorded);
	for (size_t i = table->nr_early; i-- > 0;)
		if (table->early[i].pid == pid && at-- == 0)
			return table->early[i].comm;
	return event_db_comm(db, pid);
}

const char *comm_table_31_find(struct comm_table *table, const struct event_db *db, int32_t pid)
{
	struct comm_slot *slot = slot_of(table->slots, table->mask, pid);
	const char *comm;

	if (pid && slot->comm && slot->early) {
		if (!slot->found || slot->found_generation != table->generation) {
			slot->found = find_among(table, db, pid);
			slot->found_generation = table->generation;
		}
		return slot->found;
	}
	comm = event_db_comm(db, pid);
	return comm ? comm : slot->comm;
}
