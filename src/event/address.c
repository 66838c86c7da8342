/* SPDX-License-Identifier: MIT */
/* %p and its kin: how the letters behind it are read, and where the bytes are. */
#include "event/compile.h"

#include <string.h>

#include "base/mem.h"

/* How many letters behind `%p` libtraceevent takes. */
static size_t pointer_letters_31(struct span rest)
{
	size_t at = 2, nr = 0;

	switch (letter_at(rest, 0)) {
	case 'F':
	case 'S':
	case 'f':
	case 's':
		return 1;
	case 'M':
	case 'm':
		return letter_at(rest, 1) == 'R' || letter_at(rest, 1) == 'F' ? 2 : 1;
	case 'U':
		return letter_at(rest, 1) && strchr("LlBb", letter_at(rest, 1)) ? 2 : 1;
	case 'h':
		return letter_at(rest, 1) && strchr("CDN", letter_at(rest, 1)) ? 2 : 1;
	case 'I':
	case 'i':
		break;
	default:
		return 0;
	}
	if (letter_at(rest, 1) == 'S')
		for (; letter_at(rest, at) && strchr("pfs", letter_at(rest, at)); at++)
			nr++;
	if (letter_at(rest, 1) == 'S' || letter_at(rest, 1) == '4') {
		if (letter_at(rest, at) && strchr("hnlb", letter_at(rest, at))) {
			nr++;
			at++;
		}
		if (letter_at(rest, 1) == '4')
			return nr + 2;
	}
	if (letter_at(rest, 1) == 'S' || letter_at(rest, 1) == '6')
		nr += letter_at(rest, at) == 'c' ? 2 : 1;
	return nr + 1;
}

/* Letters of the kernel that libtraceevent does not take, and shows behind the pointer. */
static size_t pointer_letters_34(struct span rest)
{
	size_t nr = 1;

	switch (letter_at(rest, 0)) {
	case 'x':
	case 'K':
	case 'e':
	case 'E':
	case 'V':
	case 'g':
		return 1;
	case 'B':
		return letter_at(rest, 1) == 'b' ? 2 : 1;
	case 'd':
	case 'D':
		return letter_at(rest, 1) >= '2' && letter_at(rest, 1) <= '4' ? 2 : 1;
	case 'a':
		return letter_at(rest, 1) == 'p' || letter_at(rest, 1) == 'd' ? 2 : 1;
	case 'b':
		return letter_at(rest, 1) == 'l' ? 2 : 1;
	case 'G':
	case 'C':
	case 't':
	case 'O':
	case 'r':
	case 'R':
		while (letter_at(rest, nr) >= 'A' && letter_at(rest, nr) <= 'z' && nr < 4)
			nr++;
		return nr;
	default:
		return 0;
	}
}

/* What trace-cmd prints instead of an address it does not find. */
static bool complaint(struct compiler *c, struct op *op, const char *text, int type)
{
	size_t len = strlen(text);
	char *copy = compile_alloc(c, len + 4), *end;
	struct text *literal = compile_alloc(c, sizeof(*literal));

	if (!copy || !literal)
		return false;
	memcpy(copy, text, len);
	end = copy + len;
	if (type >= 10)
		*end++ = (char)('0' + type / 10);
	if (type >= 0)
		*end++ = (char)('0' + type % 10);
	*literal = (struct text){.kind = TEXT_LITERAL, .span = {copy, (size_t)(end - copy)}};
	op->code = OP_TEXT;
	op->spec = (struct spec){.conv = 's'};
	op->text = literal;
	return true;
}

/*
 * The bytes of an address: a field of `want` bytes. Newer text also takes dynamic arrays.
 * `op->size` becomes the number of bytes, 0 for a dynamic array.
 */
static bool address_bytes(struct compiler *c, struct op *op, const struct node *arg, uint32_t want,
			  const char *invalid)
{
	arg = strip_casts(arg);
	if (arg->type == NODE_DYNAMIC) {
		c->differs = true;
		if (!c->exact) {
			op->field = arg->field;
			return true;
		}
	}
	if (arg->type != NODE_FIELD)
		return complaint(c, op, "ARG TYPE NOT FIELD BUT ", (int)arg->type);
	if (!arg->field)
		return complaint(c, op, "", -1);
	if (arg->field->size != want)
		return complaint(c, op, invalid, -1);
	op->offset = arg->field->offset;
	op->size = want;
	return true;
}

