/* SPDX-License-Identifier: MIT */
/*
 * One histogram as a table: keys, values, a bar for the first value. Buckets come in their order
 * with the empty ones between them, percentiles below; time against buckets is drawn as a heat map.
 */
#include "report/hist_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "report/hist_calls.h"
#include "report/rows.h"

enum {
	BAR_WIDTH = 40,
	HEAT_COLUMNS = 64,
	HEAT_ROWS = 64,
	MAX_GAP_ROWS = 1000, /* empty buckets shown between two that are not */
	MAX_COLUMNS = 8,
	PERCENTILES = 4
};

struct table {
	const struct hist *hist;
	const struct hist_table_print *how;
	struct hist_rows *rows;
	size_t nr_rows, nr_columns, nr_keys;
	size_t value; /* the column that bars show */
	struct hist_column columns[MAX_COLUMNS];
	uint64_t largest, sum; /* of that column */
	size_t widths[MAX_COLUMNS];
	struct out *out;
};

static struct hist_cell cell_at(const struct table *table, size_t row, size_t column)
{
	struct hist_cell cell;

	hist_cell(table->hist, table->rows, row, column, &cell);
	return cell;
}

static const struct event_db *db_of(const struct table *table)
{
	return hist_db(table->hist);
}

/* One line, whatever it is. */
static void print_stack(const struct table *table, const uint64_t *stack, struct out *out)
{
	for (size_t i = 0; i < HIST_STACK_DEPTH && stack[i]; i++) {
		if (i)
			out_lit(out, " < ");
		hist_symbol(db_of(table), stack[i], false, out);
	}
}

static void print_cell(const struct table *table, size_t column, const struct hist_cell *cell,
		       struct out *out)
{
	const struct hist_column *about = &table->columns[column];

	switch (about->shape) {
	case HIST_SIGNED:
		out_i64(out, (int64_t)cell->number);
		break;
	case HIST_HEX:
		out_0x(out, cell->number);
		break;
	case HIST_SYMBOL:
	case HIST_SYMBOL_OFFSET:
		hist_symbol(db_of(table), cell->number, about->shape == HIST_SYMBOL_OFFSET, out);
		break;
	case HIST_TASK:
		out_printf(out, "%s-%lld", cell->text, (long long)cell->number);
		break;
	case HIST_CALL:
		if (*cell->text)
			out_str(out, cell->text);
		else
			out_u64(out, cell->number);
		break;
	case HIST_STACK:
		print_stack(table, cell->stack, out);
		break;
	case HIST_STRING:
		out_str(out, cell->text);
		break;
	case HIST_LOG2:
		out_printf(out, "%llu - %llu",
			   cell->number
				   ? (1ull << (cell->number - 1 < 63 ? cell->number - 1 : 63)) + 1
				   : 0ull,
			   cell->number > 63 ? UINT64_MAX : 1ull << cell->number);
		break;
	case HIST_BUCKET:
		out_printf(out, "%llu - %llu", (unsigned long long)cell->number,
			   cell->number + (unsigned long long)about->buckets - 1);
		break;
	default:
		out_u64(out, cell->number);
	}
	if (about->percent && table->sum)
		out_printf(out, " (%.2f %%)", 100.0 * (double)cell->number / (double)table->sum);
}

static bool is_rounded(const struct hist_column *column)
{
	return column->shape == HIST_LOG2 || column->shape == HIST_BUCKET;
}

static bool is_text(const struct hist_column *column)
{
	return column->shape == HIST_STRING || column->shape == HIST_TASK ||
	       column->shape == HIST_CALL || column->shape == HIST_STACK ||
	       column->shape == HIST_SYMBOL || column->shape == HIST_SYMBOL_OFFSET;
}

static void measure(struct table *table)
{
	_cleanup_out_ struct out text = {0};

	for (size_t i = 0; i < table->nr_columns; i++)
		table->widths[i] = strlen(table->columns[i].name);
	for (size_t row = 0; row < table->nr_rows; row++) {
		uint64_t value = cell_at(table, row, table->value).number;

		table->largest = MAX(table->largest, value);
		table->sum += value;
	}
	for (size_t row = 0; row < table->nr_rows; row++) {
		for (size_t i = 0; i < table->nr_columns; i++) {
			struct hist_cell cell = cell_at(table, row, i);

			if (table->columns[i].shape == HIST_STACK)
				continue;
			out_clear(&text);
			print_cell(table, i, &cell, &text);
			table->widths[i] = MAX(table->widths[i], text.len);
		}
	}
}

