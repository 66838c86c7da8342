/* SPDX-License-Identifier: MIT */
#include "report/allocs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "report/rows.h"

enum {
	NR_IDS = 65536,
	NAME_WIDTH = 32
};

/* One of the events, with the fields that count. */
struct alloc_event {
	const struct event *event;
	const struct event_field *call_site, *ptr, *bytes_req, *bytes_alloc; /* frees: ptr only */
	bool frees;
};

/* All call sites in one function. */
struct site {
	struct site *same_hash;
	const char *name;
	int64_t alloc, req; /* now, bytes */
	int64_t max_alloc, max_req, max_waste;
	uint64_t total_alloc, total_req;
	uint64_t nr_allocs, nr_frees;
};

/* Something allocated and not yet freed. */
struct live {
	struct live *next_free;
	struct site *site;
	uint64_t req, alloc;
};

struct allocs {
	const struct event_db *db;
	bool trace_cmd;
	struct arena arena;
	struct alloc_event events[6];
	uint8_t by_id[NR_IDS]; /* 1 + index in events; 0: none */
	struct map live;       /* by address: struct live */
	struct live *free_lives;
	struct map call_sites; /* by address: struct site */
	struct map names;      /* by hash of the name: struct site */
	size_t nr_sites;
};

static const struct {
	const char *name;
	bool frees;
} event_names[] = {
	{"kmalloc", false},
	{"kmalloc_node", false},
	{"kmem_cache_alloc", false},
	{"kmem_cache_alloc_node", false},
	{"kfree", true},
	{"kmem_cache_free", true},
};

static void find_event(struct allocs *allocs, size_t index)
{
	struct alloc_event *e = &allocs->events[index];
	const struct event *event = event_db_by_name(allocs->db, "kmem", event_names[index].name);

	if (!event)
		return;
	*e = (struct alloc_event){
		.event = event,
		.frees = event_names[index].frees,
		.call_site = event_field_find(event, "call_site"),
		.ptr = event_field_find(event, "ptr"),
		.bytes_req = event_field_find(event, "bytes_req"),
		.bytes_alloc = event_field_find(event, "bytes_alloc"),
	};
	if (e->ptr && (e->frees || (e->call_site && e->bytes_req && e->bytes_alloc)))
		allocs->by_id[event->id] = (uint8_t)(index + 1);
}

int allocs_new(struct allocs **ret_allocs, const struct event_db *db, bool trace_cmd)
{
	struct allocs *allocs = mem_zalloc(sizeof(*allocs));

	if (!allocs)
		return -ENOMEM;
	allocs->db = db;
	allocs->trace_cmd = trace_cmd;
	for (size_t i = 0; i < ARRAY_SIZE(event_names); i++)
		find_event(allocs, i);
	*ret_allocs = allocs;
	return 0;
}

void allocs_free(struct allocs *allocs)
{
	if (!allocs)
		return;
	map_done(&allocs->live);
	map_done(&allocs->call_sites);
	map_done(&allocs->names);
	arena_done(&allocs->arena);
	mem_free(allocs);
}

bool allocs_possible(const struct allocs *allocs)
{
	for (size_t i = 0; i < ARRAY_SIZE(event_names); i++)
		if (allocs->events[i].event && !allocs->events[i].frees)
			return true;
	return false;
}

static uint64_t hash_name(const char *name)
{
	uint64_t h = 0;

	for (; *name; name++)
		h = map_mix(h, (uint8_t)*name);
	return h;
}

/* The function that an address lies in; functions of one name are one, as in trace-cmd. */
static struct site *find_site(struct allocs *allocs, uint64_t address)
{
	const struct symbol *symbol;
	uint64_t h, *found = map_find(&allocs->call_sites, address);
	struct site *first, *site;
	const char *name;
	char number[32];

