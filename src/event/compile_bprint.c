/* SPDX-License-Identifier: MIT */
/*
 * trace_printk's formats. A bprint record holds the address of its format and the arguments in
 * binary; so each recorded format gets a program, and a list of how its arguments lie.
 */
#include "event/compile.h"

#include <string.h>

#include "base/mem.h"

struct bprint_scan {
	uint8_t kinds[BPRINT_MAX_ARGS];
	uint32_t nr;
	uint8_t word; /* BPRINT_4 or BPRINT_8: a long */
};

static bool bprint_add(struct bprint_scan *scan, uint8_t kind)
{
	if (scan->nr >= BPRINT_MAX_ARGS)
		return false;
	scan->kinds[scan->nr++] = kind;
	return true;
}

/*
 * One conversion of a trace_printk format, `at` being behind its %; returns where it ends. 3.1 does
 * not know '-', 'h' and 'c' here, and then finds no argument.
 */
static size_t bprint_conversion(struct bprint_scan *scan, struct span format, size_t at, bool exact)
{
	int longs = 0;

	for (; at < format.len; at++) {
		char ch = format.p[at];
		char next = letter_at(format, at + 1);

		if (ch == 'l') {
			longs++;
		} else if (ch == 'L') {
			longs = 2;
		} else if (ch == 'z' || ch == 'Z') {
			longs = 1;
		} else if (ch == '*') {
			bprint_add(scan, BPRINT_4);
		} else if (ch == 's') {
			bprint_add(scan, BPRINT_STRING);
			return at;
		} else if (ch == 'p') {
			size_t alnum = (next >= '0' && next <= '9') ||
				       (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z');
			bool either =
				alnum && !strchr("sSx", next) &&
				((next != 'f' && next != 'F') || letter_at(format, at + 2) == 'w');

			bprint_add(scan,
				   either ? (uint8_t)(scan->word + BPRINT_EITHER_4) : scan->word);
			return alnum ? at + 1 : at;
		} else if (ch && strchr("duixXo", ch)) {
			bprint_add(scan, longs == 0   ? BPRINT_4
					 : longs == 1 ? scan->word
						      : BPRINT_8);
			return at;
		} else if (!exact && ch == 'c') {
			bprint_add(scan, BPRINT_4);
			return at;
		} else if (!(ch >= '0' && ch <= '9') && ch != '.' && ch != '#' && ch != '+' &&
			   (exact || !strchr("-h ", ch))) {
			return at;
		}
	}
	return at;
}

struct event_program *compile_bprint(struct parser *p, struct span printk, bool exact)
{
	struct compiler c = {.db = p->db, .event = &p->event->pub, .parser = p, .exact = exact};
	struct bprint_scan scan = {.kinds = {BPRINT_8}, .nr = 1};
	struct node *args = NULL, **list = &args;
	struct event_program *program;
	char *format = compile_alloc(&c, printk.len + 5);

	if (!format)
		return NULL;
	scan.word = p->db->options.long_size == 4 ? BPRINT_4 : BPRINT_8;
	for (size_t at = 0; at < printk.len; at++)
		if (printk.p[at] == '%')
			at = bprint_conversion(&scan, printk, at + 1, exact);
	for (uint32_t i = 0; i < scan.nr; i++, list = &(*list)->next) {
		*list = parse_node(p);
		if (!*list)
			return NULL;
		**list = (struct node){.type = NODE_ATOM, .bprint = i + 1};
	}
	memcpy(format, "%ps: ", 5);
	memcpy(format + 5, printk.p, printk.len);
	if (!compile_format(&c, (struct span){format, printk.len + 5}, args))
		return NULL;
	program = compile_finish(&c);
	if (!program)
		return NULL;
	program->nr_bprint_args = scan.nr;
	program->bprint_args = arena_dup(&p->db->arena, scan.kinds, scan.nr);
	return program->bprint_args ? program : NULL;
}
