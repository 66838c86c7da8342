/* SPDX-License-Identifier: MIT */
/* The kernel's function profiler on a made-up tracefs; the tables are a 6.1 kernel's. */
#include "kernel/profiler.h"

#include <errno.h>

#include "base/test.h"
#include "kernel/fake_test.h"

static const char table[] =
	"  Function                               Hit    Time            Avg             s^2\n"
	"  --------                               ---    ----            ---             ---\n"
	"  schedule                                 5    198717.5 us     39743.50 us     "
	"1596325731 us \n"
	"  vfs_getattr_nosec                      213    503.575 us      2.364 us        63.280 us "
	"  \n"
	"  schedule_timeout                         1    0.000 us        0.000 us        0.000 us  "
	"  \n";

static bool parse(const char *text, struct kernel_profiler_line *line)
{
	return kernel_profiler_parse(text, strlen(text), line);
}

TEST(lines)
{
	struct kernel_profiler_line line;

	CHECK(parse("  schedule                                 5    198717.5 us     39743.50 us   "
		    "  1596325731 us ",
		    &line));
	CHECK(line.name_len == 8 && !strncmp(line.name, "schedule", 8));
	CHECK_EQ(line.hits, 5);
	CHECK(line.timed);
	CHECK_EQ(line.total_ns, 198717500);
	CHECK_EQ(line.s2_ns2, 1596325731000000);
	CHECK(parse("  vfs_read                                12", &line)); /* without graph */
	CHECK_EQ(line.hits, 12);
	CHECK(!line.timed);
	CHECK(!parse("  Function                               Hit    Time", &line));
	CHECK(!parse("  --------                               ---    ----", &line));
	CHECK(!parse("", &line));
	CHECK(!parse("  name 99999999999999999999999999", &line));
}

struct seen {
	uint64_t lines, hits, total_ns;
	uint32_t last_cpu;
};

static int see(void *arg, const struct kernel_profiler_line *line)
{
	struct seen *seen = arg;

	seen->lines++;
	seen->hits += line->hits;
	seen->total_ns += line->total_ns;
	seen->last_cpu = line->cpu;
	return 0;
}

static struct tracefs *with_profiler(const char *running)
{
	struct tracefs *fs = fake();

	put("function_profile_enabled", running);
	put("set_ftrace_filter", "vfs_open\n");
	put("set_ftrace_notrace", "#### no functions disabled ####\n");
	put("trace_stat/function0", table);
	put("trace_stat/function1", table);
	fs->cpus = 3;
	return fs;
}

TEST(what_it_borrows_is_given_back)
{
	static const char *const functions[] = {"schedule*"};
	const struct kernel_profiler_choice choice = {.functions = functions, .nr_functions = 1};
	struct tracefs *fs = with_profiler("0\n");
	struct kernel_profiler *profiler;
	struct seen seen = {0};
	struct err err = {0};

	CHECK(kernel_profiler_exists(fs));
	CHECK_EQ(kernel_profiler_open(&profiler, fs, &choice, &err), 0);
	CHECK_STR(get("set_ftrace_filter"), "schedule*\n");
	CHECK_STR(get("function_profile_enabled"), "0\n");
	CHECK_EQ(kernel_profiler_start(profiler, &err), 0);
	CHECK_STR(get("function_profile_enabled"), "1");
	CHECK_EQ(kernel_profiler_stop(profiler, &err), 0);
	CHECK_STR(get("function_profile_enabled"), "0");
	CHECK_EQ(kernel_profiler_read(profiler, see, &seen, &err), 0);
	CHECK_EQ(seen.lines, 6);
	CHECK_EQ(seen.hits, 2 * 219);
	CHECK_EQ(seen.total_ns, 2 * (198717500 + 503575));
	CHECK_EQ(seen.last_cpu, 1);
	CHECK_EQ(kernel_profiler_close(profiler, &err), 0);
	CHECK(!strncmp(get("set_ftrace_filter"), "vfs_open", 8));
	CHECK_EQ(get("function_profile_enabled")[0], '0');
	fake_done(fs);
}

TEST(one_for_the_machine)
{
	const struct kernel_profiler_choice choice = {0};
	struct tracefs *fs = with_profiler("1\n");
	struct kernel_profiler *profiler;
	struct err err = {0};

	CHECK_EQ(kernel_profiler_open(&profiler, fs, &choice, &err), -EBUSY);
	CHECK(strstr(err.text, "in use"));
	CHECK_STR(get("set_ftrace_filter"), "vfs_open\n");
	CHECK_STR(get("function_profile_enabled"), "1\n");
	fake_remove("function_profile_enabled");
	CHECK(!kernel_profiler_exists(fs));
	CHECK_EQ(kernel_profiler_open(&profiler, fs, &choice, &err), -ENOENT);
	fake_done(fs);
}

TEST_MAIN()
