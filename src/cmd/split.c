/* SPDX-License-Identifier: MIT */
/*
 * `sonde split`: smaller recordings out of a large one. The records are looked at twice, both times
 * from the front: once in the order of time, to count what of each CPU goes into the next file, and
 * once CPU by CPU, to copy that many. Where options select records, those have been marked before,
 * and the others are passed over both times.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/out.h"
#include "cmd/cmd.h"
#include "cmd/outfile.h"
#include "cmd/split.h"
#include "cmd/split_choose.h"
#include "report/source.h"
#include "tracedat/cut.h"

/* One CPU of one of the buffers that are wanted. */
struct lane {
	struct source source; /* with -c, of this CPU alone */
	struct dat_cut *cut;
	uint32_t cpu, cpu_index;
	const struct dat_choice *choice; /* NULL: all records */
	uint64_t at;			 /* number of the next record */
	uint64_t nr;			 /* for the next file, with those that are not wanted */
	bool ended;			 /* -c: nothing is left up to the end time */
};

/* A buffer that is wanted, as it will be in the new files. */
struct part {
	size_t buffer;
	const char *name;
	struct source source; /* without -c: of all its CPUs */
	struct lane *lanes;
	uint32_t nr_lanes;
};

struct split {
	const struct split_args *args;
	const char *path; /* as it was given */
	struct dat *dat;
	struct input *input;
	struct split_choices choices;
	struct part *parts;
	size_t nr_parts;
	uint64_t nr_events, first, last; /* of the file that is being made */
	struct err damage;
};

/* --- what to take --- */

static const struct split_buffer *wanted(const struct split *split, const struct dat_buffer *buffer)
{
	const struct split_args *args = split->args;

	for (size_t i = 0; i < args->nr_buffers; i++)
		if (!strcmp(args->buffers[i].name, buffer->name))
			return &args->buffers[i];
	return NULL;
}

static bool cpu_wanted(const struct split_args *args, uint32_t cpu)
{
	for (size_t i = 0; i < args->nr_cpus; i++)
		if (args->cpus[i] == cpu)
			return true;
	return args->nr_cpus == 0;
}

static int start_source(struct split *split, struct source *source, size_t buffer,
			const struct lane *only, struct err *err)
{
	const uint32_t nr = LIMIT_CPUS;
	_cleanup_free_ bool *cpus = NULL;
	int r = source_init(source, split->input, buffer, err);

	if (r < 0)
		return r;
	cpus = mem_calloc(nr, sizeof(*cpus));
	if (!cpus)
		return err_sys(err, -ENOMEM, "%s", split->path);
	for (uint32_t cpu = 0; cpu < nr; cpu++)
		cpus[cpu] = only ? cpu == only->cpu : cpu_wanted(split->args, cpu);
	return source_start(source, cpus, nr, 0, err);
}

static int open_lanes(struct split *split, struct part *part, struct err *err)
{
	const struct dat_buffer *buffer = &split->dat->buffers[part->buffer];

	part->lanes = mem_calloc(buffer->nr_cpus, sizeof(*part->lanes));
	if (!part->lanes)
		return err_sys(err, -ENOMEM, "%s", split->path);
	for (uint32_t i = 0; i < buffer->nr_cpus; i++) {
		struct lane *lane = &part->lanes[part->nr_lanes];
		int r;

		if (!buffer->cpus[i].size || !cpu_wanted(split->args, buffer->cpus[i].cpu))
			continue;
		lane->cpu = buffer->cpus[i].cpu;
		lane->cpu_index = i;
		part->nr_lanes++;
		r = dat_cut_open(&lane->cut, split->dat, part->buffer, i, err);
		if (r == 0 && split->choices.cpus) {
			lane->choice = &split->choices.cpus[part->buffer][lane->cpu];
			r = dat_cut_choose(lane->cut, lane->choice, err);
		}
		if (r == 0 && split->args->per_cpu)
			r = start_source(split, &lane->source, part->buffer, lane, err);
		if (r < 0)
			return r;
	}
	return split->args->per_cpu ? 0
				    : start_source(split, &part->source, part->buffer, NULL, err);
}

