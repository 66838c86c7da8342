/* SPDX-License-Identifier: MIT */
/*
 * The questions of a watcher for the functions of a module: what depends on the function alone is
 * answered here, and the names that the others need go into the memory of the session.
 */
#include <errno.h>
#include <stddef.h>

#include "base/mem.h"
#include "program/watcher_private.h"

/* Of the table's places at most three quarters are used, so that looking stays short. */
#define FUNCTIONS_MAX (PROGRAM_WATCH_FUNCTIONS / 4 * 3)

enum answer {
	ANSWER_NO,
	ANSWER_YES,
	ANSWER_DEPENDS, /* on more than the function */
};

/* The answers of all conditions for one function. */
struct known {
	enum answer answers[PROGRAM_WATCH_OPS_MAX];
};

static enum answer answer_at(const struct known *known, uint16_t at)
{
	if (at >= PROGRAM_WATCH_NO)
		return at == PROGRAM_WATCH_YES ? ANSWER_YES : ANSWER_NO;
	return known->answers[at];
}

static void know(const struct program_watch *plan, uint32_t address, uint32_t bits,
		 struct known *known)
{
	for (uint16_t i = 0; i < plan->nr_ops; i++) {
		const struct program_watch_op *op = &plan->ops[i];
		enum answer on_true = answer_at(known, op->on_true);
		enum answer on_false = answer_at(known, op->on_false);
		uint64_t value = op->source == PROGRAM_WATCH_NAMES ? bits
				 : op->source == PROGRAM_WATCH_IP  ? address
								   : 0;

		if (op->source == PROGRAM_WATCH_NAMES || op->source == PROGRAM_WATCH_IP ||
		    op->source == PROGRAM_WATCH_ZERO)
			known->answers[i] = program_watch_compare(op, value) ? on_true : on_false;
		else if (on_true == on_false)
			known->answers[i] = on_true;
		else
			known->answers[i] = ANSWER_DEPENDS;
	}
}

/* Whether something may be done when an event of it comes. */
static bool has_triggers(const struct program_watch *plan, const struct known *known)
{
	for (uint32_t i = 0; i < plan->nr_triggers; i++) {
		if (answer_at(known, plan->triggers[i].condition) != ANSWER_NO)
			return true;
	}
	return false;
}

/* Whether calls of it may be in a histogram. */
static bool has_hists(const struct program_hists *hists, const struct known *known)
{
	for (uint32_t i = 0; i < hists->nr; i++) {
		if (answer_at(known, hists->list[i].condition) != ANSWER_NO)
			return true;
	}
	return false;
}

/* What becomes of a function that was chosen. */
static uint8_t choice_of(const struct program_watcher *watcher, uint8_t choice,
			 const struct known *known)
{
	const struct program_watch *plan = watcher->plan;
	bool any_yes = false, any_no = false;

	if (watcher->counts_calls) {
		return has_hists(&watcher->hists.hists, known) ? choice
							       : (uint8_t)PROGRAM_CHOICE_NONE;
	}
	/* What is around a call counts, recorded or not. */
	if (plan->asks_depth || has_triggers(plan, known))
		return (uint8_t)(choice | PROGRAM_CHOICE_WATCHED);
	for (size_t i = 0; i < watcher->nr_events; i++) {
		uint16_t number = watcher->events[i].number;
		enum answer answer = answer_at(known, plan->filters[number]);

		if (answer == ANSWER_YES && watcher->switched >> number & 1)
			answer = ANSWER_DEPENDS;
		any_yes |= answer != ANSWER_NO;
		any_no |= answer != ANSWER_YES;
	}
	/* A root's end, and what counts for a limit, is seen all the same. */
	if (!any_yes && choice != PROGRAM_CHOICE_ROOT && !watcher->limited)
		return PROGRAM_CHOICE_NONE;
	return any_no ? (uint8_t)(choice | PROGRAM_CHOICE_WATCHED) : choice;
}

static int add_function(struct program_watcher *watcher, uint32_t address, uint32_t bits)
{
	union program_watch_function *table = watcher->memory->functions;
	const union program_watch_function function = {.address = address, .bits = bits};
	uint32_t at = program_watch_hash(address);

	while (table[at].address && table[at].address != address)
		at = (at + 1) & (PROGRAM_WATCH_FUNCTIONS - 1);
	if (!table[at].address && ++watcher->nr_functions > FUNCTIONS_MAX)
		return -ENOSPC;
	__atomic_store_n(&table[at].word, function.word, __ATOMIC_RELEASE);
	return 0;
}

static int add_caller(struct program_watcher *watcher, const struct program_function *function,
		      uint32_t address, uint32_t bits)
{
	struct program_watch *memory = watcher->memory;

	if (watcher->nr_callers == PROGRAM_WATCH_CALLERS_MAX)
		return -ENOSPC;
	memory->callers[watcher->nr_callers++] = (struct program_watch_caller){
		.address = address,
		.bytes = function->size,
		.bits = bits,
	};
	__atomic_store_n(&memory->nr_callers, watcher->nr_callers, __ATOMIC_RELEASE);
	return 0;
}

int program_watcher_apply(struct program_watcher *watcher, const struct program_elf *elf,
			  uint32_t base, uint8_t *choices)
{
	_cleanup_free_ uint32_t *bits = mem_calloc(elf->nr_functions + 1, sizeof(*bits));
	_cleanup_free_ struct known *known = mem_alloc(sizeof(*known));
	int r = 0;

	if (!bits || !known)
		return -ENOMEM;
	program_marks_apply(watcher->marks, elf, bits);
	for (size_t i = 0; i < elf->nr_functions && r == 0; i++) {
		uint32_t address = base + (uint32_t)(elf->functions[i].address - elf->text_low);

		if (bits[i] & watcher->called_by)
			r = add_caller(watcher, &elf->functions[i], address, bits[i]);
		if (r < 0 || (!choices[i] && !(bits[i] & watcher->commanded)))
			continue;
		know(watcher->plan, address, bits[i], known);
		if (choices[i]) {
			choices[i] = choice_of(watcher, choices[i], known);
		} else if (has_triggers(watcher->plan, known)) {
			choices[i] = PROGRAM_CHOICE_WATCHED;
			bits[i] |= PROGRAM_WATCH_UNCHOSEN;
		}
		if (choices[i] && bits[i])
			r = add_function(watcher, address, bits[i]);
	}
	return r;
}
