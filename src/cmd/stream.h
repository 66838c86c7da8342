/* SPDX-License-Identifier: MIT */
/* The two halves of `sonde stream`. Private to src/cmd. */
#ifndef SONDE_CMD_STREAM_H
#define SONDE_CMD_STREAM_H

#include "cmd/cmd.h"
#include "record/record.h"

struct report_session;

/* Who reads something else than the lines of a report. */
struct stream_reader {
	/* The command line for reading `path`, into session->args; an exit status. */
	int (*parse)(void *arg, const char *path);
	/* The sources are open; nothing has come yet. */
	int (*opened)(void *arg, struct err *err);
	/* Take what there is. */
	int (*run)(void *arg, struct err *err);
	struct report_session *session; /* its own */
	void *arg;
};

struct stream_report {
	const struct command *command;
	const struct stream_reader *reader; /* NULL: lines, to standard output */
	struct report_session *session;	    /* NULL until tracing begins */
	bool same_clocks;		    /* of all instances */
};

/* For record_plan; they work on `report`, which is the caller's until the recording is over. */
struct record_stream stream_report_callbacks(struct stream_report *report);
void stream_report_done(struct stream_report *report);

/*
 * Trace what the words say to the parser of `part`, and hand it to `stream`; the exit status. The
 * error of a failed stream is `command`'s.
 */
int stream_run(const struct command *command, const struct command *part, int argc, char **argv,
	       const struct record_stream *stream);

#endif
