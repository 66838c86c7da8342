/* SPDX-License-Identifier: MIT */
/* What is told of code without reading it, of mappings of files in memory. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/test.h"
#include "runtime/runtime.h"

#define PAGE	 4096u
#define NR_PAGES 700u /* more than are asked about at once */
#define BYTES	 (NR_PAGES * PAGE)

struct scene {
	int fd;
	unsigned char *at; /* the file, mapped privately */
};

static int make_file(void)
{
	int fd = memfd_create("code", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, BYTES) < 0)
		abort();
	for (unsigned int i = 0; i < NR_PAGES; i++) {
		if (pwrite(fd, "code", 4, (off_t)i * PAGE) != 4)
			abort();
	}
	return fd;
}

static struct scene scene_new(void)
{
	struct scene scene = {.fd = make_file()};

	scene.at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, scene.fd, 0);
	if (scene.at == MAP_FAILED)
		abort();
	return scene;
}

static void scene_done(const struct scene *scene)
{
	munmap(scene->at, BYTES);
	close(scene->fd);
}

/* In a sandbox /proc may not have it; then code is read. */
#define NEED_PAGEMAP()                                                                             \
	do {                                                                                       \
		if (access("/proc/self/pagemap", R_OK) < 0)                                        \
			SKIP("there is no /proc/self/pagemap");                                    \
	} while (0)

static bool is_untouched(const struct scene *scene, uint64_t from, uint64_t bytes)
{
	return rt_is_untouched(scene->fd, (uint64_t)scene->at + from, bytes);
}

TEST(what_nobody_wrote_to)
{
	struct scene scene = scene_new();

	NEED_PAGEMAP();
	CHECK(is_untouched(&scene, 0, BYTES));
	/* Pages that were read are the file's, too. */
	for (unsigned int i = 0; i < NR_PAGES; i += 2)
		CHECK_EQ(((volatile unsigned char *)scene.at)[(size_t)i * PAGE], 'c');
	CHECK(is_untouched(&scene, 0, BYTES));
	CHECK(is_untouched(&scene, 100, BYTES - 5000));
	scene_done(&scene);
}

TEST(a_byte_that_was_written)
{
	static const unsigned int pages[] = {0, 255, 256, 511, NR_PAGES - 1};

	NEED_PAGEMAP();
	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
		struct scene scene = scene_new();
		uint64_t at = (uint64_t)pages[i] * PAGE;

		((volatile unsigned char *)scene.at)[at + 1000] = 0xcc;
		CHECK(!is_untouched(&scene, 0, BYTES));
		CHECK(!is_untouched(&scene, at + 4000, 1));
		CHECK(is_untouched(&scene, 0, at));
		if (at + PAGE < BYTES)
			CHECK(is_untouched(&scene, at + PAGE, BYTES - at - PAGE));
		scene_done(&scene);
	}
}

TEST(what_is_in_the_swap_is_not_believed)
{
	struct scene scene = scene_new();

	((volatile unsigned char *)scene.at)[0] = 1;
	madvise(scene.at, PAGE, 21 /* MADV_PAGEOUT */);
	CHECK(!is_untouched(&scene, 0, BYTES));
	scene_done(&scene);
}

TEST(another_file)
{
	struct scene scene = scene_new();
	int other = make_file();

	CHECK(!rt_is_untouched(other, (uint64_t)scene.at, BYTES));
	CHECK(!rt_is_untouched(-1, (uint64_t)scene.at, BYTES));
	close(other);
	scene_done(&scene);
}

TEST(what_is_not_mapped_as_a_whole)
{
	struct scene scene = scene_new();

	NEED_PAGEMAP();
	CHECK_EQ(munmap(scene.at + (size_t)10 * PAGE, PAGE), 0);
	CHECK(!is_untouched(&scene, 0, BYTES));
	CHECK(is_untouched(&scene, 0, (uint64_t)10 * PAGE));
	CHECK(!is_untouched(&scene, (uint64_t)10 * PAGE, PAGE));
	CHECK(is_untouched(&scene, (uint64_t)11 * PAGE, BYTES - (uint64_t)11 * PAGE));
	/* Memory of no file. */
	CHECK(mmap(scene.at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      scene.at);
	CHECK(!is_untouched(&scene, 0, PAGE));
	/* Far above everything. */
	CHECK(!rt_is_untouched(scene.fd, 0x7ffffffff000ull, 1));
	scene_done(&scene);
}

TEST_MAIN()
