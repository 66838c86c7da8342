/* SPDX-License-Identifier: MIT */
/* The values, variables, keys and sort order of a hist trigger, and the map that they need. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "expr/hist_private.h"

static int refuse(struct hist_set *set, const char *message, const char *text, int code)
{
	hist_refuse(set, message, text);
	return code;
}

/* VAR=EXPR[,VAR=EXPR] */
static int split_variables(struct hist_data *data)
{
	struct hist_attrs *attrs = &data->attrs;

	for (uint32_t i = 0; i < attrs->nr_assignments; i++) {
		char *rest = arena_strdup(&data->arena, attrs->assignments[i]), *text;

		if (!rest)
			return -ENOMEM;
		for (uint32_t j = 0; j < HIST_VARS && (text = strsep(&rest, ",")); j++) {
			const char *name = strsep(&text, "=");

			if (!text)
				return refuse(data->set, "Malformed assignment", name, -EINVAL);
			if (attrs->nr_vars == HIST_VARS)
				return refuse(data->set, "Too many variables defined", name,
					      -EINVAL);
			attrs->var_names[attrs->nr_vars] = name;
			attrs->var_texts[attrs->nr_vars++] = text;
		}
	}
	return 0;
}

/* A value or variable that begins at `text`, which is cut on the way. */
static int add_value(struct hist_data *data, const char *var, char *text, uint32_t flags)
{
	const uint32_t not_vars = NODE_GRAPH | NODE_PERCENT | NODE_BUCKET | NODE_LOG2;
	const uint32_t not_vals =
		NODE_BUCKET | NODE_LOG2 | NODE_SYM | NODE_SYM_OFFSET | NODE_SYSCALL | NODE_STACK;
	unsigned int depth = 0;
	struct hist_node *node;
	int r = 0;

	node = hist_parse_expr(data, text, flags, var, &depth, &r);
	if (!node)
		return r;
	if (node->flags & (node->flags & NODE_VAR ? not_vars : not_vals))
		return refuse(data->set, "Invalid field modifier", text, -EINVAL);
	data->nodes[data->nr_nodes++] = node;
	data->nr_vals++;
	return 0;
}

static int add_values(struct hist_data *data)
{
	bool strict_hitcount = data->set->options.kernel.nohitcount;
	unsigned int nr_hitcounts = 0;
	char *rest = data->attrs.vals, *text;
	int r = 0;

	data->nodes[0] = hist_make_node(data, NULL, NODE_HITCOUNT, NULL);
	if (!data->nodes[0])
		return -ENOMEM;
	data->nr_nodes = data->nr_vals = 1;
	for (uint32_t i = 0; i < HIST_VALS && data->nr_vals < HIST_VALS && r >= 0; i++) {
		text = strsep(&rest, ",");
		if (!text)
			break;
		if (strcmp(text, "hitcount") == 0 && (!nr_hitcounts++ || !strict_hitcount))
			continue;
		r = add_value(data, NULL, text, 0);
	}
	if (r >= 0 && rest && strcmp(rest, "hitcount") != 0)
		r = -EINVAL;
	if (data->nr_vals == 1 && data->attrs.no_hitcount && r >= 0)
		return refuse(data->set, "Non-hitcount value is required for 'nohitcount'", NULL,
			      -ENOENT);
	return r;
}

/* Whether a trigger of this event, or this one so far, has a variable of that name. */
static bool variable_exists(const struct hist_data *data, const char *name)
{
	if (hist_find_own_var(data, name))
		return true;
	for (const struct hist *hist = hist_first(data->set, data->event); hist;
	     hist = hist->next) {
		if (hist_find_own_var(hist->data, name))
			return true;
	}
	return false;
}

static int add_variable(struct hist_data *data, const char *name, const char *text, bool remove)
{
	char *copy = arena_strdup(&data->arena, text);
	struct hist_node *node;
	int r;

	if (!copy)
		return -ENOMEM;
	if (variable_exists(data, name) && !remove)
		return refuse(data->set, "Variable already defined", name, -EINVAL);
	r = add_value(data, name, copy, NODE_VAR);
	if (r < 0)
		return r;
	data->nr_vars++;
	node = data->nodes[data->nr_nodes - 1];
	if (node->flags & NODE_EXECNAME) { /* the task's name, in place of its number */
		node->flags = NODE_STRING_VALUE | NODE_VAR | NODE_EXECNAME;
		node->size = HIST_STRING_BYTES;
		node->is_signed = false;
		node->type = "char[]";
		node->op = HIST_OP_COMM;
	}
	if (!(node->flags & NODE_ALIAS) && (node->flags & (NODE_STRING_VALUE | NODE_STACK)))
		node->string_index = data->nr_var_strings++;
	return 0;
}

static int parse_key(struct hist_data *data, char *text, struct hist_node **ret_node,
		     uint32_t *ret_size)
{
	unsigned int depth = 0;
	int r = 0;

	if (strcmp(text, "stacktrace") == 0) {
		*ret_node = hist_make_node(data, NULL, NODE_KEY | NODE_STACK, NULL);
		*ret_size = HIST_STACK_DEPTH * 8;
		return *ret_node ? 0 : -ENOMEM;
	}
	*ret_node = hist_parse_expr(data, text, NODE_KEY, NULL, &depth, &r);
	if (!*ret_node)
		return r;
	if (hist_has_vars(*ret_node, 0))
		return refuse(data->set, "Using variable references in keys not supported", text,
			      -EINVAL);
	*ret_size = (*ret_node)->size;
	return 0;
}

