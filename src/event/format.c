/* SPDX-License-Identifier: MIT */
/* Name, ID and fields of a format text. */
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "event/internal.h"

struct reader {
	struct lexer *lexer;
	struct event_db *db;
	struct event_impl *event;
	struct token token;
	size_t at; /* where the current token begins */
	struct event_field *fields;
	struct field_extra *extra;
	size_t nr, cap, cap_extra;
	struct err *err;
};

static enum token_type next(struct reader *r)
{
	r->at = r->lexer->pos;
	r->token = lex_next(r->lexer);
	return r->token.type;
}

/* Says what was expected, and shows the line with a caret under the place. */
static int wrong(struct reader *r, const char *expected)
{
	const char *text = r->lexer->text;
	size_t start, end, at = r->at;
	unsigned int line = 1;

	while (at < r->lexer->len && (text[at] == ' ' || text[at] == '\t'))
		at++;
	for (start = at; start > 0 && text[start - 1] != '\n'; start--)
		;
	for (end = at; end < r->lexer->len && text[end] != '\n' && end - start < 150; end++)
		;
	for (size_t i = 0; i < start; i++)
		line += text[i] == '\n';
	return err_set(r->err, -EBADMSG, "line %u of the format: expected %s\n  %.*s\n  %*s^", line,
		       expected, (int)(end - start), text + start, (int)MIN(at - start, 150u), "");
}

static int expect(struct reader *r, enum token_type type, const char *text)
{
	next(r);
	return token_is(&r->token, type, text) ? 0 : wrong(r, text);
}

/* The same, after any number of line ends. */
static int expect_item(struct reader *r, const char *text)
{
	do {
		next(r);
	} while (r->token.type == TOKEN_NEWLINE);
	return token_is(&r->token, TOKEN_ITEM, text) ? 0 : wrong(r, text);
}

static int number(struct reader *r, const char *what, uint32_t *ret_value)
{
	uint64_t value;

	if (next(r) != TOKEN_ITEM || r->token.text[0] < '0' || r->token.text[0] > '9')
		return wrong(r, what);
	value = span_u64((struct span){r->token.text, r->token.len});
	if (value > UINT32_MAX / 2)
		return wrong(r, "a smaller number");
	*ret_value = (uint32_t)value;
	return 0;
}

/* `key:NUMBER;` */
static int keyed_number(struct reader *r, const char *key, uint32_t *ret_value)
{
	int e = expect(r, TOKEN_ITEM, key);

	if (!e)
		e = expect(r, TOKEN_OP, ":");
	if (!e)
		e = number(r, "a number", ret_value);
	return e ? e : expect(r, TOKEN_OP, ";");
}

/* A text that grows; fields have a few words. */
struct words {
	char text[512];
	size_t len;
	bool full;
};

static void add_word(struct words *words, const char *delim, const char *text, size_t len)
{
	size_t delim_len = strlen(delim);

	if (delim_len + len >= sizeof(words->text) - words->len) {
		words->full = true;
		return;
	}
	memcpy(words->text + words->len, delim, delim_len);
	memcpy(words->text + words->len + delim_len, text, len);
	words->len += delim_len + len;
	words->text[words->len] = '\0';
}

struct declaration {
	struct words type;
	struct token name;
	bool pointer, array;
	uint32_t array_len;
	struct token elem; /* the type's last word in `type [] name`, for the size of an element */
};

/* `__attribute__((...))`: part of the type, of no meaning here. */
static void attribute(struct reader *r, struct declaration *d)
{
	int depth = 1;

	add_word(&d->type, " ", "__attribute__(", 14);
	while (depth && next(r) != TOKEN_NONE) {
		if (token_is(&r->token, TOKEN_DELIM, "("))
			depth++;
		else if (token_is(&r->token, TOKEN_DELIM, ")"))
			depth--;
		add_word(&d->type, "", r->token.text, r->token.len);
	}
	next(r);
}

/* Words of the type; the last one is the name. Leaves the token behind it current. */
static int type_and_name(struct reader *r, struct declaration *d)
{
	bool have_name = true;

	if (next(r) != TOKEN_ITEM)
		return wrong(r, "a type");
	d->name = r->token;
	next(r);
	for (;;) {
		bool star = token_is(&r->token, TOKEN_OP, "*");
		bool dot = r->event->is_ftrace && token_is(&r->token, TOKEN_OP, ".");

		if (have_name && token_is(&d->name, TOKEN_ITEM, "__attribute__") &&
		    token_is(&r->token, TOKEN_DELIM, "(")) {
			attribute(r, d);
			have_name = false;
			continue;
		}
		if (r->token.type != TOKEN_ITEM && !star && !dot)
			break;
		d->pointer |= star;
		if (have_name)
			add_word(&d->type, d->type.len ? " " : "", d->name.text, d->name.len);
		d->name = r->token;
		have_name = true;
		next(r);
	}
	if (!d->type.len || !have_name)
		return wrong(r, "a type and a name");
	return 0;
}

