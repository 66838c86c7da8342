/* SPDX-License-Identifier: MIT */
/*
 * The functions of a program or library, found in the ELF file's symbols and frame descriptions,
 * and what can be patched of each.
 */
#ifndef SONDE_PROGRAM_FUNCTIONS_H
#define SONDE_PROGRAM_FUNCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mapped.h"

#define PROGRAM_BUILD_ID_MAX 64u

/* Why a function is not patched. program_skip_text() has the words. */
enum program_skip {
	PROGRAM_SKIP_NONE,
	PROGRAM_SKIP_NEVER,	   /* _start, the loader's trampolines, signal restorers, ... */
	PROGRAM_SKIP_IFUNC,	   /* chooses a function while the loader still relocates */
	PROGRAM_SKIP_FRAGMENT,	   /* a part of another function that was moved away */
	PROGRAM_SKIP_SHORT,	   /* no room for a jump */
	PROGRAM_SKIP_INBOUND,	   /* a branch leads into the bytes of the jump */
	PROGRAM_SKIP_LOOP,	   /* a loop of the function begins with its first instruction */
	PROGRAM_SKIP_CALL,	   /* a call that would return into the bytes of the jump */
	PROGRAM_SKIP_UNDECODED,	   /* bytes that are no instruction: data in the code */
	PROGRAM_SKIP_UNMOVABLE,	   /* an instruction that cannot stand elsewhere */
	PROGRAM_SKIP_OUT_OF_REACH, /* the arena is too far from what an instruction refers to */
	PROGRAM_SKIP_GO,	   /* on a goroutine's stack there is no room for a handler */
	PROGRAM_SKIP_PROBE,	   /* a probe's jump is where its own would be */
	/* Of probes only: */
	PROGRAM_SKIP_NOWHERE,  /* in no function that is known */
	PROGRAM_SKIP_COMPUTED, /* where its function's jumps lead cannot be known */
	/* Of probes of returns only: */
	PROGRAM_SKIP_ENTRY_ONLY, /* the function's return must not be intercepted */
	PROGRAM_SKIP_NO_START,	 /* no function begins there */
	PROGRAM_NR_SKIPS,
};

struct program_function {
	uint64_t address; /* as linked */
	uint32_t size;	  /* bytes, up to the next function at most; 0 when not known */
	uint32_t name;	  /* program_function_name() */
	uint32_t aliases; /* index into elf->aliases of the first further name */
	uint16_t nr_aliases;
	uint8_t skip;	 /* enum program_skip */
	bool entry_only; /* its return must not be intercepted: setjmp, vfork, dlopen, ... */
	bool exported;	 /* other modules can call it by name */
	uint8_t site;	 /* the jump is at address + site (behind endbr64) */
	uint8_t window;	 /* bytes of instructions that the jump displaces */
};

/* Bytes of a file: mapped, or where that may not be, read. */
struct program_bytes {
	struct mapped mapped;
	uint8_t *copy; /* owned */
};

struct program_text {
	uint64_t address;    /* as linked */
	uint64_t offset;     /* in the file */
	uint64_t bytes;	     /* in the file */
	const uint8_t *code; /* what the file has there, in these: */
	struct program_bytes held;
};

/* One module. Read-only once opened; thread-safe. plans.c keeps all of it. */
struct program_elf {
	char *path;
	const char *name; /* the path's last part */
	uint8_t build_id[PROGRAM_BUILD_ID_MAX];
	size_t build_id_len;
	uint64_t dev, inode, bytes, mtime_ns; /* of the file that was planned */
	bool is_library;		      /* has no entry of a program of its own */
	bool is_fixed;			      /* not position-independent: bias is 0 */
	bool is_partial;	      /* symbols that there are could not be read this time */
	uint64_t low, high;	      /* the addresses it takes in memory, whole pages, as linked */
	uint64_t text_low, text_high; /* those of its code */
	struct program_text *texts;
	size_t nr_texts;
	struct program_function *functions; /* by address */
	size_t nr_functions;
	uint32_t *aliases; /* offsets into names */
	size_t nr_aliases;
	uint32_t *imports; /* offsets into names: functions that it calls by name elsewhere */
	size_t nr_imports;
	char *names; /* NUL-terminated, one after the other */
	size_t names_bytes;
};

/*
 * Read the file at `path` and find its functions and their windows. -EBADMSG when it is no ELF
 * file; -EOPNOTSUPP, with the reason, when it cannot be traced: another processor's, a static
 * program, code that the loader changes (text relocations), no decoder in this build (arm64).
 */
int program_elf_open(struct program_elf **ret_elf, const char *path, struct err *err) _must_check_;
void program_elf_free(struct program_elf *elf);

/* Whether the file has been found to be shorter than it was; then not all of `code` is its own. */
bool program_elf_is_cut(const struct program_elf *elf);

/* As linked; NULL when `address` is in no function. */
const struct program_function *program_elf_find(const struct program_elf *elf, uint64_t address);

static inline const char *program_name(const struct program_elf *elf, uint32_t name)
{
	return elf->names + name;
}

/* "its first bytes are no instructions", ...: what --list-skipped says. Never NULL. */
const char *program_skip_text(enum program_skip skip);

#endif
