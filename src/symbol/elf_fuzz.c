/* SPDX-License-Identifier: MIT */
/* An ELF file in which a function is looked for; its name is the first bytes up to a NUL. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "symbol/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = strnlen((const char *)data, MIN(size, (size_t)64));
	char *name = mem_strndup((const char *)data, len);
	int fd = memfd_create("elf", MFD_CLOEXEC);
	struct symbol_function found;
	struct err err = {0};
	char path[64];
	size_t rest = MIN(len + 1, size);

	if (fd < 0 || !name || write(fd, data + rest, size - rest) != (ssize_t)(size - rest))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (symbol_function_find(path, name, &found, &err) < 0 && !err.text[0])
		abort();
	close(fd);
	mem_free(name);
	return 0;
}
