/* SPDX-License-Identifier: MIT */
/*
 * The kernel's filters: what is accepted, what is said of the rest and where, and what matches.
 * tests/vm compares all of it with real kernels.
 */
#include <errno.h>

#include "base/fault.h"
#include "base/test.h"
#include "expr/kfilter_naive_test.h"

static void db_free_p(struct event_db **db)
{
	event_db_free(*db);
}
#define _cleanup_db_ _cleanup_(db_free_p)

/* 'y', 'n', or '!' when the kernel refuses it. */
static char ask_kernel(const struct event *event, const char *text,
		       const struct kfilter_kernel *kernel, unsigned int flags,
		       struct kfilter_error *error)
{
	uint8_t data[NAIVE_LEN];
	struct filter_record record = {.data = data, .len = NAIVE_LEN, .cpu = 2};
	struct kfilter *filter;
	struct err err;
	char answer;

	naive_record(data);
	if (kfilter_new(&filter, event, text, kernel, flags, error, &err) < 0)
		return '!';
	answer = kfilter_test(filter, &record) ? 'y' : 'n';
	kfilter_free(filter);
	return answer;
}

static char ask(const struct event *event, const char *text, const char *release,
		unsigned int flags, struct kfilter_error *error)
{
	struct kfilter_kernel kernel;

	kfilter_kernel_init(&kernel, release, NAIVE_CPUS);
	return ask_kernel(event, text, &kernel, flags, error);
}

struct sample {
	const char *text;
	char honest, strict;
};

static const struct sample samples[] = {
	{"u1 == 200", 'y', 'y'},
	{"u1 != 200", 'n', 'n'},
	{"u1 == 456", 'n', 'y'},
	{"u1 < 300", 'y', 'n'},
	{"s1 == -5", 'y', 'y'},
	{"s1 == 251", 'y', 'y'},
	{"s1 < 0", 'y', 'y'},
	{"s1 < 251", 'y', 'n'},
	{"s1 > -128 && s1 <= 127", 'y', 'y'},
	{"s1 & 1", 'y', 'y'},
	{"s1 & 4", 'n', 'n'},
	{"u2 >= 0x3e8 && u2 <= 01750", 'y', 'y'},
	{"s4 == -2", 'y', 'y'},
	{"s4 == 0xfffffffe", 'y', 'y'},
	{"s4 > 0", 'n', 'n'},
	{"s4 >= -2 && s4 < -1", 'y', 'y'},
	{"u8 == 9223372036854775808", 'y', 'y'},
	{"u8 > 0x7fffffffffffffff", 'y', 'y'},
	{"s8 < -2 && s8 > -9223372036854775808", 'y', 'y'},
	{"s8 & 0x4", 'y', 'y'},
	{"args == 0", 'n', 'n'},
	{"args != 0", 'n', 'n'},
	{"!(args == 0)", 'y', 'y'},
	{"common_pid == 7 && common_type == 900", 'y', 'y'},
	{"CPU == 2 && cpu != 1 && common_cpu < 3", 'y', 'y'},
	{"CPU & 2", 'y', 'n'},
	{"CPU == 4294967298", 'n', 'y'},
	{"name == \"bash\"", 'y', 'y'},
	{"name != 'bash'", 'n', 'n'},
	{"name ~ \"ba*\"", 'y', 'y'},
	{"name ~ \"*sh\"", 'y', 'n'},
	{"name ~ \"**sh\"", 'y', 'y'},
	{"name ~ \"*as*\"", 'y', 'y'},
	{"name ~ \"b?[a-t]h\"", 'y', 'y'},
	{"name ~ \"b?[!a-t]h\"", 'n', 'n'},
	{"name ~ \"!ba*\"", 'n', 'n'},
	{"name ~ \"bash\"", 'y', 'y'},
	{"dyn == \"hello\" && rel == 'world'", 'y', 'y'},
	{"dyn ~ \"*llo\" && rel ~ \"*ld\"", 'y', 'y'},
	{"dyn ~ \"hell\"", 'n', 'n'},
	{"COMM == \"bash\"", 'y', 'y'},
	{"comm ~ \"*sh\"", 'y', 'n'},
	{"text == \"x\"", 'n', 'n'},
	{"text != \"x\"", 'n', 'n'},
	{"text.ustring != \"x\"", 'n', 'n'},
	{"ip.function == do_two", 'y', 'y'},
	{"ip.function == do_one", 'n', 'n'},
	{"ip.function != do_one", 'y', 'y'},
	{"mask == CPUS{1,3}", 'y', 'y'},
	{"mask != CPUS{1}", 'y', 'y'},
	{"mask & CPUS{3-7}", 'y', 'y'},
	{"mask & CPUS{0-7:1/2}", 'n', 'n'},
	{"cpu == CPUS{2}", 'y', 'y'},
	{"cpu & CPUS{1-2}", 'y', 'y'},
	{"cpu == CPUS{1-2}", 'n', 'n'},
	{"cpu != CPUS{1-2}", 'y', 'y'},
	{"u1 & CPUS{1-2}", 'n', 'n'},
	{"u1 != CPUS{1-2}", 'n', 'n'},
	{"cpu & CPUS{2-N}", 'y', 'y'},
	{"cpu & CPUS{all}", 'y', 'y'},
	{"u1 == 1 || u1 == 200 && s4 == -2", 'y', 'y'},
	{"(u1 == 1 || u1 == 200) && s4 == 5", 'n', 'n'},
	{"!(u1 == 1 || !(u1 == 200)) && !!(s4 == -2)", 'y', 'y'},
	{" u1==200 ", 'y', 'y'},
};

