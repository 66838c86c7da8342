/* SPDX-License-Identifier: MIT */
/*
 * One record through the triggers of its event. The order of steps is the kernel's, since it shows:
 * the key; then variables of other triggers, found by this key's bytes, without which the hit does
 * not count at all; then the element, its sums and variables; then its own variables; then actions.
 */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "expr/hist_private.h"

struct run {
	struct hist_set *set;
	struct hist_data *data;
	const struct hist_record *record;
	uint8_t *element; /* NULL while the key is made */
	uint64_t refs[HIST_VARS];
	_Alignas(8) uint8_t key[HIST_KEY_BYTES];
};

static uint64_t read_number(const struct run *run, const struct hist_node *node)
{
	const struct hist_record *record = run->record;
	const struct event_field *field = node->field;
	const uint8_t *at = (const uint8_t *)record->data + field->offset;
	uint64_t value = 0;

	if (HOST_BIG || event_db_big_endian(run->set->db))
		return event_field_u64(record->event, field, record->data, record->len);
	if ((uint64_t)field->offset + field->size > record->len)
		return 0;
	switch (field->size) {
	case 8:
		memcpy(&value, at, 8);
		return value;
	case 4:
		memcpy(&value, at, 4);
		return node->is_signed ? (uint64_t)(int64_t)(int32_t)value : value;
	case 2:
		memcpy(&value, at, 2);
		return node->is_signed ? (uint64_t)(int64_t)(int16_t)value : value;
	default:
		return node->is_signed ? (uint64_t)(int64_t)(int8_t)*at : *at;
	}
}

static uint64_t round_log2(uint64_t value)
{
	return value < 2 ? 0 : 64 - (uint64_t)__builtin_clzll(value - 1);
}

static uint64_t eval(const struct run *run, const struct hist_node *node);

static uint64_t divide(const struct run *run, const struct hist_node *node)
{
	uint64_t value = eval(run, node->operands[0]), divisor;

	if (node->op == HIST_OP_DIV_SHIFT)
		return value >> __builtin_ctzll(node->operands[1]->constant);
	if (node->op == HIST_OP_DIV_ROUND)
		return hist_divide_up(value, node->operands[1]->constant);
	if (node->op == HIST_OP_DIV_CONST)
		return value / node->operands[1]->constant;
	divisor = eval(run, node->operands[1]);
	return divisor ? value / divisor : UINT64_MAX;
}

static uint64_t eval(const struct run *run, const struct hist_node *node)
{
	switch (node->op) {
	case HIST_OP_NUMBER:
		return read_number(run, node);
	case HIST_OP_ONE:
		return 1;
	case HIST_OP_CONST:
		return node->constant;
	case HIST_OP_REF:
		return run->refs[node->ref_index];
	case HIST_OP_LOG2:
		return round_log2(eval(run, node->operands[0]));
	case HIST_OP_BUCKET: {
		uint64_t value = eval(run, node->operands[0]);

		return value - value % node->buckets;
	}
	case HIST_OP_TIME:
		return run->data->attrs.usecs && run->set->options.nsecs
			       ? (run->record->ts + 500) / 1000
			       : run->record->ts;
	case HIST_OP_CPU:
		return run->record->cpu;
	case HIST_OP_NEGATE:
		return -eval(run, node->operands[0]);
	case HIST_OP_SUB:
		return eval(run, node->operands[0]) - eval(run, node->operands[1]);
	case HIST_OP_ADD:
		return eval(run, node->operands[0]) + eval(run, node->operands[1]);
	case HIST_OP_MUL:
		return eval(run, node->operands[0]) * eval(run, node->operands[1]);
	case HIST_OP_DIV:
	case HIST_OP_DIV_SHIFT:
	case HIST_OP_DIV_CONST:
	case HIST_OP_DIV_ROUND:
		return divide(run, node);
	default:
		return 0;
	}
}

