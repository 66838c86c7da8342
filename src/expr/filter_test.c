/* SPDX-License-Identifier: MIT */
/*
 * The filter language: what is accepted and how -T shows it (trace-cmd 3.1's answers, except where
 * docs/design/expr.md says otherwise), what matches, and a differential against a naive evaluator.
 */
#include <errno.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/test.h"
#include "expr/expr_test_events.h"
#include "expr/filter.h"

static void db_free_p(struct event_db **db)
{
	event_db_free(*db);
}
static void filter_free_p(struct filter **filter)
{
	filter_free(*filter);
}
#define _cleanup_db_	 _cleanup_(db_free_p)
#define _cleanup_filter_ _cleanup_(filter_free_p)

/* What -T prints for one text, or the first line of the error behind "! ". */
static const char *answer(const struct event_db *db, const char *text, unsigned int flags,
			  struct out *out)
{
	_cleanup_filter_ struct filter *filter = NULL;
	struct err err = {0};

	out_clear(out);
	if (filter_new(&filter, db) < 0)
		return "no memory";
	if (filter_add(filter, text, flags, &err) < 0)
		out_printf(out, "! %.*s", (int)strcspn(err.text, "\n"), err.text);
	else
		filter_print(filter, out);
	return out_cstr(out);
}

struct sample {
	const char *text, *answer;
};

static bool check_answers(const struct sample *samples, size_t nr, unsigned int flags)
{
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};
	bool ok = true;

	if (test_events(&db) < 0)
		return false;
	for (size_t i = 0; i < nr; i++) {
		const char *got = answer(db, samples[i].text, flags, &out);

		if (!strcmp(got, samples[i].answer))
			continue;
		printf("# %s\n#   gives %s\n#   not   %s\n", samples[i].text, got,
		       samples[i].answer);
		ok = false;
	}
	return ok;
}

TEST(accepted)
{
	static const struct sample samples[] = {
		{"sched_switch", " 'sched_switch: TRUE'\n"},
		{"sched/sched_switch", " 'sched_switch: TRUE'\n"},
		{" sched / SCHED_SW.* ", " 'sched_switch: TRUE'\n"},
		{"/sched_switch", " 'sched_switch: TRUE'\n"},
		{"sched", " 'sched_wakeup: TRUE'\n 'sched_switch: TRUE'\n"
			  " 'sched_process_exec: TRUE'\n"},
		{"sched_wakeup,sched_switch:prev_pid==1",
		 " 'sched_switch: prev_pid == 1'\n 'sched_wakeup: FALSE'\n"},
		{".*:COMM==\"x\"", " 'sched_wakeup: COMM == \"x\"'\n"
				   " 'sched_switch: COMM == \"x\"'\n"
				   " 'sched_process_exec: COMM == \"x\"'\n"
				   " 'kernel_stack: COMM == \"x\"'\n"
				   " 'function: COMM == \"x\"'\n"},
		{"sched_switch: bogus == 1 || common_pid == 2",
		 " 'sched_switch: common_pid == 2'\n"},
		{"sched_switch: bogus == 1 && common_pid == 2", " 'sched_switch: FALSE'\n"},
		{"sched_switch: !(bogus == 1)", " 'sched_switch: TRUE'\n"},
		{"sched_switch: !(bogus == 1) && prev_pid > 2", " 'sched_switch: prev_pid > 2'\n"},
		{"sched_switch: bogus =~ \"x\" || prev_pid == 1",
		 " 'sched_switch: prev_pid == 1'\n"},
		{"sched_switch: bogus < \"x\"", " 'sched_switch: FALSE'\n"},
		{"sched_switch: bogus + 1", " 'sched_switch: FALSE'\n"},
		{"sched_switch:prev_pid==012||prev_pid==0x1F||prev_pid==12abc",
		 " 'sched_switch: ((prev_pid == 10) || (prev_pid == 31)) || (prev_pid == 12)'\n"},
		{"sched_switch: prev_pid==1 || prev_pid==2 && prev_pid==3",
		 " 'sched_switch: ((prev_pid == 1) || (prev_pid == 2)) && (prev_pid == 3)'\n"},
		{"sched_switch: prev_pid==1 || (prev_pid==2 && prev_pid==3)",
		 " 'sched_switch: (prev_pid == 1) || ((prev_pid == 2) && (prev_pid == 3))'\n"},
		{"sched_switch: prev_comm =~ \"a.*\" && !(next_pid == 5 || next_prio > 100) ",
		 " 'sched_switch: (prev_comm =~ \"a.*\") && "
		 "(!((next_pid == 5) || (next_prio > 100)))'\n"},
		{"sched_switch: prev_comm !~ 'x[yz]'", " 'sched_switch: prev_comm !~ \"x[yz]\"'\n"},
		{"sched_switch: prev_comm == 'abc'", " 'sched_switch: prev_comm == \"abc\"'\n"},
		{"sched_switch: prev_comm == \"a\" \"b\"",
		 " 'sched_switch: prev_comm == \"ab\"'\n"},
		{"sched_switch: prev_pid == 'x'", " 'sched_switch: prev_pid == 120'\n"},
		{"sched_switch: prev_state & 1", " 'sched_switch: prev_state & 1'\n"},
		{"sched_switch: prev_state ~ 1",
		 " 'sched_switch: prev_state [ERROR IN EXPRESSION TYPE] 1'\n"},
		{"sched_switch: CPU >= 1", " 'sched_switch: CPU >= 1'\n"},
		{"sched_switch: COMM == 1", " 'sched_switch: COMM == 1'\n"},
		{"sched_switch: 5 + 3", " 'sched_switch: 5 + 3'\n"},
		{"sched_switch: prev_comm == \"a,b:c\"",
		 " 'sched_switch: prev_comm == \"a,b:c\"'\n"},
		{"sched_switch: !!prev_pid == 5", " 'sched_switch: !(!(prev_pid == 5))'\n"},
	};

	CHECK(check_answers(samples, ARRAY_SIZE(samples), 0));
	CHECK(check_answers(samples, ARRAY_SIZE(samples), FILTER_COMPAT));
}

