/* SPDX-License-Identifier: MIT */
#include "cmd/hist_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cmd/hist_tables.h"
#include "cmd/hist_triggers.h"
#include "cmd/redraw.h"
#include "cmd/summary.h"
#include "expr/match.h"
#include "kernel/histograms.h"
#include "kernel/metadata.h"
#include "record/attend.h"

struct counting {
	const struct hist_kernel_plan *plan;
	struct hist_words words;
	struct report_args args;
	struct utsname host;
	struct tracefs *fs;
	struct event_db *db; /* of the events that the words name */
	struct hist_tables tables;
	struct kernel_histograms *histograms;
	struct out strict; /* the kernel's own text */
	struct redraw redraw;
};

/* The kernel's texts are shown as they are: so are its triggers. */
static bool is_strict(const struct counting *c)
{
	return c->words.strict && c->args.report.format == REPORT_TEXT;
}

/* --- the events --- */

static int add_format(struct counting *c, const struct kernel_event *event, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = kernel_format(c->fs, event->system, event->name, &text, &len, err);

	return r < 0 ? r : event_db_add_format(c->db, event->system, text, len, err);
}

/*
 * SYSTEM.EVENT and SYSTEM/EVENT are SYSTEM:EVENT for the kernel's list. Synthetic events are those
 * that the words make, not somebody else's.
 */
static int add_event(struct counting *c, const struct kernel_events *events, const char *name,
		     struct err *err)
{
	_cleanup_free_ bool *hits = mem_calloc(events->nr + 1, sizeof(*hits));
	_cleanup_free_ char *pattern = mem_strdup(name);
	int r = 0;

	if (!hits || !pattern)
		return err_set(err, -ENOMEM, "out of memory");
	pattern[strcspn(pattern, "./")] = pattern[strcspn(pattern, "./")] ? ':' : '\0';
	kernel_events_match(events, pattern, hits);
	for (size_t i = 0; i < events->nr && r == 0; i++)
		if (hits[i] && strcmp(events->list[i].system, "synthetic") != 0)
			r = add_format(c, &events->list[i], err);
	return r;
}

static int add_events(struct counting *c, const struct kernel_events *events, struct err *err)
{
	const struct hist_words *words = &c->words;
	int r = 0;

	for (size_t i = 0; i < words->nr_wanted && r == 0; i++) {
		const struct hist_wanted *wanted = &words->wanted[i];
		const char *name;

		for (size_t j = 0; wanted->sql && r == 0 && (name = sql_event(wanted->sql, j)); j++)
			r = add_event(c, events, name, err);
		if (wanted->event && r == 0)
			r = add_event(c, events, wanted->event, err);
	}
	return r;
}

/* Only keys that are stacks or symbols need the names of functions. */
static bool wants_symbols(const struct counting *c)
{
	for (size_t i = 0; i < c->plan->read->nr; i++)
		if (strcasestr(c->plan->read->words[i], "sym") ||
		    strcasestr(c->plan->read->words[i], "stack"))
			return true;
	return false;
}

static int add_symbols(struct counting *c, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct symbols *symbols;
	size_t len = 0;
	int r = symbols_new(&symbols);

	if (r == 0 && wants_symbols(c) &&
	    io_read_file(c->fs->kallsyms, LIMIT_SECTION_BYTES, &text, &len) == 0)
		r = symbols_add_kallsyms(symbols, text, len);
	if (r == 0)
		r = symbols_seal(symbols);
	if (r < 0) {
		symbols_free(symbols);
		return err_sys(err, r, "cannot read the names of functions");
	}
	event_db_set_symbols(c->db, symbols);
	return 0;
}

static int make_db(struct counting *c, struct err *err)
{
	const struct event_db_options options = {.long_size = sizeof(long)};
	struct kernel_events events;
	int r = kernel_events_load(&events, c->fs, err);

	if (r < 0)
		return r;
	r = event_db_new(&c->db, &options);
	r = r < 0 ? err_set(err, r, "out of memory") : add_events(c, &events, err);
	kernel_events_done(&events);
	if (r == 0)
		r = add_symbols(c, err);
	if (r == 0 && event_db_seal(c->db) < 0)
		r = err_set(err, -ENOMEM, "out of memory");
	return r;
}

/* --- what options select --- */

