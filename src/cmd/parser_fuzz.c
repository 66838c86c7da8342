/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target of the option parser: the input is NUL-separated words, the first byte picks a
 * command of the table and the way to parse. Whatever the words are, every one must come out
 * exactly once: as an option, as its argument, as an operand or as what is left.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/cmd.h"

#define MAX_WORDS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct command *pick(unsigned int number)
{
	unsigned int nr = 1; /* the table is never empty */

	while (commands[nr])
		nr++;
	return commands[number % nr];
}

/* Splits at NUL; a word past the last NUL gets the one behind the copy. */
static int split_words(char *text, size_t size, char *argv[MAX_WORDS + 1])
{
	int argc = 0;

	argv[argc++] = (char *)(uintptr_t) "command";
	for (size_t at = 0; at < size && argc < MAX_WORDS; at += strlen(text + at) + 1)
		argv[argc++] = text + at;
	argv[argc] = NULL;
	return argc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL;
	char *argv[MAX_WORDS + 1];
	struct cmd_parser parser;
	int argc, id, steps = 0;

	if (!size)
		return 0;
	text = mem_strndup((const char *)data + 1, size - 1);
	if (!text)
		return 0;
	argc = split_words(text, size - 1, argv);
	cmd_wants_help(pick(data[0] >> 1), argc, argv);
	cmd_parser_init(&parser, pick(data[0] >> 1), argc, argv);
	parser.want_operands = data[0] & 1;
	parser.quiet = true;
	while ((id = cmd_next(&parser)) && id != -1) {
		if (parser.arg && strlen(parser.arg) > size)
			abort();
		/* An option takes at least one byte, an operand one word. */
		if (++steps > (int)size + MAX_WORDS)
			abort();
	}
	if (!id && (parser.first < 1 || parser.first > argc))
		abort();
	for (int i = 1; i < argc; i++) {
		if (!argv[i])
			abort();
	}
	return 0;
}
