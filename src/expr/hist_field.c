/* SPDX-License-Identifier: MIT */
/*
 * Fields, variables and expressions of a hist trigger: text to nodes. The kernel has no grammar for
 * them but cuts the text at its last operator, again and again; what it accepts follows from that,
 * so it is done in the same order here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "expr/hist_private.h"

/* The declaration of a field in the format text: what stands between "field:" and ';'. */
static const char *declaration(const struct event *event, const char *name, size_t *ret_len,
			       size_t *ret_name_at)
{
	const char *text = event->format, *end = text + event->format_len;
	size_t name_len = strlen(name);

	for (const char *at = text; at && at < end; at++) {
		const char *semicolon;
		size_t len;

		at = memmem(at, (size_t)(end - at), "field:", 6);
		semicolon = at ? memchr(at, ';', (size_t)(end - at)) : NULL;
		if (!semicolon)
			break;
		at += 6;
		len = (size_t)(semicolon - at);
		for (size_t i = 1; i + name_len <= len; i++) {
			bool ends = i + name_len == len || at[i + name_len] == '[';

			if (ends && (at[i - 1] == ' ' || at[i - 1] == '*') &&
			    memcmp(at + i, name, name_len) == 0) {
				*ret_len = len;
				*ret_name_at = i;
				return at;
			}
		}
	}
	return NULL;
}

const char *hist_field_type(struct arena *arena, const struct event *event,
			    const struct event_field *field)
{
	size_t len, name_at, type_len, name_len = strlen(field->name);
	const char *text = declaration(event, field->name, &len, &name_at);
	char *type;

	if (!text)
		return arena_strdup(arena, field->type);
	type_len = name_at;
	while (type_len && text[type_len - 1] == ' ')
		type_len--;
	type = arena_alloc(arena, len + 1);
	if (!type)
		return NULL;
	memcpy(type, text, type_len);
	memcpy(type + type_len, text + name_at + name_len, len - name_at - name_len);
	return type;
}

enum string_kind {
	STRING_NONE,
	STRING_ARRAY,
	STRING_DYNAMIC,
	STRING_RELATIVE,
	STRING_POINTER
};

static enum string_kind string_kind(const char *type)
{
	if (strstr(type, "__data_loc") && strstr(type, "char"))
		return STRING_DYNAMIC;
	if (strstr(type, "__data_loc") && strstr(type, "cpumask_t"))
		return STRING_NONE;
	if (strstr(type, "__rel_loc") && strstr(type, "char"))
		return STRING_RELATIVE;
	if (strchr(type, '[') && strstr(type, "char"))
		return STRING_ARRAY;
	if (strcmp(type, "char *") == 0 || strcmp(type, "const char *") == 0)
		return STRING_POINTER;
	return STRING_NONE;
}

static bool is_stack_field(const struct event *event, const char *type)
{
	return strcmp(event->system, "synthetic") == 0 && strstr(type, "long[");
}

/* A field of the record, as it is. False: its size is none that can be read. */
static bool set_field(struct hist_data *data, struct hist_node *node,
		      const struct event_field *field)
{
	enum string_kind kind;

	node->type = hist_field_type(&data->arena, data->event, field);
	if (!node->type)
		return false;
	kind = string_kind(node->type);
	node->string_field = kind != STRING_NONE;
	if (kind != STRING_NONE && kind != STRING_POINTER) {
		node->flags |= NODE_STRING_VALUE;
		node->size = kind == STRING_ARRAY ? field->size : HIST_STRING_BYTES;
		node->op = kind == STRING_ARRAY	    ? HIST_OP_TEXT
			   : kind == STRING_DYNAMIC ? HIST_OP_DYNAMIC
						    : HIST_OP_RELATIVE;
		return true;
	}
	if (is_stack_field(data->event, node->type)) {
		node->flags |= NODE_STACK;
		node->size = HIST_STRING_BYTES;
		node->op = HIST_OP_STACK_FIELD;
		node->stack_type = true;
		return true;
	}
	node->op = HIST_OP_NUMBER;
	node->size = field->size;
	node->is_signed = field->flags & EVENT_FIELD_SIGNED;
	return field->size == 1 || field->size == 2 || field->size == 4 || field->size == 8;
}

static void set_number(struct hist_node *node, enum hist_op op, const char *type, uint32_t size)
{
	node->op = op;
	node->type = type;
	node->size = size;
}

