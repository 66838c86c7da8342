/* SPDX-License-Identifier: MIT */
/*
 * Functions that are special for what they do, which only their names say. Sorted, for bisection.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "program/internal.h"

/*
 * Begins of names: code that runs where a program cannot yet be traced, that is not called as
 * functions are, or that measures itself.
 */
static const char *const never_prefixes[] = {
	"_dl_relocate_static_pie",
	"_dl_runtime_",
	"_dl_start",
	"_dl_tlsdesc_",
	"__restore_rt",
	"__sanitizer_",
	"__asan_",
	"__tsan_",
};

static const char *const never[] = {
	"__cyg_profile_func_enter",
	"__cyg_profile_func_exit",
	"__fentry__",
	"__gmon_start__",
	"__libc_csu_fini",
	"__libc_csu_init",
	"__libc_sigreturn",
	"__morestack",
	"__restore",
	"_dl_debug_state",
	"_fini",
	"_init",
	"_mcount",
	"_start",
	"mcount",
};

/* They return twice, go on elsewhere, or act on where they are called from. */
static const char *const entry_only[] = {
	"__clone",
	"__clone3",
	"__clone_internal",
	"__getcontext",
	"__libc_dlopen_mode",
	"__libc_vfork",
	"__longjmp_chk",
	"__setjmp",
	"__sigsetjmp",
	"__swapcontext",
	"__vfork",
	"_setjmp",
	"clone",
	"clone3",
	"dladdr",
	"dladdr1",
	"dlinfo",
	"dlmopen",
	"dlopen",
	"dlsym",
	"dlvsym",
	"getcontext",
	"savectx",
	"setcontext",
	"setjmp",
	"sigsetjmp",
	"swapcontext",
	"vfork",
};

static int compare(const void *a, const void *b)
{
	return strcmp(a, *(const char *const *)b);
}

static bool is_one_of(const char *name, const char *const *names, size_t nr)
{
	return bsearch(name, names, nr, sizeof(*names), compare);
}

/* "f.cold", "f.cold.1": what gcc has moved out of f. "f.part.0" and the like are functions. */
static bool is_cold(const char *name)
{
	const char *dot = strstr(name, ".cold");

	return dot && dot != name && (dot[5] == '\0' || dot[5] == '.');
}

enum rule rule_of_name(const char *name)
{
	for (size_t i = 0; name[0] == '_' && i < ARRAY_SIZE(never_prefixes); i++) {
		if (!strncmp(name, never_prefixes[i], strlen(never_prefixes[i])))
			return RULE_NEVER;
	}
	if (is_one_of(name, never, ARRAY_SIZE(never)))
		return RULE_NEVER;
	if (is_one_of(name, entry_only, ARRAY_SIZE(entry_only)))
		return RULE_ENTRY_ONLY;
	return is_cold(name) ? RULE_FRAGMENT : RULE_NONE;
}
