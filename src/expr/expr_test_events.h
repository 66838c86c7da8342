/* SPDX-License-Identifier: MIT */
/*
 * A small db of events for the tests and the fuzzer of this folder: formats as kernels print them,
 * and records to go with them. Little-endian, 64-bit.
 */
#ifndef SONDE_EXPR_EXPR_TEST_EVENTS_H
#define SONDE_EXPR_EXPR_TEST_EVENTS_H

#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "event/event.h"

#define TEST_COMMON                                                                                \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"             \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"

enum {
	TEST_SWITCH = 310,
	TEST_WAKEUP = 313,
	TEST_EXEC = 303,
	TEST_FUNC = 1,
	TEST_STACK = 4
};

struct test_format {
	const char *system, *text;
};

static const struct test_format test_formats[] = {
	{"sched", "name: sched_switch\nID: 310\nformat:\n" TEST_COMMON
		  "\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
		  "\tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;\n"
		  "\tfield:int prev_prio;\toffset:28;\tsize:4;\tsigned:1;\n"
		  "\tfield:long prev_state;\toffset:32;\tsize:8;\tsigned:1;\n"
		  "\tfield:char next_comm[16];\toffset:40;\tsize:16;\tsigned:0;\n"
		  "\tfield:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;\n"
		  "\tfield:int next_prio;\toffset:60;\tsize:4;\tsigned:1;\n"
		  "\nprint fmt: \"%s:%d\", REC->prev_comm, REC->prev_pid\n"},
	{"sched", "name: sched_wakeup\nID: 313\nformat:\n" TEST_COMMON
		  "\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
		  "\tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n"
		  "\tfield:int prio;\toffset:28;\tsize:4;\tsigned:1;\n"
		  "\tfield:int target_cpu;\toffset:32;\tsize:4;\tsigned:1;\n"
		  "\nprint fmt: \"%d\", REC->pid\n"},
	{"sched", "name: sched_process_exec\nID: 303\nformat:\n" TEST_COMMON
		  "\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;\n"
		  "\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;\n"
		  "\tfield:pid_t old_pid;\toffset:16;\tsize:4;\tsigned:1;\n"
		  "\nprint fmt: \"%d\", REC->pid\n"},
	{"ftrace", "name: function\nID: 1\nformat:\n" TEST_COMMON
		   "\tfield:unsigned long ip;\toffset:8;\tsize:8;\tsigned:0;\n"
		   "\tfield:unsigned long parent_ip;\toffset:16;\tsize:8;\tsigned:0;\n"
		   "\nprint fmt: \" %ps <-- %ps\", (void *)REC->ip, (void *)REC->parent_ip\n"},
	{"ftrace", "name: kernel_stack\nID: 4\nformat:\n" TEST_COMMON
		   "\tfield:int size;\toffset:8;\tsize:4;\tsigned:1;\n"
		   "\tfield:unsigned long caller[8];\toffset:16;\tsize:64;\tsigned:0;\n"
		   "\nprint fmt: \"\\t=> %ps\\n\", (void *)REC->caller[0]\n"},
};

static const char test_symbols[] = "ffffffff81000000 T do_one\n"
				   "ffffffff81000100 T do_two\n"
				   "ffffffff81000200 T do_three\n";

/* The formats above, and `extra`. */
static inline int test_events_with(const struct test_format *extra, size_t nr_extra,
				   struct event_db **ret_db)
{
	const struct event_db_options options = {.long_size = 8};
	struct symbols *symbols = NULL;
	struct event_db *db = NULL;
	struct err err;
	int r = event_db_new(&db, &options);

	for (size_t i = 0; r == 0 && i < sizeof(test_formats) / sizeof(test_formats[0]); i++)
		r = event_db_add_format(db, test_formats[i].system, test_formats[i].text,
					strlen(test_formats[i].text), &err);
	for (size_t i = 0; r == 0 && i < nr_extra; i++)
		r = event_db_add_format(db, extra[i].system, extra[i].text, strlen(extra[i].text),
					&err);
	if (r == 0)
		r = event_db_add_cmdlines(db, "7 bash\n8 cc1\n", strlen("7 bash\n8 cc1\n"));
	if (r == 0)
		r = symbols_new(&symbols);
	if (r == 0)
		r = symbols_add_kallsyms(symbols, test_symbols, strlen(test_symbols));
	if (r == 0)
		r = symbols_seal(symbols);
	if (r == 0) {
		event_db_set_symbols(db, symbols);
		symbols = NULL;
		r = event_db_seal(db);
	}
	symbols_free(symbols);
	if (r < 0)
		event_db_free(db);
	else
		*ret_db = db;
	return r;
}

static inline int test_events(struct event_db **ret_db)
{
	return test_events_with(NULL, 0, ret_db);
}

static inline void test_common(uint8_t *record, uint16_t id, int32_t pid)
{
	store_u16(record, id, false);
	store_u32(record + 4, (uint32_t)pid, false);
}

struct test_switch {
	const char *prev_comm, *next_comm;
	int32_t prev_pid, next_pid, prev_prio, next_prio;
	int64_t prev_state;
};

enum {
	TEST_SWITCH_LEN = 64,
	TEST_WAKEUP_LEN = 36
};

static inline void test_switch(uint8_t record[TEST_SWITCH_LEN], const struct test_switch *s)
{
	memset(record, 0, TEST_SWITCH_LEN);
	test_common(record, TEST_SWITCH, s->prev_pid);
	if (s->prev_comm)
		memcpy(record + 8, s->prev_comm, MIN(strlen(s->prev_comm), (size_t)16));
	store_u32(record + 24, (uint32_t)s->prev_pid, false);
	store_u32(record + 28, (uint32_t)s->prev_prio, false);
	store_u64(record + 32, (uint64_t)s->prev_state, false);
	if (s->next_comm)
		memcpy(record + 40, s->next_comm, MIN(strlen(s->next_comm), (size_t)16));
	store_u32(record + 56, (uint32_t)s->next_pid, false);
	store_u32(record + 60, (uint32_t)s->next_prio, false);
}

static inline void test_wakeup(uint8_t record[TEST_WAKEUP_LEN], int32_t waker, int32_t pid,
			       const char *comm)
{
	memset(record, 0, TEST_WAKEUP_LEN);
	test_common(record, TEST_WAKEUP, waker);
	memcpy(record + 8, comm, MIN(strlen(comm), (size_t)16));
	store_u32(record + 24, (uint32_t)pid, false);
	store_u32(record + 28, 120, false);
}

#endif
