/* SPDX-License-Identifier: MIT */
/*
 * Probes of the user's own, in the kernel's words for uprobes: p[:[GRP/]EV] FILE:SYMBOL[+OFF]
 * [NAME=FETCH[:TYPE]]..., and r for where the function has returned. The kernel's parser has seen
 * to their shape (expr/probe.h); here is what the words mean, and what can be done without the
 * kernel.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/mem.h"
#include "program/probes_private.h"
#include "symbol/elf.h"
#include "symbol/locate.h"

#define RAX 0u
#define RSP 4u

struct parser {
	const struct probe *probe;
	const char *at, *end; /* of the argument */
	struct probe_field *field;
	struct err *err;
};

static int refuse(const struct parser *parser, const char *at, const char *message)
{
	return err_caret(parser->err, -ENOTSUP, parser->probe->text,
			 (size_t)(at - parser->probe->text), "%s", message);
}

/* --- places --- */

static bool no_module(const char *name)
{
	(void)name;
	return false;
}

static int find_place(struct probe_wanted *wanted, const struct probe *probe, struct err *err)
{
	struct stat st;
	int r = symbol_locate(probe->file, NULL, &wanted->path, err);

	if (r < 0)
		return r;
	r = io_stat(wanted->path, &st);
	if (r < 0)
		return err_sys(err, r, "%s", wanted->path);
	wanted->dev = st.st_dev;
	wanted->inode = st.st_ino;
	wanted->offset = probe->offset;
	if (!probe->symbol)
		return 0;
	return symbol_function_place(wanted->path, probe->symbol, probe->offset, &wanted->offset,
				     err);
}

/* --- values --- */

static bool take_word(struct parser *parser, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(parser->end - parser->at) < len || strncmp(parser->at, word, len) != 0)
		return false;
	parser->at += len;
	return true;
}

static bool take_number(struct parser *parser, int64_t *ret)
{
	char *stop;

	if (parser->at >= parser->end || *parser->at < '0' || *parser->at > '9')
		return false;
	*ret = (int64_t)strtoull(parser->at, &stop, 0);
	parser->at = stop;
	return true;
}

/* %di, %r8, %ip is none: the kernel's names of registers, without r in front of the eight old. */
static int take_register(struct parser *parser)
{
	static const char *const names[] = {"ax", "cx", "dx",  "bx",  "sp",  "bp",  "si",  "di",
					    "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
	const char *name = parser->at + 1;
	size_t len = strcspn(name, ":) ");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strlen(names[i]) == len && !strncmp(names[i], name, len)) {
			parser->field->fetch.reg = (uint8_t)i;
			parser->at = name + len;
			return 0;
		}
	}
	return refuse(parser, parser->at, "Not a register that can be had here: %ax to %r15");
}

/* What is on the stack: the word `index` above its pointer. */
static void take_stack(struct parser *parser, int64_t index)
{
	parser->field->fetch.reg = RSP;
	parser->field->fetch.derefs[parser->field->fetch.nr_derefs++] = index * 8;
}

/* $argN at a function's entry, $retval when it has returned, $stack, $stackN */
static int take_variable(struct parser *parser)
{
	static const uint8_t registers[] = {7, 6, 2, 1, 8, 9};
	const char *start = parser->at;
	int64_t number;

	if (take_word(parser, "$arg") && take_number(parser, &number) && number >= 1) {
		if (parser->probe->offset || !parser->probe->symbol || parser->probe->is_return)
			return refuse(parser, start,
				      "$arg is known at a function's entry only, where p: records "
				      "it");
		if (number <= (int64_t)ARRAY_SIZE(registers))
			parser->field->fetch.reg = registers[number - 1];
		else /* behind the return address */
			take_stack(parser, number - (int64_t)ARRAY_SIZE(registers));
		return 0;
	}
	parser->at = start;
	if (take_word(parser, "$retval")) {
		if (!parser->probe->is_return)
			return refuse(parser, start,
				      "$retval is known when a function has returned, where r: "
				      "records it");
		parser->field->fetch.reg = RAX;
		return 0;
	}
	if (take_word(parser, "$stack")) {
		parser->field->fetch.reg = RSP;
		if (take_number(parser, &number))
			take_stack(parser, number);
		return 0;
	}
	return refuse(parser, start,
		      "Not a value that can be had here: $argN, $retval, $stack, $stackN, "
		      "%REGISTER");
}

