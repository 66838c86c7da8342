/* SPDX-License-Identifier: MIT */
#include "base/test.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "record/comms.h"
#include "record/names.h"
#include "record/record.h"

TEST(names_of_tasks)
{
	struct comms comms = {0};
	struct out out = {0};

	CHECK_EQ(comms_merge(&comms, "7 kworker/0:1\n12 a b c\n9 <...>\nx y\n\n-3 z\n5\n\n6 q\n"),
		 0);
	CHECK_STR(comms_get(&comms, 12), "a b c");
	CHECK(!comms_get(&comms, 9));
	CHECK(!comms_get(&comms, 0));
	CHECK_EQ(comms_merge(&comms, "12 ls"), 0);
	CHECK_EQ(comms_set(&comms, 12, "late", false), 0);
	CHECK_EQ(comms_set(&comms, 13, "a-name-of-more-than-fifteen", false), 0);
	CHECK_EQ(comms_text(&comms, &out), 0);
	CHECK_STR(out_cstr(&out), "6 q\n7 kworker/0:1\n12 ls\n13 a-name-of-more-\n");
	out_done(&out);
	comms_done(&comms);
}

TEST(many_names)
{
	struct comms comms = {0};
	char name[32];

	for (int i = 1; i < 20000; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		CHECK_EQ(comms_set(&comms, i * 7, name, true), 0);
	}
	for (int i = 1; i < 20000; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		CHECK_STR(comms_get(&comms, i * 7), name);
	}
	comms_done(&comms);
}

TEST(filters_of_one_rule_are_joined)
{
	struct record_rule rule = {.events = "sched"};

	CHECK_EQ(record_rule_filter(&rule, "a == 1"), 0);
	CHECK_STR(rule.filter, "a == 1");
	CHECK_EQ(record_rule_filter(&rule, "b || c"), 0);
	CHECK_STR(rule.filter, "(a == 1)&&(b || c)");
	mem_free(rule.filter);
}

#define COMMON                                                                                     \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"             \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"

static const char switch_format[] =
	"name: sched_switch\nID: 300\nformat:\n" COMMON
	"\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
	"\tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;\n"
	"\tfield:char next_comm[16];\toffset:28;\tsize:16;\tsigned:0;\n"
	"\tfield:pid_t next_pid;\toffset:44;\tsize:4;\tsigned:1;\n\nprint fmt: \"x\"\n";

static const char exec_format[] =
	"name: sched_process_exec\nID: 301\nformat:\n" COMMON
	"\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;\n"
	"\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;\n\nprint fmt: \"x\"\n";

static uint8_t *put_record(uint8_t *to, uint16_t id, int32_t pid, uint32_t len)
{
	store_u32(to, len / 4, HOST_BIG);
	store_u16(to + 4, id, HOST_BIG);
	store_u32(to + 8, (uint32_t)pid, HOST_BIG);
	return to + 4 + len;
}

/* Names out of events, only for pids that are not known; a task that lives is asked. */
TEST(names_from_the_trace)
{
	static const struct dat_format formats[] = {
		{"sched", switch_format, sizeof(switch_format) - 1},
		{"sched", exec_format, sizeof(exec_format) - 1},
	};
	struct subbuf_layout layout = {.long_size = 8, .big_endian = HOST_BIG};
	_Alignas(8) uint8_t page[4096] = {0};
	struct names_reader *reader;
	struct names *names;
	struct comms comms = {0};
	uint8_t *p = page + 16;

	CHECK_EQ(names_new(&names, formats, 2, &layout), 0);
	CHECK_EQ(names_reader_new(&reader, names), 0);
	memcpy(p + 4 + 8, "bash", 4);
	store_u32(p + 4 + 24, 4100000, HOST_BIG);
	memcpy(p + 4 + 28, "kworker/0:1", 11);
	store_u32(p + 4 + 44, 4100001, HOST_BIG);
	p = put_record(p, 300, 4100000, 48);
	store_u32(p + 4 + 8, 16 | 16 << 16, HOST_BIG);
	store_u32(p + 4 + 12, 4100002, HOST_BIG);
	memcpy(p + 4 + 16, "/usr/bin/gzip", 13);
	p = put_record(p, 301, 4100002, 32);
	p = put_record(p, 999, 1, 8);
	store_u64(page + 8, (uint64_t)(p - page - 16), HOST_BIG);
	names_scan(reader, page, sizeof(page));
	memset(page, 0xff, sizeof(page));
	names_scan(reader, page, sizeof(page));
	CHECK_EQ(comms_set(&comms, 4100000, "known", false), 0);
	CHECK_EQ(names_merge(reader, &comms), 0);
	CHECK_STR(comms_get(&comms, 4100000), "known");
	CHECK_STR(comms_get(&comms, 4100001), "kworker/0:1");
	CHECK_STR(comms_get(&comms, 4100002), "gzip");
	names_reader_free(reader);
	names_free(names);
	comms_done(&comms);
}

/* Also where many records in a row are as long as the one that names a task. */
TEST(a_name_among_records_alike)
{
	const struct dat_format formats[] = {
		{"sched", switch_format, sizeof(switch_format) - 1},
		{"sched", exec_format, sizeof(exec_format) - 1},
	};
	struct subbuf_layout layout = {.long_size = 8, .big_endian = HOST_BIG};
	struct comms comms = {0};
	struct names *names;

	CHECK_EQ(names_new(&names, formats, 2, &layout), 0);
	for (int32_t at = 0; at < 100; at++) {
		_Alignas(8) uint8_t page[4096] = {0};
		struct names_reader *reader;
		uint8_t *p = page + 16;

		CHECK_EQ(names_reader_new(&reader, names), 0);
		for (int32_t i = 0; i < 100; i++) {
			store_u32(p + 4 + 8, 16 | 16 << 16, HOST_BIG);
			store_u32(p + 4 + 12, (uint32_t)(4100000 + i), HOST_BIG);
			memcpy(p + 4 + 16, "/bin/true", 10);
			p = put_record(p, i == at ? 301 : 999, 4100200 + (i > 50), 32);
		}
		store_u64(page + 8, (uint64_t)(p - page - 16), HOST_BIG);
		names_scan(reader, page, sizeof(page));
		CHECK_EQ(names_taken(reader), 1);
		CHECK_EQ(names_merge(reader, &comms), 0);
		CHECK_STR(comms_get(&comms, 4100000 + at), "true");
		names_reader_free(reader);
	}
	names_free(names);
	comms_done(&comms);
}

TEST_MAIN()