	if (found)
		return (struct site *)(uintptr_t)*found;
	symbol = symbols_find(event_db_symbols(allocs->db), address);
	snprintf(number, sizeof(number), "0x%llx", (unsigned long long)address);
	name = symbol ? symbol->name : number;
	h = hash_name(name);
	found = map_find(&allocs->names, h);
	first = found ? (struct site *)(uintptr_t)*found : NULL;
	for (site = first; site && strcmp(site->name, name) != 0; site = site->same_hash)
		;
	if (!site) {
		site = arena_alloc(&allocs->arena, sizeof(*site));
		if (!site)
			return NULL;
		site->name = symbol ? symbol->name : arena_strdup(&allocs->arena, number);
		if (!site->name || map_set(&allocs->names, h, (uintptr_t)site) < 0)
			return NULL;
		site->same_hash = first;
		allocs->nr_sites++;
	}
	return map_set(&allocs->call_sites, address, (uintptr_t)site) < 0 ? NULL : site;
}

/* Sizes in a damaged file may be anything: sums wrap. */
static int64_t plus(int64_t sum, uint64_t size)
{
	return (int64_t)((uint64_t)sum + size);
}

static int64_t minus(int64_t a, int64_t b)
{
	return plus(a, -(uint64_t)b);
}

static void give_back(const struct live *live)
{
	live->site->alloc = plus(live->site->alloc, -live->alloc);
	live->site->req = plus(live->site->req, -live->req);
	live->site->nr_frees++;
}

static void take_free(struct allocs *allocs, uint64_t ptr)
{
	uint64_t *found = map_find(&allocs->live, ptr);
	struct live *live;

	if (!found)
		return; /* allocated before the recording, or not by the slab allocator */
	live = (struct live *)(uintptr_t)*found;
	give_back(live);
	map_remove(&allocs->live, ptr);
	live->next_free = allocs->free_lives;
	allocs->free_lives = live;
}

static struct live *new_live(struct allocs *allocs, uint64_t ptr)
{
	struct live *live = allocs->free_lives;

	if (live)
		allocs->free_lives = live->next_free;
	else
		live = arena_alloc(&allocs->arena, sizeof(*live));
	if (live && map_set(&allocs->live, ptr, (uintptr_t)live) < 0)
		return NULL;
	return live;
}

static int take_alloc(struct allocs *allocs, uint64_t call_site, uint64_t ptr, uint64_t req,
		      uint64_t alloc)
{
	uint64_t *found;
	struct live *live;
	struct site *site;

	if (!ptr && !allocs->trace_cmd)
		return 0; /* there was no memory */
	site = find_site(allocs, call_site);
	if (!site)
		return -ENOMEM;
	found = map_find(&allocs->live, ptr);
	if (found) { /* freed in between, by a call that no event tells, or that was lost */
		live = (struct live *)(uintptr_t)*found;
		if (!allocs->trace_cmd)
			give_back(live);
	} else {
		live = new_live(allocs, ptr);
		if (!live)
			return -ENOMEM;
	}
	*live = (struct live){.site = site, .req = req, .alloc = alloc};
	site->nr_allocs++;
	site->total_alloc += alloc;
	site->total_req += req;
	site->alloc = plus(site->alloc, alloc);
	site->req = plus(site->req, req);
	site->max_alloc = MAX(site->max_alloc, site->alloc);
	site->max_req = MAX(site->max_req, site->req);
	site->max_waste = MAX(site->max_waste, minus(site->alloc, site->req));
	return 0;
}

int allocs_event(struct allocs *allocs, const struct event *event, const void *data, uint32_t len)
{
	const struct alloc_event *e;
	uint64_t ptr;

	if (!event || !allocs->by_id[event->id])
		return 0;
	e = &allocs->events[allocs->by_id[event->id] - 1];
	ptr = event_field_u64(event, e->ptr, data, len);
	if (e->frees) {
		take_free(allocs, ptr);
		return 0;
	}
	return take_alloc(allocs, event_field_u64(event, e->call_site, data, len), ptr,
			  event_field_u64(event, e->bytes_req, data, len),
			  event_field_u64(event, e->bytes_alloc, data, len));
}