/* A text of the record or the task's name; not ended by a NUL. */
static const char *text_of(const struct run *run, const struct hist_node *node, uint32_t *ret_len)
{
	const struct hist_record *record = run->record;
	const char *text;

	if (node->op == HIST_OP_COMM) {
		text = run->element ? hist_map_comm(&run->data->map, run->element) : "";
		*ret_len = (uint32_t)strlen(text);
		return text;
	}
	text = node->field ? event_field_bytes(record->event, node->field, record->data,
					       record->len, ret_len)
			   : NULL;
	if (!text) {
		*ret_len = 0;
		return "";
	}
	*ret_len = (uint32_t)strnlen(text, *ret_len);
	return text;
}

/* The addresses of a stack, of the record or of a field of it. */
static uint32_t stack_of(const struct run *run, const struct hist_node *node,
			 uint64_t addresses[HIST_STACK_DEPTH])
{
	const struct hist_record *record = run->record;
	uint32_t nr = 0, skip = run->set->options.kernel.skip_frames, len = 0;
	const uint8_t *bytes;

	if (node->op == HIST_OP_NONE) {
		for (uint32_t i = skip; i < record->nr_stack && nr < HIST_STACK_DEPTH; i++)
			addresses[nr++] = record->stack[i];
		return nr;
	}
	bytes = event_field_bytes(record->event, node->field, record->data, record->len, &len);
	for (uint32_t at = 8; bytes && at + 8 <= len && nr < HIST_STACK_DEPTH; at += 8)
		addresses[nr++] = load_u64(bytes + at, event_db_big_endian(run->set->db));
	return nr;
}

static void key_text(struct run *run, const struct hist_node *node)
{
	uint32_t len, room = node->size - 1;
	const char *text = text_of(run, node, &len);

	if (node->op == HIST_OP_TEXT)
		room = MIN(room, node->field->size);
	memcpy(run->key + node->offset, text, MIN(len, room));
}

static void key_stack(struct run *run, const struct hist_node *node)
{
	uint64_t addresses[HIST_STACK_DEPTH] = {0};

	stack_of(run, node, addresses);
	memcpy(run->key + node->offset, addresses, MIN(node->size, sizeof(addresses)));
}

static void make_key(struct run *run)
{
	const struct hist_data *data = run->data;

	if (data->key_size > 8 || data->nr_var_refs)
		memset(run->key, 0, sizeof(run->key));
	for (uint32_t i = data->nr_vals; i < data->nr_nodes; i++) {
		const struct hist_node *node = data->nodes[i];
		uint64_t value;

		if (node->flags & NODE_STACK) {
			key_stack(run, node);
		} else if (node->flags & NODE_STRING_VALUE) {
			if (data->key_size <= 8)
				memset(run->key, 0, 8);
			key_text(run, node);
		} else {
			value = eval(run, node);
			memcpy(run->key + node->offset, &value, sizeof(value));
		}
	}
}

enum {
	SERIAL_SHIFT = 16 /* a variable's mark: which record set it, and on which CPU */
};

static uint64_t mark_of(const struct run *run)
{
	return run->set->serial << SERIAL_SHIFT | (run->record->cpu & 0xffff);
}

/* Events have been lost since the variable was set, on its CPU. */
static bool is_stale(const struct hist_set *set, uint64_t mark)
{
	uint32_t cpu = mark & 0xffff;

	return !set->options.strict && cpu < set->nr_lost && set->lost[cpu] > mark >> SERIAL_SHIFT;
}

/* One reference's value. False: there is none for this key. */
static bool read_ref(struct run *run, const struct hist_node *ref, bool consume)
{
	struct hist_data *owner = ref->var_owner;
	uint8_t *element = hist_map_find(&owner->map, run->key);
	uint64_t *mark;

	if (!element)
		return false;
	mark = &hist_map_var_set(&owner->map, element)[ref->var_index];
	if (!*mark)
		return false;
	if (is_stale(run->set, *mark)) {
		run->data->poisoned++;
		*mark = 0;
		return false;
	}
	run->refs[ref->ref_index] = hist_map_vars(&owner->map, element)[ref->var_index];
	if (consume && ref->read_once)
		*mark = 0;
	return true;
}

