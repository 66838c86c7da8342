/* SPDX-License-Identifier: MIT */
/*
 * The ways in which unwinders find frame descriptions, with those of the stubs added. libgcc asks
 * _dl_find_object for every frame (gcc 12, glibc 2.35); before, and in other unwinders, each looks
 * through the list of modules. Only unwinders get to see arenas in it.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>

#include "runtime/runtime.h"

#define DEFAULT __attribute__((visibility("default")))

static int (*loader_find_object)(void *pc, struct dl_find_object *result);
static int (*loader_iterate)(rt_iterate_fn each, void *data);

DEFAULT int _dl_find_object(void *pc, struct dl_find_object *result)
{
	const struct rt_arena *arena = rt_arena_find((uint64_t)pc);

	if (!arena)
		return loader_find_object ? loader_find_object(pc, result) : -1;
	*result = (struct dl_find_object){
		.dlfo_map_start = (void *)arena->low,
		.dlfo_map_end = (void *)(arena->low + arena->size),
		.dlfo_link_map = (void *)rt_loader_state()->r_map,
		.dlfo_eh_frame = (void *)arena->eh_frame_hdr,
	};
	return 0;
}

static bool is_unwinder(rt_iterate_fn each)
{
	uint64_t at = (uint64_t)each;

	return rt_loader_module_has(at, "_Unwind_RaiseException") ||
	       rt_loader_module_has(at, "_Ux86_64_step");
}

/* The first module says how many there have been, for those who keep what they found. */
static int take_counts(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	*(struct dl_phdr_info *)data = *info;
	return 1;
}

struct arena_info {
	struct dl_phdr_info info;
	rt_iterate_fn each;
	void *data;
};

static int show_arena(const struct rt_arena *arena, void *data)
{
	struct arena_info *show = data;
	const ElfW(Phdr) segments[] = {
		{
			.p_type = PT_LOAD,
			.p_flags = PF_R | PF_X,
			.p_memsz = arena->size,
			.p_filesz = arena->size,
		},
		{
			.p_type = PT_GNU_EH_FRAME,
			.p_flags = PF_R,
			.p_vaddr = arena->eh_frame_hdr - arena->low,
			.p_memsz = arena->low + arena->size - arena->eh_frame_hdr,
			.p_filesz = arena->low + arena->size - arena->eh_frame_hdr,
		},
	};

	show->info.dlpi_addr = arena->low;
	show->info.dlpi_name = "";
	show->info.dlpi_phdr = segments;
	show->info.dlpi_phnum = sizeof(segments) / sizeof(segments[0]);
	show->info.dlpi_tls_modid = 0;
	show->info.dlpi_tls_data = NULL;
	return show->each(&show->info, sizeof(show->info), show->data);
}

DEFAULT int dl_iterate_phdr(rt_iterate_fn each, void *data)
{
	struct arena_info show = {.each = each, .data = data};
	int r = loader_iterate ? loader_iterate(each, data) : 0;

	if (r || !loader_iterate || !is_unwinder(each))
		return r;
	loader_iterate(take_counts, &show.info);
	return rt_arenas_each(show_arena, &show);
}

extern void *dlsym(void *of, const char *name) __attribute__((weak));

void rt_unwind_init(void)
{
	uint64_t find, iterate;

	if (!rt_loader_is_glibc()) {
		void *next = dlsym ? dlsym(RTLD_NEXT, "dl_iterate_phdr") : NULL;

		memcpy(&loader_iterate, &next, sizeof(next));
		return;
	}
	find = rt_loader_symbol("_dl_find_object");
	iterate = rt_loader_symbol("dl_iterate_phdr");
	memcpy(&loader_find_object, &find, sizeof(find));
	memcpy(&loader_iterate, &iterate, sizeof(iterate));
}
