/* SPDX-License-Identifier: MIT */
/* The journal: sessions that end well, that are killed anywhere, and that never ran. */
#include "base/test.h"

#include <dirent.h>
#include <errno.h>
#include <sys/wait.h>

#include "base/fault.h"
#include "kernel/borrow.h"
#include "kernel/fake_test.h"
#include "kernel/instance.h"

static char noted[200];

static void note(void *ctx, const struct kernel_left_over *left)
{
	(void)ctx;
	snprintf(noted, sizeof(noted), "%zu entries, %d %s", left->entries, left->result,
		 left->reason);
}

static int recover(bool undo)
{
	struct err err;

	noted[0] = '\0';
	return kernel_journal_recover(fake_state(), undo, note, NULL, &err);
}

static size_t state_files(void)
{
	struct dirent *entry;
	DIR *dir = opendir(fake_state());
	size_t nr = 0;

	while (dir && (entry = readdir(dir)))
		nr += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return nr;
}

static void change(struct kernel_journal *journal)
{
	struct err err;

	CHECK_EQ(kernel_borrow_write(journal, root, "trace_clock", "mono", "test", &err), 0);
	CHECK_EQ(kernel_borrow_write(journal, root, "set_event_pid", "1", "test", &err), 0);
	CHECK_EQ(kernel_borrow_write(journal, root, "trace_clock", "global", "test", &err), 0);
}

static void check_restored(void)
{
	CHECK_STR(get("trace_clock"), "local");
	CHECK_STR(get("set_event_pid"), "17\n");
}

TEST(close_gives_back)
{
	struct tracefs *fs = fake();
	struct kernel_journal *journal = fake_journal();
	struct err err;
	size_t mark;

	change(journal);
	mark = kernel_journal_mark(journal);
	CHECK_EQ(mark, 3);
	CHECK_EQ(kernel_borrow_write(journal, root, "tracing_on", "0", "test", &err), 0);
	kernel_journal_forget(journal, mark);
	CHECK_EQ(recover(true), 0);
	CHECK_EQ(kernel_journal_close(journal, &err), 0);
	check_restored();
	CHECK_STR(get("tracing_on"), "0");
	CHECK_EQ(state_files(), 0);
	fake_done(fs);
}

/* What follows a session that dies: said once without undoing, undone, and then gone. */
TEST(killed_session_is_given_back)
{
	struct tracefs *fs = fake();
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		change(fake_journal());
		put("instances/left/x", "");
		fake_remove("instances/left/x");
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_STR(get("trace_clock"), "global");
	CHECK(kernel_journal_any(fake_state()));
	CHECK_EQ(recover(false), 1);
	CHECK_STR(noted, "3 entries, 0 ");
	CHECK_STR(get("trace_clock"), "global");
	CHECK_EQ(recover(true), 1);
	check_restored();
	CHECK_EQ(recover(true), 0);
	CHECK_EQ(state_files(), 0);
	CHECK(!kernel_journal_any(fake_state()));
	fake_done(fs);
}

/* The file cut at every byte: whole entries are undone, the rest was never changed. */
TEST(journal_cut_anywhere)
{
	struct tracefs *fs = fake();
	char path[300], *text = NULL;
	struct kernel_journal *journal;
	struct err err;
	size_t len = 0;

	snprintf(path, sizeof(path), "%s/start.journal", fake_state());
	CHECK_EQ(kernel_journal_open(&journal, fake_state(), KERNEL_JOURNAL_START, &err), 0);
	change(journal);
	CHECK(kernel_journal_is_kept(journal));
	kernel_journal_release(journal);
	CHECK(kernel_journal_kept_exists(fake_state()));
	CHECK(kernel_journal_kept_uses(fake_state(), root));
	CHECK(!kernel_journal_kept_uses(fake_state(), "/elsewhere"));
	CHECK(kernel_journal_kept_changes(fake_state(), root, "trace_clock"));
	CHECK(!kernel_journal_kept_changes(fake_state(), root, "tracing_on_"));
	CHECK(!kernel_journal_kept_changes(fake_state(), "/elsewhere", "trace_clock"));
	CHECK_EQ(io_read_file(path, 1u << 20, &text, &len), 0);
	for (size_t cut = 0; cut <= len; cut++) {
		struct err reason = {0};
		int r;

		CHECK_EQ(truncate(path, (off_t)cut), 0);
		r = kernel_journal_open(&journal, fake_state(), KERNEL_JOURNAL_START, &reason);
		CHECK_EQ(r, 0);
		CHECK(kernel_journal_mark(journal) <= 3);
		CHECK_EQ(kernel_journal_mark(journal) == 3, cut == len);
		/* What is added behind a torn entry is read again. */
		CHECK_EQ(kernel_journal_push(journal, KERNEL_UNDO_WRITE, root, "a", "b", &err), 0);
		kernel_journal_release(journal);
		r = kernel_journal_open(&journal, fake_state(), KERNEL_JOURNAL_START, &reason);
		CHECK_EQ(r, 0);
		CHECK(kernel_journal_mark(journal) >= 1);
		kernel_journal_release(journal);
		put("state/start.journal", "");
		CHECK_EQ(truncate(path, 0), 0);
		text[len] = '\0';
		put("state/start.journal", text);
	}
	CHECK_EQ(kernel_journal_open(&journal, fake_state(), KERNEL_JOURNAL_START, &err), 0);
	CHECK_EQ(kernel_journal_close(journal, &err), 0);
	check_restored();
	CHECK(!kernel_journal_kept_exists(fake_state()));
	mem_free(text);
	fake_done(fs);
}

