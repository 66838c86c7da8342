/* SPDX-License-Identifier: MIT */
/* The rules of a plan that are probe definitions. Private to src/record. */
#ifndef SONDE_RECORD_PROBES_H
#define SONDE_RECORD_PROBES_H

#include "record/session.h"

struct session_probe {
	const struct record_rule *rule;
	char *wanted;	     /* the definition under the name that was asked for */
	char *asked;	     /* the group that was asked for */
	char *group, *event; /* what it got; NULL: it was passed over (-i) */
	char *pattern;	     /* GROUP:EVENT */
};

/*
 * Make the events of all rules that are definitions. Before the instances are made, so that the
 * journal removes them after these.
 */
int session_probes_create(struct session *session, struct err *err) _must_check_;
/* Which events a rule names; NULL: none, its probe was passed over. */
const char *session_rule_events(const struct session *session, const struct record_rule *rule);
void session_probes_free(struct session *session);

#endif
