/* SPDX-License-Identifier: MIT */
#include "base/map.h"
#include "base/mem.h"
#include "base/test.h"

TEST(empty)
{
	struct map map = {0};

	CHECK(!map_find(&map, 1));
	CHECK(!map_remove(&map, 1));
	map_done(&map);
}

/* Against a plain table, with many removals, so that every shift over a hole is exercised. */
TEST(random_operations)
{
	enum {
		KEYS = 512,
		STEPS = 200000
	};
	static bool known[KEYS];
	static uint64_t values[KEYS];
	struct map map = {0};
	uint64_t random = 1;
	size_t nr = 0;

	for (unsigned int i = 0; i < STEPS; i++) {
		uint64_t key, *found;

		random = random * 6364136223846793005u + 1442695040888963407u;
		key = (random >> 33) % KEYS;
		if (random >> 62 == 3) {
			CHECK(map_set(&map, key, i) == 0);
			nr += !known[key];
			known[key] = true;
			values[key] = i;
		} else if (random >> 62 == 2) {
			CHECK(map_remove(&map, key) == known[key]);
			nr -= known[key];
			known[key] = false;
		}
		found = map_find(&map, key);
		CHECK(known[key] == (found != NULL));
		CHECK(!found || *found == values[key]);
		CHECK_EQ(map.nr, nr);
	}
	map_done(&map);
}

static bool fail(size_t size)
{
	(void)size;
	return true;
}

TEST(no_memory_leaves_it_whole)
{
	struct map map = {0};
	uint64_t i = 0;
	int r = 0;

	CHECK(map_set(&map, 1000, 7) == 0);
	mem_fault_hook = fail;
	while (r == 0) {
		r = map_set(&map, i, i);
		i++;
	}
	mem_fault_hook = NULL;
	CHECK(*map_find(&map, 1000) == 7);
	for (uint64_t k = 0; k + 1 < i; k++)
		CHECK(map_find(&map, k));
	map_done(&map);
}

TEST_MAIN()
