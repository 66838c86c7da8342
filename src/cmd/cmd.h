/* SPDX-License-Identifier: MIT */
/*
 * The command table and the option parser. Every sub-command is one row: its name, what it does,
 * what it needs, its options. `--help`, the manual's synopsis and shell completion come from the
 * same rows, so they cannot disagree. Only this folder prints or exits.
 */
#ifndef SONDE_CMD_CMD_H
#define SONDE_CMD_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Exit statuses (docs/man/sonde.1). */
enum {
	CMD_OK = 0,
	CMD_FAILED = 1, /* the job could not be done, or only in part: stderr says what */
	CMD_USAGE = 2,	/* unknown command or option, bad argument */
	CMD_LOSSES = 3, /* complete file, but the kernel lost events */
};

enum cmd_arg {
	CMD_ARG_NONE,
	CMD_ARG_REQUIRED,
	CMD_ARG_OPTIONAL
};

struct cmd_option {
	int id;		  /* what cmd_next returns; a letter's code where there is a letter */
	char letter;	  /* 0: long only */
	const char *name; /* long name without "--", NULL: letter only */
	enum cmd_arg arg;
	const char *arg_name; /* "FILE", "US", ... for the help */
	const char *help;  /* one line or several; NULL hides it from the help (kept for scripts) */
	const char *group; /* heading above this option in the help, NULL: as the one before */
};

struct command {
	const char *name;
	const char *alias;    /* second name, or NULL */
	const char *group;    /* record, look, system, files, ... as DESIGN section 7 */
	const char *summary;  /* one line */
	const char *synopsis; /* "[OPTIONS] [FILE...]" */
	/*
	 * Paragraphs with examples, shown by --help and in the manual. A blank line ends a
	 * paragraph, the lines of one are joined and wrapped; a line that starts with a blank is
	 * kept as it is.
	 */
	const char *description;
	const struct cmd_option *options; /* ended by id 0 */
	unsigned int needs;		  /* CMD_NEEDS_* */
	bool stop_at_operand; /* options end at the first operand (record: the command) */
	int (*run)(const struct command *command, int argc, char **argv); /* argv[0]: the command */
};

enum {
	CMD_NEEDS_TRACEFS = 1 << 0,
	CMD_NEEDS_ROOT = 1 << 1,
	CMD_NEEDS_FILE = 1 << 2,
	CMD_NEEDS_NONE_IN_PROGRAM = 1 << 3, /* neither of the first two with --in program */
	CMD_NEEDS_ONLY_IN_KERNEL = 1 << 4,  /* these two with --in kernel only */
};

/*
 * All rows, ended by a NULL; src/cmd/table.c. main ignores SIGPIPE while `run` works, so a program
 * that a command starts must get the default action back before exec.
 */
extern const struct command *const commands[];

/*
 * Option parsing. cmd_next returns the id of the next option with ->arg set, 0 at the end (operands
 * are then argv[->first .. argc-1]), or -1 after printing a usage error (return CMD_USAGE then).
 * Options and operands may be mixed unless the command says stop_at_operand; "--" ends options.
 * Long names may be shortened as long as they stay unambiguous. With ->want_operands set, operands
 * are returned where they stand (those after "--" too) as CMD_OPERAND with ->arg, and none are left
 * at the end. argv is permuted; no string of it is changed. -h and --help need no row: main shows
 * the help before the command runs (a command that uses -h for something else gives it a row).
 */
#define CMD_OPERAND (-2)
#define CMD_HELP    (-3) /* only main's look-ahead sees it */
struct cmd_parser {
	const struct command *command;
	int argc;
	char **argv;
	const char *arg;
	int first;
	bool want_operands;
	int next, letter_pos;	   /* private */
	bool only_operands, quiet; /* private */
};
void cmd_parser_init(struct cmd_parser *parser, const struct command *command, int argc,
		     char **argv);
int cmd_next(struct cmd_parser *parser);

/* The command's options, never NULL. */
const struct cmd_option *cmd_options(const struct command *command);
/* Whether the words ask for the help, before any mistake in them. Changes nothing, prints nothing.
 */
bool cmd_wants_help(const struct command *command, int argc, char **argv);

/* "sonde NAME: text" on stderr, in red on a terminal. */
void cmd_error(const struct command *command, const char *fmt, ...) _printf_(2, 3);
void cmd_warn(const struct command *command, const char *fmt, ...) _printf_(2, 3);
/* The same without colour, for what is no problem but should be known. */
void cmd_note(const struct command *command, const char *fmt, ...) _printf_(2, 3);
/* Prints err->text once; returns CMD_FAILED. */
int cmd_fail(const struct command *command, const struct err *err);
/* A usage error with a hint at --help; returns CMD_USAGE. */
int cmd_usage(const struct command *command, const char *fmt, ...) _printf_(2, 3);
/* Flush stdout; CMD_FAILED with a message when it could not be written, quiet on a broken pipe. */
int cmd_finish(const struct command *command, int status);

/* Numbers with a clear message: whole text must be a number in [min, max]. False after a message.
 */
bool cmd_parse_u64(const struct command *command, const char *option, const char *text,
		   uint64_t min, uint64_t max, uint64_t *ret_value);

bool cmd_stderr_is_tty(void);
bool cmd_stdout_colour(void); /* a terminal, and neither NO_COLOR nor TERM=dumb */

/* The help text of a command or (NULL) of sonde itself, on stdout. */
void cmd_help(const struct command *command);

#endif
