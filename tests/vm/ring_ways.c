/* SPDX-License-Identifier: MIT */
/*
 * ring_ways RAW...: the ways to a ring buffer that need more than a shell: splice and mmap of a
 * trace_pipe_raw with something in it. Says "tried NAME yes|no" for each. For doctor-in-guest;
 * shares nothing with the code it checks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define GET_READER _IO('R', 0x20) /* TRACE_MMAP_IOCTL_GET_READER */

static void tried(const char *name, int yes)
{
	printf("tried %s %s\n", name, yes ? "yes" : "no");
}

/* The meta page begins with its size and the size and number of sub-buffers. */
static int try_map(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	uint32_t *meta = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, fd, 0);
	int yes = meta != MAP_FAILED && meta[0] >= 64 && meta[2] > 0 && !ioctl(fd, GET_READER);

	if (meta != MAP_FAILED)
		munmap(meta, (size_t)sysconf(_SC_PAGESIZE));
	close(fd);
	return yes;
}

static int try_splice(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK), fds[2];
	ssize_t n;

	if (pipe(fds) < 0)
		return 0;
	n = splice(fd, NULL, fds[1], NULL, 1 << 16, SPLICE_F_NONBLOCK);
	close(fd);
	return n > 0;
}

int main(int argc, char **argv)
{
	int mapped = 0, spliced = 0;

	for (int i = 1; i < argc; i++) {
		mapped |= try_map(argv[i]);
		spliced |= try_splice(argv[i]);
	}
	tried("mmap", mapped);
	tried("splice", spliced);
	return argc < 2;
}
