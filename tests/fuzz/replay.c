/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over its corpus without libFuzzer, one TAP case a file: every input that once
 * crashed stays a test with any compiler and any sanitizer.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_INPUT_BYTES (64u << 20)

static int replay(const char *dir, const char *name, int number)
{
	_cleanup_free_ char *data = NULL;
	char path[4096];
	size_t len;
	int r;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	r = io_read_file(path, MAX_INPUT_BYTES, &data, &len);
	if (!r) {
		/* A copy of the exact size, so that a sanitizer sees a read behind the end. */
		_cleanup_free_ uint8_t *exact = mem_dup(data, len);

		if (exact)
			LLVMFuzzerTestOneInput(exact, len);
	}
	printf("%sok %d - %s\n", r ? "not " : "", number, name);
	fflush(stdout);
	return r;
}

int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	const struct dirent *entry;
	int nr = 0, failed = 0;

	if (!dir) {
		printf("1..0 # SKIP no corpus\n");
		return 0;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			failed |= replay(argv[1], entry->d_name, ++nr);
	}
	closedir(dir);
	printf("1..%d\n", nr);
	return failed ? 1 : 0;
}
