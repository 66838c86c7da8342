/* SPDX-License-Identifier: MIT */
/*
 * USDT probes: places in a program that its author marked with SystemTap's <sys/sdt.h>. Each is a
 * note in .note.stapsdt: who it belongs to and what it is called, where it is (a nop), and in which
 * registers and words of memory its arguments are when that nop runs.
 * https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation
 */
#ifndef SONDE_SYMBOL_USDT_H
#define SONDE_SYMBOL_USDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/out.h"
#include "symbol/files.h"

#define USDT_ARGS_MAX 12u /* as many as <sys/sdt.h> has macros for */

enum usdt_kind {
	USDT_REFUSED,  /* cannot be had: `refused` says why */
	USDT_REGISTER, /* (reg >> shift), of which the lowest reg_size bytes count */
	USDT_MEMORY,   /* size bytes at reg + index * scale + number */
	USDT_CONSTANT, /* number */
};

/* Registers by the processor's numbers; there are no others in addresses. */
#define USDT_NO_REGISTER 0xffu

struct usdt_arg {
	uint8_t kind; /* enum usdt_kind */
	uint8_t size; /* bytes: 1, 2, 4, 8 */
	bool is_signed;
	uint8_t reg, index, scale;
	uint8_t reg_size, shift; /* USDT_REGISTER: bytes; 8 of %ah */
	bool is_address;	 /* USDT_MEMORY: number is an address as linked */
	int64_t number;
	const char *refused; /* "a floating-point number", ... */
	const char *text;    /* as the note has it, without the size; USDT_ARG_TEXT for printing */
	size_t text_len;
};

struct usdt_note {
	const char *provider, *name;
	const char *args;   /* the text */
	uint64_t address;   /* of the nop, as linked */
	uint64_t semaphore; /* the same: u16, above 0 while somebody looks on; or 0 */
};

struct usdt_notes {
	struct arena arena; /* all texts */
	struct usdt_note *list;
	size_t nr, cap;
};

/*
 * All probes of an ELF file (of any class and byte order), in its order; none is no failure. Notes
 * that are damaged are passed over. -ENOMEM only.
 */
int usdt_notes_read(struct usdt_notes *ret_notes, Elf *elf) _must_check_;
void usdt_notes_done(struct usdt_notes *notes);

/* The address, as linked, of an object or function of that name; false: there is none. */
typedef bool (*usdt_symbol_fn)(void *ctx, const char *name, size_t len, uint64_t *ret_address);

/* The same in the symbol tables of these files; ctx is the struct symbol_files. */
bool usdt_symbol(void *ctx, const char *name, size_t len, uint64_t *ret_address);

/*
 * The arguments of a note for x86-64; how many. What cannot be had is in its place as USDT_REFUSED.
 * `symbol` may be NULL; the texts stay the note's.
 */
size_t usdt_args(const char *text, usdt_symbol_fn symbol, void *ctx,
		 struct usdt_arg ret_args[USDT_ARGS_MAX]);

/* "u8", "s32", ...: as the types of probes are called. */
const char *usdt_type(const struct usdt_arg *arg);

/*
 * As `sonde list --usdt` has it: usdt:PROVIDER:NAME, where, arguments, whether there is a
 * semaphore.
 */
void usdt_print(struct out *out, const struct usdt_note *note, struct symbol_files *files);

#endif
