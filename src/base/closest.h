/* SPDX-License-Identifier: MIT */
/* The name that a misspelt one was meant to be, by edit distance. */
#ifndef SONDE_BASE_CLOSEST_H
#define SONDE_BASE_CLOSEST_H

#include <stddef.h>

/* The candidate nearest to a misspelt word; nothing when none is near. */
struct closest {
	const char *word; /* borrowed */
	size_t len;
	const char *best;
	size_t best_distance;
};

void closest_init(struct closest *closest, const char *word, size_t len);
void closest_try(struct closest *closest, const char *candidate); /* borrows; NULL is legal */
const char *closest_found(const struct closest *closest);	  /* or NULL */

#endif
