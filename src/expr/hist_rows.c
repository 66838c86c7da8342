/* SPDX-License-Identifier: MIT */
/* What a histogram holds, sorted, for any layout. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "expr/hist_private.h"

struct hist_rows {
	uint8_t **elements;
	size_t nr;
};

struct order {
	const struct hist_data *data;
	const struct hist_sort *sort;
};

static int compare_u64(uint64_t a, uint64_t b)
{
	return a > b ? 1 : a < b ? -1 : 0;
}

static int compare_i64(int64_t a, int64_t b)
{
	return a > b ? 1 : a < b ? -1 : 0;
}

/* Numbers are compared in the width of the field, not of the key. */
static int compare_numbers(uint64_t a, uint64_t b, uint32_t size, bool is_signed)
{
	unsigned int shift = 64 - 8 * size;

	if (size != 1 && size != 2 && size != 4 && size != 8)
		return 0;
	a <<= shift;
	b <<= shift;
	return is_signed ? compare_i64((int64_t)a, (int64_t)b) : compare_u64(a, b);
}

static int compare_keys(const struct hist_node *node, const uint8_t *a, const uint8_t *b)
{
	uint64_t left, right;

	if (node->flags & NODE_STACK)
		return 0;
	if (node->field && node->string_field && !(node->flags & NODE_CPU))
		return strncmp((const char *)a + node->offset, (const char *)b + node->offset,
			       node->size);
	memcpy(&left, a + node->offset, sizeof(left));
	memcpy(&right, b + node->offset, sizeof(right));
	if (!node->field || (node->flags & NODE_CPU))
		return compare_numbers(left, right, node->size, node->is_signed);
	return compare_numbers(left, right, node->field->size,
			       node->field->flags & EVENT_FIELD_SIGNED);
}

static int compare(const void *arg, const uint8_t *a, const uint8_t *b)
{
	const struct order *order = arg;
	const struct hist_data *data = order->data;
	const struct hist_node *node = hist_map_field(data, order->sort->field);
	uint32_t index = order->sort->field;
	int result;

	if (node->flags & NODE_KEY)
		result = compare_keys(node, a, b);
	else
		result = compare_u64(hist_map_sums(&data->map, (uint8_t *)(uintptr_t)a)[index],
				     hist_map_sums(&data->map, (uint8_t *)(uintptr_t)b)[index]);
	return order->sort->descending ? -result : result;
}

static int compare_bytes(const void *arg, const uint8_t *a, const uint8_t *b)
{
	const struct hist_data *data = arg;

	return memcmp(a, b, data->key_size);
}

/* Runs of elements that the first key leaves equal, by the second. */
static void sort_runs(uint8_t **elements, size_t nr, bool double_pop, const struct order *first,
		      const struct order *second)
{
	for (size_t start = 0, end; start < nr; start = end) {
		for (end = start + 1; end < nr; end++)
			if (compare(first, elements[end - 1], elements[end]) != 0)
				break;
		hist_heapsort(elements + start, end - start, double_pop, compare, second);
	}
}

int hist_sort_elements(const struct hist_data *data, uint8_t ***ret_elements)
{
	bool double_pop = data->set->options.kernel.double_pop;
	struct order orders[HIST_SORTS] = {{data, &data->sorts[0]}, {data, &data->sorts[1]}};
	uint32_t nr = data->map.nr_elements;
	uint8_t **elements = mem_calloc((size_t)nr + 1, sizeof(*elements));

	if (!elements)
		return -ENOMEM;
	for (uint32_t i = 0; i < nr; i++)
		elements[i] = hist_map_at(&data->map, i);
	hist_heapsort(elements, nr, double_pop, compare_bytes, data);
	hist_heapsort(elements, nr, double_pop, compare, &orders[0]);
	if (data->nr_sorts > 1)
		sort_runs(elements, nr, double_pop, &orders[0], &orders[1]);
	*ret_elements = elements;
	return 0;
}

int hist_rows_new(const struct hist *hist, struct hist_rows **ret_rows)
{
	struct hist_rows *rows = mem_zalloc(sizeof(*rows));
	int r;

	if (!rows)
		return -ENOMEM;
	r = hist_sort_elements(hist->data, &rows->elements);
	if (r < 0) {
		mem_free(rows);
		return r;
	}
	rows->nr = hist->data->map.nr_elements;
	*ret_rows = rows;
	return 0;
}

void hist_rows_free(struct hist_rows *rows)
{
	if (!rows)
		return;
	mem_free(rows->elements);
	mem_free(rows);
}

size_t hist_rows_count(const struct hist_rows *rows)
{
	return rows->nr;
}

/* Columns: the keys, hitcount unless it is not wanted, the other values; no variables. */
static const struct hist_node *column_node(const struct hist_data *data, size_t column,
					   uint32_t *ret_sum)
{
	uint32_t at = data->attrs.no_hitcount ? 1 : 0;

	if (column < data->nr_keys)
		return data->nodes[data->nr_vals + column];
	column -= data->nr_keys;
	for (; at < data->nr_vals; at++) {
		if (data->nodes[at]->flags & NODE_VAR)
			continue;
		if (!column--)
			break;
	}
	*ret_sum = at;
	return data->nodes[at];
}

