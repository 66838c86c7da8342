/* SPDX-License-Identifier: MIT */
/* The tables: which functions are in which, in which order, as text or rows. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "report/duration.h"
#include "report/functions_data.h"
#include "report/rows.h"

enum {
	NAME_MIN = 30, /* as the kernel's tables */
	NAME_MAX = 60,
	HITS_WIDTH = 10,
	VALUE_WIDTH = 12,
	GAP = 4
};

/* A line of a table. */
struct line {
	const struct function *function;
	const char *name, *module; /* or NULL */
	size_t table;		   /* index */
	u128 key;
};

/* The lines of one group stand together. */
struct table {
	uint64_t group;
	const char *comm; /* of a task or a name */
	uint64_t weight;  /* most important first */
	size_t index;	  /* before they were sorted */
};

static const struct {
	const char *name, *title;
} columns[] = {
	[FUNCTIONS_HITS] = {"hits", "Hit"},  [FUNCTIONS_TOTAL] = {"total", "Time"},
	[FUNCTIONS_AVG] = {"avg", "Avg"},    [FUNCTIONS_S2] = {"s2", "s^2"},
	[FUNCTIONS_SELF] = {"self", "Self"}, [FUNCTIONS_MIN] = {"min", "Min"},
	[FUNCTIONS_P50] = {"p50", "50%"},    [FUNCTIONS_P90] = {"p90", "90%"},
	[FUNCTIONS_P95] = {"p95", "95%"},    [FUNCTIONS_P99] = {"p99", "99%"},
	[FUNCTIONS_MAX] = {"max", "Max"},    [FUNCTIONS_NAME] = {"name", "Function"},
};

int functions_column_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (!strcmp(columns[i].name, name))
			return (int)i;
	return -1;
}

const char *functions_column_name(enum functions_column column)
{
	return columns[column].name;
}

const char *functions_column_title(enum functions_column column)
{
	return columns[column].title;
}

u128 function_value(const struct function *f, enum functions_column column)
{
	u128 s2;

	switch (column) {
	case FUNCTIONS_HITS:
		return f->hits;
	case FUNCTIONS_TOTAL:
		return f->total;
	case FUNCTIONS_AVG:
		return function_average(f);
	case FUNCTIONS_S2:
		return function_variance(f, &s2) ? s2 : ~(u128)0;
	case FUNCTIONS_SELF:
		return f->self;
	case FUNCTIONS_MIN:
		return f->min;
	case FUNCTIONS_P50:
		return function_percentile(f, 50);
	case FUNCTIONS_P90:
		return function_percentile(f, 90);
	case FUNCTIONS_P95:
		return function_percentile(f, 95);
	case FUNCTIONS_P99:
		return function_percentile(f, 99);
	case FUNCTIONS_MAX:
		return f->max;
	default:
		return 0;
	}
}

/* Whether there is a number to show. */
bool function_known(const struct function *f, enum functions_column column)
{
	u128 s2;

	if (column == FUNCTIONS_SELF)
		return f->nr_self || !f->timed;
	if (column >= FUNCTIONS_MIN && column <= FUNCTIONS_MAX)
		return f->nr_buckets || !f->timed;
	return column != FUNCTIONS_S2 || function_variance(f, &s2);
}

/* --- what is in which table --- */

static const char *comm_of(const struct functions_print *how, uint64_t pid)
{
	const char *comm = how->comm ? how->comm(how->comm_arg, (int32_t)pid) : NULL;

	return comm ? comm : "<...>";
}

static uint64_t weight_of(const struct functions *functions, const struct function *f)
{
	return functions->any_timed ? f->self : f->hits;
}

static size_t find_table(struct table *tables, size_t *nr, uint64_t group, const char *comm)
{
	for (size_t i = 0; i < *nr; i++)
		if (comm ? !strcmp(tables[i].comm, comm) : tables[i].group == group)
			return i;
	tables[*nr] = (struct table){.group = group, .comm = comm};
	return (*nr)++;
}