TEST(refused)
{
	static const struct sample samples[] = {
		{"", "! '' names no event"},
		{":", "! '' names no event"},
		{"bogus", "! no event or system is called 'bogus'"},
		{"sched_switch,,function", "! '' names no event"},
		{"sched_switch:", "! a condition is missing here"},
		{"sched_switch: prev_pid", "! a condition is missing here"},
		{"sched_switch: prev_pid ==", "! a value is missing here"},
		{"sched_switch: prev_pid == 1 &&", "! a value is missing here"},
		{"sched_switch: && prev_pid == 1", "! '&&' needs a condition before it"},
		{"sched_switch: == 1", "! '==' needs a value before it"},
		{"sched_switch: (prev_state & 1", "! this '(' is not closed"},
		{"sched_switch: prev_pid == 1)", "! ')' without '('"},
		{"sched_switch: ()", "! a condition is missing here"},
		{"sched_switch: prev_pid (", "! '(' cannot stand here"},
		{"sched_switch: prev_pid = 1", "! unknown operator '='"},
		{"sched_switch: prev_pid === 1", "! unknown operator '='"},
		{"sched_switch: prev_pid < \"x\"", "! a string cannot be compared with '<'"},
		{"sched_switch: prev_pid =~ 5", "! '=~' needs a string"},
		{"sched_switch: prev_comm == \"abc", "! this quote is not closed"},
		{"sched_switch: \"x\" == prev_comm", "! the left side of '==' must be a field"},
		{"sched_switch: 5 == prev_pid", "! the left side of '==' must be a field"},
		{"sched_switch: prev_pid == 1 , 2", "! ',' cannot stand here"},
		{"sched_switch: prev_pid == \x01", "! this character cannot stand here"},
		{"sched_switch: prev_pid == (1)", "! '(' cannot stand here"},
		{"sched_switch: prev_pid == 1 && prev_state & 1 == 1",
		 "! '==' needs a value before it"},
	};
	static const struct sample strict[] = {
		{"sched_switch: prev_state + == 1", "! a value is missing here"},
		{"sched_switch: prev_pid == 1 prev_pid == 2", "! an operator is missing here"},
		{"sched_switch: prev_pid == 1 5", "! an operator is missing here"},
		{"sched_switch: prev_pid == -x", "! a number is missing behind '-'"},
	};

	CHECK(check_answers(samples, ARRAY_SIZE(samples) - 1, FILTER_COMPAT));
	CHECK(check_answers(samples, ARRAY_SIZE(samples), 0));
	CHECK(check_answers(strict, ARRAY_SIZE(strict), 0));
}