TEST(answers)
{
	_cleanup_db_ struct event_db *db = NULL;
	const struct event *event = naive_event(&db);

	CHECK(event);
	for (size_t i = 0; event && i < ARRAY_SIZE(samples); i++) {
		char honest = ask(event, samples[i].text, NULL, 0, NULL);
		char strict = ask(event, samples[i].text, NULL, KFILTER_STRICT, NULL);

		if (honest != samples[i].honest || strict != samples[i].strict)
			printf("# %s: %c %c\n", samples[i].text, honest, strict);
		CHECK_EQ(honest, samples[i].honest);
		CHECK_EQ(strict, samples[i].strict);
	}
}

struct refusal {
	const char *text, *message;
	int code, column;
};

/* Of a program: patterns, as -l takes them. */
TEST(functions_of_programs)
{
	_cleanup_db_ struct event_db *db = NULL;
	const struct event *event = naive_event(&db);
	struct kfilter_kernel kernel;

	CHECK(event);
	kfilter_kernel_init(&kernel, NULL, 0);
	kernel.is_program = true;
	CHECK_EQ(ask_kernel(event, "ip.function == do_two", &kernel, 0, NULL), 'y');
	CHECK_EQ(ask_kernel(event, "ip.function == *_two && u1 == 200", &kernel, 0, NULL), 'y');
	CHECK_EQ(ask_kernel(event, "(ip.function == /^do_(one|three)$/)", &kernel, 0, NULL), 'n');
	CHECK_EQ(ask_kernel(event, "ip.function != do_o*", &kernel, 0, NULL), 'y');
	CHECK_EQ(ask_kernel(event, "ip.function == do_two@libc", &kernel, 0, NULL), 'n');
	CHECK_EQ(ask_kernel(event, "ip.function == nothing", &kernel, 0, NULL), 'n');
	CHECK_EQ(ask_kernel(event, "ip.function == /(/", &kernel, 0, NULL), '!');
	CHECK_EQ(ask_kernel(event, "ip.function == do_two@", &kernel, 0, NULL), '!');
}

static const struct refusal refusals[] = {
	{"u1", "Invalid operator", -EINVAL, 3},
	{"u1 = 1", "Invalid operator", -EINVAL, 4},
	{"u1 !~ 1", "Invalid operator", -EINVAL, 4},
	{"u1 ==", "Invalid value (did you forget quotes)?", -EINVAL, 6},
	{"u1 && 1", "Invalid value (did you forget quotes)?", -EINVAL, 5},
	{"name == bash", "Invalid value (did you forget quotes)?", -EINVAL, 9},
	{"(u1 == 1", "Too many '('", -ENOENT, 0},
	{"u1 == 1 && (s1 == 2", "Too many '('", -ENOENT, 11},
	{"u1 == 1)", "Too few '('", -EPERM, 7},
	{"name == 'x", "Missing matching quote", -ESRCH, 8},
	{"u1 == 1 s1 == 2", "Too many terms in predicate expression", -EPERM, 8},
	{"u1 == 1 & s1", "Too many terms in predicate expression", -EPERM, 8},
	{"u1 == 1 &&", "Meaningless filter expression", -EINVAL, 10},
	{"!", "No filter found", -EINVAL, 1},
	{"()", "Error", -EINVAL, 0},
	{"", "Error", -EINVAL, 0},
	{"  ", "Error", -EINVAL, 0},
	{"== 1", "Error", -EPERM, 0},
	{"u1 == 1 || || s1 == 1", "Error", -EPERM, 0},
	{"bogus == 1", "Field not found", -EINVAL, 6},
	{"name == 5", "Expecting string field", -EINVAL, 9},
	{"u1 == 'x'", "Expecting numeric field", -EINVAL, 7},
	{"name > 'x'", "Illegal operation for field type", -EINVAL, 8},
	{"u1 ~ 5", "Illegal operation for field type", -EINVAL, 6},
	{"u1 == -1", "Illegal integer value", -EINVAL, 7},
	{"u1 == 08", "Illegal integer value", -EINVAL, 7},
	{"s8 == 9223372036854775808", "Illegal integer value", -EINVAL, 7},
	{"u8 == 18446744073709551616", "Illegal integer value", -EINVAL, 7},
	{"u8 == 123456789012345678901234", "Operand too long", -EINVAL, 31},
	{"s4.function == do_one", "Illegal operation for field type", -EINVAL, 16},
	{"ip.function > do_one", "Invalid operator", -EINVAL, 15},
	{"ip.function == nothing", "Function not found", -EINVAL, 23},
	{"(ip.function == do_one)", "Function not found", -EINVAL, 24},
	{"ip.function == 0xzz", "Invalid value (did you forget quotes)?", -EINVAL, 20},
	{"name == CPUS{1}", "Illegal operation for field type", -EINVAL, 9},
	{"mask > CPUS{1}", "Illegal operation for field type", -EINVAL, 8},
	{"mask == CPUS", "Missing '{'", -EINVAL, 14},
	{"mask == CPUS{1", "Missing '}'", -EINVAL, 15},
	{"mask == CPUS{}", "Invalid cpulist", -EINVAL, 14},
	{"mask == CPUS{8}", "Invalid cpulist", -EINVAL, 15},
	{"mask == CPUS{3-1}", "Invalid cpulist", -EINVAL, 17},
};

