/* SPDX-License-Identifier: MIT */
/*
 * Three tables may name a function: .symtab (often stripped), .dynsym (what a file exports), and
 * the small .symtab inside .gnu_debugdata, an ELF file of its own, compressed with xz. Debugging
 * symbols may also be installed beside, in a file named by the build-id.
 */
#include "symbol/files.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdbool.h>
#include <string.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/out.h"

#define DEBUG_DIR "/usr/lib/debug/.build-id"
#define XZ_MEMORY (128u << 20)

/* One of the files. */
struct elf_file {
	int fd;
	char *data; /* of one in memory; owned */
	Elf *elf;
};
#define ELF_FILE_INIT ((struct elf_file){.fd = -1})

static void elf_file_close(struct elf_file *file)
{
	elf_end(file->elf);
	io_close(file->fd);
	mem_free(file->data);
}

static int elf_file_open(struct elf_file *ret_file, const char *path, struct err *err)
{
	struct elf_file file = ELF_FILE_INIT;
	struct stat st;

	elf_version(EV_CURRENT);
	do {
		file.fd = io_open(path, O_RDONLY | O_NONBLOCK, 0);
	} while (file.fd == -EINTR);
	if (file.fd < 0)
		return err_sys(err, file.fd, "cannot look for a function in %s", path);
	if (io_fstat(file.fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		io_close(file.fd);
		return err_set(err, -EBADMSG, "cannot look for a function in %s: not a file", path);
	}
	file.elf = elf_begin(file.fd, ELF_C_READ, NULL);
	if (file.elf && elf_kind(file.elf) == ELF_K_ELF) {
		*ret_file = file;
		return 0;
	}
	elf_file_close(&file);
	return err_set(err, -EBADMSG,
		       "cannot look for a function in %s: it is no program or library (ELF file); "
		       "for a script, name its interpreter",
		       path);
}

Elf_Scn *symbol_section(Elf *elf, const char *wanted, GElf_Shdr *ret_header)
{
	Elf_Scn *section = NULL;
	size_t strings;

	if (elf_getshdrstrndx(elf, &strings) < 0)
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		const char *name;

		if (!gelf_getshdr(section, ret_header))
			continue;
		name = elf_strptr(elf, strings, ret_header->sh_name);
		if (name && !strcmp(name, wanted))
			return section;
	}
	return NULL;
}

/* xz text that says nothing of its size: 0 or -errno. */
static int expand_xz(const void *data, size_t len, char **ret_data, size_t *ret_len)
{
	_cleanup_free_ char *out = NULL;
	lzma_stream stream = LZMA_STREAM_INIT;
	size_t size = MAX(MIN(len * 4, (size_t)LIMIT_EXPAND_BYTES), (size_t)4096);
	lzma_ret r = lzma_stream_decoder(&stream, XZ_MEMORY, 0);

	stream.next_in = data;
	stream.avail_in = len;
	for (size_t used = 0; r == LZMA_OK && size <= LIMIT_EXPAND_BYTES; size *= 2) {
		char *more = mem_realloc(out, size);

		if (!more)
			break;
		out = more;
		stream.next_out = (uint8_t *)out + used;
		stream.avail_out = size - used;
		r = lzma_code(&stream, LZMA_FINISH);
		used = size - stream.avail_out;
		*ret_len = used;
	}
	lzma_end(&stream);
	if (r != LZMA_STREAM_END)
		return -EBADMSG;
	*ret_data = steal(&out);
	return 0;
}

/* The ELF file inside .gnu_debugdata. A file without it, or with rubbish in it, has none. */
static bool open_debugdata(struct elf_file *ret_file, Elf *elf, bool *ret_partial)
{
	struct elf_file file = ELF_FILE_INIT;
	GElf_Shdr header;
	Elf_Scn *section = symbol_section(elf, ".gnu_debugdata", &header);
	Elf_Data *packed = section ? elf_rawdata(section, NULL) : NULL;
	size_t len = 0;

	if (!section || header.sh_type == SHT_NOBITS)
		return false;
	*ret_partial = true;
	if (!packed || !packed->d_buf ||
	    expand_xz(packed->d_buf, packed->d_size, &file.data, &len) < 0)
		return false;
	file.elf = elf_memory(file.data, len);
	if (file.elf && elf_kind(file.elf) == ELF_K_ELF) {
		*ret_file = file;
		*ret_partial = false;
		return true;
	}
	elf_file_close(&file);
	return false;
}

size_t symbol_build_id(Elf *elf, uint8_t ret_id[SYMBOL_BUILD_ID_MAX])
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		size_t offset = 0, name, desc;
		Elf_Data *data;
		GElf_Nhdr note;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_NOTE)
			continue;
		data = elf_getdata(section, NULL);
		while (data && (offset = gelf_getnote(data, offset, &note, &name, &desc)) > 0) {
			if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
			    memcmp((char *)data->d_buf + name, "GNU", 4) != 0 ||
			    note.n_descsz < 2 || note.n_descsz > SYMBOL_BUILD_ID_MAX)
				continue;
			memcpy(ret_id, (char *)data->d_buf + desc, note.n_descsz);
			return note.n_descsz;
		}
	}
	return 0;
}

int symbol_debug_path(struct out *out, const uint8_t *id, size_t len)
{
	out_str(out, DEBUG_DIR "/");
	for (size_t i = 0; i < len; i++) {
		out_hex_byte(out, id[i]);
		if (i == 0)
			out_char(out, '/');
	}
	out_str(out, ".debug");
	return out->failed ? -ENOMEM : 0;
}

/* The file of debugging symbols of the same build. */
static bool open_debug_file(struct elf_file *ret_file, Elf *elf, bool *ret_partial)
{
	_cleanup_out_ struct out path = {0};
	uint8_t id[SYMBOL_BUILD_ID_MAX];
	size_t len = symbol_build_id(elf, id);
	struct err ignored;
	struct stat st;
	int r = len ? symbol_debug_path(&path, id, len) : -ENOENT;

	if (r == 0)
		r = io_stat(out_cstr(&path), &st);
	if (r == 0)
		r = elf_file_open(ret_file, out_cstr(&path), &ignored);
	*ret_partial = r < 0 && r != -ENOENT && r != -ENOTDIR;
	return r == 0;
}

static void add_file(struct symbol_files *files, const struct elf_file *file)
{
	files->fds[files->nr] = file->fd;
	files->data[files->nr] = file->data;
	files->elves[files->nr++] = file->elf;
}

int symbol_files_open(struct symbol_files *ret_files, const char *path, struct err *err)
{
	struct symbol_files files = {0};
	bool no_data = false, no_file;
	struct elf_file file;
	int r = elf_file_open(&file, path, err);

	if (r < 0)
		return r;
	add_file(&files, &file);
	if (open_debugdata(&file, files.elves[0], &no_data))
		add_file(&files, &file);
	if (open_debug_file(&file, files.elves[0], &no_file))
		add_file(&files, &file);
	files.partial = no_data || no_file;
	*ret_files = files;
	return 0;
}

void symbol_files_close(struct symbol_files *files)
{
	while (files->nr) {
		struct elf_file file;

		files->nr--;
		file = (struct elf_file){
			.fd = files->fds[files->nr],
			.data = files->data[files->nr],
			.elf = files->elves[files->nr],
		};
		elf_file_close(&file);
	}
}
