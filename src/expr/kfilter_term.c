/* SPDX-License-Identifier: MIT */
/*
 * The kernel's filters, one condition: FIELD[.ustring][.function] OP VALUE. The order of the checks
 * is the kernel's, since the first thing that is wrong decides what it says.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "expr/kfilter_parse.h"

#define TEXT_BYTES     256 /* a quoted text, with its NUL */
#define NUMBER_BYTES   24  /* a number, with its NUL */
#define TASK_CPU_BYTES 4

enum kfield_kind {
	KFIELD_NUMBER,
	KFIELD_STATIC,	/* char x[N] */
	KFIELD_DYNAMIC, /* __data_loc and __rel_loc char */
	KFIELD_POINTER, /* char * */
	KFIELD_CPUMASK,
	KFIELD_COMM,
	KFIELD_CPU,
	KFIELD_OTHER, /* the stack trace: neither a string nor a number */
};

struct term {
	struct kfilter_parser *parser;
	enum kfield_kind kind;
	const struct event_field *field; /* NULL: none of the record's */
	uint32_t size;
	bool is_signed;
	enum token_op op;
	const char *value; /* where its value begins */
	bool invert, is_constant, constant;
	struct instruction *test;
	const struct event *event;
};

static const struct {
	const char *name;
	enum kfield_kind kind;
} generic_fields[] = {
	{"CPU", KFIELD_CPU},	      {"cpu", KFIELD_CPU},   {"common_cpu", KFIELD_CPU},
	{"COMM", KFIELD_COMM},	      {"comm", KFIELD_COMM}, {"stacktrace", KFIELD_OTHER},
	{"STACKTRACE", KFIELD_OTHER},
};

/* The kernel names a place by the number of bytes up to it, and one more. */
static int refuse(const struct term *term, enum kfilter_message message)
{
	return kfilter_refuse(term->parser, -EINVAL, message, term->parser->tokenizer.pos + 1);
}

/* What the kernel makes of a field by the words of its type. */
static enum kfield_kind field_kind(const struct kfilter_kernel *kernel,
				   const struct event_field *field)
{
	bool chars = strstr(field->type, "char");

	if (field->flags & EVENT_FIELD_DYNAMIC) {
		if (chars && (!(field->flags & EVENT_FIELD_RELATIVE) || kernel->ustring))
			return KFIELD_DYNAMIC;
		if (strstr(field->type, "cpumask_t") && !(field->flags & EVENT_FIELD_RELATIVE) &&
		    kernel->cpus)
			return KFIELD_CPUMASK;
		return KFIELD_NUMBER;
	}
	if ((field->flags & EVENT_FIELD_ARRAY) && chars)
		return KFIELD_STATIC;
	if (!strcmp(field->type, "char *") || !strcmp(field->type, "const char *"))
		return KFIELD_POINTER;
	return KFIELD_NUMBER;
}

static const struct event_field *find_field(const struct event *event, uint32_t from, uint32_t to,
					    const struct token *name)
{
	for (uint32_t i = from; i < to; i++)
		if (!strncmp(event->fields[i].name, name->text, name->len) &&
		    event->fields[i].name[name->len] == '\0')
			return &event->fields[i];
	return NULL;
}

/* The event's own fields first, then what is no field, then the common ones. */
static bool set_field(struct term *term, const struct token *name)
{
	const struct kfilter_kernel *kernel = term->parser->kernel;
	const struct event *event = term->event;

	term->field = find_field(event, event->nr_common, event->nr_fields, name);
	for (size_t i = 0; !term->field && i < ARRAY_SIZE(generic_fields); i++) {
		if (strlen(generic_fields[i].name) != name->len ||
		    memcmp(generic_fields[i].name, name->text, name->len) != 0 ||
		    (generic_fields[i].kind == KFIELD_OTHER && !kernel->stacktrace))
			continue;
		term->kind = generic_fields[i].kind;
		term->is_signed = term->kind == KFIELD_CPU;
		return true;
	}
	if (!term->field)
		term->field = find_field(event, 0, event->nr_common, name);
	if (!term->field)
		return false;
	term->kind = field_kind(kernel, term->field);
	term->size = term->field->size;
	term->is_signed = term->field->flags & EVENT_FIELD_SIGNED;
	return true;
}

static bool is_string(const struct term *term)
{
	return term->kind == KFIELD_STATIC || term->kind == KFIELD_DYNAMIC ||
	       term->kind == KFIELD_POINTER || term->kind == KFIELD_COMM;
}

static bool take(struct tokenizer *tokenizer, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(tokenizer->pos, word, len) != 0)
		return false;
	tokenizer->pos += len;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A comparison. `&&` is a `&` to the kernel, with a value that begins with the other one. */
