/* SPDX-License-Identifier: MIT */
/* What every command that reads records does first and last: files, filters, sources; losses. */
#include "cmd/report_session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "expr/kfilter.h"

void report_session_done(struct report_session *s)
{
	report_free(s->report);
	wakeup_free(s->wakeup);
	for (size_t i = 0; i < s->nr_inputs; i++) {
		if (s->profiles)
			profile_free(s->profiles[i]);
		filter_free(s->filters[i]);
		trigger_play_free(s->triggers[i]);
		mem_free(s->shown[i]);
	}
	for (size_t i = 0; i < s->nr_sources; i++)
		source_done(&s->sources[i]);
	for (size_t i = 0; i < s->nr_inputs; i++)
		input_free(s->inputs[i]);
	mem_free(s->profiles);
	mem_free(s->sources);
	mem_free(s->shown);
	mem_free(s->triggers);
	mem_free(s->filters);
	mem_free(s->inputs);
	report_args_done(&s->args);
}

static int out_of_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static int add_symbols(struct input *input, const char *path, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct symbols *symbols;
	size_t len;
	int r = io_read_file(path, LIMIT_SECTION_BYTES, &text, &len);

	if (r < 0)
		return err_sys(err, r, "--kallsyms %s", path);
	r = symbols_new(&symbols);
	if (r < 0)
		return out_of_memory(err);
	if (input->options.trace_cmd_names)
		symbols_as_trace_cmd(symbols);
	r = symbols_add_kallsyms(symbols, text, len);
	if (r >= 0 && input->dat->kallsyms.data)
		r = symbols_add_kallsyms(symbols, input->dat->kallsyms.data,
					 input->dat->kallsyms.len);
	if (r >= 0)
		r = symbols_seal(symbols);
	if (r < 0) {
		symbols_free(symbols);
		return err_sys(err, r, "--kallsyms %s", path);
	}
	event_db_set_symbols(input->db, symbols);
	return 0;
}

/* Opens a file or, where it is not there (yet), the recording in progress that will become it. */
static int open_input(struct input **ret_input, const struct report_file *file, struct err *err)
{
	static const char suffix[] = ".partial";
	_cleanup_free_ char *partial = NULL;
	size_t len = strlen(file->path);
	struct stat st;

	if (io_stat(file->path, &st) == -ENOENT) {
		partial = mem_alloc(len + sizeof(suffix));
		if (!partial)
			return out_of_memory(err);
		memcpy(partial, file->path, len);
		memcpy(partial + len, suffix, sizeof(suffix));
		if (io_stat(partial, &st) == 0)
			return input_open(ret_input, partial, &file->options, err);
	}
	return input_open(ret_input, file->path, &file->options, err);
}

