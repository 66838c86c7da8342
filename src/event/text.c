/* SPDX-License-Identifier: MIT */
/* Strings of a print program, and numbers in the conversions that are not the usual ones. */
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "event/program.h"

/* Width and precision with what a '*' gave; a negative one counts as not given. */
struct measure {
	size_t width, precision;
	bool left, cut;
};

static struct measure measure_of(const struct spec *spec, int64_t star)
{
	struct measure m = {.width = spec->width, .precision = spec->precision};
	size_t given = star < 0 ? 0 : (size_t)MIN(star, (int64_t)LIMIT_PRINT_WIDTH);

	m.left = spec->flags & SPEC_LEFT;
	m.cut = spec->flags & SPEC_PRECISION;
	if (spec->flags & SPEC_STAR_WIDTH)
		m.width = given;
	if (spec->flags & SPEC_STAR_PRECISION) {
		m.precision = given;
		m.cut = star >= 0;
	}
	return m;
}

static void emit_text(struct out *out, const struct spec *spec, int64_t star, const char *text,
		      size_t len)
{
	struct measure m;

	if (!spec->flags && !spec->width) {
		out_mem(out, text, len);
		return;
	}
	m = measure_of(spec, star);
	if (m.cut)
		len = MIN(len, m.precision);
	if (m.left)
		out_str_left(out, text, len, m.width);
	else
		out_str_right(out, text, len, m.width);
}

static void emit_chars(struct out *out, const struct spec *spec, int64_t star, const uint8_t *bytes,
		       size_t len)
{
	emit_text(out, spec, star, (const char *)bytes, strnlen((const char *)bytes, len));
}

/* --- numbers --- */

static size_t digits_of(char *end, uint64_t value, char conv)
{
	const char *digits = conv == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	unsigned int shift = conv == 'o' ? 3 : 4;
	char *p = end;

	if (conv == 'o' || conv == 'x' || conv == 'X') {
		for (; value; value >>= shift)
			*--p = digits[value & ((1u << shift) - 1)];
	} else {
		for (; value; value /= 10)
			*--p = (char)('0' + value % 10);
	}
	return (size_t)(end - p);
}

static uint64_t cut_number(const struct spec *spec, uint64_t value, bool *ret_negative)
{
	bool is_signed = spec->conv == 'd' || spec->conv == 'i';
	unsigned int bits = spec->size == -2   ? 8
			    : spec->size == -1 ? 16
			    : spec->size == 0  ? 32
					       : 64;
	int64_t extended = (int64_t)(value << (64 - bits)) >> (64 - bits);

	*ret_negative = is_signed && extended < 0;
	if (*ret_negative)
		return -(uint64_t)extended;
	return bits == 64 ? value : value & ((1ull << bits) - 1);
}

static void put_number(struct out *out, const struct measure *m, const char *prefix,
		       const char *digits, size_t nr, bool zero)
{
	size_t prefix_len = strlen(prefix), zeros = 0, total;

	if (m->cut && nr < m->precision)
		zeros = m->precision - nr;
	else if (!m->cut && !nr)
		zeros = 1;
	total = prefix_len + zeros + nr;
	if (zero && !m->left && !m->cut && total < m->width) {
		zeros += m->width - total;
		total = m->width;
	}
	if (!m->left && total < m->width)
		out_fill(out, ' ', m->width - total);
	out_mem(out, prefix, prefix_len);
	out_fill(out, '0', zeros);
	out_mem(out, digits, nr);
	if (m->left && total < m->width)
		out_fill(out, ' ', m->width - total);
}

