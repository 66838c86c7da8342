/* SPDX-License-Identifier: MIT */
/*
 * The way back from a kernel's `hist` file to a histogram: the kernel has counted, and tables, JSON
 * and percentiles are made of it as of our own. Every column has a width that its text has at
 * least, so that a name with a blank or a comma in it does not mislead.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "expr/hist_private.h"

enum {
	STRING_WIDTH = 50,
	SAVED_WIDTH = 32,
	SYSCALL_WIDTH = 30,
	COMM_WIDTH = 16,
	BAR_WIDTH = 20,
	KERNEL_SIZE = 16384, /* elements, where the text says nothing: the kernel's are few */
};

/* Symbols in the order of their names. */
struct by_name {
	const struct symbol **list;
	size_t nr;
};

struct load {
	struct hist_data *data;
	const char *at; /* NULL: not as expected */
	struct by_name *names;
};

/* --- words --- */

static void expect(struct load *load, const char *word)
{
	size_t len = strlen(word);

	if (load->at)
		load->at = strncmp(load->at, word, len) == 0 ? load->at + len : NULL;
}

static uint64_t number(struct load *load, int base)
{
	char *end;
	uint64_t value;

	if (!load->at)
		return 0;
	value = strtoull(load->at, &end, base);
	load->at = end == load->at ? NULL : end;
	return value;
}

/* Go to `word`, which comes after `width` bytes or later. */
static void skip_to(struct load *load, size_t width, const char *word)
{
	if (!load->at || strnlen(load->at, width) < width) {
		load->at = NULL;
		return;
	}
	load->at = strstr(load->at + width, word);
}

/* A padded text up to `word`; no more than `size` bytes of it are kept, with a NUL. */
static void padded(struct load *load, size_t width, const char *word, char *to, size_t size)
{
	const char *start = load->at;
	size_t len;

	skip_to(load, width, word);
	if (!load->at)
		return;
	len = (size_t)(load->at - start);
	while (len && start[len - 1] == ' ')
		len--;
	len = MIN(len, size - 1);
	memcpy(to, start, len);
	to[len] = '\0';
}

/* --- stacks --- */

static int compare_names(const void *a, const void *b)
{
	const struct symbol *left = *(const struct symbol *const *)a;
	const struct symbol *right = *(const struct symbol *const *)b;
	int order = memcmp(left->name, right->name, MIN(left->name_len, right->name_len));

	if (order)
		return order;
	return left->name_len > right->name_len ? 1 : left->name_len < right->name_len ? -1 : 0;
}

static int sort_names(struct by_name *names, const struct symbols *symbols)
{
	size_t nr = symbols ? symbols_count(symbols) : 0;

	if (names->list)
		return 0;
	names->list = mem_calloc(nr + 1, sizeof(*names->list));
	if (!names->list)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		names->list[i] = symbols_at(symbols, i);
	names->nr = nr;
	qsort(names->list, nr, sizeof(*names->list), compare_names);
	return 0;
}

/* NAME+0xOFFSET/0xSIZE [MODULE], or 0xADDRESS; 0 when there is no such symbol. */
static uint64_t frame_address(const struct by_name *names, const char *text, size_t len)
{
	const char *plus = memchr(text, '+', len);
	struct symbol wanted = {.name = text, .name_len = (uint32_t)(plus ? plus - text : 0)};
	const struct symbol *key = &wanted, **found;

	if (!plus)
		return strncmp(text, "0x", 2) == 0 ? strtoull(text, NULL, 16) : 0;
	found = bsearch(&key, names->list, names->nr, sizeof(*names->list), compare_names);
	return found ? (*found)->addr + strtoull(plus + 1, NULL, 16) : 0;
}

static void stack_key(struct load *load, const struct hist_node *node, uint8_t *key)
{
	uint64_t addresses[HIST_STACK_DEPTH] = {0};
	size_t nr = 0;

	if (node->field) {
		expect(load, node->field->name);
		expect(load, ".stacktrace");
	} else {
		expect(load, load->data->set->options.kernel.stack_fields ? "common_stacktrace:\n"
									  : "stacktrace:\n");
	}
	while (load->at && *load->at == ' ') {
		const char *start = load->at + strspn(load->at, " ");
		size_t len = strcspn(start, "\n");
		uint64_t address = frame_address(load->names, start, len);

		if (address && nr < HIST_STACK_DEPTH)
			addresses[nr++] = address;
		load->at = start[len] ? start + len + 1 : NULL;
	}
	memcpy(key + node->offset, addresses, MIN(node->size, sizeof(addresses)));
}

/* --- an element --- */