/* `[N]` behind the name, or `type [] name`. */
static int brackets(struct reader *r, struct declaration *d)
{
	struct words text = {0};

	d->array = true;
	add_word(&text, "", "[", 1);
	while (next(r) != TOKEN_NONE && !token_is(&r->token, TOKEN_OP, "]")) {
		bool both = r->token.type == TOKEN_ITEM && text.len > 1;

		if (r->token.type == TOKEN_NEWLINE)
			return wrong(r, "]");
		add_word(&text, both ? " " : "", r->token.text, r->token.len);
		d->array_len = (uint32_t)MIN(span_u64((struct span){r->token.text, r->token.len}),
					     UINT32_MAX);
	}
	if (r->token.type == TOKEN_NONE)
		return wrong(r, "]");
	add_word(&text, "", "]", 1);
	if (next(r) == TOKEN_ITEM) {
		add_word(&d->type, " ", d->name.text, d->name.len);
		d->elem = d->name;
		d->name = r->token;
		next(r);
	}
	add_word(&d->type, "", text.text, text.len);
	d->type.full |= text.full;
	return 0;
}

/* Size of the plain types that arrays are made of; 0 for any other. */
static uint32_t plain_size(struct span name)
{
	static const struct {
		const char *name;
		uint32_t size;
	} sizes[] = {{"u8", 1},	 {"u16", 2}, {"u32", 4}, {"u64", 8}, {"s8", 1},
		     {"s16", 2}, {"s32", 4}, {"s64", 8}, {"char", 1}};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		if (span_is(name, sizes[i].name))
			return sizes[i].size;
	return 0;
}

/* The same for the types that libtraceevent does not know. */
static uint32_t other_size(struct span name, const char *type, uint8_t long_size)
{
	static const struct {
		const char *name;
		uint32_t size;
	} sizes[] = {{"__u8", 1},     {"__s8", 1},     {"bool", 1},    {"__u16", 2},
		     {"__s16", 2},    {"short", 2},    {"__u32", 4},   {"int", 4},
		     {"unsigned", 4}, {"__le32", 4},   {"__be32", 4},  {"__s32", 4},
		     {"__u64", 8},    {"__s64", 8},    {"uint8_t", 1}, {"uint16_t", 2},
		     {"uint32_t", 4}, {"uint64_t", 8}, {"__le64", 8},  {"__le16", 2}};

	if (strstr(type, "long long"))
		return 8;
	if (span_is(name, "long"))
		return long_size;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		if (span_is(name, sizes[i].name))
			return sizes[i].size;
	return 0;
}

static void set_flags(struct event_field *field, struct field_extra *extra,
		      const struct declaration *d, bool is_signed)
{
	const char *type = d->type.text;
	bool chars = strstr(type, "char");

	if (d->array)
		field->flags |= EVENT_FIELD_ARRAY;
	if (d->pointer)
		field->flags |= EVENT_FIELD_POINTER;
	if (is_signed)
		field->flags |= EVENT_FIELD_SIGNED;
	if (d->array && chars)
		field->flags |= EVENT_FIELD_STRING;
	if (d->array && (chars || strstr(type, "u8") || strstr(type, "s8")))
		extra->traits |= FIELD_CHARS;
	if (!strncmp(type, "__data_loc", 10))
		field->flags |= EVENT_FIELD_DYNAMIC;
	if (!strncmp(type, "__rel_loc", 9))
		field->flags |= EVENT_FIELD_DYNAMIC | EVENT_FIELD_RELATIVE;
	if (strstr(type, "long")) {
		extra->traits |= FIELD_WIDE;
		if (!strstr(type, "long long") && !d->pointer)
			field->flags |= EVENT_FIELD_LONG;
	}
	if ((field->flags & EVENT_FIELD_DYNAMIC) && field->size == 2) {
		field->flags |= EVENT_FIELD_STRING | EVENT_FIELD_ARRAY;
		extra->traits |= FIELD_CHARS;
	}
}

static void set_sizes(const struct event_db *db, struct event_field *field,
		      struct field_extra *extra, const struct declaration *d)
{
	struct span elem = {d->elem.text, d->elem.len};
	uint8_t long_size = db->options.long_size;

	field->elem_size = extra->elem_size = field->size;
	if (!(field->flags & (EVENT_FIELD_ARRAY | EVENT_FIELD_DYNAMIC)))
		return;
	extra->elem_size = 0;
	if (d->array_len)
		extra->elem_size = field->size / d->array_len;
	else if (field->flags & EVENT_FIELD_DYNAMIC)
		extra->elem_size = plain_size(elem);
	else if (extra->traits & FIELD_CHARS)
		extra->elem_size = 1;
	else if (extra->traits & FIELD_WIDE)
		extra->elem_size = long_size;
	field->array_len = d->array_len;
	field->elem_size = extra->elem_size;
	if (!field->elem_size)
		field->elem_size = other_size(elem, field->type, long_size);
	if (!field->elem_size && (field->flags & EVENT_FIELD_STRING))
		field->elem_size = 1;
}

