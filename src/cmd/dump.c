/* SPDX-License-Identifier: MIT */
/*
 * `sonde dump`: what a recording says about itself, in the text of `trace-cmd dump`. What stands in
 * a file is shown in the file's own order: fixed in version 6, options first in version 7.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "tracedat/dat.h"

/* What to show, one bit each; the ids of the options. */
enum {
	SHOW_SUMMARY = 1 << 8,
	SHOW_HEAD_PAGE = 1 << 9,
	SHOW_HEAD_EVENT = 1 << 10,
	SHOW_FTRACE_EVENTS = 1 << 11,
	SHOW_SYSTEMS = 1 << 12,
	SHOW_EVENTS = 1 << 13,
	SHOW_KALLSYMS = 1 << 14,
	SHOW_PRINTK = 1 << 15,
	SHOW_CMD_LINES = 1 << 16,
	SHOW_OPTIONS = 1 << 17,
	SHOW_FLYRECORD = 1 << 18,
	SHOW_CLOCK = 1 << 19,
	SHOW_SECTIONS = 1 << 20, /* only by --all */
	SHOW_ALL = (1 << 21) - (1 << 8),
	OPTION_VERBOSE = 1 << 22,
};

struct dump {
	struct dat *dat;
	unsigned int show;
};

static bool shows(const struct dump *dump, unsigned int what)
{
	return dump->show & what;
}

static void text(const struct dat_text *what)
{
	fwrite(what->data, 1, what->len, stdout);
	putchar('\n');
}

/* --- the parts of both versions --- */

static void dump_initial(const struct dump *dump, const char *path)
{
	const struct dat *dat = dump->dat;

	if (!shows(dump, SHOW_SUMMARY))
		return;
	printf("\n Tracing meta data in file %s:\n\t[Initial format]\n", path);
	printf("\t\t%d\t[Version]\n", dat->version);
	printf("\t\t%d\t[%s endian]\n", dat->big_endian, dat->big_endian ? "Big" : "Little");
	printf("\t\t%d\t[Bytes in a long]\n", dat->user_long_size);
	printf("\t\t%u\t[Page size, bytes]\n", dat->page_size);
	if (dat->version < 7)
		return;
	printf("\t\t%s\t[Compression algorithm]\n", dat->compression_name);
	printf("\t\t%s\t[Compression version]\n", dat->compression_version);
}

static void sized_text(const struct dump *dump, unsigned int what, const char *title,
		       const struct dat_text *body)
{
	if (shows(dump, SHOW_SUMMARY | what))
		printf("\t[%s, %zu bytes]\n", title, body->len);
	if (shows(dump, what) && body->data)
		text(body);
}

static void dump_headers(const struct dump *dump)
{
	sized_text(dump, SHOW_HEAD_PAGE, "Header page", &dump->dat->header_page);
	sized_text(dump, SHOW_HEAD_EVENT, "Header event", &dump->dat->header_event);
}

static void format_text(const struct dat_format *format)
{
	text(&(struct dat_text){format->text, format->len});
}

static void dump_ftrace(const struct dump *dump)
{
	const struct dat *dat = dump->dat;

	if (shows(dump, SHOW_SUMMARY | SHOW_FTRACE_EVENTS))
		printf("\t[Ftrace format, %zu events]\n", dat->nr_ftrace_formats);
	for (size_t i = 0; shows(dump, SHOW_FTRACE_EVENTS) && i < dat->nr_ftrace_formats; i++)
		format_text(&dat->ftrace_formats[i]);
}

/* Formats of one system stand together; the index behind them. */
static size_t system_end(const struct dat *dat, size_t start)
{
	size_t end = start + 1;

	while (end < dat->nr_formats && dat->formats[end].system == dat->formats[start].system)
		end++;
	return end;
}