static uint64_t number_key(struct load *load, const struct hist_node *node, const char *end,
			   char *comm)
{
	uint64_t value;

	if (node->flags & NODE_HEX)
		return number(load, 16);
	if (node->flags & (NODE_SYM | NODE_SYM_OFFSET)) {
		expect(load, "[");
		value = number(load, 16);
		skip_to(load, 0, end);
		return value;
	}
	if (node->flags & (NODE_EXECNAME | NODE_SYSCALL)) {
		if (node->flags & NODE_EXECNAME)
			padded(load, COMM_WIDTH, "[", comm, HIST_COMM_BYTES);
		else
			skip_to(load, SYSCALL_WIDTH, "[");
		expect(load, "[");
		value = number(load, 10);
		expect(load, "]");
		return value;
	}
	if (node->flags & (NODE_LOG2 | NODE_BUCKET)) {
		expect(load, node->flags & NODE_LOG2 ? "~ 2^" : "~ ");
		value = number(load, 10);
		skip_to(load, 0, end);
		return value;
	}
	return number(load, 10);
}

static void load_key(struct load *load, uint8_t *key, char *comm)
{
	const uint32_t numbers = NODE_HEX | NODE_SYM | NODE_SYM_OFFSET | NODE_EXECNAME |
				 NODE_SYSCALL | NODE_LOG2 | NODE_BUCKET;
	const struct hist_data *data = load->data;
	bool multiline = false;

	for (uint32_t i = data->nr_vals; i < data->nr_nodes; i++) {
		const struct hist_node *node = data->nodes[i];
		const char *end = i + 1 < data->nr_nodes ? ", " : multiline ? "}" : " }";
		uint64_t value;

		if (i > data->nr_vals)
			expect(load, ", ");
		if ((node->flags & NODE_STACK) && !(node->flags & numbers)) {
			stack_key(load, node, key);
			multiline = true;
			continue;
		}
		expect(load, hist_node_name(data, node));
		expect(load, ": ");
		if ((node->flags & NODE_STRING_VALUE) && !(node->flags & numbers)) {
			padded(load, STRING_WIDTH, end, (char *)key + node->offset, node->size);
			continue;
		}
		value = number_key(load, node, end, comm);
		memcpy(key + node->offset, &value, sizeof(value));
	}
	expect(load, multiline ? "}" : " }");
}

/* The number; 0 where a share or a bar stands in its place. */
static uint64_t load_value(struct load *load, const struct hist_node *node)
{
	const char *start;

	if ((node->flags & NODE_PERCENT) && load->at && strncmp(load->at, " (%):", 5) == 0) {
		load->at += 5 + strspn(load->at + 5, " ");
		load->at += strcspn(load->at, " \n");
		return 0;
	}
	expect(load, ": ");
	if (!load->at)
		return 0;
	start = load->at + strspn(load->at, " ");
	if ((node->flags & NODE_GRAPH) && (*start < '0' || *start > '9')) {
		load->at += strnlen(load->at, BAR_WIDTH);
		return 0;
	}
	return number(load, node->flags & NODE_HEX ? 16 : 10);
}

static void load_values(struct load *load, uint64_t *sums)
{
	const struct hist_data *data = load->data;

	if (!data->attrs.no_hitcount) {
		expect(load, " hitcount: ");
		sums[0] += number(load, 10);
	}
	for (uint32_t i = 1; i < data->nr_vals; i++) {
		const struct hist_node *node = data->nodes[i];

		if (node->flags & (NODE_VAR | NODE_EXPR))
			continue;
		expect(load, "  ");
		expect(load, hist_node_name(data, node));
		sums[i] += load_value(load, node);
	}
}

static void load_saved(struct load *load, uint8_t *element)
{
	const struct hist_data *data = load->data;
	uint64_t *vars = hist_map_vars(&data->map, element);
	uint32_t string = data->nr_field_strings;

	for (uint32_t i = 0; i < data->nr_save_vars; i++) {
		const struct hist_field_var *saved = &data->save_vars[i];
		const char *end = i + 1 < data->nr_save_vars ? "  " : "\n";
		char *text;

		expect(load, "  ");
		expect(load, saved->var->var);
		expect(load, ": ");
		if (!(saved->val->flags & NODE_STRING_VALUE)) {
			vars[saved->var->var_index] = number(load, 10);
			continue;
		}
		text = hist_map_string(&data->map, element, string++);
		padded(load, SAVED_WIDTH, end, text, data->map.layout.string_bytes);
		vars[saved->var->var_index] = (uint64_t)(uintptr_t)text;
	}
}

static void load_tracked(struct load *load, uint8_t *element)
{
	const struct hist_data *data = load->data;

	for (uint32_t i = 0; i < data->nr_actions; i++) {
		const struct hist_action *action = data->actions[i];

		if (action->handler == HIST_ONMATCH || action->action == HIST_SNAPSHOT)
			continue;
		expect(load, action->handler == HIST_ONMAX ? "\n\tmax: " : "\n\tchanged: ");
		hist_map_vars(&data->map, element)[action->track_var] = number(load, 10);
		load_saved(load, element);
	}
}

