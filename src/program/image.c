/* SPDX-License-Identifier: MIT */
/*
 * Building is writing three things: for every chosen function a stub, a jump to it into a copy of
 * the code, and what unwinders need to know of the stubs (unwind.h).
 *
 * Only pages with a jump in them are in the image, with short gaps between them closed: the others
 * stay the file's, shared with every process that is not traced.
 */
#include "program/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "program/select.h"
#include "program/unwind.h"
#include "program/window.h"

#define RUN_GAP_PAGES  16u /* a gap of fewer pages does not end a run */
#define REACH_BYTES    (0x80000000ull - 0x10000u)
#define STUB_BYTES_MAX (PROGRAM_STUB_DISPLACED + WINDOW_DISPLACED_BYTES)
#define INT3	       0xccu

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif

static uint64_t page_up(uint64_t bytes)
{
	return (bytes + PROGRAM_PAGE_BYTES - 1) & ~((uint64_t)PROGRAM_PAGE_BYTES - 1);
}

static bool is_chosen(const uint8_t *choices, size_t index)
{
	return !choices || choices[index];
}

uint64_t program_image_arena_bytes(const struct program_elf *elf, const uint8_t *choices)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < elf->nr_functions; i++) {
		if (is_chosen(choices, i) && !elf->functions[i].skip)
			bytes += STUB_BYTES_MAX;
	}
	return PROGRAM_WORDS_BYTES + page_up(2 * bytes + UNWIND_FRAMES_BYTES);
}

/* An image while it is being built. */
struct build {
	const struct program_elf *elf;
	const struct program_image_options *options;
	struct program_image image;
	uint8_t *stubs;	 /* as they will be mapped */
	uint8_t *states; /* what unwind.h says of each byte of them */
	uint8_t frames[UNWIND_FRAMES_BYTES];
	size_t len;	   /* up to where there are any */
	uint64_t *stub_of; /* offset of each function's stub, or NO_STUB + why there is none */
	struct piece *pieces;
	size_t nr_pieces;
	struct program_image_run *runs;
	size_t nr_runs, cap_runs;
};
#define NO_STUB (1ull << 63)

/* Stubs that one thread makes in one go. They begin where those before could reach at most. */
struct piece {
	size_t from, to; /* functions */
	size_t begin, end;
};
#define PIECE_FUNCTIONS 16384u

/* --- stubs --- */

static void put_u32(uint8_t *at, uint32_t value)
{
	store_u32(at, value, false);
}

/* A call or jump (ff /2, ff /4) through one of the words; `at` is an offset from the first stub. */
static void put_through_word(const struct build *build, size_t at, uint8_t modrm,
			     enum program_word word)
{
	build->stubs[at] = 0xff;
	build->stubs[at + 1] = modrm;
	put_u32(build->stubs + at + 2,
		(uint32_t)(word * 8u - PROGRAM_WORDS_BYTES - (uint32_t)(at + 6)));
}

static void put_push(const struct build *build, size_t at, uint32_t id)
{
	build->stubs[at] = 0x68;
	put_u32(build->stubs + at + 1, id);
}

/* The words of a function that is chosen so. */
struct use {
	enum program_word entry, exit, entry_only;
};

static struct use words_of(const uint8_t *choices, size_t index)
{
	unsigned int choice = choices ? choices[index] : PROGRAM_CHOICE_TRACE;
	unsigned int from = choice & PROGRAM_CHOICE_WATCHED ? PROGRAM_WORD_WATCHED : 0;
	bool is_root = choice & PROGRAM_CHOICE_ROOT;

	return (struct use){
		from + (is_root ? PROGRAM_WORD_ROOT_ENTRY : PROGRAM_WORD_ENTRY),
		from + (is_root ? PROGRAM_WORD_ROOT_EXIT : PROGRAM_WORD_EXIT),
		from + PROGRAM_WORD_ENTRY_ONLY,
	};
}

