/* SPDX-License-Identifier: MIT */
#include "record/attend.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "base/mem.h"
#include "record/alarm.h"
#include "record/command.h"

static const int own_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

static void own_mask(sigset_t *mask)
{
	sigemptyset(mask);
	sigaddset(mask, SIGINT);
	sigaddset(mask, SIGTERM);
	sigaddset(mask, SIGHUP);
	sigaddset(mask, SIGCHLD);
}

static void take_signals(struct record_signals *signals)
{
	const struct sigaction by_default = {.sa_handler = SIG_DFL};
	sigset_t mask;

	own_mask(&mask);
	sigprocmask(SIG_BLOCK, &mask, &signals->mask);
	for (size_t i = 0; i < ARRAY_SIZE(own_signals); i++) {
		sigaction(own_signals[i], NULL, &signals->actions[i]);
		/* An ignored signal cannot be waited for; nohup's SIGHUP is meant so. */
		if (own_signals[i] == SIGINT || own_signals[i] == SIGTERM)
			sigaction(own_signals[i], &by_default, NULL);
		if (own_signals[i] == SIGPIPE)
			signals->actions[i] = by_default;
	}
}

static void give_signals_back(const struct record_signals *signals)
{
	const struct timespec now = {0};
	sigset_t mask;

	own_mask(&mask);
	while (sigtimedwait(&mask, NULL, &now) > 0)
		; /* it has ended what it came for */
	for (size_t i = 0; i < ARRAY_SIZE(own_signals); i++)
		if (own_signals[i] != SIGPIPE)
			sigaction(own_signals[i], &signals->actions[i], NULL);
	sigprocmask(SIG_SETMASK, &signals->mask, NULL);
}

/* The next signal; 0: it is time for a tick. */
static int next_signal(const struct record_attend *how)
{
	const struct timespec tick = {how->tick_ms / 1000, how->tick_ms % 1000 * 1000000L};
	sigset_t mask;
	int number;

	own_mask(&mask);
	do {
		number = how->tick ? sigtimedwait(&mask, NULL, &tick) : sigwaitinfo(&mask, NULL);
	} while (number < 0 && errno == EINTR);
	return MAX(number, 0);
}

/* A second signal of a kind that the command survives ends the waiting, not the command. */
static int wait_for_end(struct record_command *command, const struct record_attend *how,
			struct err *err)
{
	bool asked = false;

	while (!command->started_pid || !record_command_ended(command)) {
		int number = next_signal(how), r;

		if (number == 0) {
			r = how->tick(how->arg, err);
			if (r < 0)
				return r;
		}
		if (number == 0 || number == SIGCHLD)
			continue;
		if (!command->started_pid || asked)
			return 0;
		/* The terminal has sent SIGINT to it, too. */
		if (number != SIGINT)
			record_command_signal(command, number);
		asked = true;
	}
	return 0;
}

int record_attend(char **argv, const struct record_attend *how, int *ret_status, struct err *err)
{
	struct record_command command = RECORD_COMMAND_INIT;
	struct record_alarm alarm = {0};
	struct record_signals signals;
	int r = 0, ended;

	take_signals(&signals);
	if (argv)
		r = record_command_start(&command, argv, &signals, err);
	if (r == 0) {
		r = how->begin(how->arg, err);
		if (r == 0) {
			struct err other;

			if (argv)
				r = record_command_release(&command, err);
			if (r == 0)
				r = record_alarm_set(&alarm, how->for_ns, err);
			if (r == 0)
				r = wait_for_end(&command, how, err);
			ended = how->end(how->arg, r < 0 ? &other : err);
			r = r < 0 ? r : ended;
		}
	}
	record_command_cancel(&command);
	*ret_status = command.status;
	record_alarm_cancel(&alarm);
	give_signals_back(&signals);
	return r;
}
