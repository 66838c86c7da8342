/* SPDX-License-Identifier: MIT */
/* An ld.so.cache in which a library is looked for. */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "symbol/locate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"libc.so.6", "libc", "libx.so"};
	int fd = memfd_create("cache", MFD_CLOEXEC);
	char cache[64];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(cache, sizeof(cache), "/proc/self/fd/%d", fd);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct symbol_places places = {.root = "", .path = "", .cache = cache};
		char *path = NULL;
		struct err err = {0};

		if (symbol_locate(names[i], &places, &path, &err) < 0 && !err.text[0])
			abort();
		mem_free(path);
	}
	close(fd);
	return 0;
}
