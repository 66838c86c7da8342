/* SPDX-License-Identifier: MIT */
#include "base/parallel.h"

#include "base/test.h"

#define NR 10000u

static unsigned char seen[NR];

static void mark(void *ctx, size_t index)
{
	CHECK(ctx == seen);
	seen[index]++;
}

TEST(each_index_once)
{
	parallel_for(mark, seen, NR);
	for (size_t i = 0; i < NR; i++)
		CHECK_EQ(seen[i], 1);
}

TEST(few)
{
	CHECK(parallel_threads() >= 1);
	parallel_for(mark, seen, 0);
	CHECK_EQ(seen[0], 1);
	parallel_for(mark, seen, 1);
	CHECK_EQ(seen[0], 2);
	CHECK_EQ(seen[1], 1);
}

TEST_MAIN()
