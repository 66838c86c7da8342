/* SPDX-License-Identifier: MIT */
#include "ring/subbuf.h"

#include <errno.h>

#include "base/mem.h"
#include "base/test.h"

/* A page under construction, in any byte order and size of long. */
struct page {
	struct subbuf_layout layout;
	uint8_t bytes[512];
	uint32_t used; /* of the records */
};

static struct page new_page(bool big, uint8_t long_size, uint64_t ts)
{
	struct page page = {.layout = {.size = 512, .long_size = long_size, .big_endian = big}};

	store_u64(page.bytes, ts, big);
	return page;
}

static uint8_t *at(struct page *page)
{
	return page->bytes + subbuf_header_bytes(&page->layout) + page->used;
}

static void put_commit(struct page *page, uint64_t commit)
{
	if (page->layout.long_size == 8)
		store_u64(page->bytes + 8, commit, page->layout.big_endian);
	else
		store_u32(page->bytes + 8, (uint32_t)commit, page->layout.big_endian);
}

static void put_word(struct page *page, uint32_t word)
{
	store_u32(at(page), word, page->layout.big_endian);
	page->used += 4;
	put_commit(page, page->used);
}

static void put_head(struct page *page, uint32_t type_len, uint32_t delta)
{
	put_word(page, page->layout.big_endian ? type_len << 27 | delta : type_len | delta << 5);
}

/* A record of `words` words that all hold `value`. */
static void put_record(struct page *page, uint32_t delta, uint32_t words, uint32_t value)
{
	put_head(page, words, delta);
	while (words--)
		put_word(page, value);
}

static void put_time(struct page *page, uint32_t type, uint64_t time)
{
	put_head(page, type, (uint32_t)(time & SUBBUF_DELTA_MASK));
	put_word(page, (uint32_t)(time >> 27));
}

static bool next_is(struct subbuf_cursor *cursor, uint64_t ts, uint32_t len, uint32_t value)
{
	struct subbuf_record record;

	if (subbuf_next(cursor, &record) != 1)
		return false;
	return record.ts == ts && record.len == len &&
	       load_u32(record.data, cursor->big_endian) == value;
}

static int open_page(struct subbuf_cursor *cursor, const struct page *page)
{
	return subbuf_open(cursor, &page->layout, page->bytes, sizeof(page->bytes));
}

#define FOR_EACH_LAYOUT(page, ts)                                                                  \
	for (int layout_ = 0; layout_ < 4; layout_++)                                              \
		for (struct page page = new_page(layout_ & 1, layout_ & 2 ? 8 : 4, (ts)),          \
				 *once_ = &page;                                                   \
		     once_; once_ = NULL)

TEST(records)
{
	FOR_EACH_LAYOUT(page, 1000)
	{
		struct subbuf_cursor cursor;
		struct subbuf_record record;

		put_record(&page, 0, 2, 11);
		put_record(&page, 7, 28, 22);
		put_record(&page, SUBBUF_DELTA_MASK, 1, 33);
		CHECK_EQ(open_page(&cursor, &page), 0);
		CHECK_EQ(subbuf_time(&page.layout, page.bytes), 1000);
		CHECK_EQ(cursor.lost, 0);
		CHECK(next_is(&cursor, 1000, 8, 11));
		CHECK(next_is(&cursor, 1007, 112, 22));
		CHECK(next_is(&cursor, 1007 + SUBBUF_DELTA_MASK, 4, 33));
		CHECK_EQ(subbuf_next(&cursor, &record), 0);
		CHECK_EQ(subbuf_next(&cursor, &record), 0);
		CHECK(!cursor.corrupt);
	}
}

TEST(empty_page)
{
	FOR_EACH_LAYOUT(page, 0)
	{
		struct subbuf_cursor cursor;
		struct subbuf_record record;

		CHECK_EQ(open_page(&cursor, &page), 0);
		CHECK_EQ(subbuf_next(&cursor, &record), 0);
		CHECK(!cursor.corrupt);
		CHECK_EQ(cursor.lost, 0);
	}
}

/* type_len 0: the length in a word of its own, counting itself, rounded up to words. */
TEST(long_record)
{
	FOR_EACH_LAYOUT(page, 50)
	{
		struct subbuf_cursor cursor;

		put_head(&page, 0, 5);
		put_word(&page, 4 + 117);
		for (int i = 0; i < 30; i++)
			put_word(&page, 44);
		put_record(&page, 1, 1, 55);
		CHECK_EQ(open_page(&cursor, &page), 0);
		CHECK(next_is(&cursor, 55, 120, 44));
		CHECK(next_is(&cursor, 56, 4, 55));
	}
}

