/* SPDX-License-Identifier: MIT */
/*
 * OUT.partial/: a recording in progress. It holds
 *
 *   meta.dat      a trace.dat v7 with the metadata and no buffers; replaced by rename when events
 * come up that it does not describe buffers       text, one line a buffer: "INDEX PAGE_SIZE NR_CPUS
 * COMPRESSION CLOCK NAME" bI.cpuN       append-only stream of CPU N of buffer I: chunks {u32 csize,
 * u32 usize, data} when compressed, else whole pages bI.cpuN.start text, replaced by rename: where
 * the stream begins now, when only the newest is kept; what lies before it is given back to the
 * file system cmdlines      replaced by rename from time to time kallsyms      where symbols come
 * up while recording, in place of those in meta.dat; the same, or lines are appended: a last one
 * that is not whole is ignored options       {u16 id, u32 size, data}* in the file's byte order,
 * appended
 *
 * dat_open reads it as it lies, at any moment and after kill -9: a last chunk or page that is not
 * whole is ignored. It is made, and removed, as OUT.partial.new: what is called OUT.partial is
 * whole. dat_refresh (dat.h) follows it while it grows. Sealing makes the single
 * trace.dat out of it by joining the streams.
 */
#ifndef SONDE_TRACEDAT_PARTIAL_H
#define SONDE_TRACEDAT_PARTIAL_H

#include "tracedat/writer.h"

struct dat_partial;

struct dat_partial_buffer {
	const char *name, *clock;
	uint32_t page_size;
	uint32_t nr_cpus;
	uint64_t keep_bytes; /* of a CPU's pages at most, the newest; 0: all */
};

/*
 * Creates the directory `path` (which ends in ".partial" and must not exist) and its files. The
 * options' nr_cpus is the machine's; `version` is not used. Removed again when it fails; what an
 * earlier one that was killed left of `path`.new is removed as well.
 */
int dat_partial_create(struct dat_partial **ret_partial, const char *path,
		       const struct dat_write_options *options, const struct dat_metadata *metadata,
		       const struct dat_partial_buffer *buffers, size_t nr_buffers, struct err *err)
	_must_check_;

/*
 * More than was known when it was made: all metadata, with the events that have come up. Readers
 * that have opened it before do not see them.
 */
int dat_partial_metadata(struct dat_partial *partial, const struct dat_metadata *metadata,
			 struct err *err) _must_check_;

/*
 * Append whole pages of one CPU of one buffer. When the file is compressed they are compressed
 * here, about 128 KiB a chunk, and written some chunks at a time; what has gathered goes out with
 * flush. Safe from several threads as long as each (buffer, cpu) is used by one thread. After a
 * failure (a full disk) nothing of these pages has been taken, and the same call may be tried
 * again; where only the newest pages are kept, some may have been taken.
 */
int dat_partial_append(struct dat_partial *partial, size_t buffer, uint32_t cpu, const void *pages,
		       size_t len, struct err *err) _must_check_;
/* Where only the newest are kept: events in pages that were let go of. */
uint64_t dat_partial_events_gone(const struct dat_partial *partial, size_t buffer, uint32_t cpu);
int dat_partial_flush(struct dat_partial *partial, size_t buffer, uint32_t cpu, struct err *err)
	_must_check_;
/*
 * The same as one chunk, of at most dat_partial_chunk_bytes or two pages: written when it returns.
 * *target is memory that survives this process: before the first byte is written it holds the size
 * that the stream will have. So whoever finds the stream after a kill knows whether these pages
 * came to it. A stream is appended to in this way or in the other, not both. `in_haste`: it is
 * compressed when the directory is sealed.
 */
int dat_partial_store(struct dat_partial *partial, size_t buffer, uint32_t cpu, const void *pages,
		      size_t len, bool in_haste, uint64_t *target, struct err *err) _must_check_;
int dat_partial_cmdlines(struct dat_partial *partial, const char *text, size_t len, struct err *err)
	_must_check_;
/* Bytes of pages that are worth a chunk. */
size_t dat_partial_chunk_bytes(const struct dat_partial *partial, size_t buffer);
/*
 * Symbols that were not known when the directory was made, as text of kallsyms: all of them, or
 * whole lines behind those of the calls before. A recording does one or the other.
 */
int dat_partial_kallsyms(struct dat_partial *partial, const char *text, size_t len, struct err *err)
	_must_check_;
int dat_partial_more_kallsyms(struct dat_partial *partial, const char *text, size_t len,
			      struct err *err) _must_check_;

/* An option known only at the end (CPUSTAT, ...). Copied. */
int dat_partial_option(struct dat_partial *partial, uint16_t id, const void *data, size_t len,
		       struct err *err) _must_check_;

/*
 * For a forked child after the kill of its parent, whose directory it goes on with. The locks that
 * say that somebody records are the descriptors' of the parent, so it holds them as long as it
 * keeps dat_partial_descriptor open. First dat_partial_adopt, then _adopt_stream for each stream
 * to be appended to: where it has `target` bytes these stay (true in *ret_whole), else `size`.
 */
int dat_partial_descriptor(const struct dat_partial *partial);
int dat_partial_adopt(struct dat_partial *partial, struct err *err) _must_check_;
int dat_partial_adopt_stream(struct dat_partial *partial, size_t buffer, uint32_t cpu,
			     uint64_t size, uint64_t target, bool *ret_whole, struct err *err)
	_must_check_;

/*
 * Make `out` (replacing it by rename, in one step) and remove the directory. On failure the
 * directory stays readable. The final cmdlines are those of the last dat_partial_cmdlines.
 * `version` 6 or 7. Frees the partial in any case.
 */
int dat_partial_seal(struct dat_partial *partial, const char *out, int version, struct err *err)
	_must_check_;
/* The same for a directory that a recorder left behind. */
int dat_partial_seal_dir(const char *path, const char *out, int version, struct err *err)
	_must_check_;
/*
 * The same, and the directory stays: what there is of it now, also while it is being written. A
 * page that is just coming is not in it. Where `part` is given, of its buffer's CPUs only so much
 * as it says, and behind that these pages, which are in no stream yet.
 *
 * From dat_partial_hold to as many dat_partial_release nothing that is kept of a stream
 * (keep_bytes) is let go: for the time of a copy, and from when `part` was true on.
 */
struct dat_partial_end {
	uint64_t bytes; /* of the stream */
	const void *pages;
	size_t len;
};
struct dat_partial_part {
	size_t buffer;
	const struct dat_partial_end *ends; /* of each of its CPUs */
};
int dat_partial_copy(const char *path, const char *out, int version,
		     const struct dat_partial_part *part, struct err *err) _must_check_;
void dat_partial_hold(struct dat_partial *partial);
void dat_partial_release(struct dat_partial *partial);
/*
 * Remove the directory and the files that belong in it, so that it is gone in one step. When other
 * files lie there, they stay, and so does it as OUT.partial.new.
 */
int dat_partial_remove(const char *path) _must_check_;
/* Leaves the directory in place, as kill -9 would. NULL is legal. */
void dat_partial_abandon(struct dat_partial *partial);

#endif
