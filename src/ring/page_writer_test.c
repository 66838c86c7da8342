/* SPDX-License-Identifier: MIT */
/* What page_writer writes, subbuf reads: both byte orders, both sizes of long, all record forms. */
#include "base/test.h"

#include <errno.h>

#include "base/mem.h"
#include "ring/page_writer.h"

#define PAGE 512

static const struct subbuf_layout layouts[] = {
	{PAGE, 8, HOST_BIG}, {PAGE, 8, !HOST_BIG}, {PAGE, 4, HOST_BIG}, {PAGE, 4, !HOST_BIG}};

TEST(every_length_comes_back)
{
	uint8_t page[PAGE], data[PAGE];

	for (unsigned int i = 0; i < PAGE; i++)
		data[i] = (uint8_t)(i * 7 + 1);
	for (size_t l = 0; l < ARRAY_SIZE(layouts); l++) {
		uint32_t room = page_writer_room(&layouts[l]);

		for (uint32_t len = 0; len <= room + 1; len++) {
			struct page_writer writer;
			struct subbuf_cursor cursor;
			struct subbuf_record record;

			memset(page, 0xaa, sizeof(page));
			page_writer_init(&writer, &layouts[l], page);
			CHECK_EQ(page_writer_add(&writer, 77, data, len), len <= room);
			CHECK_EQ(page_writer_finish(&writer), len <= room);
			if (len > room)
				continue;
			CHECK_EQ(subbuf_open(&cursor, &layouts[l], page, PAGE), 0);
			CHECK_EQ(subbuf_next(&cursor, &record), 1);
			CHECK_EQ(record.ts, 77);
			CHECK_EQ(record.len, (len + 3) & ~3u);
			CHECK(!memcmp(record.data, data, len));
			CHECK_EQ(subbuf_next(&cursor, &record), 0);
			CHECK(!cursor.corrupt);
		}
	}
}

/* Times with gaps of every size, over as many pages as it takes. */
TEST(times_over_many_pages)
{
	static const uint64_t steps[] = {0,	     1, SUBBUF_DELTA_MASK, SUBBUF_DELTA_MASK + 1ull,
					 1ull << 40, 5};
	uint8_t page[PAGE];

	for (size_t l = 0; l < ARRAY_SIZE(layouts); l++) {
		uint64_t ts = 1000000, read_ts = ts, nr_read = 0, nr_pages = 0;
		struct page_writer writer;

		page_writer_init(&writer, &layouts[l], page);
		for (uint64_t i = 0; i < 500; i++) {
			struct subbuf_cursor cursor;
			struct subbuf_record record;

			if (i < 499 && page_writer_add(&writer, ts, &i, sizeof(i))) {
				ts += steps[(i + 1) % ARRAY_SIZE(steps)];
				continue;
			}
			CHECK(page_writer_finish(&writer));
			CHECK_EQ(subbuf_open(&cursor, &layouts[l], page, PAGE), 0);
			while (subbuf_next(&cursor, &record) > 0) {
				uint64_t value;

				memcpy(&value, record.data, sizeof(value));
				CHECK_EQ(value, nr_read);
				CHECK_EQ(record.ts, read_ts);
				nr_read++;
				read_ts += steps[nr_read % ARRAY_SIZE(steps)];
			}
			CHECK(!cursor.corrupt);
			page_writer_next(&writer);
			nr_pages++;
			i -= i < 499;
		}
		CHECK_EQ(nr_read, 499);
		CHECK(nr_pages > 10);
	}
}

TEST(a_time_that_goes_back_stays)
{
	uint8_t page[PAGE];
	struct page_writer writer;
	struct subbuf_cursor cursor;
	struct subbuf_record record;

	page_writer_init(&writer, &layouts[0], page);
	CHECK(page_writer_add(&writer, 100, "abcd", 4));
	CHECK(page_writer_add(&writer, 90, "efgh", 4));
	CHECK(page_writer_finish(&writer));
	CHECK_EQ(subbuf_open(&cursor, &layouts[0], page, PAGE), 0);
	CHECK_EQ(subbuf_next(&cursor, &record), 1);
	CHECK_EQ(subbuf_next(&cursor, &record), 1);
	CHECK_EQ(record.ts, 100);
}

TEST(losses_stand_before_what_follows)
{
	uint8_t page[PAGE];

	for (size_t l = 0; l < ARRAY_SIZE(layouts); l++) {
		struct page_writer writer;
		struct subbuf_cursor cursor;

		page_writer_init(&writer, &layouts[l], page);
		CHECK(!page_writer_finish(&writer));
		CHECK(page_writer_add(&writer, 100, "abcd", 4));
		page_writer_lose(&writer, 3);
		CHECK(page_writer_finish(&writer));
		CHECK_EQ(subbuf_open(&cursor, &layouts[l], page, PAGE), 0);
		CHECK_EQ(cursor.lost, 0);
		page_writer_next(&writer);
		page_writer_lose(&writer, 2);
		CHECK(page_writer_finish(&writer));
		CHECK_EQ(subbuf_open(&cursor, &layouts[l], page, PAGE), 0);
		CHECK_EQ(cursor.lost, 5);
		page_writer_next(&writer);
		page_writer_lose_some(&writer);
		CHECK(page_writer_add(&writer, 100, "abcd", 4));
		CHECK(page_writer_finish(&writer));
		CHECK_EQ(subbuf_open(&cursor, &layouts[l], page, PAGE), 0);
		CHECK_EQ(cursor.lost, SUBBUF_LOST_UNKNOWN);
		page_writer_next(&writer);
		CHECK(!page_writer_finish(&writer));
	}
}

TEST_MAIN()
