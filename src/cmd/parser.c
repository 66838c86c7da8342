/* SPDX-License-Identifier: MIT */
/*
 * The option parser: getopt_long's rules (grouped letters, attached and separate arguments, long
 * options shortened as far as they stay unambiguous, "--"), driven by a command's own option
 * table. getopt_long itself is not used because it has global state, permutes by an environment
 * variable, and cannot suggest the option that was meant.
 */
#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/help.h"

static const struct cmd_option help_option = {
	.id = CMD_HELP,
	.letter = 'h',
	.name = "help",
	.help = "show this text",
};

static const struct cmd_option no_options[] = {{0}};

const struct cmd_option *cmd_options(const struct command *command)
{
	return command->options ? command->options : no_options;
}

void cmd_parser_init(struct cmd_parser *parser, const struct command *command, int argc,
		     char **argv)
{
	*parser = (struct cmd_parser){
		.command = command,
		.argc = argc,
		.argv = argv,
		.first = 1,
		.next = 1,
	};
}

/* A usage error, unless main only looks ahead for --help. */
#define parser_error(parser, ...)                                                                  \
	((parser)->quiet ? -1 : (cmd_usage((parser)->command, __VA_ARGS__), -1))

/*
 * argv[first .. start) holds operands that were passed over, argv[start .. end) the option that was
 * just read: swap the two runs, so that the operands stay together behind all options.
 */
static void parser_consumed(struct cmd_parser *parser, int start, int end)
{
	for (int i = start; i < end; i++) {
		char *option = parser->argv[i];

		memmove(&parser->argv[parser->first + 1], &parser->argv[parser->first],
			(size_t)(i - parser->first) * sizeof(char *));
		parser->argv[parser->first++] = option;
	}
	parser->next = end;
}

static const struct cmd_option *find_letter(const struct command *command, char letter)
{
	for (const struct cmd_option *o = cmd_options(command); o->id; o++) {
		if (o->letter == letter)
			return o;
	}
	return letter == help_option.letter ? &help_option : NULL;
}

/* What a long name, possibly shortened, stands for. */
struct long_match {
	const struct cmd_option *option;
	bool exact, ambiguous;
};

static void match_long(struct long_match *match, const struct cmd_option *option, const char *name,
		       size_t len)
{
	if (match->exact || !option->name || strncmp(option->name, name, len))
		return;
	if (!option->name[len]) {
		*match = (struct long_match){.option = option, .exact = true};
		return;
	}
	if (match->option && match->option->id != option->id)
		match->ambiguous = true;
	else if (!match->option)
		match->option = option;
}

static struct long_match find_long(const struct command *command, const char *name, size_t len)
{
	struct long_match match = {0};

	if (!len)
		return match;
	for (const struct cmd_option *o = cmd_options(command); o->id; o++)
		match_long(&match, o, name, len);
	match_long(&match, &help_option, name, len);
	return match;
}

static int long_ambiguous(struct cmd_parser *parser, const char *name, size_t len)
{
	char list[200] = "";
	size_t used = 0;

	for (const struct cmd_option *o = cmd_options(parser->command); o->id; o++) {
		if (!o->name || strncmp(o->name, name, len))
			continue;
		int n = snprintf(list + used, sizeof(list) - used, " --%s", o->name);

		if (n < 0 || (size_t)n >= sizeof(list) - used)
			break;
		used += (size_t)n;
	}
	return parser_error(parser, "option '--%.*s' is ambiguous: it may be%s", (int)MIN(len, 80u),
			    name, list);
}

static int long_unknown(struct cmd_parser *parser, const char *name, size_t len)
{
	struct closest closest;

	closest_init(&closest, name, len);
	for (const struct cmd_option *o = cmd_options(parser->command); o->id; o++) {
		if (o->help)
			closest_try(&closest, o->name);
	}
	if (closest_found(&closest))
		return parser_error(parser, "unknown option '--%.*s'; did you mean '--%s'?",
				    (int)MIN(len, 80u), name, closest_found(&closest));
	return parser_error(parser, "unknown option '--%.*s'", (int)MIN(len, 80u), name);
}