static int read_op(struct term *term)
{
	struct tokenizer *tokenizer = &term->parser->tokenizer;
	struct token token;

	token_next(tokenizer, &token);
	if (token.op == OP_AND && token.kind == TOKEN_OP) {
		token.op = OP_BIT_AND;
		tokenizer->pos = token.text + 1;
	}
	if (token.kind != TOKEN_OP || token.op == OP_NOT || token.op == OP_OR ||
	    token.op == OP_UNKNOWN) {
		tokenizer->pos = token.text;
		return refuse(term, KFILTER_INVALID_OP);
	}
	term->op = token.op;
	token_skip_space(tokenizer);
	term->value = tokenizer->pos;
	return 0;
}

/* --- numbers --- */

bool kfilter_number(const char *text, uint64_t *ret_number)
{
	unsigned int base = 10;
	uint64_t number = 0;

	if (text[0] == '0')
		base = 8;
	if (text[0] == '0' && (text[1] | 0x20) == 'x' &&
	    strchr("0123456789abcdefABCDEF", text[2]) && text[2]) {
		base = 16;
		text += 2;
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		char c = *text;
		unsigned int digit = is_digit(c)	    ? (unsigned int)(c - '0')
				     : c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a') + 10
				     : c >= 'A' && c <= 'F' ? (unsigned int)(c - 'A') + 10
							    : 99;

		if (digit >= base || size_mul(number, (uint64_t)base, &number) ||
		    size_add(number, (uint64_t)digit, &number))
			return false;
	}
	*ret_number = number;
	return true;
}

/* The same for signed fields: a '-' may stand before it, and it must fit. */
static bool read_signed(const char *text, uint64_t *ret_number)
{
	bool negative = text[0] == '-';
	uint64_t number;

	if (!kfilter_number(text + negative, &number) || number > (uint64_t)INT64_MAX + negative)
		return false;
	*ret_number = negative ? -number : number;
	return true;
}

/* The word of letters and digits at the value's place, for the two above; 0, or an error. */
static int read_number_text(struct term *term, char text[NUMBER_BYTES])
{
	struct tokenizer *tokenizer = &term->parser->tokenizer;
	size_t len;

	while (tokenizer->pos < tokenizer->end && token_is_alnum(TOKEN_KERNEL, *tokenizer->pos))
		tokenizer->pos++;
	len = (size_t)(tokenizer->pos - term->value);
	if (len >= NUMBER_BYTES)
		return refuse(term, KFILTER_OPERAND_TOO_LONG);
	memcpy(text, term->value, len);
	text[len] = '\0';
	return 0;
}

/* Cut to `size` bytes, as a variable of that size would hold it. */
static uint64_t cut(uint64_t number, uint32_t size, bool is_signed)
{
	unsigned int unused = 64 - 8 * size;

	if (is_signed)
		return (uint64_t)((int64_t)(number << unused) >> unused);
	return number << unused >> unused;
}

/*
 * The numbers of a field's type in their order, as unsigned numbers: signed ones are moved by half
 * of all there are.
 */
static uint64_t place(uint64_t number, bool is_signed)
{
	return is_signed ? number ^ (1ull << 63) : number;
}

/* Whatever the record holds. */
static void set_constant(struct term *term, bool value)
{
	term->is_constant = true;
	term->constant = value;
}

/* Between two places, as a range of the field's numbers. */
static void set_places(struct instruction *test, uint64_t low, uint64_t high, bool is_signed)
{
	test->code = CODE_RANGE;
	test->right.number = place(low, is_signed);
	test->span = high - low;
}

static bool fits(uint64_t number, uint32_t size)
{
	return cut(number, size, false) == number || cut(number, size, true) == number;
}

static void set_order(struct term *term, uint64_t number, uint32_t size)
{
	struct instruction *test = term->test;
	uint64_t low = place(cut(1ull << (8 * size - 1), size, term->is_signed), term->is_signed);
	uint64_t at = place(number, term->is_signed), lowest, highest, high;

	if (!term->is_signed)
		low = 0;
	high = low + cut(UINT64_MAX, size, false);
	lowest = low;
	highest = high;
	if ((term->op == OP_LT && at <= low) || (term->op == OP_LE && at < low) ||
	    (term->op == OP_GT && at >= high) || (term->op == OP_GE && at > high)) {
		set_constant(term, false);
		return;
	}
	if (term->op == OP_LT || term->op == OP_LE)
		high = MIN(high, at - (term->op == OP_LT));
	else
		low = MAX(low, at + (term->op == OP_GT));
	if (low == lowest && high == highest)
		set_constant(term, true);
	set_places(test, low, high, term->is_signed);
}

