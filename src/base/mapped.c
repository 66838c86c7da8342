/* SPDX-License-Identifier: MIT */
/*
 * The handler may come in any thread, so the list of what is mapped only grows, at its head, and
 * ranges that were given back are used again.
 */
#include "base/mapped.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

#define PAGE_BYTES 4096u

struct mapped_range {
	uintptr_t at;
	size_t bytes; /* 0: free */
	bool is_cut;
	struct mapped_range *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mapped_range *ranges;

static struct mapped_range *find(uintptr_t address)
{
	struct mapped_range *range = __atomic_load_n(&ranges, __ATOMIC_ACQUIRE);

	for (; range; range = range->next) {
		/* The handler sees a place and its size, or no size. */
		size_t bytes = __atomic_load_n(&range->bytes, __ATOMIC_ACQUIRE);

		if (address - __atomic_load_n(&range->at, __ATOMIC_RELAXED) < bytes)
			break;
	}
	return range;
}

/* Behind the end of a file that was cut: a page of zeroes. Anything else is as without a handler.
 */
static void handle(int number, siginfo_t *info, void *context)
{
	uintptr_t address = (uintptr_t)info->si_addr;
	struct mapped_range *range = find(address);
	int error = errno;

	(void)context;
	if (range && mmap((void *)(address & ~(uintptr_t)(PAGE_BYTES - 1)), PAGE_BYTES, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
		__atomic_store_n(&range->is_cut, true, __ATOMIC_RELAXED);
	else
		signal(number, SIG_DFL); /* what comes again when we return */
	errno = error;
}

static void set_handler(void)
{
	struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART};

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}

static int add_range(void *at, size_t bytes, struct mapped_range **ret_range)
{
	struct mapped_range *range;

	pthread_mutex_lock(&lock);
	/* Whoever gives one back does not take the lock. */
	for (range = ranges; range && __atomic_load_n(&range->bytes, __ATOMIC_ACQUIRE);
	     range = range->next)
		;
	if (!range) {
		range = mem_zalloc(sizeof(*range));
		if (range) {
			range->next = ranges;
			__atomic_store_n(&ranges, range, __ATOMIC_RELEASE);
		}
	}
	if (range) {
		__atomic_store_n(&range->is_cut, false, __ATOMIC_RELAXED);
		__atomic_store_n(&range->at, (uintptr_t)at, __ATOMIC_RELAXED);
		__atomic_store_n(&range->bytes, bytes, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
	*ret_range = range;
	return range ? 0 : -ENOMEM;
}

static bool may_change(const struct stat *st)
{
	return (st->st_uid != 0 && st->st_uid != geteuid()) || st->st_mode & (S_IWGRP | S_IWOTH);
}

int mapped_open(struct mapped *ret_mapped, int fd, uint64_t offset, size_t bytes)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct mapped mapped = {.bytes = bytes};
	struct stat st;
	int r = io_fstat(fd, &st);
	void *at;

	if (r < 0 || may_change(&st))
		return r < 0 ? r : -EPERM;
	pthread_once(&once, set_handler);
	at = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, (off_t)offset);
	if (at == MAP_FAILED)
		return -errno;
	r = add_range(at, bytes, &mapped.range);
	if (r < 0) {
		munmap(at, bytes);
		return r;
	}
	mapped.data = at;
	*ret_mapped = mapped;
	return 0;
}

void mapped_close(struct mapped *mapped)
{
	void *at = (void *)mapped->data;

	if (!mapped->range)
		return;
	/* It may be taken from now on, and so may the addresses. */
	__atomic_store_n(&mapped->range->bytes, 0, __ATOMIC_RELEASE);
	munmap(at, mapped->bytes);
	*mapped = (struct mapped){.bytes = 0};
}

bool mapped_is_cut(const struct mapped *mapped)
{
	return mapped->range && __atomic_load_n(&mapped->range->is_cut, __ATOMIC_RELAXED);
}