TEST(refused)
{
	_cleanup_db_ struct event_db *db = NULL;
	const struct event *event = naive_event(&db);

	CHECK(event);
	for (size_t i = 0; event && i < ARRAY_SIZE(refusals); i++) {
		const struct refusal *want = &refusals[i];
		struct kfilter_error error;

		CHECK_EQ(ask(event, want->text, NULL, 0, &error), '!');
		if (!error.message || strcmp(error.message, want->message) != 0 ||
		    error.code != want->code || (int)error.column != want->column)
			printf("# %s: %s %d %zu\n", want->text, error.message, error.code,
			       error.column);
		CHECK_STR(error.message, want->message);
		CHECK_EQ(error.code, want->code);
		CHECK_EQ((int)error.column, want->column);
	}
}

TEST(kernels_differ)
{
	_cleanup_db_ struct event_db *db = NULL;
	const struct event *event = naive_event(&db);

	CHECK(event);
	CHECK_EQ(ask(event, "ip.function == do_two", "6.3.1", 0, NULL), 'y');
	CHECK_EQ(ask(event, "ip.function == do_two", "6.1.0-57-amd64", 0, NULL), '!');
	CHECK_EQ(ask(event, "ip.function == do_two", "Linux host 6.12.1 x86_64", 0, NULL), 'y');
	CHECK_EQ(ask(event, "ip.function == do_two", "Linux host 6.1.192 x86_64", 0, NULL), '!');
	CHECK_EQ(ask(event, "mask & CPUS{1}", "6.6", 0, NULL), 'y');
	CHECK_EQ(ask(event, "mask & CPUS{1}", "6.5.99", 0, NULL), '!');
	CHECK_EQ(ask(event, "stacktrace != 1", "6.12.117", 0, NULL), 'n');
	CHECK_EQ(ask(event, "stacktrace != 1", "6.1.192", 0, NULL), '!');
	CHECK_EQ(ask(event, "rel == 'world'", "5.17", 0, NULL), 'y');
	CHECK_EQ(ask(event, "rel == 'world'", "5.16", 0, NULL), '!');
	CHECK_EQ(ask(event, "text.ustring == 'x'", "not a release", 0, NULL), 'n');
}

/* What is known before any record. */
TEST(constants)
{
	static const struct {
		const char *text;
		char known; /* 'y', 'n', ' ' */
	} texts[] = {
		{"args == 1", 'n'},
		{"!(args == 1)", 'y'},
		{"u1 <= 255", 'y'},
		{"u1 > 255", 'n'},
		{"u1 == 256", 'n'},
		{"u1 == 255", ' '},
		{"u1 > 255 || u2 == 1", ' '},
		{"u1 <= 255 || u2 == 1", 'y'},
		{"s1 >= -128 && s4 < 0", ' '},
	};
	_cleanup_db_ struct event_db *db = NULL;
	const struct event *event = naive_event(&db);
	struct kfilter_kernel kernel;
	struct kfilter *filter = NULL;

	CHECK(event);
	kfilter_kernel_init(&kernel, NULL, NAIVE_CPUS);
	for (size_t i = 0; event && i < ARRAY_SIZE(texts); i++) {
		CHECK_EQ(kfilter_new(&filter, event, texts[i].text, &kernel, 0, NULL, NULL), 0);
		if (kfilter_always(filter) != (texts[i].known == 'y'))
			printf("# %s\n", texts[i].text);
		CHECK_EQ(kfilter_always(filter), texts[i].known == 'y');
		CHECK_EQ(kfilter_never(filter), texts[i].known == 'n');
		kfilter_free(filter);
	}
	CHECK(kfilter_is_removal("0") && kfilter_is_removal(" 0\n") && !kfilter_is_removal("00") &&
	      !kfilter_is_removal("") && !kfilter_is_removal("0 x"));
}

