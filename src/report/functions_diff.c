/* SPDX-License-Identifier: MIT */
/* Two function profiles side by side. Functions are the same when their names are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "report/duration.h"
#include "report/functions_data.h"
#include "report/rows.h"

enum {
	NAME_MIN = 30,
	NAME_MAX = 60,
	HITS_WIDTH = 10,
	TIME_WIDTH = 12,
	SHARE_WIDTH = 11
};

/* A function in both; what is not in one is all zero there. */
struct pair {
	const char *name;
	const struct function *base, *now;
	double change; /* of the sort key, without its sign */
};

static const struct function nothing;

/* The columns of times, in the order in which they are shown. */
static const enum functions_column times[] = {
	FUNCTIONS_TOTAL, FUNCTIONS_AVG, FUNCTIONS_S2,  FUNCTIONS_SELF, FUNCTIONS_MIN,
	FUNCTIONS_P50,	 FUNCTIONS_P90, FUNCTIONS_P95, FUNCTIONS_P99,  FUNCTIONS_MAX};

int functions_named(struct functions *functions, struct functions **ret_named)
{
	struct functions *named;
	int r = functions_new_names(&named, FUNCTIONS_ALL);

	if (r < 0)
		return r;
	functions_end_calls(functions);
	for (const struct function *f = functions->first; f && r >= 0; f = f->next) {
		const char *name = function_name(functions, f);
		struct function *into;
		char number[32];

		snprintf(number, sizeof(number), "0x%llx", (unsigned long long)f->addr);
		name = name ? name : number;
		into = functions_find_name(named, name, strlen(name));
		r = into ? function_merge(into, f) : -ENOMEM;
	}
	named->any_timed = functions->any_timed;
	if (r < 0)
		functions_free(named);
	else
		*ret_named = named;
	return r;
}

static double number_of(const struct function *f, enum functions_column column)
{
	return function_known(f, column) ? (double)function_value(f, column) : 0;
}

static int compare(const void *a, const void *b)
{
	const struct pair *pa = a, *pb = b;

	if (pa->change != pb->change)
		return pa->change > pb->change ? -1 : 1;
	return strcmp(pa->name, pb->name);
}

/* All functions of both. */
static int make_pairs(const struct functions *base, struct functions *now,
		      enum functions_column sort, struct pair **ret_pairs, size_t *ret_nr)
{
	struct pair *pairs = mem_calloc(base->nr + now->nr + 1, sizeof(*pairs));
	size_t nr = 0;

	if (!pairs)
		return -ENOMEM;
	for (const struct function *f = base->first; f; f = f->next) {
		const char *name = function_name(base, f);

		if (!functions_find_name(now, name, strlen(name))) {
			mem_free(pairs);
			return -ENOMEM;
		}
	}
	/* Now all names of `base` are in `now`, too, some with nothing. */
	for (const struct function *f = now->first; f; f = f->next) {
		const char *name = function_name(now, f);
		const struct function *old = functions_look_up(base, name, strlen(name));
		double change = 0;

		old = old ? old : &nothing;
		if (!f->hits && !old->hits)
			continue;
		if (sort < FUNCTIONS_NR_COLUMNS)
			change = number_of(f, sort) - number_of(old, sort);
		pairs[nr++] = (struct pair){name, old, f, change < 0 ? -change : change};
	}
	qsort(pairs, nr, sizeof(*pairs), compare);
	*ret_pairs = pairs;
	*ret_nr = nr;
	return 0;
}

/* --- text --- */

static void put_right(struct out *out, const char *text, size_t width)
{
	out_str_right(out, text, strlen(text), width);
}

static void put_hits(struct out *out, uint64_t base, uint64_t now)
{
	char text[32];

	out_u64_pad(out, now, HITS_WIDTH, ' ');
	snprintf(text, sizeof(text), "%s%llu",
		 now < base   ? "-"
		 : now > base ? "+"
			      : "",
		 (unsigned long long)(now < base ? base - now : now - base));
	put_right(out, text, HITS_WIDTH);
}

static void put_time(struct out *out, const char *sign, bool known, u128 ns)
{
	_cleanup_out_ struct out text = {0};
	u128 limit = UINT64_MAX;

	if (known) {
		out_str(&text, sign);
		duration_put_bare((uint64_t)MIN(ns, limit), &text);
	} else {
		out_char(&text, '-');
	}
	put_right(out, out_cstr(&text), TIME_WIDTH + 1);
	out->failed |= text.failed;
}

static void put_times(struct out *out, const struct pair *pair, enum functions_column column)
{
	bool known = pair->now->timed && function_known(pair->now, column);
	bool both = known && pair->base->timed && function_known(pair->base, column);
	u128 now = function_value(pair->now, column), base = function_value(pair->base, column);
	unsigned int scale = column == FUNCTIONS_S2 ? 1000 : 1; /* as the kernel shows it */

	/* A function that was or is not there has had no time in all. */
	if (column == FUNCTIONS_TOTAL || column == FUNCTIONS_SELF) {
		both |= (known || !pair->now->hits) &&
			(!pair->base->hits || function_known(pair->base, column));
		known |= !pair->now->hits;
	}
	put_time(out, "", known, now / scale);
	put_time(out,
		 now < base   ? "-"
		 : now > base ? "+"
			      : "",
		 both, (now < base ? base - now : now - base) / scale);
}

