/* SPDX-License-Identifier: MIT */
/*
 * Handlers and actions: onmatch(SYSTEM.EVENT).ACTION, onmax($VAR).ACTION, onchange($VAR).ACTION.
 * Their texts are parsed before the fields of the trigger, since $VAR may mean a variable of the
 * event in onmatch(); what they refer to is looked up after.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "expr/hist_private.h"

static int refuse(struct hist_set *set, const char *message, const char *text, int code)
{
	hist_refuse(set, message, text);
	return code;
}

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static int parse_params(struct hist_set *set, char *rest, struct hist_action *action)
{
	bool first = true;
	char *param;

	while (rest) {
		if (action->nr_params >= HIST_PARAMS)
			return refuse(set, "Too many action params", NULL, -EINVAL);
		param = hist_strip(strsep(&rest, ","));
		if (strlen(param) < 2)
			return refuse(set, "Invalid action param", param, -EINVAL);
		if (first && action->trace_keyword)
			action->synthetic_name = param;
		else
			action->params[action->nr_params++] = param;
		first = false;
	}
	return 0;
}

/* .NAME(PARAMS) */
static int parse_action(struct hist_set *set, char *rest, struct hist_action *action)
{
	char *name, *params;
	int r;

	strsep(&rest, ".");
	name = rest ? strsep(&rest, "(") : NULL;
	if (!name || !rest)
		return refuse(set, "No action found", NULL, -EINVAL);
	params = strsep(&rest, ")");
	action->name = name;
	if (begins(name, "snapshot")) {
		if (!rest)
			return refuse(set, "No closing paren found", params, -EINVAL);
		action->action = HIST_SNAPSHOT;
	} else {
		action->action = begins(name, "save") ? HIST_SAVE : HIST_TRACE;
		action->trace_keyword = action->action == HIST_TRACE && begins(name, "trace");
		r = parse_params(set, params, action);
		if (r < 0)
			return r;
	}
	if (action->action != HIST_TRACE && action->handler == HIST_ONMATCH)
		return refuse(set, "Handler doesn't support action", name, -EINVAL);
	return 0;
}

/* SYSTEM.EVENT).ACTION */
static int parse_onmatch(struct hist_set *set, char *rest, struct hist_action *action)
{
	char *event = strsep(&rest, ")");
	const char *system;

	if (!rest)
		return refuse(set, "No closing paren found", event, -EINVAL);
	system = strsep(&event, ".");
	if (!event)
		return refuse(set, "Missing subsystem", system, -EINVAL);
	if (!hist_set_event(set, system, event))
		return refuse(set, "Invalid subsystem or event name", event, -EINVAL);
	action->match_system = system;
	action->match_event = event;
	return parse_action(set, rest, action);
}

/* $VAR).ACTION */
static int parse_tracking(struct hist_set *set, char *rest, struct hist_action *action)
{
	action->tracked = strsep(&rest, ")");
	return rest ? parse_action(set, rest, action) : -EINVAL;
}

int hist_parse_actions(struct hist_data *data)
{
	static const struct {
		const char *prefix;
		enum hist_handler handler;
	} handlers[] = {
		{"onmatch(", HIST_ONMATCH}, {"onmax(", HIST_ONMAX}, {"onchange(", HIST_ONCHANGE}};

	for (uint32_t i = 0; i < data->attrs.nr_actions; i++) {
		struct hist_action *action = arena_alloc(&data->arena, sizeof(*action));
		char *text = arena_strdup(&data->arena, data->attrs.actions[i]);
		int r;

		if (!action || !text)
			return -ENOMEM;
		for (size_t j = 0; j < ARRAY_SIZE(handlers); j++) {
			if (begins(text, handlers[j].prefix)) {
				action->handler = handlers[j].handler;
				text += strlen(handlers[j].prefix);
				break;
			}
		}
		r = action->handler == HIST_ONMATCH ? parse_onmatch(data->set, text, action)
						    : parse_tracking(data->set, text, action);
		if (r < 0)
			return r;
		data->actions[data->nr_actions++] = action;
	}
	return 0;
}

