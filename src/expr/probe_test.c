/* SPDX-License-Identifier: MIT */
/* Probe definitions: what they are, what becomes of them, and where a wrong one is wrong. */
#include "base/test.h"

#include <errno.h>

#include "base/mem.h"
#include "expr/probe.h"

static bool is_module(const char *name)
{
	return !strcmp(name, "ext4");
}

TEST(definitions_and_names_of_events)
{
	static const struct {
		const char *text;
		bool is_definition;
	} cases[] = {
		{"p:open do_sys_openat2 file=+0($arg2):ustring", true},
		{"p do_exit", true},
		{"r10:x do_exit", true},
		{"p:/bin/bash:readline", true},
		{"p:libc:malloc", true},
		{"p:./prog:main", true},
		{"e:x sched.sched_switch", true},
		{"f vfs_read%return", true},
		{"t:x sched_switch", true},
		{"p:/bin/bash", true},
		{"p:open ", true},
		{"sched", false},
		{"sched:sched_switch", false},
		{"page_*", false},
		{"e:foo", false},
		{"t:*", false},
		{"p", false},
		{"p:", false},
		{"r10", false},
		{"", false},
		{"xdp:xdp_exception", false},
		{"all", false},
		{"power:cpu idle", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool got = probe_is_definition(cases[i].text);

		if (got != cases[i].is_definition)
			printf("# %s\n", cases[i].text);
		test_failed |= got != cases[i].is_definition;
	}
}

/* What the kernel gets: "-" where it has no name of its own, 0x77 for a function's offset. */
static const char *rewrite(const char *text, struct err *err)
{
	static char line[5000];
	char name[PROBE_NAME_BYTES];
	_cleanup_out_ struct out out = {0};
	struct probe probe;

	if (probe_parse(&probe, text, is_module, err) < 0)
		return "";
	probe_default_event(&probe, name);
	probe_print(&probe, probe.group ? probe.group : probe_default_group(probe.kind),
		    probe.event ? probe.event : name, "/FILE",
		    probe.symbol ? 0x77 + probe.offset : probe.offset, &out);
	snprintf(line, sizeof(line), "%s", out_cstr(&out));
	probe_done(&probe);
	return line;
}

TEST(what_the_kernel_gets)
{
	static const char *const cases[][2] = {
		{"p:open do_sys_openat2 file=+0($arg2):ustring",
		 "p:kprobes/open do_sys_openat2 file=+0($arg2):ustring"},
		{"p  do_exit\t code=%di  ", "p:kprobes/p_do_exit_0 do_exit code=%di"},
		{"r10 do_exit $retval", "r10:kprobes/r_do_exit_0 do_exit $retval"},
		{"p do_exit+0x10", "p:kprobes/p_do_exit_16 do_exit+0x10"},
		{"p do_exit%return", "p:kprobes/r_do_exit_0 do_exit%return"},
		{"p ext4:ext4_foo.isra.0", "p:kprobes/p_ext4_ext4_foo_isra_0_0 "
					   "ext4:ext4_foo.isra.0"},
		{"p:ext4:ext4_foo", "p:kprobes/p_ext4_ext4_foo_0 ext4:ext4_foo"},
		{"p:g/x 0xffffffff81000000", "p:g/x 0xffffffff81000000"},
		{"p:g.x f", "p:g/x f"},
		{"p:my-g/ f", "p:my-g/p_f_0 f"},
		{"p:/bin/bash:readline", "p:uprobes/p_bash_readline /FILE:0x77"},
		{"r:/bin/bash:readline +0($retval):string",
		 "r:uprobes/r_bash_readline /FILE:0x77 +0($retval):string"},
		{"p:bash:readline+0x10", "p:uprobes/p_bash_readline_16 /FILE:0x87"},
		{"p:n /bin/bash:readline", "p:uprobes/n /FILE:0x77"},
		{"p:n libssl.so.3:SSL_read n=%dx", "p:uprobes/n /FILE:0x77 n=%dx"},
		{"p:n /bin/bash:0x1234", "p:uprobes/n /FILE:0x1234"},
		{"p /bin/b-x:4096%return", "p:uprobes/r_b_0x1000 /FILE:0x1000%return"},
		{"p:./a.out:main%return(0x10)", "p:uprobes/r_a_main /FILE:0x77%return(0x10)"},
		{"p:libc:f@@GLIBC_2.3", "p:uprobes/p_libc_f /FILE:0x77"},
		{"e:x syscalls/sys_enter_openat f=$filename:ustring if dfd == 3",
		 "e:eprobes/x syscalls/sys_enter_openat f=$filename:ustring if dfd == 3"},
		{"e sched.sched_switch", "e:eprobes/sched_switch sched.sched_switch"},
		{"f vfs_read $arg*", "f:fprobes/vfs_read__entry vfs_read $arg*"},
		{"f vfs_read%return ret=$retval",
		 "f:fprobes/vfs_read__exit vfs_read%return ret=$retval"},
		{"t sched_switch p=prev->pid t=next->comm:string",
		 "t:tracepoints/sched_switch sched_switch p=prev->pid t=next->comm:string"},
		{"p:x f a=+8(+0(%di)):x64[4] b=-4($stack):b4@2/32 c=@jiffies+4 d=\\\"a:b\" e=\\1 "
		 "g=%si:%pd h=+u0(%si):ustring",
		 "p:kprobes/x f a=+8(+0(%di)):x64[4] b=-4($stack):b4@2/32 c=@jiffies+4 "
		 "d=\\\"a:b\" e=\\1 g=%si:%pd h=+u0(%si):ustring"},
	};
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *got = rewrite(cases[i][0], &err);

		if (strcmp(got, cases[i][1]) != 0)
			printf("# %s\n# is  %s\n# not %s\n# %s\n", cases[i][0], got, cases[i][1],
			       err.text);
		test_failed |= strcmp(got, cases[i][1]) != 0;
	}
}

