/* SPDX-License-Identifier: MIT */
/*
 * A module is opened in four steps: what kind of file it is, where functions begin (discover.c),
 * which of these are functions and what they are called (merge.c), and where a jump can be put into
 * each (scan.c, window.c).
 */
#include "program/functions.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "program/internal.h"
#include "program/layout.h"

#define PAGE_MASK ((uint64_t)PROGRAM_PAGE_BYTES - 1)

const char *program_skip_text(enum program_skip skip)
{
	static const char *const texts[PROGRAM_NR_SKIPS] = {
		[PROGRAM_SKIP_NONE] = "it can be traced",
		[PROGRAM_SKIP_NEVER] = "it runs before, or outside of, what can be traced",
		[PROGRAM_SKIP_IFUNC] = "it runs while the loader still relocates (IFUNC)",
		[PROGRAM_SKIP_FRAGMENT] = "it is a part of another function",
		[PROGRAM_SKIP_SHORT] = "it is too short for a jump",
		[PROGRAM_SKIP_INBOUND] = "a branch leads into its first bytes",
		[PROGRAM_SKIP_LOOP] = "a loop begins with its first instruction",
		[PROGRAM_SKIP_CALL] = "a call would return into its first bytes",
		[PROGRAM_SKIP_UNDECODED] = "its first bytes are no instructions",
		[PROGRAM_SKIP_UNMOVABLE] = "one of its first instructions cannot be moved",
		[PROGRAM_SKIP_OUT_OF_REACH] =
			"what its first instructions refer to is too far away",
		[PROGRAM_SKIP_GO] = "it is Go's, whose stacks have no room for anybody else",
		[PROGRAM_SKIP_PROBE] = "a probe's jump is where its own would be",
		[PROGRAM_SKIP_NOWHERE] = "it is in no function that is known",
		[PROGRAM_SKIP_COMPUTED] = "where the jumps of its function lead cannot be known",
		[PROGRAM_SKIP_ENTRY_ONLY] =
			"its end cannot be seen: it returns twice, looks at callers, or unwinds",
		[PROGRAM_SKIP_NO_START] = "no function that is known begins there",
	};

	return skip < PROGRAM_NR_SKIPS ? texts[skip] : "the reason is not known";
}

void program_elf_free(struct program_elf *elf)
{
	if (!elf)
		return;
	for (size_t i = 0; i < elf->nr_texts; i++)
		plan_let_go(&elf->texts[i].held);
	mem_free(elf->texts);
	mem_free(elf->functions);
	mem_free(elf->aliases);
	mem_free(elf->imports);
	mem_free(elf->names);
	mem_free(elf->path);
	mem_free(elf);
}

const struct program_function *program_elf_find(const struct program_elf *elf, uint64_t address)
{
	size_t from = 0, to = elf->nr_functions;
	const struct program_function *function;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (elf->functions[middle].address <= address)
			from = middle + 1;
		else
			to = middle;
	}
	if (!from)
		return NULL;
	function = &elf->functions[from - 1];
	return address - function->address < MAX(function->size, 1u) ? function : NULL;
}

const struct program_text *plan_text_at(const struct program_elf *elf, uint64_t address)
{
	for (size_t i = 0; i < elf->nr_texts; i++) {
		const struct program_text *text = &elf->texts[i];

		if (address >= text->address && address - text->address < text->bytes)
			return text;
	}
	return NULL;
}

int plan_read(const struct plan *plan, uint64_t offset, uint64_t bytes, uint8_t **ret_data)
{
	uint8_t *data;
	ssize_t got;

	if (offset > plan->elf->bytes || bytes > plan->elf->bytes - offset ||
	    bytes > LIMIT_PROGRAM_BYTES)
		return -EBADMSG;
	data = mem_alloc((size_t)bytes + 1);
	if (!data)
		return -ENOMEM;
	mem_expect_use(data, (size_t)bytes);
	got = io_pread_full(plan->files.fds[0], data, (size_t)bytes, offset);
	if (got < 0 || (uint64_t)got != bytes) {
		mem_free(data);
		return got < 0 ? (int)got : -EBADMSG;
	}
	*ret_data = data;
	return 0;
}

int plan_take(const struct plan *plan, uint64_t offset, uint64_t bytes,
	      struct program_bytes *ret_held, const uint8_t **ret_data)
{
	uint64_t before = offset & PAGE_MASK;
	int r;

	if (offset > plan->elf->bytes || bytes > plan->elf->bytes - offset ||
	    bytes > LIMIT_PROGRAM_BYTES)
		return -EBADMSG;
	if (mapped_open(&ret_held->mapped, plan->files.fds[0], offset - before,
			(size_t)(before + bytes)) == 0) {
		*ret_data = ret_held->mapped.data + before;
		return 0;
	}
	r = plan_read(plan, offset, bytes, &ret_held->copy);
	*ret_data = ret_held->copy;
	return r;
}

void plan_let_go(struct program_bytes *held)
{
	mapped_close(&held->mapped);
	mem_free(held->copy);
}