/*
 * left OP number, where left is of `size` bytes. The kernel cuts the number to that size; without
 * `strict` one that does not fit keeps its value.
 */
static void set_compare(struct term *term, uint64_t number, uint32_t size)
{
	bool equality = term->op == OP_EQ || term->op == OP_NE;
	struct instruction *test = term->test;

	term->invert = term->op == OP_NE;
	if (equality && !term->parser->strict && !fits(number, size)) {
		set_constant(term, false);
		return;
	}
	if (term->parser->strict || equality)
		number = cut(number, size, term->is_signed);
	if (term->op == OP_BIT_AND) {
		test->code = CODE_BITS;
		test->right.number = cut(number, size, false);
	} else if (equality) {
		set_places(test, place(number, term->is_signed), place(number, term->is_signed),
			   term->is_signed);
	} else {
		set_order(term, number, size);
	}
}

static bool is_number_size(uint32_t size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

/* The kernel's comparison of numbers, or false where it has none for the field's size. */
static void compare_number(struct term *term, uint64_t number)
{
	struct instruction *test = term->test;

	if (term->kind == KFIELD_CPU) {
		test->left.kind = OPERAND_CPU;
		if (term->op == OP_BIT_AND && term->parser->strict)
			set_constant(term, false);
		else
			set_compare(term, number, TASK_CPU_BYTES);
	} else if (!term->field || !is_number_size(term->size)) {
		set_constant(term, false);
	} else {
		test->left = field_operand(term->field);
		test->left.is_signed = term->is_signed;
		set_compare(term, number, term->size);
	}
}

static int read_number(struct term *term)
{
	struct tokenizer *tokenizer = &term->parser->tokenizer;
	char text[NUMBER_BYTES];
	uint64_t number;
	int r;

	if (is_string(term))
		return refuse(term, KFILTER_EXPECT_STRING);
	if (term->op == OP_GLOB)
		return refuse(term, KFILTER_ILLEGAL_FIELD_OP);
	if (*tokenizer->pos == '-')
		tokenizer->pos++;
	r = read_number_text(term, text);
	if (r < 0)
		return r;
	if (!(term->is_signed ? read_signed(text, &number) : kfilter_number(text, &number)))
		return kfilter_refuse(term->parser, -EINVAL, KFILTER_ILLEGAL_INTVAL,
				      term->value + 1);
	compare_number(term, number);
	return 0;
}

/* --- strings --- */

static void set_string_source(struct term *term)
{
	struct instruction *test = term->test;

	test->field = term->field;
	test->strict = term->parser->strict;
	if (term->kind == KFIELD_COMM) {
		test->code = CODE_GLOB_COMM;
	} else if (term->kind == KFIELD_POINTER) {
		test->code = CODE_GLOB_POINTER;
		test->left = field_operand(term->field);
	} else {
		test->code = CODE_GLOB_FIELD;
	}
}

static int read_string(struct term *term)
{
	struct tokenizer *tokenizer = &term->parser->tokenizer;
	const char *start = term->value + 1;
	struct token token;

	if (term->op != OP_EQ && term->op != OP_NE && term->op != OP_GLOB)
		return refuse(term, KFILTER_ILLEGAL_FIELD_OP);
	if (!is_string(term))
		return refuse(term, KFILTER_EXPECT_DIGIT);
	token_next(tokenizer, &token);
	if (token.kind != TOKEN_STRING)
		return refuse(term, KFILTER_MISSING_QUOTE);
	if (token.len - 2 >= TEXT_BYTES) {
		tokenizer->pos--;
		return refuse(term, KFILTER_OPERAND_TOO_LONG);
	}
	set_string_source(term);
	if (glob_init(&term->test->glob, term->parser->arena, start, token.len - 2,
		      term->op == OP_GLOB, term->parser->strict) < 0)
		return -ENOMEM;
	/* Not term->invert: a text that cannot be read matches neither way. */
	if (term->op == OP_NE)
		term->test->glob.invert = true;
	return 0;
}

/* --- functions --- */

static const struct symbol *function_named(const struct symbols *symbols, const char *name,
					   size_t len)
{
	const struct symbol *found = NULL;

	for (size_t i = 0; len && i < symbols_count(symbols); i++) {
		const struct symbol *symbol = symbols_at(symbols, i);

		if (symbol->name_len != len || memcmp(symbol->name, name, len) != 0)
			continue;
		if (!symbol->module)
			return symbol;
		if (!found)
			found = symbol;
	}
	return found;
}

/* The kernel names addresses from _stext up to _end only, beside those of modules. */
static bool is_kernel_address(const struct symbols *symbols, uint64_t addr)
{
	const struct symbol *start = function_named(symbols, "_stext", strlen("_stext"));
	const struct symbol *end = function_named(symbols, "_end", strlen("_end"));
	const struct symbol *symbol = symbols_find(symbols, addr);

	if (!symbol || symbol->module)
		return symbol;
	return (!start || addr >= start->addr) && (!end || addr < end->addr);
}

/* From the symbol at or before `addr` to the next one of another address. */
static bool function_bounds(const struct symbols *symbols, uint64_t addr, uint64_t *ret_start,
			    uint64_t *ret_end)
{
	size_t low = 0, high = symbols_count(symbols);
	const struct symbol *symbol;

	if (!is_kernel_address(symbols, addr))
		return false;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (symbols_at(symbols, middle)->addr <= addr)
			low = middle;
		else
			high = middle;
	}
	symbol = symbols_at(symbols, low);
	if (high == symbols_count(symbols))
		return false;
	*ret_start = symbol->addr;
	*ret_end = symbols_at(symbols, high)->addr;
	return true;
}

