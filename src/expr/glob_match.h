/* SPDX-License-Identifier: MIT */
#ifndef SONDE_EXPR_GLOB_MATCH_H
#define SONDE_EXPR_GLOB_MATCH_H

#include <stdbool.h>
#include <stddef.h>

/* A pattern of any kind (glob.h) against a text that ends with a NUL or after `len` bytes. */
bool glob_match(const char *pattern, const char *text, size_t len);

#endif
