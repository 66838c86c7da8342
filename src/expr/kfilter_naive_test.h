/* SPDX-License-Identifier: MIT */
/*
 * For the tests and the fuzzer of kfilter.h: one event with a field of each kind, and a second way
 * to find out what the kernel answers, straight from the text, one condition after the other,
 * without a tree, a program or a range. Only for texts that have been accepted, and without
 * .function.
 */
#ifndef SONDE_EXPR_KFILTER_NAIVE_TEST_H
#define SONDE_EXPR_KFILTER_NAIVE_TEST_H

#include "base/mem.h"
#include "expr/expr_test_events.h"
#include "expr/kfilter.h"

static const struct test_format naive_formats[] = {
	{"test", "name: all\nID: 900\nformat:\n" TEST_COMMON
		 "\tfield:u8 u1;\toffset:8;\tsize:1;\tsigned:0;\n"
		 "\tfield:s8 s1;\toffset:9;\tsize:1;\tsigned:1;\n"
		 "\tfield:u16 u2;\toffset:10;\tsize:2;\tsigned:0;\n"
		 "\tfield:int s4;\toffset:12;\tsize:4;\tsigned:1;\n"
		 "\tfield:u64 u8;\toffset:16;\tsize:8;\tsigned:0;\n"
		 "\tfield:long s8;\toffset:24;\tsize:8;\tsigned:1;\n"
		 "\tfield:void * ip;\toffset:32;\tsize:8;\tsigned:0;\n"
		 "\tfield:const char * text;\toffset:40;\tsize:8;\tsigned:0;\n"
		 "\tfield:char name[8];\toffset:48;\tsize:8;\tsigned:0;\n"
		 "\tfield:__data_loc char[] dyn;\toffset:56;\tsize:4;\tsigned:0;\n"
		 "\tfield:__rel_loc char[] rel;\toffset:60;\tsize:4;\tsigned:0;\n"
		 "\tfield:__data_loc cpumask_t mask;\toffset:64;\tsize:4;\tsigned:0;\n"
		 "\tfield:unsigned long args[2];\toffset:72;\tsize:16;\tsigned:0;\n"
		 "\nprint fmt: \"%d\", REC->s4\n"},
};

enum {
	NAIVE_ID = 900,
	NAIVE_LEN = 128,
	NAIVE_CPUS = 8
};

/* Strings behind the fields: dyn "hello" at 88, rel "world" at 96, the mask at 104: CPUs 1, 3. */
static inline void naive_record(uint8_t record[NAIVE_LEN])
{
	memset(record, 0, NAIVE_LEN);
	test_common(record, NAIVE_ID, 7);
	record[8] = 200;
	record[9] = (uint8_t)-5;
	store_u16(record + 10, 1000, false);
	store_u32(record + 12, (uint32_t)-2, false);
	store_u64(record + 16, 1ull << 63, false);
	store_u64(record + 24, (uint64_t)-3, false);
	store_u64(record + 32, 0xffffffff81000110, false);
	store_u64(record + 40, 0xffffffff82000000, false);
	memcpy(record + 48, "bash", 4);
	store_u32(record + 56, 6 << 16 | 88, false);
	memcpy(record + 88, "hello", 6);
	store_u32(record + 60, 6 << 16 | 32, false);
	memcpy(record + 96, "world", 6);
	store_u32(record + 64, 8 << 16 | 104, false);
	record[104] = 1 << 1 | 1 << 3;
}

static inline const struct event *naive_event(struct event_db **ret_db)
{
	if (test_events_with(naive_formats, ARRAY_SIZE(naive_formats), ret_db) < 0)
		return NULL;
	return event_db_by_name(*ret_db, "test", "all");
}

struct naive {
	const char *p;
	const struct event *event;
	const struct filter_record *record;
};

static inline void naive_skip(struct naive *n)
{
	while (*n->p && (strchr(" \t\n\v\f\r", *n->p) || *n->p == '\xa0'))
		n->p++;
}

/* One character of a pattern, but no '*': whether it takes `c`, and where the pattern goes on. */
static inline bool naive_takes(const char *p, char c, const char **ret_next)
{
	bool in = false, not ;
	const char *q;

	*ret_next = p + 1;
	if (*p == '?')
		return true;
	if (*p == '[') {
		not = p[1] == '!';
		q = p + 1 + not ;
		do {
			unsigned char a = (unsigned char)*q, b = a, wanted = (unsigned char)c;

			if (a && q[1] == '-' && q[2] != ']') {
				b = (unsigned char)q[2];
				q += 2;
			}
			if (!a || !b)
				return c == '[';
			in |= a <= wanted && wanted <= b;
			q++;
		} while (*q != ']');
		*ret_next = q + 1;
		return in != not ;
	}
	if (*p == '\\')
		*ret_next = ++p + 1;
	return *p == c;
}

/* Through the pattern with all places of the text that it may have got to. */
static inline bool naive_glob(const char *p, const char *s, size_t len)
{
	bool *at = mem_calloc(len + 1, sizeof(*at)), result;

	if (!at)
		abort();
	at[0] = true;
	while (*p && (*p != '\\' || p[1])) {
		const char *next = p + 1;

		if (*p == '*') {
			for (size_t i = 1; i <= len; i++)
				at[i] |= at[i - 1];
		} else {
			naive_takes(p, '\0', &next);
			for (size_t i = len; i > 0; i--)
				at[i] = at[i - 1] && naive_takes(p, s[i - 1], &next);
			at[0] = false;
		}
		p = next;
	}
	result = at[len];
	mem_free(at);
	return result;
}

