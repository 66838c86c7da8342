/* SPDX-License-Identifier: MIT */
/* Snapshots, the kernel's and copies, and the stack tracer, on a made-up tracefs. */
#include "base/test.h"

#include <errno.h>

#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "kernel/fake_test.h"
#include "kernel/snapshot.h"
#include "kernel/stacktracer.h"

static struct kernel_targets targets;

/* The instance "one" with text in its buffers. */
static struct tracefs *fake_with_text(void)
{
	struct tracefs *fs = fake();
	struct err err;

	put_instance("instances/one/");
	put("instances/one/trace", "all\n");
	put("instances/one/per_cpu/cpu0/trace", "of 0\n");
	put("instances/one/per_cpu/cpu3/trace", "of 3\n");
	if (kernel_targets_add(&targets, fs, "one", &err) < 0)
		__builtin_trap();
	return fs;
}

static void done(struct tracefs *fs)
{
	kernel_targets_done(&targets);
	fake_done(fs);
}

/* What the snapshot says: its text, or "(none)". */
static const char *snapshot_text(const struct tracefs *fs, int cpu)
{
	static char text[200];
	struct err err;
	ssize_t n;
	int fd, r = kernel_snapshot_open(fs, &targets.list[0], cpu, &fd, &err);

	if (r == -ENODATA)
		return "(none)";
	if (r < 0)
		return "(error)";
	n = io_read(fd, text, sizeof(text) - 1);
	io_close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

TEST(a_copy_is_taken_emptied_and_freed)
{
	struct tracefs *fs = fake_with_text();
	const struct kernel_target *target = &targets.list[0];
	struct err err;

	CHECK(!kernel_snapshot_native(target));
	CHECK_STR(snapshot_text(fs, KERNEL_ALL_CPUS), "(none)");
	CHECK_EQ(kernel_snapshot_take(fs, target, KERNEL_ALL_CPUS, &err), 0);
	CHECK_STR(get("instances/one/tracing_on"), "1\n");
	put("instances/one/trace", "later\n");
	CHECK_STR(snapshot_text(fs, KERNEL_ALL_CPUS), "all\n");
	CHECK_STR(snapshot_text(fs, 0), "of 0\n");
	CHECK_STR(snapshot_text(fs, 3), "of 3\n");
	CHECK_STR(snapshot_text(fs, 2), "(none)");
	CHECK_EQ(kernel_snapshot_reset(fs, target, 3, &err), 0);
	CHECK_STR(snapshot_text(fs, 3), "");
	CHECK_STR(snapshot_text(fs, 0), "of 0\n");
	CHECK_EQ(kernel_snapshot_reset(fs, target, KERNEL_ALL_CPUS, &err), 0);
	CHECK_STR(snapshot_text(fs, KERNEL_ALL_CPUS), "");
	CHECK_EQ(kernel_snapshot_free(fs, target, &err), 0);
	CHECK_STR(snapshot_text(fs, KERNEL_ALL_CPUS), "(none)");
	CHECK_EQ(kernel_snapshot_free(fs, target, &err), 0);
	CHECK_EQ(kernel_snapshot_reset(fs, target, 1, &err), 0);
	done(fs);
}

TEST(stopped_tracing_stays_stopped)
{
	struct tracefs *fs = fake_with_text();
	struct err err;

	put("instances/one/tracing_on", "0\n");
	CHECK_EQ(kernel_snapshot_take(fs, &targets.list[0], 0, &err), 0);
	CHECK_STR(get("instances/one/tracing_on"), "0\n");
	CHECK_STR(snapshot_text(fs, 0), "of 0\n");
	CHECK_STR(snapshot_text(fs, 3), "(none)");
	done(fs);
}

TEST(the_top_one_is_no_instance_of_that_name)
{
	struct tracefs *fs = fake_with_text();
	struct kernel_targets top = {0};
	struct err err;

	put("trace", "top\n");
	put("per_cpu/cpu0/trace", "");
	put("per_cpu/cpu3/trace", "");
	CHECK_EQ(kernel_targets_add(&top, fs, "", &err), 0);
	CHECK_EQ(kernel_snapshot_take(fs, &top.list[0], KERNEL_ALL_CPUS, &err), 0);
	CHECK_STR(snapshot_text(fs, KERNEL_ALL_CPUS), "(none)");
	kernel_targets_done(&targets);
	targets = top;
	CHECK_STR(snapshot_text(fs, KERNEL_ALL_CPUS), "top\n");
	done(fs);
}

TEST(a_copy_of_an_instance_that_is_gone)
{
	static const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	struct tracefs *fs = fake_with_text();
	const struct kernel_target *target = &targets.list[0];
	struct err err;
	char *path;

	CHECK_EQ(kernel_snapshot_take(fs, target, KERNEL_ALL_CPUS, &err), 0);
	path = kernel_snapshot_path(fs, target, KERNEL_ALL_CPUS);
	CHECK(path && utimensat(AT_FDCWD, path, old, 0) == 0);
	mem_free(path);
	CHECK_STR(snapshot_text(fs, KERNEL_ALL_CPUS), "(none)");
	CHECK_STR(snapshot_text(fs, 0), "of 0\n");
	done(fs);
}

/* Whatever fails: tracing is on again, and the snapshot is the old one or the new one. */
TEST(every_failure_of_a_copy)
{
	_cleanup_(fault_done) struct fault_sweep s = {.what = FAULT_IO, .code = -ENOSPC};
	struct tracefs *fs = fake_with_text();

	while (fault_next(&s)) {
		struct err err = {0}, ignored;
		char text[20];
		int r = kernel_snapshot_take(fs, &targets.list[0], KERNEL_ALL_CPUS, &err);

		fault_pause();
		snprintf(text, sizeof(text), "%.19s", snapshot_text(fs, KERNEL_ALL_CPUS));
		CHECK(fault_fired() || r == 0);
		CHECK(r == 0 || err.text[0]);
		CHECK(get("instances/one/tracing_on")[0] == '1');
		CHECK(!strcmp(text, "all\n") || (r < 0 && !strcmp(text, "(none)")));
		CHECK_EQ(kernel_snapshot_free(fs, &targets.list[0], &ignored), 0);
	}
	done(fs);
}

TEST(the_kernels_own_snapshot)
{
	struct tracefs *fs = fake_with_text();
	const struct kernel_target *target = &targets.list[0];
	struct err err;

	put("instances/one/snapshot", "");
	put("instances/one/per_cpu/cpu3/snapshot", "x");
	CHECK(kernel_snapshot_native(target));
	CHECK_EQ(kernel_snapshot_take(fs, target, KERNEL_ALL_CPUS, &err), 0);
	CHECK_EQ(kernel_snapshot_reset(fs, target, KERNEL_ALL_CPUS, &err), 0);
	CHECK_EQ(kernel_snapshot_free(fs, target, &err), 0);
	CHECK_STR(get("instances/one/snapshot"), "120");
	CHECK_EQ(kernel_snapshot_take(fs, target, 3, &err), 0);
	CHECK_STR(snapshot_text(fs, 3), "x1");
	CHECK_EQ(kernel_snapshot_take(fs, target, 9, &err), -ENOENT);
	done(fs);
}

TEST(the_stack_tracer)
{
	struct tracefs *fs = fake();
	const char *usual = kernel_stacktracer_switch;
	char path[200], *text = NULL;
	struct err err = {0};
	bool running = true;

	snprintf(path, sizeof(path), "%s/stack_tracer_enabled", root);
	kernel_stacktracer_switch = path;
	CHECK_EQ(kernel_stacktracer_running(fs, &running, &err), -ENOENT);
	CHECK(strstr(err.text, "CONFIG_STACK_TRACER"));
	CHECK_EQ(kernel_stacktracer_run(fs, true, &err), -ENOENT);
	put("stack_trace", "        Depth\n");
	put("stack_max_size", "");
	CHECK_EQ(kernel_stacktracer_running(fs, &running, &err), -ENOENT);
	CHECK(strstr(err.text, "mount proc"));
	put("stack_tracer_enabled", "0\n");
	CHECK_EQ(kernel_stacktracer_running(fs, &running, &err), 0);
	CHECK(!running);
	CHECK_EQ(kernel_stacktracer_run(fs, true, &err), 0);
	CHECK_STR(get("stack_tracer_enabled"), "1\n");
	CHECK_EQ(kernel_stacktracer_running(fs, &running, &err), 0);
	CHECK(running);
	CHECK_EQ(kernel_stacktracer_reset(fs, &err), 0);
	CHECK_STR(get("stack_max_size"), "0");
	CHECK_EQ(kernel_stacktracer_read(fs, &text, &err), 0);
	CHECK_STR(text, "        Depth\n");
	mem_free(text);
	kernel_stacktracer_switch = usual;
	fake_done(fs);
}

TEST_MAIN()
