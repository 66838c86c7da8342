/* SPDX-License-Identifier: MIT */
/*
 * Nodes and the format string to a program. What libtraceevent prints for arguments it does not
 * like (a %pM of something that is no field, ...) is decided here, once, not per record.
 */
#include "event/compile.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

void *compile_alloc(struct compiler *c, size_t size)
{
	void *p = arena_alloc(&c->db->arena, size);

	if (!p)
		parse_fail(c->parser, "out of memory");
	return p;
}

/* --- the format string --- */

static bool add_literal(struct compiler *c, struct span text)
{
	char *joined;

	if (!c->literal.len) {
		c->literal = text;
		return true;
	}
	joined = compile_alloc(c, c->literal.len + text.len);
	if (!joined)
		return false;
	memcpy(joined, c->literal.p, c->literal.len);
	memcpy(joined + c->literal.len, text.p, text.len);
	c->literal = (struct span){joined, c->literal.len + text.len};
	return true;
}

static struct op *add_op(struct compiler *c, uint8_t code)
{
	if (c->nr_ops >= LIMIT_PRINT_OPS) {
		parse_fail(c->parser, "too many conversions");
		return NULL;
	}
	if (c->nr_ops == c->cap_ops) {
		uint32_t cap = c->cap_ops ? c->cap_ops * 2 : 16;
		struct op *ops = arena_alloc(c->parser->scratch, cap * sizeof(*ops));

		if (!ops) {
			parse_fail(c->parser, "out of memory");
			return NULL;
		}
		if (c->nr_ops)
			memcpy(ops, c->ops, c->nr_ops * sizeof(*ops));
		c->ops = ops;
		c->cap_ops = cap;
	}
	c->ops[c->nr_ops] = (struct op){.code = code, .literal = c->literal};
	c->literal = (struct span){0};
	return &c->ops[c->nr_ops++];
}

/* Plain text up to the next conversion; returns how much of the format it was. */
static size_t literal_text(struct compiler *c, struct span format)
{
	char *text = compile_alloc(c, format.len ? format.len : 1);
	size_t from = 0, len = 0;

	if (!text)
		return 0;
	while (from < format.len) {
		char ch = format.p[from];

		if (ch == '%') {
			if (from + 1 >= format.len || format.p[from + 1] != '%')
				break;
			from++;
		} else if (ch == '\\' && from + 1 < format.len) {
			ch = format.p[++from];
			ch = ch == 'n' ? '\n' : ch == 't' ? '\t' : ch == 'r' ? '\r' : ch;
		} else if (ch == '\\') {
			from++;
			break;
		}
		text[len++] = ch;
		from++;
	}
	return add_literal(c, (struct span){text, len}) ? from : 0;
}

struct conversion {
	struct spec spec;
	const struct node *star; /* argument of a '*' */
	size_t len;		 /* of the format, from the % to the letter */
};

static bool take_star(struct compiler *c, struct conversion *conv, const struct node **args)
{
	if (!*args || conv->star) {
		parse_fail(c->parser, "a * without an argument, or a second one");
		return false;
	}
	conv->star = *args;
	*args = (*args)->next;
	conv->spec.flags |=
		conv->spec.flags & SPEC_PRECISION ? SPEC_STAR_PRECISION : SPEC_STAR_WIDTH;
	return true;
}

static void digit_spec(struct spec *spec, char ch)
{
	uint32_t digit = (uint32_t)(ch - '0');

	if (spec->flags & SPEC_PRECISION)
		spec->precision = MIN(spec->precision * 10 + digit, LIMIT_PRINT_WIDTH);
	else if (!digit && !spec->width)
		spec->flags |= SPEC_ZERO;
	else
		spec->width = MIN(spec->width * 10 + digit, LIMIT_PRINT_WIDTH);
}

/* Flags, width and size up to the letter. False on an error. */
static bool scan_spec(struct compiler *c, struct span format, const struct node **args,
		      struct conversion *conv)
{
	struct spec *spec = &conv->spec;
	int size = 0;

	for (conv->len = 1; conv->len < format.len; conv->len++) {
		char ch = format.p[conv->len];

		if (ch >= '0' && ch <= '9') {
			digit_spec(spec, ch);
		} else if (ch == '#') {
			spec->flags |= SPEC_ALT;
		} else if (ch == '-') {
			spec->flags |= SPEC_LEFT;
		} else if (ch == '+' && !c->exact) {
			c->differs = true;
			spec->flags |= SPEC_PLUS;
		} else if (ch == '.') {
			spec->flags |= SPEC_PRECISION;
		} else if (ch == 'h') {
			size--;
		} else if (ch == 'l') {
			size++;
		} else if (ch == 'L') {
			size = 2;
		} else if (ch == 'z' || ch == 'Z') {
			size = 1;
		} else if (ch == '*') {
			if (!take_star(c, conv, args))
				return false;
		} else {
			spec->conv = ch;
			break;
		}
	}
	if (size < -2 || size > 2 || conv->len > 30) {
		parse_fail(c->parser, "conversion too long");
		return false;
	}
	spec->size = (int8_t)size;
	return true;
}

static unsigned int spec_bits(const struct spec *spec)
{
	switch (spec->size) {
	case -2:
		return 8;
	case -1:
		return 16;
	case 0:
		return 32;
	default:
		return 64;
	}
}

