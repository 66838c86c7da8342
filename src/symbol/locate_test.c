/* SPDX-License-Identifier: MIT */
/* Where names of programs and libraries lead, on a made-up file system. */
#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "symbol/locate.h"

static char root[64];
static uint8_t own_head[64]; /* the beginning of this very program: an ELF file of this machine */

static void put(const char *file, const void *data, size_t len, mode_t mode)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s%s", root, file);
	for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		abort();
	close(fd);
}

static void put_library(const char *file)
{
	put(file, own_head, sizeof(own_head), 0600);
}

static void make_root(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	if (fd < 0 || read(fd, own_head, sizeof(own_head)) != sizeof(own_head))
		abort();
	close(fd);
	strcpy(root, "/tmp/sonde-locate-test-XXXXXX");
	if (!mkdtemp(root))
		abort();
	put_library("/usr/lib/x86_64-linux-gnu/libssl.so.3");
	put_library("/usr/lib/x86_64-linux-gnu/libssl3.so");
	put_library("/usr/lib/x86_64-linux-gnu/libtwo.so.1");
	put_library("/usr/lib/x86_64-linux-gnu/libtwo.so.2");
	put_library("/opt/deep/libcached.so.5");
	put("/usr/lib/libtext.so", "INPUT(libtext.so.4)", 19, 0600);
	put("/bin/tool", own_head, sizeof(own_head), 0700);
	put("/bin/plain", "x", 1, 0600);
	put_library("/usr/lib/tool.so.1");
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_root(void)
{
	nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path below the root, or "-CODE"; valid until the next call. */
static const char *locate(const char *name, struct err *err)
{
	static char text[512];
	char path[128];
	struct symbol_places places = {.root = root, .path = path, .cache = "/cache"};
	char *found;
	int r;

	snprintf(path, sizeof(path), "/nonexistent:%s/bin:", root);
	r = symbol_locate(name, &places, &found, err);
	if (r < 0) {
		snprintf(text, sizeof(text), "%d", r);
		return text;
	}
	snprintf(text, sizeof(text), "%s", found + strlen(root));
	mem_free(found);
	return text;
}

TEST(names_without_a_cache)
{
	static const char *const cases[][2] = {
		{"libssl.so.3", "/usr/lib/x86_64-linux-gnu/libssl.so.3"},
		{"libssl.so", "/usr/lib/x86_64-linux-gnu/libssl.so.3"},
		{"libssl", "/usr/lib/x86_64-linux-gnu/libssl.so.3"},
		{"libssl3", "/usr/lib/x86_64-linux-gnu/libssl3.so"},
		{"libtwo.so.2", "/usr/lib/x86_64-linux-gnu/libtwo.so.2"},
		{"tool", "/bin/tool"},
		{"tool.so.1", "/usr/lib/tool.so.1"},
	};
	struct err err;

	make_root();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *got = locate(cases[i][0], &err);

		if (strcmp(got, cases[i][1]) != 0)
			printf("# %s is %s, not %s\n", cases[i][0], got, cases[i][1]);
		test_failed |= strcmp(got, cases[i][1]) != 0;
	}
	remove_root();
}

TEST(names_that_lead_nowhere)
{
	struct err err = {0};
	char want[16];
	bool twice, text, plain, script;

	make_root();
	snprintf(want, sizeof(want), "%d", -ENOTUNIQ);
	twice = !strcmp(locate("libtwo", &err), want) && strstr(err.text, "libtwo.so.1") &&
		strstr(err.text, "libtwo.so.2");
	snprintf(want, sizeof(want), "%d", -ENOENT);
	text = !strcmp(locate("libtext", &err), want);
	plain = !strcmp(locate("plain", &err), want) &&
		strstr(err.text, "no program or library 'plain'");
	script = !strcmp(locate("/nonexistent/x", &err), want) &&
		 strstr(err.text, "cannot probe '/nonexistent/x'");
	remove_root();
	CHECK(twice);
	CHECK(text);
	CHECK(plain);
	CHECK(script);
}

/* ld.so.cache with one entry; `nr` is what its header claims. */
static void put_cache(uint32_t nr, size_t cut)
{
	uint8_t cache[128] = "glibc-ld.so.cache1.1";
	static const char strings[] = "libcached.so.5\0/opt/deep/libcached.so.5";

	store_u32(cache + 20, nr, HOST_BIG);
	store_u32(cache + 24, sizeof(strings), HOST_BIG);
	store_u32(cache + 48 + 4, 72, HOST_BIG);
	store_u32(cache + 48 + 8, 72 + 15, HOST_BIG);
	memcpy(cache + 72, strings, sizeof(strings));
	put("/cache", cache, 72 + sizeof(strings) - cut, 0600);
}

TEST(the_loaders_cache)
{
	char whole[64], cut[64], many[64];
	struct err err;

	make_root();
	put_cache(1, 0);
	strcpy(whole, locate("libcached", &err));
	put_cache(UINT32_MAX, 0);
	strcpy(many, locate("libcached.so.5", &err));
	put_cache(1, 1);
	strcpy(cut, locate("libcached", &err));
	for (size_t i = 0; i < 100; i++) {
		put_cache(1, i);
		locate("libcached", &err);
	}
	remove_root();
	CHECK_STR(whole, "/opt/deep/libcached.so.5");
	CHECK_STR(many, "/opt/deep/libcached.so.5");
	CHECK(cut[0] == '-');
}

TEST_MAIN()
