/* SPDX-License-Identifier: MIT */
/*
 * Nodes and the format string to a program. What libtraceevent prints for arguments it does not
 * like (a %pM of something that is no field, ...) is decided here, once, not per record.
 */
#include "event/program.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

struct compiler {
	struct event_db *db;
	const struct event *event;
	struct parser *parser; /* for its error */
	bool exact;	       /* trace-cmd 3.1's text */
	bool differs;	       /* the other text would not be the same */
	unsigned int depth;
	struct op *ops;
	uint32_t nr_ops, cap_ops;
	struct span literal; /* collected for the next op */
};

static void *alloc(struct compiler *c, size_t size)
{
	void *p = arena_alloc(&c->db->arena, size);

	if (!p)
		parse_fail(c->parser, "out of memory");
	return p;
}

static const struct node *strip_casts(const struct node *node)
{
	while (node && node->type == NODE_CAST)
		node = node->left;
	return node;
}

/* --- numbers --- */

static const struct num *compile_node(struct compiler *c, const struct node *node);
static const struct text *compile_text(struct compiler *c, const struct node *node);

static const struct num num_zero = {.op = NUM_CONST};

static const struct num *constant(struct compiler *c, uint64_t value)
{
	struct num *num;

	if (!value)
		return &num_zero;
	num = alloc(c, sizeof(*num));
	if (num)
		*num = (struct num){.op = NUM_CONST, .value = value};
	return num;
}

/* A name that is no number may be a symbol; which are known only later. */
static const struct num *atom(struct compiler *c, const struct node *node)
{
	uint64_t value = span_u64(node->text);
	struct pending *pending;

	if (node->bprint) {
		struct num *num = alloc(c, sizeof(*num));

		if (num)
			*num = (struct num){.op = NUM_BPRINT, .value = node->bprint - 1};
		return num;
	}
	if (value || !node->text.len || (*node->text.p >= '0' && *node->text.p <= '9'))
		return constant(c, value);
	pending = alloc(c, sizeof(*pending));
	if (!pending)
		return NULL;
	pending->num = alloc(c, sizeof(*pending->num));
	if (!pending->num)
		return NULL;
	*pending->num = (struct num){.op = NUM_PENDING};
	pending->name = node->text;
	pending->next = c->db->pending;
	c->db->pending = pending;
	return pending->num;
}

static const struct num *field_num(struct compiler *c, const struct event_field *field)
{
	struct num *num;

	if (!field)
		return &num_zero;
	num = alloc(c, sizeof(*num));
	if (num) {
		*num = (struct num){.op = NUM_FIELD, .offset = field->offset, .size = field->size};
		num->field = field;
	}
	return num;
}

