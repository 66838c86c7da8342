/* SPDX-License-Identifier: MIT */
#include "program/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/out.h"
#include "program/protocol.h"
#include "symbol/files.h"

#define PATH_BYTES  4096u
#define SCRIPTS_MAX 4 /* an interpreter may be a script */

/* --- finding the file --- */

static bool is_program(const char *path)
{
	struct stat st;

	return io_stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* As execvp finds it. */
static bool find_command(const char *command, char *ret_path)
{
	const char *path = getenv("PATH");

	if (strchr(command, '/')) {
		snprintf(ret_path, PATH_BYTES, "%s", command);
		return true;
	}
	for (path = path ? path : "/bin:/usr/bin"; *path;) {
		size_t len = strcspn(path, ":");

		snprintf(ret_path, PATH_BYTES, "%.*s/%s", len ? (int)len : 1, len ? path : ".",
			 command);
		if (is_program(ret_path))
			return true;
		path += len + (path[len] == ':');
	}
	return false;
}

/* The interpreter of a script, in place of its path. */
static bool interpreter(const char *head, size_t len, char *path)
{
	const char *start = head + 2, *end;

	if (len < 3 || head[0] != '#' || head[1] != '!')
		return false;
	while (*start == ' ' || *start == '\t')
		start++;
	end = start + strcspn(start, " \t\n");
	if (end == start)
		return false;
	snprintf(path, PATH_BYTES, "%.*s", (int)(end - start), start);
	return true;
}

/* --- what it is --- */

/* Whose rights a program gets that has none of its own. */
struct starter {
	uid_t uid;
	gid_t gid;
};

static int refuse(struct err *err, const char *why)
{
	return err_set(err, -EOPNOTSUPP, "%s", why);
}

static int check_rights(const char *path, const struct starter *by, struct err *err)
{
	struct stat st;

	if (io_stat(path, &st) < 0)
		return 0;
	if ((st.st_mode & S_ISUID && st.st_uid != by->uid) ||
	    (st.st_mode & S_ISGID && st.st_gid != by->gid))
		return refuse(err,
			      "it runs with another user's rights (setuid or setgid), for which "
			      "the loader takes no library from outside; run sonde as that user, "
			      "or trace the kernel's side (--in kernel)");
	if (by->uid != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
		return refuse(err, "it has capabilities of its own, for which the loader takes no "
				   "library from outside");
	return 0;
}

static const struct sanitizer {
	const char *symbol, *name;
} sanitizers[] = {
	{"__asan_init", "AddressSanitizer"},
	{"__tsan_init", "ThreadSanitizer"},
	{"__msan_init", "MemorySanitizer"},
};

/* The hashes that .gnu.hash has of dynamic symbols, in their order; those before `first` have
 * none. */
struct hashes {
	const unsigned char *hashes;
	size_t first, nr;
};

static struct hashes find_hashes(Elf *elf)
{
	GElf_Shdr header;
	Elf_Scn *section = symbol_section(elf, ".gnu.hash", &header);
	Elf_Data *data = section ? elf_rawdata(section, NULL) : NULL;
	const unsigned char *words = data ? data->d_buf : NULL;
	uint64_t before; /* bytes: four words, the filter (64 bits each), the buckets */

	if (!words || data->d_size < 16)
		return (struct hashes){.first = SIZE_MAX};
	before = 16 + 8 * (uint64_t)load_u32(words + 8, false) +
		 4 * (uint64_t)load_u32(words, false);
	if (before > data->d_size)
		return (struct hashes){.first = SIZE_MAX};
	return (struct hashes){
		.hashes = words + before,
		.first = load_u32(words + 4, false),
		.nr = (data->d_size - before) / 4,
	};
}

static uint32_t hash_of(const char *name)
{
	uint32_t hash = 5381;

	for (; *name; name++)
		hash = hash * 33 + (unsigned char)*name;
	return hash;
}

/* Whether the symbol may have one of the names; the lowest bit of a hash says something else. */
static bool may_be_sanitizer(const struct hashes *hashes, size_t index,
			     const uint32_t wanted[ARRAY_SIZE(sanitizers)])
{
	uint32_t hash;

	if (index < hashes->first || index - hashes->first >= hashes->nr)
		return true;
	hash = load_u32(hashes->hashes + 4 * (index - hashes->first), false);
	for (size_t i = 0; i < ARRAY_SIZE(sanitizers); i++) {
		if (!((hash ^ wanted[i]) & ~1u))
			return true;
	}
	return false;
}

/* A program that exports what it has (cc1: 50,000 symbols) would take long to be asked by names. */
static const char *sanitizer_of(Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	const struct hashes hashes = find_hashes(elf);
	uint32_t wanted[ARRAY_SIZE(sanitizers)];
	Elf_Data *data = elf_getdata(section, NULL);
	size_t nr = data && header->sh_entsize ? header->sh_size / header->sh_entsize : 0;

	for (size_t i = 0; i < ARRAY_SIZE(sanitizers); i++)
		wanted[i] = hash_of(sanitizers[i].symbol);
	for (size_t i = 0; i < nr; i++) {
		GElf_Sym symbol;
		const char *name =
			may_be_sanitizer(&hashes, i, wanted) && gelf_getsym(data, (int)i, &symbol)
				? elf_strptr(elf, header->sh_link, symbol.st_name)
				: NULL;

		for (size_t k = 0; name && k < ARRAY_SIZE(sanitizers); k++) {
			if (!strcmp(name, sanitizers[k].symbol))
				return sanitizers[k].name;
		}
	}
	return NULL;
}

static int check_sanitizer(Elf *elf, struct err *err)
{
	Elf_Scn *section = NULL;
	char why[160];

	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr header;
		const char *name = NULL;

		if (gelf_getshdr(section, &header) && header.sh_type == SHT_DYNSYM)
			name = sanitizer_of(elf, section, &header);
		if (!name)
			continue;
		snprintf(why, sizeof(why),
			 "it was made with %s, which wants the memory that the tracer needs; "
			 "build it without",
			 name);
		return refuse(err, why);
	}
	return 0;
}

static int check_elf(Elf *elf, struct err *err)
{
	GElf_Ehdr header;
	size_t nr = 0;
	const char *loader = NULL;
	size_t size;
	char *raw = elf_rawfile(elf, &size);

	if (!gelf_getehdr(elf, &header) || elf_getphdrnum(elf, &nr) < 0 || !raw)
		return 0;
	if (header.e_machine != EM_X86_64)
		return refuse(err, "it is for another processor than x86-64");
	if (header.e_ident[EI_CLASS] != ELFCLASS64)
		return refuse(err, "it has addresses of 32 bits (x32)");
	for (size_t i = 0; i < nr; i++) {
		GElf_Phdr segment;

		if (gelf_getphdr(elf, (int)i, &segment) && segment.p_type == PT_INTERP &&
		    segment.p_offset < size && segment.p_filesz < size - segment.p_offset &&
		    segment.p_filesz && !raw[segment.p_offset + segment.p_filesz - 1])
			loader = raw + segment.p_offset;
	}
	if (!loader)
		return refuse(err,
			      "it is linked statically, so no loader could bring the tracer in; "
			      "link it dynamically");
	if (!strstr(loader, "ld-linux") && !strstr(loader, "ld-musl"))
		return refuse(err, "its C library is neither glibc nor musl");
	return check_sanitizer(elf, err);
}

static int check_file(const char *path, char *next, struct err *err)
{
	_cleanup_close_ int fd = io_open(path, O_RDONLY, 0);
	char head[256] = "";
	ssize_t n = fd < 0 ? -1 : io_pread_full(fd, head, sizeof(head) - 1, 0);
	Elf *elf;
	int r;

	if (n < 4)
		return 0;
	if (interpreter(head, (size_t)n, next))
		return 1;
	if (memcmp(head, ELFMAG, SELFMAG) != 0)
		return 0; /* execvp gives it to a shell */
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!elf)
		return 0;
	r = check_elf(elf, err);
	elf_end(elf);
	return r;
}

