/* SPDX-License-Identifier: MIT */
/*
 * Bases are given one behind the other and never taken back. Modules are the same when their
 * build-ids are; without one, when the file is.
 */
#include "program/names.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "ring/shared.h"

#define SPACE_FIRST 0x10000u /* small numbers are no addresses */
#define SPACE_ALIGN 0x1000u

struct space_module {
	uint8_t build_id[PROGRAM_BUILD_ID_MAX];
	size_t build_id_len;
	uint64_t dev, inode, mtime_ns, text_bytes;
	size_t nr_functions;
	uint32_t base, counters;
	bool has_base, has_counters;
};

struct program_space {
	struct space_module *modules;
	size_t nr, cap;
	uint64_t next, next_counter;
};

int program_space_new(struct program_space **ret_space)
{
	struct program_space *space = mem_zalloc(sizeof(*space));

	if (!space)
		return -ENOMEM;
	space->next = SPACE_FIRST;
	*ret_space = space;
	return 0;
}

void program_space_free(struct program_space *space)
{
	if (!space)
		return;
	mem_free(space->modules);
	mem_free(space);
}

static bool is_same(const struct space_module *module, const struct program_elf *elf)
{
	/* The same build may have more symbols in another file. */
	if (module->text_bytes != elf->text_high - elf->text_low ||
	    module->nr_functions != elf->nr_functions || module->build_id_len != elf->build_id_len)
		return false;
	if (elf->build_id_len)
		return !memcmp(module->build_id, elf->build_id, elf->build_id_len);
	return module->dev == elf->dev && module->inode == elf->inode &&
	       module->mtime_ns == elf->mtime_ns;
}

static int find_module(struct program_space *space, const struct program_elf *elf,
		       struct space_module **ret_module)
{
	struct space_module *module;
	int r;

	for (size_t i = 0; i < space->nr; i++) {
		if (is_same(&space->modules[i], elf)) {
			*ret_module = &space->modules[i];
			return 0;
		}
	}
	r = array_reserve(&space->modules, &space->cap, space->nr + 1, sizeof(*module));
	if (r < 0)
		return r;
	module = &space->modules[space->nr++];
	*module = (struct space_module){
		.build_id_len = elf->build_id_len,
		.dev = elf->dev,
		.inode = elf->inode,
		.mtime_ns = elf->mtime_ns,
		.text_bytes = elf->text_high - elf->text_low,
		.nr_functions = elf->nr_functions,
	};
	memcpy(module->build_id, elf->build_id, elf->build_id_len);
	*ret_module = module;
	return 0;
}

/* `bytes` from *next on, which stays below the limit. */
static int take(uint64_t *next, uint64_t bytes, uint64_t limit, uint32_t *ret_base)
{
	if (bytes > limit - *next)
		return -ENOSPC;
	*ret_base = (uint32_t)*next;
	*next += bytes;
	return 0;
}

int program_space_add(struct program_space *space, const struct program_elf *elf,
		      uint32_t *ret_base)
{
	struct space_module *module;
	int r = find_module(space, elf, &module);

	if (r == 0 && !module->has_base) {
		/* One more, for the line that ends the last function. */
		uint64_t bytes = module->text_bytes + SPACE_ALIGN;

		bytes -= bytes % SPACE_ALIGN;
		r = take(&space->next, bytes, UINT32_MAX, &module->base);
		module->has_base = r == 0;
	}
	if (r == 0)
		*ret_base = module->base;
	return r;
}

int program_space_add_counters(struct program_space *space, const struct program_elf *elf,
			       uint32_t *ret_base)
{
	struct space_module *module;
	int r = find_module(space, elf, &module);

	if (r == 0 && !module->has_counters) {
		r = take(&space->next_counter, module->nr_functions, RING_COUNTERS_MAX,
			 &module->counters);
		module->has_counters = r == 0;
	}
	if (r == 0)
		*ret_base = module->counters;
	return r;
}

static void write_line(struct out *out, const struct program_elf *elf, uint64_t address, char type,
		       const char *name)
{
	out_hex_pad(out, address, 16, '0');
	out_char(out, ' ');
	out_char(out, type);
	out_char(out, ' ');
	out_str(out, name);
	out_lit(out, "\t[");
	out_str(out, elf->name);
	out_lit(out, "]\n");
}

/* What is no function has no calls; its name would stand in the next one's way. */
static bool has_line(const struct program_function *function)
{
	return function->skip != PROGRAM_SKIP_FRAGMENT;
}

static void write_end(struct out *out, const struct program_elf *elf, uint32_t base)
{
	for (size_t i = elf->nr_functions; i-- > 0;) {
		const struct program_function *function = &elf->functions[i];
		uint64_t end = function->address + MAX(function->size, 1u);

		if (!has_line(function))
			continue;
		write_line(out, elf, base + (end - elf->text_low), 't', "_end_of_code");
		return;
	}
}

size_t program_names_write(struct out *out, const struct program_elf *elf, uint32_t base,
			   size_t from, size_t nr)
{
	size_t to = from + MIN(nr, elf->nr_functions - from);

	for (size_t i = from; i < to; i++) {
		const struct program_function *function = &elf->functions[i];

		if (has_line(function))
			write_line(out, elf, base + (function->address - elf->text_low),
				   function->exported ? 'T' : 't',
				   program_name(elf, function->name));
	}
	if (to == elf->nr_functions)
		write_end(out, elf, base);
	return to;
}
