/* SPDX-License-Identifier: MIT */
#include "base/test.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "expr/expr_test_events.h"
#include "expr/sql.h"

struct rig {
	struct event_db *db;
	struct hist_set *set;
	struct sql_texts texts;
	struct err err;
	struct out out;
};

static bool rig_init(struct rig *rig)
{
	struct hist_options options = {.kernel = hist_kernel_from_release("6.12.1"), .nsecs = true};

	*rig = (struct rig){0};
	return test_events(&rig->db) == 0 && hist_set_new(&rig->set, rig->db, &options) == 0;
}

static void rig_done(struct rig *rig)
{
	sql_texts_done(&rig->texts);
	hist_set_free(rig->set);
	event_db_free(rig->db);
	out_done(&rig->out);
}

static bool translate(struct rig *rig, const char *text)
{
	struct sql *sql;
	int r = sql_new(&sql, text, &rig->err);

	if (r < 0)
		return false;
	sql_texts_done(&rig->texts);
	r = sql_translate(sql, rig->set, "wake", &rig->texts, &rig->err);
	sql_free(sql);
	return r == 0;
}

/* The engine takes all of them. */
static bool add(struct rig *rig)
{
	struct sql_texts *texts = &rig->texts;
	int r = texts->synthetic.len
			? hist_set_synthetic(rig->set, out_cstr(&texts->synthetic), &rig->err)
			: 0;

	for (size_t i = 0; i < texts->nr_triggers && r == 0; i++)
		r = hist_set_trigger(rig->set, texts->triggers[i].event,
				     out_cstr(&texts->triggers[i].text), &rig->err);
	if (r == 0 && texts->view.len)
		r = hist_set_trigger(rig->set, hist_set_event(rig->set, "synthetic", "wake"),
				     out_cstr(&texts->view), &rig->err);
	return r == 0;
}

TEST(a_word_begins_it)
{
	CHECK(sql_is("SELECT a FROM b"));
	CHECK(sql_is("  sElEcT\na"));
	CHECK(sql_is("select"));
	CHECK(!sql_is("select.dat"));
	CHECK(!sql_is("selection of"));
	CHECK(!sql_is(""));
}

TEST(histograms)
{
	static const char *const cases[][2] = {
		{"SELECT next_pid FROM sched_switch", "hist:keys=next_pid"},
		{"select CAST(next_pid AS HEX), prev_state from sched.sched_switch",
		 "hist:keys=next_pid.hex,prev_state"},
		{"SELECT cast(common_pid as comm), CAST(s.prev_prio AS _COUNTER_), "
		 "CAST(next_prio AS counter) FROM sched:sched_switch AS s",
		 "hist:keys=common_pid.execname:vals=prev_prio,next_prio"},
		{"SELECT CAST(ip AS SYM-OFFSET) FROM function", "hist:keys=ip.sym-offset"},
		{"SELECT CAST(prev_prio AS buckets=10), CAST(next_prio AS log) FROM sched_switch",
		 "hist:keys=prev_prio.buckets=10,next_prio.log2"},
		{"SELECT STACKTRACE FROM sched_switch", "hist:keys=stacktrace"},
		{"SELECT next_pid FROM sched_switch WHERE next_pid = 3 AND (prev_comm ~ \"a = b*\" "
		 "|| COMM == \"sh\") ",
		 "hist:keys=next_pid if next_pid == 3 && (prev_comm ~ \"a = b*\" || COMM == "
		 "\"sh\")"},
		{"SELECT ip FROM function WHERE function.ip.function == do_one",
		 "hist:keys=ip if ip.function == do_one"},
	};
	struct rig rig;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK(rig_init(&rig));
		CHECK(translate(&rig, cases[i][0]));
		CHECK_STR(out_cstr(&rig.texts.triggers[0].text), cases[i][1]);
		CHECK_EQ(rig.texts.nr_triggers, 1);
		CHECK_EQ(rig.texts.synthetic.len, 0);
		CHECK(add(&rig));
		rig_done(&rig);
	}
}

