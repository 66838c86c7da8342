/* SPDX-License-Identifier: MIT */
/*
 * The unit-test harness: TAP on stdout, one line a case. A test file defines functions with
 * TEST(name) and ends with TEST_MAIN(). CHECK prints where it failed and goes on to the next case.
 * Only *_test.c files include this.
 */
#ifndef SONDE_BASE_TEST_H
#define SONDE_BASE_TEST_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_case {
	const char *name;
	void (*run)(void);
	struct test_case *next;
};

static struct test_case *test_list, **test_tail = &test_list;
static bool test_failed;
static const char *test_skip_reason;

#define TEST(fn)                                                                                   \
	static void test_##fn(void);                                                               \
	static struct test_case test_case_##fn = {.name = #fn, .run = test_##fn};                  \
	__attribute__((constructor)) static void test_add_##fn(void)                               \
	{                                                                                          \
		*test_tail = &test_case_##fn;                                                      \
		test_tail = &test_case_##fn.next;                                                  \
	}                                                                                          \
	static void test_##fn(void)

#define CHECK(cond)                                                                                \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);                        \
			test_failed = true;                                                        \
			return;                                                                    \
		}                                                                                  \
	} while (0)

#define CHECK_EQ(a, b)                                                                             \
	do {                                                                                       \
		long long a_ = (long long)(a), b_ = (long long)(b);                                \
		if (a_ != b_) {                                                                    \
			printf("# %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #a, a_, b_); \
			test_failed = true;                                                        \
			return;                                                                    \
		}                                                                                  \
	} while (0)

#define CHECK_STR(a, b)                                                                            \
	do {                                                                                       \
		const char *a_ = (a), *b_ = (b);                                                   \
		if (strcmp(a_, b_)) {                                                              \
			printf("# %s:%d: %s is\n# [%s], not\n# [%s]\n", __FILE__, __LINE__, #a,    \
			       a_, b_);                                                            \
			test_failed = true;                                                        \
			return;                                                                    \
		}                                                                                  \
	} while (0)

#define SKIP(reason)                                                                               \
	do {                                                                                       \
		test_skip_reason = (reason);                                                       \
		return;                                                                            \
	} while (0)

#define TEST_MAIN()                                                                                \
	int main(void)                                                                             \
	{                                                                                          \
		int nr = 0, failures = 0;                                                          \
		for (struct test_case *t = test_list; t; t = t->next)                              \
			nr++;                                                                      \
		printf("1..%d\n", nr);                                                             \
		nr = 0;                                                                            \
		for (struct test_case *t = test_list; t; t = t->next) {                            \
			test_failed = false;                                                       \
			test_skip_reason = NULL;                                                   \
			t->run();                                                                  \
			printf("%sok %d - %s%s%s\n", test_failed ? "not " : "", ++nr, t->name,     \
			       test_skip_reason ? " # SKIP " : "",                                 \
			       test_skip_reason ? test_skip_reason : "");                          \
			fflush(stdout);                                                            \
			failures += test_failed;                                                   \
		}                                                                                  \
		return failures ? 1 : 0;                                                           \
	}

#endif
