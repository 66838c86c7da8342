/* SPDX-License-Identifier: MIT */
#include "record/alarm.h"

#include <errno.h>
#include <signal.h>

int record_alarm_set(struct record_alarm *alarm, uint64_t ns, struct err *err)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM};
	const struct itimerspec when = {
		.it_value = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)}};

	if (!ns)
		return 0;
	if (timer_create(CLOCK_MONOTONIC, &event, &alarm->timer) < 0)
		return err_sys(err, -errno, "cannot set an alarm");
	alarm->set = true;
	return timer_settime(alarm->timer, 0, &when, NULL) < 0
		       ? err_sys(err, -errno, "cannot set an alarm")
		       : 0;
}

void record_alarm_cancel(struct record_alarm *alarm)
{
	if (alarm->set)
		timer_delete(alarm->timer);
	alarm->set = false;
}
