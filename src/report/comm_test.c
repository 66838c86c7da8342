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

/*
 * Names 5:five 7:seven recorded; then, before any search, sched_switch lines of pid 0 name pid 7
 * again. What trace-cmd finds for 7 depends on where it stands among all names.
 */
TEST(names_of_before_the_first_search)
{
	struct comm_table *table;
	struct event_db *db;

	CHECK(event_db_new(&db, &(struct event_db_options){.long_size = 8}) == 0);
	CHECK(event_db_add_cmdline(db, 5, "five") == 0);
	CHECK(event_db_add_cmdline(db, 7, "seven") == 0);
	CHECK(event_db_seal(db) == 0);
	CHECK(comm_table_new(&table) == 0);
	CHECK_STR(comm_table_31_find(table, db, 7), "seven");
	CHECK(comm_table_31_learn(table, db, 7, "new", 16) == 0);
	/* 5 7:new 7:seven: the middle one */
	CHECK_STR(comm_table_31_find(table, db, 7), "new");
	CHECK(comm_table_31_learn(table, db, 9, "nine", 16) == 0);
	/* 5 7:new 7:seven 9 */
	CHECK_STR(comm_table_31_find(table, db, 7), "seven");
	CHECK_STR(comm_table_31_find(table, db, 9), "nine");
	CHECK(comm_table_31_learn(table, db, 0, "swapper/0", 16) == 0);
	CHECK(comm_table_31_learn(table, db, 0, "swapper/1", 16) == 0);
	/* 0 0 5 7:new 7:seven 9 */
	CHECK_STR(comm_table_31_find(table, db, 7), "new");
	CHECK_STR(comm_table_31_find(table, db, 0), "<idle>");
	comm_table_31_searched(table);
	CHECK(comm_table_31_learn(table, db, 7, "late", 16) == 0);
	CHECK_STR(comm_table_31_find(table, db, 7), "new");
	CHECK(comm_table_31_learn(table, db, 3, "three", 16) == 0);
	CHECK(comm_table_31_learn(table, db, 3, "again", 16) == 0);
	CHECK_STR(comm_table_31_find(table, db, 3), "three");
	CHECK(!comm_table_31_find(table, db, 4));
	comm_table_free(table);
	event_db_free(db);
}

TEST_MAIN()
