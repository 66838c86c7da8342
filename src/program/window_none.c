/* SPDX-License-Identifier: MIT */
/* Machines whose instructions are not known here: every function is one that cannot be patched. */
#include "program/window.h"

bool window_supported(void)
{
	return false;
}

void window_find(struct program_function *function, const struct window_code *code, uint64_t end,
		 uint64_t next)
{
	(void)code, (void)end, (void)next;
	function->skip = PROGRAM_SKIP_UNDECODED;
}

bool window_is_branch(const struct window_code *code, uint64_t *start, uint64_t at, uint64_t target)
{
	(void)code, (void)start, (void)at, (void)target;
	return true;
}

size_t window_displace(const struct window_code *code, const struct program_function *function,
		       uint64_t place, struct window_displaced *ret_displaced)
{
	(void)code, (void)function, (void)place, (void)ret_displaced;
	return 0;
}

void window_look(const struct window_code *code, uint64_t address, struct window_insn *ret_insn)
{
	(void)code, (void)address;
	*ret_insn = (struct window_insn){.kind = WINDOW_INSN_UNDECODED};
}

bool window_move(const struct window_code *code, uint64_t from, uint64_t to, bool last,
		 uint64_t place, struct window_displaced *ret_displaced, size_t *ret_bytes)
{
	(void)code, (void)from, (void)to, (void)last, (void)place, (void)ret_displaced;
	(void)ret_bytes;
	return false;
}

bool window_is_padding(const struct window_code *code, uint64_t from, uint64_t to)
{
	(void)code, (void)from, (void)to;
	return false;
}