static void print_bar(const struct table *table, uint64_t value)
{
	size_t len =
		table->largest ? (size_t)((double)value * BAR_WIDTH / (double)table->largest) : 0;

	out_lit(table->out, " |");
	out_fill(table->out, '#', len);
	out_fill(table->out, ' ', BAR_WIDTH - len);
	out_char(table->out, '|');
}

static void print_padded(const struct table *table, size_t column, const char *text, size_t len)
{
	if (column)
		out_lit(table->out, "  ");
	if (is_text(&table->columns[column]))
		out_str_left(table->out, text, len, table->widths[column]);
	else
		out_str_right(table->out, text, len, table->widths[column]);
}

static void print_head(const struct table *table)
{
	for (size_t i = 0; i < table->nr_columns; i++) {
		const char *name = table->columns[i].name;

		print_padded(table, i, name, strlen(name));
	}
	out_char(table->out, '\n');
}

/* Fields kept by save(), and the value that onmax and onchange keep. */
static void print_kept(const struct table *table, size_t row)
{
	struct hist_cell cell;
	const char *name;
	bool string;

	for (size_t i = 0; hist_kept(table->hist, table->rows, row, i, &name, &cell, &string);
	     i++) {
		if (string)
			out_printf(table->out, "  %s: %s", name, cell.text);
		else
			out_printf(table->out, "  %s: %lld", name, (long long)cell.number);
	}
}

static void print_stack_lines(const struct table *table, size_t row)
{
	for (size_t i = 0; i < table->nr_keys; i++) {
		struct hist_cell cell = cell_at(table, row, i);

		if (table->columns[i].shape != HIST_STACK)
			continue;
		for (size_t j = 0; j < HIST_STACK_DEPTH && cell.stack[j]; j++) {
			out_lit(table->out, "    => ");
			hist_symbol(db_of(table), cell.stack[j], false, table->out);
			out_char(table->out, '\n');
		}
	}
}

static void print_row(const struct table *table, size_t row, const uint64_t *empty_key)
{
	_cleanup_out_ struct out text = {0};

	for (size_t i = 0; i < table->nr_columns; i++) {
		struct hist_cell cell = {.text = ""};

		if (!empty_key)
			cell = cell_at(table, row, i);
		else if (i == 0)
			cell.number = *empty_key;
		out_clear(&text);
		if (table->columns[i].shape == HIST_STACK)
			out_str(&text, "(below)");
		else
			print_cell(table, i, &cell, &text);
		print_padded(table, i, text.buf, text.len);
	}
	print_bar(table, empty_key ? 0 : cell_at(table, row, table->value).number);
	if (!empty_key)
		print_kept(table, row);
	out_char(table->out, '\n');
	if (!empty_key)
		print_stack_lines(table, row);
}

struct keyed_row {
	uint64_t key;
	size_t row;
};

static int compare_keys(const void *a, const void *b)
{
	const struct keyed_row *left = a, *right = b;

	return (left->key > right->key) - (left->key < right->key);
}

/* Rows in the order of their only key, a bucket. */
static struct keyed_row *by_key(const struct table *table)
{
	struct keyed_row *order = mem_calloc(table->nr_rows + 1, sizeof(*order));

	for (size_t i = 0; order && i < table->nr_rows; i++)
		order[i] = (struct keyed_row){cell_at(table, i, 0).number, i};
	if (order)
		qsort(order, table->nr_rows, sizeof(*order), compare_keys);
	return order;
}

static uint64_t key_step(const struct table *table)
{
	return table->columns[0].shape == HIST_BUCKET ? table->columns[0].buckets : 1;
}

/* All buckets from the first to the last, unless there are very many between. */
static void print_buckets(const struct table *table, const struct keyed_row *order)
{
	uint64_t step = key_step(table), next = 0;

	for (size_t i = 0; i < table->nr_rows; i++) {
		uint64_t key = order[i].key;

		if (i && (key - next) / step <= MAX_GAP_ROWS)
			for (; next < key; next += step)
				print_row(table, 0, &next);
		print_row(table, order[i].row, NULL);
		next = key + step;
	}
}

/* In which bucket half of the hits are, and so on. */
static void print_percentiles(const struct table *table, const struct keyed_row *order)
{
	static const unsigned int wanted[PERCENTILES] = {50, 90, 99, 100};
	static const char *const names[PERCENTILES] = {"p50", "p90", "p99", "max"};
	uint64_t seen = 0, sum = 0;
	size_t at = 0;

	for (size_t i = 0; i < table->nr_rows; i++)
		sum += cell_at(table, i, table->nr_keys).number;
	if (!sum)
		return;
	out_lit(table->out, "in:");
	for (size_t i = 0; i < table->nr_rows && at < PERCENTILES; i++) {
		_cleanup_out_ struct out text = {0};
		struct hist_cell key = cell_at(table, order[i].row, 0);

		seen += cell_at(table, order[i].row, table->nr_keys).number;
		print_cell(table, 0, &key, &text);
		for (; at < PERCENTILES && (double)seen >= (double)sum * wanted[at] / 100.0; at++)
			out_printf(table->out, "  %s %s", names[at], out_cstr(&text));
	}
	out_char(table->out, '\n');
}

