/* SPDX-License-Identifier: MIT */
/*
 * What a trace.dat says of the machine: event formats, ring-buffer layout, symbols, task names.
 */
#ifndef SONDE_KERNEL_METADATA_H
#define SONDE_KERNEL_METADATA_H

#include "base/arena.h"
#include "kernel/instance.h"
#include "tracedat/writer.h"

struct kernel_metadata {
	struct arena arena;	 /* owns what dat points to, kallsyms and cmdlines apart */
	struct dat_metadata dat; /* trace_clock is not set here */
	char *kallsyms;		 /* owned */
	char *uname;		 /* "sysname release machine" with the node name in second place */
	struct dat_format *formats, *ftrace_formats; /* owned arrays */
	size_t cap_formats, cap_ftrace;
};

/*
 * Read it all, with the formats of the events whose hits[] are set and of all events of the system
 * ftrace, but without the symbols. What may be missing (printk_formats) stays empty.
 */
int kernel_metadata_read(struct kernel_metadata *metadata, const struct kernel_instance *inst,
			 const struct kernel_events *events, const bool *hits, struct err *err)
	_must_check_;
/* Read kallsyms as well, into dat.kallsyms; what cannot be read stays empty. -ENOMEM. */
int kernel_metadata_symbols(struct kernel_metadata *metadata, const struct tracefs *fs,
			    struct err *err) _must_check_;
void kernel_metadata_done(struct kernel_metadata *metadata);

/* Text of saved_cmdlines: "PID COMM" lines; new string. */
int kernel_cmdlines(const struct tracefs *fs, char **ret_text, struct err *err) _must_check_;

/* The format text of one event; new string. */
int kernel_format(const struct tracefs *fs, const char *system, const char *name, char **ret_text,
		  size_t *ret_len, struct err *err) _must_check_;

/*
 * Read every event format this kernel has, the system ftrace included, and hand each to fn; stops
 * at the first negative result of fn and returns it.
 */
int kernel_formats(const struct tracefs *fs, const struct kernel_events *events,
		   int (*fn)(void *ctx, const char *system, const char *name, const char *text,
			     size_t len),
		   void *ctx, struct err *err) _must_check_;

/*
 * The offset in ns from the instance's clock to the wall clock: markers are written into its own
 * (stopped, empty) buffer between two looks at the wall clock, read back, and the tightest pair
 * wins. Leaves the buffer empty.
 */
int kernel_date_offset(struct kernel_instance *inst, int64_t *ret_offset, struct err *err)
	_must_check_;

#endif
