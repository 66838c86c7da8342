/* SPDX-License-Identifier: MIT */
/*
 * An ELF file together with the files that hold further symbols of it, opened with libelf.
 */
#ifndef SONDE_SYMBOL_FILES_H
#define SONDE_SYMBOL_FILES_H

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/out.h"

#define SYMBOL_BUILD_ID_MAX 64u
#define SYMBOL_FILES_MAX    3u

/*
 * elves[0] is the file itself, fds[0] its descriptor; behind it may follow the ELF file inside its
 * .gnu_debugdata, and the file of debugging symbols that is installed for its build-id.
 */
struct symbol_files {
	Elf *elves[SYMBOL_FILES_MAX];
	int fds[SYMBOL_FILES_MAX];    /* -1: in memory */
	char *data[SYMBOL_FILES_MAX]; /* owned */
	size_t nr;
	bool partial; /* there are more that could not be read: memory was short, or they are bad */
};

/* -EBADMSG when the file at `path` is no ELF file. */
int symbol_files_open(struct symbol_files *ret_files, const char *path, struct err *err)
	_must_check_;
void symbol_files_close(struct symbol_files *files);

/* NULL when there is no section of that name. */
Elf_Scn *symbol_section(Elf *elf, const char *wanted, GElf_Shdr *ret_header);

/* Where the debugging symbols of a build are when they are installed. */
int symbol_debug_path(struct out *out, const uint8_t *id, size_t len) _must_check_;

/* How many bytes the build-id has; 0 when there is none. */
size_t symbol_build_id(Elf *elf, uint8_t ret_id[SYMBOL_BUILD_ID_MAX]);

#endif
