/* SPDX-License-Identifier: MIT */
#include "cmd/hist_tables.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/hist_triggers.h"
#include "program/probes.h"

static const struct event *find_event(const struct hist_set *set, const char *name)
{
	if (strcmp(name, HIST_CALLS_EVENT) == 0)
		return hist_set_event(set, "synthetic", HIST_CALLS_NAME);
	return hist_set_find_event(set, name);
}

/* As the kernel's error_log has it, without the time. */
static void print_errors(const struct hist_set *set)
{
	const char *message, *place, *command;
	_cleanup_out_ struct out out = {0};
	size_t at;

	for (size_t i = 0; (message = hist_set_error(set, i, &place, &command, &at)); i++)
		out_printf(&out, "%s: error: %s\n  Command: %s\n%*s^\n", place, message, command,
			   (int)(at + strlen("  Command: ")), "");
	if (out.len)
		(void)!fwrite(out.buf, 1, out.len, stderr);
}

/* The first event that a trigger is about, as it was written. */
static const char *event_of(const struct hist_wanted *wanted)
{
	return wanted->sql ? sql_event(wanted->sql, 0) : wanted->event;
}

/* Somebody asks for histograms of this event, so that it is to be shown. */
static bool is_asked_for(const struct hist_tables *tables, const struct event *event)
{
	const struct hist_words *args = tables->words;

	for (size_t i = 0; i < args->nr_wanted; i++) {
		const struct hist_wanted *wanted = &args->wanted[i];
		bool joins = wanted->sql && sql_event(wanted->sql, 1);
		const char *name = event_of(wanted);

		if (!joins && name && find_event(tables->set, name) == event)
			return true;
	}
	return false;
}

static int note_text(struct hist_tables *tables, const struct event *event, const char *text)
{
	char *copy;

	if (array_reserve(&tables->texts, &tables->cap_texts, tables->nr_texts + 1,
			  sizeof(*tables->texts)) < 0)
		return -ENOMEM;
	copy = mem_strdup(text);
	if (!copy)
		return -ENOMEM;
	tables->texts[tables->nr_texts++] = (struct hist_text){event, copy};
	return 0;
}

/* The trigger with a filter that says what options select; an event of our own is not selected. */
static int narrow(const struct hist_tables *tables, const struct event *event, const char *text,
		  struct out *out, struct err *err)
{
	const struct hist_words *words = tables->words;
	const char *condition = strstr(text, " if ");
	_cleanup_out_ struct out filter = {0};
	int r = 0;

	if (words->narrow && event && strcmp(event->system, "synthetic") != 0)
		r = words->narrow(words->narrow_arg, event, &filter, err);
	if (r < 0)
		return r;
	if (!filter.len)
		out_str(out, text);
	else if (condition)
		out_printf(out, "%.*s if (%s) && (%s)", (int)(condition - text), text,
			   condition + strlen(" if "), out_cstr(&filter));
	else
		out_printf(out, "%s if %s", text, out_cstr(&filter));
	return filter.failed ? -ENOMEM : 0;
}

/* To the set; `event` NULL: a synthetic event. */
static int give(struct hist_tables *tables, const struct event *event, const char *given,
		struct err *err)
{
	_cleanup_out_ struct out narrowed = {0};
	int r = narrow(tables, event, given, &narrowed, err);
	const char *text = out_cstr(&narrowed);

	if (r == -ENOMEM || narrowed.failed)
		return err_set(err, -ENOMEM, "out of memory");
	if (r < 0)
		return r;
	r = event ? hist_set_trigger(tables->set, event, text, err)
		  : hist_set_synthetic(tables->set, text, err);

	if (r >= 0 && note_text(tables, event, text) < 0)
		r = err_set(err, -ENOMEM, "out of memory");
	return r;
}

/* Through the texts that it means; its synthetic event is shown as it is, or as others want it. */
static int add_select(struct hist_tables *tables, const struct hist_wanted *wanted, struct err *err)
{
	struct sql_texts texts;
	const struct event *made;
	int r = sql_translate(wanted->sql, tables->set, wanted->name, &texts, err);

	if (r >= 0)
		sql_texts_print(&texts, &tables->translation);
	if (r >= 0 && texts.synthetic.len)
		r = give(tables, NULL, out_cstr(&texts.synthetic), err);
	for (size_t i = 0; i < texts.nr_triggers && r >= 0; i++)
		r = give(tables, texts.triggers[i].event, out_cstr(&texts.triggers[i].text), err);
	if (r >= 0 && texts.view.len) {
		made = hist_set_event(tables->set, "synthetic", wanted->name);
		if (!is_asked_for(tables, made))
			r = give(tables, made, out_cstr(&texts.view), err);
	}
	sql_texts_done(&texts);
	return r;
}