TEST(two_events)
{
	static const char *const cases[][5] = {
		{"SELECT start.pid, (end.TIMESTAMP_USECS - start.TIMESTAMP_USECS) AS lat FROM "
		 "sched_wakeup AS start JOIN sched_switch AS end ON start.pid = end.next_pid",
		 "wake s32 pid; u64 lat;",
		 "hist:keys=pid:__wake_1=pid:__wake_2=common_timestamp.usecs",
		 "hist:keys=next_pid:__wake_pid=$__wake_1:__wake_lat=common_timestamp.usecs-"
		 "$__wake_2:onmatch(sched.sched_wakeup).trace(wake,$__wake_pid,$__wake_lat)",
		 "hist:keys=pid,lat.log2:sort=pid,lat"},
		{"SELECT TIMESTAMP_DELTA lat, end.next_comm AS comm, (start.prio + end.next_prio) "
		 "sum, "
		 "end.STACKTRACE AS stack FROM sched_wakeup start JOIN sched_switch end "
		 "ON end.next_pid = start.pid, start.prio = sched_switch.next_prio "
		 "WHERE start.prio < 100 && (end.prev_pid != 0 OR end.prev_prio & 0x7) AND "
		 "sched.sched_wakeup.target_cpu = 1",
		 "wake u64 lat; char comm[16]; s32 sum; unsigned long stack[];",
		 "hist:keys=pid,prio:__wake_1=common_timestamp:__wake_2=prio if prio < 100 && "
		 "target_cpu == 1",
		 "hist:keys=next_pid,next_prio:__wake_lat=common_timestamp-$__wake_1:"
		 "__wake_comm=next_comm:__wake_sum=$__wake_2+next_prio:__wake_stack="
		 "common_stacktrace:onmatch(sched.sched_wakeup).trace(wake,$__wake_lat,"
		 "$__wake_comm,$__wake_sum,$__wake_stack) if (prev_pid != 0 || prev_prio & 0x7)",
		 "hist:keys=lat.log2,comm,sum:sort=lat,comm"},
		{"SELECT exe.filename AS file, start.prev_state FROM sched_switch AS start JOIN "
		 "sched_process_exec AS exe ON start.prev_pid = exe.old_pid",
		 "wake char file[]; s64 prev_state;", "hist:keys=prev_pid:__wake_1=prev_state",
		 "hist:keys=old_pid:__wake_file=filename:__wake_prev_state=$__wake_1:"
		 "onmatch(sched.sched_switch).trace(wake,$__wake_file,$__wake_prev_state)",
		 "hist:keys=file,prev_state:sort=file,prev_state"},
	};
	struct rig rig;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK(rig_init(&rig));
		CHECK(translate(&rig, cases[i][0]));
		CHECK_STR(out_cstr(&rig.texts.synthetic), cases[i][1]);
		CHECK_STR(out_cstr(&rig.texts.triggers[0].text), cases[i][2]);
		CHECK_STR(out_cstr(&rig.texts.triggers[1].text), cases[i][3]);
		CHECK_STR(out_cstr(&rig.texts.view), cases[i][4]);
		CHECK(add(&rig));
		rig_done(&rig);
	}
}

TEST(a_join_counts)
{
	struct rig rig;
	uint8_t woken[TEST_WAKEUP_LEN], switched[TEST_SWITCH_LEN];
	struct test_switch s = {"prev", "woken", 5, 7, 120, 120, 0};
	struct hist_record record = {.data = woken, .len = sizeof(woken), .ts = 1000000};
	const struct hist *hist;

	CHECK(rig_init(&rig));
	CHECK(translate(&rig, "SELECT start.pid, TIMESTAMP_DELTA_USECS AS lat FROM sched_wakeup AS "
			      "start JOIN sched_switch AS end ON start.pid = end.next_pid "
			      "WHERE start.pid = 7"));
	CHECK(add(&rig));
	test_wakeup(woken, 1, 7, "woken");
	test_switch(switched, &s);
	record.event = event_db_by_name(rig.db, "sched", "sched_wakeup");
	CHECK(!hist_set_record(rig.set, &record));
	record = (struct hist_record){.event = event_db_by_name(rig.db, "sched", "sched_switch"),
				      .data = switched,
				      .len = sizeof(switched),
				      .ts = 1250000};
	CHECK(!hist_set_record(rig.set, &record));
	hist = hist_set_at(rig.set, hist_set_count(rig.set) - 1);
	CHECK_EQ(hist_totals(hist).hits, 1);
	CHECK(!hist_print_kernel(rig.set, hist_event(hist), &rig.out));
	CHECK(strstr(out_cstr(&rig.out), "{ pid:          7, lat: ~ 2^8  } hitcount:          1"));
	rig_done(&rig);
}

TEST(a_join_needs_both)
{
	struct test_switch s = {"prev", "next", 5, 7, 120, 120, 0};
	uint8_t data[TEST_SWITCH_LEN];
	struct hist_record record = {.data = data, .len = sizeof(data), .ts = 1};
	struct rig rig;

	CHECK(rig_init(&rig));
	CHECK(translate(&rig, "SELECT b.next_pid FROM sched_wakeup AS a JOIN sched_switch AS b ON "
			      "a.pid = b.next_pid"));
	CHECK(add(&rig));
	test_switch(data, &s);
	record.event = event_db_by_name(rig.db, "sched", "sched_switch");
	CHECK(!hist_set_record(rig.set, &record));
	CHECK_EQ(hist_totals(hist_set_at(rig.set, hist_set_count(rig.set) - 1)).hits, 0);
	rig_done(&rig);
}