/* What is wrong with it is told in libc's words. */
TEST(bad_regex)
{
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};

	CHECK(test_events(&db) == 0);
	CHECK(strstr(answer(db, "sched_[", 0, &out), "! 'sched_[' is no regular expression: "));
	CHECK(strstr(answer(db, "sched_switch: prev_pid =~ '['", 0, &out),
		     "! no regular expression: "));
}

/* Where the two readings differ. */
TEST(traps)
{
	static const struct sample meant[] = {
		{"sched_switch: prev_pid == -1", " 'sched_switch: prev_pid == -1'\n"},
		{"sched_switch: prev_pid == next_pid", " 'sched_switch: prev_pid == next_pid'\n"},
		{"sched: prev_pid == next_pid", " 'sched_wakeup: FALSE'\n"
						" 'sched_switch: prev_pid == next_pid'\n"
						" 'sched_process_exec: FALSE'\n"},
	};
	static const struct sample compat[] = {
		{"sched_switch: prev_pid == -1", " 'sched_switch: prev_pid - 1'\n"},
		{"sched_switch: prev_state + == 1", " 'sched_switch: prev_state == 1'\n"},
		{"sched_switch: prev_pid == 1 prev_pid == 2", " 'sched_switch: prev_pid == 2'\n"},
		{"sched_switch: prev_pid == next_pid",
		 "! a field can be compared with a number or a string only"},
	};

	CHECK(check_answers(meant, ARRAY_SIZE(meant), 0));
	CHECK(check_answers(compat, ARRAY_SIZE(compat), FILTER_COMPAT));
}

TEST(error_has_a_caret)
{
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_filter_ struct filter *filter = NULL;
	struct err err = {0};
	char text[600];

	CHECK(test_events(&db) == 0);
	CHECK(filter_new(&filter, db) == 0);
	CHECK_EQ(filter_add(filter, "sched_switch: prev_pid = 1", 0, &err), -EINVAL);
	CHECK_STR(err.text, "unknown operator '='\n  sched_switch: prev_pid = 1\n"
			    "                         ^");
	CHECK_EQ(filter_add(filter, "sched_switch,bogus", 0, &err), -ENOENT);
	CHECK_STR(err.text, "no event or system is called 'bogus'\n  sched_switch,bogus\n"
			    "               ^");

	/* The place is shown, however long the text is. */
	memset(text, ' ', sizeof(text));
	memcpy(text, "sched_switch:", 13);
	memcpy(text + 400, "prev_pid = 1", 12);
	text[sizeof(text) - 1] = '\0';
	CHECK_EQ(filter_add(filter, text, 0, &err), -EINVAL);
	CHECK(strstr(err.text, "prev_pid = 1") && strchr(err.text, '^'));
	CHECK(filter_can_match(filter, event_db_by_id(db, TEST_WAKEUP)));
}

/* --- matching --- */

static const struct test_switch default_switch = {.prev_comm = "bash",
						  .next_comm = "0123456789abcdefgh",
						  .prev_pid = 7,
						  .next_pid = 9,
						  .prev_prio = 120,
						  .next_prio = -1,
						  .prev_state = 0x102};

static int match(const struct event_db *db, const char *text, const struct filter_record *record,
		 uint16_t id)
{
	_cleanup_filter_ struct filter *filter = NULL;
	struct err err = {0};

	if (filter_new(&filter, db) < 0 || filter_add(filter, text, 0, &err) < 0) {
		printf("# %s: %s\n", text, err.text);
		return -1;
	}
	return (int)filter_match(filter, event_db_by_id(db, id), record);
}

struct verdict {
	const char *text;
	bool matches;
};

static bool check_verdicts(const struct event_db *db, const struct verdict *verdicts, size_t nr,
			   const struct filter_record *record, uint16_t id)
{
	bool ok = true;

	for (size_t i = 0; i < nr; i++) {
		int want = verdicts[i].matches ? FILTER_MATCH : FILTER_MISS;
		int got = match(db, verdicts[i].text, record, id);

		if (got == want)
			continue;
		printf("# %s gives %d, not %d\n", verdicts[i].text, got, want);
		ok = false;
	}
	return ok;
}

