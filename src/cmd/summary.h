/* SPDX-License-Identifier: MIT */
/*
 * Commands that read all records of a file and print a table at the end: hist, mem, profile. Each
 * gives the making, feeding and printing of one buffer's table; the files, the selection, losses
 * and damage are the same for all.
 */
#ifndef SONDE_CMD_SUMMARY_H
#define SONDE_CMD_SUMMARY_H

#include "base/out.h"
#include "cmd/outfile.h"
#include "cmd/report_session.h"

struct summary;

struct summary_kind {
	/* A table for one buffer. NULL in *ret_table: this buffer has nothing for it. */
	int (*make)(struct summary *summary, const struct source *source, void **ret_table,
		    struct err *err);
	/* One record; -ENOMEM. */
	int (*item)(void *table, const struct report_item *item);
	void (*heading)(const struct summary *summary, struct out *out);
	/* `buffer`: which file or instance, when there are several; else NULL. -ENOMEM. */
	int (*print)(const struct summary *summary, void *table, const char *buffer,
		     struct out *out);
	/* In place of heading and print, where nothing is to be written. May be NULL. -ENOMEM. */
	int (*collect)(struct summary *summary, const struct source *source, void *table);
	void (*free)(void *table);
	const char *wants; /* for the message when no buffer has a table: "kmem:kmalloc events" */
};

/* Where the tables go, and who wants to know when the files are open. All zero: stdout, nobody. */
struct summary_output {
	const char *path;
	bool to_stderr;
	void (*opened)(void *arg);
	void *opened_arg;
};

/* --limit, of the lines of a table: an exit status. */
int summary_limit(const struct command *command, const char *text, uint64_t *ret_limit)
	_must_check_;

/* An output that is open: to be written with io_write_full. */
struct summary_sink {
	const struct summary_output *output;
	int fd;
	bool is_file;
	struct outfile file;
};

struct summary {
	const struct summary_output *output;
	struct summary_sink sink;
	struct report_session session;
	const struct summary_kind *kind;
	void *own;     /* the command's options */
	void **tables; /* by source */
	bool with_buffer;
};

/* Rows of the options that all of them have, but for -F (REPORT_FILTER_ROWS). */
#define SUMMARY_OUTPUT_ROWS                                                                        \
	{REPORT_OPT_JSON, 0, "json", CMD_ARG_NONE, NULL, "one JSON object a line", "Output"},      \
		{REPORT_OPT_CSV, 0, "csv", CMD_ARG_NONE, NULL, "comma-separated values", NULL},    \
	{                                                                                          \
		REPORT_OPT_NO_PAGER, 0, "no-pager", CMD_ARG_NONE, NULL, "no pager on a terminal",  \
			NULL                                                                       \
	}

/*
 * From the arguments to the exit status. `own_option` handles the command's own options with `own`
 * (struct report_args.own). `output` NULL: stdout.
 */
int summary_run(const struct command *command, int argc, char **argv,
		const struct summary_kind *kind, int (*own_option)(void *own, int id, const char *),
		void *own, const struct summary_output *output);

/*
 * The same in steps, for who feeds the session itself: parse (an exit status), open the session,
 * make the tables, take all records that there are, and print: tables, losses, and the exit status.
 */
int summary_parse(struct summary *summary, const struct command *command, int argc, char **argv,
		  int (*own_option)(void *own, int id, const char *)) _must_check_;
int summary_make_tables(struct summary *summary, struct err *err) _must_check_;
int summary_take(struct summary *summary, struct err *err) _must_check_;
int summary_finish(struct summary *summary);
void summary_done(struct summary *summary);

/* Open the output, with a pager on a terminal unless there is to be none. */
int summary_sink_open(struct summary_sink *sink, const struct summary_output *output, bool pager,
		      struct err *err) _must_check_;
int summary_sink_write(struct summary_sink *sink, struct out *out, struct err *err) _must_check_;
/* `r`: how writing went; a file is put in place only when all went well. Returns r, or what failed
 * now. */
int summary_sink_close(struct summary_sink *sink, int r, struct err *err) _must_check_;

/* "FILE: instance NAME", of what there is to tell apart; into `text`. */
const char *summary_buffer_name(const struct summary *summary, const struct source *source,
				char *text, size_t size);

/* Name of a task of an input (`arg`): recorded, or told by its events; NULL. */
const char *summary_comm(void *arg, int32_t pid);

#endif
