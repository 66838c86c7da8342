/* SPDX-License-Identifier: MIT */
/*
 * An ELF file in which a function is looked for; its name is the first bytes up to a NUL. Its USDT
 * probes are read, too.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "symbol/elf.h"
#include "symbol/usdt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_probes(const char *path)
{
	_cleanup_out_ struct out text = {0};
	struct usdt_notes notes = {0};
	struct symbol_files files;
	struct err err;

	if (symbol_files_open(&files, path, &err) < 0)
		return;
	if (usdt_notes_read(&notes, files.elves[0]) < 0)
		abort();
	for (size_t i = 0; i < notes.nr; i++)
		usdt_print(&text, &notes.list[i], &files);
	usdt_notes_done(&notes);
	symbol_files_close(&files);
}

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
	print_probes(path);
	close(fd);
	mem_free(name);
	return 0;
}
