/* SPDX-License-Identifier: MIT */
/*
 * Small scenes of calls for tests: records as function_graph writes them, or ("bare") as a source
 * does that stores neither depth nor duration. Only *_test.c and *_fuzz.c files include this.
 */
#ifndef SONDE_REPORT_SCENE_TEST_H
#define SONDE_REPORT_SCENE_TEST_H

#include "expr/expr_test_events.h"
#include "report/report.h"

enum {
	SCENE_EXIT = 10,
	SCENE_ENTRY = 11,
	SCENE_TAIL = 12,
	SCENE_REPEATS = 19,
	SCENE_LEN = 40,
	ONE = 0, /* functions: offsets behind the first symbol */
	TWO = 0x100,
	THREE = 0x200
};

#define SCENE_FORMAT(name, id, fields)                                                             \
	"name: " name "\nID: " id "\nformat:\n" TEST_COMMON fields                                 \
	"\nprint fmt: \"%d\", REC->common_pid\n"
#define SCENE_FUNC  "\tfield:unsigned long func;\toffset:8;\tsize:8;\tsigned:0;\n"
#define SCENE_DEPTH "\tfield:int depth;\toffset:16;\tsize:4;\tsigned:1;\n"
#define SCENE_TIMES                                                                                \
	"\tfield:unsigned long long calltime;\toffset:24;\tsize:8;\tsigned:0;\n"                   \
	"\tfield:unsigned long long rettime;\toffset:32;\tsize:8;\tsigned:0;\n"

static const struct test_format scene_formats[] = {
	{"ftrace", SCENE_FORMAT("funcgraph_entry", "11", SCENE_FUNC SCENE_DEPTH)},
	{"ftrace", SCENE_FORMAT("funcgraph_exit", "10", SCENE_FUNC SCENE_DEPTH SCENE_TIMES)},
	{"ftrace", SCENE_FORMAT("func_repeats", "19",
				"\tfield:unsigned long ip;\toffset:8;\tsize:8;\tsigned:0;\n"
				"\tfield:unsigned long parent_ip;\toffset:24;\tsize:8;\tsigned:0;\n"
				"\tfield:u16 count;\toffset:16;\tsize:2;\tsigned:0;\n")},
};

static const struct test_format scene_bare_formats[] = {
	{"ftrace", SCENE_FORMAT("funcgraph_entry", "11", SCENE_FUNC)},
	{"ftrace", SCENE_FORMAT("funcgraph_exit", "10", SCENE_FUNC)},
};

/* Of a program: the place on the stack, in words, where the others have the depth. */
#define SCENE_IP "\tfield:unsigned long ip;\toffset:8;\tsize:8;\tsigned:0;\n"
#define SCENE_SP "\tfield:unsigned int sp;\toffset:16;\tsize:4;\tsigned:0;\n"
static const struct test_format scene_program_formats[] = {
	{"sonde", SCENE_FORMAT("func_entry", "11", SCENE_IP SCENE_SP)},
	{"sonde", SCENE_FORMAT("func_tail", "12", SCENE_IP SCENE_SP)},
	{"sonde", SCENE_FORMAT("func_exit", "10", SCENE_IP SCENE_SP)},
};

struct scene_step {
	uint16_t id;
	int32_t pid;
	uint32_t cpu;
	uint32_t func;
	int32_t depth;	/* func_repeats: the count */
	uint64_t ts;	/* of the record */
	uint64_t begin; /* of an exit; it ends at ts. function: the caller's offset */
	int64_t lost;	/* before it, on its CPU */
};

/* By pid and CPU, function, depth and times in ns. */
#define IN(pid, cpu, func, depth, ts)	      SCENE_ENTRY, pid, cpu, func, depth, ts, 0, 0
#define OUT(pid, cpu, func, depth, begin, ts) SCENE_EXIT, pid, cpu, func, depth, ts, begin, 0
#define JUMP(pid, cpu, func, sp, ts)	      SCENE_TAIL, pid, cpu, func, sp, ts, 0, 0
#define FN(pid, cpu, func, parent, ts)	      TEST_FUNC, pid, cpu, func, 0, ts, parent, 0

static inline void scene_record(const struct scene_step *step, uint8_t data[SCENE_LEN])
{
	const uint64_t base = 0xffffffff81000000;

	memset(data, 0, SCENE_LEN);
	test_common(data, step->id, step->pid);
	store_u64(data + 8, base + step->func, false);
	if (step->id == TEST_FUNC) {
		store_u64(data + 16, base + step->begin + 0x20, false);
		return;
	}
	store_u32(data + 16, (uint32_t)step->depth, false);
	store_u64(data + 24, step->id == SCENE_REPEATS ? base + step->begin : step->begin, false);
	store_u64(data + 32, step->ts, false);
}

/* The item of a step; `data` and `rec` are the caller's, for as long as it is used. */
static inline struct report_item scene_item(const struct event_db *db,
					    const struct scene_step *step, uint8_t data[SCENE_LEN],
					    struct source_record *rec)
{
	scene_record(step, data);
	*rec = (struct source_record){
		.ts = step->ts, .data = data, .len = SCENE_LEN, .cpu = step->cpu};
	return (struct report_item){.event = event_db_by_id(db, step->id),
				    .rec = rec,
				    .pid = step->pid,
				    .lost = step->lost};
}

static inline const char *scene_comm(void *arg, int32_t pid)
{
	(void)arg;
	return pid == 7 || pid == 8 ? "bash" : pid == 9 ? "cc1" : "<...>";
}

#endif