static int num_op_of(uint16_t op)
{
	static const struct {
		uint16_t op;
		uint8_t num;
	} ops[] = {
		{OP1('!'), NUM_NOT},	   {OP1('~'), NUM_INVERT},	{OP1('+'), NUM_ADD},
		{OP1('-'), NUM_SUB},	   {OP1('*'), NUM_MUL},		{OP1('/'), NUM_DIV},
		{OP1('%'), NUM_MOD},	   {OP1('&'), NUM_AND},		{OP1('|'), NUM_OR},
		{OP1('^'), NUM_XOR},	   {OP2('<', '<'), NUM_SHL},	{OP2('>', '>'), NUM_SHR},
		{OP2('=', '='), NUM_EQ},   {OP2('!', '='), NUM_NE},	{OP1('<'), NUM_LT},
		{OP2('<', '='), NUM_LE},   {OP1('>'), NUM_GT},		{OP2('>', '='), NUM_GE},
		{OP2('&', '&'), NUM_BOTH}, {OP2('|', '|'), NUM_EITHER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		if (ops[i].op == op)
			return ops[i].num;
	return -1;
}

static const struct num *index_num(struct compiler *c, const struct node *node)
{
	const struct node *base = node->left;
	const struct event_field *field;
	uint64_t mask = UINT64_MAX;
	struct num *num;
	bool dynamic;

	if (base->type == NODE_CAST)
		mask = cast_target_mask(base->text);
	while (base->type == NODE_CAST)
		base = base->left;
	field = base->field;
	dynamic = base->type == NODE_DYNAMIC || (base->type == NODE_STRING && !c->exact);
	if ((base->type != NODE_FIELD && !dynamic) || !field)
		return &num_zero;
	num = alloc(c, sizeof(*num));
	if (!num)
		return NULL;
	*num = (struct num){.op = NUM_INDEX_FIELD, .value = mask, .field = field};
	num->offset = field->offset;
	num->size = field_extra(c->event, field)->elem_size;
	if (base->type == NODE_DYNAMIC) {
		num->op = NUM_INDEX_DYNAMIC;
		if (!num->size)
			num->size =
				field->flags & EVENT_FIELD_STRING ? 1 : c->db->options.long_size;
	}
	num->a = compile_node(c, node->right);
	return num->a ? num : NULL;
}

static bool is_string(const struct node *node)
{
	return node->type == NODE_STRING || (node->type == NODE_ATOM && node->quoted) ||
	       (node->type == NODE_FIELD && node->field &&
		(node->field->flags & EVENT_FIELD_STRING));
}

static const struct num *same_text(struct compiler *c, const struct node *node)
{
	struct num *num = alloc(c, sizeof(*num));

	if (!num)
		return NULL;
	*num = (struct num){.op = NUM_SAME_TEXT, .value = node->op == OP2('!', '=')};
	num->text_a = compile_text(c, node->left);
	num->text_b = compile_text(c, node->right);
	return num->text_a && num->text_b ? num : NULL;
}

static const struct num *op_num(struct compiler *c, const struct node *node)
{
	int op = num_op_of(node->op);
	struct num *num;

	if (node->op == OP1('['))
		return index_num(c, node);
	if ((op == NUM_EQ || op == NUM_NE) && is_string(node->left) && is_string(node->right)) {
		c->differs = true;
		if (!c->exact)
			return same_text(c, node);
	}
	if (op == NUM_XOR && c->exact)
		op = -1; /* libtraceevent does not know it when it prints */
	num = alloc(c, sizeof(*num));
	if (!num)
		return NULL;
	if (node->op == OP1('?') && node->right) {
		*num = (struct num){.op = NUM_COND, .a = compile_node(c, node->left)};
		num->b = compile_node(c, node->right->left);
		num->c = compile_node(c, node->right->right);
		return num->a && num->b && num->c ? num : NULL;
	}
	if (op < 0)
		return &num_zero;
	*num = (struct num){.op = (uint8_t)op, .a = compile_node(c, node->left)};
	num->b = compile_node(c, node->right);
	if (!num->a || !num->b)
		return NULL;
	if (num->a->op == NUM_CONST && num->b->op == NUM_CONST) {
		uint64_t value = num_eval(num, NULL);

		*num = (struct num){.op = NUM_CONST, .value = value};
	}
	return num;
}

static const struct num *call_num(struct compiler *c, const struct node *node)
{
	struct num *num = alloc(c, sizeof(*num)), *arg;
	const struct num **list = &num->a;

	if (!num)
		return NULL;
	*num = (struct num){.op = NUM_CALL, .helper = node->helper};
	for (const struct node *from = node->args; from; from = from->next) {
		const struct num *value = compile_node(c, from);

		arg = value ? alloc(c, sizeof(*arg)) : NULL;
		if (!arg)
			return NULL;
		*arg = *value;
		arg->next_arg = NULL;
		*list = arg;
		list = &arg->next_arg;
	}
	return num;
}

static const struct num *dynamic_num(struct compiler *c, const struct node *node, uint8_t op)
{
	struct num *num = alloc(c, sizeof(*num));

	if (num)
		*num = (struct num){.op = op, .field = node->field};
	return num;
}

static const struct num *cast_num(struct compiler *c, const struct node *node)
{
	const struct num *value = compile_node(c, node->left);
	uint64_t mask = cast_mask(node->text);
	struct num *num;

	if (!value || mask == UINT64_MAX)
		return value;
	num = alloc(c, sizeof(*num));
	if (num)
		*num = (struct num){.op = NUM_MASK, .value = mask, .a = value};
	return num;
}

static const struct num *compile_value(struct compiler *c, const struct node *node)
{
	switch (node ? node->type : NODE_NULL) {
	case NODE_ATOM:
		return atom(c, node);
	case NODE_FIELD:
		return field_num(c, node->field);
	case NODE_CAST:
		return cast_num(c, node);
	case NODE_DYNAMIC:
		return dynamic_num(c, node, NUM_DYNAMIC);
	case NODE_DYNAMIC_LEN:
		return dynamic_num(c, node, NUM_DYNAMIC_LEN);
	case NODE_OP:
		return op_num(c, node);
	case NODE_CALL:
		return call_num(c, node);
	default:
		return &num_zero; /* texts have no value */
	}
}

static bool enter(struct compiler *c)
{
	if (!parse_work(c->parser))
		return false;
	if (++c->depth <= LIMIT_PRINT_DEPTH * 8)
		return true;
	parse_fail(c->parser, "nested too deeply");
	return false;
}

static const struct num *compile_node(struct compiler *c, const struct node *node)
{
	const struct num *num = enter(c) ? compile_value(c, node) : NULL;

	c->depth--;
	return num;
}

/* --- texts --- */

/* Constants that kernels leave by name. */
static int64_t flag_value(struct span value)
{
	static const struct {
		const char *name;
		int64_t value;
	} known[] = {
		{"HI_SOFTIRQ", 0},	{"TIMER_SOFTIRQ", 1},	  {"NET_TX_SOFTIRQ", 2},
		{"NET_RX_SOFTIRQ", 3},	{"BLOCK_SOFTIRQ", 4},	  {"IRQ_POLL_SOFTIRQ", 5},
		{"TASKLET_SOFTIRQ", 6}, {"SCHED_SOFTIRQ", 7},	  {"HRTIMER_SOFTIRQ", 8},
		{"RCU_SOFTIRQ", 9},	{"HRTIMER_NORESTART", 0}, {"HRTIMER_RESTART", 1},
	};

	if (value.len && *value.p >= '0' && *value.p <= '9')
		return (int64_t)span_u64(value);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (span_is(value, known[i].name))
			return known[i].value;
	return -1;
}

static bool flags_text(struct compiler *c, const struct node *node, struct text *text)
{
	struct flag *flags;
	uint32_t nr = 0;

	for (const struct pair *pair = node->pairs; pair; pair = pair->next)
		nr++;
	flags = alloc(c, sizeof(*flags) * (nr ? nr : 1));
	text->num = compile_node(c, node->left);
	if (!flags || !text->num)
		return false;
	text->flags = flags;
	text->nr_flags = nr;
	text->span = node->text;
	for (const struct pair *pair = node->pairs; pair; pair = pair->next)
		*flags++ = (struct flag){flag_value(pair->value), pair->text};
	return true;
}

static bool field_text(struct compiler *c, const struct event_field *field, struct text *text)
{
	if (!field)
		return true;
	text->kind = TEXT_BYTES;
	text->offset = field->offset;
	text->size = field->size;
	if (!(field->flags & EVENT_FIELD_ARRAY) && field->size == c->db->options.long_size)
		text->kind = TEXT_POINTER;
	return true;
}

/* Where the bytes of __print_hex and __print_array are. */
static bool bytes_source(struct compiler *c, const struct node *node, struct text *text)
{
	if (node->type == NODE_CAST)
		c->differs = true;
	while (node->type == NODE_CAST && !c->exact)
		node = node->left;
	if (node->type == NODE_DYNAMIC) {
		text->field = node->field;
	} else if (node->type == NODE_CAST) {
		text->offset = 0; /* 3.1 shows the record from its start */
	} else if (node->type == NODE_FIELD && node->field) {
		text->offset = node->field->offset;
	} else {
		text->kind = TEXT_NONE;
	}
	return true;
}

static bool hex_text(struct compiler *c, const struct node *node, struct text *text)
{
	text->kind = TEXT_HEX;
	text->spaced = node->type == NODE_HEX;
	text->count = compile_node(c, node->right);
	return text->count && bytes_source(c, node->left, text);
}

static bool array_text(struct compiler *c, const struct node *node, struct text *text)
{
	text->kind = TEXT_ARRAY;
	text->old = c->exact;
	c->differs = true;
	text->count = compile_node(c, node->args->next);
	text->elem_size = compile_node(c, node->args->next->next);
	return text->count && text->elem_size && bytes_source(c, node->args, text);
}

static bool dump_text(struct compiler *c, const struct node *node, struct text *text)
{
	const struct node *arg = node->args;

	text->kind = TEXT_HEX_DUMP;
	if (arg->type == NODE_ATOM)
		text->span = arg->text;
	for (int i = 0; i < 7; i++, arg = arg->next) {
		text->dump[i] = compile_node(c, arg);
		if (!text->dump[i] || (i == 4 && !bytes_source(c, arg, text)))
			return false;
	}
	return true;
}

static bool cond_text(struct compiler *c, const struct node *node, struct text *text)
{
	if (node->op != OP1('?') || !node->right)
		return true;
	text->kind = TEXT_COND;
	text->num = compile_node(c, node->left);
	text->yes = compile_text(c, node->right->left);
	text->no = compile_text(c, node->right->right);
	return text->num && text->yes && text->no;
}

static bool fill_text(struct compiler *c, const struct node *node, struct text *text)
{
	switch (node->type) {
	case NODE_ATOM:
		text->kind = node->bprint ? TEXT_BPRINT : TEXT_LITERAL;
		text->offset = node->bprint - 1;
		text->span = node->text;
		return true;
	case NODE_FIELD:
		return field_text(c, node->field, text);
	case NODE_CAST:
		c->differs = true; /* trace-cmd shows nothing for a cast */
		return c->exact || fill_text(c, strip_casts(node), text);
	case NODE_FLAGS:
		text->kind = TEXT_FLAGS;
		return flags_text(c, node, text);
	case NODE_SYMBOL:
		text->kind = TEXT_SYMBOL;
		return flags_text(c, node, text);
	case NODE_HEX:
	case NODE_HEX_STR:
		return hex_text(c, node, text);
	case NODE_ARRAY:
		return array_text(c, node, text);
	case NODE_HEX_DUMP:
		return dump_text(c, node, text);
	case NODE_STRING:
	case NODE_DYNAMIC:
		text->kind = node->field ? TEXT_DYNAMIC : TEXT_NONE;
		text->field = node->field;
		if (node->type == NODE_DYNAMIC) {
			c->differs = true;
			if (c->exact)
				text->kind = TEXT_NONE;
		}
		return true;
	case NODE_BITMASK:
	case NODE_CPUMASK:
		text->kind = node->type == NODE_BITMASK ? TEXT_BITMASK : TEXT_CPUMASK;
		text->field = node->field;
		if (!node->field)
			text->kind = TEXT_NONE;
		return true;
	case NODE_OP:
		return cond_text(c, node, text);
	case NODE_CALL:
		text->kind = TEXT_CALL;
		text->num = compile_node(c, node);
		return text->num != NULL;
	default:
		return true;
	}
}

static const struct text *compile_text(struct compiler *c, const struct node *node)
{
	struct text *text = enter(c) ? alloc(c, sizeof(*text)) : NULL;
	bool ok = text && fill_text(c, node, text);

	c->depth--;
	return ok ? text : NULL;
}

/* --- the format string --- */

static bool add_literal(struct compiler *c, struct span text)
{
	char *joined;

	if (!c->literal.len) {
		c->literal = text;
		return true;
	}
	joined = alloc(c, c->literal.len + text.len);
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
	char *text = alloc(c, format.len ? format.len : 1);
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

static char letter_at(struct span format, size_t at)
{
	return at < format.len ? format.p[at] : '\0';
}

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
	op->num = compile_node(c, arg);
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

/* --- pointers --- */

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
	char *copy = alloc(c, len + 4), *end;
	struct text *literal = alloc(c, sizeof(*literal));

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
		op->num = compile_node(c, arg);
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
	op->num = compile_node(c, arg);
	return op->num != NULL;
}

/* Returns how many letters behind the p belong to it. */
static size_t pointer_op(struct compiler *c, struct op *op, const struct node *arg,
			 struct span rest)
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
		char *text = alloc(c, 3);

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
		op->star = compile_node(c, conv.star);
		ok = op->star != NULL;
	}
	if (strip_casts(arg)->type == NODE_FIELD)
		op->shows = strip_casts(arg)->field;
	if (conv.spec.conv == 'p')
		more = pointer_op(
			c, op, arg,
			(struct span){format.p + conv.len + 1, format.len - conv.len - 1});
	else if (conv.spec.conv == 's')
		ok = ok && text_op(c, op, arg);
	else
		ok = ok && number_op(c, op, arg);
	return ok && !c->parser->error ? conv.len + 1 + more : 0;
}

static bool compile_format(struct compiler *c, struct span format, const struct node *args)
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
	struct raw_field *raw = alloc(c, (nr ? nr : 1) * sizeof(*raw));

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

static struct event_program *finish(struct compiler *c)
{
	struct event_program *program = alloc(c, sizeof(*program));

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
	return finish(&c);
}

/* --- bprint --- */

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
	char *format = alloc(&c, printk.len + 5);

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
	program = finish(&c);
	if (!program)
		return NULL;
	program->nr_bprint_args = scan.nr;
	program->bprint_args = arena_dup(&p->db->arena, scan.kinds, scan.nr);
	return program->bprint_args ? program : NULL;
}