static int add_trigger(struct hist_tables *tables, struct hist_wanted *wanted, struct err *err)
{
	_cleanup_free_ char *probe =
		wanted->event ? program_probes_event_name(wanted->event) : NULL;
	const struct event *event;

	if (wanted->sql)
		return add_select(tables, wanted, err);
	if (!wanted->event)
		return err_set(err, -EINVAL,
			       "%s: of which event? SYSTEM:EVENT has to follow, or 'calls'",
			       out_cstr(&wanted->text));
	event = find_event(tables->set, probe ? probe : wanted->event);
	if (!event)
		return err_set(err, -ENOENT, "%s: no such event here", wanted->event);
	return give(tables, event, out_cstr(&wanted->text), err);
}

static int add_triggers(struct hist_tables *tables, struct err *err)
{
	struct hist_words *args = tables->words;
	bool selects = false;
	int r = 0;

	for (size_t i = 0; i < args->nr_wanted; i++)
		selects |= args->wanted[i].sql != NULL;
	if (args->name)
		return err_set(err, -EINVAL, "-n %s: a SELECT has to follow", args->name);
	if (args->translate && !selects)
		return err_set(err, -EINVAL, "--translate: there is no SELECT");
	for (size_t i = 0; i < args->nr_wanted && r >= 0 && !tables->calls; i++)
		if (args->wanted[i].event && strcmp(args->wanted[i].event, HIST_CALLS_EVENT) == 0)
			r = hist_calls_new(&tables->calls, tables->set, tables->db, err);
	for (size_t i = 0; i < args->synthetics.nr && r >= 0; i++)
		r = give(tables, NULL, args->synthetics.words[i], err);
	for (size_t i = 0; i < args->nr_wanted && r >= 0; i++)
		r = add_trigger(tables, &args->wanted[i], err);
	if (r < 0 && args->strict)
		print_errors(tables->set);
	return r;
}

/* Triggers that only serve a JOIN are shown when --only says so. */
bool hist_tables_shows(const struct hist_tables *tables, const struct event *event)
{
	const struct hist_words *args = tables->words;

	if (args->only)
		return find_event(tables->set, args->only) == event;
	return !args->joins || event->db != tables->db || is_asked_for(tables, event);
}

const struct event *hist_tables_next(const struct hist_tables *tables, size_t *at)
{
	const struct hist_set *set = tables->set;

	while (*at < hist_set_count(set)) {
		const struct event *event = hist_event(hist_set_at(set, *at));
		bool first = hist_tables_shows(tables, event);

		for (size_t j = 0; j < *at; j++)
			first &= hist_event(hist_set_at(set, j)) != event;
		++*at;
		if (first)
			return event;
	}
	return NULL;
}

/* The `hist` files of all events that have triggers. */
static int print_strict(const struct hist_tables *tables, struct out *out)
{
	const struct event *event;
	size_t at = 0;
	int r = 0;

	while (r >= 0 && (event = hist_tables_next(tables, &at))) {
		if (tables->words->titled)
			out_printf(out, "# %s:%s\n", event->system, event->name);
		r = hist_print_kernel(tables->set, event, out);
	}
	return r;
}

int hist_tables_print(const struct hist_tables *tables, enum report_format format,
		      const char *buffer, struct out *out)
{
	const struct hist_words *words = tables->words;
	const struct hist_table_print how = {
		.format = format,
		.buffer = buffer,
		.limit = words->limit,
	};
	int r = 0;

	if (words->translate) {
		out_mem(out, tables->translation.buf, tables->translation.len);
		return 0;
	}
	if (words->strict && format == REPORT_TEXT)
		return print_strict(tables, out);
	for (size_t i = 0; i < hist_set_count(tables->set) && r >= 0; i++) {
		const struct hist *hist = hist_set_at(tables->set, i);

		if (hist_tables_shows(tables, hist_event(hist)))
			r = hist_table_print(hist, &how, out);
	}
	return r;
}

int hist_tables_init(struct hist_tables *tables, struct hist_words *words,
		     const struct event_db *db, const struct hist_options *options, struct err *err)
{
	*tables = (struct hist_tables){.words = words, .db = db};
	if (hist_set_new(&tables->set, db, options) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	return add_triggers(tables, err);
}

void hist_tables_done(struct hist_tables *tables)
{
	for (size_t i = 0; i < tables->nr_texts; i++)
		mem_free(tables->texts[i].text);
	mem_free(tables->texts);
	hist_calls_free(tables->calls);
	hist_set_free(tables->set);
	out_done(&tables->translation);
}
