/* SPDX-License-Identifier: MIT */
/* Inside of the function profile: what is kept of each function, and of each open call. */
#ifndef SONDE_REPORT_FUNCTIONS_DATA_H
#define SONDE_REPORT_FUNCTIONS_DATA_H

#include "base/arena.h"
#include "base/map.h"
#include "report/calls.h"
#include "report/functions.h"

__extension__ typedef unsigned __int128 u128;

enum {
	SUB_BITS = 4, /* buckets of a power of two, in bits: a percentile is right to 1/32 */
	SUBS = 1 << SUB_BITS
};

/* One function of one group. */
struct function {
	struct function *same_hash, *next; /* next: in order of appearance */
	uint64_t group, addr;
	uint64_t hits;		  /* calls that ended, that did not, and function records */
	uint64_t timed;		  /* of these, with a time */
	uint64_t total, min, max; /* ns */
	u128 squares;
	bool too_large;		/* squares does not hold them all */
	uint64_t self, nr_self; /* of the calls of which all that they called is known */
	/* How many took how long: buckets first_bucket ... of the logarithm; owned. */
	uint64_t *buckets;
	uint32_t first_bucket, nr_buckets;
};

/* A name that stands for an address. */
struct function_name {
	struct function_name *same_hash;
	uint64_t number;
	char text[];
};

struct functions {
	const struct event_db *db; /* NULL: addresses are indexes of `names` */
	struct map by_name;	   /* struct function_name */
	const char **names;
	size_t nr_names, cap_names;
	enum functions_group group;
	struct calls *calls; /* NULL with names */
	struct arena arena;
	struct map by_hash; /* struct function */
	struct function *first, **last;
	size_t nr;
	bool any_timed;
};

/* The function of a group, made when it is new; NULL without memory. */
struct function *functions_find(struct functions *functions, uint64_t group, uint64_t addr);

/* The same, but NULL when there is none. */
const struct function *functions_known(const struct functions *functions, uint64_t group,
				       uint64_t addr);
/* By name, where functions are known by names: made when it is new; NULL when there is none. */
struct function *functions_find_name(struct functions *functions, const char *name, size_t len);
const struct function *functions_look_up(const struct functions *functions, const char *name,
					 size_t len);

/* Calls that are still open did not end: they are hits without a time. */
void functions_end_calls(struct functions *functions);

/* NULL when there is none. */
const char *function_name(const struct functions *functions, const struct function *function);
/* NULL: the kernel itself, or not known. */
const char *function_module(const struct functions *functions, const struct function *function);

/* functions_print.c: what a column shows, and whether there is a number to show. */
u128 function_value(const struct function *f, enum functions_column column);
bool function_known(const struct function *f, enum functions_column column);
const char *functions_column_title(enum functions_column column);
struct rows;
void functions_row_value(struct rows *rows, const char *name, const struct function *f,
			 enum functions_column column);

/* functions_times.c */
int function_add_time(struct function *function, uint64_t ns) _must_check_;
int function_merge(struct function *into, const struct function *from) _must_check_;
/* The time that `percent` of the calls did not exceed; 0 when none has a time. */
uint64_t function_percentile(const struct function *function, unsigned int percent);
uint64_t function_average(const struct function *function);
/* Sample variance in ns^2; false when it is too large to be told. */
bool function_variance(const struct function *function, u128 *ret_ns2);

#endif