/* A variable that the text does not name: for fields, and for the largest or last value. */
static int add_variable(struct hist_data *data, const char *name, uint32_t *ret_index)
{
	const struct hist *hist = hist_first(data->set, data->event);
	bool exists = hist_find_own_var(data, name) != NULL;

	for (; hist && !exists; hist = hist->next)
		exists = hist_find_own_var(hist->data, name) != NULL;
	if (exists || data->map.layout.nr_vars >= HIST_VARS)
		return -EINVAL;
	*ret_index = data->map.layout.nr_vars++;
	return 0;
}

/* A field of this event, kept in a variable of its name. */
static int make_field_var(struct hist_data *data, const char *field, struct hist_field_var *ret_var)
{
	char *text = arena_strdup(&data->arena, field);
	struct hist_node *var;
	uint32_t index;
	int r;

	if (!text)
		return -ENOMEM;
	if (data->nr_field_vars >= HIST_PARAMS)
		return refuse(data->set, "Too many field variables defined", field, -EINVAL);
	ret_var->val = hist_parse_atom(data, text, NODE_VAR, NULL, &r);
	if (!ret_var->val)
		return refuse(data->set, "Couldn't parse field variable", text, r);
	r = add_variable(data, text, &index);
	if (r < 0)
		return refuse(data->set, "Couldn't create or find variable", text, r);
	var = arena_alloc(&data->arena, sizeof(*var));
	if (!var)
		return -ENOMEM;
	var->flags = NODE_VAR | (ret_var->val->flags & NODE_STACK);
	var->var = text;
	var->var_owner = data;
	var->var_index = index;
	var->size = ret_var->val->size;
	var->type = ret_var->val->type;
	ret_var->var = var;
	return 0;
}

static bool is_own_event(const struct hist_data *data, const char *system, const char *event_name)
{
	return event_name && strcmp(system, data->event->system) == 0 &&
	       strcmp(event_name, data->event->name) == 0;
}

static bool is_text(const struct hist_node *node)
{
	return node->flags & (NODE_STRING_VALUE | NODE_STACK);
}

/* $VAR as a parameter: of this trigger, else of the event in onmatch(), else of any. */
static struct hist_node *find_variable(struct hist_data *data, const struct hist_action *action,
				       const char *system, const char *event_name, const char *name)
{
	struct hist_node *node = NULL;

	if (!system || is_own_event(data, system, event_name))
		node = hist_find_own_var(data, name);
	if (node)
		return node;
	if (!system && action->handler == HIST_ONMATCH) {
		system = action->match_system;
		event_name = action->match_event;
	}
	node = hist_find_event_var(data, system, event_name, name);
	if (!node)
		hist_refuse(data->set, "Couldn't find param", name);
	return node;
}

static bool same_keys(const struct hist_data *a, const struct hist_data *b)
{
	if (a->nr_keys != b->nr_keys)
		return false;
	for (uint32_t i = 0; i < a->nr_keys; i++) {
		const struct hist_node *left = a->nodes[a->nr_vals + i];
		const struct hist_node *right = b->nodes[b->nr_vals + i];

		if (strcmp(left->type, right->type) != 0 || left->size != right->size ||
		    left->is_signed != right->is_signed)
			return false;
	}
	return true;
}

static struct hist *find_same_keys(const struct hist_data *data, const struct event *event)
{
	struct hist *hist = hist_first(data->set, event);

	while (hist && !same_keys(data, hist->data))
		hist = hist->next;
	return hist;
}

static struct hist_node *find_field_variable(struct hist_data *data, const char *system,
					     const char *event_name, const char *field)
{
	char name[HIST_STRING_BYTES];
	size_t len = strlen(field);

	if (len + sizeof("synthetic_") > sizeof(name))
		return NULL;
	memcpy(name, "synthetic_", 10);
	memcpy(name + 10, field, len + 1);
	return hist_find_event_var(data, system, event_name, name);
}

