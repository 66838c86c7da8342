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

bool window_is_branch(const struct window_code *code, uint64_t start, uint64_t at, uint64_t target)
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