TEST(numbers_and_strings)
{
	static const struct verdict verdicts[] = {
		{"sched_switch", true},
		{"sched_wakeup", false},
		{"sched_switch: prev_pid == 7", true},
		{"sched_switch: prev_pid != 7", false},
		{"sched_switch: common_pid == 7", true},
		{"sched_switch: prev_state & 2", true},
		{"sched_switch: prev_state & 4", false},
		{"sched_switch: prev_state - 0x102", false},
		{"sched_switch: prev_state / 0", false},
		{"sched_switch: prev_state % 0", false},
		{"sched_switch: prev_state >> 8", true},
		{"sched_switch: prev_state >> 64", true},
		/* comparisons are unsigned, on the sign-extended value */
		{"sched_switch: next_prio > 99", true},
		{"sched_switch: next_prio == -1", true},
		{"sched_switch: next_prio == 0xffffffff", false},
		{"sched_switch: next_prio == 0xffffffffffffffff", true},
		{"sched_switch: prev_pid < next_pid", true},
		{"sched_switch: CPU == 3", true},
		{"sched_switch: CPU == 2", false},
		{"sched_switch: COMM == 'ba'", false},
		{"sched_switch: COMM == 'bash'", true},
		{"sched_switch: COMM =~ '^BA.h$'", true},
		{"sched_switch: prev_comm == 'bash'", true},
		{"sched_switch: prev_comm != 'bash'", false},
		{"sched_switch: prev_comm == 'BASH'", false},
		{"sched_switch: prev_comm =~ 'AS'", true},
		{"sched_switch: prev_comm =~ '^AS'", false},
		{"sched_switch: prev_comm =~ '.*as'", true},
		{"sched_switch: prev_comm =~ 'as$'", false},
		{"sched_switch: prev_comm =~ '^bash$'", true},
		{"sched_switch: prev_comm =~ '^.*$'", true},
		{"sched_switch: prev_comm =~ ''", true},
		{"sched_switch: prev_comm =~ 'b[a-c]s'", true},
		{"sched_switch: prev_comm !~ 'b[a-c]s'", false},
		/* not terminated: all 16 bytes count */
		{"sched_switch: next_comm == '0123456789abcdef'", true},
		{"sched_switch: next_comm =~ 'f$'", true},
		{"sched_switch: prev_pid == '0x7'", true}, /* a number beside a string */
		{"sched_switch: next_prio == '0xffffffffffffffff'", true},
		{"sched_switch: prev_state ~ 1", false},
		{"sched_switch: !(prev_state ~ 1)", false}, /* an error is no match either way */
		{"sched_switch: prev_state ~ 1 || prev_pid == 7", false},
		{"sched_switch: prev_pid == 7 || prev_state ~ 1", true},
		{"sched_switch: prev_pid + 'xy'", false},
		{"sched_switch: prev_comm == 5", false},
		{"sched_switch: !(prev_pid == 7 && next_pid == 8)", true},
		{"sched_switch: !prev_pid == 7 || next_pid == 9", true},
	};
	_cleanup_db_ struct event_db *db = NULL;
	uint8_t data[TEST_SWITCH_LEN];
	struct filter_record record = {.data = data, .len = sizeof(data), .cpu = 3};

	CHECK(test_events(&db) == 0);
	test_switch(data, &default_switch);
	CHECK(check_verdicts(db, verdicts, ARRAY_SIZE(verdicts), &record, TEST_SWITCH));

	record.comm = "other"; /* the reader's name for the task goes first */
	CHECK_EQ(match(db, "sched_switch: COMM == 'other'", &record, TEST_SWITCH), FILTER_MATCH);
	record.comm = NULL;
	store_u32(data + 4, 12345, false);
	CHECK_EQ(match(db, "sched_switch: COMM == '<...>'", &record, TEST_SWITCH), FILTER_MATCH);
	store_u32(data + 4, 0, false);
	CHECK_EQ(match(db, "sched_switch: COMM == '<idle>'", &record, TEST_SWITCH), FILTER_MATCH);
}

TEST(short_record)
{
	_cleanup_db_ struct event_db *db = NULL;
	struct filter_record record = {.data = "\x36\x01", .len = 2};

	CHECK(test_events(&db) == 0);
	CHECK_EQ(match(db, "sched_switch: next_pid == 0", &record, TEST_SWITCH), FILTER_MATCH);
	CHECK_EQ(match(db, "sched_switch: next_comm == ''", &record, TEST_SWITCH), FILTER_MATCH);
	CHECK_EQ(match(db, "sched_process_exec: filename =~ 'x'", &record, TEST_EXEC), FILTER_MISS);
}

