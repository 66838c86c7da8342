/* SPDX-License-Identifier: MIT */
/* `sonde report`: opens the files, sets up filters and sources, and runs the report. */
#include "cmd/report.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cmd/pager.h"
#include "report/profile.h"
#include "report/wakeup.h"

int cmd_report_run(const struct command *command, int argc, char **argv);

struct session {
	struct report_args args;
	struct input **inputs;
	struct filter **filters;
	uint8_t **shown; /* --event: by input, by event id */
	size_t nr_inputs;
	struct source *sources;
	size_t nr_sources;
	struct wakeup *wakeup;
	struct profile **profiles; /* by input */
	struct report *report;
};

static const struct command *warn_command;

static void warn(const char *text)
{
	cmd_warn(warn_command, "%s", text);
}

static void session_done(struct session *s)
{
	report_free(s->report);
	wakeup_free(s->wakeup);
	for (size_t i = 0; i < s->nr_inputs; i++) {
		if (s->profiles)
			profile_free(s->profiles[i]);
		filter_free(s->filters[i]);
		mem_free(s->shown[i]);
	}
	for (size_t i = 0; i < s->nr_sources; i++)
		source_done(&s->sources[i]);
	for (size_t i = 0; i < s->nr_inputs; i++)
		input_free(s->inputs[i]);
	mem_free(s->profiles);
	mem_free(s->sources);
	mem_free(s->shown);
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

static int open_inputs(struct session *s, struct err *err)
{
	const struct report_args *args = &s->args;

	s->inputs = mem_calloc(args->nr_files, sizeof(*s->inputs));
	s->filters = mem_calloc(args->nr_files, sizeof(*s->filters));
	s->shown = mem_calloc(args->nr_files, sizeof(*s->shown));
	if (!s->inputs || !s->filters || !s->shown)
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

static int mark_events(struct session *s, size_t index, struct err *err)
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

static int make_filter(struct session *s, size_t index, struct err *err)
{
	const struct report_args *args = &s->args;
	int r = 0;

	for (size_t i = 0; i < args->nr_filters && r >= 0; i++) {
		const struct report_filter *f = &args->filters[i];
		unsigned int flags = f->negate ? FILTER_NEGATE : 0;

		if (args->report.compat == COMPAT_31)
			flags |= FILTER_COMPAT;
		if (f->file >= 0 && (size_t)f->file != index)
			continue;
		if (!s->filters[index])
			r = filter_new(&s->filters[index], s->inputs[index]->db);
		if (r < 0)
			return out_of_memory(err);
		r = filter_add(s->filters[index], f->text, flags, err);
	}
	return r < 0 ? err_wrap(err, r, "-F") : 0;
}

/* Files first, in order, then their instances: the order of lines of one time. */
static int make_sources(struct session *s, struct err *err)
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
static void pair_guests(struct session *s)
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
static uint64_t first_time(struct session *s, bool files_only)
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
static uint64_t shown_slack(const struct session *s, const char *text, uint64_t ts)
{
	bool usecs = !s->nr_sources || s->sources[0].usecs;

	return usecs && !s->args.report.ns && text[0] != '+' && ts % 1000 == 0 ? 500 : 0;
}

static int set_range(struct session *s)
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

static void align_sources(struct session *s)
{
	uint64_t first = first_time(s, true);

	for (size_t i = 0; i < s->nr_sources; i++)
		source_add_offset(&s->sources[i], -(int64_t)first);
}

static int start_sources(struct session *s, struct err *err)
{
	const struct report_args *args = &s->args;

	for (size_t i = 0; i < s->nr_sources; i++) {
		const bool *cpus = args->report.compat == COMPAT_31 ? NULL : args->cpus;
		int r = source_start(&s->sources[i], cpus, (uint32_t)args->nr_cpus,
				     args->report.has_from ? args->report.from : 0, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int profile_record(struct profile *profile, const struct event *event,
			  const struct source_record *rec)
{
	if (rec->lost)
		profile_lost(profile, rec->cpu);
	return profile_event(profile, event, rec->data, rec->len, rec->cpu, rec->ts);
}

static int each_record(void *arg, const struct source *source, const struct event *event,
		       const struct source_record *rec, struct out *suffix)
{
	struct session *s = arg;
	int r = 0;

	if (s->wakeup && event)
		r = wakeup_event(s->wakeup, event, rec->data, rec->len, rec->ts, suffix);
	for (size_t i = 0; s->profiles && event && i < s->nr_inputs; i++)
		if (s->inputs[i] == source->input)
			r = profile_record(s->profiles[i], event, rec);
	return r;
}

/* The hooks of the command line, and those the file was recorded with. */
static int make_profile(struct session *s, size_t index, struct err *err)
{
	const struct report_args *args = &s->args;
	const struct dat *dat = s->inputs[index]->dat;
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
	return profile_new(&s->profiles[index], s->inputs[index]->db, &options, err);
}

static int make_summaries(struct session *s, struct err *err)
{
	struct report_args *args = &s->args;
	int r = 0;

	if (!args->wakeup && !args->profile)
		return 0;
	args->report.each = each_record;
	args->report.each_arg = s;
	if (args->wakeup)
		r = wakeup_new(&s->wakeup, s->inputs[0]->db);
	if (r < 0)
		return out_of_memory(err);
	if (!args->profile)
		return 0;
	args->report.format = REPORT_NONE;
	s->profiles = mem_calloc(s->nr_inputs, sizeof(*s->profiles));
	if (!s->profiles)
		return out_of_memory(err);
	for (size_t i = 0; i < s->nr_inputs && r >= 0; i++)
		r = make_profile(s, i, err);
	return r;
}

/* Width of the name column; as in trace-cmd, all files count, and the instances. */
static size_t name_width(const struct session *s)
{
	size_t width = 0;

	if (s->nr_inputs < 2 && s->nr_sources < 2 && !(s->nr_sources && s->sources[0].is_instance))
		return 0;
	for (size_t i = 0; i < s->nr_sources; i++)
		if (s->sources[i].name)
			width = MAX(width, strlen(s->sources[i].name));
	return width;
}

static int print_text_buffers(struct session *s, const struct input *input, struct err *err)
{
	for (size_t i = 0; i < input->dat->nr_buffers; i++) {
		_cleanup_free_ char *text = NULL;
		size_t len;
		int r;

		if (!input->dat->buffers[i].is_text)
			continue;
		if (s->nr_inputs > 1)
			return err_set(err, -EINVAL,
				       "%s: the text of a latency tracer cannot be merged with "
				       "other files; read it alone",
				       input->path);
		r = dat_buffer_text(input->dat, i, &text, &len, err);
		if (r < 0)
			return r;
		fwrite(text, 1, len, stdout);
		if (len)
			putchar('\n'); /* as trace-cmd ends it */
	}
	return 0;
}

/* The first line of CSV; a text that is no records has no place in it, nor in JSON. */
static int print_table_header(struct session *s, struct err *err)
{
	for (size_t i = 0; i < s->nr_inputs; i++)
		for (size_t j = 0; j < s->inputs[i]->dat->nr_buffers; j++)
			if (s->inputs[i]->dat->buffers[j].is_text)
				return err_set(err, -EINVAL,
					       "%s: holds the text of a latency tracer, which has "
					       "no records for --json or --csv",
					       s->inputs[i]->path);
	if (s->args.report.format != REPORT_CSV)
		return 0;
	for (size_t i = 0; i < s->args.csv_fields.nr; i++)
		printf("%s%s", i ? "," : "", s->args.csv_fields.words[i]);
	putchar('\n');
	return 0;
}

/* "cpus=N" for each file, and the text of latency tracers. */
static int print_headers(struct session *s, struct err *err)
{
	size_t width = 0;

	if (s->args.report.format == REPORT_JSON || s->args.report.format == REPORT_CSV)
		return print_table_header(s, err);
	for (size_t i = 0; s->nr_inputs > 1 && i < s->nr_inputs; i++)
		width = MAX(width, strlen(s->inputs[i]->base_name));
	for (size_t i = 0; i < s->nr_inputs; i++) {
		const struct input *input = s->inputs[i];
		int r;

		if (width)
			printf("%*s: ", (int)width, input->base_name);
		printf("cpus=%u\n", input->dat->nr_cpus);
		r = print_text_buffers(s, input, err);
		if (r < 0)
			return r;
		if (s->args.info != INFO_NONE)
			report_show_info(&s->args, s->inputs[i]);
		for (size_t j = 0; width && j < input->dat->nr_buffers; j++)
			width = MAX(width, strlen(input->dat->buffers[j].name));
	}
	return 0;
}

/* Losses, in one line, for a person: stdout has them at their places. */
static void print_losses(const struct session *s)
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
static int print_damage(const struct session *s)
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

static unsigned int format_threads(void)
{
	cpu_set_t set;
	int nr;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 0;
	nr = CPU_COUNT(&set);
	return nr > 1 ? (unsigned int)MIN(nr - 1, 16) : 0;
}

static int print_summaries(struct session *s, struct err *err)
{
	_cleanup_out_ struct out out = {0};
	int r;

	if (s->wakeup)
		wakeup_summary(s->wakeup, &out);
	for (size_t i = 0; s->profiles && i < s->nr_inputs; i++)
		if (profile_print(s->profiles[i], &out) < 0)
			return out_of_memory(err);
	if (out.failed)
		return out_of_memory(err);
	r = out.len ? io_write_full(STDOUT_FILENO, out.buf, out.len) : 0;
	return r < 0 ? err_sys(err, r, "cannot write the report") : 0;
}

/* New pages of a recording in progress: 1 when there are more records, 0 when it has ended. */
static int follow_more(struct session *s, struct err *err)
{
	for (;;) {
		bool more = false, growing = false;

		for (size_t i = 0; i < s->nr_inputs; i++) {
			int r = dat_refresh(s->inputs[i]->dat, err);

			if (r < 0)
				return r;
			growing |= r > 0;
		}
		for (size_t i = 0; i < s->nr_sources; i++)
			more |= source_refresh(&s->sources[i]) > 0;
		if (more || !growing)
			return more;
		usleep(100000);
	}
}

static int run_records(struct session *s, struct err *err)
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
	args->report.csv_fields = args->csv_fields.words;
	args->report.nr_csv_fields = args->csv_fields.nr;
	/* There, what a raw character array shows depends on the records before it. */
	args->report.nr_threads =
		args->report.compat == COMPAT_31 && (args->report.raw || args->raw_events.nr)
			? 0
			: format_threads();
	args->report.warn = args->quiet ? NULL : warn;
	r = make_summaries(s, err);
	if (r < 0)
		return r;
	r = report_new(&s->report, &args->report, s->sources, s->nr_sources, s->inputs, s->filters,
		       s->nr_inputs, err);
	if (r < 0)
		return r;
	report_set_tasks(s->report, &tasks);
	report_set_name_width(s->report, name_width(s));
	for (size_t i = 0; i < s->nr_inputs; i++)
		report_set_events(s->report, i, s->shown[i]);
	do {
		r = report_run(s->report, STDOUT_FILENO, err);
		if (r >= 0)
			r = args->follow ? follow_more(s, err) : 0;
	} while (r > 0);
	return r < 0 ? r : print_summaries(s, err);
}

static int print_filters(struct session *s)
{
	_cleanup_out_ struct out out = {0};

	for (size_t i = 0; i < s->nr_inputs; i++)
		if (s->filters[i])
			filter_print(s->filters[i], &out);
	fwrite(out.buf, 1, out.len, stdout);
	return CMD_OK;
}

static void print_verbose(const struct session *s)
{
	if (s->args.verbose < 4)
		return;
	for (size_t i = 0; i < s->nr_inputs; i++) {
		const struct dat *dat = s->inputs[i]->dat;

		fprintf(stderr, "%s: version %d, compression %s, %zu formats, %zu symbols\n",
			dat->path, dat->version, dat->compression_name,
			event_db_count(s->inputs[i]->db),
			symbols_count(event_db_symbols(s->inputs[i]->db)));
		for (size_t j = 0; j < dat->nr_buffers; j++)
			fprintf(stderr,
				"  buffer \"%s\": clock %s, %u CPUs, sub-buffers of %u bytes\n",
				dat->buffers[j].name, dat->buffers[j].clock,
				dat->buffers[j].nr_cpus, dat->buffers[j].layout.size);
	}
}

/* Options that print something of the first file and leave the records alone. */
static bool is_plain_info(const struct report_args *args)
{
	return args->info != INFO_NONE && args->info < INFO_STAT;
}

static int event_is_known(const struct session *s, const char *pattern, struct err *err)
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
static int check_names(const struct session *s, struct err *err)
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

/* Of the first file, as trace-cmd; only --cpus goes through all. */
static int show_plain_info(struct session *s)
{
	size_t nr = s->args.info == INFO_CPUS ? s->nr_inputs : 1;
	int status = CMD_OK;

	for (size_t i = 0; i < nr && status == CMD_OK; i++)
		status = report_show_info(&s->args, s->inputs[i]);
	return status;
}

static int prepare(struct session *s, struct err *err)
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
	}
	if (r >= 0)
		r = check_names(s, err);
	if (r >= 0)
		r = make_sources(s, err);
	if (r >= 0)
		pair_guests(s);
	return r;
}

/* What failed here is reported here: the stream forgets it, so that it is told once. */
static int flush_stdout(struct err *err)
{
	int r = fflush(stdout) ? -errno : 0;

	if (!r)
		return 0;
	__fpurge(stdout);
	clearerr(stdout);
	return err_sys(err, r, "cannot write to standard output");
}

static int show_records(struct session *s)
{
	struct err err = {0};
	int r, status;

	if (s->args.align_ts)
		align_sources(s);
	status = set_range(s);
	if (status != CMD_OK)
		return status;
	r = start_sources(s, &err);
	if (r < 0)
		return cmd_fail(s->args.command, &err);
	if (!s->args.no_pager)
		pager_start();
	r = print_headers(s, &err);
	if (r >= 0)
		r = flush_stdout(&err);
	if (r >= 0 && s->args.info == INFO_NONE)
		r = run_records(s, &err);
	pager_finish();
	if (r == -EPIPE)
		return CMD_OK; /* whoever read it has seen enough */
	if (r < 0)
		return cmd_fail(s->args.command, &err);
	if (s->report)
		print_losses(s);
	return CMD_OK;
}

int cmd_report_run(const struct command *command, int argc, char **argv)
{
	struct session s = {0};
	struct err err = {0};
	int status;

	warn_command = command;
	status = report_args_parse(&s.args, command, argc, argv);
	if (status == CMD_OK && prepare(&s, &err) < 0)
		status = cmd_fail(command, &err);
	if (status == CMD_OK) {
		print_verbose(&s);
		if (s.args.test_filters && s.args.nr_filters)
			status = print_filters(&s);
		else if (is_plain_info(&s.args))
			status = show_plain_info(&s);
		else
			status = show_records(&s);
		if (status == CMD_OK)
			status = print_damage(&s);
	}
	session_done(&s);
	return status;
}