/* Buckets, in their order. */
static int print_rounded(const struct table *table)
{
	_cleanup_free_ struct keyed_row *order = by_key(table);

	if (!order)
		return -ENOMEM;
	print_buckets(table, order);
	print_percentiles(table, order);
	return 0;
}

/* --- time against buckets --- */

struct heat {
	uint64_t first_time, last_time, first_key, last_key, step;
	uint64_t cells[HEAT_ROWS][HEAT_COLUMNS];
	uint64_t largest;
};

static bool is_heat(const struct table *table)
{
	return table->nr_keys == 2 && table->columns[0].shape == HIST_BUCKET &&
	       strcmp(table->columns[0].name, "common_timestamp") == 0 &&
	       is_rounded(&table->columns[1]) && table->nr_rows > 1;
}

static void find_range(const struct table *table, struct heat *heat)
{
	heat->first_time = heat->first_key = UINT64_MAX;
	heat->step = table->columns[1].shape == HIST_BUCKET ? table->columns[1].buckets : 1;
	for (size_t row = 0; row < table->nr_rows; row++) {
		uint64_t time = cell_at(table, row, 0).number, key = cell_at(table, row, 1).number;

		heat->first_time = MIN(heat->first_time, time);
		heat->last_time = MAX(heat->last_time, time);
		heat->first_key = MIN(heat->first_key, key);
		heat->last_key = MAX(heat->last_key, key);
	}
	while ((heat->last_key - heat->first_key) / heat->step >= HEAT_ROWS)
		heat->step *= 2;
}

static void fill_heat(const struct table *table, struct heat *heat)
{
	double span =
		(double)(heat->last_time - heat->first_time) + (double)table->columns[0].buckets;

	for (size_t row = 0; row < table->nr_rows; row++) {
		double time = (double)(cell_at(table, row, 0).number - heat->first_time);
		size_t column = MIN((size_t)(time * HEAT_COLUMNS / span), HEAT_COLUMNS - 1u);
		uint64_t key = (cell_at(table, row, 1).number - heat->first_key) / heat->step;
		uint64_t *cell = &heat->cells[key][column];

		*cell += cell_at(table, row, table->value).number;
		heat->largest = MAX(heat->largest, *cell);
	}
}

static int print_heat(const struct table *table)
{
	static const char shades[] = " .:-=+*#%@";
	_cleanup_free_ struct heat *heat = mem_zalloc(sizeof(*heat));
	size_t nr;

	if (!heat)
		return -ENOMEM;
	find_range(table, heat);
	fill_heat(table, heat);
	nr = (size_t)((heat->last_key - heat->first_key) / heat->step) + 1;
	out_printf(table->out, "%s against time, %llu at the darkest\n", table->columns[1].name,
		   (unsigned long long)heat->largest);
	for (size_t i = nr; i-- > 0;) {
		struct hist_cell cell = {.number = heat->first_key + i * heat->step};
		_cleanup_out_ struct out text = {0};

		print_cell(table, 1, &cell, &text);
		out_str_right(table->out, out_cstr(&text), text.len, 24);
		out_lit(table->out, " |");
		for (size_t j = 0; j < HEAT_COLUMNS; j++) {
			uint64_t value = heat->cells[i][j];
			size_t shade = value ? 1 + (size_t)((double)value * (sizeof(shades) - 3) /
							    (double)heat->largest)
					     : 0;

			out_char(table->out, shades[shade]);
		}
		out_lit(table->out, "|\n");
	}
	out_fill(table->out, ' ', 24);
	out_lit(table->out, "  from ");
	out_u64(table->out, heat->first_time);
	out_lit(table->out, " to ");
	out_u64(table->out, heat->last_time + table->columns[0].buckets);
	out_char(table->out, '\n');
	return 0;
}

static void print_totals(const struct table *table)
{
	struct hist_totals totals = hist_totals(table->hist);

	out_printf(table->out, "%llu hits, %llu entries, %llu dropped",
		   (unsigned long long)totals.hits, (unsigned long long)totals.entries,
		   (unsigned long long)totals.dropped);
	if (totals.unmatched)
		out_printf(table->out, ", %llu without a match",
			   (unsigned long long)totals.unmatched);
	if (totals.poisoned)
		out_printf(table->out, " (%llu of them because events were lost)",
			   (unsigned long long)totals.poisoned);
	out_char(table->out, '\n');
}

