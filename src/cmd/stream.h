/* SPDX-License-Identifier: MIT */
/* The two halves of `sonde stream`. Private to src/cmd. */
#ifndef SONDE_CMD_STREAM_H
#define SONDE_CMD_STREAM_H

#include "cmd/cmd.h"
#include "record/record.h"

struct report_session;

struct stream_report {
	const struct command *command;
	struct report_session *session; /* NULL until tracing begins */
	bool same_clocks;		/* of all instances */
};

/* For record_plan; they work on `report`, which is the caller's until the recording is over. */
struct record_stream stream_report_callbacks(struct stream_report *report);
void stream_report_done(struct stream_report *report);

#endif