static void dump_formats(const struct dump *dump)
{
	const struct dat *dat = dump->dat;
	size_t nr = 0;

	if (!shows(dump, SHOW_SUMMARY | SHOW_SYSTEMS | SHOW_EVENTS))
		return;
	for (size_t i = 0; i < dat->nr_formats; i = system_end(dat, i))
		nr++;
	printf("\t[Events format, %zu systems]\n", nr);
	for (size_t i = 0, end; i < dat->nr_formats; i = end) {
		end = system_end(dat, i);
		if (shows(dump, SHOW_SYSTEMS))
			printf("\t\t%s %zu [system, events]\n", dat->formats[i].system, end - i);
		for (size_t k = i; shows(dump, SHOW_EVENTS) && k < end; k++)
			format_text(&dat->formats[k]);
	}
}

static void dump_kallsyms(const struct dump *dump)
{
	sized_text(dump, SHOW_KALLSYMS, "Kallsyms", &dump->dat->kallsyms);
}

static void dump_printk(const struct dump *dump)
{
	sized_text(dump, SHOW_PRINTK, "Trace printk", &dump->dat->printk);
}

static void dump_cmdlines(const struct dump *dump)
{
	sized_text(dump, SHOW_CMD_LINES, "Saved command lines", &dump->dat->cmdlines);
}

/* --- options --- */

static const struct {
	const char *name;
	enum {
		AS_NOTHING,
		AS_TEXT,
		AS_OFFSET,
		AS_U32,
		AS_HEX64,
		AS_BUFFER
	} as;
} option_kinds[] = {
	[DAT_OPTION_DONE] = {"DONE", AS_NOTHING},
	[DAT_OPTION_DATE] = {"DATE", AS_TEXT},
	[DAT_OPTION_CPUSTAT] = {"CPUSTAT", AS_TEXT},
	[DAT_OPTION_BUFFER] = {"BUFFER", AS_BUFFER},
	[DAT_OPTION_TRACECLOCK] = {"TRACECLOCK", AS_TEXT},
	[DAT_OPTION_UNAME] = {"UNAME", AS_TEXT},
	[DAT_OPTION_HOOK] = {"HOOK", AS_TEXT},
	[DAT_OPTION_OFFSET] = {"OFFSET", AS_TEXT},
	[DAT_OPTION_CPUCOUNT] = {"CPUCOUNT", AS_U32},
	[DAT_OPTION_VERSION] = {"VERSION", AS_TEXT},
	[DAT_OPTION_PROCMAPS] = {"PROCMAPS", AS_TEXT},
	[DAT_OPTION_TRACEID] = {"TRACEID", AS_HEX64},
	[DAT_OPTION_TIME_SHIFT] = {"TIME SHIFT", AS_NOTHING},
	[DAT_OPTION_GUEST] = {"GUEST", AS_NOTHING},
	[DAT_OPTION_TSC2NSEC] = {"TSC2NSEC", AS_NOTHING},
	[DAT_OPTION_HEADER_INFO] = {"HEADERS", AS_OFFSET},
	[DAT_OPTION_FTRACE_EVENTS] = {"FTRACE EVENTS", AS_OFFSET},
	[DAT_OPTION_EVENT_FORMATS] = {"EVENT FORMATS", AS_OFFSET},
	[DAT_OPTION_KALLSYMS] = {"KALLSYMS", AS_OFFSET},
	[DAT_OPTION_PRINTK] = {"PRINTK", AS_OFFSET},
	[DAT_OPTION_CMDLINES] = {"CMDLINES", AS_OFFSET},
	[DAT_OPTION_BUFFER_TEXT] = {"BUFFER_TEXT", AS_BUFFER},
	[DAT_OPTION_BTF_FILE] = {"BTF FILE", AS_OFFSET},
	[DAT_OPTION_LAST_BOOT_INFO] = {"LAST BOOT INFO", AS_TEXT},
	[DAT_OPTION_MODULES_FILE] = {"MODULES FILE", AS_OFFSET},
};

static uint64_t option_u64(const struct dump *dump, const struct dat_option *option, uint32_t at)
{
	return at + 8 <= option->len ? load_u64(option->data + at, dump->dat->big_endian) : 0;
}

static uint32_t option_u32(const struct dump *dump, const struct dat_option *option, uint32_t at)
{
	return at + 4 <= option->len ? load_u32(option->data + at, dump->dat->big_endian) : 0;
}