/* A write that fails once is tried again; one that always fails stays for the next time. */
TEST(undoing_fails)
{
	struct tracefs *fs = fake();
	struct kernel_journal *journal = fake_journal();
	char path[300];
	struct err err = {0};

	change(journal);
	CHECK_EQ(kernel_journal_push(journal, KERNEL_UNDO_WRITE, root, "instances", "x", &err), 0);
	CHECK(kernel_journal_close(journal, &err) < 0);
	CHECK(strstr(err.text, "cannot put the old setting back"));
	check_restored();
	CHECK_EQ(state_files(), 1);
	snprintf(path, sizeof(path), "%s/instances/keep", root);
	CHECK_EQ(recover(true), 1);
	CHECK(strstr(noted, "1 entries, -"));
	CHECK_EQ(state_files(), 1);
	/* Whatever was in the way has gone. */
	fake_remove("instances");
	CHECK_EQ(recover(true), 1);
	CHECK_STR(noted, "1 entries, 0 ");
	CHECK_EQ(state_files(), 0);
	fake_done(fs);
}

TEST(function_lists_come_back_without_their_comments)
{
	struct tracefs *fs = fake();
	struct kernel_journal *journal = fake_journal();
	struct err err;

	put("set_ftrace_filter", "schedule\next4_sync [ext4]\nvfs_read:traceoff:unlimited\n");
	put("set_ftrace_notrace", "#### no functions disabled ####\n");
	CHECK_EQ(kernel_borrow_write(journal, root, "set_ftrace_filter", "x", "t", &err), 0);
	CHECK_EQ(kernel_borrow_write(journal, root, "set_ftrace_notrace", "x", "t", &err), 0);
	CHECK_EQ(kernel_journal_close(journal, &err), 0);
	/* Plain files take the lines one behind the other. */
	CHECK_STR(get("set_ftrace_filter"), "scheduleext4_sync");
	CHECK_STR(get("set_ftrace_notrace"), "");
	fake_done(fs);
}

TEST(two_sessions_do_not_borrow_the_same)
{
	struct tracefs *fs = fake();
	struct kernel_journal *journal = fake_journal(), *other = fake_journal();
	struct kernel_instance first, second;
	struct err err = {0};

	put_instance("instances/keep/");
	CHECK_EQ(kernel_instance_open(&first, fs, "keep", journal, &err), 0);
	CHECK_EQ(kernel_instance_open(&second, fs, "keep", other, &err), -EBUSY);
	CHECK(strstr(err.text, "another sonde is tracing with keep right now"));
	CHECK_EQ(kernel_instance_open(&second, fs, "", other, &err), 0);
	CHECK_EQ(kernel_instance_close(&second, &err), 0);
	CHECK_EQ(kernel_instance_close(&first, &err), 0);
	CHECK_EQ(kernel_instance_open(&second, fs, "keep", other, &err), 0);
	CHECK_EQ(kernel_instance_close(&second, &err), 0);
	CHECK_EQ(kernel_journal_close(journal, &err), 0);
	CHECK_EQ(kernel_journal_close(other, &err), 0);
	fake_done(fs);
}

static int session(struct err *err)
{
	struct kernel_journal *journal = NULL;
	struct err other;
	int r = kernel_journal_open(&journal, fake_state(), NULL, err), closed;

	if (r == 0)
		r = kernel_borrow_write(journal, root, "trace_clock", "mono", "test", err);
	if (r == 0)
		r = kernel_borrow_write(journal, root, "set_event_pid", "4", "test", err);
	closed = kernel_journal_close(journal, r < 0 ? &other : err);
	return r < 0 ? r : closed;
}

/* Each system call of a session fails once: an error is said, and all is as before. */
TEST(every_system_call_fails_once)
{
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = FAULT_IO, .code = -EIO};
	struct tracefs *fs = fake();

	put("trace_clock", "local");
	while (fault_next(&sweep)) {
		struct err err = {0};
		int r = session(&err);

		CHECK(fault_fired() || r == 0);
		CHECK(r == 0 || err.text[0]);
		fault_pause();
		CHECK(recover(true) >= 0);
		check_restored();
		CHECK_EQ(state_files(), 0);
	}
	fake_done(fs);
}

/* kill -9 before each system call of a session. */
TEST(killed_at_every_system_call)
{
	_cleanup_(fault_done) struct fault_sweep sweep = {.what = FAULT_KILL};
	struct tracefs *fs = fake();

	put("trace_clock", "local");
	while (fault_next(&sweep)) {
		struct err err;
		int status;
		pid_t pid = fork();

		if (pid == 0)
			_exit(session(&err) < 0);
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		fault_pause();
		CHECK(recover(true) >= 0);
		check_restored();
		CHECK_EQ(state_files(), 0);
	}
	CHECK(sweep.k > 20);
	fake_done(fs);
}

TEST_MAIN()
