/* SPDX-License-Identifier: MIT */
#include "base/out.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/test.h"

static const uint64_t numbers[] = {
	0,
	1,
	9,
	10,
	11,
	99,
	100,
	101,
	999,
	1000,
	65535,
	65536,
	4294967295u,
	4294967296u,
	9999999999u,
	1234567890123456789u,
	INT64_MAX,
	(uint64_t)INT64_MAX + 1,
	UINT64_MAX - 1,
	UINT64_MAX,
};

TEST(numbers_are_those_of_printf)
{
	char want[400];

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		_cleanup_out_ struct out out = {0};
		unsigned long long v = numbers[i];

		out_u64(&out, v);
		out_char(&out, ' ');
		out_i64(&out, (int64_t)v);
		out_char(&out, ' ');
		out_hex(&out, v);
		out_char(&out, ' ');
		out_u64_pad(&out, v, 7, ' ');
		out_char(&out, ' ');
		out_u64_pad(&out, v, 12, '0');
		out_char(&out, ' ');
		out_hex_pad(&out, v, 16, '0');
		out_char(&out, ' ');
		out_hex_pad(&out, v, 3, ' ');
		snprintf(want, sizeof(want), "%llu %lld %llx %7llu %012llu %016llx %3llx", v,
			 (long long)v, v, v, v, v, v);
		CHECK_STR(out_cstr(&out), want);
	}
}

TEST(strings)
{
	_cleanup_out_ struct out out = {0};

	out_str_right(&out, "ab", 2, 5);
	out_str_left(&out, "cd", 2, 5);
	out_str_right(&out, "longer", 6, 3);
	out_str_left(&out, "longer", 6, 3);
	out_fill(&out, '-', 3);
	out_lit(&out, "lit");
	out_mem(&out, NULL, 0);
	CHECK_STR(out_cstr(&out), "   abcd   longerlonger---lit");
	CHECK_EQ(out.len, strlen(out_cstr(&out)));
	out_clear(&out);
	CHECK_STR(out_cstr(&out), "");
}

TEST(printf_grows)
{
	_cleanup_out_ struct out out = {0};
	_cleanup_free_ char *text = mem_zalloc(5001);

	CHECK(text);
	memset(text, 'x', 5000);
	out_printf(&out, "%d", 12);
	out_printf(&out, "%s|", text);
	CHECK_EQ(out.len, 5003);
	CHECK(!out.failed);
	CHECK(out_cstr(&out)[5002] == '|');
}

TEST(json_strings)
{
	static const char text[] = "a\"\\\n\t\x7f\xc3\xa9\xff\xc3";
	struct out out = {0};

	out_json(&out, text, sizeof(text) - 1);
	CHECK_STR(out_cstr(&out), "\"a\\\"\\\\\\n\\u0009\\u007f\xc3\xa9\\ufffd\\ufffd\"");
	out_done(&out);
}

TEST(failed_allocations_are_remembered)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_MEM};

	while (fault_next(&s)) {
		_cleanup_out_ struct out out = {0};

		for (int i = 0; i < 2000; i++)
			out_u64(&out, UINT64_MAX);
		out_fill(&out, 'x', 3000);
		out_printf(&out, "%s %0200d", "text", 7);
		out_cstr(&out);
		CHECK_EQ(out.failed, fault_fired());
		CHECK(out.failed || out.len == 2000 * 20 + 3000 + 205);
	}
	CHECK(s.k > 3);
}

TEST(impossible_sizes)
{
	_cleanup_out_ struct out out = {0};

	out_char(&out, 'x');
	out_fill(&out, 'x', SIZE_MAX);
	CHECK(out.failed);
	CHECK_EQ(out.len, 1);
}

TEST_MAIN()
