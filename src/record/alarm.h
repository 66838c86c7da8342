/* SPDX-License-Identifier: MIT */
/*
 * --for: after a while a SIGTERM comes, as if somebody had sent it, so whoever waits for the end of
 * tracing needs to know nothing else. Only for those that take that signal in.
 */
#ifndef SONDE_RECORD_ALARM_H
#define SONDE_RECORD_ALARM_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

struct record_alarm {
	timer_t timer;
	bool set;
};

/* `ns` 0: never. */
int record_alarm_set(struct record_alarm *alarm, uint64_t ns, struct err *err) _must_check_;
/* Before the signals get their old meaning. A second time is legal. */
void record_alarm_cancel(struct record_alarm *alarm);

#endif