TEST(dynamic_strings_and_symbols)
{
	_cleanup_db_ struct event_db *db = NULL;
	uint8_t exec[32] = {0}, func[24] = {0};
	struct filter_record record = {.data = exec, .len = sizeof(exec)};

	CHECK(test_events(&db) == 0);
	test_common(exec, TEST_EXEC, 7);
	store_u32(exec + 8, 20 | 8 << 16, false);
	memcpy(exec + 20, "/bin/ls", 8);
	CHECK_EQ(match(db, "sched_process_exec: filename == '/bin/ls'", &record, TEST_EXEC),
		 FILTER_MATCH);
	CHECK_EQ(match(db, "sched_process_exec: filename =~ 'ls$'", &record, TEST_EXEC),
		 FILTER_MATCH);
	store_u32(exec + 8, 20 | 800 << 16, false); /* longer than the record: what is there */
	CHECK_EQ(match(db, "sched_process_exec: filename =~ '^/bin'", &record, TEST_EXEC),
		 FILTER_MATCH);
	store_u32(exec + 8, 9999, false); /* outside */
	CHECK_EQ(match(db, "sched_process_exec: filename == ''", &record, TEST_EXEC), FILTER_MATCH);

	test_common(func, TEST_FUNC, 7);
	store_u64(func + 8, 0xffffffff81000104, false);
	record.data = func;
	record.len = sizeof(func);
	CHECK_EQ(match(db, "function: ip == 'do_two'", &record, TEST_FUNC), FILTER_MATCH);
	CHECK_EQ(match(db, "function: ip =~ 'do_t'", &record, TEST_FUNC), FILTER_MATCH);
	CHECK_EQ(match(db, "function: ip == 'do_one'", &record, TEST_FUNC), FILTER_MISS);
	CHECK_EQ(match(db, "function: parent_ip == '0x0'", &record, TEST_FUNC), FILTER_MATCH);
}

TEST(several_texts)
{
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_filter_ struct filter *filter = NULL;
	uint8_t data[TEST_SWITCH_LEN];
	struct filter_record record = {.data = data, .len = sizeof(data)};
	const struct event *event, *wakeup, *stack;
	struct err err;

	CHECK(test_events(&db) == 0);
	event = event_db_by_id(db, TEST_SWITCH);
	wakeup = event_db_by_id(db, TEST_WAKEUP);
	stack = event_db_by_id(db, TEST_STACK);
	test_switch(data, &default_switch);
	CHECK(filter_new(&filter, db) == 0);
	CHECK_EQ(filter_match(filter, event, &record), FILTER_NONE);
	CHECK_EQ(filter_match(filter, NULL, &record), FILTER_NONE);

	CHECK(filter_add(filter, "sched_switch: prev_pid == 8", FILTER_NEGATE, &err) == 0);
	CHECK_EQ(filter_match(filter, event, &record), FILTER_NONE);
	CHECK_EQ(filter_match(filter, wakeup, &record), FILTER_NONE);
	CHECK(filter_can_match(filter, event) && filter_can_match(filter, wakeup));

	CHECK(filter_add(filter, "sched_switch: prev_pid == 1", 0, &err) == 0);
	CHECK_EQ(filter_match(filter, event, &record), FILTER_MISS);
	CHECK_EQ(filter_match(filter, NULL, &record), FILTER_MISS);
	CHECK(!filter_can_match(filter, wakeup));
	CHECK(filter_add(filter, "sched_switch: next_pid == 9", 0, &err) == 0);
	CHECK_EQ(filter_match(filter, event, &record), FILTER_MATCH);

	CHECK(filter_add(filter, "sched_switch: prev_prio == 120", FILTER_NEGATE, &err) == 0);
	CHECK_EQ(filter_match(filter, event, &record), FILTER_EXCLUDED);
	CHECK_EQ(filter_match(filter, stack, &record), FILTER_MISS);
	CHECK(filter_add(filter, "kernel_stack", FILTER_NEGATE, &err) == 0);
	CHECK_EQ(filter_match(filter, stack, &record), FILTER_EXCLUDED);
	CHECK(!filter_can_match(filter, stack));
}

