/* SPDX-License-Identifier: MIT */
/*
 * What hwlat, osnoise and timerlat have measured in user space, as records of the kernel's own
 * events of these names: same fields, same units, so that whoever reads them needs to know nothing
 * new. A count that could not be had is all ones (4294967295), never 0.
 */
#ifndef SONDE_RECORD_USERRECORDS_H
#define SONDE_RECORD_USERRECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "record/interference.h"
#include "record/sampler.h"
#include "record/usersettings.h"
#include "ring/subbuf.h"
#include "tracedat/dat.h"

#define USER_UNKNOWN UINT32_MAX

struct user_records;

struct user_records_options {
	enum user_tracer_kind kind;
	struct subbuf_layout layout;
	uint32_t nr_cpus;
	const struct dat_format *formats; /* of the system ftrace; needed only by _new */
	size_t nr_formats;
	bool counts_known[INTERFERENCE_NR_KINDS]; /* which events there are */
	bool hw_known;	    /* enough of them to tell the hardware's gaps from others */
	uint64_t marker_ip; /* of the kernel's function that writes markers; 0: not known */
	/* Takes a full page of one CPU. */
	int (*store)(void *ctx, uint32_t cpu, const void *page, struct err *err);
	void *ctx;
};

/* -ENOTSUP when this kernel has no event of the tracer's name. */
int user_records_new(struct user_records **ret_records, const struct user_records_options *options,
		     struct err *err) _must_check_;
void user_records_free(struct user_records *records);

/* What is known beside the sample when its record is made. */
struct user_sample {
	const struct sample *sample;
	struct sampler_queue *queue;		/* of its gaps; the sample is its oldest */
	const struct interference_list *events; /* of the sample's CPU, up to its end */
	int32_t pid;				/* of the measuring thread */
	int64_t real_offset_ns;			/* from the trace clock to CLOCK_REALTIME */
};

/* Add the records of a sample, of which there may be none. */
int user_records_sample(struct user_records *records, const struct user_sample *what,
			struct err *err) _must_check_;
/* timerlat: how late the interrupt was, in ns; 0 when it is not known. */
uint64_t user_records_irq_latency(const struct user_sample *what);
/* A line of text, as from trace_marker. */
int user_records_note(struct user_records *records, uint32_t cpu, uint64_t ts, int32_t pid,
		      const char *text, struct err *err) _must_check_;
void user_records_lose(struct user_records *records, uint32_t cpu, uint64_t nr);
/* Store the pages that are not full yet. */
int user_records_flush(struct user_records *records, struct err *err) _must_check_;

uint64_t user_records_written(const struct user_records *records, uint32_t cpu);
uint64_t user_records_lost(const struct user_records *records, uint32_t cpu);

#endif