/* `path` (of PATH_BYTES) becomes that of the interpreter that was looked at last. */
static int check_program(char *path, const struct starter *by, bool *ret_never, struct err *err)
{
	char next[PATH_BYTES];

	*ret_never = false;
	for (int i = 0; i < SCRIPTS_MAX; i++) {
		int r = check_rights(path, by, err);

		if (r < 0)
			return r;
		r = check_file(path, next, err);
		*ret_never = r < 0;
		if (r <= 0)
			return r;
		memcpy(path, next, sizeof(next));
	}
	return 0;
}

int program_launch_check(const char *command, struct err *err)
{
	const struct starter us = {geteuid(), getegid()};
	char path[PATH_BYTES];
	bool never;
	int r;

	if (!find_command(command, path))
		return 0;
	r = check_program(path, &us, &never, err);
	return r < 0 ? err_wrap(err, r, "%.300s cannot be traced from the inside", path) : r;
}

int program_launch_judge(const char *path, uid_t uid, gid_t gid, bool *ret_never, struct err *err)
{
	const struct starter by = {uid, gid};
	char last[PATH_BYTES];
	int r;

	snprintf(last, sizeof(last), "%s", path);
	r = check_program(last, &by, ret_never, err);
	return r < 0 && strcmp(last, path) != 0 ? err_wrap(err, r, "its interpreter %.200s", last)
						: r;
}

/* --- the environment --- */

/* In a build tree, beside the folder of this program; else where it was installed. */
static int find_runtime(char *ret_path, struct err *err)
{
	static const char *const places[] = {"", "../runtime/", "../" SONDE_LIBDIR "/"};
	char self[PATH_BYTES / 2];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return err_sys(err, -errno, "cannot find " PROGRAM_RUNTIME);
	self[n] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash && i < ARRAY_SIZE(places); i++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), "%.*s/%s" PROGRAM_RUNTIME, (int)(slash - self), self,
			 places[i]);
		if (access(path, R_OK) == 0 && realpath(path, ret_path))
			return 0;
	}
	return err_set(err, -ENOENT,
		       "cannot find " PROGRAM_RUNTIME " (beside %.300s or in ../" SONDE_LIBDIR
		       "); install sonde as a whole",
		       self);
}

int program_launch_environment(const char *server, const char *runtime, struct err *err)
{
	const char *before = getenv(PROGRAM_PRELOAD);
	_cleanup_out_ struct out preload = {0};
	char found[PATH_BYTES];
	int r = 0;

	if (!runtime) {
		r = find_runtime(found, err);
		runtime = found;
	}
	if (r < 0)
		return r;
	if (strpbrk(runtime, ": "))
		return err_set(err, -EINVAL,
			       "%.300s: the loader takes no library whose path has a blank or a "
			       "colon in it; install sonde elsewhere",
			       runtime);
	out_str(&preload, runtime);
	if (before && *before)
		out_printf(&preload, ":%s", before);
	out_cstr(&preload);
	if (preload.failed || setenv(PROGRAM_PRELOAD, preload.buf, 1) < 0 ||
	    setenv(PROGRAM_ENVIRONMENT, server, 1) < 0)
		return err_sys(err, -ENOMEM, "cannot set the program's environment");
	return 0;
}
