/* SPDX-License-Identifier: MIT */
/*
 * trace.dat, reading: versions 6 and 7, either byte order, any compression, any number of
 * instances. Opening reads the metadata and the table of per-CPU data; pages are read on demand,
 * chunk by chunk, so memory does not grow with the file.
 *
 * A damaged or unfinished file is opened as far as it goes: dat_open succeeds, and dat->damage
 * says in one sentence what is missing. Only when nothing can be used does dat_open fail.
 */
#ifndef SONDE_TRACEDAT_DAT_H
#define SONDE_TRACEDAT_DAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "event/event.h"
#include "ring/subbuf.h"

enum dat_option_id {
	DAT_OPTION_DONE = 0,
	DAT_OPTION_DATE = 1,
	DAT_OPTION_CPUSTAT = 2,
	DAT_OPTION_BUFFER = 3,
	DAT_OPTION_TRACECLOCK = 4,
	DAT_OPTION_UNAME = 5,
	DAT_OPTION_HOOK = 6,
	DAT_OPTION_OFFSET = 7,
	DAT_OPTION_CPUCOUNT = 8,
	DAT_OPTION_VERSION = 9,
	DAT_OPTION_PROCMAPS = 10,
	DAT_OPTION_TRACEID = 11,
	DAT_OPTION_TIME_SHIFT = 12,
	DAT_OPTION_GUEST = 13,
	DAT_OPTION_TSC2NSEC = 14,
	DAT_SECTION_STRINGS = 15,
	DAT_OPTION_HEADER_INFO = 16,
	DAT_OPTION_FTRACE_EVENTS = 17,
	DAT_OPTION_EVENT_FORMATS = 18,
	DAT_OPTION_KALLSYMS = 19,
	DAT_OPTION_PRINTK = 20,
	DAT_OPTION_CMDLINES = 21,
	DAT_OPTION_BUFFER_TEXT = 22,
	DAT_OPTION_BTF_FILE = 23,
	DAT_OPTION_LAST_BOOT_INFO = 24,
	DAT_OPTION_MODULES_FILE = 25,
};

enum dat_compression {
	DAT_NONE,
	DAT_ZLIB,
	DAT_ZSTD
};

/* One option as it stands in the file; data is owned by the dat. */
struct dat_option {
	uint16_t id;
	const uint8_t *data;
	uint32_t len;
	uint64_t offset; /* of its header in the file */
};

/* One section of a v7 file (also made up for the parts of a v6 one, flags 0). */
struct dat_section {
	uint16_t id, flags;	 /* flags bit 0: compressed */
	uint64_t offset;	 /* of the section header (v7) or of the body (v6) */
	uint64_t size;		 /* bytes behind the header */
	uint32_t csize, usize;	 /* compressed metadata: its size in the file and expanded */
	const char *description; /* "" when there is none */
};

struct dat_cpu {
	uint32_t cpu;	 /* CPU number */
	uint64_t offset; /* in the file */
	uint64_t size;	 /* bytes in the file; 0 when the CPU has no data */
};

struct dat_buffer {
	const char *name;  /* "" for the top instance */
	const char *clock; /* "local" when not recorded */
	struct subbuf_layout layout;
	struct dat_cpu *cpus; /* in CPU order */
	uint32_t nr_cpus;
	bool compressed;
	bool is_text;			 /* latency tracer: no pages, dat_buffer_text gives ASCII */
	uint64_t section_offset;	 /* 0 in v6 */
	uint64_t text_offset, text_size; /* is_text: of the ASCII in the file */
};

struct dat_text { /* a metadata section's text; data is NUL-terminated, NULL when absent */
	const char *data;
	size_t len;
};

struct dat_format {
	const char *system; /* "ftrace" for the ftrace formats */
	const char *text;
	size_t len;
};

struct dat_guest {
	const char *name;
	uint64_t trace_id;
	uint32_t nr_vcpus;
	const struct dat_guest_vcpu {
		uint32_t vcpu, pid;
	} * vcpus;
};

struct dat_shift_sample {
	int64_t time, offset, scaling, fraction;
};
struct dat_time_shift {
	uint64_t peer;
	uint32_t flags; /* 1: interpolate */
	uint32_t nr_cpus;
	struct dat_shift_cpu {
		uint32_t nr;
		const struct dat_shift_sample *samples; /* ordered by time */
	} * cpus;
};

struct dat {
	const char *path;
	uint64_t file_size;
	int version; /* 6 or 7 */
	bool big_endian;
	uint8_t user_long_size; /* from the initial header */
	uint8_t long_size;	/* of the kernel: from header_page */
	uint32_t page_size;
	enum dat_compression compression;
	const char *compression_name, *compression_version; /* as recorded; "none", "" in v6 */
	uint32_t nr_cpus;				    /* CPUCOUNT, or the largest seen */

	struct dat_text header_page, header_event, kallsyms, printk, cmdlines, btf, modules;
	struct dat_format *ftrace_formats, *formats;
	size_t nr_ftrace_formats, nr_formats;

	struct dat_option *options; /* all, in file order */
	size_t nr_options;
	struct dat_section *sections;
	size_t nr_sections;
	struct dat_text strings; /* v7: the descriptions, each ended by a NUL */

	struct dat_buffer *buffers; /* the top instance first when there is one */
	size_t nr_buffers;

