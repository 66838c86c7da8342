/* SPDX-License-Identifier: MIT */
/*
 * System calls of the runtime, on those of the ring's writer (ring/raw.h): they touch no errno and
 * can be used from any context. Results are the kernel's: negative errno on failure.
 */
#ifndef SONDE_RUNTIME_SYS_H
#define SONDE_RUNTIME_SYS_H

#include <sys/syscall.h>

#include "ring/raw.h"

static inline long sys_3(long nr, long a, long b, long c)
{
	return raw_syscall(nr, a, b, c, 0, 0, 0);
}

static inline long sys_0(long nr)
{
	return sys_3(nr, 0, 0, 0);
}

static inline long sys_mmap(unsigned long address, unsigned long length, int protection, int flags,
			    int fd, unsigned long offset)
{
	return raw_syscall(SYS_mmap, (long)address, (long)length, protection, flags, fd,
			   (long)offset);
}

/* mmap's results that are errors. */
static inline int sys_failed(long result)
{
	return (unsigned long)result >= -4095ul;
}

#endif