static int open_parts(struct split *split, struct err *err)
{
	struct dat *dat = split->dat;

	split->parts = mem_calloc(dat->nr_buffers, sizeof(*split->parts));
	if (!split->parts)
		return err_sys(err, -ENOMEM, "%s", split->path);
	for (size_t i = 0; i < dat->nr_buffers; i++) {
		const struct split_buffer *buffer = wanted(split, &dat->buffers[i]);
		struct part *part = &split->parts[split->nr_parts];
		int r;

		if (!buffer && split->args->nr_buffers)
			continue;
		split->nr_parts++;
		part->buffer = i;
		part->name = buffer && buffer->new_name ? buffer->new_name : dat->buffers[i].name;
		r = dat->buffers[i].is_text ? 0 : open_lanes(split, part, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_buffers(const struct split *split, struct err *err)
{
	const struct dat *dat = split->dat;
	const char *path = split->path;

	for (size_t i = 0; i < split->args->nr_buffers; i++) {
		size_t k = 0;

		while (k < dat->nr_buffers &&
		       strcmp(dat->buffers[k].name, split->args->buffers[i].name) != 0)
			k++;
		if (k == dat->nr_buffers)
			return err_set(err, -ENOENT, "%s: there is no buffer \"%s\" in it", path,
				       split->args->buffers[i].name);
	}
	for (size_t i = 0; i < split->nr_parts; i++)
		for (size_t k = 0; k < i; k++)
			if (!strcmp(split->parts[i].name, split->parts[k].name))
				return err_set(err, -EEXIST,
					       "%s: two buffers would be called \"%s\"", path,
					       split->parts[i].name);
	return 0;
}

static void close_parts(struct split *split)
{
	for (size_t i = 0; i < split->nr_parts; i++) {
		struct part *part = &split->parts[i];

		source_done(&part->source);
		for (uint32_t k = 0; k < part->nr_lanes; k++) {
			source_done(&part->lanes[k].source);
			dat_cut_close(part->lanes[k].cut);
		}
		mem_free(part->lanes);
	}
	mem_free(split->parts);
}

/* --- times --- */

/*
 * A time as the user gave it: seconds, or a plain number of a clock that is shown as one. A time
 * copied from a report is rounded to its last digit, so the record it belongs to counts in.
 */
static uint64_t limit(const struct split_time *time, bool seconds, bool is_end)
{
	uint64_t half = time->unit_ns / 2, value = seconds ? time->ns : time->plain;

	if (!seconds)
		return value;
	if (is_end)
		return value + (half ? half - 1 : 0);
	return value > half ? value - half : 0;
}

static bool before_start(const struct split *split, const struct source *source, uint64_t ts)
{
	const struct split_time *start = &split->args->start;

	return start->given && ts < limit(start, source->usecs, false);
}

static bool after_end(const struct split *split, const struct source *source, uint64_t ts)
{
	const struct split_time *end = &split->args->end;

	return end->given && ts > limit(end, source->usecs, true);
}

/* --- counting --- */

/* Whether options select the next record of the lane. */
static bool is_wanted(const struct lane *lane)
{
	return !lane->choice || dat_choice_has(lane->choice, lane->at);
}

/* What makes a file full, in each CPU with -c, else altogether. */
struct quota {
	uint64_t left; /* events or pages */
	uint64_t end;  /* first time that is too late; 0: none */
};

static struct quota new_quota(const struct split *split, uint64_t first)
{
	struct quota quota = {.left = UINT64_MAX};

	switch (split->args->by) {
	case SPLIT_BY_EVENTS:
		quota.left = split->args->amount;
		break;
	case SPLIT_BY_PAGES:
		quota.left = split->args->amount + 1; /* until one more begins */
		break;
	case SPLIT_BY_TIME:
		if (__builtin_add_overflow(first, split->args->amount, &quota.end))
			quota.end = 0;
		break;
	default:
		break;
	}
	return quota;
}

/* Whether the record still goes into this file, or that is not asked since it is not wanted. */
static bool fits(const struct split *split, struct quota *quota, const struct source_record *record,
		 bool wanted, bool first)
{
	switch (split->args->by) {
	case SPLIT_BY_EVENTS:
		if (wanted && !quota->left)
			return false;
		quota->left -= wanted;
		return true;
	case SPLIT_BY_PAGES:
		if (record->page_start || first)
			quota->left--;
		return quota->left > 0;
	case SPLIT_BY_TIME:
		return !quota->end || record->ts < quota->end;
	default:
		return true;
	}
}

/*
 * Whether the record is of the file that is being counted, which begins with the first wanted one.
 */
static bool goes_in(const struct split *split, struct quota *quota, struct lane *lane,
		    const struct source_record *record, bool *first)
{
	bool wanted = is_wanted(lane);

	if (*first && !wanted)
		return true;
	if (*first)
		*quota = new_quota(split, record->ts);
	if (!fits(split, quota, record, wanted, *first))
		return false;
	*first = false;
	return true;
}

static void count_record(struct split *split, struct lane *lane, uint64_t ts)
{
	bool wanted = is_wanted(lane);

	lane->at++;
	lane->nr++;
	if (!wanted)
		return;
	if (!split->nr_events || ts < split->first)
		split->first = ts;
	if (!split->nr_events || ts > split->last)
		split->last = ts;
	split->nr_events++;
}

static void count_lane(struct split *split, struct lane *lane)
{
	struct quota quota = {0};
	const struct source_record *record;
	bool first = true;

	while (!lane->ended && (record = source_peek(&lane->source))) {
		if (after_end(split, &lane->source, record->ts)) {
			lane->ended = true;
			return;
		}
		if (!goes_in(split, &quota, lane, record, &first))
			return;
		count_record(split, lane, record->ts);
		source_pop(&lane->source);
	}
	lane->ended = true;
}

static struct lane *lane_of(struct part *part, uint32_t cpu)
{
	for (uint32_t i = 0; i < part->nr_lanes; i++)
		if (part->lanes[i].cpu == cpu)
			return &part->lanes[i];
	return NULL;
}

/* The part whose next record comes first; NULL at the end of all. */
static struct part *next_part(struct split *split)
{
	struct part *next = NULL;
	uint64_t ts = 0;

	for (size_t i = 0; i < split->nr_parts; i++) {
		const struct source_record *record = source_peek(&split->parts[i].source);

		if (record && (!next || record->ts < ts)) {
			next = &split->parts[i];
			ts = record->ts;
		}
	}
	return next;
}

static bool count_merged(struct split *split)
{
	struct quota quota = {0};
	struct part *part;
	bool first = true;

	while ((part = next_part(split))) {
		const struct source_record *record = source_peek(&part->source);
		struct lane *lane = lane_of(part, record->cpu);

		if (after_end(split, &part->source, record->ts))
			return false;
		if (!goes_in(split, &quota, lane, record, &first))
			return true;
		count_record(split, lane, record->ts);
		source_pop(&part->source);
	}
	return false;
}

/* Count what goes into the next file; false when nothing will be left behind it. */
static bool count_file(struct split *split)
{
	bool more = false;

	split->nr_events = 0;
	if (!split->args->per_cpu)
		return count_merged(split);
	for (size_t i = 0; i < split->nr_parts; i++)
		for (uint32_t k = 0; k < split->parts[i].nr_lanes; k++) {
			count_lane(split, &split->parts[i].lanes[k]);
			more |= !split->parts[i].lanes[k].ended;
		}
	return more;
}

static int skip_source(struct split *split, struct source *source, struct part *part,
		       struct err *err)
{
	const struct source_record *record;

	while ((record = source_peek(source)) && before_start(split, source, record->ts)) {
		struct lane *lane = lane_of(part, record->cpu);
		int r = dat_cut_records(lane->cut, 1, NULL, &split->damage, err);

		if (r < 0)
			return r;
		lane->at++;
		source_pop(source);
	}
	return 0;
}

/* Leave out what comes before the start time. */
static int skip_to_start(struct split *split, struct err *err)
{
	for (size_t i = 0; i < split->nr_parts; i++) {
		struct part *part = &split->parts[i];
		int r = 0;

		if (split->args->per_cpu)
			for (uint32_t k = 0; r == 0 && k < part->nr_lanes; k++)
				r = skip_source(split, &part->lanes[k].source, part, err);
		else
			r = skip_source(split, &part->source, part, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- writing --- */

static int write_part(struct split *split, struct part *part, struct dat_writer *writer,
		      struct err *err)
{
	const struct dat_buffer *buffer = &split->dat->buffers[part->buffer];
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	if (buffer->is_text) {
		r = dat_buffer_text(split->dat, part->buffer, &text, &len, err);
		return r < 0 ? r
			     : dat_writer_buffer_text(writer, part->name, buffer->clock, text, len,
						      err);
	}
	r = dat_writer_buffer_begin(
		writer, part->name, buffer->clock, buffer->layout.size,
		split->dat->version == 6 ? buffer->nr_cpus : split->dat->nr_cpus, err);
	for (uint32_t i = 0; r == 0 && i < part->nr_lanes; i++) {
		struct lane *lane = &part->lanes[i];

		if (!lane->nr)
			continue;
		r = dat_writer_cpu(writer, lane->cpu, err);
		if (r == 0)
			r = dat_cut_records(lane->cut, lane->nr, writer, &split->damage, err);
		lane->nr = 0;
	}
	return r < 0 ? r : dat_writer_buffer_end(writer, err);
}

/* The buffer that becomes the top instance brings its page size and its clock. */
static const struct dat_buffer *new_top(const struct split *split)
{
	for (size_t i = 0; i < split->nr_parts; i++)
		if (!*split->parts[i].name)
			return &split->dat->buffers[split->parts[i].buffer];
	return NULL;
}

static int write_body(struct split *split, struct dat_writer *writer, struct err *err)
{
	const struct dat_buffer *top = new_top(split);
	const char *trace_clock = split->dat->trace_clock;
	char clock[256];
	int r;

	if (top && *top->name && trace_clock) {
		snprintf(clock, sizeof(clock), "[%.200s]\n", top->clock);
		split->dat->trace_clock = clock;
	}
	r = dat_writer_copy_head(writer, split->dat, err);
	split->dat->trace_clock = trace_clock;
	/* The top instance comes first, or there is an empty one: readers look for it. */
	if (r == 0 && !top && split->dat->version == 7) {
		r = dat_writer_buffer_begin(writer, "", split->dat->clock, split->dat->page_size,
					    split->dat->nr_cpus, err);
		if (r == 0)
			r = dat_writer_buffer_end(writer, err);
	}
	for (int first = 1; first >= 0; first--)
		for (size_t i = 0; r == 0 && i < split->nr_parts; i++)
			if ((*split->parts[i].name == '\0') == first)
				r = write_part(split, &split->parts[i], writer, err);
	return r;
}

static int write_file(struct split *split, const char *path, struct err *err)
{
	const struct dat *dat = split->dat;
	const struct dat_buffer *top = new_top(split);
	struct dat_write_options options = {
		.version = dat->version,
		.compression = dat->compression,
		.big_endian = dat->big_endian,
		.long_size = dat->user_long_size,
		.page_size = top && !top->is_text ? top->layout.size : dat->page_size,
		.nr_cpus = dat->nr_cpus,
	};
	struct dat_writer *writer;
	int r = dat_writer_open(&writer, path, &options, err);

	if (r < 0)
		return r;
	r = write_body(split, writer, err);
	if (r < 0) {
		dat_writer_abort(writer);
		return r;
	}
	return dat_writer_finish(writer, err);
}

/* Whether times are shown as seconds. */
static bool in_seconds(const struct split *split)
{
	for (size_t i = 0; i < split->nr_parts; i++) {
		const struct part *part = &split->parts[i];

		if (part->source.usecs || (part->nr_lanes && part->lanes[0].source.usecs))
			return true;
	}
	return false;
}

static void tell(const struct split *split, const char *path)
{
	printf("%s: %" PRIu64 " events", path, split->nr_events);
	if (split->nr_events && in_seconds(split))
		printf(", %" PRIu64 ".%06" PRIu64 " to %" PRIu64 ".%06" PRIu64,
		       (split->first + 500) / 1000 / 1000000, (split->first + 500) / 1000 % 1000000,
		       (split->last + 500) / 1000 / 1000000, (split->last + 500) / 1000 % 1000000);
	putchar('\n');
}

static int make_file(struct split *split, unsigned int number, struct err *err)
{
	struct outfile outfile = {0};
	_cleanup_out_ struct out name = {0};
	int r;

	out_str(&name, split->args->output ? split->args->output : split->path);
	while (!split->args->output && name.len > 1 && name.buf[name.len - 1] == '/')
		name.len--;
	out_printf(&name, split->args->repeat ? ".%04u" : ".%u", number);
	out_cstr(&name);
	if (name.failed)
		return err_sys(err, -ENOMEM, "%s", split->path);
	r = outfile_begin(&outfile, name.buf, split->path, err);
	if (r < 0)
		return r;
	r = write_file(split, outfile.temp, err);
	if (r < 0) {
		outfile_drop(&outfile);
		return r;
	}
	r = outfile_commit(&outfile, err);
	if (r == 0)
		tell(split, name.buf);
	return r;
}

static int make_files(struct split *split, struct err *err)
{
	unsigned int number = 0;
	bool more = true;
	int r = skip_to_start(split, err);

	while (r == 0 && more) {
		more = count_file(split) && split->args->repeat;
		if (number && !split->nr_events)
			break;
		r = make_file(split, ++number, err);
	}
	return r;
}

int split_run(const struct split_args *args, struct report_session *s)
{
	struct split split = {.args = args};
	struct err err = {0};
	int r = report_session_open(s, &err);

	if (r < 0)
		return cmd_fail(args->command, &err);
	split.path = s->args.files[0].path;
	split.input = s->inputs[0];
	split.dat = split.input->dat;
	r = split_choose(&split.choices, s, &err);
	if (r == 0)
		r = open_parts(&split, &err);
	if (r == 0)
		r = check_buffers(&split, &err);
	if (r == 0)
		r = make_files(&split, &err);
	close_parts(&split);
	split_choose_done(&split.choices);
	if (r < 0)
		return cmd_fail(args->command, &err);
	if (split.dat->damage.code) {
		cmd_error(args->command, "%s: %s", split.path, split.dat->damage.text);
		return CMD_FAILED;
	}
	return split.damage.code ? cmd_fail(args->command, &split.damage) : CMD_OK;
}
