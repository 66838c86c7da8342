/* SPDX-License-Identifier: MIT */
/*
 * Bytes of a file as its pages lie in memory, for large files of which every byte is looked at:
 * read into memory of our own they would be copied into fresh pages, which costs more than the
 * looking.
 *
 * Two things can happen to what is mapped, and not to what was read. A file that is cut short has
 * no pages any more: here zeroes stand in their place (SIGBUS is handled), and mapped_is_cut says
 * so. A file that is written to changes what was looked at already: therefore only files are mapped
 * that nobody can write to but root and who runs this process, by their owner and mode.
 */
#ifndef SONDE_BASE_MAPPED_H
#define SONDE_BASE_MAPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mapped_range;

struct mapped {
	const uint8_t *data;
	size_t bytes;
	struct mapped_range *range; /* NULL: nothing is mapped */
};

/*
 * Map `bytes` of the file from `offset` on, a multiple of 4096; they must be there. -EPERM when
 * others could write to the file. From any thread; the first call sets the process's handler of
 * SIGBUS, which no thread that reads what is mapped may block.
 */
int mapped_open(struct mapped *ret_mapped, int fd, uint64_t offset, size_t bytes)
	__attribute__((warn_unused_result));
void mapped_close(struct mapped *mapped);

/* Whether the file was found to be shorter than it had been, when it was read. */
bool mapped_is_cut(const struct mapped *mapped);

#endif