static int store(struct reader *r, const struct declaration *d, uint32_t offset, uint32_t size,
		 bool is_signed, bool common)
{
	struct event_field *field;
	struct field_extra *extra;

	if (d->type.full)
		return wrong(r, "a shorter type");
	if (r->nr >= LIMIT_FIELDS)
		return wrong(r, "fewer fields");
	if (array_reserve(&r->fields, &r->cap, r->nr + 1, sizeof(*field)) ||
	    array_reserve(&r->extra, &r->cap_extra, r->nr + 1, sizeof(*extra)))
		return -ENOMEM;
	field = &r->fields[r->nr];
	extra = &r->extra[r->nr];
	*field = (struct event_field){.offset = offset, .size = size};
	*extra = (struct field_extra){0};
	field->name = arena_strndup(&r->db->arena, d->name.text, d->name.len);
	field->type = arena_strndup(&r->db->arena, d->type.text, d->type.len);
	if (!field->name || !field->type)
		return -ENOMEM;
	set_flags(field, extra, d, is_signed);
	set_sizes(r->db, field, extra, d);
	if (common)
		field->flags |= EVENT_FIELD_COMMON;
	r->nr++;
	return 0;
}

/* Behind `field`: up to and with the line's end. */
static int one_field(struct reader *r, bool common)
{
	struct declaration d = {0};
	uint32_t offset = 0, size = 0, is_signed = 0;
	int e;

	next(r);
	if (r->event->is_ftrace && token_is(&r->token, TOKEN_ITEM, "special"))
		next(r);
	if (!token_is(&r->token, TOKEN_OP, ":"))
		return wrong(r, "a colon");
	e = type_and_name(r, &d);
	if (!e && token_is(&r->token, TOKEN_OP, "["))
		e = brackets(r, &d);
	if (!e && !token_is(&r->token, TOKEN_OP, ";"))
		e = wrong(r, "a semicolon");
	if (!e)
		e = keyed_number(r, "offset", &offset);
	if (!e)
		e = keyed_number(r, "size", &size);
	if (e)
		return e;
	if (next(r) != TOKEN_NEWLINE) {
		if (!token_is(&r->token, TOKEN_ITEM, "signed"))
			return wrong(r, "signed");
		e = expect(r, TOKEN_OP, ":");
		if (!e)
			e = number(r, "0 or 1", &is_signed);
		if (!e)
			e = expect(r, TOKEN_OP, ";");
		if (!e && next(r) != TOKEN_NEWLINE)
			e = wrong(r, "the line's end");
		if (e)
			return e;
	}
	return store(r, &d, offset, size, is_signed, common);
}

/* Lines up to an empty one. */
static int fields(struct reader *r, bool common)
{
	for (;;) {
		int e;

		if (next(r) == TOKEN_NEWLINE)
			return 0;
		if (!token_is(&r->token, TOKEN_ITEM, "field"))
			return wrong(r, "field");
		e = one_field(r, common);
		if (e)
			return e;
	}
}

static int head(struct reader *r)
{
	uint32_t id = 0;
	int e = expect(r, TOKEN_ITEM, "name");

	if (!e)
		e = expect(r, TOKEN_OP, ":");
	if (e)
		return e;
	if (next(r) != TOKEN_ITEM || r->token.len > LIMIT_STRING_BYTES)
		return wrong(r, "the event's name");
	r->event->pub.name = arena_strndup(&r->db->arena, r->token.text, r->token.len);
	r->event->pub.name_len = (uint32_t)r->token.len;
	if (!r->event->pub.name)
		return -ENOMEM;
	r->event->is_bprint = r->event->is_ftrace && !strcmp(r->event->pub.name, "bprint");
	e = expect_item(r, "ID");
	if (!e)
		e = expect(r, TOKEN_OP, ":");
	if (!e)
		e = number(r, "the event's number", &id);
	if (!e && id > UINT16_MAX)
		e = wrong(r, "a number below 65536");
	if (e)
		return e;
	r->event->pub.id = (uint16_t)id;
	e = expect_item(r, "format");
	if (!e)
		e = expect(r, TOKEN_OP, ":");
	if (!e && next(r) != TOKEN_NEWLINE)
		e = wrong(r, "the line's end");
	return e;
}

static int read_all(struct reader *r)
{
	int e = head(r);

	if (!e)
		e = fields(r, true);
	if (e)
		return e;
	r->event->pub.nr_common = (uint32_t)r->nr;
	return fields(r, false);
}

int format_parse_fields(struct event_db *db, struct event_impl *event, struct lexer *lexer,
			struct err *err)
{
	struct reader r = {.lexer = lexer, .db = db, .event = event, .err = err};
	int e = read_all(&r);

	if (!e) {
		event->pub.nr_fields = (uint32_t)r.nr;
		event->pub.fields = arena_dup(&db->arena, r.fields, r.nr * sizeof(*r.fields));
		event->extra = arena_dup(&db->arena, r.extra, r.nr * sizeof(*r.extra));
		event->seen_binary = arena_alloc(&db->arena, r.nr);
		if (!event->pub.fields || !event->extra || !event->seen_binary)
			e = -ENOMEM;
	}
	mem_free(r.fields);
	mem_free(r.extra);
	return e == -ENOMEM ? err_set(err, e, "out of memory") : e;
}