static const struct dat_section *section_at(const struct dat *dat, uint64_t offset)
{
	for (size_t i = 0; i < dat->nr_sections; i++)
		if (dat->sections[i].offset == offset)
			return &dat->sections[i];
	return NULL;
}

static const struct dat_buffer *buffer_at(const struct dat *dat, uint64_t offset)
{
	for (size_t i = 0; i < dat->nr_buffers; i++)
		if (dat->buffers[i].section_offset == offset)
			return &dat->buffers[i];
	return NULL;
}

static void section_line(const struct dump *dump, const struct dat_section *section)
{
	if (dump->dat->version >= 7)
		printf("\t[Section %d @ %" PRIu64 ": \"%s\", flags 0x%X, %" PRIu64 " bytes]\n",
		       section->id, section->offset, section->description, section->flags,
		       section->size);
}

static void buffer_details(const struct dump *dump, const struct dat_option *option,
			   const struct dat_buffer *buffer)
{
	const struct dat_section *section = section_at(dump->dat, buffer->section_offset);

	if (section && shows(dump, SHOW_FLYRECORD))
		section_line(dump, section);
	printf("\t\t[Option %s, %u bytes]\n", option_kinds[option->id].name, option->len);
	printf("%" PRIu64 " [offset]\n\"%s\" [name]\n\"%s\" [clock]\n", buffer->section_offset,
	       buffer->name, buffer->clock);
	if (buffer->is_text)
		return;
	printf("%u [Page size, bytes]\n%u [CPUs]:\n", buffer->layout.size, buffer->nr_cpus);
	for (uint32_t i = 0; i < buffer->nr_cpus; i++)
		printf("   %u %" PRIu64 "\t%" PRIu64 "\t[id, data offset and size]\n",
		       buffer->cpus[i].cpu, buffer->cpus[i].offset, buffer->cpus[i].size);
}

/* The option of a buffer: v7 says all of it here, v6 only where its table is. */
static void dump_buffer(const struct dump *dump, const struct dat_option *option)
{
	const struct dat_buffer *buffer = buffer_at(dump->dat, option_u64(dump, option, 0));
	uint64_t size = 0;

	if (!buffer || dump->dat->version < 7) {
		if (shows(dump, SHOW_OPTIONS)) {
			const char *name = option->len > 8 ? (const char *)option->data + 8 : "";

			printf("\t\t[Option BUFFER, %u bytes]\n", option->len);
			printf("%" PRIu64 " [offset]\n\"%.*s\" [name]\n",
			       option_u64(dump, option, 0), (int)option->len, name);
		}
		return;
	}
	if (shows(dump, SHOW_OPTIONS | SHOW_FLYRECORD))
		buffer_details(dump, option, buffer);
	if (!shows(dump, SHOW_SUMMARY))
		return;
	for (uint32_t i = 0; i < buffer->nr_cpus; i++)
		size += buffer->cpus[i].size;
	if (buffer->is_text)
		printf("\t[buffer \"%s\", \"%s\" clock, latency data]\n", buffer->name,
		       buffer->clock);
	else
		printf("\t[buffer \"%s\", \"%s\" clock, %u page size, %u cpus, %" PRIu64
		       " bytes flyrecord data]\n",
		       buffer->name, buffer->clock, buffer->layout.size, buffer->nr_cpus, size);
}

static void time_shift(const struct dump *dump, const struct dat_option *option)
{
	printf("0x%" PRIX64 " [peer's trace id]\n0x%X [flags]\n%u [CPUs]\n",
	       option_u64(dump, option, 0), option_u32(dump, option, 8),
	       option_u32(dump, option, 12));
}

static void guest(const struct dump *dump, const struct dat_option *option)
{
	size_t name = strnlen((const char *)option->data, option->len);
	uint32_t at = (uint32_t)name + 1, nr;

	printf("%.*s [Guest name]\n", (int)name, (const char *)option->data);
	printf("0x%" PRIX64 " [Guest trace id]\n", option_u64(dump, option, at));
	nr = option_u32(dump, option, at + 8);
	printf("%u [Guest CPUs]\n", nr);
	for (at += 12; nr-- && at + 8 <= option->len; at += 8)
		printf("   %u %u [guest cpu, host pid]\n", option_u32(dump, option, at),
		       option_u32(dump, option, at + 4));
}