/* Whether one of the names, separated by commas, is the event's. */
static int names_event(const char *names, size_t len, const struct event *event, struct err *err)
{
	_cleanup_free_ char *copy = mem_strndup(names, len);
	char *rest = copy, *name;
	int r = copy ? 0 : err_set(err, -ENOMEM, "out of memory");

	while (r == 0 && (name = strsep(&rest, ", "))) {
		struct event_match *match;

		if (!*name)
			continue;
		r = event_match_new(&match, name, EVENT_MATCH_FILTER, err);
		if (r < 0)
			return r;
		r = event_match_test(match, event);
		event_match_free(match);
	}
	return r;
}

static int add_filters(const struct counting *c, const struct event *event, struct out *out,
		       struct err *err)
{
	for (size_t i = 0; i < c->args.nr_filters; i++) {
		const char *text = c->args.filters[i].text, *condition = strstr(text, " if ");
		int r;

		if (!condition || c->args.filters[i].negate)
			return err_set(err, -EOPNOTSUPP,
				       "of -F the kernel knows 'EVENTS if FILTER'");
		r = names_event(text, (size_t)(condition - text), event, err);
		if (r < 0)
			return r;
		if (r)
			out_printf(out, "%s(%s)", out->len ? " || " : "",
				   condition + strlen(" if "));
	}
	return c->args.nr_filters && !out->len
		       ? err_set(err, -EOPNOTSUPP, "-F leaves nothing of %s", event->name)
		       : 0;
}

/* As struct hist_words.narrow. */
static int narrow(void *arg, const struct event *event, struct out *out, struct err *err)
{
	const struct counting *c = arg;
	const struct report_args *args = &c->args;
	_cleanup_out_ struct out filters = {0};
	int r = add_filters(c, event, &filters, err);

	if (r < 0)
		return r;
	if (args->task_comms.nr)
		return err_set(err, -EOPNOTSUPP, "of --task the kernel knows numbers");
	for (size_t i = 0; i < args->nr_task_pids; i++)
		out_printf(out, "%scommon_pid == %d",
			   i		 ? " || "
			   : filters.len ? "("
					 : "",
			   args->task_pids[i]);
	if (filters.len)
		out_printf(out, "%s(%s)", args->nr_task_pids ? ") && " : "", out_cstr(&filters));
	return filters.failed || out->failed ? err_set(err, -ENOMEM, "out of memory") : 0;
}

/* --- the triggers --- */

static int make_tables(struct counting *c, struct err *err)
{
	const struct hist_options options = {
		.release = c->host.release,
		.kernel = hist_kernel_from_release(c->host.release),
		.strict = c->words.strict,
		.nsecs = true,
	};
	const char *why;
	int r = hist_tables_init(&c->tables, &c->words, c->db, &options, err);

	if (r < 0)
		return r;
	if (c->tables.calls)
		return err_set(err, -EOPNOTSUPP, "calls are paired by sonde");
	for (size_t i = 0; i < hist_set_count(c->tables.set); i++) {
		const struct hist *hist = hist_set_at(c->tables.set, i);

		if (!is_strict(c) && hist_tables_shows(&c->tables, hist_event(hist)) &&
		    !hist_is_loadable(hist, &why))
			return err_set(err, -EOPNOTSUPP, "%s", why);
	}
	return 0;
}

static int give_texts(struct counting *c, struct err *err)
{
	int r = kernel_histograms_open(&c->histograms, c->fs, err);

	for (size_t i = 0; i < c->tables.nr_texts && r == 0; i++) {
		const struct hist_text *text = &c->tables.texts[i];
		_cleanup_out_ struct out out = {0};

		if (!text->event) {
			r = kernel_histograms_synthetic(c->histograms, text->text, err);
			continue;
		}
		hist_kernel_text(text->text, is_strict(c), NULL, &out);
		r = kernel_histograms_trigger(c->histograms, text->event->system, text->event->name,
					      out_cstr(&out), err);
	}
	return r;
}

/* One with variables refuses it, since they would be defined twice; then it goes on as it is. */
static void control(struct counting *c, const char *word)
{
	for (size_t i = 0; i < c->tables.nr_texts; i++) {
		const struct hist_text *text = &c->tables.texts[i];
		_cleanup_out_ struct out out = {0};

		if (!text->event)
			continue;
		hist_kernel_text(text->text, is_strict(c), word, &out);
		(void)!kernel_histograms_control(c->histograms, text->event->system,
						 text->event->name, out_cstr(&out));
	}
}

/* --- the result --- */

