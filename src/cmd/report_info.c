/* SPDX-License-Identifier: MIT */
/* What `sonde report` prints of a file's metadata: -e -p -E --events -f -P --cpus --stat ... */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cmd/report.h"

static void show_page_size(const struct input *input)
{
	printf("file page size is %u, and host page size is %ld\n", input->dat->page_size,
	       sysconf(_SC_PAGESIZE));
}

static void show_endian(const struct input *input)
{
	printf("file is %s endian and host is %s endian\n",
	       input->dat->big_endian ? "big" : "little", HOST_BIG ? "big" : "little");
}

int report_mark_events(const struct event_db *db, const struct word_list *patterns,
		       enum event_match_kind kind, uint8_t flag, uint8_t *table, struct err *err)
{
	for (size_t i = 0; i < patterns->nr; i++) {
		struct event_match *match;
		int r = event_match_new(&match, patterns->words[i], kind, err);

		if (r < 0)
			return r;
		for (size_t j = 0; j < event_db_count(db); j++) {
			const struct event *event = event_db_at(db, j);

			if (event_match_test(match, event))
				table[event->id] |= flag;
		}
		event_match_free(match);
	}
	return 0;
}

/* The blk tracer's format is made up by the reader: it is not in the file. */
static bool is_recorded(const struct event *event)
{
	return strcmp(event->system, "ftrace") || strcmp(event->name, "blktrace");
}

static int show_formats(const struct report_args *args, const struct input *input)
{
	_cleanup_free_ uint8_t *table = mem_zalloc(65536);
	const char *system = NULL;
	struct err err;

	if (!table)
		return cmd_fail(args->command, &(struct err){-ENOMEM, "out of memory"});
	if (report_mark_events(input->db, &args->shown_events, EVENT_MATCH_PART, 1, table, &err) <
	    0)
		return cmd_fail(args->command, &err);
	for (size_t i = 0; i < event_db_count(input->db); i++) {
		const struct event *event = event_db_at(input->db, i);

		if ((args->shown_events.nr && !table[event->id]) || !is_recorded(event))
			continue;
		if (!system || strcmp(system, event->system))
			printf("\nsystem: %s\n", event->system);
		system = event->system;
		fwrite(event->format, 1, event->format_len, stdout);
		putchar('\n');
	}
	return CMD_OK;
}

static int by_system(const void *a, const void *b)
{
	const struct event *x = *(const struct event *const *)a,
			   *y = *(const struct event *const *)b;
	int r = strcmp(x->system, y->system);

	if (!r)
		r = strcmp(x->name, y->name);
	return r ? r : (int)x->id - (int)y->id;
}

static int show_event_names(const struct report_args *args, const struct input *input)
{
	size_t nr = event_db_count(input->db);
	_cleanup_free_ const struct event **events = mem_calloc(nr, sizeof(*events));

	if (!events)
		return cmd_fail(args->command, &(struct err){-ENOMEM, "out of memory"});
	for (size_t i = 0; i < nr; i++)
		events[i] = event_db_at(input->db, i);
	qsort(events, nr, sizeof(*events), by_system);
	for (size_t i = 0; i < nr; i++)
		if (is_recorded(events[i]))
			printf("%s:%s\n", events[i]->system, events[i]->name);
	return CMD_OK;
}

static void show_functions(const struct input *input)
{
	const struct symbols *symbols = event_db_symbols(input->db);

	for (size_t i = 0; i < symbols_count(symbols); i++) {
		const struct symbol *symbol = symbols_at(symbols, i);

		printf("%016llx %s", (unsigned long long)symbol->addr, symbol->name);
		if (symbol->module)
			printf(" [%s]", symbol->module);
		putchar('\n');
	}
}

static void show_printks(const struct input *input)
{
	for (size_t i = 0; i < event_db_nr_printks(input->db); i++) {
		uint64_t addr;
		const char *text = event_db_printk_at(input->db, i, &addr);

		printf("%016llx %s\n", (unsigned long long)addr, text);
	}
}

/* The times as the lines of the report show them, rounded to the microsecond. */
static void show_time(const char *title, const struct source *source, uint64_t ts)
{
	unsigned long long us = (ts + 500) / 1000;

	if (source->usecs)
		printf("\t%s event:%5llu.%06llu", title, us / 1000000, us % 1000000);
	else
		printf("\t%s event:%12llu", title, (unsigned long long)ts);
}

