/* SPDX-License-Identifier: MIT */
/*
 * Whether code is what its file has, without reading it: the range is a private mapping of that
 * very file, and no page of it has become the process's own. What is not in memory, or belongs to
 * the page cache, is the file's; a page that somebody wrote to (a debugger's breakpoint, a
 * relocation) is anonymous. Reading megabytes of code would make each page of it present first.
 *
 * Where /proc says less than that, the answer is "no", and the code has to be read.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "runtime/runtime.h"
#include "runtime/sys.h"

/* Bits of a page's word in /proc/PID/pagemap. */
#define PAGE_IS_PRESENT (1ull << 63)
#define PAGE_IS_SWAPPED (1ull << 62) /* or being moved: nobody knows */
#define PAGE_IS_FILE	(1ull << 61) /* if it is present: not anonymous */
#define PAGES_AT_ONCE	256u

struct reader {
	int fd;
	size_t at, len;
	char buf[1024];
};

/* The next byte; negative at the end. */
static int next_byte(struct reader *reader)
{
	if (reader->at == reader->len) {
		long n = sys_3(SYS_read, reader->fd, (long)reader->buf, sizeof(reader->buf));

		if (n <= 0)
			return -1;
		reader->at = 0;
		reader->len = (size_t)n;
	}
	return (unsigned char)reader->buf[reader->at++];
}

/* Of a digit; 16 of what is none. */
static unsigned int value_of(int byte)
{
	if (byte >= '0' && byte <= '9')
		return (unsigned int)(byte - '0');
	return byte >= 'a' && byte <= 'f' ? (unsigned int)(byte - 'a') + 10 : 16;
}

/* A number of that base, and what stands behind it; negative at the end. */
static int next_number(struct reader *reader, unsigned int base, uint64_t *ret_number)
{
	int byte;

	for (*ret_number = 0; value_of(byte = next_byte(reader)) < base;)
		*ret_number = *ret_number * base + value_of(byte);
	return byte;
}

static int skip_past(struct reader *reader, int wanted)
{
	int byte;

	do
		byte = next_byte(reader);
	while (byte >= 0 && byte != wanted);
	return byte;
}

struct mapping {
	uint64_t start, end, major, minor, inode;
};

/* A line of /proc/PID/maps: START-END rwxp OFFSET MAJOR:MINOR INODE PATH, or a blank for that. */
static bool next_mapping(struct reader *reader, struct mapping *ret_mapping)
{
	return next_number(reader, 16, &ret_mapping->start) == '-' &&
	       next_number(reader, 16, &ret_mapping->end) == ' ' && skip_past(reader, ' ') >= 0 &&
	       skip_past(reader, ' ') >= 0 && next_number(reader, 16, &ret_mapping->major) == ':' &&
	       next_number(reader, 16, &ret_mapping->minor) == ' ' &&
	       next_number(reader, 10, &ret_mapping->inode) == ' ' && skip_past(reader, '\n') >= 0;
}

/* The one that the address is in, or the next one. */
static bool find_mapping(struct reader *reader, uint64_t address, struct mapping *ret_mapping)
{
	while (next_mapping(reader, ret_mapping)) {
		if (ret_mapping->end > address)
			return true;
	}
	return false;
}

/* As the kernel packs them for stat. */
static bool is_of_file(const struct mapping *mapping, const struct stat *st)
{
	uint64_t device = st->st_dev;

	return mapping->inode == st->st_ino &&
	       mapping->major == ((device >> 8 & 0xfff) | (device >> 32 & ~0xfffull)) &&
	       mapping->minor == ((device & 0xff) | (device >> 12 & ~0xffull));
}

static int open_own(const char *path)
{
	return (int)sys_3(SYS_open, (long)path, O_RDONLY | O_CLOEXEC, 0);
}

static bool maps_file(int file, uint64_t low, uint64_t high)
{
	struct mapping mapping;
	struct reader reader;
	bool is_mapped;
	struct stat st;

	reader.fd = open_own("/proc/self/maps");
	reader.at = reader.len = 0;
	if (reader.fd < 0)
		return false;
	is_mapped = sys_3(SYS_fstat, file, (long)&st, 0) == 0 &&
		    find_mapping(&reader, low, &mapping) && mapping.start <= low &&
		    mapping.end >= high && is_of_file(&mapping, &st);
	sys_3(SYS_close, reader.fd, 0, 0);
	return is_mapped;
}

static bool is_files_page(uint64_t word)
{
	return !(word & PAGE_IS_SWAPPED) && (!(word & PAGE_IS_PRESENT) || word & PAGE_IS_FILE);
}

static bool are_files_pages(uint64_t low, uint64_t high)
{
	int fd = open_own("/proc/self/pagemap");
	uint64_t words[PAGES_AT_ONCE];
	bool all = fd >= 0;

	while (all && low < high) {
		uint64_t left = (high - low) / PROGRAM_PAGE_BYTES;
		uint64_t nr = left < PAGES_AT_ONCE ? left : PAGES_AT_ONCE;
		long bytes = (long)(nr * sizeof(*words));

		all = raw_syscall(SYS_pread64, fd, (long)words, bytes,
				  (long)(low / PROGRAM_PAGE_BYTES * sizeof(*words)), 0, 0) == bytes;
		for (uint64_t i = 0; i < nr && all; i++)
			all = is_files_page(words[i]);
		low += nr * PROGRAM_PAGE_BYTES;
	}
	if (fd >= 0)
		sys_3(SYS_close, fd, 0, 0);
	return all;
}

bool rt_is_untouched(int file, uint64_t low, uint64_t bytes)
{
	const uint64_t mask = ~((uint64_t)PROGRAM_PAGE_BYTES - 1);
	uint64_t high = (low + bytes + PROGRAM_PAGE_BYTES - 1) & mask;

	return maps_file(file, low & mask, high) && are_files_pages(low & mask, high);
}