TEST(stacks_follow)
{
	_cleanup_db_ struct event_db *db = NULL;
	const struct event *event, *stack;
	bool last = false;

	CHECK(test_events(&db) == 0);
	event = event_db_by_id(db, TEST_SWITCH);
	stack = event_db_by_id(db, TEST_STACK);
	CHECK(!filter_shows(FILTER_MISS, stack, &last, false));
	CHECK(filter_shows(FILTER_MATCH, event, &last, false));
	CHECK(filter_shows(FILTER_MISS, stack, &last, false));
	CHECK(!filter_shows(FILTER_MISS, stack, &last, false)); /* one only */
	CHECK(filter_shows(FILTER_MATCH, event, &last, false));
	CHECK(!filter_shows(FILTER_EXCLUDED, stack, &last, false));
	CHECK(!filter_shows(FILTER_MISS, stack, &last, false));

	CHECK(filter_shows(FILTER_MATCH, event, &last, false));
	CHECK(!filter_shows(FILTER_MISS, event, &last, false));
	CHECK(!filter_shows(FILTER_MISS, stack, &last, false)); /* of the hidden one */
	CHECK(!filter_shows(FILTER_MISS, stack, &last, true));
	CHECK(filter_shows(FILTER_MATCH, event, &last, true));
	CHECK(!filter_shows(FILTER_MISS, event, &last, true));
	CHECK(filter_shows(FILTER_MISS, stack, &last, true)); /* as trace-cmd has it */
	CHECK(filter_shows(FILTER_MISS, stack, &last, true));
	CHECK(!filter_shows(FILTER_EXCLUDED, event, &last, true));
	CHECK(!filter_shows(FILTER_MISS, stack, &last, true));
}

/* --- against a naive evaluator --- */

static uint64_t random_state = 42;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

static const char *const number_fields[] = {"prev_pid",	  "next_pid",	"prev_prio", "next_prio",
					    "prev_state", "common_pid", "bogus"};
static const char *const compares[] = {"==", "!=", "<", ">", "<=", ">="};

/* One condition: its text appended, its truth returned. */
static bool random_condition(const struct event *event, const uint8_t *data, struct out *out)
{
	const char *name = number_fields[random_below(ARRAY_SIZE(number_fields))];
	const struct event_field *field = event_field_find(event, name);
	uint64_t left = field ? event_field_u64(event, field, data, TEST_SWITCH_LEN) : 0;
	uint64_t right = random_below(4) ? left + random_below(3) - 1 : random_below(1000);
	const char *comm = random_below(2) ? "bash" : "make";

	switch (random_below(4)) {
	case 0:
		out_printf(out, "prev_comm == \"%s\"", comm);
		return !strcmp(comm, (const char *)data + 8);
	case 1:
		out_printf(out, "%s & %llu", name, (unsigned long long)right);
		return field && (left & right);
	default:
		break;
	}
	uint32_t op = random_below(ARRAY_SIZE(compares));
	bool truth[] = {left == right, left != right, left<right, left> right, left <= right,
			left >= right};

	out_printf(out, "%s %s %llu", name, compares[op], (unsigned long long)right);
	return field && truth[op];
}

static bool random_chain(const struct event *event, const uint8_t *data, struct out *out,
			 unsigned int depth);

static bool random_term(const struct event *event, const uint8_t *data, struct out *out,
			unsigned int depth)
{
	bool truth;

	switch (depth ? random_below(4) : 0) {
	case 1:
		out_char(out, '(');
		truth = random_chain(event, data, out, depth - 1);
		out_char(out, ')');
		return truth;
	case 2:
		out_lit(out, "!(");
		truth = random_chain(event, data, out, depth - 1);
		out_char(out, ')');
		return !truth;
	case 3:
		out_char(out, '!');
		return !random_condition(event, data, out);
	default:
		return random_condition(event, data, out);
	}
}

static bool random_chain(const struct event *event, const uint8_t *data, struct out *out,
			 unsigned int depth)
{
	bool truth = random_term(event, data, out, depth);

	for (uint32_t nr = random_below(4); nr; nr--) {
		bool is_and = random_below(2), next;

		out_str(out, is_and ? " && " : " || ");
		next = random_term(event, data, out, depth);
		truth = is_and ? truth && next : truth || next;
	}
	return truth;
}

