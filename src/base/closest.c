/* SPDX-License-Identifier: MIT */
/* Levenshtein distance with adjacent swaps. */
#include "base/closest.h"

#include <string.h>

#include "base/mem.h"

#define CLOSEST_MAX_LEN 40u

static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][CLOSEST_MAX_LEN + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			row[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = MIN(row[j], last[j] + 1);
			row[j] = MIN(row[j], row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = MIN(row[j], before[j - 2] + 1);
		}
		size_t *free_row = before;

		before = last;
		last = row;
		row = free_row;
	}
	return last[b_len];
}

void closest_init(struct closest *closest, const char *word, size_t len)
{
	*closest = (struct closest){
		.word = word,
		.len = len,
		/* One slip in three letters; a short word with two slips is another word. */
		.best_distance = len / 3 + 2,
	};
}

void closest_try(struct closest *closest, const char *candidate)
{
	size_t len = candidate ? strlen(candidate) : 0, d;

	if (!len || len > CLOSEST_MAX_LEN || closest->len > CLOSEST_MAX_LEN)
		return;
	d = distance(closest->word, closest->len, candidate, len);
	if (d < closest->best_distance && d < len) {
		closest->best_distance = d;
		closest->best = candidate;
	}
}

const char *closest_found(const struct closest *closest)
{
	return closest->best;
}
