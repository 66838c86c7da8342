/* SPDX-License-Identifier: MIT */
/* Starts and descriptions by their place: millions of them, of which most are in order. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "program/internal.h"

#define RADIX_BITS_MAX 13u /* in two rounds for 64 MiB of code, in three for 4 GiB */

/* What is sorted: a place, and what goes with it. */
struct item {
	uint32_t at, others[3];
};
static_assert(sizeof(struct start) == sizeof(struct item) && offsetof(struct start, at) == 0, "");
static_assert(sizeof(struct frame_place) == sizeof(struct item) &&
		      offsetof(struct frame_place, at) == 0,
	      "");

static bool is_sorted(const struct item *list, size_t nr)
{
	for (size_t i = 1; i < nr; i++) {
		if (list[i - 1].at > list[i].at)
			return false;
	}
	return true;
}

/* One digit of `bits` bits; what stood first stays first. */
static void sort_by_digit(const struct item *from, struct item *to, size_t nr, unsigned int shift,
			  unsigned int bits)
{
	uint32_t places[1u << RADIX_BITS_MAX] = {0}, mask = (1u << bits) - 1, sum = 0;

	for (size_t i = 0; i < nr; i++)
		places[from[i].at >> shift & mask]++;
	for (size_t i = 0; i <= mask; i++) {
		uint32_t here = places[i];

		places[i] = sum;
		sum += here;
	}
	for (size_t i = 0; i < nr; i++)
		to[places[from[i].at >> shift & mask]++] = from[i];
}

int plan_sort(void *list, size_t nr, uint64_t span)
{
	unsigned int all = 64 - (unsigned int)__builtin_clzll(span | 1);
	unsigned int rounds = (all + RADIX_BITS_MAX - 1) / RADIX_BITS_MAX;
	unsigned int bits = (all + rounds - 1) / rounds;
	struct item *from, *to;

	memcpy(&from, list, sizeof(from));
	if (is_sorted(from, nr))
		return 0;
	to = mem_calloc(nr, sizeof(*to));
	if (!to)
		return -ENOMEM;
	mem_expect_use(to, nr * sizeof(*to));
	for (unsigned int round = 0; round < rounds; round++) {
		struct item *swap = from;

		sort_by_digit(from, to, nr, round * bits, bits);
		from = to;
		to = swap;
	}
	mem_free(to);
	memcpy(list, &from, sizeof(from));
	return 0;
}
