/* SPDX-License-Identifier: MIT */
/* A command's manual page in man(7) form, made from its row of the table when Sonde is built. */
#include <string.h>

#include "cmd/help.h"

/* Text in which a leading '.' or "'" and backslashes or minus signs mean nothing to troff. */
static void man_text(FILE *to, const char *text, size_t len, bool line_start)
{
	for (size_t i = 0; i < len; i++) {
		if (line_start && (text[i] == '.' || text[i] == '\''))
			fputs("\\&", to);
		line_start = text[i] == '\n';
		if (text[i] == '\\')
			fputs("\\e", to);
		else if (text[i] == '-')
			fputs("\\-", to);
		else
			fputc(text[i], to);
	}
}

static void man_str(FILE *to, const char *text)
{
	man_text(to, text, strlen(text), true);
}

static void man_description(FILE *to, const char *text)
{
	bool in_example = false;

	while (*text) {
		size_t len = strcspn(text, "\n");
		bool kept = *text == ' ' || *text == '\t';

		if (kept != in_example && len) {
			fputs(kept ? ".nf\n" : ".fi\n", to);
			in_example = kept;
		}
		if (!len)
			fputs(".PP\n", to);
		else
			man_text(to, text, len, true);
		if (len)
			fputc('\n', to);
		text += len + (text[len] == '\n');
	}
	if (in_example)
		fputs(".fi\n", to);
}

static void man_option(FILE *to, const struct cmd_option *o)
{
	const char *arg = o->arg_name ? o->arg_name : "ARG";

	fputs(".TP\n", to);
	if (o->letter)
		fprintf(to, "\\fB\\-%c\\fR%s", o->letter, o->name ? ", " : "");
	if (o->name) {
		fputs("\\fB\\-\\-", to);
		man_text(to, o->name, strlen(o->name), false);
		fputs("\\fR", to);
	}
	if (o->arg == CMD_ARG_OPTIONAL)
		fputc('[', to);
	if (o->arg != CMD_ARG_NONE) {
		fputs(o->name ? "=" : " ", to);
		fputs("\\fI", to);
		man_text(to, arg, strlen(arg), false);
		fputs("\\fR", to);
	}
	if (o->arg == CMD_ARG_OPTIONAL)
		fputc(']', to);
	fputc('\n', to);
	man_str(to, o->help);
	fputc('\n', to);
}

static void man_options(FILE *to, const struct command *command)
{
	const struct cmd_option *o = cmd_options(command);

	if (!o->id)
		return;
	fputs(".SH OPTIONS\n", to);
	for (; o->id; o++) {
		if (o->group) {
			fputs(".SS ", to);
			man_str(to, o->group);
			fputc('\n', to);
		}
		if (o->help)
			man_option(to, o);
	}
}

void man_page(const struct command *command, FILE *to)
{
	fprintf(to, ".TH SONDE-%s 1 \"\" \"sonde %s\" \"Sonde manual\"\n.SH NAME\nsonde\\-",
		command->name, SONDE_VERSION);
	man_str(to, command->name);
	fputs(" \\- ", to);
	man_str(to, command->summary);
	fprintf(to, "\n.SH SYNOPSIS\n\\fBsonde %s\\fR ", command->name);
	man_str(to, command->synopsis ? command->synopsis : "");
	fputc('\n', to);
	if (command->description) {
		fputs(".SH DESCRIPTION\n", to);
		man_description(to, command->description);
	}
	man_options(to, command);
	fputs(".SH EXIT STATUS\nSee\n.BR sonde (1).\n.SH SEE ALSO\n.BR sonde (1)\n", to);
}
