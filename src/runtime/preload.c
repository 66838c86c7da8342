/* SPDX-License-Identifier: MIT */
/*
 * A program made with gcc's AddressSanitizer ends at once when another library is there before the
 * sanitizer's: such a one is executed without the runtime in LD_PRELOAD. Only the environment that
 * the kernel gets is another one; it is made on the stack, since a child of vfork has its parent's
 * memory.
 */
#include <elf.h>
#include <fcntl.h>

#include "runtime/runtime.h"
#include "runtime/sys.h"

#define SEGMENTS_MAX  32u
#define NEEDED_MAX    4u /* the sanitizer's library comes first */
#define DYNAMIC_MAX   64u
#define VARIABLES_MAX 1024u /* posix_spawn's child has 32 KiB of stack */
#define PATHS_BYTES   4096u

struct program_file {
	long fd;
	Elf64_Phdr segments[SEGMENTS_MAX];
	uint32_t nr_segments;
};

static bool read_at(long fd, void *to, size_t len, uint64_t offset)
{
	return raw_syscall(SYS_pread64, fd, (long)to, (long)len, (long)offset, 0, 0) == (long)len;
}

static bool read_segments(struct program_file *file)
{
	Elf64_Ehdr header;

	if (!read_at(file->fd, &header, sizeof(header), 0) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_phentsize != sizeof(file->segments[0]) || header.e_phnum > SEGMENTS_MAX)
		return false;
	file->nr_segments = header.e_phnum;
	return read_at(file->fd, file->segments, sizeof(file->segments[0]) * file->nr_segments,
		       header.e_phoff);
}

/* Where in the file the address is; 0: nowhere. */
static uint64_t offset_of(const struct program_file *file, uint64_t address)
{
	for (uint32_t i = 0; i < file->nr_segments; i++) {
		const Elf64_Phdr *segment = &file->segments[i];

		if (segment->p_type == PT_LOAD && address - segment->p_vaddr < segment->p_filesz)
			return address - segment->p_vaddr + segment->p_offset;
	}
	return 0;
}

static bool is_sanitizers(const struct program_file *file, uint64_t name)
{
	static const char library[] = "libasan.so";
	char text[sizeof(library) - 1];

	return name && read_at(file->fd, text, sizeof(text), name) &&
	       !memcmp(text, library, sizeof(text));
}

/* Whether the sanitizer is among the first libraries that the file needs. */
static bool needs_sanitizer(const struct program_file *file, const Elf64_Phdr *dynamic)
{
	uint64_t needed[NEEDED_MAX], strings = 0, bytes = dynamic->p_filesz;
	Elf64_Dyn entries[DYNAMIC_MAX];
	uint32_t nr = 0;

	if (bytes > sizeof(entries))
		bytes = sizeof(entries);
	if (!read_at(file->fd, entries, bytes, dynamic->p_offset))
		return false;
	for (uint64_t i = 0; i < bytes / sizeof(entries[0]) && entries[i].d_tag; i++) {
		if (entries[i].d_tag == DT_STRTAB)
			strings = offset_of(file, entries[i].d_un.d_ptr);
		if (entries[i].d_tag == DT_NEEDED && nr < NEEDED_MAX)
			needed[nr++] = entries[i].d_un.d_val;
	}
	for (uint32_t i = 0; strings && i < nr; i++) {
		if (is_sanitizers(file, strings + needed[i]))
			return true;
	}
	return false;
}

/* A descriptor that names a file (O_PATH), opened to be read; an error: it must not be. */
static long reopen(long fd)
{
	static const char folder[] = "/proc/self/fd/";
	char path[sizeof(folder) + 10] = "";
	size_t at = sizeof(path) - 1;

	do {
		path[--at] = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd);
	at -= sizeof(folder) - 1;
	memcpy(path + at, folder, sizeof(folder) - 1);
	return sys_3(SYS_open, (long)(path + at), O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
}

bool rt_preload_kills(long path_fd)
{
	struct program_file file = {.fd = path_fd < 0 ? -1 : reopen(path_fd)};
	bool kills = false;

	if (file.fd < 0)
		return false;
	if (read_segments(&file)) {
		for (uint32_t i = 0; i < file.nr_segments; i++) {
			if (file.segments[i].p_type == PT_DYNAMIC)
				kills = needs_sanitizer(&file, &file.segments[i]);
		}
	}
	sys_3(SYS_close, file.fd, 0, 0);
	return kills;
}

/* --- the environment --- */

static const char *value_of(const char *variable, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++) {
		if (variable[i] != name[i])
			return NULL;
	}
	return variable[len] == '=' ? variable + len + 1 : NULL;
}

static bool is_ours(const char *path, size_t len)
{
	static const char name[] = "/" PROGRAM_RUNTIME;
	size_t bytes = sizeof(name) - 1;

	return len >= bytes && !memcmp(path + len - bytes, name, bytes);
}

/* LD_PRELOAD without the runtime: false when nothing is left of it, or it is too long. */
static bool write_preload(char *to, const char *paths)
{
	static const char variable[] = PROGRAM_PRELOAD "=";
	size_t len = sizeof(variable) - 1, empty = len;

	memcpy(to, variable, len);
	while (*paths) {
		size_t part = 0;

		while (paths[part] && paths[part] != ':' && paths[part] != ' ')
			part++;
		if (len + part + 2 > PATHS_BYTES)
			return false;
		if (part && !is_ours(paths, part)) {
			if (len > empty)
				to[len++] = ':';
			memcpy(to + len, paths, part);
			len += part;
		}
		paths += part + (paths[part] ? 1 : 0);
	}
	to[len] = '\0';
	return len > empty;
}

long rt_preload_execute(struct rt_execution *execution)
{
	char *const *environment = (char *const *)execution->arguments[execution->environment];
	const char *variables[VARIABLES_MAX + 1];
	char preload[PATHS_BYTES];
	uint32_t nr = 0;

	for (; environment && *environment; environment++) {
		const char *paths = value_of(*environment, PROGRAM_PRELOAD);

		if (nr == VARIABLES_MAX)
			return rt_execute(execution);
		if (!paths)
			variables[nr++] = *environment;
		else if (write_preload(preload, paths))
			variables[nr++] = preload;
	}
	variables[nr] = NULL;
	execution->arguments[execution->environment] = (long)variables;
	return rt_execute(execution);
}