static int print_text(struct table *table)
{
	const struct event *event = hist_event(table->hist);
	int r = 0;

	out_printf(table->out, "%s:%s  ", event->system, event->name);
	hist_print_trigger(table->hist, table->out);
	out_lit(table->out, "\n\n");
	measure(table);
	if (is_heat(table)) {
		r = print_heat(table);
	} else {
		print_head(table);
		if (table->nr_keys == 1 && is_rounded(&table->columns[0]))
			r = print_rounded(table);
		else
			for (size_t i = 0; i < table->nr_rows; i++)
				if (!table->how->limit || i < table->how->limit)
					print_row(table, i, NULL);
	}
	print_totals(table);
	out_char(table->out, '\n');
	return r;
}

/* --- JSON and CSV --- */

static void put_cell(const struct table *table, struct rows *rows, size_t column,
		     const struct hist_cell *cell)
{
	const struct hist_column *about = &table->columns[column];
	_cleanup_out_ struct out text = {0};

	if (!is_text(about)) {
		if (about->shape == HIST_SIGNED)
			rows_i64(rows, about->name, (int64_t)cell->number);
		else
			rows_u64(rows, about->name, cell->number);
		return;
	}
	print_cell(table, column, cell, &text);
	rows_text(rows, about->name, out_cstr(&text));
}

static void put_kept(const struct table *table, struct rows *rows, size_t row)
{
	struct hist_cell cell;
	const char *name;
	bool string;

	for (size_t i = 0; hist_kept(table->hist, table->rows, row, i, &name, &cell, &string);
	     i++) {
		if (string)
			rows_text(rows, name, cell.text);
		else
			rows_u64(rows, name, cell.number);
	}
}

static void print_rows(const struct table *table)
{
	const struct event *event = hist_event(table->hist);
	struct rows rows = {table->how->format, table->out, table->how->buffer, 0};
	_cleanup_out_ struct out name = {0};

	out_printf(&name, "%s:%s", event->system, event->name);
	for (size_t row = 0; row < table->nr_rows; row++) {
		if (table->how->limit && row >= table->how->limit)
			break;
		rows_begin(&rows);
		rows_text(&rows, "event", out_cstr(&name));
		for (size_t i = 0; i < table->nr_columns; i++) {
			struct hist_cell cell = cell_at(table, row, i);

			put_cell(table, &rows, i, &cell);
		}
		put_kept(table, &rows, row);
		rows_end(&rows);
	}
}

/* The columns of this histogram; others may have other ones. */
static void print_names(const struct table *table)
{
	const char *names[1 + MAX_COLUMNS + HIST_STACK_DEPTH * 8];
	struct hist_cell cell;
	size_t nr = 0;
	bool string;

	names[nr++] = "event";
	for (size_t i = 0; i < table->nr_columns; i++)
		names[nr++] = table->columns[i].name;
	while (table->nr_rows && nr < ARRAY_SIZE(names) &&
	       hist_kept(table->hist, table->rows, 0, nr - 1 - table->nr_columns, &names[nr], &cell,
			 &string))
		nr++;
	rows_names(table->out, table->how->format, table->how->buffer != NULL, names, nr);
}

/* The functions of calls are shown by name without being asked. */
static void set_column(struct table *table, size_t index)
{
	struct hist_column *column = &table->columns[index];

	hist_column(table->hist, index, column);
	if (column->shape == HIST_NUMBER && index < table->nr_keys &&
	    strcmp(column->name, "func") == 0 &&
	    strcmp(hist_event(table->hist)->name, HIST_CALLS_NAME) == 0)
		column->shape = HIST_SYMBOL;
}

int hist_table_print(const struct hist *hist, const struct hist_table_print *how, struct out *out)
{
	struct table table = {.hist = hist, .how = how, .out = out};
	int r = hist_rows_new(hist, &table.rows);

	if (r < 0)
		return r;
	table.nr_rows = hist_rows_count(table.rows);
	table.nr_columns = hist_nr_columns(hist, &table.nr_keys);
	table.value = MAX(hist_sort_column(hist), table.nr_keys);
	for (size_t i = 0; i < table.nr_columns; i++)
		set_column(&table, i);
	if (how->format == REPORT_TEXT) {
		r = print_text(&table);
	} else {
		print_names(&table);
		print_rows(&table);
	}
	hist_rows_free(table.rows);
	return r;
}