/* Functions of tasks of one name become functions of the first of them. */
static int merge_by_comm(struct functions *functions, const struct functions_print *how)
{
	struct function *f, *into, *old = functions->first;
	struct map leaders = {0};
	struct table *tables = mem_calloc(functions->nr + 1u, sizeof(*tables));
	size_t nr = 0;
	int r = tables ? 0 : -ENOMEM;

	for (f = old; f && r >= 0; f = f->next) {
		uint64_t *found = map_find(&leaders, f->group), leader;

		if (found) {
			leader = *found;
		} else {
			leader = tables[find_table(tables, &nr, f->group, comm_of(how, f->group))]
					 .group;
			r = map_set(&leaders, f->group, leader);
		}
		if (r < 0 || leader == f->group)
			continue;
		into = functions_find(functions, leader, f->addr);
		r = into ? function_merge(into, f) : -ENOMEM;
		f->hits = 0; /* moved */
	}
	map_done(&leaders);
	mem_free(tables);
	return r;
}

static bool by_name(const struct functions *functions)
{
	return functions->group == FUNCTIONS_BY_TASK || functions->group == FUNCTIONS_BY_COMM;
}

static size_t make_lines(const struct functions *functions, const struct functions_print *how,
			 struct line *lines, struct table *tables, size_t *ret_nr_tables)
{
	struct map by_group = {0};
	size_t nr = 0;

	for (const struct function *f = functions->first; f; f = f->next) {
		uint64_t *found;
		size_t table;

		if (!f->hits)
			continue;
		found = map_find(&by_group, f->group);
		if (found) {
			table = (size_t)*found;
		} else {
			table = (*ret_nr_tables)++;
			tables[table] = (struct table){
				.group = f->group,
				.index = table,
				.comm = by_name(functions) ? comm_of(how, f->group) : NULL};
			if (map_set(&by_group, f->group, table) < 0) {
				map_done(&by_group);
				return SIZE_MAX;
			}
		}
		tables[table].weight += weight_of(functions, f);
		lines[nr++] = (struct line){.function = f,
					    .name = function_name(functions, f),
					    .module = function_module(functions, f),
					    .table = table,
					    .key = function_value(f, how->sort)};
	}
	map_done(&by_group);
	return nr;
}

static int compare_lines(const void *a, const void *b)
{
	const struct line *la = a, *lb = b;

	if (la->table != lb->table)
		return la->table < lb->table ? -1 : 1;
	if (la->key != lb->key)
		return la->key > lb->key ? -1 : 1;
	if (la->name && lb->name && strcmp(la->name, lb->name) != 0)
		return strcmp(la->name, lb->name);
	if (!la->name != !lb->name)
		return la->name ? -1 : 1;
	return la->function->addr < lb->function->addr ? -1
						       : la->function->addr > lb->function->addr;
}

static int compare_tables(const void *a, const void *b)
{
	const struct table *ta = a, *tb = b;

	if (ta->comm && ta->weight != tb->weight)
		return ta->weight > tb->weight ? -1 : 1;
	return ta->group < tb->group ? -1 : ta->group > tb->group;
}

static int sort_all(struct line *lines, size_t nr, struct table *tables, size_t nr_tables)
{
	_cleanup_free_ size_t *places = mem_calloc(nr_tables + 1, sizeof(*places));

	if (!places)
		return -ENOMEM;
	qsort(tables, nr_tables, sizeof(*tables), compare_tables);
	for (size_t i = 0; i < nr_tables; i++)
		places[tables[i].index] = i;
	for (size_t i = 0; i < nr; i++)
		lines[i].table = places[lines[i].table];
	qsort(lines, nr, sizeof(*lines), compare_lines);
	return 0;
}

/* --- text --- */

static void print_value(const struct function *f, enum functions_column column, struct out *out)
{
	u128 value = function_value(f, column), limit = UINT64_MAX;
	size_t start = out->len;

	if (!function_known(f, column)) {
		out_str_left(out, "-", 1, VALUE_WIDTH);
		return;
	}
	if (column == FUNCTIONS_S2)
		value /= 1000;
	duration_put_bare((uint64_t)MIN(value, limit), out);
	if (out->len - start < VALUE_WIDTH)
		out_fill(out, ' ', VALUE_WIDTH - (out->len - start));
}

static bool shows(const struct functions *functions, const struct functions_print *how,
		  enum functions_column column)
{
	return column != FUNCTIONS_HITS && functions->any_timed && how->columns & 1u << column;
}

static void end_line(struct out *out)
{
	while (out->len && out->buf[out->len - 1] == ' ')
		out->len--;
	out_char(out, '\n');
}

