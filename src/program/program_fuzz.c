/* SPDX-License-Identifier: MIT */
/*
 * A program or library whose functions are looked for and all patched, and where probes are put
 * into the middle of some, and at the entry and the return of others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "program/functions.h"
#include "program/image_probes.h"
#include "program/sites.h"

#define SITES	  64u
#define FUNCTIONS 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_function(const struct program_elf *elf, size_t index)
{
	const struct program_function *function = &elf->functions[index];

	if (function->address < elf->text_low || function->address >= elf->text_high ||
	    function->name >= elf->names_bytes ||
	    function->size > elf->text_high - function->address ||
	    (index && function[-1].address >= function->address))
		abort();
}

/* Each of the first functions that can have it has a probe of its entry, and two of its return. */
static void probe_functions(const struct program_elf *elf, struct program_image_probes *probes)
{
	for (uint32_t i = 0; i < elf->nr_functions && probes->nr_functions < FUNCTIONS; i++) {
		const struct program_function *function = &elf->functions[i];

		if (function->skip || function->entry_only || image_probes_are_at(probes, function))
			continue;
		probes->functions[probes->nr_functions++] =
			(struct program_probed_function){.function = i,
							 .first = (uint32_t)probes->nr,
							 .nr_hits = 1,
							 .nr_returns = 2};
		for (uint32_t k = 0; k < 3; k++)
			probes->list[probes->nr++] =
				(struct program_probe){.address = function->address,
						       .is_return = k > 0,
						       .nr_more = k == 1};
	}
}

/* Probes at every seventh byte of the code's beginning. */
static void build_with_probes(const struct program_elf *elf, const char *path)
{
	struct program_site sites[SITES];
	struct program_probe list[SITES + 3 * FUNCTIONS];
	struct program_probed_function functions[FUNCTIONS];
	struct program_image_probes probes = {.list = list, .functions = functions};
	struct program_image_options options = {.arena = elf->high + (1u << 20), .probes = &probes};
	struct program_image image;
	struct err err = {0};

	for (size_t i = 0; i < SITES; i++)
		sites[i] = (struct program_site){.address = elf->text_low + 7 * i};
	if (program_sites_plan(elf, path, sites, SITES, &probes.patches, &probes.nr_patches, &err) <
	    0)
		return;
	for (size_t i = 0; i < SITES; i++) {
		if (!sites[i].skip)
			list[probes.nr++] = (struct program_probe){.address = sites[i].address};
	}
	probes.nr_at_patches = probes.nr;
	probe_functions(elf, &probes);
	if (program_image_build(&image, elf, &options, &err) == 0)
		program_image_done(&image);
	mem_free(probes.patches);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);
	struct program_elf *elf;
	struct err err = {0};
	char path[64];

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (program_elf_open(&elf, path, &err) == 0) {
		struct program_image_options options = {.arena = elf->high + (1u << 20)};
		struct program_image image;

		for (size_t i = 0; i < elf->nr_functions; i++)
			check_function(elf, i);
		if (program_image_build(&image, elf, &options, &err) == 0)
			program_image_done(&image);
		build_with_probes(elf, path);
		program_elf_free(elf);
	} else if (!err.text[0]) {
		abort();
	}
	close(fd);
	return 0;
}