size_t plan_segments(const struct plan *plan, struct plan_segment ret_segments[PLAN_SEGMENTS_MAX])
{
	size_t nr = 0, nr_headers = 0;
	GElf_Phdr header;

	elf_getphdrnum(plan->files.elves[0], &nr_headers);
	for (size_t i = 0; i < nr_headers && i < LIMIT_SECTIONS && nr < PLAN_SEGMENTS_MAX; i++) {
		if (!gelf_getphdr(plan->files.elves[0], (int)i, &header) ||
		    header.p_type != PT_LOAD || header.p_filesz > plan->elf->bytes ||
		    header.p_offset > plan->elf->bytes - header.p_filesz ||
		    header.p_vaddr > UINT64_MAX / 2)
			continue;
		ret_segments[nr++] = (struct plan_segment){
			.address = header.p_vaddr,
			.offset = header.p_offset,
			.bytes = header.p_filesz,
			.is_code = header.p_flags & PF_X,
			.is_writable = header.p_flags & PF_W,
		};
	}
	return nr;
}

/* --- what kind of file --- */

struct dynamic {
	bool exists, is_pie, has_text_relocations, has_name;
};

static int refuse(const struct program_elf *elf, struct err *err, const char *why)
{
	return err_set(err, -EOPNOTSUPP, "%.300s cannot be traced: %s", elf->path, why);
}

/* One that the file has not to its end says nothing. */
static int read_dynamic(const struct plan *plan, const GElf_Phdr *segment,
			struct dynamic *ret_dynamic)
{
	struct dynamic dynamic = {.exists = true};
	_cleanup_free_ uint8_t *data = NULL;
	int r = plan_read(plan, segment->p_offset, segment->p_filesz, &data);

	*ret_dynamic = dynamic;
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	for (uint64_t i = 0; i + 16 <= segment->p_filesz; i += 16) {
		uint64_t tag = load_u64(data + i, false), value = load_u64(data + i + 8, false);

		if (tag == DT_NULL)
			break;
		dynamic.has_name |= tag == DT_SONAME;
		dynamic.has_text_relocations |= tag == DT_TEXTREL;
		dynamic.has_text_relocations |= tag == DT_FLAGS && value & DF_TEXTREL;
		dynamic.is_pie |= tag == DT_FLAGS_1 && value & DF_1_PIE;
	}
	*ret_dynamic = dynamic;
	return 0;
}

static int check_kind(struct plan *plan, struct err *err)
{
	struct program_elf *elf = plan->elf;
	Elf *file = plan->files.elves[0];
	struct dynamic dynamic = {.exists = false};
	bool has_loader = false;
	size_t nr_headers = 0;
	GElf_Phdr segment;
	GElf_Ehdr header;
	int r = 0;

	if (!gelf_getehdr(file, &header) || (header.e_type != ET_EXEC && header.e_type != ET_DYN))
		return err_set(err, -EBADMSG, "%.300s is no program or library", elf->path);
	if (header.e_ident[EI_CLASS] == ELFCLASS32)
		return refuse(elf, err, "it is a 32-bit program");
	if (header.e_machine != EM_X86_64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
		return refuse(elf, err, "it is for another processor");
	elf_getphdrnum(file, &nr_headers);
	for (size_t i = 0; i < nr_headers && i < LIMIT_SECTIONS && r == 0; i++) {
		if (!gelf_getphdr(file, (int)i, &segment))
			continue;
		has_loader |= segment.p_type == PT_INTERP;
		if (segment.p_type == PT_DYNAMIC)
			r = read_dynamic(plan, &segment, &dynamic);
	}
	if (r < 0)
		return r;
	elf->is_fixed = header.e_type == ET_EXEC;
	elf->is_library =
		header.e_type == ET_DYN && !dynamic.is_pie && (dynamic.has_name || !has_loader);
	if (!dynamic.exists || (!has_loader && !elf->is_library))
		return refuse(elf, err, "it is a static program, into which nothing can be loaded");
	if (dynamic.has_text_relocations)
		return refuse(elf, err, "the loader changes its code (text relocations)");
	return 0;
}

static bool is_go(Elf *elf)
{
	GElf_Shdr header;

	return symbol_section(elf, ".gopclntab", &header) ||
	       symbol_section(elf, ".note.go.buildid", &header);
}

/* --- its code --- */

/* The segment as pages are mapped: what stands before and behind it in the file is there too. */
static int add_text(struct plan *plan, const struct plan_segment *segment)
{
	struct program_elf *elf = plan->elf;
	struct program_text *text = &elf->texts[elf->nr_texts];
	uint64_t before = segment->address & PAGE_MASK;
	uint64_t bytes = (before + segment->bytes + PAGE_MASK) & ~PAGE_MASK;

	/* The loader could not map it. */
	if (before != (segment->offset & PAGE_MASK))
		return -EBADMSG;
	text->address = segment->address - before;
	text->offset = segment->offset - before;
	text->bytes = MIN(bytes, elf->bytes - text->offset);
	elf->nr_texts++;
	return 0;
}

int plan_read_texts(struct plan *plan)
{
	const struct program_elf *elf = plan->elf;
	int r = 0;

	for (size_t i = 0; i < elf->nr_texts && r == 0; i++) {
		struct program_text *text = &elf->texts[i];

		r = plan_take(plan, text->offset, text->bytes, &text->held, &text->code);
	}
	return r;
}

bool program_elf_is_cut(const struct program_elf *elf)
{
	for (size_t i = 0; i < elf->nr_texts; i++) {
		if (mapped_is_cut(&elf->texts[i].held.mapped))
			return true;
	}
	return false;
}

static int locate_texts(struct plan *plan, struct err *err)
{
	struct plan_segment segments[PLAN_SEGMENTS_MAX];
	size_t nr = plan_segments(plan, segments);
	struct program_elf *elf = plan->elf;

	elf->low = elf->text_low = UINT64_MAX;
	elf->texts = mem_calloc(nr + 1, sizeof(*elf->texts));
	if (!elf->texts)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		uint64_t end = segments[i].address + segments[i].bytes;
		const struct program_text *text;
		int r;

		elf->low = MIN(elf->low, segments[i].address & ~PAGE_MASK);
		elf->high = MAX(elf->high, (end + PAGE_MASK) & ~PAGE_MASK);
		if (!segments[i].is_code || !segments[i].bytes)
			continue;
		if (segments[i].is_writable)
			return refuse(elf, err, "its code is writable");
		r = add_text(plan, &segments[i]);
		if (r < 0)
			return r;
		text = &elf->texts[elf->nr_texts - 1];
		elf->text_low = MIN(elf->text_low, text->address);
		elf->text_high = MAX(elf->text_high, text->address + text->bytes);
	}
	if (!elf->nr_texts || elf->high - elf->low > LIMIT_PROGRAM_BYTES)
		return err_set(err, -EBADMSG, "%.300s has no code, or too much", elf->path);
	return 0;
}