TEST(naive_evaluator)
{
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};
	const struct event *event;
	uint8_t data[TEST_SWITCH_LEN];
	struct filter_record record = {.data = data, .len = sizeof(data)};

	CHECK(test_events(&db) == 0);
	event = event_db_by_id(db, TEST_SWITCH);
	for (int i = 0; i < 20000; i++) {
		struct test_switch s = {.prev_comm = random_below(2) ? "bash" : "make",
					.next_comm = "x",
					.prev_pid = (int32_t)random_below(5),
					.next_pid = (int32_t)random_below(5),
					.prev_prio = (int32_t)random_below(140) - 1,
					.next_prio = -1,
					.prev_state = random_below(16)};
		bool truth;

		test_switch(data, &s);
		out_clear(&out);
		out_lit(&out, "sched_switch: ");
		truth = random_chain(event, data, &out, 3);
		if (match(db, out_cstr(&out), &record, TEST_SWITCH) ==
		    (truth ? FILTER_MATCH : FILTER_MISS))
			continue;
		printf("# %s is not %d\n", out_cstr(&out), truth);
		CHECK(false);
	}
}

/* --- limits and memory --- */

/* Behind `if` stands the kernel's language; more of it is in kfilter_test.c. */
TEST(kernels_language)
{
	static const struct sample samples[] = {
		{"sched_switch if prev_comm ~ \"*sh\" && cpu == 1",
		 " 'sched_switch if prev_comm ~ \"*sh\" && cpu == 1'\n"},
		{"sched_switch\tif\t prev_comm == 'a:b'",
		 " 'sched_switch if prev_comm == 'a:b''\n"},
		{"sched if next_pid == 1 || prev_pid == 2",
		 " 'sched_wakeup: FALSE'\n 'sched_switch if next_pid == 1 || prev_pid == 2'\n"
		 " 'sched_process_exec: FALSE'\n"},
		{"sched_switch if common_flags < 256", " 'sched_switch: TRUE'\n"},
		{"sched_switch if", "! no event or system is called 'sched_switch if'"},
		{"sched_switch if prev_pid", "! Invalid operator"},
		{"sched if bogus == 1", "! Field not found"},
		{"if prev_pid == 1", "! no event or system is called 'if prev_pid == 1'"},
		{"bogus if prev_pid == 1", "! no event or system is called 'bogus '"},
	};
	static const struct sample compat[] = {
		{"sched_switch if prev_pid == 1",
		 "! no event or system is called 'sched_switch if prev_pid == 1'"},
	};

	CHECK(check_answers(samples, ARRAY_SIZE(samples), 0));
	CHECK(check_answers(compat, ARRAY_SIZE(compat), FILTER_COMPAT));
}

TEST(depth_and_size)
{
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};
	_cleanup_out_ struct out got = {0};

	CHECK(test_events(&db) == 0);
	out_lit(&out, "sched_switch:");
	out_fill(&out, '(', 20000);
	CHECK(strstr(answer(db, out_cstr(&out), 0, &got), "nested parentheses"));
	out_clear(&out);
	out_lit(&out, "sched_switch:");
	out_fill(&out, '!', 20000);
	CHECK(strstr(answer(db, out_cstr(&out), 0, &got), "nested '!'"));
	out_clear(&out);
	out_lit(&out, "sched_switch:prev_pid+1");
	for (int i = 0; i < 3000; i++)
		out_lit(&out, "||prev_pid+1");
	CHECK(got.buf && answer(db, out_cstr(&out), 0, &got)[0] == ' ');
	for (int i = 0; i < 6000; i++)
		out_lit(&out, "||prev_pid+1");
	CHECK(strstr(answer(db, out_cstr(&out), 0, &got), "longer than"));
}

TEST(no_memory)
{
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = FAULT_MEM};
	_cleanup_db_ struct event_db *db = NULL;

	CHECK(test_events(&db) == 0);
	while (fault_next(&sweep)) {
		_cleanup_filter_ struct filter *filter = NULL;
		struct err err;
		int r = filter_new(&filter, db);

		if (r == 0)
			r = filter_add(filter, "sched: prev_comm =~ 'x[y]' && !(pid == 1)", 0,
				       &err);
		CHECK(r == 0 || (r == -ENOMEM && fault_fired()));
	}
}

TEST_MAIN()
