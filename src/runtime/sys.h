/* SPDX-License-Identifier: MIT */
/*
 * System calls without libc, for what lives inside a traced program: they touch no errno and can be
 * used from any context. Results are the kernel's: negative errno on failure.
 */
#ifndef SONDE_RUNTIME_SYS_H
#define SONDE_RUNTIME_SYS_H

#include <sys/syscall.h>

static inline long sys_6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static inline long sys_3(long nr, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}

static inline long sys_0(long nr)
{
	return sys_3(nr, 0, 0, 0);
}

static inline long sys_mmap(unsigned long address, unsigned long length, int protection, int flags,
			    int fd, unsigned long offset)
{
	return sys_6(SYS_mmap, (long)address, (long)length, protection, flags, fd, (long)offset);
}

/* mmap's results that are errors. */
static inline int sys_failed(long result)
{
	return (unsigned long)result >= -4095ul;
}

#endif
