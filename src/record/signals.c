/* SPDX-License-Identifier: MIT */
/* Signals of a recording: blocked, and read from a descriptor by its main loop. */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "record/session.h"

static const int own_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

int session_signals_take(struct session *session, struct err *err)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL};
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, &session->signals.mask);
	for (size_t i = 0; i < ARRAY_SIZE(own_signals); i++) {
		sigaction(own_signals[i], NULL, &session->signals.actions[i]);
		/*
		 * An ignored signal never gets into the descriptor, and a shell's background job
		 * starts with SIGINT ignored. Only nohup's SIGHUP is meant so.
		 */
		if (own_signals[i] == SIGINT || own_signals[i] == SIGTERM)
			sigaction(own_signals[i], &by_default, NULL);
		if (own_signals[i] == SIGPIPE)
			session->signals.actions[i] = by_default;
	}
	session->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return session->signal_fd < 0 ? err_sys(err, -errno, "cannot wait for signals") : 0;
}

int session_started(struct session *session, struct err *err)
{
	session_say(session, RECORD_SAY_STARTED, "%s", "");
	/* Behind that: who goes on in the background leaves its timers. */
	return record_alarm_set(&session->alarm, session->plan->for_ns, err);
}

void session_signals_give_back(struct session *session)
{
	struct timespec now = {0};
	sigset_t mask;

	record_alarm_cancel(&session->alarm);
	/* What came too late has been acted upon: the recording is over. */
	sigemptyset(&mask);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGHUP);
	sigaddset(&mask, SIGCHLD);
	while (sigtimedwait(&mask, NULL, &now) > 0)
		;
	for (size_t i = 0; i < ARRAY_SIZE(own_signals); i++) {
		if (own_signals[i] != SIGPIPE)
			sigaction(own_signals[i], &session->signals.actions[i], NULL);
	}
	sigprocmask(SIG_SETMASK, &session->signals.mask, NULL);
	io_close(session->signal_fd);
}

/*
 * A signal from the terminal went to the command too; one sent to us alone is handed on. A second
 * one ends the recording without the command's end.
 */
static void on_signal(struct session *session, const struct signalfd_siginfo *info)
{
	bool from_kernel = info->ssi_code == SI_KERNEL;
	int number = (int)info->ssi_signo;

	if (number == SIGCHLD)
		return;
	session->signalled = true;
	if (!session->command.pid || session->forwarded) {
		session->over = true;
		return;
	}
	session->forwarded = true;
	if (!from_kernel)
		record_command_signal(&session->command, number);
}

void session_signals_read(struct session *session)
{
	struct signalfd_siginfo info;

	while (io_read(session->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		on_signal(session, &info);
}
