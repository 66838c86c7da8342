/* SPDX-License-Identifier: MIT */
/*
 * Arguments as the assembler of x86-64 (AT&T) writes operands, each behind its size:
 *
 *   -4@%edi   8@-16(%rbp)   8@8(%rax,%rbx,4)   4@$5   -4@16+table(%rip)   8@1056(,%rax,8)
 *
 * A minus in front of the size says that the value has a sign; an f behind it that it is a
 * floating-point number.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "symbol/usdt.h"

#define RIP    16u
#define NUMBER 64u /* bytes of a text that is a number, at most */

static const char reason_float[] = "a floating-point number";
static const char reason_vector[] = "a register that is not a general one";
static const char reason_segment[] = "memory of the thread (a segment)";
static const char reason_symbol[] = "the file does not say where that variable is";
static const char reason_form[] = "not understood";

struct parser {
	const char *at, *end; /* of the operand */
	usdt_symbol_fn symbol;
	void *ctx;
	struct usdt_arg *arg;
};

static void refuse(struct parser *parser, const char *reason)
{
	parser->arg->kind = USDT_REFUSED;
	parser->arg->refused = reason;
	parser->at = parser->end;
}

/* --- registers --- */

struct named {
	uint8_t number, size, shift;
};

/* %r8 to %r15, with b, w or d behind them. */
static bool numbered_register(const char *name, size_t len, struct named *ret)
{
	unsigned int number = 0;
	size_t at = 1;

	if (name[0] != 'r')
		return false;
	for (; at < len && at < 3 && name[at] >= '0' && name[at] <= '9'; at++)
		number = number * 10 + (unsigned int)(name[at] - '0');
	if (at == 1 || number < 8 || number > 15 || len > at + 1)
		return false;
	*ret = (struct named){(uint8_t)number, 8, 0};
	if (at == len)
		return true;
	ret->size = name[at] == 'd' ? 4 : name[at] == 'w' ? 2 : 1;
	return strchr("bdwl", name[at]) != NULL;
}

static bool find_register(const char *name, size_t len, struct named *ret)
{
	/* By number; of 8, 4, 2 and 1 bytes. */
	static const char *const names[][4] = {
		{"rax", "eax", "ax", "al"},  {"rcx", "ecx", "cx", "cl"},
		{"rdx", "edx", "dx", "dl"},  {"rbx", "ebx", "bx", "bl"},
		{"rsp", "esp", "sp", "spl"}, {"rbp", "ebp", "bp", "bpl"},
		{"rsi", "esi", "si", "sil"}, {"rdi", "edi", "di", "dil"},
	};
	static const char high[] = "acdb";

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		for (size_t j = 0; j < 4; j++) {
			if (strlen(names[i][j]) == len && !memcmp(names[i][j], name, len)) {
				*ret = (struct named){(uint8_t)i, (uint8_t)(8 >> j), 0};
				return true;
			}
		}
	}
	if (len == 2 && name[1] == 'h' && strchr(high, name[0])) {
		*ret = (struct named){(uint8_t)(strchr(high, name[0]) - high), 1, 8};
		return true;
	}
	return numbered_register(name, len, ret);
}

/* %NAME: false when it is none, or not a general one. */
static bool take_register(struct parser *parser, struct named *ret)
{
	const char *name = parser->at + 1;
	size_t len = 0;

	if (parser->at >= parser->end || *parser->at != '%')
		return false;
	while (name + len < parser->end &&
	       strchr("abcdefghijklmnopqrstuvwxyz0123456789", name[len]))
		len++;
	parser->at = name + len;
	if (len == 3 && !memcmp(name, "rip", 3)) {
		*ret = (struct named){RIP, 8, 0};
		return true;
	}
	return len && find_register(name, len, ret);
}

/* --- numbers and names --- */

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == '$';
}

static bool take_number(struct parser *parser, int64_t *ret)
{
	char text[NUMBER + 1], *stop;
	size_t len = MIN((size_t)(parser->end - parser->at), (size_t)NUMBER);

	memcpy(text, parser->at, len);
	text[len] = '\0';
	*ret = (int64_t)strtoull(text, &stop, 0);
	if (stop == text)
		return false;
	parser->at += stop - text;
	return true;
}

static bool take_name(struct parser *parser, int64_t *ret)
{
	const char *name = parser->at;
	uint64_t address;
	size_t len = 0;

	while (name + len < parser->end &&
	       (is_name_start(name[len]) || (name[len] >= '0' && name[len] <= '9')))
		len++;
	parser->at = name + len;
	/* @GOTPCREL and the like: what is there is not the variable. */
	if (!parser->symbol || (parser->at < parser->end && *parser->at == '@') ||
	    !parser->symbol(parser->ctx, name, len, &address))
		return false;
	parser->arg->is_address = true;
	*ret = (int64_t)address;
	return true;
}

/* A sum of numbers and at most one name, up to a bracket or the end. */
static bool take_sum(struct parser *parser, int64_t *ret)
{
	uint64_t sum = 0;

	while (parser->at < parser->end && *parser->at != '(') {
		bool minus = *parser->at == '-', has_sign = minus || *parser->at == '+';
		int64_t value;

		parser->at += has_sign;
		if (parser->at < parser->end && is_name_start(*parser->at)) {
			if (minus || parser->arg->is_address) {
				refuse(parser, reason_form);
				return false;
			}
			if (!take_name(parser, &value)) {
				refuse(parser, reason_symbol);
				return false;
			}
		} else if (!take_number(parser, &value)) {
			refuse(parser, reason_form);
			return false;
		}
		sum += minus ? 0 - (uint64_t)value : (uint64_t)value;
	}
	*ret = (int64_t)sum;
	return true;
}

