/* SPDX-License-Identifier: MIT */
/*
 * Scenes of allocations and the tables they give. What --compat gives was checked against
 * `trace-cmd mem` on recordings of the same events.
 */
#include "report/allocs.h"

#include "base/fault.h"
#include "base/test.h"
#include "expr/expr_test_events.h"

enum {
	ALLOC = 30,
	ALLOC_NODE,
	CACHE_ALLOC,
	CACHE_ALLOC_NODE,
	FREE,
	CACHE_FREE,
	RECORD_LEN = 40
};

#define ADDRESSES                                                                                  \
	TEST_COMMON "\tfield:unsigned long call_site;\toffset:8;\tsize:8;\tsigned:0;\n"            \
		    "\tfield:const void * ptr;\toffset:16;\tsize:8;\tsigned:0;\n"
#define SIZES                                                                                      \
	"\tfield:size_t bytes_req;\toffset:24;\tsize:8;\tsigned:0;\n"                              \
	"\tfield:size_t bytes_alloc;\toffset:32;\tsize:8;\tsigned:0;\n"
#define FMT "\nprint fmt: \"%p\", REC->ptr\n"

static const struct test_format formats[] = {
	{"kmem", "name: kmalloc\nID: 30\nformat:\n" ADDRESSES SIZES FMT},
	{"kmem", "name: kmalloc_node\nID: 31\nformat:\n" ADDRESSES SIZES FMT},
	{"kmem", "name: kmem_cache_alloc\nID: 32\nformat:\n" ADDRESSES SIZES FMT},
	{"kmem", "name: kmem_cache_alloc_node\nID: 33\nformat:\n" ADDRESSES SIZES FMT},
	{"kmem", "name: kfree\nID: 34\nformat:\n" ADDRESSES FMT},
	{"kmem", "name: kmem_cache_free\nID: 35\nformat:\n" ADDRESSES FMT},
};

static void db_free_p(struct event_db **db)
{
	event_db_free(*db);
}
static void allocs_free_p(struct allocs **allocs)
{
	allocs_free(*allocs);
}
#define _cleanup_db_	 _cleanup_(db_free_p)
#define _cleanup_allocs_ _cleanup_(allocs_free_p)

struct step {
	uint16_t id;
	uint32_t site; /* offset behind the first symbol: 0x100 is do_two */
	uint64_t ptr, req, alloc;
};

static int run(const struct event_db *db, bool trace_cmd, const struct step *steps, size_t nr,
	       enum report_format format, struct out *out)
{
	_cleanup_allocs_ struct allocs *allocs = NULL;
	int r = allocs_new(&allocs, db, trace_cmd);

	for (size_t i = 0; r == 0 && i < nr; i++) {
		uint8_t data[RECORD_LEN] = {0};

		test_common(data, steps[i].id, 7);
		store_u64(data + 8, 0xffffffff81000000 + steps[i].site, false);
		store_u64(data + 16, steps[i].ptr, false);
		store_u64(data + 24, steps[i].req, false);
		store_u64(data + 32, steps[i].alloc, false);
		r = allocs_event(allocs, event_db_by_id(db, steps[i].id), data, RECORD_LEN);
	}
	return r < 0 ? r : allocs_print(allocs, format, NULL, out);
}

/* Without the blanks and tabs that the layout puts between the numbers. */
static bool check_scene(bool trace_cmd, const struct step *steps, size_t nr, const char *expected)
{
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0}, packed = {0};
	const char *word;

	if (test_events_with(formats, ARRAY_SIZE(formats), &db) < 0 ||
	    run(db, trace_cmd, steps, nr, REPORT_TEXT, &out) < 0)
		return false;
	for (word = out_cstr(&out); *word; word++)
		if (*word != '\t' && *word != ' ')
			out_char(&packed, *word);
		else if (packed.len && packed.buf[packed.len - 1] != ' ' &&
			 packed.buf[packed.len - 1] != '\n')
			out_char(&packed, ' ');
	if (!strcmp(out_cstr(&packed), expected))
		return true;
	printf("# gives\n%s# not\n%s", out_cstr(&packed), expected);
	return false;
}