static void option_value(const struct dump *dump, const struct dat_option *option)
{
	switch (option->id) {
	case DAT_OPTION_TIME_SHIFT:
		time_shift(dump, option);
		return;
	case DAT_OPTION_GUEST:
		guest(dump, option);
		return;
	case DAT_OPTION_TSC2NSEC:
		printf("%u %u %" PRIu64 " [multiplier, shift, offset]\n",
		       option_u32(dump, option, 0), option_u32(dump, option, 4),
		       option_u64(dump, option, 8));
		return;
	default:
		break;
	}
	switch (option_kinds[option->id].as) {
	case AS_TEXT:
		printf("%.*s\n", (int)option->len, (const char *)option->data);
		break;
	case AS_U32:
		printf("%u\n", option_u32(dump, option, 0));
		break;
	case AS_HEX64:
		printf("0x%" PRIX64 "\n", option_u64(dump, option, 0));
		break;
	default:
		break;
	}
}

static void dump_option(const struct dump *dump, const struct dat_option *option)
{
	bool known = option->id < ARRAY_SIZE(option_kinds) && option_kinds[option->id].name;

	if (known && option_kinds[option->id].as == AS_BUFFER) {
		dump_buffer(dump, option);
		return;
	}
	if (!shows(dump, SHOW_OPTIONS)) {
		if (option->id == DAT_OPTION_TRACECLOCK && shows(dump, SHOW_CLOCK))
			printf("%.*s\n", (int)option->len, (const char *)option->data);
		return;
	}
	if (!known) {
		printf("\t\t[Option %u, %u bytes]\n", option->id, option->len);
		return;
	}
	if (option->id == DAT_OPTION_TSC2NSEC)
		putchar('\n'); /* as trace-cmd */
	printf("\t\t[Option %s, %u bytes]", option_kinds[option->id].name, option->len);
	if (option_kinds[option->id].as == AS_OFFSET) {
		printf(" @ %" PRIu64 "\n", option_u64(dump, option, 0));
		return;
	}
	putchar('\n');
	option_value(dump, option);
}

/* --- version 6 --- */

static void dump_table(const struct dump *dump, const struct dat_buffer *buffer)
{
	if (shows(dump, SHOW_SUMMARY | SHOW_FLYRECORD) && !*buffer->name)
		puts("\t[Flyrecord tracing data]");
	if (*buffer->name && shows(dump, SHOW_SUMMARY | SHOW_FLYRECORD))
		printf("\t[Flyrecord tracing data of instance \"%s\"]\n", buffer->name);
	for (uint32_t i = 0; shows(dump, SHOW_FLYRECORD) && i < buffer->nr_cpus; i++)
		printf("\t %10" PRIu64 " %10" PRIu64 "\t[offset, size of cpu %u]\n",
		       buffer->cpus[i].offset, buffer->cpus[i].size, buffer->cpus[i].cpu);
	if (dump->dat->trace_clock && shows(dump, SHOW_SUMMARY | SHOW_CLOCK))
		printf("\t[Tracing clock]\n\t\t[%s]\n", buffer->clock);
}

static void dump_v6(const struct dump *dump)
{
	const struct dat *dat = dump->dat;

	dump_headers(dump);
	dump_ftrace(dump);
	dump_formats(dump);
	dump_kallsyms(dump);
	dump_printk(dump);
	dump_cmdlines(dump);
	if (shows(dump, SHOW_SUMMARY))
		printf("\t%u [CPUs with tracing data]\n", dat->nr_cpus);
	for (size_t i = 0; i < dat->nr_options; i++)
		dump_option(dump, &dat->options[i]);
	if (shows(dump, SHOW_SUMMARY | SHOW_OPTIONS))
		printf("\t[%zu options]\n", dat->nr_options);
	for (size_t i = 0; i < dat->nr_buffers; i++) {
		if (!dat->buffers[i].is_text)
			dump_table(dump, &dat->buffers[i]);
		else if (shows(dump, SHOW_SUMMARY | SHOW_FLYRECORD))
			puts("\t[Latency tracing data]");
	}
}