static size_t put_stub(const struct build *build, const struct program_function *function,
		       size_t at, uint32_t id, const struct use *use)
{
	static const uint8_t drop_two[] = {0x48, 0x8d, 0x64, 0x24, 16}; /* lea 16(%rsp),%rsp */
	static const uint8_t drop_one[] = {0x48, 0x8d, 0x64, 0x24, 8};
	bool only = build->options->mode != PROGRAM_GRAPH || function->entry_only;
	uint8_t *stub = build->stubs + at;

	put_push(build, at, id);
	if (only) {
		put_through_word(build, at + 5, 0x15, use->entry_only);
		memcpy(stub + PROGRAM_STUB_ENTERED, drop_one, sizeof(drop_one));
		return PROGRAM_STUB_ONLY;
	}
	put_through_word(build, at + 5, 0x15, use->entry);
	memcpy(stub + PROGRAM_STUB_ENTERED, drop_two, sizeof(drop_two));
	stub[PROGRAM_STUB_EXIT - 5] = 0xe8;
	put_u32(stub + PROGRAM_STUB_EXIT - 4, PROGRAM_STUB_DISPLACED - PROGRAM_STUB_EXIT);
	put_push(build, at + PROGRAM_STUB_EXIT, id);
	put_through_word(build, at + PROGRAM_STUB_EXIT + 5, 0x25, use->exit);
	return PROGRAM_STUB_DISPLACED;
}

static const struct program_text *text_of(const struct program_elf *elf, uint64_t address)
{
	for (size_t i = 0; i < elf->nr_texts; i++) {
		if (address - elf->texts[i].address < elf->texts[i].bytes)
			return &elf->texts[i];
	}
	return NULL;
}

static uint32_t id_of(const struct build *build, size_t index)
{
	const struct program_elf *elf = build->elf;

	if (build->options->mode == PROGRAM_COUNT)
		return build->options->base + (uint32_t)index;
	return build->options->base + (uint32_t)(elf->functions[index].address - elf->text_low);
}

/* The stub at *at, which moves on. Returns why there is none. */
static enum program_skip add_stub(const struct build *build, size_t index, size_t *at)
{
	const struct program_function *function = &build->elf->functions[index];
	const struct program_text *text = text_of(build->elf, function->address);
	const struct window_code code = {text->code, (size_t)text->bytes, text->address};
	const struct use use = words_of(build->options->choices, index);
	uint64_t first = build->options->arena + PROGRAM_WORDS_BYTES;
	struct window_displaced displaced;
	size_t head, len, end;

	head = put_stub(build, function, *at, id_of(build, index), &use);
	len = window_displace(&code, function, first + *at + head, &displaced);
	if (!len)
		return PROGRAM_SKIP_OUT_OF_REACH;
	memcpy(build->stubs + *at + head, displaced.code, len);
	unwind_put_head(build->states + *at, head == PROGRAM_STUB_ONLY);
	memcpy(build->states + *at + head, displaced.states, len);
	build->stub_of[index] = *at;
	end = *at + head + len;
	*at = (end + PROGRAM_STUB_ALIGN - 1) / PROGRAM_STUB_ALIGN * PROGRAM_STUB_ALIGN;
	memset(build->stubs + end, INT3, *at - end);
	return PROGRAM_SKIP_NONE;
}

static void add_piece(void *ctx, size_t index)
{
	const struct build *build = ctx;
	struct piece *piece = &build->pieces[index];
	size_t at = piece->begin;

	for (size_t i = piece->from; i < piece->to; i++) {
		enum program_skip skip = build->elf->functions[i].skip;

		build->stub_of[i] = NO_STUB;
		if (!is_chosen(build->options->choices, i))
			continue;
		if (!skip)
			skip = add_stub(build, i, &at);
		if (skip)
			build->stub_of[i] = NO_STUB + skip;
	}
	piece->end = at;
}

static bool has_stub(const struct build *build, size_t index)
{
	return build->stub_of[index] < NO_STUB;
}

static int add_skipped(struct build *build, size_t index, enum program_skip skip, size_t *cap)
{
	struct program_image *image = &build->image;
	int r = array_reserve(&image->skipped, cap, image->nr_skipped + 1, sizeof(*image->skipped));

	if (r < 0)
		return r;
	image->skipped[image->nr_skipped++] = (struct program_image_skipped){
		.function = (uint32_t)index,
		.skip = (uint8_t)skip,
	};
	return 0;
}

static size_t make_pieces(struct build *build)
{
	const struct program_elf *elf = build->elf;
	size_t begin = 0;

	for (size_t i = 0; i < elf->nr_functions; i++) {
		if (i % PIECE_FUNCTIONS == 0)
			build->pieces[build->nr_pieces++] = (struct piece){
				.from = i,
				.to = MIN(i + PIECE_FUNCTIONS, elf->nr_functions),
				.begin = begin,
			};
		if (is_chosen(build->options->choices, i) && !elf->functions[i].skip)
			begin += STUB_BYTES_MAX;
	}
	return build->nr_pieces;
}