static bool sockaddr_op(struct compiler *c, struct op *op, const struct node *arg, struct span rest)
{
	size_t at = 2;

	op->code = OP_SOCKADDR;
	if (op->variant == 'I' && letter_at(rest, at) == 'p') {
		op->port = true;
		at++;
	}
	if (op->variant == 'I' && letter_at(rest, at) == 'c') {
		op->compressed = true;
		at++;
	}
	op->reverse = letter_at(rest, at) == 'l' ||
		      (letter_at(rest, at) == 'h' && !c->db->options.big_endian);
	arg = strip_casts(arg);
	if (arg->type == NODE_DYNAMIC) {
		op->field = arg->field;
		return true;
	}
	if (arg->type != NODE_FIELD)
		return complaint(c, op, "ARG NOT FIELD NOR DYNAMIC ARRAY BUT TYPE ",
				 (int)arg->type);
	if (!arg->field)
		return complaint(c, op, "", -1);
	op->offset = arg->field->offset;
	op->size = arg->field->size;
	return true;
}

static bool ip_op(struct compiler *c, struct op *op, const struct node *arg, struct span rest)
{
	op->variant = letter_at(rest, 0);
	switch (letter_at(rest, 1)) {
	case '4':
		op->code = OP_IPV4;
		op->reverse = letter_at(rest, 2) == 'l' ||
			      (letter_at(rest, 2) == 'h' && !c->db->options.big_endian);
		return address_bytes(c, op, arg, 4, "INVALIDIPv4");
	case '6':
		op->code = OP_IPV6;
		op->compressed = op->variant == 'I' && letter_at(rest, 2) == 'c';
		return address_bytes(c, op, arg, 16, "INVALIDIPv6");
	case 'S':
		return sockaddr_op(c, op, arg, rest);
	default:
		return complaint(c, op, "", -1);
	}
}

static bool buffer_op(struct compiler *c, struct op *op, const struct node *arg, struct span rest)
{
	op->code = OP_BYTES;
	op->variant_2 = letter_at(rest, 1);
	if (arg->type == NODE_DYNAMIC) {
		op->field = arg->field;
		return true;
	}
	c->differs = true;
	if (c->exact)
		return complaint(c, op, "ARG TYPE NOT FIELD BUT ", (int)arg->type);
	arg = strip_casts(arg);
	if (arg->type == NODE_DYNAMIC) {
		op->field = arg->field;
		return true;
	}
	if (arg->type != NODE_FIELD || !arg->field)
		return complaint(c, op, "", -1);
	op->offset = arg->field->offset;
	op->size = arg->field->size;
	return true;
}

static bool pointer_kind(struct compiler *c, struct op *op, const struct node *arg,
			 struct span rest)
{
	char letter = letter_at(rest, 0);
	bool is_call = arg->type == NODE_CALL;

	op->variant = letter;
	op->variant_2 = letter_at(rest, 1);
	if (is_call && letter && strchr("MmIiUh", letter)) {
		op->code = OP_CALL;
		op->num = compile_num(c, arg);
		return op->num != NULL;
	}
	switch (letter) {
	case 'F':
	case 'S':
	case 'f':
	case 's':
		op->code = OP_SYMBOL;
		op->variant = letter == 'F' ? 'S' : letter == 'f' ? 's' : letter;
		break;
	case 'M':
	case 'm':
		op->code = OP_MAC;
		return address_bytes(c, op, arg, 6, "INVALIDMAC");
	case 'I':
	case 'i':
		return ip_op(c, op, arg, rest);
	case 'U':
		op->code = OP_UUID;
		return address_bytes(c, op, arg, 16, "INVALIDUUID");
	case 'h':
		return buffer_op(c, op, arg, rest);
	default:
		op->code = OP_POINTER;
		if (!c->exact && letter == 'B') {
			op->code = OP_SYMBOL;
			op->variant = 'S';
		} else if (!c->exact && letter == 'x') {
			op->code = OP_ADDRESS;
		}
		break;
	}
	op->num = compile_num(c, arg);
	return op->num != NULL;
}

/* Returns how many letters behind the p belong to it. */
size_t compile_pointer(struct compiler *c, struct op *op, const struct node *arg, struct span rest)
{
	size_t nr = pointer_letters_31(rest);

	if (!nr && pointer_letters_34(rest)) {
		c->differs = true;
		if (!c->exact)
			nr = pointer_letters_34(rest);
	}
	if (!pointer_kind(c, op, arg, (struct span){rest.p, nr}))
		parse_fail(c->parser, "out of memory");
	if (arg->bprint) {
		op->bits = op->code;
		op->code = OP_BPRINT;
		op->size = arg->bprint - 1;
	}
	return nr;
}