/* How much more or less of the sort key, in percent of what it was. */
static void put_share(struct out *out, const struct pair *pair, enum functions_column sort)
{
	double base = number_of(pair->base, sort), now = number_of(pair->now, sort);
	char text[64];

	if (!pair->base->hits)
		snprintf(text, sizeof(text), "new");
	else if (!pair->now->hits)
		snprintf(text, sizeof(text), "gone");
	else if (base == 0)
		snprintf(text, sizeof(text), "-");
	else
		snprintf(text, sizeof(text), "%+.1f %%", (now - base) * 100 / base);
	put_right(out, text, SHARE_WIDTH);
}

static bool is_shown(const struct functions_print *how, bool timed, enum functions_column column)
{
	return timed && how->columns & 1u << column;
}

static void put_heading(const struct functions_print *how, bool timed, size_t width,
			struct out *out)
{
	out_lit(out, "  ");
	out_str_left(out, "Function", 8, width);
	put_right(out, "Hit", HITS_WIDTH + 2);
	put_right(out, "+/-", HITS_WIDTH);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		if (!is_shown(how, timed, times[i]))
			continue;
		put_right(out, functions_column_title(times[i]), TIME_WIDTH + 1);
		put_right(out, "+/-", TIME_WIDTH + 1);
	}
	put_right(out, functions_column_title(how->sort), SHARE_WIDTH);
	out_char(out, '\n');
}

static void put_text(const struct functions_print *how, bool timed, const struct pair *pairs,
		     size_t nr, struct out *out)
{
	enum functions_column share = how->sort == FUNCTIONS_NAME ? FUNCTIONS_HITS : how->sort;
	struct functions_print with = *how;
	size_t width = NAME_MIN;

	with.sort = share;
	for (size_t i = 0; i < nr; i++)
		width = MAX(width, strlen(pairs[i].name));
	width = MIN(width, (size_t)NAME_MAX);
	put_heading(&with, timed, width, out);
	for (size_t i = 0; i < nr; i++) {
		out_lit(out, "  ");
		out_str_left(out, pairs[i].name, strlen(pairs[i].name), width);
		out_lit(out, "  ");
		put_hits(out, pairs[i].base->hits, pairs[i].now->hits);
		for (size_t j = 0; j < ARRAY_SIZE(times); j++)
			if (is_shown(how, timed, times[j]))
				put_times(out, &pairs[i], times[j]);
		put_share(out, &pairs[i], share);
		out_char(out, '\n');
	}
}

/* --- rows --- */

static const char *const value_names[][2] = {
	{"base_hits", "hits"},	   {"base_total_ns", "total_ns"}, {"base_avg_ns", "avg_ns"},
	{"base_s2_ns2", "s2_ns2"}, {"base_self_ns", "self_ns"},	  {"base_min_ns", "min_ns"},
	{"base_p50_ns", "p50_ns"}, {"base_p90_ns", "p90_ns"},	  {"base_p95_ns", "p95_ns"},
	{"base_p99_ns", "p99_ns"}, {"base_max_ns", "max_ns"},
};

void functions_diff_heading(struct out *out, enum report_format format, bool with_buffer)
{
	const char *names[2 * ARRAY_SIZE(value_names) + 1] = {"function"};
	size_t nr = 1;

	for (size_t i = 0; i < ARRAY_SIZE(value_names); i++)
		for (size_t j = 0; j < 2; j++)
			names[nr++] = value_names[i][j];
	rows_names(out, format, with_buffer, names, nr);
}

static void put_row(const struct functions_print *how, const struct pair *pair, struct out *out)
{
	struct rows rows = {.format = how->format, .out = out, .buffer = how->buffer};
	const struct function *const both[] = {pair->base, pair->now};

	rows_begin(&rows);
	rows_text(&rows, "function", pair->name);
	for (size_t j = 0; j < 2; j++)
		rows_u64(&rows, value_names[0][j], both[j]->hits);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		for (size_t j = 0; j < 2; j++)
			functions_row_value(&rows, value_names[i + 1][j], both[j], times[i]);
	rows_end(&rows);
}

int functions_diff(struct functions *base, struct functions *functions,
		   const struct functions_print *how, struct out *out)
{
	_cleanup_free_ struct pair *pairs = NULL;
	struct functions *now = NULL;
	bool timed = base->any_timed || functions->any_timed;
	size_t nr = 0;
	int r;

	r = functions_named(functions, &now);
	if (r >= 0)
		r = make_pairs(base, now, how->sort, &pairs, &nr);
	if (r >= 0) {
		nr = how->limit && how->limit < nr ? (size_t)how->limit : nr;
		if (how->format == REPORT_TEXT)
			put_text(how, timed, pairs, nr, out);
		else
			for (size_t i = 0; i < nr; i++)
				put_row(how, &pairs[i], out);
		r = out->failed ? -ENOMEM : 0;
	}
	functions_free(now);
	return r;
}
