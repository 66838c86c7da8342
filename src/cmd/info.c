/* SPDX-License-Identifier: MIT */
/*
 * `sonde info`: what a person wants to know of a recording before reading it: where and how it was
 * made, how much of what is in it, from when to when, and whether anything is missing. `dump` is
 * the form for those who look after the file itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "event/event.h"
#include "ring/subbuf.h"
#include "symbol/symbols.h"
#include "tracedat/dat.h"

#define NR_IDS	    65536u
#define NR_FREQUENT 8u

/* What the pages of one CPU hold. */
struct tally {
	uint64_t records, first_ts, last_ts;
	uint64_t lost;
	bool lost_unknown; /* and events that the kernel did not count */
};

struct info {
	const struct command *command;
	struct dat *dat;
	struct event_db *db;
	uint64_t *counts; /* by event id */
	bool damaged;
};

/* Time in units of the clock to seconds, where the clock counts nanoseconds. */
static void print_time(const struct info *info, const struct dat_buffer *buffer, uint64_t ts)
{
	const struct dat *dat = info->dat;
	const char *clock = buffer->clock;

	if (dat->has_tsc2nsec)
		ts = (uint64_t)((unsigned __int128)ts * dat->tsc_mult >> (dat->tsc_shift & 63));
	else if (!strcmp(clock, "counter") || strstr(clock, "tsc") || !strcmp(clock, "ppc-tb")) {
		printf(" %16" PRIu64, ts);
		return;
	}
	ts = ts / 1000 + (ts % 1000 >= 500); /* rounded, as in the report */
	printf(" %9" PRIu64 ".%06" PRIu64, ts / 1000000, ts % 1000000);
}

static void complain(struct info *info, const struct err *err)
{
	if (!info->damaged)
		cmd_error(info->command, "%s: %s", info->dat->path, err->text);
	info->damaged = true;
}

static void complain_page(struct info *info, const struct dat_buffer *buffer)
{
	struct err err;

	err_set(&err, -EBADMSG,
		"buffer '%s' has damaged sub-buffers; what they still hold is counted",
		buffer->name);
	complain(info, &err);
}

static void count_page(struct info *info, const struct dat_buffer *buffer, const uint8_t *page,
		       uint32_t len, struct tally *tally)
{
	const struct event_common *common = event_db_common(info->db);
	bool big = buffer->layout.big_endian;
	struct subbuf_cursor cursor;
	struct subbuf_record rec;

	if (subbuf_open(&cursor, &buffer->layout, page, len) < 0)
		complain_page(info, buffer);
	if (cursor.lost > 0)
		tally->lost += (uint64_t)cursor.lost;
	tally->lost_unknown |= cursor.lost == SUBBUF_LOST_UNKNOWN;
	while (subbuf_next(&cursor, &rec)) {
		if (!tally->records++)
			tally->first_ts = rec.ts;
		tally->last_ts = rec.ts;
		if (rec.len >= common->type_offset + 2)
			info->counts[load_u16(rec.data + common->type_offset, big)]++;
	}
	if (cursor.corrupt)
		complain_page(info, buffer);
}

static void count_cpu(struct info *info, size_t buffer, size_t cpu, struct tally *tally)
{
	struct dat_stream *stream;
	struct dat_chunk *chunk;
	const uint8_t *page;
	uint32_t len;
	struct err err = {0};
	int r = dat_stream_open(&stream, info->dat, buffer, cpu, &err);

	if (r < 0) {
		complain(info, &err);
		return;
	}
	while ((r = dat_stream_next(stream, &page, &len, &chunk, &err))) {
		if (r < 0)
			complain(info, &err);
		else
			count_page(info, &info->dat->buffers[buffer], page, len, tally);
	}
	dat_stream_close(stream);
}

static void print_cpu(const struct info *info, const struct dat_buffer *buffer,
		      const struct dat_cpu *cpu, const struct tally *tally)
{
	char lost[32];

	snprintf(lost, sizeof(lost), "%" PRIu64 "%s", tally->lost, tally->lost_unknown ? "+?" : "");
	printf("  %-16s %5" PRIu32 " %10" PRIu64 " %10s %12" PRIu64,
	       *buffer->name ? buffer->name : "(top)", cpu->cpu, tally->records, lost, cpu->size);
	if (tally->records) {
		print_time(info, buffer, tally->first_ts);
		print_time(info, buffer, tally->last_ts);
	}
	putchar('\n');
}

static void print_buffers(struct info *info)
{
	uint64_t lost = 0;
	bool unknown = false;

	printf("\n  %-16s %5s %10s %10s %12s %16s %16s\n", "buffer", "CPU", "events", "lost",
	       "bytes", "from", "to");
	for (size_t b = 0; b < info->dat->nr_buffers; b++) {
		const struct dat_buffer *buffer = &info->dat->buffers[b];

		if (buffer->is_text)
			printf("  %-16s text of a latency tracer, %" PRIu64 " bytes\n",
			       *buffer->name ? buffer->name : "(top)", buffer->text_size);
		for (uint32_t c = 0; c < buffer->nr_cpus && !buffer->is_text; c++) {
			struct tally tally = {0};

			count_cpu(info, b, c, &tally);
			print_cpu(info, buffer, &buffer->cpus[c], &tally);
			lost += tally.lost;
			unknown |= tally.lost_unknown;
		}
	}
	if (lost || unknown)
		printf("\n  The kernel lost %s%" PRIu64 " events while recording.\n",
		       unknown ? "more than " : "", lost);
}

