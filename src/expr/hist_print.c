/* SPDX-License-Identifier: MIT */
/* The text of the kernel's `hist` and `trigger` files, to the byte. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "expr/hist_private.h"

enum {
	BAR_WIDTH = 20
};

static void print_field(const struct hist_data *data, const struct hist_node *node, struct out *out)
{
	bool newer = data->set->options.kernel.stack_fields;
	uint32_t plain = NODE_REF | NODE_EXPR | (newer ? NODE_STACK : 0);
	const char *modifier = hist_modifier(node);

	if (node->var)
		out_printf(out, "%s=", node->var);
	if (node->flags & NODE_CPU) {
		out_lit(out, "common_cpu");
	} else if (node->flags & NODE_CONST) {
		out_u64(out, node->constant);
	} else {
		if ((node->flags & (NODE_REF | NODE_ALIAS)) && (!newer || !node->system))
			out_char(out, '$');
		out_str(out, hist_node_name(data, node));
	}
	if (modifier && !(node->flags & plain))
		out_printf(out, ".%s", modifier);
	if (node->buckets)
		out_printf(out, "=%llu", (unsigned long long)node->buckets);
}

static void print_keys(const struct hist_data *data, struct out *out)
{
	out_lit(out, "keys=");
	for (uint32_t i = data->nr_vals; i < data->nr_nodes; i++) {
		const struct hist_node *node = data->nodes[i];

		if (i > data->nr_vals)
			out_char(out, ',');
		if (!(node->flags & NODE_STACK))
			print_field(data, node, out);
		else if (node->field)
			out_printf(out, "%s.stacktrace", node->field->name);
		else
			out_str(out, data->set->options.kernel.stack_fields ? "common_stacktrace"
									    : "stacktrace");
	}
}

static void print_values(const struct hist_data *data, struct out *out)
{
	bool first = true;

	out_lit(out, ":vals=");
	for (uint32_t i = 0; i < data->nr_vals; i++) {
		const struct hist_node *node = data->nodes[i];

		if ((node->flags & NODE_VAR) || (i == 0 && data->attrs.no_hitcount))
			continue;
		if (!first)
			out_char(out, ',');
		first = false;
		if (i == 0)
			out_lit(out, "hitcount");
		else
			print_field(data, node, out);
	}
	first = true;
	for (uint32_t i = 0; i < data->nr_vals; i++) {
		if (!(data->nodes[i]->flags & NODE_VAR))
			continue;
		out_char(out, first ? ':' : ',');
		first = false;
		print_field(data, data->nodes[i], out);
	}
}

static void print_sorts(const struct hist_data *data, struct out *out)
{
	out_lit(out, ":sort=");
	for (uint32_t i = 0; i < data->nr_sorts; i++) {
		if (i)
			out_char(out, ',');
		if (data->sorts[i].field == 0)
			out_lit(out, "hitcount");
		else
			print_field(data, hist_map_field(data, data->sorts[i].field), out);
		if (data->sorts[i].descending)
			out_lit(out, ".descending");
	}
}

void hist_print_trigger(const struct hist *hist, struct out *out)
{
	const struct hist_data *data = hist->data;

	out_lit(out, "hist:");
	if (hist->name)
		out_printf(out, "%s:", hist->name);
	print_keys(data, out);
	print_values(data, out);
	print_sorts(data, out);
	out_printf(out, ":size=%u", 1u << data->map.layout.bits);
	if (data->times)
		out_printf(out, ":clock=%s", data->attrs.clock);
	if (data->attrs.no_hitcount)
		out_lit(out, ":nohitcount");
	hist_print_actions(data, out);
	if (hist->filter_text)
		out_printf(out, " if %s", hist->filter_text);
	out_str(out, hist->paused ? " [paused]" : " [active]");
}

/* Text padded on the right. */
static void print_padded(struct out *out, size_t start, size_t width)
{
	while (!out->failed && out->len - start < width)
		out_char(out, ' ');
}