/* A trigger with the keys of `like` that keeps a field of its event in a variable. */
static int add_field_hist(struct hist_data *data, const struct hist *like, const char *field)
{
	_cleanup_out_ struct out text = {0};
	struct hist *added;
	int r;

	out_lit(&text, "keys=");
	for (uint32_t i = 0; i < like->data->nr_keys; i++) {
		const struct hist_node *key = like->data->nodes[like->data->nr_vals + i];

		if (i)
			out_char(&text, ',');
		if (data->set->options.kernel.stack_fields)
			hist_node_text(like->data, key, &text);
		else
			out_str(&text, hist_node_name(like->data, key));
	}
	out_printf(&text, ":synthetic_%s=%s", field, field);
	if (like->filter_text)
		out_printf(&text, " if %s", like->filter_text);
	if (text.len >= HIST_STRING_BYTES)
		return -E2BIG;
	r = hist_add_trigger(data->set, like->event, out_cstr(&text), &added);
	if (r < 0)
		return refuse(data->set, "Couldn't create histogram for field", field, r);
	data->field_hists[data->nr_field_hists++] = added;
	return 0;
}

/*
 * A field of another event: that has a trigger with the same keys; one more, with a variable for
 * the field, is put beside it.
 */
static struct hist_node *other_field(struct hist_data *data, const char *system,
				     const char *event_name, const char *field)
{
	const struct event *event;
	struct hist_node *node;
	const struct hist *like;

	if (data->nr_field_hists >= HIST_PARAMS) {
		hist_refuse(data->set, "Too many field variables defined", field);
		return NULL;
	}
	event = hist_set_event(data->set, system, event_name);
	if (!event) {
		hist_refuse(data->set, "Event file not found", field);
		return NULL;
	}
	like = find_same_keys(data, event);
	if (!like) {
		hist_refuse(data->set, "Matching event histogram not found", field);
		return NULL;
	}
	node = find_field_variable(data, system, event_name, field);
	if (node)
		return node;
	if (add_field_hist(data, like, field) < 0)
		return NULL;
	node = find_field_variable(data, system, event_name, field);
	if (!node)
		hist_refuse(data->set, "Couldn't find synthetic variable", field);
	return node;
}

static struct hist_node *find_field(struct hist_data *data, const struct hist_action *action,
				    const char *system, const char *event_name, const char *field)
{
	struct hist_field_var var;

	if ((!system || is_own_event(data, system, event_name)) &&
	    make_field_var(data, field, &var) >= 0) {
		data->field_vars[data->nr_field_vars++] = var;
		data->nr_field_strings += is_text(var.val);
		return var.var;
	}
	if (!system && action->handler == HIST_ONMATCH) {
		system = action->match_system;
		event_name = action->match_event;
	}
	return event_name ? other_field(data, system, event_name, field) : NULL;
}

static int add_param(struct hist_data *data, struct hist_action *action, uint32_t index)
{
	char *text = arena_strdup(&data->arena, action->params[index]), *rest = text;
	const char *system = NULL, *event_name = NULL;
	struct hist_node *node, *ref;

	if (!text)
		return -ENOMEM;
	if (strchr(text, '.')) {
		system = strsep(&rest, ".");
		event_name = strsep(&rest, ".");
		if (!rest)
			return -EINVAL;
	}
	node = *rest == '$' ? find_variable(data, action, system, event_name, rest + 1)
			    : find_field(data, action, system, event_name, rest);
	if (!node)
		return -EINVAL;
	if (hist_check_param(action->synthetic, node, index) < 0)
		return refuse(data->set, "Param type doesn't match synthetic event field type",
			      rest, -EINVAL);
	ref = hist_make_ref(data, node, system, event_name);
	if (!ref)
		return -ENOMEM;
	action->refs[index] = ref->ref_index;
	return 0;
}

static int create_trace(struct hist_data *data, struct hist_action *action)
{
	const char *name = action->trace_keyword ? action->synthetic_name : action->name;
	struct hist_synthetic *synthetic = name ? hist_find_synthetic(data->set, name) : NULL;

	if (!synthetic)
		return refuse(data->set, "Couldn't find synthetic event", name, -EINVAL);
	action->synthetic = synthetic;
	synthetic->refs++;
	for (uint32_t i = 0; i < action->nr_params; i++) {
		int r = add_param(data, action, i);

		if (r < 0)
			return r;
	}
	if (action->nr_params != synthetic->nr_fields)
		return refuse(data->set, "Param count doesn't match synthetic event field count",
			      synthetic->name, -EINVAL);
	return 0;
}