/* A title or what underlines it. */
static void print_titles(const struct functions *functions, const struct functions_print *how,
			 size_t width, bool underline, struct out *out)
{
	static const char dashes[] = "--------";

	out_lit(out, "  ");
	out_str_left(out, underline ? dashes : "Function", 8, width);
	out_fill(out, ' ', 2);
	out_str_right(out, underline ? dashes : "Hit", 3, HITS_WIDTH);
	for (enum functions_column c = FUNCTIONS_TOTAL; c < FUNCTIONS_NR_COLUMNS; c++) {
		const char *title = columns[c].title;

		if (!shows(functions, how, c))
			continue;
		out_fill(out, ' ', GAP);
		out_str_left(out, underline ? dashes : title, strlen(title), VALUE_WIDTH);
	}
	end_line(out);
}

static void print_line(const struct functions *functions, const struct functions_print *how,
		       const struct line *line, size_t width, struct out *out)
{
	char number[32];
	const char *name = line->name;
	size_t start;

	if (!name) {
		snprintf(number, sizeof(number), "0x%llx",
			 (unsigned long long)line->function->addr);
		name = number;
	}
	out_lit(out, "  ");
	start = out->len;
	out_str(out, name);
	if (line->module) {
		out_lit(out, " [");
		out_str(out, line->module);
		out_char(out, ']');
	}
	if (out->len - start < width)
		out_fill(out, ' ', width - (out->len - start));
	out_fill(out, ' ', 2);
	out_u64_pad(out, line->function->hits, HITS_WIDTH, ' ');
	for (enum functions_column c = FUNCTIONS_TOTAL; c < FUNCTIONS_NR_COLUMNS; c++) {
		if (!shows(functions, how, c))
			continue;
		out_fill(out, ' ', GAP);
		print_value(line->function, c, out);
	}
	end_line(out);
}

static void print_group(const struct functions *functions, const struct table *table,
			struct out *out)
{
	if (functions->group == FUNCTIONS_BY_CPU)
		out_printf(out, "CPU %llu\n", (unsigned long long)table->group);
	else if (functions->group == FUNCTIONS_BY_TASK)
		out_printf(out, "%s-%llu\n", table->comm, (unsigned long long)table->group);
	else if (functions->group == FUNCTIONS_BY_COMM)
		out_printf(out, "%s\n", table->comm);
}

static size_t name_width(const struct line *line)
{
	return (line->name ? strlen(line->name) : 0) +
	       (line->module ? strlen(line->module) + sizeof(" []") - 1 : 0);
}

static void print_table(const struct functions *functions, const struct functions_print *how,
			const struct line *lines, size_t nr, struct out *out)
{
	size_t width = NAME_MIN;

	for (size_t i = 0; i < nr; i++)
		width = MAX(width, name_width(&lines[i]));
	width = MIN(width, (size_t)NAME_MAX);
	print_titles(functions, how, width, false, out);
	print_titles(functions, how, width, true, out);
	for (size_t i = 0; i < nr; i++)
		print_line(functions, how, &lines[i], width, out);
}

/* --- rows --- */

static const char *const group_names[][2] = {
	[FUNCTIONS_ALL] = {NULL, NULL},
	[FUNCTIONS_BY_TASK] = {"task", "pid"},
	[FUNCTIONS_BY_COMM] = {"task", NULL},
	[FUNCTIONS_BY_CPU] = {"cpu", NULL},
};

static const char *const value_names[] = {
	"function", "hits",   "timed",	"total_ns", "avg_ns", "s2_ns2", "self_ns", "self_calls",
	"min_ns",   "p50_ns", "p90_ns", "p95_ns",   "p99_ns", "max_ns", "module",
};

void functions_heading(enum functions_group group, struct out *out, enum report_format format,
		       bool with_buffer)
{
	const char *names[ARRAY_SIZE(value_names) + 2];
	size_t nr = 0;

	for (size_t i = 0; i < 2; i++)
		if (group_names[group][i])
			names[nr++] = group_names[group][i];
	for (size_t i = 0; i < ARRAY_SIZE(value_names); i++)
		names[nr++] = value_names[i];
	rows_names(out, format, with_buffer, names, nr);
}