static const struct symbols *symbols_of(const struct term *term)
{
	const struct event_db *db = term->parser->kernel->db;

	return event_db_symbols(db ? db : term->event->db);
}

static int read_function_address(struct term *term, uint64_t *ret_addr)
{
	struct tokenizer *tokenizer = &term->parser->tokenizer;
	const struct symbols *symbols = symbols_of(term);
	char text[NUMBER_BYTES];
	const struct symbol *symbol;
	int r;

	if (is_digit(*tokenizer->pos)) {
		r = read_number_text(term, text);
		if (r < 0)
			return r;
		return kfilter_number(text, ret_addr) ? 0 : refuse(term, KFILTER_INVALID_VALUE);
	}
	while (tokenizer->pos < tokenizer->end && !token_is_space(TOKEN_KERNEL, *tokenizer->pos))
		tokenizer->pos++;
	symbol = function_named(symbols, term->value, (size_t)(tokenizer->pos - term->value));
	if (!symbol)
		return refuse(term, KFILTER_NO_FUNCTION);
	*ret_addr = symbol->addr;
	return 0;
}

static int add_function_pattern(struct term *term, const char *text, size_t len)
{
	struct kfilter_parser *parser = term->parser;
	struct function_names *name = arena_alloc(parser->arena, sizeof(*name));
	_cleanup_free_ char *copy = mem_strndup(text, len);
	struct err why;
	int r = name && copy ? function_pattern_new(&name->pattern, copy, &why) : -ENOMEM;

	if (r < 0)
		return r == -ENOMEM ? r : refuse(term, KFILTER_NO_FUNCTION);
	name->next = parser->functions;
	parser->functions = name;
	term->test->function = name->pattern;
	return 0;
}

/* A pattern up to a blank, as the kernel has its names, or a parenthesis behind any /.../. */
static int read_function_pattern(struct term *term)
{
	struct tokenizer *tokenizer = &term->parser->tokenizer;
	size_t len;

	if (*term->value == '/')
		tokenizer->pos += 1 + strcspn(term->value + 1, "/");
	while (tokenizer->pos < tokenizer->end && *tokenizer->pos != ')' &&
	       !token_is_space(TOKEN_KERNEL, *tokenizer->pos))
		tokenizer->pos++;
	len = (size_t)(tokenizer->pos - term->value);
	if (!len || is_digit(*term->value))
		return refuse(term, KFILTER_NO_FUNCTION);
	term->test->code = CODE_FUNCTION;
	term->test->left = field_operand(term->field);
	term->invert = term->op == OP_NE;
	return add_function_pattern(term, term->value, len);
}

/* FIELD.function: an address anywhere in the function. */
static int read_function(struct term *term)
{
	bool is_program = term->parser->kernel->is_program;
	uint64_t addr = 0, start, end;
	int r;

	if (!term->field || (!is_program && term->size != event_db_long_size(term->event->db)))
		return refuse(term, KFILTER_ILLEGAL_FIELD_OP);
	if (term->op != OP_EQ && term->op != OP_NE)
		return refuse(term, KFILTER_INVALID_OP);
	if (is_program)
		return read_function_pattern(term);
	r = read_function_address(term, &addr);
	if (r < 0)
		return r;
	if (!function_bounds(symbols_of(term), addr, &start, &end))
		return refuse(term, KFILTER_NO_FUNCTION);
	term->test->left = field_operand(term->field);
	term->test->left.is_signed = false;
	set_places(term->test, start, end - 1, false);
	term->invert = term->op == OP_NE;
	return 0;
}

