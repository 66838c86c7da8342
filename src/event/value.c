/* SPDX-License-Identifier: MIT */
/* Nodes to numbers and strings whose fields are resolved. */
#include "event/compile.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

const struct node *strip_casts(const struct node *node)
{
	while (node && node->type == NODE_CAST)
		node = node->left;
	return node;
}

/* --- numbers --- */

static const struct num num_zero = {.op = NUM_CONST};

static const struct num *constant(struct compiler *c, uint64_t value)
{
	struct num *num;

	if (!value)
		return &num_zero;
	num = compile_alloc(c, sizeof(*num));
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
		struct num *num = compile_alloc(c, sizeof(*num));

		if (num)
			*num = (struct num){.op = NUM_BPRINT, .value = node->bprint - 1};
		return num;
	}
	if (value || !node->text.len || (*node->text.p >= '0' && *node->text.p <= '9'))
		return constant(c, value);
	pending = compile_alloc(c, sizeof(*pending));
	if (!pending)
		return NULL;
	pending->num = compile_alloc(c, sizeof(*pending->num));
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
	num = compile_alloc(c, sizeof(*num));
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
	num = compile_alloc(c, sizeof(*num));
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
	num->a = compile_num(c, node->right);
	if (num->a && num->a->op == NUM_CONST && !dynamic && mask == UINT64_MAX) {
		num->op = NUM_FIELD; /* a[3]: as any other field */
		num->offset += (uint32_t)num->a->value * num->size;
	}
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
	struct num *num = compile_alloc(c, sizeof(*num));

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
	num = compile_alloc(c, sizeof(*num));
	if (!num)
		return NULL;
	if (node->op == OP1('?') && node->right) {
		*num = (struct num){.op = NUM_COND, .a = compile_num(c, node->left)};
		num->b = compile_num(c, node->right->left);
		num->c = compile_num(c, node->right->right);
		return num->a && num->b && num->c ? num : NULL;
	}
	if (op < 0)
		return &num_zero;
	*num = (struct num){.op = (uint8_t)op, .a = compile_num(c, node->left)};
	num->b = compile_num(c, node->right);
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
	struct num *num = compile_alloc(c, sizeof(*num)), *arg;
	const struct num **list = &num->a;

	if (!num)
		return NULL;
	*num = (struct num){.op = NUM_CALL, .helper = node->helper};
	for (const struct node *from = node->args; from; from = from->next) {
		const struct num *value = compile_num(c, from);

		arg = value ? compile_alloc(c, sizeof(*arg)) : NULL;
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
	struct num *num = compile_alloc(c, sizeof(*num));

	if (num)
		*num = (struct num){.op = op, .field = node->field};
	return num;
}

static const struct num *cast_num(struct compiler *c, const struct node *node)
{
	const struct num *value = compile_num(c, node->left);
	uint64_t mask = cast_mask(node->text);
	struct num *num;

	if (!value || mask == UINT64_MAX)
		return value;
	num = compile_alloc(c, sizeof(*num));
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

const struct num *compile_num(struct compiler *c, const struct node *node)
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
	flags = compile_alloc(c, sizeof(*flags) * (nr ? nr : 1));
	text->num = compile_num(c, node->left);
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
	text->count = compile_num(c, node->right);
	return text->count && bytes_source(c, node->left, text);
}

static bool array_text(struct compiler *c, const struct node *node, struct text *text)
{
	text->kind = TEXT_ARRAY;
	text->old = c->exact;
	c->differs = true;
	text->count = compile_num(c, node->args->next);
	text->elem_size = compile_num(c, node->args->next->next);
	return text->count && text->elem_size && bytes_source(c, node->args, text);
}

static bool dump_text(struct compiler *c, const struct node *node, struct text *text)
{
	const struct node *arg = node->args;

	text->kind = TEXT_HEX_DUMP;
	if (arg->type == NODE_ATOM)
		text->span = arg->text;
	for (int i = 0; i < 7; i++, arg = arg->next) {
		text->dump[i] = compile_num(c, arg);
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
	text->num = compile_num(c, node->left);
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
		text->num = compile_num(c, node);
		return text->num != NULL;
	default:
		return true;
	}
}

const struct text *compile_text(struct compiler *c, const struct node *node)
{
	struct text *text = enter(c) ? compile_alloc(c, sizeof(*text)) : NULL;
	bool ok = text && fill_text(c, node, text);

	c->depth--;
	return ok ? text : NULL;
}