static int create_save(struct hist_data *data, const struct hist_action *action)
{
	if (data->nr_save_vars)
		return refuse(data->set, "Can't have more than one save() action per hist", NULL,
			      -EEXIST);
	for (uint32_t i = 0; i < action->nr_params; i++) {
		struct hist_field_var *var = &data->save_vars[data->nr_save_vars];
		int r = make_field_var(data, action->params[i], var);

		if (r < 0)
			return refuse(data->set, "Couldn't create field variable",
				      action->params[i], r);
		data->nr_save_vars++;
		data->nr_save_strings += is_text(var->val);
	}
	return 0;
}

static int create_tracking(struct hist_data *data, struct hist_action *action)
{
	struct hist_node *var;
	int r;

	if (*action->tracked != '$')
		return refuse(data->set, "For onmax(x) or onchange(x), x must be a variable",
			      action->tracked, -EINVAL);
	var = hist_find_own_var(data, action->tracked + 1);
	if (!var)
		return refuse(data->set, "Couldn't find onmax or onchange variable",
			      action->tracked + 1, -EINVAL);
	action->ref = hist_make_ref(data, var, NULL, NULL);
	if (!action->ref)
		return -ENOMEM;
	r = add_variable(data, action->handler == HIST_ONMAX ? "__max" : "__change",
			 &action->track_var);
	if (r < 0)
		return refuse(data->set, "Couldn't create onmax or onchange variable", NULL, r);
	return 0;
}

int hist_create_actions(struct hist_data *data)
{
	for (uint32_t i = 0; i < data->nr_actions; i++) {
		struct hist_action *action = data->actions[i];
		int r = action->handler == HIST_ONMATCH ? 0 : create_tracking(data, action);

		if (r >= 0 && action->action == HIST_TRACE)
			r = create_trace(data, action);
		else if (r >= 0 && action->action == HIST_SAVE)
			r = create_save(data, action);
		else if (r >= 0 && data->set->snapshot)
			r = -EBUSY; /* the buffer has one snapshot */
		else if (r >= 0)
			data->set->snapshot = data;
		if (r < 0)
			return r;
	}
	return 0;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool actions_equal(const struct hist_action *a, const struct hist_action *b)
{
	if (a->handler != b->handler || a->action != b->action || a->nr_params != b->nr_params)
		return false;
	for (uint32_t i = 0; i < a->nr_params; i++)
		if (strcmp(a->params[i], b->params[i]) != 0)
			return false;
	return same(a->trace_keyword ? a->synthetic_name : a->name,
		    b->trace_keyword ? b->synthetic_name : b->name) &&
	       same(a->match_system, b->match_system) && same(a->match_event, b->match_event) &&
	       same(a->tracked, b->tracked);
}

bool hist_actions_match(const struct hist_data *a, const struct hist_data *b)
{
	if (a->nr_actions != b->nr_actions)
		return false;
	for (uint32_t i = 0; i < a->nr_actions; i++)
		if (!actions_equal(a->actions[i], b->actions[i]))
			return false;
	return true;
}

static void print_params(const struct hist_data *data, const struct hist_action *action,
			 struct out *out)
{
	bool first = true;

	if (action->action == HIST_SNAPSHOT)
		return;
	if (action->action == HIST_SAVE) {
		for (uint32_t i = 0; i < data->nr_save_vars; i++)
			out_printf(out, "%s%s", i ? "," : "", data->save_vars[i].var->var);
		return;
	}
	if (action->trace_keyword) {
		out_str(out, action->synthetic_name);
		first = false;
	}
	for (uint32_t i = 0; i < action->nr_params; i++, first = false)
		out_printf(out, "%s%s", first ? "" : ",", action->params[i]);
}

void hist_print_actions(const struct hist_data *data, struct out *out)
{
	for (uint32_t i = 0; i < data->nr_actions; i++) {
		const struct hist_action *action = data->actions[i];

		if (action->handler == HIST_ONMATCH)
			out_printf(out, ":onmatch(%s.%s).%s(", action->match_system,
				   action->match_event, action->name);
		else
			out_printf(out, ":%s(%s).%s(",
				   action->handler == HIST_ONMAX ? "onmax" : "onchange",
				   action->tracked, action->name);
		print_params(data, action, out);
		out_char(out, ')');
	}
}
