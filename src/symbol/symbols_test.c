/* SPDX-License-Identifier: MIT */
#include "symbol/symbols.h"

#include "base/mem.h"
#include "base/test.h"

static struct symbols *make(const char *text)
{
	struct symbols *symbols = NULL;

	if (symbols_new(&symbols) || symbols_add_kallsyms(symbols, text, strlen(text)) ||
	    symbols_seal(symbols)) {
		printf("# no memory\n");
		exit(1);
	}
	return symbols;
}

static const char *name_at(const struct symbols *symbols, uint64_t addr)
{
	const struct symbol *symbol = symbols_find(symbols, addr);

	return symbol ? symbol->name : "-";
}

TEST(lines)
{
	struct symbols *symbols = make("ffffffff81000000 T _text\n"
				       "0000000000001000 A per_cpu\n"
				       "0000000000002000 a absolute\n"
				       "ffffffff81000010 t $d\n"
				       "not a symbol\n"
				       "\n"
				       "ffffffffc0000000 t mod_init\t[ext4]\n"
				       "ffffffff81000100 T next\n"
				       "ffffffffc0000100 b last\t[ext4]");

	CHECK_EQ(symbols_count(symbols), 4);
	CHECK_STR(name_at(symbols, 0xffffffff81000000), "_text");
	CHECK_STR(name_at(symbols, 0xffffffff810000ff), "_text");
	CHECK_STR(name_at(symbols, 0xffffffff81000100), "next");
	CHECK_STR(name_at(symbols, 0xffffffffbfffffff), "next");
	CHECK_STR(name_at(symbols, 0xffffffffc0000080), "mod_init");
	CHECK_STR(symbols_find(symbols, 0xffffffffc0000080)->module, "ext4");
	CHECK(!symbols_find(symbols, 0xffffffff81000000)->module);
	CHECK_EQ(symbols_find(symbols, 0xffffffffc0000080)->name_len, 8);
	symbols_free(symbols);
}

TEST(ends)
{
	struct symbols *symbols = make("1000 T first\n2000 T last\n");

	CHECK_STR(name_at(symbols, 0xfff), "-");
	CHECK_STR(name_at(symbols, 0x1000), "first");
	CHECK_STR(name_at(symbols, 0x1fff), "first");
	CHECK_STR(name_at(symbols, 0x2000), "last");
	CHECK_STR(name_at(symbols, 0x2001), "-");
	CHECK_STR(name_at(symbols, UINT64_MAX), "-");
	symbols_free(symbols);
}

static const char shared[] = "1000 T a\n2000 T b1\n2000 T b2\n2000 T b3\n3000 T c\n";

/* The one that was added first. */
TEST(same_address)
{
	struct symbols *symbols = make(shared);

	CHECK_STR(symbols_at(symbols, 1)->name, "b3");
	CHECK_STR(symbols_at(symbols, 3)->name, "b1");
	CHECK_STR(name_at(symbols, 0x2001), "b1");
	CHECK_STR(name_at(symbols, 0x2000), "b1");
	symbols_free(symbols);
}

/* Inside: the one that was added first. Exactly: what a bisection of the whole meets. */
TEST(same_address_as_trace_cmd)
{
	struct symbols *symbols = NULL;

	CHECK(!symbols_new(&symbols));
	symbols_as_trace_cmd(symbols);
	CHECK(!symbols_add_kallsyms(symbols, shared, strlen(shared)));
	CHECK(!symbols_seal(symbols));
	CHECK_STR(name_at(symbols, 0x2001), "b1");
	CHECK_STR(name_at(symbols, 0x2000), "b2");
	symbols_free(symbols);
}

TEST(two_tables)
{
	struct symbols *one = make("1000 T one\n2000 T x\n"), *two = make("1000 T two\n2000 T x\n");

	for (int i = 0; i < 3; i++) {
		CHECK_STR(name_at(one, 0x1001), "one");
		CHECK_STR(name_at(two, 0x1001), "two");
	}
	symbols_free(one);
	symbols_free(two);
}

TEST(empty)
{
	struct symbols *symbols = make("");

	CHECK_EQ(symbols_count(symbols), 0);
	CHECK_STR(name_at(symbols, 0), "-");
	CHECK_STR(name_at(symbols, 5), "-");
	symbols_free(symbols);
}

/* Against a linear search, with clusters, gaps and repeats. */
TEST(random)
{
	struct symbols *symbols = NULL;
	uint64_t state = 1, addrs[700];

	CHECK(!symbols_new(&symbols));
	for (int i = 0; i < 700; i++) {
		char name[16];

		state = state * 6364136223846793005ull + 1442695040888963407ull;
		addrs[i] = (i % 3 ? 0xffffffff81000000ull : 0xffffffffc0000000ull) + (state >> 52);
		if (i == 0)
			addrs[i] = 7;
		snprintf(name, sizeof(name), "f%d", i);
		CHECK(!symbols_add(symbols, addrs[i], name, i % 2 ? "m" : NULL));
	}
	CHECK(!symbols_seal(symbols));
	for (uint64_t i = 0; i < 20000; i++) {
		uint64_t addr =
			(i % 2 ? 0xffffffff81000000ull : 0xffffffffc0000000ull) + i / 2 - 100;
		uint64_t best = 0;
		const struct symbol *symbol = symbols_find(symbols, addr);

		for (int k = 0; k < 700; k++)
			if (addrs[k] <= addr && addrs[k] > best)
				best = addrs[k];
		if (symbol)
			CHECK_EQ(symbol->addr, best);
		else
			CHECK(addr > symbols_at(symbols, 699)->addr);
	}
	symbols_free(symbols);
}

TEST_MAIN()
