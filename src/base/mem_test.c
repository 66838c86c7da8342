/* SPDX-License-Identifier: MIT */
/* Memory, arrays, the arena, errors and byte orders. */
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "base/test.h"

TEST(copies)
{
	_cleanup_free_ char *a = mem_strdup("text"), *b = mem_strndup("text", 2);
	_cleanup_free_ char *c = mem_dup("abc", 4), *d = mem_zalloc(3), *e = mem_strndup("", 0);
	char *kept;

	CHECK(a && b && c && d && e);
	CHECK_STR(a, "text");
	CHECK_STR(b, "te");
	CHECK_STR(c, "abc");
	CHECK_STR(e, "");
	CHECK(!d[0] && !d[1] && !d[2]);
	kept = steal(&a);
	CHECK(kept && !a);
	mem_free(kept);
	mem_free(NULL);
}

TEST(sizes_that_overflow)
{
	/* volatile: the compiler would warn of what is tested here */
	volatile size_t huge = SIZE_MAX;

	CHECK(!mem_calloc(huge / 2, 3));
	CHECK(!mem_strndup("x", huge));
}

TEST(arrays_grow)
{
	_cleanup_free_ uint32_t *arr = NULL;
	size_t cap = 0;

	for (uint32_t i = 0; i < 10000; i++) {
		CHECK_EQ(array_reserve(&arr, &cap, i + 1, sizeof(*arr)), 0);
		CHECK(cap > i);
		arr[i] = i;
	}
	for (uint32_t i = 0; i < 10000; i++)
		CHECK_EQ(arr[i], i);
	CHECK_EQ(array_reserve(&arr, &cap, SIZE_MAX / 2, sizeof(*arr)), -EOVERFLOW);
	CHECK_EQ(arr[9999], 9999);
}

TEST(arrays_survive_a_failed_growth)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_MEM};

	while (fault_next(&s)) {
		_cleanup_free_ char *arr = NULL;
		size_t cap = 0, len = 0;
		int r = 0;

		while (len < 1000 && !r) {
			r = array_reserve(&arr, &cap, len + 1, 1);
			if (!r)
				arr[len++] = 'x';
		}
		CHECK_EQ(r, fault_fired() ? -ENOMEM : 0);
		CHECK(cap >= len);
	}
	CHECK(s.k > 5);
}

TEST(arena_objects)
{
	_cleanup_(arena_done) struct arena arena = {0};
	char *last = NULL;

	for (size_t i = 0; i < 5000; i++) {
		size_t size = i % 97 * (i % 31 ? 1 : 2000);
		char *p = arena_alloc(&arena, size);

		CHECK(p && (uintptr_t)p % 16 == 0);
		for (size_t j = 0; j < size; j++)
			CHECK(!p[j]);
		memset(p, 0xff, size);
		if (last)
			CHECK(*last == (char)i);
		last = arena_dup(&arena, &(char){(char)(i + 1)}, 1);
		CHECK(last);
	}
	CHECK_STR(arena_strdup(&arena, "name"), "name");
	CHECK_STR(arena_strndup(&arena, "name", 2), "na");
	CHECK(!arena_alloc(&arena, SIZE_MAX));
	CHECK(!arena_strndup(&arena, "name", SIZE_MAX));
}

/* A large object must not throw away the room that is left in the block of the small ones. */
TEST(arena_keeps_its_block)
{
	_cleanup_(arena_done) struct arena arena = {0};
	char *a = arena_alloc(&arena, 16), *big = arena_alloc(&arena, 100000);
	char *b = arena_alloc(&arena, 16);

	CHECK(a && big && b);
	CHECK(b == a + 16);
}

TEST(arena_allocation_failures)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_MEM};

	while (fault_next(&s)) {
		_cleanup_(arena_done) struct arena arena = {0};
		bool failed = false;

		for (int i = 0; i < 10; i++) {
			failed |= !arena_alloc(&arena, 20000);
			failed |= !arena_strdup(&arena, "text");
		}
		CHECK_EQ(failed, fault_fired());
	}
}