TEST(call_sites_of_a_function_are_one_and_what_is_freed_is_taken_away)
{
	static const struct step steps[] = {
		{ALLOC, 0x004, 1, 10, 16},	    {ALLOC, 0x020, 2, 5, 8},
		{ALLOC_NODE, 0x104, 3, 100, 128},   {FREE, 0x000, 1, 0, 0},
		{CACHE_ALLOC, 0x104, 4, 1, 2},	    {CACHE_FREE, 0x104, 4, 0, 0},
		{CACHE_ALLOC_NODE, 0x104, 5, 7, 7}, {FREE, 0x000, 99, 0, 0},
		{ALLOC, 0xfffff, 6, 3, 4},
	};

	/* function waste alloc req total_alloc total_req max_alloc max_req max_waste */
	CHECK(check_scene(false, steps, ARRAY_SIZE(steps),
			  "do_two 28 135 107 137 108 135 107 29\n"
			  "do_one 3 8 5 24 15 24 15 9\n"
			  "0xffffffff810fffff 1 4 3 4 3 4 3 1\n"));
}

TEST(the_largest_waste_is_of_one_moment)
{
	static const struct step steps[] = {
		{ALLOC, 0, 1, 10, 100}, {FREE, 0, 1, 0, 0}, {ALLOC, 0, 1, 50, 60}};

	CHECK(check_scene(false, steps, ARRAY_SIZE(steps), "do_one 10 60 50 160 60 100 50 90\n"));
	CHECK(check_scene(true, steps, ARRAY_SIZE(steps), "do_one 10 60 50 160 60 100 50 50\n"));
}

TEST(an_address_given_out_again_was_freed)
{
	static const struct step steps[] = {{ALLOC, 0, 1, 10, 16},
					    {ALLOC, 0x100, 1, 7, 8},
					    {FREE, 0, 1, 0, 0},
					    {FREE, 0, 1, 0, 0}};

	CHECK(check_scene(false, steps, ARRAY_SIZE(steps),
			  "do_one 0 0 0 16 10 16 10 6\ndo_two 0 0 0 8 7 8 7 1\n"));
	CHECK(check_scene(true, steps, ARRAY_SIZE(steps),
			  "do_one 6 16 10 16 10 16 10 6\ndo_two 0 0 0 8 7 8 7 1\n"));
}

TEST(an_allocation_that_failed_is_none)
{
	static const struct step steps[] = {{ALLOC, 0, 0, 10, 16}, {ALLOC, 0x100, 1, 7, 8}};

	CHECK(check_scene(false, steps, ARRAY_SIZE(steps), "do_two 1 8 7 8 7 8 7 1\n"));
	CHECK(check_scene(true, steps, ARRAY_SIZE(steps),
			  "do_one 6 16 10 16 10 16 10 6\ndo_two 1 8 7 8 7 8 7 1\n"));
}

TEST(rows)
{
	static const struct step steps[] = {{ALLOC, 0, 1, 10, 16}, {FREE, 0, 1, 0, 0}};
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};

	CHECK(test_events_with(formats, ARRAY_SIZE(formats), &db) == 0);
	allocs_heading(&out, REPORT_CSV, true);
	CHECK_STR(out_cstr(&out), "buffer,function,waste,alloc,req,total_alloc,total_req,max_alloc,"
				  "max_req,max_waste,allocs,frees\n");
	out_clear(&out);
	CHECK(run(db, false, steps, 2, REPORT_CSV, &out) == 0);
	CHECK_STR(out_cstr(&out), "do_one,0,0,0,16,10,16,10,6,1,1\n");
	out_clear(&out);
	CHECK(run(db, false, steps, 2, REPORT_JSON, &out) == 0);
	CHECK_STR(out_cstr(&out),
		  "{\"function\":\"do_one\",\"waste\":0,\"alloc\":0,\"req\":0,\"total_alloc\":16,"
		  "\"total_req\":10,\"max_alloc\":16,\"max_req\":10,\"max_waste\":6,\"allocs\":1,"
		  "\"frees\":1}\n");
}

TEST(short_records_and_no_memory)
{
	static const uint8_t zeroes[RECORD_LEN];
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = FAULT_MEM};
	_cleanup_db_ struct event_db *db = NULL;

	CHECK(test_events_with(formats, ARRAY_SIZE(formats), &db) == 0);
	while (fault_next(&sweep)) {
		_cleanup_allocs_ struct allocs *allocs = NULL;
		_cleanup_out_ struct out out = {0};
		int r = allocs_new(&allocs, db, true);

		for (uint32_t len = 0; r == 0 && len <= RECORD_LEN; len++)
			for (uint16_t id = ALLOC; r == 0 && id <= CACHE_FREE; id++)
				r = allocs_event(allocs, event_db_by_id(db, id),
						 zeroes + RECORD_LEN - len, len);
		if (r == 0)
			r = allocs_print(allocs, REPORT_TEXT, NULL, &out);
		CHECK(r == 0 || (r == -ENOMEM && fault_fired()));
	}
}

TEST_MAIN()