static bool set_rounded(struct hist_data *data, struct hist_node *node,
			const struct event_field *field)
{
	node->operands[0] = hist_make_node(
		data, field, node->flags & ~(uint32_t)(NODE_LOG2 | NODE_BUCKET), NULL);
	if (!node->operands[0])
		return false;
	set_number(node, node->flags & NODE_LOG2 ? HIST_OP_LOG2 : HIST_OP_BUCKET,
		   node->operands[0]->type, node->operands[0]->size);
	node->string_field = node->operands[0]->string_field;
	return true;
}

struct hist_node *hist_make_node(struct hist_data *data, const struct event_field *field,
				 uint32_t flags, const char *var)
{
	struct hist_node *node = arena_alloc(&data->arena, sizeof(*node));
	bool ok = true;

	if (!node)
		return NULL;
	node->flags = flags;
	node->type = "";
	node->var = var;
	if (flags & (NODE_EXPR | NODE_ALIAS))
		return node;
	if (flags & NODE_REF)
		node->op = HIST_OP_REF;
	else if (flags & NODE_HITCOUNT)
		set_number(node, HIST_OP_ONE, "u64", 8);
	else if (flags & NODE_CONST)
		set_number(node, HIST_OP_CONST, "u64", 8);
	else if (flags & NODE_STACK)
		set_number(node, field ? HIST_OP_STACK_FIELD : HIST_OP_NONE, "unsigned long[]",
			   HIST_STACK_DEPTH * 8);
	else if (flags & (NODE_LOG2 | NODE_BUCKET))
		ok = set_rounded(data, node, field);
	else if (flags & NODE_TIME)
		set_number(node, HIST_OP_TIME, "u64", 8);
	else if (flags & NODE_CPU)
		set_number(node, HIST_OP_CPU, "unsigned int", 4);
	else
		ok = field && set_field(data, node, field);
	node->field = field;
	node->stack_type = node->stack_type || (field && node->op == HIST_OP_STACK_FIELD);
	return ok ? node : NULL;
}

/* With the event's name, where the text has it. */
static bool name_ref(struct hist_data *data, struct hist_node *ref, const char *system,
		     const char *event_name, const char *name)
{
	_cleanup_out_ struct out out = {0};

	ref->name = arena_strdup(&data->arena, name);
	if (!system || !event_name)
		return ref->name != NULL;
	ref->system = arena_strdup(&data->arena, system);
	ref->event_name = arena_strdup(&data->arena, event_name);
	out_printf(&out, "%s.%s.%s%s", system, event_name,
		   data->set->options.kernel.stack_fields ? "$" : "", name);
	ref->full_name = arena_strdup(&data->arena, out_cstr(&out));
	return ref->name && ref->system && ref->event_name && ref->full_name;
}

struct hist_node *hist_make_ref(struct hist_data *data, struct hist_node *var, const char *system,
				const char *event_name)
{
	struct hist_node *ref;

	for (uint32_t i = 0; i < data->nr_var_refs; i++) {
		ref = data->var_refs[i];
		if (ref->var_index == var->var_index && ref->var_owner == var->var_owner)
			return ref;
	}
	if (data->nr_var_refs >= HIST_VARS)
		return NULL;
	ref = hist_make_node(data, NULL, NODE_REF, NULL);
	if (!ref)
		return NULL;
	ref->var_index = var->var_index;
	ref->var_owner = var->var_owner;
	ref->size = var->size;
	ref->is_signed = var->is_signed;
	ref->type = var->type;
	ref->flags |= var->flags & (NODE_TIME | NODE_USECS | NODE_STACK);
	if (!name_ref(data, ref, system, event_name, var->var ? var->var : ""))
		return NULL;
	ref->ref_index = data->nr_var_refs;
	data->var_refs[data->nr_var_refs++] = ref;
	return ref;
}

struct hist_node *hist_find_own_var(const struct hist_data *data, const char *name)
{
	for (uint32_t i = 0; i < data->nr_nodes; i++) {
		struct hist_node *node = data->nodes[i];

		if (node && (node->flags & NODE_VAR) && strcmp(node->var, name) == 0)
			return node;
	}
	return NULL;
}

/* A variable of any trigger of the event. */
static struct hist_node *find_var_at(const struct hist_set *set, const struct event *event,
				     const char *name)
{
	for (const struct hist *hist = hist_first(set, event); hist; hist = hist->next) {
		struct hist_node *node = hist_find_own_var(hist->data, name);

		if (node)
			return node;
	}
	return NULL;
}

