/* SPDX-License-Identifier: MIT */
/*
 * Inside report: a batch is a run of selected records in output order, with references to the
 * pages they lie in. Select fills it, format turns it into text; between the two it has one owner
 * at a time, so it needs no lock.
 */
#ifndef SONDE_REPORT_BATCH_H
#define SONDE_REPORT_BATCH_H

#include "report/comm.h"
#include "report/report.h"

enum {
	BATCH_RECORDS = 4096
};

enum batch_flags {
	REC_LEAF = 1 << 0,	 /* the next record is the funcgraph_exit that belongs to it */
	REC_LEAF_EXIT = 1 << 1,	 /* shown with the record before */
	REC_LOST = 1 << 2,	 /* events were lost before it: the next of batch->lost */
	REC_PAGE_START = 1 << 3, /* --boundary: the next of batch->pages */
};

struct batch_record {
	const struct event *event; /* NULL: unknown id */
	const uint8_t *data;
	uint64_t ts;
	const char *comm; /* NULL: not known */
	uint32_t len;
	int32_t pid;
	uint16_t cpu;
	uint16_t source;
	uint16_t indent; /* function: levels */
	uint16_t flags;
};

struct batch_page { /* --debug */
	uint64_t ts;
	const uint8_t *page;
};

struct batch {
	struct batch_record recs[BATCH_RECORDS];
	uint32_t nr;
	int64_t *lost;
	size_t nr_lost, cap_lost;
	struct batch_page *pages;
	size_t nr_pages, cap_pages;
	struct dat_chunk **chunks;
	size_t nr_chunks, cap_chunks;
	uint64_t serial;       /* number of this batch, from 1 */
	uint64_t prev_diff_ts; /* --ts-diff: time of the line before the first, 0: none */
	struct out text;
};

struct report_cpu {
	struct dat_chunk *last_chunk; /* already referenced by the batch last_batch */
	uint64_t last_batch;
	const char *comm;
	int32_t pid; /* of comm */
	uint32_t comm_generation;
	bool comm_valid;
	bool last_shown;     /* filter_shows */
	uint64_t last_ts;    /* --ts-check */
	int64_t hidden_lost; /* before records that were not shown */
	uint64_t lost, lost_unknown;
	uint64_t nr_records; /* looked at by report_scan */
};

/* What the reader knows of the function graph events of one input. */
struct report_graph {
	const struct event *entry, *exit;
	const struct event_field *entry_func, *exit_func;
};

struct report_input {
	struct input *input;
	struct filter *filter;
	struct trigger_play *triggers;
	const uint8_t *shown; /* --event */
	struct report_graph graph;
	const struct event_common *common;
	const struct event **by_id; /* 65536, as event_db_by_id */
	bool big;
	bool plain; /* the common fields lie where kernels put them, in this machine's order */
	const struct event *function;
	const struct event_field *function_ip, *function_parent;
};

/* Names of the functions that a CPU is in, as far as `function` events tell. */
struct indent_stack {
	const char **names;
	size_t nr, cap;
};

struct report {
	struct report_options options;
	struct source *sources;
	size_t nr_sources;
	struct report_input *inputs;
	size_t nr_inputs;
	uint32_t *source_input;	  /* by source: index of its input */
	struct report_cpu **cpus; /* by source, by CPU number */
	uint32_t *nr_cpus;	  /* by source */
	struct report_tasks tasks;
	size_t name_width;
	struct indent_stack *indents; /* by CPU number */
	uint32_t nr_indents;
	uint64_t batches;
	uint64_t last_diff_ts;
	uint64_t shown;
	struct report_cpu_loss *losses;
	size_t nr_losses, cap_losses;
	bool done;
};

/* Fill an empty batch with up to `max` records; fewer only at the end. */
int batch_fill(struct report *report, struct batch *batch, uint32_t max, struct err *err)
	_must_check_;
/* Drop the references and empty it. */
void batch_clear(struct batch *batch);
void batch_done(struct batch *batch);

/* Losses of all CPUs into report->losses. -ENOMEM. */
int report_collect_losses(struct report *report) _must_check_;

/* Append the text of all its records to batch->text. Thread-safe for different batches. */
void batch_format(const struct report *report, struct batch *batch);

/*
 * The number that --ts-diff subtracts: microseconds where the line shows them. trace-cmd divides by
 * 1000 whatever the clock counts, once the file names a clock.
 */
static inline uint64_t report_diff_ts(const struct report *report, const struct source *source,
				      uint64_t ts)
{
	bool micro = source->clock_known && !report->options.ns &&
		     (source->usecs || report->options.compat == COMPAT_31);

	return micro ? (ts + 500) / 1000 : ts;
}

/* One line each; used by batch_format. */
void format_json(const struct report *report, const struct batch_record *rec, int64_t lost,
		 struct out *out, struct out *scratch);
void format_csv(const struct report *report, const struct batch_record *rec, struct out *out,
		struct out *scratch);
/* The latency flags ("d..2."), of `data`, as the kernel prints them in five or more characters. */
void format_latency_flags(const struct report_input *input, const uint8_t *data, uint32_t len,
			  struct out *out);
/* What stands behind the event's name, without a newline at its end. */
void format_info(const struct report *report, const struct batch_record *rec, struct out *out);
const char *format_comm(const struct batch_record *rec);

#endif
