/* SPDX-License-Identifier: MIT */
#include "base/test.h"

#include <errno.h>

#include "base/mem.h"
#include "kernel/fake_test.h"
#include "kernel/functions.h"

static const char functions[] = "vfs_read\nvfs_write\next4_read [ext4]\nvfs_read_mod [ext4]\n"
				"schedule\nSchedule_idle\n";

static struct kernel_journal *journal;

static struct tracefs *with_functions(struct kernel_instance *top)
{
	struct tracefs *fs = fake();
	struct err err;

	journal = fake_journal();
	put("available_filter_functions", functions);
	put("set_ftrace_filter", "#### all functions enabled ####\n");
	put("set_ftrace_notrace", "#### no functions disabled ####\n");
	put("set_graph_function", "vfs_write\next4_read [ext4]\n");
	if (kernel_instance_globals(top, fs, journal, &err) < 0)
		__builtin_trap();
	return fs;
}

TEST(expressions_are_matched_here_and_globs_by_the_kernel)
{
	static const char *const patterns[] = {"^vfs_", "sched*", "ule$"};
	struct kernel_instance top;
	struct tracefs *fs = with_functions(&top);
	struct err err;

	CHECK_EQ(kernel_functions_choose(&top, "set_ftrace_filter", patterns, 3, NULL, &err), 0);
	CHECK_STR(get("set_ftrace_filter"),
		  "vfs_read\nvfs_write\nvfs_read_mod\nsched*\nschedule\n");
	CHECK_EQ(kernel_instance_close(&top, &err), 0);
	CHECK_STR(get("set_ftrace_filter"), "");
	CHECK_EQ(kernel_journal_close(journal, &err), 0);
	fake_done(fs);
}

TEST(a_module_is_a_suffix_or_chosen_here)
{
	static const char *const read_all[] = {"*read*"}, *const any_case[] = {"^SCHED"};
	struct kernel_instance top;
	struct tracefs *fs = with_functions(&top);
	struct err err;

	CHECK_EQ(kernel_functions_choose(&top, "set_ftrace_notrace", read_all, 1, "ext4", &err), 0);
	CHECK_STR(get("set_ftrace_notrace"), "*read*:mod:ext4\n");
	CHECK_EQ(kernel_functions_choose(&top, "set_graph_function", read_all, 1, "ext*", &err), 0);
	CHECK_STR(get("set_graph_function"), "ext4_read\nvfs_read_mod\n");
	CHECK_EQ(kernel_functions_choose(&top, "set_ftrace_filter", any_case, 1, NULL, &err), 0);
	CHECK_STR(get("set_ftrace_filter"), "schedule\nSchedule_idle\n");
	CHECK_EQ(kernel_instance_close(&top, &err), 0);
	/* One write a name; the kernel needs nothing between them. */
	CHECK_STR(get("set_graph_function"), "vfs_writeext4_read");
	CHECK_EQ(kernel_journal_close(journal, &err), 0);
	fake_done(fs);
}

TEST(what_names_nothing_is_an_error)
{
	static const char *const nothing[] = {"^nothing$"}, *const bad[] = {"^\\("};
	static const char *const schedule[] = {"^sched"};
	struct kernel_instance top;
	struct tracefs *fs = with_functions(&top);
	struct err err;

	CHECK_EQ(kernel_functions_choose(&top, "set_ftrace_filter", nothing, 1, NULL, &err),
		 -EINVAL);
	CHECK(strstr(err.text, "matches '^nothing$'"));
	CHECK_EQ(kernel_functions_choose(&top, "set_ftrace_filter", schedule, 1, "ext4", &err),
		 -EINVAL);
	CHECK(strstr(err.text, "in the module 'ext4'"));
	CHECK_EQ(kernel_functions_choose(&top, "set_ftrace_filter", bad, 1, NULL, &err), -EINVAL);
	CHECK(strstr(err.text, "is no regular expression"));
	CHECK_EQ(kernel_instance_close(&top, &err), 0);
	CHECK_EQ(kernel_journal_close(journal, &err), 0);
	fake_done(fs);
}

TEST(a_command_is_added_and_taken_back)
{
	struct kernel_instance top;
	struct tracefs *fs = with_functions(&top);
	struct err err;

	put("set_ftrace_filter", "");
	CHECK_EQ(kernel_functions_command(&top, "vfs_read:traceoff:1", &err), 0);
	CHECK_STR(get("set_ftrace_filter"), "vfs_read:traceoff:1\n");
	CHECK_EQ(kernel_instance_close(&top, &err), 0);
	CHECK_STR(get("set_ftrace_filter"), "vfs_read:traceoff:1\n!vfs_read:traceoff:1\n");
	CHECK_EQ(kernel_journal_close(journal, &err), 0);
	fake_done(fs);
}

TEST_MAIN()
