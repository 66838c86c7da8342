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
#include "program/image_probes.h"
#include "program/select.h"
#include "program/unwind.h"
#include "program/window.h"

#define RUN_GAP_BYTES  (16u * PROGRAM_PAGE_BYTES) /* a gap that is not longer does not end a run */
#define CODE_BYTES     PROGRAM_CHECKED_BYTES	  /* written in one go */
#define SITE_MAX       4u			  /* from a function's start to its jump */
#define REACH_BYTES    (0x80000000ull - 0x10000u)
#define STUB_BYTES_MAX (PROGRAM_STUB_DISPLACED + WINDOW_DISPLACED_BYTES)
#define INT3	       0xccu
/* Behind the header, as if there were as many runs as there can be. */
#define STUBS_OFFSET                                                                               \
	page_up(sizeof(struct program_image_header) +                                              \
		PROGRAM_IMAGE_RUNS_MAX * sizeof(struct program_image_run))

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

/* How long its stub is at most; 0: it has none. */
static size_t stub_room(const struct program_elf *elf, const struct program_image_options *options,
			size_t index)
{
	const struct program_probed_function *probed = image_probes_of(options->probes, index);

	if (elf->functions[index].skip || (!probed && !is_chosen(options->choices, index)))
		return 0;
	return STUB_BYTES_MAX + (image_probes_room(probed) + PROGRAM_STUB_ALIGN - 1) /
					PROGRAM_STUB_ALIGN * PROGRAM_STUB_ALIGN;
}

uint64_t program_image_arena_bytes(const struct program_elf *elf,
				   const struct program_image_options *options)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < elf->nr_functions; i++)
		bytes += stub_room(elf, options, i);
	return PROGRAM_WORDS_BYTES +
	       page_up(2 * bytes + UNWIND_FRAMES_BYTES + image_probes_bytes(options->probes));
}

/* Stubs that one thread makes in one go. They begin where those before could reach at most. */
struct piece {
	size_t from, to;  /* functions */
	size_t begin, nr; /* its first byte; how many stubs there are */
};
#define PIECE_FUNCTIONS 512u
#define PIECE_BYTES	(PIECE_FUNCTIONS * STUB_BYTES_MAX)

/* An image while it is being built. */
struct build {
	const struct program_elf *elf;
	const struct program_image_options *options;
	struct program_image image;
	size_t len;	    /* of the stubs */
	uint64_t probes_at; /* what is of probes, behind them and their frames */
	uint32_t *stub_of;  /* offset of each function's stub, or NO_STUB + why there is none */
	struct piece *pieces;
	size_t nr_pieces;
	struct image_probe_stubs probes;
	struct program_image_run *runs;
	size_t nr_runs, cap_runs;
	int r; /* of the first thread that could not write; atomic */
};
#define NO_STUB (1u << 31)

static size_t nr_probed(const struct build *build)
{
	return build->options->probes ? build->options->probes->nr_functions : 0;
}

