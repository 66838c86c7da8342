/* SPDX-License-Identifier: MIT */
/*
 * What symbols, frame descriptions and relocations say of one address, put together: one function,
 * its best name, its other names, where it ends, and what is known of it before its code has been
 * looked at.
 */
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "program/internal.h"

#define ALIASES_MAX 256u /* of one function; further ones are not kept */

int plan_add_start(struct plan *plan, uint64_t address, uint64_t size, uint32_t name,
		   uint32_t flags)
{
	const struct program_text *text = plan_text_at(plan->elf, address);
	struct start *start;
	int r;

	if (!text)
		return 0;
	if (plan->nr_starts >= LIMIT_SYMBOLS)
		return -E2BIG;
	r = array_reserve(&plan->starts, &plan->cap_starts, plan->nr_starts + 1,
			  sizeof(*plan->starts));
	if (r < 0)
		return r;
	start = &plan->starts[plan->nr_starts++];
	*start = (struct start){
		.at = (uint32_t)(address - plan->elf->text_low),
		.size = (uint32_t)MIN(size, text->bytes - (address - text->address)),
		.name = name,
		.flags = flags,
	};
	return 0;
}

/* The lower the better: what the public knows, without underscores. */
static unsigned int rank(const struct plan *plan, const struct start *start, bool is_exported)
{
	unsigned int rank = start->flags & START_GLOBAL ? 0 : start->flags & START_WEAK ? 1 : 2;

	if (rank == 1 && is_exported)
		rank = 0;
	return rank + (plan->names.buf[start->name] == '_' ? 3 : 0);
}

/* Of names that are equally public the shortest: open, not open64. */
static bool is_better(const struct plan *plan, const struct start *a, const struct start *b,
		      bool is_exported)
{
	const char *x = plan->names.buf + a->name, *y = plan->names.buf + b->name;
	unsigned int rank_a = rank(plan, a, is_exported), rank_b = rank(plan, b, is_exported);

	if (rank_a != rank_b)
		return rank_a < rank_b;
	return strlen(x) != strlen(y) ? strlen(x) < strlen(y) : strcmp(x, y) < 0;
}

static bool is_known(const struct plan *plan, const struct program_function *function,
		     const char *name)
{
	const char *names = plan->names.buf;

	if (!strcmp(names + function->name, name))
		return true;
	for (size_t i = 0; i < function->nr_aliases; i++) {
		if (!strcmp(names + plan->elf->aliases[function->aliases + i], name))
			return true;
	}
	return false;
}

static int add_alias(struct plan *plan, struct program_function *function, uint32_t name,
		     size_t *cap)
{
	struct program_elf *elf = plan->elf;
	int r;

	if (function->nr_aliases == ALIASES_MAX || is_known(plan, function, plan->names.buf + name))
		return 0;
	r = array_reserve(&elf->aliases, cap, elf->nr_aliases + 1, sizeof(*elf->aliases));
	if (r < 0)
		return r;
	elf->aliases[elf->nr_aliases++] = name;
	function->nr_aliases++;
	return 0;
}

/* The name of a function that has none. */
static int make_name(struct plan *plan, struct program_function *function)
{
	if (plan->names.len > UINT32_MAX - LIMIT_STRING_BYTES)
		return -E2BIG;
	function->name = (uint32_t)plan->names.len;
	out_str(&plan->names, plan->elf->name);
	out_lit(&plan->names, "+0x");
	out_hex(&plan->names, function->address);
	out_char(&plan->names, '\0');
	return plan->names.failed ? -ENOMEM : 0;
}

static int add_aliases(struct plan *plan, struct program_function *function,
		       const struct start *starts, size_t nr, size_t *cap_aliases)
{
	int r = 0;

	function->aliases = (uint32_t)plan->elf->nr_aliases;
	for (size_t i = 0; i < nr && r == 0; i++) {
		if (starts[i].name && starts[i].name != function->name)
			r = add_alias(plan, function, starts[i].name, cap_aliases);
	}
	return r;
}

/* One of the same text was looked at just before: .symtab and .dynsym say most names twice. */
static bool is_repeated(const struct plan *plan, const struct start *starts, size_t index)
{
	const char *names = plan->names.buf;

	return index && starts[index - 1].name &&
	       !strcmp(names + starts[index].name, names + starts[index - 1].name);
}

