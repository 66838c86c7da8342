/* SPDX-License-Identifier: MIT */
/* The grammar of SELECT, by descent: one function a clause, one token of look-ahead. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "expr/sql_private.h"

struct parser {
	struct sql *sql;
	struct sql_token token; /* the next one */
	struct err *err;
};

static bool is_word_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("._:$", c));
}

struct sql_token sql_token_at(const char *pos)
{
	static const char pairs[][3] = {"&&", "||", "==", "!=", "<=", ">="};
	struct sql_token token = {.kind = SQL_OP, .len = 1};
	const char *end;

	pos += strspn(pos, " \t\r\n");
	token.text = pos;
	if (!*pos)
		return (struct sql_token){.text = pos};
	if (is_word_byte(*pos)) {
		token.kind = SQL_WORD;
		while (is_word_byte(pos[token.len]))
			token.len++;
	} else if (*pos == '"' || *pos == '\'') {
		token.kind = SQL_STRING;
		end = strchr(pos + 1, *pos);
		token.len = end ? (size_t)(end + 1 - pos) : strlen(pos);
	}
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (strncmp(pos, pairs[i], 2) == 0)
			token.len = 2;
	return token;
}

bool sql_token_is(const struct sql_token *token, const char *word)
{
	return token->kind == SQL_WORD && token->len == strlen(word) &&
	       strncasecmp(token->text, word, token->len) == 0;
}

bool sql_token_is_op(const struct sql_token *token, const char *op)
{
	return token->kind == SQL_OP && token->len == strlen(op) &&
	       strncmp(token->text, op, token->len) == 0;
}

bool sql_is(const char *text)
{
	struct sql_token token = sql_token_at(text);

	return sql_token_is(&token, "SELECT") && strchr(" \t\r\n(", token.text[token.len]);
}

static int refuse(const struct parser *parser, const char *what)
{
	const char *text = parser->sql->text;

	return err_caret(parser->err, -EINVAL, text, (size_t)(parser->token.text - text), "%s",
			 what);
}

static void step(struct parser *parser)
{
	parser->token = sql_token_at(parser->token.text + parser->token.len);
}

static bool take_word(struct parser *parser, const char *word)
{
	if (!sql_token_is(&parser->token, word))
		return false;
	step(parser);
	return true;
}

static bool take_op(struct parser *parser, const char *op)
{
	if (!sql_token_is_op(&parser->token, op))
		return false;
	step(parser);
	return true;
}