static int compare_sites(const void *a, const void *b)
{
	const struct site *sa = *(struct site *const *)a, *sb = *(struct site *const *)b;
	int64_t wa = minus(sa->alloc, sa->req), wb = minus(sb->alloc, sb->req);

	if (wa != wb)
		return wa > wb ? -1 : 1;
	if (sa->alloc != sb->alloc)
		return sa->alloc > sb->alloc ? -1 : 1;
	if (sa->total_alloc != sb->total_alloc)
		return sa->total_alloc > sb->total_alloc ? -1 : 1;
	return strcmp(sa->name, sb->name);
}

static struct site **sorted_sites(const struct allocs *allocs)
{
	struct site **sites = mem_calloc(allocs->nr_sites + 1, sizeof(struct site *));
	size_t nr = 0;

	if (!sites)
		return NULL;
	for (size_t i = 0; i < allocs->names.nr_slots; i++) {
		const struct map_slot *slot = &allocs->names.slots[i];
		struct site *site = slot->used ? (struct site *)(uintptr_t)slot->value : NULL;

		for (; site; site = site->same_hash)
			sites[nr++] = site;
	}
	qsort(sites, nr, sizeof(struct site *), compare_sites);
	return sites;
}

void allocs_heading(struct out *out, enum report_format format, bool with_buffer)
{
	static const char *const names[] = {
		"function",  "waste",	"alloc",     "req",    "total_alloc", "total_req",
		"max_alloc", "max_req", "max_waste", "allocs", "frees",
	};

	rows_names(out, format, with_buffer, names, ARRAY_SIZE(names));
	if (format != REPORT_TEXT)
		return;
	out_lit(out, "                Function            \tWaste\tAlloc\treq\t\t"
		     "TotAlloc     TotReq\t\tMaxAlloc     MaxReq\tMaxWaste\n"
		     "                --------            \t-----\t-----\t---\t\t"
		     "--------     ------\t\t--------     ------\t--------\n");
}

static void print_line(const struct site *site, int64_t max_waste, struct out *out)
{
	out_str_right(out, site->name, strlen(site->name), NAME_WIDTH);
	out_printf(out, "\t%lld\t%lld\t%lld\t\t%8llu   %8llu\t\t%8lld   %8lld\t%lld\n",
		   (long long)minus(site->alloc, site->req), (long long)site->alloc,
		   (long long)site->req, (unsigned long long)site->total_alloc,
		   (unsigned long long)site->total_req, (long long)site->max_alloc,
		   (long long)site->max_req, (long long)max_waste);
}

static void print_row(const struct site *site, int64_t max_waste, struct rows *rows)
{
	rows_begin(rows);
	rows_text(rows, "function", site->name);
	rows_i64(rows, "waste", minus(site->alloc, site->req));
	rows_i64(rows, "alloc", site->alloc);
	rows_i64(rows, "req", site->req);
	rows_u64(rows, "total_alloc", site->total_alloc);
	rows_u64(rows, "total_req", site->total_req);
	rows_i64(rows, "max_alloc", site->max_alloc);
	rows_i64(rows, "max_req", site->max_req);
	rows_i64(rows, "max_waste", max_waste);
	rows_u64(rows, "allocs", site->nr_allocs);
	rows_u64(rows, "frees", site->nr_frees);
	rows_end(rows);
}

int allocs_print(struct allocs *allocs, enum report_format format, const char *buffer,
		 struct out *out)
{
	struct rows rows = {.format = format, .out = out, .buffer = buffer};
	_cleanup_free_ struct site **sites = sorted_sites(allocs);

	if (!sites)
		return -ENOMEM;
	for (size_t i = 0; i < allocs->nr_sites; i++) {
		const struct site *site = sites[i];
		int64_t max_waste =
			allocs->trace_cmd ? minus(site->max_alloc, site->max_req) : site->max_waste;

		if (format == REPORT_TEXT)
			print_line(site, max_waste, out);
		else
			print_row(site, max_waste, &rows);
	}
	return out->failed ? -ENOMEM : 0;
}