void number_print(struct out *out, const struct spec *spec, int64_t star, uint64_t value)
{
	struct measure m = measure_of(spec, star);
	char tmp[32], *end = tmp + sizeof(tmp);
	const char *prefix = "";
	bool negative;
	size_t nr;

	if (spec->conv == 'c') {
		char c = (char)value;

		m.cut = false;
		if (m.left)
			out_str_left(out, &c, 1, m.width);
		else
			out_str_right(out, &c, 1, m.width);
		return;
	}
	value = cut_number(spec, value, &negative);
	if (!spec->flags && !spec->width && spec->conv != 'o' && spec->conv != 'X') {
		if (negative)
			out_char(out, '-');
		if (spec->conv == 'x')
			out_hex(out, value);
		else
			out_u64(out, value);
		return;
	}
	nr = digits_of(end, value, spec->conv);
	if (negative)
		prefix = "-";
	else if ((spec->flags & SPEC_PLUS) && (spec->conv == 'd' || spec->conv == 'i'))
		prefix = "+";
	else if ((spec->flags & SPEC_ALT) && spec->conv == 'x' && value)
		prefix = "0x";
	else if ((spec->flags & SPEC_ALT) && spec->conv == 'X' && value)
		prefix = "0X";
	else if ((spec->flags & SPEC_ALT) && spec->conv == 'o' && value)
		prefix = "0";
	put_number(out, &m, prefix, end - nr, nr, spec->flags & SPEC_ZERO);
}

/* --- texts --- */

static void print_flags(const struct rec *rec, const struct text *text, const struct spec *spec,
			int64_t star, struct out *out)
{
	int64_t value = (int64_t)num_eval(text->num, rec);
	bool some = false;

	for (uint32_t i = 0; i < text->nr_flags; i++) {
		const struct flag *flag = &text->flags[i];

		if (!value && flag->value < 0) {
			emit_text(out, spec, star, flag->text.p, flag->text.len);
			break;
		}
		if (flag->value > 0 && (value & flag->value) == flag->value) {
			if (some)
				out_mem(out, text->span.p, text->span.len);
			emit_text(out, spec, star, flag->text.p, flag->text.len);
			some = true;
			value &= ~flag->value;
		}
	}
	if (value) {
		if (some)
			out_mem(out, text->span.p, text->span.len);
		out_0x(out, (uint64_t)value);
	}
}

static void print_symbol(const struct rec *rec, const struct text *text, const struct spec *spec,
			 int64_t star, struct out *out)
{
	int64_t value = (int64_t)num_eval(text->num, rec);

	for (uint32_t i = 0; i < text->nr_flags; i++) {
		const struct flag *flag = &text->flags[i];

		if (flag->value == value) {
			emit_text(out, spec, star, flag->text.p, flag->text.len);
			return;
		}
	}
	out_0x(out, (uint64_t)value);
}

/* The bytes of a hex or array text from its start to the end of the record. */
static const uint8_t *source(const struct rec *rec, const struct text *text, uint32_t *ret_len)
{
	uint32_t offset = text->offset, len;

	if (text->field)
		rec_dynamic(rec, text->field, &offset, &len);
	offset = MIN(offset, rec->len);
	*ret_len = rec->len - offset;
	return rec->data + offset;
}

static void print_hex(const struct rec *rec, const struct text *text, struct out *out)
{
	int64_t count = (int32_t)num_eval(text->count, rec);
	uint32_t len;
	const uint8_t *bytes = source(rec, text, &len);

	for (int64_t i = 0; i < MIN(count, (int64_t)len); i++) {
		if (i && text->spaced)
			out_char(out, ' ');
		out_hex_byte(out, bytes[i]);
	}
}

static void print_element(const struct text *text, int64_t elem, uint64_t value, struct out *out)
{
	bool bad = elem != 1 && elem != 2 && elem != 4 && elem != 8;

	if (bad) {
		out_lit(out, "BAD SIZE:");
		out_i64(out, elem);
		out_char(out, ' ');
	}
	if (text->old && !bad)
		out_u64(out, value);
	else
		out_0x(out, value);
}

