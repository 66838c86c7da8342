/* SPDX-License-Identifier: MIT */
#include "base/test.h"

#include "record/loss.h"

TEST(nothing_lost)
{
	struct kernel_cpu_stats stats = {.entries = 10, .read = 100};
	struct loss_cpu cpu = {0};
	struct loss loss = {0};

	CHECK(!loss_update(&loss, &cpu, &stats, 64, 1408));
	CHECK_EQ(loss.needed_kb, 0);
}

/* All three ways to lose count, and what one burst lost goes on top of the buffer. */
TEST(one_burst)
{
	struct kernel_cpu_stats stats = {.overrun = 10240, .commit_overrun = 4, .dropped = 10236};
	struct loss_cpu cpu = {0};
	struct loss loss = {0};

	CHECK(loss_update(&loss, &cpu, &stats, 50, 1408));
	CHECK_EQ(loss.needed_kb, 1408 + 1000 + 1);
	CHECK_EQ(loss_recommended_kb(&loss), 4096);
}

/* A calm second ends a burst; the next one does not add to it. */
TEST(worst_of_two_bursts)
{
	struct kernel_cpu_stats stats = {.overrun = 1024};
	struct loss_cpu cpu = {0};
	struct loss loss = {0};

	CHECK(loss_update(&loss, &cpu, &stats, 100, 4));
	CHECK_EQ(loss.needed_kb, 4 + 100 + 1);
	CHECK(!loss_update(&loss, &cpu, &stats, 100, 4));
	stats.overrun = 1024 + 2048;
	CHECK(loss_update(&loss, &cpu, &stats, 100, 4));
	CHECK_EQ(loss.needed_kb, 4 + 200 + 1);
	stats.overrun += 1024; /* goes on without a pause */
	CHECK(loss_update(&loss, &cpu, &stats, 100, 4));
	CHECK_EQ(loss.needed_kb, 4 + 300 + 1);
}

TEST_MAIN()