static int show_source_cpus(const struct report_args *args, struct source *source)
{
	const struct dat_buffer *buf = &source->input->dat->buffers[source->buffer];

	for (uint32_t i = 0; i < buf->nr_cpus; i++) {
		uint64_t first = 0, last = 0;
		struct err err;
		int r;

		if (!buf->cpus[i].size)
			continue;
		r = source_cpu_span(source, i, args->want_last, &first, &last, &err);
		if (r < 0)
			return cmd_fail(args->command, &err);
		if (!r)
			continue;
		printf("  %u", buf->cpus[i].cpu);
		if (args->want_first)
			show_time("First", source, first);
		if (args->want_last)
			show_time("Last", source, last);
		putchar('\n');
	}
	return CMD_OK;
}

static int show_cpus(const struct report_args *args, struct input *input)
{
	int status = CMD_OK;

	printf("List of CPUs in %s with data:\n", input->path);
	for (size_t i = 0; i < input->dat->nr_buffers && status == CMD_OK; i++) {
		struct source source;
		struct err err;

		if (input->dat->buffers[i].is_text ||
		    (args->report.compat == COMPAT_31 && input->dat->buffers[i].name[0]))
			continue;
		if (source_init(&source, input, i, &err) < 0)
			return cmd_fail(args->command, &err);
		if (source.is_instance)
			printf("Instance %s:\n", input->dat->buffers[i].name);
		status = show_source_cpus(args, &source);
		source_done(&source);
	}
	return status;
}

int report_check_events(const struct report_args *args, const struct input *input)
{
	int status = CMD_OK;

	for (size_t i = 0; i < event_db_count(input->db); i++) {
		const struct event *event = event_db_at(input->db, i);

		if (!event->parse_error)
			continue;
		cmd_error(args->command, "%s: %s:%s: %s", input->path, event->system, event->name,
			  event->parse_error);
		status = CMD_FAILED;
	}
	return status;
}

/* Where the data lies, and how long it is there (trace-cmd: when expanded). */
static void show_data_sizes(const struct dat_buffer *buf)
{
	putchar('\n');
	for (uint32_t i = 0; i < buf->nr_cpus; i++)
		printf("CPU%u data recorded at offset=0x%llx\n    %llu bytes in size\n",
		       buf->cpus[i].cpu, (unsigned long long)buf->cpus[i].offset,
		       (unsigned long long)buf->cpus[i].size);
}

static void show_stat(const struct input *input)
{
	const struct dat *dat = input->dat;

	printf("\nKernel buffer statistics:\n"
	       "  Note: \"entries\" are the entries left in the kernel ring buffer and are not\n"
	       "        recorded in the trace data. They should all be zero.\n\n");
	for (size_t i = 0; i < dat->nr_options; i++) {
		const struct dat_option *option = &dat->options[i];

		if (option->id != DAT_OPTION_CPUSTAT || !option->len)
			continue;
		/* trace-cmd ends each with a NUL, in whose place the empty line stands. */
		fwrite(option->data, 1, option->len - 1, stdout);
		putchar('\n');
	}
	if (dat->nr_buffers && !dat->buffers[0].is_text)
		show_data_sizes(&dat->buffers[0]);
}

static void show_line(const char *text)
{
	if (text)
		puts(text);
}

int report_show_info(const struct report_args *args, struct input *input)
{
	switch (args->info) {
	case INFO_PAGE_SIZE:
		show_page_size(input);
		break;
	case INFO_ENDIAN:
		show_endian(input);
		break;
	case INFO_FORMATS:
		return show_formats(args, input);
	case INFO_CHECK_EVENTS:
		return report_check_events(args, input);
	case INFO_FUNCTIONS:
		show_functions(input);
		break;
	case INFO_PRINTK:
		show_printks(input);
		break;
	case INFO_EVENTS:
		return show_event_names(args, input);
	case INFO_CPUS:
		return show_cpus(args, input);
	case INFO_STAT:
		show_stat(input);
		break;
	case INFO_UNAME:
		show_line(input->dat->uname);
		show_line(input->dat->version_text);
		break;
	case INFO_VERSION:
		show_line(input->dat->version_text);
		break;
	case INFO_NONE:
		break;
	}
	return CMD_OK;
}
