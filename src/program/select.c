/* SPDX-License-Identifier: MIT */
/* Patterns are compiled once, then tried on every name of every function of every module. */
#include "program/select.h"

#include <errno.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "expr/function_pattern.h"

struct pattern {
	struct function_pattern *names;
	bool matched;
};

struct pattern_list {
	struct pattern *patterns;
	size_t nr;
};

struct program_select {
	struct pattern_list trace, notrace, graph;
	bool libs, nothing;
};

static void list_done(struct pattern_list *list)
{
	while (list->nr)
		function_pattern_free(list->patterns[--list->nr].names);
	mem_free(list->patterns);
}

void program_select_free(struct program_select *select)
{
	if (!select)
		return;
	list_done(&select->trace);
	list_done(&select->notrace);
	list_done(&select->graph);
	mem_free(select);
}

static int read_list(struct pattern_list *list, const struct program_patterns *texts,
		     struct err *err)
{
	list->patterns = mem_calloc(texts->nr + 1, sizeof(*list->patterns));
	if (!list->patterns)
		return err_sys(err, -ENOMEM, "cannot read the patterns");
	for (; list->nr < texts->nr; list->nr++) {
		int r = function_pattern_new(&list->patterns[list->nr].names,
					     texts->texts[list->nr], err);

		if (r < 0)
			return r;
	}
	return 0;
}

int program_select_new(struct program_select **ret_select, const struct program_filters *filters,
		       struct err *err)
{
	struct program_select *select = mem_zalloc(sizeof(*select));
	int r;

	if (!select)
		return err_sys(err, -ENOMEM, "cannot read the patterns");
	select->libs = filters->libs;
	select->nothing = filters->nothing;
	r = read_list(&select->trace, &filters->trace, err);
	if (r == 0)
		r = read_list(&select->notrace, &filters->notrace, err);
	if (r == 0)
		r = read_list(&select->graph, &filters->graph, err);
	if (r < 0) {
		program_select_free(select);
		return r;
	}
	*ret_select = select;
	return 0;
}

/* --- matching --- */

static bool is_function(const struct pattern *pattern, const struct program_elf *elf,
			const struct program_function *function)
{
	if (function_pattern_names(pattern->names, program_name(elf, function->name)))
		return true;
	for (size_t i = 0; i < function->nr_aliases; i++) {
		if (function_pattern_names(pattern->names,
					   program_name(elf, elf->aliases[function->aliases + i])))
			return true;
	}
	return false;
}

/* The index of the next function of `elf`, from `from` on, that the pattern means; or how many. */
static size_t next_meant(struct pattern *pattern, const struct program_elf *elf, size_t from)
{
	if (!function_pattern_in(pattern->names, elf->name, elf->path))
		return elf->nr_functions;
	for (; from < elf->nr_functions; from++) {
		if (elf->functions[from].skip != PROGRAM_SKIP_FRAGMENT &&
		    is_function(pattern, elf, &elf->functions[from])) {
			pattern->matched = true;
			break;
		}
	}
	return from;
}

/* Give the functions of `elf` that the list means this choice. */
static void choose(struct pattern_list *list, const struct program_elf *elf, uint8_t *choices,
		   enum program_choice choice)
{
	for (size_t i = 0; i < list->nr; i++) {
		struct pattern *pattern = &list->patterns[i];
		size_t at = next_meant(pattern, elf, 0);

		for (; at < elf->nr_functions; at = next_meant(pattern, elf, at + 1))
			choices[at] = (uint8_t)choice;
	}
}

static uint64_t hash(const char *name)
{
	uint64_t sum = 0xcbf29ce484222325u;

	for (; *name; name++)
		sum = (sum ^ (uint8_t)*name) * 0x100000001b3u;
	return map_mix(sum, 0);
}

/* Exported functions that the program calls by one of their names. */
static int choose_called(const struct program_elf *elf, const struct program_elf *program,
			 uint8_t *choices)
{
	_cleanup_(map_done) struct map called = {0};

	for (size_t i = 0; i < program->nr_imports; i++) {
		int r = map_set(&called, hash(program_name(program, program->imports[i])), 1);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < elf->nr_functions; i++) {
		const struct program_function *function = &elf->functions[i];

		if (!function->exported)
			continue;
		choices[i] |= map_find(&called, hash(program_name(elf, function->name))) != NULL;
		for (size_t j = 0; j < function->nr_aliases && !choices[i]; j++) {
			const char *name = program_name(elf, elf->aliases[function->aliases + j]);

			choices[i] = map_find(&called, hash(name)) != NULL;
		}
	}
	return 0;
}

static int choose_default(const struct program_select *select, const struct program_elf *elf,
			  const struct program_elf *program, uint8_t *choices)
{
	if (select->nothing)
		return 0;
	if (elf != program && !select->libs)
		return choose_called(elf, program, choices);
	for (size_t i = 0; i < elf->nr_functions; i++)
		choices[i] = elf->functions[i].skip != PROGRAM_SKIP_FRAGMENT;
	return 0;
}

int program_select_apply(struct program_select *select, const struct program_elf *elf,
			 const struct program_elf *program, uint8_t **ret_choices, size_t *ret_nr)
{
	_cleanup_free_ uint8_t *choices = mem_zalloc(elf->nr_functions + 1);
	size_t nr = 0;
	int r = 0;

	if (!choices)
		return -ENOMEM;
	if (select->trace.nr)
		choose(&select->trace, elf, choices, PROGRAM_CHOICE_TRACE);
	else
		r = choose_default(select, elf, program, choices);
	if (r < 0)
		return r;
	choose(&select->graph, elf, choices, PROGRAM_CHOICE_ROOT);
	choose(&select->notrace, elf, choices, PROGRAM_CHOICE_NONE);
	for (size_t i = 0; i < elf->nr_functions; i++)
		nr += choices[i] != PROGRAM_CHOICE_NONE;
	*ret_choices = steal(&choices);
	if (ret_nr)
		*ret_nr = nr;
	return 0;
}

static const char *first_unmatched(const struct pattern_list *list)
{
	for (size_t i = 0; i < list->nr; i++) {
		if (!list->patterns[i].matched)
			return function_pattern_text(list->patterns[i].names);
	}
	return NULL;
}

const char *program_select_unmatched(const struct program_select *select)
{
	const char *text = first_unmatched(&select->trace);

	if (!text)
		text = first_unmatched(&select->graph);
	return text ? text : first_unmatched(&select->notrace);
}

/* --- marks --- */

struct program_marks {
	struct pattern_list list;
};

int program_marks_new(struct program_marks **ret_marks, const struct program_patterns *names,
		      struct err *err)
{
	struct program_marks *marks = mem_zalloc(sizeof(*marks));
	int r;

	if (!marks)
		return err_sys(err, -ENOMEM, "cannot read the names of functions");
	r = read_list(&marks->list, names, err);
	if (r < 0) {
		program_marks_free(marks);
		return r;
	}
	*ret_marks = marks;
	return 0;
}

void program_marks_free(struct program_marks *marks)
{
	if (!marks)
		return;
	list_done(&marks->list);
	mem_free(marks);
}

void program_marks_apply(struct program_marks *marks, const struct program_elf *elf, uint32_t *bits)
{
	for (size_t i = 0; i < marks->list.nr; i++) {
		struct pattern *pattern = &marks->list.patterns[i];
		size_t at = next_meant(pattern, elf, 0);

		for (; at < elf->nr_functions; at = next_meant(pattern, elf, at + 1))
			bits[at] |= 1u << i;
	}
}

const char *program_marks_unmatched(const struct program_marks *marks)
{
	return first_unmatched(&marks->list);
}
