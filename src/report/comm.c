/* SPDX-License-Identifier: MIT */
#include "report/comm.h"

#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"

struct comm_slot {
	int32_t pid;
	const char *comm; /* NULL: free */
};

struct comm_table {
	struct comm_slot *slots;
	uint32_t mask, nr;
	uint32_t generation;
	struct arena names;
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

int comm_table_learn(struct comm_table *table, int32_t pid, const char *comm, uint32_t size)
{
	struct comm_slot *slot = slot_of(table->slots, table->mask, pid);
	char *copy;

	if (slot->comm)
		return 0;
	if (table->nr * 2 > table->mask) {
		int r = grow(table);

		if (r < 0)
			return r;
		slot = slot_of(table->slots, table->mask, pid);
	}
	copy = arena_strndup(&table->names, comm, strnlen(comm, size));
	if (!copy)
		return -ENOMEM;
	slot->pid = pid;
	slot->comm = copy;
	table->nr++;
	table->generation++;
	return 0;
}