TEST(discarded_record)
{
	FOR_EACH_LAYOUT(page, 10)
	{
		struct subbuf_cursor cursor;
		struct subbuf_record record;

		put_record(&page, 0, 1, 1);
		put_head(&page, SUBBUF_PADDING, 9); /* its delta counts */
		put_word(&page, 12);
		put_word(&page, 0xdead);
		put_word(&page, 0xdead);
		put_record(&page, 1, 1, 2);
		CHECK_EQ(open_page(&cursor, &page), 0);
		CHECK(next_is(&cursor, 10, 4, 1));
		CHECK(next_is(&cursor, 20, 4, 2));
		CHECK_EQ(subbuf_next(&cursor, &record), 0);
		CHECK(!cursor.corrupt);
	}
}

/* Padding without a delta: the rest of the page is void, whatever stands there. */
TEST(void_rest)
{
	FOR_EACH_LAYOUT(page, 10)
	{
		struct subbuf_cursor cursor;
		struct subbuf_record record;

		put_record(&page, 3, 1, 1);
		put_head(&page, SUBBUF_PADDING, 0);
		put_word(&page, 0xffffffff);
		put_record(&page, 1, 1, 2);
		CHECK_EQ(open_page(&cursor, &page), 0);
		CHECK(next_is(&cursor, 13, 4, 1));
		CHECK_EQ(subbuf_next(&cursor, &record), 0);
		CHECK(!cursor.corrupt);
	}
}

TEST(time_extend)
{
	FOR_EACH_LAYOUT(page, 1)
	{
		struct subbuf_cursor cursor;

		put_time(&page, SUBBUF_TIME_EXTEND, (5ull << 27) + 3);
		put_record(&page, 2, 1, 9);
		put_time(&page, SUBBUF_TIME_EXTEND, 1ull << 58);
		put_record(&page, 0, 1, 10);
		CHECK_EQ(open_page(&cursor, &page), 0);
		CHECK(next_is(&cursor, 1 + (5ull << 27) + 3 + 2, 4, 9));
		CHECK(next_is(&cursor, 1 + (5ull << 27) + 3 + 2 + (1ull << 58), 4, 10));
	}
}

/* 59 bits are in the stamp, the upper five come from the time so far. */
TEST(absolute_stamp)
{
	const uint64_t top = 0x1full << 59;

	FOR_EACH_LAYOUT(page, top | 77)
	{
		struct subbuf_cursor cursor;

		put_time(&page, SUBBUF_TIME_STAMP, 0x123456789abcdefull);
		put_record(&page, 0, 1, 9);
		put_record(&page, 1, 1, 10);
		CHECK_EQ(open_page(&cursor, &page), 0);
		CHECK(next_is(&cursor, top | 0x123456789abcdefull, 4, 9));
		CHECK(next_is(&cursor, top | 0x123456789abcdf0ull, 4, 10));
	}
}

/* The count stands behind the records; it is found whatever the page begins with. */
TEST(lost_counted)
{
	static const uint32_t first[] = {0, SUBBUF_TIME_EXTEND, SUBBUF_TIME_STAMP};

	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		FOR_EACH_LAYOUT(page, 1)
		{
			struct subbuf_cursor cursor;
			uint8_t long_size = page.layout.long_size;

			if (first[i])
				put_time(&page, first[i], 1);
			put_record(&page, 0, 1, 9);
			if (long_size == 8)
				store_u64(at(&page), 1234567, page.layout.big_endian);
			else
				store_u32(at(&page), 1234567, page.layout.big_endian);
			put_commit(&page, page.used | SUBBUF_MISSED_EVENTS | SUBBUF_MISSED_STORED);
			CHECK_EQ(open_page(&cursor, &page), 0);
			CHECK_EQ(cursor.lost, 1234567);
			CHECK(next_is(&cursor, first[i] == SUBBUF_TIME_EXTEND ? 2 : 1, 4, 9));
		}
	}
}