static void apply_rules(const struct plan *plan, struct program_function *function,
			const struct start *starts, size_t nr, uint32_t *flags)
{
	for (size_t i = 0; i < nr; i++) {
		if (!starts[i].name || is_repeated(plan, starts, i))
			continue;
		switch (rule_of_name(plan->names.buf + starts[i].name)) {
		case RULE_NEVER:
			function->skip = PROGRAM_SKIP_NEVER;
			break;
		case RULE_ENTRY_ONLY:
			function->entry_only = true;
			break;
		case RULE_FRAGMENT:
			function->skip = PROGRAM_SKIP_FRAGMENT;
			break;
		case RULE_UNWINDER:
			*flags |= START_UNWINDER;
			break;
		case RULE_WALKER:
			*flags |= START_WALKER;
			break;
		case RULE_NONE:
			break;
		}
	}
}

/* What there is at one address, which `nr` starts from `first` on say, and descriptions. */
struct group {
	uint32_t at;
	uint32_t first, nr;
	uint32_t named;	     /* bytes that a symbol says, or 0 */
	uint32_t frame_size; /* that a description says, or 0 */
	uint16_t flags;	     /* of the descriptions */
	bool has_more_names;
};

struct merge {
	struct plan *plan;
	struct group *groups; /* one a function */
};

/* By one of the names that there are for an address. */
static bool is_exported(const struct plan *plan, const struct group *group)
{
	const struct start *starts = &plan->starts[group->first];

	for (size_t i = 0; i < group->nr; i++) {
		if (starts[i].flags & START_EXPORTED)
			return true;
	}
	return plan->exported && bits_has(plan->exported, group->at);
}

static void make_function(const struct plan *plan, struct group *group,
			  struct program_function *ret_function, uint16_t *ret_flags)
{
	const struct start *starts = &plan->starts[group->first], *best = NULL;
	struct program_function function = {.address = plan->elf->text_low + group->at};
	uint32_t flags = group->flags;

	function.exported = is_exported(plan, group);
	for (size_t i = 0; i < group->nr; i++) {
		flags |= starts[i].flags | (starts[i].name ? START_NAMED : 0);
		function.size = MAX(function.size, starts[i].size);
		if (!starts[i].name || is_repeated(plan, starts, i))
			continue;
		group->has_more_names |= best != NULL;
		if (!best || is_better(plan, &starts[i], best, function.exported))
			best = &starts[i];
	}
	if (group->frame_size)
		function.size = group->frame_size;
	function.name = best ? best->name : 0;
	function.entry_only = plan->is_go;
	apply_rules(plan, &function, starts, group->nr, &flags);
	/* C in a Go program runs on a stack of its own, and has frame descriptions. */
	if (plan->is_go && !(flags & START_FRAME))
		function.skip = PROGRAM_SKIP_GO;
	if (flags & START_INSIDE)
		function.skip = PROGRAM_SKIP_FRAGMENT;
	if (flags & START_IFUNC)
		function.skip = PROGRAM_SKIP_IFUNC;
	if (flags & START_NEVER)
		function.skip = PROGRAM_SKIP_NEVER;
	*ret_function = function;
	*ret_flags = (uint16_t)flags;
}

static void make_functions(void *ctx, size_t index)
{
	const struct merge *merge = ctx;
	struct plan *plan = merge->plan;
	size_t i = index * PIECE_FUNCTIONS, end = MIN(i + PIECE_FUNCTIONS, plan->elf->nr_functions);

	for (; i < end; i++)
		make_function(plan, &merge->groups[i], &plan->elf->functions[i], &plan->flags[i]);
}

/* Linkage tables and the pieces of _init and _fini are no functions that the program has. */
static void leave_out_sections(struct plan *plan)
{
	static const char *const names[] = {".plt",  ".plt.got", ".plt.sec",
					    ".iplt", ".init",	 ".fini"};
	struct program_elf *elf = plan->elf;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		GElf_Shdr header;

		if (!symbol_section(plan->files.elves[0], names[i], &header))
			continue;
		for (size_t j = 0; j < elf->nr_functions; j++) {
			if (elf->functions[j].address - header.sh_addr < header.sh_size)
				elf->functions[j].skip = PROGRAM_SKIP_NEVER;
		}
	}
}

