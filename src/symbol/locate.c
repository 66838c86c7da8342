/* SPDX-License-Identifier: MIT */
/*
 * ld.so.cache is asked first, then the usual directories (a small system has no cache). Libraries
 * of another architecture, which a cache may list too, are passed over.
 */
#include "symbol/locate.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/out.h"

#define CACHE_BYTES   (64u << 20)
#define CACHE_MAGIC   "glibc-ld.so.cache1.1"
#define CACHE_HEADER  48u /* magic, u32 entries, u32 bytes of strings, flags, and unused */
#define CACHE_ENTRY   24u /* u32 flags, key, value, osversion; u64 hwcap */
#define USUAL_PATH    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define LIBRARIES_MAX 16u

struct libraries {
	const char *name;
	size_t name_len;
	char *paths[LIBRARIES_MAX]; /* resolved, each once; owned */
	size_t nr;
	struct native {
		uint8_t class, data;
		uint16_t machine;
	} native;
};

/* An absolute path without symbolic links, or NULL. A new string. */
static char *resolve(const char *path)
{
	char real[PATH_MAX];

	return realpath(path, real) ? mem_strdup(real) : NULL;
}

/* What kind of processor an ELF file is for. */
static bool read_native(const char *path, struct native *ret_native)
{
	_cleanup_close_ int fd = io_open(path, O_RDONLY | O_NONBLOCK, 0);
	uint8_t head[20];

	if (fd < 0 || io_pread_full(fd, head, sizeof(head), 0) != sizeof(head) ||
	    memcmp(head, ELFMAG, SELFMAG) != 0)
		return false;
	*ret_native = (struct native){
		.class = head[EI_CLASS],
		.data = head[EI_DATA],
		.machine = load_u16(head + 18, head[EI_DATA] == ELFDATA2MSB),
	};
	return true;
}

/* --- libraries --- */

/* libc: libc.so.6; libc.so: libc.so.6; libc.so.6: itself. */
static bool is_library(const struct libraries *libraries, const char *file)
{
	const char *rest = file + libraries->name_len;

	if (strncmp(file, libraries->name, libraries->name_len) != 0)
		return false;
	if (!*rest)
		return strstr(file, ".so") != NULL;
	if (strstr(libraries->name, ".so"))
		return *rest == '.';
	return !strncmp(rest, ".so", 3) && (!rest[3] || rest[3] == '.');
}

static int add_library(struct libraries *libraries, const char *path)
{
	struct native native;
	_cleanup_free_ char *real = NULL;

	if (!read_native(path, &native) || native.class != libraries->native.class ||
	    native.data != libraries->native.data || native.machine != libraries->native.machine)
		return 0;
	real = resolve(path);
	if (!real)
		return 0;
	for (size_t i = 0; i < libraries->nr; i++) {
		if (!strcmp(libraries->paths[i], real))
			return 0;
	}
	if (libraries->nr < LIBRARIES_MAX)
		libraries->paths[libraries->nr++] = steal(&real);
	return 0;
}

static int add_below(struct libraries *libraries, const char *root, const char *path)
{
	_cleanup_out_ struct out full = {0};

	out_printf(&full, "%s%s", root, path);
	return full.failed ? -ENOMEM : add_library(libraries, out_cstr(&full));
}

/* A NUL-terminated string of the cache, or NULL when the offset is wrong. */
static const char *cache_string(const char *cache, size_t len, uint32_t offset)
{
	return offset < len && memchr(cache + offset, '\0', len - offset) ? cache + offset : NULL;
}

static int look_in_cache(struct libraries *libraries, const char *root, const char *path)
{
	_cleanup_free_ char *text = NULL;
	const char *cache;
	size_t len;
	uint32_t nr;
	int r = 0;

	if (io_read_file(path, CACHE_BYTES, &text, &len) < 0)
		return 0;
	/* In front there may be a cache of the form before glibc 2.2. */
	cache = memmem(text, len, CACHE_MAGIC, sizeof(CACHE_MAGIC) - 1);
	if (!cache)
		return 0;
	len -= (size_t)(cache - text);
	if (len < CACHE_HEADER)
		return 0;
	nr = load_u32(cache + sizeof(CACHE_MAGIC) - 1, HOST_BIG);
	for (uint32_t i = 0; i < nr && r == 0; i++) {
		const char *entry = cache + CACHE_HEADER + (size_t)i * CACHE_ENTRY;
		const char *key, *value;

		if ((size_t)(entry - cache) + CACHE_ENTRY > len)
			break;
		key = cache_string(cache, len, load_u32(entry + 4, HOST_BIG));
		value = cache_string(cache, len, load_u32(entry + 8, HOST_BIG));
		if (key && value && is_library(libraries, key))
			r = add_below(libraries, root, value);
	}
	return r;
}

static int look_in_directory(struct libraries *libraries, const char *path)
{
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	if (io_opendir(path, &dir) < 0)
		return 0;
	while (r == 0 && (entry = readdir(dir))) {
		_cleanup_out_ struct out full = {0};

		if (!is_library(libraries, entry->d_name))
			continue;
		out_printf(&full, "%s/%s", path, entry->d_name);
		r = full.failed ? -ENOMEM : add_library(libraries, out_cstr(&full));
	}
	closedir(dir);
	return r;
}

