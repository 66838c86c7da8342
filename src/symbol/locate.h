/* SPDX-License-Identifier: MIT */
/*
 * The file that a program or library name means: `bash` through PATH, `libssl.so.3` or `libc` as
 * the dynamic loader would find them.
 */
#ifndef SONDE_SYMBOL_LOCATE_H
#define SONDE_SYMBOL_LOCATE_H

#include "base/err.h"

/* Where to look; symbol_locate fills in what is NULL. All borrowed. */
struct symbol_places {
	const char *root;  /* in front of every library directory and of ld.so.cache; "" usually */
	const char *path;  /* as $PATH, which is the default */
	const char *cache; /* "/etc/ld.so.cache" */
};

/*
 * A name with a slash is a path; one with ".so" in it is a library; another one is a program first,
 * then a library (NAME.so.VERSION), the other way round when it begins with "lib". `places` may be
 * NULL. *ret_path is absolute, symbolic links resolved, the caller's to mem_free. -ENOENT when
 * there is no such file, -ENOTUNIQ when a name means several libraries (err lists them).
 */
int symbol_locate(const char *name, const struct symbol_places *places, char **ret_path,
		  struct err *err) _must_check_;

#endif
