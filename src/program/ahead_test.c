/* SPDX-License-Identifier: MIT */
/* What this process has itself, planned ahead. */
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/test.h"
#include "program/ahead.h"

#define MODULES_MAX 64u

struct modules {
	struct stat stats[MODULES_MAX]; /* of libraries, without the loader */
	size_t nr;
	struct stat loader;
};

static int add_module(struct dl_phdr_info *info, size_t size, void *data)
{
	struct modules *modules = data;
	struct stat st;

	(void)size;
	if (info->dlpi_name[0] != '/' || stat(info->dlpi_name, &st) < 0)
		return 0;
	if (strstr(info->dlpi_name, "/ld-"))
		modules->loader = st;
	else if (modules->nr < MODULES_MAX)
		modules->stats[modules->nr++] = st;
	return 0;
}

static bool wants(void *ctx, const struct stat *st)
{
	(void)st;
	return *(bool *)ctx;
}

struct scene {
	struct modules modules;
	struct program_plans *plans;
	struct ahead *ahead;
};

static struct scene *scene_new(void)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	dl_iterate_phdr(add_module, &scene->modules);
	if (program_plans_new(&scene->plans) < 0 || ahead_new(&scene->ahead, scene->plans) < 0)
		abort();
	return scene;
}

static void scene_done(struct scene *scene)
{
	ahead_free(scene->ahead);
	program_plans_free(scene->plans);
	free(scene);
}

/* How many of the modules have a plan; each is taken once. */
static size_t take_all(struct scene *scene, unsigned int *wrong)
{
	size_t nr = 0;

	for (size_t i = 0; i < scene->modules.nr; i++) {
		const struct stat *st = &scene->modules.stats[i];
		struct program_origin origin;
		struct program_elf *elf;

		if (!ahead_take(scene->ahead, st, &elf, &origin))
			continue;
		nr++;
		*wrong += elf->inode != st->st_ino || !elf->nr_functions;
		program_elf_free(elf);
		*wrong += ahead_take(scene->ahead, st, &elf, &origin);
	}
	return nr;
}

/* Asked about while some are being planned, some wait, and some are ready. */
TEST(each_is_taken_once)
{
	struct scene *scene = scene_new();
	unsigned int wrong = 0, tries = 0;
	bool yes = true;
	size_t nr = 0;

	/* However long the thread takes to begin. */
	while (!nr && tries++ < 1000) {
		ahead_look(scene->ahead, getpid(), wants, &yes);
		usleep(10000);
		nr = take_all(scene, &wrong);
	}
	CHECK(nr > 0 && nr <= scene->modules.nr);
	CHECK_EQ(wrong, 0);
	scene_done(scene);
}

TEST(nobody_asks)
{
	struct scene *scene = scene_new();
	bool yes = true;

	ahead_look(scene->ahead, getpid(), wants, &yes);
	scene_done(scene);
}

TEST(what_is_not_planned)
{
	struct scene *scene = scene_new();
	struct stat changed = scene->modules.stats[0];
	struct program_origin origin;
	struct program_elf *elf;
	bool wanted = false;

	CHECK(scene->modules.nr > 0);
	ahead_look(scene->ahead, getpid(), wants, &wanted);
	CHECK(!ahead_take(scene->ahead, &scene->modules.stats[0], &elf, &origin));
	wanted = true;
	ahead_look(scene->ahead, 0, wants, &wanted); /* no process */
	CHECK(!ahead_take(scene->ahead, &scene->modules.stats[0], &elf, &origin));
	ahead_look(scene->ahead, getpid(), wants, &wanted);
	CHECK(!ahead_take(scene->ahead, &scene->modules.loader, &elf, &origin));
	changed.st_ctim.tv_nsec ^= 1;
	CHECK(!ahead_take(scene->ahead, &changed, &elf, &origin));
	scene_done(scene);
}

/* Another process that has the same, and one more time all over again. */
TEST(again)
{
	struct scene *scene = scene_new();
	unsigned int wrong = 0;
	bool yes = true;

	for (int round = 0; round < 3; round++) {
		ahead_look(scene->ahead, getpid(), wants, &yes);
		ahead_look(scene->ahead, getpid(), wants, &yes);
		(void)take_all(scene, &wrong);
	}
	CHECK_EQ(wrong, 0);
	scene_done(scene);
}

TEST_MAIN()
