/* SPDX-License-Identifier: MIT */
/* Which instances are meant, and their control files, on a made-up tracefs. */
#include "base/test.h"

#include <errno.h>

#include "base/mem.h"
#include "kernel/control.h"
#include "kernel/fake_test.h"

static void names_of(const struct kernel_targets *targets, char *ret_text)
{
	ret_text[0] = '\0';
	for (size_t i = 0; i < targets->nr; i++)
		sprintf(ret_text + strlen(ret_text), "[%s]", targets->list[i].name);
}

TEST(targets_are_found_once)
{
	struct tracefs *fs = fake();
	struct kernel_targets targets = {0};
	struct err err = {0};
	char names[200], path[300];
	int r;

	put_instance("instances/b/");
	put_instance("instances/a/");
	put("instances/no-directory", "");
	r = kernel_targets_add(&targets, fs, "", &err);
	r = r ? r : kernel_targets_add(&targets, fs, "b", &err);
	r = r ? r : kernel_targets_add(&targets, fs, "b", &err);
	r = r ? r : kernel_targets_add_all(&targets, fs, &err);
	names_of(&targets, names);
	snprintf(path, sizeof(path), "%s", targets.nr > 1 ? targets.list[1].path : "");
	kernel_targets_done(&targets);
	fake_done(fs);
	CHECK_EQ(r, 0);
	CHECK_STR(names, "[][b][a][keep]");
	CHECK(strstr(path, "/instances/b"));
}

TEST(an_instance_that_is_not_there)
{
	struct tracefs *fs = fake();
	struct kernel_targets targets = {0};
	struct err err = {0}, dots = {0}, none = {0};
	int r, slash, last;

	r = kernel_targets_add(&targets, fs, "kept", &err);
	slash = kernel_targets_add(&targets, fs, "../keep", &dots);
	fake_remove("instances/keep");
	last = kernel_targets_add(&targets, fs, "kept", &none);
	CHECK(!kernel_target_exists(fs, ".."));
	CHECK(kernel_target_exists(fs, ""));
	fake_done(fs);
	CHECK_EQ(targets.nr, 0);
	CHECK_EQ(r, -ENOENT);
	CHECK_STR(err.text, "there is no tracing instance 'kept'; there are: keep");
	CHECK_EQ(slash, -EINVAL);
	CHECK(strstr(dots.text, "cannot be the name"));
	CHECK_EQ(last, -ENOENT);
	CHECK(strstr(none.text, "nor any other"));
}

TEST(switch_and_clear)
{
	struct tracefs *fs = fake();
	struct kernel_targets targets = {0};
	struct err err = {0};
	bool off, on, top, trace;
	int r;

	put_instance("instances/a/");
	put("instances/a/trace", "x");
	r = kernel_targets_add(&targets, fs, "a", &err);
	r = r ? r : kernel_control_switch(&targets.list[0], false, &err);
	off = !strcmp(get("instances/a/tracing_on"), "0");
	r = r ? r : kernel_control_switch(&targets.list[0], true, &err);
	on = !strcmp(get("instances/a/tracing_on"), "1");
	top = !strcmp(get("tracing_on"), "1\n");
	r = r ? r : kernel_control_clear(&targets.list[0], &err);
	trace = !strcmp(get("instances/a/trace"), "");
	kernel_targets_done(&targets);
	fake_done(fs);
	CHECK_EQ(r, 0);
	CHECK(off);
	CHECK(on);
	CHECK(top);
	CHECK(trace);
}

TEST_MAIN()