static int open_inputs(struct report_session *s, struct err *err)
{
	const struct report_args *args = &s->args;

	s->inputs = mem_calloc(args->nr_files, sizeof(*s->inputs));
	s->filters = mem_calloc(args->nr_files, sizeof(*s->filters));
	s->triggers = mem_calloc(args->nr_files, sizeof(*s->triggers));
	s->shown = mem_calloc(args->nr_files, sizeof(*s->shown));
	if (!s->inputs || !s->filters || !s->triggers || !s->shown)
		return out_of_memory(err);
	for (size_t i = 0; i < args->nr_files; i++) {
		int r = open_input(&s->inputs[i], &args->files[i], err);

		if (r < 0)
			return r;
		s->nr_inputs++;
		if (args->kallsyms)
			r = add_symbols(s->inputs[i], args->kallsyms, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int mark_events(struct report_session *s, size_t index, struct err *err)
{
	const struct report_args *args = &s->args;
	struct input *input = s->inputs[index];
	int r;

	r = report_mark_events(input->db, &args->raw_events, EVENT_MATCH_NAME, EVENT_PRINT_RAW,
			       input->print_flags, err);
	if (r >= 0)
		r = report_mark_events(input->db, &args->nohandler_events, EVENT_MATCH_NAME,
				       EVENT_PRINT_NO_HANDLER, input->print_flags, err);
	if (r < 0 || !args->shown_events.nr)
		return r;
	s->shown[index] = mem_zalloc(65536);
	if (!s->shown[index])
		return out_of_memory(err);
	return report_mark_events(input->db, &args->shown_events, EVENT_MATCH_PART, 1,
				  s->shown[index], err);
}

/* The language of the kernel that was recorded. */
static struct kfilter_kernel recorded_kernel(const struct input *input)
{
	struct kfilter_kernel kernel;

	kfilter_kernel_init(&kernel, input->dat->uname, input->dat->nr_cpus);
	return kernel;
}

static int new_filter(struct report_session *s, size_t index)
{
	struct kfilter_kernel kernel = recorded_kernel(s->inputs[index]);
	int r = filter_new(&s->filters[index], s->inputs[index]->db);

	if (r == 0)
		filter_set_kernel(s->filters[index], &kernel);
	return r;
}

static int make_filter(struct report_session *s, size_t index, struct err *err)
{
	const struct report_args *args = &s->args;
	int r = 0;

	for (size_t i = 0; i < args->nr_filters && r >= 0; i++) {
		const struct report_filter *f = &args->filters[i];
		unsigned int flags = f->negate ? FILTER_NEGATE : 0;

		if (args->report.compat == COMPAT_31)
			flags |= FILTER_COMPAT;
		if (args->strict)
			flags |= FILTER_STRICT;
		if (f->file >= 0 && (size_t)f->file != index)
			continue;
		if (!s->filters[index])
			r = new_filter(s, index);
		if (r < 0)
			return out_of_memory(err);
		r = filter_add(s->filters[index], f->text, flags, err);
	}
	return r < 0 ? err_wrap(err, r, "-F") : 0;
}

static int make_triggers(struct report_session *s, size_t index, struct err *err)
{
	struct kfilter_kernel kernel = recorded_kernel(s->inputs[index]);
	const struct word_list *triggers = &s->args.triggers;
	int r = 0;

	if (triggers->nr)
		r = trigger_play_new(&s->triggers[index], s->inputs[index]->db, &kernel,
				     s->args.strict);
	if (r < 0)
		return out_of_memory(err);
	for (size_t i = 0; i < triggers->nr && r >= 0; i++)
		r = trigger_play_add(s->triggers[index], triggers->words[i], err);
	return r < 0 ? err_wrap(err, r, "--trigger") : 0;
}

/* Files first, in order, then their instances: the order of lines of one time. */
static int make_sources(struct report_session *s, struct err *err)
{
	size_t nr = 0;

	for (size_t i = 0; i < s->nr_inputs; i++)
		nr += s->inputs[i]->dat->nr_buffers;
	s->sources = mem_calloc(nr, sizeof(*s->sources));
	if (!s->sources)
		return out_of_memory(err);
	for (int instances = 0; instances < 2; instances++) {
		for (size_t i = 0; i < s->nr_inputs; i++) {
			struct input *input = s->inputs[i];

			for (size_t j = 0; j < input->dat->nr_buffers; j++) {
				const struct dat_buffer *buf = &input->dat->buffers[j];
				struct source *source = &s->sources[s->nr_sources];
				int r;

				if (buf->is_text || (buf->name[0] != '\0') != instances)
					continue;
				r = source_init(source, input, j, err);
				if (r < 0)
					return r;
				if (!source->name && s->nr_inputs > 1)
					source->name = input->base_name;
				s->nr_sources++;
			}
		}
	}
	return 0;
}

/* A guest's file is put on the clock of its host's when both are read together. */
static void pair_guests(struct report_session *s)
{
	for (size_t i = 0; i < s->nr_sources; i++) {
		const struct dat *dat = s->sources[i].input->dat;

		for (size_t j = 0; j < dat->nr_shifts; j++)
			for (size_t k = 0; k < s->nr_inputs; k++)
				if (s->inputs[k]->dat->trace_id == dat->shifts[j].peer)
					source_set_sync(&s->sources[i], &dat->shifts[j]);
	}
}

/* The earliest time in all sources; 0 without any event. */
static uint64_t first_time(struct report_session *s, bool files_only)
{
	uint64_t first = UINT64_MAX, ts;
	struct err err;

	for (size_t i = 0; i < s->nr_sources; i++)
		if (!(files_only && s->sources[i].is_instance) &&
		    source_first_ts(&s->sources[i], &ts, &err) && ts < first)
			first = ts;
	return first == UINT64_MAX ? 0 : first;
}

/* An absolute time in whole microseconds means all that is shown, rounded, as that microsecond. */
static uint64_t shown_slack(const struct report_session *s, const char *text, uint64_t ts)
{
	bool usecs = !s->nr_sources || s->sources[0].usecs;

	return usecs && !s->args.report.ns && text[0] != '+' && ts % 1000 == 0 ? 500 : 0;
}

int report_session_range(struct report_session *s)
{
	struct report_args *args = &s->args;
	struct report_options *options = &args->report;
	bool usecs = !s->nr_sources || s->sources[0].usecs;
	uint64_t start = 0, slack;

	if ((args->from && args->from[0] == '+') || (args->to && args->to[0] == '+'))
		start = first_time(s, false);
	if (args->from && !report_parse_time(args->from, usecs, start, &options->from))
		return cmd_usage(args->command, "--from: '%s' is not a time", args->from);
	if (args->to && !report_parse_time(args->to, usecs, start, &options->to))
		return cmd_usage(args->command, "--to: '%s' is not a time", args->to);
	options->has_from = args->from != NULL;
	options->has_to = args->to != NULL;
	if (options->has_from && options->has_to && options->from > options->to)
		return cmd_usage(args->command, "--from %s is later than --to %s", args->from,
				 args->to);
	if (options->has_from) {
		slack = shown_slack(s, args->from, options->from);
		options->from -= MIN(options->from, slack);
	}
	if (options->has_to) {
		slack = shown_slack(s, args->to, options->to);
		if (slack && __builtin_add_overflow(options->to, slack - 1, &options->to))
			options->to = UINT64_MAX;
	}
	return CMD_OK;
}

void report_session_align(struct report_session *s)
{
	uint64_t first = first_time(s, true);

	for (size_t i = 0; i < s->nr_sources; i++)
		source_add_offset(&s->sources[i], -(int64_t)first);
}

int report_session_start(struct report_session *s, struct err *err)
{
	const struct report_args *args = &s->args;

	for (size_t i = 0; i < s->nr_sources; i++) {
		const bool *cpus = args->report.compat == COMPAT_31 ? NULL : args->cpus;
		int r = s->calls ? source_find_begins(&s->sources[i], err) : 0;

		if (r == 0)
			r = source_start(&s->sources[i], cpus, (uint32_t)args->nr_cpus,
					 args->report.has_from ? args->report.from : 0, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The hooks of the command line, and those the file was recorded with. */
int report_session_profile(struct report_session *s, const struct input *input,
			   struct profile **ret_profile, struct err *err)
{
	const struct report_args *args = &s->args;
	const struct dat *dat = input->dat;
	_cleanup_free_ const char **hooks = NULL;
	size_t nr = args->hooks.nr;
	struct profile_options options = {
		.global = args->profile_global,
		.by_comm = args->profile_by_comm,
		.nr_cpus = dat->nr_cpus,
	};

	hooks = mem_calloc(nr + dat->nr_options, sizeof(*hooks));
	if (!hooks)
		return out_of_memory(err);
	if (nr)
		memcpy(hooks, args->hooks.words, nr * sizeof(*hooks));
	for (size_t i = 0; i < dat->nr_options; i++)
		if (dat->options[i].id == DAT_OPTION_HOOK && dat->options[i].len &&
		    !dat->options[i].data[dat->options[i].len - 1])
			hooks[nr++] = (const char *)dat->options[i].data;
	options.hooks = hooks;
	options.nr_hooks = nr;
	return profile_new(ret_profile, input->db, &options, err);
}

/* Losses, in one line, for a person: stdout has them at their places. */
void report_session_losses(const struct report_session *s)
{
	const struct report_cpu_loss *losses;
	size_t nr = report_losses(s->report, &losses);
	unsigned long long total = 0, places = 0;
	_cleanup_out_ struct out text = {0};

	for (size_t i = 0; i < nr; i++) {
		total += losses[i].events;
		places += losses[i].unknown;
	}
	if (!nr)
		return;
	if (total)
		out_printf(&text, "%llu events lost", total);
	if (places)
		out_printf(&text, "%s%llu %s", total ? ", and at " : "events lost at ", places,
			   places == 1 ? "place of unknown extent" : "places of unknown extent");
	for (size_t i = 0; i < nr; i++) {
		const struct source *source = losses[i].source;

		out_printf(&text, "%s", i ? ", " : " (");
		if (source->name)
			out_printf(&text, "%s ", source->name);
		out_printf(&text, "CPU %u", losses[i].cpu);
		if (losses[i].events)
			out_printf(&text, ": %llu", (unsigned long long)losses[i].events);
	}
	cmd_warn(s->args.command, "%s)", out_cstr(&text));
}

/* What could not be read: said once a file, and the exit status. */
int report_session_damage(const struct report_session *s)
{
	int status = CMD_OK;

	for (size_t i = 0; i < s->nr_inputs; i++) {
		const struct err *damage = &s->inputs[i]->dat->damage;

		if (damage->code) { /* does not name the file */
			cmd_error(s->args.command, "%s: %s", s->inputs[i]->path, damage->text);
			status = CMD_FAILED;
			continue;
		}
		for (size_t j = 0; !damage->code && j < s->nr_sources; j++)
			if (s->sources[j].input == s->inputs[i])
				damage = &s->sources[j].damage;
		if (!damage->code)
			continue;
		cmd_error(s->args.command, "%s", damage->text);
		status = CMD_FAILED;
	}
	return status;
}

static int event_is_known(const struct report_session *s, const char *pattern, struct err *err)
{
	struct event_match *match;
	int found = 0, r = event_match_new(&match, pattern, EVENT_MATCH_PART, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < s->nr_inputs; i++)
		for (size_t j = 0; j < event_db_count(s->inputs[i]->db) && !found; j++)
			found = event_match_test(match, event_db_at(s->inputs[i]->db, j));
	event_match_free(match);
	return found;
}

/* A mistyped --event or --fields would else look like a trace without such events. */
static int check_names(const struct report_session *s, struct err *err)
{
	const struct report_args *args = &s->args;

	for (size_t i = 0; i < args->shown_events.nr; i++) {
		const char *pattern = args->shown_events.words[i];
		int r = event_is_known(s, pattern, err);

		if (r < 0)
			return r;
		if (!r)
			return err_set(err, -ENOENT,
				       "--event: no recorded event or system has '%s' in its name; "
				       "-E lists them",
				       pattern);
	}
	for (size_t i = 0; i < args->csv_fields.nr; i++) {
		const char *name = args->csv_fields.words[i];
		bool found = report_csv_column(name);

		for (size_t j = 0; j < s->nr_inputs && !found; j++)
			for (size_t k = 0; k < event_db_count(s->inputs[j]->db) && !found; k++)
				found = event_field_find(event_db_at(s->inputs[j]->db, k), name);
		if (!found)
			return err_set(err, -ENOENT, "--fields: no recorded event has a field '%s'",
				       name);
	}
	return 0;
}

int report_session_open(struct report_session *s, struct err *err)
{
	int r = open_inputs(s, err);

	/* trace-cmd's --event prints formats; here it selects, but for the old layout's scripts. */
	if (s->args.report.compat == COMPAT_31 && s->args.shown_events.nr &&
	    s->args.info == INFO_NONE)
		s->args.info = INFO_FORMATS;
	for (size_t i = 0; i < s->nr_inputs && r >= 0; i++) {
		r = mark_events(s, i, err);
		if (r >= 0)
			r = make_filter(s, i, err);
		if (r >= 0)
			r = make_triggers(s, i, err);
	}
	if (r >= 0)
		r = check_names(s, err);
	if (r >= 0)
		r = make_sources(s, err);
	if (r >= 0)
		pair_guests(s);
	return r;
}

int report_session_report(struct report_session *s, struct err *err)
{
	struct report_args *args = &s->args;
	struct report_tasks tasks = {
		.pids = args->task_pids,
		.nr_pids = args->nr_task_pids,
		.comms = args->task_comms.words,
		.nr_comms = args->task_comms.nr,
	};
	int r;

	args->report.cpus = args->cpus;
	args->report.nr_cpus = args->nr_cpus;
	r = report_new(&s->report, &args->report, s->sources, s->nr_sources, s->inputs, s->filters,
		       s->nr_inputs, err);
	if (r < 0)
		return r;
	report_set_tasks(s->report, &tasks);
	for (size_t i = 0; i < s->nr_inputs; i++) {
		report_set_events(s->report, i, s->shown[i]);
		report_set_triggers(s->report, i, s->triggers[i]);
	}
	return 0;
}