static void row_group(const struct functions *functions, const struct table *table,
		      struct rows *rows)
{
	if (functions->group == FUNCTIONS_BY_CPU)
		rows_u64(rows, "cpu", table->group);
	if (table->comm)
		rows_text(rows, "task", table->comm);
	if (functions->group == FUNCTIONS_BY_TASK)
		rows_u64(rows, "pid", table->group);
}

static void row_known(struct rows *rows, const char *name, bool known, u128 value)
{
	struct out digits = {0};

	if (!known) {
		rows_none(rows, name);
		return;
	}
	if (value <= UINT64_MAX) {
		rows_u64(rows, name, (uint64_t)value);
		return;
	}
	/* A variance of days: two halves of decimal digits. */
	out_u64(&digits, (uint64_t)(value / 10000000000000000000ull));
	out_u64_pad(&digits, (uint64_t)(value % 10000000000000000000ull), 19, '0');
	if (digits.failed)
		rows_none(rows, name);
	else
		rows_raw(rows, name, digits.buf, digits.len);
	out_done(&digits);
}

void functions_row_value(struct rows *rows, const char *name, const struct function *f,
			 enum functions_column column)
{
	row_known(rows, name, f->timed && function_known(f, column), function_value(f, column));
}

static void print_row(const struct functions *functions, const struct line *line,
		      const struct table *table, struct rows *rows)
{
	static const enum functions_column order[] = {
		FUNCTIONS_TOTAL, FUNCTIONS_AVG, FUNCTIONS_S2,  FUNCTIONS_SELF, FUNCTIONS_MIN,
		FUNCTIONS_P50,	 FUNCTIONS_P90, FUNCTIONS_P95, FUNCTIONS_P99,  FUNCTIONS_MAX};
	const struct function *f = line->function;
	char number[32];
	size_t name = 3; /* in value_names */

	snprintf(number, sizeof(number), "0x%llx", (unsigned long long)f->addr);
	rows_begin(rows);
	row_group(functions, table, rows);
	rows_text(rows, "function", line->name ? line->name : number);
	rows_u64(rows, "hits", f->hits);
	rows_u64(rows, "timed", f->timed);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		functions_row_value(rows, value_names[name++], f, order[i]);
		if (order[i] == FUNCTIONS_SELF)
			rows_u64(rows, value_names[name++], f->nr_self);
	}
	if (line->module)
		rows_text(rows, "module", line->module);
	else if (rows->format == REPORT_CSV)
		rows_none(rows, "module");
	rows_end(rows);
}

/* --- */

static void print_all(const struct functions *functions, const struct functions_print *how,
		      const struct line *lines, size_t nr, const struct table *tables,
		      struct out *out)
{
	struct rows rows = {.format = how->format, .out = out, .buffer = how->buffer};

	for (size_t begin = 0, end; begin < nr; begin = end) {
		const struct table *table = &tables[lines[begin].table];
		size_t shown;

		for (end = begin; end < nr && lines[end].table == lines[begin].table; end++)
			;
		shown = how->limit && how->limit < end - begin ? (size_t)how->limit : end - begin;
		if (how->format != REPORT_TEXT) {
			for (size_t i = 0; i < shown; i++)
				print_row(functions, &lines[begin + i], table, &rows);
			continue;
		}
		if (begin)
			out_char(out, '\n');
		print_group(functions, table, out);
		print_table(functions, how, lines + begin, shown, out);
	}
	if (!nr && how->format == REPORT_TEXT)
		print_table(functions, how, lines, 0, out);
}

int functions_print(struct functions *functions, const struct functions_print *how, struct out *out)
{
	_cleanup_free_ struct line *lines = NULL;
	_cleanup_free_ struct table *tables = NULL;
	size_t nr, nr_tables = 0;

	functions_end_calls(functions);
	if (functions->group == FUNCTIONS_BY_COMM && merge_by_comm(functions, how) < 0)
		return -ENOMEM;
	lines = mem_calloc(functions->nr + 1, sizeof(*lines));
	tables = mem_calloc(functions->nr + 1, sizeof(*tables));
	if (!lines || !tables)
		return -ENOMEM;
	nr = make_lines(functions, how, lines, tables, &nr_tables);
	if (nr == SIZE_MAX || sort_all(lines, nr, tables, nr_tables) < 0)
		return -ENOMEM;
	print_all(functions, how, lines, nr, tables, out);
	return out->failed ? -ENOMEM : 0;
}
