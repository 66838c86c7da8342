/* SPDX-License-Identifier: MIT */
/*
 * Sources: the buffers (instances) of the input files, each read as one stream of records in time
 * order. This is the sequential half of every command that looks at records; what it costs bounds
 * them all, so it touches only page headers and record headers.
 *
 * Order: by displayed time; records of one time come in CPU order, and between sources in the order
 * of the sources (files as given, then instances), which is trace-cmd's order.
 */
#ifndef SONDE_REPORT_SOURCE_H
#define SONDE_REPORT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "event/event.h"
#include "ring/subbuf.h"
#include "tracedat/dat.h"

/* How one file's times are read. */
struct input_options {
	bool no_handlers;    /* -N */
	bool no_date;	     /* --nodate */
	bool raw_ts;	     /* --raw-ts: no correction of any kind */
	int64_t ts_offset;   /* --ts-offset, raw units */
	uint64_t ts2secs_hz; /* --ts2secs; 0: not given */
	/*
	 * trace-cmd 3.1's view of which times are shown as seconds: not those of the boot clock nor
	 * with --ts2secs, and the top instance's clock decides for all instances.
	 */
	bool trace_cmd_clocks;
	bool trace_cmd_names; /* of symbols that share an address: symbols_as_trace_cmd */
};

/* One opened file. */
struct input {
	char *path;
	const char *base_name; /* into path */
	struct dat *dat;
	struct event_db *db;
	struct input_options options;
	uint8_t *print_flags;	    /* EVENT_PRINT_* by event id: -r, -n; 65536 entries */
	struct comm_table *learned; /* names seen in printed events; see comm.h */
};

/* Opens and loads `path`, kallsyms and all. The result is the caller's to input_free. */
int input_open(struct input **ret_input, const char *path, const struct input_options *options,
	       struct err *err) _must_check_;
void input_free(struct input *input);

struct source_record {
	uint64_t ts; /* as displayed: corrected, in ns or in units of the clock */
	const uint8_t *data;
	uint32_t len;
	uint32_t cpu;
	int64_t lost;	  /* events lost before this record: 0, a number, SUBBUF_LOST_UNKNOWN */
	bool page_start;  /* first record of its sub-buffer */
	bool begins;	  /* the begin of the call whose end this record is: source_find_begins */
	uint64_t page_ts; /* --debug: raw time and file position of the sub-buffer */
	const uint8_t *page;
	struct dat_chunk *chunk; /* holds data; borrowed until the source moves on */
};

/* One CPU. */
struct source_head {
	struct source_record rec; /* the next record, already read */
	struct subbuf_cursor cursor;
	struct dat_stream *stream;
	int64_t pending_lost;
	uint32_t cpu;
	bool ended; /* no next record, so far */
	/* Where begins come in between: those of this CPU, and the record that was read and waits.
	 */
	const struct source_begin *begin, *end_begins;
	struct source_record held;
	bool holds;
};

struct source {
	struct input *input;
	size_t buffer;	  /* index into input->dat->buffers */
	const char *name; /* printed before each line; NULL: blanks */
	bool is_instance; /* not the first buffer of its file */
	bool usecs;	  /* the clock counts ns: shown as seconds */
	bool clock_known; /* the file says which clock was used */
	uint32_t nr_cpus;

	/* private */
	struct source_head *heads;
	uint32_t nr_heads;
	uint32_t *heap; /* heads by (time, CPU) */
	uint32_t nr_heap;
	int64_t offset; /* added to each time */
	uint32_t mult, shift;
	double scale; /* --ts2secs; 0: none */
	const struct dat_time_shift *sync;
	struct source_begin *begins;
	size_t nr_begins;
	struct err damage; /* first page that could not be read */
};

/*
 * A source for buffer `buffer` of `input`. Pages are not read before source_start. `cpus` (or NULL
 * for all) lists the CPUs wanted.
 */
int source_init(struct source *source, struct input *input, size_t buffer, struct err *err)
	_must_check_;
void source_done(struct source *source);

/* Add `offset` to every time, after all other corrections (--align-ts). Before source_start. */
void source_add_offset(struct source *source, int64_t offset);
/* Correct a guest's times to its host's (option TIME_SHIFT). Before source_start. */
void source_set_sync(struct source *source, const struct dat_time_shift *sync);

/*
 * Records that stand for a whole call (func_long) come twice from this source, the first time when
 * the call began, so that calls are nested as they were. Reads the whole source when it may have
 * such records. Before source_start.
 */
int source_find_begins(struct source *source, struct err *err) _must_check_;

/*
 * Open the streams and load the first records. `cpus`, when not NULL, has nr_cpus flags of the CPUs
 * wanted. `from` skips, at the cost of a search, to shortly before that displayed time; the caller
 * still tests each record.
 */
int source_start(struct source *source, const bool *cpus, uint32_t nr_cpus, uint64_t from,
		 struct err *err) _must_check_;

/* The next record without taking it; NULL at the end. Stays valid until source_pop. */
static inline const struct source_record *source_peek(const struct source *source)
{
	return source->nr_heap ? &source->heads[source->heap[0]].rec : NULL;
}

/* The next record of one CPU, whenever its turn comes; NULL at its end. As above. */
const struct source_record *source_peek_cpu(const struct source *source, uint32_t cpu);

/* Take it. Its chunk may be released by this call: take a reference before, to keep the data. */
void source_pop(struct source *source);

/*
 * After the end, and after dat_refresh: look for pages that have been written since (--follow).
 * Returns 1 when there are more records, 0 when not.
 */
int source_refresh(struct source *source);

/* Displayed time of the first record of all CPUs; false when there is none. */
bool source_first_ts(struct source *source, uint64_t *ret_ts, struct err *err);

/* Per CPU: first and last record. Returns 1, 0 without data, or an error. */
int source_cpu_span(struct source *source, uint32_t cpu_index, bool want_last, uint64_t *ret_first,
		    uint64_t *ret_last, struct err *err) _must_check_;

/* Clock units to display units, with every correction of this source. */
uint64_t source_time(const struct source *source, uint64_t raw, uint32_t cpu);

#endif
