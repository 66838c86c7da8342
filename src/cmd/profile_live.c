/* SPDX-License-Identifier: MIT */
/* `sonde profile COMMAND`: a recording that is gone when it has been read. */
#include "cmd/profile.h"

#include <errno.h>

#include "cmd/unkept.h"

struct live {
	struct profile_args *args;
	struct profile_command recorder; /* its words */
	struct unkept recording;
};

static int add(struct live *live, const char *option, const char *value)
{
	return words_option(&live->recorder.words, option, value);
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
		r = add(live, "-o", live->recording.path);
	if (r == 0)
		r = add(live, "--", NULL);
	for (char **word = args->live_command; word && *word && r == 0; word++)
		r = add(live, *word, NULL);
	return r == -ENOMEM ? err_set(err, r, "out of memory") : r;
}

static int record_and_show(struct live *live)
{
	struct profile_args *args = live->args;
	struct err err = {0};
	int r, status, shown;

	r = unkept_make(&live->recording, args->command, &err);
	if (r == 0)
		r = make_words(live, &err);
	if (r < 0)
		return cmd_fail(args->command, &err);
	r = unkept_record(args->command, &profile_record_part, &live->recorder.words, true, NULL,
			  &status);
	if (r < 0)
		return status;
	if (words_option(&args->read, "-i", live->recording.path) < 0) {
		cmd_error(args->command, "out of memory");
		return CMD_FAILED;
	}
	shown = profile_show(args, unkept_remove, &live->recording);
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
	unkept_remove(&live.recording);
	profile_words_done(&live.recorder);
	return status;
}
