/* SPDX-License-Identifier: MIT */
/* Dynamic events on a made-up tracefs, which takes every definition unless a hook refuses it. */
#include "base/test.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/mem.h"
#include "kernel/dynamic.h"
#include "kernel/errlog.h"
#include "kernel/fake_test.h"

static struct tracefs *begin(void)
{
	static char symbols[128];
	struct tracefs *fs = fake();

	put("dynamic_events", "");
	put("kprobe_events", "");
	put("uprobe_events", "");
	put("README", "\t  accepts: event-definitions\n\t   Format: e[:[<group>/][<event>]] ...\n");
	put("kallsyms", "ffffffff81000000 T do_sys_openat2\nffffffff81000010 t do_exit\t[mod]\n");
	snprintf(symbols, sizeof(symbols), "%s/kallsyms", root);
	fs->kallsyms = symbols;
	fs->state = fake_state();
	return fs;
}

static int refuse_code; /* of a write to dynamic_events */
static const char *refuse_log;

static int refuse(enum io_op op, const char *path, size_t *len)
{
	(void)path;
	(void)len;
	if (op != IO_WRITE || !refuse_code)
		return 0;
	if (refuse_log)
		put("error_log", refuse_log);
	return refuse_code;
}

/* Create g/e while the kernel refuses it with that code and log; the journal's lines do get in. */
static int create_refused(struct tracefs *fs, enum probe_kind kind, const char *text, int code,
			  const char *log, struct err *err)
{
	struct kernel_journal *journal = fake_journal();
	int r;

	/* The entry is pushed first, by a write of its own: as "more" there is none. */
	refuse_code = code;
	refuse_log = log;
	io_fault_hook = refuse;
	r = kernel_dynamic_create(fs, journal, kind, "g", "e", text, true, err);
	io_fault_hook = NULL;
	kernel_journal_release(journal);
	return r;
}

TEST(made_and_removed_with_the_journal)
{
	struct tracefs *fs = begin();
	struct kernel_journal *journal = fake_journal();
	struct err err = {0};
	long holder, nobody;
	int fd = -1, locked = kernel_dynamic_lock(fs, PROBE_USER, &fd, &err), r, closed;

	r = kernel_dynamic_create(fs, journal, PROBE_USER, "g", "e", "p:g/e /x:0x1", false, &err);
	io_close(fd);
	holder = kernel_journal_holder(fs->state, "-:g/e");
	nobody = kernel_journal_holder(fs->state, "-:g/other");
	CHECK_STR(get("dynamic_events"), "p:g/e /x:0x1");
	closed = kernel_journal_close(journal, &err);
	CHECK_STR(get("dynamic_events"), "p:g/e /x:0x1-:g/e");
	fake_done(fs);
	CHECK_EQ(locked, 0);
	CHECK_EQ(r, 0);
	CHECK_EQ(closed, 0);
	CHECK_EQ(holder, getpid());
	CHECK_EQ(nobody, 0);
}

TEST(kinds_that_a_kernel_lacks)
{
	struct tracefs *fs = begin();
	struct err function = {0}, kernel = {0}, err;
	int fd = -1, event = kernel_dynamic_lock(fs, PROBE_EVENT, &fd, &err), r[2];

	io_close(fd);
	r[0] = kernel_dynamic_lock(fs, PROBE_FUNCTION, &fd, &function);
	fake_remove("kprobe_events");
	r[1] = kernel_dynamic_lock(fs, PROBE_KERNEL, &fd, &kernel);
	fake_done(fs);
	CHECK_EQ(event, 0);
	CHECK_EQ(r[0], -EOPNOTSUPP);
	CHECK(strstr(function.text, "this kernel has no fprobes: "));
	CHECK_EQ(r[1], -EOPNOTSUPP);
	CHECK(strstr(kernel.text, "this kernel has no kprobes: "));
}

TEST(refusals_show_the_kernels_caret)
{
	static const char log[] =
		"[ 1.0] trace_kprobe: error: Invalid probed address or symbol\n"
		"  Command: p:g/e do_sys_opnat2\n                 ^\n"
		"[ 2.0] trace_uprobe: error: Other\n  Command: p:other\n           ^\n";
	struct tracefs *fs = begin();
	struct err symbol = {0}, unknown = {0}, attach = {0}, itself = {0};
	int r[4];

	r[0] = create_refused(fs, PROBE_KERNEL, "p:g/e do_sys_opnat2", -ENOENT, log, &symbol);
	r[1] = create_refused(fs, PROBE_USER, "p:g/e /x:0x1", -EINVAL, log, &unknown);
	r[2] = create_refused(fs, PROBE_EVENT, "e:g/e sched.nothing", -ENODEV, NULL, &attach);
	r[3] = create_refused(fs, PROBE_EVENT, "e:g/e sched/sched_switch f=$x", -ENODEV, NULL,
			      &itself);
	fake_done(fs);
	CHECK_EQ(r[0], -ENOENT);
	CHECK_STR(symbol.text, "the kernel does not accept the probe: Invalid probed address or "
			       "symbol\n  p:g/e do_sys_opnat2\n        ^\n"
			       "did you mean 'do_sys_openat2'?");
	CHECK_EQ(r[1], -EINVAL);
	/* Where the configuration is known, and is that it has none, that is said instead. */
	CHECK(strstr(unknown.text, "p:g/e /x:0x1") || strstr(unknown.text, "has no uprobes"));
	CHECK_EQ(r[2], -ENODEV);
	CHECK(strstr(attach.text, "there is no event sched/nothing"));
	CHECK_EQ(r[3], -ENODEV);
	CHECK(strstr(itself.text, "sched/sched_switch: that event is a probe itself"));
}