TEST(errors)
{
	struct err err = {0};
	char longer[1000];

	CHECK_EQ(err_set(&err, -EINVAL, "a %s", "reason"), -EINVAL);
	CHECK_STR(err.text, "a reason");
	CHECK_EQ(err.code, -EINVAL);
	CHECK_EQ(err_wrap(&err, -EINVAL, "file %d", 3), -EINVAL);
	CHECK_STR(err.text, "file 3: a reason");
	CHECK_EQ(err_sys(&err, -ENOENT, "open"), -ENOENT);
	CHECK_STR(err.text, "open: No such file or directory");
	CHECK_EQ(err_set(NULL, -EIO, "x"), -EIO);
	CHECK_EQ(err_sys(NULL, -EIO, "x"), -EIO);
	CHECK_EQ(err_wrap(NULL, -EIO, "x"), -EIO);
	CHECK_STR(err_name(-99999), "unknown error");
	CHECK_STR(err_name(-ENOSPC), "No space left on device");

	memset(longer, 'y', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	err_set(&err, -EIO, "%s", longer);
	CHECK_EQ(strlen(err.text), sizeof(err.text) - 1);
	err_wrap(&err, -EIO, "%s", longer);
	CHECK_EQ(strlen(err.text), sizeof(err.text) - 1);
	err_sys(&err, -EIO, "%s", longer);
	CHECK_EQ(strlen(err.text), sizeof(err.text) - 1);
}

TEST(byte_orders)
{
	unsigned char raw[9] = {0, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88};
	unsigned char out[9] = {0};
	const unsigned char *p = raw + 1; /* unaligned on purpose */

	CHECK_EQ(load_u16(p, false), 0x8281);
	CHECK_EQ(load_u16(p, true), 0x8182);
	CHECK_EQ(load_u32(p, false), 0x84838281);
	CHECK_EQ(load_u32(p, true), 0x81828384);
	CHECK(load_u64(p, false) == 0x8887868584838281);
	CHECK(load_u64(p, true) == 0x8182838485868788);
	CHECK(load_uint(p, 1, false) == 0x81 && load_uint(p, 3, false) == 0);
	CHECK_EQ(load_int(p, 1, false), (int8_t)0x81);
	CHECK_EQ(load_int(p, 2, true), (int16_t)0x8182);
	CHECK_EQ(load_int(p, 4, true), (int32_t)0x81828384);
	CHECK(load_int(p, 8, true) == (int64_t)0x8182838485868788);
	store_u64(out + 1, 0x8182838485868788, true);
	CHECK(!memcmp(out, raw, 9));
	store_u32(out + 1, 0x84838281, false);
	CHECK(!memcmp(out, raw, 5));
	store_u16(out + 1, 0x8182, true);
	CHECK(!memcmp(out, raw, 3));
}

#define KEPT_BYTES (8u << 20)

/* Use some memory; how many page faults that took. */
static long use_memory(void)
{
	struct rusage before, after;
	char *data = mem_alloc(KEPT_BYTES);

	getrusage(RUSAGE_SELF, &before);
	for (size_t i = 0; data && i < KEPT_BYTES; i += 512)
		((volatile char *)data)[i] = 1;
	getrusage(RUSAGE_SELF, &after);
	mem_free(data);
	return data ? after.ru_minflt - before.ru_minflt : -1;
}

/* Also by another thread. */
static void *use_it_there(void *ret_faults)
{
	*(long *)ret_faults = use_memory();
	return NULL;
}

TEST(what_is_freed_is_kept)
{
	long faults = -1;
	pthread_t thread;

#if !defined(__GLIBC__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	SKIP("the allocator is not glibc's");
#endif
	mem_keep_freed();
	CHECK(use_memory() >= 0);
	CHECK_EQ(pthread_create(&thread, NULL, use_it_there, &faults), 0);
	pthread_join(thread, NULL);
	CHECK(faults >= 0 && faults < 256);
}

TEST(what_is_expected_is_there)
{
	unsigned char *data;

	mem_keep_freed();
	mem_expect_allocations(1);
	mem_expect_allocations(SIZE_MAX);
	data = mem_calloc(1, 20u << 20);
	CHECK(data != NULL && data[0] == 0 && data[(20u << 20) - 1] == 0);
	mem_free(data);
}

TEST_MAIN()
