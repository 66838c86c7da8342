/* SPDX-License-Identifier: MIT */
/* Pairs of bytes, compared with looking at each of them. */
#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "program/internal.h"

#define BYTES	 1000u
#define NR_PAIRS 8u
#define ROUNDS	 500u

static uint32_t state = 12345;

static uint8_t any_byte(void)
{
	state = state * 1103515245u + 12345u;
	return (uint8_t)(state >> 16);
}

static bool is_pair(const struct plan_pair *pairs, const uint8_t *code)
{
	for (size_t i = 0; i < NR_PAIRS; i++) {
		if ((code[0] & pairs[i].mask[0]) == pairs[i].value[0] &&
		    (code[1] & pairs[i].mask[1]) == pairs[i].value[1])
			return true;
	}
	return false;
}

/* Of any length, any number of pairs of any kind, in memory that ends behind the last byte. */
TEST(all_places_are_found)
{
	for (unsigned int round = 0; round < ROUNDS; round++) {
		size_t bytes = (any_byte() * 4u + any_byte()) % BYTES, nr = 0, found;
		uint8_t *code = malloc(bytes + 1);
		struct plan_pair pairs[NR_PAIRS];
		struct plan_pairs all = {0};
		uint16_t places[BYTES];

		for (size_t i = 0; i <= bytes; i++)
			code[i] = any_byte();
		for (unsigned int i = 0; i < NR_PAIRS; i++) {
			for (unsigned int j = 0; j < 2; j++) {
				/* More are found when fewer bits are asked for, at the end all. */
				pairs[i].mask[j] = any_byte() | (round % 2 ? any_byte() : 0);
				pairs[i].mask[j] &= round % 50 == 49 ? 0 : 0xff;
				pairs[i].value[j] = any_byte() & pairs[i].mask[j];
			}
			plan_pairs_add(&all, i, &pairs[i]);
		}
		found = plan_find_pairs(code, bytes, &all, places);
		for (size_t i = 0; i < bytes; i++) {
			if (is_pair(pairs, code + i))
				CHECK(nr < found && places[nr++] == i);
		}
		CHECK_EQ(found, nr);
		free(code);
	}
}

TEST(nothing_is_looked_for)
{
	const uint8_t code[66] = {0xe8};
	struct plan_pairs none = {0};
	uint16_t places[65];

	CHECK_EQ(plan_find_pairs(code, 65, &none, places), 0);
	CHECK_EQ(plan_find_pairs(code, 0, &none, places), 0);
}

TEST_MAIN()
