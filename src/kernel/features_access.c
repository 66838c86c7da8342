/* SPDX-License-Identifier: MIT */
/* Who may look at what here: rights, policy, namespaces, and what else is going on. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/mem.h"
#include "base/out.h"
#include "kernel/features_internal.h"

/* PROC_PID_INIT_INO: the number of the pid namespace that the kernel starts with. */
#define FIRST_PID_NS	  "pid:[4026531836]"
#define DEFAULT_BUFFER_KB 1408
#define LIST_BYTES	  (4u << 20)

static void probe_rights(struct probing *p)
{
	if (p->rights.euid != 0 && p->fs)
		probe_limited(p, FEATURE_RIGHTS, FEATURE_FIX_ROOT, FIX_SUDO,
			      "user %u, with what tracefs lets its group do", p->rights.euid);
	else if (p->rights.euid != 0)
		probe_limited(p, FEATURE_RIGHTS, FEATURE_FIX_ROOT, FIX_SUDO,
			      "user %u; tracing needs root", p->rights.euid);
	else if (!p->rights.sys_admin)
		probe_limited(p, FEATURE_RIGHTS, FEATURE_FIX_HOST,
			      "run on the host, or give the container CAP_SYS_ADMIN",
			      "root without CAP_SYS_ADMIN (a container)");
	else
		probe_ok(p, FEATURE_RIGHTS, "root with CAP_SYS_ADMIN");
}

/* Files whose opening for reading has no effect, and that some policy may keep shut. */
static const char *const policy_files[] = {
	"available_events",
	"available_tracers",
	"current_tracer",
	"set_event",
	"set_event_pid",
	"trace_clock",
	"trace_options",
	"tracing_on",
	"buffer_size_kb",
	"saved_cmdlines",
	"printk_formats",
	"error_log",
	"dynamic_events",
	"kprobe_events",
	"kprobe_profile",
	"uprobe_events",
	"uprobe_profile",
	"synthetic_events",
	"user_events_status",
	"available_filter_functions",
	"available_filter_functions_addrs",
	"enabled_functions",
	"touched_functions",
	"set_ftrace_filter",
	"set_ftrace_notrace",
	"set_ftrace_pid",
	"set_ftrace_notrace_pid",
	"set_graph_function",
	"set_graph_notrace",
	"max_graph_depth",
	"function_profile_enabled",
	"stack_trace",
	"stack_trace_filter",
	"snapshot",
};

static void probe_policy(struct probing *p)
{
	_cleanup_out_ struct out names = {0};
	const char *lockdown = p->rights.lockdown[0] ? p->rights.lockdown : "not visible";
	unsigned int there = 0, shut = 0;
	struct feature *f;
	int code = 0;

	if (!p->fs) {
		probe_unknown(p, FEATURE_POLICY, "not tried: tracefs cannot be used");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(policy_files); i++) {
		int r = probe_open(p->fs->path, policy_files[i], O_RDONLY);

		there += r != -ENOENT;
		if (r != -EPERM && r != -EACCES)
			continue;
		code = r;
		out_printf(&names, "%s%s", shut++ ? " " : "", policy_files[i]);
	}
	if (!shut) {
		probe_ok(p, FEATURE_POLICY, "all %u can be opened%s%s", there,
			 p->rights.lockdown[0] ? "; lockdown: " : "", p->rights.lockdown);
		return;
	}
	/* For the cause and the remedy; the reason here is the list itself. */
	probe_refused(p, FEATURE_POLICY, code, "files");
	f = &p->features->list[FEATURE_POLICY];
	f->state = shut < there ? FEATURE_LIMITED : FEATURE_REFUSED;
	f->cause = FEATURE_CAUSE_OTHER;
	snprintf(f->reason, sizeof(f->reason), "%u of %u are refused (%s%s): %s", shut, there,
		 code == -EPERM ? "EPERM; lockdown: " : "EACCES", code == -EPERM ? lockdown : "",
		 out_cstr(&names));
}

static void probe_pid_namespace(struct probing *p)
{
	_cleanup_free_ char *path = tracefs_join(p->root, "proc/self/ns/pid");
	char text[64];
	ssize_t n = path ? readlink(path, text, sizeof(text) - 1) : -1;

	if (n < 0) {
		probe_unknown(p, FEATURE_PID_NAMESPACE, "/proc/self/ns/pid cannot be read");
		return;
	}
	text[n] = '\0';
	if (!strcmp(text, FIRST_PID_NS))
		probe_ok(p, FEATURE_PID_NAMESPACE, "the kernel's first one");
	else
		probe_limited(p, FEATURE_PID_NAMESPACE, FEATURE_FIX_HOST,
			      "record on the host, or choose by name: -f 'comm == \"NAME\"'",
			      "one of its own (a container): recorded pids are the host's, and -P "
			      "and -F would name other processes");
}

static unsigned int count_instances(const struct probing *p)
{
	_cleanup_free_ char *path = tracefs_join(p->fs->path, "instances");
	const char *own = p->has_inst ? p->inst.name : "";
	unsigned int nr = 0;
	struct dirent *entry;
	DIR *dir;

	if (!path || io_opendir(path, &dir) < 0)
		return 0;
	while ((entry = readdir(dir)))
		nr += entry->d_name[0] != '.' && strcmp(entry->d_name, own) != 0;
	closedir(dir);
	return nr;
}

