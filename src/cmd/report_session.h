/* SPDX-License-Identifier: MIT */
/*
 * A reading command's state, from the parsed command line to the report: opened files, filters and
 * sources. `report`, `hist`, `mem` and `profile` differ in what they do with the records.
 */
#ifndef SONDE_CMD_REPORT_SESSION_H
#define SONDE_CMD_REPORT_SESSION_H

#include "cmd/report.h"
#include "report/profile.h"
#include "report/wakeup.h"

struct report_session {
	struct report_args args;
	struct input **inputs;
	struct filter **filters;
	struct trigger_play **triggers; /* by input; NULL: none */
	uint8_t **shown;		/* --event: by input, by event id */
	size_t nr_inputs;
	struct source *sources;
	size_t nr_sources;
	struct wakeup *wakeup;
	struct profile **profiles; /* by input */
	struct report *report;
	bool calls; /* whoever looks at them wants the begins of those that have one record */
};

/* Open the files of session->args, make filters and sources. report_session_done in any case. */
int report_session_open(struct report_session *s, struct err *err) _must_check_;
void report_session_done(struct report_session *s);

/* Before start: --align-ts; --from and --to into args.report (an exit status, after a message). */
void report_session_align(struct report_session *s);
int report_session_range(struct report_session *s) _must_check_;
int report_session_start(struct report_session *s, struct err *err) _must_check_;

/* The report over the started sources, with the selection of the command line. */
int report_session_report(struct report_session *s, struct err *err) _must_check_;

/* A profile of the tasks of one input, with the hooks of the command line and of the file. */
int report_session_profile(struct report_session *s, const struct input *input,
			   struct profile **ret_profile, struct err *err) _must_check_;

/* After the last record: losses in one line on stderr; what could not be read, and the status. */
void report_session_losses(const struct report_session *s);
int report_session_damage(const struct report_session *s);

#endif
