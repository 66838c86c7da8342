/* SPDX-License-Identifier: MIT */
/* What the hist triggers of a recording have counted, in the kernel's text, once it is over. */
#include <stdio.h>

#include "base/mem.h"
#include "cmd/hist_triggers.h"
#include "cmd/record_args.h"
#include "cmd/words.h"

/* As `sonde hist --strict TRIGGER EVENT... -i OUTPUT`. */
static int count(const struct record_args *args, const struct record_result *result)
{
	static const char *const options[] = {"record", "--strict", "--no-pager"};
	const struct command part = {.name = args->command->name, .options = cmd_hist.options};
	struct words words = {0};
	int r = 0, status = CMD_FAILED;

	for (size_t i = 0; i < ARRAY_SIZE(options) && r == 0; i++)
		r = words_push(&words, options[i]);
	for (size_t i = 0; i < result->nr_hists && r == 0; i++) {
		if (!result->hists[i].trigger)
			continue;
		r = words_push(&words, result->hists[i].trigger);
		if (r == 0)
			r = words_push(&words, result->hists[i].event);
	}
	if (r == 0)
		r = words_option(&words, "-i", args->plan.output);
	if (r == 0)
		status = hist_triggers_run(&part, (int)words.nr, (char **)(uintptr_t)words.words);
	words_done(&words);
	return status;
}

int record_print_hists(const struct record_args *args, const struct record_result *result)
{
	size_t nr = 0;

	for (size_t i = 0; i < result->nr_hists && result->sealed; i++) {
		const struct record_hist *hist = &result->hists[i];

		nr += hist->trigger != NULL;
		if (hist->text)
			printf("# %s%s%s\n%s", hist->event, hist->instance[0] ? " in " : "",
			       hist->instance, hist->text);
	}
	(void)fflush(stdout);
	return nr ? count(args, result) : CMD_OK;
}