TEST(lost_uncounted)
{
	FOR_EACH_LAYOUT(page, 1)
	{
		struct subbuf_cursor cursor;

		put_record(&page, 0, 1, 9);
		put_commit(&page, page.used | SUBBUF_MISSED_EVENTS);
		CHECK_EQ(open_page(&cursor, &page), 0);
		CHECK_EQ(cursor.lost, SUBBUF_LOST_UNKNOWN);
		/* The flag of a stored count says nothing without the other. */
		put_commit(&page, page.used | SUBBUF_MISSED_STORED);
		CHECK_EQ(open_page(&cursor, &page), 0);
		CHECK_EQ(cursor.lost, 0);
		/* A count that cannot be one. */
		put_commit(&page, page.used | SUBBUF_MISSED_EVENTS | SUBBUF_MISSED_STORED);
		CHECK_EQ(open_page(&cursor, &page), 0);
		CHECK_EQ(cursor.lost, SUBBUF_LOST_UNKNOWN);
	}
}

/* A full page has no room for the count: then it is not known. */
TEST(lost_without_room)
{
	FOR_EACH_LAYOUT(page, 1)
	{
		struct subbuf_cursor cursor;

		while (page.used + subbuf_header_bytes(&page.layout) < sizeof(page.bytes))
			put_word(&page, 0xffffffff);
		put_commit(&page, page.used | SUBBUF_MISSED_EVENTS | SUBBUF_MISSED_STORED);
		CHECK_EQ(open_page(&cursor, &page), 0);
		CHECK_EQ(cursor.lost, SUBBUF_LOST_UNKNOWN);
	}
}

/* Every length of a page that was cut off: what is whole is read, nothing outside is touched. */
TEST(truncated)
{
	FOR_EACH_LAYOUT(page, 100)
	{
		uint32_t whole, head = subbuf_header_bytes(&page.layout);

		for (uint32_t i = 0; i < 10; i++)
			put_record(&page, 1, 3, i);
		whole = head + page.used;
		for (uint32_t avail = 0; avail < whole; avail++) {
			_cleanup_free_ uint8_t *exact = mem_dup(page.bytes, avail);
			struct subbuf_cursor cursor;
			struct subbuf_record record;
			uint32_t nr = 0;

			CHECK(exact);
			CHECK_EQ(subbuf_open(&cursor, &page.layout, exact, avail), -EBADMSG);
			while (subbuf_next(&cursor, &record))
				nr++;
			CHECK_EQ(nr, avail < head ? 0 : (avail - head) / 16);
			CHECK(avail < head || cursor.corrupt);
		}
	}
}

static bool ends_corrupt(const struct page *page)
{
	struct subbuf_cursor cursor;
	struct subbuf_record record;

	if (open_page(&cursor, page) < 0)
		return false;
	return subbuf_next(&cursor, &record) == 0 && cursor.corrupt;
}

TEST(corrupt)
{
	FOR_EACH_LAYOUT(page, 100)
	{
		struct page bad = page;

		put_word(&bad, 0); /* a long record without its length */
		CHECK(ends_corrupt(&bad));
		put_word(&bad, 3); /* a length that leaves itself out */
		CHECK(ends_corrupt(&bad));
		bad = page;
		put_head(&bad, 0, 0);
		put_word(&bad, 0xffffffff);
		CHECK(ends_corrupt(&bad));
		bad = page;
		put_head(&bad, SUBBUF_PADDING, 1);
		put_word(&bad, 5);
		CHECK(ends_corrupt(&bad));
		bad = page;
		put_head(&bad, 3, 0); /* longer than the page */
		CHECK(ends_corrupt(&bad));
		bad = page;
		put_head(&bad, SUBBUF_TIME_EXTEND, 0);
		CHECK(ends_corrupt(&bad));
	}
}

/* An end that is no multiple of 4 does not push the position out of the page. */
TEST(odd_end)
{
	FOR_EACH_LAYOUT(page, 100)
	{
		struct subbuf_cursor cursor;
		struct subbuf_record record;

		put_head(&page, 0, 0);
		put_word(&page, 6);
		put_word(&page, 0x01010101);
		put_commit(&page, 10);
		CHECK_EQ(open_page(&cursor, &page), 0);
		CHECK_EQ(subbuf_next(&cursor, &record), 1);
		CHECK_EQ(record.len, 2);
		CHECK_EQ(subbuf_next(&cursor, &record), 0);
		CHECK(cursor.pos == cursor.end);
	}
}

TEST_MAIN()
