/* SPDX-License-Identifier: MIT */
#include "cmd/unkept.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"

static const int deadly[] = {SIGINT, SIGTERM, SIGHUP};

/* For the handler: a recorder has its own while it runs. */
static struct {
	const struct unkept *volatile unkept;
	pid_t pid; /* a child that has not reached its exec yet must not remove anything */
} current;

static void on_signal(int number)
{
	const struct unkept *unkept = current.unkept;

	if (unkept && getpid() == current.pid) {
		unlink(unkept->path);
		rmdir(unkept->folder);
	}
	signal(number, SIG_DFL);
	raise(number);
}

static void catch_signals(const struct unkept *unkept)
{
	struct sigaction action = {.sa_handler = on_signal}, old;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++)
		sigaddset(&action.sa_mask, deadly[i]);
	current.pid = getpid();
	current.unkept = unkept;
	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++) {
		if (sigaction(deadly[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			sigaction(deadly[i], &action, NULL);
	}
}

static void release_signals(void)
{
	struct sigaction old;

	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++) {
		if (sigaction(deadly[i], NULL, &old) == 0 && old.sa_handler == on_signal)
			signal(deadly[i], SIG_DFL);
	}
	current.unkept = NULL;
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	(void)!remove(path);
	return 0;
}

/* In the keeper: all that a recording had made there. */
static void remove_all(void *ctx)
{
	const struct unkept *unkept = ctx;

	nftw(unkept->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* The keeper first, who knows the name: from when there is a folder, somebody removes it. */
static int make_folder(struct unkept *unkept)
{
	int r = keeper_start(&unkept->keeper, NULL, 0, remove_all, unkept);

	if (r < 0)
		return r;
	r = io_mkdir(unkept->folder, 0700);
	if (r < 0)
		keeper_dismiss(&unkept->keeper);
	else
		catch_signals(unkept);
	return r;
}

int unkept_make(struct unkept *unkept, const struct command *command, struct err *err)
{
	const char *top = getenv("TMPDIR");
	uint64_t secret = 0;
	sigset_t all, before;
	int n, r;

	*unkept = (struct unkept){.command = command, .keeper = KEEPER_INIT};
	if (!top || !*top)
		top = "/tmp";
	if (getrandom(&secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		return err_sys(err, -errno, "cannot make a folder for the recording");
	n = snprintf(unkept->folder, sizeof(unkept->folder), "%s/sonde-%s-%016llx", top,
		     command->name, (unsigned long long)secret);
	snprintf(unkept->path, sizeof(unkept->path), "%s/trace.dat", unkept->folder);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	r = n < 0 || (size_t)n >= sizeof(unkept->folder) ? -ENAMETOOLONG : make_folder(unkept);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		return 0;
	unkept->folder[0] = '\0';
	return err_sys(err, r, "cannot make a folder for the recording in %s (TMPDIR)", top);
}

void unkept_remove(void *arg)
{
	struct unkept *unkept = arg;

	if (!unkept->folder[0])
		return;
	/* A recording that failed has left no file; that there is none is no failure here. */
	if ((io_unlink(unkept->path) < 0 && io_stat(unkept->path, &(struct stat){0}) == 0) ||
	    io_rmdir(unkept->folder) < 0)
		cmd_warn(unkept->command, "%s could not be removed", unkept->folder);
	release_signals();
	unkept->folder[0] = '\0';
	keeper_dismiss(&unkept->keeper);
}

int unkept_record(const struct command *command, const struct command *part,
		  const struct words *words, bool discard, const struct record_look *look,
		  int *ret_status)
{
	struct record_result result;
	struct record_args record;
	struct err err = {0};
	int r = -EINVAL;

	*ret_status = CMD_USAGE;
	record_args_init(&record, part);
	if (record_args_parse(&record, (int)words->nr, (char **)(uintptr_t)words->words)) {
		record.plan.discard = discard;
		record.plan.look = look;
		record.to_stderr = true;
		r = record_args_run(&record, &result, &err);
		if (r < 0 && !result.error_said)
			cmd_fail(command, &err);
		if (r < 0 && result.unknown_events)
			record_args_suggest_event(&record, result.unknown_events);
		*ret_status = result.command_status > 0 ? result.command_status
			      : r < 0			? CMD_FAILED
			      : result.lost		? CMD_LOSSES
							: CMD_OK;
		record_result_done(&result);
	}
	record_args_done(&record);
	return r;
}