size_t hist_nr_columns(const struct hist *hist, size_t *ret_keys)
{
	const struct hist_data *data = hist->data;

	*ret_keys = data->nr_keys;
	return data->nr_keys + data->nr_vals - data->nr_vars - data->attrs.no_hitcount;
}

static enum hist_shape shape_of(const struct hist_node *node)
{
	static const struct {
		uint32_t flag;
		enum hist_shape shape;
	} shapes[] = {
		{NODE_HEX, HIST_HEX},
		{NODE_SYM, HIST_SYMBOL},
		{NODE_SYM_OFFSET, HIST_SYMBOL_OFFSET},
		{NODE_EXECNAME, HIST_TASK},
		{NODE_SYSCALL, HIST_CALL},
		{NODE_STACK, HIST_STACK},
		{NODE_LOG2, HIST_LOG2},
		{NODE_BUCKET, HIST_BUCKET},
		{NODE_STRING_VALUE, HIST_STRING},
		{NODE_TIME, HIST_TIME},
	};

	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (node->flags & shapes[i].flag)
			return shapes[i].shape;
	return node->is_signed ? HIST_SIGNED : HIST_NUMBER;
}

void hist_column(const struct hist *hist, size_t column, struct hist_column *ret_column)
{
	uint32_t sum;
	const struct hist_node *node = column_node(hist->data, column, &sum);

	*ret_column = (struct hist_column){
		.name = node->flags & NODE_HITCOUNT ? "hitcount"
			: node->flags & NODE_CONST  ? "constant"
						    : hist_node_name(hist->data, node),
		.shape = shape_of(node),
		.percent = node->flags & NODE_PERCENT,
		.graph = node->flags & NODE_GRAPH,
		.buckets = node->buckets,
	};
}

size_t hist_sort_column(const struct hist *hist)
{
	const struct hist_data *data = hist->data;
	uint32_t nr_values = data->nr_vals - data->nr_vars, field = data->sorts[0].field;

	if (field >= nr_values)
		return field - nr_values;
	return data->nr_keys + field - (field && data->attrs.no_hitcount);
}

static void key_cell(const struct hist *hist, const struct hist_node *node, uint8_t *element,
		     struct hist_cell *cell)
{
	const struct hist_map *map = &hist->data->map;

	cell->text = "";
	if (node->flags & NODE_STACK) {
		cell->stack = (const uint64_t *)(const void *)(element + node->offset);
		return;
	}
	if (node->flags & NODE_STRING_VALUE) {
		cell->text = (const char *)element + node->offset;
		return;
	}
	memcpy(&cell->number, element + node->offset, sizeof(cell->number));
	if (node->flags & NODE_EXECNAME)
		cell->text = hist_map_comm(map, element);
	else if (node->flags & NODE_SYSCALL)
		cell->text = hist_syscall_name(cell->number);
	if (!cell->text)
		cell->text = "";
}

void hist_cell(const struct hist *hist, const struct hist_rows *rows, size_t row, size_t column,
	       struct hist_cell *ret_cell)
{
	uint32_t sum = 0;
	const struct hist_node *node = column_node(hist->data, column, &sum);

	*ret_cell = (struct hist_cell){.text = ""};
	if (column < hist->data->nr_keys)
		key_cell(hist, node, rows->elements[row], ret_cell);
	else
		ret_cell->number = hist_map_sums(&hist->data->map, rows->elements[row])[sum];
}

bool hist_kept(const struct hist *hist, const struct hist_rows *rows, size_t row, size_t index,
	       const char **ret_name, struct hist_cell *ret_cell, bool *ret_string)
{
	const struct hist_data *data = hist->data;
	uint64_t *vars = hist_map_vars(&data->map, rows->elements[row]);

	*ret_cell = (struct hist_cell){.text = ""};
	*ret_string = false;
	for (uint32_t i = 0; i < data->nr_actions; i++) {
		const struct hist_action *action = data->actions[i];

		if (action->handler == HIST_ONMATCH || index--)
			continue;
		*ret_name = action->handler == HIST_ONMAX ? "max" : "changed";
		ret_cell->number = vars[action->track_var];
		return true;
	}
	if (index >= data->nr_save_vars)
		return false;
	*ret_name = data->save_vars[index].var->var;
	*ret_string = data->save_vars[index].val->flags & NODE_STRING_VALUE;
	ret_cell->number = vars[data->save_vars[index].var->var_index];
	if (*ret_string)
		ret_cell->text = ret_cell->number ? (const char *)(uintptr_t)ret_cell->number : "";
	return true;
}

struct hist_totals hist_totals(const struct hist *hist)
{
	const struct hist_data *data = hist->data;

	return (struct hist_totals){data->map.hits, data->map.nr_elements, data->map.drops,
				    data->unmatched, data->poisoned};
}