/*
 * References to variables of this trigger (`own`) or of others. In the kernel a variable that is
 * read once is used up even when a later one is missing; the honest way looks at all of them first.
 */
static bool resolve(struct run *run, bool own)
{
	const struct hist_data *data = run->data;
	bool careful = !own && !run->set->options.strict;

	for (int pass = careful ? 0 : 1; pass < 2; pass++) {
		for (uint32_t i = 0; i < data->nr_var_refs; i++) {
			const struct hist_node *ref = data->var_refs[i];

			if ((ref->var_owner == data) == own && !read_ref(run, ref, pass && !own))
				return false;
		}
	}
	return true;
}

static void set_var(struct run *run, uint32_t index, uint64_t value)
{
	const struct hist_map *map = &run->data->map;

	hist_map_vars(map, run->element)[index] = value;
	hist_map_var_set(map, run->element)[index] = mark_of(run);
}

/* A text or stack to the element's own memory; the variable is where that lies. */
static uint64_t keep_text(struct run *run, const struct hist_node *node, uint32_t string)
{
	char *to = hist_map_string(&run->data->map, run->element, string);

	if (node->flags & NODE_STRING_VALUE) {
		uint32_t len, room = MIN(node->size, (uint32_t)HIST_STRING_BYTES) - 1;
		const char *text = text_of(run, node, &len);

		len = MIN(len, room);
		memcpy(to, text, len);
		to[len] = '\0';
	} else {
		uint64_t words[HIST_STACK_DEPTH + 1] = {0};

		words[0] = stack_of(run, node, words + 1);
		memcpy(to, words, sizeof(words));
	}
	return (uint64_t)(uintptr_t)to;
}

static void set_field_vars(struct run *run, const struct hist_field_var *vars, uint32_t nr,
			   uint32_t string)
{
	for (uint32_t i = 0; i < nr; i++) {
		const struct hist_node *val = vars[i].val;
		bool is_text = val->flags & (NODE_STRING_VALUE | NODE_STACK);

		set_var(run, vars[i].var->var_index,
			is_text ? keep_text(run, val, string++) : eval(run, val));
	}
}

static void update_element(struct run *run)
{
	struct hist_data *data = run->data;
	uint32_t strings = data->nr_field_strings + data->nr_save_strings;
	uint64_t *sums = hist_map_sums(&data->map, run->element);

	for (uint32_t i = 0; i < data->nr_vals; i++) {
		const struct hist_node *node = data->nodes[i];

		if (!(node->flags & NODE_VAR))
			sums[i] += eval(run, node);
		else if (!(node->flags & NODE_ALIAS) &&
			 (node->flags & (NODE_STRING_VALUE | NODE_STACK)))
			set_var(run, node->var_index,
				keep_text(run, node, strings + node->string_index));
		else
			set_var(run, node->var_index, eval(run, node));
	}
	set_field_vars(run, data->field_vars, data->nr_field_vars, 0);
}

static void take_snapshot(struct run *run, const struct hist_action *action, uint64_t value)
{
	struct hist_data *data = run->data;
	bool larger = action->handler == HIST_ONMAX ? value > data->snapshot_value
						    : value != data->snapshot_value;

	if (!larger)
		return;
	data->snapshot_value = value;
	data->snapshot_taken = true;
	memcpy(data->snapshot_key, run->key, data->key_size);
	if (data->wants_comm)
		memcpy(data->snapshot_comm, hist_map_comm(&data->map, run->element),
		       HIST_COMM_BYTES);
}

static int fire(struct run *run, const struct hist_action *action)
{
	return hist_fire(run->set, action->synthetic, run->record, run->refs, action->refs);
}

