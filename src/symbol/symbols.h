/* SPDX-License-Identifier: MIT */
/*
 * Addresses to names: a sorted table built from kallsyms text (or added symbol by symbol). Built
 * once, then read-only and safe to use from any number of threads.
 */
#ifndef SONDE_SYMBOL_SYMBOLS_H
#define SONDE_SYMBOL_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct symbol {
	uint64_t addr;
	const char *name;   /* NUL-terminated, owned by the table */
	const char *module; /* without brackets, NULL for the kernel proper */
	uint32_t name_len;
};

struct symbols;

int symbols_new(struct symbols **ret_symbols) _must_check_;
void symbols_free(struct symbols *symbols);

/*
 * Add every line of a kallsyms text (`ADDR TYPE NAME[\t[MODULE]]`); lines that are not of that form
 * are skipped. The text is copied. -ENOMEM, or -EFBIG beyond the limit.
 */
int symbols_add_kallsyms(struct symbols *symbols, const char *text, size_t len) _must_check_;
int symbols_add(struct symbols *symbols, uint64_t addr, const char *name, const char *module)
	_must_check_;

/*
 * Of symbols that share an address, symbols_find gives the one that was added first, as the kernel
 * does. After this it gives at the address itself the one that trace-cmd would. To be called
 * before symbols_seal.
 */
void symbols_as_trace_cmd(struct symbols *symbols);

/* Sort; must be called after the last add and before the first find. */
int symbols_seal(struct symbols *symbols) _must_check_;

/*
 * The symbol at or before `addr`, or NULL when there is none (before the first symbol, or, as
 * trace-cmd has it, behind the start of the last one, whose size is not known). Lock-free.
 */
const struct symbol *symbols_find(const struct symbols *symbols, uint64_t addr);

size_t symbols_count(const struct symbols *symbols);
const struct symbol *symbols_at(const struct symbols *symbols, size_t index); /* in address order */

#endif