static uint64_t symbol_size(const struct symbols *symbols, const struct symbol *symbol)
{
	size_t nr = symbols_count(symbols), low = 0, high = nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (symbols_at(symbols, mid)->addr <= symbol->addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < nr ? symbols_at(symbols, low)->addr - symbol->addr : 0;
}

void hist_symbol(const struct event_db *db, uint64_t address, bool offset, struct out *out)
{
	const struct symbols *symbols = event_db_symbols(db);
	const struct symbol *symbol = symbols_find(symbols, address);

	if (!symbol) {
		out_0x(out, address);
		return;
	}
	out_mem(out, symbol->name, symbol->name_len);
	if (offset)
		out_printf(out, "+0x%llx/0x%llx", (unsigned long long)(address - symbol->addr),
			   (unsigned long long)symbol_size(symbols, symbol));
	if (symbol->module)
		out_printf(out, " [%s]", symbol->module);
}

static void print_stack(const struct hist_data *data, const struct hist_node *node,
			const uint8_t *key, struct out *out)
{
	uint64_t addresses[HIST_STACK_DEPTH] = {0};

	memcpy(addresses, key + node->offset, MIN(node->size, sizeof(addresses)));
	if (node->field)
		out_printf(out, "%s.stacktrace", node->field->name);
	else
		out_str(out, data->set->options.kernel.stack_fields ? "common_stacktrace:\n"
								    : "stacktrace:\n");
	for (size_t i = 0; i < HIST_STACK_DEPTH && addresses[i]; i++) {
		out_lit(out, "         ");
		hist_symbol(data->set->db, addresses[i], true, out);
		out_char(out, '\n');
	}
}

static void print_number_key(const struct hist_data *data, const struct hist_node *node,
			     uint64_t value, const char *comm, struct out *out)
{
	unsigned long long number = value;
	size_t start;

	if (node->flags & NODE_HEX) {
		out_hex(out, value);
	} else if (node->flags & (NODE_SYM | NODE_SYM_OFFSET)) {
		bool offset = !(node->flags & NODE_SYM);

		out_printf(out, "[%llx] ", number);
		start = out->len;
		hist_symbol(data->set->db, value, offset, out);
		print_padded(out, start, offset ? 55 : 45);
	} else if (node->flags & NODE_EXECNAME) {
		out_printf(out, "%-16s[%10llu]", comm, number);
	} else if (node->flags & NODE_SYSCALL) {
		const char *name = hist_syscall_name(value);

		out_printf(out, "%-30s[%3llu]", name ? name : "unknown_syscall", number);
	} else if (node->flags & NODE_LOG2) {
		out_printf(out, "~ 2^%-2llu", number);
	} else if (node->flags & NODE_BUCKET) {
		out_printf(out, "~ %llu-%llu", number,
			   number + (unsigned long long)node->buckets - 1);
	} else {
		out_u64_pad(out, value, 10, ' ');
	}
}

void hist_print_key(const struct hist_data *data, const uint8_t *key, const char *comm,
		    struct out *out)
{
	const uint32_t numbers =
		NODE_HEX | NODE_SYM | NODE_SYM_OFFSET | NODE_EXECNAME | NODE_SYSCALL;
	const uint32_t rounded = NODE_LOG2 | NODE_BUCKET;
	bool multiline = false;

	out_lit(out, "{ ");
	for (uint32_t i = data->nr_vals; i < data->nr_nodes; i++) {
		const struct hist_node *node = data->nodes[i];
		uint64_t value;

		if (i > data->nr_vals)
			out_lit(out, ", ");
		memcpy(&value, key + node->offset, sizeof(value));
		if (!(node->flags & numbers) && (node->flags & NODE_STACK)) {
			print_stack(data, node, key, out);
			multiline = true;
			continue;
		}
		out_printf(out, "%s: ", hist_node_name(data, node));
		if (!(node->flags & (numbers | rounded)) && (node->flags & NODE_STRING_VALUE))
			out_printf(out, "%-50.*s", (int)node->size,
				   (const char *)key + node->offset);
		else
			print_number_key(data, node, value, comm, out);
	}
	out_str(out, multiline ? "}" : " }");
}

struct stat {
	uint64_t max, total;
};

/* 100 times the percentage; UINT32_MAX when there is none. */
static uint32_t percentage(uint64_t value, uint64_t total)
{
	if (total && value < UINT64_MAX / 10000)
		return (uint32_t)(value * 10000 / total);
	total /= 10000;
	if (total)
		return (uint32_t)(value / total);
	return value ? UINT32_MAX : 0;
}

static void print_bar(uint64_t value, uint64_t max, struct out *out)
{
	uint32_t len = percentage(value, max);

	if (len == UINT32_MAX) {
		out_printf(out, "%*s", BAR_WIDTH, "[ERROR]");
		return;
	}
	len = MIN(len * BAR_WIDTH / 10000, (uint32_t)BAR_WIDTH);
	out_fill(out, '#', len);
	out_fill(out, ' ', BAR_WIDTH - len);
}

static void print_value(const char *name, uint32_t flags, uint64_t value, const struct stat *stat,
			struct out *out)
{
	if (flags & NODE_PERCENT) {
		uint32_t share = percentage(value, stat->total);

		if (share == UINT32_MAX)
			out_printf(out, " %s (%%):[ERROR]", name);
		else
			out_printf(out, " %s (%%): %3u.%02u", name, share / 100, share % 100);
		return;
	}
	out_printf(out, " %s: ", name);
	if (flags & NODE_GRAPH)
		print_bar(value, stat->max, out);
	else if (flags & NODE_HEX)
		out_hex_pad(out, value, 10, ' ');
	else
		out_u64_pad(out, value, 10, ' ');
}

static void print_tracked(const struct hist_data *data, const struct hist_action *action,
			  uint8_t *element, struct out *out)
{
	const uint64_t *vars = hist_map_vars(&data->map, element);

	out_printf(out, "\n\t%s: %10llu", action->handler == HIST_ONMAX ? "max" : "changed",
		   (unsigned long long)vars[action->track_var]);
	for (uint32_t i = 0; i < data->nr_save_vars; i++) {
		const struct hist_field_var *var = &data->save_vars[i];
		uint64_t value = vars[var->var->var_index];

		if (!(var->val->flags & NODE_STRING_VALUE))
			out_printf(out, "  %s: %10llu", var->var->var, (unsigned long long)value);
		else
			out_printf(out, "  %s: %-32s", var->var->var,
				   value ? (const char *)(uintptr_t)value : "(null)");
	}
}

static void print_element(const struct hist_data *data, const struct stat *stats, uint8_t *element,
			  struct out *out)
{
	const uint64_t *sums = hist_map_sums(&data->map, element);

	hist_print_key(data, element, hist_map_comm(&data->map, element), out);
	if (!data->attrs.no_hitcount)
		print_value("hitcount", 0, sums[0], &stats[0], out);
	for (uint32_t i = 1; i < data->nr_vals; i++) {
		const struct hist_node *node = data->nodes[i];

		if (node->flags & (NODE_VAR | NODE_EXPR))
			continue;
		out_char(out, ' ');
		print_value(hist_node_name(data, node), node->flags, sums[i], &stats[i], out);
	}
	for (uint32_t i = 0; i < data->nr_actions; i++)
		if (data->actions[i]->handler != HIST_ONMATCH &&
		    data->actions[i]->action != HIST_SNAPSHOT)
			print_tracked(data, data->actions[i], element, out);
	out_char(out, '\n');
}

static void print_snapshot(const struct hist_data *data, struct out *out)
{
	for (uint32_t i = 0; i < data->nr_actions && data->snapshot_taken; i++) {
		const struct hist_action *action = data->actions[i];

		if (action->action != HIST_SNAPSHOT)
			continue;
		out_lit(out, "\nSnapshot taken (see tracing/snapshot).  Details:\n");
		out_printf(out, "\ttriggering value { %s(%s) }: %10llu",
			   action->handler == HIST_ONMAX ? "onmax" : "onchange", action->tracked,
			   (unsigned long long)data->snapshot_value);
		out_lit(out, "\ttriggered by event with key: ");
		hist_print_key(data, data->snapshot_key, data->snapshot_comm, out);
		out_char(out, '\n');
		return;
	}
}

static int print_hist(const struct hist *hist, struct out *out)
{
	const struct hist_data *data = hist->data;
	struct stat stats[HIST_NODES] = {0};
	uint8_t **elements;
	int r = hist_sort_elements(data, &elements);

	if (r < 0)
		return r;
	out_lit(out, "# event histogram\n#\n# trigger info: ");
	hist_print_trigger(hist, out);
	out_lit(out, "\n#\n\n");
	for (uint32_t i = 0; i < data->map.nr_elements; i++) {
		const uint64_t *sums = hist_map_sums(&data->map, elements[i]);

		for (uint32_t j = 0; j < data->nr_vals; j++) {
			stats[j].total += sums[j];
			stats[j].max = MAX(stats[j].max, sums[j]);
		}
	}
	for (uint32_t i = 0; i < data->map.nr_elements; i++)
		print_element(data, stats, elements[i], out);
	mem_free(elements);
	print_snapshot(data, out);
	out_printf(out, "\nTotals:\n    Hits: %llu\n    Entries: %u\n    Dropped: %llu\n",
		   (unsigned long long)data->map.hits, data->map.nr_elements,
		   (unsigned long long)data->map.drops);
	return 0;
}

int hist_print_kernel(const struct hist_set *set, const struct event *event, struct out *out)
{
	bool first = true;
	int r = 0;

	for (const struct hist *hist = hist_first(set, event); hist && r >= 0; hist = hist->next) {
		if (!first)
			out_lit(out, "\n\n");
		first = false;
		r = print_hist(hist, out);
	}
	return r;
}
