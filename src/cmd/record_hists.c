/* SPDX-License-Identifier: MIT */
/* What the hist triggers of a recording have counted, in the kernel's text, once it is over. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/hist_triggers.h"
#include "cmd/record_args.h"
#include "cmd/words.h"
#include "tracedat/dat.h"

/* --- to be counted from the recording --- */

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
		status =
			hist_triggers_titled(&part, (int)words.nr, (char **)(uintptr_t)words.words);
	words_done(&words);
	return status;
}

/* --- counted in programs; the names of functions and tasks are in the recording --- */

/* The event has fields that its records have not, so it is not the file's. */
static int make_db(const struct dat *dat, const struct record_hist *hist, struct event_db **ret_db,
		   struct err *err)
{
	const struct event_db_options options = {.long_size = 8, .no_handlers = true};
	_cleanup_free_ char *system = mem_strndup(hist->event, strcspn(hist->event, ":"));
	int r = system ? event_db_new(ret_db, &options) : -ENOMEM;

	if (r == 0)
		r = event_db_add_format(*ret_db, system, hist->format, strlen(hist->format), err);
	if (r == 0 && dat->cmdlines.data)
		r = event_db_add_cmdlines(*ret_db, dat->cmdlines.data, dat->cmdlines.len);
	if (r == 0)
		r = dat_add_symbols(dat, 0, *ret_db);
	return r < 0 ? r : event_db_seal(*ret_db);
}

static const char *find_comm(void *arg, int32_t pid)
{
	return event_db_comm(arg, pid);
}

static int fill(struct hist_set *set, const struct event *event, const struct record_hist *hist,
		struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < hist->nr_triggers && r == 0; i++)
		r = hist_set_trigger(set, event, hist->triggers[i], err);
	for (size_t i = 0; i < hist->nr_keys && r == 0; i++)
		r = hist_set_add(set, hist->keys[i].hist, &hist->keys[i].counted);
	return r;
}

static int put_counted(const struct dat *dat, const struct record_hist *hist, struct out *out,
		       struct err *err)
{
	const struct hist_options how = {
		.release = dat->uname,
		.kernel = hist_kernel_from_release(dat->uname),
		.strict = true,
		.counted = true,
	};
	struct event_db *db = NULL;
	struct hist_set *set = NULL;
	const struct event *event;
	int r = make_db(dat, hist, &db, err);

	if (r == 0)
		r = hist_set_new(&set, db, &how);
	if (r == 0) {
		hist_set_comm(set, find_comm, db);
		event = event_db_by_name(db, NULL, strchr(hist->event, ':') + 1);
		r = fill(set, event, hist, err);
		if (r == 0)
			r = hist_print_kernel(set, event, out);
	}
	hist_set_free(set);
	event_db_free(db);
	return r;
}

/* Each as soon as it is made. */
static int print_counted(const struct record_args *args, const struct dat *dat,
			 const struct record_hist *hist)
{
	_cleanup_out_ struct out out = {0};
	struct err err = {0};
	int r = put_counted(dat, hist, &out, &err);

	if (r < 0)
		return cmd_fail(args->command,
				err.code ? &err
					 : (err_sys(&err, r, "cannot show a histogram"), &err));
	printf("# %s%s%s\n%s", hist->event, hist->instance[0] ? " in " : "", hist->instance,
	       out_cstr(&out));
	return CMD_OK;
}

static int print_all_counted(const struct record_args *args, const struct record_result *result)
{
	struct dat *dat = NULL;
	struct err err;
	int r = dat_open(&dat, args->plan.output, &err), status = CMD_OK;

	if (r == 0)
		r = dat_load_symbols(dat, &err);
	if (r < 0)
		status = cmd_fail(args->command, &err);
	for (size_t i = 0; i < result->nr_hists && status == CMD_OK; i++) {
		if (result->hists[i].format)
			status = print_counted(args, dat, &result->hists[i]);
	}
	dat_close(dat);
	return status;
}

/* --- all of them --- */

int record_print_hists(const struct record_args *args, const struct record_result *result)
{
	size_t nr = 0, nr_counted = 0;
	int status = CMD_OK;

	for (size_t i = 0; i < result->nr_hists && result->sealed; i++) {
		const struct record_hist *hist = &result->hists[i];

		nr += hist->trigger != NULL;
		nr_counted += hist->format != NULL;
		if (hist->text)
			printf("# %s%s%s\n%s", hist->event, hist->instance[0] ? " in " : "",
			       hist->instance, hist->text);
	}
	if (nr_counted)
		status = print_all_counted(args, result);
	(void)fflush(stdout);
	return nr && status == CMD_OK ? count(args, result) : status;
}