/* The directory, and in it those of one architecture (x86_64-linux-gnu). */
static int look_in_tree(struct libraries *libraries, const char *root, const char *path)
{
	_cleanup_out_ struct out full = {0};
	struct dirent *entry;
	DIR *dir;
	int r;

	out_printf(&full, "%s%s", root, path);
	if (full.failed)
		return -ENOMEM;
	r = look_in_directory(libraries, out_cstr(&full));
	if (r < 0 || io_opendir(out_cstr(&full), &dir) < 0)
		return r;
	while (r == 0 && (entry = readdir(dir))) {
		_cleanup_out_ struct out below = {0};

		if (!strstr(entry->d_name, "-linux-"))
			continue;
		out_printf(&below, "%s/%s", out_cstr(&full), entry->d_name);
		r = below.failed ? -ENOMEM : look_in_directory(libraries, out_cstr(&below));
	}
	closedir(dir);
	return r;
}

static int find_libraries(struct libraries *libraries, const struct symbol_places *places)
{
	static const char *const trees[] = {"/lib",   "/usr/lib",   "/usr/local/lib",
					    "/lib64", "/usr/lib64", "/usr/local/lib64"};
	_cleanup_out_ struct out cache = {0};
	int r;

	if (!read_native("/proc/self/exe", &libraries->native))
		return 0;
	out_printf(&cache, "%s%s", places->root, places->cache);
	if (cache.failed)
		return -ENOMEM;
	r = look_in_cache(libraries, places->root, out_cstr(&cache));
	for (size_t i = 0; i < ARRAY_SIZE(trees) && r == 0 && !libraries->nr; i++)
		r = look_in_tree(libraries, places->root, trees[i]);
	return r;
}

/* 0: *ret_path is set; 1: there is none. */
static int find_library(const char *name, const struct symbol_places *places, char **ret_path,
			struct err *err)
{
	struct libraries libraries = {.name = name, .name_len = strlen(name)};
	_cleanup_out_ struct out list = {0};
	int r = find_libraries(&libraries, places);

	if (r < 0)
		err_sys(err, r, "cannot look for the library '%.80s'", name);
	else if (!libraries.nr)
		r = 1;
	else if (libraries.nr == 1)
		*ret_path = steal(&libraries.paths[0]);
	else
		r = -ENOTUNIQ;
	for (size_t i = 0; i < libraries.nr; i++) {
		if (libraries.paths[i] && libraries.nr > 1)
			out_printf(&list, "%s%s", i ? ", " : "", libraries.paths[i]);
		mem_free(libraries.paths[i]);
	}
	if (r == -ENOTUNIQ)
		err_set(err, r, "'%.80s' names several libraries, take one by its path: %.300s",
			name, out_cstr(&list));
	return r;
}

/* --- programs --- */

/* 0: *ret_path is set; 1: there is none. */
static int find_program(const char *name, const char *path, char **ret_path)
{
	while (*path) {
		size_t len = strcspn(path, ":");
		_cleanup_out_ struct out full = {0};
		struct stat st;

		out_mem(&full, len ? path : ".", len ? len : 1);
		out_printf(&full, "/%s", name);
		if (full.failed)
			return -ENOMEM;
		if (io_stat(out_cstr(&full), &st) == 0 && S_ISREG(st.st_mode) &&
		    (st.st_mode & 0111)) {
			*ret_path = resolve(out_cstr(&full));
			return *ret_path ? 0 : -ENOMEM;
		}
		path += len + (path[len] == ':');
	}
	return 1;
}

static int locate_by_name(const char *name, const struct symbol_places *places, char **ret_path,
			  struct err *err)
{
	bool library_only = strstr(name, ".so"), library_first = !strncmp(name, "lib", 3);
	int r = 1;

	if (library_only || library_first)
		r = find_library(name, places, ret_path, err);
	if (r == 1 && !library_only)
		r = find_program(name, places->path, ret_path);
	if (r == 1 && !library_only && !library_first)
		r = find_library(name, places, ret_path, err);
	if (r == -ENOMEM)
		return err_sys(err, r, "cannot look for '%.80s'", name);
	return r == 1 ? err_set(err, -ENOENT, "there is no %s '%.80s' in %s; give its path",
				library_only ? "library" : "program or library", name,
				library_only ? "the loader's directories"
					     : "PATH or the loader's "
					       "directories")
		      : r;
}

int symbol_locate(const char *name, const struct symbol_places *places, char **ret_path,
		  struct err *err)
{
	struct symbol_places found = places ? *places : (struct symbol_places){0};
	struct stat st;
	int r;

	if (strchr(name, '/')) {
		r = io_stat(name, &st);
		if (r < 0)
			return err_sys(err, r, "cannot probe '%.200s'", name);
		*ret_path = resolve(name);
		return *ret_path ? 0 : err_sys(err, -ENOMEM, "cannot probe '%.200s'", name);
	}
	if (!found.root)
		found.root = "";
	if (!found.cache)
		found.cache = "/etc/ld.so.cache";
	if (!found.path)
		found.path = getenv("PATH");
	if (!found.path)
		found.path = USUAL_PATH;
	return locate_by_name(name, &found, ret_path, err);
}
