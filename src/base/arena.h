/* SPDX-License-Identifier: MIT */
/*
 * An arena: many small objects with one lifetime, freed together. Used for parsed formats,
 * symbol names and option tables. Not thread-safe while it is being filled.
 */
#ifndef SONDE_BASE_ARENA_H
#define SONDE_BASE_ARENA_H

#include <stddef.h>

#include "base/err.h"

struct arena_block;
struct arena {
	struct arena_block *blocks;
};

void arena_done(struct arena *arena);
void *arena_alloc(struct arena *arena, size_t size)
	_must_check_; /* 16-byte aligned, zeroed; NULL */
char *arena_strndup(struct arena *arena, const char *text, size_t len) _must_check_;
char *arena_strdup(struct arena *arena, const char *text) _must_check_;
void *arena_dup(struct arena *arena, const void *data, size_t len) _must_check_;

#endif
