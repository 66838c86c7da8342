/* SPDX-License-Identifier: MIT */
/* What is kept of the C library is what was found of it, or is not believed. */
#include "program/plans.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <search.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/test.h"

#define CODE_BYTES_MIN (1u << 20)

static char folder[64], kept[160], library[512];
static struct program_elf *found; /* without any folder */
static struct program_origin was;

static bool setup(void)
{
	static bool done, ok;
	struct err err = {0};
	struct stat st;
	Dl_info info;

	if (done)
		return ok;
	done = true;
	snprintf(folder, sizeof(folder), "/tmp/sonde-plans-test-%d", (int)getpid());
	setenv("SONDE_PLANS", folder, 1);
	if (!dladdr((void *)(uintptr_t)&hcreate, &info) || stat(info.dli_fname, &st) < 0 ||
	    program_elf_open(&found, info.dli_fname, &err) < 0)
		return false;
	snprintf(library, sizeof(library), "%s", info.dli_fname);
	snprintf(kept, sizeof(kept), "%s/%llx-%llx.plan", folder, (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	ok = found->text_high - found->text_low >= CODE_BYTES_MIN;
	return ok;
}

/* Other C libraries are small. */
#define NEED_LIBRARY()                                                                             \
	do {                                                                                       \
		if (!setup())                                                                      \
			SKIP("the C library is too small");                                        \
	} while (0)

static bool is_found(const struct program_elf *elf)
{
	bool ok = elf->nr_functions == found->nr_functions &&
		  elf->nr_aliases == found->nr_aliases && elf->nr_imports == found->nr_imports &&
		  elf->names_bytes == found->names_bytes && elf->nr_texts == found->nr_texts &&
		  elf->low == found->low && elf->high == found->high &&
		  elf->text_low == found->text_low && elf->text_high == found->text_high &&
		  elf->is_library == found->is_library && elf->is_fixed == found->is_fixed &&
		  elf->bytes == found->bytes && elf->inode == found->inode &&
		  elf->dev == found->dev && elf->mtime_ns == found->mtime_ns &&
		  elf->build_id_len == found->build_id_len && !strcmp(elf->path, found->path) &&
		  !strcmp(elf->name, found->name);

	ok = ok && !memcmp(elf->build_id, found->build_id, elf->build_id_len) &&
	     !memcmp(elf->names, found->names, elf->names_bytes) &&
	     !memcmp(elf->aliases, found->aliases, elf->nr_aliases * sizeof(*elf->aliases)) &&
	     !memcmp(elf->imports, found->imports, elf->nr_imports * sizeof(*elf->imports));
	for (size_t i = 0; ok && i < elf->nr_functions; i++) {
		const struct program_function *a = &elf->functions[i], *b = &found->functions[i];

		ok = a->address == b->address && a->size == b->size && a->name == b->name &&
		     a->aliases == b->aliases && a->nr_aliases == b->nr_aliases &&
		     a->skip == b->skip && a->entry_only == b->entry_only &&
		     a->exported == b->exported && a->site == b->site && a->window == b->window;
	}
	for (size_t i = 0; ok && i < elf->nr_texts; i++) {
		const struct program_text *a = &elf->texts[i], *b = &found->texts[i];

		ok = a->address == b->address && a->offset == b->offset && a->bytes == b->bytes &&
		     !memcmp(a->code, b->code, a->bytes);
	}
	return ok;
}

/* Open it, and keep it when that is worth while. */
static int use(bool *ret_taken, bool *ret_right)
{
	struct program_plans *plans;
	struct program_elf *elf = NULL;
	struct err err = {0};
	int r = program_plans_new(&plans);

	if (r < 0)
		return r;
	*ret_taken = *ret_right = false;
	r = program_plans_open(plans, &elf, library, &was, &err);
	if (r == 0) {
		*ret_taken = was.taken;
		*ret_right = is_found(elf);
		program_plans_keep(plans, elf, library, &was);
		program_elf_free(elf);
	}
	program_plans_free(plans);
	return r;
}

static bool is_taken(void)
{
	bool taken, right;

	return use(&taken, &right) == 0 && right && taken;
}

static bool is_made_anew(void)
{
	bool taken, right;

	return use(&taken, &right) == 0 && right && !taken;
}

static void forget(void)
{
	unlink(kept);
	chmod(folder, 0700);
}

TEST(kept_and_taken)
{
	NEED_LIBRARY();
	forget();
	CHECK(is_made_anew());
	CHECK(is_taken());
	CHECK(is_taken());
}

TEST(none_without_a_folder)
{
	NEED_LIBRARY();
	forget();
	setenv("SONDE_PLANS", "", 1);
	CHECK(is_made_anew() && is_made_anew());
	setenv("SONDE_PLANS", "/proc/sonde", 1);
	CHECK(is_made_anew() && is_made_anew());
	setenv("SONDE_PLANS", folder, 1);
	CHECK(access(kept, F_OK) < 0);
}

TEST(where_it_is)
{
	char path[128];

	NEED_LIBRARY();
	unsetenv("SONDE_PLANS");
	setenv("XDG_CACHE_HOME", folder, 1);
	CHECK(is_made_anew() && is_taken());
	snprintf(path, sizeof(path), "rm -r %s/sonde/plans/*.plan", folder);
	CHECK(system(path) == 0);
	unsetenv("XDG_CACHE_HOME");
	setenv("HOME", folder, 1);
	snprintf(path, sizeof(path), "%s/.cache", folder);
	CHECK(is_made_anew() && is_made_anew());
	CHECK(mkdir(path, 0700) == 0);
	CHECK(is_made_anew() && is_taken());
	snprintf(path, sizeof(path), "rm -r %s/.cache/sonde/plans/*.plan", folder);
	CHECK(system(path) == 0);
	setenv("SONDE_PLANS", folder, 1);
}

/* Each damaged file is found out, and made anew. */
TEST(damage)
{
	struct stat st;
	int fd;

	NEED_LIBRARY();
	forget();
	CHECK(is_made_anew() && stat(kept, &st) == 0);
	for (off_t at = 0; at < st.st_size; at += at < 4096 ? 173 : 40961) {
		uint8_t byte;

		fd = open(kept, O_RDWR);
		CHECK(fd >= 0 && pread(fd, &byte, 1, at) == 1);
		byte ^= 0x10;
		CHECK(pwrite(fd, &byte, 1, at) == 1);
		close(fd);
		CHECK(is_made_anew());
	}
	CHECK(is_taken());
	for (off_t len = 0; len < st.st_size; len += 64 + len) {
		CHECK(truncate(kept, len) == 0);
		CHECK(is_made_anew());
	}
	fd = open(kept, O_WRONLY | O_APPEND);
	CHECK(fd >= 0 && write(fd, "", 1) == 1);
	close(fd);
	CHECK(is_made_anew() && is_taken());
}

TEST(not_ours)
{
	char elsewhere[128];

	NEED_LIBRARY();
	forget();
	CHECK(is_made_anew());
	CHECK(chmod(kept, 0620) == 0);
	CHECK(is_made_anew() && is_taken()); /* in place of the other */
	if (geteuid() == 0) {
		CHECK(chown(kept, 1, 1) == 0);
		CHECK(is_made_anew() && is_taken());
		CHECK(chown(folder, 1, 1) == 0);
		CHECK(is_made_anew() && is_made_anew());
		CHECK(chown(folder, 0, 0) == 0);
	}
	CHECK(chmod(folder, 0777) == 0);
	CHECK(is_made_anew() && is_made_anew());
	CHECK(chmod(folder, 0700) == 0);
	CHECK(is_taken());
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", folder);
	CHECK(rename(kept, elsewhere) == 0 && symlink(elsewhere, kept) == 0);
	CHECK(is_made_anew() && is_taken());
	unlink(elsewhere);
}

/* A file that was changed just now may change again at the same time: nothing of it is kept. */
TEST(other_files)
{
	char command[1200], copy[600];
	struct program_plans *plans;
	struct program_origin origin;
	struct program_elf *elf;
	struct err err = {0};

	NEED_LIBRARY();
	snprintf(copy, sizeof(copy), "%s/copy", folder);
	snprintf(command, sizeof(command), "cp %s %s", library, copy);
	CHECK(is_made_anew() || is_taken());
	CHECK(system(command) == 0);
	CHECK(program_plans_new(&plans) == 0);
	for (int i = 0; i < 2; i++) {
		CHECK(program_plans_open(plans, &elf, copy, &origin, &err) == 0 && origin.keep);
		program_plans_keep(plans, elf, copy, &origin);
		program_elf_free(elf);
	}
	sleep(3);
	CHECK(program_plans_open(plans, &elf, copy, &origin, &err) == 0 && origin.keep);
	program_plans_keep(plans, elf, copy, &origin);
	program_elf_free(elf);
	CHECK(program_plans_open(plans, &elf, copy, &origin, &err) == 0 && origin.taken);
	program_elf_free(elf);
	CHECK(truncate(copy, 1 << 20) == 0 && system(command) == 0); /* the same once more */
	CHECK(program_plans_open(plans, &elf, copy, &origin, &err) == 0 && origin.keep);
	program_plans_keep(plans, elf, "/nowhere", &origin);
	program_elf_free(elf);
	CHECK(program_plans_open(plans, &elf, "/bin/true", &origin, &err) == 0 && !origin.keep);
	program_elf_free(elf);
	CHECK(program_plans_open(plans, &elf, folder, &origin, &err) < 0);
	program_plans_free(plans);
	unlink(copy);
}

/* The oldest goes when there are too many. */
TEST(room)
{
	char old[128], new[128];
	struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	int fd;

	NEED_LIBRARY();
	forget();
	snprintf(old, sizeof(old), "%s/1-1.plan", folder);
	snprintf(new, sizeof(new), "%s/1-2.plan", folder);
	for (int i = 0; i < 2; i++) {
		fd = open(i ? new : old, O_RDWR | O_CREAT, 0600);
		CHECK(fd >= 0 && ftruncate(fd, 300 << 20) == 0);
		times[0].tv_sec = times[1].tv_sec = 1000 + i;
		CHECK(futimens(fd, times) == 0);
		close(fd);
	}
	CHECK(is_made_anew() && is_taken());
	CHECK(access(old, F_OK) < 0 && access(new, F_OK) == 0);
	unlink(new);
}

/* Without memory there is no plan, and none of a module that cannot be read; all else costs time.
 */
static void sweep(enum fault_what what, int code, bool anew)
{
	const char *text = getenv("SONDE_FAULT_STRIDE");
	_cleanup_(fault_done) struct fault_sweep faults = {
		.what = what, .code = code, .step = text ? strtoul(text, NULL, 10) : 1};
	bool taken, right;

	while (fault_next(&faults) && !test_failed) {
		int r = use(&taken, &right);

		fault_pause();
		CHECK(r == 0 || fault_fired());
		CHECK(what != FAULT_MEM || r == 0 || r == -ENOMEM);
		CHECK(what != FAULT_SHORT || r == 0);
		if (use(&taken, &right) < 0 || !right)
			printf("# %d: call %lu\n", what, faults.k);
		CHECK(right);
		if (anew)
			forget();
	}
}

TEST(faults)
{
	NEED_LIBRARY();
	for (int anew = 0; anew < 2; anew++) {
		forget();
		sweep(FAULT_MEM, 0, anew);
		sweep(FAULT_IO, -EIO, anew);
		sweep(FAULT_SHORT, 0, anew);
	}
}

TEST(end)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	CHECK(!folder[0] || system(command) == 0);
	program_elf_free(found);
}

TEST_MAIN()
