/* SPDX-License-Identifier: MIT */
#include "kernel/tsc.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"

static int ask(struct kernel_tsc *ret_tsc, struct err *err)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.disabled = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	_cleanup_close_ int fd =
		(int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	const struct perf_event_mmap_page *page;
	int r = 0;

	if (fd < 0)
		return err_sys(err, -errno,
			       "cannot ask for the rate of the time stamp counter (--tsc2nsec): "
			       "perf_event_open (see /proc/sys/kernel/perf_event_paranoid)");
	page = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return err_sys(err, -errno,
			       "cannot ask for the rate of the time stamp counter (--tsc2nsec)");
	if (page->cap_user_time)
		*ret_tsc = (struct kernel_tsc){page->time_mult, page->time_shift};
	else
		r = err_set(err, -EOPNOTSUPP,
			    "this machine's time stamp counter does not count nanoseconds evenly "
			    "(--tsc2nsec, -C tsc2nsec); the clocks mono and boot do: -C mono");
	munmap((void *)page, size);
	return r;
}

/*
 * Once: the first perf event in a system that has none takes the kernel 5 to 20 ms, since it waits
 * until all processors know that there are some now.
 */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct {
	struct kernel_tsc tsc;
	struct err err;
	int r;
} answer;

static void ask_once(void)
{
	answer.r = ask(&answer.tsc, &answer.err);
}

int kernel_tsc_scale(struct kernel_tsc *ret_tsc, struct err *err)
{
	pthread_once(&once, ask_once);
	if (answer.r < 0)
		return err_set(err, answer.r, "%s", answer.err.text);
	*ret_tsc = answer.tsc;
	return 0;
}
