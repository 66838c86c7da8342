/* SPDX-License-Identifier: MIT */
/*
 * The kernel's filters: what is accepted, what is said of the rest and where, and what matches.
 * tests/vm compares all of it with real kernels.
 */
#include <errno.h>

#include "base/mem.h"
#include "base/test.h"
#include "expr/expr_test_events.h"
#include "expr/kfilter.h"

static void db_free_p(struct event_db **db)
{
	event_db_free(*db);
}
#define _cleanup_db_ _cleanup_(db_free_p)

static const struct test_format kernel_formats[] = {
	{"test", "name: all\nID: 900\nformat:\n" TEST_COMMON
		 "\tfield:u8 u1;\toffset:8;\tsize:1;\tsigned:0;\n"
		 "\tfield:s8 s1;\toffset:9;\tsize:1;\tsigned:1;\n"
		 "\tfield:u16 u2;\toffset:10;\tsize:2;\tsigned:0;\n"
		 "\tfield:int s4;\toffset:12;\tsize:4;\tsigned:1;\n"
		 "\tfield:u64 u8;\toffset:16;\tsize:8;\tsigned:0;\n"
		 "\tfield:long s8;\toffset:24;\tsize:8;\tsigned:1;\n"
		 "\tfield:void * ip;\toffset:32;\tsize:8;\tsigned:0;\n"
		 "\tfield:const char * text;\toffset:40;\tsize:8;\tsigned:0;\n"
		 "\tfield:char name[8];\toffset:48;\tsize:8;\tsigned:0;\n"
		 "\tfield:__data_loc char[] dyn;\toffset:56;\tsize:4;\tsigned:0;\n"
		 "\tfield:__rel_loc char[] rel;\toffset:60;\tsize:4;\tsigned:0;\n"
		 "\tfield:__data_loc cpumask_t mask;\toffset:64;\tsize:4;\tsigned:0;\n"
		 "\tfield:unsigned long args[2];\toffset:72;\tsize:16;\tsigned:0;\n"
		 "\nprint fmt: \"%d\", REC->s4\n"},
};

enum {
	ALL_ID = 900,
	ALL_LEN = 128
};

/* Strings behind the fields: dyn "hello" at 88, rel "world" at 96, the mask at 104: CPUs 1, 3. */
static void all_record(uint8_t record[ALL_LEN])
{
	memset(record, 0, ALL_LEN);
	test_common(record, ALL_ID, 7);
	record[8] = 200;
	record[9] = (uint8_t)-5;
	store_u16(record + 10, 1000, false);
	store_u32(record + 12, (uint32_t)-2, false);
	store_u64(record + 16, 1ull << 63, false);
	store_u64(record + 24, (uint64_t)-3, false);
	store_u64(record + 32, 0xffffffff81000110, false);
	store_u64(record + 40, 0xffffffff82000000, false);
	memcpy(record + 48, "bash", 4);
	store_u32(record + 56, 6 << 16 | 88, false);
	memcpy(record + 88, "hello", 6);
	store_u32(record + 60, 6 << 16 | 32, false);
	memcpy(record + 96, "world", 6);
	store_u32(record + 64, 8 << 16 | 104, false);
	record[104] = 1 << 1 | 1 << 3;
}

static const struct event *all_event(struct event_db **ret_db)
{
	if (test_events_with(kernel_formats, ARRAY_SIZE(kernel_formats), ret_db) < 0)
		return NULL;
	return event_db_by_name(*ret_db, "test", "all");
}

/* 'y', 'n', or '!' when the kernel refuses it. */
static char ask(const struct event *event, const char *text, const char *release,
		unsigned int flags, struct kfilter_error *error)
{
	uint8_t data[ALL_LEN];
	struct filter_record record = {.data = data, .len = ALL_LEN, .cpu = 2};
	struct kfilter_kernel kernel;
	struct kfilter *filter;
	struct err err;
	char answer;

	all_record(data);
	kfilter_kernel_init(&kernel, release, 8);
	if (kfilter_new(&filter, event, text, &kernel, flags, error, &err) < 0)
		return '!';
	answer = kfilter_test(filter, &record) ? 'y' : 'n';
	kfilter_free(filter);
	return answer;
}

struct sample {
	const char *text;
	char honest, strict;
};

