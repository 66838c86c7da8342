/* SPDX-License-Identifier: MIT */
/*
 * A SELECT becomes triggers. With a JOIN the first event keeps what is wanted of it in variables,
 * under the key of ON; the second one, under its key, computes each field into a variable of the
 * field's name and hands them to the synthetic event. Variables have the synthetic event's name in
 * front, so that several SELECTs can use the same events.
 */
#include "expr/sql.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "expr/sql_private.h"

enum {
	START, /* of sql->events */
	END
};

/* A field that the text names, found. */
struct place {
	size_t side;
	const char *text;		 /* as a trigger has it */
	const struct event_field *field; /* NULL: a time or a stack */
	bool is_time, is_stack;
};

struct translation {
	const struct sql *sql;
	const struct hist_set *set;
	const char *name;
	struct arena arena;
	const struct event *events[2];
	struct out variables[2]; /* ":NAME=EXPR", of each event */
	struct out filters[2];	 /* without "if" */
	struct out fields;	 /* of the synthetic event: "TYPE NAME; " */
	struct out params;	 /* of trace(): ",$NAME" */
	struct out keys, sorts;	 /* of the view: "NAME,NAME" */
	unsigned int nr_kept, nr_keys, nr_sorts;
	struct place start_key; /* of the first event, by ON */
	struct err *err;
};

static int refuse(const struct translation *t, const struct sql_token *token, const char *what)
{
	const char *text = t->sql->text;

	return err_caret(t->err, -EINVAL, text, (size_t)(token->text - text), "%s", what);
}

/* The bytes of `prefix` and a dot are in front: the length of both, else 0. */
static size_t skip_prefix(const struct sql_token *token, const char *prefix, size_t len)
{
	return len && token->len > len + 1 && strncmp(token->text, prefix, len) == 0 &&
			       token->text[len] == '.'
		       ? len + 1
		       : 0;
}

/* How much of a field's text names the event of this side; 0: it is not this one. */
static size_t prefix_of(const struct translation *t, const struct sql_token *token, size_t side)
{
	const struct sql_event *written = &t->sql->events[side];
	const struct event *event = t->events[side];
	size_t len = skip_prefix(token, written->alias.text, written->alias.len);
	struct sql_token rest = *token;

	if (!len)
		len = skip_prefix(token, written->token.text, written->token.len);
	if (len)
		return len;
	len = skip_prefix(token, event->system, strlen(event->system));
	rest.text += len;
	rest.len -= len;
	if (!skip_prefix(&rest, event->name, strlen(event->name)))
		return 0;
	return len + strlen(event->name) + 1;
}