/* --- CPUS{LIST} --- */

/* One CPU is compared as a number; a list of several only with what is itself a mask. */
static void compare_cpus(struct term *term, const struct cpu_list *list, uint32_t nr)
{
	struct instruction *test = term->test;
	uint32_t nr_cpus = term->parser->kernel->nr_cpus;

	test->field = term->field;
	test->cpus = *list;
	term->invert = term->op == OP_NE;
	if (term->kind == KFIELD_CPUMASK) {
		test->code = term->op == OP_BIT_AND ? CODE_CPUS_COMMON : CODE_CPUS_SAME;
		return;
	}
	if (nr == 1) {
		uint32_t word = list->nr_words - 1;

		if (term->op == OP_BIT_AND)
			term->op = OP_EQ;
		if (term->kind != KFIELD_CPU)
			term->is_signed = false;
		compare_number(term, word * 64 + (uint32_t)__builtin_ctzll(list->bits[word]));
		return;
	}
	if (term->kind == KFIELD_CPU)
		test->left.kind = OPERAND_CPU;
	else if (is_number_size(term->size))
		test->left = field_operand(term->field);
	else
		term->op = OP_EQ; /* never */
	test->left.is_signed = false;
	term->invert = false;
	test->code = CODE_CPU_IN;
	if (term->op == OP_EQ)
		set_constant(term, false);
	else if (term->op == OP_NE && (!nr_cpus || term->kind == KFIELD_CPU))
		set_constant(term, true);
	else if (term->op == OP_NE)
		set_places(test, 0, nr_cpus - 1, false);
}

static int read_cpus(struct term *term)
{
	struct tokenizer *tokenizer = &term->parser->tokenizer;
	const char *start;
	struct cpu_list list;
	uint32_t nr;

	if (term->kind != KFIELD_CPUMASK && term->kind != KFIELD_CPU && term->kind != KFIELD_NUMBER)
		return refuse(term, KFILTER_ILLEGAL_FIELD_OP);
	if (term->op != OP_EQ && term->op != OP_NE && term->op != OP_BIT_AND)
		return refuse(term, KFILTER_ILLEGAL_FIELD_OP);
	take(tokenizer, "CPUS");
	start = ++tokenizer->pos;
	if (start[-1] != '{')
		return refuse(term, KFILTER_MISSING_BRACE_OPEN);
	tokenizer->pos += strcspn(start, "}");
	if (!*tokenizer->pos)
		return refuse(term, KFILTER_MISSING_BRACE_CLOSE);
	if (tokenizer->pos == start ||
	    !kfilter_cpu_list(term->parser->arena, start, (size_t)(tokenizer->pos - start),
			      term->parser->kernel->nr_cpus, &list, &nr))
		return refuse(term, KFILTER_INVALID_CPULIST);
	if (!list.bits)
		return -ENOMEM;
	tokenizer->pos++;
	compare_cpus(term, &list, nr);
	return 0;
}

static int read_value(struct term *term, bool function)
{
	const char *p = term->value;

	if (function)
		return read_function(term);
	if (term->parser->kernel->cpus && !strncmp(p, "CPUS", 4))
		return read_cpus(term);
	if (*p == '\'' || *p == '"')
		return read_string(term);
	if (is_digit(*p) || *p == '-')
		return read_number(term);
	return refuse(term, KFILTER_INVALID_VALUE);
}

int kfilter_term(struct kfilter_parser *parser, struct node **ret_node)
{
	struct term term = {.parser = parser, .event = parser->event};
	struct node *node = arena_alloc(parser->arena, sizeof(*node)), *not ;
	bool function;
	int r;

	term.test = arena_alloc(parser->arena, sizeof(*term.test));
	not = arena_alloc(parser->arena, sizeof(*not ));
	if (!node || !term.test || !not )
		return -ENOMEM;
	if (!set_field(&term, &parser->token))
		return refuse(&term, KFILTER_FIELD_NOT_FOUND);
	if (parser->kernel->ustring)
		take(&parser->tokenizer, ".ustring");
	function = parser->kernel->function && take(&parser->tokenizer, ".function");
	r = read_op(&term);
	if (r == 0)
		r = read_value(&term, function);
	if (r < 0)
		return r;
	node->kind = term.is_constant ? NODE_BOOL : NODE_TEST;
	node->value = term.constant;
	node->test = term.test;
	*ret_node = node;
	if (term.invert) {
		*not = (struct node){.kind = NODE_LOGIC, .op = OP_NOT, .right = node};
		*ret_node = not ;
	}
	return 0;
}