static int load(struct counting *c, struct err *err)
{
	const struct event *event;
	size_t at = 0;
	int r = 0;

	out_clear(&c->strict);
	while (r == 0 && (event = hist_tables_next(&c->tables, &at))) {
		_cleanup_free_ char *text = NULL;

		r = kernel_histograms_read(c->histograms, event->system, event->name, &text, err);
		if (r == 0 && is_strict(c))
			out_str(&c->strict, text);
		else if (r == 0)
			r = hist_set_load(c->tables.set, event, text, err);
	}
	return r;
}

static int print(const struct counting *c, struct out *out, struct err *err)
{
	int r = 0;

	if (is_strict(c))
		out_mem(out, c->strict.buf, c->strict.len);
	else
		r = hist_tables_print(&c->tables, c->args.report.format, NULL, out);
	return r < 0 || out->failed ? err_set(err, -ENOMEM, "out of memory") : 0;
}

static int begin(void *arg, struct err *err)
{
	struct counting *c = arg;

	(void)err;
	control(c, "clear");
	if (!c->args.quiet)
		cmd_note(c->plan->command, "counted in the kernel%s",
			 c->plan->run ? "" : "; Ctrl-C ends it");
	return 0;
}

static int tick(void *arg, struct err *err)
{
	struct counting *c = arg;
	_cleanup_out_ struct out out = {0};
	int r = load(c, err);

	if (r == 0)
		r = print(c, &out, err);
	if (r == 0 && redraw_show(&c->redraw, &out) < 0)
		r = err_set(err, -EPIPE, "cannot write to standard output");
	return r;
}

static int end(void *arg, struct err *err)
{
	struct counting *c = arg;

	/* The kernel's text would say that it is paused. */
	if (!is_strict(c))
		control(c, "pause");
	return load(c, err);
}

static int show(struct counting *c, struct err *err)
{
	static const struct summary_output standard;
	_cleanup_out_ struct out out = {0};
	struct summary_sink sink;
	int r = redraw_clear(&c->redraw);

	if (r == 0)
		r = print(c, &out, err);
	if (r == 0)
		r = summary_sink_open(&sink, &standard, !c->args.no_pager && !c->plan->refresh_ms,
				      err);
	return r < 0 ? r : summary_sink_close(&sink, summary_sink_write(&sink, &out, err), err);
}

static int set_up(struct counting *c, struct err *err)
{
	int r;

	if (c->words.events)
		return err_set(err, -EOPNOTSUPP, "-o wants the synthetic events themselves");
	if (c->words.translate)
		return err_set(err, -EOPNOTSUPP, "--translate runs nothing");
	(void)!uname(&c->host);
	r = tracefs_open(&c->fs, NULL, err);
	if (r == 0)
		r = make_db(c, err);
	if (r == 0)
		r = make_tables(c, err);
	return r == 0 ? give_texts(c, err) : r;
}

static int count(struct counting *c)
{
	const struct command *command = c->plan->command;
	const struct record_attend how = {
		.begin = begin,
		.end = end,
		.tick = c->plan->refresh_ms && redraw_possible() ? tick : NULL,
		.tick_ms = c->plan->refresh_ms,
		.for_ns = c->plan->for_ns,
		.arg = c,
	};
	struct err err = {0};
	int command_status = -1, status = CMD_OK, r;

	r = record_attend(c->plan->run, &how, &command_status, &err);
	if (r == 0)
		r = show(c, &err);
	if (r < 0 && r != -EPIPE)
		status = cmd_fail(command, &err);
	return command_status > 0 ? command_status : status;
}

static void done(struct counting *c)
{
	struct err err = {0};

	if (kernel_histograms_close(c->histograms, &err) < 0)
		cmd_warn(c->plan->command, "%s", err.text);
	hist_tables_done(&c->tables);
	event_db_free(c->db);
	tracefs_close(c->fs);
	out_done(&c->strict);
	report_args_done(&c->args);
	hist_words_done(&c->words);
}

bool hist_kernel_run(const struct hist_kernel_plan *plan, int *ret_status, struct err *err)
{
	struct counting c = {.plan = plan, .words = {.command = plan->command}};
	bool counted = true;

	c.words.narrow = narrow;
	c.words.narrow_arg = &c;
	c.args.own = hist_words_option;
	c.args.own_arg = &c.words;
	*ret_status = report_args_parse(&c.args, plan->command, (int)plan->read->nr,
					(char **)(uintptr_t)plan->read->words);
	if (*ret_status == CMD_OK) {
		counted = set_up(&c, err) == 0;
		if (counted)
			*ret_status = count(&c);
	}
	done(&c);
	return counted;
}