static bool is_keyword(const struct sql_token *token)
{
	static const char *const words[] = {"SELECT", "FROM", "JOIN", "ON",  "WHERE",
					    "AS",     "AND",  "OR",   "CAST"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (sql_token_is(token, words[i]))
			return true;
	return false;
}

static int take_field(struct parser *parser, struct sql_token *ret_token, const char *what)
{
	if (parser->token.kind != SQL_WORD || is_keyword(&parser->token))
		return refuse(parser, what);
	*ret_token = parser->token;
	step(parser);
	return 0;
}

/* A name is one word of C, so that it may be a field's or a variable's. */
static bool is_name(const struct sql_token *token)
{
	for (size_t i = 0; i < token->len; i++)
		if (strchr(".:$", token->text[i]))
			return false;
	return token->text[0] < '0' || token->text[0] > '9';
}

/* [[AS] NAME] */
static int take_name(struct parser *parser, struct sql_token *ret_name)
{
	bool as = take_word(parser, "AS");

	if (!as && (parser->token.kind != SQL_WORD || is_keyword(&parser->token)))
		return 0;
	if (parser->token.kind == SQL_WORD && !is_name(&parser->token))
		return refuse(parser, "a name has letters, digits and '_' only");
	return take_field(parser, ret_name, "a name is missing behind AS");
}

/* CAST has been read: (FIELD AS TYPE), where TYPE is what is between AS and ')'. */
static int parse_cast(struct parser *parser, struct sql_column *column)
{
	int r;

	if (!take_op(parser, "("))
		return refuse(parser, "CAST(FIELD AS TYPE): '(' is missing");
	r = take_field(parser, &column->a, "CAST(FIELD AS TYPE): FIELD is missing");
	if (r < 0)
		return r;
	if (!take_word(parser, "AS"))
		return refuse(parser, "CAST(FIELD AS TYPE): AS is missing");
	if (parser->token.kind != SQL_WORD)
		return refuse(parser, "CAST(FIELD AS TYPE): TYPE is missing");
	column->cast = parser->token;
	while (parser->token.kind != SQL_END && !sql_token_is_op(&parser->token, ")")) {
		column->cast.len =
			(size_t)(parser->token.text + parser->token.len - column->cast.text);
		step(parser);
	}
	return take_op(parser, ")") ? 0 : refuse(parser, "CAST(FIELD AS TYPE): ')' is missing");
}

static int parse_column(struct parser *parser)
{
	struct sql *sql = parser->sql;
	struct sql_column *column = &sql->columns[sql->nr_columns];
	bool open;
	int r;

	if (sql->nr_columns == ARRAY_SIZE(sql->columns))
		return refuse(parser, "too many fields");
	sql->nr_columns++;
	if (take_word(parser, "CAST")) {
		r = parse_cast(parser, column);
		return r < 0 ? r : take_name(parser, &column->name);
	}
	open = take_op(parser, "(");
	r = take_field(parser, &column->a, "a field is missing");
	if (r >= 0 &&
	    (sql_token_is_op(&parser->token, "-") || sql_token_is_op(&parser->token, "+"))) {
		column->op = parser->token.text[0];
		step(parser);
		r = take_field(parser, &column->b, "a field is missing");
	}
	if (r >= 0 && open && !take_op(parser, ")"))
		r = refuse(parser, "')' is missing");
	return r < 0 ? r : take_name(parser, &column->name);
}

static int parse_event(struct parser *parser)
{
	struct sql *sql = parser->sql;
	struct sql_event *event = &sql->events[sql->nr_events++];
	int r = take_field(parser, &event->token, "the name of an event is missing");

	if (r < 0)
		return r;
	event->name = arena_strndup(&sql->arena, event->token.text, event->token.len);
	if (!event->name)
		return err_set(parser->err, -ENOMEM, "out of memory");
	return take_name(parser, &event->alias);
}

static int parse_on(struct parser *parser)
{
	struct sql *sql = parser->sql;
	int r;

	if (!take_word(parser, "ON"))
		return refuse(parser, "ON is missing: ON START.FIELD = END.FIELD");
	do {
		if (sql->nr_on == ARRAY_SIZE(sql->on))
			return refuse(parser, "more fields are compared than a key can have");
		r = take_field(parser, &sql->on[sql->nr_on][0], "a field is missing behind ON");
		if (r < 0)
			return r;
		if (!take_op(parser, "=") && !take_op(parser, "=="))
			return refuse(parser, "'=' is missing");
		r = take_field(parser, &sql->on[sql->nr_on++][1], "a field is missing behind '='");
		if (r < 0)
			return r;
	} while (take_op(parser, ",") || take_op(parser, "&&") || take_word(parser, "AND"));
	return 0;
}

static int parse(struct parser *parser)
{
	int r;

	if (!take_word(parser, "SELECT"))
		return refuse(parser, "SELECT is missing");
	do {
		r = parse_column(parser);
		if (r < 0)
			return r;
	} while (take_op(parser, ","));
	if (!take_word(parser, "FROM"))
		return refuse(parser, "FROM is missing, or a comma");
	r = parse_event(parser);
	if (r >= 0 && take_word(parser, "JOIN")) {
		r = parse_event(parser);
		if (r >= 0)
			r = parse_on(parser);
	}
	if (r < 0)
		return r;
	if (sql_token_is(&parser->token, "WHERE"))
		parser->sql->where = parser->token.text + parser->token.len;
	else if (parser->token.kind != SQL_END)
		return refuse(parser, "JOIN, WHERE or the end is expected");
	return 0;
}

int sql_new(struct sql **ret_sql, const char *text, struct err *err)
{
	struct parser parser = {.sql = mem_zalloc(sizeof(*parser.sql)), .err = err};
	int r;

	if (parser.sql)
		parser.sql->text = mem_strdup(text);
	if (!parser.sql || !parser.sql->text) {
		sql_free(parser.sql);
		return err_set(err, -ENOMEM, "out of memory");
	}
	parser.token = sql_token_at(parser.sql->text);
	r = parse(&parser);
	if (r < 0)
		sql_free(parser.sql);
	else
		*ret_sql = parser.sql;
	return r;
}

void sql_free(struct sql *sql)
{
	if (!sql)
		return;
	arena_done(&sql->arena);
	mem_free(sql->text);
	mem_free(sql);
}

const char *sql_event(const struct sql *sql, size_t index)
{
	return index < sql->nr_events ? sql->events[index].name : NULL;
}