TEST(names_that_are_taken)
{
	struct tracefs *fs = begin();
	struct err event = {0}, other = {0}, own = {0};
	struct kernel_journal *journal;
	char pid[40];

	put("dynamic_events", "p:g/longer /x:0x2\np:g/e /x:0x1 a=%di\nr4:h/e /x:0x3\n");
	CHECK_EQ(kernel_dynamic_taken(fs, "sched", "sched_switch", &event), -EEXIST);
	CHECK(strstr(event.text, "sched/sched_switch is an event of the kernel"));
	CHECK_EQ(kernel_dynamic_taken(fs, "g", "e", &other), -EEXIST);
	CHECK(strstr(other.text, "'p:g/e /x:0x1 a=%di', made by another program"));
	journal = fake_journal();
	CHECK_EQ(kernel_journal_push(journal, KERNEL_UNDO_PROBE, root, "dynamic_events", "-:h/e",
				     &own),
		 0);
	CHECK_EQ(kernel_dynamic_taken(fs, "h", "e", &own), -EEXIST);
	snprintf(pid, sizeof(pid), "process id %d: 'r4:h/e /x:0x3'", (int)getpid());
	CHECK(strstr(own.text, pid));
	kernel_journal_release(journal);
	fake_done(fs);
}

/* A journal of another process, which has this line to undo. */
static void put_other_journal(const char *line)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct err err;

		_exit(kernel_journal_push(fake_journal(), KERNEL_UNDO_PROBE, root, "dynamic_events",
					  line, &err) != 0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		abort();
}

TEST(probes_of_other_sondes_are_spared)
{
	struct tracefs *fs = begin();
	struct kernel_journal *journal = fake_journal();
	bool hits[4] = {true, true, true, false};
	struct kernel_events events;
	struct err err;
	size_t nr;

	CHECK_EQ(kernel_events_parse(&events, "g:mine\ng:other\ng:theirs\ng:theirs2\n"), 0);
	put("dynamic_events", "p:g/mine /x:0x1\np:g/theirs /x:0x2 a=%di\nr4:g/other f\n"
			      "p:g/theirs2 f\n");
	put_other_journal("-:g/theirs");
	put_other_journal("-:g/theirs2");
	CHECK_EQ(kernel_journal_push(journal, KERNEL_UNDO_PROBE, root, "dynamic_events", "-:g/mine",
				     &err),
		 0);
	nr = kernel_dynamic_spare(fs, journal, &events, hits);
	kernel_journal_release(journal);
	kernel_events_done(&events);
	fake_done(fs);
	CHECK_EQ(nr, 1);
	CHECK(hits[0] && hits[1] && !hits[2] && !hits[3]);
}

/* Busy as long as it is enabled somewhere; then it says where. */
TEST(a_probe_that_others_use)
{
	struct tracefs *fs = begin();
	struct err busy = {0}, gone = {0};
	int r, absent;

	put("instances/theirs/events/g/e/enable", "1\n");
	put("instances/idle/events/g/e/enable", "0\n");
	refuse_code = -EBUSY;
	refuse_log = NULL;
	io_fault_hook = refuse;
	r = kernel_dynamic_remove(root, "dynamic_events", "-:g/e", &busy);
	refuse_code = -ENOENT;
	absent = kernel_dynamic_remove(root, "dynamic_events", "-:g/e", &gone);
	io_fault_hook = NULL;
	fake_done(fs);
	CHECK_EQ(r, -EBUSY);
	CHECK(strstr(busy.text, "the probe g/e stays for now: it is enabled in theirs; when"));
	CHECK_EQ(absent, 0);
}

TEST(entries_of_the_error_log)
{
	char log[] = "[ 1.0] event filter parse error: error: Field not found\n  Command: a == 1\n"
		     "           ^\nrest";
	char cut[] = "[ 1.0] trace_kprobe: error: X\n  Command: a";
	char empty[] = "";
	char *message, *command;
	int caret;

	CHECK(!kernel_errlog_find(empty, NULL, &message, &command, &caret));
	CHECK(!kernel_errlog_find(cut, NULL, &message, &command, &caret));
	CHECK(kernel_errlog_find(log, NULL, &message, &command, &caret));
	CHECK_STR(message, "Field not found");
	CHECK_STR(command, "a == 1");
	CHECK_EQ(caret, 0);
}

TEST_MAIN()