static uint32_t random_next(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525 + 1013904223;
	return (*state >> 8) % below;
}

static void random_filter(uint32_t *state, struct out *out, int depth)
{
	static const char *const fields[] = {"u1", "s1",   "u2",   "s4",	 "u8",
					     "s8", "args", "mask", "common_pid", "CPU"};
	static const char *const strings[] = {"name", "dyn", "rel", "COMM"};
	static const char *const ops[] = {"==", "!=", "<", "<=", ">", ">=", "&"};
	static const char *const numbers[] = {"0",     "1",	"5",	      "127",
					      "200",   "255",	"0x100",      "1000",
					      "32767", "65536", "0x7fffffff", "4294967294"};
	static const char *const globs[] = {"bash",	   "*sh",   "b*",     "*as*",
					    "h?llo",	   "**llo", "[a-m]*", "!*d",
					    "wor[!a-c]*d", "*",	    "1*",     "w\\orld"};
	uint32_t kind = random_next(state, depth > 4 ? 2 : 5);

	if (kind == 0) {
		out_printf(out, "%s %s \"%s\"", strings[random_next(state, 4)],
			   random_next(state, 3) ? "~" : ops[random_next(state, 2)],
			   globs[random_next(state, ARRAY_SIZE(globs))]);
	} else if (kind == 1) {
		out_printf(out, "%s%s%s", fields[random_next(state, ARRAY_SIZE(fields))],
			   ops[random_next(state, ARRAY_SIZE(ops))],
			   numbers[random_next(state, ARRAY_SIZE(numbers))]);
	} else if (kind == 2) {
		out_str(out, random_next(state, 2) ? "!(" : "(");
		random_filter(state, out, depth + 1);
		out_char(out, ')');
	} else {
		random_filter(state, out, depth + 1);
		out_str(out, kind == 3 ? " && " : "||");
		random_filter(state, out, depth + 1);
	}
}

TEST(naive_evaluator)
{
	_cleanup_db_ struct event_db *db = NULL;
	_cleanup_out_ struct out out = {0};
	const struct event *event = naive_event(&db);
	uint8_t data[NAIVE_LEN];
	struct filter_record record = {.data = data, .len = NAIVE_LEN, .comm = "bash"};
	struct kfilter_kernel kernel;
	uint32_t state = 1;

	CHECK(event);
	kfilter_kernel_init(&kernel, NULL, NAIVE_CPUS);
	for (int i = 0; event && i < 20000; i++) {
		struct naive naive = {.event = event, .record = &record};
		struct kfilter *filter = NULL;

		naive_record(data);
		for (size_t at = 8; at < 32; at++)
			data[at] = random_next(&state, 2) ? data[at]
							  : (uint8_t)random_next(&state, 256);
		record.cpu = random_next(&state, 4);
		out_clear(&out);
		random_filter(&state, &out, 0);
		naive.p = out_cstr(&out);
		CHECK_EQ(kfilter_new(&filter, event, naive.p, &kernel, KFILTER_STRICT, NULL, NULL),
			 0);
		if (kfilter_test(filter, &record) != naive_or(&naive))
			printf("# %s\n", out_cstr(&out));
		naive.p = out_cstr(&out);
		CHECK_EQ(kfilter_test(filter, &record), naive_or(&naive));
		kfilter_free(filter);
	}
}

TEST(no_memory)
{
	static const char text[] = "mask & CPUS{1-3} && name ~ '*x*' || !(u1 == 5)";
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = FAULT_MEM};
	_cleanup_db_ struct event_db *db = NULL;
	const struct event *event = naive_event(&db);
	struct kfilter_kernel kernel;

	CHECK(event);
	kfilter_kernel_init(&kernel, NULL, NAIVE_CPUS);
	while (fault_next(&sweep)) {
		struct kfilter *filter = NULL;
		struct kfilter_error error;
		int r = kfilter_new(&filter, event, text, &kernel, 0, &error, NULL);

		CHECK(r == 0 || (r == -ENOMEM && fault_fired()));
		CHECK_EQ(error.code, 0);
		kfilter_free(filter);
	}
}

TEST_MAIN()