/* --- version 7 --- */

static void dump_sections(const struct dump *dump)
{
	const struct dat *dat = dump->dat;
	size_t at = 0;

	if (!shows(dump, SHOW_SECTIONS))
		return;
	puts("\t[String @ offset]");
	while (at < dat->strings.len) {
		printf("\t\t\"%s\" @ %zu\n", dat->strings.data + at, at);
		at += strlen(dat->strings.data + at) + 1;
	}
	for (size_t i = 0; i < dat->nr_sections; i++) {
		const struct dat_section *section = &dat->sections[i];

		printf("\t[Section %2d @ %-16" PRIu64 "\t\"%s\", flags 0x%X, ", section->id,
		       section->offset, section->description, section->flags);
		if (section->usize)
			printf("%u compressed, %u uncompressed]\n", section->csize, section->usize);
		else
			printf("%" PRIu64 " %sbytes]\n", section->size,
			       section->flags & 1 ? "compressed " : "");
	}
}

/* All OPTIONS sections, with the options that lie in each; returns the number of options. */
static size_t dump_option_sections(const struct dump *dump)
{
	const struct dat *dat = dump->dat;
	size_t at = 0, sections = 0;

	for (size_t i = 0; i < dat->nr_sections; i++) {
		const struct dat_section *section = &dat->sections[i];
		uint64_t end = section->offset + 16 + section->size, next = 0;

		if (section->id != DAT_OPTION_DONE)
			continue;
		sections++;
		if (shows(dump, SHOW_OPTIONS))
			section_line(dump, section);
		for (; at < dat->nr_options && dat->options[at].offset < end; at++)
			dump_option(dump, &dat->options[at]);
		for (size_t k = i + 1; !next && k < dat->nr_sections; k++)
			if (dat->sections[k].id == DAT_OPTION_DONE)
				next = dat->sections[k].offset;
		if (shows(dump, SHOW_OPTIONS)) {
			printf("\t\t[Option DONE, 8 bytes]\n%" PRIu64 "\n", next);
			if (next)
				puts("\n");
		}
	}
	return at + sections;
}

static void dump_v7(const struct dump *dump)
{
	static const struct {
		uint16_t id;
		unsigned int show; /* which wishes name the section itself */
		void (*dump)(const struct dump *);
	} parts[] = {
		{DAT_OPTION_CMDLINES, SHOW_CMD_LINES, dump_cmdlines},
		{DAT_OPTION_PRINTK, SHOW_PRINTK, dump_printk},
		{DAT_OPTION_KALLSYMS, SHOW_KALLSYMS, dump_kallsyms},
		{DAT_OPTION_EVENT_FORMATS, SHOW_SYSTEMS | SHOW_EVENTS, dump_formats},
		{DAT_OPTION_FTRACE_EVENTS, SHOW_FTRACE_EVENTS, dump_ftrace},
		{DAT_OPTION_HEADER_INFO, SHOW_HEAD_PAGE | SHOW_HEAD_EVENT, dump_headers},
	};
	const struct dat *dat = dump->dat;
	size_t nr_options;

	dump_sections(dump);
	nr_options = dump_option_sections(dump);
	if (shows(dump, SHOW_SUMMARY | SHOW_OPTIONS))
		printf("\t[%zu options]\n", nr_options);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		for (size_t k = 0; k < dat->nr_sections; k++) {
			if (dat->sections[k].id != parts[i].id)
				continue;
			if (shows(dump, parts[i].show))
				section_line(dump, &dat->sections[k]);
			parts[i].dump(dump);
			break;
		}
	if (shows(dump, SHOW_SUMMARY))
		printf("\t[%zu sections]\n", dat->nr_sections);
}

/* --- the command --- */