static int take_fetch(struct parser *parser)
{
	struct program_probe_arg *fetch = &parser->field->fetch;
	int64_t offsets[PROGRAM_DEREFS_MAX];
	size_t nr = 0;
	int r;

	while (parser->at < parser->end && (*parser->at == '+' || *parser->at == '-')) {
		bool minus = *parser->at++ == '-';

		if (nr + 1 == PROGRAM_DEREFS_MAX)
			return refuse(parser, parser->at, "Dereference is too much nested");
		parser->at += *parser->at == 'u'; /* all memory is the program's */
		if (!take_number(parser, &offsets[nr]) || *parser->at != '(')
			return refuse(parser, parser->at, "Invalid dereference offset");
		offsets[nr] = minus ? -offsets[nr] : offsets[nr];
		nr++;
		parser->at++;
	}
	fetch->start = PROGRAM_START_REGISTER;
	if (*parser->at == '%') {
		r = take_register(parser);
	} else if (*parser->at == '\\' && parser->at[1] != '"') {
		bool minus = *++parser->at == '-';

		parser->at += minus;
		fetch->start = PROGRAM_START_CONSTANT;
		r = take_number(parser, &fetch->number) ? 0 : -1;
		fetch->number = minus ? -fetch->number : fetch->number;
		if (r < 0)
			r = refuse(parser, parser->at, "Not a number");
	} else {
		r = take_variable(parser);
	}
	/* The innermost first. */
	for (; nr && r == 0; nr--) {
		fetch->derefs[fetch->nr_derefs++] = offsets[nr - 1];
		if (*parser->at++ != ')')
			return refuse(parser, parser->at - 1, "Dereference brace is not closed");
	}
	return r;
}

/* :TYPE; the kernel's default is x64. */
static int take_type(struct parser *parser)
{
	struct probe_field *field = parser->field;
	const char *type = parser->at + 1;
	size_t len = (size_t)(parser->end - type);
	int64_t bits = 0;

	field->letter = 'x';
	field->fetch.size = 8;
	if (parser->at == parser->end)
		return 0;
	if ((len == 6 && !strncmp(type, "string", 6)) ||
	    (len == 7 && !strncmp(type, "ustring", 7))) {
		if (!field->fetch.nr_derefs)
			return refuse(parser, type, "A string is in memory: +0(...):string");
		field->letter = 't';
		field->fetch.size = 0;
		return 0;
	}
	parser->at = type + 1;
	if (!strchr("usx", *type) || !take_number(parser, &bits) || parser->at != parser->end ||
	    (bits != 8 && bits != 16 && bits != 32 && bits != 64))
		return refuse(parser, type,
			      "Not a type that can be had here: u8 to u64, s8 to s64, x8 to x64, "
			      "string");
	field->letter = *type;
	field->fetch.size = (uint8_t)(bits / 8);
	field->fetch.is_signed = *type == 's';
	return 0;
}

static int take_arg(struct parser *parser, size_t number)
{
	const char *equal = memchr(parser->at, '=', (size_t)(parser->end - parser->at));
	int r;

	*parser->field =
		(struct probe_field){.fetch.index = PROGRAM_NO_REGISTER, .fetch.reg_size = 8};
	if (equal)
		snprintf(parser->field->name, sizeof(parser->field->name), "%.*s",
			 (int)(equal - parser->at), parser->at);
	else
		snprintf(parser->field->name, sizeof(parser->field->name), "arg%zu", number);
	parser->at = equal ? equal + 1 : parser->at;
	r = take_fetch(parser);
	if (r == 0 && parser->at != parser->end && *parser->at != ':')
		r = refuse(parser, parser->at, "Not understood");
	return r < 0 ? r : take_type(parser);
}

static int take_args(struct probe_wanted *wanted, const struct probe *probe, struct err *err)
{
	const char *at = probe->args;
	int r = 0;

	while (*at && r == 0) {
		struct parser parser = {.probe = probe, .at = at, .err = err};

		parser.end = at + strcspn(at, " ");
		if (wanted->nr_fields == PROGRAM_PROBE_ARGS_MAX)
			return refuse(&parser, at, "Too many arguments are specified");
		parser.field = &wanted->fields[wanted->nr_fields++];
		at = parser.end + (*parser.end == ' ');
		r = take_arg(&parser, wanted->nr_fields);
	}
	return r;
}

/* --- a definition --- */

static int check(const struct probe *probe, struct err *err)
{
	const struct parser parser = {.probe = probe, .err = err};

	if (probe->kind != PROBE_USER)
		return refuse(&parser, probe->text,
			      "in a program there are probes of files: p:NAME FILE:FUNCTION; the "
			      "kernel's are made as root, with --in kernel");
	if (*probe->suffix && strcmp(probe->suffix, "%return") != 0)
		return refuse(&parser, probe->text + strcspn(probe->text, "("),
			      "a semaphore is raised for usdt:PROVIDER:NAME only");
	return 0;
}

int probe_define(struct probe_wanted *wanted, const char *text, struct err *err)
{
	struct probe probe;
	int r = probe_parse(&probe, text, no_module, err);

	if (r < 0)
		return r;
	r = check(&probe, err);
	if (r == 0)
		r = find_place(wanted, &probe, err);
	if (r == 0)
		r = take_args(wanted, &probe, err);
	if (r == 0) {
		wanted->is_return = probe.is_return;
		snprintf(wanted->group, sizeof(wanted->group), "%s",
			 probe.group ? probe.group : probe_default_group(PROBE_USER));
		if (probe.event)
			snprintf(wanted->event, sizeof(wanted->event), "%s", probe.event);
		else
			probe_default_event(&probe, wanted->event);
	}
	probe_done(&probe);
	return r;
}