/* The event that a variable belongs to; NULL also when several have it. */
static const struct event *find_var_event(struct hist_set *set, const char *system,
					  const char *event_name, const char *name)
{
	const struct event *found = NULL;

	if (system)
		return event_name ? hist_set_event(set, system, event_name) : NULL;
	for (size_t i = set->nr_var_data; i-- > 0;) {
		const struct hist_data *data = set->var_data[i];

		if (data->event == found || !hist_find_own_var(data, name))
			continue;
		if (found) {
			hist_refuse(set,
				    "Variable name not unique, need to use fully qualified name "
				    "(subsys.event.var) for variable",
				    name);
			return NULL;
		}
		found = data->event;
	}
	return found;
}

struct hist_node *hist_find_event_var(struct hist_data *data, const char *system,
				      const char *event_name, const char *name)
{
	struct hist_set *set = data->set;
	struct hist_node *found = NULL;
	const struct event *event;

	for (uint32_t i = 0; (!system || !event_name) && i < data->nr_actions; i++) {
		const struct hist_action *action = data->actions[i];
		struct hist_node *node;

		if (action->handler != HIST_ONMATCH)
			continue;
		event = hist_set_event(set, action->match_system, action->match_event);
		node = event ? find_var_at(set, event, name) : NULL;
		if (node && found) {
			hist_refuse(set,
				    "Variable name not unique, need to use fully qualified name "
				    "(subsys.event.var) for variable",
				    name);
			return NULL;
		}
		if (node)
			found = node;
	}
	if (found)
		return found;
	event = find_var_event(set, system, event_name, name);
	return event ? find_var_at(set, event, name) : NULL;
}

bool hist_has_vars(const struct hist_node *node, unsigned int level)
{
	if (!node || level > 3)
		return false;
	return (node->flags & (NODE_VAR | NODE_REF)) ||
	       hist_has_vars(node->operands[0], level + 1) ||
	       hist_has_vars(node->operands[1], level + 1);
}

static const struct {
	const char *word;
	uint32_t flag;
} modifiers[] = {
	{"hex", NODE_HEX},	     {"sym", NODE_SYM},		 {"sym-offset", NODE_SYM_OFFSET},
	{"execname", NODE_EXECNAME}, {"syscall", NODE_SYSCALL},	 {"log2", NODE_LOG2},
	{"buckets", NODE_BUCKET},    {"usecs", NODE_USECS},	 {"percent", NODE_PERCENT},
	{"graph", NODE_GRAPH},	     {"stacktrace", NODE_STACK},
};

const char *hist_modifier(const struct hist_node *node)
{
	for (size_t i = 0; i < ARRAY_SIZE(modifiers); i++) {
		if (node->flags & modifiers[i].flag)
			return modifiers[i].word;
	}
	return NULL;
}

/* "bucket=N" or "buckets=N", behind "bucket". On failure *text is where it went wrong. */
static bool parse_buckets(const char **text, uint64_t *ret_buckets)
{
	*text += 6;
	if (**text == 's')
		(*text)++;
	if (**text != '=')
		return false;
	(*text)++;
	return hist_parse_number(*text, ret_buckets) == 0 && *ret_buckets;
}

static bool parse_modifier(const struct hist_data *data, const char *name, const char **text,
			   uint32_t *flags, uint64_t *ret_buckets)
{
	bool is_value = !(*flags & (NODE_VAR | NODE_KEY));
	uint32_t flag = 0;

	if (strncmp(*text, "bucket", 6) == 0) {
		*flags |= NODE_BUCKET;
		return parse_buckets(text, ret_buckets);
	}
	if (strncmp(*text, "percent", 7) == 0)
		flag = is_value ? NODE_PERCENT : 0;
	else if (strncmp(*text, "graph", 5) == 0)
		flag = is_value ? NODE_GRAPH : 0;
	else if (strcmp(*text, "symXoffset") == 0)
		flag = NODE_SYM_OFFSET;
	else if (strcmp(*text, "sym-offset") != 0)
		for (size_t i = 0; i < ARRAY_SIZE(modifiers); i++)
			if (strcmp(*text, modifiers[i].word) == 0)
				flag = modifiers[i].flag;
	if (flag == NODE_EXECNAME && strcmp(name, "common_pid") != 0)
		flag = 0;
	if (flag == NODE_STACK && !data->set->options.kernel.stack_fields)
		flag = 0;
	*flags |= flag;
	return flag != 0;
}

