/* SPDX-License-Identifier: MIT */
/* `sonde convert`: a trace.dat in another version or compression. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/outfile.h"
#include "tracedat/writer.h"

enum {
	OPTION_FILE_VERSION = 256,
	OPTION_COMPRESSION,
};

struct convert {
	const char *input, *output;
	uint64_t version;
	const char *compression; /* NULL: any */
};

static bool choose(const struct command *command, const struct convert *convert,
		   enum dat_compression *ret_kind)
{
	static const struct {
		const char *name;
		enum dat_compression kind;
	} names[] = {{"any", DAT_ZSTD}, {"zstd", DAT_ZSTD}, {"zlib", DAT_ZLIB}, {"none", DAT_NONE}};
	const char *name = convert->compression;

	*ret_kind = convert->version == 6 ? DAT_NONE : DAT_ZSTD;
	if (!name || (convert->version == 6 && !strcmp(name, "any")))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(name, names[i].name) != 0)
			continue;
		*ret_kind = names[i].kind;
		if (convert->version == 7 || names[i].kind == DAT_NONE)
			return true;
		cmd_usage(command, "version 6 cannot be compressed");
		return false;
	}
	cmd_usage(command, "--compression is any, none, zstd or zlib, not '%.40s'", name);
	return false;
}

static int write_all(struct dat *dat, const char *path, const struct dat_write_options *options,
		     struct err *damage, struct err *err)
{
	struct dat_writer *writer;
	int r = dat_writer_open(&writer, path, options, err);

	if (r < 0)
		return r;
	r = dat_writer_copy_head(writer, dat, err);
	for (size_t i = 0; r == 0 && i < dat->nr_buffers; i++)
		r = dat_writer_copy_buffer(writer, dat, i, damage, err);
	if (r < 0) {
		dat_writer_abort(writer);
		return r;
	}
	return dat_writer_finish(writer, err);
}

static int convert_file(const struct command *command, const struct convert *convert,
			enum dat_compression compression)
{
	struct dat_write_options options;
	struct outfile outfile = {0};
	struct err err = {0}, damage = {0};
	struct dat *dat;
	int r = dat_open(&dat, convert->input, &err);

	if (r < 0)
		return cmd_fail(command, &err);
	options = (struct dat_write_options){
		.version = (int)convert->version,
		.compression = compression,
		.big_endian = dat->big_endian,
		.long_size = dat->user_long_size,
		.page_size = dat->page_size,
		.nr_cpus = dat->nr_cpus,
	};
	r = outfile_begin(&outfile, convert->output, convert->input, &err);
	if (r == 0)
		r = write_all(dat, outfile.temp, &options, &damage, &err);
	if (r == 0)
		r = outfile_commit(&outfile, &err);
	else
		outfile_drop(&outfile);
	if (r < 0) {
		dat_close(dat);
		return cmd_fail(command, &err);
	}
	if (dat->damage.code)
		cmd_error(command, "%s: %s", convert->input, dat->damage.text);
	else if (damage.code)
		cmd_fail(command, &damage);
	r = dat->damage.code || damage.code ? CMD_FAILED : CMD_OK;
	dat_close(dat);
	return r;
}

static int run_convert(const struct command *command, int argc, char **argv)
{
	struct convert convert = {.input = NULL, .version = 7};
	enum dat_compression compression;
	struct cmd_parser parser;
	int id;

	cmd_parser_init(&parser, command, argc, argv);
	while ((id = cmd_next(&parser)) > 0) {
		switch (id) {
		case 'i':
			convert.input = parser.arg;
			break;
		case 'o':
			convert.output = parser.arg;
			break;
		case OPTION_FILE_VERSION:
			if (!cmd_parse_u64(command, "--file-version", parser.arg, 6, 7,
					   &convert.version))
				return CMD_USAGE;
			break;
		case OPTION_COMPRESSION:
			convert.compression = parser.arg;
			break;
		default:
			break;
		}
	}
	if (id < 0)
		return CMD_USAGE;
	if (argc - parser.first == 2 && !convert.input && !convert.output)
		convert.input = argv[parser.first++];
	if (parser.first < argc && !convert.output)
		convert.output = argv[parser.first++];
	if (parser.first < argc)
		return cmd_usage(command, "one output only: '%.80s'", argv[parser.first]);
	if (!convert.output)
		return cmd_usage(command, "the output file is missing");
	if (!convert.input)
		convert.input = "trace.dat";
	if (!choose(command, &convert, &compression))
		return CMD_USAGE;
	return convert_file(command, &convert, compression);
}

static const struct cmd_option convert_options[] = {
	{'i', 'i', NULL, CMD_ARG_REQUIRED, "FILE", "the recording to convert (default: trace.dat)",
	 NULL},
	{'o', 'o', NULL, CMD_ARG_REQUIRED, "FILE", "the file to make", NULL},
	{OPTION_FILE_VERSION, 0, "file-version", CMD_ARG_REQUIRED, "6|7",
	 "version of the new file (default: 7)", NULL},
	{OPTION_COMPRESSION, 0, "compression", CMD_ARG_REQUIRED, "NAME",
	 "any (the best, the default), none, zstd or zlib", NULL},
	{0},
};

const struct command cmd_convert = {
	.name = "convert",
	.group = "files",
	.summary = "change a recording's file version or compression",
	.synopsis = "[OPTIONS] [-i FILE] [-o] OUTPUT",
	.description =
		"Writes the whole recording again, with all its buffers, in another version of the "
		"file format or with another compression. Version 6 is what trace-cmd before 3.0 "
		"reads; it cannot be compressed and holds no BTF.\n"
		"\n"
		"  sonde convert -i trace.dat --compression none plain.dat\n"
		"  sonde convert -i trace.dat --file-version 6 old.dat\n"
		"\n"
		"An OUT.partial directory that a recorder left behind is taken as well. A damaged "
		"recording is converted as far as it can be read, and the exit status is 1.",
	.options = convert_options,
	.needs = CMD_NEEDS_FILE,
	.run = run_convert,
};