static bool find_special(const char *name, struct place *place)
{
	static const struct {
		const char *name, *text;
		bool is_stack;
	} specials[] = {
		{"TIMESTAMP", "common_timestamp", false},
		{"TIMESTAMP_USECS", "common_timestamp.usecs", false},
		{"STACKTRACE", "common_stacktrace", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
		if (strcmp(name, specials[i].name) != 0)
			continue;
		place->text = specials[i].text;
		place->is_stack = specials[i].is_stack;
		place->is_time = !specials[i].is_stack;
		return true;
	}
	return false;
}

/* `in_filter`: with the words that a filter has beside fields, and a function behind a dot. */
static int find_field(const struct translation *t, const struct sql_token *token, bool in_filter,
		      struct place *ret_place)
{
	struct place place = {0};
	struct arena *arena = (struct arena *)(uintptr_t)&t->arena;
	size_t prefix = prefix_of(t, token, START);
	char *name, *dot;

	if (!prefix && t->sql->nr_events > 1) {
		place.side = END;
		prefix = prefix_of(t, token, END);
		if (!prefix)
			return refuse(t, token,
				      "of which event is the field? EVENT.FIELD, or the event's "
				      "AS name");
	}
	name = arena_strndup(arena, token->text + prefix, token->len - prefix);
	if (!name)
		return err_set(t->err, -ENOMEM, "out of memory");
	place.text = name;
	if (!(in_filter && (strcmp(name, "COMM") == 0 || strcmp(name, "CPU") == 0)) &&
	    (in_filter || !find_special(name, &place))) {
		dot = in_filter ? strchr(name, '.') : NULL;
		if (dot)
			*dot = '\0';
		place.field = event_field_find(t->events[place.side], name);
		if (!place.field)
			return refuse(t, token, "the event has no such field");
		if (dot)
			*dot = '.';
	}
	*ret_place = place;
	return 0;
}

/* --- WHERE --- */

static bool is_and(const struct sql_token *token)
{
	return sql_token_is_op(token, "&&") || sql_token_is(token, "AND");
}

static bool is_or(const struct sql_token *token)
{
	return sql_token_is_op(token, "||") || sql_token_is(token, "OR");
}

/* Behind these a field comes; behind others, what it is compared with. */
static bool is_before_field(const struct sql_token *token)
{
	return is_and(token) || is_or(token) || sql_token_is_op(token, "(") ||
	       sql_token_is_op(token, "!");
}

/* A part is about one event: its text, with the fields' own names, goes to that one's filter. */
static int add_part(struct translation *t, const char *from, const char *to)
{
	_cleanup_out_ struct out text = {0};
	const char *copied = from;
	bool field_next = true;
	size_t side = SIZE_MAX;
	struct place place;
	int r;

	for (struct sql_token token = sql_token_at(from); token.text < to;
	     token = sql_token_at(token.text + token.len)) {
		const char *instead = is_and(&token) ? "&&" : is_or(&token) ? "||" : NULL;

		if (sql_token_is_op(&token, "="))
			instead = "==";
		if (field_next && token.kind == SQL_WORD) {
			r = find_field(t, &token, true, &place);
			if (r < 0)
				return r;
			if (side != SIZE_MAX && side != place.side)
				return refuse(t, &token,
					      "what is not joined by && at the outside is of one "
					      "event");
			side = place.side;
			instead = place.text;
		}
		field_next = is_before_field(&token);
		if (!instead)
			continue;
		out_mem(&text, copied, (size_t)(token.text - copied));
		out_str(&text, instead);
		copied = token.text + token.len;
	}
	if (side == SIZE_MAX)
		return err_caret(t->err, -EINVAL, t->sql->text, (size_t)(from - t->sql->text),
				 "a comparison of a field is missing");
	out_mem(&text, copied, (size_t)(to - copied));
	while (text.len && strchr(" \t\r\n", text.buf[text.len - 1]))
		text.len--;
	if (t->filters[side].len)
		out_lit(&t->filters[side], " && ");
	from = out_cstr(&text);
	out_str(&t->filters[side], from + strspn(from, " \t\r\n"));
	return 0;
}

/* Cut at each && outside of parentheses, unless there is an || as well, which binds less. */
static int add_filter(struct translation *t)
{
	const char *from = t->sql->where;
	struct sql_token token;
	unsigned int depth = 0;
	bool whole = false;
	int r = 0;

	for (token = sql_token_at(from); token.kind != SQL_END;
	     token = sql_token_at(token.text + token.len)) {
		depth += sql_token_is_op(&token, "(");
		depth -= depth && sql_token_is_op(&token, ")");
		whole |= !depth && is_or(&token);
	}
	for (token = sql_token_at(from); r >= 0; token = sql_token_at(token.text + token.len)) {
		depth += sql_token_is_op(&token, "(");
		depth -= depth && sql_token_is_op(&token, ")");
		if (token.kind != SQL_END && (whole || depth || !is_and(&token)))
			continue;
		r = add_part(t, from, token.text);
		if (token.kind == SQL_END)
			break;
		from = token.text + token.len;
	}
	return r;
}

/* --- a histogram --- */

/* The modifier of a TYPE; NULL: it counts. */
static const char *modifier_of(const struct sql_token *cast, char *buf, size_t size)
{
	static const char *const same[][2] = {
		{"COMM", "execname"},
		{"LOG", "log2"},
	};
	size_t len = MIN(cast->len, size - 1);

	if (sql_token_is(cast, "COUNTER") || sql_token_is(cast, "_COUNTER_"))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		if (sql_token_is(cast, same[i][0]))
			return same[i][1];
	for (size_t i = 0; i < len; i++)
		buf[i] = (char)(cast->text[i] >= 'A' && cast->text[i] <= 'Z' ? cast->text[i] + 32
									     : cast->text[i]);
	buf[len] = '\0';
	return buf;
}

static int add_histogram_column(struct translation *t, const struct sql_column *column,
				struct out *keys, struct out *vals)
{
	const char *modifier = "";
	struct place place;
	struct out *out = keys;
	char buf[64];
	int r;

	if (column->op)
		return refuse(t, &column->b, "without a JOIN there is no arithmetic");
	if (column->name.len)
		return refuse(t, &column->name, "without a JOIN fields keep their names");
	r = find_field(t, &column->a, false, &place);
	if (r < 0)
		return r;
	if (column->cast.len)
		modifier = modifier_of(&column->cast, buf, sizeof(buf));
	if (!modifier)
		out = vals;
	if (out->len)
		out_char(out, ',');
	/* As a key it has had this name in all kernels. */
	out_str(out, place.is_stack ? "stacktrace" : place.text);
	if (modifier && *modifier)
		out_printf(out, ".%s", modifier);
	return 0;
}

static void end_trigger(struct translation *t, size_t side, struct sql_texts *texts)
{
	struct out *out = &texts->triggers[side].text;

	texts->triggers[side].event = t->events[side];
	texts->nr_triggers = side + 1;
	if (t->filters[side].len)
		out_printf(out, " if %s", out_cstr(&t->filters[side]));
}

static int make_histogram(struct translation *t, struct sql_texts *texts)
{
	_cleanup_out_ struct out keys = {0}, vals = {0};
	struct out *out = &texts->triggers[START].text;
	int r = 0;

	for (size_t i = 0; i < t->sql->nr_columns && r >= 0; i++)
		r = add_histogram_column(t, &t->sql->columns[i], &keys, &vals);
	if (r < 0)
		return r;
	if (!keys.len)
		return refuse(t, &t->sql->columns[0].a,
			      "a histogram needs a key: a field that is no COUNTER");
	out_printf(out, "hist:keys=%s", out_cstr(&keys));
	if (vals.len)
		out_printf(out, ":vals=%s", out_cstr(&vals));
	end_trigger(t, START, texts);
	return 0;
}

/* --- a synthetic event --- */

/* A field of the first event is kept there in a variable; of the second it is itself. */
static void put_operand(struct translation *t, const struct place *place, struct out *out)
{
	if (place->side == END) {
		out_str(out, place->text);
		return;
	}
	out_printf(&t->variables[START], ":__%s_%u=%s", t->name, ++t->nr_kept, place->text);
	out_printf(out, "$__%s_%u", t->name, t->nr_kept);
}

static void put_field_type(const struct place *place, const char *name, struct out *out)
{
	const struct event_field *field = place->field;

	if (place->is_time)
		out_printf(out, " u64 %s;", name);
	else if (place->is_stack)
		out_printf(out, " unsigned long %s[];", name);
	else if (!(field->flags & EVENT_FIELD_STRING))
		out_printf(out, " %c%u %s;", field->flags & EVENT_FIELD_SIGNED ? 's' : 'u',
			   field->size * 8, name);
	else if (field->flags & (EVENT_FIELD_DYNAMIC | EVENT_FIELD_RELATIVE))
		out_printf(out, " char %s[];", name);
	else
		out_printf(out, " char %s[%u];", name, field->size);
}

static int check_name(const struct translation *t, size_t index, const struct sql_token *name)
{
	for (size_t i = 0; i < index; i++) {
		const struct sql_column *other = &t->sql->columns[i];
		const struct sql_token *token = other->name.len ? &other->name : &other->a;
		size_t at = token->len;

		while (!other->name.len && at && token->text[at - 1] != '.')
			at--;
		if (other->name.len)
			at = 0;
		if (token->len - at == name->len &&
		    strncmp(token->text + at, name->text, name->len) == 0)
			return refuse(t, name, "two fields would have this name: give one by AS");
	}
	return 0;
}

/* The name of a column: that of AS, or of the field itself. */
static int find_name(const struct translation *t, size_t index, const char **ret_name)
{
	const struct sql_column *column = &t->sql->columns[index];
	struct sql_token name = column->name;
	const char *copy;
	int r;

	if (!name.len) {
		name = column->a;
		while (name.len && memchr(name.text, '.', name.len)) {
			name.text++;
			name.len--;
		}
	}
	r = check_name(t, index, &name);
	if (r < 0)
		return r;
	copy = arena_strndup((struct arena *)(uintptr_t)&t->arena, name.text, name.len);
	if (!copy)
		return err_set(t->err, -ENOMEM, "out of memory");
	*ret_name = copy;
	return 0;
}

/* TIMESTAMP_DELTA and TIMESTAMP_DELTA_USECS */
static bool is_delta(const struct sql_column *column, const char **ret_time)
{
	bool usecs = sql_token_is(&column->a, "TIMESTAMP_DELTA_USECS");

	if (!usecs && !sql_token_is(&column->a, "TIMESTAMP_DELTA"))
		return false;
	*ret_time = usecs ? "common_timestamp.usecs" : "common_timestamp";
	return true;
}

/* The operands of a column; *ret_op as in sql_column. */
static int find_operands(const struct translation *t, const struct sql_column *column,
			 struct place *a, struct place *b, char *ret_op)
{
	const char *time;
	int r;

	*ret_op = column->op;
	if (!column->op && is_delta(column, &time)) {
		*a = (struct place){.side = END, .text = time, .is_time = true};
		*b = (struct place){.side = START, .text = time, .is_time = true};
		*ret_op = '-';
	} else {
		r = find_field(t, &column->a, false, a);
		if (r >= 0 && column->op)
			r = find_field(t, &column->b, false, b);
		if (r < 0)
			return r;
	}
	return *ret_op && !column->name.len
		       ? refuse(t, &column->a, "what is computed needs a name: AS NAME")
		       : 0;
}

static int add_column(struct translation *t, size_t index)
{
	const struct sql_column *column = &t->sql->columns[index];
	struct out *out = &t->variables[END];
	struct place a, b = {0};
	const char *name = NULL;
	char op = 0;
	int r;

	if (column->cast.len)
		return refuse(t, &column->cast, "CAST is for histograms, without a JOIN");
	r = find_operands(t, column, &a, &b, &op);
	if (r >= 0)
		r = find_name(t, index, &name);
	if (r < 0)
		return r;
	put_field_type(&a, name, &t->fields);
	out_printf(&t->params, ",$__%s_%s", t->name, name);
	if (!a.is_stack && t->nr_keys < HIST_KEYS && t->nr_sorts++ < HIST_SORTS)
		out_printf(&t->sorts, "%s%s", t->sorts.len ? "," : "", name);
	if (t->nr_keys++ < HIST_KEYS)
		out_printf(&t->keys, "%s%s%s", t->keys.len ? "," : "", name,
			   a.is_time	? ".log2"
			   : a.is_stack ? ".stacktrace"
					: "");
	out_printf(out, ":__%s_%s=", t->name, name);
	put_operand(t, &a, out);
	if (op) {
		out_char(out, op);
		put_operand(t, &b, out);
	}
	return 0;
}

static int add_keys(struct translation *t, struct sql_texts *texts)
{
	for (size_t i = 0; i < t->sql->nr_on; i++) {
		const struct sql_token *tokens = t->sql->on[i];
		struct place a, b;
		int r = find_field(t, &tokens[0], false, &a);

		if (r >= 0)
			r = find_field(t, &tokens[1], false, &b);
		if (r < 0)
			return r;
		if (a.side == b.side)
			return refuse(t, &tokens[1], "ON compares fields of the two events");
		if (!a.field || !b.field)
			return refuse(t, &tokens[a.field != NULL], "this can be no key");
		if (a.field->size != b.field->size)
			return refuse(t, &tokens[1], "the fields have different sizes");
		t->start_key = a.side == START ? a : b;
		out_printf(&texts->triggers[a.side].text, "%s%s", i ? "," : "hist:keys=", a.text);
		out_printf(&texts->triggers[b.side].text, "%s%s", i ? "," : "hist:keys=", b.text);
	}
	return 0;
}

static int make_synthetic(struct translation *t, struct sql_texts *texts)
{
	const struct event *start = t->events[START];
	int r = add_keys(t, texts);

	for (size_t i = 0; i < t->sql->nr_columns && r >= 0; i++)
		r = add_column(t, i);
	if (r < 0)
		return r;
	/* Without a variable of the first event the second would fire where none came before. */
	if (!t->nr_kept) {
		out_printf(&t->variables[END], ":__%s_0=", t->name);
		put_operand(t, &t->start_key, &t->variables[END]);
	}
	out_printf(&texts->synthetic, "%s%s", t->name, out_cstr(&t->fields));
	for (size_t side = START; side <= END; side++)
		if (t->variables[side].len)
			out_str(&texts->triggers[side].text, out_cstr(&t->variables[side]));
	out_printf(&texts->triggers[END].text, ":onmatch(%s.%s).trace(%s%s)", start->system,
		   start->name, t->name, out_cstr(&t->params));
	end_trigger(t, START, texts);
	end_trigger(t, END, texts);
	out_printf(&texts->view, "hist:keys=%s", out_cstr(&t->keys));
	if (t->sorts.len)
		out_printf(&texts->view, ":sort=%s", out_cstr(&t->sorts));
	return 0;
}

/* The kernel takes no parameter of trace() that has one byte only. */
static bool is_good_name(const char *name)
{
	static const char bytes[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	size_t len = strlen(name);

	return len >= 2 && strspn(name, bytes) == len;
}

static int translate(struct translation *t, struct sql_texts *texts)
{
	const struct sql *sql = t->sql;
	int r = 0;

	if (!is_good_name(t->name))
		return err_set(t->err, -EINVAL,
			       "'%s': a synthetic event's name has two or more of letters, digits "
			       "and '_'",
			       t->name);
	for (size_t i = 0; i < sql->nr_events; i++) {
		t->events[i] = hist_set_find_event(t->set, sql->events[i].name);
		if (!t->events[i])
			return refuse(t, &sql->events[i].token, "no such event in the recording");
	}
	if (sql->where)
		r = add_filter(t);
	if (r < 0)
		return r;
	return sql->nr_events > 1 ? make_synthetic(t, texts) : make_histogram(t, texts);
}

int sql_translate(const struct sql *sql, const struct hist_set *set, const char *name,
		  struct sql_texts *ret_texts, struct err *err)
{
	struct translation t = {.sql = sql, .set = set, .name = name, .err = err};
	struct out *outs[] = {
		&t.variables[START], &t.variables[END], &t.filters[START], &t.filters[END],
		&t.fields,	     &t.params,		&t.keys,	   &t.sorts};
	bool failed;
	int r;

	*ret_texts = (struct sql_texts){0};
	r = translate(&t, ret_texts);
	failed = ret_texts->synthetic.failed || ret_texts->view.failed ||
		 ret_texts->triggers[START].text.failed || ret_texts->triggers[END].text.failed;
	for (size_t i = 0; i < ARRAY_SIZE(outs); i++) {
		failed |= outs[i]->failed;
		out_done(outs[i]);
	}
	arena_done(&t.arena);
	return r >= 0 && failed ? err_set(err, -ENOMEM, "out of memory") : r;
}

void sql_texts_done(struct sql_texts *texts)
{
	out_done(&texts->synthetic);
	out_done(&texts->view);
	for (size_t i = 0; i < ARRAY_SIZE(texts->triggers); i++)
		out_done(&texts->triggers[i].text);
}

static void print_quoted(const char *text, struct out *out)
{
	out_char(out, '\'');
	for (; *text; text++)
		if (*text == '\'')
			out_lit(out, "'\\''");
		else
			out_char(out, *text);
	out_char(out, '\'');
}

void sql_texts_print(struct sql_texts *texts, struct out *out)
{
	_cleanup_out_ struct out synthetic = {0};

	if (texts->synthetic.len) {
		out_printf(&synthetic, "s:%s", out_cstr(&texts->synthetic));
		out_lit(out, "echo ");
		print_quoted(out_cstr(&synthetic), out);
		out_lit(out, " >> dynamic_events\n");
	}
	for (size_t i = 0; i < texts->nr_triggers; i++) {
		const struct event *event = texts->triggers[i].event;

		out_lit(out, "echo ");
		print_quoted(out_cstr(&texts->triggers[i].text), out);
		out_printf(out, " >> events/%s/%s/trigger\n", event->system, event->name);
	}
}