static int add_stubs(struct build *build)
{
	size_t cap_skipped = 0;

	parallel_for(add_piece, build, make_pieces(build));
	if (build->nr_pieces)
		build->len = build->pieces[build->nr_pieces - 1].end;
	for (size_t i = 0; i < build->elf->nr_functions; i++) {
		int r = 0;

		if (has_stub(build, i))
			build->image.nr_patched++;
		else if (build->stub_of[i] != NO_STUB)
			r = add_skipped(build, i, (enum program_skip)(build->stub_of[i] - NO_STUB),
					&cap_skipped);
		if (r < 0)
			return r;
	}
	return 0;
}

static void put_frames(struct build *build)
{
	struct program_image_header *header = &build->image.header;
	size_t at = 2 * build->len, bytes = unwind_put_frames(build->frames, build->len);

	header->stubs_bytes = page_up(at + sizeof(build->frames));
	header->code_bytes = build->len;
	header->eh_frame_hdr = at;
	header->eh_frame = at + UNWIND_HDR_BYTES;
	header->eh_frame_bytes = bytes - UNWIND_HDR_BYTES;
}

/* --- the code with jumps in it --- */

static int add_run(struct build *build, uint64_t from, uint64_t to)
{
	struct program_image_run *last = build->nr_runs ? &build->runs[build->nr_runs - 1] : NULL;
	int r;

	if (last && from >= last->address &&
	    from <= last->address + last->length + RUN_GAP_PAGES * PROGRAM_PAGE_BYTES &&
	    text_of(build->elf, from) == text_of(build->elf, last->address)) {
		last->length = MAX(last->length, to - last->address);
		return 0;
	}
	r = array_reserve(&build->runs, &build->cap_runs, build->nr_runs + 1, sizeof(*last));
	if (r < 0)
		return r;
	build->runs[build->nr_runs++] =
		(struct program_image_run){.address = from, .length = to - from};
	return 0;
}

static int find_runs(struct build *build)
{
	const uint64_t mask = ~((uint64_t)PROGRAM_PAGE_BYTES - 1);
	uint64_t offset;

	for (size_t i = 0; i < build->elf->nr_functions; i++) {
		const struct program_function *function = &build->elf->functions[i];
		uint64_t site = function->address + function->site;
		int r;

		if (!has_stub(build, i))
			continue;
		r = add_run(build, site & mask, page_up(site + WINDOW_JUMP_BYTES));
		if (r < 0)
			return r;
	}
	offset = page_up(sizeof(build->image.header) + build->nr_runs * sizeof(*build->runs));
	for (size_t i = 0; i < build->nr_runs; i++) {
		struct program_image_run *run = &build->runs[i];
		const struct program_text *text = text_of(build->elf, run->address);
		uint64_t at = run->address - text->address;

		run->offset = offset;
		run->checked = MIN(run->length, text->bytes - at);
		run->checksum = program_checksum(text->code + at, run->checked);
		offset += run->length;
	}
	build->image.header.stubs_offset = offset;
	return 0;
}

/* The functions from *index on that begin in the run get their jumps. */
static void put_jumps(const struct build *build, const struct program_image_run *run, uint8_t *code,
		      size_t *index)
{
	uint64_t first = build->options->arena + PROGRAM_WORDS_BYTES;

	for (; *index < build->elf->nr_functions; (*index)++) {
		const struct program_function *function = &build->elf->functions[*index];
		uint64_t site = function->address + function->site;

		if (!has_stub(build, *index))
			continue;
		if (site >= run->address + run->length)
			return;
		code[site - run->address] = 0xe9;
		put_u32(code + (site - run->address) + 1,
			(uint32_t)(first + build->stub_of[*index] - (site + WINDOW_JUMP_BYTES)));
	}
}