static const struct sample samples[] = {
	{"u1 == 200", 'y', 'y'},
	{"u1 != 200", 'n', 'n'},
	{"u1 == 456", 'n', 'y'},
	{"u1 < 300", 'y', 'n'},
	{"s1 == -5", 'y', 'y'},
	{"s1 == 251", 'y', 'y'},
	{"s1 < 0", 'y', 'y'},
	{"s1 < 251", 'y', 'n'},
	{"s1 > -128 && s1 <= 127", 'y', 'y'},
	{"s1 & 1", 'y', 'y'},
	{"s1 & 4", 'n', 'n'},
	{"u2 >= 0x3e8 && u2 <= 01750", 'y', 'y'},
	{"s4 == -2", 'y', 'y'},
	{"s4 == 0xfffffffe", 'y', 'y'},
	{"s4 > 0", 'n', 'n'},
	{"s4 >= -2 && s4 < -1", 'y', 'y'},
	{"u8 == 9223372036854775808", 'y', 'y'},
	{"u8 > 0x7fffffffffffffff", 'y', 'y'},
	{"s8 < -2 && s8 > -9223372036854775808", 'y', 'y'},
	{"s8 & 0x4", 'y', 'y'},
	{"args == 0", 'n', 'n'},
	{"args != 0", 'n', 'n'},
	{"!(args == 0)", 'y', 'y'},
	{"common_pid == 7 && common_type == 900", 'y', 'y'},
	{"CPU == 2 && cpu != 1 && common_cpu < 3", 'y', 'y'},
	{"CPU & 2", 'y', 'n'},
	{"CPU == 4294967298", 'n', 'y'},
	{"name == \"bash\"", 'y', 'y'},
	{"name != 'bash'", 'n', 'n'},
	{"name ~ \"ba*\"", 'y', 'y'},
	{"name ~ \"*sh\"", 'y', 'n'},
	{"name ~ \"**sh\"", 'y', 'y'},
	{"name ~ \"*as*\"", 'y', 'y'},
	{"name ~ \"b?[a-t]h\"", 'y', 'y'},
	{"name ~ \"b?[!a-t]h\"", 'n', 'n'},
	{"name ~ \"!ba*\"", 'n', 'n'},
	{"name ~ \"bash\"", 'y', 'y'},
	{"dyn == \"hello\" && rel == 'world'", 'y', 'y'},
	{"dyn ~ \"*llo\" && rel ~ \"*ld\"", 'y', 'y'},
	{"dyn ~ \"hell\"", 'n', 'n'},
	{"COMM == \"bash\"", 'y', 'y'},
	{"comm ~ \"*sh\"", 'y', 'n'},
	{"text == \"x\"", 'n', 'n'},
	{"text != \"x\"", 'n', 'n'},
	{"text.ustring != \"x\"", 'n', 'n'},
	{"ip.function == do_two", 'y', 'y'},
	{"ip.function == do_one", 'n', 'n'},
	{"ip.function != do_one", 'y', 'y'},
	{"mask == CPUS{1,3}", 'y', 'y'},
	{"mask != CPUS{1}", 'y', 'y'},
	{"mask & CPUS{3-7}", 'y', 'y'},
	{"mask & CPUS{0-7:1/2}", 'n', 'n'},
	{"cpu == CPUS{2}", 'y', 'y'},
	{"cpu & CPUS{1-2}", 'y', 'y'},
	{"cpu == CPUS{1-2}", 'n', 'n'},
	{"cpu != CPUS{1-2}", 'y', 'y'},
	{"u1 & CPUS{1-2}", 'n', 'n'},
	{"u1 != CPUS{1-2}", 'n', 'n'},
	{"cpu & CPUS{2-N}", 'y', 'y'},
	{"cpu & CPUS{all}", 'y', 'y'},
	{"u1 == 1 || u1 == 200 && s4 == -2", 'y', 'y'},
	{"(u1 == 1 || u1 == 200) && s4 == 5", 'n', 'n'},
	{"!(u1 == 1 || !(u1 == 200)) && !!(s4 == -2)", 'y', 'y'},
	{" u1==200 ", 'y', 'y'},
};

TEST(answers)
{
	_cleanup_db_ struct event_db *db = NULL;
	const struct event *event = all_event(&db);

	CHECK(event);
	for (size_t i = 0; event && i < ARRAY_SIZE(samples); i++) {
		char honest = ask(event, samples[i].text, NULL, 0, NULL);
		char strict = ask(event, samples[i].text, NULL, KFILTER_STRICT, NULL);

		if (honest != samples[i].honest || strict != samples[i].strict)
			printf("# %s: %c %c\n", samples[i].text, honest, strict);
		CHECK_EQ(honest, samples[i].honest);
		CHECK_EQ(strict, samples[i].strict);
	}
}

TEST_MAIN()
