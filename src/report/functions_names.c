/* SPDX-License-Identifier: MIT */
/* Functions known by their names: what the kernel's profiler has counted. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "report/functions_data.h"

int functions_new_names(struct functions **ret_functions, enum functions_group group)
{
	struct functions *functions = mem_zalloc(sizeof(*functions));

	if (!functions)
		return -ENOMEM;
	functions->group = group;
	functions->last = &functions->first;
	*ret_functions = functions;
	return 0;
}

const char *function_name(const struct functions *functions, const struct function *function)
{
	const struct symbol *symbol;

	if (!functions->db)
		return functions->names[function->addr];
	symbol = symbols_find(event_db_symbols(functions->db), function->addr);
	return symbol ? symbol->name : NULL;
}

const char *function_module(const struct functions *functions, const struct function *function)
{
	const struct symbol *symbol =
		functions->db ? symbols_find(event_db_symbols(functions->db), function->addr)
			      : NULL;

	return symbol ? symbol->module : NULL;
}

/* The name, or NULL; *ret_first of those of one hash. */
static struct function_name *look_up(const struct functions *functions, const char *text,
				     size_t len, uint64_t *ret_hash,
				     struct function_name **ret_first)
{
	struct function_name *name;
	uint64_t h = len, *found;

	for (size_t i = 0; i < len; i++)
		h = map_mix(h, (uint8_t)text[i]);
	found = map_find(&functions->by_name, h);
	*ret_hash = h;
	*ret_first = found ? (struct function_name *)(uintptr_t)*found : NULL;
	for (name = *ret_first; name; name = name->same_hash)
		if (!strncmp(name->text, text, len) && !name->text[len])
			break;
	return name;
}

static int find_name(struct functions *functions, const char *text, size_t len,
		     uint64_t *ret_number)
{
	struct function_name *first, *name;
	uint64_t h;

	name = look_up(functions, text, len, &h, &first);
	if (!name) {
		name = arena_alloc(&functions->arena, sizeof(*name) + len + 1);
		if (!name ||
		    array_reserve(&functions->names, &functions->cap_names, functions->nr_names + 1,
				  sizeof(*functions->names)) < 0 ||
		    map_set(&functions->by_name, h, (uintptr_t)name) < 0)
			return -ENOMEM;
		name->same_hash = first;
		name->number = functions->nr_names;
		memcpy(name->text, text, len);
		functions->names[functions->nr_names++] = name->text;
	}
	*ret_number = name->number;
	return 0;
}

struct function *functions_find_name(struct functions *functions, const char *name, size_t len)
{
	uint64_t number;

	return find_name(functions, name, len, &number) < 0 ? NULL
							    : functions_find(functions, 0, number);
}

const struct function *functions_look_up(const struct functions *functions, const char *name,
					 size_t len)
{
	struct function_name *first;
	uint64_t h;
	const struct function_name *found = look_up(functions, name, len, &h, &first);

	return found ? functions_known(functions, 0, found->number) : NULL;
}

int functions_add(struct functions *functions, uint32_t cpu, const char *name, size_t len,
		  const struct functions_sum *sum)
{
	struct function *function;
	struct function part = {.hits = sum->hits};
	uint64_t number;

	if (find_name(functions, name, len, &number) < 0)
		return -ENOMEM;
	function =
		functions_find(functions, functions->group == FUNCTIONS_BY_CPU ? cpu : 0, number);
	if (!function)
		return -ENOMEM;
	functions->any_timed |= sum->timed;
	if (sum->timed && sum->hits) {
		/* sum(x^2) = s^2 (n - 1) + sum(x)^2 / n */
		part.timed = sum->hits;
		part.total = sum->total_ns;
		part.squares = (u128)sum->s2_ns2 * (sum->hits - 1) +
			       (u128)sum->total_ns * sum->total_ns / sum->hits;
	}
	return function_merge(function, &part);
}