/* The kernel's four ways with a pattern; `size` is of the array, or of the string with its NUL. */
static inline bool naive_match(char *pattern, bool glob, const char *mem, size_t size)
{
	bool not = glob && *pattern == '!', result = false;
	size_t len, text_len = strnlen(mem, size);

	if (not )
		pattern++;
	len = strlen(pattern);
	if (!glob || (*pattern >= '0' && *pattern <= '9') || strcspn(pattern, "*?[\\") == len) {
		result = text_len == len && !memcmp(mem, pattern, len);
	} else if (strcspn(pattern + 1, "*?[\\") == len - 1 && *pattern == '*') {
		result = size >= len && !memcmp(mem + size - len, pattern + 1, len - 1);
	} else if (strcspn(pattern, "*?[\\") == len - 1 && pattern[len - 1] == '*') {
		result = text_len >= len - 1 && !memcmp(mem, pattern, len - 1);
	} else if (*pattern == '*' && len > 1 && strcspn(pattern + 1, "*?[\\") == len - 2 &&
		   pattern[len - 1] == '*') {
		for (size_t i = 0; i + len - 2 <= size; i++)
			result |= !memcmp(mem + i, pattern + 1, len - 2);
	} else {
		result = naive_glob(pattern, mem, text_len);
	}
	return result != not ;
}

static inline bool naive_string(struct naive *n, const char *field, const char *op)
{
	const struct event_field *f = event_field_find(n->event, field);
	char pattern[300] = "", comm[16] = "", quote = *n->p++;
	const char *mem = comm;
	uint32_t size = 16;
	bool result;

	for (size_t i = 0; *n->p != quote; i++)
		pattern[i] = *n->p++;
	n->p++;
	if (f && !strcmp(field, "text"))
		return false;
	if (f)
		mem = event_field_bytes(n->event, f, n->record->data, n->record->len, &size);
	else
		memcpy(comm, n->record->comm, strnlen(n->record->comm, 15));
	if (!mem)
		mem = "", size = 0;
	result = naive_match(pattern, *op == '~', mem, size);
	return *op == '!' ? !result : result;
}

#define NAIVE_COMPARE(a, b)                                                                        \
	(op[0] == '<' && op[1] == '='	? (a) <= (b)                                               \
	 : op[0] == '>' && op[1] == '=' ? (a) >= (b)                                               \
	 : op[0] == '<'			? (a) < (b)                                                \
	 : op[0] == '>'			? (a) > (b)                                                \
	 : op[0] == '='			? (a) == (b)                                               \
	 : op[0] == '!'			? (a) != (b)                                               \
					: ((a) & (b)) != 0)

static inline bool naive_number(struct naive *n, const char *field, const char *op)
{
	const struct event_field *f = event_field_find(n->event, field);
	uint64_t value, have = 0;
	bool is_signed = f && (f->flags & EVENT_FIELD_SIGNED);
	char *end;

	value = *n->p == '-' || is_signed ? (uint64_t)strtoll(n->p, &end, 0)
					  : strtoull(n->p, &end, 0);
	n->p = end;
	if (!f && strcasecmp(field, "stacktrace") != 0) {
		int cpu = (int)n->record->cpu, to = (int)value;

		return *op != '&' && NAIVE_COMPARE(cpu, to);
	}
	if (f && f->size <= 8 && f->offset + f->size <= n->record->len)
		memcpy(&have, (const uint8_t *)n->record->data + f->offset, f->size);
	switch (f ? f->size : 0) {
	case 1:
		return is_signed ? NAIVE_COMPARE((int8_t)have, (int8_t)value)
				 : NAIVE_COMPARE((uint8_t)have, (uint8_t)value);
	case 2:
		return is_signed ? NAIVE_COMPARE((int16_t)have, (int16_t)value)
				 : NAIVE_COMPARE((uint16_t)have, (uint16_t)value);
	case 4:
		return is_signed ? NAIVE_COMPARE((int32_t)have, (int32_t)value)
				 : NAIVE_COMPARE((uint32_t)have, (uint32_t)value);
	case 8:
		return is_signed ? NAIVE_COMPARE((int64_t)have, (int64_t)value)
				 : NAIVE_COMPARE(have, value);
	default:
		return false;
	}
}

static inline bool naive_or(struct naive *n);

static inline bool naive_condition(struct naive *n)
{
	char field[256] = "", op[3] = "";
	size_t i = 0;

	naive_skip(n);
	if (*n->p == '!') {
		n->p++;
		return !naive_condition(n);
	}
	if (*n->p == '(') {
		bool result;

		n->p++;
		result = naive_or(n);
		naive_skip(n);
		n->p++;
		return result;
	}
	while ((*n->p >= '0' && *n->p <= '9') || (*n->p >= 'a' && *n->p <= 'z') ||
	       (*n->p >= 'A' && *n->p <= 'Z') || *n->p == '_')
		field[i++] = *n->p++;
	if (!strncmp(n->p, ".ustring", 8))
		n->p += 8;
	naive_skip(n);
	op[0] = *n->p++;
	if (*n->p == '=')
		op[1] = *n->p++;
	naive_skip(n);
	return *n->p == '"' || *n->p == '\'' ? naive_string(n, field, op)
					     : naive_number(n, field, op);
}

/* && binds tighter: both are read to their end, whatever they give. */
static inline bool naive_or(struct naive *n)
{
	bool result = false, all = naive_condition(n);

	for (;;) {
		naive_skip(n);
		if (n->p[0] == '&') {
			n->p += 2;
			all = naive_condition(n) && all;
		} else if (n->p[0] == '|') {
			n->p += 2;
			result |= all;
			all = naive_condition(n);
		} else {
			return result | all;
		}
	}
}

#endif