static int add_key(struct hist_data *data, char *text)
{
	struct hist_node *node;
	uint32_t size = 0;
	int r = parse_key(data, text, &node, &size);

	if (r < 0)
		return r;
	data->nodes[data->nr_nodes] = node;
	node->size = (size + 7) & ~7u;
	node->offset = data->key_size;
	data->key_size += node->size;
	if (data->key_size > HIST_KEY_BYTES)
		return -EINVAL;
	data->nr_nodes++;
	data->nr_keys++;
	return 0;
}

static int add_keys(struct hist_data *data)
{
	char *rest = data->attrs.keys, *text;
	int r = 0;

	for (uint32_t i = 0; i < HIST_KEYS && r >= 0; i++) {
		text = strsep(&rest, ",");
		if (!text)
			break;
		r = add_key(data, text);
	}
	return r >= 0 && rest ? -EINVAL : r;
}

static int add_nodes(struct hist_data *data, bool remove)
{
	int r = split_variables(data);

	if (r >= 0)
		r = add_values(data);
	for (uint32_t i = 0; i < data->attrs.nr_vars && r >= 0; i++)
		r = add_variable(data, data->attrs.var_names[i], data->attrs.var_texts[i], remove);
	if (r >= 0)
		r = add_keys(data);
	data->attrs.nr_vars = 0; /* from here on variables are no longer what their text says */
	return r;
}

static int parse_direction(struct hist_data *data, const char *text, bool *ret_descending)
{
	*ret_descending = text && strcmp(text, "descending") == 0;
	if (!text || *ret_descending || strcmp(text, "ascending") == 0)
		return 0;
	return refuse(data->set, "Invalid sort modifier", text, -EINVAL);
}

static int parse_sort(struct hist_data *data, char *text, struct hist_sort *sort)
{
	const char *name = strsep(&text, ".");
	uint32_t field = 0;

	if (!*name)
		return refuse(data->set, "Empty sort field", "sort=", -EINVAL);
	if (strcmp(name, "hitcount") == 0)
		return parse_direction(data, text, &sort->descending);
	for (uint32_t i = 1; i < data->nr_nodes; i++) {
		if (data->nodes[i]->flags & NODE_VAR)
			continue;
		field++;
		if (strcmp(name, hist_node_name(data, data->nodes[i])) != 0)
			continue;
		sort->field = field;
		return parse_direction(data, text, &sort->descending);
	}
	return refuse(data->set, "Sort field must be a key or a val", name, -EINVAL);
}

static int add_sorts(struct hist_data *data)
{
	char *rest = data->attrs.sort, *text;

	data->nr_sorts = 1;
	if (!rest)
		return 0;
	for (uint32_t i = 0; i < HIST_SORTS; i++) {
		int r;

		text = strsep(&rest, ",");
		if (!text)
			break;
		if (!*text)
			return refuse(data->set, "Empty sort field", "sort=", -EINVAL);
		if (i == HIST_SORTS - 1 && rest)
			return refuse(data->set, "Too many sort fields (Max = 2)",
				      "sort=", -EINVAL);
		r = parse_sort(data, text, &data->sorts[i]);
		if (r < 0)
			return r;
		data->nr_sorts = i + 1;
	}
	return 0;
}

/* Variables are numbered where they are made; those of actions follow. */
static int number_variables(struct hist_data *data)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < data->nr_nodes; i++) {
		struct hist_node *node = data->nodes[i];

		if (node->flags & NODE_EXECNAME)
			data->wants_comm = true;
		if (node->op == HIST_OP_NONE && (node->flags & NODE_STACK))
			data->wants_stack = true;
		if (!(node->flags & NODE_VAR))
			continue;
		if (nr == HIST_VARS)
			return -EINVAL;
		node->var_owner = data;
		node->var_index = nr++;
	}
	data->map.layout.nr_vars = nr;
	return 0;
}

int hist_data_new(struct hist_set *set, const struct event *event, struct hist_attrs *attrs,
		  struct arena *arena, bool remove, struct hist_data **ret_data)
{
	struct hist_data *data = mem_zalloc(sizeof(*data));
	int r;

	if (!data)
		return -ENOMEM;
	data->set = set;
	data->event = event;
	data->attrs = *attrs;
	data->arena = *arena;
	*arena = (struct arena){0};
	r = hist_parse_actions(data);
	if (r >= 0)
		r = add_nodes(data, remove);
	if (r >= 0)
		r = add_sorts(data);
	if (r >= 0)
		r = number_variables(data);
	if (r < 0) {
		hist_data_free(data);
		return r;
	}
	*ret_data = data;
	return 0;
}

void hist_data_free(struct hist_data *data)
{
	for (uint32_t i = 0; i < data->nr_actions; i++)
		if (data->actions[i]->synthetic)
			data->actions[i]->synthetic->refs--;
	hist_map_done(&data->map);
	arena_done(&data->arena);
	mem_free(data);
}
