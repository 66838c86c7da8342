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
	"Builtins_", /* V8 copies these elsewhere */
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

/* libgcc's unwinder, and LLVM's. */
static const char *const unwinders[] = {"_Unwind_", "unw_", "uw_"};

/*
 * Beginnings of names in what compiles at run time (V8, a JVM): its functions find out which
 * compiled code has called them by reading their return address.
 */
static const char *const walkers[] = {"JNI_CreateJavaVM", "_ZN2v8"};

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
	if (name[0] < names[0][0] || name[0] > names[nr - 1][0])
		return false;
	return bsearch(name, names, nr, sizeof(*names), compare);
}

/* "f.cold", "f.cold.1": what gcc has moved out of f. "f.part.0" and the like are functions. */
static bool is_cold(const char *name)
{
	const char *dot = strchr(name, '.');

	while (dot && strncmp(dot, ".cold", 5) != 0)
		dot = strchr(dot + 1, '.');
	return dot && dot != name && (dot[5] == '\0' || dot[5] == '.');
}

static bool begins_with_one_of(const char *name, const char *const *names, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (name[0] == names[i][0] && !strncmp(name, names[i], strlen(names[i])))
			return true;
	}
	return false;
}

/* Names of C++ are nearly all names that there are, and none of those above but a walker's. */
static bool is_mangled(const char *name)
{
	return name[0] == '_' && name[1] == 'Z';
}

enum rule rule_of_name(const char *name)
{
	if (is_mangled(name)) {
		if (begins_with_one_of(name, walkers, ARRAY_SIZE(walkers)))
			return RULE_WALKER;
		return is_cold(name) ? RULE_FRAGMENT : RULE_NONE;
	}
	if (begins_with_one_of(name, never_prefixes, ARRAY_SIZE(never_prefixes)))
		return RULE_NEVER;
	if (begins_with_one_of(name, unwinders, ARRAY_SIZE(unwinders)))
		return RULE_UNWINDER;
	if (begins_with_one_of(name, walkers, ARRAY_SIZE(walkers)))
		return RULE_WALKER;
	if (is_one_of(name, never, ARRAY_SIZE(never)))
		return RULE_NEVER;
	if (is_one_of(name, entry_only, ARRAY_SIZE(entry_only)))
		return RULE_ENTRY_ONLY;
	return is_cold(name) ? RULE_FRAGMENT : RULE_NONE;
}