/* A name that stands for no field of the record. */
static uint32_t special_field(const struct hist_data *data, const char *name)
{
	const struct hist_kernel *kernel = &data->set->options.kernel;

	if (strcmp(name, "common_timestamp") == 0)
		return NODE_TIME;
	if (strcmp(name, "common_cpu") == 0)
		return NODE_CPU;
	if (kernel->stack_fields && strcmp(name, "common_stacktrace") == 0)
		return NODE_STACK;
	if (kernel->nohitcount && strcmp(name, "hitcount") == 0)
		return NODE_HITCOUNT;
	return 0;
}

/* Old names, where the event has no field of that name. */
static uint32_t old_special_field(const struct hist_data *data, const char *name)
{
	if (strcmp(name, "cpu") == 0 || strcmp(name, "CPU") == 0)
		return NODE_CPU;
	if (data->set->options.kernel.stack_fields &&
	    (strcmp(name, "stacktrace") == 0 || strcmp(name, "STACKTRACE") == 0))
		return NODE_STACK;
	return 0;
}

static int find_field(struct hist_data *data, const char *name, uint32_t *flags,
		      const struct event_field **ret_field)
{
	uint32_t special = special_field(data, name);

	if (special == NODE_TIME) {
		data->times = true;
		if (*flags & NODE_USECS)
			data->attrs.usecs = true;
	}
	if (!special) {
		*ret_field = event_field_find(data->event, name);
		if (*ret_field && (*ret_field)->size)
			return 0;
		special = old_special_field(data, name);
		*ret_field = NULL;
	}
	if (!special) {
		hist_refuse(data->set, "Couldn't find field", name);
		return -EINVAL;
	}
	*flags |= special;
	return 0;
}

/* NAME[.MODIFIER] */
static int parse_field(struct hist_data *data, const char *text, uint32_t *flags,
		       uint64_t *ret_buckets, const struct event_field **ret_field,
		       const char **ret_name)
{
	char *copy = arena_strdup(&data->arena, text), *rest = copy;
	const char *name = strsep(&rest, "."), *modifier = rest;
	bool stack_modifier = modifier && strcmp(modifier, "stacktrace") == 0;
	int r;

	if (!copy)
		return -ENOMEM;
	*ret_field = NULL;
	*ret_name = name;
	if (modifier && !parse_modifier(data, name, &modifier, flags, ret_buckets)) {
		hist_refuse(data->set, "Invalid field modifier", modifier);
		return -EINVAL;
	}
	r = find_field(data, name, flags, ret_field);
	if (r < 0 || !stack_modifier)
		return r;
	if (*ret_field &&
	    is_stack_field(data->event, hist_field_type(&data->arena, data->event, *ret_field)))
		return 0;
	hist_refuse(data->set, "Invalid field modifier", text);
	return -EINVAL;
}

static bool is_ref(const char *text)
{
	return text[0] == '$' && text[1];
}

/* Where the kernel cuts the text; HIST_OP_NONE: nowhere. */
enum hist_op hist_find_operator(char *text, char **ret_place)
{
	char *minus = strrchr(text, '-'), *plus = strrchr(text, '+');
	char *div = strrchr(text, '/'), *mul = strrchr(text, '*');

	if (minus == text) {
		*ret_place = minus;
		return HIST_OP_NEGATE;
	}
	if (plus || minus) {
		*ret_place = plus > minus ? plus : minus;
		return plus > minus ? HIST_OP_ADD : HIST_OP_SUB;
	}
	*ret_place = mul > div ? mul : div;
	return mul > div ? HIST_OP_MUL : div ? HIST_OP_DIV : HIST_OP_NONE;
}

/*
 * A variable of this trigger that is just a field stands for that field: its text, else NULL. So it
 * may be a key.
 */
static char *own_field_text(struct hist_data *data, const char *system, const char *event_name,
			    const char *name)
{
	const struct event *event = data->event;
	char *place;

	if (system && event_name &&
	    (strcmp(system, event->system) != 0 || strcmp(event_name, event->name) != 0))
		return NULL;
	if (!system != !event_name || !is_ref(name))
		return NULL;
	for (uint32_t i = 0; i < data->attrs.nr_vars; i++) {
		char *text;

		if (strcmp(name + 1, data->attrs.var_names[i]) != 0)
			continue;
		text = arena_strdup(&data->arena, data->attrs.var_texts[i]);
		if (text && hist_find_operator(text, &place) == HIST_OP_NONE && !is_ref(text))
			return text;
	}
	return NULL;
}

static struct hist_node *parse_ref(struct hist_data *data, const char *system,
				   const char *event_name, const char *name)
{
	struct hist_node *var, *ref = NULL;

	if (!is_ref(name))
		return NULL;
	var = hist_find_event_var(data, system, event_name, name + 1);
	if (var)
		ref = hist_make_ref(data, var, system, event_name);
	if (!ref)
		hist_refuse(data->set, "Couldn't find variable", name + 1);
	return ref;
}