static unsigned int count_lines(const char *text)
{
	unsigned int nr = 0;

	for (; *text; text++)
		nr += *text == '\n';
	return nr;
}

static void probe_others(struct probing *p)
{
	_cleanup_free_ char *tracer = NULL, *events = NULL;
	const char *what = "look who is tracing";
	unsigned int nr, nr_events;
	struct err err;

	if (!p->fs ||
	    tracefs_read(p->fs->path, "current_tracer", what, LIST_BYTES, &tracer, NULL, &err) <
		    0 ||
	    tracefs_read(p->fs->path, "set_event", what, LIST_BYTES, &events, NULL, &err) < 0) {
		probe_unknown(p, FEATURE_OTHERS, "not tried: tracefs cannot be used");
		return;
	}
	nr = count_instances(p);
	nr_events = count_lines(events);
	tracer[strcspn(tracer, "\n")] = '\0';
	if (strcmp(tracer, "nop") != 0)
		probe_limited(
			p, FEATURE_OTHERS, FEATURE_FIX_ROOT,
			"wait for its owner, or: echo nop > /sys/kernel/tracing/current_tracer",
			"the top instance runs the tracer '%.40s': tracers that work only "
			"there have to wait",
			tracer);
	else
		probe_ok(p, FEATURE_OTHERS,
			 "top instance: no tracer, %u events; %u other instance%s", nr_events, nr,
			 nr == 1 ? "" : "s");
}

static void probe_perf(struct probing *p)
{
	static const char *const allowed[] = {"users: all but raw tracepoints",
					      "users: own programs, with kernel",
					      "users: own programs, without kernel", "root only"};
	_cleanup_free_ char *text = probe_machine_file(p, "/proc/sys/kernel/perf_event_paranoid");
	long level = text ? strtol(text, NULL, 10) : 0;
	const char *who = level < 0 ? "users: all" : allowed[MIN(level, 3)];

	if (!text)
		probe_missing(p, FEATURE_PERF);
	else if (p->rights.euid == 0 || level <= 1)
		probe_ok(p, FEATURE_PERF, "perf_event_paranoid %ld (%s)", level, who);
	else
		probe_limited(p, FEATURE_PERF, FEATURE_FIX_ROOT,
			      "sysctl kernel.perf_event_paranoid=1", "perf_event_paranoid %ld (%s)",
			      level, who);
}

/* Whether the first symbols have addresses: hidden ones are all 0. */
static bool addresses_shown(const struct probing *p, const char *path, bool *ret_there)
{
	_cleanup_close_ int fd = io_open(path, O_RDONLY, 0);
	char text[2048];
	ssize_t n = fd < 0 ? -1 : io_read(fd, text, sizeof(text));

	(void)p;
	*ret_there = n > 0;
	for (ssize_t i = 0, start = 0; i < n; i++) {
		if (text[i] == ' ' && start >= 0)
			start = -1;
		else if (text[i] == '\n')
			start = i;
		else if (start >= 0 && text[i] != '0')
			return true;
	}
	return false;
}

static void probe_addresses(struct probing *p)
{
	_cleanup_free_ char *path = tracefs_join(p->root, "proc/kallsyms");
	_cleanup_free_ char *text = probe_machine_file(p, "/proc/sys/kernel/kptr_restrict");
	long level = text ? strtol(text, NULL, 10) : 0;
	bool there = false, shown = path && addresses_shown(p, path, &there);

	if (!there)
		probe_missing(p, FEATURE_ADDRESSES);
	else if (shown)
		probe_ok(p, FEATURE_ADDRESSES, "in /proc/kallsyms (kptr_restrict %ld)", level);
	else
		probe_limited(p, FEATURE_ADDRESSES, FEATURE_FIX_ROOT,
			      p->rights.euid == 0 ? "sysctl kernel.kptr_restrict=1" : FIX_SUDO,
			      "/proc/kallsyms shows zeros (kptr_restrict %ld)", level);
}

static void probe_memory(struct probing *p)
{
	_cleanup_free_ char *text = probe_machine_file(p, "/proc/meminfo");
	const char *line = text ? strstr(text, "MemAvailable:") : NULL;
	unsigned long long free_kb = 0, all_kb, cpus = p->features->cpus;

	if (!line || sscanf(line, "MemAvailable: %llu kB", &free_kb) != 1) {
		probe_unknown(p, FEATURE_MEMORY, "/proc/meminfo has no MemAvailable");
		return;
	}
	all_kb = cpus * DEFAULT_BUFFER_KB;
	if (free_kb / 2 < all_kb)
		probe_limited(p, FEATURE_MEMORY, FEATURE_FIX_ROOT,
			      "smaller buffers (-b KB), or a machine with more memory",
			      "%llu MiB available, and the usual buffers of %llu CPUs take %llu",
			      free_kb >> 10, cpus, (all_kb + 1023) >> 10);
	else
		probe_ok(p, FEATURE_MEMORY,
			 "%llu MiB available; -b %u, as usual, takes %llu MiB; half of all is -b "
			 "%llu",
			 free_kb >> 10, DEFAULT_BUFFER_KB, (all_kb + 1023) >> 10,
			 free_kb / 2 / cpus);
}

void probe_access(struct probing *p)
{
	probe_rights(p);
	probe_policy(p);
	probe_pid_namespace(p);
	probe_others(p);
	probe_perf(p);
	probe_addresses(p);
	probe_memory(p);
}