/* No function reaches into the next; one without a name inside a named one is a part of it. */
static void set_ends(struct plan *plan, const struct group *groups)
{
	struct program_elf *elf = plan->elf;
	uint64_t named_end = 0;

	for (size_t i = 0; i < elf->nr_functions; i++) {
		struct program_function *function = &elf->functions[i];
		bool last = i + 1 == elf->nr_functions;
		uint64_t next = last ? elf->text_high : elf->functions[i + 1].address;

		if (groups[i].named)
			named_end = MAX(named_end, function->address + groups[i].named);
		else if (function->address < named_end && !function->skip)
			function->skip = PROGRAM_SKIP_FRAGMENT;
		function->size = (uint32_t)MIN((uint64_t)function->size, next - function->address);
	}
}

/* The starts and descriptions at the lowest address that there is from these on, which move on. */
static struct group take_group(const struct plan *plan, size_t *start, size_t *frame)
{
	const struct plan_frames *frames = &plan->frames;
	const struct start *starts = &plan->starts[*start];
	struct group group = {.at = UINT32_MAX, .first = (uint32_t)*start};

	if (*start < plan->nr_starts)
		group.at = starts->at;
	if (*frame < frames->nr)
		group.at = MIN(group.at, frames->places[*frame].at);
	for (; *start < plan->nr_starts && starts[group.nr].at == group.at; ++*start, group.nr++) {
		if (starts[group.nr].name)
			group.named = MAX(group.named, MAX(starts[group.nr].size, 1u));
	}
	for (; *frame < frames->nr && frames->places[*frame].at == group.at; ++*frame) {
		group.frame_size = MAX(group.frame_size, frames->places[*frame].size);
		group.flags |= (uint16_t)frames->places[*frame].flags;
	}
	return group;
}

/* Which starts are of one address, and whether these are a function. */
static size_t group_starts(const struct plan *plan, struct group *groups)
{
	size_t nr_groups = 0, start = 0, frame = 0;

	while (start < plan->nr_starts || frame < plan->frames.nr) {
		struct group group = take_group(plan, &start, &frame);

		if (group.named || group.flags & START_FRAME)
			groups[nr_groups++] = group;
	}
	return nr_groups;
}

/* What appends to one list and therefore goes in order. */
static int name_functions(struct plan *plan, const struct group *groups)
{
	size_t cap_aliases = 0;
	int r = 0;

	for (size_t i = 0; i < plan->elf->nr_functions && r == 0; i++) {
		struct program_function *function = &plan->elf->functions[i];

		plan->is_walker |= (plan->flags[i] & START_WALKER) != 0;
		if (!function->name)
			r = make_name(plan, function);
		else if (groups[i].has_more_names)
			r = add_aliases(plan, function, &plan->starts[groups[i].first],
					groups[i].nr, &cap_aliases);
	}
	return r;
}

int plan_merge(struct plan *plan)
{
	struct program_elf *elf = plan->elf;
	_cleanup_free_ struct group *groups = NULL;
	struct merge merge = {.plan = plan};
	size_t max_groups;
	int r = plan_sort(&plan->starts, plan->nr_starts,
			  plan->elf->text_high - plan->elf->text_low);

	if (r < 0)
		return r;
	plan_judge_inner_starts(plan);
	max_groups = plan->nr_starts + plan->frames.nr + 1;
	merge.groups = groups = mem_calloc(max_groups, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	mem_expect_use(groups, max_groups * sizeof(*groups));
	elf->nr_functions = group_starts(plan, groups);
	elf->functions = mem_calloc(elf->nr_functions + 1, sizeof(*elf->functions));
	plan->flags = mem_calloc(elf->nr_functions + 1, sizeof(*plan->flags));
	if (!elf->functions || !plan->flags)
		return -ENOMEM;
	mem_expect_use(elf->functions, elf->nr_functions * sizeof(*elf->functions));
	parallel_for(make_functions, &merge, pieces_of(elf->nr_functions, PIECE_FUNCTIONS));
	r = name_functions(plan, groups);
	if (r < 0)
		return r;
	set_ends(plan, groups);
	leave_out_sections(plan);
	return 0;
}
