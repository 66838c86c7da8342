/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_BYTES	4096u
#define HUGE_FROM_BYTES (4u << 20)
#define KEPT_BYTES	(64 << 20)
#define KEPT_EACH_BYTES (32 << 20) /* glibc allows no more */
#define GROW_BYTES	(1 << 20)

bool (*mem_fault_hook)(size_t size);

static bool must_fail(size_t size)
{
	return __builtin_expect(mem_fault_hook != NULL, 0) && mem_fault_hook(size);
}

void *mem_alloc(size_t size)
{
	return must_fail(size) ? NULL : malloc(size ? size : 1);
}

void *mem_zalloc(size_t size)
{
	return mem_calloc(1, size);
}

void *mem_calloc(size_t nr, size_t size)
{
	size_t total;

	if (size_mul(nr, size, &total) || must_fail(total))
		return NULL;
	return calloc(1, total ? total : 1);
}

void *mem_realloc(void *old, size_t size)
{
	return must_fail(size) ? NULL : realloc(old, size ? size : 1);
}

char *mem_strdup(const char *text)
{
	return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t len)
{
	char *copy;
	size_t size;

	if (size_add(len, (size_t)1, &size))
		return NULL;
	copy = mem_alloc(size);
	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void *mem_dup(const void *data, size_t len)
{
	void *copy = mem_alloc(len);

	if (copy && len)
		memcpy(copy, data, len);
	return copy;
}

void mem_free(void *ptr)
{
	free(ptr);
}

void mem_expect_use(void *data, size_t size)
{
	uintptr_t start = ((uintptr_t)data + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1);

	if (data && size >= HUGE_FROM_BYTES)
		madvise((void *)start, size - PAGE_BYTES, MADV_HUGEPAGE);
}

void mem_keep_freed(void)
{
#ifdef __GLIBC__
	mallopt(M_MMAP_THRESHOLD, KEPT_EACH_BYTES);
	mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	mallopt(M_TOP_PAD, GROW_BYTES);
	/* What one thread has freed is another one's: planning and sealing are two. */
	mallopt(M_ARENA_MAX, 1);
#endif
}

void mem_expect_allocations(size_t size)
{
#ifdef __GLIBC__
	void *room;

	if (size < HUGE_FROM_BYTES)
		return;
	/* Freed, it stays at the end of the heap. */
	size = MIN(size, (size_t)KEPT_EACH_BYTES - PAGE_BYTES);
	room = malloc(size);
	mem_expect_use(room, size);
	free(room);
#else
	(void)size;
#endif
}

int array_reserve(void *arr, size_t *cap, size_t want, size_t elem)
{
	void *grown;
	size_t next = *cap, bytes;

	if (want <= *cap)
		return 0;
	if (size_add(next, next / 2 + 8, &next))
		return -EOVERFLOW;
	if (next < want)
		next = want;
	if (size_mul(next, elem, &bytes))
		return -EOVERFLOW;
	grown = mem_realloc(*(void **)arr, bytes);
	if (!grown)
		return -ENOMEM;
	*(void **)arr = grown;
	*cap = next;
	return 0;
}