TEST(names_of_synthetic_events)
{
	static const char *const bad[] = {"", "w", "a b", "a;b", "a,b", "a.b"};
	struct sql_texts texts;
	struct sql *sql;
	struct rig rig;

	CHECK(rig_init(&rig));
	CHECK(!sql_new(&sql, "SELECT next_pid FROM sched_switch", &rig.err));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(sql_translate(sql, rig.set, bad[i], &texts, &rig.err), -EINVAL);
		CHECK(strstr(rig.err.text, "two or more"));
		sql_texts_done(&texts);
	}
	sql_free(sql);
	rig_done(&rig);
}

TEST(commands_for_the_kernel)
{
	struct rig rig;

	CHECK(rig_init(&rig));
	CHECK(translate(&rig, "SELECT end.prev_pid AS p FROM sched_wakeup AS start JOIN "
			      "sched_switch AS end ON start.pid = end.next_pid "
			      "WHERE start.comm == 'it'"));
	sql_texts_print(&rig.texts, &rig.out);
	CHECK_STR(out_cstr(&rig.out),
		  "echo 's:wake s32 p;' >> dynamic_events\n"
		  "echo 'hist:keys=pid:__wake_1=pid if comm == '\\''it'\\''' >> "
		  "events/sched/sched_wakeup/trigger\n"
		  "echo "
		  "'hist:keys=next_pid:__wake_p=prev_pid:__wake_0=$__wake_1:onmatch(sched.sched_"
		  "wakeup)"
		  ".trace(wake,$__wake_p)' >> "
		  "events/sched/sched_switch/trigger\n");
	rig_done(&rig);
}

#define JOINED " FROM sched_wakeup AS a JOIN sched_switch AS b ON a.pid = b.next_pid"

TEST(errors_have_a_caret)
{
	/* The caret stands below what is behind the '^' here. */
	static const char *const cases[][2] = {
		{"SELECT ^", "a field is missing"},
		{"SELECT ^FROM x", "a field is missing"},
		{"SELECT a - b c^", "FROM is missing"},
		{"SELECT next_pid FROM ^", "the name of an event is missing"},
		{"SELECT next_pid FROM ^nope", "no such event"},
		{"SELECT ^nope FROM sched_switch", "no such field"},
		{"SELECT next_pid FROM sched_switch ^;", "JOIN, WHERE or the end"},
		{"SELECT next_pid FROM sched_switch WHERE^", "a comparison of a field is missing"},
		{"SELECT next_pid FROM sched_switch WHERE ^nope = 1", "no such field"},
		{"SELECT CAST ^a FROM b", "'(' is missing"},
		{"SELECT CAST(a AS hex^", "')' is missing"},
		{"SELECT next_pid AS ^x FROM sched_switch", "keep their names"},
		{"SELECT next_pid - ^prev_pid FROM sched_switch", "no arithmetic"},
		{"SELECT CAST(^next_pid AS counter) FROM sched_switch", "needs a key"},
		{"SELECT a.pid FROM sched_wakeup AS a JOIN sched_switch AS b ^", "ON is missing"},
		{"SELECT a.pid AS ^x.y" JOINED, "letters, digits"},
		{"SELECT ^pid" JOINED, "of which event"},
		{"SELECT a.pid, b.next_pid AS ^pid" JOINED, "two fields"},
		{"SELECT ^TIMESTAMP_DELTA" JOINED, "needs a name"},
		{"SELECT CAST(a.pid AS ^hex)" JOINED, "CAST is for histograms"},
		{"SELECT a.pid" JOINED ", a.comm = ^b.prev_state", "different sizes"},
		{"SELECT a.pid" JOINED ", a.prio = ^a.target_cpu", "of the two events"},
		{"SELECT a.pid" JOINED ", ^a.TIMESTAMP = b.next_prio", "no key"},
		{"SELECT a.pid" JOINED " WHERE a.prio < 1 || ^b.next_pid = 3", "of one event"},
	};
	char text[400];
	struct rig rig;

	CHECK(rig_init(&rig));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t at = strcspn(cases[i][0], "^");
		const char *line;

		memcpy(text, cases[i][0], at);
		strcpy(text + at, cases[i][0] + at + 1);
		CHECK(!translate(&rig, text));
		CHECK(strstr(rig.err.text, cases[i][1]));
		line = strrchr(rig.err.text, '\n');
		CHECK(line && (strlen(text) > 70 || strcspn(line + 1, "^") == at + 2));
	}
	rig_done(&rig);
}

TEST_MAIN()