/* --- operands --- */

static bool take_char(struct parser *parser, char c)
{
	bool here = parser->at < parser->end && *parser->at == c;

	parser->at += here;
	return here;
}

/* (BASE,INDEX,SCALE), of which parts may be missing. */
static bool take_address(struct parser *parser)
{
	struct usdt_arg *arg = parser->arg;
	struct named reg;
	int64_t scale = 1;

	if (!take_char(parser, '('))
		return false;
	if (parser->at < parser->end && *parser->at == '%') {
		if (!take_register(parser, &reg) || reg.size != 8)
			return false;
		/* Relative to %rip a number would be, a name is not: it is where it is. */
		if (reg.number == RIP && !arg->is_address)
			return false;
		arg->reg = reg.number == RIP ? USDT_NO_REGISTER : reg.number;
	}
	if (take_char(parser, ',')) {
		if (!take_register(parser, &reg) || reg.size != 8 || reg.number == RIP)
			return false;
		arg->index = reg.number;
		if (take_char(parser, ',') && !take_number(parser, &scale))
			return false;
		arg->scale = (uint8_t)scale;
		if (scale != 1 && scale != 2 && scale != 4 && scale != 8)
			return false;
	}
	return take_char(parser, ')');
}

static void parse_register(struct parser *parser)
{
	struct usdt_arg *arg = parser->arg;
	struct named reg;

	if (parser->end - parser->at > 4 && parser->at[3] == ':') {
		refuse(parser, reason_segment);
		return;
	}
	if (!take_register(parser, &reg) || reg.number == RIP) {
		refuse(parser, reason_vector);
		return;
	}
	arg->kind = USDT_REGISTER;
	arg->reg = reg.number;
	arg->reg_size = reg.size;
	arg->shift = reg.shift;
	arg->size = arg->size ? arg->size : reg.size;
}

static void parse_operand(struct parser *parser)
{
	struct usdt_arg *arg = parser->arg;

	if (parser->at < parser->end && *parser->at == '%') {
		parse_register(parser);
	} else if (take_char(parser, '$')) {
		arg->kind = USDT_CONSTANT;
		/* An address would be one as linked, not as it is in the process. */
		if (take_sum(parser, &arg->number) && arg->is_address)
			refuse(parser, reason_form);
	} else if (parser->at < parser->end) {
		arg->kind = USDT_MEMORY;
		if (!take_sum(parser, &arg->number))
			return;
		if (parser->at < parser->end && !take_address(parser))
			refuse(parser, reason_form);
	} else {
		refuse(parser, reason_form);
	}
	if (parser->at != parser->end)
		refuse(parser, reason_form);
	arg->size = arg->size ? arg->size : 8;
}

/* SIZE[f]@ in front of the operand; older macros have none. */
static void parse_arg(struct parser *parser)
{
	struct usdt_arg *arg = parser->arg;
	const char *at = memchr(parser->at, '@', (size_t)(parser->end - parser->at));
	bool has_size = *parser->at == '-' || (*parser->at >= '0' && *parser->at <= '9');
	bool is_float = false;
	int64_t size;

	arg->text = parser->at;
	if (at && has_size) {
		arg->is_signed = take_char(parser, '-');
		if (!take_number(parser, &size))
			size = 0;
		is_float = take_char(parser, 'f');
		arg->text = at + 1;
		if (parser->at != at || (size != 1 && size != 2 && size != 4 && size != 8)) {
			refuse(parser, is_float ? reason_float : reason_form);
			size = 8;
		}
		arg->size = (uint8_t)size;
		if (!arg->refused)
			parser->at = at + 1;
	}
	arg->text_len = (size_t)(parser->end - arg->text);
	if (is_float)
		refuse(parser, reason_float);
	if (!arg->refused)
		parse_operand(parser);
}

size_t usdt_args(const char *text, usdt_symbol_fn symbol, void *ctx,
		 struct usdt_arg ret_args[USDT_ARGS_MAX])
{
	size_t nr = 0;

	for (; nr < USDT_ARGS_MAX; nr++) {
		struct parser parser = {.symbol = symbol, .ctx = ctx, .arg = &ret_args[nr]};

		text += strspn(text, " ");
		if (!*text)
			break;
		ret_args[nr] = (struct usdt_arg){
			.reg = USDT_NO_REGISTER,
			.index = USDT_NO_REGISTER,
			.scale = 1,
		};
		parser.at = text;
		text += strcspn(text, " ");
		parser.end = text;
		parse_arg(&parser);
	}
	return nr;
}

const char *usdt_type(const struct usdt_arg *arg)
{
	switch (arg->size) {
	case 1:
		return arg->is_signed ? "s8" : "u8";
	case 2:
		return arg->is_signed ? "s16" : "u16";
	case 4:
		return arg->is_signed ? "s32" : "u32";
	default:
		return arg->is_signed ? "s64" : "u64";
	}
}