static void print_frequent(const struct info *info)
{
	uint64_t left = 0;
	size_t kinds = 0;

	for (uint32_t id = 0; id < NR_IDS; id++)
		kinds += info->counts[id] != 0;
	if (kinds)
		printf("\n  %zu kind%s of events, the most frequent:\n", kinds,
		       kinds == 1 ? "" : "s");
	for (uint32_t n = 0; n < NR_FREQUENT && n < kinds; n++) {
		const struct event *event;
		uint32_t best = 0;

		for (uint32_t id = 1; id < NR_IDS; id++)
			best = info->counts[id] > info->counts[best] ? id : best;
		event = event_db_by_id(info->db, (uint16_t)best);
		printf("  %10" PRIu64 "  ", info->counts[best]);
		if (event)
			printf("%s:%s\n", event->system, event->name);
		else
			printf("event %" PRIu32 ", whose format is not in the file\n", best);
		info->counts[best] = 0;
	}
	for (uint32_t id = 0; id < NR_IDS; id++)
		left += info->counts[id];
	if (left)
		printf("  %10" PRIu64 "  others\n", left);
}

static size_t count_systems(const struct event_db *db)
{
	size_t nr = 0;

	for (size_t i = 0; i < event_db_count(db); i++) {
		size_t j = 0;

		while (strcmp(event_db_at(db, j)->system, event_db_at(db, i)->system))
			j++;
		nr += j == i;
	}
	return nr;
}

static void print_head(const struct info *info)
{
	const struct dat *dat = info->dat;

	printf("%s: trace.dat version %d, %" PRIu64 " bytes, compression %s%s\n\n", dat->path,
	       dat->version, dat->file_size, dat->compression_name,
	       dat->unfinished ? ", unfinished" : "");
	if (dat->uname)
		printf("  kernel    %s\n", dat->uname);
	if (dat->version_text)
		printf("  recorder  %s\n", dat->version_text);
	printf("  machine   %" PRIu32 " CPUs, %d-bit, %s endian, %" PRIu32 "-byte sub-buffers\n",
	       dat->nr_cpus, dat->long_size * 8, dat->big_endian ? "big" : "little",
	       dat->page_size);
	printf("  clock     %s%s\n", dat->clock, dat->has_date ? ", with the date" : "");
	printf("  formats   %zu events of %zu systems\n", event_db_count(info->db),
	       count_systems(info->db));
	printf("  symbols   %zu\n", symbols_count(event_db_symbols(info->db)));
	for (size_t i = 0; i < dat->nr_guests; i++)
		printf("  guest     %s, %" PRIu32 " CPUs\n", dat->guests[i].name,
		       dat->guests[i].nr_vcpus);
}

static int info_file(const struct command *command, const char *path)
{
	struct info info = {.command = command};
	struct err err = {0};
	int r = dat_open(&info.dat, path, &err);

	if (r < 0)
		return cmd_fail(command, &err);
	info.counts = mem_calloc(NR_IDS, sizeof(*info.counts));
	r = info.counts ? dat_events(info.dat, 0, &info.db, &err)
			: err_set(&err, -ENOMEM, "%s: out of memory", path);
	if (r < 0) {
		cmd_fail(command, &err);
	} else {
		print_head(&info);
		print_buffers(&info);
		print_frequent(&info);
		if (info.dat->damage.code)
			complain(&info, &info.dat->damage);
	}
	event_db_free(info.db);
	dat_close(info.dat);
	mem_free(info.counts);
	return r < 0 || info.damaged ? CMD_FAILED : CMD_OK;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct cmd_parser parser;
	int id, nr = 0, status = CMD_OK;

	cmd_parser_init(&parser, command, argc, argv);
	parser.want_operands = true;
	while ((id = cmd_next(&parser)) && id != -1) {
		if (nr++)
			putchar('\n');
		if (info_file(command, parser.arg))
			status = CMD_FAILED;
	}
	if (id)
		return CMD_USAGE;
	return nr ? status : info_file(command, "trace.dat");
}

static const struct cmd_option options[] = {
	{.id = 'i',
	 .letter = 'i',
	 .name = "input",
	 .arg = CMD_ARG_REQUIRED,
	 .arg_name = "FILE",
	 .help = "read this file (default: trace.dat)"},
	{0},
};

const struct command cmd_info = {
	.name = "info",
	.group = "files",
	.summary = "show what a recording holds",
	.synopsis = "[FILE...]",
	.description =
		"Where and how the recording was made, how many events each CPU has and from "
		"when to when,\nhow many were lost, and which are the most frequent. All of "
		"the file is read for it.\n\n'sonde dump' shows the file's own structure.\n",
	.options = options,
	.needs = CMD_NEEDS_FILE,
	.run = run,
};
