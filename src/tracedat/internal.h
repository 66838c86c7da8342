/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share. `struct dat_state` is the dat that callers see plus what
 * they need not see.
 */
#ifndef SONDE_TRACEDAT_INTERNAL_H
#define SONDE_TRACEDAT_INTERNAL_H

#include "base/arena.h"
#include "tracedat/codec.h"
#include "tracedat/dat.h"
#include "tracedat/window.h"

#define DAT_MAGIC		 "\x17\x08\x44tracing"
#define DAT_MAGIC_BYTES		 10u
#define DAT_SECTION_HEADER_BYTES 16u
#define DAT_SECTION_COMPRESSED	 1u
#define DAT_NO_DESCRIPTION	 0xffffffffu
#define DAT_CHUNK_COUNT_BYTES	 4u
#define DAT_PAGES_IN_CHUNK	 10u
#define DAT_V6_NR_SECTIONS	 7u

/* Where a section's body lies in the file, before it is expanded. */
struct dat_extent {
	bool found;
	bool compressed;
	uint64_t offset, size;
};

/* OUT.partial: where each CPU's stream is. Absent for a trace.dat. */
struct dat_partial_read;

struct dat_state {
	struct dat dat; /* first: the two pointers are the same */
	int fd;
	struct arena arena;
	void **blobs; /* expanded sections, which texts point into */
	size_t nr_blobs, cap_blobs;
	size_t cap_options, cap_sections, cap_buffers, cap_formats, cap_ftrace, cap_guests;
	size_t cap_shifts;
	uint32_t *descriptions; /* of each section, until the strings are known */
	size_t cap_descriptions;
	struct dat_codec codec;
	struct dat_pool *pool;
	struct dat_extent kallsyms, btf, modules; /* read when asked for */
	bool have_cpu_count;
	bool broken; /* dat->damage is more than that a recording goes on */
	struct dat_partial_read *partial;
	struct dat_feed *feed; /* pages come from memory; NULL: from the file */
};

static inline struct dat_state *dat_state(struct dat *dat)
{
	return (struct dat_state *)(void *)dat;
}

/* The first damage counts; later ones are mostly its consequences. */
void dat_damaged(struct dat_state *st, int code, const char *fmt, ...) _printf_(3, 4);
/* Memory from outside the arena, freed with the dat. Takes `blob`. */
int dat_keep(struct dat_state *st, void *blob) _must_check_;

/* --- source.c: the bytes of a section, in memory or straight from the file --- */

struct dat_source {
	struct dat_state *st;
	struct dat_window *window; /* NULL: `data` holds all */
	const uint8_t *data;
	uint64_t pos, end;
	uint64_t file_offset; /* in memory: where the section began, for messages */
	const char *what;     /* for messages */
	int error;	      /* sticky: -ENODATA at the end, else of a failed read */
};

/* All false at the end of the source or after a failure; `source->error` and the damage tell. */
bool dat_source_get(struct dat_source *source, size_t len, const uint8_t **ret_data);
bool dat_source_u16(struct dat_source *source, uint16_t *ret_value);
bool dat_source_u32(struct dat_source *source, uint32_t *ret_value);
bool dat_source_u64(struct dat_source *source, uint64_t *ret_value);
/* A NUL-terminated name within the limit; copied. */
bool dat_source_name(struct dat_source *source, const char **ret_name);
/* `len` bytes that stay as long as the dat; cut at the end of the source (then false as well). */
bool dat_source_text(struct dat_source *source, uint64_t len, struct dat_text *ret_text);
/* Expand the section body at `extent` into memory. */
int dat_source_load(struct dat_state *st, const struct dat_extent *extent, const char *what,
		    struct dat_source *ret_source) _must_check_;

/* --- sections.c: bodies of the metadata sections, alike in both versions --- */

int dat_read_header_info(struct dat_source *source) _must_check_;
int dat_read_ftrace_formats(struct dat_source *source) _must_check_;
int dat_read_formats(struct dat_source *source) _must_check_;

/* --- options.c --- */

int dat_option_add(struct dat_state *st, uint16_t id, const uint8_t *data, uint32_t len,
		   uint64_t offset) _must_check_;
/* Understand one option; a malformed one is damage, not a failure. */
int dat_option_decode(struct dat_state *st, const struct dat_option *option) _must_check_;
/* "[clock]" of a trace_clock file; NULL when there is none. */
int dat_clock_of(struct dat_state *st, const void *text, size_t len, const char **ret_clock)
	_must_check_;

/* --- the versions --- */

int dat_read_v6(struct dat_state *st, uint64_t offset) _must_check_;
int dat_read_v7(struct dat_state *st, uint64_t offset, uint64_t options) _must_check_;
/* A BUFFER section that no option tells of. */
int dat_salvage(struct dat_state *st, const struct dat_section *section) _must_check_;
int dat_section_add(struct dat_state *st, const struct dat_section *section, uint32_t description)
	_must_check_;
/* Returns the new buffer, or NULL when memory is short or there are too many. */
struct dat_buffer *dat_buffer_add(struct dat_state *st, const char *name, const char *clock);
/* Cut a CPU's area to what the file holds, and note what is missing. */
void dat_clamp_cpu(struct dat_state *st, const struct dat_buffer *buffer, struct dat_cpu *cpu);

/* --- load.c --- */

/* The part of dat_load_symbols that is not kallsyms. */
int dat_load_modules(struct dat *dat, struct err *err) _must_check_;

/* --- chunk.c --- */

struct dat_pool;
struct dat_pool *dat_pool_new(void);
void dat_pool_free(struct dat_pool *pool); /* NULL is legal; chunks in use live on */
struct dat_chunk *dat_pool_get(struct dat_pool *pool, size_t cap); /* NULL: no memory */

#endif
