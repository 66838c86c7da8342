/* SPDX-License-Identifier: MIT */
/* `sonde completion SHELL`: a completion script made from the command table. */
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/help.h"

static void command_names(void)
{
	for (const struct command *const *c = commands; *c; c++)
		printf("%s%s", c == commands ? "" : " ", (*c)->name);
}

static void option_names(const struct command *command)
{
	for (const struct cmd_option *o = cmd_options(command); o->id; o++) {
		if (!o->help)
			continue;
		if (o->letter)
			printf("-%c ", o->letter);
		if (o->name)
			printf("--%s%s ", o->name, o->arg == CMD_ARG_REQUIRED ? "=" : "");
	}
	printf("--help");
}

static void bash_script(void)
{
	printf("# bash completion of sonde, made by 'sonde completion bash'\n"
	       "_sonde()\n{\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n"
	       "\tif ((COMP_CWORD == 1)); then\n"
	       "\t\tCOMPREPLY=($(compgen -W '--help --version ");
	command_names();
	printf("' -- \"$cur\"))\n"
	       "\t\treturn\n"
	       "\tfi\n"
	       "\tcase ${COMP_WORDS[1]} in\n");
	for (const struct command *const *c = commands; *c; c++) {
		printf("\t%s%s%s) words='", (*c)->name, (*c)->alias ? "|" : "",
		       (*c)->alias ? (*c)->alias : "");
		option_names(*c);
		printf("' ;;\n");
	}
	printf("\tesac\n"
	       "\tcase $cur in\n"
	       "\t-*)\n"
	       "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	       "\t\t[[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
	       "\t\t;;\n"
	       "\t*)\n"
	       "\t\tif [[ ${COMP_WORDS[1]} == help ]]; then\n"
	       "\t\t\tCOMPREPLY=($(compgen -W '");
	command_names();
	printf("' -- \"$cur\"))\n"
	       "\t\telse\n"
	       "\t\t\tCOMPREPLY=($(compgen -f -- \"$cur\"))\n"
	       "\t\tfi\n"
	       "\t\t;;\n"
	       "\tesac\n"
	       "}\n"
	       "complete -o filenames -F _sonde sonde\n");
}

/* Text inside single quotes of an _arguments or _describe specification. */
static void zsh_text(const char *text)
{
	for (; *text && *text != '\n'; text++) {
		if (*text == '\'')
			printf("'\\''");
		else if (strchr(":[]", *text))
			printf("\\%c", *text);
		else
			putchar(*text);
	}
}

static void zsh_option(const struct cmd_option *o, const char *dashes, const char *attach)
{
	printf(" '*%s", dashes);
	if (o->arg != CMD_ARG_NONE)
		printf("%s", attach);
	putchar('[');
	zsh_text(o->help);
	putchar(']');
	if (o->arg != CMD_ARG_NONE) {
		printf(":%s", o->arg == CMD_ARG_OPTIONAL ? ":" : "");
		zsh_text(o->arg_name ? o->arg_name : "ARG");
		printf(":_files");
	}
	putchar('\'');
}

static void zsh_command(const struct command *command)
{
	char dashes[64];

	printf("\t%s%s%s) _arguments -s", command->name, command->alias ? "|" : "",
	       command->alias ? command->alias : "");
	for (const struct cmd_option *o = cmd_options(command); o->id; o++) {
		if (!o->help)
			continue;
		if (o->letter) {
			snprintf(dashes, sizeof(dashes), "-%c", o->letter);
			zsh_option(o, dashes, o->arg == CMD_ARG_OPTIONAL ? "-" : "+");
		}
		if (o->name) {
			snprintf(dashes, sizeof(dashes), "--%s", o->name);
			zsh_option(o, dashes, o->arg == CMD_ARG_OPTIONAL ? "=-" : "=");
		}
	}
	printf(" '*:file:_files' ;;\n");
}

static void zsh_script(void)
{
	printf("#compdef sonde\n"
	       "# zsh completion of sonde, made by 'sonde completion zsh'\n"
	       "_sonde()\n{\n"
	       "\tlocal -a names\n"
	       "\tnames=(");
	for (const struct command *const *c = commands; *c; c++) {
		printf(" '%s:", (*c)->name);
		zsh_text((*c)->summary);
		putchar('\'');
	}
	printf(" )\n"
	       "\tif ((CURRENT == 2)); then\n"
	       "\t\t_describe command names\n"
	       "\t\treturn\n"
	       "\tfi\n"
	       "\tshift words\n"
	       "\t((CURRENT--))\n"
	       "\tcase $words[1] in\n");
	for (const struct command *const *c = commands; *c; c++)
		zsh_command(*c);
	printf("\tesac\n"
	       "}\n"
	       "_sonde \"$@\"\n");
}

static int run(const struct command *self, int argc, char **argv)
{
	struct cmd_parser parser;

	cmd_parser_init(&parser, self, argc, argv);
	if (cmd_next(&parser))
		return CMD_USAGE;
	if (argc - parser.first != 1)
		return cmd_usage(self, "name one shell: bash or zsh");
	if (!strcmp(argv[parser.first], "bash"))
		bash_script();
	else if (!strcmp(argv[parser.first], "zsh"))
		zsh_script();
	else
		return cmd_usage(self, "no completion for '%.80s', only for bash and zsh",
				 argv[parser.first]);
	return CMD_OK;
}

const struct command cmd_completion = {
	.name = "completion",
	.group = "general",
	.summary = "print a completion script for bash or zsh",
	.synopsis = "bash|zsh",
	.description = "For bash, put this into ~/.bashrc:\n\n"
		       "  eval \"$(sonde completion bash)\"\n",
	.run = run,
};