/* The caret stands below '^' of the second line, where the first one is wrong. */
TEST(where_it_is_wrong)
{
	static const char *const cases[][3] = {
		{"p:1x f", "  ^", "Event name must follow"},
		{"p:/x f", "  ^", "No function or offset behind the file"},
		{"p:g-/x-y f", "     ^", "Event name must follow"},
		{"p:.x f", "  ^", "Group name is not specified"},
		{"p: f", "  ^", "Event name is not specified"},
		{"p10:x f", " ^", "Maxactive is only for function exit"},
		{"r10:x /bin/x:f", " ^", "Maxactive is only for kprobes"},
		{"p:open ", "      ^", "Nothing is probed"},
		{"p:x f%ret", "     ^", "Invalid probed address suffix"},
		{"p:x f+z", "     ^", "Invalid probed address or symbol"},
		{"r:x f+4", "     ^", "Retprobe address must be an function entry"},
		{"p:x /bin/x:", "           ^", "No function or offset behind the file"},
		{"p:x /bin/x:1z", "           ^", "Invalid uprobe offset"},
		{"p:x /bin/x:f+", "            ^", "Invalid uprobe offset"},
		{"p:x /bin/x:f(0x1", "            ^", "Reference counter brace is not closed"},
		{"p:x /bin/x:f(0x1)z", "                 ^", "Reference counter has wrong suffix"},
		{"p:x :f", "    ^", "Failed to find the given file"},
		{"e:x sched", "    ^", "This requires both group and event name"},
		{"e:x a.b if", "          ^", "No filter expression"},
		{"p:x f a=", "        ^", "No argument expression"},
		{"p:x f =%di", "      ^", "Argument name is not specified"},
		{"p:x f 1=%di", "      ^", "Argument name must follow"},
		{"p:x f a=%di a=%si", "            ^", "This argument name is already used"},
		{"p:x f common_pid=%di", "      ^", "This argument name is already used"},
		{"p:x f a=+0(%di", "              ^", "Dereference brace is not closed"},
		{"p:x f a=+(%di)", "         ^", "Invalid dereference offset"},
		{"p:x f a=+8", "        ^", "Dereference needs a brace"},
		{"p:x f a=%di:", "            ^", "Unknown type is specified"},
		{"p:x f a=%di:u8[4", "                ^", "Array is not closed"},
		{"p:x f a=\\\"abc", "             ^", "String is not closed"},
		{"p:x f a=$", "        ^", "Invalid fetch argument"},
		{"p:x f b=+4(%di)) a=%si", "               ^", "Invalid fetch argument"},
		{"p:x /a#b:f", "      ^", "start of a comment"},
		{"p:x f\nq", "     ^", "control character"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = {0};
		const char *got = rewrite(cases[i][0], &err), *caret = strrchr(err.text, '\n');
		bool right = !*got && caret && !strcmp(caret + 3, cases[i][1]) &&
			     strstr(err.text, cases[i][2]);

		if (!right)
			printf("# '%s' is '%s': %s\n", cases[i][0], got, err.text);
		test_failed |= !right;
	}
}

TEST(names_that_are_too_long)
{
	char text[5000] = "p:";
	struct err err = {0};

	memset(text + 2, 'n', 64);
	strcpy(text + 66, " f");
	CHECK_STR(rewrite(text, &err), "");
	CHECK(strstr(err.text, "Event name is too long"));
	memset(text + 2, 'n', 63);
	strcpy(text + 65, " f");
	CHECK(*rewrite(text, &err));
	memset(text + 2, 'f', 4000);
	strcpy(text, "p ");
	text[2] = 'f';
	text[4002] = '\0';
	CHECK_STR(rewrite(text, &err), "");
	CHECK(strstr(err.text, "too long for the kernel"));
	text[3000] = '\0';
	CHECK_EQ(strcspn(rewrite(text, &err), " "), strlen("p:kprobes/") + 63);
}

TEST_MAIN()