static int write_runs(struct build *build)
{
	size_t index = 0;

	for (size_t i = 0; i < build->nr_runs; i++) {
		const struct program_image_run *run = &build->runs[i];
		const struct program_text *text = text_of(build->elf, run->address);
		_cleanup_free_ uint8_t *code = mem_alloc((size_t)run->length);
		int r;

		if (!code)
			return -ENOMEM;
		mem_expect_use(code, (size_t)run->length);
		memcpy(code, text->code + (run->address - text->address), (size_t)run->checked);
		memset(code + run->checked, 0, (size_t)(run->length - run->checked));
		put_jumps(build, run, code, &index);
		r = io_pwrite_full(build->image.fd, code, (size_t)run->length, run->offset);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Where no stub is, the file has no bytes either. */
static int write_stubs(const struct build *build)
{
	uint64_t stubs_at = build->image.header.stubs_offset, states_at = stubs_at + build->len;
	int r = 0;

	for (size_t i = 0; i < build->nr_pieces && r == 0; i++) {
		const struct piece *piece = &build->pieces[i];
		size_t bytes = piece->end - piece->begin;

		r = io_pwrite_full(build->image.fd, build->stubs + piece->begin, bytes,
				   stubs_at + piece->begin);
		if (r == 0)
			r = io_pwrite_full(build->image.fd, build->states + piece->begin, bytes,
					   states_at + piece->begin);
	}
	return r < 0 ? r
		     : io_pwrite_full(build->image.fd, build->frames, sizeof(build->frames),
				      states_at + build->len);
}

static int write_image(struct build *build)
{
	struct program_image_header *header = &build->image.header;
	int fd = memfd_create("sonde-image", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	int r;

	/* A kernel before 6.3 does not know the flag, and needs none. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("sonde-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	build->image.fd = fd;
	build->image.bytes = header->stubs_offset + header->stubs_bytes;
	r = io_ftruncate(fd, build->image.bytes);
	if (r == 0)
		r = io_pwrite_full(fd, header, sizeof(*header), 0);
	if (r == 0)
		r = io_pwrite_full(fd, build->runs, build->nr_runs * sizeof(*build->runs),
				   sizeof(*header));
	if (r == 0)
		r = write_runs(build);
	if (r == 0)
		r = write_stubs(build);
	if (r == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		r = -errno;
	return r;
}

static bool is_in_reach(const struct program_elf *elf, uint64_t arena, uint64_t bytes)
{
	return (int64_t)(elf->high - arena) < (int64_t)REACH_BYTES &&
	       (int64_t)(arena + bytes - elf->low) < (int64_t)REACH_BYTES;
}

static int build_steps(struct build *build)
{
	struct program_image_header *header = &build->image.header;
	uint64_t arena_bytes = program_image_arena_bytes(build->elf, build->options->choices);
	int r;

	if (!is_in_reach(build->elf, build->options->arena, arena_bytes))
		return -ERANGE;
	build->stubs = mem_zalloc((size_t)arena_bytes);
	build->states = mem_zalloc((size_t)arena_bytes);
	build->stub_of = mem_calloc(build->elf->nr_functions + 1, sizeof(*build->stub_of));
	build->pieces =
		mem_calloc(build->elf->nr_functions / PIECE_FUNCTIONS + 1, sizeof(*build->pieces));
	if (!build->stubs || !build->states || !build->stub_of || !build->pieces)
		return -ENOMEM;
	mem_expect_use(build->stubs, (size_t)arena_bytes / 2);
	mem_expect_use(build->states, (size_t)arena_bytes / 2);
	r = add_stubs(build);
	if (r < 0 || !build->image.nr_patched)
		return r;
	put_frames(build);
	r = find_runs(build);
	if (r < 0)
		return r;
	header->magic = PROGRAM_IMAGE_MAGIC;
	header->version = PROGRAM_IMAGE_VERSION;
	header->nr_runs = (uint32_t)build->nr_runs;
	header->arena = build->options->arena;
	header->arena_bytes = PROGRAM_WORDS_BYTES + header->stubs_bytes;
	header->nr_stubs = build->image.nr_patched;
	return write_image(build);
}

int program_image_build(struct program_image *ret_image, const struct program_elf *elf,
			const struct program_image_options *options, struct err *err)
{
	struct build build = {.elf = elf, .options = options, .image = PROGRAM_IMAGE_INIT};
	int r = build_steps(&build);

	mem_free(build.stubs);
	mem_free(build.states);
	mem_free(build.stub_of);
	mem_free(build.pieces);
	mem_free(build.runs);
	if (r < 0) {
		program_image_done(&build.image);
		return err_sys(err, r, "cannot build the image of %.300s", elf->path);
	}
	*ret_image = build.image;
	return 0;
}

void program_image_done(struct program_image *image)
{
	io_close(image->fd);
	mem_free(image->skipped);
	*image = PROGRAM_IMAGE_INIT;
}