static void print_array(const struct rec *rec, const struct text *text, struct out *out)
{
	int64_t count = (int32_t)num_eval(text->count, rec);
	int64_t elem = (int32_t)num_eval(text->elem_size, rec);
	uint32_t len, step;
	const uint8_t *bytes = source(rec, text, &len);

	if (!text->old)
		out_char(out, '{');
	for (int64_t i = 0; i < count; i++) {
		step = elem == 2 || elem == 4 || elem == 8 ? (uint32_t)elem : 1;
		if (len < step)
			break;
		if (i)
			out_char(out, text->old ? ' ' : ',');
		print_element(text, elem, load_uint(bytes, step, text->old ? HOST_BIG : rec->big),
			      out);
		elem = step; /* a bad size is told once */
		bytes += step;
		len -= step;
	}
	if (!text->old)
		out_char(out, '}');
}

/* Bring what was appended since `start` to the width and precision of the conversion. */
static void fit(struct out *out, const struct spec *spec, int64_t star, size_t start)
{
	struct measure m = measure_of(spec, star);
	size_t len = out->len - start, pad;

	if (m.cut && len > m.precision) {
		out->len = start + m.precision;
		len = m.precision;
	}
	if (len >= m.width)
		return;
	pad = m.width - len;
	out_fill(out, ' ', pad);
	if (!m.left && !out->failed) {
		memmove(out->buf + start + pad, out->buf + start, len);
		memset(out->buf + start, ' ', pad);
	}
}

static const uint8_t *dynamic_bytes(const struct rec *rec, const struct event_field *field,
				    uint32_t *ret_len)
{
	uint32_t offset;

	rec_dynamic(rec, field, &offset, ret_len);
	return rec->data + offset;
}

/* Hexadecimal, most significant byte first, a comma every 32 bits. */
static void print_bitmask(const struct rec *rec, const struct text *text, const struct spec *spec,
			  int64_t star, struct out *out)
{
	uint32_t len;
	const uint8_t *bytes = dynamic_bytes(rec, text->field, &len);
	size_t start = out->len;

	for (uint32_t i = len; i-- > 0;) {
		out_hex_byte(out, bytes[rec->big ? len - 1 - i : i]);
		if (i && i % 4 == 0)
			out_char(out, ',');
	}
	fit(out, spec, star, start);
}

static bool mask_bit(const struct rec *rec, const uint8_t *bytes, uint32_t len, uint32_t bit)
{
	uint32_t i = bit / 8;

	return bytes[rec->big ? len - 1 - i : i] >> (bit % 8) & 1;
}

static void print_cpumask(const struct rec *rec, const struct text *text, const struct spec *spec,
			  int64_t star, struct out *out)
{
	size_t start = out->len;
	uint32_t len, bit = 0, end;
	const uint8_t *bytes = dynamic_bytes(rec, text->field, &len);
	bool first = true;

	while (bit < len * 8) {
		if (!mask_bit(rec, bytes, len, bit)) {
			bit++;
			continue;
		}
		for (end = bit; end + 1 < len * 8 && mask_bit(rec, bytes, len, end + 1);)
			end++;
		if (!first)
			out_char(out, ',');
		first = false;
		out_u64(out, bit);
		if (end > bit) {
			out_char(out, '-');
			out_u64(out, end);
		}
		bit = end + 1;
	}
	fit(out, spec, star, start);
}

/* As the kernel's print_hex_dump: offset and address prefixes, groups, ASCII. */
static void print_hex_dump(const struct rec *rec, const struct text *text, struct out *out)
{
	uint64_t prefix = num_eval(text->dump[1], rec), row = num_eval(text->dump[2], rec);
	uint64_t group = num_eval(text->dump[3], rec), want = num_eval(text->dump[5], rec);
	bool ascii = num_eval(text->dump[6], rec);
	uint32_t len;
	const uint8_t *bytes = source(rec, text, &len);

	if (row != 16 && row != 32)
		row = 16;
	if (group != 2 && group != 4 && group != 8)
		group = 1;
	len = (uint32_t)MIN(want, len);
	for (uint32_t at = 0; at < len; at += (uint32_t)row) {
		uint32_t nr = MIN((uint32_t)row, len - at), in_group = (uint32_t)group;
		size_t start;

		if (at)
			out_char(out, '\n');
		out_mem(out, text->span.p, text->span.len);
		if (prefix) {
			out_hex_pad(out, at, 8, '0');
			out_lit(out, ": ");
		}
		start = out->len;
		if (nr % group)
			in_group = 1;
		for (uint32_t i = 0; i < nr; i += in_group) {
			if (i)
				out_char(out, ' ');
			out_hex_pad(out, load_uint(bytes + at + i, in_group, rec->big),
				    in_group * 2, '0');
		}
		if (!ascii)
			continue;
		out_fill(out, ' ', row * 2 + row / in_group + 1 - MIN(out->len - start, row * 3));
		for (uint32_t i = 0; i < nr; i++)
			out_char(out, bytes[at + i] >= ' ' && bytes[at + i] <= '~'
					      ? (char)bytes[at + i]
					      : '.');
	}
}