static bool number_op(struct compiler *c, struct op *op, const struct node *arg)
{
	bool plain = !op->spec.flags && !op->spec.width;

	op->code = OP_NUMBER;
	op->num = compile_num(c, arg);
	if (!op->num)
		return false;
	if (!plain || op->num->op != NUM_FIELD)
		return true;
	op->offset = op->num->offset;
	op->size = op->num->size;
	op->bits = (uint8_t)spec_bits(&op->spec);
	if (op->spec.conv == 'u')
		op->code = OP_UNSIGNED;
	else if (op->spec.conv == 'd' || op->spec.conv == 'i')
		op->code = OP_SIGNED;
	else if (op->spec.conv == 'x')
		op->code = OP_HEX;
	return true;
}

static bool text_op(struct compiler *c, struct op *op, const struct node *arg)
{
	bool plain = !op->spec.flags && !op->spec.width;

	op->code = OP_TEXT;
	op->text = compile_text(c, arg);
	if (!op->text)
		return false;
	if (plain && op->text->kind == TEXT_BYTES && op->text->size) {
		op->code = OP_CHARS;
		op->offset = op->text->offset;
		op->size = op->text->size;
	} else if (plain && op->text->kind == TEXT_DYNAMIC) {
		op->code = OP_DYNAMIC;
		op->field = op->text->field;
	}
	return true;
}

/* 3.1 does not know %c and a plus sign. */
static bool unknown_conversion(struct compiler *c, char conv)
{
	if (conv == 'c' || conv == '+') {
		c->differs = true;
		return c->exact || conv == '+';
	}
	return !strchr("pduixXos", conv);
}

/* One conversion; returns its length in the format, 0 on an error. */
static size_t conversion(struct compiler *c, struct span format, const struct node **args)
{
	struct conversion conv = {0};
	const struct node *arg;
	size_t more = 0;
	struct op *op;
	bool ok = true;

	if (!scan_spec(c, format, args, &conv))
		return 0;
	if (conv.len >= format.len)
		return format.len; /* a % at the end shows nothing */
	if (unknown_conversion(c, conv.spec.conv)) {
		char *text = compile_alloc(c, 3);

		if (!text)
			return 0;
		text[0] = '>';
		text[1] = conv.spec.conv;
		text[2] = '<';
		return add_literal(c, (struct span){text, 3}) ? conv.len + 1 : 0;
	}
	arg = *args;
	if (!arg) {
		parse_fail(c->parser, "fewer arguments than conversions");
		return 0;
	}
	*args = arg->next;
	op = add_op(c, OP_END);
	if (!op)
		return 0;
	op->spec = conv.spec;
	if (conv.star) {
		op->star = compile_num(c, conv.star);
		ok = op->star != NULL;
	}
	if (strip_casts(arg)->type == NODE_FIELD)
		op->shows = strip_casts(arg)->field;
	if (conv.spec.conv == 'p')
		more = compile_pointer(
			c, op, arg,
			(struct span){format.p + conv.len + 1, format.len - conv.len - 1});
	else if (conv.spec.conv == 's')
		ok = ok && text_op(c, op, arg);
	else
		ok = ok && number_op(c, op, arg);
	return ok && !c->parser->error ? conv.len + 1 + more : 0;
}

bool compile_format(struct compiler *c, struct span format, const struct node *args)
{
	while (format.len) {
		bool is_conversion = *format.p == '%' && (format.len < 2 || format.p[1] != '%');
		size_t used =
			is_conversion ? conversion(c, format, &args) : literal_text(c, format);

		if (!used || c->parser->error)
			return false;
		format.p += used;
		format.len -= used;
	}
	return !c->literal.len || add_op(c, OP_END);
}

/* --- what -R shows --- */

static bool ends_in_0x(struct span text)
{
	return text.len > 1 && !memcmp(text.p + text.len - 2, "0x", 2);
}

/*
 * -R shows a field by the conversion of the print fmt whose argument it is. The search goes on
 * where the last one ended, comes round once, and stops for good behind the last conversion.
 */
static const struct raw_field *plan_raw(struct compiler *c)
{
	uint32_t nr = c->event->nr_fields - c->event->nr_common, at = 0;
	struct raw_field *raw = compile_alloc(c, (nr ? nr : 1) * sizeof(*raw));

	if (!raw)
		return NULL;
	for (uint32_t i = 0; i < nr; i++) {
		const struct event_field *field = &c->event->fields[c->event->nr_common + i];

		raw[i].op = -1;
		if (at >= c->nr_ops || (field->flags & EVENT_FIELD_ARRAY))
			continue;
		for (uint32_t k = 0; k < c->nr_ops; k++) {
			uint32_t try = (at + k) % c->nr_ops;

			if (c->ops[try].code == OP_END || c->ops[try].shows != field)
				continue;
			raw[i].op = (int32_t)try;
			raw[i].has_0x = ends_in_0x(c->ops[try].literal);
			at = try + 1;
			break;
		}
	}
	return raw;
}

struct event_program *compile_finish(struct compiler *c)
{
	struct event_program *program = compile_alloc(c, sizeof(*program));

	if (!program)
		return NULL;
	program->raw = plan_raw(c);
	program->nr_ops = c->nr_ops;
	program->ops = arena_dup(&c->db->arena, c->ops, c->nr_ops * sizeof(*c->ops));
	if (!program->raw || !program->ops) {
		parse_fail(c->parser, "out of memory");
		return NULL;
	}
	return program;
}

struct event_program *compile_program(struct parser *p, struct span format, struct node *args,
				      bool exact, bool *ret_differs)
{
	struct compiler c = {.db = p->db, .event = &p->event->pub, .parser = p, .exact = exact};

	if (!compile_format(&c, format, args))
		return NULL;
	*ret_differs |= c.differs;
	return compile_finish(&c);
}
