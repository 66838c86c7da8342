/* SPDX-License-Identifier: MIT */
#include "report/comm.h"

#include "base/test.h"

TEST(first_name_stays)
{
	struct comm_table *table;
	uint32_t generation;

	CHECK(comm_table_new(&table) == 0);
	CHECK(!comm_table_find(table, 7));
	CHECK(comm_table_learn(table, 7, "bash\0xxx", 8) == 0);
	generation = comm_table_generation(table);
	CHECK(comm_table_learn(table, 7, "other", 5) == 0);
	CHECK_STR(comm_table_find(table, 7), "bash");
	CHECK_EQ(comm_table_generation(table), generation);
	comm_table_free(table);
}

TEST(a_name_without_nul_ends_at_its_size)
{
	struct comm_table *table;

	CHECK(comm_table_new(&table) == 0);
	CHECK(comm_table_learn(table, -1, "0123456789abcdefXYZ", 16) == 0);
	CHECK_STR(comm_table_find(table, -1), "0123456789abcdef");
	comm_table_free(table);
}

TEST(many_names)
{
	struct comm_table *table;
	char name[16];

	CHECK(comm_table_new(&table) == 0);
	for (int pid = 1; pid < 20000; pid++) {
		snprintf(name, sizeof(name), "task%d", pid);
		CHECK(comm_table_learn(table, pid * 7, name, sizeof(name)) == 0);
	}
	for (int pid = 1; pid < 20000; pid++) {
		snprintf(name, sizeof(name), "task%d", pid);
		CHECK_STR(comm_table_find(table, pid * 7), name);
	}
	CHECK(!comm_table_find(table, 8));
	comm_table_free(table);
}

TEST_MAIN()
