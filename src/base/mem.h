/* SPDX-License-Identifier: MIT */
/*
 * Memory: allocation through a seam that tests can make fail, overflow-checked sizes, growable
 * arrays and cleanup attributes. Every allocation of the libraries goes through here.
 */
#ifndef SONDE_BASE_MEM_H
#define SONDE_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"

/* All return NULL when memory is short (or when a test said so); mem_free(NULL) is legal. */
void *mem_alloc(size_t size) _must_check_;
void *mem_zalloc(size_t size) _must_check_;
void *mem_calloc(size_t nr, size_t size) _must_check_;
void *mem_realloc(void *old, size_t size) _must_check_;
char *mem_strdup(const char *text) _must_check_;
char *mem_strndup(const char *text, size_t len) _must_check_; /* copies len bytes, adds NUL */
void *mem_dup(const void *data, size_t len) _must_check_;
void mem_free(void *ptr);

/*
 * `size` bytes of fresh memory will all be used: where they are many, a page fault for every 2 MiB
 * instead of one for every 4 KiB, if the system has such pages. NULL is passed over.
 */
void mem_expect_use(void *data, size_t size);

/*
 * From now on memory that is freed is kept for what is allocated next, by any thread, 64 MiB of it
 * at most; for who needs much of it again and again for a short time. Fresh memory is zeroed a page
 * at a time when it is touched, which in a virtual machine takes longer than most of what it is
 * for.
 */
void mem_keep_freed(void);

/*
 * After mem_keep_freed(): `size` bytes will be used in what is allocated next. It is taken from the
 * system at once (32 MiB at most), so that it has such large pages, too.
 */
void mem_expect_allocations(size_t size);

/*
 * Make room for at least `want` elements of `elem` bytes in *arr, whose capacity is *cap. Grows by
 * half. Returns 0, -ENOMEM or -EOVERFLOW; on failure the array is untouched.
 */
int array_reserve(void *arr, size_t *cap, size_t want, size_t elem) _must_check_;

/* Overflow-checked arithmetic: true on overflow, as the compiler's builtins. */
#define size_add(a, b, ret) __builtin_add_overflow(a, b, ret)
#define size_mul(a, b, ret) __builtin_mul_overflow(a, b, ret)

#define ARRAY_SIZE(a)	    (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)	    ((a) < (b) ? (a) : (b))
#define MAX(a, b)	    ((a) > (b) ? (a) : (b))

/* Cleanup attributes: `_cleanup_free_ char *name = NULL;` frees at the end of the scope. */
#define _cleanup_(fn) __attribute__((cleanup(fn)))
static inline void mem_free_p(void *ptr)
{
	mem_free(*(void **)ptr);
}
#define _cleanup_free_ _cleanup_(mem_free_p)

/* Take the value out of a cleanup variable: what `return steal(&x)` gives is no longer freed. */
static inline void *steal_(void *ptr)
{
	void *value = *(void **)ptr;

	*(void **)ptr = NULL;
	return value;
}
#define steal(ptr) ((__typeof__(*(ptr)))steal_(ptr))

/*
 * Test seam: when set, called before every allocation; true makes it fail. Not thread-safe to
 * change while other threads allocate.
 */
extern bool (*mem_fault_hook)(size_t size);

#endif
