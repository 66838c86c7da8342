/* SPDX-License-Identifier: MIT */
/*
 * The times of a function: sums for average and variance, and a histogram with buckets of a
 * sixteenth of a power of two for percentiles, as long as the widest span between two times needs.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "report/functions_data.h"

/* Below 2 * SUBS each number has a bucket of its own. */
static uint32_t bucket_of(uint64_t ns)
{
	uint32_t log = 63 - (uint32_t)__builtin_clzll(ns | 1);

	if (log <= SUB_BITS)
		return (uint32_t)ns;
	return (log - SUB_BITS) * SUBS + (uint32_t)(ns >> (log - SUB_BITS));
}

/* The middle of a bucket. */
static uint64_t bucket_value(uint32_t bucket)
{
	uint32_t shift;

	if (bucket < 2 * SUBS)
		return bucket;
	shift = bucket / SUBS - 1;
	return ((uint64_t)(SUBS + bucket % SUBS) << shift) + ((uint64_t)1 << shift) / 2;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return __builtin_add_overflow(a, b, &a) ? UINT64_MAX : a;
}

static int reach_buckets(struct function *function, uint32_t low, uint32_t high)
{
	uint32_t first = function->nr_buckets ? MIN(function->first_bucket, low) : low;
	uint32_t old_end = function->first_bucket + function->nr_buckets;
	uint32_t end = function->nr_buckets ? MAX(old_end, high + 1) : high + 1;
	uint64_t *buckets;

	if (function->nr_buckets && first == function->first_bucket && end == old_end)
		return 0;
	buckets = mem_realloc(function->buckets, (end - first) * sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	function->buckets = buckets;
	if (function->nr_buckets) {
		memmove(buckets + (function->first_bucket - first), buckets,
			function->nr_buckets * sizeof(*buckets));
		memset(buckets, 0, (function->first_bucket - first) * sizeof(*buckets));
		memset(buckets + (old_end - first), 0, (end - old_end) * sizeof(*buckets));
	} else {
		memset(buckets, 0, (end - first) * sizeof(*buckets));
	}
	function->first_bucket = first;
	function->nr_buckets = end - first;
	return 0;
}

static void add_squares(struct function *function, u128 squares)
{
	function->too_large |=
		__builtin_add_overflow(function->squares, squares, &function->squares);
}

int function_add_time(struct function *function, uint64_t ns)
{
	uint32_t bucket = bucket_of(ns);

	if (bucket - function->first_bucket >= function->nr_buckets &&
	    reach_buckets(function, bucket, bucket) < 0)
		return -ENOMEM;
	function->buckets[bucket - function->first_bucket]++;
	function->min = function->timed ? MIN(function->min, ns) : ns;
	function->max = MAX(function->max, ns);
	function->timed++;
	function->total = sum(function->total, ns);
	add_squares(function, (u128)ns * ns);
	return 0;
}

int function_merge(struct function *into, const struct function *from)
{
	if (from->nr_buckets &&
	    reach_buckets(into, from->first_bucket, from->first_bucket + from->nr_buckets - 1) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < from->nr_buckets; i++)
		into->buckets[from->first_bucket + i - into->first_bucket] += from->buckets[i];
	if (from->timed) {
		into->min = into->timed ? MIN(into->min, from->min) : from->min;
		into->max = MAX(into->max, from->max);
	}
	into->hits += from->hits;
	into->timed += from->timed;
	into->nr_self += from->nr_self;
	into->total = sum(into->total, from->total);
	into->self = sum(into->self, from->self);
	into->too_large |= from->too_large;
	add_squares(into, from->squares);
	return 0;
}

uint64_t function_percentile(const struct function *function, unsigned int percent)
{
	/* The smallest time that at least this many calls did not exceed. */
	u128 wanted = ((u128)function->timed * percent + 99) / 100;
	uint64_t seen = 0, value;

	if (!function->timed)
		return 0;
	for (uint32_t i = 0; i < function->nr_buckets; i++) {
		seen += function->buckets[i];
		if (seen < wanted)
			continue;
		value = bucket_value(function->first_bucket + i);
		return MIN(MAX(value, function->min), function->max);
	}
	return function->max;
}

uint64_t function_average(const struct function *function)
{
	return function->timed ? function->total / function->timed : 0;
}

bool function_variance(const struct function *function, u128 *ret_ns2)
{
	u128 n = function->timed, scaled, square;

	*ret_ns2 = 0;
	if (function->timed < 2)
		return true;
	/* s^2 = (n * sum(x^2) - sum(x)^2) / (n * (n - 1)) */
	square = (u128)function->total * function->total;
	if (function->too_large || function->total == UINT64_MAX ||
	    __builtin_mul_overflow(function->squares, n, &scaled) || scaled < square)
		return false;
	*ret_ns2 = (scaled - square) / (n * (n - 1));
	return true;
}
