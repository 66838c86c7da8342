/* SPDX-License-Identifier: MIT */
/*
 * The first two words of a definition: what kind of probe, its name and its place. Only what is
 * wrong for every kernel is refused here; what depends on the kernel (registers, types, symbols) is
 * its own to refuse, which it does with a caret too.
 */
#include "expr/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

#define LINE_MAX_BYTES 4000u /* the kernel takes lines below 4094 bytes */
#define DIGITS	       "0123456789"

struct parser {
	struct probe *probe;
	bool (*is_module)(const char *name);
	const char *word; /* the place, in probe->text */
	struct err *err;
};

static int refuse(const struct parser *parser, const char *at, const char *message)
{
	const char *text = parser->probe->text;

	return err_caret(parser->err, -EINVAL, text, (size_t)(at - text), "%s", message);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool probe_is_definition(const char *text)
{
	const char *rest;
	size_t word;

	if (!*text || !strchr("pretf", *text))
		return false;
	rest = text + 1 + strspn(text + 1, DIGITS);
	if (is_blank(*rest))
		return true;
	if (*rest != ':')
		return false;
	rest++;
	word = strcspn(rest, " \t");
	return rest[word] || *rest == '/' || memchr(rest, ':', word);
}

/* Words with one blank between them. */
static char *normalise(struct arena *arena, const char *text)
{
	char *line = arena_strdup(arena, text), *to = line;

	for (const char *from = line; from && *from; from++) {
		if (!is_blank(*from))
			*to++ = *from;
		else if (to != line && to[-1] != ' ')
			*to++ = ' ';
	}
	if (to && to != line && to[-1] == ' ')
		to--;
	if (to)
		*to = '\0';
	return line;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A C identifier; a group may have '-' in it too. */
static bool is_name(const char *name, size_t len, bool is_group)
{
	if (!len || !(is_letter(*name) || (is_group && *name == '-')))
		return false;
	for (size_t i = 1; i < len; i++) {
		if (!is_letter(name[i]) && !is_digit(name[i]) && !(is_group && name[i] == '-'))
			return false;
	}
	return true;
}

static int set_group(struct parser *parser, const char *name, size_t len)
{
	struct probe *probe = parser->probe;

	if (!len)
		return refuse(parser, name, "Group name is not specified");
	if (len >= PROBE_NAME_BYTES)
		return refuse(parser, name, "Group name is too long");
	if (!is_name(name, len, true))
		return refuse(parser, name,
			      "Group name must follow the same rules as C identifiers");
	probe->group = arena_strndup(&probe->arena, name, len);
	return probe->group ? 0 : -ENOMEM;
}

/* [GRP/]EV, [GRP.]EV or GRP/ */
static int set_names(struct parser *parser, const char *name, size_t len)
{
	const char *slash = memchr(name, '/', len), *event = name;
	struct probe *probe = parser->probe;
	int r;

	if (!slash)
		slash = memchr(name, '.', len);
	if (slash) {
		r = set_group(parser, name, (size_t)(slash - name));
		if (r < 0)
			return r;
		event = slash + 1;
		len -= (size_t)(event - name);
		if (!len)
			return 0;
	}
	if (!len)
		return refuse(parser, name, "Event name is not specified");
	if (len >= PROBE_NAME_BYTES)
		return refuse(parser, event, "Event name is too long");
	if (!is_name(event, len, false))
		return refuse(parser, event,
			      "Event name must follow the same rules as C identifiers");
	probe->event = arena_strndup(&probe->arena, event, len);
	return probe->event ? 0 : -ENOMEM;
}

/* The letter, MAXACTIVE and names. parser->word becomes the place where that stands here too. */
static int parse_head(struct parser *parser, const char *word, size_t len)
{
	struct probe *probe = parser->probe;
	size_t digits = strspn(word + 1, DIGITS);
	const char *rest = word + 1 + digits;

	probe->letter = *word;
	probe->is_return = *word == 'r';
	if (digits && *word != 'r' && *word != 'f')
		return refuse(parser, word + 1, "Maxactive is only for function exit");
	if (digits > 9)
		return refuse(parser, word + 1, "Maxactive is too big");
	probe->maxactive = arena_strndup(&probe->arena, word + 1, digits);
	if (!probe->maxactive)
		return -ENOMEM;
	if (rest == word + len)
		return 0;
	rest++;
	len -= (size_t)(rest - word);
	if (!memchr(rest, ':', len) && *rest != '/')
		return set_names(parser, rest, len);
	parser->word = rest;
	return 0;
}

/* --- the place --- */

static int check_return(struct parser *parser, const char *percent, const char *end)
{
	if ((size_t)(end - percent) != 7 || memcmp(percent, "%return", 7) != 0)
		return refuse(parser, percent, "Invalid probed address suffix");
	if (parser->probe->letter != 'p' && parser->probe->letter != 'r' &&
	    parser->probe->letter != 'f')
		return refuse(parser, percent, "Invalid probed address suffix");
	parser->probe->is_return = true;
	return 0;
}

/* A number up to `end`, in C's notation. */
static bool parse_number(const char *text, const char *end, uint64_t *ret_number)
{
	char *stop;

	if (text == end || !is_digit(*text))
		return false;
	errno = 0;
	*ret_number = strtoull(text, &stop, 0);
	return stop == end && !errno;
}

/* (REF): where a counter lies that switches the probe on. */
static int check_counter(struct parser *parser, const char *open, const char *end)
{
	const char *close = memchr(open, ')', (size_t)(end - open));
	uint64_t ignored;

	if (!close)
		return refuse(parser, open, "Reference counter brace is not closed");
	if (close + 1 != end)
		return refuse(parser, close + 1, "Reference counter has wrong suffix");
	if (!parse_number(open + 1, close, &ignored))
		return refuse(parser, open + 1, "Invalid reference counter offset");
	return 0;
}

static const char *find(const char *text, const char *end, char c)
{
	const char *found = memchr(text, c, (size_t)(end - text));

	return found ? found : end;
}

/* FILE:OFF or FILE:SYM[+OFF], then [%return][(REF)] */
static int parse_user_place(struct parser *parser, const char *colon, const char *end)
{
	struct probe *probe = parser->probe;
	const char *where = colon + 1, *open = find(where, end, '('), *plus;
	const char *percent = find(where, open, '%');
	int r = 0;

	probe->kind = PROBE_USER;
	if (*probe->maxactive)
		return refuse(parser, probe->text + 1, "Maxactive is only for kprobes");
	if (colon == parser->word)
		return refuse(parser, colon, "Failed to find the given file");
	if (open != end)
		r = check_counter(parser, open, end);
	if (r == 0 && percent != open)
		r = check_return(parser, percent, open);
	if (r < 0)
		return r;
	probe->file = arena_strndup(&probe->arena, parser->word, (size_t)(colon - parser->word));
	probe->suffix = arena_strndup(&probe->arena, percent, (size_t)(end - percent));
	if (!probe->file || !probe->suffix)
		return -ENOMEM;
	if (where == percent)
		return refuse(parser, where, "No function or offset behind the file");
	if (is_digit(*where))
		return parse_number(where, percent, &probe->offset)
			       ? 0
			       : refuse(parser, where, "Invalid uprobe offset");
	plus = find(where, percent, '+');
	if (plus == where || (plus != percent && !parse_number(plus + 1, percent, &probe->offset)))
		return refuse(parser, plus, "Invalid uprobe offset");
	if (probe->is_return && probe->offset)
		return refuse(parser, plus, "Retprobe address must be an function entry");
	probe->symbol = arena_strndup(&probe->arena, where, (size_t)(plus - where));
	return probe->symbol ? 0 : -ENOMEM;
}

/* SYM[+OFF][%return], with MOD: in front perhaps; a number; or what the other kinds take. */
static int parse_kernel_place(struct parser *parser, const char *end)
{
	struct probe *probe = parser->probe;
	const char *word = parser->word, *percent = find(word, end, '%');
	const char *plus = find(word, percent, '+');
	uint64_t offset = 0;
	int r = percent != end ? check_return(parser, percent, end) : 0;

	if (r < 0)
		return r;
	if (word == percent || plus == word)
		return refuse(parser, word, "Invalid probed address or symbol");
	if (probe->kind == PROBE_KERNEL && plus != percent &&
	    !parse_number(plus + 1, percent, &offset))
		return refuse(parser, plus, "Invalid probed address or symbol");
	if (probe->is_return && offset)
		return refuse(parser, plus, "Retprobe address must be an function entry");
	probe->place = arena_strndup(&probe->arena, word, (size_t)(end - word));
	return probe->place ? 0 : -ENOMEM;
}

/* SYS.EVENT or SYS/EVENT */
static int parse_event_place(struct parser *parser, const char *end)
{
	const char *word = parser->word, *dot = find(word, end, '/');
	struct probe *probe = parser->probe;

	if (dot == end)
		dot = find(word, end, '.');
	if (dot == end || dot == word || dot + 1 == end)
		return refuse(parser, word, "This requires both group and event name to attach");
	probe->place = arena_strndup(&probe->arena, word, (size_t)(end - word));
	return probe->place ? 0 : -ENOMEM;
}

static const char *last_colon(const char *text, const char *end)
{
	const char *found = memrchr(text, ':', (size_t)(end - text));

	return found ? found : end;
}

/* p and r: the kernel's or a file's? */
static int parse_place(struct parser *parser, const char *end)
{
	const char *word = parser->word, *colon = last_colon(word, end);
	struct probe *probe = parser->probe;
	_cleanup_free_ char *owner = NULL;

	switch (probe->letter) {
	case 'e':
		probe->kind = PROBE_EVENT;
		return parse_event_place(parser, end);
	case 'f':
		probe->kind = PROBE_FUNCTION;
		return parse_kernel_place(parser, end);
	case 't':
		probe->kind = PROBE_TRACEPOINT;
		return parse_kernel_place(parser, end);
	default:
		probe->kind = PROBE_KERNEL;
	}
	if (colon == end && find(word, end, '/') != end)
		return refuse(parser, word,
			      "No function or offset behind the file (FILE:FUNCTION)");
	if (colon == end)
		return parse_kernel_place(parser, end);
	owner = mem_strndup(word, (size_t)(colon - word));
	if (!owner)
		return -ENOMEM;
	if (!strchr(owner, '/') && !strstr(owner, ".so") && parser->is_module(owner))
		return parse_kernel_place(parser, end);
	return parse_user_place(parser, colon, end);
}

static int check_characters(struct parser *parser)
{
	const char *text = parser->probe->text;

	if (strlen(text) > LINE_MAX_BYTES)
		return err_set(parser->err, -EINVAL,
			       "the probe definition is too long for the kernel (%zu bytes)",
			       strlen(text));
	for (const char *c = text; *c; c++) {
		if (*c == '#')
			return refuse(parser, c, "The kernel reads '#' as the start of a comment");
		if ((unsigned char)*c < ' ')
			return refuse(parser, c, "A control character");
	}
	return 0;
}

static int parse(struct parser *parser)
{
	struct probe *probe = parser->probe;
	const char *text = probe->text, *end = text + strcspn(text, " ");
	int r = check_characters(parser);

	if (r == 0)
		r = parse_head(parser, text, (size_t)(end - text));
	if (r < 0)
		return r;
	if (!parser->word) {
		if (!*end)
			return refuse(parser, end, "Nothing is probed: a place must follow");
		parser->word = end + 1;
		end = parser->word + strcspn(parser->word, " ");
	}
	r = parse_place(parser, end);
	if (r < 0)
		return r;
	probe->args = *end ? end + 1 : end;
	return probe_check_args(probe, (size_t)(probe->args - text), parser->err);
}

int probe_parse(struct probe *ret_probe, const char *text, bool (*is_module)(const char *name),
		struct err *err)
{
	struct probe probe = {.suffix = ""};
	struct parser parser = {.probe = &probe, .is_module = is_module, .err = err};
	int r = -ENOMEM;

	probe.text = normalise(&probe.arena, text);
	if (probe.text)
		r = parse(&parser);
	if (r == 0) {
		*ret_probe = probe;
		return 0;
	}
	arena_done(&probe.arena);
	return r == -ENOMEM ? err_sys(err, r, "cannot read a probe definition") : r;
}

void probe_done(struct probe *probe)
{
	arena_done(&probe->arena);
	*probe = (struct probe){0};
}

/* --- for the kernel --- */

const char *probe_default_group(enum probe_kind kind)
{
	static const char *const groups[] = {
		[PROBE_KERNEL] = "kprobes",	    [PROBE_USER] = "uprobes",
		[PROBE_EVENT] = "eprobes",	    [PROBE_FUNCTION] = "fprobes",
		[PROBE_TRACEPOINT] = "tracepoints",
	};

	return groups[kind];
}

static void user_event(const struct probe *probe, char letter, char *name, size_t size)
{
	const char *slash = strrchr(probe->file, '/');
	const char *base = slash ? slash + 1 : probe->file;
	int len = (int)strcspn(base, ".-+");

	if (!probe->symbol)
		snprintf(name, size, "%c_%.*s_0x%llx", letter, len, base,
			 (unsigned long long)probe->offset);
	else if (probe->offset)
		snprintf(name, size, "%c_%.*s_%.*s_%llu", letter, len, base,
			 (int)strcspn(probe->symbol, "@"), probe->symbol,
			 (unsigned long long)probe->offset);
	else
		snprintf(name, size, "%c_%.*s_%.*s", letter, len, base,
			 (int)strcspn(probe->symbol, "@"), probe->symbol);
}

static void kernel_event(const struct probe *probe, char letter, char *name, size_t size)
{
	int len = (int)strcspn(probe->place, "%+");
	const char *plus = strchr(probe->place, '+');

	if (is_digit(*probe->place))
		snprintf(name, size, "%c_%.*s", letter, len, probe->place);
	else
		snprintf(name, size, "%c_%.*s_%llu", letter, len, probe->place,
			 plus ? strtoull(plus + 1, NULL, 0) : 0ull);
}

void probe_default_event(const struct probe *probe, char ret_name[PROBE_NAME_BYTES])
{
	char letter = probe->is_return ? 'r' : 'p';

	switch (probe->kind) {
	case PROBE_USER:
		user_event(probe, letter, ret_name, PROBE_NAME_BYTES);
		break;
	case PROBE_KERNEL:
		kernel_event(probe, letter, ret_name, PROBE_NAME_BYTES);
		break;
	case PROBE_EVENT:
		snprintf(ret_name, PROBE_NAME_BYTES, "%s",
			 probe->place + strcspn(probe->place, "./") + 1);
		break;
	case PROBE_FUNCTION:
		snprintf(ret_name, PROBE_NAME_BYTES, "%.*s__%s",
			 (int)MIN(strcspn(probe->place, "%+"), (size_t)50), probe->place,
			 probe->is_return ? "exit" : "entry");
		break;
	case PROBE_TRACEPOINT:
		snprintf(ret_name, PROBE_NAME_BYTES, "%s", probe->place);
		break;
	}
	for (char *c = ret_name; *c; c++) {
		if (!is_letter(*c) && (!is_digit(*c) || c == ret_name))
			*c = '_';
	}
}

void probe_print(const struct probe *probe, const char *group, const char *event, const char *path,
		 uint64_t offset, struct out *out)
{
	out_printf(out, "%c%s:%s/%s ", probe->letter, probe->maxactive, group, event);
	if (probe->kind == PROBE_USER)
		out_printf(out, "%s:0x%llx%s", path, (unsigned long long)offset, probe->suffix);
	else
		out_str(out, probe->place);
	if (*probe->args) {
		out_char(out, ' ');
		out_str(out, probe->args);
	}
}
