/* SPDX-License-Identifier: MIT */
/*
 * System calls without a C library, for code that runs inside traced programs: errno stays the
 * program's own. Results are the kernel's: a value, or a negative errno.
 */
#ifndef SONDE_RING_RAW_H
#define SONDE_RING_RAW_H

#include <stdint.h>
#include <sys/syscall.h>

#if defined(__x86_64__)

static inline long raw_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline uint64_t raw_counter(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* The counter is not read before what stands in front of this has been done. */
static inline void raw_counter_behind(void)
{
	__asm__ volatile("lfence" : : : "memory");
}

static inline uintptr_t raw_thread_pointer(void)
{
	uintptr_t tp;

	__asm__("movq %%fs:0, %0" : "=r"(tp));
	return tp;
}

#elif defined(__aarch64__)

static inline long raw_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

static inline uint64_t raw_counter(void)
{
	uint64_t count;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(count) : : "memory");
	return count;
}

/* raw_counter sees to it itself. */
static inline void raw_counter_behind(void)
{
}

static inline uintptr_t raw_thread_pointer(void)
{
	uintptr_t tp;

	__asm__("mrs %0, tpidr_el0" : "=r"(tp));
	return tp;
}

#else
#error "this processor is not supported"
#endif

#define raw_syscall1(nr, a)	  raw_syscall(nr, (long)(a), 0, 0, 0, 0, 0)
#define raw_syscall3(nr, a, b, c) raw_syscall(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define raw_syscall4(nr, a, b, c, d)                                                               \
	raw_syscall(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

static inline int32_t raw_gettid(void)
{
	return (int32_t)raw_syscall(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

static inline int32_t raw_getpid(void)
{
	return (int32_t)raw_syscall(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

/* All signals but those that cannot be blocked; give *old back to raw_signals_restore. */
static inline void raw_signals_block(uint64_t *old)
{
	const uint64_t all = ~0ull;

	raw_syscall4(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &all, old, sizeof(all));
}

static inline void raw_signals_restore(const uint64_t *old)
{
	raw_syscall4(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, old, 0, sizeof(*old));
}

#endif