static int track(struct run *run, const struct hist_action *action)
{
	struct hist_data *data = run->data;
	uint64_t value = run->refs[action->ref->ref_index];
	uint64_t before = hist_map_vars(&data->map, run->element)[action->track_var];
	bool first = !hist_map_var_set(&data->map, run->element)[action->track_var];
	bool fires = action->handler == HIST_ONMAX ? value > before : value != before;

	if (!fires && !(first && !run->set->options.strict))
		return 0;
	set_var(run, action->track_var, value);
	if (action->action == HIST_TRACE)
		return fire(run, action);
	if (action->action == HIST_SAVE)
		set_field_vars(run, data->save_vars, data->nr_save_vars, data->nr_field_strings);
	else
		take_snapshot(run, action, value);
	return 0;
}

static int act(struct run *run)
{
	int r = 0;

	for (uint32_t i = 0; i < run->data->nr_actions && r >= 0; i++) {
		const struct hist_action *action = run->data->actions[i];

		r = action->handler == HIST_ONMATCH ? fire(run, action) : track(run, action);
	}
	return r;
}

void hist_keep_comm(const struct hist_set *set, int32_t pid, char *comm)
{
	const char *name = NULL;

	if (!pid)
		name = "<idle>";
	else if (set->comm)
		name = set->comm(set->comm_arg, pid);
	if (!name)
		name = "<...>";
	memcpy(comm, name, strnlen(name, HIST_COMM_BYTES - 1));
}

/* False when it is cut off before that. */
static bool task_of(const struct hist_set *set, const struct hist_record *record, int32_t *ret_pid)
{
	const struct event_common *common = event_db_common(set->db);
	const uint8_t *at = (const uint8_t *)record->data + common->pid_offset;

	if (common->pid_offset + 4 > record->len)
		return false;
	*ret_pid = (int32_t)load_u32(at, event_db_big_endian(set->db));
	return true;
}

static void keep_comm(const struct run *run)
{
	int32_t pid;

	if (task_of(run->set, run->record, &pid))
		hist_keep_comm(run->set, pid, hist_map_comm(&run->data->map, run->element));
}

static int run_hist(struct hist_set *set, struct hist_data *data, const struct hist_record *record)
{
	struct run run;
	bool is_new;

	run.set = set;
	run.data = data;
	run.record = record;
	run.element = NULL;
	make_key(&run);
	if (data->nr_var_refs) {
		memset(run.refs, 0, sizeof(run.refs));
		if (!resolve(&run, false)) {
			data->unmatched++;
			return 0;
		}
	}
	run.element = hist_map_insert(&data->map, run.key, &is_new);
	if (!run.element)
		return data->map.no_memory ? -ENOMEM : 0;
	if (is_new && data->wants_comm)
		keep_comm(&run);
	update_element(&run);
	if (data->nr_actions && resolve(&run, true))
		return act(&run);
	return 0;
}

int hist_set_record(struct hist_set *set, const struct hist_record *record)
{
	struct filter_record raw = {
		.data = record->data, .len = record->len, .cpu = record->cpu, .ts = record->ts};
	int32_t pid;
	int r = 0;

	set->serial++;
	if (set->filters_ask_comm && set->comm && task_of(set, record, &pid))
		raw.comm = set->comm(set->comm_arg, pid);
	for (struct hist *hist = hist_first(set, record->event); hist && r >= 0;
	     hist = hist->next) {
		if (hist->paused || (hist->filter && !kfilter_test(hist->filter, &raw)))
			continue;
		r = run_hist(set, hist->data, record);
	}
	return r;
}

int hist_set_lost(struct hist_set *set, uint32_t cpu)
{
	if (cpu >= set->nr_lost) {
		int r = array_reserve(&set->lost, &set->cap_lost, (size_t)cpu + 1,
				      sizeof(*set->lost));

		if (r < 0)
			return r;
		memset(set->lost + set->nr_lost, 0, (cpu + 1 - set->nr_lost) * sizeof(*set->lost));
		set->nr_lost = cpu + 1;
	}
	set->lost[cpu] = set->serial + 1;
	return 0;
}