static int next_long(struct cmd_parser *parser)
{
	const char *name = parser->argv[parser->next] + 2;
	size_t len = strcspn(name, "=");
	const char *value = name[len] ? name + len + 1 : NULL;
	struct long_match match = find_long(parser->command, name, len);
	const struct cmd_option *option = match.option;
	int start = parser->next, end = start + 1;

	if (match.ambiguous)
		return long_ambiguous(parser, name, len);
	if (!option)
		return long_unknown(parser, name, len);
	if (value && option->arg == CMD_ARG_NONE)
		return parser_error(parser, "option '--%s' takes no argument", option->name);
	if (!value && option->arg == CMD_ARG_REQUIRED) {
		if (end >= parser->argc)
			return parser_error(parser, "option '--%s' needs an argument: %s",
					    option->name,
					    option->arg_name ? option->arg_name : "ARG");
		value = parser->argv[end++];
	}
	parser->arg = value;
	parser_consumed(parser, start, end);
	return option->id;
}

static int next_letter(struct cmd_parser *parser)
{
	const char *word = parser->argv[parser->next];
	int start = parser->next, end = start + 1;
	char letter = word[parser->letter_pos++];
	const char *rest = word + parser->letter_pos;
	const struct cmd_option *option = find_letter(parser->command, letter);

	if (!option)
		return parser_error(parser,
				    letter > ' ' && letter < 127 ? "unknown option '-%c'"
								 : "unknown option byte %d",
				    letter);
	parser->arg = NULL;
	if (option->arg == CMD_ARG_NONE) {
		if (*rest)
			return option->id;
	} else if (*rest) {
		parser->arg = rest;
	} else if (option->arg == CMD_ARG_REQUIRED) {
		if (end >= parser->argc)
			return parser_error(parser, "option '-%c' needs an argument: %s", letter,
					    option->arg_name ? option->arg_name : "ARG");
		parser->arg = parser->argv[end++];
	}
	parser->letter_pos = 0;
	parser_consumed(parser, start, end);
	return option->id;
}

static int next_operand(struct cmd_parser *parser)
{
	parser->arg = parser->argv[parser->next];
	parser_consumed(parser, parser->next, parser->next + 1);
	return CMD_OPERAND;
}

int cmd_next(struct cmd_parser *parser)
{
	if (parser->letter_pos)
		return next_letter(parser);
	for (; parser->next < parser->argc; parser->next++) {
		const char *word = parser->argv[parser->next];

		if (parser->only_operands)
			return next_operand(parser);
		if (word[0] == '-' && word[1] == '-' && !word[2]) {
			parser_consumed(parser, parser->next, parser->next + 1);
			if (!parser->want_operands || parser->command->stop_at_operand)
				break;
			parser->only_operands = true;
			parser->next--;
		} else if (word[0] == '-' && word[1] == '-') {
			return next_long(parser);
		} else if (word[0] == '-' && word[1]) {
			parser->letter_pos = 1;
			return next_letter(parser);
		} else if (parser->command->stop_at_operand) {
			break;
		} else if (parser->want_operands) {
			return next_operand(parser);
		}
	}
	parser->arg = NULL;
	return 0;
}

bool cmd_wants_help(const struct command *command, int argc, char **argv)
{
	_cleanup_free_ char **copy = mem_dup(argv, ((size_t)argc + 1) * sizeof(*argv));
	struct cmd_parser parser;
	int id;

	if (!copy)
		return false;
	cmd_parser_init(&parser, command, argc, copy);
	parser.quiet = true;
	do {
		id = cmd_next(&parser);
	} while (id && id != -1 && id != CMD_HELP);
	return id == CMD_HELP;
}