static void fail(struct build *build, int r)
{
	int none = 0;

	if (r < 0)
		__atomic_compare_exchange_n(&build->r, &none, r, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
}

/* --- stubs --- */

/*
 * The stubs of a piece, in memory that is used again for the next one: touching memory for the
 * first time costs more than all that is done here.
 */
struct batch {
	size_t begin; /* offset from the first stub of all */
	size_t len;
	uint8_t stubs[PIECE_BYTES];
	uint8_t states[PIECE_BYTES]; /* what unwind.h says of each byte */
};

static void put_u32(uint8_t *at, uint32_t value)
{
	store_u32(at, value, false);
}

/* A call or jump (ff /2, ff /4) through one of the words, at the batch's offset `at`. */
static void put_through_word(struct batch *batch, size_t at, uint8_t modrm, enum program_word word)
{
	batch->stubs[at] = 0xff;
	batch->stubs[at + 1] = modrm;
	put_u32(batch->stubs + at + 2,
		(uint32_t)(word * 8u - PROGRAM_WORDS_BYTES - (uint32_t)(batch->begin + at + 6)));
}

static void put_push(uint8_t *at, uint32_t id)
{
	at[0] = 0x68;
	put_u32(at + 1, id);
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

/* The stub's head, at the batch's offset `at`; how long it is. */
static size_t put_head(struct batch *batch, size_t at, bool only, uint32_t id,
		       const struct use *use)
{
	static const uint8_t drop_two[] = {0x48, 0x8d, 0x64, 0x24, 16}; /* lea 16(%rsp),%rsp */
	static const uint8_t drop_one[] = {0x48, 0x8d, 0x64, 0x24, 8};
	uint8_t *stub = batch->stubs + at;

	unwind_put_head(batch->states + at, only);
	put_push(stub, id);
	if (only) {
		put_through_word(batch, at + 5, 0x15, use->entry_only);
		memcpy(stub + PROGRAM_STUB_ENTERED, drop_one, sizeof(drop_one));
		return PROGRAM_STUB_ONLY;
	}
	put_through_word(batch, at + 5, 0x15, use->entry);
	memcpy(stub + PROGRAM_STUB_ENTERED, drop_two, sizeof(drop_two));
	stub[PROGRAM_STUB_EXIT - 5] = 0xe8;
	put_u32(stub + PROGRAM_STUB_EXIT - 4, PROGRAM_STUB_DISPLACED - PROGRAM_STUB_EXIT);
	put_push(stub + PROGRAM_STUB_EXIT, id);
	put_through_word(batch, at + PROGRAM_STUB_EXIT + 5, 0x25, use->exit);
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

/* What comes before the displaced instructions, in the order of layout.h; how long it is. */
static size_t put_heads(const struct build *build, size_t index, struct batch *batch)
{
	const struct program_image_options *options = build->options;
	const struct program_probed_function *probed = image_probes_of(options->probes, index);
	bool only = options->mode != PROGRAM_GRAPH || build->elf->functions[index].entry_only;
	struct image_probes_place place = {
		.stub = batch->stubs + batch->len,
		.states = batch->states + batch->len,
		.at = batch->begin + batch->len,
	};
	size_t hits = 0, head = 0;

	if (probed) {
		place.list = build->probes_at + image_probes_list_at(options->probes);
		hits = image_probes_put_hits(&place, probed);
	}
	if (is_chosen(options->choices, index)) {
		const struct use use = words_of(options->choices, index);

		head = put_head(batch, batch->len + hits, only, id_of(build, index), &use);
	}
	if (!probed || !probed->nr_returns)
		return hits + head;
	place.stub += hits + head;
	place.states += hits + head;
	place.at += hits + head;
	return hits + head + image_probes_put_return(&place, probed);
}

/* The function's stub behind the others of the batch. Returns why there is none. */
static enum program_skip add_stub(const struct build *build, size_t index, struct batch *batch)
{
	const struct program_function *function = &build->elf->functions[index];
	const struct program_text *text = text_of(build->elf, function->address);
	const struct window_code code = {text->code, (size_t)text->bytes, text->address};
	uint64_t first = build->options->arena + PROGRAM_WORDS_BYTES;
	size_t at = batch->len, head = put_heads(build, index, batch), len, end;
	struct window_displaced displaced;

	len = window_displace(&code, function, first + batch->begin + at + head, &displaced);
	if (!len)
		return PROGRAM_SKIP_OUT_OF_REACH;
	memcpy(batch->stubs + at + head, displaced.code, len);
	memcpy(batch->states + at + head, displaced.states, len);
	build->stub_of[index] = (uint32_t)(batch->begin + at);
	end = at + head + len;
	batch->len = (end + PROGRAM_STUB_ALIGN - 1) / PROGRAM_STUB_ALIGN * PROGRAM_STUB_ALIGN;
	memset(batch->stubs + end, INT3, batch->len - end);
	memset(batch->states + end, 0, batch->len - end);
	return PROGRAM_SKIP_NONE;
}

/* Where no stub is, the file has no bytes either. */
static int write_batch(const struct build *build, const struct batch *batch)
{
	uint64_t at = STUBS_OFFSET + batch->begin;
	int r = io_pwrite_full(build->image.fd, batch->stubs, batch->len, at);

	return r < 0 ? r
		     : io_pwrite_full(build->image.fd, batch->states, batch->len, at + build->len);
}

/* It is to have a stub. */
static bool is_wanted(const struct build *build, size_t index)
{
	return is_chosen(build->options->choices, index) ||
	       image_probes_of(build->options->probes, index);
}

static void add_piece(void *ctx, size_t index)
{
	struct build *build = ctx;
	struct piece *piece = &build->pieces[index];
	struct batch batch;

	batch.begin = piece->begin;
	batch.len = 0;
	for (size_t i = piece->from; i < piece->to; i++) {
		enum program_skip skip = build->elf->functions[i].skip;

		build->stub_of[i] = NO_STUB;
		if (!is_wanted(build, i))
			continue;
		if (!skip && image_probes_are_at(build->options->probes, &build->elf->functions[i]))
			skip = PROGRAM_SKIP_PROBE;
		if (!skip)
			skip = add_stub(build, i, &batch);
		if (skip)
			build->stub_of[i] = NO_STUB + skip;
		piece->nr += !skip && is_chosen(build->options->choices, i);
	}
	if (batch.len)
		fail(build, write_batch(build, &batch));
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

/*
 * Says how long the stubs are together at most. A piece that ends before it has all its functions
 * has a probed one among them, or before that one.
 */
static size_t make_pieces(struct build *build)
{
	const struct program_elf *elf = build->elf;
	struct piece *piece = NULL;
	size_t begin = 0;

	for (size_t i = 0; i < elf->nr_functions; i++) {
		size_t room = stub_room(elf, build->options, i);

		if (!piece || i - piece->from == PIECE_FUNCTIONS ||
		    begin + room - piece->begin > PIECE_BYTES) {
			piece = &build->pieces[build->nr_pieces++];
			*piece = (struct piece){.from = i, .begin = begin};
		}
		piece->to = i + 1;
		begin += room;
	}
	return begin;
}

static int add_stubs(struct build *build)
{
	size_t cap_skipped = 0;
	int r = 0;

	parallel_for(add_piece, build, build->nr_pieces);
	for (size_t i = 0; i < build->nr_pieces; i++)
		build->image.nr_patched += build->pieces[i].nr;
	for (size_t i = 0; i < build->elf->nr_functions && r == 0; i++) {
		if (build->stub_of[i] > NO_STUB)
			r = add_skipped(build, i, (enum program_skip)(build->stub_of[i] - NO_STUB),
					&cap_skipped);
	}
	return r < 0 ? r : build->r;
}

static int write_frames(struct build *build)
{
	struct program_image_header *header = &build->image.header;
	uint8_t frames[UNWIND_FRAMES_BYTES];
	size_t at = 2 * build->len, bytes = unwind_put_frames(frames, build->len);

	header->stubs_offset = STUBS_OFFSET;
	header->code_bytes = build->len;
	header->eh_frame_hdr = at;
	header->eh_frame = at + UNWIND_HDR_BYTES;
	header->eh_frame_bytes = bytes - UNWIND_HDR_BYTES;
	return io_pwrite_full(build->image.fd, frames, sizeof(frames), STUBS_OFFSET + at);
}

/* Stubs of probes come last. */
static int write_probes(struct build *build)
{
	struct program_image_header *header = &build->image.header;
	uint64_t at = build->probes_at;
	int r = image_probes_make(&build->probes, build->elf, build->options, at);

	if (r < 0)
		return r;
	header->stubs_bytes = page_up(at + build->probes.len);
	header->nr_probes = build->options->probes ? build->options->probes->nr : 0;
	header->probes = at + build->probes.list_at;
	return io_pwrite_full(build->image.fd, build->probes.bytes, build->probes.len,
			      STUBS_OFFSET + at);
}

/* --- the code with jumps in it --- */

static int add_run(struct build *build, uint64_t from, uint64_t to, uint64_t gap)
{
	struct program_image_run *last = build->nr_runs ? &build->runs[build->nr_runs - 1] : NULL;
	int r;

	if (last && from >= last->address && from <= last->address + last->length + gap &&
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

/* The pages that a jump at `site` is in. */
static int add_jump_run(struct build *build, uint64_t site, uint64_t gap)
{
	const uint64_t mask = ~((uint64_t)PROGRAM_PAGE_BYTES - 1);

	return add_run(build, site & mask, page_up(site + WINDOW_JUMP_BYTES), gap);
}

static size_t nr_patches(const struct build *build)
{
	return build->options->probes ? build->options->probes->nr_patches : 0;
}

/* In order of address, jumps of probes among those of functions. */
static int add_runs(struct build *build, uint64_t gap)
{
	size_t patch = 0, nr = nr_patches(build);
	int r = 0;

	build->nr_runs = 0;
	for (size_t i = 0; i <= build->elf->nr_functions && r == 0; i++) {
		const struct program_function *function = &build->elf->functions[i];
		bool is_end = i == build->elf->nr_functions;
		uint64_t site = is_end ? UINT64_MAX : function->address + function->site;

		if (!is_end && !has_stub(build, i))
			continue;
		for (; patch < nr && r == 0; patch++) {
			uint64_t at = build->options->probes->patches[patch].address;

			if (at > site)
				break;
			r = add_jump_run(build, at, gap);
		}
		if (r == 0 && !is_end)
			r = add_jump_run(build, site, gap);
	}
	return r;
}

/* Says where the image ends. */
static int find_runs(struct build *build, uint64_t *ret_end)
{
	uint64_t offset = STUBS_OFFSET + build->image.header.stubs_bytes;

	for (uint64_t gap = RUN_GAP_BYTES;; gap *= 2) {
		int r = add_runs(build, gap);

		if (r < 0)
			return r;
		if (build->nr_runs <= PROGRAM_IMAGE_RUNS_MAX)
			break;
		if (gap > REACH_BYTES) /* more pieces of code than any linker makes */
			return -E2BIG;
	}
	for (size_t i = 0; i < build->nr_runs; i++) {
		struct program_image_run *run = &build->runs[i];
		const struct program_text *text = text_of(build->elf, run->address);
		uint64_t at = run->address - text->address;

		run->offset = offset;
		run->checked = MIN(run->length, text->bytes - at);
		offset += run->length;
	}
	*ret_end = offset;
	return 0;
}

/*
 * The part of the jump from `site` to the stub at this offset that lies in the `bytes` of code from
 * `address` on.
 */
static void put_jump(const struct build *build, uint64_t site, uint64_t stub, uint8_t *code,
		     uint64_t address, uint64_t bytes)
{
	uint64_t first = build->options->arena + PROGRAM_WORDS_BYTES;
	uint8_t jump[WINDOW_JUMP_BYTES] = {0xe9};

	put_u32(jump + 1, (uint32_t)(first + stub - (site + sizeof(jump))));
	if (site >= address && site + sizeof(jump) <= address + bytes) {
		memcpy(code + (site - address), jump, sizeof(jump));
		return;
	}
	for (size_t i = 0; i < sizeof(jump); i++) {
		if (site + i - address < bytes)
			code[site + i - address] = jump[i];
	}
}

/* The first function that may have a jump at the address or behind it. */
static size_t first_function(const struct program_elf *elf, uint64_t address)
{
	size_t from = 0, to = elf->nr_functions;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (elf->functions[middle].address + SITE_MAX + WINDOW_JUMP_BYTES <= address)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

/* The run that piece `*index` of all code is of, which becomes the index in that run. */
static struct program_image_run *run_of_piece(const struct build *build, size_t *index)
{
	struct program_image_run *run = build->runs;

	for (; *index >= pieces_of(run->length, CODE_BYTES); run++)
		*index -= pieces_of(run->length, CODE_BYTES);
	return run;
}

static void write_code(void *ctx, size_t index)
{
	struct build *build = ctx;
	struct program_image_run *run = run_of_piece(build, &index);
	const struct program_elf *elf = build->elf;
	const struct program_text *text = text_of(elf, run->address);
	uint64_t at = index * CODE_BYTES, bytes = MIN(run->length - at, (uint64_t)CODE_BYTES);
	uint64_t checked = MIN(bytes, run->checked - MIN(at, run->checked));
	uint64_t address = run->address + at;
	uint8_t code[CODE_BYTES];

	memcpy(code, text->code + (address - text->address), (size_t)checked);
	memset(code + checked, 0, (size_t)(bytes - checked));
	if (checked)
		__atomic_fetch_add(&run->checksum, program_checksum_piece(code, checked, index),
				   __ATOMIC_RELAXED);
	for (size_t i = first_function(elf, address);
	     i < elf->nr_functions && elf->functions[i].address < address + bytes; i++) {
		if (has_stub(build, i))
			put_jump(build, elf->functions[i].address + elf->functions[i].site,
				 build->stub_of[i], code, address, bytes);
	}
	for (size_t i = 0; i < nr_patches(build); i++)
		put_jump(build, build->options->probes->patches[i].address,
			 build->probes.at + build->probes.stub_of[i], code, address, bytes);
	fail(build, io_pwrite_full(build->image.fd, code, (size_t)bytes, run->offset + at));
}

static int write_runs(struct build *build)
{
	size_t nr = 0;

	for (size_t i = 0; i < build->nr_runs; i++)
		nr += pieces_of(build->runs[i].length, CODE_BYTES);
	parallel_for(write_code, build, nr);
	return build->r;
}

static int open_image(struct build *build)
{
	int fd = memfd_create("sonde-image", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	/* A kernel before 6.3 does not know the flag, and needs none. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("sonde-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	build->image.fd = fd;
	return fd < 0 ? -errno : 0;
}

/* Last of all, what says where everything is. */
static int write_header(struct build *build)
{
	struct program_image_header *header = &build->image.header;
	int r;

	header->magic = PROGRAM_IMAGE_MAGIC;
	header->version = PROGRAM_IMAGE_VERSION;
	header->nr_runs = (uint32_t)build->nr_runs;
	header->arena = build->options->arena;
	header->arena_bytes = PROGRAM_WORDS_BYTES + header->stubs_bytes;
	header->nr_stubs = build->image.nr_patched;
	r = io_pwrite_full(build->image.fd, header, sizeof(*header), 0);
	if (r == 0)
		r = io_pwrite_full(build->image.fd, build->runs,
				   build->nr_runs * sizeof(*build->runs), sizeof(*header));
	if (r == 0 && fcntl(build->image.fd, F_ADD_SEALS,
			    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
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
	const struct program_elf *elf = build->elf;
	uint64_t arena_bytes = program_image_arena_bytes(elf, build->options);
	int r;

	if (!is_in_reach(elf, build->options->arena, arena_bytes))
		return -ERANGE;
	build->stub_of = mem_calloc(elf->nr_functions + 1, sizeof(*build->stub_of));
	build->pieces = mem_calloc(elf->nr_functions / PIECE_FUNCTIONS + 1 + 2 * nr_probed(build),
				   sizeof(*build->pieces));
	if (!build->stub_of || !build->pieces)
		return -ENOMEM;
	build->len = make_pieces(build);
	build->probes_at = (2 * build->len + UNWIND_FRAMES_BYTES + PROGRAM_STUB_ALIGN - 1) &
			   ~(uint64_t)(PROGRAM_STUB_ALIGN - 1);
	r = open_image(build);
	if (r == 0)
		r = add_stubs(build);
	if (r < 0 || (!build->image.nr_patched && !nr_patches(build) && !nr_probed(build))) {
		io_close(build->image.fd);
		build->image.fd = -1;
		return r;
	}
	r = write_frames(build);
	if (r == 0)
		r = write_probes(build);
	if (r == 0)
		r = find_runs(build, &build->image.bytes);
	if (r == 0)
		r = io_ftruncate(build->image.fd, build->image.bytes);
	if (r == 0)
		r = write_runs(build);
	if (r == 0 && program_elf_is_cut(elf))
		r = -EBADMSG;
	return r < 0 ? r : write_header(build);
}

int program_image_build(struct program_image *ret_image, const struct program_elf *elf,
			const struct program_image_options *options, struct err *err)
{
	struct build build = {.elf = elf, .options = options, .image = PROGRAM_IMAGE_INIT};
	int r = build_steps(&build);

	mem_free(build.stub_of);
	mem_free(build.pieces);
	image_probe_stubs_done(&build.probes);
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
