/* SPDX-License-Identifier: MIT */
/* Any bytes as a page: byte 0 chooses byte order and size of long, the rest is the page. */
#include "ring/subbuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct subbuf_layout layout = {.size = 65536};
	struct subbuf_cursor cursor;
	struct subbuf_record record;
	uint64_t sum = 0, left = size;

	if (size < 1 || size > layout.size)
		return 0;
	layout.big_endian = data[0] & 1;
	layout.long_size = data[0] & 2 ? 8 : 4;
	(void)!subbuf_open(&cursor, &layout, data + 1, (uint32_t)size - 1);
	while (subbuf_next(&cursor, &record)) {
		for (uint32_t i = 0; i < record.len; i++)
			sum += record.data[i];
		/* Every record takes at least its header: more records than that are a loop. */
		if (left < 4)
			__builtin_trap();
		left -= 4;
	}
	__asm__ volatile("" : : "r"(sum));
	return 0;
}