/* A variable that is another one's value. */
static struct hist_node *make_alias(struct hist_data *data, struct hist_node *ref, const char *var)
{
	struct hist_node *alias = hist_make_node(data, NULL, NODE_ALIAS | NODE_VAR, var);

	if (!alias)
		return NULL;
	alias->op = ref->op;
	alias->operands[0] = ref;
	alias->size = ref->size;
	alias->is_signed = ref->is_signed;
	alias->type = ref->type;
	alias->flags |= ref->flags & (NODE_TIME | NODE_USECS | NODE_STACK);
	alias->system = ref->system;
	alias->event_name = ref->event_name;
	alias->name = ref->name;
	alias->ref_index = ref->ref_index;
	return alias;
}

static struct hist_node *parse_number(struct hist_data *data, const char *text, uint32_t flags,
				      const char *var)
{
	struct hist_node *node;
	uint64_t number;

	if (hist_parse_number(text, &number) < 0) {
		hist_refuse(data->set, "Expecting numeric literal", text);
		return NULL;
	}
	node = hist_make_node(data, NULL, flags | NODE_CONST, var);
	if (node)
		node->constant = number;
	return node;
}

/* Cuts SYSTEM.EVENT. off the front of a text with two dots; *text is what follows. */
static void cut_event(char **text, const char **ret_system, const char **ret_event)
{
	const char *dot = strchr(*text, '.');

	if (dot && strchr(dot + 1, '.')) {
		*ret_system = strsep(text, ".");
		*ret_event = strsep(text, ".");
	}
}

struct hist_node *hist_parse_atom(struct hist_data *data, char *text, uint32_t flags,
				  const char *var, int *ret_code)
{
	const char *system = NULL, *event_name = NULL, *name;
	const struct event_field *field;
	struct hist_node *node;
	uint64_t buckets = 0;
	char *own;

	*ret_code = -EINVAL;
	if (*text >= '0' && *text <= '9')
		return parse_number(data, text, flags, var);
	cut_event(&text, &system, &event_name);
	own = own_field_text(data, system, event_name, text);
	if (!own) {
		node = parse_ref(data, system, event_name, text);
		if (node)
			return var ? make_alias(data, node, var) : node;
	} else {
		text = own;
	}
	*ret_code = parse_field(data, text, &flags, &buckets, &field, &name);
	if (*ret_code < 0)
		return NULL;
	*ret_code = -ENOMEM; /* what the kernel says, also of arrays and functions */
	if (field && strcmp(data->event->system, "ftrace") == 0 && data->set->options.strict &&
	    data->event->kind == EVENT_FUNCTION && (field->flags & EVENT_FIELD_LONG))
		return NULL;
	node = hist_make_node(data, field, flags, var);
	if (!node)
		return NULL;
	node->buckets = buckets;
	if (flags & NODE_CPU)
		node->name = name; /* an old one shows in the table */
	return node;
}

const char *hist_node_name(const struct hist_data *data, const struct hist_node *node)
{
	if (node->field)
		return node->field->name;
	if ((node->flags & NODE_CPU) && node->name)
		return node->name;
	if (node->flags & (NODE_LOG2 | NODE_ALIAS | NODE_BUCKET))
		return node->operands[0] ? hist_node_name(data, node->operands[0]) : "";
	if (node->flags & NODE_CPU)
		return "common_cpu";
	if (node->flags & (NODE_EXPR | NODE_REF))
		return node->full_name ? node->full_name : node->name ? node->name : "";
	if (node->flags & NODE_TIME)
		return "common_timestamp";
	if (!data->set->options.kernel.stack_fields)
		return "";
	if (node->flags & NODE_STACK)
		return "common_stacktrace";
	return node->flags & NODE_HITCOUNT ? "hitcount" : "";
}

void hist_node_text(const struct hist_data *data, const struct hist_node *node, struct out *out)
{
	const char *modifier = hist_modifier(node);

	if (node->flags & NODE_REF) {
		if (!node->system || !data->set->options.kernel.stack_fields)
			out_char(out, '$');
		out_str(out, hist_node_name(data, node));
		return;
	}
	if (node->flags & NODE_CONST)
		out_u64(out, node->constant);
	out_str(out, hist_node_name(data, node));
	if (modifier)
		out_printf(out, ".%s", modifier);
}
