/* SPDX-License-Identifier: MIT */
/* Histograms whose hits somebody else counts: what there is to count, and what has been. */
#include <errno.h>
#include <string.h>

#include "expr/hist_private.h"

/* Of a field as it is; what it is shown as is no concern of who counts. */
static const struct event_field *plain_field(const struct hist_node *node)
{
	const uint32_t other = NODE_VAR | NODE_EXPR | NODE_REF | NODE_ALIAS | NODE_STRING_VALUE |
			       NODE_STACK | NODE_TIME | NODE_CONST;

	return node->op == HIST_OP_NUMBER && !(node->flags & other) ? node->field : NULL;
}

static bool plain_key(const struct hist_node *node, struct hist_plain_key *ret_key)
{
	*ret_key = (struct hist_plain_key){0};
	if (node->op == HIST_OP_CPU)
		return true;
	if (node->op == HIST_OP_LOG2 || node->op == HIST_OP_BUCKET) {
		ret_key->unit = node->op == HIST_OP_LOG2 ? HIST_POWERS : HIST_WIDTHS;
		ret_key->width = node->buckets;
		node = node->operands[0];
	}
	ret_key->field = plain_field(node);
	return ret_key->field;
}

const char *hist_filter(const struct hist *hist)
{
	return hist->filter_text;
}

bool hist_is_paused(const struct hist *hist)
{
	return hist->paused && !hist->name;
}

bool hist_is_plain(const struct hist *hist, struct hist_plain *ret_plain, const char **ret_why)
{
	const struct hist_data *data = hist->data;
	struct hist_plain plain = {.bits = data->map.layout.bits, .nr_keys = data->nr_keys};

	*ret_why = "variables and actions";
	if (data->nr_vars || data->nr_actions || data->nr_var_refs)
		return false;
	*ret_why = "histograms with a name";
	if (hist->name)
		return false;
	*ret_why = "keys that are no numbers of the event";
	for (uint32_t i = 0; i < data->nr_keys; i++) {
		if (!plain_key(data->nodes[data->nr_vals + i], &plain.keys[i]))
			return false;
	}
	*ret_why = "values that are no fields of the event";
	for (uint32_t i = 1; i < data->nr_vals; i++) {
		const struct event_field *field = plain_field(data->nodes[i]);

		if (!field)
			return false;
		plain.values[plain.nr_values++] = field;
	}
	*ret_plain = plain;
	return true;
}

static void name_task(const struct hist_set *set, const struct hist_data *data, uint8_t *element,
		      const uint64_t *keys)
{
	for (uint32_t i = 0; i < data->nr_keys; i++) {
		if (data->nodes[data->nr_vals + i]->flags & NODE_EXECNAME)
			hist_keep_comm(set, (int32_t)keys[i], hist_map_comm(&data->map, element));
	}
}

int hist_set_add(struct hist_set *set, size_t index, const struct hist_counted *counted)
{
	struct hist_data *data = index < set->nr_triggers ? set->triggers[index]->data : NULL;
	_Alignas(8) uint8_t key[HIST_KEY_BYTES] = {0};
	uint8_t *element;
	uint64_t *sums;
	bool is_new;

	if (!data)
		return 0;
	data->map.drops += counted->dropped;
	if (!counted->hits)
		return 0;
	for (uint32_t i = 0; i < data->nr_keys; i++)
		memcpy(key + data->nodes[data->nr_vals + i]->offset, &counted->keys[i],
		       sizeof(counted->keys[i]));
	element = hist_map_insert(&data->map, key, &is_new);
	if (!element) {
		data->map.drops += counted->hits - 1; /* one has been counted */
		return data->map.no_memory ? -ENOMEM : 0;
	}
	data->map.hits += counted->hits - 1;
	if (is_new && data->wants_comm)
		name_task(set, data, element, counted->keys);
	sums = hist_map_sums(&data->map, element);
	sums[0] += counted->hits;
	for (uint32_t i = 1; i < data->nr_vals; i++)
		sums[i] += counted->sums[i - 1];
	return 0;
}