static int load_element(struct load *load)
{
	_Alignas(8) uint8_t key[HIST_KEY_BYTES] = {0};
	struct hist_map *map = &load->data->map;
	char comm[HIST_COMM_BYTES] = "";
	uint8_t *element;
	bool is_new;

	load_key(load, key, comm);
	if (!load->at)
		return -EBADMSG;
	element = hist_map_insert(map, key, &is_new);
	if (!element)
		return map->no_memory ? -ENOMEM : -EBADMSG;
	if (is_new && map->layout.comm_bytes)
		memcpy(hist_map_comm(map, element), comm,
		       MIN(map->layout.comm_bytes, sizeof(comm)));
	load_values(load, hist_map_sums(map, element));
	load_tracked(load, element);
	expect(load, "\n");
	return load->at ? 0 : -EBADMSG;
}

/* --- a file --- */

/* Behind what the kernel says of the trigger, at its first element. */
static void skip_heading(struct load *load)
{
	while (load->at && *load->at == '\n')
		load->at++;
	expect(load, "# event histogram\n");
	skip_to(load, 0, "\n#\n\n");
	expect(load, "\n#\n\n");
}

static int load_hist(struct load *load)
{
	struct hist_map *map = &load->data->map;
	int r = 0;

	skip_heading(load);
	hist_map_clear(map);
	while (r == 0 && load->at && load->at[0] == '{') {
		expect(load, "{ ");
		r = load_element(load);
	}
	if (r < 0)
		return r;
	skip_to(load, 0, "\nTotals:\n"); /* behind what there is of a snapshot */
	expect(load, "\nTotals:\n    Hits: ");
	map->hits = number(load, 10);
	skip_to(load, 0, "    Dropped: ");
	expect(load, "    Dropped: ");
	map->drops = number(load, 10);
	expect(load, "\n");
	return load->at ? 0 : -EBADMSG;
}

int hist_set_load(struct hist_set *set, const struct event *event, const char *text,
		  struct err *err)
{
	struct by_name names = {0};
	struct load load = {.at = text, .names = &names};
	int r = 0;

	for (struct hist *hist = hist_first(set, event); hist && r == 0; hist = hist->next) {
		load.data = hist->data;
		if (hist->data->wants_stack)
			r = sort_names(&names, event_db_symbols(set->db));
		if (r == 0)
			r = load_hist(&load);
	}
	mem_free(names.list);
	if (r == -ENOMEM)
		return err_set(err, r, "out of memory");
	return r < 0 ? err_set(err, r, "%s/%s/hist does not read as expected", event->system,
			       event->name)
		     : 0;
}

bool hist_is_loadable(const struct hist *hist, const char **ret_why)
{
	const struct hist_data *data = hist->data;

	for (uint32_t i = 0; i < data->nr_actions; i++) {
		if (data->actions[i]->action == HIST_SNAPSHOT) {
			*ret_why = "snapshot() would be of a buffer that is gone afterwards";
			return false;
		}
	}
	for (uint32_t i = 0; i < data->nr_sorts; i++) {
		if (data->sorts[i].field == 0 && data->attrs.no_hitcount) {
			*ret_why = "the kernel does not show the hitcounts that it sorts by";
			return false;
		}
	}
	for (uint32_t i = 1; i < data->nr_vals; i++) {
		if ((data->nodes[i]->flags & (NODE_EXPR | NODE_VAR)) == NODE_EXPR) {
			*ret_why = "the kernel does not show values that are expressions";
			return false;
		}
	}
	return true;
}

/* A list of values without .percent and .graph: they hide the number that they are of. */
static void put_values(const char *text, size_t len, struct out *out)
{
	static const char *const hiding[] = {".percent", ".graph"};

	for (size_t i = 0; i < len;) {
		size_t skip = 0;

		for (size_t j = 0; j < ARRAY_SIZE(hiding); j++) {
			size_t n = strlen(hiding[j]);

			if (i + n <= len && strncmp(text + i, hiding[j], n) == 0 &&
			    (i + n == len || text[i + n] == ','))
				skip = n;
		}
		if (!skip)
			out_char(out, text[i]);
		i += skip ? skip : 1;
	}
}

void hist_kernel_text(const char *text, bool as_it_is, const char *control, struct out *out)
{
	const char *condition = strstr(text, " if ");
	size_t len = condition ? (size_t)(condition - text) : strlen(text);
	bool sized = false;

	for (size_t at = 0, end; at < len; at = end + 1) {
		const char *part = text + at;

		end = at + MIN(strcspn(part, ":"), len - at);
		sized |= strncmp(part, "size=", 5) == 0;
		if (at)
			out_char(out, ':');
		if (!as_it_is &&
		    (strncmp(part, "val", 3) == 0 || strncmp(part, "hitcount", 8) == 0))
			put_values(part, end - at, out);
		else
			out_mem(out, part, end - at);
	}
	if (!sized && !as_it_is)
		out_printf(out, ":size=%d", KERNEL_SIZE);
	if (control)
		out_printf(out, ":%s", control);
	if (condition)
		out_str(out, condition);
}
