/* SPDX-License-Identifier: MIT */
/*
 * Records for the function profile, the call graph, replay, the call chains and the allocations:
 * event, CPU and length, a byte each, and the payload. The first byte chooses the tables.
 */
#include "expr/expr_test_events.h"
#include "report/allocs.h"
#include "report/chains.h"
#include "report/functions.h"
#include "report/graph.h"
#include "report/replay.h"

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_FORMAT(name, id, fields)                                                              \
	"name: " name "\nID: " id "\nformat:\n" TEST_COMMON "\tfield:unsigned long " fields        \
	"\nprint fmt: \"%d\", REC->common_pid\n"
#define FUZZ_SIZES                                                                                 \
	"call_site;\toffset:8;\tsize:8;\tsigned:0;\n"                                              \
	"\tfield:unsigned long ptr;\toffset:16;\tsize:8;\tsigned:0;\n"                             \
	"\tfield:size_t bytes_req;\toffset:24;\tsize:8;\tsigned:0;\n"                              \
	"\tfield:size_t bytes_alloc;\toffset:32;\tsize:8;\tsigned:0;\n"

static const struct test_format formats[] = {
	{"ftrace", FUZZ_FORMAT("funcgraph_entry", "11",
			       "func;\toffset:8;\tsize:8;\tsigned:0;\n"
			       "\tfield:int depth;\toffset:16;\tsize:4;\tsigned:1;\n")},
	{"ftrace", FUZZ_FORMAT("funcgraph_exit", "10",
			       "func;\toffset:8;\tsize:8;\tsigned:0;\n"
			       "\tfield:int depth;\toffset:16;\tsize:4;\tsigned:1;\n"
			       "\tfield:u64 calltime;\toffset:24;\tsize:8;\tsigned:0;\n"
			       "\tfield:u64 rettime;\toffset:32;\tsize:8;\tsigned:0;\n")},
	{"ftrace", FUZZ_FORMAT("func_repeats", "19",
			       "ip;\toffset:8;\tsize:8;\tsigned:0;\n"
			       "\tfield:unsigned long parent_ip;\toffset:16;\tsize:8;\tsigned:0;\n"
			       "\tfield:u16 count;\toffset:24;\tsize:2;\tsigned:0;\n")},
	{"kmem", FUZZ_FORMAT("kmalloc", "30", FUZZ_SIZES)},
	{"kmem", FUZZ_FORMAT("kfree", "34", FUZZ_SIZES)},
};

struct tables {
	struct functions *functions;
	struct chains *chains;
	struct allocs *allocs;
	struct graph *graph;
	struct replay *replay;
	struct out lines;
};

static const char *no_comm(void *arg, int32_t pid)
{
	(void)arg;
	(void)pid;
	return "<...>";
}

/* Nothing is known of later records. */
static bool no_look_ahead(void *arg, const struct source *source, uint32_t cpu,
			  struct report_item *ret_next)
{
	(void)arg;
	(void)source;
	(void)cpu;
	(void)ret_next;
	return false;
}

static int new_replay(struct tables *t, const struct source *source, uint8_t choice)
{
	const struct replay_options options = {
		.format = choice & 4 ? REPORT_JSON : REPORT_TEXT,
		.fields = {REPLAY_CPU, REPLAY_DURATION, REPLAY_TASK, REPLAY_DELTA, REPLAY_MODULE},
		.nr_fields = 5,
		.filter = {.max_depth = choice & 8 ? 3 : 0},
		.min_ns = choice & 16 ? 100 : 0,
		.no_merge = choice & 32,
		.fold = choice & 64,
		.column_view = choice & 128,
		.column_offset = 8,
		.comm = no_comm,
		.look_ahead = no_look_ahead};

	return replay_new(&t->replay, &options, source, 1);
}

static int take_records(struct tables *t, const struct event_db *db, const struct source *source,
			const uint8_t *data, size_t size)
{
	uint64_t ts = 0;
	int r = 0;

	while (size >= 3 && r == 0) {
		const uint32_t len = (uint32_t)MIN((size_t)data[2], size - 3);
		const struct source_record rec = {
			.ts = ts += data[1], .data = data + 3, .len = len, .cpu = data[1] & 3};
		const struct report_item item = {
			.source = source,
			.event = event_db_at(db, data[0] % event_db_count(db)),
			.rec = &rec,
			.pid = data[1] >> 5,
			.lost = data[1] == 0x13 ? SUBBUF_LOST_UNKNOWN : 0};

		r = functions_event(t->functions, &item);
		if (r == 0)
			r = chains_event(t->chains, &item);
		if (r == 0)
			r = allocs_event(t->allocs, item.event, rec.data, len);
		if (r == 0)
			r = graph_event(t->graph, &item);
		if (r == 0)
			r = replay_item(t->replay, &item, &t->lines);
		data += 3 + len;
		size -= 3 + len;
	}
	return r;
}

static void print_tables(struct tables *t, uint8_t choice)
{
	const enum report_format format = choice & 4   ? REPORT_JSON
					  : choice & 8 ? REPORT_CSV
						       : REPORT_TEXT;
	const struct functions_print functions = {
		.format = format, .sort = choice % FUNCTIONS_NAME, .columns = ~0u};
	const struct chains_print chains = {.format = format};
	const struct graph_print graph = {.format = choice & 4 ? REPORT_JSON : REPORT_TEXT,
					  .fields = {GRAPH_TOTAL, GRAPH_CALLS, GRAPH_MODULE},
					  .nr_fields = 3,
					  .sort = choice % GRAPH_NR_KEYS,
					  .comm = no_comm};
	_cleanup_out_ struct out out = {0};

	if (functions_print(t->functions, &functions, &out) == 0 &&
	    chains_print(t->chains, &chains, &out) == 0 &&
	    allocs_print(t->allocs, format, NULL, &out) == 0 &&
	    graph_print(t->graph, &graph, &out) == 0 && replay_end(t->replay, &t->lines) < 0)
		out_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_db *db;
	static struct dat_buffer buffer;
	static struct dat dat = {.nr_cpus = 4, .buffers = &buffer, .nr_buffers = 1};
	struct input input = {.dat = &dat};
	const struct source source = {.input = &input, .usecs = true};
	const struct graph_options graph = {.group = (enum graph_group)(size ? data[0] % 3 : 0)};
	struct tables t = {0};

	if (!db && test_events_with(formats, ARRAY_SIZE(formats), &db) < 0)
		abort();
	input.db = db;
	if (size && functions_new(&t.functions, db, (enum functions_group)(data[0] & 3)) == 0 &&
	    chains_new(&t.chains, db, data[0] & 16) == 0 &&
	    allocs_new(&t.allocs, db, data[0] & 32) == 0 && graph_new(&t.graph, db, &graph) == 0 &&
	    new_replay(&t, &source, data[0]) == 0 &&
	    take_records(&t, db, &source, data + 1, size - 1) == 0)
		print_tables(&t, data[0]);
	functions_free(t.functions);
	chains_free(t.chains);
	allocs_free(t.allocs);
	graph_free(t.graph);
	replay_free(t.replay);
	out_done(&t.lines);
	return 0;
}