	/* Decoded options; defaults when absent. */
	const char *clock;	 /* of the top instance: "local" */
	const char *trace_clock; /* the trace_clock file, the current one in []; NULL when absent */
	const char *uname, *version_text, *cpustat; /* NULL when absent */
	const char *last_boot_info, *procmaps;	    /* NULL when absent */
	uint64_t trace_id;
	bool has_date, has_offset, has_tsc2nsec;
	int64_t date_offset_ns; /* DATE: added to every timestamp */
	int64_t offset;		/* OFFSET: likewise, in raw units */
	uint32_t tsc_mult, tsc_shift;
	uint64_t tsc_offset;
	const struct dat_guest *guests;
	size_t nr_guests;
	struct dat_time_shift *shifts; /* as guest: to the host's time */
	size_t nr_shifts;

	bool unfinished; /* no options or no buffers yet: still being recorded, or cut off */
	/*
	 * Code 0 when the file is whole, else the first thing that was wrong. The text does not
	 * name the file.
	 */
	struct err damage;
};

/*
 * Open a file (or, once it exists, an OUT.partial directory). The result is the caller's to
 * dat_close. Errors name the file, what was expected and found, and where.
 */
int dat_open(struct dat **ret_dat, const char *path, struct err *err) _must_check_;
void dat_close(struct dat *dat);

/*
 * Look again at an OUT.partial directory: streams then go on with what has been written meanwhile.
 * 1 while the recording goes on, 0 when it has ended (all of it can be read now, and the damage
 * that it was not finished is taken back) or its recorder has died; always 0 for a file. While
 * streams are read by other threads, one thread may call this.
 */
int dat_refresh(struct dat *dat, struct err *err) _must_check_;

/*
 * Read the STRINGS, BTF, kallsyms and similar sections lazily where they are big: dat_open reads
 * header_page, formats, printk, cmdlines and options; this reads kallsyms, BTF and modules.
 */
int dat_load_symbols(struct dat *dat, struct err *err) _must_check_;
int dat_load_btf(struct dat *dat, struct err *err) _must_check_;

enum dat_events_flags {
	DAT_NO_HANDLERS = 1u << 0,     /* events as their formats say, none treated specially */
	DAT_TRACE_CMD_NAMES = 1u << 1, /* symbols_as_trace_cmd */
};

/*
 * Build an event_db from the file: formats, symbols, printk, cmdlines; sealed. `flags` are
 * enum dat_events_flags.
 */
int dat_events(struct dat *dat, unsigned int flags, struct event_db **ret_db, struct err *err)
	_must_check_;

/* The file's symbols alone, for an event_db of other events, not sealed yet. 0 or -ENOMEM. */
int dat_add_symbols(const struct dat *dat, unsigned int flags, struct event_db *db) _must_check_;

/* Text of a latency-tracer buffer: a new string, the caller's to mem_free. */
int dat_buffer_text(struct dat *dat, size_t buffer, char **ret_text, size_t *ret_len,
		    struct err *err) _must_check_;

/* --- pages --- */

/*
 * A run of whole pages in memory, shared by reference count: a reader may hand records on to other
 * threads and drop its own reference. dat_chunk_ref/unref are thread-safe.
 */
struct dat_chunk {
	uint32_t refs; /* atomic */
	uint32_t nr_bytes;
	uint8_t *bytes;
};
struct dat_chunk *dat_chunk_ref(struct dat_chunk *chunk);
void dat_chunk_unref(struct dat_chunk *chunk); /* NULL is legal */

/* A reading position in one CPU's data. Not shared between threads; several may read one dat. */
struct dat_stream;
int dat_stream_open(struct dat_stream **ret_stream, struct dat *dat, size_t buffer,
		    size_t cpu_index, struct err *err) _must_check_;
void dat_stream_close(struct dat_stream *stream);

/*
 * The next page: 1, with *ret_page borrowed from *ret_chunk (a reference that the stream keeps
 * until the next call; take your own with dat_chunk_ref to keep it longer) and *ret_len readable
 * bytes (less than the layout's size only at a cut-off end). 0 at the end. Negative errno and err
 * on damage; what lies before it has been delivered, and a further call goes on behind the damage
 * where that can be (else it returns 0). Of a partial directory, 0 means "no more yet": after
 * dat_refresh a further call may find more.
 */
int dat_stream_next(struct dat_stream *stream, const uint8_t **ret_page, uint32_t *ret_len,
		    struct dat_chunk **ret_chunk, struct err *err) _must_check_;

/*
 * Go to the last page that begins before `ts` (or to the first page), so that no record at or after
 * `ts` lies before it. ts 0 goes to the start. For compressed data this builds an index of chunk
 * offsets on first use.
 */
int dat_stream_seek(struct dat_stream *stream, uint64_t ts, struct err *err) _must_check_;

/* Go to the last page that holds at least one record (for --last-event). 0 when there is none. */
int dat_stream_seek_last(struct dat_stream *stream, struct err *err) _must_check_;

/*
 * Pages that come from this program's memory in place of the file. begin gives every buffer
 * `nr_cpus` CPUs without data, before any stream is opened; dat_feed puts whole pages (copied)
 * behind those of that CPU, and streams that were at their end go on. One thread.
 */
int dat_feed_begin(struct dat *dat, uint32_t nr_cpus, struct err *err) _must_check_;
int dat_feed(struct dat *dat, size_t buffer, uint32_t cpu, const void *pages, size_t len,
	     struct err *err) _must_check_;

#endif
