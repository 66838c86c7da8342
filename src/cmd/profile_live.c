/* SPDX-License-Identifier: MIT */
/* `sonde profile COMMAND`: a recording that is gone when it has been read. */
#include "cmd/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "cmd/record_args.h"

struct live {
	struct profile_args *args;
	struct profile_command recorder; /* its words */
	char folder[256], path[300];
};

static int add(struct live *live, const char *option, const char *value)
{
	int r = profile_push(&live->recorder.words, option);

	return r == 0 && value ? profile_push(&live->recorder.words, value) : r;
}

/* The defaults stand first: what is given may be for an instance, and belongs behind them. */
static int make_words(struct live *live, struct err *err)
{
	const struct profile_args *args = live->args;
	const struct profile_wanted wanted = {
		.command = args->command,
		.quiet = args->quiet,
		.functions = !args->only_given && !args->only_tasks && !args->tracer_given,
		.tasks = !args->only_given && !args->only_functions,
		.only_functions = args->only_functions,
		.functions_given = args->functions_given,
		.graph_given = args->graph_given,
		.depth_given = args->depth_given,
		.hooks = args->hooks.words,
		.nr_hooks = args->hooks.nr,
	};
	int r = add(live, args->record.words[0], NULL);

	if (r == 0)
		r = profile_words_make(&wanted, &live->recorder, err);
	for (size_t i = 1; i < args->record.nr && r == 0; i++)
		r = add(live, args->record.words[i], NULL);
	if (r == 0)
		r = add(live, "--compression", "none");
	if (r == 0)
		r = add(live, "-o", live->path);
	if (r == 0)
		r = add(live, "--", NULL);
	for (char **word = args->live_command; word && *word && r == 0; word++)
		r = add(live, *word, NULL);
	return r == -ENOMEM ? err_set(err, r, "out of memory") : r;
}

/* --- the recording that is not kept --- */

static int make_folder(struct live *live, struct err *err)
{
	const char *top = getenv("TMPDIR");
	int n;

	n = snprintf(live->folder, sizeof(live->folder), "%s/sonde-profile-XXXXXX",
		     top && *top ? top : "/tmp");
	if (n < 0 || (size_t)n >= sizeof(live->folder) || !mkdtemp(live->folder)) {
		n = n < 0 || (size_t)n >= sizeof(live->folder) ? -ENAMETOOLONG : -errno;
		live->folder[0] = '\0';
		return err_sys(err, n, "cannot make a folder for the recording in %s (TMPDIR)",
			       top && *top ? top : "/tmp");
	}
	snprintf(live->path, sizeof(live->path), "%s/trace.dat", live->folder);
	return 0;
}

/* As soon as the file is open nobody needs its name: what ends us now leaves nothing behind. */
static void remove_folder(void *arg)
{
	struct live *live = arg;

	if (!live->folder[0])
		return;
	/* A recording that failed has left no file; that there is none is no failure here. */
	if ((io_unlink(live->path) < 0 && io_stat(live->path, &(struct stat){0}) == 0) ||
	    io_rmdir(live->folder) < 0)
		cmd_warn(live->args->command, "%s could not be removed", live->folder);
	live->folder[0] = '\0';
}

static int record(struct live *live, int *ret_status)
{
	const struct profile_args *args = live->args;
	struct record_result result;
	struct record_args record;
	struct err err = {0};
	int r = -EINVAL;

	*ret_status = CMD_USAGE;
	record_args_init(&record, &profile_record_part);
	if (record_args_parse(&record, (int)live->recorder.words.nr,
			      (char **)(uintptr_t)live->recorder.words.words)) {
		record.plan.discard = true;
		record.to_stderr = true;
		r = record_run(&record.plan, record_args_say, &record, &result, &err);
		if (r < 0 && !result.error_said)
			cmd_fail(args->command, &err);
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

static int record_and_show(struct live *live)
{
	struct profile_args *args = live->args;
	struct err err = {0};
	int r, status, shown;

	r = make_folder(live, &err);
	if (r == 0)
		r = make_words(live, &err);
	if (r < 0)
		return cmd_fail(args->command, &err);
	r = record(live, &status);
	if (r < 0)
		return status;
	if (profile_push(&args->read, "-i") < 0 || profile_push(&args->read, live->path) < 0) {
		cmd_error(args->command, "out of memory");
		return CMD_FAILED;
	}
	shown = profile_show(args, remove_folder, live);
	return status != CMD_OK ? status : shown;
}

int profile_live(struct profile_args *args)
{
	struct live live = {.args = args};
	int status;

	if (args->kernel) {
		status = profile_kernel(args);
		if (status != -ENOENT)
			return status;
		args->only_functions = true;
	}
	status = record_and_show(&live);
	remove_folder(&live);
	profile_words_done(&live.recorder);
	return status;
}
