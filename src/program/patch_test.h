/* SPDX-License-Identifier: MIT */
/*
 * A runtime in miniature: maps images over the modules of the test itself, with handlers that count
 * entries, returns and tail calls. Only *_test.c files include this. x86-64.
 */
#ifndef SONDE_PROGRAM_PATCH_TEST_H
#define SONDE_PROGRAM_PATCH_TEST_H

#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "program/functions.h"
#include "program/image.h"

#define PATCH_CLUSTER_BYTES (256ull << 20)
#define PATCH_IDS	    (1u << 26)
#define PATCH_STACK_BYTES   (64ull << 20)

/* What the handlers use. A range of addresses of stubs for each of two clusters. */
struct patch_state {
	uint64_t entries, exits, tails;
	uint64_t low[2], span[2];
	uint32_t *counts; /* by ID */
};
extern struct patch_state patch_state;
struct patch_state patch_state;

void patch_entry(void);
void patch_exit(void);
void patch_entry_only(void);

/* The shadow slot is PROGRAM_SHADOW below the return address. */
__asm__(".text\n"
	"patch_entry:\n"
	"	push %rax\n	push %rcx\n	push %rdx\n"
	"	mov 40(%rsp),%rcx\n"
	"	mov %rcx,%rax\n"
	"	sub patch_state+24(%rip),%rax\n"
	"	cmp patch_state+40(%rip),%rax\n"
	"	jb 1f\n"
	"	mov %rcx,%rax\n"
	"	sub patch_state+32(%rip),%rax\n"
	"	cmp patch_state+48(%rip),%rax\n"
	"	jb 1f\n"
	"	movabs $-0x1000000002c0,%rdx\n"
	"	mov %rcx,40(%rsp,%rdx)\n"
	"	jmp 2f\n"
	"1:	lock incq patch_state+16(%rip)\n"
	"2:	mov 32(%rsp),%eax\n"
	"	mov patch_state+56(%rip),%rdx\n"
	"	lock incl (%rdx,%rax,4)\n"
	"	lock incq patch_state(%rip)\n"
	"	pop %rdx\n	pop %rcx\n	pop %rax\n	ret\n"
	"patch_exit:\n"
	"	push %rax\n	push %rcx\n"
	"	movabs $-0x1000000002c0,%rcx\n"
	"	mov 16(%rsp,%rcx),%rax\n"
	"	mov %rax,16(%rsp)\n"
	"	lock incq patch_state+8(%rip)\n"
	"	pop %rcx\n	pop %rax\n	ret\n"
	"patch_entry_only:\n"
	"	push %rax\n	push %rdx\n"
	"	mov 24(%rsp),%eax\n"
	"	mov patch_state+56(%rip),%rdx\n"
	"	lock incl (%rdx,%rax,4)\n"
	"	pop %rdx\n	pop %rax\n	ret\n");

struct patch_cluster {
	uint64_t at, end;
};

struct patch_module {
	struct program_elf *elf;
	uint64_t bias;
	uint32_t base; /* of its IDs */
	struct program_image image;
};

/* Shadow slots for this thread's stack, and counters. */
static inline bool patch_begin(void)
{
	uint64_t here = (uint64_t)(uintptr_t)&here & ~0xfffull;
	uint64_t low = (here - PATCH_STACK_BYTES - PROGRAM_SHADOW) & ~0xfffull;
	void *shadow =
		mmap((void *)(uintptr_t)low, PATCH_STACK_BYTES + (1u << 20), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	patch_state.counts = mmap(NULL, 4ull * PATCH_IDS, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return shadow != MAP_FAILED && patch_state.counts != MAP_FAILED;
}

/* A free range that everything near `module` reaches; `index` is the cluster's. */
static inline bool patch_reserve(struct patch_cluster *ret_cluster, unsigned int index,
				 uint64_t module)
{
	for (uint64_t distance = 64ull << 20; distance < 1ull << 30; distance += 16ull << 20) {
		uint64_t at = (module - distance - PATCH_CLUSTER_BYTES) & ~0xfffull;
		void *got = mmap((void *)(uintptr_t)at, PATCH_CLUSTER_BYTES, PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
				 -1, 0);

		if (got == MAP_FAILED)
			continue;
		*ret_cluster = (struct patch_cluster){at, at + PATCH_CLUSTER_BYTES};
		patch_state.low[index] = at;
		patch_state.span[index] = PATCH_CLUSTER_BYTES;
		return true;
	}
	return false;
}

static inline bool patch_map_runs(const struct patch_module *module, const char *head)
{
	const struct program_image_header *header = (const struct program_image_header *)head;
	const struct program_image_run *runs = (const struct program_image_run *)(header + 1);

	for (uint32_t i = 0; i < header->nr_runs; i++) {
		void *at = (void *)(uintptr_t)(module->bias + runs[i].address);

		if (program_checksum(at, runs[i].checked) != runs[i].checksum)
			return false;
	}
	for (uint32_t i = 0; i < header->nr_runs; i++) {
		void *at = (void *)(uintptr_t)(module->bias + runs[i].address);

		if (mmap(at, runs[i].length, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED,
			 module->image.fd, (off_t)runs[i].offset) != at)
			return false;
	}
	return true;
}

/* Plan and build; `choices` may be NULL. False with a line on stdout when that fails. */
static inline bool patch_build(struct patch_module *module, const char *path, uint64_t bias,
			       struct patch_cluster *cluster, const uint8_t *choices)
{
	struct program_image_options options = {
		.arena = cluster->at - bias, .base = module->base, .choices = choices};
	struct err err = {.code = 0};

	module->bias = bias;
	if ((!module->elf && program_elf_open(&module->elf, path, &err) < 0) ||
	    program_image_build(&module->image, module->elf, &options, &err) < 0) {
		printf("# %s\n", err.text);
		return false;
	}
	cluster->at += module->image.header.arena_bytes;
	return true;
}

/* Map what was built. Code that is called is patched, in this thread only: no other has slots. */
static inline bool patch_map(const struct patch_module *module)
{
	const struct program_image_header *header = &module->image.header;
	uint64_t *words, arena = header->arena + module->bias;
	char *head;

	if (module->image.fd < 0)
		return true;
	head = mmap(NULL, header->stubs_offset, PROT_READ, MAP_PRIVATE, module->image.fd, 0);
	words = mmap((void *)(uintptr_t)arena, PROGRAM_WORDS_BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (head == MAP_FAILED || words == MAP_FAILED)
		return false;
	for (unsigned int i = 0; i < PROGRAM_NR_WORDS; i++)
		words[i] = (uint64_t)(uintptr_t)(i == PROGRAM_WORD_ENTRY_ONLY ? patch_entry_only
						 : i == PROGRAM_WORD_EXIT ||
								 i == PROGRAM_WORD_ROOT_EXIT
							 ? patch_exit
							 : patch_entry);
	if (mmap(words + PROGRAM_WORDS_BYTES / 8, header->stubs_bytes, PROT_READ | PROT_EXEC,
		 MAP_PRIVATE | MAP_FIXED, module->image.fd,
		 (off_t)header->stubs_offset) == MAP_FAILED)
		return false;
	if (!patch_map_runs(module, head)) {
		printf("# %s: its code is not the file's\n", module->elf->path);
		return false;
	}
	return true;
}

#endif
