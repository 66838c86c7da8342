/* SPDX-License-Identifier: MIT */
/*
 * Reports: the records of one or several files as text, JSON or CSV. Three stages (docs/design/
 * report.md): select, sequential, decides which records are shown and settles all that depends on
 * the lines before; format, parallel, makes the text of a batch of records; write, in order.
 */
#ifndef SONDE_REPORT_REPORT_H
#define SONDE_REPORT_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/out.h"
#include "event/event.h"
#include "expr/filter.h"
#include "expr/trigger_play.h"
#include "expr/match.h"
#include "report/source.h"

enum report_format {
	REPORT_TEXT,
	REPORT_JSON,
	REPORT_CSV,
	REPORT_NONE /* only options.each */
};

enum {
	COMPAT_31 = 31,
	COMPAT_34 = 34
};

struct report_options {
	enum report_format format;
	int compat;   /* COMPAT_31 or COMPAT_34: whose text layout */
	bool latency; /* -l */
	bool raw;     /* -R */
	bool ns;      /* -t */
	bool ts_diff, ts_check;
	bool boundary, debug;
	bool no_irqs, no_softirqs; /* -I, -S */
	bool colour;
	bool has_from, has_to;
	uint64_t from, to; /* displayed times, both inclusive */
	/*
	 * CPUs shown, by number; NULL: all that the sources read. With COMPAT_31 sources read all
	 * of them: there, the pairing of a function with its return looks at the hidden ones too.
	 */
	const bool *cpus;
	size_t nr_cpus;
	struct event_options events;
	const char *const *csv_fields;
	size_t nr_csv_fields;
	unsigned int nr_threads; /* formatting threads beside the caller; 0: none */
	/* Called for each shown record in order, behind its text; forces nr_threads 0. May be NULL.
	 */
	int (*each)(void *arg, const struct source *source, const struct event *event,
		    const struct source_record *rec, struct out *suffix);
	void *each_arg;
	/* Warnings of --ts-check. */
	void (*warn)(const char *text);
};

/* --task: which tasks' events are shown. */
struct report_tasks {
	const int32_t *pids;
	size_t nr_pids;
	const char *const *comms; /* fnmatch patterns */
	size_t nr_comms;
};

struct report_cpu_loss {
	const struct source *source;
	uint32_t cpu;
	uint64_t events;  /* counted */
	uint64_t unknown; /* places with a loss of unknown size */
};

struct report;

/*
 * Borrows everything until report_free: `sources` (started), in output order; `filters` one an
 * input (NULL: none), found through `source->input` = inputs[i].
 */
int report_new(struct report **ret_report, const struct report_options *options,
	       struct source *sources, size_t nr_sources, struct input *const *inputs,
	       struct filter *const *filters, size_t nr_inputs, struct err *err) _must_check_;
void report_free(struct report *report);

/* Whether `name` is a column of every CSV row, rather than a field of some events. */
bool report_csv_column(const char *name);

void report_set_tasks(struct report *report, const struct report_tasks *tasks);
/* Which events of an input are shown, by id; 65536 flags, borrowed. NULL: all. */
void report_set_events(struct report *report, size_t input, const uint8_t *shown);
/* What is shown must have been recorded by these, too; borrowed. NULL: none. */
void report_set_triggers(struct report *report, size_t input, struct trigger_play *triggers);
/* Width of the column of file and instance names; 0: no such column. */
void report_set_name_width(struct report *report, size_t width);

/* The last time to be shown (as options.to); later records stay for a later run. */
void report_set_end(struct report *report, uint64_t to);

/*
 * Write everything to `fd` through base/io. 0, or the error of a write (-EPIPE when the reader went
 * away) or -ENOMEM.
 */
int report_run(struct report *report, int fd, struct err *err) _must_check_;

/* A selected record, as report_scan hands it on. Borrowed until `each` returns. */
struct report_item {
	const struct source *source;
	const struct event *event; /* NULL: unknown id */
	const struct source_record *rec;
	int32_t pid;
	/*
	 * Events lost on its CPU since the item before from there: 0, a number,
	 * SUBBUF_LOST_UNKNOWN. (rec->lost is less where records between were not selected.)
	 */
	int64_t lost;
	uint64_t number; /* of the record among those of its CPU, selected or not, from 0 */
};

/*
 * In place of report_run: hand every selected record to `each`, in order, in this thread; nothing
 * is formatted. What `each` fails with is returned; err then speaks of memory.
 */
int report_scan(struct report *report, int (*each)(void *arg, const struct report_item *item),
		void *arg, struct err *err) _must_check_;

/*
 * While report_scan runs: the next record of the item's CPU in its source, whether or not it is
 * selected, once the item itself has been taken. False when there is none. `lost` is what was lost
 * right before it. Valid until `each` returns.
 */
bool report_look_ahead(const struct report *report, const struct source *source, uint32_t cpu,
		       struct report_item *ret_next);

uint64_t report_shown(const struct report *report); /* records written */
/* Losses seen, only entries with a loss; borrowed until report_free. */
size_t report_losses(const struct report *report, const struct report_cpu_loss **ret_losses);

#endif