static int identify(struct plan *plan)
{
	struct program_elf *elf = plan->elf;
	const char *slash = strrchr(elf->path, '/');
	struct stat st;
	int r = io_fstat(plan->files.fds[0], &st);

	if (r < 0)
		return r;
	elf->name = slash ? slash + 1 : elf->path;
	elf->dev = st.st_dev;
	elf->inode = st.st_ino;
	elf->bytes = (uint64_t)st.st_size;
	elf->mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	elf->build_id_len = symbol_build_id(plan->files.elves[0], elf->build_id);
	return 0;
}

static int open_steps(struct plan *plan, struct err *err)
{
	int r = identify(plan);

	if (r == 0)
		r = check_kind(plan, err);
	if (r == 0)
		r = locate_texts(plan, err);
	if (r < 0)
		return r;
	/* All that is allocated until the plan is made is about as large as the code. */
	mem_expect_allocations((size_t)(plan->elf->text_high - plan->elf->text_low));
	plan->elf->is_partial = plan->files.partial;
	plan->is_go = is_go(plan->files.elves[0]);
	r = plan_find_starts(plan);
	if (r == 0)
		r = plan_merge(plan);
	if (r == 0)
		r = plan_windows(plan);
	if (r == 0 && (program_elf_is_cut(plan->elf) || mapped_is_cut(&plan->frames.held.mapped)))
		return err_set(err, -EBADMSG, "%.300s was cut short", plan->elf->path);
	if (r == 0 && plan->names.failed)
		r = -ENOMEM;
	if (r < 0)
		return r;
	plan->elf->names_bytes = plan->names.len;
	plan->elf->names = steal(&plan->names.buf);
	return 0;
}

int program_elf_open(struct program_elf **ret_elf, const char *path, struct err *err)
{
	struct plan plan = {.nr_starts = 0};
	struct err inner = {.code = 0};
	int r;

	if (!window_supported())
		return err_set(err, -EOPNOTSUPP,
			       "programs cannot be traced on this machine yet, only on x86-64");
	plan.elf = mem_zalloc(sizeof(*plan.elf));
	if (!plan.elf)
		return err_sys(err, -ENOMEM, "cannot plan %s", path);
	plan.elf->path = mem_strdup(path);
	r = plan.elf->path ? symbol_files_open(&plan.files, path, &inner) : -ENOMEM;
	if (r == 0)
		r = open_steps(&plan, &inner);
	symbol_files_close(&plan.files);
	mem_free(plan.starts);
	plan_let_go(&plan.frames.held);
	mem_free(plan.frames.places);
	mem_free(plan.named);
	mem_free(plan.exported);
	mem_free(plan.taken);
	mem_free(plan.flags);
	out_done(&plan.names);
	if (r == 0) {
		*ret_elf = plan.elf;
		return 0;
	}
	program_elf_free(plan.elf);
	if (!inner.text[0])
		return err_sys(err, r, "cannot find the functions of %s", path);
	return err_set(err, r, "%s", inner.text);
}