static int dump_file(const struct command *command, const char *path, unsigned int show,
		     bool validate)
{
	struct dump dump = {.show = show};
	struct err err = {0};
	int status = CMD_OK;

	if (dat_open(&dump.dat, path, &err) < 0 || dat_load_symbols(dump.dat, &err) < 0) {
		dat_close(dump.dat);
		return cmd_fail(command, &err);
	}
	if (validate) {
		if (!dump.dat->damage.code)
			printf("File %s is a valid trace-cmd file\n", path);
	} else {
		dump_initial(&dump, path);
		if (dump.dat->version >= 7)
			dump_v7(&dump);
		else
			dump_v6(&dump);
	}
	if (dump.dat->damage.code) {
		cmd_error(command, "%s: %s", path, dump.dat->damage.text);
		status = CMD_FAILED;
	}
	dat_close(dump.dat);
	return status;
}

static int run_dump(const struct command *command, int argc, char **argv)
{
	const char *path = NULL;
	struct cmd_parser parser;
	unsigned int show = 0;
	bool validate = false;
	int id;

	cmd_parser_init(&parser, command, argc, argv);
	while ((id = cmd_next(&parser)) > 0) {
		if (id == 'i')
			path = parser.arg;
		else if (id == 'v')
			validate = true;
		else if (id != OPTION_VERBOSE)
			show |= (unsigned int)id;
	}
	if (id < 0)
		return CMD_USAGE;
	if (parser.first < argc && !path)
		path = argv[parser.first++];
	if (parser.first < argc)
		return cmd_usage(command, "one file only: '%.80s'", argv[parser.first]);
	return dump_file(command, path ? path : "trace.dat", show ? show : SHOW_SUMMARY, validate);
}

static const struct cmd_option dump_options[] = {
	{'i', 'i', NULL, CMD_ARG_REQUIRED, "FILE", "the recording (default: trace.dat)", NULL},
	{'v', 'v', "validate", CMD_ARG_NONE, NULL, "only say whether the file is whole", NULL},
	{SHOW_ALL, 0, "all", CMD_ARG_NONE, NULL, "all of what follows", "What to show"},
	{SHOW_SUMMARY, 0, "summary", CMD_ARG_NONE, NULL, "one line a part (the default)", NULL},
	{SHOW_HEAD_PAGE, 0, "head-page", CMD_ARG_NONE, NULL, "layout of a page's header", NULL},
	{SHOW_HEAD_EVENT, 0, "head-event", CMD_ARG_NONE, NULL, "layout of a record's header", NULL},
	{SHOW_FTRACE_EVENTS, 0, "ftrace-events", CMD_ARG_NONE, NULL,
	 "formats of ftrace's own events", NULL},
	{SHOW_SYSTEMS, 0, "systems", CMD_ARG_NONE, NULL,
	 "event systems and their numbers of events", NULL},
	{SHOW_EVENTS, 0, "events", CMD_ARG_NONE, NULL, "formats of all other events", NULL},
	{SHOW_KALLSYMS, 0, "kallsyms", CMD_ARG_NONE, NULL, "addresses and names of functions",
	 NULL},
	{SHOW_PRINTK, 0, "printk", CMD_ARG_NONE, NULL, "format strings of trace_printk()", NULL},
	{SHOW_CMD_LINES, 0, "cmd-lines", CMD_ARG_NONE, NULL, "pids and the names of their programs",
	 NULL},
	{SHOW_OPTIONS, 0, "options", CMD_ARG_NONE, NULL, "all options of the file", NULL},
	{SHOW_FLYRECORD, 0, "flyrecord", CMD_ARG_NONE, NULL, "where each CPU's data is", NULL},
	{SHOW_CLOCK, 0, "clock", CMD_ARG_NONE, NULL, "the trace clock", NULL},
	{OPTION_VERBOSE, 0, "verbose", CMD_ARG_OPTIONAL, "LEVEL", NULL, NULL},
	{0},
};

const struct command cmd_dump = {
	.name = "dump",
	.group = "files",
	.summary = "show a recording's metadata",
	.synopsis = "[OPTIONS] [FILE]",
	.description = "Shows what a recording says about itself, in the text of trace-cmd dump. "
		       "sonde info is its friendly form.\n"
		       "\n"
		       "  sonde dump --summary --systems trace.dat\n"
		       "  sonde dump -v trace.dat",
	.options = dump_options,
	.needs = CMD_NEEDS_FILE,
	.run = run_dump,
};
