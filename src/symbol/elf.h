/* SPDX-License-Identifier: MIT */
/*
 * Functions of programs and libraries by name: where in the ELF file their code lies, which is what
 * a uprobe takes. Files of any class and byte order.
 */
#ifndef SONDE_SYMBOL_ELF_H
#define SONDE_SYMBOL_ELF_H

#include <stdint.h>

#include "base/err.h"

struct symbol_function {
	uint64_t offset;  /* of its first byte, in the file */
	uint64_t address; /* as linked */
	uint64_t size;	  /* bytes, 0 when the file does not say */
};

/*
 * Find a function in the file at `path`: in .symtab, .dynsym, .gnu_debugdata, and in the file of
 * debugging symbols that is installed for its build-id. `name` may carry a version: `f@V`, `f@@V`;
 * without one the default version is meant.
 *
 * -ENOENT when there is no such function (err names one that is spelt nearly so), when the name is
 * only imported, or belongs to data; -ENOTUNIQ when several functions have it (err lists their
 * offsets); -EOPNOTSUPP when the loader chooses among several (IFUNC); -EBADMSG when the file is
 * no program or library.
 */
int symbol_function_find(const char *path, const char *name, struct symbol_function *ret_function,
			 struct err *err) _must_check_;
/* Where `offset` bytes behind its start lie in the file; also -EINVAL: they lie behind its end. */
int symbol_function_place(const char *path, const char *name, uint64_t offset, uint64_t *ret_place,
			  struct err *err) _must_check_;

#endif
