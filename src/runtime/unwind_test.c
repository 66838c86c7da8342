/* SPDX-License-Identifier: MIT */
/*
 * What unwinders are told of arenas: the functions of unwind.c, with a loader and arenas that are
 * made up. Our own unwinder asks them, too.
 */
#include <link.h>

#include "base/test.h"
#include "runtime/runtime.h"

#define ARENA_LOW  0x10000u
#define ARENA_SIZE 0x3000u
#define FRAMES	   0x12000u
#define NR_ARENAS  2u
#define NR_MODULES 3u
#define STOP	   7

static const struct rt_arena arenas[NR_ARENAS] = {
	{ARENA_LOW, ARENA_SIZE, FRAMES},
	{ARENA_LOW + 0x10000, ARENA_SIZE, FRAMES + 0x10000},
};
static struct link_map modules;
static struct r_debug state = {.r_version = 1, .r_map = &modules};
static bool has_unwinder;
static const char *unwinders_name;
/* The declaration of _dl_find_object says that it calls nobody here. */
static volatile unsigned int nr_found;

/* --- what the loader does --- */

static int found_by_loader(void *pc, struct dl_find_object *result)
{
	(void)pc;
	(void)result;
	nr_found = nr_found + 1;
	return -1;
}

static int modules_of_loader(rt_iterate_fn each, void *data)
{
	struct dl_phdr_info info = {.dlpi_name = "module", .dlpi_adds = 5, .dlpi_subs = 2};
	int r = 0;

	for (unsigned int i = 0; i < NR_MODULES && r == 0; i++)
		r = each(&info, sizeof(info), data);
	return r;
}

bool rt_loader_is_glibc(void)
{
	return true;
}

uint64_t rt_loader_symbol(const char *name)
{
	return strcmp(name, "dl_iterate_phdr") ? (uint64_t)found_by_loader
					       : (uint64_t)modules_of_loader;
}

bool rt_loader_module_has(uint64_t address, const char *name)
{
	(void)address;
	return has_unwinder && !strcmp(name, unwinders_name);
}

const struct r_debug *rt_loader_state(void)
{
	return &state;
}

const struct rt_arena *rt_arena_find(uint64_t address)
{
	for (unsigned int i = 0; i < NR_ARENAS; i++) {
		if (address - arenas[i].low < arenas[i].size)
			return &arenas[i];
	}
	return NULL;
}

int rt_arenas_each(int (*each)(const struct rt_arena *arena, void *data), void *data)
{
	int r = 0;

	for (unsigned int i = 0; i < NR_ARENAS && r == 0; i++)
		r = each(&arenas[i], data);
	return r;
}

/* --- what an unwinder sees --- */

struct seen {
	unsigned int nr_modules, nr_arenas, stop_at;
	struct dl_phdr_info last;
	uint64_t low, size, frames;
};

static int see(struct dl_phdr_info *info, size_t size, void *data)
{
	struct seen *seen = data;

	seen->last = *info;
	if (size != sizeof(*info))
		return -1;
	if (!strcmp(info->dlpi_name, "module")) {
		seen->nr_modules++;
	} else {
		seen->nr_arenas++;
		seen->low = info->dlpi_addr + info->dlpi_phdr[0].p_vaddr;
		seen->size = info->dlpi_phdr[0].p_memsz;
		seen->frames = info->dlpi_addr + info->dlpi_phdr[1].p_vaddr;
	}
	return seen->stop_at == seen->nr_modules + seen->nr_arenas ? STOP : 0;
}

TEST(an_object_is_found_by_who_has_it)
{
	struct dl_find_object object;

	rt_unwind_init();
	CHECK_EQ(_dl_find_object((void *)(ARENA_LOW + 21), &object), 0);
	CHECK_EQ((uint64_t)object.dlfo_map_start, ARENA_LOW);
	CHECK_EQ((uint64_t)object.dlfo_map_end, ARENA_LOW + ARENA_SIZE);
	CHECK_EQ((uint64_t)object.dlfo_eh_frame, FRAMES);
	CHECK(object.dlfo_link_map == &modules);
	CHECK_EQ(_dl_find_object((void *)(ARENA_LOW + ARENA_SIZE - 1), &object), 0);
	nr_found = 0;
	CHECK_EQ(_dl_find_object((void *)(ARENA_LOW + ARENA_SIZE), &object), -1);
	CHECK_EQ(_dl_find_object((void *)(ARENA_LOW - 1), &object), -1);
	CHECK_EQ(nr_found, 2);
}

TEST(only_unwinders_see_arenas)
{
	struct seen seen = {0};

	rt_unwind_init();
	has_unwinder = false;
	CHECK_EQ(dl_iterate_phdr(see, &seen), 0);
	CHECK(seen.nr_modules == NR_MODULES && !seen.nr_arenas);
	has_unwinder = true;
	for (int i = 0; i < 2; i++) {
		unwinders_name = i ? "_Unwind_RaiseException" : "_Ux86_64_step";
		seen = (struct seen){0};
		CHECK_EQ(dl_iterate_phdr(see, &seen), 0);
		CHECK(seen.nr_modules == NR_MODULES && seen.nr_arenas == NR_ARENAS);
		CHECK_EQ(seen.low, arenas[NR_ARENAS - 1].low);
		CHECK_EQ(seen.size, ARENA_SIZE);
		CHECK_EQ(seen.frames, arenas[NR_ARENAS - 1].eh_frame_hdr);
		CHECK_EQ(seen.last.dlpi_phnum, 2);
		/* For those who keep what they found, and look anew when this has changed. */
		CHECK(seen.last.dlpi_adds == 5 && seen.last.dlpi_subs == 2);
	}
}

TEST(who_has_found_it_is_shown_no_more)
{
	rt_unwind_init();
	has_unwinder = true;
	unwinders_name = "_Unwind_RaiseException";
	for (unsigned int stop = 1; stop <= NR_MODULES + NR_ARENAS; stop++) {
		struct seen seen = {.stop_at = stop};

		CHECK_EQ(dl_iterate_phdr(see, &seen), STOP);
		CHECK_EQ(seen.nr_modules + seen.nr_arenas, stop);
	}
}

TEST_MAIN()
