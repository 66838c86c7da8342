/* SPDX-License-Identifier: MIT */
/*
 * The help text, made from the command table: wrapped to the terminal, headings in bold where a
 * person looks at it. `sonde help` is defined here too.
 */
#include "cmd/help.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"

#define HELP_WIDTH     80
#define HELP_MIN_WIDTH 40
#define HELP_MAX_WIDTH 110
#define OPTION_COLUMN  28
#define COMMAND_COLUMN 16

static int help_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return HELP_WIDTH;
	return MAX(HELP_MIN_WIDTH, MIN(HELP_MAX_WIDTH, (int)size.ws_col));
}

static void heading(const char *text)
{
	if (cmd_stdout_colour())
		printf("\033[1m%s\033[0m\n", text);
	else
		printf("%s\n", text);
}

/* One line of text without newlines. Returns the column where the cursor then stands. */
static int wrap_line(FILE *to, const char *text, size_t len, int column, int indent, int width)
{
	const char *end = text + len;
	bool line_start = column == indent;

	while (text < end) {
		size_t word;

		while (text < end && *text == ' ')
			text++;
		for (word = 0; text + word < end && text[word] != ' '; word++)
			;
		if (!word)
			break;
		if (!line_start && column + 1 + (int)word > width) {
			fprintf(to, "\n%*s", indent, "");
			column = indent;
		} else if (!line_start) {
			fputc(' ', to);
			column++;
		}
		fwrite(text, 1, word, to);
		column += (int)word;
		line_start = false;
		text += word;
	}
	return column;
}

void help_wrap(FILE *to, const char *text, int indent, int width)
{
	for (bool first = true; *text; first = false) {
		size_t len = strcspn(text, "\n");

		if (!first)
			fprintf(to, "\n%*s", len ? indent : 0, "");
		if (*text == ' ' || *text == '\t')
			fwrite(text, 1, len, to);
		else
			wrap_line(to, text, len, indent, indent, width);
		text += len + (text[len] == '\n');
	}
	fputc('\n', to);
}

/* Paragraphs: lines are joined, except those that start with a blank. */
static void print_description(const char *text, int width)
{
	int column = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");
		bool kept = *text == ' ' || *text == '\t';

		if ((kept || !len) && column) {
			putchar('\n');
			column = 0;
		}
		if (kept || !len)
			printf("%.*s\n", (int)len, text);
		else
			column = wrap_line(stdout, text, len, column, 0, width);
		text += len + (text[len] == '\n');
	}
	if (column)
		putchar('\n');
}

/* "  -o, --output=FILE"; returns its width. */
static int print_option_names(const struct cmd_option *o)
{
	const char *arg = o->arg_name ? o->arg_name : "ARG";
	int width = 6;

	if (o->letter)
		printf("  -%c%s", o->letter, o->name ? ", " : "");
	else
		printf("%6s", "");
	if (o->letter && !o->name)
		width = 4;
	if (o->name)
		width += printf("--%s", o->name);
	if (o->arg == CMD_ARG_REQUIRED)
		width += printf("%s%s", o->name ? "=" : " ", arg);
	else if (o->arg == CMD_ARG_OPTIONAL)
		width += printf("[%s%s]", o->name ? "=" : "", arg);
	return width;
}

static void print_option(const struct cmd_option *o, int width)
{
	int column = print_option_names(o);
	int indent = MIN(OPTION_COLUMN, width / 2);

	if (column + 2 > indent)
		printf("\n%*s", indent, "");
	else
		printf("%*s", indent - column, "");
	help_wrap(stdout, o->help, indent, width);
}

static void print_options(const struct command *command, int width)
{
	const struct cmd_option *o = cmd_options(command);

	if (o->id && !o->group) {
		putchar('\n');
		heading("Options");
	}
	for (; o->id; o++) {
		if (o->group) {
			putchar('\n');
			heading(o->group);
		}
		if (o->help)
			print_option(o, width);
	}
}

static void help_command(const struct command *command)
{
	int width = help_width();
	bool root = command->needs & CMD_NEEDS_ROOT, tracefs = command->needs & CMD_NEEDS_TRACEFS;

	printf("sonde %s - %s\n\n", command->name, command->summary);
	heading("Usage");
	printf("  sonde %s%s%s\n", command->name, command->synopsis ? " " : "",
	       command->synopsis ? command->synopsis : "");
	if (command->alias)
		printf("  (also: sonde %s)\n", command->alias);
	if (command->description) {
		putchar('\n');
		print_description(command->description, width);
	}
	if (root || tracefs)
		printf("\nNeeds %s%s%s%s%s.\n", root ? "root" : "", root && tracefs ? " and " : "",
		       tracefs ? "tracefs" : "",
		       command->needs & CMD_NEEDS_NONE_IN_PROGRAM ? ", but with --in program" : "",
		       command->needs & CMD_NEEDS_ONLY_IN_KERNEL ? ", with --in kernel" : "");
	print_options(command, width);
}

static void help_sonde(void)
{
	int width = help_width();

	help_wrap(stdout,
		  "sonde - record what the kernel and programs do, event by event, and look at it",
		  0, width);
	putchar('\n');
	heading("Usage");
	printf("  sonde COMMAND [OPTIONS] [ARGUMENTS]\n"
	       "  sonde help COMMAND, sonde COMMAND --help\n"
	       "  sonde --version\n");
	for (const struct command_group *g = command_groups; g->key; g++) {
		bool any = false;

		for (const struct command *const *c = commands; *c; c++) {
			if (!(*c)->group || strcmp((*c)->group, g->key))
				continue;
			if (!any) {
				putchar('\n');
				heading(g->heading);
			}
			any = true;
			printf("  %-*s", COMMAND_COLUMN - 2, (*c)->name);
			if (strlen((*c)->name) > COMMAND_COLUMN - 3)
				putchar(' ');
			help_wrap(stdout, (*c)->summary, COMMAND_COLUMN, width);
		}
	}
}

void cmd_help(const struct command *command)
{
	if (command)
		help_command(command);
	else
		help_sonde();
}

enum {
	HELP_MAN = 256
};

static const struct cmd_option options[] = {
	{.id = HELP_MAN, .name = "man"}, /* hidden: the build makes the manual pages with it */
	{0},
};

static int run(const struct command *self, int argc, char **argv)
{
	struct cmd_parser parser;
	const struct command *about = NULL;
	bool man = false;
	int id;

	cmd_parser_init(&parser, self, argc, argv);
	while ((id = cmd_next(&parser)) > 0)
		man = true;
	if (id < 0)
		return CMD_USAGE;
	if (argc - parser.first > 1)
		return cmd_usage(self, "one command at a time");
	if (argc > parser.first) {
		about = command_find(argv[parser.first]);
		if (!about)
			return cmd_unknown(argv[parser.first]);
	}
	if (man && !about)
		return cmd_usage(self, "--man needs a command");
	if (man)
		man_page(about, stdout);
	else
		cmd_help(about);
	return CMD_OK;
}

const struct command cmd_help_command = {
	.name = "help",
	.group = "general",
	.summary = "show what a command does and its options",
	.synopsis = "[COMMAND]",
	.description =
		"Without a command, lists the commands. The same text as 'sonde COMMAND --help'.",
	.options = options,
	.run = run,
};