static void print_pointer_text(const struct rec *rec, const struct text *text, struct out *out)
{
	uint64_t addr = rec_uint(rec, text->offset, text->size);
	const struct printk *printk = db_printk(rec->db, addr);

	if (printk)
		out_mem(out, printk->text, printk->len);
	else
		out_hex(out, addr);
}

static void print_bytes(const struct rec *rec, const struct text *text, const struct spec *spec,
			int64_t star, struct out *out)
{
	uint32_t offset = MIN(text->offset, rec->len), len = rec->len - offset;

	if (text->size)
		len = MIN(len, text->size);
	emit_chars(out, spec, star, rec->data + offset, len);
}

static void print_dynamic(const struct rec *rec, const struct text *text, const struct spec *spec,
			  int64_t star, struct out *out)
{
	uint32_t offset, len;

	rec_dynamic(rec, text->field, &offset, &len);
	if (len) /* up to a NUL, which may lie behind the length given */
		emit_chars(out, spec, star, rec->data + offset, rec->len - offset);
}

static void print_bprint(const struct rec *rec, const struct text *text, const struct spec *spec,
			 int64_t star, struct out *out)
{
	const struct bprint_arg *arg;

	if (text->offset >= rec->nr_bprint)
		return;
	arg = &rec->bprint[text->offset];
	if (arg->is_string)
		emit_text(out, spec, star, arg->text.p, arg->text.len);
	else
		out_i64(out, (int64_t)arg->value);
}

static void print_call(const struct rec *rec, const struct num *num, struct out *out)
{
	uint64_t args[CALL_MAX_ARGS] = {0};
	unsigned int nr = 0;

	for (const struct num *arg = num->a; arg && nr < CALL_MAX_ARGS; arg = arg->next_arg)
		args[nr++] = num_eval(arg, rec);
	if (num->helper->print)
		num->helper->print(rec, args, out);
}

void text_print(const struct rec *rec, const struct text *text, const struct spec *spec,
		int64_t star, struct out *out)
{
	while (text->kind == TEXT_COND)
		text = num_eval(text->num, rec) ? text->yes : text->no;
	switch (text->kind) {
	case TEXT_LITERAL:
		emit_text(out, spec, star, text->span.p, text->span.len);
		break;
	case TEXT_BYTES:
		print_bytes(rec, text, spec, star, out);
		break;
	case TEXT_POINTER:
		print_pointer_text(rec, text, out);
		break;
	case TEXT_DYNAMIC:
		print_dynamic(rec, text, spec, star, out);
		break;
	case TEXT_BPRINT:
		print_bprint(rec, text, spec, star, out);
		break;
	case TEXT_FLAGS:
		print_flags(rec, text, spec, star, out);
		break;
	case TEXT_SYMBOL:
		print_symbol(rec, text, spec, star, out);
		break;
	case TEXT_HEX:
		print_hex(rec, text, out);
		break;
	case TEXT_ARRAY:
		print_array(rec, text, out);
		break;
	case TEXT_BITMASK:
		print_bitmask(rec, text, spec, star, out);
		break;
	case TEXT_CPUMASK:
		print_cpumask(rec, text, spec, star, out);
		break;
	case TEXT_HEX_DUMP:
		print_hex_dump(rec, text, out);
		break;
	case TEXT_CALL:
		print_call(rec, text->num, out);
		break;
	default:
		break;
	}
}
